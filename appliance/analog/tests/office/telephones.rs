//! What the users of analog telephones do with each other.

use branchline_board::FxsEvent;
use branchline_journal::TransferKind;
use branchline_media::tone::Presented;
use branchline_media::voice::{ChannelEvent, Hear, Signal};

use crate::bench::{LINE, NUMBERS, Office};

#[test]
fn a_telephone_is_registered_hears_a_dial_tone_calls_and_is_called() {
    let mut office = Office::new("");
    for number in NUMBERS {
        assert!(office.is_registered(number), "{number}");
    }
    let analog = office.analog;
    office.off(0);
    assert_eq!(office.hears(0), &Hear::Tone(analog.dial));
    office.dial(0, "2");
    assert_eq!(
        office.hears(0),
        &Hear::Silence,
        "the dial tone ends with the first digit"
    );
    office.dial(0, "02");
    assert!(office.stations[1].1.rings, "an extension is called at once");
    assert_eq!(office.hears(0), &Hear::Tone(analog.ringback));
    assert_eq!(
        office.hears(1),
        &Hear::Silence,
        "its caller's number waits for the first pause"
    );
    office.phone(1, FxsEvent::RingPause { rings: 1 });
    let Hear::Send(signals) = office.hears(1) else {
        panic!("{:?}", office.hears(1));
    };
    let [Signal::CallerId(told)] = signals.as_slice() else {
        panic!("{signals:?}");
    };
    assert_eq!(told.number, Presented::Given("201".to_owned()));
    assert_eq!(told.name, Presented::Given("Phone 201".to_owned()));
    office.sound(1, &ChannelEvent::Sent);
    office.phone(1, FxsEvent::RingPause { rings: 2 });
    assert_eq!(office.hears(1), &Hear::Silence, "once is enough");
    office.off(1);
    assert!(!office.stations[1].1.rings && office.talk(0) && office.talk(1));
    office.phone(0, FxsEvent::Digit('5'));
    assert_eq!(office.stations[0].1.digits, "5", "pulses of a call go out as a key");
    office.wait_ms(3000);
    office.on(0);
    assert_eq!(office.hears(1), &Hear::Tone(analog.busy));
    office.wait_ms(31_000);
    assert_eq!(office.hears(1), &Hear::Silence, "the tone ends by itself");
    office.on(1);
    office.wait_ms(60_000);
    assert_eq!(office.records().len(), 1);
    assert_eq!(office.left(), []);
}

#[test]
fn numbers_leave_as_soon_as_they_are_whole() {
    // Digits, how long the caller then waits, and whether the call has left by then.
    let cases = [
        ("202", 0, true),
        ("20", 3900, false),
        ("112", 0, true),
        ("933", 0, true),
        ("030123456", 3900, false),
        ("030123456", 4100, true),
        ("030123456#", 0, true),
        ("*21", 3900, false),
    ];
    for (digits, wait_ms, has_left) in cases {
        let mut office = Office::new(LINE);
        office.off(0);
        office.dial(0, digits);
        office.wait_ms(wait_ms);
        let is_dialling = matches!(office.hears(0), Hear::Silence) && office.stations[0].1.sound.talk.is_none();
        let is_called = office.stations[1].1.rings || office.line.1.is_seized || office.talk(0) || !is_dialling;
        assert_eq!(
            is_called,
            has_left,
            "{digits} after {wait_ms} ms: {:?}",
            office.hears(0)
        );
    }
}

#[test]
fn what_comes_to_nothing_is_told_by_its_tone() {
    let mut office = Office::new("");
    let analog = office.analog;
    office.off(0);
    office.wait_ms(15_100);
    assert_eq!(office.hears(0), &Hear::Tone(analog.congestion), "nothing was dialled");
    office.on(0);
    office.off(0);
    office.dial(0, "299#");
    assert_eq!(office.hears(0), &Hear::Tone(analog.congestion), "no such number");
    office.off(1);
    office.on(0);
    office.off(0);
    office.dial(0, "202");
    assert_eq!(office.hears(0), &Hear::Tone(analog.busy), "off hook, in no call");
    office.phone(0, FxsEvent::Flash);
    assert_eq!(office.hears(0), &Hear::Tone(analog.dial), "a recall begins anew");
    office.phone(0, FxsEvent::Misdialled);
    assert_eq!(office.hears(0), &Hear::Tone(analog.congestion));
}

#[test]
fn a_recall_holds_a_call_asks_another_toggles_and_joins_them() {
    let mut office = Office::new("");
    let analog = office.analog;
    office.connect(0, 1);
    office.flash(0);
    assert_eq!(office.hears(0), &Hear::Tone(analog.dial), "a second dial tone");
    assert!(
        !office.stations[1].1.sound.talk.unwrap().direction.sends(),
        "202 is on hold"
    );
    office.dial(0, "203");
    office.off(2);
    assert!(office.talk(0) && office.talk(2));
    office.flash(0);
    assert!(
        office.stations[1].1.sound.talk.unwrap().direction.sends(),
        "202 is back"
    );
    assert!(
        !office.stations[2].1.sound.talk.unwrap().direction.sends(),
        "203 is on hold"
    );
    office.flash(0);
    assert!(!office.stations[1].1.sound.talk.unwrap().direction.sends());
    office.on(0);
    office.wait_ms(1000);
    for at in [1, 2] {
        let talk = office.stations[at].1.sound.talk.unwrap();
        assert!(
            office.talk(at) && talk.direction.sends() && talk.direction.receives(),
            "{at}: {talk:?}"
        );
    }
    assert!(office.stations[0].0.is_idle());
    office.on(1);
    assert_eq!(office.hears(2), &Hear::Tone(analog.busy));
    office.on(2);
    office.wait_ms(60_000);
    let records = office.records();
    let transfers: Vec<TransferKind> = records
        .iter()
        .flat_map(|record| &record.transfers)
        .map(|it| it.kind)
        .collect();
    assert!(transfers.contains(&TransferKind::Attended), "{records:#?}");
    assert_eq!(office.left(), []);
}

#[test]
fn a_recall_while_nobody_answers_takes_the_held_call_back() {
    let mut office = Office::new("");
    office.connect(0, 1);
    office.flash(0);
    office.dial(0, "203");
    assert!(office.stations[2].1.rings);
    office.flash(0);
    assert!(!office.stations[2].1.rings && office.talk(0) && office.talk(1));
    assert!(office.stations[1].1.sound.talk.unwrap().direction.sends());
}

#[test]
fn hanging_up_while_a_call_is_held_rings_back() {
    let mut office = Office::new("");
    office.connect(0, 1);
    office.flash(0);
    office.on(0);
    assert!(office.stations[0].1.rings, "202 still waits");
    office.off(0);
    assert!(office.talk(0) && office.talk(1));
    office.flash(0);
    office.on(0);
    office.on(1);
    assert!(!office.stations[0].1.rings, "202 has gone");
    office.wait_ms(60_000);
    assert_eq!(office.left(), []);
}

#[test]
fn a_ringing_consultation_is_handed_over_by_hanging_up() {
    let mut office = Office::new("");
    office.connect(0, 1);
    office.flash(0);
    office.dial(0, "203");
    office.on(0);
    office.wait_ms(500);
    assert!(office.stations[2].1.rings, "203 still rings");
    office.off(2);
    office.wait_ms(500);
    assert!(office.talk(1) && office.talk(2));
    office.on(1);
    office.on(2);
    office.wait_ms(60_000);
    assert_eq!(office.left(), []);
}

#[test]
fn a_second_call_knocks_and_a_recall_takes_it() {
    let mut office = Office::new("");
    let waiting = office.analog.waiting;
    office.connect(0, 1);
    office.off(2);
    office.dial(2, "201");
    assert_eq!(office.hears(0), &Hear::FarAnd(waiting));
    assert!(!office.stations[0].1.rings);
    office.flash(0);
    assert!(office.talk(0) && office.talk(2));
    assert_eq!(office.hears(0), &Hear::Far);
    assert!(
        !office.stations[1].1.sound.talk.unwrap().direction.sends(),
        "202 is on hold"
    );
    office.on(2);
    office.flash(0);
    assert!(office.talk(0) && office.stations[1].1.sound.talk.unwrap().direction.sends());
}

#[test]
fn a_call_that_knocks_rings_when_the_other_is_over() {
    let mut office = Office::new("");
    office.connect(0, 1);
    office.off(2);
    office.dial(2, "201");
    office.on(0);
    assert!(office.stations[0].1.rings);
    office.off(0);
    assert!(office.talk(0) && office.talk(2));
}

#[test]
fn in_britain_the_number_comes_before_the_first_ring() {
    let mut office = Office::seeded("GB", "", 1);
    office.off(0);
    office.dial(0, "202");
    assert!(matches!(office.hears(1), Hear::Send(_)) && !office.stations[1].1.rings);
    office.sound(1, &ChannelEvent::Sent);
    assert!(office.stations[1].1.rings);
    office.off(1);
    assert!(office.talk(0) && office.talk(1));
}
