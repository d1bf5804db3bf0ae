//! Updates of a real box: versions that serve and versions that do not, wrong manifests and archives, full disks, and an
//! updater that is killed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod rig;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use branchline_update::{Disk as _, State};
use rig::actor::Player;
use rig::disk::Disk;
use rig::maker::{Maker, stamped};
use rig::supervised::Supervised;
use rig::web::Web;
use rig::{Rig, clock};

/// A script that is asked for its version, and never run.
const NEVER_RUN: &str = "#!/bin/sh\necho branchline 0.2.0\n";
/// Most of it is watching.
const UPDATE_WITHIN: Duration = Duration::from_secs(60);

fn update_section(maker: &Maker, more: &str) -> String {
    format!(
        "[update]\nkeys = [\"{}\"]\nsource = \"{}\"\njudge_s = 5\nwait_minutes = 2\n{more}",
        maker.public,
        maker.folder.display()
    )
}

/// A box that trusts a maker; nothing runs.
fn a_box(name: &str, more: &str) -> (Rig, Maker, Supervised) {
    let rig = Rig::new(name);
    let maker = Maker::new(rig.subfolder("maker"));
    let supervised = Supervised::new(&rig, &update_section(&maker, more));
    (rig, maker, supervised)
}

/// Nobody sets the clock of a test.
const INSTALL: [&str; 3] = ["update", "install", "--without-clock"];

fn state(it: &Supervised) -> State {
    branchline_pbx::update::look(&it.place).state().unwrap()
}

fn current(it: &Supervised) -> String {
    state(it).current.unwrap().to_string()
}

fn is_on_trial(it: &Supervised) -> bool {
    let state = state(it);
    state.pending.map(|pending| pending.version) == state.current && state.current.is_some()
}

fn ends_well(child: &mut Child, output: &Path) -> bool {
    let ended = clock::try_for(UPDATE_WITHIN, || child.try_wait().unwrap());
    let ended = ended.unwrap_or_else(|| {
        let _ = child.kill();
        panic!("no end: {}", fs::read_to_string(output).unwrap())
    });
    ended.success()
}

#[test]
fn a_good_version_waits_for_calls_and_for_a_call_for_help_then_stays_until_it_is_taken_back_by_hand() {
    let (rig, maker, mut it) = a_box("good", "");
    let text = fs::read_to_string(&it.place.config).unwrap();
    let trunk = format!(
        "[[trunk]]\nname = \"out\"\nhost = \"{}\"\nnumber = \"+4930123456\"\noptions_s = 2\n",
        rig.upstream_ip()
    );
    fs::write(&it.place.config, text + &trunk).unwrap();
    it.start();
    maker.release_stamped("0.2.0");
    let _provider = Player::provider(it.address(), (rig.upstream_ip(), 5060).into());
    let phones = [1, 2].map(|n| {
        let number = ["201", "202"][usize::from(n) - 1];
        Player::phone(it.address(), (rig.phone_ip(n), 5060).into(), (number, number))
    });
    let view = |look: &dyn Fn(&branchline_branch::view::View) -> bool| it.view().filter(|view| look(view)).map(drop);
    clock::wait_for("phones and trunk", UPDATE_WITHIN, || {
        view(&|view| view.phones.iter().all(|phone| phone.contacts.len() == 1) && view.trunks[0].state == "up")
    });
    let talk = phones[0].call("933");
    let help = phones[1].call("112");

    let output = rig.folder().join("output");
    let mut updater = it.begin(&INSTALL, &output);
    let said = || fs::read_to_string(&output).unwrap();
    clock::wait_for("waiting for both", UPDATE_WITHIN, || {
        said().contains("2 calls to end, 1 of them for help").then_some(())
    });
    phones[0].hang_up(talk);
    clock::wait_for("waiting for help", UPDATE_WITHIN, || {
        said().contains("1 calls to end, 1 of them for help").then_some(())
    });
    assert!(phones[1].is_up(help) && current(&it) == "0.1.0", "{}", said());
    phones[1].hang_up(help);
    assert!(ends_well(&mut updater, &output), "{}", said());
    assert!(said().contains("Version 0.2.0 is good and stays."), "{}", said());
    assert_eq!(
        (
            current(&it).as_str(),
            it.wait_for_version("0.2.0").update.fault.as_str()
        ),
        ("0.2.0", "")
    );
    let view = it.view().unwrap();
    assert!(
        view.phones.iter().all(|phone| phone.contacts.len() == 1),
        "registrations are back"
    );
    // The system's program answers as the current version.
    assert!(it.said(&["--version"]).contains("0.1.0"));
    assert!(it.said(&["update"]).contains("0.2.0 was found good"));

    assert!(it.said(&["update", "rollback"]).contains("0.1.0 is current again"));
    it.wait_for_version("0.1.0");
    let again = it.said(&INSTALL);
    assert!(
        again.contains("was tried here and taken back: taken back by hand"),
        "{again}"
    );
}

#[test]
fn what_is_wrong_is_refused_and_the_reason_is_shown() {
    type Spoil = fn(&Maker);
    let cases: [(&str, Spoil, &str); 8] = [
        ("manifest bit", |maker| flip(&maker.manifest(), 400), "signature of key"),
        ("manifest cut", |maker| cut(&maker.manifest()), "signature of key"),
        ("relabelled", relabel, "signature of key"),
        (
            "archive bit",
            |maker| flip(&maker.archive("0.2.0"), 100),
            "sha256: the archive is",
        ),
        (
            "archive cut",
            |maker| cut(&maker.archive("0.2.0")),
            "bytes: the archive has",
        ),
        (
            "archive gone",
            |maker| fs::remove_file(maker.archive("0.2.0")).unwrap(),
            "No such file",
        ),
        (
            "other board",
            |maker| maker.release("0.2.0", NEVER_RUN, &["--board", "rpi4"]),
            "boards: ",
        ),
        (
            "other program",
            |maker| maker.release("0.2.0", "#!/bin/sh\necho branchline 0.3.0\n", &[]),
            "says \"branchline 0.3.0\"",
        ),
    ];
    let (rig, maker, it) = a_box("wrong", "board = \"rpi3\"\n");
    it.said(&["update", "settle"]);
    assert_eq!(current(&it), "0.1.0");
    for (what, spoil, reason) in cases {
        maker.release("0.2.0", NEVER_RUN, &[]);
        spoil(&maker);
        assert_refused(&it, what, reason);
    }
    // An old release in place of a new one, a step that is too long, and somebody else's key.
    maker.release("0.0.9", "#!/bin/sh\necho branchline 0.0.9\n", &["--follows", "0.0.1"]);
    assert_refused(&it, "older", "0.0.9 is older than 0.1.0");
    maker.release("0.2.0", NEVER_RUN, &["--follows", "0.1.5"]);
    assert_refused(&it, "step", "follows: ");
    let stranger = Maker::new(rig.subfolder("stranger"));
    stranger.release("0.2.0", NEVER_RUN, &[]);
    fs::copy(stranger.manifest(), maker.manifest()).unwrap();
    assert_refused(&it, "key", "which is not trusted here");
}

fn assert_refused(it: &Supervised, what: &str, reason: &str) {
    let output = it.command(&INSTALL);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!output.status.success() && said.contains(reason), "{what}: {said}");
    let state = state(it);
    assert_eq!(
        (state.current.unwrap().to_string(), state.versions.len()),
        ("0.1.0".to_owned(), 1),
        "{what}"
    );
    assert!(
        state.record.refused.contains(reason),
        "{what}: {}",
        state.record.refused
    );
    for left in ["incoming", "fetched"] {
        assert!(!it.place.versions.join(left).exists(), "{what}: {left} is left");
    }
    assert!(it.said(&["doctor"]).contains(reason), "{what}");
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
}

fn relabel(maker: &Maker) {
    let text = fs::read_to_string(maker.manifest()).unwrap();
    fs::write(maker.manifest(), text.replace("\"0.2.0\"", "\"9.9.9\"")).unwrap();
}

#[test]
fn a_version_that_ends_by_itself_is_taken_back_and_not_tried_again() {
    let (_rig, maker, mut it) = a_box("ends", "");
    it.start();
    maker.release(
        "0.2.0",
        "#!/bin/sh\n[ \"$1\" = --version ] && echo branchline 0.2.0 && exit\nexit 1\n",
        &[],
    );
    let said = it.said(&INSTALL);
    assert!(
        said.contains("taken back") && said.contains("started too often"),
        "{said}"
    );
    let view = it.wait_for_version("0.1.0");
    assert!(view.update.fault.contains("started too often"), "{:?}", view.update);
    assert!(it.said(&["doctor"]).contains("started too often"));
    assert!(it.said(&INSTALL).contains("was tried here and taken back"));
    assert_eq!(current(&it), "0.1.0");
}

#[test]
fn a_version_that_answers_and_cannot_carry_a_call_is_taken_back() {
    let (rig, maker, mut it) = a_box("mute", "");
    it.start();
    // The new version has another idea of the test number.
    let other = rig.folder().join("other.toml");
    let text = fs::read_to_string(&it.place.config).unwrap();
    fs::write(&other, text + "[emergency]\ntest_number = \"\"\n").unwrap();
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && exec {program} --version\nexec {program} run --state {state} --config {other}\n",
        program = stamped("0.2.0").display(),
        state = it.place.state.display(),
        other = other.display()
    );
    maker.release("0.2.0", &script, &[]);
    let said = it.said(&INSTALL);
    assert!(said.contains("worse than before: the test call failed"), "{said}");
    let view = it.wait_for_version("0.1.0");
    assert!(view.update.fault.contains("the test call failed"), "{:?}", view.update);
}

#[test]
fn a_full_disk_keeps_the_old_version_and_says_so() {
    let (_rig, maker, it) = a_box("full", "");
    let program = fs::metadata(env!("CARGO_BIN_EXE_branchline")).unwrap().len();
    let options = format!("size={}k", program / 1024 + 600);
    let Some(disk) = Disk::mount(&it.place.versions, &options) else {
        assert!(!nix::unistd::geteuid().is_root(), "root mounts a tmpfs");
        return;
    };
    it.said(&["update", "settle"]);
    assert_eq!(current(&it), "0.1.0");
    // It does not shrink.
    let mut noise = vec![0; 2 << 20];
    fs::File::open("/dev/urandom").unwrap().read_exact(&mut noise).unwrap();
    let noise: String = noise.iter().map(|byte| format!("{byte:02x}")).collect();
    maker.release("0.2.0", &format!("{NEVER_RUN}exit\n{noise}"), &[]);
    let said = it.said(&INSTALL);
    assert!(said.contains("No space left"), "{said}");
    assert_eq!((current(&it).as_str(), state(&it).versions.len()), ("0.1.0", 1));
    // Not even the reason fits.
    disk.fill();
    assert!(!it.command(&INSTALL).status.success());
    assert_eq!(current(&it), "0.1.0");
}

#[test]
fn an_updater_that_is_killed_at_any_moment_leaves_a_version_that_starts() {
    let (rig, maker, it) = a_box("killed", "");
    it.said(&["update", "settle"]);
    maker.release_stamped("0.2.0");
    let output = rig.folder().join("output");
    let mut seed: u64 = 7;
    let mut killed = 0;
    for _ in 0..24 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut updater = it.begin(&INSTALL, &output);
        clock::let_pass(Duration::from_millis((seed >> 33) % 150));
        if updater.try_wait().unwrap().is_none() {
            updater.kill().unwrap();
            killed += 1;
        }
        updater.wait().unwrap();
        assert_starts(&it);
        assert!(it.command(&["update", "settle"]).status.success());
        assert_starts(&it);
    }
    assert!(killed >= 12, "only {killed} were killed");
    // Killed on trial, with the power cut at once: the tries run out, and the old version is back.
    let mut updater = it.begin(&INSTALL, &output);
    clock::wait_for("the trial", UPDATE_WITHIN, || is_on_trial(&it).then_some(()));
    updater.kill().unwrap();
    updater.wait().unwrap();
    assert_eq!(current(&it), "0.2.0");
    for _ in 0..3 {
        assert!(it.command(&["update", "settle"]).status.success());
        assert_starts(&it);
    }
    it.said(&["update", "settle"]);
    assert_eq!((current(&it).as_str(), state(&it).pending), ("0.1.0", None));
}

fn assert_starts(it: &Supervised) {
    let version = current(it);
    let program = branchline_pbx::update::look(&it.place)
        .disk()
        .path("current/branchline");
    let said = std::process::Command::new(program).arg("--version").output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&said.stdout).trim(),
        format!("branchline {version}")
    );
    assert!(
        branchline_pbx::update::look(&it.place)
            .disk()
            .is_file("current/branchline")
    );
}

#[test]
fn a_trial_that_lost_its_judge_is_finished_by_the_next_updater() {
    let (rig, maker, mut it) = a_box("resumed", "");
    it.start();
    maker.release_stamped("0.2.0");
    let output = rig.folder().join("output");
    let mut updater = it.begin(&INSTALL, &output);
    it.wait_for_version("0.2.0");
    updater.kill().unwrap();
    updater.wait().unwrap();
    assert_eq!(
        state(&it).pending.map(|pending| pending.version.to_string()),
        Some("0.2.0".to_owned())
    );
    let said = it.said(&["update", "auto"]);
    assert!(said.contains("0.2.0 is good and stays"), "{said}");
    assert_eq!(
        (
            state(&it).pending,
            state(&it).record.highest.map(|version| version.to_string())
        ),
        (None, Some("0.2.0".to_owned()))
    );
}

#[test]
fn a_web_server_is_believed_by_its_certificate_and_its_manifest_by_its_key() {
    let rig = Rig::new("web");
    let maker = Maker::new(rig.subfolder("maker"));
    let web = Web::start(&maker.folder, (rig.box_ip(), &rig.subfolder("tls")));
    let section = |ca: &str| {
        let (key, address) = (&maker.public, web.address);
        format!("[update]\nkeys = [\"{key}\"]\nsource = \"https://{address}/\"\njudge_s = 5\n{ca}")
    };
    maker.release("0.2.0", NEVER_RUN, &[]);
    let it = Supervised::new(&rig, &section(""));
    it.said(&["update", "settle"]);
    let said = it.said(&INSTALL);
    assert!(
        said.contains("stable.manifest: ") && !said.contains("Fetching"),
        "the system does not vouch for it: {said}"
    );

    let text = fs::read_to_string(&it.place.config).unwrap();
    let ca = format!("source_ca = \"{}\"\n", web.certificate.display());
    fs::write(&it.place.config, text + &ca).unwrap();
    flip(&maker.archive("0.2.0"), 50);
    let said = it.said(&INSTALL);
    assert!(
        said.contains("Fetching 0.2.0") && said.contains("sha256: the archive is"),
        "{said}"
    );
    maker.release("0.2.0", NEVER_RUN, &[]);
    let output = rig.folder().join("output");
    let mut updater = it.begin(&INSTALL, &output);
    clock::wait_for("the trial", UPDATE_WITHIN, || is_on_trial(&it).then_some(()));
    updater.kill().unwrap();
    updater.wait().unwrap();
    assert_eq!(current(&it), "0.2.0");
}
