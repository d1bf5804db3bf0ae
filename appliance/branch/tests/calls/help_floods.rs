//! Calls for help that nobody can tell from forged ones, by the thousand: the telephones' own still go out.

use std::time::Duration;

use branchline_media::Family;

use crate::emergencies::{Line, PHONE};

const SMALL: &str = "[sip]\nmax_calls = 10\n[[trunk]]\nname = \"a\"\nhost = \"192.0.2.9\"\nmode = \"address\"\n";

/// A box with a registered telephone and so many ports, and what else its trunk is.
fn registered(ports: u16, trunk: &str) -> Line {
    let mut line = Line::with(&format!("{SMALL}{trunk}"));
    let ports: Vec<u16> = (30_000..30_000 + ports * 2).step_by(2).collect();
    line.office.branch.handle_ports(Family::V4, &ports);
    assert_eq!(line.office.register(0), 200);
    line
}

/// Sources on the network of the box, and elsewhere.
const SOURCES: [fn(usize) -> String; 2] = [
    |n| format!("10.7.{}.{}:5060", n / 250, n % 250),
    |n| format!("198.18.{}.{}:5060", n / 250, n % 250),
];

#[test]
fn a_flood_takes_the_room_of_no_registered_telephone() {
    // Sessions run out first, or ports.
    for ports in [2_000, 20] {
        for source in SOURCES {
            let mut line = registered(ports, "");
            for n in 0..1_000 {
                line.invite(&source(n), ("112", ""));
            }
            assert!(!line.went_out().is_empty(), "they go out while there is room");
            line.invite(PHONE, ("112", ""));
            assert_eq!(line.went_out().len(), 1, "{ports} ports, {}", source(0));
        }
    }
}

#[test]
fn in_a_flood_from_elsewhere_the_oldest_call_gives_way_to_the_newest() {
    let mut line = registered(2_000, "");
    for n in 0..60 {
        line.invite(&SOURCES[1](n), ("112", ""));
        assert_eq!(line.went_out().len(), 1, "call {n}");
        line.wait(Duration::from_millis(1));
    }
}

#[test]
fn a_channel_that_forged_calls_have_taken_is_a_telephones_all_the_same() {
    let mut line = Line::with(&SMALL.replace("\"address\"", "\"address\"\nmax_calls = 1"));
    line.office
        .branch
        .handle_ports(Family::V4, &[30_000, 30_002, 30_004, 30_006]);
    assert_eq!(line.office.register(0), 200);
    for _ in 0..4 {
        line.invite(&SOURCES[1](1), ("112", ""));
    }
    assert_eq!(line.office.view().counters.calls_preempted, 0);
    line.invite(PHONE, ("112", ""));
    assert_eq!(line.office.view().counters.calls_preempted, 1);
}

#[test]
fn who_calls_from_the_branch_is_heard_however_many_call() {
    let quiet = |line: &Line| line.office.view().counters.calls_emergency_quiet;
    for (sources, quiet_calls) in [(SOURCES[0], 0), (SOURCES[1], 4)] {
        let mut line = registered(2_000, "");
        for n in 0..10 {
            line.invite(&sources(n), ("112", ""));
        }
        assert_eq!(quiet(&line), quiet_calls, "{}", sources(0));
        // A telephone that the box knows, at another port, and one of its own network.
        for from in ["192.0.2.11:6060", "192.0.2.77:5060"] {
            line.invite(from, ("112", ""));
            assert_eq!(quiet(&line), quiet_calls, "{from}");
        }
    }
}
