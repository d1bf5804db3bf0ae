//! A board with the image on it, in QEMU or on a bench: power, serial line, network, pins. It is off, in its boot loader or in
//! service; a case asks for one of these and does not know which rig it runs on.

mod bench;
mod bus;
mod console;
mod disk;
mod file;
mod machine;
mod outside;
mod qemu;
mod wire;

use std::path::Path;
use std::time::{Duration, Instant};

pub use bus::Pins;
pub use console::Mark;
pub use file::{BoardFile, RigFile};
pub use machine::Done;
pub use wire::HERE;

use crate::rig::{Account, is_installed};
use crate::{Fault, clock};
use bench::Bench;
use console::Console;
use machine::Machine;
use qemu::Qemu;
use wire::Wire;

/// A board that can be switched on and off.
pub struct Board {
    file: RigFile,
    machine: Box<dyn Machine>,
    state: State,
    accounts: Vec<Account>,
    // Dropped after the machine on it.
    wire: Wire,
    folder: tempfile::TempDir,
}

/// What the board does, as far as its rig can tell.
enum State {
    Off,
    On(Power),
}

struct Power {
    console: Console,
    since: Instant,
    stage: Stage,
}

/// How far a board that has power has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    BootLoader,
    InService,
}

const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_millis(100);
const PROMPT: &str = "box> ";

/// Why this rig cannot stand here: a line for a person; `None` where it can.
#[must_use]
pub fn obstacle(file: &RigFile) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("network namespaces want root".to_owned());
    }
    let board = match &file.board {
        BoardFile::Qemu(_) => "qemu-system-aarch64",
        BoardFile::Bench(_) => "stty",
    };
    let missing = ["ip", "dnsmasq", board]
        .into_iter()
        .find(|program| !is_installed(program))?;
    Some(format!("{missing} is not installed"))
}

impl Board {
    /// A board that is off, with this image on its disk where the rig can put it there.
    ///
    /// # Errors
    /// What the system refused.
    pub fn new(file: RigFile, image: &Path) -> Result<Board, Fault> {
        // Not in memory: the disk is a gigabyte and more.
        let folder = tempfile::Builder::new()
            .prefix("branchline-board")
            .tempdir_in("/var/tmp");
        let folder = folder.map_err(Fault::system("a folder"))?;
        let machine: Box<dyn Machine> = match &file.board {
            BoardFile::Qemu(qemu) => Box::new(Qemu::new(qemu.clone(), image, folder.path())?),
            BoardFile::Bench(bench) => Box::new(Bench::new(bench.clone())?),
        };
        Ok(Board {
            wire: Wire::new(&machine.plug(), folder.path())?,
            file,
            machine,
            state: State::Off,
            accounts: Vec::new(),
            folder,
        })
    }

    /// The longest start that is still good.
    #[must_use]
    pub fn start_within(&self) -> Duration {
        self.file.start_within()
    }

    /// What it is called in reports.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// A power cut: nothing is written any more.
    ///
    /// # Errors
    /// The switch does not work.
    pub fn power_cut(&mut self) -> Result<(), Fault> {
        self.state = State::Off;
        self.machine.switch_off()
    }

    /// Switches it on and waits for nothing.
    ///
    /// # Errors
    /// It cannot be switched on.
    pub fn power_on(&mut self) -> Result<(), Fault> {
        self.power_cut()?;
        let console = self.machine.switch_on(&self.wire)?;
        let (since, stage) = (clock::now(), Stage::Starting);
        self.state = State::On(Power { console, since, stage });
        Ok(())
    }

    /// In service: switched on where it is off; a board that starts is waited for.
    ///
    /// # Errors
    /// It did not come into service.
    pub fn in_service(&mut self) -> Result<(), Fault> {
        match self.stage() {
            Some(Stage::InService) => return Ok(()),
            Some(Stage::Starting) => {}
            Some(Stage::BootLoader) | None => self.power_on()?,
        }
        self.await_prompt(Mark::default(), self.file.start_within(), is_asking)
    }

    /// In its boot loader, which waits for words.
    ///
    /// # Errors
    /// It has none that can be stopped.
    pub fn in_boot_loader(&mut self) -> Result<(), Fault> {
        if self.stage() == Some(Stage::BootLoader) {
            return Ok(());
        }
        self.power_on()?;
        let within = self.file.start_within();
        self.wait_for(Mark::default(), within, |heard| {
            heard.contains("Hit any key").then_some(())
        })?;
        self.power()?.console.say("")?;
        self.wait_for(Mark::default(), within, |heard| heard.contains("=> ").then_some(()))?;
        self.power()?.stage = Stage::BootLoader;
        Ok(())
    }

    /// A boot after `mark` that nobody switched on and that says `said`, up to service.
    ///
    /// # Errors
    /// None came.
    pub fn await_restart(&mut self, mark: Mark, said: &str, within: Duration) -> Result<(), Fault> {
        self.power()?.stage = Stage::Starting;
        self.await_prompt(mark, within, |heard| {
            heard.rsplit_once(said)?.1.contains(PROMPT).then_some(())
        })
    }

    fn await_prompt(
        &mut self,
        mark: Mark,
        within: Duration,
        find: impl FnMut(&str) -> Option<()>,
    ) -> Result<(), Fault> {
        self.wait_for(mark, within, find)?;
        self.wait_for_answers(within)?;
        self.power()?.stage = Stage::InService;
        Ok(())
    }

    /// The prompt is there before the daemon answers.
    fn wait_for_answers(&mut self, within: Duration) -> Result<(), Fault> {
        let end = clock::now() + within;
        loop {
            let said = self.ask("calls --json")?;
            if said.contains('[') {
                return Ok(());
            }
            if clock::now() >= end {
                return Err(Fault::Late(format!("the box does not answer: {said}")));
            }
            clock::pause(PATIENCE * 5);
        }
    }

    /// As it left the factory, in service, with the accounts of its first start known.
    ///
    /// # Errors
    /// It did not come up.
    pub fn as_new(&mut self) -> Result<(), Fault> {
        self.power_cut()?;
        match self.machine.renew_disk()? {
            Done::Done => self.power_on()?,
            Done::NotHere => {
                self.in_service()?;
                return self.factory_reset();
            }
        }
        self.first_start(Mark::default())
    }

    /// A factory reset by its words on the serial line, up to service.
    ///
    /// # Errors
    /// It did not come up as new.
    pub fn factory_reset(&mut self) -> Result<(), Fault> {
        let mark = self.mark()?;
        self.power()?.console.say("factory-reset")?;
        let name = self.wait_for(mark, ANSWER_WITHIN, |heard| {
            let (_, name) = heard.split_once("to do it: ")?;
            name.split_once('\r').map(|(name, _)| name.trim().to_owned())
        })?;
        self.power()?.console.say(&name)?;
        self.await_first_start(mark)
    }

    /// A first start after `mark` that nobody switched on, up to service.
    ///
    /// # Errors
    /// None came.
    pub fn await_first_start(&mut self, mark: Mark) -> Result<(), Fault> {
        self.power()?.stage = Stage::Starting;
        self.first_start(mark)
    }

    fn first_start(&mut self, mark: Mark) -> Result<(), Fault> {
        self.accounts = self.wait_for(mark, self.file.start_within(), accounts)?;
        let shown = self.mark()?;
        self.power()?.console.say("")?;
        self.await_prompt(shown, self.file.start_within(), is_asking)
    }

    /// In service, and accounts known: what most cases begin with.
    ///
    /// # Errors
    /// It did not come up.
    pub fn with_accounts(&mut self) -> Result<Vec<Account>, Fault> {
        if self.accounts.is_empty() {
            self.as_new()?;
        }
        self.in_service()?;
        Ok(self.accounts.clone())
    }

    /// Now, on the serial line.
    ///
    /// # Errors
    /// The board is off.
    pub fn mark(&mut self) -> Result<Mark, Fault> {
        Ok(self.power()?.console.mark())
    }

    /// Waits until what the serial line said since `mark` makes sense to `find`.
    ///
    /// # Errors
    /// It never did; the last lines are in the fault.
    pub fn wait_for<T>(
        &mut self,
        mark: Mark,
        within: Duration,
        find: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, Fault> {
        self.power()?.console.wait_for(mark, within, find)
    }

    /// Says a word on the serial line and waits for nothing.
    ///
    /// # Errors
    /// The line is dead.
    pub fn say(&mut self, word: &str) -> Result<(), Fault> {
        self.power()?.console.say(word)
    }

    /// Says a word on the serial line; what it answers, up to the next prompt.
    ///
    /// # Errors
    /// The line is dead, or no answer comes.
    pub fn ask(&mut self, word: &str) -> Result<String, Fault> {
        let mark = self.mark()?;
        self.say(word)?;
        self.wait_for(mark, ANSWER_WITHIN, |heard| {
            let (_, answer) = heard.split_once(word)?;
            let (answer, _) = answer.split_once(PROMPT)?;
            Some(answer.trim().to_owned())
        })
    }

    /// Writes over a partition of the disk of a board that may run.
    ///
    /// # Errors
    /// The disk has no such partition.
    pub fn ruin(&mut self, partition: &str) -> Result<Done, Fault> {
        match self.machine.disk() {
            Some(path) => disk::ruin(path, partition).map(|()| Done::Done),
            None => Ok(Done::NotHere),
        }
    }

    /// Takes all sense away from its processors.
    ///
    /// # Errors
    /// The machine refuses.
    pub fn hang(&mut self) -> Result<Done, Fault> {
        self.machine.hang()
    }

    /// From power to an init that does nothing, of the same kernel on the board, which is off; `None` where that cannot be tried.
    ///
    /// # Errors
    /// It did not start.
    pub fn start_of_nothing(&mut self) -> Result<Option<Duration>, Fault> {
        self.machine.start_of_nothing(&self.wire)
    }

    /// The pins that this rig drives, if it drives any.
    ///
    /// # Errors
    /// The machine refuses.
    pub fn pins(&mut self) -> Result<Option<Pins>, Fault> {
        self.machine.pins()
    }

    /// A folder of its own for a case.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn stage(&self) -> Option<Stage> {
        match &self.state {
            State::Off => None,
            State::On(power) => Some(power.stage),
        }
    }

    fn power(&mut self) -> Result<&mut Power, Fault> {
        match &mut self.state {
            State::Off => Err(Fault::Late("the board is off".to_owned())),
            State::On(power) => Ok(power),
        }
    }
}

fn is_asking(heard: &str) -> Option<()> {
    heard.contains(PROMPT).then_some(())
}

/// Extensions and passwords from the screen of the first start, once it is complete.
fn accounts(heard: &str) -> Option<Vec<Account>> {
    let (_, table) = heard.rsplit_once("Password\r")?;
    let (table, _) = table.split_once("Write the passwords down")?;
    let account = |line: &str| {
        let mut words = line.split_whitespace();
        Some(Account {
            number: words.next()?.to_owned(),
            password: words.next()?.to_owned(),
        })
    };
    Some(table.lines().filter_map(account).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_read_from_the_screen_once_it_is_complete() {
        let part = "  Extension    Password\r\n  201          abc-def\r\n  202          ghi\r\n";
        assert!(accounts(part).is_none());
        let found = accounts(&format!("{part}\r\n  Write the passwords down: now.")).unwrap();
        let pairs: Vec<_> = found
            .iter()
            .map(|account| (account.number.as_str(), account.password.as_str()))
            .collect();
        assert_eq!(pairs, [("201", "abc-def"), ("202", "ghi")]);
    }
}
