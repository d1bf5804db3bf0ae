//! The answer of a lookup: what is not there is never mistaken for what cannot be asked.

use std::io;

use rusqlite::ErrorCode;
use thiserror::Error;

/// What a lookup answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup<T> {
    /// It is there.
    Found(T),
    /// The store answered: it is not there.
    NotFound,
    /// The store did not answer.
    Unavailable(Reason),
}

/// Why a store does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Reason {
    /// No answer within the deadline.
    #[error("no answer within the deadline")]
    Deadline,
    /// Another process holds it; not a damage.
    #[error("held by another process")]
    Busy,
    /// As many lookups as may run at once are running.
    #[error("too many lookups at once")]
    TooManyLookups,
    /// There is no database file.
    #[error("no call database at this place")]
    Missing,
    /// Somebody ordered to leave it alone.
    #[error("bypassed by order")]
    Bypassed,
    /// A newer version of the program wrote it.
    #[error("the call database has schema {found}, this version knows {known}: install the newer version")]
    NewerSchema {
        /// Schema in the file.
        found: i64,
        /// Newest schema this version knows.
        known: i64,
    },
    /// The file is damaged.
    #[error("the call database is damaged: {0}")]
    Damaged(String),
    /// It refuses an entry for what is in it.
    #[error("the call database refuses an entry: {0}")]
    Refused(String),
    /// The disk or the operating system refused.
    #[error("the call database cannot be used: {0}")]
    Failed(String),
}

impl From<io::Error> for Reason {
    fn from(error: io::Error) -> Self {
        Reason::Failed(error.to_string())
    }
}

impl From<rusqlite::Error> for Reason {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Reason::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Reason::Damaged(error.to_string()),
            Some(ErrorCode::OperationInterrupted) => Reason::Deadline,
            Some(
                ErrorCode::ConstraintViolation
                | ErrorCode::TooBig
                | ErrorCode::TypeMismatch
                | ErrorCode::ParameterOutOfRange,
            ) => Reason::Refused(error.to_string()),
            Some(_) | None => Reason::Failed(error.to_string()),
        }
    }
}
