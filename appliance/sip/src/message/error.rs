//! What can be wrong with bytes that claim to be SIP.

/// Why a message or a value was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseError {
    /// Longer than 65,535 bytes.
    #[error("message is longer than 65535 bytes")]
    TooLong,
    /// More than 256 header lines.
    #[error("message has more than 256 header lines")]
    TooManyLines,
    /// Nothing but line ends: a keep-alive (RFC 5626 section 4.4.1).
    #[error("message is empty")]
    Empty,
    /// The head ends before its blank line.
    #[error("message head is cut off")]
    Truncated,
    /// A carriage return without its line feed in the head.
    #[error("carriage return without a line feed in the message head")]
    BareReturn,
    /// The start line is neither a request line nor a status line.
    #[error("malformed start line")]
    StartLine,
    /// A SIP version other than 2.0.
    #[error("SIP version is not 2.0")]
    Version,
    /// The request URI is malformed.
    #[error("malformed request URI")]
    RequestUri,
    /// A header line without a name or colon.
    #[error("malformed header line")]
    HeaderLine,
    /// A mandatory header is absent.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// A header that may stand once stands several times.
    #[error("header {0} is repeated")]
    Repeated(&'static str),
    /// A header's value breaks its grammar.
    #[error("header {0} is malformed")]
    Malformed(&'static str),
    /// The method in CSeq is not the request's.
    #[error("CSeq names another method than the request line")]
    MethodMismatch,
    /// Two Content-Length headers that disagree.
    #[error("two different Content-Length headers")]
    LengthConflict,
    /// Content-Length promises more than has arrived.
    #[error("Content-Length is greater than the body")]
    LengthBeyondEnd,
    /// A URI breaks its grammar.
    #[error("malformed URI")]
    Uri,
    /// Name, address or parameters break their grammar.
    #[error("malformed address")]
    Address,
    /// A parameter breaks its grammar.
    #[error("malformed parameter")]
    Parameter,
}
