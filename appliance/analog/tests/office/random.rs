//! Anything in any order: whatever users and the exchange do, nothing is left when all have hung up.

use branchline_board::{FxoEvent, FxsEvent};
use branchline_media::tone::Progress;
use branchline_media::voice::ChannelEvent;

use crate::bench::{LINE, Office};

const SEEDS: u64 = 60;
const STEPS: usize = 60;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, faces: u64) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % faces).unwrap()
    }
}

fn step(office: &mut Office, dice: &mut Dice, hooks: &mut [bool; 3]) {
    let at = dice.below(3);
    match dice.below(14) {
        0 => {
            hooks[at] = !hooks[at];
            office.phone(at, if hooks[at] { FxsEvent::OffHook } else { FxsEvent::OnHook });
        }
        // Whoever is called answers, more often than not.
        1..=3 => {
            for (at, is_off) in hooks.iter_mut().enumerate() {
                if office.stations[at].1.rings && !std::mem::replace(is_off, true) {
                    office.off(at);
                }
            }
        }
        4 if hooks[at] => office.flash(at),
        // A consultation, which may end before it has begun.
        5 if hooks[at] => {
            office.flash(at);
            office.dial(at, ["201", "202", "203", "030123456#"][dice.below(4)]);
            office.wait_ms([1, 3_000][dice.below(2)]);
            hooks[at] = false;
            office.on(at);
        }
        6..=9 => {
            if !std::mem::replace(&mut hooks[at], true) {
                office.off(at);
            }
            let number = ["201", "202", "203", "202", "203", "112", "030123456#", "299#"][dice.below(8)];
            office.dial(at, number);
        }
        10 => {
            let event = [FxoEvent::Ringing, FxoEvent::RingStopped, FxoEvent::Disconnected][dice.below(3)];
            office.exchange(event);
        }
        11 => {
            let heard = [Progress::Dial, Progress::Busy, Progress::Congestion][dice.below(3)];
            office.on_line(&ChannelEvent::Heard(heard));
        }
        12 => {
            office.on_line(&ChannelEvent::Sent);
            office.sound(at, &ChannelEvent::Sent);
        }
        _ => office.wait_ms([1, 200, 2_000, 16_000][dice.below(4)]),
    }
}

#[test]
fn whatever_happens_nothing_is_left_when_all_have_hung_up() {
    let (mut calls, mut joined) = (0, 0);
    for seed in 0..SEEDS {
        let mut office = Office::seeded("DE", LINE, u8::try_from(seed).unwrap());
        let (mut dice, mut hooks) = (Dice(seed), [false; 3]);
        for _ in 0..STEPS {
            step(&mut office, &mut dice, &mut hooks);
        }
        // Telephones that ring back for a held call are lifted and put down until nobody holds anything.
        for _ in 0..6 {
            for (at, is_off) in hooks.iter_mut().enumerate() {
                if office.stations[at].1.rings && !std::mem::replace(is_off, true) {
                    office.off(at);
                }
                if std::mem::take(is_off) {
                    office.on(at);
                }
            }
            office.exchange(FxoEvent::RingStopped);
            office.wait_ms(40_000);
        }
        office.wait_ms(200_000);
        assert_eq!(office.left(), [], "seed {seed}");
        for (at, (station, told)) in office.stations.iter().enumerate() {
            assert!(station.is_idle() && !told.rings, "seed {seed}, telephone {at}");
        }
        assert!(office.line.0.is_idle() && !office.line.1.is_seized, "seed {seed}");
        let records = office.records();
        calls += records.len();
        joined += records.iter().filter(|record| !record.transfers.is_empty()).count();
    }
    assert!(calls > 400 && joined > 4, "{calls} calls, {joined} joined");
}
