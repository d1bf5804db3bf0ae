//! Edits of the file: they keep what people wrote.
#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use branchline_config::{
    Config, Extension, Hashes, NewExtension, Starter, StarterExtension, add_extension, country, default_text,
    remove_extension, set_page_password_hash, set_password_hashes,
};

const FILE: &str = "# ours
[site]
country = \"DE\"   # Berlin

[[extension]]
number = \"201\"  # front desk
ha1_md5 = \"00112233445566778899aabbccddeeff\" # made in May

# the workshop
[[extension]]
number = \"202\"
ha1_md5 = \"00112233445566778899aabbccddeeff\"

[log]
level = \"warn\"
";

fn number(text: &str) -> Extension {
    text.parse().unwrap()
}

fn hashes() -> Hashes {
    Hashes {
        md5: Some([0xab; 16]),
        sha256: Some([0xcd; 32]),
    }
}

fn new(text: &str) -> NewExtension {
    NewExtension {
        number: number(text),
        name: Some("New \"one\"".to_owned()),
        class: None,
        hashes: hashes(),
    }
}

#[test]
fn adding_an_extension_only_adds_lines() {
    let after = add_extension(FILE, &new("203")).unwrap();
    for line in FILE.lines() {
        assert!(after.contains(line), "lost {line:?} in\n{after}");
    }
    let config = Config::parse("f", &after).unwrap();
    let numbers: Vec<&str> = config.extensions.iter().map(|entry| entry.number.as_str()).collect();
    assert_eq!(numbers, ["201", "202", "203"]);
    assert_eq!(config.extensions[2].name, "New \"one\"");
    assert_eq!(config.extensions[2].hashes, hashes());
}

#[test]
fn an_edit_that_would_break_the_file_is_refused() {
    let cases = [
        ("201", "is taken by extension[0].number"),
        ("110", "calls the emergency services in Germany"),
    ];
    for (bad, problem) in cases {
        let fault = add_extension(FILE, &new(bad)).unwrap_err();
        assert!(fault.problem.contains(problem), "{fault}");
    }
    assert!(
        remove_extension(FILE, &number("299"))
            .unwrap_err()
            .problem
            .contains("no extension \"299\"")
    );
    assert!(set_password_hashes(FILE, &number("299"), &hashes()).is_err());
    assert_eq!(add_extension("[site\n", &new("203")).unwrap_err().line, 1);
    assert!(add_extension("extension = 3\n", &new("203")).is_err());
    assert!(set_page_password_hash(FILE, "plain").is_err());
}

#[test]
fn a_fault_that_was_there_before_does_not_stop_an_edit() {
    let text = FILE.replace("[log]", "[log]\ncolour = \"red\"");
    let after = set_password_hashes(&text, &number("202"), &hashes()).unwrap();
    assert_eq!(Config::parse("f", &after).unwrap_err().len(), 1);
}

#[test]
fn removing_an_extension_leaves_the_others_as_they_were() {
    let after = remove_extension(FILE, &number("202")).unwrap();
    assert!(
        after.contains("number = \"201\"  # front desk\nha1_md5 = \"00112233445566778899aabbccddeeff\" # made in May")
    );
    assert!(
        !after.contains("202") && after.contains("country = \"DE\"   # Berlin") && after.contains("level = \"warn\"")
    );
    assert_eq!(Config::parse("f", &after).unwrap().extensions.len(), 1);
}

#[test]
fn a_new_password_changes_its_lines_and_keeps_their_comments() {
    let after = set_password_hashes(FILE, &number("201"), &hashes()).unwrap();
    assert!(
        after.contains(&format!("ha1_md5 = \"{}\" # made in May", "ab".repeat(16))),
        "{after}"
    );
    let config = Config::parse("f", &after).unwrap();
    assert_eq!(config.extension("201").unwrap().hashes, hashes());
    assert_ne!(config.extension("202").unwrap().hashes, hashes());
    let only = Hashes {
        md5: None,
        sha256: Some([1; 32]),
    };
    let after = set_password_hashes(&after, &number("201"), &only).unwrap();
    assert_eq!(
        Config::parse("f", &after).unwrap().extension("201").unwrap().hashes,
        only
    );
}

#[test]
fn a_password_in_the_clear_is_replaced_by_hashes() {
    let text = FILE.replace(
        "ha1_md5 = \"00112233445566778899aabbccddeeff\" # made in May",
        "password = \"1234\"",
    );
    assert!(Config::parse("f", &text).is_err());
    let after = set_password_hashes(&text, &number("201"), &hashes()).unwrap();
    assert!(!after.contains("1234"));
    assert!(Config::parse("f", &after).is_ok());
}

#[test]
fn the_page_password_is_set_with_and_without_a_page_section() {
    let phc = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA";
    let once = set_page_password_hash(FILE, phc).unwrap();
    let twice = set_page_password_hash(&once, &phc.replace("aGFzaA", "b3RoZXI")).unwrap();
    let config = Config::parse("f", &twice).unwrap();
    assert!(config.page.password_hash.unwrap().expose().ends_with("b3RoZXI"));
}

#[test]
fn the_starter_file_is_valid_and_commented() {
    for country in country::ALL {
        let extension = |text: &str| StarterExtension {
            number: number(text),
            name: text.to_owned(),
            hashes: hashes(),
        };
        let starter = Starter {
            site_name: "Läden \"Süd\" \\ {realm}".to_owned(),
            country,
            realm: "branchline".to_owned(),
            extensions: vec![extension("201"), extension("202")],
        };
        let text = default_text(&starter);
        let config = Config::parse("f", &text).unwrap_or_else(|faults| panic!("{faults:?}\n{text}"));
        assert_eq!((config.extensions.len(), config.site.country.code), (2, country.code));
        assert_eq!(config.site.name, starter.site_name);
        assert!(text.contains("# outside_prefix"));
    }
}
