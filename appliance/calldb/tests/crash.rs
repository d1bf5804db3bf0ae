//! The journal cut anywhere, and a process killed for real.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use branchline_calldb::*;
use branchline_journal::*;
use common::*;

#[test]
fn what_was_kept_is_there_after_reopening() {
    let dir = place();
    let mut first = open(dir.path());
    assert_eq!((first.report.last_seq, first.report.bindings.len()), (0, 0));
    assert_eq!(first.report.rebuilt, None);
    assert_eq!(first.keep(vec![bound("201"), bound("202")]), Kept::Written);
    assert_eq!(first.keep(vec![started(1), answered(1), ended(1)]), Kept::Synced);
    first.append(vec![Event::BindingRemoved(binding("201").key())]);
    first.close();

    let second = open(dir.path());
    assert_eq!((second.report.last_seq, second.call_db.next_seq()), (6, 7));
    assert_eq!(aors(&second.report), ["202"]);
    assert_eq!((second.report.torn_bytes, second.report.interrupted.len()), (0, 0));
    assert_eq!(second.report.database, DatabaseState::Normal);
    assert_eq!(records(dir.path()), [record(1)]);
    second.close();
}

#[test]
fn cut_at_every_byte_of_the_last_entries_the_earlier_ones_stand_and_each_call_has_one_record() {
    let whole = place();
    let mut writer = open(whole.path());
    writer.keep(vec![
        started(1),
        answered(1),
        ended(1),
        bound("201"),
        started(2),
        answered(2),
        ended(2),
    ]);
    writer.close();
    let journal = fs::read(segment(whole.path(), 1)).unwrap();
    let ends: Vec<usize> = Decoder::new(&journal).map(|framed| framed.end).collect();

    // From before the start of the second call to its whole record; every byte around frame borders, others in steps.
    let cuts = (ends[3]..=journal.len()).filter(|cut| cut % 7 == 0 || ends.iter().any(|end| end.abs_diff(*cut) <= 9));
    for cut in cuts {
        let dir = place();
        fs::create_dir(dir.path().join("journal")).unwrap();
        fs::write(segment(dir.path(), 1), &journal[..cut]).unwrap();
        let good = ends.iter().filter(|end| **end <= cut).count();
        let good_end = ends[good - 1];
        for turn in ["first", "second"] {
            let reopened = open(dir.path());
            let interrupted = usize::from(turn == "first" && (good == 5 || good == 6));
            assert_eq!(
                reopened.report.interrupted.len(),
                interrupted,
                "cut at {cut}, {turn} time"
            );
            let torn_bytes = if turn == "first" { cut - good_end } else { 0 };
            assert_eq!(
                reopened.report.torn_bytes, torn_bytes as u64,
                "cut at {cut}, {turn} time"
            );
            if torn_bytes > 0 {
                let kept = fs::read(reopened.report.torn_kept.as_ref().unwrap()).unwrap();
                assert_eq!(kept, journal[good_end..cut]);
            }
            assert_eq!(aors(&reopened.report), ["201"]);
            reopened.close();
        }
        let calls: Vec<Uuid> = records(dir.path()).iter().map(|record| record.id).collect();
        let expected = if good >= 5 {
            vec![call(1), call(2)]
        } else {
            vec![call(1)]
        };
        assert_eq!(calls, expected, "cut at {cut}");
    }
}

#[test]
fn an_interrupted_call_is_recorded_once_up_to_the_last_heartbeat() {
    let dir = place();
    let mut first = open(dir.path());
    first.keep(vec![started(1), answered(1), Event::Heartbeat { live_calls: 1 }]);
    first.close();
    let second = open(dir.path());
    assert_eq!(second.report.interrupted.len(), 1);
    assert_eq!((second.report.last_seq, second.call_db.next_seq()), (4, 5));
    second.close();
    let third = open(dir.path());
    assert_eq!((third.report.interrupted.len(), third.report.last_seq), (0, 4));
    third.close();
    let found = records(dir.path());
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].outcome, found[0].ended, found[0].talk_ms),
        (Outcome::Interrupted, stamp(1, 1003), 503)
    );
}

#[test]
fn damage_in_the_middle_costs_its_own_entry_and_is_reported() {
    let dir = place();
    let mut first = open(dir.path());
    first.keep((1..=5).map(ended).collect());
    first.close();
    let path = segment(dir.path(), 1);
    let mut journal = fs::read(&path).unwrap();
    let third = Decoder::new(&journal).nth(2).unwrap();
    journal[third.start + 20] ^= 1;
    fs::write(&path, &journal).unwrap();
    remove_database(dir.path());
    let second = open(dir.path());
    assert_eq!((second.report.corrupt_regions, second.report.last_seq), (1, 5));
    second.close();
    assert_eq!(records(dir.path()), [1, 2, 4, 5].map(record));
}

#[test]
fn one_journal_has_one_writer() {
    let dir = place();
    let first = open(dir.path());
    let setup = Setup {
        paths: Paths::under(dir.path()),
        limits: Limits::default(),
        now: stamp(2, 1),
    };
    assert!(matches!(CallDb::open(&setup, |_| ()), Err(OpenError::InUse { .. })));
    first.close();
    open(dir.path()).close();
}

#[test]
fn a_killed_process_loses_nothing_that_was_acknowledged() {
    for round in 0..4u32 {
        let dir = place();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_process_appends_until_it_is_killed", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acked = 0;
        let mut seen = 0;
        while seen < 20 + 37 * round {
            let line = lines.next().expect("the child is alive").unwrap();
            if let Some(seq) = line.strip_prefix("acked ") {
                acked = seq.parse().unwrap();
                seen += 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            // Told before the kill, read after it; the last line may be cut.
            acked = line
                .unwrap()
                .strip_prefix("acked ")
                .and_then(|seq| seq.parse().ok())
                .unwrap_or(acked)
                .max(acked);
        }

        let reopened = open(dir.path());
        assert!(
            reopened.report.last_seq >= acked,
            "{} < {acked}",
            reopened.report.last_seq
        );
        let bindings = reopened.report.bindings.len() as u64;
        reopened.close();
        let found: BTreeSet<Uuid> = records(dir.path()).iter().map(|record| record.id).collect();
        // The child writes a call of three entries and a binding, over and over.
        for number in 0..acked / 4 {
            assert!(found.contains(&call(number)), "call {number} of {acked} acked entries");
        }
        assert!(bindings >= acked / 4);
        assert_eq!(records(dir.path()).len(), found.len());
    }
}

/// Does something only as the child of the test above.
#[test]
fn child_process_appends_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let tell = |notice| {
        if let Notice::Acked(ack) = notice {
            let mut out = std::io::stdout().lock();
            writeln!(out, "\nacked {}", ack.up_to_seq).unwrap();
            out.flush().unwrap();
        }
    };
    // A short queue makes small groups, so that the kill finds many acks on their way.
    let limits = Limits {
        queue_entries_max: 8,
        ..Limits::default()
    };
    let setup = Setup {
        paths: Paths::under(Path::new(&dir)),
        limits,
        now: stamp(1, 1),
    };
    let (mut call_db, _) = CallDb::open(&setup, tell).unwrap();
    for number in 0..100_000 {
        let aor = number.to_string();
        let events = [
            vec![started(number), answered(number), ended(number)],
            vec![bound(&aor)],
        ];
        for events in events {
            let mut entries: Vec<Entry> = events.into_iter().zip(call_db.next_seq()..).map(entry).collect();
            while let Err(refused) = call_db.append(entries) {
                entries = refused.into_entries();
                std::thread::yield_now();
            }
        }
    }
}

/// What a start finds to do.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// The database is damaged, and nothing is left in the journal.
    Salvage,
    /// The database is gone.
    Replay,
}

impl Work {
    fn prepare(self, dir: &Path) {
        let path = Paths::under(dir).database;
        match self {
            Work::Salvage => {
                fs::remove_dir_all(dir.join("journal")).unwrap();
                let database = rusqlite::Connection::open(&path).unwrap();
                let select = "SELECT rootpage FROM sqlite_schema WHERE name = 'call_number_seq'";
                let page: u32 = database.query_row(select, [], |row| row.get(0)).unwrap();
                drop(database);
                let mut bytes = fs::read(&path).unwrap();
                bytes[(page as usize - 1) * 4096..][..4096].fill(0xa5);
                fs::write(&path, bytes).unwrap();
            }
            Work::Replay => remove_database(dir),
        }
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "how long a start takes says when to kill the next"
)]
fn a_start_killed_while_it_salvages_or_replays_loses_no_call() {
    const CALLS: u64 = 1_500;
    let kills: u32 = std::env::var("KILLS").map_or(6, |kills| kills.parse().unwrap());
    let whole = place();
    let mut writer = open(whole.path());
    for from in (1..=CALLS).step_by(100) {
        writer.keep((from..from + 100).map(ended).collect());
    }
    writer.close();
    let expected: Vec<CallRecord> = (1..=CALLS).map(record).collect();
    for work in [Work::Salvage, Work::Replay] {
        let mut lasts = Duration::ZERO;
        for kill in 0..=kills {
            let dir = place();
            copy_dir(whole.path(), dir.path());
            work.prepare(dir.path());
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "child_process_starts_and_is_killed"])
                .env(CHILD_START, dir.path())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let began = Instant::now();
            if kill == 0 {
                // The first is let live, to know when to kill the others.
                assert!(child.wait().unwrap().success());
                lasts = began.elapsed();
            } else {
                std::thread::park_timeout(lasts * kill / (kills + 1));
                child.kill().unwrap();
                child.wait().unwrap();
            }
            open(dir.path()).close();
            assert!(records(dir.path()) == expected, "{work:?}, kill {kill} of {kills}");
        }
    }
}

/// Does something only as the child of the test above.
#[test]
fn child_process_starts_and_is_killed() {
    if let Some(dir) = std::env::var_os(CHILD_START) {
        open(Path::new(&dir)).close();
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let path = item.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_dir(&path, &copy);
        } else {
            fs::copy(&path, copy).unwrap();
        }
    }
}

const CHILD_START: &str = "CALLDB_CHILD_START";
const CHILD_DIR: &str = "CALLDB_CHILD_DIR";

fn segment(dir: &Path, number: u64) -> std::path::PathBuf {
    dir.join("journal").join(format!("{number:08}.log"))
}

fn remove_database(dir: &Path) {
    for side in ["", "-wal", "-shm"] {
        let path = dir.join(format!("calls.db{side}"));
        if path.exists() {
            fs::remove_file(path).unwrap();
        }
    }
}
