//! The call database: journal file, SQLite, and the actor that owns both.
