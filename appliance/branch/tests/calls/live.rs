//! What is shown of a call while it lasts.

use std::time::Duration;

use branchline_branch::{Command, Watched};
use branchline_media::{LegQuality, MediaEvent};

use crate::office::{Office, moment};

fn talking() -> Office {
    let mut office = Office::new();
    assert_eq!((office.register(0), office.register(1)), (200, 200));
    office.talk(0, 1);
    office
}

#[test]
fn the_view_shows_the_worse_of_the_two_legs_as_the_relay_measured_it() {
    let mut office = talking();
    let at = moment(office.base, office.now);
    assert_eq!(office.branch.view(at).calls[0].mos, None, "nothing is measured yet");
    office.wait(Duration::from_secs(11));
    assert!(office.measures >= 2, "the relay is asked every few seconds");
    let figures = |mos, packets_in| LegQuality {
        mos,
        packets_in,
        ..LegQuality::default()
    };
    let legs: Vec<_> = office.plans.last().unwrap().legs.iter().map(|leg| leg.leg).collect();
    let at = moment(office.base, office.now);
    for (first, second, shown) in [
        (figures(4.4, 500), figures(2.9, 500), Some(2.9)),
        (figures(4.4, 500), figures(0.0, 0), Some(4.4)),
        (figures(0.0, 0), figures(0.0, 0), None),
    ] {
        let legs = vec![(legs[0], first), (legs[1], second)];
        office.branch.handle_media(at, MediaEvent::Measured { legs });
        assert_eq!(office.branch.view(at).calls[0].mos, shown);
    }
}

#[test]
fn a_key_shows_in_the_trace_without_its_digit() {
    let mut office = talking();
    let at = moment(office.base, office.now);
    let leg = office.plans.last().unwrap().legs[0].leg;
    let key = MediaEvent::Dtmf {
        leg,
        digit: '7',
        duration_ms: 120,
    };
    office.branch.handle_media(at, key.clone());
    office.run();
    assert!(office.traced.is_empty(), "nobody watches");
    office.branch.handle_command(at, Command::Trace(Watched::Yes));
    office.branch.handle_media(at, key);
    office.run();
    let line = &office.traced[0];
    assert_eq!(
        (line.summary.as_str(), line.remote.as_str()),
        ("DTMF 120 ms", "192.0.2.11:5060")
    );
    assert_eq!(line.numbers[0], "201");
    assert!(!line.sip_call_id.is_empty() && line.text.is_empty());
}
