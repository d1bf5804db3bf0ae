//! One line of a description, kept as it came.

use bytes::{BufMut, Bytes, BytesMut};

/// `<kind>=<value>`; the value is kept byte for byte, whatever its encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    kind: u8,
    value: Bytes,
}

impl Line {
    pub(crate) fn new(kind: u8, value: impl Into<Bytes>) -> Self {
        Self {
            kind,
            value: value.into(),
        }
    }

    /// The letter before the `=`.
    #[must_use]
    pub fn kind(&self) -> char {
        char::from(self.kind)
    }

    /// Everything after the `=`, without the line end.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The value as text; `None` if it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.value).ok()
    }

    /// Name and value of an `a=` line; the value is empty for a flag such as `a=sendonly`.
    #[must_use]
    pub fn attribute(&self) -> Option<(&str, &str)> {
        if self.kind != b'a' {
            return None;
        }
        let text = self.text()?;
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        Some((name.trim(), value.trim()))
    }

    pub(crate) fn is(&self, kind: u8) -> bool {
        self.kind == kind
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u8(self.kind);
        out.put_u8(b'=');
        out.put_slice(&self.value);
        out.put_slice(b"\r\n");
    }
}

/// Values of every attribute `name`, in order.
pub(crate) fn attributes<'a>(lines: &'a [Line], name: &'a str) -> impl Iterator<Item = &'a str> {
    lines
        .iter()
        .filter_map(Line::attribute)
        .filter(move |(found, _)| *found == name)
        .map(|(_, value)| value)
}

/// First line of a kind as text.
pub(crate) fn first_text(lines: &[Line], kind: u8) -> Option<&str> {
    lines.iter().find(|line| line.is(kind)).and_then(Line::text)
}
