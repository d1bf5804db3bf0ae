//! `docs/configuration.md` against the program: its keys, words, ranges and defaults.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use branchline_config::{Config, Fault};

const REFERENCE: &str = include_str!("../../../docs/configuration.md");
/// No key is like it, so that the fault lists those that are known.
const STRANGE: &str = "qqqqqqqqqq";
/// A file with every section, and how a line gets into each.
const WHOLE: &str = "\
[site]
country = \"US\"
#site
[sip]
#sip
[sip.ban]
#sip.ban
[media]
#media
[page]
#page
[log]
#log
[storage]
#storage
[update]
#update
[emergency]
#emergency
[board]
name = \"generic\"
#board
[hosted]
host = \"pbx.example.net\"
#hosted
[[location]]
id = \"here\"
point = \"1 1\"
#location
[[extension]]
number = \"201\"
ha1_md5 = \"00000000000000000000000000000000\"
#extension
[[trunk]]
name = \"line\"
host = \"sip.example.net\"
#trunk
[[class]]
name = \"some\"
#class
[[route]]
#route
";
/// Tables inside of others, in the words that put one there with a strange key.
const INNER: [(&str, &str); 3] = [
    ("location", "civic = { qqqqqqqqqq = 1 }"),
    ("extension", "hosted = { qqqqqqqqqq = 1 }"),
    ("trunk", "inbound = [{ qqqqqqqqqq = 1 }]"),
];

struct Row {
    section: String,
    key: String,
    value: String,
    default: String,
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn rows() -> Vec<Row> {
    let mut section = "";
    let mut rows = Vec::new();
    for line in REFERENCE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.trim_matches(['`', '[', ']']);
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, keys, value, default, ..] = cells.as_slice() else {
            continue;
        };
        rows.extend(quoted(keys).map(|key| Row {
            section: section.to_owned(),
            key: key.to_owned(),
            value: (*value).to_owned(),
            default: (*default).to_owned(),
        }));
    }
    rows
}

/// The file with a further line in one of its sections.
fn with(section: &str, line: &str) -> String {
    let mark = format!("#{section}\n");
    assert!(WHOLE.contains(&mark), "{section}");
    WHOLE.replacen(&mark, &format!("{line}\n"), 1)
}

fn faults(text: &str) -> Vec<Fault> {
    Config::parse("f", text).err().unwrap_or_default()
}

/// Keys of each section as the program lists them when it refuses a strange one.
fn known() -> BTreeMap<String, BTreeSet<String>> {
    let sections: BTreeSet<&str> = WHOLE.lines().filter_map(|line| line.strip_prefix('#')).collect();
    let strange = format!("{STRANGE} = 1");
    let mut texts: Vec<String> = sections.iter().map(|section| with(section, &strange)).collect();
    texts.extend(INNER.map(|(section, line)| with(section, line)));
    texts.push(format!("{strange}\n{WHOLE}"));
    let mut known = BTreeMap::new();
    for text in texts {
        let faults = faults(&text);
        let refused = faults.iter().find(|fault| fault.problem == "unknown key");
        let fault = refused.unwrap_or_else(|| panic!("{faults:?}\n{text}"));
        let section = fault.field.replace("[0]", "");
        let section = section.trim_end_matches(STRANGE).trim_end_matches('.').to_owned();
        let (_, keys) = fault.fix.split_once("known here: ").unwrap();
        known.insert(section, keys.split(", ").map(str::to_owned).collect());
    }
    known
}

#[test]
fn the_reference_has_every_section_and_key_and_no_other() {
    assert_eq!(faults(WHOLE), []);
    let mut known = known();
    let top = known.remove("").unwrap();
    let mut written: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows() {
        assert!(
            written.entry(row.section).or_default().insert(row.key.clone()),
            "{} twice",
            row.key
        );
    }
    assert_eq!(written, known);
    let sections: BTreeSet<String> = written.into_keys().filter(|name| !name.contains('.')).collect();
    assert_eq!(sections, top);
}

#[test]
fn each_default_of_the_reference_is_what_counts_when_the_key_is_left_out() {
    let without = Config::parse("f", WHOLE).unwrap();
    let mut checked = 0;
    for row in rows()
        .iter()
        .filter(|row| WHOLE.contains(&format!("#{}\n", row.section)))
    {
        let mut literals = quoted(&row.default).filter(|literal| !literal.starts_with("sip."));
        let Some(literal) = literals.next() else { continue };
        let text = with(&row.section, &format!("{} = {literal}", row.key));
        let same = Config::parse("f", &text).unwrap_or_else(|faults| panic!("{}: {}", row.key, faults[0]));
        assert!(
            same == without,
            "[{}] {} = {literal} is not the default",
            row.section,
            row.key
        );
        checked += 1;
    }
    assert!(checked > 50, "{checked} defaults");
}

#[test]
fn each_range_and_each_list_of_words_of_the_reference_is_what_the_program_takes() {
    let mut checked = 0;
    for row in rows()
        .iter()
        .filter(|row| WHOLE.contains(&format!("#{}\n", row.section)))
    {
        let number = faults(&with(&row.section, &format!("{} = -1", row.key)));
        let word = faults(&with(&row.section, &format!("{} = \"{STRANGE}\"", row.key)));
        let field = |fault: &&Fault| fault.field.replace("[0]", "") == format!("{}.{}", row.section, row.key);
        let range = number
            .iter()
            .find(field)
            .and_then(|fault| fault.fix.strip_prefix("write a whole number from "));
        if let Some(range) = range {
            let is_told = row.value == range || row.value.split([',', ';']).any(|part| part.trim() == range);
            assert!(is_told, "[{}] {}: {range}, not {}", row.section, row.key, row.value);
            checked += 1;
        }
        let is_word = |fault: &&Fault| field(fault) && fault.problem.ends_with("is not known here");
        if let Some(words) = word
            .iter()
            .find(is_word)
            .and_then(|fault| fault.fix.strip_prefix("write "))
        {
            let plain = row.value.replace('`', "");
            assert!(
                plain.starts_with(words),
                "[{}] {}: {words}, not {plain}",
                row.section,
                row.key
            );
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked} ranges and lists");
}
