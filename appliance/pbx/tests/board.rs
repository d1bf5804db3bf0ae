//! `branchline board` beside a running daemon: lights, buttons, and what is told of them.

mod rig;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use branchline_board::Level;
use rig::board::{Board, NoCards};
use rig::daemon::{Daemon, Site};
use rig::pins::{Bench, CHIP};
use rig::sip::Probe;
use rig::{Rig, clock};
use serde_json::Value;

const STATUS: u32 = 1;
const ALARM: u32 = 2;
const BUTTON: u32 = 3;
const WATCHDOG: u32 = 4;
const LIFELINE: u32 = 5;
const WITHIN: Duration = Duration::from_secs(10);
/// On the board, between the INVITE and the pin. A debug build on a busy machine; a person does not see a fifth of it.
const ALARM_WITHIN: Duration = Duration::from_millis(250);

/// Longer than contacts bounce.
const PRESSED: Duration = Duration::from_millis(60);

/// Writes a board's file and gives the section that chooses it.
fn wired(rig: &Rig) -> String {
    let mut text = format!("name = \"bench\"\nmodel = \"A bench\"\nchip = \"{CHIP}\"\n");
    for (name, shows, pin) in [("status", "state", STATUS), ("siren", "emergency", ALARM)] {
        write!(
            text,
            "[[led]]\nname = \"{name}\"\nshows = \"{shows}\"\nat = {{ pin = {pin} }}\n"
        )
        .expect("a string grows");
    }
    write!(
        text,
        "[[button]]\nname = \"reset\"\nat = {{ pin = {BUTTON} }}\n[watchdog]\nat = {{ pin = {WATCHDOG} }}\n\
         [lifeline]\nat = {{ pin = {LIFELINE} }}\n[[led]]\nname = \"lost\"\nat = {{ chip = \"gone\", pin = 9 }}\n"
    )
    .expect("a string grows");
    let file = rig.folder().join("board.toml");
    std::fs::write(&file, text).expect("the test's folder is writable");
    format!("\n[board]\nfile = \"{}\"\n", file.display())
}

/// The rhythm of the state light over the last `span`: how often it changed.
fn changes(bench: &Bench, span: Duration) -> usize {
    let since = clock::now() - span;
    bench.written(STATUS).iter().filter(|(at, _)| *at > since).count()
}

fn wait_for_rhythm(bench: &Bench, (span, wanted): (Duration, usize), what: &str) {
    let begun = clock::now();
    let found = clock::try_for(WITHIN, || {
        (begun.elapsed() >= span && changes(bench, span) == wanted).then_some(())
    });
    assert!(found.is_some(), "{what}: {:?}", bench.written(STATUS));
}

#[test]
fn a_call_for_help_is_on_the_pin_at_once_and_stays_until_the_button_is_pressed() {
    let rig = Rig::new("alarm");
    let daemon = Daemon::start(
        &rig,
        &Site {
            more: &wired(&rig),
            ..Site::with(&[("201", "secret")])
        },
    );
    let reset = rig.folder().join("reset");
    let board = Board::start(&daemon, &reset, NoCards);
    board.bench.wait_for(STATUS, Level::Active, WITHIN);
    wait_for_rhythm(&board.bench, (Duration::from_secs(1), 0), "steady while all is well");
    assert_eq!(board.bench.level(ALARM), Some(Level::Inactive));

    let mut slowest = Duration::ZERO;
    for _ in 0..3 {
        let phone = Probe::new(rig.phone_ip(1));
        let sent = clock::now();
        phone.send(
            &phone.request("INVITE", &format!("sip:112@{}", daemon.address()), "nobody"),
            daemon.address(),
        );
        let lit: Instant = board.bench.wait_for(ALARM, Level::Active, WITHIN);
        slowest = slowest.max(lit.saturating_duration_since(sent));
        board.bench.set(BUTTON, Level::Active);
        clock::let_pass(PRESSED);
        board.bench.set(BUTTON, Level::Inactive);
        board.bench.wait_for(ALARM, Level::Inactive, WITHIN);
    }
    println!("from the INVITE to the pin: {} ms at most", slowest.as_millis());
    assert!(slowest < ALARM_WITHIN, "{slowest:?}");
    assert!(!reset.exists());
}

#[test]
fn faults_of_the_board_are_on_the_page_in_the_figures_and_found_by_the_doctor() {
    let rig = Rig::new("board-faults");
    let site = Site {
        more: &wired(&rig),
        ..Site::with(&[("201", "secret")])
    };
    let daemon = Daemon::start(&rig, &site);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    assert!(
        daemon
            .complaint(&["doctor"])
            .contains("nobody serves the board that [board] names")
    );
    let board = Board::start(&daemon, &rig.folder().join("reset"), NoCards);
    let fault = daemon.wait_in_view("a fault of the board", WITHIN, |view| {
        let board = &view["board"];
        board["faults"]
            .get(0)
            .map(|fault| text(&fault["text"]) + &text(&fault["fix"]))
            .filter(|_| board["is_running"] == true)
    });
    assert!(
        fault.contains("led[2].at: chip \"gone\" pin 9") && fault.contains("chips here: bench"),
        "{fault}"
    );
    let told = daemon.complaint(&["doctor"]);
    assert!(
        told.contains("FAIL  board") && told.contains("fix: choose the board that fits"),
        "{told}"
    );
    let figures = rig::http::read_page(daemon.page_address(), "/metrics").unwrap().body;
    assert!(figures.contains("branchline_board_running 1\n") && figures.contains("branchline_board_faults 1\n"));
    drop(board);
    daemon.wait_in_view("a board that nobody serves", WITHIN, |view| {
        (view["board"]["is_running"] == false).then_some(())
    });
    assert!(daemon.complaint(&["doctor"]).contains("its program has stopped"));
}

#[test]
fn the_lights_show_a_bypassed_database_a_dead_daemon_and_another_board() {
    let rig = Rig::new("board-lights");
    let chosen = wired(&rig);
    let site = Site {
        more: &chosen,
        ..Site::with(&[("201", "secret")])
    };
    let mut daemon = Daemon::start(&rig, &site);
    let board = Board::start(&daemon, &rig.folder().join("reset"), NoCards);
    board.bench.wait_for(STATUS, Level::Active, WITHIN);
    daemon.command(&["database", "fail"]);
    wait_for_rhythm(
        &board.bench,
        (Duration::from_secs(2), 6),
        "three flashes in two seconds: degraded",
    );
    daemon.command(&["database", "restore"]);
    wait_for_rhythm(&board.bench, (Duration::from_secs(1), 0), "steady again");
    let kicked = board.bench.written(WATCHDOG).len();
    daemon.kill9();
    wait_for_rhythm(
        &board.bench,
        (Duration::from_secs(1), 8),
        "four flashes a second: no calls are possible",
    );
    assert!(
        board.bench.written(WATCHDOG).len() > kicked,
        "the box lives, its daemon does not"
    );
    assert_eq!(
        board.bench.level(LIFELINE),
        Some(Level::Inactive),
        "nobody serves telephones"
    );
    daemon.start_again();
    wait_for_rhythm(&board.bench, (Duration::from_secs(1), 0), "steady when it is back");

    let text = std::fs::read_to_string(daemon.configuration()).unwrap();
    std::fs::write(
        daemon.configuration(),
        text.replace(&chosen, "\n[board]\nname = \"generic\"\n"),
    )
    .unwrap();
    daemon.command(&["reload"]);
    board.bench.wait_for(STATUS, Level::Inactive, WITHIN);
    daemon.wait_in_view("the other board", WITHIN, |view| {
        (view["board"]["model"] == "any computer").then_some(())
    });
}
