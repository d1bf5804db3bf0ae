//! The early dialogs of one INVITE of ours (RFC 3261 section 12.1.2): one for each phone that a proxy rings for it.

use std::time::Instant;

use crate::message::{Message, Method, Name};

use super::super::{Purpose, Turn};
use super::usage::Usage;

/// The early dialogs, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Forks {
    list: Vec<Fork>,
    seen: u32,
}

/// An early dialog.
#[derive(Debug)]
pub(super) struct Fork {
    /// 1 for the first.
    pub(super) number: u32,
    pub(super) usage: Usage,
    /// The last reliable response taken.
    rseq: Option<u32>,
}

// The responses of further ones are still reported, but nothing is sent in them.
const FORKS_MAX: usize = 16;

impl Forks {
    /// The last one.
    pub(super) fn last(&self) -> Option<&Usage> {
        self.list.last().map(|fork| &fork.usage)
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut Usage> {
        self.list.last_mut().map(|fork| &mut fork.usage)
    }

    /// The one with the peer's tag `tag`.
    pub(super) fn find(&mut self, tag: &str) -> Option<&mut Fork> {
        self.list.iter_mut().find(|fork| fork.usage.dialog.remote_tag() == tag)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Usage> {
        self.list.iter().map(|fork| &fork.usage)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Usage> {
        self.list.iter_mut().map(|fork| &mut fork.usage)
    }

    /// Keeps one more, unless there are too many.
    pub(super) fn add(&mut self, usage: Usage) {
        if self.list.len() >= FORKS_MAX {
            return;
        }
        self.seen = self.seen.saturating_add(1);
        self.list.push(Fork {
            number: self.seen,
            usage,
            rseq: None,
        });
    }

    /// Takes the one with the peer's tag `tag` out.
    pub(super) fn take(&mut self, tag: &str) -> Option<Usage> {
        let at = self
            .list
            .iter()
            .position(|fork| fork.usage.dialog.remote_tag() == tag)?;
        Some(self.list.swap_remove(at).usage)
    }

    /// Forgets them; the next one is still counted on.
    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    /// Refuses what the peers of all of them still ask.
    pub(super) fn refuse_owed(&mut self, turn: &mut Turn<'_>) {
        self.iter_mut().for_each(|usage| usage.refuse_owed(turn, 487));
    }

    pub(super) fn pump(&mut self, turn: &mut Turn<'_>) {
        self.iter_mut().for_each(|usage| usage.pump(turn));
    }

    pub(super) fn due_at(&self) -> Option<Instant> {
        self.iter().filter_map(Usage::due_at).min()
    }
}

impl Fork {
    /// PRACKs a reliable response; false if it is a repetition or out of order (RFC 3262 section 4).
    pub(super) fn take_reliable(&mut self, turn: &mut Turn<'_>, response: &Message) -> bool {
        let Some(rseq) = response.number(Name::RSeq) else {
            return true;
        };
        if self.rseq.is_some_and(|last| rseq != last.wrapping_add(1)) {
            return false;
        }
        let rack = format_args!("{rseq} {} INVITE", response.cseq()).to_string();
        let prack = self.usage.dialog.request(&Method::Prack).header(Name::RAck, rack);
        // When the table is full the peer repeats its response, and the PRACK goes out then.
        if turn.send(&self.usage.dialog, prack, Purpose::Prack).is_some() {
            self.rseq = Some(rseq);
        }
        true
    }
}
