//! The branch of a random run: its configuration, telephones and trunks.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use branchline_branch::Configuration;
use branchline_ladder::{Actor, ActorSetup, Features, Reaction, Role, hashes};
use branchline_sip::Transport;

use crate::dice::Dice;
use crate::world::{BOX, Member, configuration};

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
        password: password(number),
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
        password: "trunk-secret".to_owned(),
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

/// A branch by chance: telephones, one or two trunks, and what they do when called.
pub fn by_chance(dice: &mut Dice) -> Result<(Configuration, Vec<Member>), String> {
    let digest = *dice
        .pick(&["[\"md5\"]", "[\"sha-256\"]", "[\"sha-256\", \"md5\"]"])
        .unwrap_or(&"[\"md5\"]");
    let nonce_s = dice.within(30..300);
    let mut text = format!(
        "[site]\ncountry = \"US\"\narea_code = \"212\"\n[sip]\ndigest = {digest}\nring_s = 15\nsession_expires_s = 120\n\
         expires_min_s = 60\nnonce_lifetime_s = {nonce_s}\n[media]\nrtp_timeout_s = 20\nrtp_timeout_hold_s = 60\n"
    );
    let mut members = Vec::new();
    let phones = dice.within(3..8);
    for at in 0..phones {
        let number = format!("{}", 201 + at);
        let forward = match dice.within(0..6) {
            0 => format!(
                "forward_no_answer = \"{}\"\nno_answer_s = 6",
                201 + dice.within(0..phones)
            ),
            1 => format!("forward_busy = \"{}\"", 201 + dice.within(0..phones)),
            _ => String::new(),
        };
        text.push_str(&extension_text(&number, &forward));
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
    let trunks = dice.within(1..3);
    for at in 0..trunks {
        let name = if at == 0 { "a" } else { "b" };
        let place = 1 + u8::try_from(at).unwrap_or(0);
        text.push_str(&trunk_text(
            name,
            place,
            &format!("expires_s = {}", dice.within(30..600)),
        ));
        let mut setup = trunk(name, place);
        setup.seed = dice.number();
        setup.reaction = reaction(dice);
        setup.features.challenges = dice.percent(30);
        members.push(Member::new(&format!("trunk {name}"), Actor::new(setup)));
    }
    let passwords = [("a", "trunk-secret"), ("b", "trunk-secret")];
    let configuration = configuration(&text, &passwords[..usize::try_from(trunks).unwrap_or(1)])?;
    Ok((configuration, members))
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
        17 => Some((soon, *dice.pick(&[404, 480, 488, 500, 503]).unwrap_or(&480))),
        18 => Some((Duration::ZERO, 200)),
        _ => None,
    };
    Reaction { provisional, finally }
}
