//! Values of questions and answers, the same for both engines.

use uuid::Uuid;

use crate::StoreError;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
    /// 16 bytes in SQLite.
    Uuid(Uuid),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Number(number)
    }
}

/// The stored form of a `u64`; those of a box count up from 1 and never get that far.
impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        // PostgreSQL keeps no NUL in a text.
        Value::Text(text.replace('\0', ""))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::from(text.as_str())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Value::Bytes(bytes.to_vec())
    }
}

impl From<Uuid> for Value {
    fn from(uuid: Uuid) -> Self {
        Value::Uuid(uuid)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// One row of an answer, in the order of the question.
#[derive(Clone, Debug)]
pub(crate) struct Row(pub(crate) Vec<Value>);

impl Row {
    pub(crate) fn number(&self, at: usize) -> Result<i64, StoreError> {
        self.optional_number(at)?.ok_or_else(|| self.wrong(at, "a number"))
    }

    pub(crate) fn optional_number(&self, at: usize) -> Result<Option<i64>, StoreError> {
        match self.0.get(at) {
            Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => Ok(Some(*number)),
            _ => Err(self.wrong(at, "a number")),
        }
    }

    pub(crate) fn count(&self, at: usize) -> Result<u64, StoreError> {
        u64::try_from(self.number(at)?).map_err(|_| self.wrong(at, "a count"))
    }

    pub(crate) fn text(&self, at: usize) -> Result<String, StoreError> {
        self.optional_text(at)?.ok_or_else(|| self.wrong(at, "a text"))
    }

    pub(crate) fn optional_text(&self, at: usize) -> Result<Option<String>, StoreError> {
        match self.0.get(at) {
            Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.clone())),
            _ => Err(self.wrong(at, "a text")),
        }
    }

    pub(crate) fn bytes(&self, at: usize) -> Result<Vec<u8>, StoreError> {
        match self.0.get(at) {
            Some(Value::Bytes(bytes)) => Ok(bytes.clone()),
            _ => Err(self.wrong(at, "bytes")),
        }
    }

    pub(crate) fn uuid(&self, at: usize) -> Result<Uuid, StoreError> {
        self.optional_uuid(at)?.ok_or_else(|| self.wrong(at, "an id"))
    }

    pub(crate) fn optional_uuid(&self, at: usize) -> Result<Option<Uuid>, StoreError> {
        match self.0.get(at) {
            Some(Value::Null) => Ok(None),
            Some(Value::Uuid(uuid)) => Ok(Some(*uuid)),
            Some(Value::Bytes(bytes)) => Uuid::from_slice(bytes).map(Some).map_err(|_| self.wrong(at, "an id")),
            _ => Err(self.wrong(at, "an id")),
        }
    }

    fn wrong(&self, at: usize, expected: &str) -> StoreError {
        StoreError::Unreadable {
            what: "row",
            problem: format!("column {} is {:?}, not {expected}", at + 1, self.0.get(at)),
        }
    }
}
