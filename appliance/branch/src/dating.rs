//! Time without a clock that can be trusted: what was recorded in it is written again when the time is known.

use std::collections::VecDeque;

use branchline_journal::{CallRecord, Event};

use crate::Branch;
use crate::now::Now;
use crate::output::Level;

/// Records whose times may be wrong, the latest last.
#[derive(Default)]
pub(crate) struct Undated {
    records: VecDeque<CallRecord>,
}

impl Branch {
    /// Writes what has been found out of a call; a record with moments that may be wrong is remembered.
    pub(crate) fn journal_record(&mut self, now: Now, record: CallRecord) -> u64 {
        let known = self.journal.stamp(now);
        let record = record.dated_by(&known).unwrap_or(record);
        if !known.clock_trusted {
            if self.undated.records.len() >= UNDATED_MAX {
                self.undated.records.pop_front();
                self.counters.records_left_undated += 1;
            }
            self.undated.records.push_back(record.clone());
        }
        self.journal(now, Event::CallEnded(Box::new(record)))
    }

    /// The time is known, or not any more: what was written without it is put right. The later of two records of a call counts.
    pub(crate) fn follow_clock(&mut self, now: Now) {
        if !self.journal.handle_clock(now) {
            return;
        }
        let known = self.journal.stamp(now);
        let records = std::mem::take(&mut self.undated.records);
        let dated: Vec<CallRecord> = records.iter().filter_map(|record| record.dated_by(&known)).collect();
        let helped = self.emergencies.date_by(&known);
        let text = format!("the time is known; {} call records are dated anew", dated.len());
        self.notice(Level::Info, text);
        for record in dated {
            self.journal(now, Event::CallEnded(Box::new(record)));
        }
        for call in helped {
            self.journal(now, Event::EmergencyCall(Box::new(call)));
        }
    }
}

/// Records of two busy days; the times of older ones stay as they are.
const UNDATED_MAX: usize = 5_000;
