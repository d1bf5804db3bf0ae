//! A place as a PIDF-LO document (RFC 4119, RFC 5139, RFC 5491).

use std::fmt::Write as _;

use branchline_config::Location;

/// Whom and when a document speaks of.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// `user@host`.
    pub(crate) entity: String,
    /// Country of the site, where the address names none.
    pub(crate) country: &'static str,
    /// When it was made.
    pub(crate) utc_ms: i64,
}

/// One device in one place: the point first, then the address (RFC 5491 section 3.4).
pub(crate) fn document(place: &Location, subject: &Subject) -> String {
    let entity = escaped(&subject.entity);
    let mut text = String::with_capacity(1024);
    text.push_str(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
         xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
         xmlns:gp=\"urn:ietf:params:xml:ns:pidf:geopriv10\" \
         xmlns:ca=\"urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr\" \
         xmlns:gml=\"http://www.opengis.net/gml\" ",
    );
    write(
        &mut text,
        format_args!("entity=\"pres:{entity}\"><dm:device id=\"phone\"><gp:geopriv><gp:location-info>"),
    );
    if let Some(point) = &place.point {
        let (latitude, longitude) = (escaped(&point.latitude), escaped(&point.longitude));
        write(
            &mut text,
            format_args!(
                "<gml:Point srsName=\"urn:ogc:def:crs:EPSG::4326\"><gml:pos>{latitude} {longitude}</gml:pos></gml:Point>"
            ),
        );
    }
    if !place.civic.fields.is_empty() {
        text.push_str("<ca:civicAddress>");
        if place.civic.field("country").is_none() {
            write(&mut text, format_args!("<ca:country>{}</ca:country>", subject.country));
        }
        for (name, value) in &place.civic.fields {
            write(&mut text, format_args!("<ca:{name}>{}</ca:{name}>", escaped(value)));
        }
        text.push_str("</ca:civicAddress>");
    }
    // RFC 4119 section 2.2.2: who gets it may pass it on to those who help.
    text.push_str(
        "</gp:location-info><gp:usage-rules><gp:retransmission-allowed>true</gp:retransmission-allowed>\
         </gp:usage-rules><gp:method>Manual</gp:method></gp:geopriv>",
    );
    write(&mut text, format_args!("<dm:deviceID>sip:{entity}</dm:deviceID>"));
    if let Some(notes) = &place.notes {
        write(&mut text, format_args!("<dm:note>{}</dm:note>", escaped(notes)));
    }
    write(
        &mut text,
        format_args!(
            "<dm:timestamp>{}</dm:timestamp></dm:device></presence>",
            timestamp(subject.utc_ms)
        ),
    );
    text
}

fn write(text: &mut String, what: std::fmt::Arguments<'_>) {
    // A String takes everything.
    let _ = text.write_fmt(what);
}

/// Text between tags or in an attribute (XML 1.0 section 2.4); what XML cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars().filter(|c| !c.is_control()) {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => {}
            other => out.push(other),
        }
    }
    out
}

/// RFC 3339, in seconds.
fn timestamp(utc_ms: i64) -> String {
    let seconds = utc_ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a count of days since 1970, by the 400-year cycle of the Gregorian calendar.
fn date(days: i64) -> (i64, i64, i64) {
    let since_march_0000 = days + 719_468;
    let (era, day_of_era) = (
        since_march_0000.div_euclid(146_097),
        since_march_0000.rem_euclid(146_097),
    );
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use branchline_config::Config;

    use super::*;

    fn place(keys: &str) -> Location {
        let text = format!("[site]\ncountry = \"US\"\n[[location]]\nid = \"hq\"\n{keys}\n");
        Config::parse("f", &text).unwrap().locations.remove(0)
    }

    fn subject() -> Subject {
        Subject {
            entity: "201@192.0.2.1".into(),
            country: "US",
            utc_ms: 1_700_000_000_999,
        }
    }

    #[test]
    fn a_document_reads_back_as_what_was_configured() {
        let place = place(
            "civic = { FLR = \"2\", A3 = \"Müllers & <Söhne>\", A1 = \"NY\", HNO = \"1\\\"\" }\npoint = \"40.7, -74.0\"\nnotes = \"ring 'A'\"",
        );
        let text = document(&place, &subject());
        let document = roxmltree::Document::parse(&text).unwrap();
        let found: Vec<(&str, Option<&str>)> = document
            .descendants()
            .filter(|node| node.tag_name().namespace() == Some("urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr"))
            .filter(|node| node.tag_name().name() != "civicAddress")
            .map(|node| (node.tag_name().name(), node.text()))
            .collect();
        let expected = [
            ("country", Some("US")),
            ("A1", Some("NY")),
            ("A3", Some("Müllers & <Söhne>")),
            ("HNO", Some("1\"")),
            ("FLR", Some("2")),
        ];
        assert_eq!(found, expected);
        let one = |name: &str| {
            let mut found = document.descendants().filter(|node| node.tag_name().name() == name);
            let text = found.next().and_then(|node| node.text()).map(str::to_owned);
            assert!(found.next().is_none());
            text
        };
        assert_eq!(one("pos").as_deref(), Some("40.7 -74.0"));
        assert_eq!(one("note").as_deref(), Some("ring 'A'"));
        assert_eq!(one("timestamp").as_deref(), Some("2023-11-14T22:13:20Z"));
        assert_eq!(document.root_element().attribute("entity"), Some("pres:201@192.0.2.1"));
    }

    #[test]
    fn a_country_that_is_written_is_not_written_twice() {
        let text = document(&place("civic = { country = \"CA\", A1 = \"ON\" }"), &subject());
        assert_eq!(text.matches("<ca:country>").count(), 1);
        assert!(text.contains("<ca:country>CA</ca:country>"));
    }

    #[test]
    fn dates_are_right_at_the_seams_of_the_calendar() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399_000, "2000-02-28T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (-1_000, "1969-12-31T23:59:59Z"),
        ];
        for (utc_ms, expected) in cases {
            assert_eq!(timestamp(utc_ms), expected);
        }
    }
}
