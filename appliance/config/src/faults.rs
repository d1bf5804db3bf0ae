//! All faults of one file, each with the place where it stands.

use std::cell::RefCell;
use std::collections::BTreeMap;

use toml::de::DeTable;

use crate::TEXT_BYTES_MAX;
use crate::fault::{Fault, Place, Wrong};

/// Faults reported at once; a file with more is not read to the end by anybody.
const FAULTS_MAX: usize = 200;

/// Collects faults and remembers where each field stands, for the checks that look across sections.
pub(crate) struct Faults<'t> {
    file: &'t str,
    text: &'t str,
    found: RefCell<Vec<(usize, Fault)>>,
    places: RefCell<BTreeMap<String, usize>>,
}

impl<'t> Faults<'t> {
    pub(crate) fn new(file: &'t str, text: &'t str) -> Faults<'t> {
        Faults {
            file,
            text,
            found: RefCell::default(),
            places: RefCell::default(),
        }
    }

    pub(crate) fn parse_document(&self) -> Option<DeTable<'t>> {
        if self.text.len() > TEXT_BYTES_MAX {
            let problem = format!("the file is larger than {TEXT_BYTES_MAX} bytes");
            self.push_at(0, "", Wrong::new(problem, "is it the right file?"));
            return None;
        }
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            self.push_at(
                at,
                "",
                Wrong::new(error.message().replace('\n', ", "), "correct the TOML on this line"),
            );
        }
        errors.is_empty().then(|| document.into_inner())
    }

    /// Records a fault at the place where `path` was read; an absent field stands at the head of its table.
    pub(crate) fn push(&self, path: &str, wrong: Wrong) {
        self.push_at(self.offset(path), path, wrong);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    pub(crate) fn into_sorted(self) -> Vec<Fault> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(offset, _)| *offset);
        found.into_iter().map(|(_, fault)| fault).collect()
    }

    fn offset(&self, path: &str) -> usize {
        let places = self.places.borrow();
        let mut rest = path;
        loop {
            if let Some(offset) = places.get(rest) {
                return *offset;
            }
            match rest.rfind(['.', '[']) {
                Some(end) => rest = &rest[..end],
                None => return 0,
            }
        }
    }

    /// Remembers where a field stands.
    pub(crate) fn place(&self, path: &str, offset: usize) {
        self.places.borrow_mut().insert(path.to_owned(), offset);
    }

    fn push_at(&self, offset: usize, path: &str, wrong: Wrong) {
        let mut found = self.found.borrow_mut();
        if found.len() >= FAULTS_MAX {
            return;
        }
        found.push((offset, self.place_at(offset, path).fault(wrong.problem, wrong.fix)));
    }

    /// Where this field stands, or the table that should have it.
    pub(crate) fn place_of(&self, path: &str) -> Place {
        self.place_at(self.offset(path), path)
    }

    fn place_at(&self, offset: usize, path: &str) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            field: path.to_owned(),
        }
    }
}
