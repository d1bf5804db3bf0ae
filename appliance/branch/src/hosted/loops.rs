//! Which call to the hosted PBX came back to the branch: recognised when it comes, joined here when the PBX is lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use branchline_call::LegId;
use branchline_media::{LegPlan, MediaPlan};
use branchline_sdp::Sdp;
use branchline_sip::message::{Message, Name};
use branchline_survival::Suspicion;

use super::signs::{Seen, Signs};
use crate::Branch;
use crate::legs::Party;
use crate::now::Now;

/// Calls out, and the way each came back.
#[derive(Default)]
pub(crate) struct Loops {
    outs: BTreeMap<LegId, Out>,
    backs: BTreeMap<LegId, LegId>,
    /// Calls that were over before they came back; the oldest first.
    missed: VecDeque<Missed>,
}

/// A call that was over before it came back, and may still come.
struct Missed {
    signs: Signs,
    /// Without a proof, another call of the same two is taken for it until then.
    likely_until: Instant,
    until: Instant,
}

/// Whether the hosted PBX has said anything about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Awaited,
    /// It was not there in time.
    Late,
    Heard,
}

/// A call on its way through the hosted PBX.
struct Out {
    signs: Signs,
    answer: Answer,
    /// Without a proof, a call of the same two is taken for its return until then.
    likely_until: Instant,
    back: Option<LegId>,
    /// When an end of the loop was last found to be silent.
    quiet_at: Option<Instant>,
}

/// A call of ours that has come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returned {
    /// It left on this leg.
    From(LegId),
    /// It was over before it came.
    Late,
}

impl Loops {
    pub(crate) fn left(&mut self, leg: LegId, signs: Signs) {
        let out = Out {
            likely_until: signs.sent + LATE_WITHIN,
            signs,
            answer: Answer::Awaited,
            back: None,
            quiet_at: None,
        };
        self.outs.insert(leg, out);
    }

    /// Its INVITE went out in this dialog: Call-ID and our tag.
    pub(crate) fn dialog(&mut self, leg: LegId, dialog: (String, String)) {
        if let Some(out) = self.outs.get_mut(&leg) {
            out.signs.dialog = Some(dialog);
        }
    }

    /// The call of ours that this one is: by a proof, else by who calls whom at this moment, the oldest first. A late one is
    /// refused, so nothing but a proof may take a living call for it.
    fn find(&self, now: Instant, seen: &Seen<'_>) -> Option<Returned> {
        let open = || self.outs.iter().filter(|(_, out)| out.back.is_none());
        let late = || self.missed.iter().filter(|missed| missed.until > now);
        if let Some((leg, _)) = open().find(|(_, out)| out.signs.prove(seen)) {
            return Some(Returned::From(*leg));
        }
        if late().any(|missed| missed.signs.prove(seen)) {
            return Some(Returned::Late);
        }
        let likely = open().filter(|(_, out)| out.likely_until > now && out.signs.connect(seen));
        if let Some((leg, _)) = likely.min_by_key(|(_, out)| out.signs.sent) {
            return Some(Returned::From(*leg));
        }
        let lives = open().any(|(_, out)| out.signs.connect(seen));
        let is_late = !lives && late().any(|missed| missed.likely_until > now && missed.signs.connect(seen));
        is_late.then_some(Returned::Late)
    }

    /// The hosted PBX said something about this call: it has it, and passes it on soon. Until then the INVITE is sent again.
    /// Gives the line of a call that nothing was said about before.
    pub(crate) fn heard(&mut self, now: Instant, leg: LegId) -> Option<String> {
        let out = self.outs.get_mut(&leg).filter(|out| out.answer != Answer::Heard)?;
        out.answer = Answer::Heard;
        out.likely_until = now + RETURN_WITHIN;
        Some(out.signs.line.clone())
    }

    /// The extension here that a call leads to, while it has not come back.
    pub(super) fn leads_away(&self, leg: LegId) -> Option<String> {
        let out = self.outs.get(&leg).filter(|out| out.back.is_none())?;
        out.signs.leads_to.clone()
    }

    pub(crate) fn came_back(&mut self, out: LegId, back: LegId) {
        if let Some(known) = self.outs.get_mut(&out) {
            known.back = Some(back);
            self.backs.insert(back, out);
        }
    }

    /// Whether a call went out on the one and came back on the other.
    pub(crate) fn are_ends(&self, one: LegId, other: LegId) -> bool {
        self.backs.get(&one) == Some(&other) || self.backs.get(&other) == Some(&one)
    }

    /// A leg is over. Gives what is known of a call that the hosted PBX has not said a word about.
    pub(crate) fn forget(&mut self, now: Instant, leg: LegId) -> Option<Signs> {
        if let Some(out) = self.backs.remove(&leg)
            && let Some(known) = self.outs.get_mut(&out)
        {
            known.back = None;
        }
        let out = self.outs.remove(&leg)?;
        match out.back {
            Some(back) => {
                self.backs.remove(&back);
            }
            None => self.miss(now, out.signs.clone(), out.answer),
        }
        match out.answer {
            Answer::Awaited => Some(out.signs),
            Answer::Late | Answer::Heard => None,
        }
    }

    fn miss(&mut self, now: Instant, signs: Signs, answer: Answer) {
        self.missed.retain(|missed| missed.until > now);
        if self.missed.len() >= MISSED_MAX {
            self.missed.pop_front();
        }
        let until = now + LATE_WITHIN;
        // What it has heard of, it has taken back by then; what it has not heard of is sent again and again.
        let likely_until = match answer {
            Answer::Heard => now + RETURN_WITHIN,
            Answer::Awaited | Answer::Late => until,
        };
        self.missed.push_back(Missed {
            signs,
            likely_until,
            until,
        });
    }

    /// The hosted PBX has refused a call that was given up: it takes back what it passed on, if it did.
    pub(crate) fn taken_back(&mut self, now: Instant, dialog: (&str, &str)) {
        let is_it = |missed: &Missed| missed.signs.is_in(dialog);
        for missed in self.missed.iter_mut().filter(|missed| is_it(missed)) {
            missed.likely_until = missed.likely_until.min(now + RETURN_WITHIN);
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
        Some(out.signs.line.clone())
    }

    /// Loops whose sound stopped just now.
    fn lately_quiet(&self, now: Instant, lines: &BTreeSet<String>) -> Vec<(LegId, LegId)> {
        let lately = |out: &Out| {
            lines.contains(&out.signs.line)
                && out
                    .quiet_at
                    .is_some_and(|at| now.saturating_duration_since(at) < QUIET_LATELY)
        };
        let quiet = self.outs.iter().filter(|(_, out)| lately(out));
        quiet.filter_map(|(leg, out)| Some((*leg, out.back?))).collect()
    }

    /// Calls of these lines that the hosted PBX has said nothing about; each is told of once.
    pub(super) fn take_unheard(&mut self, lines: &BTreeSet<String>) -> Vec<LegId> {
        let unheard = self
            .outs
            .iter_mut()
            .filter(|(_, out)| out.answer == Answer::Awaited && lines.contains(&out.signs.line));
        unheard
            .map(|(leg, out)| {
                out.answer = Answer::Late;
                *leg
            })
            .collect()
    }

    /// Where the calls of these lines left, and where they came back.
    pub(super) fn of_lines(&self, lines: &BTreeSet<String>) -> Vec<(LegId, Option<LegId>)> {
        let theirs = self.outs.iter().filter(|(_, out)| lines.contains(&out.signs.line));
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
    /// The call of ours that comes back with this INVITE.
    pub(crate) fn recognise(&mut self, now: Now, back: &Return<'_>) -> Option<Returned> {
        let session_id = back.request.text(Name::Other("Session-ID")).unwrap_or_default();
        let caller = back.request.from().uri().ok()?.user_unescaped().into_owned();
        let seen = Seen {
            from: self.hosted.line_of_user(&caller),
            to: back.line,
            session_id: session_id.split(';').next().unwrap_or_default().trim().to_owned(),
            origin: back.offer.and_then(Sdp::origin),
            dialog: (back.request.call_id(), back.request.from_tag().unwrap_or_default()),
        };
        self.hosted.upstream()?.loops.find(now.mono, &seen)
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

/// A hosted PBX that needs longer for the way back is recognised by proofs only.
const RETURN_WITHIN: Duration = Duration::from_secs(5);
/// An INVITE is sent again for 32 s (RFC 3261 section 17.1.1.2), and then needs its time.
const LATE_WITHIN: Duration = Duration::from_secs(40);
/// Calls given up before they came back; of more than that, the oldest would be taken for new ones.
const MISSED_MAX: usize = 1000;
/// Twenty packets: chance does not lose so many in a row, and nobody has said "hello?" by then.
const QUIET: Duration = Duration::from_millis(400);
/// A doubt is decided within this of the silence that raised it.
const QUIET_LATELY: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of a test")]
    fn start() -> Instant {
        Instant::now()
    }

    fn left(loops: &mut Loops, now: Instant, leg: u64) {
        let signs = Signs {
            sent: now,
            line: "201".into(),
            leads_to: Some("202".into()),
            session_id: format!("session-{leg}"),
            origin: (leg, HOME),
            dialog: Some((format!("call-{leg}"), "tag".into())),
        };
        loops.left(LegId(leg), signs);
    }

    /// A call of the same two without any proof.
    const HIDDEN: fn() -> Seen<'static> = || Seen {
        from: Some("201".into()),
        to: "202",
        session_id: String::new(),
        origin: None,
        dialog: ("hidden", "hidden"),
    };

    #[test]
    fn a_call_that_was_given_up_is_refused_when_it_comes_though_another_is_up() {
        let (mut loops, now) = (Loops::default(), start());
        left(&mut loops, now, 1);
        loops.came_back(LegId(1), LegId(2));
        left(&mut loops, now, 3);
        loops.forget(now, LegId(3));
        assert_eq!(loops.find(now, &HIDDEN()), Some(Returned::Late));
    }

    #[test]
    fn once_the_hosted_pbx_has_refused_it_another_call_of_the_same_two_is_a_new_one() {
        let (mut loops, now) = (Loops::default(), start());
        left(&mut loops, now, 1);
        loops.forget(now, LegId(1));
        let later = now + RETURN_WITHIN + Duration::from_secs(1);
        assert_eq!(loops.find(later, &HIDDEN()), Some(Returned::Late));
        loops.taken_back(now, ("call-2", "tag"));
        assert_eq!(
            loops.find(later, &HIDDEN()),
            Some(Returned::Late),
            "that was another call"
        );
        loops.taken_back(now, ("call-1", "tag"));
        assert_eq!(loops.find(now, &HIDDEN()), Some(Returned::Late), "it may be on its way");
        assert_eq!(loops.find(later, &HIDDEN()), None);
    }
}
