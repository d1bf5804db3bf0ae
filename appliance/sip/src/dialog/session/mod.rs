//! One INVITE usage from its first message to its last: incoming or outgoing, then established.

mod command;
mod control;
mod ending;
mod established;
mod forks;
mod incoming;
mod input;
mod outgoing;
mod refer;
mod reliable;
mod reoffer;
mod reoffer_outcome;
mod requests;
mod usage;

use std::time::Instant;

use crate::flow::Flow;
use crate::transaction::{Full, Room};

use super::{Replaces, ReplacesFault, Tag, Turn};
pub use command::{
    Answer, Finality, InDialogRequest, IncomingInvite, Invitation, Progress, Referral, Rejection, TransferProgress,
    Verdict,
};
use established::{Established, Stage};
use incoming::Incoming;
pub(crate) use input::Reply;
use outgoing::Outgoing;
use usage::Usage;

/// Who started a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// The peer.
    Incoming,
    /// We.
    Outgoing,
}

/// Which unanswered calls a Replaces may name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Early {
    /// Those that we started.
    Outgoing,
    /// Those of the peer as well.
    Any,
}

/// How far a session is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionState {
    /// No final response yet.
    Early,
    /// Answered.
    Established,
    /// On its way out.
    Ending,
}

/// What can be seen of a session.
#[derive(Clone, Copy, Debug)]
pub struct SessionView<'a> {
    /// Call-ID.
    pub call_id: &'a str,
    /// Our tag.
    pub local_tag: u64,
    /// The peer's tag; empty while an outgoing call has no early dialog.
    pub remote_tag: &'a str,
    /// The flow of its next request.
    pub flow: Flow,
    /// The peer's Contact; the request URI while an outgoing call has no early dialog.
    pub remote_target: &'a str,
    /// Who started it.
    pub direction: Direction,
    /// How far it is.
    pub state: SessionState,
}

impl SessionView<'_> {
    /// Our tag as it stands in messages.
    pub fn local_tag_text(&self) -> String {
        Tag(self.local_tag).to_string()
    }
}

pub(crate) struct Session {
    pub(crate) tag: Tag,
    direction: Direction,
    phase: Phase,
    /// The entry in the agent's timer queue.
    pub(crate) scheduled: Option<Instant>,
}

enum Phase {
    Incoming(Box<Incoming>),
    Outgoing(Box<Outgoing>),
    Established(Box<Established>),
    Over,
}

impl Session {
    pub(crate) fn incoming(turn: &mut Turn<'_>, invite: IncomingInvite) -> Session {
        let tag = turn.tag;
        let phase = Phase::Incoming(Box::new(Incoming::new(turn, tag, invite)));
        Session {
            tag,
            direction: Direction::Incoming,
            phase,
            scheduled: None,
        }
    }

    pub(crate) fn outgoing(turn: &mut Turn<'_>, invitation: Invitation, place: (&str, Room)) -> Result<Session, Full> {
        let tag = turn.tag;
        let phase = Phase::Outgoing(Box::new(Outgoing::start(turn, invitation, place)?));
        Ok(Session {
            tag,
            direction: Direction::Outgoing,
            phase,
            scheduled: None,
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    fn usage(&self) -> Option<&Usage> {
        match &self.phase {
            Phase::Incoming(incoming) => Some(&incoming.usage),
            Phase::Outgoing(outgoing) => outgoing.forks.last(),
            Phase::Established(established) => Some(&established.usage),
            Phase::Over => None,
        }
    }

    fn usage_mut(&mut self) -> Option<&mut Usage> {
        match &mut self.phase {
            Phase::Incoming(incoming) => Some(&mut incoming.usage),
            Phase::Outgoing(outgoing) => outgoing.forks.last_mut(),
            Phase::Established(established) => Some(&mut established.usage),
            Phase::Over => None,
        }
    }

    /// The dialog with the peer's tag `remote_tag`.
    fn usage_with(&mut self, remote_tag: &str) -> Option<&mut Usage> {
        match &mut self.phase {
            Phase::Incoming(incoming) => Some(&mut incoming.usage),
            Phase::Outgoing(outgoing) => outgoing.forks.find(remote_tag).map(|fork| &mut fork.usage),
            Phase::Established(established) => Some(&mut established.usage),
            Phase::Over => None,
        }
        .filter(|usage| usage.dialog.remote_tag() == remote_tag)
    }

    pub(crate) fn call_id(&self) -> &str {
        match &self.phase {
            Phase::Outgoing(outgoing) => outgoing.call_id(),
            Phase::Incoming(incoming) => incoming.usage.dialog.call_id(),
            Phase::Established(established) => established.usage.dialog.call_id(),
            Phase::Over => "",
        }
    }

    pub(crate) fn view(&self) -> Option<SessionView<'_>> {
        let state = match &self.phase {
            Phase::Incoming(_) | Phase::Outgoing(_) => SessionState::Early,
            Phase::Established(established) => match &established.stage {
                Stage::Open => SessionState::Established,
                Stage::HangingUp { .. } | Stage::Reporting { .. } | Stage::Leaving => SessionState::Ending,
                Stage::Lingering { .. } => return None,
            },
            Phase::Over => return None,
        };
        let (remote_tag, flow, remote_target) = match (&self.phase, self.usage()) {
            (_, Some(usage)) => (
                usage.dialog.remote_tag(),
                usage.dialog.flow(),
                usage.dialog.remote_target(),
            ),
            (Phase::Outgoing(outgoing), None) => ("", outgoing.flow(), outgoing.request_uri()),
            (Phase::Incoming(_) | Phase::Established(_) | Phase::Over, None) => return None,
        };
        let (call_id, local_tag, direction) = (self.call_id(), self.tag.0, self.direction);
        Some(SessionView {
            call_id,
            local_tag,
            remote_tag,
            flow,
            remote_target,
            direction,
            state,
        })
    }

    /// Whether this session, found by our tag, may be replaced (RFC 3891 section 3).
    pub(crate) fn replaceable(&self, replaces: &Replaces, early: Early) -> Result<(), ReplacesFault> {
        let is_its_peer = match &self.phase {
            Phase::Outgoing(outgoing) => outgoing
                .forks
                .iter()
                .any(|usage| usage.dialog.remote_tag() == replaces.from_tag),
            Phase::Incoming(_) | Phase::Established(_) | Phase::Over => self
                .usage()
                .is_some_and(|usage| usage.dialog.remote_tag() == replaces.from_tag),
        };
        if !is_its_peer || self.call_id() != replaces.call_id {
            return Err(ReplacesFault::NotFound);
        }
        match &self.phase {
            Phase::Outgoing(_) => Ok(()),
            Phase::Incoming(_) => match early {
                Early::Any => Ok(()),
                Early::Outgoing => Err(ReplacesFault::NotFound),
            },
            Phase::Established(established) if !established.is_open() => Err(ReplacesFault::Ended),
            Phase::Established(_) if replaces.early_only => Err(ReplacesFault::Answered),
            Phase::Established(_) => Ok(()),
            Phase::Over => Err(ReplacesFault::Ended),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_part_of_a_session_stays_under_a_kilobyte() {
        let bytes = size_of::<Session>() + size_of::<Established>();
        assert!(bytes <= 1_024, "{bytes} bytes");
    }
}
