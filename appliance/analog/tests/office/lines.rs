//! Calls over a line of an exchange, both ways, and calls for help.

use branchline_board::FxoEvent;
use branchline_journal::Outcome;
use branchline_media::tone::{CallerId, Presented, Progress};
use branchline_media::voice::{ChannelEvent, Hear, Signal};

use crate::bench::{LINE, Office};

const NUMBER: &str = "030123456#";

fn dialled(office: &Office) -> Vec<&str> {
    let keys = office.line.1.signals.iter().filter_map(|signal| match signal {
        Signal::Keys(keys) => Some(keys.as_str()),
        Signal::CallerId(_) | Signal::Tone { .. } | Signal::Pause { .. } => None,
    });
    keys.collect()
}

/// A call over the line that is up.
fn outside_call(office: &mut Office, at: usize) {
    office.off(at);
    office.dial(at, NUMBER);
    assert!(office.line.1.is_seized, "{:?}", office.hears(at));
    office.on_line(&ChannelEvent::Heard(Progress::Dial));
    office.on_line(&ChannelEvent::Sent);
    office.wait_ms(5_100);
    assert!(office.talk(at));
}

#[test]
fn a_call_leaves_over_the_line_once_the_exchange_has_given_dial_tone() {
    let mut office = Office::new(LINE);
    office.off(0);
    office.dial(0, NUMBER);
    assert!(office.line.1.is_seized);
    assert!(dialled(&office).is_empty(), "nothing before the dial tone");
    office.on_line(&ChannelEvent::Heard(Progress::Dial));
    assert_eq!(dialled(&office), ["030123456"]);
    assert_eq!(office.hears(0), &Hear::Silence);
    office.on_line(&ChannelEvent::Sent);
    assert!(office.talk(0), "the caller hears what the exchange says");
    office.wait_ms(5_100);
    assert!(office.line.1.sound.talk.is_some());
    office.wait_ms(10_000);
    office.exchange(FxoEvent::Disconnected);
    assert_eq!(office.hears(0), &Hear::Tone(office.analog.busy));
    assert!(!office.line.1.is_seized);
    office.on(0);
    office.wait_ms(60_000);
    let records = office.records();
    assert_eq!((records.len(), records[0].outcome), (1, Outcome::Answered));
    assert_eq!(office.left(), []);
}

#[test]
fn a_line_that_is_dead_busy_or_taken_is_told_by_a_tone() {
    // What the exchange says after the seizure, and after the dialling.
    let cases = [
        (None, None),
        (Some(Progress::Busy), None),
        (Some(Progress::Dial), Some(Progress::Busy)),
        (Some(Progress::Dial), Some(Progress::Congestion)),
    ];
    for (at_first, later) in cases {
        let mut office = Office::new(LINE);
        office.off(0);
        office.dial(0, NUMBER);
        at_first
            .into_iter()
            .for_each(|it| office.on_line(&ChannelEvent::Heard(it)));
        if let Some(later) = later {
            office.on_line(&ChannelEvent::Sent);
            office.wait_ms(2_000);
            office.on_line(&ChannelEvent::Heard(later));
        }
        office.wait_ms(6_000);
        let is_told = matches!(office.hears(0), Hear::Tone(tone) if [office.analog.busy, office.analog.congestion].contains(tone));
        assert!(
            is_told && !office.line.1.is_seized,
            "{at_first:?} {later:?}: {:?}",
            office.hears(0)
        );
        office.on(0);
        office.wait_ms(60_000);
        assert_eq!(office.left(), []);
    }
}

#[test]
fn a_call_of_the_exchange_rings_with_its_caller_s_number_and_takes_the_line_when_it_is_answered() {
    let mut office = Office::new(LINE);
    office.exchange(FxoEvent::Ringing);
    assert!(!office.stations[0].1.rings, "the number may still come");
    office.exchange(FxoEvent::RingPause { rings: 1 });
    office.on_line(&ChannelEvent::CallerId(Ok(CallerId {
        when: None,
        number: Presented::Given("08912345".to_owned()),
        name: Presented::Unavailable,
    })));
    assert!(office.stations[0].1.rings && !office.line.1.is_seized);
    office.phone(0, branchline_board::FxsEvent::RingPause { rings: 1 });
    let told = office.stations[0].1.signals.iter().find_map(|signal| match signal {
        Signal::CallerId(told) => Some(told.number.clone()),
        Signal::Keys(_) | Signal::Tone { .. } | Signal::Pause { .. } => None,
    });
    let Some(Presented::Given(number)) = told else {
        panic!("{told:?}");
    };
    assert!(number.ends_with("8912345"), "{number}");
    office.off(0);
    assert!(office.line.1.is_seized && office.talk(0));
    assert!(office.line.1.sound.talk.is_some());
    office.on(0);
    assert!(!office.line.1.is_seized);
    office.wait_ms(60_000);
    assert_eq!(office.left(), []);
}

#[test]
fn a_caller_of_the_exchange_who_gives_up_leaves_nobody_ringing() {
    let mut office = Office::new(LINE);
    office.exchange(FxoEvent::Ringing);
    office.wait_ms(5_100);
    assert!(office.stations[0].1.rings, "without a number after a while");
    office.exchange(FxoEvent::RingStopped);
    office.wait_ms(100);
    assert!(!office.stations[0].1.rings && office.line.0.is_idle());
    office.wait_ms(60_000);
    assert_eq!(office.left(), []);
}

#[test]
fn a_call_for_help_takes_the_line_from_another_call() {
    let mut office = Office::new(LINE);
    outside_call(&mut office, 1);
    office.off(0);
    office.dial(0, "112");
    office.wait_ms(100);
    assert_eq!(office.hears(1), &Hear::Tone(office.analog.busy), "202 gives way");
    assert!(!office.line.1.is_seized, "the exchange has to notice the hang-up");
    office.wait_ms(1_500);
    assert!(office.line.1.is_seized);
    office.on_line(&ChannelEvent::Heard(Progress::Dial));
    assert_eq!(dialled(&office), ["030123456", "112"]);
    office.on_line(&ChannelEvent::Sent);
    office.wait_ms(5_100);
    assert!(office.talk(0));
    office.on(0);
    office.on(1);
    office.wait_ms(60_000);
    assert!(office.records().iter().any(|record| record.emergency));
    assert_eq!(office.left(), []);
}

#[test]
fn a_call_for_help_goes_another_way_where_the_line_is_dead() {
    let provider = "[[trunk]]\nname = \"isp\"\nhost = \"127.66.9.9\"\nport = 5060\n";
    let mut office = Office::new(&format!("{LINE}{provider}").replace("routes = [\"pstn\"]\n", ""));
    office.exchange(FxoEvent::Lost);
    office.off(0);
    office.dial(0, "112");
    office.wait_ms(6_000);
    let helped = office.journal.iter().rev().find_map(|entry| match &entry.event {
        branchline_journal::Event::EmergencyCall(call) => call.trunk.clone(),
        _ => None,
    });
    assert_eq!(helped.as_deref(), Some("isp"));
}
