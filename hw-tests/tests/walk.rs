//! Telephones of other makers through the loss of the WAN and its return, where network namespaces are permitted.

#![allow(clippy::print_stderr, reason = "says what was skipped, and why")]

use branchline_hw_tests::rig;
use branchline_hw_tests::wan::{Extent, Part, drill};

#[test]
fn calls_of_baresip_and_pjsip_in_every_state_outlast_the_wan_and_its_return() {
    if let Some(obstacle) = rig::obstacle() {
        eprintln!("skipped: {obstacle}");
        return;
    }
    let report = drill(&[Part::Walk], Extent::SHORT, |step| eprintln!("drill: {step}")).expect("a rig that stands");
    assert!(report.is_met(), "{report}");
}
