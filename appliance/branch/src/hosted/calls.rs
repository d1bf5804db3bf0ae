//! Calls over a line of the hosted PBX.

use std::collections::BTreeSet;
use std::time::Duration;

use branchline_call::{After, Attempt, Cause, LegEvent, LegId, Patience};
use branchline_config::Extension;
use branchline_route::{Caller, Request};
use branchline_sip::Flow;
use branchline_sip::agent::{Headers, Invitation, NextHop};
use branchline_sip::message::{Message, Name};

use crate::Branch;
use crate::hosted::Upstream;
use crate::hosted::drill::Side;
use crate::hosted::signs::Signs;
use crate::identity::{Privacy, Shown, contact, escaped};
use crate::invite::MAX_FORWARDS;
use crate::now::Now;
use crate::targets::{TRUNK_RING, Target, Urgency};

/// A number over a line of the hosted PBX.
#[derive(Clone, Debug)]
pub(crate) struct HostedTarget {
    /// Whose line.
    pub(crate) line: String,
    /// As it was dialled.
    pub(crate) number: String,
    pub(crate) urgency: Urgency,
}

impl Branch {
    /// Asks the hosted PBX first; what the branch would do alone follows where it cannot be reached.
    pub(crate) fn hosted_attempts(&self, target: HostedTarget, alone: Vec<Attempt<Target>>) -> Vec<Attempt<Target>> {
        let mut alone = alone.into_iter();
        let mut then: Vec<Attempt<Target>> = alone.next().into_iter().collect();
        for first in &mut then {
            // Who has a telephone here is known here, whatever the hosted PBX has forgotten.
            let is_here = first.targets.iter().any(|target| matches!(target, Target::Contact(_)));
            first.after = if is_here { After::NotKnown } else { After::Unreachable };
            first.then.extend(alone.by_ref());
        }
        let sign = if then.is_empty() { ONLY_SIGN } else { HOSTED_SIGN };
        vec![Attempt {
            targets: vec![Target::Hosted(target)],
            patience: Patience::new(sign, TRUNK_RING),
            after: After::Any,
            then,
        }]
    }

    /// Calls that wait for a first sign of life of the hosted PBX wait no longer.
    pub(super) fn leave_hosted(&mut self, now: Now, side: Side) {
        self.tell_lines();
        let lines = self
            .hosted
            .upstream()
            .map(|upstream| upstream.lines_of(side))
            .unwrap_or_default();
        self.bypass_quiet(now, &lines);
        let waiting = self
            .hosted
            .upstream()
            .map(|upstream| upstream.loops.take_unheard(&lines));
        for leg in waiting.unwrap_or_default() {
            if self.calls.is_ringing(leg) {
                self.fail_hosted_leg(now, leg);
            }
        }
    }

    /// The hosted PBX said something about a call.
    pub(crate) fn hosted_heard(&mut self, now: Now, leg: LegId) {
        if let Some(upstream) = self.hosted.upstream()
            && let Some(line) = upstream.loops.heard(now.mono, leg)
        {
            let side = upstream.side_of(&line);
            upstream.health_mut(side).handle_call_heard();
        }
    }

    /// The hosted PBX refused a call. One to a telephone that is here, and that it never brought back, tells that it has lost
    /// the registration of that line.
    pub(crate) fn hosted_refused(&mut self, leg: LegId, status: u16) {
        if let (404 | 410 | 480, Some(upstream)) = (status, self.hosted.upstream())
            && let Some(line) = upstream.loops.leads_away(leg)
        {
            upstream.start_lines(&BTreeSet::from([line]));
        }
    }

    /// The hosted PBX refused a call that was over already.
    pub(crate) fn hosted_took_back(&mut self, now: Now, response: &Message) {
        if let Some(upstream) = self.hosted.upstream() {
            let dialog = (response.call_id(), response.from_tag().unwrap_or_default());
            upstream.loops.taken_back(now.mono, dialog);
        }
    }

    /// The INVITE of a call that left is out.
    pub(crate) fn loop_begun(&mut self, leg: LegId) {
        let session = self.session_of(leg).and_then(|session| self.agent.session(session));
        let dialog = session.map(|session| (session.call_id.to_owned(), session.local_tag_text()));
        if let (Some(dialog), Some(upstream)) = (dialog, self.hosted.upstream()) {
            upstream.loops.dialog(leg, dialog);
        }
    }

    pub(crate) fn forget_loop(&mut self, now: Now, leg: LegId) {
        if let Some(upstream) = self.hosted.upstream()
            && let Some(signs) = upstream.loops.forget(now.mono, leg)
            && now.mono.saturating_duration_since(signs.sent) >= DEAF_AFTER
        {
            let side = upstream.side_of(&signs.line);
            upstream.health_mut(side).handle_deaf(now.mono);
        }
    }

    pub(super) fn fail_hosted_leg(&mut self, now: Now, leg: LegId) {
        let ends = self.hosted.upstream().and_then(|upstream| upstream.loops.ends_of(leg));
        // Nobody would take back what rings by the way through the hosted PBX.
        if let Some(call) = ends.and_then(|(_, back)| self.calls.call_of(back)) {
            self.calls.hang_up(now.mono, call, Cause::of_status(503));
        }
        if let Some(session) = self.session_of(leg) {
            self.agent.hang_up(now.mono, session, None);
        }
        self.leg_over(now, leg, LegEvent::Refused(Cause::of_status(503)));
    }
}

impl Branch {
    /// The INVITE over a line; remembered, so that the call is known when it comes back.
    pub(crate) fn to_hosted(
        &mut self,
        now: Now,
        leg: LegId,
        (target, shown): (&HostedTarget, &Shown),
    ) -> Option<(Flow, Invitation)> {
        let line = target.line.clone();
        let leads_to = match target.urgency {
            // What brings it back dials the same.
            Urgency::Emergency => Some(target.number.clone()),
            Urgency::Ordinary | Urgency::Callback => {
                let caller = Caller::Extension(Extension::new(&line).ok()?);
                let leads_to = self.called_extension(&Request::new(caller, &target.number));
                leads_to.map(|extension| extension.as_str().to_owned())
            }
        };
        let session_id = self.journal.id(now).simple().to_string();
        let upstream = self.hosted.upstream()?;
        let flow = upstream.flow()?;
        let mut invitation = upstream.invitation(target, (shown, flow));
        let value = format!("{session_id};remote={NOBODY}");
        invitation.headers.push(Name::Other("Session-ID"), value);
        let side = upstream.side_of(&line);
        upstream.health_mut(side).handle_sent(now.mono);
        let signs = Signs {
            sent: now.mono,
            line,
            leads_to,
            session_id,
            origin: (leg.0, flow.local.ip()),
            dialog: None,
        };
        upstream.loops.left(leg, signs);
        Some((flow, invitation))
    }
}

impl Upstream {
    /// The INVITE of a line: it calls as itself, whatever its phone claims.
    fn invitation(&self, target: &HostedTarget, (caller, flow): (&Shown, Flow)) -> Invitation {
        let username = self.username(&target.line).unwrap_or(&target.line);
        let line = Shown {
            number: username.to_owned(),
            display: caller.display.clone(),
            privacy: Privacy::Shown,
        };
        let mut headers = Headers::new().with(Name::PAssertedIdentity, line.asserted(&self.config.domain));
        // Who calls for help is never anonymous to those who help.
        if caller.privacy == Privacy::Withheld && target.urgency == Urgency::Ordinary {
            headers.push(Name::Privacy, "id");
        }
        let number = escaped(&target.number);
        Invitation {
            flow,
            next_hop: NextHop::Flow,
            max_forwards: MAX_FORWARDS,
            request_uri: format!("sip:{number}@{}", self.domain()),
            from: line.name_addr(&self.config.domain),
            to: format!("<sip:{number}@{}>", self.config.domain),
            contact: contact(username, flow),
            route: Vec::new(),
            headers,
            body: None,
            attachment: None,
            ring_max: None,
        }
    }
}

/// An INVITE has gone out four times by then (RFC 3261 section 17.1.1.2), and on a line that loses a fifth one got through.
const HOSTED_SIGN: Duration = Duration::from_secs(7);
/// Where there is no other way, until the INVITE is given up.
const ONLY_SIGN: Duration = Duration::from_secs(32);
/// A call given up sooner says nothing about the hosted PBX.
const DEAF_AFTER: Duration = Duration::from_secs(3);
/// The half of a Session-ID that the other side has not filled in yet (RFC 7989 section 5).
const NOBODY: &str = "00000000000000000000000000000000";
