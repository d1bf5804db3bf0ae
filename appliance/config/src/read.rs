//! Walks the parsed document: each read names a key, takes its value or records a fault with its place.
//!
//! In: a TOML table with spans. Out: typed values; unknown keys are found by what nobody asked for.

use std::ops::RangeInclusive;

use toml::de::{DeTable, DeValue};

use crate::fault::{Place, Wrong};
use crate::faults::Faults;
use crate::text::{FromText, nearest};

const LIST_ITEMS_MAX: usize = 10_000;

/// An enum written as one word out of a list.
pub(crate) trait Word: Copy + 'static {
    const WORDS: &'static [(&'static str, Self)];
}

/// One key's value and its place.
struct Entry<'a> {
    path: String,
    value: &'a DeValue<'a>,
}

/// A table being read.
pub(crate) struct Reader<'a> {
    path: String,
    table: Option<&'a DeTable<'a>>,
    faults: &'a Faults<'a>,
    asked: Vec<&'static str>,
    refused: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    pub(crate) fn root(table: &'a DeTable<'a>, faults: &'a Faults<'a>) -> Reader<'a> {
        Reader::of(String::new(), table, faults)
    }

    fn of(path: String, table: &'a DeTable<'a>, faults: &'a Faults<'a>) -> Reader<'a> {
        Reader {
            path,
            table: Some(table),
            faults,
            asked: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// The table under `key`; an absent one reads as empty, so that its defaults apply.
    pub(crate) fn table(&mut self, key: &'static str) -> Reader<'a> {
        let path = self.path_of(key);
        let table = self.entry(key).and_then(|entry| match entry.value {
            DeValue::Table(table) => Some(table),
            other => {
                let problem = format!("expected a table, found {}", kind_of(other));
                self.faults.push(
                    &entry.path,
                    Wrong::new(problem, format!("write [{}] on a line of its own", entry.path)),
                );
                None
            }
        });
        Reader {
            path,
            table,
            faults: self.faults,
            asked: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// The table under `key`, if there is one.
    pub(crate) fn optional_table<T>(&mut self, key: &'static str, read: fn(Reader<'a>) -> Option<T>) -> Option<T> {
        let is_there = self.has(key);
        let table = self.table(key);
        is_there.then(|| read(table)).flatten()
    }

    /// The tables of the array under `key`, each with its path. One that is not readable is left out (its faults are kept).
    pub(crate) fn tables<T>(&mut self, key: &'static str, read: fn(Reader<'a>) -> Option<T>) -> Vec<(String, T)> {
        let Some(entry) = self.entry(key) else {
            return Vec::new();
        };
        let fix = format!("write [[{}]] on a line of its own", entry.path);
        let DeValue::Array(items) = entry.value else {
            let problem = format!("expected a list of tables, found {}", kind_of(entry.value));
            self.faults.push(&entry.path, Wrong::new(problem, fix));
            return Vec::new();
        };
        let mut out = Vec::new();
        for (index, item) in items.iter().take(LIST_ITEMS_MAX).enumerate() {
            let path = format!("{}[{index}]", entry.path);
            self.faults.place(&path, item.span().start);
            match item.get_ref() {
                DeValue::Table(table) => {
                    let value = read(Reader::of(path.clone(), table, self.faults));
                    out.extend(value.map(|value| (path, value)));
                }
                other => {
                    let problem = format!("expected a table, found {}", kind_of(other));
                    self.faults.push(&path, Wrong::new(problem, fix.clone()));
                }
            }
        }
        out
    }

    /// A whole number in `range`, `default` when absent.
    pub(crate) fn number<N>(&mut self, key: &'static str, range: RangeInclusive<N>, default: N) -> N
    where
        N: Copy + PartialOrd + TryFrom<i64> + std::fmt::Display,
    {
        self.optional_number(key, range).unwrap_or(default)
    }

    /// A whole number in `range`.
    pub(crate) fn optional_number<N>(&mut self, key: &'static str, range: RangeInclusive<N>) -> Option<N>
    where
        N: Copy + PartialOrd + TryFrom<i64> + std::fmt::Display,
    {
        let entry = self.entry(key)?;
        let wanted = format!("write a whole number from {} to {}", range.start(), range.end());
        let DeValue::Integer(written) = entry.value else {
            let problem = format!("expected a whole number, found {}", kind_of(entry.value));
            self.faults.push(&entry.path, Wrong::new(problem, wanted));
            return None;
        };
        let number = i64::from_str_radix(written.as_str(), written.radix())
            .ok()
            .and_then(|n| N::try_from(n).ok());
        match number.filter(|n| range.contains(n)) {
            Some(number) => Some(number),
            None => {
                self.faults
                    .push(&entry.path, Wrong::new(format!("{written} is out of range"), wanted));
                None
            }
        }
    }

    /// `true` or `false`; absent is false.
    pub(crate) fn flag(&mut self, key: &'static str) -> bool {
        let Some(entry) = self.entry(key) else { return false };
        let DeValue::Boolean(set) = entry.value else {
            let problem = format!("expected true or false, found {}", kind_of(entry.value));
            self.faults
                .push(&entry.path, Wrong::new(problem, "write true or false"));
            return false;
        };
        *set
    }

    /// One word of an enum, `default` when absent.
    pub(crate) fn word<T: Word>(&mut self, key: &'static str, default: T) -> T {
        let Some(entry) = self.entry(key) else { return default };
        let fix = || {
            let words: Vec<String> = T::WORDS.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            format!("write {}", words.join(" or "))
        };
        let Some(text) = self.text_of(&entry, fix()) else {
            return default;
        };
        match T::WORDS.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => *value,
            None => {
                self.faults
                    .push(&entry.path, Wrong::new(format!("\"{text}\" is not known here"), fix()));
                default
            }
        }
    }

    /// Text that parses as `T`.
    pub(crate) fn optional<T: FromText>(&mut self, key: &'static str) -> Option<T> {
        let entry = self.entry(key)?;
        self.parse(&entry)
    }

    /// Text that parses as `T`, `default` when absent.
    pub(crate) fn or<T: FromText>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// Text that must be there; `example` is the value the fix proposes.
    pub(crate) fn required<T: FromText>(&mut self, key: &'static str, example: &str) -> Option<T> {
        match self.entry(key) {
            Some(entry) => self.parse(&entry),
            None => {
                self.faults.push(
                    &self.path_of(key),
                    Wrong::new("is missing", format!("add {key} = \"{example}\"")),
                );
                None
            }
        }
    }

    /// A list of texts (one text alone counts as a list of one). `None` when the key is absent.
    pub(crate) fn list<T: FromText>(&mut self, key: &'static str) -> Option<Vec<T>> {
        let entry = self.entry(key)?;
        match entry.value {
            DeValue::Array(items) => {
                let mut out = Vec::new();
                for (index, item) in items.iter().take(LIST_ITEMS_MAX).enumerate() {
                    let path = format!("{}[{index}]", entry.path);
                    self.faults.place(&path, item.span().start);
                    out.extend(self.parse::<T>(&Entry {
                        path,
                        value: item.get_ref(),
                    }));
                }
                Some(out)
            }
            DeValue::String(_) => Some(self.parse(&entry).into_iter().collect()),
            other => {
                let problem = format!("expected a list, found {}", kind_of(other));
                self.faults
                    .push(&entry.path, Wrong::new(problem, format!("write {key} = [\"…\"]")));
                None
            }
        }
    }

    /// Where this table is written.
    pub(crate) fn place(&self) -> Place {
        self.faults.place_of(&self.path)
    }

    /// True when the key is written, well or badly.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table
            .is_some_and(|table| table.iter().any(|(name, _)| name.get_ref() == key))
    }

    /// True for `key = []`.
    pub(crate) fn is_empty_list(&self, key: &str) -> bool {
        let found = self
            .table
            .and_then(|table| table.iter().find(|(name, _)| name.get_ref() == key));
        found
            .is_some_and(|(_, value)| matches!(value.get_ref(), DeValue::Array(items) if items.iter().next().is_none()))
    }

    /// Refuses a key that people try, with its own explanation.
    pub(crate) fn refuse(&mut self, key: &'static str, wrong: impl FnOnce() -> Wrong) {
        if let Some(entry) = self.entry(key) {
            self.faults.push(&entry.path, wrong());
        }
        self.refused.push(key);
    }

    /// Records a fault on a field of this table.
    pub(crate) fn wrong(&self, key: &str, wrong: Wrong) {
        self.faults.push(&self.path_of(key), wrong);
    }

    /// Reports every key that was never asked for.
    pub(crate) fn finish(self) -> &'a Faults<'a> {
        let Some(table) = self.table else { return self.faults };
        let known: Vec<&str> = self
            .asked
            .iter()
            .copied()
            .filter(|key| !self.refused.contains(key))
            .collect();
        for (key, _) in table.iter() {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let fix = match nearest(name, &known) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("remove it; known here: {}", known.join(", ")),
            };
            let path = self.path_of(name);
            self.faults.place(&path, key.span().start);
            self.faults.push(&path, Wrong::new("unknown key", fix));
        }
        self.faults
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn entry(&mut self, key: &'static str) -> Option<Entry<'a>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let (name, value) = self.table?.iter().find(|(name, _)| name.get_ref() == key)?;
        let path = self.path_of(key);
        self.faults.place(&path, name.span().start);
        Some(Entry {
            path,
            value: value.get_ref(),
        })
    }

    fn parse<T: FromText>(&self, entry: &Entry<'a>) -> Option<T> {
        let text = self.text_of(entry, "write it in quotation marks".to_owned())?;
        T::from_text(text)
            .map_err(|wrong| self.faults.push(&entry.path, wrong))
            .ok()
    }

    fn text_of(&self, entry: &Entry<'a>, fix: String) -> Option<&'a str> {
        let DeValue::String(text) = entry.value else {
            let problem = format!("expected text, found {}", kind_of(entry.value));
            self.faults.push(&entry.path, Wrong::new(problem, fix));
            return None;
        };
        Some(text)
    }
}

/// The entries of a list that no later check has to find again.
pub(crate) fn without_paths<T>(list: Vec<(String, T)>) -> Vec<T> {
    list.into_iter().map(|(_, item)| item).collect()
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
