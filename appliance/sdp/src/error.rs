//! What can be wrong with a description, or with an answer to an offer.

use thiserror::Error;

/// Why a description was refused; line numbers start at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SdpError {
    /// Larger than [`crate::SIZE_MAX`] bytes.
    #[error("the description has {bytes} bytes, more than {}", crate::SIZE_MAX)]
    TooLarge {
        /// Size of the refused body in bytes.
        bytes: usize,
    },
    /// More than [`crate::LINES_MAX`] lines.
    #[error("the description has more than {} lines", crate::LINES_MAX)]
    TooManyLines,
    /// More than [`crate::MEDIA_MAX`] `m=` lines.
    #[error("the description has more than {} media lines", crate::MEDIA_MAX)]
    TooManyMedia,
    /// More than [`crate::FORMATS_MAX`] formats on one `m=` line.
    #[error("line {line}: more than {} formats", crate::FORMATS_MAX)]
    TooManyFormats {
        /// Line number.
        line: usize,
    },
    /// Not of the form `<letter>=<value>`, or with a NUL or a bare CR in it.
    #[error("line {line}: not of the form <letter>=<value>")]
    MalformedLine {
        /// Line number.
        line: usize,
    },
    /// The first line is not `v=0`.
    #[error("the first line is not v=0")]
    Version,
    /// There is no `o=` line, or more than one, or it has not six fields.
    #[error("the o= line is missing, repeated or incomplete")]
    Origin,
    /// A `c=` line without network type, address type and address.
    #[error("line {line}: the c= line is incomplete")]
    Connection {
        /// Line number.
        line: usize,
    },
    /// An `m=` line without media, port, protocol and format, or with a port out of range.
    #[error("line {line}: the m= line is incomplete or its port is out of range")]
    Media {
        /// Line number.
        line: usize,
    },
}

/// Why an answer does not fit its offer (RFC 3264 section 6); `stream` counts `m=` lines from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// Another number of `m=` lines.
    #[error("the answer has {answered} streams, the offer {offered}")]
    StreamCount {
        /// Streams in the offer.
        offered: usize,
        /// Streams in the answer.
        answered: usize,
    },
    /// Another media type at the same place.
    #[error("stream {stream}: another media type than offered")]
    MediaType {
        /// Index of the `m=` line.
        stream: usize,
    },
    /// Another transport at the same place.
    #[error("stream {stream}: another transport than offered")]
    Protocol {
        /// Index of the `m=` line.
        stream: usize,
    },
    /// A stream offered with port 0 came back with a port.
    #[error("stream {stream}: accepted although offered with port 0")]
    AcceptedDeclined {
        /// Index of the `m=` line.
        stream: usize,
    },
    /// The direction is not allowed by the offered one.
    #[error("stream {stream}: direction not allowed by the offer")]
    Direction {
        /// Index of the `m=` line.
        stream: usize,
    },
    /// An accepted RTP stream shares no codec with the offer.
    #[error("stream {stream}: no codec in common")]
    NoCommonCodec {
        /// Index of the `m=` line.
        stream: usize,
    },
}
