//! Random runs with random faults between them: in the end SQLite holds exactly the calls that were kept.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use branchline_calldb::*;
use branchline_journal::*;
use common::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// So many calls start; the first so many of those open end.
    Calls {
        start: u8,
        end: u8,
    },
    Bind(u8),
    Unbind(u8),
    Restart(Fault),
}

#[derive(Clone, Debug)]
enum Fault {
    None,
    DatabaseGone,
    DatabaseOverwritten {
        at: prop::sample::Index,
        bytes: usize,
    },
    DatabaseCut(prop::sample::Index),
    WalGone,
    /// A write that a power cut left half done.
    TornTail(Vec<u8>),
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_between_runs_each_call_has_one_record(steps in proptest::collection::vec(step(), 1..25)) {
        let dir = place();
        let mut rig = Some(open(dir.path()));
        let mut oracle = Oracle::default();
        for step in steps {
            let running = rig.as_mut().unwrap();
            match step {
                Step::Calls { start, end } => {
                    let events = oracle.calls(start, end);
                    if !events.is_empty() {
                        running.keep(events);
                    }
                }
                Step::Bind(aor) => {
                    running.keep(vec![bound(&aor.to_string())]);
                    oracle.bound.insert(aor.to_string());
                }
                Step::Unbind(aor) => {
                    running.keep(vec![Event::BindingRemoved(binding(&aor.to_string()).key())]);
                    oracle.bound.remove(&aor.to_string());
                }
                Step::Restart(fault) => {
                    let last_seq = running.call_db.next_seq() - 1;
                    rig.take().unwrap().close();
                    damage(dir.path(), &fault);
                    let reopened = open(dir.path());
                    prop_assert_eq!(reopened.report.last_seq, last_seq + oracle.open.len() as u64);
                    prop_assert_eq!(reopened.report.interrupted.len(), oracle.open.len());
                    let found: BTreeSet<String> = reopened.report.bindings.iter().map(|it| it.aor.clone()).collect();
                    prop_assert_eq!(&found, &oracle.bound);
                    oracle.interrupt();
                    rig = Some(reopened);
                }
            }
        }
        rig.unwrap().close();
        let expected: Vec<(Uuid, Outcome)> = oracle.ended.into_iter().collect();
        let mut found: Vec<(Uuid, Outcome)> = records(dir.path()).iter().map(|it| (it.id, it.outcome)).collect();
        found.sort_by_key(|(id, _)| *id);
        // Calls still open when the last run closed are for the next one.
        prop_assert_eq!(found, expected);
    }
}

#[derive(Default)]
struct Oracle {
    begun: u64,
    open: BTreeSet<u64>,
    ended: BTreeMap<Uuid, Outcome>,
    bound: BTreeSet<String>,
}

impl Oracle {
    fn calls(&mut self, start: u8, end: u8) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..start {
            self.begun += 1;
            self.open.insert(self.begun);
            events.push(started(self.begun));
        }
        for _ in 0..end {
            let Some(number) = self.open.pop_first() else { break };
            self.ended.insert(call(number), Outcome::Answered);
            events.push(ended(number));
        }
        events
    }

    fn interrupt(&mut self) {
        while let Some(number) = self.open.pop_first() {
            self.ended.insert(call(number), Outcome::Interrupted);
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6u8, 0..6u8).prop_map(|(start, end)| Step::Calls { start, end }),
        1 => (0..5u8).prop_map(Step::Bind),
        1 => (0..5u8).prop_map(Step::Unbind),
        2 => fault().prop_map(Step::Restart),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::None),
        Just(Fault::DatabaseGone),
        Just(Fault::WalGone),
        (any::<prop::sample::Index>(), 1..9000usize).prop_map(|(at, bytes)| Fault::DatabaseOverwritten { at, bytes }),
        any::<prop::sample::Index>().prop_map(Fault::DatabaseCut),
        proptest::collection::vec(any::<u8>(), 1..300).prop_map(Fault::TornTail),
    ]
}

fn damage(dir: &Path, fault: &Fault) {
    let paths = Paths::under(dir);
    match fault {
        Fault::None => {}
        Fault::DatabaseGone => fs::remove_file(&paths.database).unwrap(),
        Fault::DatabaseOverwritten { at, bytes } => {
            let mut whole = fs::read(&paths.database).unwrap();
            // Whole pages, as a worn flash loses them; single bits inside a row are beyond any check of SQLite.
            let from = at.index(whole.len()) / 4096 * 4096;
            let end = (from + bytes.next_multiple_of(4096)).min(whole.len());
            whole[from..end].fill(0xa5);
            fs::write(&paths.database, whole).unwrap();
        }
        Fault::DatabaseCut(at) => {
            let whole = fs::read(&paths.database).unwrap();
            fs::write(&paths.database, &whole[..at.index(whole.len())]).unwrap();
        }
        Fault::WalGone => {
            let _ = fs::remove_file(dir.join("calls.db-wal"));
        }
        Fault::TornTail(tail) => {
            let mut segment = OpenOptions::new()
                .append(true)
                .open(paths.journals[0].join("00000001.log"))
                .unwrap();
            segment.write_all(tail).unwrap();
        }
    }
}
