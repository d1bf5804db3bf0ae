//! The file as people write it: what is accepted, what is refused and where.
#![expect(clippy::panic, reason = "a helper of tests may fail the test")]

use branchline_config::{
    CallerIdPolicy, Config, Kind, Level, LogFormat, Mode, NumberForm, Password, Privacy, Reach, Rule, Target, Transport,
};

const MD5: &str = "00112233445566778899aabbccddeeff";
const SHA: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";

const FULL: &str = r##"
[site]
name = "Harbour Street"
realm = "harbour"
country = "GB"
area_code = "20"
outside_prefix = "9"

[sip]
listen = ["udp:0.0.0.0", "tls:[::]:5071"]
tls_certificate = "/etc/branchline/cert.pem"
tls_key = "/etc/branchline/key.pem"
max_registrations = 0x10
max_contacts = 3
expires_min_s = 120
expires_default_s = 300
expires_max_s = 600
session_expires_s = 900
min_se_s = 120
ring_s = 20
max_calls = 40
max_calls_per_second = 7
max_registers_per_second = 9
nonce_lifetime_s = 60
[sip.ban]
failures = 5
within_s = 10
minutes = 60
never = ["10.0.0.0/8", "2001:db8::1"]

[media]
addresses = ["192.0.2.1", "2001:db8::2"]
port_min = 20000
port_max = 20999
rtp_timeout_s = 30
rtp_timeout_hold_s = 600
workers = 2

[page]
listen = "127.0.0.1:9090"
reach = "lan"
password_hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"

[log]
level = "debug"
format = "json"

[hosted]
host = "PBX.example.net"
transport = "tls"
domain = "example.net"
probe_s = 2

[emergency]
numbers = ["5555"]
routes = ["b"]
callback = "+44 20 7946 0000"
test_number = "933"

[[extension]]
number = "201"
hosted = { username = "2001", auth_username = "zoe", password = "s3cret" }
name = "Zoë"
ha1_md5 = "00112233445566778899aabbccddeeff"
ha1_sha256 = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
class = "office"
max_calls = 4
no_answer_s = 15
forward_busy = "202"
forward_no_answer = "902079460001"
caller_id = "+44 (20) 7946-0201"
privacy = "withheld"

[[extension]]
number = "202"
ha1_md5 = "00112233445566778899aabbccddeeff"

[[trunk]]
name = "a"
host = "sip.example.net"
port = 5080
transport = "tcp"
mode = "register"
username = "u"
auth_username = "au"
password = "s3cret"
from_domain = "Phones.Example.net."
expires_s = 300
options_s = 0
accept_from = ["198.51.100.0/24"]
inbound = [{ number = "+44 20 7946 0201", to = "201" }, { number = "02079460299", to = "+15551230199" }]
default_to = "202"
number = "+442079460000"
caller_id = "main"
send = "national"
strip = 1
prefix = "99"
trusted = true
max_calls = 8
priority = 5
weight = 20

[[trunk]]
name = "b"
host = "[2001:db8::9]"
transport = "udp"

[[class]]
name = "office"
allow = ["internal", "local", "+4420*"]
deny = ["premium", "+44870*"]

[[route]]
pattern = "+1900*"
kinds = ["premium", "international"]
trunks = ["b", "a"]
strip = 2
prefix = "0011"
"##;

fn valid(text: &str) -> Config {
    Config::parse("f", text).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn faults(text: &str) -> Vec<String> {
    Config::parse("branchline.toml", text)
        .err()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn every_key_is_read_into_its_field() {
    let config = valid(FULL);
    assert_eq!(
        (config.site.country.code, config.site.area_code.as_deref()),
        ("GB", Some("20"))
    );
    assert_eq!(
        (config.site.realm.as_str(), config.site.outside_prefix.as_deref()),
        ("harbour", Some("9"))
    );
    let listen: Vec<String> = config.sip.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["udp:0.0.0.0:5060", "tls:[::]:5071"]);
    let sip = &config.sip;
    assert_eq!(
        (sip.max_registrations, sip.max_contacts, sip.ring_s, sip.min_se_s),
        (16, 3, 20, 120)
    );
    assert_eq!(
        (sip.expires_min_s, sip.expires_default_s, sip.expires_max_s),
        (120, 300, 600)
    );
    assert_eq!(
        (sip.session_expires_s, sip.max_calls, sip.max_calls_per_second),
        (900, 40, 7)
    );
    assert_eq!((sip.max_registers_per_second, sip.nonce_lifetime_s), (9, 60));
    assert_eq!(
        (sip.ban.failures, sip.ban.within_s, sip.ban.minutes, sip.ban.never.len()),
        (5, 10, 60, 2)
    );
    let media = &config.media;
    assert_eq!(
        (media.port_min, media.port_max, media.workers),
        (20_000, 20_999, Some(2))
    );
    assert_eq!(
        (media.rtp_timeout_s, media.rtp_timeout_hold_s, media.addresses.len()),
        (30, 600, 2)
    );
    assert_eq!(
        (config.page.reach, config.page.bind_address().to_string()),
        (Reach::Lan, "0.0.0.0:9090".to_owned())
    );
    assert!(
        config
            .page
            .password_hash
            .as_ref()
            .unwrap()
            .expose()
            .starts_with("$argon2id$")
    );
    assert_eq!((config.log.level, config.log.format), (Level::Debug, LogFormat::Json));
    assert_eq!(
        (config.emergency.callback.as_deref(), config.emergency.numbers.len()),
        (Some("+442079460000"), 1)
    );
    let route = &config.routes[0];
    assert_eq!(
        (
            route.pattern.as_ref().unwrap().as_str(),
            route.strip,
            route.prefix.as_str()
        ),
        ("+1900*", 2, "0011")
    );
    assert_eq!(route.kinds, [Kind::Premium, Kind::International]);
    assert_eq!(route.trunks, ["b", "a"]);
}

#[test]
fn extensions_and_trunks_are_read_into_their_fields() {
    let config = valid(FULL);
    let zoe = config.extension("201").unwrap();
    assert_eq!(
        (zoe.name.as_str(), zoe.class.as_str(), zoe.max_calls),
        ("Zoë", "office", 4)
    );
    assert_eq!(
        (zoe.hashes.md5.unwrap()[1], zoe.hashes.sha256.unwrap()[31]),
        (0x11, 0xff)
    );
    assert_eq!((zoe.no_answer_s, zoe.forward_busy.as_deref()), (Some(15), Some("202")));
    assert_eq!(
        (zoe.caller_id.as_deref(), zoe.privacy),
        (Some("+442079460201"), Privacy::Withheld)
    );
    let line = zoe.hosted.as_ref().unwrap();
    assert_eq!((line.username.as_str(), line.auth_username.as_str()), ("2001", "zoe"));
    let hosted = config.hosted.as_ref().unwrap();
    assert_eq!(
        (hosted.host.as_str(), hosted.domain.as_str(), hosted.transport),
        ("pbx.example.net", "example.net", Transport::Tls)
    );
    assert_eq!(
        (hosted.probe_s, hosted.settle_s, hosted.registers_per_second),
        (2, 15, 10)
    );
    let plain = config.extension("202").unwrap();
    assert_eq!(
        (plain.name.as_str(), plain.class.as_str(), plain.max_calls),
        ("202", "default", 2)
    );
    let a = config.trunk("a").unwrap();
    assert_eq!(
        (a.port, a.transport, a.mode, a.options_s),
        (Some(5080), Transport::Tcp, Mode::Register, 0)
    );
    let credentials = a.credentials.as_ref().unwrap();
    assert_eq!(
        (credentials.username.as_str(), credentials.auth_username.as_str()),
        ("u", "au")
    );
    assert!(matches!(&credentials.password, Password::Inline(secret) if secret.expose() == "s3cret"));
    assert_eq!(
        (a.caller_id, a.send, a.strip, a.prefix.as_str()),
        (CallerIdPolicy::Main, NumberForm::National, 1, "99")
    );
    assert_eq!(a.from_domain.as_deref(), Some("phones.example.net"));
    assert_eq!(a.inbound[1].to, Target::Outside("+15551230199".to_owned()));
    assert_eq!(a.default_to, Some(Target::Extension("202".parse().unwrap())));
    let b = config.trunk("b").unwrap();
    assert_eq!(
        (b.host.as_str(), b.mode, b.max_calls, b.priority),
        ("2001:db8::9", Mode::Address, None, 10)
    );
    let office = config.class("office").unwrap();
    assert_eq!((office.allow.len(), &office.deny[0]), (3, &Rule::Kind(Kind::Premium)));
    assert!(config.class("default").is_some());
}

#[test]
fn one_line_is_enough_for_a_box() {
    let config = valid("[site]\ncountry = \"US\"\n");
    let listen: Vec<String> = config.sip.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060", "tls:0.0.0.0:5061"]);
    assert_eq!(config.page.bind_address().to_string(), "127.0.0.1:8080");
    assert_eq!(
        (
            config.site.realm.as_str(),
            config.sip.expires_default_s,
            config.sip.ring_s
        ),
        ("branchline", 3600, 30)
    );
}

#[test]
fn nothing_secret_is_printed() {
    let shown = format!("{:?}", valid(FULL));
    assert!(
        !shown.contains("s3cret") && !shown.contains("argon2id") && !shown.contains("17, 34"),
        "{shown}"
    );
}

#[test]
fn a_class_asks_patterns_first_and_denies_on_a_tie() {
    let text = r#"
[site]
country = "GB"
[[class]]
name = "office"
allow = ["internal", "local", "mobile", "premium", "+4420*"]
deny = ["premium", "mobile", "+44870*", "+447700*"]
"#;
    let config = valid(text);
    let class = config.class("office").unwrap();
    let cases = [
        (Kind::Local, "+441234", true),
        (Kind::Premium, "+449001", false),
        (Kind::Premium, "+442071", true),
        (Kind::Mobile, "+447700900000", false),
        (Kind::National, "+442071", true),
        (Kind::National, "+441611", false),
        (Kind::Internal, "201", true),
    ];
    for (kind, number, allowed) in cases {
        assert_eq!(class.allows(kind, &[number]), allowed, "{kind} {number}");
    }
    let built_in = config.class("default").unwrap();
    assert!(built_in.allows(Kind::National, &["+441611"]));
    assert!(!built_in.allows(Kind::International, &["+15551234"]) && !built_in.allows(Kind::Premium, &["+449001"]));
}

/// `{ok}` is a valid start, `{ha1}` a valid hash line.
const FAULTS: &[(&str, &str)] = &[
    ("", "branchline.toml:1: site.country: is missing; add country = \"US\""),
    (
        "{ok}[[trunk]]\nname = \"a\"\nhots = \"x\"\nhost = \"x\"\n",
        "branchline.toml:5: trunk[0].hots: unknown key; did you mean \"host\"?",
    ),
    (
        "{ok}[[extension]]\nnumber = \"201\"\n{ha1}\nhosted = { username = \"201\", password = \"x\" }\n",
        "branchline.toml:7: extension[0].hosted: is there, but no hosted PBX; add [hosted] with host = \"pbx.example.net\"",
    ),
    (
        "{ok}[hosted]\nhost = \"x\"\n[[extension]]\nnumber = \"201\"\n{ha1}\nhosted = { password = \"x\" }\n",
        "branchline.toml:9: extension[0].hosted.username: is missing, but a password is there; add username = \"…\"",
    ),
    (
        "{ok}[sipp]\n",
        "branchline.toml:3: sipp: unknown key; did you mean \"sip\"?",
    ),
    (
        "{ok}[[trunk]]\nname = \"a\"\nhost = \"x\"\ntrusted = \"yes\"\n",
        "branchline.toml:6: trunk[0].trusted: expected true or false, found text; write true or false",
    ),
    (
        "{ok}[sip]\nring_s = 4\n",
        "branchline.toml:4: sip.ring_s: 4 is out of range; write a whole number from 5 to 300",
    ),
    (
        "{ok}[sip]\nring_s = \"30\"\n",
        "branchline.toml:4: sip.ring_s: expected a whole number, found text; write a whole number from 5 to 300",
    ),
    (
        "{ok}[log]\nlevel = \"loud\"\n",
        "branchline.toml:4: log.level: \"loud\" is not known here; write \"error\" or \"warn\" or \"info\" or \"debug\" or \"trace\"",
    ),
    (
        "{ok}\n[[extension]]\nnumber = \"201\"\npassword = \"1234\"\n",
        "branchline.toml:6: extension[0].password: passwords are not kept in the clear; run: branchline extension password 201",
    ),
    (
        "{ok}\n[[extension]]\nnumber = \"201\"\n",
        "branchline.toml:4: extension[0].ha1_sha256: is missing, so no phone can log in; run: branchline extension password 201",
    ),
    (
        "{ok}[[extension]]\nnumber = \"*98\"\n{ha1}",
        "branchline.toml:4: extension[0].number: star codes cannot be extensions; write 1 to 15 digits, such as \"201\"",
    ),
    (
        "{ok}[[extension]]\nnumber = 201\n{ha1}",
        "branchline.toml:4: extension[0].number: expected text, found a whole number; write it in quotation marks",
    ),
    (
        "{ok}[[extension]]\nnumber = \"911\"\n{ha1}",
        "branchline.toml:4: extension[0].number: 911 calls the emergency services in United States; choose another number",
    ),
    (
        "{ok}outside_prefix = \"8\"\n[[extension]]\nnumber = \"8112\"\n{ha1}",
        "branchline.toml:5: extension[0].number: 8112 calls the emergency services in United States; choose another number",
    ),
    (
        "{ok}[[extension]]\nnumber = \"201\"\n{ha1}[[extension]]\n{ha1}number = \"201\"\n",
        "branchline.toml:8: extension[1].number: \"201\" is taken by extension[0].number; choose another, or remove one",
    ),
    (
        "{ok}[[extension]]\nnumber = \"201\"\n{ha1}class = \"ofice\"\n[[class]]\nname = \"office\"\n",
        "branchline.toml:6: extension[0].class: there is no class \"ofice\"; did you mean \"office\"?",
    ),
    (
        "{ok}[storage]\nclass_while_degraded = \"ofice\"\n[[class]]\nname = \"office\"\n",
        "branchline.toml:4: storage.class_while_degraded: there is no class \"ofice\"; did you mean \"office\"?",
    ),
    (
        "{ok}[storage]\nspool = \"media/spool\"\n",
        "branchline.toml:4: storage.spool: is not a path from the root; write the whole path, such as \"/media/spool/branchline\"",
    ),
    (
        "{ok}[storage]\nspol = \"/media/spool\"\n",
        "branchline.toml:4: storage.spol: unknown key; did you mean \"spool\"?",
    ),
    (
        "{ok}[[route]]\ntrunks = [\"x\"]\n",
        "branchline.toml:4: route[0].trunks: there is no trunk \"x\"; add a [[trunk]] first",
    ),
    (
        "{ok}[[route]]\npattern = \"X.\"\n",
        "branchline.toml:4: route[0].pattern: '.' means nothing in a pattern; write digits, x, n, [2-5], and * at the end",
    ),
    (
        "{ok}[[trunk]]\nname = \"a\"\nhost = \"x y\"\n",
        "branchline.toml:5: trunk[0].host: \"x y\" is neither a host name nor an IP address; write \"sip.example.net\", \"192.0.2.5\" or \"2001:db8::5\"",
    ),
    (
        "{ok}[[trunk]]\nname = \"a\"\nhost = \"x\"\nusername = \"u\"\n",
        "branchline.toml:6: trunk[0].username: has no password; add password = \"…\" or password_file = \"…\"",
    ),
    (
        "{ok}[[trunk]]\nname = \"a\"\nhost = \"x\"\nmode = \"register\"\n",
        "branchline.toml:3: trunk[0].username: is missing, and mode is register; add username and password",
    ),
    (
        "{ok}[[trunk]]\nname = \"a\"\nhost = \"x\"\ninbound = [{ number = \"+1555\", to = \"299\" }]\n",
        "branchline.toml:6: trunk[0].inbound[0].to: there is no extension \"299\"; add a [[extension]] first",
    ),
    (
        "{ok}[[class]]\nname = \"c\"\nallow = [\n  \"local\",\n  \"intrnal\",\n]\n",
        "branchline.toml:7: class[0].allow[1]: \"intrnal\" is neither a kind nor a pattern: 'i' means nothing in a pattern; did you mean \"internal\"?",
    ),
    (
        "{ok}[sip]\nlisten = [\"udp:nowhere\"]\n",
        "branchline.toml:4: sip.listen[0]: \"udp:nowhere\" is not a place to listen; write \"udp:0.0.0.0:5060\", \"tcp:[::]:5060\" or \"tls:0.0.0.0:5061\"",
    ),
    (
        "{ok}[media]\nport_min = 5000\n",
        "branchline.toml:4: media.port_min: the relay's ports hold udp:0.0.0.0:5060, where SIP listens; move port_min above it",
    ),
    (
        "{ok}[media]\nport_max = 18000\n",
        "branchline.toml:4: media.port_max: the relay's ports are enough for 388 calls, and sip.max_calls lets in 500; write port_max = 18447, or sip.max_calls = 388",
    ),
    (
        "{ok}[sip]\nmax_calls = 20000\n[media]\nworkers = 1\n",
        "branchline.toml:5: media.port_max: the relay's ports are enough for 4080 calls, and sip.max_calls lets in 20000; write sip.max_calls = 4080, or move port_min down",
    ),
    (
        "{ok}[site.x]\n",
        "branchline.toml:3: site.x: unknown key; remove it; known here: name, realm, country, area_code, outside_prefix",
    ),
    (
        "[site]\ncountry = \"UK\"\n",
        "branchline.toml:2: site.country: \"UK\" is not a country known here; write one of AE AR AT AU BE BG BR CA CH CL CN CZ DE DK EE ES FI FR GB GR HK HR HU IE IL IN IS IT JP KR LT LU LV MX MY NL NO NZ PL PT RO SA SE SG SI SK TH TR US ZA",
    ),
];

#[test]
fn a_fault_names_file_line_field_and_fix() {
    for (text, expected) in FAULTS {
        let text = text
            .replace("{ok}", "[site]\ncountry = \"US\"\n")
            .replace("{ha1}", &format!("ha1_md5 = \"{MD5}\"\n"));
        assert_eq!(faults(&text), [*expected], "{text}");
    }
}

#[test]
fn every_fault_is_reported_in_file_order() {
    let text = format!(
        "[site]\nnmae = \"x\"\n\n[sip]\nring_s = 1\nfoo = 2\n[[extension]]\nnumber = \"x\"\nha1_sha256 = \"{SHA}\"\n\
         [[trunk]]\nhost = \"h\"\n[[trunk]]\nname = \"b\"\nport = 70000\n[[route]]\ntrunks = [\"c\"]\n"
    );
    let found = faults(&text);
    let places: Vec<&str> = found.iter().filter_map(|fault| fault.split(": ").nth(1)).collect();
    let expected = [
        "site.country",
        "site.nmae",
        "sip.ring_s",
        "sip.foo",
        "extension[0].number",
        "trunk[0].name",
        "trunk[1].host",
        "trunk[1].port",
        "route[0].trunks",
    ];
    assert_eq!(places, expected, "{found:#?}");
}

#[test]
fn a_syntax_error_has_its_line_and_column() {
    let found = Config::parse("f", "[site]\ncountry = \"US\"\nname = \"ü\" x\n").unwrap_err();
    assert_eq!((found[0].line, found[0].column, found[0].field.as_str()), (3, 12, ""));
    let twice = Config::parse("f", "[site]\ncountry = \"US\"\ncountry = \"DE\"\n").unwrap_err();
    assert_eq!((twice.len(), twice[0].line), (1, 3));
}

#[test]
fn no_text_makes_the_parser_panic() {
    for end in (0..FULL.len()).filter(|end| FULL.is_char_boundary(*end)) {
        let _ = Config::parse("f", &FULL[..end]);
        let _ = Config::parse("f", &FULL[end..]);
    }
    for odd in [
        "\u{0}",
        "[",
        "site = 3",
        "site = []",
        "extension = 5",
        "extension = [1]",
        "trunk = {}",
        "[[site]]",
        "a.b.c = 1",
    ] {
        assert!(Config::parse("f", odd).is_err(), "{odd}");
    }
    let large = "#".repeat(branchline_config::TEXT_BYTES_MAX + 1);
    assert_eq!(Config::parse("f", &large).unwrap_err().len(), 1);
}

#[test]
fn faults_are_bounded() {
    let many: String = (0..5000).map(|n| format!("k{n} = 1\n")).collect();
    assert_eq!(Config::parse("f", &many).unwrap_err().len(), 200);
}

#[test]
fn a_file_that_is_cut_or_has_a_character_changed_is_read_or_refused_with_bounded_faults() {
    let check = |text: &str| {
        if let Err(faults) = Config::parse("branchline.toml", text) {
            assert!((1..=200).contains(&faults.len()), "{} faults: {text}", faults.len());
        }
    };
    let places: Vec<usize> = FULL.char_indices().map(|(at, _)| at).collect();
    for at in places.iter().step_by(7) {
        check(&FULL[..*at]);
    }
    for (at, character) in places.iter().zip("\"[]{}=,.\n\u{0}#9é-".chars().cycle()).step_by(3) {
        let rest = FULL[*at..].chars().skip(1).collect::<String>();
        check(&format!("{}{character}{rest}", &FULL[..*at]));
    }
}

#[test]
fn an_analog_telephone_and_a_line_are_named_once_and_a_line_needs_no_host() {
    let text = |phone: &str, more: &str| {
        format!(
            "[site]\ncountry = \"DE\"\n[[extension]]\nnumber = \"201\"\nha1_md5 = \"{MD5}\"\nphone = \"phone-1\"\n\
             [[extension]]\nnumber = \"202\"\nha1_md5 = \"{MD5}\"\nphone = \"{phone}\"\n\
             [[trunk]]\nname = \"a\"\nhost = \"192.0.2.1\"\n[[trunk]]\nname = \"b\"\nline = \"line-1\"\n{more}\
             [[trunk]]\nname = \"c\"\nline = \"line-2\"\n"
        )
    };
    let config = Config::parse("f", &text("phone-2", "")).unwrap();
    let lines: Vec<(&str, Option<u16>, Option<u32>)> = config
        .trunks
        .iter()
        .map(|trunk| (trunk.host.as_str(), trunk.port, trunk.max_calls))
        .collect();
    let expected = [
        ("192.0.2.1", None, None),
        ("127.66.1.1", Some(5066), Some(1)),
        ("127.66.1.2", Some(5066), Some(1)),
    ];
    assert_eq!(lines, expected);
    assert_eq!(config.trunks[1].send, NumberForm::National);
    let cases = [
        (text("phone-1", ""), "extension[1].phone"),
        (text("phone-2", "host = \"192.0.2.9\"\n"), "trunk[1].host"),
    ];
    for (text, field) in cases {
        let faults = Config::parse("f", &text).unwrap_err();
        assert!(faults.iter().any(|fault| fault.field == field), "{faults:?}");
    }
}
