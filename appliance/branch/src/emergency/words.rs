//! A place as people say it, for texts and the page.

use branchline_config::Location;

/// `Acme, 120 Broadway, floor 2, room 7, New York NY 10001 (door code 12)`.
pub(crate) fn in_words(place: &Location) -> String {
    let field = |name: &str| place.civic.field(name);
    let street = joined(&[
        field("HNO"),
        field("HNS"),
        field("PRD"),
        field("RD"),
        field("A6"),
        field("STS"),
        field("POD"),
    ]);
    let town = joined(&[field("A3"), field("A1"), field("PC")]);
    let labelled = |label: &str, name: &str| field(name).map(|value| format!("{label} {value}"));
    let parts = [
        field("NAM").map(str::to_owned),
        street,
        labelled("building", "BLD"),
        labelled("floor", "FLR"),
        labelled("unit", "UNIT"),
        labelled("room", "ROOM"),
        labelled("seat", "SEAT"),
        field("LOC").map(str::to_owned),
        field("LMK").map(str::to_owned),
        town,
    ];
    let mut text = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if text.is_empty()
        && let Some(point) = &place.point
    {
        text = format!("{} {}", point.latitude, point.longitude);
    }
    if text.is_empty() {
        text.clone_from(&place.id);
    }
    match &place.notes {
        Some(notes) => format!("{text} ({notes})"),
        None => text,
    }
}

fn joined(words: &[Option<&str>]) -> Option<String> {
    let words: Vec<&str> = words.iter().copied().flatten().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use branchline_config::Config;

    use super::*;

    #[test]
    fn a_place_reads_as_people_say_it() {
        let cases = [
            (
                "civic = { A1 = \"NY\", A3 = \"New York\", RD = \"Broadway\", HNO = \"120\", FLR = \"2\", PC = \"10001\" }\nnotes = \"code 12\"",
                "120 Broadway, floor 2, New York NY 10001 (code 12)",
            ),
            ("civic = { LOC = \"loading bay\" }", "loading bay"),
            ("point = \"40.7 -74\"", "40.7 -74"),
            ("civic = { POBOX = \"7\" }", "hq"),
        ];
        for (keys, expected) in cases {
            let text = format!("[site]\ncountry = \"US\"\n[[location]]\nid = \"hq\"\n{keys}\n");
            let config = Config::parse("f", &text).unwrap();
            assert_eq!(in_words(&config.locations[0]), expected);
        }
    }
}
