//! What crossed the wire, what went wrong, and what may cross at all.

use std::time::{Duration, Instant};

use branchline_sip::message::{Message, Method};
use bytes::Bytes;

use super::World;

/// Lines of the trace that are kept.
const TRACE_MAX: usize = 6000;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToBox,
    FromBox,
}

impl World {
    /// The newest lines of the trace, oldest first.
    pub fn trace(&self) -> impl Iterator<Item = &str> {
        self.trace.iter().map(String::as_str)
    }

    /// Notes that something went wrong.
    pub fn fault(&mut self, text: impl Into<String>) {
        let text = format!("at {:.3} s: {}", self.offset.as_secs_f64(), text.into());
        self.note(&format!("FAULT {text}"));
        if self.faults.len() < 32 {
            self.faults.push(text);
        }
    }

    /// No answer without a request, and nothing that cannot be read.
    pub(super) fn check_from_box(&mut self, member: usize, bytes: &Bytes) {
        match Message::parse(bytes.clone()) {
            Ok(message) if !message.is_request() => {
                let branch = message.top_via().branch().unwrap_or_default().to_owned();
                if !self.asked.contains(&(member, branch)) {
                    self.fault(format!(
                        "{message:?} answers no request of {}",
                        self.members[member].name
                    ));
                }
            }
            Ok(_) => {}
            Err(error) => self.fault(format!("the box sent what cannot be read: {error}")),
        }
    }

    pub(super) fn trace_message(&mut self, way: Way, member: Option<usize>, bytes: &Bytes) {
        let end = bytes.iter().position(|byte| *byte == b'\r').unwrap_or(bytes.len());
        let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let name = member.map_or("nobody".to_owned(), |at| self.members[at].name.clone());
        let arrow = match way {
            Way::ToBox => "->",
            Way::FromBox => "<-",
        };
        let message = Message::parse(bytes.clone()).ok();
        if let Some(message) = &message {
            self.note_upkeep(message);
        }
        let call_id = message.map(|message| message.call_id().to_owned()).unwrap_or_default();
        let text = format!("{name:<10} {arrow} {line}  [{}]", call_id.get(..8).unwrap_or(&call_id));
        self.note(&text);
    }

    /// What goes on while nobody calls: telephones and lines register, trunks and the hosted PBX are asked whether they are there.
    fn note_upkeep(&mut self, message: &Message) {
        let now = self.now();
        if message.is_request()
            && matches!(message.method(), Method::Register | Method::Options)
            && let Some(branch) = message.top_via().branch()
        {
            self.upkeep.entry(branch.to_owned()).or_insert(now);
            self.upkeep
                .retain(|_, begun| now.saturating_duration_since(*begun) <= UPKEEP_LASTS);
        }
    }

    /// REGISTER and OPTIONS that began so lately that their transactions may live.
    pub fn upkeep(&self) -> usize {
        let now = self.now();
        let is_late = |begun: &Instant| now.saturating_duration_since(*begun) <= UPKEEP_LASTS;
        self.upkeep.values().filter(|begun| is_late(begun)).count()
    }

    /// Adds a line to the trace.
    pub fn note(&mut self, text: &str) {
        let line = format!("{:>9.3} {text}", self.offset.as_secs_f64());
        for byte in line.bytes() {
            self.trace_hash = (self.trace_hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if self.trace.len() >= TRACE_MAX {
            self.trace.pop_front();
        }
        self.trace.push_back(line);
    }
}

/// An answer for 32 s at most, and as long until it is not repeated any more (RFC 3261 section 17.2.2).
const UPKEEP_LASTS: Duration = Duration::from_secs(64);
