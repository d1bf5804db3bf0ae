//! The whole appliance as one machine without I/O: what `pbx` runs on real sockets and `sim` runs in memory.
pub mod view;
