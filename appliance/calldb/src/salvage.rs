//! A damaged database file: set aside under another name, and read for as long as it can be.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rusqlite::{Connection, OpenFlags, Row, Transaction};
use tracing::warn;

use crate::Reason;
use crate::disk::{Disk, RealDisk};
use crate::fold::OpenCall;
use crate::sealed::unseal;
use crate::tables::{
    SELECT_OPEN_CALLS, answer_call, open_call, put_binding, put_emergency_call, put_record, start_call,
};

/// Damaged files kept; the oldest goes when there are more.
const KEPT_MAX: u32 = 4;

/// Renames the database and its side files to `<name>.damaged-1`, older ones to `-2` and so on.
pub(crate) fn move_aside(path: &Path) -> io::Result<PathBuf> {
    for number in (1..=KEPT_MAX).rev() {
        for side in ["", "-wal", "-shm"] {
            let old = suffixed(path, number, side);
            if !old.exists() {
                continue;
            }
            if number == KEPT_MAX {
                warn!(path = %old.display(), "the oldest damaged call database is deleted");
                fs::remove_file(&old)?;
            } else {
                fs::rename(&old, suffixed(path, number + 1, side))?;
            }
        }
    }
    // Side files first: left behind, they would be taken for those of the new database.
    for side in ["-wal", "-shm", ""] {
        let mut from = OsString::from(path);
        from.push(side);
        if Path::new(&from).exists() {
            fs::rename(&from, suffixed(path, 1, side))?;
        }
    }
    RealDisk.sync_dir(path.parent().unwrap_or(Path::new(".")))?;
    Ok(suffixed(path, 1, ""))
}

/// Writes the whole database that a connection sees to a new file in place of the one that was deleted.
pub(crate) fn write_whole(connection: Connection, path: &Path) -> Result<(), Reason> {
    let failed = |error: io::Error| Reason::Failed(error.to_string());
    let mut beside = OsString::from(path);
    beside.push(".restored");
    let beside = PathBuf::from(beside);
    if beside.exists() {
        fs::remove_file(&beside).map_err(failed)?;
    }
    let name = beside.to_string_lossy().into_owned();
    connection.execute("VACUUM INTO ?1", [name])?;
    // The side files belong to the deleted file; SQLite would take them for those of the new one.
    drop(connection);
    for side in ["-wal", "-shm"] {
        let mut left = OsString::from(path);
        left.push(side);
        if Path::new(&left).exists() {
            fs::remove_file(&left).map_err(failed)?;
        }
    }
    fs::File::open(&beside)
        .and_then(|file| file.sync_all())
        .map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)?;
    RealDisk
        .sync_dir(path.parent().unwrap_or(Path::new(".")))
        .map_err(failed)
}

/// Copies the rows that can still be read into the new database; returns how many.
pub(crate) fn carry_over(from: &Path, to: &mut Connection) -> u64 {
    let mut carried = 0;
    for table in [records, bindings, open_calls, emergency_calls] {
        match copy(from, to, table) {
            Ok(rows) => carried += rows,
            Err(error) => warn!(%error, "part of the damaged call database cannot be read"),
        }
    }
    carried
}

type Copy = fn(&Connection, &Transaction<'_>) -> rusqlite::Result<u64>;

fn copy(from: &Path, to: &mut Connection, table: Copy) -> rusqlite::Result<u64> {
    let damaged = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let transaction = to.transaction()?;
    let rows = table(&damaged, &transaction)?;
    transaction.commit()?;
    Ok(rows)
}

fn records(from: &Connection, to: &Transaction<'_>) -> rusqlite::Result<u64> {
    copy_rows(from, "SELECT body, crc, seq FROM call_record NOT INDEXED", |row| {
        let seq = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
        Ok(put_record(to, seq, &unseal(row, 0)?).is_ok())
    })
}

fn bindings(from: &Connection, to: &Transaction<'_>) -> rusqlite::Result<u64> {
    copy_rows(from, "SELECT body, crc FROM binding", |row| {
        Ok(put_binding(to, &unseal(row, 0)?).is_ok())
    })
}

fn open_calls(from: &Connection, to: &Transaction<'_>) -> rusqlite::Result<u64> {
    copy_rows(from, SELECT_OPEN_CALLS, |row| {
        let OpenCall { started, answered } = open_call(row)?;
        let put = start_call(to, &started);
        Ok(put
            .and_then(|()| answered.map_or(Ok(()), |answered| answer_call(to, &answered)))
            .is_ok())
    })
}

fn emergency_calls(from: &Connection, to: &Transaction<'_>) -> rusqlite::Result<u64> {
    copy_rows(from, "SELECT body, crc, seq FROM emergency_call", |row| {
        let seq = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
        Ok(put_emergency_call(to, seq, &unseal(row, 0)?).is_ok())
    })
}

fn copy_rows(
    from: &Connection,
    select: &str,
    mut put: impl FnMut(&Row<'_>) -> rusqlite::Result<bool>,
) -> rusqlite::Result<u64> {
    let mut statement = from.prepare(select)?;
    let mut rows = statement.query([])?;
    let mut copied = 0;
    // The first page that cannot be read ends the table; what came before it is kept.
    while let Ok(Some(row)) = rows.next() {
        copied += u64::from(put(row).unwrap_or(false));
    }
    Ok(copied)
}

fn suffixed(path: &Path, number: u32, side: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".damaged-{number}{side}"));
    name.into()
}
