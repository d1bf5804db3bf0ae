//! The database fails while calls are recorded, and what becomes of them; the journal loses a home.

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use branchline_calldb::*;
use branchline_journal::*;
use common::*;

#[test]
fn calls_of_a_bypass_are_in_the_database_afterwards_and_both_sides_are_equal() {
    let dir = place();
    let mut running = open(dir.path());
    running.keep((1..=3).map(ended).collect());
    running.wait_until_applied();
    running.call_db.bypass(None);
    running.wait_for_state(&DatabaseState::Degraded(Reason::Bypassed));
    for number in 4..=50 {
        assert_eq!(running.keep(vec![started(number), ended(number)]), Kept::Synced);
    }
    assert_eq!(records(dir.path()).len(), 3, "the database is left alone");
    running.call_db.restore();
    let recovery = running.wait_for_recovery();
    running.wait_for_state(&DatabaseState::Normal);
    assert!(recovery.is_equal(), "{recovery:?}");
    assert_eq!((recovery.journal.calls, recovery.database.calls), (47, 47));
    assert_eq!((recovery.after_seq, recovery.up_to_seq), (3, 97));
    running.close();
    assert_eq!(records(dir.path()), (1..=50).map(record).collect::<Vec<_>>());
}

#[test]
fn a_bypass_ends_by_itself_when_nobody_ends_it() {
    let dir = place();
    let mut running = open(dir.path());
    running.call_db.bypass(Some(Duration::from_millis(100)));
    running.keep(vec![ended(1)]);
    assert_eq!(running.wait_for_recovery().database.calls, 1);
    running.close();
}

#[test]
fn a_database_deleted_under_the_running_box_comes_back_whole() {
    let dir = place();
    let mut running = open(dir.path());
    running.keep((1..=30).map(ended).collect());
    running.wait_until_applied();
    // What the journal no longer has must come from the file that is still open.
    let path = Paths::under(dir.path()).database;
    for side in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{side}", path.display()));
    }
    running.keep(vec![ended(31)]);
    let recovery = running.wait_for_recovery();
    assert!(recovery.is_equal(), "{recovery:?}");
    assert_eq!(recovery.why, Reason::Missing.to_string());
    running.close();
    assert_eq!(records(dir.path()), (1..=31).map(record).collect::<Vec<_>>());
    let reopened = open(dir.path());
    assert_eq!(reopened.report.rebuilt, None, "it was restored, not made again");
    reopened.close();
}

#[test]
fn damage_met_while_running_is_moved_aside_and_made_good_from_the_journal() {
    let dir = place();
    let mut running = open(dir.path());
    running.keep((1..=200).map(ended).collect());
    running.wait_until_applied();
    // As an operator would: the file must not change under SQLite's open cache unseen.
    running.call_db.bypass(None);
    running.wait_for_state(&DatabaseState::Degraded(Reason::Bypassed));
    running.keep(vec![ended(201)]);
    let path = Paths::under(dir.path()).database;
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(other);
    let mut bytes = fs::read(&path).unwrap();
    let (from, to) = (4096 * 4, (4096 * 7).min(bytes.len()));
    bytes[from..to].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    running.call_db.restore();
    let recovery = running.wait_for_recovery();
    assert!(recovery.is_equal() && recovery.after_seq == 0, "{recovery:?}");
    assert_eq!(recovery.database.calls, 201);
    running.close();
    assert_eq!(records(dir.path()), (1..=201).map(record).collect::<Vec<_>>());
    assert!(dir.path().join("calls.db.damaged-1").exists());
}

#[test]
fn damage_that_nobody_meets_is_found_by_the_check_that_comes_round() {
    let dir = place();
    let limits = Limits {
        check_every: Duration::from_millis(200),
        ..Limits::default()
    };
    let mut running = open_with(dir.path(), limits);
    running.keep((1..=200).map(ended).collect());
    running.wait_until_applied();
    let path = Paths::under(dir.path()).database;
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    // A row that was changed where SQLite sees nothing wrong.
    other
        .execute(
            "UPDATE call_record SET body = replace(body, 'Ann', 'Eve') WHERE seq = 5",
            [],
        )
        .unwrap();
    drop(other);
    let recovery = running.wait_for_recovery();
    assert!(recovery.is_equal() && recovery.why.contains("damaged"), "{recovery:?}");
    running.close();
    assert_eq!(records(dir.path()), (1..=200).map(record).collect::<Vec<_>>());
}

#[test]
fn the_spool_of_another_box_is_left_alone_and_that_of_a_lost_one_is_taken_over() {
    let dir = place();
    let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
    for (home, number) in [(&ours, 1), (&theirs, 2)] {
        let paths = two_homes(home);
        let mut running = open_by(paths, number);
        running.keep(vec![bound(&number.to_string()), ended(number.into())]);
        running.close();
    }
    // The other box's stick in this box.
    fs::remove_dir_all(ours.join("spool")).unwrap();
    fs::rename(theirs.join("spool"), ours.join("spool")).unwrap();
    let mut running = open_by(two_homes(&ours), 3);
    let homes = running.call_db.status().homes;
    assert!(homes[0].fault.as_ref().unwrap().contains("another box"), "{homes:?}");
    assert_eq!(aors(&running.report), ["1"]);
    assert_eq!(running.keep(vec![ended(3)]), Kept::Synced);
    running.close();
    assert_eq!(records(&ours), [1, 3].map(record));
    // A box whose own disk was replaced finds itself on its stick.
    let fresh = dir.path().join("fresh");
    fs::create_dir(&fresh).unwrap();
    fs::rename(ours.join("spool"), fresh.join("spool")).unwrap();
    let running = open_by(two_homes(&fresh), 4);
    assert_eq!(aors(&running.report), ["2"]);
    running.close();
    assert_eq!(records(&fresh), [2].map(record));
}

/// Opens it in the boot with this number.
fn open_by(paths: Paths, boot: u32) -> Rig {
    open_in(paths, Limits::default(), stamp(u128::from(boot), 1))
}

#[test]
fn entries_that_the_database_refuses_go_into_quarantine_are_counted_and_hold_up_no_other() {
    for refused_calls in [1, LISTED_MAX as u64 + 20] {
        let last_refused = 1 + refused_calls;
        let last = last_refused + 3;
        let dir = place();
        open(dir.path()).close();
        let path = Paths::under(dir.path()).database;
        let refuse = format!(
        "CREATE TRIGGER refuse BEFORE INSERT ON call_record WHEN NEW.talk_ms = 50 AND NEW.seq BETWEEN 2 AND {last_refused}
        BEGIN SELECT RAISE(ABORT, 'not this one'); END"
    );
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch(&refuse)
            .unwrap();
        let mut running = open(dir.path());
        running.call_db.bypass(None);
        running.wait_for_state(&DatabaseState::Degraded(Reason::Bypassed));
        running.keep((1..=last).map(ended).collect());
        running.call_db.restore();
        let recovery = running.wait_for_recovery();
        assert!(recovery.is_equal() && recovery.missing_calls == 0, "{recovery:?}");
        assert_eq!(recovery.quarantined_entries, refused_calls);
        let refused: Vec<(u64, &str)> = recovery
            .quarantined
            .iter()
            .map(|it| (it.seq, it.kind.as_str()))
            .collect();
        let listed = (2..=last_refused).map(|seq| (seq, "call_ended")).take(LISTED_MAX);
        assert_eq!(refused, listed.collect::<Vec<_>>());
        assert!(recovery.quarantined[0].why.contains("not this one"));
        running.close();
        let taken = std::iter::once(1).chain(last_refused + 1..=last);
        assert_eq!(records(dir.path()), taken.map(record).collect::<Vec<_>>());
    }
}

#[test]
fn a_lost_home_of_the_journal_costs_nothing_and_what_it_held_is_filled_in_when_it_is_back() {
    let dir = place();
    let paths = two_homes(dir.path());
    let mut running = open_at(paths.clone(), Limits::default());
    running.keep((1..=5).map(ended).chain([help(9, "+12125550101")]).collect());
    running.close();
    let away = dir.path().join("away");
    // A file where the directory should be: it cannot be opened, and not be made.
    fs::rename(&paths.journals[0], &away).unwrap();
    fs::write(&paths.journals[0], "").unwrap();
    // The database goes as well, so that the first calls are nowhere.
    for side in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{side}", paths.database.display()));
    }
    let mut running = open_at(paths.clone(), Limits::default());
    assert_eq!(running.keep((6..=8).map(ended).collect()), Kept::Synced);
    let homes = running.call_db.status().homes;
    assert!(homes[0].fault.is_some() && homes[1].in_use, "{homes:?}");
    running.wait_until_applied();
    assert_eq!(records(dir.path()), (6..=8).map(record).collect::<Vec<_>>());
    fs::remove_file(&paths.journals[0]).unwrap();
    fs::rename(&away, &paths.journals[0]).unwrap();
    running.wait_for(|notice| match notice {
        Notice::Journal(homes) => homes[0].in_use.then_some(()),
        Notice::Acked(_) | Notice::Database(_) | Notice::Recovered(_) => None,
    });
    let whole = (1..=8).map(|number| record(number).id).collect::<Vec<_>>();
    let filled = || {
        let mut found: Vec<Uuid> = records(dir.path()).iter().map(|record| record.id).collect();
        found.sort();
        found == whole
    };
    let looks = (0..200).find(|_| {
        std::thread::park_timeout(Duration::from_millis(50));
        filled()
    });
    assert!(
        looks.is_some(),
        "the first calls are not filled in: {:?}",
        records(dir.path()).len()
    );
    running.close();
    for home in &paths.journals {
        fs::remove_dir_all(home).unwrap();
    }
    let reopened = open_at(paths, Limits::default());
    let callbacks: Vec<_> = reopened
        .report
        .emergencies
        .iter()
        .map(|call| call.callback.as_deref())
        .collect();
    assert_eq!(callbacks, [Some("+12125550101")], "the caller for help is lost");
    reopened.close();
}

#[test]
fn a_home_that_stands_by_and_is_back_is_said_to_be_and_the_database_is_filled_in() {
    let dir = place();
    let paths = two_homes(dir.path());
    fs::write(&paths.journals[1], "").unwrap();
    let mut running = open_at(paths.clone(), Limits::default());
    assert!(running.call_db.status().homes[1].fault.is_some());
    running.keep(vec![ended(1)]);
    fs::remove_file(&paths.journals[1]).unwrap();
    running.wait_for(|notice| match notice {
        Notice::Journal(homes) => homes.iter().all(|home| home.fault.is_none()).then_some(()),
        Notice::Acked(_) | Notice::Database(_) | Notice::Recovered(_) => None,
    });
    let is_incomplete = || {
        let database = rusqlite::Connection::open(&paths.database).unwrap();
        let select = "SELECT value FROM meta WHERE key = 'incomplete'";
        database.query_row(select, [], |row| row.get::<_, bool>(0)).unwrap()
    };
    running.wait_until(|| !is_incomplete());
    running.close();
}

#[test]
fn entries_in_memory_reach_the_first_disk_that_is_back() {
    let dir = place();
    let paths = two_homes(dir.path());
    for home in &paths.journals {
        fs::create_dir_all(home.parent().unwrap()).unwrap();
        fs::write(home, "").unwrap();
    }
    let mut running = open_at(paths.clone(), Limits::default());
    assert_eq!(running.keep((1..=5).map(ended).collect()), Kept::MemoryOnly);
    fs::remove_file(&paths.journals[1]).unwrap();
    running.wait_for_a_home();
    assert_eq!(running.keep(vec![ended(6)]), Kept::Synced);
    running.close();
    assert_eq!(records(dir.path()), (1..=6).map(record).collect::<Vec<_>>());
}

fn two_homes(dir: &Path) -> Paths {
    Paths {
        journals: vec![dir.join("spool/journal"), dir.join("journal")],
        ..Paths::under(dir)
    }
}

#[test]
fn a_large_database_is_read_through_after_the_start_and_its_damage_made_good() {
    const CALLS: u64 = 7_000;
    let dir = place();
    let mut running = open(dir.path());
    for from in (1..=CALLS).step_by(500) {
        running.keep((from..from + 500).map(ended).collect());
    }
    running.wait_until_applied();
    running.close();
    let path = dir.path().join("calls.db");
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 4 << 20, "{} bytes are read before the start", bytes.len());
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4 * 4096].fill(0xa5);
    fs::write(&path, bytes).unwrap();

    let running = open(dir.path());
    assert_eq!(running.report.rebuilt, None, "nobody waited for all pages to be read");
    let recovery = running.wait_for_recovery();
    assert!(recovery.is_equal(), "{recovery:?}");
    running.close();
    assert_eq!(records(dir.path()), (1..=CALLS).map(record).collect::<Vec<_>>());
}
