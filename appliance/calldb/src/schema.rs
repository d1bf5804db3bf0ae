//! The tables of the call database and their versions.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use branchline_journal::Uuid;
use rusqlite::{Connection, OpenFlags};

use crate::{Reason, sealed};

/// Each step brings the schema to the next version; a step that has shipped never changes.
const STEPS: &[&str] = &[
    "
    CREATE TABLE call_record (
        id BLOB PRIMARY KEY NOT NULL,
        seq INTEGER NOT NULL,
        started_utc_ms INTEGER NOT NULL,
        from_number TEXT NOT NULL,
        to_number TEXT NOT NULL,
        direction TEXT NOT NULL,
        outcome TEXT NOT NULL,
        trunk TEXT,
        extension TEXT,
        talk_ms INTEGER NOT NULL,
        emergency INTEGER NOT NULL,
        body TEXT NOT NULL,
        crc INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX call_record_seq ON call_record (seq);
    CREATE TABLE call_number (number TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (number, seq)) STRICT, WITHOUT ROWID;
    CREATE INDEX call_number_seq ON call_number (seq);
    CREATE TABLE binding (
        aor TEXT NOT NULL,
        contact_key TEXT NOT NULL,
        expires_utc_ms INTEGER NOT NULL,
        body TEXT NOT NULL,
        crc INTEGER NOT NULL,
        PRIMARY KEY (aor, contact_key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE open_call (id BLOB PRIMARY KEY NOT NULL, started TEXT NOT NULL, started_crc INTEGER NOT NULL,
        answered TEXT, answered_crc INTEGER) STRICT;
    CREATE TABLE boot (id BLOB PRIMARY KEY NOT NULL, seq INTEGER NOT NULL, last_seen TEXT NOT NULL, crc INTEGER NOT NULL) STRICT;
    CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('applied_seq', 0);
",
    "CREATE TABLE quarantine (seq INTEGER PRIMARY KEY NOT NULL, kind TEXT NOT NULL, why TEXT NOT NULL, body TEXT NOT NULL) STRICT;",
    "CREATE TABLE emergency_call (id BLOB PRIMARY KEY NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, crc INTEGER NOT NULL) STRICT;",
    "CREATE TABLE owner (id BLOB PRIMARY KEY NOT NULL) STRICT;",
];

const BUSY_WAIT: Duration = Duration::from_millis(300);

/// How much of a database is read before it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Every page and every row.
    Whole,
    /// The same where that takes no time; a large file is for its owner to check while phones are answered.
    Quick,
}

/// A database that is open for writing.
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    /// Every page and row was read.
    pub(crate) is_checked: bool,
}

/// A check reads some 100 MB a second from a slow card.
const CHECKED_AT_ONCE_BYTES_MAX: u64 = 4 << 20;

/// Opens or creates the database for writing, checks it, and brings its schema up to date.
pub(crate) fn open(path: &Path, depth: Depth) -> Result<Opened, Reason> {
    let is_small = fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED_AT_ONCE_BYTES_MAX);
    let is_checked = is_small || depth == Depth::Whole;
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_WAIT)?;
    check_version(&connection)?;
    check_length(path, &connection)?;
    if is_checked {
        quick_check(&connection, "1")?;
    }
    // NORMAL may lose the last transactions at a power cut, never the consistency: the journal replays them.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    migrate(&mut connection)?;
    if is_checked {
        sealed::check_all(&connection, &mut || Ok(()))?;
    }
    Ok(Opened { connection, is_checked })
}

/// What a long check does between its parts; an error ends it.
pub(crate) type Rest<'a> = dyn FnMut() -> Result<(), Reason> + 'a;

/// Reads every page and every row of an open database, table by table.
pub(crate) fn check(connection: &Connection, rest: &mut Rest<'_>) -> Result<(), Reason> {
    let mut select = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let tables = select.query_map([], |row| row.get::<_, String>(0))?;
    for table in tables.collect::<rusqlite::Result<Vec<_>>>()? {
        quick_check(connection, &table)?;
        rest()?;
    }
    sealed::check_all(connection, rest)
}

/// Opens an existing database for reading only.
pub(crate) fn open_read_only(path: &Path) -> Result<Connection, Reason> {
    if !path.exists() {
        return Err(Reason::Missing);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    if version(&connection)? == 0 {
        return Err(Reason::Missing);
    }
    check_version(&connection)?;
    Ok(connection)
}

/// The box whose database it is, as far as that can be read.
pub(crate) fn owner_of(path: &Path) -> Option<Uuid> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).ok()?;
    let select = "SELECT id FROM owner";
    let id: Vec<u8> = connection.query_row(select, [], |row| row.get(0)).ok()?;
    Uuid::from_slice(&id).ok()
}

fn check_version(connection: &Connection) -> Result<(), Reason> {
    let (found, known) = (version(connection)?, STEPS.len() as i64);
    if found > known {
        Err(Reason::NewerSchema { found, known })
    } else {
        Ok(())
    }
}

fn version(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Of a table, or of the whole up to so many faults.
fn quick_check(connection: &Connection, of: &str) -> Result<(), Reason> {
    let verdict: String = connection.query_row(&format!("PRAGMA quick_check({of})"), [], |row| row.get(0))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(Reason::Damaged(verdict))
    }
}

/// SQLite takes the missing end of a last page for zeros. While a WAL waits, it may still hold that page.
fn check_length(path: &Path, connection: &Connection) -> Result<(), Reason> {
    let mut wal = OsString::from(path);
    wal.push("-wal");
    let bytes_of = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let page_bytes: u64 = connection
        .pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0))?
        .into();
    let cut_bytes = bytes_of(path).checked_rem(page_bytes).unwrap_or(0);
    if cut_bytes > 0 && bytes_of(Path::new(&wal)) == 0 {
        return Err(Reason::Damaged("the file ends within a page".to_owned()));
    }
    Ok(())
}

fn migrate(connection: &mut Connection) -> Result<(), Reason> {
    let from = usize::try_from(version(connection)?).unwrap_or(0);
    for (at, step) in STEPS.iter().enumerate().skip(from) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", at as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_schema_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("calls.db");
        open(&path, Depth::Whole)
            .unwrap()
            .connection
            .pragma_update(None, "user_version", 99)
            .unwrap();
        let refused = Reason::NewerSchema {
            found: 99,
            known: STEPS.len() as i64,
        };
        assert_eq!(open(&path, Depth::Whole).err(), Some(refused.clone()));
        assert_eq!(open_read_only(&path).err(), Some(refused.clone()));
        assert!(refused.to_string().contains("install the newer version"));
        assert_eq!(version(&Connection::open(&path).unwrap()).unwrap(), 99);
    }

    #[test]
    fn an_older_schema_is_brought_up_to_date_with_its_rows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("calls.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(STEPS[0]).unwrap();
        old.execute_batch("UPDATE meta SET value = 7; PRAGMA user_version = 1")
            .unwrap();
        drop(old);
        let opened = open(&path, Depth::Whole).unwrap().connection;
        assert_eq!(version(&opened).unwrap(), STEPS.len() as i64);
        let cursor = "SELECT value FROM meta WHERE key = 'applied_seq'";
        assert_eq!(opened.query_row(cursor, [], |row| row.get::<_, i64>(0)).unwrap(), 7);
        opened
            .execute("INSERT INTO quarantine VALUES (1, 'a', 'b', 'c')", [])
            .unwrap();
    }

    #[test]
    fn a_locked_file_is_busy_and_not_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("calls.db");
        let first = open(&path, Depth::Whole).unwrap().connection;
        first.pragma_update(None, "locking_mode", "EXCLUSIVE").unwrap();
        first.execute("UPDATE meta SET value = 1", []).unwrap();
        assert_eq!(open(&path, Depth::Whole).err(), Some(Reason::Busy));
    }
}
