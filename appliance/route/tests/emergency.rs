//! Nothing blocks an emergency call.
#![expect(clippy::panic, reason = "a helper of tests may fail the test")]

use branchline_config::{Config, country};
use branchline_route::{
    Caller, Decision, HelpAttempt, Loop, Request, State, Tables, TrunkAttempt, TrunkState, decide, emergency_number,
};
use proptest::prelude::*;

/// Country, dialled, sent.
const CASES: &[(&str, &str, &str)] = &[
    ("US", "911", "911"),
    ("US", "112", "911"),
    ("US", "9-1-1", "911"),
    ("US", "911#", "911"),
    ("US", "+911", "911"),
    ("US", "tel:911;phone-context=+1", "911"),
    ("US", "sip:911@192.0.2.1;user=phone", "911"),
    ("US", "sip:911;cpc=emergency@192.0.2.1", "911"),
    ("US", "urn:service:sos", "911"),
    ("US", "URN:Service:SOS.Police", "911"),
    ("CA", "911", "911"),
    ("MX", "911", "911"),
    ("BR", "190", "190"),
    ("BR", "192", "192"),
    ("BR", "urn:service:sos.fire", "193"),
    ("AR", "911", "911"),
    ("CL", "131", "131"),
    ("GB", "999", "999"),
    ("GB", "112", "112"),
    ("GB", "18000", "18000"),
    ("IE", "999", "999"),
    ("IE", "112", "112"),
    ("DE", "112", "112"),
    ("DE", "110", "110"),
    ("DE", "urn:service:sos.police", "110"),
    ("DE", "urn:service:sos.fire", "112"),
    ("DE", "urn:service:sos.animal-control", "112"),
    ("FR", "15", "15"),
    ("FR", "17", "17"),
    ("FR", "18", "18"),
    ("FR", "112", "112"),
    ("FR", "114", "114"),
    ("ES", "112", "112"),
    ("ES", "091", "091"),
    ("IT", "113", "113"),
    ("IT", "urn:service:sos.marine", "1530"),
    ("NL", "112", "112"),
    ("BE", "101", "101"),
    ("CH", "117", "117"),
    ("CH", "1414", "1414"),
    ("CH", "urn:service:sos.mountain", "1414"),
    ("AT", "144", "144"),
    ("SE", "112", "112"),
    ("NO", "113", "113"),
    ("NO", "110", "110"),
    ("DK", "112", "112"),
    ("FI", "112", "112"),
    ("PT", "112", "112"),
    ("PL", "997", "997"),
    ("CZ", "155", "155"),
    ("AU", "000", "000"),
    ("AU", "112", "000"),
    ("AU", "106", "106"),
    ("NZ", "111", "111"),
    ("NZ", "112", "111"),
    ("JP", "119", "119"),
    ("JP", "urn:service:sos.ambulance", "119"),
    ("IN", "108", "108"),
    ("ZA", "10111", "10111"),
    ("SG", "995", "995"),
    ("AE", "998", "998"),
    ("IL", "100", "100"),
    ("HK", "999", "999"),
    ("KR", "119", "119"),
];

const NOT_EMERGENCIES: &[(&str, &str)] = &[
    ("US", "9111"),
    ("US", "91"),
    ("US", "1911"),
    ("US", "999"),
    ("US", "urn:service:sosx"),
    ("US", "urn:service:counseling"),
    ("US", "alice"),
    ("DE", "911"),
    ("DE", "1120"),
    ("DE", "00112"),
    ("GB", "99"),
];

fn tables(text: &str) -> Tables {
    Tables::new(&Config::parse("f", text).unwrap_or_else(|faults| panic!("{faults:?}")))
}

fn site(country: &str) -> String {
    format!("[site]\ncountry = \"{country}\"\n")
}

#[test]
fn every_country_knows_its_numbers() {
    for (country, dialled, sent) in CASES {
        assert_eq!(
            emergency_number(dialled, &tables(&site(country))),
            Some(*sent),
            "{country} {dialled}"
        );
    }
    for (country, dialled) in NOT_EMERGENCIES {
        assert_eq!(
            emergency_number(dialled, &tables(&site(country))),
            None,
            "{country} {dialled}"
        );
    }
    for country in country::ALL {
        for (number, _) in country.emergency.iter().chain(&[("112", country::Service::General)]) {
            for prefix in ["0", "8", "9", "99"] {
                let tables = tables(&format!("{}outside_prefix = \"{prefix}\"\n", site(country.code)));
                assert!(emergency_number(number, &tables).is_some(), "{} {number}", country.code);
                assert!(
                    emergency_number(&format!("{prefix}{number}"), &tables).is_some(),
                    "{prefix}{number}"
                );
            }
        }
    }
}

#[test]
fn configured_numbers_and_order_of_trunks_are_followed() {
    let text = "[site]\ncountry = \"DE\"\noutside_prefix = \"0\"\n[emergency]\nnumbers = [\"5555\"]\nroutes = [\"c\"]\n\
                callback = \"+493012345\"\n[[trunk]]\nname = \"a\"\nhost = \"a\"\npriority = 30\n\
                [[trunk]]\nname = \"b\"\nhost = \"b\"\nmax_calls = 1\nprefix = \"9\"\nstrip = 2\n[[trunk]]\nname = \"c\"\nhost = \"c\"\n";
    let tables = tables(text);
    let up = |up: bool, calls: u32| TrunkState { up, calls };
    let cases = [
        ((true, true, true), 0, "c b a"),
        ((true, true, false), 0, "b a c"),
        ((true, false, false), 0, "a c b"),
        ((false, false, false), 0, "c b a"),
        // The one trunk that is full comes after those with room, and before those that are down.
        ((true, true, true), 1, "c a b"),
        ((true, true, false), 1, "a b c"),
        ((false, true, false), 1, "b c a"),
    ];
    for ((a, b, c), calls, expected) in cases {
        let trunks = [("a", up(a, 0)), ("b", up(b, calls)), ("c", up(c, 0))];
        let trunks = trunks
            .into_iter()
            .map(|(name, state)| (name.to_owned(), state))
            .collect();
        let state = State {
            trunks,
            ..State::default()
        };
        for dialled in ["5555", "05555", "0112"] {
            let Decision::Emergency { attempts, number } =
                decide(&Request::new(Caller::Unknown, dialled), &tables, &state)
            else {
                panic!("{dialled} is no emergency")
            };
            let order: Vec<&str> = attempts.iter().map(HelpAttempt::route).collect();
            assert_eq!(order.join(" "), expected, "{dialled}");
            assert!(dialled.ends_with(&number));
            for attempt in attempts.iter().map(on_trunk) {
                assert_eq!(attempt.number, number);
                assert_eq!(attempt.caller_id.number.as_deref(), Some("+493012345"));
            }
        }
    }
}

#[test]
fn the_operator_can_call_back() {
    let extension =
        "[[extension]]\nnumber = \"201\"\nha1_md5 = \"00112233445566778899aabbccddeeff\"\nprivacy = \"withheld\"\n";
    let trunk = "[[trunk]]\nname = \"a\"\nhost = \"a\"\ncaller_id = \"withheld\"\n";
    let cases = [
        (format!("{extension}{trunk}"), None),
        (
            format!("{extension}{trunk}number = \"+12125550200\"\n"),
            Some("+12125550200"),
        ),
        (
            format!("{extension}caller_id = \"+12125550201\"\n{trunk}number = \"+12125550200\"\n"),
            Some("+12125550201"),
        ),
        (
            format!("[emergency]\ncallback = \"+12125550299\"\n{extension}caller_id = \"+12125550201\"\n{trunk}"),
            Some("+12125550201"),
        ),
        (
            format!("[emergency]\ncallback = \"+12125550299\"\n{extension}{trunk}number = \"+12125550200\"\n"),
            Some("+12125550299"),
        ),
    ];
    for (rest, expected) in cases {
        let tables = tables(&format!("{}{rest}", site("US")));
        let from = Caller::Extension("201".parse().unwrap_or_else(|fault| panic!("{fault}")));
        let decision = decide(&Request::new(from, "911"), &tables, &State::default());
        let Decision::Emergency { attempts, .. } = decision else {
            panic!("{decision:?}")
        };
        let shown = &on_trunk(&attempts[0]).caller_id;
        assert_eq!(shown.number.as_deref(), expected);
        assert_eq!(shown.privacy, branchline_config::Privacy::Shown);
    }
}

fn on_trunk(attempt: &HelpAttempt) -> &TrunkAttempt {
    match attempt {
        HelpAttempt::Trunk(attempt) => attempt,
        HelpAttempt::Hosted(line) => panic!("{line:?} is no trunk"),
    }
}

const WITH_HOSTED: &str = r#"
[[extension]]
number = "201"
ha1_md5 = "00112233445566778899aabbccddeeff"
hosted = { username = "2001", password = "a" }
[[extension]]
number = "202"
ha1_md5 = "00112233445566778899aabbccddeeff"
hosted = { username = "2002", password = "b" }
[[extension]]
number = "203"
ha1_md5 = "00112233445566778899aabbccddeeff"
[hosted]
host = "pbx.example.net"
[[trunk]]
name = "a"
host = "a"
[[trunk]]
name = "b"
host = "b"
"#;

/// Who calls, lines that work, whether the trunks are up, and the ways out in order, each line with its owner.
type OverLines = (Caller, &'static [&'static str], bool, &'static str);

#[test]
fn the_hosted_pbx_has_its_turn_among_the_trunks() {
    let extension = |number: &str| Caller::Extension(number.parse().unwrap_or_else(|fault| panic!("{fault}")));
    let both: &[&str] = &["201", "202"];
    let cases: [(&str, &[OverLines]); 2] = [
        (
            "routes = [\"a\", \"hosted\"]",
            &[
                (extension("202"), both, true, "a hosted:202 b"),
                (extension("202"), both, false, "hosted:202 a b"),
                (extension("202"), &[], true, "a b hosted:202"),
                (extension("202"), &[], false, "a hosted:202 b"),
                // Without a line that works, another's; better than none.
                (extension("202"), &["201"], true, "a hosted:201 b"),
                (extension("203"), both, true, "a hosted:201 b"),
                (Caller::Unknown, &[], true, "a b hosted:201"),
            ],
        ),
        ("", &[(extension("201"), both, true, "a b hosted:201")]),
    ];
    for (routes, cases) in cases {
        let tables = tables(&format!("{}[emergency]\n{routes}\n{WITH_HOSTED}", site("US")));
        for (from, lines, up, expected) in cases {
            let trunk = |name: &str| (name.to_owned(), TrunkState { up: *up, calls: 0 });
            let state = State {
                trunks: [trunk("a"), trunk("b")].into(),
                hosted_lines: lines.iter().map(|line| (*line).to_owned()).collect(),
                ..State::default()
            };
            let request = Request::new(from.clone(), "911");
            assert_eq!(
                ways_out(&decide(&request, &tables, &state)),
                *expected,
                "{from:?} {lines:?}"
            );
            let back = Request {
                looped: Loop::FromHosted,
                ..request
            };
            assert!(!ways_out(&decide(&back, &tables, &state)).contains("hosted"));
        }
    }
}

fn ways_out(decision: &Decision) -> String {
    let Decision::Emergency { attempts, .. } = decision else {
        panic!("{decision:?}")
    };
    let shown = |attempt: &HelpAttempt| match attempt {
        HelpAttempt::Trunk(attempt) => attempt.trunk.clone(),
        HelpAttempt::Hosted(attempt) => format!("hosted:{}", attempt.line),
    };
    attempts.iter().map(shown).collect::<Vec<_>>().join(" ")
}

/// Any configuration that the checks let pass, as text.
fn any_config() -> impl Strategy<Value = (String, usize, Option<&'static str>)> {
    let prefix = prop::option::of(prop::sample::select(vec!["0", "8", "9", "99"]));
    let numbers = prop::collection::btree_set("[0-9]{2,5}", 0..8);
    let rules = prop::collection::vec(
        prop::sample::select(vec!["internal", "premium", "*", "+*", "9*", "1*"]),
        0..4,
    );
    let shape = (0..3_usize, prop::option::of("[0-9]{3}"), prop::bool::ANY);
    (0..country::ALL.len(), prefix, numbers, rules, shape).prop_map(|(at, prefix, numbers, rules, shape)| {
        let (trunks, test_number, denies) = shape;
        let country = country::ALL[at];
        let mut text = site(country.code);
        if let Some(prefix) = prefix {
            text.push_str(&format!("outside_prefix = \"{prefix}\"\n"));
        }
        if let Some(number) = test_number {
            text.push_str(&format!("[emergency]\ntest_number = \"{number}\"\n"));
        }
        let verb = if denies { "deny" } else { "allow" };
        text.push_str(&format!("[[class]]\nname = \"default\"\n{verb} = {rules:?}\n"));
        for number in numbers {
            text.push_str(&format!(
                "[[extension]]\nnumber = \"{number}\"\nmax_calls = 1\nha1_md5 = \"00112233445566778899aabbccddeeff\"\n"
            ));
        }
        for trunk in 0..trunks {
            text.push_str(&format!(
                "[[trunk]]\nname = \"t{trunk}\"\nhost = \"h\"\nmax_calls = 1\nstrip = 9\ninbound = [{{ number = \"{}\", to = \"+15551230100\" }}]\n",
                country.general_number()
            ));
            text.push_str(&format!("[[route]]\npattern = \"1*\"\ntrunks = [\"t{trunk}\"]\n"));
        }
        (text, at, prefix)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn an_emergency_number_is_an_emergency_for_any_caller_state_and_config(
        (text, at, prefix) in any_config(),
        which in any::<prop::sample::Index>(),
        caller in prop::option::of("[0-9]{2,5}"),
        (calls, up, seen, forwards) in (any::<u32>(), any::<bool>(), any::<bool>(), any::<u8>()),
        form in 0..6_usize,
    ) {
        // Refused configurations (an extension numbered like an emergency) are the other half of the promise.
        let Ok(config) = Config::parse("f", &text) else { return Ok(()) };
        let country = country::ALL[at];
        let number = which.get(country.emergency).0;
        let dialled = match form {
            0 => number.to_owned(),
            1 => format!("{}{number}", prefix.unwrap_or_default()),
            2 => format!("sip:{number}@192.0.2.1"),
            3 => format!("tel:{number}"),
            4 => "112".to_owned(),
            _ => "urn:service:sos".to_owned(),
        };
        let mut state = State::default();
        for trunk in &config.trunks {
            state.trunks.insert(trunk.name.clone(), TrunkState { up, calls });
        }
        for entry in &config.extensions {
            state.extension_calls.insert(entry.number.to_string(), calls);
        }
        let from = caller.and_then(|number| number.parse().ok()).map_or(Caller::Unknown, Caller::Extension);
        let looped = if seen { Loop::Seen } else { Loop::Clear };
        let request = Request { from, dialled: &dialled, looped, forwards };
        let decision = decide(&request, &Tables::new(&config), &state);
        let Decision::Emergency { attempts, .. } = &decision else { panic!("{dialled}: {decision:?}\n{text}") };
        prop_assert_eq!(attempts.len(), config.trunks.len());
    }

    #[test]
    fn a_trunk_never_makes_an_emergency_call(dialled in "[0-9+]{0,6}|urn:service:sos", at in 0..country::ALL.len()) {
        let text = format!("{}[[trunk]]\nname = \"t\"\nhost = \"h\"\n", site(country::ALL[at].code));
        let request = Request::new(Caller::Trunk("t".to_owned()), &dialled);
        let decision = decide(&request, &tables(&text), &State::default());
        let is_refused = matches!(decision, Decision::Refuse { .. });
        prop_assert!(is_refused);
    }
}
