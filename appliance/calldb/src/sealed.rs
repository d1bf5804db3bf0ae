//! JSON columns with their checksum: SQLite checks how its pages hang together, not what a row says.

use branchline_journal::crc32c;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, ffi};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Reason;
use crate::schema::Rest;

/// A value as the two columns that hold it.
pub(crate) struct Sealed {
    pub(crate) body: String,
    pub(crate) crc: u32,
}

pub(crate) fn seal<T: Serialize>(value: &T) -> Result<Sealed, Reason> {
    let body = serde_json::to_string(value).map_err(|error| Reason::Failed(error.to_string()))?;
    let crc = crc32c(body.as_bytes());
    Ok(Sealed { body, crc })
}

/// The text in column `at`, after a look at the checksum in the column behind it.
pub(crate) fn text<'a>(row: &'a Row<'_>, at: usize) -> rusqlite::Result<&'a str> {
    let body = row.get_ref(at)?.as_bytes()?;
    if row.get::<_, u32>(at + 1)? != crc32c(body) {
        return Err(damaged());
    }
    Ok(std::str::from_utf8(body)?)
}

/// Reads the value in column `at`, after a look at the checksum in the column behind it.
pub(crate) fn unseal<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    serde_json::from_str(text(row, at)?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error)))
}

/// Passes over a row that is whole, but whose JSON a newer version wrote.
pub(crate) fn readable<T>(row: rusqlite::Result<T>) -> rusqlite::Result<Option<T>> {
    match row {
        Ok(value) => Ok(Some(value)),
        Err(rusqlite::Error::FromSqlConversionFailure(..)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Rows looked at between two rests.
const ROWS_AT_ONCE: usize = 512;

/// Looks at the checksum of every row, and rests now and then.
pub(crate) fn check_all(connection: &Connection, rest: &mut Rest<'_>) -> Result<(), Reason> {
    let mut statement = connection.prepare(
        "SELECT body, crc FROM call_record NOT INDEXED
         UNION ALL SELECT body, crc FROM binding
         UNION ALL SELECT started, started_crc FROM open_call
         UNION ALL SELECT answered, answered_crc FROM open_call WHERE answered IS NOT NULL
         UNION ALL SELECT last_seen, crc FROM boot
         UNION ALL SELECT body, crc FROM emergency_call",
    )?;
    let mut rows = statement.query([])?;
    let mut looked_at = 0;
    while let Some(row) = rows.next()? {
        if text(row, 0).is_err() {
            return Err(Reason::Damaged("a row does not match its checksum".to_owned()));
        }
        looked_at += 1;
        if looked_at % ROWS_AT_ONCE == 0 {
            rest()?;
        }
    }
    Ok(())
}

fn damaged() -> rusqlite::Error {
    let why = "a row does not match its checksum".to_owned();
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_row_is_damage_and_a_newer_row_is_passed_over() {
        let connection = Connection::open_in_memory().unwrap();
        let ask =
            |body: &str, crc: u32| connection.query_row("SELECT ?1, ?2", (body, crc), |row| unseal::<Vec<u8>>(row, 0));
        let sealed = seal(&vec![1u8, 2]).unwrap();
        assert_eq!(readable(ask(&sealed.body, sealed.crc)), Ok(Some(vec![1, 2])));
        let newer = seal(&"another form").unwrap();
        assert_eq!(readable(ask(&newer.body, newer.crc)), Ok(None));
        let changed = ask("[1,3]", sealed.crc).unwrap_err();
        assert!(matches!(Reason::from(changed), Reason::Damaged(_)));
    }
}
