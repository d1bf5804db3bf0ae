//! Who plays in a flow, and the configuration of their box.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use branchline_sip::Transport;

use super::{Flow, Who};
use crate::{ActorSetup, Features, HostedSetup, Memory, Reaction, Role, hashes};

/// Where everybody stands.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    /// The box.
    pub server: SocketAddr,
    /// First three bytes of the telephones' addresses; they take .11 and on.
    pub phones: [u8; 3],
    /// First three bytes of the trunks' addresses; they take .101 and on.
    pub trunks: [u8; 3],
}

/// Everybody, and the box's configuration.
#[derive(Clone, Debug)]
pub struct Cast {
    /// Who, and what from.
    pub actors: Vec<(Who, ActorSetup)>,
    /// The hosted PBX.
    pub hosted: Option<HostedSetup>,
    /// `branchline.toml`.
    pub config: String,
}

const TRUNK_PASSWORD: &str = "trunk-secret";

impl Cast {
    /// The cast of a flow.
    pub fn of(flow: &Flow, ground: Ground) -> Cast {
        let mut actors = Vec::new();
        let mut config = settings(flow, ground);
        let mut hosted = flow.hosted.as_ref().map(|(kind, keys)| {
            let [a, b, c] = ground.trunks;
            let address = SocketAddr::from((Ipv4Addr::new(a, b, c, 50), 5060));
            let (ip, port) = (address.ip(), address.port());
            let (own, keys): (Vec<_>, Vec<_>) = keys.iter().cloned().partition(|(key, _)| key == "thinks_ms");
            let thinks_ms = own.first().and_then(|(_, value)| value.parse().ok());
            config.push_str(&format!("[hosted]\nhost = \"{ip}\"\nport = {port}\n{}", lines(&keys)));
            let users = flow
                .extensions
                .iter()
                .map(|(number, _)| (number.clone(), line_password(number)));
            HostedSetup {
                address,
                kind: *kind,
                memory: Memory::Kept,
                thinks: Duration::from_millis(thinks_ms.unwrap_or(0)),
                users: users.collect(),
                beyond: Vec::new(),
            }
        });
        if let Some(hosted) = &mut hosted {
            let beyond = Ground {
                server: hosted.address,
                ..ground
            };
            for (place, number) in (51..).zip(&flow.operators) {
                let setup = setup(beyond, Role::Beyond, (number, place));
                hosted.beyond.push((number.clone(), setup.address));
                let (kind, name) = ("operator", number.clone());
                actors.push((Who { kind, name }, setup));
            }
        }
        for (name, keys) in &flow.classes {
            config.push_str(&format!("[[class]]\nname = \"{name}\"\n{}", lines(keys)));
        }
        for (id, keys) in &flow.locations {
            config.push_str(&location(id, keys));
        }
        for (place, number) in (11..200).zip(flow.extensions.iter().map(|(number, _)| number).chain(&flow.strangers)) {
            let who = Who {
                kind: "phone",
                name: number.clone(),
            };
            actors.push((who, setup(ground, Role::Phone, (number, place))));
        }
        for (number, keys) in &flow.extensions {
            config.push_str(&extension(number, keys));
            if hosted.is_some() {
                let password = line_password(number);
                config.push_str(&format!(
                    "hosted = {{ username = \"{number}\", password = \"{password}\" }}\n"
                ));
            }
        }
        for (place, (name, keys)) in (101..).zip(&flow.trunks) {
            let setup = setup(ground, Role::Trunk, (&format!("line-{name}"), place));
            config.push_str(&trunk((name, setup.address), keys));
            actors.push((
                Who {
                    kind: "trunk",
                    name: name.clone(),
                },
                setup,
            ));
        }
        Cast { actors, hosted, config }
    }

    /// Passwords of the trunks by name.
    pub fn trunk_passwords(&self) -> Vec<(&str, &str)> {
        let trunks = self.actors.iter().filter(|(who, _)| who.kind == "trunk");
        trunks.map(|(who, _)| (who.name.as_str(), TRUNK_PASSWORD)).collect()
    }
}

fn line_password(number: &str) -> String {
    format!("line-secret-{number}")
}

fn setup(ground: Ground, role: Role, (number, place): (&str, u8)) -> ActorSetup {
    let [a, b, c] = match role {
        Role::Phone => ground.phones,
        Role::Trunk | Role::Beyond => ground.trunks,
    };
    let ip = Ipv4Addr::new(a, b, c, place);
    let password = match role {
        Role::Phone => format!("secret-{number}"),
        Role::Trunk | Role::Beyond => TRUNK_PASSWORD.to_owned(),
    };
    ActorSetup {
        role,
        number: number.to_owned(),
        password: password.into(),
        address: SocketAddr::from((ip, 5060)),
        media: SocketAddr::from((ip, 4000)),
        server: ground.server,
        transport: Transport::Udp,
        seed: u64::from(place),
        reaction: Reaction::default(),
        features: Features::default(),
    }
}

fn settings(flow: &Flow, ground: Ground) -> String {
    let mut sections: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
    for (key, value) in [("site.country", "US"), ("site.area_code", "212")] {
        if !flow.settings.iter().any(|(known, _)| known == key) {
            let (section, key) = key.split_once('.').unwrap_or(("site", key));
            sections
                .entry(section)
                .or_default()
                .push((key.to_owned(), value.to_owned()));
        }
    }
    let listen = format!("[\"udp:{}\"]", ground.server);
    sections.entry("sip").or_default().push(("listen".to_owned(), listen));
    for (key, value) in &flow.settings {
        let (section, key) = key.split_once('.').unwrap_or(("site", key));
        sections
            .entry(section)
            .or_default()
            .push((key.to_owned(), value.clone()));
    }
    let mut text = String::new();
    for (section, keys) in sections {
        text.push_str(&format!("[{section}]\n{}", lines(&keys)));
    }
    text
}

fn extension(number: &str, keys: &[(String, String)]) -> String {
    let (md5, sha256) = hashes(number, "branchline", &format!("secret-{number}"));
    format!(
        "[[extension]]\nnumber = \"{number}\"\nha1_md5 = \"{md5}\"\nha1_sha256 = \"{sha256}\"\n{}",
        lines(keys)
    )
}

fn trunk((name, address): (&str, SocketAddr), keys: &[(String, String)]) -> String {
    format!(
        "[[trunk]]\nname = \"{name}\"\nhost = \"{}\"\nport = {}\nusername = \"line-{name}\"\n\
         password = \"{TRUNK_PASSWORD}\"\n{}",
        address.ip(),
        address.port(),
        lines(keys)
    )
}

/// A place: fields of its address in capitals, lists in small letters.
fn location(id: &str, keys: &[(String, String)]) -> String {
    let (civic, lists): (Vec<_>, Vec<_>) = keys.iter().partition(|(key, _)| key.starts_with(char::is_uppercase));
    let list = |value: &str| {
        value
            .split(',')
            .map(|it| format!("\"{it}\""))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let lines: String = lists
        .iter()
        .map(|(key, value)| format!("{key} = [{}]\n", list(value)))
        .collect();
    let fields: Vec<String> = civic
        .iter()
        .map(|(key, value)| format!("{key} = \"{value}\""))
        .collect();
    format!(
        "[[location]]\nid = \"{id}\"\n{lines}civic = {{ {} }}\n",
        fields.join(", ")
    )
}

/// `key = value` lines: numbers and lists as they are, `a,b` as a list where the key wants one, all else quoted.
fn lines(keys: &[(String, String)]) -> String {
    let line = |(key, value): &(String, String)| {
        let dialled = [
            "forward_busy",
            "forward_no_answer",
            "country",
            "area_code",
            "default_to",
            "test_number",
            "callback",
            "number",
            "caller_id",
        ];
        let plain = value.starts_with(['[', '"'])
            || ["true", "false"].contains(&value.as_str())
            || (value.bytes().all(|byte| byte.is_ascii_digit()) && !dialled.contains(&key.as_str()));
        if ["allow", "deny", "trunks", "notify", "routes"].contains(&key.as_str()) {
            let list: Vec<String> = value.split(',').map(|word| format!("\"{word}\"")).collect();
            return format!("{key} = [{}]\n", list.join(", "));
        }
        if plain {
            format!("{key} = {value}\n")
        } else {
            format!("{key} = \"{value}\"\n")
        }
    };
    keys.iter().map(line).collect()
}
