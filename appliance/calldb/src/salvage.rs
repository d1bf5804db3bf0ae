//! A database file that cannot be used: what can be read of it goes into a new one, and it is set aside under another
//! name. Cut off at any point, the next start takes it up again.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rusqlite::{Connection, OpenFlags, Row, Transaction};
use tracing::warn;

use crate::Reason;
use crate::disk::{Disk, RealDisk};
use crate::fold::OpenCall;
use crate::schema::{self, Depth};
use crate::sealed::unseal;
use crate::tables::{
    SELECT_OPEN_CALLS, answer_call, open_call, put_binding, put_emergency_call, put_record, start_call,
};

/// Why a database is set aside; the word in its new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aside {
    Damaged,
    OfAnotherBox,
}

/// Files kept for each reason; the oldest goes when there are more.
const KEPT_MAX: u32 = 4;
/// What SQLite has beside a database.
const SIDES: [&str; 2] = ["-wal", "-shm"];
/// A new database that is being filled; worth nothing before it has its next name.
const PART: &str = ".part";
/// A new database with all that could be read of the damaged one.
const SALVAGED: &str = ".salvaged";

/// Makes a database again from what can be read of it, and sets it aside. An error, as of a disk without room, leaves it
/// where it is, for another try.
pub(crate) fn make_again(path: &Path) -> Result<(PathBuf, u64), Reason> {
    let part = suffixed(path, PART);
    for side in ["", SIDES[0], SIDES[1]] {
        remove(&suffixed(&part, side))?;
    }
    let mut made = schema::open(&part, Depth::Whole)?.connection;
    let salvaged = carry_over(path, &mut made)?;
    // All in the one file that is renamed.
    made.pragma_update(None, "journal_mode", "DELETE")?;
    drop(made);
    fs::File::open(&part)?.sync_all()?;
    fs::rename(&part, suffixed(path, SALVAGED))?;
    sync_dir_of(path)?;
    let moved_to = move_aside(path, Aside::Damaged)?;
    finish(path)?;
    Ok((moved_to, salvaged))
}

/// Puts the new database in the place of the one that was set aside, if that was not done yet.
pub(crate) fn finish(path: &Path) -> io::Result<()> {
    let salvaged = suffixed(path, SALVAGED);
    if path.exists() || !salvaged.exists() {
        return Ok(());
    }
    // Left behind, they would be taken for those of the new database.
    for side in SIDES {
        let left = suffixed(path, side);
        if left.exists() {
            fs::rename(&left, aside(path, (Aside::Damaged, 1), side))?;
        }
    }
    fs::rename(&salvaged, path)?;
    sync_dir_of(path)
}

/// Renames the database and its side files to `<name>.damaged-1`, older ones to `-2` and so on. The database goes first:
/// only without it does [`finish`] do the rest.
pub(crate) fn move_aside(path: &Path, why: Aside) -> io::Result<PathBuf> {
    for number in (1..=KEPT_MAX).rev() {
        for side in ["", SIDES[0], SIDES[1]] {
            let old = aside(path, (why, number), side);
            if !old.exists() {
                continue;
            }
            if number == KEPT_MAX {
                warn!(path = %old.display(), "the oldest call database that was set aside is deleted");
                fs::remove_file(&old)?;
            } else {
                fs::rename(&old, aside(path, (why, number + 1), side))?;
            }
        }
    }
    for side in ["", SIDES[0], SIDES[1]] {
        let from = suffixed(path, side);
        if from.exists() {
            fs::rename(&from, aside(path, (why, 1), side))?;
        }
    }
    sync_dir_of(path)?;
    Ok(aside(path, (why, 1), ""))
}

/// Writes the whole database that a connection sees to a new file in place of the one that was deleted.
pub(crate) fn write_whole(connection: Connection, path: &Path) -> Result<(), Reason> {
    let beside = suffixed(path, ".restored");
    remove(&beside)?;
    let name = beside.to_string_lossy().into_owned();
    connection.execute("VACUUM INTO ?1", [name])?;
    // The side files belong to the deleted file; SQLite would take them for those of the new one.
    drop(connection);
    for side in SIDES {
        remove(&suffixed(path, side))?;
    }
    fs::File::open(&beside)?.sync_all()?;
    fs::rename(&beside, path)?;
    Ok(sync_dir_of(path)?)
}

/// Copies the rows that can still be read into the new database; returns how many. Fails when the new one does.
fn carry_over(from: &Path, to: &mut Connection) -> Result<u64, Reason> {
    let damaged = match Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY) {
        Ok(damaged) => damaged,
        Err(error) => {
            warn!(%error, "the damaged call database cannot be read");
            return Ok(0);
        }
    };
    let mut carried = 0;
    for table in [records, bindings, open_calls, emergency_calls] {
        let transaction = to.transaction()?;
        carried += table(&damaged, &transaction)?;
        transaction.commit()?;
    }
    Ok(carried)
}

fn records(from: &Connection, to: &Transaction<'_>) -> Result<u64, Reason> {
    copy_rows(from, "SELECT body, crc, seq FROM call_record NOT INDEXED", |row| {
        let seq = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
        Ok(put_record(to, seq, &unseal(row, 0)?))
    })
}

fn bindings(from: &Connection, to: &Transaction<'_>) -> Result<u64, Reason> {
    copy_rows(from, "SELECT body, crc FROM binding", |row| {
        Ok(put_binding(to, &unseal(row, 0)?))
    })
}

fn open_calls(from: &Connection, to: &Transaction<'_>) -> Result<u64, Reason> {
    copy_rows(from, SELECT_OPEN_CALLS, |row| {
        let OpenCall { started, answered } = open_call(row)?;
        let put = start_call(to, &started);
        Ok(put.and_then(|()| answered.map_or(Ok(()), |answered| answer_call(to, &answered))))
    })
}

fn emergency_calls(from: &Connection, to: &Transaction<'_>) -> Result<u64, Reason> {
    copy_rows(from, "SELECT body, crc, seq FROM emergency_call", |row| {
        let seq = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
        Ok(put_emergency_call(to, seq, &unseal(row, 0)?))
    })
}

/// `put` fails outside when the row cannot be read, and inside when it cannot be written.
fn copy_rows(
    from: &Connection,
    select: &str,
    mut put: impl FnMut(&Row<'_>) -> rusqlite::Result<Result<(), Reason>>,
) -> Result<u64, Reason> {
    let mut copied = 0;
    let mut copy = || -> rusqlite::Result<Result<(), Reason>> {
        let mut statement = from.prepare(select)?;
        let mut rows = statement.query([])?;
        // The first page that cannot be read ends the table; what came before it is kept.
        while let Some(row) = rows.next()? {
            match put(row) {
                Ok(Ok(())) => copied += 1,
                Err(_) | Ok(Err(Reason::Refused(_))) => {}
                Ok(Err(fault)) => return Ok(Err(fault)),
            }
        }
        Ok(Ok(()))
    };
    match copy() {
        Ok(written) => written?,
        Err(error) => warn!(%error, "part of the damaged call database cannot be read"),
    }
    Ok(copied)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync_dir_of(path: &Path) -> io::Result<()> {
    RealDisk.sync_dir(path.parent().unwrap_or(Path::new(".")))
}

fn aside(path: &Path, (why, number): (Aside, u32), side: &str) -> PathBuf {
    let word = match why {
        Aside::Damaged => "damaged",
        Aside::OfAnotherBox => "of-another-box",
    };
    suffixed(path, &format!(".{word}-{number}{side}"))
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
