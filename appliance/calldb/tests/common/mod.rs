//! Entries, places and waiting for the tests of the call database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use std::cell::RefCell;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use branchline_calldb::*;
use branchline_journal::*;

pub const DEADLINE: Duration = Duration::from_secs(20);

pub struct Rig {
    pub call_db: CallDb,
    pub report: OpenReport,
    notices: Receiver<Notice>,
    states: RefCell<Vec<DatabaseState>>,
}

/// A directory of its own, in memory where that can be had: no test here is about a disk's speed.
pub fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

pub fn open(dir: &Path) -> Rig {
    open_with(dir, Limits::default())
}

pub fn open_with(dir: &Path, limits: Limits) -> Rig {
    open_at(Paths::under(dir), limits)
}

pub fn open_at(paths: Paths, limits: Limits) -> Rig {
    open_in(paths, limits, stamp(2, 1))
}

pub fn open_in(paths: Paths, limits: Limits, now: Stamp) -> Rig {
    let (tell, notices) = mpsc::channel();
    let setup = Setup { paths, limits, now };
    let notify = move |notice| {
        let _ = tell.send(notice);
    };
    let (call_db, report) = CallDb::open(&setup, notify).unwrap();
    Rig {
        call_db,
        report,
        notices,
        states: RefCell::default(),
    }
}

impl Rig {
    pub fn append(&mut self, events: Vec<Event>) {
        let entries: Vec<Entry> = events.into_iter().zip(self.call_db.next_seq()..).map(entry).collect();
        self.call_db.append(entries).unwrap();
    }

    /// Appends and waits for the last ack that is to come.
    pub fn keep(&mut self, events: Vec<Event>) -> Kept {
        let least = if events.iter().any(Event::needs_sync) {
            Kept::Synced
        } else {
            Kept::Written
        };
        self.append(events);
        let last_seq = self.call_db.next_seq() - 1;
        let enough = |kept: Kept| kept >= least || kept == Kept::MemoryOnly;
        self.wait_for(|notice| match notice {
            Notice::Acked(ack) if ack.up_to_seq >= last_seq && enough(ack.kept) => Some(ack.kept),
            Notice::Acked(_) | Notice::Journal(_) | Notice::Database(_) | Notice::Recovered(_) => None,
        })
    }

    /// Waits until the database has caught up after an outage.
    pub fn wait_for_recovery(&self) -> Recovery {
        self.wait_for(|notice| match notice {
            Notice::Recovered(recovery) => Some((**recovery).clone()),
            Notice::Acked(_) | Notice::Journal(_) | Notice::Database(_) => None,
        })
    }

    /// Waits until a home of the journal is in use again.
    pub fn wait_for_a_home(&self) {
        self.wait_for(|notice| match notice {
            Notice::Journal(homes) => homes.iter().any(|home| home.in_use).then_some(()),
            Notice::Acked(_) | Notice::Database(_) | Notice::Recovered(_) => None,
        });
    }

    /// Waits until the database has been in `state` at some time.
    pub fn wait_for_state(&self, state: &DatabaseState) {
        if !self.states.borrow().contains(state) {
            self.wait_for(|notice| (*notice == Notice::Database(state.clone())).then_some(()));
        }
    }

    pub fn wait_for<T>(&self, pick: impl Fn(&Notice) -> Option<T>) -> T {
        loop {
            let notice = self.notices.recv_timeout(DEADLINE).expect("a notice by the deadline");
            if let Notice::Database(state) = &notice {
                self.states.borrow_mut().push(state.clone());
            }
            if let Some(picked) = pick(&notice) {
                return picked;
            }
        }
    }

    /// Waits until SQLite holds all that was appended.
    pub fn wait_until_applied(&self) {
        let last_seq = self.call_db.next_seq() - 1;
        self.wait_until(|| self.call_db.status().applied_seq >= last_seq);
    }

    /// Waits for what nobody is told of.
    pub fn wait_until(&self, met: impl Fn() -> bool) {
        for _ in 0..2000 {
            if met() {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("not by the deadline: {:?}", self.call_db.status());
    }

    pub fn close(self) {
        self.call_db.close();
    }
}

pub fn entry((event, seq): (Event, u64)) -> Entry {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&seq.to_be_bytes());
    Entry {
        id: uuid_v7(1_700_000_000_000, &random),
        seq,
        stamp: stamp(1, 1000 + seq),
        event,
    }
}

pub fn stamp(boot: u128, mono_ms: u64) -> Stamp {
    let utc_ms = 1_700_000_000_000 + mono_ms as i64;
    Stamp {
        utc_ms,
        clock_trusted: true,
        mono_ms,
        boot: BootId(Uuid::from_u128(boot)),
    }
}

pub fn call(number: u64) -> Uuid {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    uuid_v7(1_700_000_000_000, &random)
}

fn party(number: &str) -> RecordedParty {
    RecordedParty {
        dialled: number.into(),
        normalised: None,
        display: None,
    }
}

pub fn started(number: u64) -> Event {
    Event::CallStarted(CallStarted {
        call: call(number),
        from: party("201"),
        to: party("202"),
        direction: Direction::Internal,
        trunks: vec![],
        extensions: vec!["201".into(), "202".into()],
        emergency: false,
        mode: Mode::default(),
        at: stamp(1, 100),
    })
}

pub fn answered(number: u64) -> Event {
    Event::CallAnswered(CallAnswered {
        call: call(number),
        by: "202".into(),
        at: stamp(1, 500),
    })
}

pub fn record(number: u64) -> CallRecord {
    CallRecord {
        id: call(number),
        from: party("201"),
        to: RecordedParty {
            dialled: "0123".into(),
            normalised: Some("+49123".into()),
            display: Some("Ann".into()),
        },
        direction: Direction::Outbound,
        trunks: vec!["main".into()],
        extensions: vec!["201".into()],
        emergency: false,
        started: stamp(1, 1000 * number),
        answered: Some(stamp(1, 1000 * number + 10)),
        ended: stamp(1, 1000 * number + 60),
        ring_ms: 10,
        talk_ms: 50,
        outcome: Outcome::Answered,
        q850_cause: 16,
        sip_status: 200,
        ended_by: EndedBy::Caller,
        transfers: vec![],
        mode: Mode::default(),
        legs: vec![],
    }
}

pub fn ended(number: u64) -> Event {
    Event::CallEnded(Box::new(record(number)))
}

pub fn bound(aor: &str) -> Event {
    Event::BindingSet(Box::new(binding(aor)))
}

pub fn binding(aor: &str) -> Binding {
    Binding {
        aor: aor.into(),
        contact: format!("sip:{aor}@192.0.2.7"),
        instance: None,
        reg_id: None,
        q_thousandths: 1000,
        path: vec![],
        received: "192.0.2.7:5060".into(),
        transport: "udp".into(),
        call_id: "a".into(),
        cseq: 1,
        expires_utc_ms: 1_700_003_600_000,
        user_agent: Some("phone".into()),
    }
}

pub fn aors(report: &OpenReport) -> Vec<&str> {
    report.bindings.iter().map(|binding| binding.aor.as_str()).collect()
}

/// All records in SQLite, the earliest first.
pub fn records(dir: &Path) -> Vec<CallRecord> {
    let reader = Records::open_read_only(&Paths::under(dir).database);
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let filter = Filter {
            after,
            ..Filter::default()
        };
        let Lookup::Found(page) = reader.query(filter, DEADLINE) else {
            panic!("records cannot be read")
        };
        found.extend(page.records.into_iter().map(|listed| listed.record));
        after = page.next;
        if after.is_none() {
            found.reverse();
            return found;
        }
    }
}

/// A call for help; from 1,000 on of somebody who is not registered.
pub fn help(number: u64, callback: &str) -> Event {
    Event::EmergencyCall(Box::new(EmergencyCall {
        call: call(number),
        at: stamp(1, number),
        extension: (number < 1_000).then(|| "201".into()),
        name: "Anna".into(),
        number: "911".into(),
        trunk: Some("main".into()),
        location: Some("hq".into()),
        place: "120 Broadway".into(),
        callback: Some(callback.into()),
        line: CallbackLine::Elin,
        contact: "sip:201@192.0.2.7".into(),
        received: "192.0.2.1:5060 192.0.2.7:5060".into(),
        transport: "udp".into(),
    }))
}
