//! The world of the link in memory: a journal with a disk, a line with a delay, a store, and time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use branchline_journal::{BootId, Entry, Event, Stamp};
use branchline_link::{
    BoxEnd, BoxEndConfig, BoxOutput, CloudEnd, CloudOutput, Found, JournalState, KnownBox, Lost, Progress, Read,
};
use branchline_wire::v1::{Applied, BoxId, Down, Generation, SignedGeneration, Tail, Up};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use uuid::Uuid;

pub(crate) const ENTRIES_PER_S: u32 = 200;
const STEP: Duration = Duration::from_millis(20);
const BOX: BoxId = BoxId(Uuid::from_u128(1));

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The line breaks; what was on it is lost.
    Cut,
    /// Nothing passes for a while, and nobody is told.
    Stall,
    /// The node dies with all that it had not stored.
    NodeDies,
    /// The box loses its power and what was not flushed.
    PowerCut,
    /// The box loses its journal, which begins again at 1.
    JournalLost,
    /// The oldest entries of the journal are given up.
    Trim,
}

impl Fault {
    pub(crate) const ALL: &[Fault] = &[
        Fault::Cut,
        Fault::Stall,
        Fault::NodeDies,
        Fault::PowerCut,
        Fault::JournalLost,
        Fault::Trim,
    ];
}

struct Journal {
    first_seq: u64,
    entries: VecDeque<Entry>,
    flushed: u64,
}

impl Journal {
    fn state(&self) -> JournalState {
        let tail = self.at(self.flushed).map(|entry| Tail {
            seq: entry.seq,
            id: entry.id,
        });
        JournalState {
            first_seq: self.first_seq,
            tail,
        }
    }

    fn at(&self, seq: u64) -> Option<&Entry> {
        let at = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        self.entries.get(at)
    }

    fn find(&self, tail: Tail) -> Found {
        if tail.seq < self.first_seq {
            return Found::Gone;
        }
        match self.at(tail.seq) {
            Some(entry) if entry.id == tail.id => Found::Same,
            _ => Found::Other,
        }
    }

    fn read(&self, read: Read) -> Vec<Entry> {
        (read.from_seq..=self.flushed)
            .take(read.entries_max)
            .map_while(|seq| self.at(seq).cloned())
            .collect()
    }
}

#[derive(Default)]
pub(crate) struct Cloud {
    /// By id; how often it came.
    pub(crate) stored: BTreeMap<Uuid, u64>,
    pub(crate) lost: u64,
    pub(crate) acked_before_trim: u64,
    acked: Option<Tail>,
    desired: u64,
    applied: u64,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) faults: u64,
    pub(crate) sessions: u64,
    pub(crate) sent_again: u64,
    pub(crate) cloud: Cloud,
    rng: ChaCha12Rng,
    journal: Journal,
    /// Ids that were flushed once, with their place.
    flushed: BTreeMap<Uuid, u64>,
    /// Ids that the box gave up or lost with its journal.
    given_up: Vec<Uuid>,
    box_end: BoxEnd,
    generation: u64,
    cloud_end: Option<CloudEnd>,
    up: VecDeque<(Instant, Up)>,
    down: VecDeque<(Instant, Down)>,
    storing: VecDeque<(Instant, Vec<Entry>, u64)>,
    reads: VecDeque<(Instant, Read)>,
    stalled_until: Instant,
    cut_until: Instant,
    next_entry: Instant,
    next_fault: Instant,
    boots: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let journal = Journal {
            first_seq: 1,
            entries: VecDeque::new(),
            flushed: 0,
        };
        World {
            now,
            faults: 0,
            sessions: 0,
            sent_again: 0,
            cloud: Cloud::default(),
            rng: ChaCha12Rng::from_seed(key),
            box_end: box_end(now, &journal, 0, 0),
            journal,
            flushed: BTreeMap::new(),
            given_up: Vec::new(),
            generation: 0,
            cloud_end: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
            storing: VecDeque::new(),
            reads: VecDeque::new(),
            stalled_until: now,
            cut_until: now,
            next_entry: now,
            next_fault: now,
            boots: 0,
        }
    }

    pub(crate) fn run(&mut self, time: Duration, faults: &[Fault]) {
        let end = self.now + time;
        while self.now < end {
            self.write();
            if !faults.is_empty() && self.now >= self.next_fault {
                let fault = faults[self.rng.next_u32() as usize % faults.len()];
                self.fault(fault);
                self.next_fault = self.now + Duration::from_millis(u64::from(self.rng.next_u32() % 30_000));
            }
            self.step();
            self.skip_idle(end);
        }
    }

    /// No more faults and nothing new, until the cloud has all.
    pub(crate) fn settle(&mut self) {
        self.journal.flushed = self.journal.first_seq + self.journal.entries.len() as u64 - 1;
        for entry in &self.journal.entries {
            self.flushed.insert(entry.id, entry.seq);
        }
        self.box_end.handle_journal(self.journal.state());
        let end = self.now + Duration::from_secs(86_400);
        while self.backlog() > 0 || !self.storing.is_empty() || self.cloud.applied != self.generation {
            assert!(self.now < end, "the cloud never got everything: {}", self.backlog());
            self.step();
            self.skip_idle(end);
        }
    }

    /// Entries that the cloud has not acknowledged.
    pub(crate) fn backlog(&self) -> u64 {
        let acked = match self.cloud.acked {
            Some(tail) if self.journal.find(tail) != Found::Other => tail.seq,
            _ => self.journal.first_seq - 1,
        };
        self.journal.flushed.saturating_sub(acked)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        for (id, seq) in &self.flushed {
            if !self.cloud.stored.contains_key(id) && !self.given_up.contains(id) {
                return Err(format!("entry {seq} is not in the store"));
            }
        }
        if let Some(id) = self.cloud.stored.keys().find(|id| !self.flushed.contains_key(id)) {
            return Err(format!("{id} is in the store and never was on the disk of the box"));
        }
        if self.cloud.applied != self.generation || self.generation > self.cloud.desired {
            return Err(format!(
                "generation {} in force, {} applied, {} desired",
                self.generation, self.cloud.applied, self.cloud.desired
            ));
        }
        Ok(())
    }

    pub(crate) fn cut_for(&mut self, time: Duration) {
        self.break_line();
        self.cut_until = self.now + time;
    }

    pub(crate) fn trim_journal(&mut self, entries: usize) {
        self.cloud.acked_before_trim = self.cloud.acked.map_or(0, |tail| tail.seq);
        for entry in self.journal.entries.drain(..entries) {
            if !self.cloud.stored.contains_key(&entry.id) {
                self.given_up.push(entry.id);
            }
        }
        self.journal.first_seq += entries as u64;
        self.box_end.handle_journal(self.journal.state());
    }

    fn write(&mut self) {
        while self.now >= self.next_entry {
            let pause = if self.cut_until > self.now + Duration::from_secs(3600) {
                4
            } else {
                1
            };
            self.next_entry += Duration::from_secs(pause);
            let seq = self.journal.first_seq + self.journal.entries.len() as u64;
            let mut bytes = [0; 16];
            self.rng.fill_bytes(&mut bytes);
            self.journal.entries.push_back(Entry {
                id: Uuid::from_bytes(bytes),
                seq,
                stamp: Stamp {
                    utc_ms: 0,
                    clock_trusted: true,
                    mono_ms: 0,
                    boot: BootId(Uuid::nil()),
                },
                event: Event::Heartbeat { live_calls: 0 },
            });
            if self.rng.next_u32().is_multiple_of(2) {
                self.flush();
            }
            if self.rng.next_u32().is_multiple_of(20) {
                self.cloud.desired += 1;
                let signed = desired(self.cloud.desired);
                if let Some(end) = &mut self.cloud_end {
                    end.handle_desired(signed);
                }
            }
        }
    }

    fn flush(&mut self) {
        let last = self.journal.first_seq + self.journal.entries.len() as u64 - 1;
        for seq in self.journal.flushed + 1..=last {
            let entry = self.journal.at(seq).unwrap();
            self.flushed.insert(entry.id, seq);
        }
        self.journal.flushed = last;
        self.box_end.handle_journal(self.journal.state());
        let urgent = self.rng.next_u32().is_multiple_of(10);
        if let Some(entry) = self.journal.at(last).filter(|_| urgent).cloned() {
            self.box_end.handle_urgent(entry);
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.faults += 1;
        match fault {
            Fault::Cut => {
                self.break_line();
                self.cut_until = self.now + Duration::from_millis(u64::from(self.rng.next_u32() % 20_000));
            }
            Fault::Stall => {
                self.stalled_until = self.now + Duration::from_millis(u64::from(self.rng.next_u32() % 60_000));
            }
            Fault::NodeDies => {
                self.storing.clear();
                self.break_line();
            }
            Fault::PowerCut => self.power_cut(),
            Fault::JournalLost if self.rng.next_u32().is_multiple_of(4) => {
                self.given_up.extend(self.journal.entries.iter().map(|entry| entry.id));
                self.journal.entries.clear();
                self.journal.first_seq = 1;
                self.journal.flushed = 0;
                self.power_cut();
            }
            Fault::Trim | Fault::JournalLost => {
                let entries = self.journal.entries.len() / 4;
                if self.journal.first_seq + (entries as u64) < self.journal.flushed {
                    self.trim_journal(entries);
                }
            }
        }
    }

    fn power_cut(&mut self) {
        let kept = (self.journal.flushed + 1 - self.journal.first_seq) as usize;
        self.journal.entries.truncate(kept);
        self.boots += 1;
        self.reads.clear();
        self.break_line();
        self.box_end = box_end(self.now, &self.journal, self.boots, self.generation);
    }

    fn break_line(&mut self) {
        self.up.clear();
        self.down.clear();
        if self.cloud_end.take().is_some() {
            self.box_end
                .handle_lost(self.now, Lost::Broken("the line broke".to_owned()));
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        let now = self.now;
        if now >= self.stalled_until {
            while self.up.front().is_some_and(|(at, _)| *at <= now) {
                let (_, message) = self.up.pop_front().unwrap();
                if let Some(end) = &mut self.cloud_end {
                    end.handle_message(now, message);
                }
            }
            while self.down.front().is_some_and(|(at, _)| *at <= now) {
                let (_, message) = self.down.pop_front().unwrap();
                self.box_end.handle_message(now, message);
            }
        }
        while self.storing.front().is_some_and(|(at, ..)| *at <= now) {
            self.store();
        }
        while self.reads.front().is_some_and(|(at, _)| *at <= now) {
            let (_, read) = self.reads.pop_front().unwrap();
            self.box_end.handle_read(self.journal.read(read));
        }
        if self.box_end.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.box_end.handle_timeout(now);
        }
        if let Some(end) = &mut self.cloud_end {
            end.handle_timeout(now);
        }
        self.drain();
    }

    fn store(&mut self) {
        let (_, entries, lost) = self.storing.pop_front().unwrap();
        let last = entries.last().unwrap();
        self.cloud.acked = Some(Tail {
            seq: last.seq,
            id: last.id,
        });
        self.cloud.lost += lost;
        for entry in entries {
            let times = self.cloud.stored.entry(entry.id).or_default();
            *times += 1;
            self.sent_again += u64::from(*times > 1 && self.faults > 0);
        }
        if let Some(end) = &mut self.cloud_end {
            end.handle_stored();
        }
    }

    fn drain(&mut self) {
        let now = self.now;
        let delay = Duration::from_millis(u64::from(self.rng.next_u32() % 150));
        while let Some(output) = self.box_end.poll_output(now) {
            match output {
                BoxOutput::Connect if now < self.cut_until => {
                    self.box_end.handle_lost(now, Lost::Broken("no route".to_owned()));
                }
                BoxOutput::Connect => {
                    self.cloud_end = Some(CloudEnd::new(now, Some(BOX)));
                    self.box_end.handle_connected(now);
                }
                BoxOutput::Disconnect => {
                    self.cloud_end = None;
                    self.up.clear();
                    self.down.clear();
                }
                BoxOutput::Send(message) => self.up.push_back((now + delay, message)),
                BoxOutput::Find(tail) => {
                    let found = self.journal.find(tail);
                    self.box_end.handle_found(now, found);
                    assert_eq!(self.box_end.progress(), Progress::Up);
                    self.sessions += 1;
                }
                BoxOutput::Read(read) => self.reads.push_back((now + delay / 4, read)),
                BoxOutput::Acked(tail) => assert!(self.flushed.contains_key(&tail.id), "acked before it was flushed"),
                BoxOutput::TellHealth => {
                    let health = branchline_wire::v1::Health::default();
                    self.box_end.handle_health(health);
                }
                BoxOutput::Apply(signed) => self.apply(&signed),
                BoxOutput::Run(_) | BoxOutput::Certificate(_) => {}
            }
        }
        self.drain_cloud(delay);
    }

    fn apply(&mut self, signed: &SignedGeneration) {
        let generation: Generation = generation_of(signed);
        if generation.number > self.generation {
            self.generation = generation.number;
        }
        self.box_end.handle_applied(Applied {
            generation: self.generation,
            refused: None,
            conflicts: Vec::new(),
        });
    }

    fn drain_cloud(&mut self, delay: Duration) {
        let now = self.now;
        while let Some(output) = self.cloud_end.as_mut().and_then(CloudEnd::poll_output) {
            match output {
                CloudOutput::Send(message) => self.down.push_back((now + delay, message)),
                CloudOutput::Look(hello) => {
                    self.cloud.applied = hello.generation;
                    let desired = (self.cloud.desired > 0).then(|| (self.cloud.desired, desired(self.cloud.desired)));
                    let known = KnownBox {
                        acked: self.cloud.acked,
                        desired,
                        commands: Vec::new(),
                    };
                    self.sessions += u64::from(known.acked.is_none());
                    self.cloud_end.as_mut().unwrap().handle_known(now, known, 0);
                }
                CloudOutput::Store { entries, lost } => {
                    assert!(entries.iter().all(|entry| self.flushed.contains_key(&entry.id)));
                    let at = self.storing.back().map_or(now, |(at, ..)| *at).max(now + delay);
                    self.storing.push_back((at, entries, lost));
                }
                CloudOutput::StoreAhead(entry) => {
                    self.cloud.stored.entry(entry.id).or_default();
                }
                CloudOutput::Applied(applied) => {
                    assert!(applied.generation >= self.cloud.applied, "a generation went back");
                    self.cloud.applied = applied.generation;
                }
                CloudOutput::Close(why) => {
                    assert!(
                        matches!(why, branchline_link::Closing::Silent),
                        "the ends do not agree: {why}"
                    );
                    self.break_line();
                }
                CloudOutput::Health(_) | CloudOutput::Outcome(_) => {}
                CloudOutput::Enrol(_) | CloudOutput::Renew(_) => unreachable!("this box has a certificate"),
            }
        }
    }

    /// With nothing on the line, time may run to what is due next.
    fn skip_idle(&mut self, end: Instant) {
        if !(self.up.is_empty() && self.down.is_empty() && self.storing.is_empty() && self.reads.is_empty()) {
            return;
        }
        let due = [
            self.box_end.poll_timeout().map(|(at, _)| at),
            Some(self.next_entry.max(self.now)),
            Some(end),
        ];
        let next = due.into_iter().flatten().min().unwrap();
        if next > self.now + STEP {
            self.now = next - STEP;
        }
    }
}

fn box_end(now: Instant, journal: &Journal, boots: u64, generation: u64) -> BoxEnd {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&boots.to_le_bytes());
    let config = BoxEndConfig {
        this: BOX,
        boot: Uuid::from_u128(u128::from(boots)),
        software: "0.1.0".to_owned(),
        entries_per_s: ENTRIES_PER_S,
        seed,
    };
    BoxEnd::new(now, config, journal.state(), generation)
}

fn desired(number: u64) -> SignedGeneration {
    SignedGeneration {
        text: number.to_string(),
        key: "key".to_owned(),
        signature: String::new(),
    }
}

fn generation_of(signed: &SignedGeneration) -> Generation {
    Generation {
        this: BOX,
        number: signed.text.parse().unwrap(),
        settings: Vec::new(),
    }
}
