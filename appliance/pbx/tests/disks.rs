//! Disks that fail for real under a running box with calls on it: frozen, read-only, without blocks, without inodes,
//! unreadable; and a box that is killed while it catches up.

mod rig;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use rig::crowd::{Crowd, Window, show_set_up_times};
use rig::daemon::Daemon;
use rig::disk::{Card, Disk};
use rig::{Rig, clock};
use serde_json::Value;

const FAULT_WITHIN: Duration = Duration::from_secs(20);
const NORMAL_WITHIN: Duration = Duration::from_secs(60);
/// The user that owns nothing.
const NOBODY: u32 = 65_534;

/// One record for each of so many answered calls.
fn assert_recorded(daemon: &Daemon, calls: u32) {
    let records = daemon.wait_for_records(calls as usize, NORMAL_WITHIN);
    let ids: BTreeSet<&str> = records.iter().filter_map(|record| record["id"].as_str()).collect();
    assert_eq!(
        (records.len(), ids.len()),
        (calls as usize, calls as usize),
        "one record a call"
    );
    assert!(records.iter().all(|record| record["outcome"] == "answered"));
    assert_eq!(daemon.view()["storage"]["lost_entries"], 0);
}

fn wait_until_well(daemon: &Daemon) {
    daemon.wait_in_view("healthy storage", NORMAL_WITHIN, |view| {
        let faults = view["health"]["storage_faults"].as_array()?;
        (faults.is_empty() && view["health"]["database"] == "normal").then_some(())
    });
}

fn wait_for_fault(daemon: &Daemon, told: impl Fn(&Value) -> bool) {
    daemon.wait_in_view("word of the fault", FAULT_WITHIN, |view| {
        told(&view["storage"]).then_some(())
    });
}

fn has_failed_home(storage: &Value, dir: &Path) -> bool {
    let dir = dir.display().to_string();
    storage["homes"].as_array().is_some_and(|homes| {
        homes.iter().any(|home| {
            let is_it = home["directory"].as_str().is_some_and(|path| path.starts_with(&dir));
            is_it && home["fault"] != ""
        })
    })
}

fn degraded(storage: &Value) -> bool {
    storage["reason"] != ""
}

#[test]
fn calls_and_their_records_outlast_cards_that_freeze_turn_read_only_and_lose_blocks() {
    const CALLS: u32 = 450;
    let rig = Rig::new("cards");
    let (state, spool) = (rig.subfolder("box").join("state"), rig.subfolder("spool"));
    let (sound, lossy) = (rig.subfolder("sound"), rig.subfolder("lossy"));
    let under = Disk::mount(&lossy, "size=40m");
    let cards = Card::insert(&sound.join("card"), &state).zip(Card::insert(&lossy.join("card"), &spool));
    let Some((under, (state_card, spool_card))) = under.zip(cards) else {
        println!("SKIPPED: a file cannot be mounted as a disk here (loop devices, mkfs.ext4)");
        return;
    };
    let crowd = Crowd::new();
    let mut daemon = crowd.start(&rig, &format!("\n[storage]\nspool = \"{}\"\n", spool.display()));
    let [callees, callers] = crowd.call(&rig, &daemon, CALLS);
    let mut windows = Vec::new();
    let mut suffer = |break_it: &dyn Fn(), told: &dyn Fn(&Value) -> bool| {
        let from_utc_s = clock::utc_s();
        break_it();
        wait_for_fault(&daemon, told);
        windows.push(Window {
            from_utc_s,
            to_utc_s: clock::utc_s(),
        });
    };
    let spool_failed = |storage: &Value| has_failed_home(storage, &spool);
    suffer(&|| spool_card.freeze(), &spool_failed);
    spool_card.thaw();
    wait_until_well(&daemon);
    suffer(&|| state_card.freeze(), &degraded);
    state_card.thaw();
    wait_until_well(&daemon);
    suffer(&|| spool_card.lose_blocks(&under), &spool_failed);
    spool_card.mend();
    wait_until_well(&daemon);
    let can_turn = spool_card.turn_read_only();
    if can_turn {
        suffer(&|| {}, &spool_failed);
        spool_card.mend();
        wait_until_well(&daemon);
        suffer(&|| assert!(state_card.turn_read_only()), &degraded);
    } else {
        println!("SKIPPED in part: this kernel cannot be told to meet an error on ext4");
    }
    let calling = callers.finish();
    calling.assert_all(CALLS);
    callees.finish().assert_all(CALLS);
    show_set_up_times(&calling, &windows);
    // A card that has turned read-only stays so until the box is started with another one.
    daemon.stop();
    state_card.mend();
    daemon.start_again();
    wait_until_well(&daemon);
    assert_recorded(&daemon, CALLS);
    daemon.stop();
}

#[test]
fn a_box_that_is_not_root_lives_without_the_files_it_may_not_read_and_without_inodes() {
    const CALLS: u32 = 150;
    let rig = Rig::new("nobody");
    let state = rig.subfolder("box").join("state");
    let Some(_disk) = Disk::mount(&state, "size=12m,nr_inodes=60,mode=0700") else {
        println!("SKIPPED: mounting a tmpfs is not permitted here");
        return;
    };
    let spool = rig.subfolder("spool");
    for folder in [&state, &spool] {
        chown(folder, Some(NOBODY), Some(NOBODY)).expect("the test runs as root, as it could mount");
    }
    let crowd = Crowd::new();
    let mut daemon = crowd.start(&rig, &format!("\n[storage]\nspool = \"{}\"\n", spool.display()));
    let [callees, callers] = crowd.call(&rig, &daemon, CALLS);

    let mode = |mode| fs::set_permissions(&state, fs::Permissions::from_mode(mode)).expect("our own folder");
    mode(0o000);
    wait_for_fault(&daemon, degraded);
    mode(0o700);
    wait_until_well(&daemon);

    let fillers: Vec<_> = (0..100).map(|n| state.join(format!("filler-{n}"))).collect();
    let made = fillers.iter().take_while(|path| fs::File::create(path).is_ok()).count();
    assert!(made < fillers.len(), "inodes never ran out");
    // The box makes the file again, and what is open somewhere gives no inode back.
    let held = ["", "-wal", "-shm"].map(|side| fs::File::open(state.join(format!("calls.db{side}"))));
    fs::remove_file(state.join("calls.db")).expect("it was there");
    wait_for_fault(&daemon, degraded);
    drop(held);
    for path in fillers.iter().take(made) {
        fs::remove_file(path).expect("it was made a moment ago");
    }
    wait_until_well(&daemon);

    callers.finish().assert_all(CALLS);
    callees.finish().assert_all(CALLS);
    assert_recorded(&daemon, CALLS);
    daemon.stop();
}

#[test]
fn a_box_killed_again_and_again_while_it_catches_up_has_each_call_once() {
    const CALLS: u32 = 10;
    let rounds: u32 = std::env::var("KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(8);
    let rig = Rig::new("kills");
    let crowd = Crowd::new();
    let mut daemon = crowd.start(&rig, "");
    let mut made = 0;
    for round in 0..rounds.min(500 / CALLS) {
        daemon.command(&["database", "fail"]);
        let [callees, callers] = crowd.call(&rig, &daemon, CALLS);
        callers.finish().assert_all(CALLS);
        callees.finish().assert_all(CALLS);
        made += CALLS;
        daemon.command(&["database", "restore"]);
        // From before the first probe to after the last entry, a little later each time.
        clock::let_pass(Duration::from_millis(u64::from(round) * 2_500 / u64::from(rounds)));
        daemon.kill9();
        daemon.start_again();
    }
    assert_recorded(&daemon, made);
    daemon.stop();
}

#[test]
fn a_box_whose_state_directory_cannot_be_written_starts_and_says_so() {
    let rig = Rig::new("nostate");
    let crowd = Crowd::new();
    let state = rig.subfolder("box").join("state");
    let spool = rig.subfolder("spool");
    let Some(disk) = Disk::mount(&state, "ro,size=64k") else {
        println!("SKIPPED: mounting a tmpfs is not permitted here");
        return;
    };
    let daemon = crowd.start(&rig, &format!("\n[storage]\nspool = \"{}\"\n", spool.display()));
    let [callees, callers] = crowd.call(&rig, &daemon, 20);
    callers.finish().assert_all(20);
    callees.finish().assert_all(20);
    let told = daemon.complaint(&["doctor"]);
    assert!(told.contains("cannot be used") && told.contains("Read-only"), "{told}");
    let listed = daemon.command(&["phones"]);
    assert!(listed.contains("1020"), "the command line finds the box: {listed}");
    drop(disk);
}
