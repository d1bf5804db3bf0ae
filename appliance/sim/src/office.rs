//! The branch of a random run: its configuration, telephones and trunks.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use branchline_branch::Configuration;
use branchline_config::{Config, Password, Secret};
use branchline_ladder::{
    Actor, ActorSetup, Features, HostedKind, HostedPbx, HostedSetup, Memory, Reaction, Role, hashes,
};
use branchline_sip::Transport;

use crate::dice::Dice;
use crate::world::{BOX, Member, Place};

/// Password of a telephone in the simulator.
fn password(number: &str) -> String {
    format!("secret-{number}")
}

/// A telephone at a place of the local network.
pub fn phone(number: &str, place: u8, transport: Transport) -> ActorSetup {
    let ip = Ipv4Addr::new(192, 0, 2, place);
    ActorSetup {
        role: Role::Phone,
        number: number.to_owned(),
        password: password(number).into(),
        address: SocketAddr::from((ip, 5060)),
        media: SocketAddr::from((ip, 4000)),
        server: BOX,
        transport,
        seed: u64::from(place),
        reaction: Reaction::default(),
        features: Features::default(),
    }
}

/// The provider's end of a trunk.
pub fn trunk(name: &str, place: u8) -> ActorSetup {
    let ip = Ipv4Addr::new(198, 51, 100, place);
    ActorSetup {
        role: Role::Trunk,
        number: format!("line-{name}"),
        password: "trunk-secret".to_owned().into(),
        address: SocketAddr::from((ip, 5060)),
        media: SocketAddr::from((ip, 6000)),
        server: BOX,
        transport: Transport::Udp,
        seed: u64::from(place) + 1000,
        reaction: Reaction::default(),
        features: Features::default(),
    }
}

/// Lines of the configuration for an extension; `more` goes in as it is.
pub fn extension_text(number: &str, more: &str) -> String {
    let (md5, sha256) = hashes(number, "branchline", &password(number));
    format!(
        "[[extension]]\nnumber = \"{number}\"\nname = \"Phone {number}\"\nha1_md5 = \"{md5}\"\nha1_sha256 = \"{sha256}\"\n{more}\n"
    )
}

/// Lines of the configuration for a trunk that registers; `more` goes in as it is.
pub fn trunk_text(name: &str, place: u8, more: &str) -> String {
    format!(
        "[[trunk]]\nname = \"{name}\"\nhost = \"198.51.100.{place}\"\nusername = \"line-{name}\"\npassword = \"trunk-secret\"\n\
         default_to = \"201\"\n{more}\n"
    )
}

/// A branch with everybody around it.
pub struct Office {
    /// Of the box.
    pub configuration: Configuration,
    /// Telephones and trunks.
    pub members: Vec<Member>,
    /// At which every extension has a line.
    pub hosted: Option<HostedPbx>,
}

/// A branch by chance: telephones and what they do when called, one or two trunks, perhaps a hosted PBX.
pub fn by_chance(dice: &mut Dice) -> Result<Office, String> {
    let hosted = hosted_by_chance(dice);
    let mut text = settings_by_chance(dice);
    if hosted.is_some() {
        text.push_str("[hosted]\nhost = \"198.51.100.50\"\nprobe_s = 2\nsettle_s = 3\n");
    }
    let mut members = Vec::new();
    if hosted.as_ref().is_some_and(HostedPbx::leads_outside) {
        text.push_str("[emergency]\nroutes = [\"hosted\", \"a\"]\n");
        members.push(Member::new("operator 911", Actor::new(operator_by_chance(dice))));
    }
    let line = if hosted.is_some() { Line::AtHosted } else { Line::None };
    phones_by_chance(dice, (&mut text, &mut members), line);
    let trunks = trunks_by_chance(dice, (&mut text, &mut members));
    if hosted.is_some() {
        // A provider beyond the WAN, and perhaps a line of the branch.
        let provider = members.iter_mut().find(|member| member.name == "trunk a");
        provider.into_iter().for_each(|member| member.place = Place::Outside);
    }
    let configuration = configuration(&text, &trunks)?;
    Ok(Office {
        configuration,
        members,
        hosted,
    })
}

/// Half of the branches have a hosted PBX: a proxy, or one that hides what it does.
fn hosted_by_chance(dice: &mut Dice) -> Option<HostedPbx> {
    let kinds = [
        (HostedKind::Proxy, Memory::Kept),
        (HostedKind::B2bua, Memory::Kept),
        (HostedKind::B2bua, Memory::Lost),
    ];
    let (kind, memory) = *dice.pick(&kinds)?;
    let operator = ("911".to_owned(), OPERATOR);
    let users = (201..=208).map(|number| (number.to_string(), LINE_PASSWORD.to_owned()));
    let setup = HostedSetup {
        address: HOSTED,
        kind,
        memory,
        thinks: dice.pick(&[0, 20, 300]).map(|ms| Duration::from_millis(*ms))?,
        users: users.collect(),
        beyond: if dice.percent(40) { vec![operator] } else { Vec::new() },
    };
    dice.percent(50).then(|| HostedPbx::new(setup))
}

/// Whom the hosted PBX takes calls for help to; calls back through it.
fn operator_by_chance(dice: &mut Dice) -> ActorSetup {
    ActorSetup {
        role: Role::Beyond,
        number: "911".to_owned(),
        address: OPERATOR,
        media: SocketAddr::new(OPERATOR.ip(), 4000),
        server: HOSTED,
        seed: dice.number(),
        reaction: reaction(dice),
        ..trunk("operator", 60)
    }
}

fn settings_by_chance(dice: &mut Dice) -> String {
    let digest = *dice
        .pick(&["[\"md5\"]", "[\"sha-256\"]", "[\"sha-256\", \"md5\"]"])
        .unwrap_or(&"[\"md5\"]");
    let nonce_s = dice.within(30..300);
    format!(
        "[site]\ncountry = \"US\"\narea_code = \"212\"\n[sip]\ndigest = {digest}\nring_s = 15\nsession_expires_s = 120\n\
         expires_min_s = 60\nnonce_lifetime_s = {nonce_s}\n[media]\nrtp_timeout_s = 20\nrtp_timeout_hold_s = 60\n"
    )
}

/// Whether extensions have a line at the hosted PBX.
#[derive(Clone, Copy)]
enum Line {
    None,
    AtHosted,
}

/// The text of the configuration, and who is there.
type Draft<'a> = (&'a mut String, &'a mut Vec<Member>);

fn phones_by_chance(dice: &mut Dice, (text, members): Draft<'_>, line: Line) {
    let phones = dice.within(3..8);
    for at in 0..phones {
        let number = format!("{}", 201 + at);
        let mut keys = match dice.within(0..6) {
            0 => format!(
                "forward_no_answer = \"{}\"\nno_answer_s = 6\n",
                201 + dice.within(0..phones)
            ),
            1 => format!("forward_busy = \"{}\"\n", 201 + dice.within(0..phones)),
            _ => String::new(),
        };
        match line {
            Line::AtHosted => keys.push_str(&format!(
                "hosted = {{ username = \"{number}\", password = \"{LINE_PASSWORD}\" }}"
            )),
            Line::None => {}
        }
        text.push_str(&extension_text(&number, &keys));
        let place = 11 + u8::try_from(at).unwrap_or(0);
        members.push(Member::new(
            &format!("phone {number}"),
            Actor::new(phone_by_chance(dice, &number, place)),
        ));
        if dice.percent(15) {
            let second = phone_by_chance(dice, &number, place + 50);
            members.push(Member::new(&format!("phone {number}b"), Actor::new(second)));
        }
    }
}

/// Names and passwords.
fn trunks_by_chance(dice: &mut Dice, (text, members): Draft<'_>) -> Vec<(&'static str, &'static str)> {
    let trunks: &[&str] = dice.pick(&[&["a"][..], &["a", "b"][..]]).copied().unwrap_or(&["a"]);
    for (place, name) in (1..).zip(trunks) {
        let expires = format!("expires_s = {}", dice.within(30..600));
        text.push_str(&trunk_text(name, place, &expires));
        let mut setup = trunk(name, place);
        setup.seed = dice.number();
        setup.reaction = reaction(dice);
        if dice.percent(15) {
            // The next hop is there, and nobody behind it.
            setup.reaction.provisional = Some((Duration::ZERO, 100));
        }
        setup.features.challenges = dice.percent(30);
        members.push(Member::new(&format!("trunk {name}"), Actor::new(setup)));
    }
    trunks.iter().map(|name| (*name, "trunk-secret")).collect()
}

fn phone_by_chance(dice: &mut Dice, number: &str, place: u8) -> ActorSetup {
    let transport = if dice.percent(20) {
        Transport::Tcp
    } else {
        Transport::Udp
    };
    let mut setup = phone(number, place, transport);
    setup.seed = dice.number();
    setup.reaction = reaction(dice);
    setup.features = Features {
        expires_s: u32::try_from(dice.within(30..600)).unwrap_or(60),
        q_thousandths: dice.percent(20).then_some(500),
        instance: dice
            .percent(30)
            .then(|| format!("urn:uuid:00000000-0000-4000-8000-0000000000{place:02}")),
        timer: dice.percent(50),
        update: dice.percent(60),
        prack: dice.percent(30),
        ..Features::default()
    };
    setup
}

/// What a telephone does when called, by chance.
pub fn reaction(dice: &mut Dice) -> Reaction {
    let soon = dice.ms(0..300);
    let provisional = match dice.within(0..10) {
        0 => None,
        1 => Some((soon, 183)),
        _ => Some((soon, 180)),
    };
    let finally = match dice.within(0..20) {
        0..=12 => Some((soon + dice.ms(0..5000), 200)),
        13 => Some((dice.ms(8000..25_000), 200)),
        14 | 15 => Some((soon, 486)),
        16 => Some((soon, 603)),
        17 => Some((soon, *dice.pick(&[404, 480, 606, 500, 503]).unwrap_or(&480))),
        18 => Some((Duration::ZERO, 200)),
        _ => None,
    };
    Reaction { provisional, finally }
}

/// A configuration from its text.
pub fn configuration(text: &str, trunk_passwords: &[(&str, &str)]) -> Result<Configuration, String> {
    let config = Config::parse("branchline.toml", text)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let secret = |(name, password): &(&str, &str)| ((*name).to_owned(), Secret::new(*password));
    let line_passwords = config.extensions.iter().filter_map(|entry| {
        let line = entry.hosted.as_ref()?;
        match &line.password {
            Password::Inline(secret) => Some((entry.number.as_str().to_owned(), secret.clone())),
            Password::File(_) => None,
        }
    });
    Ok(Configuration {
        line_passwords: line_passwords.collect(),
        config: Arc::new(config),
        trunk_passwords: trunk_passwords.iter().map(secret).collect(),
        digest: "simulated".to_owned(),
        trust: branchline_branch::Trust::Full,
    })
}

const HOSTED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 50)), 5060);
const OPERATOR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 60)), 5060);
/// Of every line at the hosted PBX.
const LINE_PASSWORD: &str = "line-secret";
