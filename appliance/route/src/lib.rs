//! Routing without I/O: a request and the tables in, a decision out.
