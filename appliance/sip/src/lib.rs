//! SIP without I/O: messages, transactions, dialogs, sessions, digest, bindings.
