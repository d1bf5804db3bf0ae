//! The call database, its disk and the configuration fail under a running box with calls on it.

mod rig;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rig::crowd::{Crowd, Window, show_set_up_times};
use rig::daemon::Daemon;
use rig::disk::Disk;
use rig::{Rig, clock};

/// A breaker that was open several times waits longer each time.
const NORMAL_WITHIN: Duration = Duration::from_secs(60);
const DEGRADED_WITHIN: Duration = Duration::from_secs(15);

fn database_of(daemon: &Daemon) -> String {
    daemon.view()["health"]["database"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn wait_for_mode(daemon: &Daemon, mode: &str, within: Duration) {
    daemon.wait_in_view(&format!("{mode} database"), within, |view| {
        (view["health"]["database"] == mode).then_some(())
    });
}

/// What is done to the database or its disk.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Another process holds SQLite's lock.
    Held,
    /// No room, and no inode.
    Full,
    /// Another disk is mounted in its place, and may only be read.
    ReadOnly,
    /// The file and its side files are deleted.
    Deleted,
}

fn suffer(daemon: &Daemon, disk: &Disk, fault: Fault) -> Window {
    let database = daemon.state().join("calls.db");
    let from_utc_s = clock::utc_s();
    match fault {
        Fault::Held => {
            let other = rusqlite::Connection::open(&database).expect("the database opens");
            other.busy_timeout(Duration::from_secs(10)).expect("a span");
            other
                .execute_batch("BEGIN IMMEDIATE")
                .expect("the lock is free at times");
            wait_for_mode(daemon, "degraded", DEGRADED_WITHIN);
        }
        Fault::Full => {
            let filler = disk.fill();
            daemon.wait_in_view("a home of the journal that fails", DEGRADED_WITHIN, |view| {
                let faults = view["health"]["storage_faults"].as_array()?;
                (!faults.is_empty()).then_some(())
            });
            fs::remove_file(filler).expect("it was made a moment ago");
        }
        Fault::ReadOnly => {
            let over = Disk::mount(daemon.state(), "ro,size=64k").expect("the first mount was permitted");
            clock::let_pass(Duration::from_secs(2));
            drop(over);
        }
        Fault::Deleted => {
            for side in ["", "-wal", "-shm"] {
                let _ = fs::remove_file(PathBuf::from(format!("{}{side}", database.display())));
            }
        }
    }
    let to_utc_s = clock::utc_s();
    wait_for_mode(daemon, "normal", NORMAL_WITHIN);
    Window { from_utc_s, to_utc_s }
}

#[test]
fn calls_and_their_records_outlast_every_failure_of_the_database_and_its_disk() {
    const CALLS: u32 = 350;
    let rig = Rig::new("storage");
    let state = rig.subfolder("box").join("state");
    let Some(disk) = Disk::mount(&state, "size=12m,mode=0700") else {
        println!("SKIPPED: mounting a tmpfs is not permitted here");
        return;
    };
    let spool = format!("\n[storage]\nspool = \"{}\"\n", rig.subfolder("spool").display());
    let crowd = Crowd::new();
    let mut daemon = crowd.start(&rig, &spool);
    let [callees, callers] = crowd.call(&rig, &daemon, CALLS);
    let faults = [Fault::Held, Fault::Full, Fault::ReadOnly, Fault::Deleted];
    let windows = faults.map(|fault| suffer(&daemon, &disk, fault));
    let calling = callers.finish();
    calling.assert_all(CALLS);
    callees.finish().assert_all(CALLS);
    show_set_up_times(&calling, &windows);

    wait_for_mode(&daemon, "normal", NORMAL_WITHIN);
    let records = daemon.wait_for_records(CALLS as usize, NORMAL_WITHIN);
    let ids: BTreeSet<&str> = records.iter().filter_map(|record| record["id"].as_str()).collect();
    assert_eq!(
        (records.len(), ids.len()),
        (CALLS as usize, CALLS as usize),
        "one record a call"
    );
    assert!(records.iter().all(|record| record["outcome"] == "answered"));
    let status: serde_json::Value =
        serde_json::from_str(&daemon.command(&["database", "status", "--json"])).expect("JSON");
    assert_eq!(status["recovery"]["equal"], true, "{status:#}");
    assert_eq!(status["lost_entries"], 0);

    // Pages overwritten while it is off: found at the start, made good from the journal.
    daemon.stop();
    let path = daemon.state().join("calls.db");
    let mut bytes = fs::read(&path).expect("the database is there");
    let end = bytes.len().min(4096 * 8);
    bytes[4096 * 4..end].fill(0xa5);
    fs::write(&path, bytes).expect("there is room");
    daemon.start_again();
    let again = daemon.wait_for_records(CALLS as usize, NORMAL_WITHIN);
    assert_eq!(again, records, "the same records as before the damage");
    daemon.stop();
}

#[test]
fn a_drill_under_load_finds_both_sides_equal() {
    const CALLS: u32 = 100;
    let rig = Rig::new("drill");
    let crowd = Crowd::new();
    let daemon = crowd.start(&rig, "");
    let [callees, callers] = crowd.call(&rig, &daemon, CALLS);
    let printed = daemon.command(&["drill", "database", "4s"]);
    assert!(printed.contains("PASSED") && printed.contains(": equal"), "{printed}");
    callers.finish().assert_all(CALLS);
    callees.finish().assert_all(CALLS);
    assert_eq!(
        daemon.wait_for_records(CALLS as usize, NORMAL_WITHIN).len(),
        CALLS as usize
    );
    let reports = fs::read_dir(daemon.state().join("reports")).expect("reports").count();
    assert_eq!(reports, 2, "the recovery and the drill");
    assert_eq!(database_of(&daemon), "normal");
}

#[test]
fn the_box_starts_from_its_copy_when_the_file_is_lost_or_faulty() {
    let rig = Rig::new("bundle");
    let crowd = Crowd::new();
    let mut daemon = crowd.start(&rig, "");
    let phones = daemon.view()["phones"].clone();
    let text = fs::read_to_string(daemon.configuration()).expect("it was written");
    assert_eq!(daemon.view()["storage"]["configuration"], "");
    for broken in [None, Some("[nonsense]\n")] {
        daemon.kill9();
        match broken {
            None => fs::remove_file(daemon.configuration()).expect("it was there"),
            Some(text) => fs::write(daemon.configuration(), text).expect("the folder is writable"),
        }
        daemon.start_again();
        assert_eq!(daemon.view()["phones"], phones, "{broken:?}");
        let said = daemon.view()["storage"]["configuration"].to_string();
        assert!(said.contains("signed by this box"), "{said}");
        assert!(daemon.log().contains("ATTENTION"), "the screen says it");
    }
    fs::write(daemon.configuration(), text).expect("the folder is writable");
    daemon.command(&["reload"]);
    daemon.wait_in_view("the file in force again", DEGRADED_WITHIN, |view| {
        (view["storage"]["configuration"] == "").then_some(())
    });
}

#[test]
fn a_box_with_a_faulty_file_and_no_copy_starts_with_what_is_sound() {
    let rig = Rig::new("minimum");
    let mut daemon = Crowd::new().start(&rig, "\n[[trunk]]\nname = \"main\"\nhost = \"127.0.0.9\"\n");
    let shown = |daemon: &Daemon| {
        (
            daemon.view()["phones"].clone(),
            daemon.view()["trunks"][0]["name"].clone(),
        )
    };
    let before = shown(&daemon);
    assert_eq!(before.1, "main");
    let text = fs::read_to_string(daemon.configuration()).expect("it was written");
    daemon.kill9();
    fs::remove_dir_all(daemon.state().join("bundle")).expect("a copy was kept");
    let faulty = format!("{text}\n[emergency]\nroute = [\"main\"]\n");
    fs::write(daemon.configuration(), faulty).expect("the folder is writable");
    daemon.start_again();
    let said = daemon.view()["storage"]["configuration"].to_string();
    assert!(said.contains("without [emergency] of line"), "{said}");
    assert!(daemon.log().contains("ATTENTION"), "the screen says it");
    assert_eq!(shown(&daemon), before);
}

#[test]
fn an_edit_on_a_full_disk_is_refused_and_leaves_the_file_whole() {
    let rig = Rig::new("full");
    let state = rig.subfolder("box").join("state");
    let Some(disk) = Disk::mount(&state, "size=4m,mode=0700") else {
        println!("SKIPPED: mounting a tmpfs is not permitted here");
        return;
    };
    let daemon = Crowd::new().start(&rig, "");
    let inside = state.join("branchline.toml");
    fs::copy(daemon.configuration(), &inside).expect("there is room");
    let before = fs::read(&inside).expect("a copy");
    disk.fill();
    let inside_text = inside.display().to_string();
    let refused = daemon.refused(&["extension", "add", "299", "--config", &inside_text]);
    assert!(refused.contains("No space left"), "{refused}");
    assert_eq!(fs::read(&inside).expect("it is still there"), before);
}
