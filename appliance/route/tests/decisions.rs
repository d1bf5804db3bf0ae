//! Where calls go: inside, outside, in from trunks, and nowhere.
#![expect(clippy::panic, reason = "a helper of tests may fail the test")]

use branchline_config::{Config, Privacy};
use branchline_route::{
    Caller, Decision, FORWARDS_MAX, HelpAttempt, Loop, Request, Service, State, Tables, TrunkAttempt, TrunkState, Why,
    decide,
};

const BRANCH: &str = r#"
[site]
country = "US"
area_code = "212"
outside_prefix = "9"
[emergency]
test_number = "933"
[[class]]
name = "boss"
allow = ["internal", "local", "national", "mobile", "toll_free", "international", "+1900555*"]
deny = ["+882*"]
[[class]]
name = "lobby"
allow = ["internal"]
[[extension]]
number = "201"
ha1_md5 = "00112233445566778899aabbccddeeff"
class = "boss"
caller_id = "+12125550201"
[[extension]]
number = "202"
ha1_md5 = "00112233445566778899aabbccddeeff"
class = "lobby"
[[extension]]
number = "203"
ha1_md5 = "00112233445566778899aabbccddeeff"
privacy = "withheld"
[[trunk]]
name = "main"
host = "a.example.net"
number = "+12125550200"
max_calls = 2
inbound = [{ number = "+12125550201", to = "201" }, { number = "2125550299", to = "+14155550100" }]
default_to = "202"
[[trunk]]
name = "spare"
host = "b.example.net"
send = "national"
prefix = "88"
caller_id = "withheld"
inbound = [{ number = "5551", to = "203" }]
[[route]]
pattern = "+44*"
trunks = ["spare"]
strip = 3
prefix = "0"
[[route]]
pattern = "7xx"
trunks = ["spare"]
[[route]]
trunks = ["main", "spare"]
"#;

fn tables(text: &str) -> Tables {
    Tables::new(&Config::parse("f", text).unwrap_or_else(|faults| panic!("{faults:?}")))
}

fn extension(number: &str) -> Caller {
    Caller::Extension(number.parse().unwrap_or_else(|fault| panic!("{fault}")))
}

/// Name, up, calls.
type Line = (&'static str, bool, u32);

fn state(trunks: &[Line]) -> State {
    let trunks = trunks
        .iter()
        .map(|(name, up, calls)| ((*name).to_owned(), TrunkState { up: *up, calls: *calls }));
    State {
        trunks: trunks.collect(),
        ..State::default()
    }
}

fn both_up() -> State {
    state(&[("main", true, 0), ("spare", true, 0)])
}

/// The decision in one line.
fn shown(decision: &Decision) -> String {
    let list = |attempts: &[TrunkAttempt]| {
        let items: Vec<String> = attempts
            .iter()
            .map(|attempt| format!("{} {}", attempt.trunk, attempt.number))
            .collect();
        items.join(", ")
    };
    match decision {
        Decision::Extension(number) => format!("extension {number}"),
        Decision::Trunks { attempts, kind, .. } => format!("{kind}: {}", list(attempts)),
        Decision::Emergency { attempts, number } => {
            let ways: Vec<&str> = attempts.iter().map(HelpAttempt::route).collect();
            format!("emergency {number}: {}", ways.join(", "))
        }
        Decision::Hosted {
            line,
            number,
            otherwise,
        } => format!("hosted {line} {number}, else {}", shown(otherwise)),
        Decision::Echo => "echo".to_owned(),
        Decision::Refuse { status, q850, .. } => format!("refuse {status} {q850}"),
    }
}

fn decided(from: Caller, dialled: &str) -> String {
    shown(&decide(&Request::new(from, dialled), &tables(BRANCH), &both_up()))
}

#[test]
fn calls_from_inside_go_where_the_tables_say() {
    // Written nationally 011442079460000; the route cuts 3 and puts 0, the trunk puts 88.
    let cases = [
        ("201", "202", "extension 202"),
        ("201", "sip:202@192.0.2.1;transport=tcp", "extension 202"),
        ("202", "201", "extension 201"),
        ("201", "204", "refuse 404 1"),
        ("201", "alice", "refuse 404 1"),
        ("201", "*98", "refuse 404 1"),
        ("201", "9", "refuse 484 28"),
        ("201", "91", "refuse 484 28"),
        ("201", "9555", "refuse 484 28"),
        ("201", "4155550100", "refuse 404 1"),
        ("201", "94155550100", "national: main +14155550100, spare 8814155550100"),
        (
            "201",
            "914155550100",
            "national: main +14155550100, spare 8814155550100",
        ),
        (
            "201",
            "+14155550100",
            "national: main +14155550100, spare 8814155550100",
        ),
        ("201", "95551234", "local: main +12125551234, spare 8812125551234"),
        ("201", "9011442079460000", "international: spare 880442079460000"),
        ("201", "99005551234", "premium: main +19005551234, spare 8819005551234"),
        ("201", "99001234567", "refuse 403 21"),
        ("201", "90118825550100", "refuse 403 21"),
        ("202", "94155550100", "refuse 403 21"),
        ("203", "94155550100", "national: main +14155550100, spare 8814155550100"),
        ("203", "9011442079460000", "refuse 403 21"),
        ("203", "918765550100", "refuse 403 21"),
        ("203", "9744", "refuse 403 21"),
        ("201", "92125550201", "extension 201"),
        ("203", "+12125550201", "extension 201"),
        ("201", "933", "echo"),
        ("202", "9933", "echo"),
        ("299", "202", "refuse 403 21"),
    ];
    for (from, dialled, expected) in cases {
        assert_eq!(decided(extension(from), dialled), expected, "{from} dials {dialled}");
    }
}

#[test]
fn a_route_may_name_digits_that_are_no_number() {
    let text = BRANCH.replace("allow = [\"internal\"]", "allow = [\"internal\", \"7xx\"]");
    let decision = decide(&Request::new(extension("202"), "9744"), &tables(&text), &both_up());
    assert_eq!(shown(&decision), "premium: spare 88744");
}

#[test]
fn calls_from_trunks_reach_extensions_and_go_out_only_where_written() {
    let cases = [
        ("main", "+12125550201", "extension 201"),
        ("main", "12125550201", "extension 201"),
        ("main", "2125550201", "extension 201"),
        ("main", "sip:+12125550201@192.0.2.1", "extension 201"),
        (
            "main",
            "+12125550299",
            "national: main +14155550100, spare 8814155550100",
        ),
        ("main", "+12125550222", "extension 202"),
        ("main", "911", "extension 202"),
        ("main", "garbage", "extension 202"),
        ("spare", "5551", "extension 203"),
        ("spare", "201", "refuse 404 1"),
        ("spare", "911", "refuse 404 1"),
        ("spare", "9911", "refuse 404 1"),
        ("spare", "urn:service:sos", "refuse 404 1"),
        ("spare", "+14155550100", "refuse 404 1"),
        ("spare", "+12125550201", "refuse 404 1"),
        ("spare", "933", "refuse 404 1"),
        ("other", "+12125550201", "refuse 403 21"),
    ];
    for (trunk, dialled, expected) in cases {
        assert_eq!(
            decided(Caller::Trunk(trunk.to_owned()), dialled),
            expected,
            "{trunk} calls {dialled}"
        );
    }
}

#[test]
fn nobody_unknown_calls_anything() {
    for dialled in ["201", "94155550100", "+14155550100", "933"] {
        assert_eq!(decided(Caller::Unknown, dialled), "refuse 403 21", "{dialled}");
    }
}

#[test]
fn trunks_are_tried_healthy_first_and_full_ones_not_at_all() {
    let cases: [(&[Line], &str); 7] = [
        (
            &[("main", true, 1), ("spare", true, 0)],
            "national: main +14155550100, spare 8814155550100",
        ),
        (
            &[("main", false, 0), ("spare", true, 0)],
            "national: spare 8814155550100, main +14155550100",
        ),
        (
            &[("main", true, 0), ("spare", false, 0)],
            "national: main +14155550100, spare 8814155550100",
        ),
        (
            &[("main", false, 0), ("spare", false, 0)],
            "national: main +14155550100, spare 8814155550100",
        ),
        (&[], "national: main +14155550100, spare 8814155550100"),
        (
            &[("main", true, 2), ("spare", false, 900)],
            "national: spare 8814155550100",
        ),
        (
            &[("main", false, 2), ("spare", true, 0)],
            "national: spare 8814155550100",
        ),
    ];
    let tables = tables(BRANCH);
    for (trunks, expected) in cases {
        let decision = decide(&Request::new(extension("201"), "94155550100"), &tables, &state(trunks));
        assert_eq!(shown(&decision), expected, "{trunks:?}");
    }
    let one = BRANCH.replace("trunks = [\"main\", \"spare\"]", "trunks = [\"main\"]");
    let full = state(&[("main", true, 2)]);
    let decision = decide(
        &Request::new(extension("201"), "94155550100"),
        &self::tables(&one),
        &full,
    );
    assert_eq!(shown(&decision), "refuse 503 34");
}

#[test]
fn without_routes_trunks_go_by_priority_and_then_by_load_for_their_weight() {
    let text = r#"
[site]
country = "US"
[[extension]]
number = "201"
ha1_md5 = "00112233445566778899aabbccddeeff"
[[trunk]]
name = "last"
host = "c"
priority = 20
[[trunk]]
name = "big"
host = "a"
weight = 30
[[trunk]]
name = "small"
host = "b"
"#;
    let cases = [
        ((0, 0), "big, small, last"),
        ((3, 0), "small, big, last"),
        ((3, 1), "big, small, last"),
        ((6, 1), "small, big, last"),
    ];
    let tables = tables(text);
    for ((big, small), expected) in cases {
        let state = state(&[("big", true, big), ("small", true, small), ("last", true, 0)]);
        let decision = decide(&Request::new(extension("201"), "4155550100"), &tables, &state);
        let Decision::Trunks { attempts, .. } = decision else {
            panic!("{decision:?}")
        };
        let names: Vec<&str> = attempts.iter().map(|attempt| attempt.trunk.as_str()).collect();
        assert_eq!(names.join(", "), expected, "{big} {small}");
    }
}

#[test]
fn missing_trunks_and_routes_have_their_own_answers() {
    let head =
        "[site]\ncountry = \"US\"\n[[extension]]\nnumber = \"201\"\nha1_md5 = \"00112233445566778899aabbccddeeff\"\n";
    let cases = [
        (head.to_owned(), "refuse 503 38"),
        (
            format!("{head}[[trunk]]\nname = \"a\"\nhost = \"a\"\n[[route]]\npattern = \"+44*\"\n"),
            "refuse 404 3",
        ),
        (
            format!("{head}[[trunk]]\nname = \"a\"\nhost = \"a\"\n[[route]]\nkinds = [\"local\"]\n"),
            "refuse 404 3",
        ),
        (
            format!("{head}[[trunk]]\nname = \"a\"\nhost = \"a\"\nstrip = 15\n"),
            "refuse 404 3",
        ),
        (
            format!("{head}[[trunk]]\nname = \"a\"\nhost = \"a\"\nsend = \"as_dialled\"\n"),
            "national: a 4155550100",
        ),
        (
            format!("{head}[[trunk]]\nname = \"a\"\nhost = \"a\"\nsend = \"digits\"\nstrip = 1\n"),
            "national: a 4155550100",
        ),
    ];
    for (text, expected) in cases {
        let decision = decide(
            &Request::new(extension("201"), "4155550100"),
            &tables(&text),
            &State::default(),
        );
        assert_eq!(shown(&decision), expected, "{text}");
    }
}

#[test]
fn what_the_called_party_sees_follows_trunk_and_extension() {
    let tables = tables(BRANCH);
    let ids = |from: &str| {
        let decision = decide(&Request::new(extension(from), "94155550100"), &tables, &both_up());
        let Decision::Trunks { attempts, .. } = decision else {
            panic!("{decision:?}")
        };
        let ids = attempts
            .into_iter()
            .map(|attempt| (attempt.caller_id.number, attempt.caller_id.privacy));
        ids.collect::<Vec<_>>()
    };
    let own = Some("+12125550201".to_owned());
    let main = Some("+12125550200".to_owned());
    assert_eq!(ids("201"), [(own, Privacy::Shown), (None, Privacy::Withheld)]);
    assert_eq!(ids("203"), [(main, Privacy::Withheld), (None, Privacy::Withheld)]);
}

#[test]
fn a_busy_extension_is_busy_from_everywhere() {
    let tables = tables(BRANCH);
    let mut state = both_up();
    state.extension_calls.insert("201".to_owned(), 1);
    let from_trunk = Request::new(Caller::Trunk("main".to_owned()), "+12125550201");
    assert_eq!(shown(&decide(&from_trunk, &tables, &state)), "extension 201");
    state.extension_calls.insert("201".to_owned(), 2);
    for request in [
        from_trunk,
        Request::new(extension("202"), "201"),
        Request::new(extension("203"), "92125550201"),
    ] {
        assert_eq!(
            shown(&decide(&request, &tables, &state)),
            "refuse 486 17",
            "{request:?}"
        );
    }
}

#[test]
fn loops_end() {
    let tables = tables(BRANCH);
    let cases = [
        (Loop::Clear, 0, "extension 202"),
        (Loop::Clear, FORWARDS_MAX, "extension 202"),
        (Loop::Clear, FORWARDS_MAX + 1, "refuse 483 25"),
        (Loop::Seen, 0, "refuse 482 25"),
    ];
    for (looped, forwards, expected) in cases {
        for from in [extension("201"), Caller::Trunk("main".to_owned())] {
            let request = Request {
                from,
                dialled: "202",
                looped,
                forwards,
            };
            assert_eq!(shown(&decide(&request, &tables, &both_up())), expected, "{request:?}");
        }
    }
}

#[test]
fn every_refusal_has_a_status_and_a_cause_of_its_class() {
    let all = [
        Why::UnknownNumber,
        Why::Incomplete,
        Why::ClassOfService,
        Why::UnknownCaller,
        Why::NoRoute,
        Why::NoTrunk,
        Why::TrunksFull,
        Why::Busy,
        Why::Loop,
        Why::TooManyForwards,
    ];
    for why in all {
        let (status, cause) = why.codes();
        assert!((400..=503).contains(&status) && (1..=127).contains(&cause), "{why:?}");
    }
}

#[test]
fn a_line_of_the_hosted_pbx_asks_there_first_unless_the_site_decides() {
    let mut state = both_up();
    state.hosted_lines.insert("201".to_owned());
    state.hosted_lines.insert("203".to_owned());
    let cases = [
        (extension("203"), "19005551234", "refuse 403 21"),
        (
            extension("203"),
            "00442079460000",
            "hosted 203 00442079460000, else refuse 404 1",
        ),
        (extension("201"), "202", "hosted 201 202, else extension 202"),
        (extension("201"), "204", "hosted 201 204, else refuse 404 1"),
        (extension("201"), "*98", "hosted 201 *98, else refuse 404 1"),
        (
            extension("201"),
            "94155550100",
            "hosted 201 94155550100, else national: main +14155550100, spare 8814155550100",
        ),
        (extension("202"), "201", "extension 201"),
        (Caller::Hosted("201".parse().unwrap()), "anything", "extension 201"),
        (Caller::Hosted("299".parse().unwrap()), "anything", "refuse 404 1"),
    ];
    for (from, dialled, expected) in cases {
        let decision = decide(&Request::new(from, dialled), &tables(BRANCH), &state);
        assert_eq!(shown(&decision), expected, "{dialled}");
    }
    // A forward inside the branch would come back and be forwarded again.
    for (dialled, expected) in [("202", "extension 202"), ("204", "hosted 201 204, else refuse 404 1")] {
        let forwarded = Request {
            forwards: 1,
            ..Request::new(extension("201"), dialled)
        };
        assert_eq!(
            shown(&decide(&forwarded, &tables(BRANCH), &state)),
            expected,
            "{dialled}"
        );
    }
    for dialled in ["911", "9911"] {
        let decision = decide(&Request::new(extension("201"), dialled), &tables(BRANCH), &state);
        assert!(
            matches!(decision, Decision::Emergency { .. }),
            "{dialled}: {decision:?}"
        );
    }
}

#[test]
fn while_the_database_fails_dear_calls_wait_and_emergencies_never() {
    let named = BRANCH.replace(
        "[emergency]",
        "[storage]\nclass_while_degraded = \"lobby\"\n[emergency]",
    );
    let cases = [
        ("201", "203", "extension 203", "extension 203"),
        ("201", "912125550123", "local: main", "refuse 403 21"),
        ("201", "9011442079460000", "refuse 403 21", "refuse 403 21"),
        ("201", "919005551234", "refuse 403 21", "refuse 403 21"),
        ("202", "912125550123", "refuse 403 21", "refuse 403 21"),
        ("201", "911", "emergency 911: main", "emergency 911: main"),
        ("202", "9911", "emergency 911: main", "emergency 911: main"),
    ];
    let restricted = State {
        service: Service::Restricted,
        ..both_up()
    };
    for (from, dialled, by_default, by_name) in cases {
        for (text, expected) in [(BRANCH, by_default), (&*named, by_name)] {
            let request = Request::new(extension(from), dialled);
            let decided = shown(&decide(&request, &tables(text), &restricted));
            assert!(decided.starts_with(expected), "{from} {dialled}: {decided}");
        }
    }
    // The hosted PBX knows numbers that the branch does not; what it may take them for counts as well.
    let with_line = State {
        hosted_lines: ["201".to_owned(), "203".to_owned()].into(),
        ..restricted.clone()
    };
    let over_the_line = [
        ("201", "919005551234", "refuse 403 21"),
        ("201", "+442079460000", "refuse 403 21"),
        ("201", "011442079460000", "refuse 403 21"),
        ("201", "00442079460000", "refuse 403 21"),
        ("201", "*6719005551234", "refuse 403 21"),
        ("201", "2125550123", "hosted 201 2125550123, else refuse 404 1"),
        ("201", "912125550123", "hosted 201 912125550123, else local"),
        ("201", "204", "hosted 201 204, else refuse 404 1"),
        ("201", "*98", "hosted 201 *98, else refuse 404 1"),
        ("201", "911", "emergency 911: main"),
    ];
    for (from, dialled, expected) in over_the_line {
        let decided = shown(&decide(
            &Request::new(extension(from), dialled),
            &tables(BRANCH),
            &with_line,
        ));
        assert!(decided.starts_with(expected), "{from} {dialled}: {decided}");
    }
    let full = decided(extension("201"), "9011442079460000");
    assert!(full.starts_with("international: "), "{full}");
}
