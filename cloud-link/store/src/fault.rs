//! What can be wrong with the store.

use crate::PlaceFault;

/// Why the store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Where it is.
    #[error(transparent)]
    Place(#[from] PlaceFault),
    /// SQLite.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL.
    #[error("PostgreSQL: {}", postgres_text(.0))]
    Postgres(#[from] postgres::Error),
    /// It holds something that this version cannot read.
    #[error("the store holds a {what} that this version cannot read: {problem}")]
    Unreadable {
        /// What.
        what: &'static str,
        /// Why.
        problem: String,
    },
    /// Nothing of that name for this tenant.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Somebody else changed it in between.
    #[error("the {0} was changed meanwhile")]
    Conflict(&'static str),
    /// Too much waits already.
    #[error("the store does not keep up; try again")]
    Busy,
    /// It has been closed.
    #[error("the store is closed")]
    Closed,
}

/// The server's own words; the crate prints `db error`.
fn postgres_text(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => said.to_string(),
        None => error.to_string(),
    }
}
