//! `[update]`: what is taken, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use branchline_config::{Config, Hours, UpdateSource};

fn parsed(lines: &str) -> Result<Config, Vec<branchline_config::Fault>> {
    Config::parse("f", &format!("[site]\ncountry = \"US\"\n[update]\n{lines}"))
}

fn key() -> String {
    "0f".repeat(32)
}

#[test]
fn a_source_is_a_folder_of_a_web_server_or_of_a_disk() {
    let keys = format!("keys = [\"{}\"]\n", key());
    let web = |address: &str| UpdateSource::Web(address.to_owned());
    let cases = [
        ("https://up.example.net/box", Some(web("https://up.example.net/box/"))),
        ("https://[2001:db8::1]:8443/", Some(web("https://[2001:db8::1]:8443/"))),
        ("/media/usb", Some(UpdateSource::Folder("/media/usb".into()))),
        ("http://up.example.net/", None),
        ("https://", None),
        ("https://up.example.net/?a=b", None),
        ("media/usb", None),
    ];
    for (text, source) in cases {
        let config = parsed(&format!("{keys}source = \"{text}\"\n"));
        assert_eq!(config.ok().and_then(|config| config.update.source), source, "{text}");
    }
}

#[test]
fn no_key_is_an_error_where_there_is_a_source_and_where_the_list_is_empty() {
    for lines in [
        "keys = []\n",
        "source = \"/media/usb\"\n",
        "source = \"/media/usb\"\nkeys = []\n",
    ] {
        let faults = parsed(lines).unwrap_err();
        let fault = faults.iter().find(|fault| fault.field == "update.keys");
        assert!(
            fault.is_some_and(|fault| fault.fix.contains("release key")),
            "{lines}{faults:?}"
        );
    }
    for bad in ["", "0f", "zz"] {
        assert!(parsed(&format!("keys = [\"{bad}\"]\n")).is_err());
    }
    assert!(parsed("").unwrap().update.keys.is_empty());
}

#[test]
fn hours_are_parts_of_a_day() {
    let cases = [
        ("01:30-04:00", Some((90, 240))),
        ("22:00-02:00", Some((1320, 120))),
        ("1:30-04:00", None),
        ("24:00-01:00", None),
        ("01:60-02:00", None),
        ("01:00-01:00", None),
        ("+1:00-02:00", None),
        ("01:00", None),
    ];
    for (text, minutes) in cases {
        let window = parsed(&format!("window = \"{text}\"\n"))
            .ok()
            .and_then(|config| config.update.window);
        let hours = minutes.map(|(from_minute, to_minute)| Hours { from_minute, to_minute });
        assert_eq!(window, hours, "{text}");
    }
}
