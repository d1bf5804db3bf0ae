//! The power goes at every operation of an update, and some of what was not synchronised is lost: a whole version is
//! current afterwards, the old or the new one, and the box comes to rest.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sim;

use branchline_update::{BINARY, Before, Disk, INCOMING, Outcome, Pending, Settled, Shelf, ShelfFault, State, Version};
use sim::SimDisk;

const SEEDS: u64 = 40;
const TRIES: u32 = 2;

fn old() -> Version {
    Version::new(1, 0, 0)
}

fn new() -> Version {
    Version::new(1, 1, 0)
}

fn program(version: &Version) -> Vec<u8> {
    format!("the program {version}").repeat(50).into_bytes()
}

/// What the shell does before `put`.
fn unpack(shelf: &mut Shelf<SimDisk>, version: &Version) -> std::io::Result<()> {
    let disk = shelf.disk_mut();
    disk.remove(INCOMING)?;
    disk.make_directory(INCOMING)?;
    disk.write(&format!("{INCOMING}/{BINARY}"), &program(version))
}

fn pending() -> Pending {
    Pending {
        version: new(),
        from: old(),
        tries_left: TRIES,
        before: Before::default(),
        utc_ms: 1,
    }
}

/// A box with the old version.
fn a_box(seed: u64) -> Shelf<SimDisk> {
    let mut shelf = Shelf::new(SimDisk::new(seed));
    unpack(&mut shelf, &old()).unwrap();
    shelf.put(&old()).unwrap();
    shelf.adopt(&old()).unwrap();
    shelf
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Keep,
    TakeBack,
    Withdraw,
    GoBack,
}

fn update(shelf: &mut Shelf<SimDisk>, verdict: Verdict) -> Result<(), ShelfFault> {
    let io = |source| ShelfFault::Io { what: "unpack", source };
    unpack(shelf, &new()).map_err(io)?;
    shelf.put(&new())?;
    shelf.begin(&pending())?;
    let settled = shelf.settle(2)?;
    assert_eq!(settled, Settled::OnTrial { tries_left: TRIES - 1 });
    match verdict {
        Verdict::Keep => {
            shelf.keep(3)?;
            shelf.tidy(&[old()])
        }
        Verdict::TakeBack => shelf.take_back("worse", 3),
        Verdict::Withdraw => shelf.withdraw("calls"),
        Verdict::GoBack => {
            shelf.keep(3)?;
            shelf.go_back(&old(), ("by hand", 4))
        }
    }
}

/// What must hold whenever the power comes back.
fn check(shelf: &Shelf<SimDisk>, at: &str) -> State {
    let state = shelf.state().unwrap_or_else(|fault| panic!("{at}: {fault}"));
    let current = state
        .current
        .clone()
        .unwrap_or_else(|| panic!("{at}: nothing to start"));
    let path = format!("versions/{current}/{BINARY}");
    assert_eq!(
        shelf.disk().read(&path).unwrap(),
        Some(program(&current)),
        "{at}: {current} is not whole"
    );
    state
}

#[test]
fn a_power_cut_at_any_operation_leaves_a_whole_version_that_comes_to_rest() {
    let mut cuts = 0;
    for verdict in [Verdict::Keep, Verdict::TakeBack, Verdict::Withdraw, Verdict::GoBack] {
        for seed in 0..SEEDS {
            for operations in 0.. {
                let mut shelf = a_box(seed);
                shelf.disk_mut().cut_after(Some(operations));
                let done = update(&mut shelf, verdict);
                if !shelf.disk().is_cut() {
                    done.unwrap();
                    break;
                }
                cuts += 1;
                shelf.disk_mut().power_up();
                let at = format!("{verdict:?}, seed {seed}, operation {operations}");
                check(&shelf, &at);
                comes_to_rest(&mut shelf, &at);
            }
        }
    }
    assert!(cuts > 4 * SEEDS * 30, "only {cuts} power cuts");
}

/// Each start may meet the next power cut; nobody judges.
fn comes_to_rest(shelf: &mut Shelf<SimDisk>, at: &str) {
    for _ in 0..8 {
        let operations = shelf.disk_mut().any(8);
        shelf.disk_mut().cut_after(Some(operations));
        let settled = shelf.settle(9);
        shelf.disk_mut().power_up();
        check(shelf, at);
        assert!(
            settled.is_ok() || settled.is_err_and(|fault| fault.to_string().contains("power")),
            "{at}"
        );
    }
    for _ in 0..=TRIES + 1 {
        shelf.settle(9).unwrap();
    }
    let state = check(shelf, at);
    assert_eq!(state.pending, None, "{at}: still on trial");
    assert_eq!(shelf.settle(9).unwrap(), Settled::Quiet, "{at}");
    match state.record.last {
        Some(Outcome::Good { version, .. }) => assert_eq!(state.current, Some(version), "{at}"),
        Some(Outcome::TakenBack { back_to, .. }) => assert_eq!(state.current, Some(back_to), "{at}"),
        None => assert_eq!(state.current, Some(old()), "{at}"),
    }
    // The next update goes through.
    update(shelf, Verdict::TakeBack)
        .or_else(|fault| match fault {
            ShelfFault::Busy(version) if version == new() => Ok(()),
            fault => Err(fault),
        })
        .unwrap();
}

#[test]
fn a_version_that_is_never_judged_is_taken_back_after_its_tries_and_stays_away() {
    let mut shelf = a_box(1);
    unpack(&mut shelf, &new()).unwrap();
    shelf.put(&new()).unwrap();
    shelf.begin(&pending()).unwrap();
    for tries_left in (0..TRIES).rev() {
        assert_eq!(shelf.settle(2).unwrap(), Settled::OnTrial { tries_left });
        assert_eq!(shelf.state().unwrap().current, Some(new()));
    }
    assert_eq!(shelf.settle(2).unwrap(), Settled::TakenBack(new()));
    let state = shelf.state().unwrap();
    assert_eq!((&state.current, &state.record.highest), (&Some(old()), &None));
    assert!(state.record.failed(&new()).unwrap().contains("too often"));
}

#[test]
fn a_damaged_record_is_said_and_the_current_version_stays() {
    let mut shelf = a_box(1);
    shelf.disk_mut().write("record", b"{\"highest\": 3}").unwrap();
    assert!(matches!(shelf.state(), Err(ShelfFault::Damaged { name: "record", .. })));
    assert_eq!(shelf.settle(1).unwrap(), Settled::Quiet);
    assert!(shelf.begin(&pending()).is_err());
}

#[test]
fn only_versions_that_are_there_become_current_and_one_trial_goes_on_at_a_time() {
    let mut shelf = a_box(1);
    assert!(matches!(shelf.begin(&pending()), Err(ShelfFault::Absent(version)) if version == new()));
    assert!(matches!(shelf.adopt(&new()), Err(ShelfFault::Absent(_))));
    unpack(&mut shelf, &old()).unwrap();
    assert!(shelf.put(&old()).is_err(), "the current version is not replaced");
    unpack(&mut shelf, &new()).unwrap();
    shelf.put(&new()).unwrap();
    shelf.begin(&pending()).unwrap();
    assert!(matches!(shelf.begin(&pending()), Err(ShelfFault::Busy(_))));
    assert!(matches!(
        shelf.go_back(&old(), ("by hand", 1)),
        Err(ShelfFault::Busy(_))
    ));
}
