//! The whole appliance as one machine without I/O.
