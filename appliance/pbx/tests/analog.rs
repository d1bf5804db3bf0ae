//! An analog telephone on the box: `branchline board` with pins and a sound card of the test's own, the daemon, baresip.

#![expect(clippy::panic, reason = "a test stops at what it did not expect")]

mod rig;

use std::process::Command;
use std::time::{Duration, Instant};

use branchline_board::Level;
use branchline_media::tone::{DtmfDetector, DtmfEvent, DtmfPlayer};
use rig::board::Board;
use rig::card::BenchCard;
use rig::daemon::{Daemon, Site};
use rig::office::{self, EXTENSIONS};
use rig::pins::CHIP;
use rig::sound::Sound;
use rig::{Baresip, Rig, clock};

const HOOK: u32 = 1;
const RING_MODE: u32 = 2;
const FORWARD: u32 = 3;
const LIFELINE: u32 = 4;
const RING: u32 = 5;
const SEIZED: u32 = 6;
const HALF_WAVE: Duration = Duration::from_millis(20);
const WITHIN: Duration = Duration::from_secs(10);
/// Germany: dial tone and busy tone.
const TONE_HZ: u32 = 425;
const OWN_HZ: u32 = 1000;
const LISTEN_MS: usize = 600;
const KEYS_DBM0: f32 = -10.0;

struct Desk {
    card: BenchCard,
    board: Board,
}

impl Desk {
    fn lift(&self) {
        self.board.bench.set(HOOK, Level::Active);
    }

    fn put_down(&self) {
        self.board.bench.set(HOOK, Level::Inactive);
    }

    fn dial(&self, number: &str) {
        let mut player = DtmfPlayer::new(KEYS_DBM0);
        assert!(number.chars().all(|key| player.push(key)));
        let mut sound = vec![0; 8 * 200 * number.len()];
        player.fill(&mut sound);
        self.card.say(&sound);
    }

    /// What is heard from now on, so much of it.
    fn hear(&self, ms: usize) -> Sound {
        self.card.forget();
        clock::wait_for("sound", WITHIN, || {
            Some(self.card.heard()).filter(|heard| heard.length_ms() >= ms)
        })
    }

    /// Waits until a tone is all that is heard; says for how long it took.
    fn wait_for_tone(&self, hz: u32, what: &str) -> Duration {
        let begun: Instant = clock::now();
        let found = clock::try_for(WITHIN, || self.hear(200).is_tone(hz).then(|| begun.elapsed()));
        found.unwrap_or_else(|| panic!("{what} is not heard: {:.0}", self.hear(200).rms()))
    }
}

fn office(rig: &Rig) -> (Daemon, Desk) {
    let text = format!(
        "name = \"bench\"\nmodel = \"A bench\"\nchip = \"{CHIP}\"\n[[fxs]]\nname = \"phone-1\"\nslic = \"ag1171\"\n\
         hook = {{ pin = {HOOK} }}\nring_mode = {{ pin = {RING_MODE} }}\nforward = {{ pin = {FORWARD} }}\n\
         sound = {{ card = \"bench\", channel = 0 }}\n[lifeline]\nat = {{ pin = {LIFELINE} }}\n"
    );
    let file = rig.folder().join("board.toml");
    std::fs::write(&file, text).expect("the test's folder is writable");
    let daemon = Daemon::start(
        rig,
        &Site {
            more: &format!("\n[board]\nfile = \"{}\"\n", file.display()),
            ..Site::with(&EXTENSIONS)
        },
    );
    // The rig writes extensions without telephones.
    let text = std::fs::read_to_string(daemon.configuration()).expect("it is there");
    let with_phone = text.replacen(
        "number = \"201\"\n",
        "number = \"201\"\nname = \"Desk\"\nphone = \"phone-1\"\n",
        1,
    );
    std::fs::write(daemon.configuration(), with_phone).expect("the test's folder is writable");
    daemon.command(&["reload"]);
    let card = BenchCard::default();
    let board = Board::start(&daemon, &rig.folder().join("reset"), card.clone());
    daemon.wait_in_view("a registered analog telephone", WITHIN, |view| {
        let phone = view["phones"]
            .as_array()?
            .iter()
            .find(|phone| phone["extension"] == "201")?;
        (!phone["contacts"].as_array()?.is_empty()).then_some(())
    });
    (daemon, Desk { card, board })
}

#[test]
fn an_analog_telephone_dials_by_keys_and_both_hear_each_other() {
    let rig = Rig::new("analog-out");
    let (daemon, desk) = office(&rig);
    desk.board.bench.wait_for(LIFELINE, Level::Active, WITHIN);
    let mut other = office::baresip(&rig, &daemon, 1);
    desk.lift();
    let after = desk.wait_for_tone(TONE_HZ, "the dial tone");
    println!(
        "dial tone heard {} ms after the handset was lifted, 200 ms of listening included",
        after.as_millis()
    );
    desk.dial("202");
    other.wait_until_ringing();
    other.accept();
    other.wait_until_talking();
    desk.card.say(&Sound::tone(OWN_HZ, 8000, 5).samples);
    desk.wait_for_tone(other.tone_hz(), "the other telephone");
    desk.hear(LISTEN_MS)
        .assert_tone(other.tone_hz(), "the analog telephone");
    other
        .hear(LISTEN_MS)
        .assert_tone(OWN_HZ, "the telephone that was called");
    desk.put_down();
    other.wait_until_closed();
    let records = daemon.wait_for_records(1, WITHIN);
    assert_eq!((&records[0]["outcome"], records.len()), (&"answered".into(), 1));
}

#[test]
fn an_analog_telephone_rings_with_its_caller_s_number_answers_and_hears_the_hang_up() {
    let rig = Rig::new("analog-in");
    let (daemon, desk) = office(&rig);
    let mut other = office::baresip(&rig, &daemon, 1);
    other.dial("201");
    desk.board.bench.wait_for(RING_MODE, Level::Active, WITHIN);
    desk.card.forget();
    // The number comes in the pause after the first ring.
    desk.board.bench.wait_for(RING_MODE, Level::Inactive, WITHIN);
    desk.board.bench.wait_for(RING_MODE, Level::Active, WITHIN);
    let told = minimodem(&rig, &desk.card.heard());
    assert!(
        told.windows(3).any(|bytes| bytes == b"202"),
        "{}",
        String::from_utf8_lossy(&told)
    );
    desk.lift();
    other.wait_until_talking();
    assert_eq!(desk.board.bench.level(RING_MODE), Some(Level::Inactive));
    desk.wait_for_tone(other.tone_hz(), "the caller");
    other.hang_up();
    desk.wait_for_tone(TONE_HZ, "the busy tone");
    desk.put_down();
    daemon.wait_for_records(1, WITHIN);
}

/// A line of an exchange on the box, and two telephones.
fn office_with_line(rig: &Rig) -> (Daemon, Desk) {
    let text = format!(
        "name = \"bench\"\nmodel = \"A bench\"\nchip = \"{CHIP}\"\n[[fxo]]\nname = \"line-1\"\ndaa = \"ch1817\"\n\
         ring = {{ pin = {RING} }}\noff_hook = {{ pin = {SEIZED} }}\nsound = {{ card = \"bench\", channel = 0 }}\n"
    );
    let file = rig.folder().join("board.toml");
    std::fs::write(&file, text).expect("the test's folder is writable");
    let more = format!(
        "\n[board]\nfile = \"{}\"\n[[trunk]]\nname = \"pstn\"\nline = \"line-1\"\ndefault_to = \"202\"\noptions_s = 1\n\
         [emergency]\nroutes = [\"pstn\"]\n",
        file.display()
    );
    let site = Site {
        more: &more,
        ..Site::with(&EXTENSIONS)
    };
    let daemon = Daemon::start(rig, &site);
    let card = BenchCard::default();
    let board = Board::start(&daemon, &rig.folder().join("reset"), card.clone());
    daemon.wait_in_view("a line that answers", WITHIN, |view| {
        (view["board"]["is_running"] == true && view["trunks"][0]["state"] == "up").then_some(())
    });
    (daemon, Desk { card, board })
}

// One test: the line has the same address on a machine whatever the rig.
#[test]
fn a_line_brings_a_call_in_and_takes_a_call_for_help_out() {
    let rig = Rig::new("analog-line");
    let (daemon, desk) = office_with_line(&rig);
    let [mut caller, mut called] = [0, 1].map(|n| office::baresip(&rig, &daemon, n));
    call_of_the_exchange(&desk, &mut called);
    daemon.wait_for_records(1, WITHIN);
    call_for_help(&desk, &mut caller);
    let records = daemon.wait_for_records(2, WITHIN);
    assert_eq!(
        (&records[0]["emergency"], &records[1]["emergency"]),
        (&true.into(), &false.into())
    );
}

/// The line is taken when somebody answers.
fn call_of_the_exchange(desk: &Desk, called: &mut Baresip) {
    // Ringing current of 25 Hz for a second.
    for _ in 0..25 {
        for level in [Level::Active, Level::Inactive] {
            desk.board.bench.set(RING, level);
            clock::let_pass(HALF_WAVE);
        }
    }
    called.wait_until_ringing();
    assert_eq!(desk.board.bench.level(SEIZED), Some(Level::Inactive));
    called.accept();
    desk.board.bench.wait_for(SEIZED, Level::Active, WITHIN);
    called.wait_until_talking();
    desk.wait_for_tone(called.tone_hz(), "who answered");
    called.hang_up();
    desk.board.bench.wait_for(SEIZED, Level::Inactive, WITHIN);
}

/// The number goes out after the dial tone, and the exchange's own tone ends the call.
fn call_for_help(desk: &Desk, caller: &mut Baresip) {
    caller.dial("112");
    desk.board.bench.wait_for(SEIZED, Level::Active, WITHIN);
    desk.card.forget();
    desk.card.say(&Sound::tone(TONE_HZ, 8000, 2).samples);
    let mut keys = DtmfDetector::new();
    let mut read = 0;
    let mut dialled = String::new();
    clock::wait_for("the number on the line", WITHIN, || {
        let heard = desk.card.heard().samples;
        keys.handle_block(&heard[read..]);
        read = heard.len();
        while let Some(event) = keys.poll_event() {
            if let DtmfEvent::Down { key } = event {
                dialled.push(key);
            }
        }
        (dialled == "112").then_some(())
    });
    caller.wait_until_talking();
    desk.card.say(&Sound::tone(OWN_HZ, 8000, 4).samples);
    clock::wait_for("the operator", WITHIN, || {
        caller.hear(200).is_tone(OWN_HZ).then_some(())
    });
    desk.hear(LISTEN_MS).assert_tone(caller.tone_hz(), "the line");
    for _ in 0..6 {
        desk.card.say(&Sound::tone(TONE_HZ, 8000, 1).samples[..3840]);
        desk.card.say(&[0; 3840]);
    }
    caller.wait_until_closed();
    desk.board.bench.wait_for(SEIZED, Level::Inactive, WITHIN);
}

/// What a program that knows nothing of this box reads in a sound: V.23.
fn minimodem(rig: &Rig, sound: &Sound) -> Vec<u8> {
    let file = rig.folder().join("ring.wav");
    sound.write_wav(&file);
    let mut minimodem = Command::new("minimodem");
    minimodem.args(["--rx", "--quiet", "--mark", "1300", "--space", "2100", "--file"]);
    let run = minimodem.arg(&file).arg("1200").output();
    run.expect("minimodem starts; `make test` installs what is missing")
        .stdout
}
