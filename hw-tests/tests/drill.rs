//! The drill of the line to the hosted PBX, short, where network namespaces are permitted.

#![allow(clippy::print_stderr, reason = "says what was skipped, and why")]

use branchline_hw_tests::rig;
use branchline_hw_tests::wan::{Extent, Part, drill};

#[test]
fn the_branch_lives_without_the_hosted_pbx_and_returns_to_it() {
    if let Some(obstacle) = rig::obstacle() {
        eprintln!("skipped: {obstacle}");
        return;
    }
    let parts = [
        Part::Cuts,
        Part::Sound,
        Part::States,
        Part::Failback,
        Part::Walk,
        Part::Ordered,
    ];
    let report = drill(&parts, Extent::SHORT, |step| {
        eprintln!("drill: {step}");
    })
    .expect("a rig that stands");
    assert!(report.is_met(), "{report}");
}
