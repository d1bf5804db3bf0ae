//! The program killed, or the power cut, at every operation of writing, moving between homes, and replaying: what was
//! acknowledged is there afterwards, once.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use branchline_journal::{
    BootId, CallAnswered, CallRecord, CallStarted, Direction, EndedBy, Entry, Event, Mode, Outcome, RecordedParty,
    Stamp, Uuid, uuid_v7,
};

use crate::actor::Kept;
use crate::disk::Disk;
use crate::faulty_disk::{End, FaultyDisk};
use crate::hand::{probe, sync_all};
use crate::primary::{Extent, Place, Primary};
use crate::reconcile::{Outage, reconcile};
use crate::schema::Depth;
use crate::segment::{Homes, Wanted, replay};
use crate::spool::{HOME_BREAKER, Spool};
use crate::{Limits, clock, salvage};

const CALLS: u64 = 24;
const HOMES: [&str; 2] = ["/spool", "/state"];

fn homes(disk: &FaultyDisk) -> Homes {
    Homes::new(Arc::new(disk.clone()), &HOMES.map(PathBuf::from), Uuid::nil())
}

/// Small, so that segments change often.
fn limits() -> Limits {
    Limits {
        segment_bytes_max: 4_000,
        ..Limits::default()
    }
}

fn id(number: u64) -> Uuid {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    uuid_v7(1_700_000_000_000, &random)
}

fn stamp(mono_ms: u64) -> Stamp {
    Stamp {
        utc_ms: 1_700_000_000_000,
        clock_trusted: true,
        mono_ms,
        boot: BootId(Uuid::nil()),
    }
}

fn entry(seq: u64) -> Entry {
    let (call, at) = (id((seq - 1) / 3), stamp(seq));
    let (from, to) = (RecordedParty::default(), RecordedParty::default());
    let event = match seq % 3 {
        1 => Event::CallStarted(CallStarted {
            call,
            from,
            to,
            direction: Direction::Internal,
            trunks: vec![],
            extensions: vec![],
            emergency: false,
            mode: Mode::default(),
            at,
        }),
        2 => Event::CallAnswered(CallAnswered {
            call,
            by: "202".into(),
            at,
        }),
        _ => Event::CallEnded(Box::new(CallRecord {
            id: call,
            from,
            to,
            direction: Direction::Internal,
            trunks: vec![],
            extensions: vec!["201".into()],
            emergency: false,
            started: at,
            answered: Some(at),
            ended: at,
            ring_ms: 1,
            talk_ms: seq,
            outcome: Outcome::Answered,
            q850_cause: 16,
            sip_status: 200,
            ended_by: EndedBy::Caller,
            transfers: vec![],
            mode: Mode::default(),
            legs: vec![],
        })),
    };
    Entry {
        id: id(1000 + seq),
        seq,
        stamp: at,
        event,
    }
}

/// What the program was told before it ended.
#[derive(Debug, Default)]
struct Acked {
    written_seq: u64,
    synced_seq: u64,
}

/// What goes wrong while entries are written.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    None,
    /// The first home fails for some calls and comes back.
    First(ErrorKind),
    /// Both fail for some calls.
    Both(ErrorKind),
    /// Somebody removes the file that is being written.
    Unlinked,
}

const TROUBLES: [Trouble; 6] = [
    Trouble::None,
    Trouble::First(ErrorKind::StorageFull),
    Trouble::First(ErrorKind::ReadOnlyFilesystem),
    Trouble::First(ErrorKind::Other),
    Trouble::Both(ErrorKind::StorageFull),
    Trouble::Unlinked,
];

/// Writes calls through a spool until the end, or until the disk says that the program is dead.
fn write_calls(disk: &FaultyDisk, trouble: Trouble) -> Acked {
    let mut acked = Acked::default();
    let mut now: Instant = clock();
    let (mut spool, _) = Spool::open(now, &homes(disk), limits());
    for call in 0..CALLS {
        now += Duration::from_millis(400);
        make_trouble(disk, trouble, call);
        let first = call * 3 + 1;
        // The end comes with the next call's start, as it does under load.
        let entries: Vec<Entry> = (first..first + 3).map(entry).collect();
        let kept = spool.write(now, &entries);
        note(disk, &mut acked, (first + 2, kept));
        if let Some((home, job)) = spool.sync_job() {
            match sync_all(&job, |file| file.sync()) {
                Ok(()) => {
                    spool.handle_synced(job.up_to_seq);
                    note(disk, &mut acked, (job.up_to_seq, Kept::Synced));
                }
                Err(fault) => {
                    if let Some(kept) = spool.handle_sync_failed(now, (home, job.mark), &fault) {
                        note(disk, &mut acked, (spool.last_seq(), kept));
                    }
                }
            }
        }
        for _ in 0..HOME_BREAKER.good_needed {
            for (home, dir) in spool.poll_probes(now) {
                let result = probe(disk, &dir);
                if let Some(kept) = spool.handle_probe(now, home, result) {
                    note(disk, &mut acked, (spool.last_seq(), kept));
                }
            }
        }
        if disk.is_killed() {
            return acked;
        }
    }
    if spool.close(now) == 0 && !disk.is_killed() {
        acked.synced_seq = CALLS * 3;
    }
    acked
}

fn make_trouble(disk: &FaultyDisk, trouble: Trouble, call: u64) {
    let of = |home: &str| PathBuf::from(home);
    match (trouble, call) {
        (Trouble::First(kind) | Trouble::Both(kind), 5 | 15) => disk.fail(&of(HOMES[0]), kind),
        (Trouble::First(_) | Trouble::Both(_), 9 | 19) => disk.mend(&of(HOMES[0])),
        _ => {}
    }
    match (trouble, call) {
        (Trouble::Both(kind), 6) => disk.fail(&of(HOMES[1]), kind),
        (Trouble::Both(_), 8) => disk.mend(&of(HOMES[1])),
        (Trouble::Unlinked, 7) => {
            let is_segment = |path: &PathBuf| path.starts_with(HOMES[0]) && path.extension().is_some();
            let newest = disk.paths().into_iter().rfind(is_segment);
            newest.iter().for_each(|path| disk.unlink(path));
        }
        _ => {}
    }
}

/// An acknowledgement counts if the program lived to give it.
fn note(disk: &FaultyDisk, acked: &mut Acked, (seq, kept): (u64, Kept)) {
    if disk.is_killed() {
        return;
    }
    match kept {
        Kept::MemoryOnly => {}
        Kept::Written => acked.written_seq = acked.written_seq.max(seq),
        Kept::Synced => acked.synced_seq = acked.synced_seq.max(seq),
    }
}

/// What the next start reads.
fn read_back(disk: &FaultyDisk) -> BTreeMap<u64, Entry> {
    let homes = homes(disk);
    let (mut spool, met) = Spool::open(clock(), &homes, limits());
    assert_eq!(met.homes_missed, 0);
    let mut found = BTreeMap::new();
    let Ok(_) = replay::<Infallible>(&homes, ALL, |entries| {
        for entry in entries {
            let last = found.last_key_value().map_or(0, |(seq, _)| *seq);
            assert!(entry.seq > last, "{} after {last}", entry.seq);
            found.insert(entry.seq, entry.clone());
        }
        Ok(())
    });
    assert!(met.last_seq >= found.last_key_value().map_or(0, |(seq, _)| *seq));
    // It goes on from there.
    assert_ne!(spool.write(clock(), &[entry(1000)]), Kept::MemoryOnly);
    found
}

#[test]
fn what_was_acknowledged_is_there_once_wherever_writing_is_cut_off() {
    let mut points = 0;
    for trouble in TROUBLES {
        let whole = FaultyDisk::default();
        write_calls(&whole, trouble);
        for at in (1..=whole.operations()).step_by(3) {
            let disk = FaultyDisk::killed_at(at);
            let acked = write_calls(&disk, trouble);
            for end in [End::Kill, End::PowerCut(0), End::PowerCut(at * 7 + 1)] {
                points += 1;
                let found = read_back(&disk.after(end));
                let safe_seq = match end {
                    End::Kill => acked.written_seq.max(acked.synced_seq),
                    End::PowerCut(_) => acked.synced_seq,
                };
                for (seq, entry_found) in &found {
                    assert_eq!(*entry_found, entry(*seq), "{trouble:?}, cut off at {at}");
                }
                // What an unlinked file held is with SQLite alone.
                let from_seq = match trouble {
                    Trouble::Unlinked => 8 * 3 + 1,
                    Trouble::None | Trouble::First(_) | Trouble::Both(_) => 1,
                };
                for seq in from_seq..=safe_seq {
                    assert!(
                        found.contains_key(&seq),
                        "{seq} of {acked:?} is gone: {trouble:?}, {end:?} at {at}"
                    );
                }
            }
        }
    }
    assert!(points >= 1_000, "{points} points are too few");
}

#[test]
fn every_call_reaches_a_disk_in_the_end_whatever_fails_meanwhile() {
    for trouble in TROUBLES {
        let disk = FaultyDisk::default();
        let acked = write_calls(&disk, trouble);
        assert_eq!(acked.synced_seq, CALLS * 3, "{trouble:?}");
        let in_second = disk.list(Path::new(HOMES[1])).unwrap();
        let is_used = in_second
            .iter()
            .any(|(path, bytes)| *bytes > 0 && path.extension().is_some_and(|extension| extension == "log"));
        assert_eq!(is_used, !matches!(trouble, Trouble::None), "{trouble:?}");
    }
}

/// Whatever a kill may leave of the transactions in a write-ahead log: its beginning, cut anywhere, or with the rest of
/// the last write as zeros.
fn cut_anywhere(db: &Path, mut look: impl FnMut(&Path)) -> usize {
    let side = |path: &Path, suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    let left = side(db, ".left");
    let log = fs::read(side(db, "-wal")).unwrap();
    let frames = (0..log.len()).step_by(FRAME_BYTES).map(|at| at + LOG_HEADER_BYTES);
    let cuts = frames.flat_map(|end| [end, end + FRAME_BYTES / 3]);
    let mut points = 0;
    for cut in cuts.filter(|cut| *cut <= log.len()) {
        for zeros in [0, FRAME_BYTES] {
            fs::copy(db, &left).unwrap();
            fs::write(side(&left, "-wal"), [&log[..cut], &vec![0; zeros]].concat()).unwrap();
            let _ = fs::remove_file(side(&left, "-shm"));
            look(&left);
            points += 1;
        }
    }
    points
}

/// Of SQLite's log: its header, and a page with a header of its own.
const LOG_HEADER_BYTES: usize = 32;
const FRAME_BYTES: usize = 24 + 4096;

#[test]
fn a_replay_cut_off_within_its_writes_ends_with_each_call_once() {
    let dir = scratch();
    let (homes, entries) = written();
    let begun = dir.path().join("calls.db");
    let (mut primary, _) = Primary::open(place(&begun, &homes), Depth::Whole).unwrap();
    for chunk in entries.chunks(2) {
        primary.apply(chunk).unwrap();
    }
    let mut applied_seq = 0;
    let points = cut_anywhere(&begun, |left| {
        let (mut primary, _) = Primary::open(place(left, &homes), Depth::Whole).unwrap();
        assert!(primary.applied_seq() >= applied_seq, "what was committed stays");
        applied_seq = primary.applied_seq();
        primary.apply(&entries).unwrap();
        assert_all_once(&homes, &primary);
    });
    assert_eq!(applied_seq, CALLS * 3);
    assert!(points >= 500, "{points} points are too few");
}

#[test]
fn filling_in_cut_off_within_its_writes_ends_with_each_call_once() {
    let dir = scratch();
    let (homes, entries) = written();
    let begun = dir.path().join("calls.db");
    let (mut primary, _) = Primary::open(place(&begun, &homes), Depth::Whole).unwrap();
    primary.apply(&entries[entries.len() - 1..]).unwrap();
    primary.mark(Extent::Incomplete).unwrap();
    for chunk in entries.chunks(4) {
        primary.fill_in(chunk).unwrap();
    }
    primary.mark(Extent::Whole).unwrap();
    let mut is_done = false;
    let points = cut_anywhere(&begun, |left| {
        let (mut primary, _) = Primary::open(place(left, &homes), Depth::Whole).unwrap();
        if primary.applied_seq() == 0 {
            return;
        }
        // Until the mark is gone it is done again.
        is_done = !primary.is_incomplete() && primary.records_between(ALL).unwrap().len() as u64 == CALLS;
        assert!(is_done || primary.is_incomplete() || primary.records_between(ALL).unwrap().len() == 1);
        primary.fill_in(&entries).unwrap();
        assert_all_once(&homes, &primary);
    });
    assert!(is_done && points >= 200, "{points} points are too few");
}

#[test]
fn a_salvage_cut_off_between_any_two_of_its_steps_ends_with_each_call_once() {
    let (homes, entries) = written();
    for batch in [5, 72] {
        let dir = scratch();
        let path = dir.path().join("calls.db");
        let (mut primary, _) = Primary::open(place(&path, &homes), Depth::Whole).unwrap();
        entries.chunks(batch).for_each(|chunk| primary.apply(chunk).unwrap());
        drop(primary);
        // An index is damaged, no row.
        let damaged = damage_index(&path);
        let names = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
        let (moved_to, _) = salvage::make_again(&path).unwrap();
        let salvaged = fs::read(&path).unwrap();
        assert_eq!(fs::read(&moved_to).unwrap(), damaged);
        // What each step leaves: the file being filled, its next name, and which of the two has the name of the database.
        let steps: [&[(&str, &[u8])]; 6] = [
            &[("", &damaged), (".part", &salvaged[..salvaged.len() / 2])],
            &[("", &damaged), (".part", &salvaged)],
            &[("", &damaged), (".salvaged", &salvaged)],
            &[(".damaged-1", &damaged), (".salvaged", &salvaged)],
            &[
                (".damaged-1", &damaged),
                (".salvaged", &salvaged),
                ("-wal", b"of the damaged one"),
            ],
            &[(".damaged-1", &damaged), ("", &salvaged)],
        ];
        for (step, files) in steps.iter().enumerate() {
            for suffix in ["", "-wal", "-shm", ".part", ".salvaged", ".damaged-1", ".damaged-2"] {
                let _ = fs::remove_file(names(suffix));
            }
            for (suffix, bytes) in *files {
                fs::write(names(suffix), bytes).unwrap();
            }
            let (mut primary, _) = Primary::open(place(&path, &homes), Depth::Whole).unwrap();
            assert_eq!(
                primary.records_between(ALL).unwrap().len() as u64,
                CALLS,
                "step {step}, before the journal"
            );
            primary.apply(&entries).unwrap();
            assert_all_once(&homes, &primary);
            assert_eq!(fs::read(names(".damaged-1")).unwrap(), damaged, "step {step}");
        }
    }
}

fn damage_index(path: &Path) -> Vec<u8> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let select = "SELECT rootpage FROM sqlite_schema WHERE name = 'call_number_seq'";
    let page: u32 = connection.query_row(select, [], |row| row.get(0)).unwrap();
    drop(connection);
    let mut bytes = fs::read(path).unwrap();
    bytes[(page as usize - 1) * 4096..][..4096].fill(0xa5);
    fs::write(path, &bytes).unwrap();
    bytes
}

/// Entries of all calls, and the homes that hold them.
fn written() -> (Homes, Vec<Entry>) {
    let disk = FaultyDisk::default();
    write_calls(&disk, Trouble::First(ErrorKind::StorageFull));
    let homes = homes(&disk);
    let mut entries = Vec::new();
    let Ok(_) = replay::<Infallible>(&homes, ALL, |chunk| {
        entries.extend_from_slice(chunk);
        Ok(())
    });
    (homes, entries)
}

fn assert_all_once(homes: &Homes, primary: &Primary) {
    let outage = Outage {
        why: String::new(),
        after_seq: 0,
        degraded: Duration::ZERO,
        recovering: Duration::ZERO,
    };
    let recovery = reconcile(&outage, homes, primary).unwrap();
    assert!(recovery.is_equal() && recovery.quarantined.is_empty(), "{recovery:?}");
    assert_eq!(recovery.database.calls, CALLS);
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

const ALL: Wanted = Wanted {
    after: 0,
    up_to: u64::MAX,
};

fn place<'a>(path: &'a Path, homes: &'a Homes) -> Place<'a> {
    Place {
        path,
        homes,
        records_max: 1_000,
    }
}
