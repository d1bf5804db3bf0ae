//! From the facts of a call to its journal entries and its one record.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use branchline_call::{CallId, Cause, Class, EndedBy, LegId, Summary};
use branchline_journal::{
    CallAnswered, CallRecord, CallStarted, Direction, Event, LegQuality, LegSide, Mode, Outcome, RecordedParty, Stamp,
    Transfer,
};
use branchline_media::{MediaEvent, OwnEnd};
use uuid::Uuid;

use crate::Branch;
use crate::echo::ECHO;
use crate::emergency::Voice;
use crate::hosted::Reached;
use crate::now::Now;
use crate::output::Output;
use crate::targets::Urgency;

/// What is known of a call besides its legs' states.
#[derive(Clone, Debug)]
pub(crate) struct CallFacts {
    pub(crate) id: Uuid,
    pub(crate) from: RecordedParty,
    pub(crate) to: RecordedParty,
    pub(crate) direction: Direction,
    pub(crate) urgency: Urgency,
    /// How a call for help is heard.
    pub(crate) voice: Voice,
    /// Trunks that had no channel for this call for help.
    pub(crate) congested: Vec<String>,
    pub(crate) mode: Mode,
    pub(crate) started: Stamp,
    pub(crate) started_mono: Instant,
    pub(crate) answered: Option<(Stamp, Instant)>,
    /// Extension or trunk that was rung first, then the one that answered.
    pub(crate) connected_to: String,
    pub(crate) trunks: Vec<String>,
    pub(crate) extensions: Vec<String>,
    pub(crate) transfers: Vec<Transfer>,
    /// The call this one is the way back of, through the hosted PBX: both are one call, and that one has the record.
    pub(crate) within: Option<CallId>,
}

/// Calls that are over and whose records are not safe yet.
#[derive(Default)]
pub(crate) struct Endings {
    /// Waiting for what the relay measured.
    measuring: BTreeMap<CallId, Ending>,
    /// Waiting for the disk.
    writing: VecDeque<(u64, CallId)>,
}

struct Ending {
    summary: Summary,
    ended: Stamp,
    until: Instant,
}

impl Endings {
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.measuring.values().map(|ending| ending.until).min()
    }

    pub(crate) fn len(&self) -> usize {
        self.measuring.len() + self.writing.len()
    }
}

impl Branch {
    pub(crate) fn call_started(&mut self, now: Now, call: CallId) {
        let Some(facts) = self.facts.get(&call).filter(|facts| facts.within.is_none()) else {
            return;
        };
        let started = CallStarted {
            call: facts.id,
            from: facts.from.clone(),
            to: facts.to.clone(),
            direction: facts.direction,
            trunks: facts.trunks.clone(),
            extensions: facts.extensions.clone(),
            emergency: facts.urgency == Urgency::Emergency,
            mode: facts.mode,
            at: facts.started,
        };
        self.counters.calls_started += 1;
        self.counters.calls_emergency += u64::from(facts.urgency == Urgency::Emergency);
        self.journal(now, Event::CallStarted(started));
        self.drill_call_started(call);
    }

    pub(crate) fn call_answered(&mut self, now: Now, call: CallId, by: LegId) {
        let by = self.name_of(by).to_owned();
        let at = self.journal.stamp(now);
        let Some(facts) = self.facts.get_mut(&call) else { return };
        facts.answered = Some((at, now.mono));
        if let Some(whole) = facts.within {
            return self.note_extension(whole, &by);
        }
        // Who the hosted PBX brought the call to is known by then.
        if by != crate::hosted::HOSTED || facts.connected_to.is_empty() {
            facts.connected_to.clone_from(&by);
        }
        let answered = CallAnswered { call: facts.id, by, at };
        self.counters.calls_answered += 1;
        self.journal(now, Event::CallAnswered(answered));
        self.drill_call_reached(now, call, Reached::Answered);
    }

    /// Extension or trunk on a leg, for records and the view.
    pub(crate) fn name_of(&self, leg: LegId) -> &str {
        match (self.legs.entry(leg), self.anchors.own(leg)) {
            (Some(entry), _) => entry.party.name(),
            (None, Some(OwnEnd::Echo)) => ECHO,
            (None, None) => "",
        }
    }

    /// The call that this one is the way back of, as often as it went round: the one with the record.
    pub(crate) fn whole(&self, call: CallId) -> CallId {
        let mut whole = call;
        for _ in 0..ROUNDS_MAX {
            match self.facts.get(&whole).and_then(|facts| facts.within) {
                Some(outer) if self.facts.contains_key(&outer) => whole = outer,
                Some(_) | None => break,
            }
        }
        whole
    }

    pub(crate) fn whole_of(&mut self, call: CallId) -> Option<&mut CallFacts> {
        self.facts.get_mut(&self.whole(call))
    }

    /// An extension that took part in a call by the way back through the hosted PBX.
    pub(crate) fn note_extension(&mut self, call: CallId, extension: &str) {
        let Some(facts) = self.whole_of(call) else { return };
        if !facts.extensions.iter().any(|known| known == extension) {
            facts.extensions.push(extension.to_owned());
        }
        extension.clone_into(&mut facts.connected_to);
    }

    /// The call is over for its parties; its record waits a moment for the relay's figures.
    pub(crate) fn call_finished(&mut self, now: Now, summary: Summary) {
        let call = summary.call;
        self.drill_call_finished(&summary);
        for leg in self.legs.of_call(call) {
            self.forget_leg(now, leg);
        }
        let ending = Ending {
            summary,
            ended: self.journal.stamp(now),
            until: now.mono + MEASURE,
        };
        match self.anchors.close(call) {
            Some(plan) => {
                self.outputs.push_back(Output::Media(plan));
                self.endings.measuring.insert(call, ending);
            }
            None => self.write_record(now, &ending, Vec::new()),
        }
    }

    pub(crate) fn handle_media_event(&mut self, now: Now, event: MediaEvent) {
        match event {
            MediaEvent::Silence { leg, .. } => {
                let leg = LegId(leg.0);
                // Silence of the hosted PBX does not mean that the party is silent.
                if !self.loop_is_quiet(now, leg) {
                    self.calls.handle_leg(now.mono, leg, branchline_call::LegEvent::Silent);
                }
            }
            MediaEvent::Closed { bridge, legs } => {
                for (_, quality) in &legs {
                    self.counters.media_foreign += quality.dropped_foreign;
                    self.counters.media_garbage += quality.dropped_garbage;
                    self.counters.media_unsent += quality.dropped_unsent;
                }
                let Some(call) = self.anchors.closed(bridge) else {
                    return;
                };
                if let Some(ending) = self.endings.measuring.remove(&call) {
                    let quality = legs
                        .into_iter()
                        .map(|(leg, quality)| (LegId(leg.0), quality))
                        .filter(|(_, quality)| quality.packets_in > 0)
                        .collect();
                    self.write_record(now, &ending, quality);
                }
            }
            MediaEvent::Measured { legs } => {
                for (leg, quality) in legs {
                    self.anchors.measured(LegId(leg.0), &quality);
                }
            }
            MediaEvent::Dtmf { leg, duration_ms, .. } => self.trace_key(now, LegId(leg.0), duration_ms),
            MediaEvent::Latched { .. } => {}
        }
    }

    /// Records of calls whose relay did not report in time are written without figures.
    pub(crate) fn write_overdue_records(&mut self, now: Now) {
        let due: Vec<CallId> = self
            .endings
            .measuring
            .iter()
            .filter(|(_, ending)| ending.until <= now.mono)
            .map(|(id, _)| *id)
            .collect();
        for call in due {
            if let Some(ending) = self.endings.measuring.remove(&call) {
                self.write_record(now, &ending, Vec::new());
            }
        }
    }

    /// The record of a call that was refused before it began.
    pub(crate) fn write_refusal(&mut self, now: Now, facts: CallFacts, cause: Cause) {
        let call = CallId(*facts.id.as_bytes());
        let summary = Summary {
            call,
            started: now.mono,
            answered: None,
            ended: now.mono,
            cause,
            ended_by: EndedBy::Box,
            transfers: 0,
            legs: Vec::new(),
        };
        self.facts.insert(call, facts);
        let ending = Ending {
            summary,
            ended: self.journal.stamp(now),
            until: now.mono,
        };
        self.write_record(now, &ending, Vec::new());
    }

    fn write_record(&mut self, now: Now, ending: &Ending, quality: Vec<(LegId, branchline_media::LegQuality)>) {
        let call = ending.summary.call;
        let Some(facts) = self.facts.get(&call) else { return };
        if facts.within.is_some() {
            self.facts.remove(&call);
            return;
        }
        let record = record(facts, ending, quality);
        self.counters.records_made += 1;
        let seq = self.journal_record(now, record);
        self.endings.writing.push_back((seq, call));
        if self.endings.writing.len() > WRITING_MAX
            && let Some((_, oldest)) = self.endings.writing.pop_front()
        {
            // The disk is stuck: the entry stays queued for it, only the view lets go of the call.
            self.facts.remove(&oldest);
        }
        self.forget_safe_calls();
    }

    /// A call is reported ended only once its record is safe: until then the view shows it.
    pub(crate) fn forget_safe_calls(&mut self) {
        while let Some((seq, call)) = self.endings.writing.front().copied() {
            if !self.journal.is_synced(seq) {
                break;
            }
            self.endings.writing.pop_front();
            self.facts.remove(&call);
        }
    }
}

fn record(facts: &CallFacts, ending: &Ending, quality: Vec<(LegId, branchline_media::LegQuality)>) -> CallRecord {
    let summary = &ending.summary;
    let ms =
        |from: Instant, to: Instant| u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX);
    let first_end = summary.answered.unwrap_or(summary.ended);
    CallRecord {
        id: facts.id,
        from: facts.from.clone(),
        to: facts.to.clone(),
        direction: facts.direction,
        trunks: facts.trunks.clone(),
        extensions: facts.extensions.clone(),
        emergency: facts.urgency == Urgency::Emergency,
        started: facts.started,
        answered: facts.answered.map(|(stamp, _)| stamp),
        ended: ending.ended,
        ring_ms: ms(facts.started_mono, first_end),
        talk_ms: summary.answered.map_or(0, |answered| ms(answered, summary.ended)),
        outcome: outcome(summary),
        q850_cause: summary.cause.q850,
        sip_status: match summary.answered {
            Some(_) => 200,
            None if summary.cause.status < 300 => 487,
            None => summary.cause.status,
        },
        ended_by: match summary.ended_by {
            EndedBy::Caller => branchline_journal::EndedBy::Caller,
            EndedBy::Callee => branchline_journal::EndedBy::Callee,
            EndedBy::Box => branchline_journal::EndedBy::Box,
        },
        transfers: facts.transfers.clone(),
        mode: facts.mode,
        legs: quality
            .into_iter()
            .map(|(leg, quality)| leg_quality(&summary.legs, leg, quality))
            .collect(),
    }
}

fn leg_quality(pair: &[LegId], leg: LegId, quality: branchline_media::LegQuality) -> LegQuality {
    LegQuality {
        side: if pair.first() == Some(&leg) {
            LegSide::Caller
        } else {
            LegSide::Callee
        },
        codec: quality.codec,
        packets: quality.packets_in,
        lost: quality.lost,
        loss_percent: quality.loss_percent,
        jitter_ms: quality.jitter_ms,
        rtt_ms: quality.rtt_ms,
        mos: Some(quality.mos),
    }
}

fn outcome(summary: &Summary) -> Outcome {
    if summary.answered.is_some() {
        return Outcome::Answered;
    }
    match summary.cause.class() {
        Class::Busy => Outcome::Busy,
        Class::NoAnswer => Outcome::NoAnswer,
        Class::Cleared => Outcome::Cancelled,
        Class::Refused => Outcome::Refused,
        Class::Unreachable => Outcome::Failed,
    }
}

/// Times that one call goes through the hosted PBX and back: as often as it is forwarded, and more.
const ROUNDS_MAX: usize = 16;
/// Finished calls shown while the disk is stuck.
const WRITING_MAX: usize = 10_000;
/// The relay answers within one of its wake-ups; a record is not held up longer for it.
const MEASURE: Duration = Duration::from_millis(500);
