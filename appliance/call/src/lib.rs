//! Calls and legs without I/O: a leg is a SIP session today, an analog line tomorrow.
