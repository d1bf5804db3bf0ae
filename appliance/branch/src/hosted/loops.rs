//! Which call to the hosted PBX came back to the branch: recognised when it comes, joined here when the PBX is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use branchline_call::{CallId, LegId};
use branchline_media::{LegPlan, MediaPlan};
use branchline_sdp::Sdp;
use branchline_sip::message::{Message, Name};
use branchline_survival::Suspicion;

use crate::Branch;
use crate::legs::Party;
use crate::now::Now;

/// Calls out, and the way each came back.
#[derive(Default)]
pub(crate) struct Loops {
    outs: BTreeMap<LegId, Out>,
    backs: BTreeMap<LegId, LegId>,
}

/// A call on its way through the hosted PBX.
struct Out {
    /// Whose line.
    line: String,
    /// Where the branch alone would have taken it.
    leads_to: Option<String>,
    /// Session-ID of its INVITE (RFC 7989).
    session_id: String,
    sent: Instant,
    is_heard: bool,
    back: Option<LegId>,
    /// When an end of the loop was last found to be silent.
    quiet_at: Option<Instant>,
}

/// A call that has just left for the hosted PBX.
pub(crate) struct Leaving {
    pub(crate) leg: LegId,
    pub(crate) line: String,
    pub(crate) leads_to: Option<String>,
    pub(crate) session_id: String,
}

impl Loops {
    pub(crate) fn left(&mut self, now: Instant, leaving: Leaving) {
        self.outs.insert(
            leaving.leg,
            Out {
                line: leaving.line,
                leads_to: leaving.leads_to,
                session_id: leaving.session_id,
                sent: now,
                is_heard: false,
                back: None,
                quiet_at: None,
            },
        );
    }

    /// The hosted PBX said something about this call.
    pub(crate) fn heard(&mut self, leg: LegId) {
        if let Some(out) = self.outs.get_mut(&leg) {
            out.is_heard = true;
        }
    }

    pub(crate) fn came_back(&mut self, out: LegId, back: LegId) {
        if let Some(known) = self.outs.get_mut(&out) {
            known.back = Some(back);
            self.backs.insert(back, out);
        }
    }

    pub(crate) fn forget(&mut self, leg: LegId) {
        if let Some(out) = self.outs.remove(&leg)
            && let Some(back) = out.back
        {
            self.backs.remove(&back);
        }
        if let Some(out) = self.backs.remove(&leg)
            && let Some(known) = self.outs.get_mut(&out)
        {
            known.back = None;
        }
    }

    /// Both ends of the loop that a leg is an end of: where it left, where it came back.
    pub(crate) fn ends_of(&self, leg: LegId) -> Option<(LegId, LegId)> {
        match (self.outs.get(&leg), self.backs.get(&leg)) {
            (Some(out), _) => Some((leg, out.back?)),
            (None, Some(out)) => Some((*out, leg)),
            (None, None) => None,
        }
    }

    /// No sound comes from the hosted PBX on an end of a loop: whose line it is; `None` where the leg is none.
    fn handle_quiet(&mut self, now: Instant, leg: LegId) -> Option<String> {
        let (out, _) = self.ends_of(leg)?;
        let out = self.outs.get_mut(&out)?;
        out.quiet_at = Some(now);
        Some(out.line.clone())
    }

    /// Loops whose sound stopped just now.
    fn lately_quiet(&self, now: Instant, lines: &BTreeSet<String>) -> Vec<(LegId, LegId)> {
        let lately = |out: &Out| {
            lines.contains(&out.line)
                && out
                    .quiet_at
                    .is_some_and(|at| now.saturating_duration_since(at) < QUIET_LATELY)
        };
        let quiet = self.outs.iter().filter(|(_, out)| lately(out));
        quiet.filter_map(|(leg, out)| Some((*leg, out.back?))).collect()
    }

    /// Calls the hosted PBX has said nothing about; they count as heard from now on.
    pub(super) fn take_unheard(&mut self, lines: &BTreeSet<String>) -> Vec<LegId> {
        let unheard = self
            .outs
            .iter_mut()
            .filter(|(_, out)| !out.is_heard && lines.contains(&out.line));
        unheard
            .map(|(leg, out)| {
                out.is_heard = true;
                *leg
            })
            .collect()
    }

    /// Where the calls of these lines left, and where they came back.
    pub(super) fn of_lines(&self, lines: &BTreeSet<String>) -> Vec<(LegId, Option<LegId>)> {
        let theirs = self.outs.iter().filter(|(_, out)| lines.contains(&out.line));
        theirs.map(|(leg, out)| (*leg, out.back)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.outs.len()
    }
}

/// A call that comes in from the hosted PBX.
pub(crate) struct Return<'a> {
    pub(crate) request: &'a Message,
    pub(crate) offer: Option<&'a Sdp>,
    /// Whose line is called.
    pub(crate) line: &'a str,
}

impl Branch {
    /// The leg on which this call left the branch, if it did: by our own tag where the hosted PBX is a proxy, by Session-ID or
    /// our own description where those pass, else by who calls whom at this moment.
    pub(crate) fn recognise(&mut self, now: Now, back: &Return<'_>) -> Option<(LegId, CallId)> {
        let from_tag = back.request.from_tag().unwrap_or_default().to_owned();
        let call_id = back.request.call_id().to_owned();
        let session_id = back.request.text(Name::Other("Session-ID")).unwrap_or_default();
        let session_id = session_id.split(';').next().unwrap_or_default().trim().to_owned();
        let origin = back.offer.and_then(Sdp::origin);
        let caller = back
            .request
            .from()
            .uri()
            .map(|uri| uri.user_unescaped().into_owned())
            .unwrap_or_default();
        let caller = self.hosted.line_of_user(&caller);
        let agent = &self.agent;
        let legs = &self.legs;
        let upstream = self.hosted.upstream()?;
        let open = upstream.loops.outs.iter().filter(|(_, out)| out.back.is_none());
        let same_dialog = |leg: LegId| {
            let session = legs.entry(leg).and_then(|entry| agent.session(entry.session));
            session.is_some_and(|it| it.call_id == call_id && it.local_tag_text() == from_tag)
        };
        let certain = open.clone().find(|(leg, out)| {
            same_dialog(**leg)
                || (!session_id.is_empty() && out.session_id == session_id)
                || legs
                    .entry(**leg)
                    .is_some_and(|entry| origin == Some((leg.0, entry.flow.local.ip())))
        });
        let likely = || {
            let mut fitting = open.clone().filter(|(_, out)| {
                caller.as_deref() == Some(out.line.as_str())
                    && out.leads_to.as_deref() == Some(back.line)
                    && now.mono.saturating_duration_since(out.sent) < RETURN_WITHIN
            });
            // Two calls of one line to one extension at once: nobody can tell which is which.
            fitting.next().filter(|_| fitting.next().is_none())
        };
        let out = certain.or_else(likely).map(|(leg, _)| *leg)?;
        Some((out, self.calls.call_of(out)?))
    }

    /// Wants to hear soon when the hosted PBX sends no sound to an end of a loop.
    pub(crate) fn watch_loops(&mut self, plan: &mut MediaPlan) {
        let Some(upstream) = self.hosted.upstream() else { return };
        let is_end = |leg: &LegPlan| upstream.loops.ends_of(LegId(leg.leg.0)).is_some();
        // A call forwarded from line to line has no telephone whose silence would end it.
        if plan.legs.iter().all(is_end) {
            return;
        }
        for leg in plan.legs.iter_mut().filter(|leg| is_end(leg)) {
            leg.rtp_timeout = leg.rtp_timeout.map(|_| QUIET);
        }
    }

    /// A leg is silent. Where it is an end of a loop, that raises a doubt about the hosted PBX, and nothing else.
    pub(crate) fn loop_is_quiet(&mut self, now: Now, leg: LegId) -> bool {
        let peer = self.calls.peer_of(leg);
        let Some(upstream) = self.hosted.upstream() else {
            return false;
        };
        if peer.is_some_and(|peer| upstream.loops.ends_of(peer).is_some()) {
            return false;
        }
        let Some(line) = upstream.loops.handle_quiet(now.mono, leg) else {
            return false;
        };
        let side = upstream.side_of(&line);
        upstream.health_mut(side).handle_suspicion(now.mono, Suspicion::Media);
        let is_lost = upstream.is_lost(side);
        // With the hosted PBX lost, what could not be joined ends as any silent call does.
        !is_lost || self.bypass_leg(now, leg)
    }

    /// A doubt, and no sound either: these calls do not wait for the verdict.
    pub(super) fn bypass_quiet(&mut self, now: Now, lines: &BTreeSet<String>) {
        let quiet = self
            .hosted
            .upstream()
            .map(|upstream| upstream.loops.lately_quiet(now.mono, lines));
        for (out, back) in quiet.unwrap_or_default() {
            self.bypass(now, out, back);
        }
    }

    /// The hosted PBX is lost: calls it holds up go on without it.
    pub(super) fn bypass_hosted(&mut self, now: Now, lines: &BTreeSet<String>) {
        let theirs = self.hosted.upstream().map(|upstream| upstream.loops.of_lines(lines));
        for (out, back) in theirs.unwrap_or_default() {
            let is_joined = back.is_some_and(|back| self.bypass(now, out, back));
            // A call that rings elsewhere has lost its way; one that talks there ends when its sound has stopped for good.
            if !is_joined && self.calls.is_ringing(out) {
                self.fail_hosted_leg(now, out);
            }
        }
    }

    /// A leg at the hosted PBX is lost, but the other party is here: says whether they go on without it.
    pub(crate) fn bypass_leg(&mut self, now: Now, leg: LegId) -> bool {
        let ends = self.hosted.upstream().and_then(|upstream| upstream.loops.ends_of(leg));
        ends.is_some_and(|(out, back)| self.bypass(now, out, back))
    }

    fn bypass(&mut self, now: Now, out: LegId, back: LegId) -> bool {
        let Some(call) = self.calls.call_of(out) else {
            return false;
        };
        let Some(moved) = self.calls.bypass(now.mono, out, back) else {
            return false;
        };
        for leg in &moved {
            self.legs.move_to(*leg, call);
            let party = self.legs.entry(*leg).map(|entry| entry.party.clone());
            if let Some(Party::Extension(extension)) = party {
                self.note_extension(call, &extension);
            }
        }
        self.drill_joined(call);
        self.drain_calls(now);
        true
    }
}

/// A hosted PBX that needs longer for the way back is recognised by other signs only.
const RETURN_WITHIN: Duration = Duration::from_secs(5);
/// Twenty packets: chance does not lose so many in a row, and nobody has said "hello?" by then.
const QUIET: Duration = Duration::from_millis(400);
/// A doubt is decided within this of the silence that raised it.
const QUIET_LATELY: Duration = Duration::from_secs(3);
