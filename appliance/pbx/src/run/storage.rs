//! What the call database tells of itself: kept for the branch and for people, and each recovery as a file.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use branchline_branch::view::{HomeView, RecoveryView, View};
use branchline_calldb::{DatabaseState, HomeStatus, Recovery, Status};
use branchline_journal::DatabaseMode;

use crate::clock;
use crate::file::{self, FileFault};

/// Told by the database's own threads, asked by the loop.
#[derive(Debug)]
pub(super) struct Storage {
    reports: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    database: DatabaseState,
    in_memory_only: bool,
    since_utc_ms: i64,
    recovery: Option<RecoveryView>,
    /// What is wrong with the configuration in force.
    configuration: String,
    /// Why the state directory cannot be used.
    state_directory: String,
}

/// Recovery reports kept, the latest; those of drills have a bound of their own.
const REPORTS_MAX: usize = 50;
/// What their names begin with.
const RECOVERY: &str = "recovery-";

impl Storage {
    /// All is well until told otherwise; reports go to the directory `reports`.
    pub(super) fn new(reports: PathBuf) -> Storage {
        Storage {
            reports,
            state: Mutex::new(State {
                database: DatabaseState::Normal,
                in_memory_only: false,
                since_utc_ms: clock::utc_ms(),
                recovery: None,
                configuration: String::new(),
                state_directory: String::new(),
            }),
        }
    }

    /// The database changed.
    pub(super) fn handle_database(&self, database: DatabaseState) {
        match &database {
            DatabaseState::Degraded(reason) => {
                tracing::error!(%reason, "call database: degraded; the journal keeps every call");
            }
            DatabaseState::Recovering => tracing::info!("call database: recovering"),
            DatabaseState::Normal => tracing::info!("call database: normal"),
        }
        let mut state = self.lock();
        state.database = database;
        state.since_utc_ms = clock::utc_ms();
    }

    /// A home of the journal fails, or is back.
    pub(super) fn handle_homes(&self, homes: &[HomeStatus]) {
        let in_memory_only = !homes.iter().any(|home| home.in_use);
        let mut state = self.lock();
        if state.in_memory_only != in_memory_only {
            state.in_memory_only = in_memory_only;
            state.since_utc_ms = clock::utc_ms();
        }
    }

    /// The database has caught up.
    pub(super) fn handle_recovery(&self, recovery: &Recovery) {
        let ended_utc_ms = clock::utc_ms();
        let report = match write_report(&self.reports, ended_utc_ms, recovery) {
            Ok(path) => path.display().to_string(),
            Err(fault) => {
                tracing::error!(%fault, "the report of the recovery is not kept");
                String::new()
            }
        };
        tracing::info!(
            degraded_ms = recovery.degraded_ms,
            recovering_ms = recovery.recovering_ms,
            journal_calls = recovery.journal.calls,
            database_calls = recovery.database.calls,
            missing = recovery.missing_calls,
            quarantined = recovery.quarantined_entries,
            equal = recovery.is_equal(),
            report,
            "the call database has caught up"
        );
        self.lock().recovery = Some(RecoveryView {
            ended_utc_ms,
            why: recovery.why.clone(),
            degraded_ms: recovery.degraded_ms,
            recovering_ms: recovery.recovering_ms,
            journal_calls: recovery.journal.calls,
            database_calls: recovery.database.calls,
            quarantined: recovery.quarantined_entries,
            equal: recovery.is_equal(),
            report,
        });
    }

    /// What is wrong with the configuration in force; empty when nothing is.
    pub(super) fn handle_configuration(&self, fault: String) {
        self.lock().configuration = fault;
    }

    /// Why the state directory cannot be used; empty when it can.
    pub(super) fn handle_state_directory(&self, fault: String) {
        self.lock().state_directory = fault;
    }

    /// What the branch is told.
    pub(super) fn mode(&self) -> DatabaseMode {
        self.lock().mode()
    }

    /// Adds what people are shown.
    pub(super) fn show(&self, view: &mut View, status: Status) {
        let state = self.lock();
        let mode = state.mode();
        // The branch says degraded on its own when entries are late.
        if mode != DatabaseMode::Normal {
            word(mode).clone_into(&mut view.health.database);
        }
        view.storage.reason = match &state.database {
            DatabaseState::Degraded(reason) => reason.to_string(),
            DatabaseState::Normal | DatabaseState::Recovering if state.in_memory_only => {
                "no disk takes the journal; entries are kept in memory".to_owned()
            }
            DatabaseState::Normal | DatabaseState::Recovering => String::new(),
        };
        view.storage.since_utc_ms = state.since_utc_ms;
        view.storage.recovery.clone_from(&state.recovery);
        view.storage.configuration.clone_from(&state.configuration);
        view.storage.state_directory.clone_from(&state.state_directory);
        view.storage.written_seq = status.written_seq;
        view.storage.applied_seq = status.applied_seq;
        view.storage.lost_entries = status.lost_entries;
        view.storage.held_bytes = status.held_bytes;
        view.storage.held_bytes_max = status.held_bytes_max;
        let homes = status.homes.into_iter().map(|home| HomeView {
            directory: home.dir.display().to_string(),
            fault: home.fault.unwrap_or_default(),
            in_use: home.in_use,
        });
        view.storage.homes = homes.collect();
        view.health.storage_faults = faults(view);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn mode(&self) -> DatabaseMode {
        match &self.database {
            DatabaseState::Degraded(_) => DatabaseMode::Degraded,
            DatabaseState::Normal | DatabaseState::Recovering if self.in_memory_only => DatabaseMode::Degraded,
            DatabaseState::Recovering => DatabaseMode::Recovering,
            DatabaseState::Normal => DatabaseMode::Normal,
        }
    }
}

fn faults(view: &View) -> Vec<String> {
    let failing = view.storage.homes.iter().filter(|home| !home.fault.is_empty());
    let homes = failing.map(|home| format!("The journal is not written to {}: {}.", home.directory, home.fault));
    let reason = Some(&view.storage.reason).filter(|reason| !reason.is_empty());
    let configuration = Some(&view.storage.configuration).filter(|fault| !fault.is_empty());
    let reason = reason.map(|reason| format!("Call database: {reason}."));
    let configuration = configuration.map(|fault| format!("Configuration: {fault}."));
    let directory = Some(&view.storage.state_directory).filter(|fault| !fault.is_empty());
    let directory = directory.map(|fault| format!("Box: {fault}."));
    let filling = view
        .storage
        .filling_percent()
        .map(|percent| format!("The journal is {percent} % full of what the call database has not taken."));
    let rest = filling.into_iter().chain(configuration).chain(directory);
    reason.into_iter().chain(homes).chain(rest).collect()
}

fn word(mode: DatabaseMode) -> &'static str {
    match mode {
        DatabaseMode::Normal => "normal",
        DatabaseMode::Degraded => "degraded",
        DatabaseMode::Recovering => "recovering",
    }
}

fn write_report(dir: &Path, ended_utc_ms: i64, recovery: &Recovery) -> Result<PathBuf, FileFault> {
    file::create_private_directory(dir)?;
    let path = dir.join(format!("{RECOVERY}{ended_utc_ms}.json"));
    let text =
        serde_json::to_vec_pretty(recovery).map_err(|error| FileFault::new("cannot write", &path)(error.into()))?;
    file::replace_private(&path, &text)?;
    file::keep_latest(dir, (RECOVERY, REPORTS_MAX))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use branchline_calldb::{Reason, Side};

    use super::*;

    #[test]
    fn the_branch_is_told_degraded_when_the_database_fails_or_no_disk_takes_the_journal() {
        let storage = Storage::new(PathBuf::new());
        let home = |in_use| HomeStatus {
            dir: "/spool".into(),
            fault: None,
            in_use,
        };
        assert_eq!(storage.mode(), DatabaseMode::Normal);
        storage.handle_homes(&[home(false), home(false)]);
        assert_eq!(storage.mode(), DatabaseMode::Degraded);
        storage.handle_homes(&[home(false), home(true)]);
        assert_eq!(storage.mode(), DatabaseMode::Normal);
        storage.handle_database(DatabaseState::Degraded(Reason::Busy));
        assert_eq!(storage.mode(), DatabaseMode::Degraded);
        storage.handle_database(DatabaseState::Recovering);
        assert_eq!(storage.mode(), DatabaseMode::Recovering);
    }

    #[test]
    fn a_journal_that_fills_is_said_before_it_is_full() {
        let mut view = View::default();
        view.storage.held_bytes_max = 1000;
        for (held_bytes, is_said) in [(0, false), (749, false), (750, true), (1000, true)] {
            view.storage.held_bytes = held_bytes;
            assert_eq!(faults(&view).len(), usize::from(is_said), "{held_bytes}");
        }
    }

    #[test]
    fn a_recovery_leaves_a_report_and_old_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let recovery = Recovery {
            why: "held by another process".into(),
            degraded_ms: 1,
            recovering_ms: 2,
            after_seq: 3,
            up_to_seq: 9,
            journal: Side { calls: 2, checksum: 7 },
            database: Side { calls: 2, checksum: 7 },
            missing_calls: 0,
            missing: vec![],
            quarantined_entries: 0,
            quarantined: vec![],
            homes_missed: 0,
        };
        let drill = dir.path().join("drill-wan-1.json");
        fs::write(&drill, "{}").unwrap();
        for utc_ms in 1_700_000_000_000..1_700_000_000_060 {
            write_report(dir.path(), utc_ms, &recovery).unwrap();
        }
        let mut kept: Vec<PathBuf> = fs::read_dir(dir.path())
            .unwrap()
            .map(|item| item.unwrap().path())
            .collect();
        kept.sort();
        assert_eq!(kept.remove(0), drill, "the scorecard of a drill stays");
        assert_eq!(kept.len(), REPORTS_MAX);
        assert!(kept[0].ends_with("recovery-1700000000010.json"));
        let read: Recovery = serde_json::from_slice(&fs::read(&kept[49]).unwrap()).unwrap();
        assert!(read.is_equal() && read == recovery);
    }
}
