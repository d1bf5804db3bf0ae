//! The one configuration file: typed, every fault with its line, field and fix.
