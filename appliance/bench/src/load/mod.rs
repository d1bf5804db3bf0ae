//! The load: the same phones and packets for every server, in this process, on another core, and not counted.

pub(crate) mod calls;
pub(crate) mod flood;
pub(crate) mod register;
pub(crate) mod rtp;
mod text;
pub(crate) mod wire;

/// How a run went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Units that went through.
    pub(crate) done: u64,
    /// Units that did not, or not in time.
    pub(crate) failed: u64,
}

impl Outcome {
    /// A figure over units counts only when the units went through.
    pub(crate) fn check(self, what: &str) -> crate::Done<u64> {
        if self.done == 0 || self.failed * FAILED_SHARE > self.done {
            return Err(format!("{what}: {} of {} failed", self.failed, self.done + self.failed).into());
        }
        Ok(self.done)
    }
}

/// One in so many may fail: the machine may be busy with other things for a moment.
const FAILED_SHARE: u64 = 200;
