//! The last resort of a start: what of a faulty configuration is without fault.

use branchline_config::{Config, Fault};

/// A configuration without the sections that have faults.
#[derive(Debug)]
pub(super) struct Remainder {
    pub(super) text: String,
    pub(super) config: Config,
    /// What was left out, for a person to read.
    pub(super) left_out: Vec<String>,
}

/// A heading with its lines and its sub-tables, or what stands before the first heading.
#[derive(Debug)]
struct Section {
    heading: String,
    line: usize,
    lines: Vec<String>,
}

/// Says in which country emergency calls are made, so it is never left out as a whole.
const SITE: &str = "[site]";
/// Each round leaves something out.
const ROUNDS_MAX: usize = 200;

/// Leaves out sections with faults until none has any; of `[site]` only the lines. `country` stands in for a country
/// that cannot be read. `None` when that does not help.
pub(super) fn of(text: &str, country: &str) -> Option<Remainder> {
    let mut sections = split(text);
    let mut left_out = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let text = joined(&sections);
        match Config::parse("the rest", &text) {
            Ok(config) => {
                return Some(Remainder { text, config, left_out });
            }
            // One at a time: others may be its consequence, and lines shift.
            Err(faults) => left_out.push(leave_out(&mut sections, faults.first()?, country)?),
        }
    }
    None
}

fn split(text: &str) -> Vec<Section> {
    let section = |heading: &str, line| Section {
        heading: heading.to_owned(),
        line,
        lines: Vec::new(),
    };
    let mut sections = vec![section("", 1)];
    for (at, line) in text.lines().enumerate() {
        let heading = line.split('#').next().unwrap_or_default().trim();
        // A sub-table is part of what it belongs to.
        if heading.starts_with('[') && !heading.contains('.') {
            sections.push(section(heading, at + 1));
        }
        if let Some(last) = sections.last_mut() {
            last.lines.push(line.to_owned());
        }
    }
    if !sections.iter().any(|section| section.heading == SITE) {
        let lines = vec![SITE.to_owned()];
        sections.push(Section {
            lines,
            ..section(SITE, 0)
        });
    }
    sections
}

fn joined(sections: &[Section]) -> String {
    let lines = sections.iter().flat_map(|section| &section.lines);
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// Says what it left out; `None` when nothing is left to leave out.
fn leave_out(sections: &mut Vec<Section>, fault: &Fault, country: &str) -> Option<String> {
    let mut at = fault.line.checked_sub(1)?;
    let mut place = 0;
    while at >= sections.get(place)?.lines.len() {
        at -= sections[place].lines.len();
        place += 1;
    }
    let section = &mut sections[place];
    if section.heading != SITE && !section.heading.is_empty() {
        let section = sections.remove(place);
        return Some(format!("{} of line {}", section.heading, section.line));
    }
    if at > 0 || section.heading.is_empty() {
        return Some(format!("\"{}\"", section.lines.remove(at).trim()));
    }
    let has_country = section
        .lines
        .iter()
        .any(|line| line.trim_start().starts_with("country"));
    if has_country {
        return None;
    }
    section.lines.push(format!("country = \"{country}\""));
    Some(format!("the country, which is taken to be {country}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE_AND_PHONE: &str =
        "[site]\ncountry = \"DE\"\n\n[[extension]]\nnumber = \"201\"\nha1_md5 = \"0123456789abcdef0123456789abcdef\"\n";
    const TRUNK: &str = "[[trunk]]\nname = \"main\"\nhost = \"192.0.2.1\"\n";

    fn parts(text: &str) -> (usize, usize, Vec<String>) {
        let rest = of(text, "US").expect("a rest");
        (rest.config.extensions.len(), rest.config.trunks.len(), rest.left_out)
    }

    #[test]
    fn sections_with_faults_are_left_out_and_all_others_stand() {
        let cases = [
            ("[nonsense]\n".to_owned(), "[nonsense] of line 10"),
            (
                "[[extension]]\nnumber = \"not a number\"\n".to_owned(),
                "[[extension]] of line 10",
            ),
            ("[[trunk]]\nname = \"second\n".to_owned(), "[[trunk]] of line 10"),
            (
                "[sip]\nring_s = 20\nrnig_s = 20 # twice\n".to_owned(),
                "[sip] of line 10",
            ),
        ];
        for (faulty, left_out) in cases {
            let (extensions, trunks, said) = parts(&format!("{SITE_AND_PHONE}{TRUNK}{faulty}"));
            assert_eq!((extensions, trunks), (1, 1), "{faulty}");
            assert_eq!(said, [left_out], "{faulty}");
        }
    }

    #[test]
    fn of_the_site_the_country_and_the_realm_stand() {
        let rest = of("[site]\nrealm = \"office\"\ncoutry = \"DE\"\n", "US").expect("a rest");
        assert_eq!(rest.config.site.realm, "office");
        assert_eq!(
            rest.left_out,
            ["the country, which is taken to be US", "\"coutry = \"DE\"\""]
        );
        assert_eq!(
            of("", "US").expect("a rest").left_out,
            ["the country, which is taken to be US"]
        );
        let kept = of("[site]\ncountry = \"DE\"\narea = 3\n", "US").expect("a rest");
        assert_eq!(kept.left_out, ["\"area = 3\""]);
    }
}
