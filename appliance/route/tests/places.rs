//! Where a phone is: the most specific that is configured.

use branchline_config::Config;
use branchline_route::{Tables, Whereabouts, location_of};

const SITE: &str = r#"
[site]
country = "US"
[emergency]
location = "gate"
[[location]]
id = "gate"
civic = { A3 = "New York" }
[[location]]
id = "desk"
civic = { A3 = "New York", ROOM = "7" }
[[location]]
id = "hall"
civic = { A3 = "New York", FLR = "1" }
subnets = ["10.1.0.0/24", "2001:db8:1::/64"]
[[location]]
id = "annexe"
civic = { A3 = "New York", BLD = "B" }
interfaces = ["10.9.0.1"]
[[location]]
id = "yard"
civic = { A3 = "New York", LOC = "yard" }
zones = ["outdoor"]
[[location]]
id = "lab"
civic = { A3 = "New York", ROOM = "9" }
ports = ["lan3"]
[[location]]
id = "cellar"
civic = { A3 = "New York", FLR = "-1" }
ports = ["br0"]
[[extension]]
number = "201"
ha1_md5 = "00112233445566778899aabbccddeeff"
location = "desk"
zone = "outdoor"
[[extension]]
number = "202"
ha1_md5 = "00112233445566778899aabbccddeeff"
zone = "outdoor"
[[extension]]
number = "203"
ha1_md5 = "00112233445566778899aabbccddeeff"
"#;

#[test]
fn the_most_specific_place_counts() {
    let config = Config::parse("f", SITE).unwrap_or_else(|faults| panic!("{faults:?}"));
    let tables = Tables::new(&config);
    let cases = [
        (Some("201"), "10.1.0.7", "10.9.0.1", "desk"),
        (Some("202"), "10.1.0.7", "10.9.0.1", "hall"),
        (Some("202"), "10.2.0.7", "10.9.0.1", "annexe"),
        (Some("202"), "10.2.0.7", "10.8.0.1", "yard"),
        (Some("203"), "10.2.0.7", "10.8.0.1", "gate"),
        (Some("203"), "::ffff:10.1.0.7", "10.8.0.1", "hall"),
        (Some("203"), "2001:db8:1::7", "2001:db8::1", "hall"),
        (None, "10.1.0.7", "10.8.0.1", "hall"),
        (None, "10.2.0.7", "10.8.0.1", "gate"),
    ];
    for (extension, remote, local, expected) in cases {
        let phone = Whereabouts {
            extension,
            remote: remote.parse().unwrap(),
            local: local.parse().unwrap(),
            ports: &[],
        };
        let found = location_of(phone, &tables).map(|place| place.id.as_str());
        assert_eq!(found, Some(expected), "{phone:?}");
    }
    // The port says more than the network, and the port of a bridge more than the bridge.
    for (extension, ports, expected) in [
        (None, ["lan3", "br0"], "lab"),
        (None, ["lan4", "br0"], "cellar"),
        (None, ["lan4", "br1"], "hall"),
        (Some("201"), ["lan3", "br0"], "desk"),
    ] {
        let phone = Whereabouts {
            extension,
            remote: [10, 1, 0, 7].into(),
            local: [10, 9, 0, 1].into(),
            ports: &ports.map(str::to_owned),
        };
        let found = location_of(phone, &tables).map(|place| place.id.as_str());
        assert_eq!(found, Some(expected), "{ports:?}");
    }
}
