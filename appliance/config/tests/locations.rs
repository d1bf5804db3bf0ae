//! Places: what is read, and each fault with its field and fix.

use branchline_config::{Config, EmergencyRoute, LocationForm};

const PLACE: &str = r#"
[[location]]
id = "hq"
civic = { country = "US", A1 = "NY", A3 = "New York", RD = "Broadway", HNO = "120", FLR = "2" }
point = "40.7128, -74.0060"
notes = "Door code 12"
elins = ["+12125550101", "+12125550102"]
subnets = ["10.1.0.0/24"]
interfaces = ["10.1.0.1"]
ports = ["lan1", "eth0.20"]
zones = ["north"]
"#;

const HOSTED: &str = "[hosted]\nhost = \"pbx.example.net\"\n";

fn text(more: &str) -> String {
    format!("[site]\ncountry = \"US\"\n{more}")
}

#[test]
fn a_place_is_read_as_it_is_written() {
    let trunk = "[[trunk]]\nname = \"a\"\nhost = \"a.example\"\nlocation = \"pidf\"\n";
    let config = Config::parse("f", &text(&format!("{PLACE}{trunk}"))).unwrap();
    let place = config.location("hq").unwrap();
    let fields: Vec<&str> = place.civic.fields.iter().map(|(name, _)| *name).collect();
    assert_eq!(fields, ["country", "A1", "A3", "RD", "HNO", "FLR"]);
    assert_eq!(place.point.as_ref().unwrap().longitude, "-74.0060");
    assert_eq!((place.elins.len(), place.subnets.len(), place.zones.len()), (2, 1, 1));
    assert_eq!(place.ports, ["lan1", "eth0.20"]);
    assert_eq!(config.trunks[0].location, LocationForm::Pidf);
    assert_eq!(config.emergency.test_number.as_deref(), Some("933"));
    assert_eq!(config.emergency.callback_hours, 3);
}

#[test]
fn the_hosted_pbx_can_be_a_way_out_among_the_trunks() {
    let more = format!(
        "[emergency]\nroutes = [\"hosted\", \"a\"]\n{HOSTED}location = \"pidf\"\n{PLACE}[[trunk]]\nname = \"a\"\nhost = \"a.example\"\n"
    );
    let config = Config::parse("f", &text(&more)).unwrap();
    let routes = [EmergencyRoute::Hosted, EmergencyRoute::Trunk("a".to_owned())];
    assert_eq!(config.emergency.routes, routes);
    assert_eq!(config.hosted.unwrap().location, LocationForm::Pidf);
}

#[test]
fn the_test_number_can_be_given_up() {
    let config = Config::parse("f", &text("[emergency]\ntest_number = \"\"\n")).unwrap();
    assert_eq!(config.emergency.test_number, None);
}

#[test]
fn each_fault_of_a_location_names_its_field_and_a_fix() {
    let second = "[[location]]\nid = \"b\"\ncivic = { A3 = \"B\" }\n";
    let cases = [
        (
            format!("{PLACE}[[location]]\nid = \"hq\"\ncivic = {{ A3 = \"B\" }}\n"),
            "location[1].id: \"hq\" is taken by location[0].id",
        ),
        (
            format!("{PLACE}{second}subnets = [\"10.1.0.128/25\"]\n"),
            "location[1].subnets[0]: 10.1.0.128/25 overlaps with 10.1.0.0/24 of location[0].subnets[0]; make them disjoint",
        ),
        (
            format!("{PLACE}{second}elins = [\"+12125550102\"]\n"),
            "location[1].elins[0]: \"+12125550102\" is taken by location[0].elins[1]",
        ),
        (
            format!("{second}elins = [\"2125550102\"]\n"),
            "location[0].elins[0]: \"2125550102\" is not a number in E.164; write + and 8 to 15 digits",
        ),
        (
            format!("{PLACE}{second}interfaces = [\"10.1.0.1\"]\n"),
            "location[1].interfaces[0]: 10.1.0.1 is taken by location[0].interfaces[0]",
        ),
        (
            format!("{PLACE}{second}ports = [\"lan1\"]\n"),
            "location[1].ports[0]: \"lan1\" is taken by location[0].ports[0]",
        ),
        (
            "[[location]]\nid = \"b\"\n".to_owned(),
            "location[0].civic: is missing, and so is point; add civic = {",
        ),
        (
            "[[location]]\nid = \"b\"\ncivic = { street = \"B\" }\n".to_owned(),
            "location[0].civic.street: unknown key; remove it; known here: country, A1",
        ),
        (
            "[[location]]\nid = \"b\"\npoint = \"91 0\"\n".to_owned(),
            "location[0].point: \"91 0\" is not a latitude and a longitude; write degrees",
        ),
    ];
    check(&cases);
}

#[test]
fn each_fault_of_what_asks_for_a_location_names_its_field_and_a_fix() {
    let extension = "[[extension]]\nnumber = \"201\"\nha1_md5 = \"00112233445566778899aabbccddeeff\"\n";
    let second = "[[location]]\nid = \"b\"\ncivic = { A3 = \"B\" }\n";
    let trunk = "[[trunk]]\nname = \"a\"\nhost = \"a.example\"\n";
    let cases = [
        (
            format!("{PLACE}{extension}location = \"hg\"\n"),
            "extension[0].location: there is no location \"hg\"; did you mean \"hq\"?",
        ),
        (
            format!("{PLACE}{extension}zone = \"south\"\n"),
            "extension[0].zone: no location has the zone \"south\"; add zones = [\"south\"]",
        ),
        (
            format!("{PLACE}[emergency]\nlocation = \"nowhere\"\n"),
            "emergency.location: there is no location \"nowhere\"; known: hq",
        ),
        (
            format!("{extension}[emergency]\nnotify = [\"202\"]\n"),
            "emergency.notify[0]: there is no extension \"202\"; did you mean \"201\"?",
        ),
        (
            "[emergency]\nwebhook = \"alarm.example\"\n".to_owned(),
            "emergency.webhook: \"alarm.example\" is not a web address; write \"https://",
        ),
        (
            format!("{trunk}location = \"pidf\"\n"),
            "trunk[0].location: asks for a location that nobody has; add a [[location]]",
        ),
        (
            format!("{second}{trunk}location = \"elin\"\n"),
            "trunk[0].location: asks for a location that nobody has; add elins",
        ),
        (
            "[emergency]\ntrunks = [\"a\"]\n".to_owned(),
            "emergency.trunks: has another name; write routes",
        ),
    ];
    check(&cases);
}

#[test]
fn each_fault_of_the_ways_out_and_of_the_webhook_names_its_field_and_a_fix() {
    let trunk = "[[trunk]]\nname = \"a\"\nhost = \"a.example\"\n";
    let cases = [
        (
            "[emergency]\nwebhook = \"http://alarm.example\"\nwebhook_ca = \"/ca.pem\"\n".to_owned(),
            "emergency.webhook_ca: is there, but no webhook over https; add webhook",
        ),
        (
            "[emergency]\nwebhook = \"https://alarm.example\"\nwebhook_ca = \"ca.pem\"\n".to_owned(),
            "emergency.webhook_ca: is not a path from the root; write the whole path",
        ),
        (
            format!("{trunk}[emergency]\nroutes = [\"a\", \"hosted\"]\n"),
            "emergency.routes: there is no hosted PBX; add [hosted] with host",
        ),
        (
            format!("{HOSTED}[emergency]\nroutes = [\"hosted\", \"hosted\"]\n"),
            "emergency.routes[1]: \"hosted\" is taken by emergency.routes[0]",
        ),
        (
            format!("{HOSTED}{trunk}[[route]]\ntrunks = [\"hosted\"]\n"),
            "route[0].trunks: there is no trunk \"hosted\"",
        ),
        (
            trunk.replace("\"a\"", "\"hosted\""),
            "trunk[0].name: \"hosted\" stands for the hosted PBX; choose another name",
        ),
        (
            format!("{HOSTED}location = \"elin\"\n"),
            "hosted.location: a line shows its own number, so \"elin\" is for trunks; write \"pidf\"",
        ),
        (
            format!("{HOSTED}location = \"pidf\"\n"),
            "hosted.location: asks for a location that nobody has; add a [[location]]",
        ),
    ];
    check(&cases);
}

/// Each text has the fault.
fn check(cases: &[(String, &str)]) {
    for (more, expected) in cases {
        let faults = Config::parse("f", &text(more)).expect_err("a fault");
        let found: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(
            found.iter().any(|fault| fault.contains(expected)),
            "{expected}\n{found:#?}"
        );
    }
}
