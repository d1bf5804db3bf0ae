//! Reliable provisional responses (RFC 3262), as the side that sends them.

use std::collections::VecDeque;
use std::time::Instant;

use crate::message::{Builder, Message, Name};

use super::super::Turn;
use super::super::resend::{Fired, Resend};
use super::Progress;

/// What the caller of an INVITE can do with reliable responses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reliably {
    /// It does not know them.
    Never,
    /// Those with a body go reliably.
    WithBody,
    /// It demands that all of them do.
    Always,
}

impl Reliably {
    pub(super) fn of(invite: &Message) -> Reliably {
        if invite.has_token(Name::Require, "100rel") {
            Reliably::Always
        } else if invite.has_token(Name::Supported, "100rel") {
            Reliably::WithBody
        } else {
            Reliably::Never
        }
    }
}

/// Our reliable provisional responses to one INVITE: at most one is in the air, the next ones wait.
#[derive(Debug)]
pub(super) struct Reliable {
    rseq: u32,
    in_air: Option<InAir>,
    waiting: VecDeque<Progress>,
}

#[derive(Debug)]
struct InAir {
    resend: Resend,
    describes: bool,
}

/// What a PRACK or its absence means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Confirmed {
    /// It matches the response in the air.
    Yes,
    /// It matches nothing: 481.
    Unknown,
}

// A call that reports more than this while the peer confirms nothing has nothing new to say.
const WAITING_MAX: usize = 8;

impl Reliable {
    /// `first` is the number of the first response, below 2^31.
    pub(super) fn new(first: u32) -> Reliable {
        Reliable {
            rseq: first,
            in_air: None,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn is_in_air(&self) -> bool {
        self.in_air.is_some()
    }

    /// True while a session description waits for its PRACK: no 2xx may be sent yet (RFC 3262 section 3).
    pub(super) fn holds_answer_back(&self) -> bool {
        self.in_air.as_ref().is_some_and(|in_air| in_air.describes)
    }

    /// Keeps a response for later; beyond the bound it is dropped.
    pub(super) fn queue(&mut self, progress: Progress) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(progress);
        }
    }

    pub(super) fn next(&mut self) -> Option<Progress> {
        self.waiting.pop_front()
    }

    /// Numbers `response` and starts repeating it.
    pub(super) fn launch(&mut self, now: Instant, response: Builder) -> Message {
        self.rseq = self.rseq.wrapping_add(1).max(1);
        let response = response
            .header(Name::Require, "100rel")
            .header(Name::RSeq, self.rseq)
            .finish();
        let describes = !response.body().is_empty();
        self.in_air = Some(InAir {
            resend: Resend::provisional(now, response.clone()),
            describes,
        });
        response
    }

    /// A PRACK to the INVITE number `cseq`.
    pub(super) fn handle_prack(&mut self, prack: &Message, cseq: u32) -> Confirmed {
        let expected = (self.rseq, cseq, "INVITE");
        let value = prack.text(Name::RAck).unwrap_or_default();
        let mut parts = value.split_ascii_whitespace();
        let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok());
        let (rseq, cseq) = (number(), number());
        let matches = (rseq, cseq, parts.next()) == (Some(expected.0), Some(expected.1), Some(expected.2));
        if matches && self.in_air.take().is_some() {
            Confirmed::Yes
        } else {
            Confirmed::Unknown
        }
    }

    pub(super) fn due_at(&self) -> Option<Instant> {
        self.in_air.as_ref().map(|in_air| in_air.resend.due_at())
    }

    /// The response to repeat now, if any.
    pub(super) fn fire(&mut self, turn: &Turn<'_>) -> (Fired, Option<Message>) {
        let Some(in_air) = &mut self.in_air else {
            return (Fired::NotYet, None);
        };
        match in_air.resend.fire(turn.now) {
            Fired::Again => (Fired::Again, Some(in_air.resend.message.clone())),
            fired @ (Fired::NotYet | Fired::GaveUp) => (fired, None),
        }
    }
}
