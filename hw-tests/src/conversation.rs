//! Five calls of baresip and PJSIP: one up, one held, one ringing, one with early media, one being transferred.
#![allow(
    clippy::panic,
    reason = "a telephone that does not do what it is told ends the step; the drill takes that as its outcome"
)]

use std::time::Duration;

use branchline_phones::pjsua::Call;
use branchline_phones::{Baresip, Pjsua, clock};

use crate::rig::{RealPhones, tone_hz};

/// What a call waits for at most, once it was told.
const MOVED_WITHIN: Duration = Duration::from_secs(5);
const LISTEN_MS: usize = 500;
/// Descriptions that change on both sides take a moment to be heard.
const SETTLE: Duration = Duration::from_millis(300);

// baresip at 201 to 204, each in one call; PJSIP at 205 to 207, in several.
const UP: (&str, &str) = ("201", "205");
const HELD: (&str, &str) = ("206", "202");
const RINGING: (&str, &str) = ("203", "205");
const EARLY: (&str, &str) = ("206", "207");
const TRANSFERRED: (&str, &str) = ("207", "204");
const TRANSFER_TO: &str = "205";

/// The calls in their states, by PJSIP's numbers.
pub struct Conversation {
    up: Call,
    /// Where the recording of the call that is up stood, before anything was lost.
    up_mark_ms: usize,
    held: Call,
    ringing: Call,
    early: [Call; 2],
    transferred: Call,
    transfer_to: Call,
}

/// What was to be heard.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Who did not hear whom.
    pub silent: Vec<String>,
    /// Of the call that was up all the time.
    pub longest_silence: Duration,
}

/// A call as its telephone counted it.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Who called.
    pub from: &'static str,
    /// Whom.
    pub to: &'static str,
    /// From the answer to the end.
    pub talked: Duration,
}

impl Conversation {
    /// Brings each call into its state.
    pub fn begin(phones: &mut RealPhones) -> Conversation {
        let RealPhones { baresip, pjsip } = phones;
        let ([up, held, ringing, transferor], [one, two, three]) = (&mut baresip[..], &mut pjsip[..]) else {
            panic!("seven telephones")
        };
        for phone in [&mut *one, &mut *two, &mut *three] {
            phone.forget_events();
        }
        for phone in [&mut *up, &mut *held, &mut *ringing, &mut *transferor] {
            phone.forget_events();
        }
        up.dial(UP.1);
        let up_call = answer(one, UP.0, 200);
        up.wait_until_talking();
        let held_call = two.dial(HELD.1);
        held.wait_until_ringing();
        held.accept();
        two.wait_until_talking(held_call);
        held.forget_events();
        two.hold(held_call);
        held.wait_event("CALL_REMOTE_SDP");
        let transferred = three.dial(TRANSFERRED.1);
        transferor.wait_until_ringing();
        transferor.accept();
        three.wait_until_talking(transferred);
        transferor.transfer(TRANSFER_TO);
        let transfer_to = answer(one, TRANSFERRED.0, 180);
        ringing.dial(RINGING.1);
        let ringing_call = answer(one, RINGING.0, 180);
        let early = two.dial(EARLY.1);
        let early = [early, answer(three, EARLY.0, 183)];
        two.wait_state(early[0], "early");
        two.hear(early[0], LISTEN_MS)
            .assert_tone(tone_hz(EARLY.1), "the caller with early media");
        one.hear(up_call, LISTEN_MS).assert_tone(tone_hz(UP.0), "who is called");
        Conversation {
            up: up_call,
            up_mark_ms: one.mark_ms(up_call),
            held: held_call,
            ringing: ringing_call,
            early,
            transferred,
            transfer_to,
        }
    }

    /// What each call was to do next; then everybody hangs up.
    pub fn carry_on(self, phones: &mut RealPhones) -> (Heard, Vec<Counted>) {
        let RealPhones { baresip, pjsip } = phones;
        let ([up, held, ringing, transferor], [one, two, three]) = (&mut baresip[..], &mut pjsip[..]) else {
            panic!("seven telephones")
        };
        let ringing_call = pick_up(one, RINGING.0, self.ringing);
        ringing.wait_until_talking();
        let transfer_to = pick_up(one, TRANSFERRED.0, self.transfer_to);
        transferor.wait_until_closed();
        let early_callee = pick_up(three, EARLY.0, self.early[1]);
        two.wait_until_talking(self.early[0]);
        held.forget_events();
        two.resume(self.held);
        held.wait_event("CALL_REMOTE_SDP");
        clock::let_pass(SETTLE);
        let mut heard = Heard::default();
        heard.by_pjsip(
            one,
            &[(self.up, UP.0), (ringing_call, RINGING.0), (transfer_to, TRANSFERRED.0)],
        );
        heard.by_pjsip(two, &[(self.held, HELD.1), (self.early[0], EARLY.1)]);
        heard.by_pjsip(three, &[(self.transferred, TRANSFER_TO), (early_callee, EARLY.0)]);
        let through = one.hear_from(self.up, self.up_mark_ms, LISTEN_MS);
        let silence_ms = through.longest_gap_ms(tone_hz(UP.0));
        heard.longest_silence = Duration::from_millis(silence_ms as u64);
        heard.by_baresip(up, UP.1);
        heard.by_baresip(held, HELD.0);
        heard.by_baresip(ringing, RINGING.1);
        for phone in [up, held, ringing] {
            phone.hang_up();
        }
        two.hang_up(self.early[0]);
        three.hang_up(self.transferred);
        let counted = [
            (UP, one.wait_talked(self.up)),
            (HELD, two.wait_talked(self.held)),
            (RINGING, one.wait_talked(ringing_call)),
            (EARLY, two.wait_talked(self.early[0])),
            (TRANSFERRED, three.wait_talked(self.transferred)),
        ];
        one.wait_until_closed(transfer_to);
        three.wait_until_closed(early_callee);
        let counted = counted.map(|((from, to), talked)| Counted { from, to, talked });
        (heard, counted.into())
    }
}

impl RealPhones {
    /// Whatever they were doing, they are in no call afterwards.
    pub fn rest(&mut self) {
        for phone in &mut self.baresip {
            phone.hang_up();
            phone.forget_events();
        }
        for phone in &mut self.pjsip {
            phone.hang_up_all();
            phone.forget_events();
        }
    }
}

impl Heard {
    fn by_pjsip(&mut self, phone: &mut Pjsua, wanted: &[(Call, &str)]) {
        let marks: Vec<usize> = wanted.iter().map(|(call, _)| phone.mark_ms(*call)).collect();
        for ((call, from), mark_ms) in wanted.iter().zip(marks) {
            let sound = phone.hear_from(*call, mark_ms, LISTEN_MS);
            if !sound.is_tone(tone_hz(from)) {
                self.silent.push(format!("PJSIP {from}"));
            }
        }
    }

    fn by_baresip(&mut self, phone: &mut Baresip, from: &str) {
        if !phone.hear(LISTEN_MS).is_tone(tone_hz(from)) {
            self.silent.push(format!("baresip {from}"));
        }
    }
}

/// Answers the call of a number that comes next.
fn answer(phone: &mut Pjsua, from: &str, code: u16) -> Call {
    let call = phone.incoming_from(from, MOVED_WITHIN);
    let call = call.unwrap_or_else(|missing| panic!("no call of {from} comes in\n{missing:#?}"));
    phone.answer(call, code);
    if code == 200 {
        phone.wait_until_talking(call);
    }
    call
}

/// Takes the call that rings; the box may have ended it and rung anew on another way.
fn pick_up(phone: &mut Pjsua, from: &str, rang: Call) -> Call {
    let mut call = rang;
    while phone.is_over(call) {
        let anew = phone.incoming_from(from, MOVED_WITHIN);
        call = anew.unwrap_or_else(|missing| panic!("the call of {from} has stopped ringing\n{missing:#?}"));
    }
    phone.answer(call, 200);
    phone.wait_until_talking(call);
    call
}
