//! Session descriptions (RFC 8866) and the offer/answer rules (RFC 3264), as data.
