//! Updates of the system: a good one runs, and of each bad one nothing is left but its reason.

use std::process::{Child, Stdio};
use std::time::Duration;

use super::Plan;
use crate::board::{Board, HERE};
use crate::report::Figure;
use crate::{Fault, clock};

/// A box that answers finds itself good.
const JUDGED_WITHIN: Duration = Duration::from_secs(60);
/// To fetch, check and write it.
const INSTALLED_WITHIN: Duration = Duration::from_secs(600);
const PORT: u16 = 8000;
/// Three tries of a system that starts but never answers, which waits for a minute each time.
const TRIES: u32 = 5;

pub(super) fn good(board: &mut Board, plan: &Plan) -> Result<Vec<Figure>, Fault> {
    update(board, plan, ("good", "B", "runs in slot B"))
}

pub(super) fn kernel_corrupt(board: &mut Board, plan: &Plan) -> Result<Vec<Figure>, Fault> {
    update(board, plan, ("kernel-corrupt", "A", "did not start"))
}

pub(super) fn init_dead(board: &mut Board, plan: &Plan) -> Result<Vec<Figure>, Fault> {
    update(board, plan, ("init-dead", "A", "did not start"))
}

/// The hardware watchdog starts it again.
pub(super) fn init_hangs(board: &mut Board, plan: &Plan) -> Result<Vec<Figure>, Fault> {
    update(board, plan, ("init-hangs", "A", "did not start"))
}

pub(super) fn unhealthy(board: &mut Board, plan: &Plan) -> Result<Vec<Figure>, Fault> {
    update(board, plan, ("unhealthy", "A", "the daemon did not answer"))
}

pub(super) fn wrong_key(board: &mut Board, plan: &Plan) -> Result<Vec<Figure>, Fault> {
    refused(board, plan, ("wrong-key", "signature"))
}

pub(super) fn truncated(board: &mut Board, plan: &Plan) -> Result<Vec<Figure>, Fault> {
    refused(board, plan, ("truncated", "damaged"))
}

/// One bit of its contents.
pub(super) fn flipped(board: &mut Board, plan: &Plan) -> Result<Vec<Figure>, Fault> {
    refused(board, plan, ("flipped", "damaged"))
}

pub(super) fn older(board: &mut Board, plan: &Plan) -> Result<Vec<Figure>, Fault> {
    refused(board, plan, ("older", "older"))
}

pub(super) fn wrong_board(board: &mut Board, plan: &Plan) -> Result<Vec<Figure>, Fault> {
    refused(board, plan, ("wrong-board", "another board"))
}

/// An update that is taken; which slot runs after all that comes of it, and what the box says about it.
fn update(board: &mut Board, plan: &Plan, (name, slot, reason): (&str, &str, &str)) -> Result<Vec<Figure>, Fault> {
    as_made(board)?;
    let (mark, said) = install(board, plan, name)?;
    if !said.contains("Restarting") {
        return Ok(vec![Figure::outcome("is taken", Err(last_line(&said)))]);
    }
    let within = board.start_within() * TRIES;
    board.await_restart(mark, &format!("branchline: slot {slot}"), within)?;
    let state = system_once(board, |state| state.contains(reason))?;
    let told = state
        .lines()
        .find(|line| line.contains(reason))
        .map(|line| line.trim().to_owned());
    let mut office = board.office()?;
    office.register_all()?;
    let call = office
        .call(0, 1, Duration::from_secs(20))
        .map(|took| format!("{} ms", took.as_millis()));
    office.hang_up(0);
    let runs = state.contains(&format!("Slot {slot} runs"));
    Ok(vec![
        Figure::outcome(
            format!("slot {slot} runs after it"),
            if runs { Ok(String::new()) } else { Err(state.clone()) },
        ),
        Figure::outcome("the box says what became of it", told.ok_or(state)),
        Figure::outcome("a call after it", call.ok_or_else(|| office.refusals.join("; "))),
    ])
}

/// An update that is not taken, for a reason with this word in it.
fn refused(board: &mut Board, plan: &Plan, (name, reason): (&str, &str)) -> Result<Vec<Figure>, Fault> {
    as_made(board)?;
    let before = board.ask("system")?;
    let (_, said) = install(board, plan, name)?;
    let told = said
        .lines()
        .find(|line| line.contains("Refused") && line.contains(reason));
    let told = told.map(|line| line.trim().to_owned());
    let after = board.ask("system")?;
    let slots = |text: &str| {
        text.lines()
            .filter(|line| line.contains("Slot"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let unchanged = slots(&before) == slots(&after);
    Ok(vec![
        Figure::outcome("is refused", told.ok_or_else(|| last_line(&said))),
        Figure::outcome(
            "the same slot runs and starts next",
            if unchanged { Ok(String::new()) } else { Err(after) },
        ),
    ])
}

/// In service in slot A, as the factory leaves it.
fn as_made(board: &mut Board) -> Result<(), Fault> {
    board.with_accounts()?;
    if !board.ask("system")?.contains("Slot A runs") {
        board.as_new()?;
    }
    let state = system_once(board, |state| state.contains(": good."))?;
    match state.contains(": good.") {
        true => Ok(()),
        false => Err(Fault::Late(format!("the box does not find itself good: {state}"))),
    }
}

/// What the word `system` answers once it says what it should, or at last.
fn system_once(board: &mut Board, is_said: impl Fn(&str) -> bool) -> Result<String, Fault> {
    let end = clock::now() + JUDGED_WITHIN;
    loop {
        let state = board.ask("system")?;
        if is_said(&state) || clock::now() >= end {
            return Ok(state);
        }
    }
}

/// Gives the box an update over the network; where the serial line was then, and all it said up to its verdict.
fn install(board: &mut Board, plan: &Plan, name: &str) -> Result<(crate::board::Mark, String), Fault> {
    let file = format!("{name}.raucb");
    if !plan.bundles.join(&file).exists() {
        return Err(Fault::Late(format!(
            "there is no {file}; image/updates-for-tests makes it"
        )));
    }
    let _server = Server::start(board, plan)?;
    let mark = board.mark()?;
    board.say(&format!("system-update http://{HERE}:{PORT}/{file}"))?;
    let said = board.wait_for(mark, INSTALLED_WITHIN, |heard| {
        let verdict = ["Restarting", "Refused"].iter().find_map(|word| heard.find(word))?;
        heard[verdict..].contains('\n').then(|| heard.to_owned())
    })?;
    Ok((mark, said))
}

/// Gives files to the box while it lives.
struct Server(Child);

impl Server {
    fn start(board: &Board, plan: &Plan) -> Result<Server, Fault> {
        let mut command = board.command("python3");
        command.args([
            "-m",
            "http.server",
            &PORT.to_string(),
            "--bind",
            &HERE.to_string(),
            "--directory",
        ]);
        command
            .arg(&plan.bundles)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = command.spawn().map(Server).map_err(Fault::system("python3"))?;
        board.await_served(PORT)?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn last_line(text: &str) -> String {
    text.lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim()
        .to_owned()
}
