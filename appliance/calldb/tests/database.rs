//! SQLite gone, damaged, busy or behind, and the records read from it.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use branchline_calldb::*;
use branchline_journal::*;
use common::*;

#[test]
fn a_deleted_database_is_made_again_from_the_journal_and_said_so() {
    let dir = place();
    let before = filled(dir.path(), 40);
    remove_database(dir.path());
    let reopened = open(dir.path());
    let rebuilt = reopened.report.rebuilt.clone().expect("flagged");
    assert_eq!(
        (rebuilt.moved_to, rebuilt.replayed, rebuilt.journal_from_seq),
        (None, 42, Some(1))
    );
    assert_eq!(aors(&reopened.report), ["201", "202"]);
    reopened.close();
    assert_eq!(records(dir.path()), before);
}

#[test]
fn damaged_pages_are_moved_aside_and_the_records_are_whole_again() {
    for (name, from) in [("first page", 0), ("schema page", 100), ("later pages", 4096 * 3)] {
        let dir = place();
        let before = filled(dir.path(), 200);
        let path = Paths::under(dir.path()).database;
        let mut bytes = fs::read(&path).unwrap();
        let end = (from + 9000).min(bytes.len());
        bytes[from..end].fill(0xa5);
        fs::write(&path, &bytes).unwrap();

        let reopened = open(dir.path());
        let rebuilt = reopened.report.rebuilt.clone().expect(name);
        assert_eq!(
            fs::read(rebuilt.moved_to.unwrap()).unwrap(),
            bytes,
            "{name}: the damaged file is kept as it was"
        );
        assert_eq!(aors(&reopened.report), ["201", "202"], "{name}");
        reopened.close();
        assert_eq!(records(dir.path()), before, "{name}");
    }
}

#[test]
fn records_older_than_the_journal_are_salvaged_from_a_damaged_file() {
    let dir = place();
    let before = filled(dir.path(), 200);
    fs::remove_dir_all(&Paths::under(dir.path()).journals[0]).unwrap();
    let path = Paths::under(dir.path()).database;
    let mut bytes = fs::read(&path).unwrap();
    let last_page = bytes.len() - 4096;
    bytes[last_page..].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    let reopened = open(dir.path());
    assert!(reopened.report.rebuilt.as_ref().unwrap().salvaged > 0);
    reopened.close();
    let after = records(dir.path());
    assert!(
        after.len() >= 150 && after.iter().all(|record| before.contains(record)),
        "{} records",
        after.len()
    );
}

#[test]
fn a_salvage_that_was_cut_off_or_cannot_be_written_is_taken_up_until_it_is_done() {
    let dir = place();
    let path = Paths::under(dir.path()).database;
    let beside = |suffix: &str| dir.path().join(format!("calls.db{suffix}"));
    let before = filled(dir.path(), 200);
    fs::remove_dir_all(&Paths::under(dir.path()).journals[0]).unwrap();
    let mut damaged = fs::read(&path).unwrap();
    // The last page of an index: no row is lost.
    let index_page = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'call_number_seq'",
            [],
            |row| row.get::<_, u32>(0),
        )
        .unwrap();
    damaged[(index_page as usize - 1) * 4096..][..4096].fill(0xa5);
    fs::write(&path, &damaged).unwrap();

    // The new file cannot be made.
    fs::create_dir(beside(".part")).unwrap();
    let running = open(dir.path());
    assert!(
        matches!(running.report.database, DatabaseState::Degraded(Reason::Failed(_))),
        "{:?}",
        running.report
    );
    assert_eq!(
        fs::read(&path).unwrap(),
        damaged,
        "it stays until its rows are elsewhere"
    );
    fs::remove_dir(beside(".part")).unwrap();
    running.wait_for_state(&DatabaseState::Normal);
    running.close();
    assert_eq!(records(dir.path()), before);

    // Cut off after the damaged file was moved aside.
    fs::rename(&path, beside(".salvaged")).unwrap();
    fs::write(beside("-wal"), b"left over").unwrap();
    open(dir.path()).close();
    assert_eq!(records(dir.path()), before);
    assert_eq!(fs::read(beside(".damaged-1")).unwrap(), damaged);
    assert_eq!(fs::read(beside(".damaged-1-wal")).unwrap(), b"left over");

    // Cut off while it was filled: what there is of it is worth nothing.
    fs::write(beside(".part"), b"half a page").unwrap();
    fs::write(&path, &damaged).unwrap();
    open(dir.path()).close();
    assert_eq!(records(dir.path()), before);
    assert_eq!(fs::read(beside(".damaged-2")).unwrap(), damaged);
    assert!(!beside(".part").exists() && !beside(".salvaged").exists());
}

#[test]
fn the_database_of_another_box_is_moved_aside_and_nothing_of_it_is_taken() {
    let (ours, theirs) = (place(), place());
    let mut other = open_in(Paths::under(theirs.path()), Limits::default(), stamp(77, 1));
    other.keep(std::iter::once(bound("999")).chain((500..560).map(ended)).collect());
    other.close();
    let before = filled(ours.path(), 5);
    let database = Paths::under(ours.path()).database;
    fs::copy(Paths::under(theirs.path()).database, &database).unwrap();
    let mut reopened = open(ours.path());
    let rebuilt = reopened.report.rebuilt.clone().expect("said so");
    assert!(rebuilt.why.contains("another box"), "{rebuilt:?}");
    assert_eq!(aors(&reopened.report), ["201", "202"]);
    assert_eq!(reopened.report.last_seq, 7);
    reopened.keep(vec![ended(6)]);
    reopened.wait_until_applied();

    // The same under the running box.
    reopened.call_db.bypass(None);
    reopened.wait_for_state(&DatabaseState::Degraded(Reason::Bypassed));
    reopened.keep(vec![ended(7)]);
    replace_closed(&reopened, (&Paths::under(theirs.path()).database, &database));
    reopened.call_db.restore();
    assert!(reopened.wait_for_recovery().is_equal());
    reopened.close();
    assert_eq!(records(ours.path())[..5], before);
    assert_eq!(records(ours.path())[5..], [record(6), record(7)]);
    assert!(ours.path().join("calls.db.of-another-box-2").exists());
}

#[test]
fn a_database_that_is_ahead_of_the_journal_swallows_no_record() {
    let dir = place();
    let mut running = open(dir.path());
    running.keep((1..=3).map(ended).collect());
    running.wait_until_applied();
    running.call_db.bypass(None);
    running.wait_for_state(&DatabaseState::Degraded(Reason::Bypassed));
    running.keep((4..=5).map(ended).collect());
    rusqlite::Connection::open(Paths::under(dir.path()).database)
        .unwrap()
        .execute("UPDATE meta SET value = 1000000 WHERE key = 'applied_seq'", [])
        .unwrap();
    running.call_db.restore();
    assert!(running.wait_for_recovery().is_equal());
    running.keep(vec![ended(6)]);
    running.wait_until_applied();
    assert_eq!(
        running.call_db.status().applied_seq,
        6,
        "no segment may go before its time"
    );
    running.close();
    assert_eq!(records(dir.path()), (1..=6).map(record).collect::<Vec<_>>());
}

#[test]
fn an_emptied_database_is_not_mistaken_for_a_new_box() {
    let dir = place();
    let before = filled(dir.path(), 5);
    remove_database(dir.path());
    fs::write(Paths::under(dir.path()).database, b"").unwrap();
    let reopened = open(dir.path());
    assert!(reopened.report.rebuilt.clone().unwrap().why.contains("empty"));
    reopened.close();
    assert_eq!(records(dir.path()), before);
}

#[test]
fn a_busy_database_delays_no_ack_and_is_caught_up_with_afterwards() {
    let dir = place();
    let mut running = open(dir.path());
    running.keep(vec![ended(1)]);
    let other = rusqlite::Connection::open(Paths::under(dir.path()).database).unwrap();
    other.busy_timeout(DEADLINE).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for number in 2..100 {
        assert_eq!(running.keep(vec![ended(number)]), Kept::Synced);
    }
    running.wait_for_state(&DatabaseState::Degraded(Reason::Busy));
    assert!(running.call_db.status().applied_seq < 99);
    other.execute_batch("COMMIT").unwrap();
    running.wait_for_state(&DatabaseState::Normal);
    running.close();
    assert_eq!(records(dir.path()), (1..100).map(record).collect::<Vec<_>>());
    assert!(!dir.path().join("calls.db.damaged-1").exists(), "busy is not damage");
}

#[test]
fn with_a_newer_database_the_journal_works_and_nothing_is_overwritten() {
    let dir = place();
    filled(dir.path(), 3);
    let path = Paths::under(dir.path()).database;
    rusqlite::Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let mut reopened = open(dir.path());
    let newer = Reason::NewerSchema { found: 99, known: 4 };
    assert_eq!(reopened.report.database, DatabaseState::Degraded(newer.clone()));
    assert_eq!(aors(&reopened.report), ["201", "202"], "bindings come from the journal");
    assert_eq!(reopened.keep(vec![ended(9)]), Kept::Synced);
    reopened.close();
    assert_eq!(
        Records::open_read_only(&path).get(call(1), DEADLINE),
        Lookup::Unavailable(newer)
    );
    rusqlite::Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 4)
        .unwrap();
    open(dir.path()).close();
    assert_eq!(records(dir.path()).last(), Some(&record(9)));
}

#[test]
fn entries_out_of_order_are_handed_back() {
    let dir = place();
    let mut running = open(dir.path());
    running.keep(vec![ended(1)]);
    for wrong in [vec![1], vec![3], vec![2, 4], vec![0], vec![2, 2]] {
        let entries: Vec<Entry> = wrong.iter().map(|seq| entry((ended(*seq), *seq))).collect();
        match running.call_db.append(entries.clone()) {
            Err(error @ AppendError::OutOfOrder { .. }) => assert_eq!(error.into_entries(), entries),
            other => panic!("{wrong:?}: {other:?}"),
        }
    }
    assert_eq!(running.keep(vec![ended(2)]), Kept::Synced);
    running.close();
    assert_eq!(records(dir.path()), [record(1), record(2)]);
}

#[test]
fn old_segments_go_once_applied_and_the_records_stay() {
    let dir = place();
    let limits = Limits {
        segment_bytes_max: 8_000,
        journal_bytes_max: 64_000,
        ..Limits::default()
    };
    let mut running = open_with(dir.path(), limits);
    for number in 1..=300 {
        assert_eq!(running.keep(vec![ended(number)]), Kept::Synced);
        if number % 10 == 0 {
            running.wait_until_applied();
        }
    }
    running.close();
    assert!(!dir.path().join("journal/00000001.log").exists());
    let bytes: u64 = fs::read_dir(dir.path().join("journal"))
        .unwrap()
        .map(|it| it.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes <= 72_000, "{bytes}");
    let reopened = open_with(dir.path(), limits);
    assert_eq!((reopened.report.last_seq, reopened.report.rebuilt.clone()), (300, None));
    reopened.close();
    assert_eq!(records(dir.path()).len(), 300);
}

#[test]
fn a_full_journal_keeps_entries_in_memory_and_writes_them_when_there_is_room() {
    let dir = place();
    let limits = Limits {
        segment_bytes_max: 8_000,
        journal_bytes_max: 24_000,
        ..Limits::default()
    };
    let mut running = open_with(dir.path(), limits);
    running.call_db.hold_after(0);
    let held = |running: &Rig| running.call_db.status().held_bytes;
    let (mut number, mut highest) = (0, 0);
    loop {
        number += 1;
        if running.keep(vec![ended(number)]) == Kept::MemoryOnly {
            break;
        }
        highest = highest.max(held(&running));
        assert!(number < 100, "the journal never filled");
    }
    assert!(
        highest > limits.journal_bytes_max * 3 / 4,
        "{highest} bytes were seen to wait"
    );
    assert_eq!(running.keep(vec![ended(number + 1)]), Kept::MemoryOnly);
    running.call_db.hold_after(u64::MAX);
    running.wait_for_a_home();
    assert_eq!(running.keep(vec![ended(number + 2)]), Kept::Synced);
    running.wait_until_applied();
    running.wait_until(|| held(&running) == 0);
    assert_eq!(running.call_db.status().lost_entries, 0);
    running.close();
    let reopened = open_with(dir.path(), limits);
    assert_eq!(reopened.report.last_seq, number + 2);
    reopened.close();
    assert_eq!(records(dir.path()).len() as u64, number + 2);
}

#[test]
fn more_than_the_journal_holds_is_written_part_by_part_once_there_is_room() {
    let dir = place();
    let limits = Limits {
        segment_bytes_max: 8_000,
        journal_bytes_max: 48_000,
        ..Limits::default()
    };
    let mut running = open_with(dir.path(), limits);
    running.call_db.hold_after(0);
    for number in 1..=130 {
        running.keep(vec![ended(number)]);
    }
    assert!(running.call_db.status().written_seq < 130);
    running.call_db.hold_after(u64::MAX);
    running.wait_for_a_home();
    running.wait_until_applied();
    assert_eq!(running.call_db.status().lost_entries, 0);
    running.close();
    assert_eq!(records(dir.path()), (1..=130).map(record).collect::<Vec<_>>());
    let reopened = open_with(dir.path(), limits);
    assert_eq!(reopened.report.last_seq, 130);
    reopened.close();
}

#[test]
fn an_entry_too_long_for_a_frame_is_shortened_or_noted_but_never_a_gap() {
    let dir = place();
    let mut running = open(dir.path());
    let mut long = record(1);
    long.from.display = Some("x".repeat(100_000));
    let mut wide = binding("201");
    wide.contact = "x".repeat(100_000);
    running.keep(vec![
        Event::CallEnded(Box::from(long)),
        Event::BindingSet(Box::from(wide)),
        ended(2),
    ]);
    running.close();
    remove_database(dir.path());
    let reopened = open(dir.path());
    assert_eq!((reopened.report.last_seq, reopened.report.bindings.len()), (3, 0));
    reopened.close();
    let found = records(dir.path());
    assert_eq!(found.len(), 2);
    assert!(found[0].from.display.as_ref().unwrap().len() < 1000);
}

#[test]
fn records_are_found_by_number_and_time_page_by_page() {
    let dir = place();
    filled(dir.path(), 10);
    let reader = Records::open_read_only(&Paths::under(dir.path()).database);
    let seen = |filter: Filter| match reader.query(filter, DEADLINE) {
        Lookup::Found(page) => (
            page.records.iter().map(|it| it.record.id).collect::<Vec<_>>(),
            page.next,
        ),
        other => panic!("{other:?}"),
    };
    let number = |text: &str| Filter {
        number: Some(text.into()),
        ..Filter::default()
    };
    let at = |number: u64| Some(stamp(1, 1000 * number).utc_ms);
    for text in ["201", "0123", "+49123"] {
        assert_eq!(seen(number(text)).0.len(), 10, "{text}");
    }
    assert_eq!(seen(number("999")), (vec![], None));
    let between = Filter {
        since_utc_ms: at(3),
        until_utc_ms: at(5),
        ..number("201")
    };
    assert_eq!(seen(between).0, [call(4), call(3)]);

    let (first, next) = seen(Filter {
        limit: 4,
        ..Filter::default()
    });
    assert_eq!(first, [10, 9, 8, 7].map(call));
    let (second, next) = seen(Filter {
        limit: 4,
        after: next,
        ..number("201")
    });
    assert_eq!(second, [6, 5, 4, 3].map(call));
    assert_eq!(
        seen(Filter {
            limit: 4,
            after: next,
            ..Filter::default()
        }),
        (vec![call(2), call(1)], None)
    );
}

#[test]
fn not_there_and_not_readable_are_different_answers() {
    let dir = place();
    let path = Paths::under(dir.path()).database;
    let reader = Records::open_read_only(&path);
    assert_eq!(reader.get(call(1), DEADLINE), Lookup::Unavailable(Reason::Missing));
    filled(dir.path(), 1);
    assert_eq!(reader.get(call(1), DEADLINE), Lookup::Found(record(1)));
    assert_eq!(reader.get(call(2), DEADLINE), Lookup::NotFound);
    assert_eq!(
        reader.get(call(1), Duration::ZERO),
        Lookup::Unavailable(Reason::Deadline)
    );
    fs::write(&path, [0xa5; 8192]).unwrap();
    assert!(matches!(
        reader.get(call(1), DEADLINE),
        Lookup::Unavailable(Reason::Damaged(_))
    ));
}

#[test]
fn records_are_readable_while_the_daemon_writes() {
    let dir = place();
    let mut running = open(dir.path());
    let reader = Records::open_read_only(&Paths::under(dir.path()).database);
    for number in 1..=100 {
        running.keep(vec![ended(number)]);
        let answer = reader.query(Filter::default(), DEADLINE);
        assert!(matches!(answer, Lookup::Found(page) if page.records.len() as u64 <= number));
    }
    running.close();
    assert_eq!(reader.get(call(100), DEADLINE), Lookup::Found(record(100)));
}

/// Two bindings and so many calls, closed again.
fn filled(dir: &Path, calls: u64) -> Vec<CallRecord> {
    let mut running = open(dir);
    let bindings = [bound("201"), bound("202")];
    running.keep(bindings.into_iter().chain((1..=calls).map(ended)).collect());
    running.close();
    let found = records(dir);
    assert_eq!(found.len() as u64, calls);
    found
}

/// Puts a file in the place of a database that the bypassed box has closed.
fn replace_closed(bypassed: &Rig, (from, to): (&Path, &Path)) {
    let mut shm = to.as_os_str().to_owned();
    shm.push("-shm");
    bypassed.wait_until(|| !Path::new(&shm).exists());
    fs::copy(from, to).unwrap();
}

fn remove_database(dir: &Path) {
    for side in ["", "-wal", "-shm"] {
        let path = dir.join(format!("calls.db{side}"));
        if path.exists() {
            fs::remove_file(path).unwrap();
        }
    }
}
