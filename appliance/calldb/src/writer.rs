//! The journal thread: takes what waits, writes it once, syncs it once, acknowledges, and hands it to SQLite's thread.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::time::Duration;

use branchline_journal::{Entry, Event, FrameError, encode};
use tracing::{error, info};

use crate::actor::{Ack, Kept, Notice, Shared};
use crate::journal_file::JournalFile;

/// Owns the journal file.
pub(crate) struct Writer {
    pub(crate) file: JournalFile,
    pub(crate) shared: Arc<Shared>,
    /// Frames that are not known to be on the disk; written again elsewhere when the disk fails.
    unsynced: VecDeque<Frame>,
    unsynced_bytes: usize,
    health: Health,
}

struct Frame {
    seq: u64,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Sound,
    /// The last write or sync failed.
    Faulted,
}

/// Entries written together at most.
const GROUP_ENTRIES_MAX: usize = 4096;
/// How long entries gather for one write: a disk takes longer to sync, and no caller notices.
const GATHER: Duration = Duration::from_millis(3);
/// Bindings wait at most this long in the kernel while nothing else happens.
const IDLE: Duration = Duration::from_secs(2);
/// Frames kept for writing again; beyond it the oldest are lost, and counted.
const UNSYNCED_BYTES_MAX: usize = 4 << 20;
/// From here on a sync is due even if no entry asks for one.
const UNSYNCED_BYTES_DUE: usize = 256 << 10;
const RECOVER_PART_BYTES_MAX: usize = 256 << 10;

impl Writer {
    pub(crate) fn new(file: JournalFile, shared: Arc<Shared>) -> Writer {
        Writer {
            file,
            shared,
            unsynced: VecDeque::new(),
            unsynced_bytes: 0,
            health: Health::Sound,
        }
    }

    /// Runs until the handle is gone and the queue is empty.
    pub(crate) fn run(mut self, queue: &Receiver<Vec<Entry>>, applier: &SyncSender<Vec<Entry>>) {
        loop {
            match queue.recv_timeout(IDLE) {
                Ok(first) => {
                    let group = gather(first, queue);
                    self.shared.queued.fetch_sub(group.len(), Ordering::AcqRel);
                    self.commit(&group);
                    // A full queue is no loss: SQLite's thread reads what it missed from the journal.
                    if let Err(TrySendError::Disconnected(_)) = applier.try_send(group) {
                        error!("the call database thread has ended");
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.settle(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.settle();
        if self.health == Health::Faulted {
            let lost = self.unsynced.len() as u64;
            self.shared.lost_entries.fetch_add(lost, Ordering::Relaxed);
            error!(
                lost,
                "the journal closes without the entries that the disk did not take"
            );
        }
    }

    /// Writes a group, acknowledges it, and tidies up.
    pub(crate) fn commit(&mut self, group: &[Entry]) {
        let Some(last) = group.last() else { return };
        let needs_sync = group.iter().any(|entry| entry.event.needs_sync());
        let fresh_from = self.unsynced.len();
        for entry in group {
            let bytes = frame(entry);
            self.unsynced_bytes += bytes.len();
            self.unsynced.push_back(Frame { seq: entry.seq, bytes });
        }
        let due = needs_sync || self.unsynced_bytes > UNSYNCED_BYTES_DUE;
        let kept = match self.health {
            Health::Faulted => self.recover(),
            Health::Sound => match self
                .write(fresh_from)
                .and_then(|()| if due { self.sync() } else { Ok(()) })
            {
                Ok(()) if due => Kept::Synced,
                Ok(()) => Kept::Written,
                Err(fault) => self.fault(&fault),
            },
        };
        if kept != Kept::MemoryOnly {
            self.shared.written_seq.store(last.seq, Ordering::Release);
        }
        self.shared.notify(Notice::Acked(Ack {
            up_to_seq: last.seq,
            kept,
        }));
        self.file.prune(self.shared.settled_seq());
    }

    /// Syncs what waits in the kernel, or tries a failed disk again.
    fn settle(&mut self) {
        let Some(up_to_seq) = self.unsynced.back().map(|frame| frame.seq) else {
            return;
        };
        self.file.prune(self.shared.settled_seq());
        let kept = match self.health {
            Health::Faulted => self.recover(),
            Health::Sound => self.sync().map_or_else(|fault| self.fault(&fault), |()| Kept::Synced),
        };
        if kept == Kept::Synced {
            self.shared.notify(Notice::Acked(Ack { up_to_seq, kept }));
        }
    }

    fn write(&mut self, fresh_from: usize) -> io::Result<()> {
        let (Some(first), Some(last)) = (self.unsynced.get(fresh_from), self.unsynced.back()) else {
            return Ok(());
        };
        let seqs = first.seq..=last.seq;
        let frames: Vec<u8> = self
            .unsynced
            .range(fresh_from..)
            .flat_map(|frame| &frame.bytes)
            .copied()
            .collect();
        self.file.append(&frames, seqs)
    }

    /// Writes and syncs all that is not known to be on the disk, part by part: each that succeeds makes room.
    fn recover(&mut self) -> Kept {
        let begun = self.file.start_afresh();
        let written = begun.and_then(|()| {
            while !self.unsynced.is_empty() {
                self.write_oldest()?;
            }
            Ok(())
        });
        match written {
            Ok(()) => {
                self.health = Health::Sound;
                info!("the journal is written to the disk again");
                self.shared.notify(Notice::JournalSound);
                Kept::Synced
            }
            Err(fault) => self.fault(&fault),
        }
    }

    fn write_oldest(&mut self) -> io::Result<()> {
        // Pruning makes room for two segments, so a part of one always fits in the end.
        let part_bytes_max = RECOVER_PART_BYTES_MAX.min(self.file.segment_bytes_max());
        let mut part = Vec::new();
        let mut count = 0usize;
        for frame in &self.unsynced {
            if count > 0 && part.len() + frame.bytes.len() > part_bytes_max {
                break;
            }
            part.extend_from_slice(&frame.bytes);
            count += 1;
        }
        let (Some(first), Some(last)) = (self.unsynced.front(), self.unsynced.get(count.saturating_sub(1))) else {
            return Ok(());
        };
        let (first_seq, last_seq) = (first.seq, last.seq);
        self.file.append(&part, first_seq..=last_seq)?;
        self.file.sync()?;
        self.unsynced.drain(..count);
        self.unsynced_bytes -= part.len();
        self.shared.written_seq.store(last_seq, Ordering::Release);
        self.file.prune(self.shared.settled_seq());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()?;
        self.unsynced.clear();
        self.unsynced_bytes = 0;
        Ok(())
    }

    fn fault(&mut self, fault: &io::Error) -> Kept {
        if self.health == Health::Sound {
            error!(error = %fault, "the journal cannot be written; entries are kept in memory");
            self.shared.notify(Notice::JournalFault(fault.to_string()));
        }
        self.health = Health::Faulted;
        while self.unsynced_bytes > UNSYNCED_BYTES_MAX {
            let Some(oldest) = self.unsynced.pop_front() else { break };
            self.unsynced_bytes -= oldest.bytes.len();
            self.shared.lost_entries.fetch_add(1, Ordering::Relaxed);
        }
        Kept::MemoryOnly
    }
}

/// Lets more come, asleep: one wake-up, write and sync for all that came within the time.
fn gather(first: Vec<Entry>, queue: &Receiver<Vec<Entry>>) -> Vec<Entry> {
    std::thread::park_timeout(GATHER);
    let mut group = first;
    while group.len() < GROUP_ENTRIES_MAX {
        let Ok(more) = queue.try_recv() else { break };
        group.extend(more);
    }
    group
}

/// The frame of an entry; of one that is too long, the shortened one; failing that, a note that it was left out.
pub(crate) fn frame(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Err(refused) = encode(entry, &mut bytes) else {
        return bytes;
    };
    let mut short = entry.clone();
    short.event.shorten();
    if encode(&short, &mut bytes).is_ok() {
        return bytes;
    }
    error!(seq = entry.seq, kind = entry.event.kind(), error = %refused, "an entry is left out of the journal");
    let size = match refused {
        FrameError::TooLarge { bytes } => bytes as u64,
        FrameError::Json(_) => 0,
    };
    let kind = entry.event.kind().chars().take(64).collect();
    let note = Entry {
        event: Event::Omitted { kind, bytes: size },
        ..short
    };
    if let Err(error) = encode(&note, &mut bytes) {
        error!(seq = entry.seq, %error, "an entry has no frame at all");
    }
    bytes
}
