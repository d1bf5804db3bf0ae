//! Where real telephones are, by the port of the box's own switch, where network namespaces are permitted.

#![allow(clippy::print_stderr, reason = "says what was skipped, and why")]

use std::time::Duration;

use branchline_hw_tests::rig::{self, Lan};

/// The box asks the kernel at each registration and every 15 s.
const SEEN_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn a_call_for_help_says_behind_which_port_the_telephone_is_also_after_it_moved() {
    if let Some(obstacle) = rig::obstacle() {
        eprintln!("skipped: {obstacle}");
        return;
    }
    let mut lan = Lan::new().expect("a rig that stands");
    let are = |expected: [&'static str; 2]| {
        move |places: &[String]| places.len() == 2 && places.iter().zip(expected).all(|(it, id)| it.contains(id))
    };
    let places = lan
        .places(SEEN_WITHIN, are(["one", "two"]))
        .expect("a box that answers");
    assert!(are(["one", "two"])(&places), "{places:?}");
    lan.move_to("lan3").expect("a cable that can be moved");
    let places = lan
        .places(SEEN_WITHIN, are(["three", "two"]))
        .expect("a box that answers");
    assert!(are(["three", "two"])(&places), "{places:?}");
}
