//! Requests that wait for an answer, answers that wait for an ACK, and answers kept for those who ask twice.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use branchline_sip::Transport;
use branchline_sip::message::{Message, Method, Name};
use bytes::Bytes;

use super::CallHandle;

/// RFC 3261 section 17.1.1.1.
pub(super) const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// 64 * T1.
pub(super) const GIVE_UP: Duration = Duration::from_secs(32);
/// An INVITE that was heard of waits this long for its end.
const RINGING_MAX: Duration = Duration::from_secs(300);

/// What a request of ours was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Register,
    Invite(CallHandle),
    Reoffer(CallHandle),
    Bye(CallHandle),
    Cancel,
    Refer(CallHandle),
    Other,
}

#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) branch: String,
    pub(super) purpose: Purpose,
    pub(super) request: Message,
    pub(super) provisional: bool,
    pub(super) signed: bool,
    resend: Option<(Instant, Duration)>,
    give_up: Instant,
}

#[derive(Clone, Debug)]
struct Served {
    branch: String,
    method: Method,
    call_id: String,
    cseq: u32,
    response: Bytes,
    status: u16,
    /// A final answer to INVITE over datagrams is sent again until the ACK.
    resend: Option<(Instant, Duration)>,
    acked: bool,
    until: Instant,
}

#[derive(Clone, Debug)]
struct Acked {
    branch: String,
    call_id: String,
    cseq: u32,
    ack: Bytes,
    until: Instant,
}

/// Bound on each list; what is older goes first.
const KEPT_MAX: usize = 128;

/// The transactions of one telephone.
#[derive(Debug, Default)]
pub(super) struct Wire {
    pub(super) out: VecDeque<Bytes>,
    pending: Vec<Pending>,
    served: VecDeque<Served>,
    acks: VecDeque<Acked>,
}

/// What time took away.
#[derive(Debug)]
pub(super) enum Lapsed {
    Request(Pending),
    /// Nobody acknowledged our answer to this INVITE.
    Answer {
        call_id: String,
        status: u16,
    },
}

impl Wire {
    pub(super) fn send(&mut self, now: Instant, transport: Transport, (purpose, request): (Purpose, Message)) {
        let branch = request.top_via().branch().unwrap_or_default().to_owned();
        self.out.push_back(request.bytes().clone());
        let resend = (!transport.reliable()).then_some((now + T1, T1));
        if self.pending.len() >= KEPT_MAX {
            self.pending.remove(0);
        }
        let signed = request.value(Name::Authorization).is_some() || request.value(Name::ProxyAuthorization).is_some();
        self.pending.push(Pending {
            branch,
            purpose,
            provisional: false,
            signed,
            resend,
            give_up: now + GIVE_UP,
            request,
        });
    }

    /// The request that a response answers; a final one takes it out.
    pub(super) fn answered(&mut self, now: Instant, response: &Message) -> Option<Pending> {
        let branch = response.top_via().branch()?.to_owned();
        let at = self
            .pending
            .iter()
            .position(|it| it.branch == branch && it.request.method() == response.method())?;
        if response.status() >= 200 {
            return Some(self.pending.remove(at));
        }
        let pending = &mut self.pending[at];
        let first = !std::mem::replace(&mut pending.provisional, true);
        if first && *pending.request.method() == Method::Invite {
            pending.resend = None;
            pending.give_up = now + RINGING_MAX;
        }
        Some(pending.clone())
    }

    pub(super) fn has_pending(&self, purpose: Purpose) -> bool {
        self.pending.iter().any(|it| it.purpose == purpose)
    }

    pub(super) fn pending_mut(&mut self, purpose: Purpose) -> Option<&mut Pending> {
        self.pending.iter_mut().find(|it| it.purpose == purpose)
    }

    /// After CANCEL, the INVITE waits no longer than 64*T1 for its 487 (RFC 3261 section 9.1).
    pub(super) fn hurry(&mut self, now: Instant, purpose: Purpose) {
        if let Some(pending) = self.pending_mut(purpose) {
            pending.give_up = now + GIVE_UP;
        }
    }

    pub(super) fn acknowledge(&mut self, now: Instant, response: &Message, ack: Bytes) {
        self.out.push_back(ack.clone());
        if self.acks.len() >= KEPT_MAX {
            self.acks.pop_front();
        }
        self.acks.push_back(Acked {
            branch: response.top_via().branch().unwrap_or_default().to_owned(),
            call_id: response.call_id().to_owned(),
            cseq: response.cseq(),
            ack,
            until: now + GIVE_UP,
        });
    }

    /// A final answer to INVITE that came again: the ACK goes again.
    pub(super) fn acknowledged_before(&mut self, response: &Message) -> bool {
        let branch = response.top_via().branch().unwrap_or_default();
        let known = self.acks.iter().find(|it| {
            (it.branch == branch || response.status() < 300)
                && it.call_id == response.call_id()
                && it.cseq == response.cseq()
        });
        let Some(known) = known else { return false };
        self.out.push_back(known.ack.clone());
        true
    }

    /// Sends an answer and keeps it for those who ask again.
    pub(super) fn serve(&mut self, now: Instant, transport: Transport, (request, response): (&Message, &Message)) {
        let branch = request.top_via().branch().unwrap_or_default().to_owned();
        self.out.push_back(response.bytes().clone());
        let is_final_invite = *request.method() == Method::Invite && response.status() >= 200;
        // A 2xx is sent again over any transport (RFC 3261 section 13.3.1.4).
        let resend = (is_final_invite && (!transport.reliable() || response.status() < 300)).then_some((now + T1, T1));
        self.served
            .retain(|it| !(it.branch == branch && it.method == *request.method()));
        if self.served.len() >= KEPT_MAX {
            self.served.pop_front();
        }
        self.served.push_back(Served {
            branch,
            method: request.method().clone(),
            call_id: request.call_id().to_owned(),
            cseq: request.cseq(),
            response: response.bytes().clone(),
            status: response.status(),
            resend,
            acked: !is_final_invite,
            until: now + GIVE_UP,
        });
    }

    /// A request that came before gets its answer of before.
    pub(super) fn served_before(&mut self, request: &Message) -> bool {
        let branch = request.top_via().branch().unwrap_or_default();
        let known = self
            .served
            .iter()
            .find(|it| it.branch == branch && it.method == *request.method());
        let Some(known) = known else { return false };
        self.out.push_back(known.response.clone());
        true
    }

    /// Last answer to the INVITE that a CANCEL means.
    pub(super) fn status_of_invite(&self, branch: &str) -> Option<u16> {
        let known = self
            .served
            .iter()
            .find(|it| it.branch == branch && it.method == Method::Invite);
        known.map(|it| it.status)
    }

    /// Says whether the ACK confirmed an answer for the first time.
    pub(super) fn confirmed(&mut self, ack: &Message) -> bool {
        let known = self.served.iter_mut().find(|it| {
            it.method == Method::Invite && it.status >= 200 && it.call_id == ack.call_id() && it.cseq == ack.cseq()
        });
        let Some(known) = known else { return false };
        known.resend = None;
        !std::mem::replace(&mut known.acked, true)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let requests = self
            .pending
            .iter()
            .flat_map(|it| [it.resend.map(|(at, _)| at), Some(it.give_up)]);
        let answers = self
            .served
            .iter()
            .flat_map(|it| [it.resend.map(|(at, _)| at), Some(it.until)]);
        let acks = self.acks.iter().map(|it| Some(it.until));
        requests.chain(answers).chain(acks).flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<Lapsed> {
        let mut lapsed = Vec::new();
        for pending in &mut self.pending {
            let is_invite = *pending.request.method() == Method::Invite;
            if again(now, &mut pending.resend, if is_invite { GIVE_UP } else { T2 }) {
                self.out.push_back(pending.request.bytes().clone());
            }
        }
        for served in &mut self.served {
            if again(now, &mut served.resend, T2) {
                self.out.push_back(served.response.clone());
            }
        }
        let mut at = 0;
        while at < self.pending.len() {
            if self.pending[at].give_up <= now {
                lapsed.push(Lapsed::Request(self.pending.remove(at)));
            } else {
                at += 1;
            }
        }
        for served in self.served.iter().filter(|it| it.until <= now && !it.acked) {
            lapsed.push(Lapsed::Answer {
                call_id: served.call_id.clone(),
                status: served.status,
            });
        }
        // A provisional answer stands for its INVITE until the final one replaces it.
        self.served.retain(|it| it.until > now);
        self.acks.retain(|it| it.until > now);
        lapsed
    }

    /// The telephone lost its memory.
    pub(super) fn forget(&mut self) {
        *self = Wire::default();
    }
}

fn again(now: Instant, resend: &mut Option<(Instant, Duration)>, max: Duration) -> bool {
    match resend {
        Some((at, wait)) if *at <= now => {
            *wait = (*wait * 2).min(max);
            *at = now + *wait;
            true
        }
        Some(_) | None => false,
    }
}
