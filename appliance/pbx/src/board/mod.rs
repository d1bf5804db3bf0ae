//! `branchline board`: what is wired to the box, in a process of its own that may touch devices.
//!
//! In: the configuration, edges of pins, and [`Signs`](crate::control::signs::Signs) of the daemon over its control socket. Out: pins, and a
//! [`BoardView`] for the daemon to show. It never stands in the path of a call: a daemon without it misses its lights, and
//! it without a daemon shows that.

mod duty;
mod link;
mod pins;
mod telephony;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use branchline_board::{ButtonEvent, Equipment, Event, Gpio, Held};
use branchline_branch::view::{BoardView, FaultView};
use branchline_config::board::{Board, Choice, Source};
use branchline_config::{Config, Fault, Listen, country};
use branchline_route::Tables;
use branchline_sound::Cards;

use crate::place::Place;
use crate::run::{LoadFault, Read, read_at_start};
use crate::{clock, file, notify};
use duty::Duty;
use link::Link;
use telephony::{Parts, Roles, Telephony};

pub use link::News;
pub use pins::{Pins, Wake};

/// Why the program of the board ends.
#[derive(Debug, thiserror::Error)]
pub enum BoardFault {
    /// No configuration, and no copy of one.
    #[error(transparent)]
    Load(#[from] LoadFault),
    /// The system.
    #[error("the board cannot be served: {0}")]
    Io(#[from] io::Error),
}

/// Where things are, and what counts where the configuration says nothing.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The box that it belongs to.
    pub place: Place,
    /// Board of a configuration without `[board]`.
    pub otherwise: String,
    /// File that is made when somebody holds a button for 10 s: whoever watches it resets the box. Nothing without.
    pub reset: Option<PathBuf>,
}

/// Serves the board until it is told to stop; begins anew when the configuration names another.
pub fn run<P, C>(setup: &Setup, open: impl Fn() -> io::Result<(P, C)>, stop: &Stop) -> Result<(), BoardFault>
where
    P: Pins,
    C: Cards + 'static,
    P::Output: 'static,
{
    loop {
        let read = read_at_start(&setup.place)?;
        let (pins, cards) = open()?;
        stop.set_wake(pins.waker());
        match Keeper::new(setup, &read, (pins, cards))?.keep(stop)? {
            Ended::Stopped => return Ok(()),
            Ended::Changed => tracing::info!("another board is wanted"),
        }
    }
}

pub use link::Stop;

/// What the configuration says of the board.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    choice: Choice,
    country: &'static str,
    listen: Vec<Listen>,
    roles: Roles,
}

impl Wanted {
    fn of(config: &Config, otherwise: &str) -> Wanted {
        let built_in = || Choice::BuiltIn(otherwise.to_owned());
        Wanted {
            choice: config.board.clone().unwrap_or_else(built_in),
            country: config.site.country.code,
            listen: config.sip.listen.clone(),
            roles: telephony::roles(config),
        }
    }
}

/// The board that a configuration chooses, or what is wrong with it.
pub fn choose(choice: &Choice) -> Result<Board, Vec<Fault>> {
    let none = |file: String, problem: String, fix: String| {
        vec![Fault {
            file,
            line: 1,
            column: 1,
            field: "board".to_owned(),
            problem,
            fix,
        }]
    };
    match choice {
        Choice::BuiltIn(name) => branchline_board::built_in(name).unwrap_or_else(|| {
            let known: Vec<&str> = branchline_board::BOARDS
                .iter()
                .filter_map(|board| stem(board.file))
                .collect();
            let fix = format!("write one of: {}; or file = \"…\"", known.join(", "));
            Err(none("[board]".to_owned(), format!("there is no board \"{name}\""), fix))
        }),
        Choice::File(path) => {
            let name = path.display().to_string();
            let bytes_max = u64::try_from(branchline_config::TEXT_BYTES_MAX).unwrap_or(u64::MAX);
            let text = file::read_text(path, bytes_max)
                .map_err(|fault| none(name.clone(), fault.to_string(), "correct [board] file".to_owned()))?;
            branchline_board::parse(Source {
                file: &name,
                text: &text,
            })
        }
    }
}

fn stem(path: &str) -> Option<&str> {
    Path::new(path).file_stem()?.to_str()
}

enum Ended {
    Stopped,
    Changed,
}

/// Goes round between the pins and the daemon.
struct Keeper<'s, P: Gpio> {
    setup: &'s Setup,
    wanted: Wanted,
    pins: P,
    equipment: Equipment<P::Output>,
    telephony: Telephony,
    /// Another board, or other telephones, once nobody uses these.
    is_stale: bool,
    /// Of the board as a whole.
    faults: Vec<Fault>,
    model: String,
    duty: Duty,
    link: Link,
    news: Receiver<News>,
    /// Configuration that was looked at last.
    configuration: String,
    alive_at: Instant,
}

impl<'s, P: Pins> Keeper<'s, P>
where
    P::Output: 'static,
{
    fn new(setup: &'s Setup, read: &Read, (mut pins, cards): (P, impl Cards + 'static)) -> io::Result<Keeper<'s, P>> {
        let config = read.config();
        let wanted = Wanted::of(config, &setup.otherwise);
        let (board, faults) = match choose(&wanted.choice) {
            Ok(board) => (Some(board), Vec::new()),
            Err(faults) => (None, faults),
        };
        let nothing = || branchline_board::built_in("generic").and_then(Result::ok);
        let board = board.or_else(nothing).ok_or(io::ErrorKind::NotFound)?;
        let analog = country::by_code(wanted.country).ok_or(io::ErrorKind::NotFound)?.analog;
        let equipment = Equipment::open(&board, analog, &mut pins);
        for fault in faults.iter().chain(equipment.faults()) {
            tracing::error!(%fault, "the board");
        }
        let now = clock::now();
        let (news_out, news) = sync_channel(NEWS_MAX);
        let parts = Parts {
            config,
            board: &board,
            analog,
            news: news_out.clone(),
            wake: pins.waker(),
        };
        let telephony = Telephony::open(now, &parts, cards);
        let link = Link::start(&setup.place, (news_out, pins.waker()))?;
        let keeper = Keeper {
            setup,
            wanted,
            pins,
            duty: Duty::new(now, equipment.buttons().count()),
            equipment,
            telephony,
            is_stale: false,
            faults,
            model: board.model,
            link,
            news,
            configuration: String::new(),
            alive_at: now,
        };
        keeper.link.tell(keeper.view());
        Ok(keeper)
    }

    fn keep(mut self, stop: &Stop) -> Result<Ended, BoardFault> {
        notify::ready(&format!("serving {}", self.model));
        let ended = loop {
            if stop.is_wanted() {
                break Ended::Stopped;
            }
            self.hear()?;
            if self.is_stale && self.telephony.is_idle() {
                break Ended::Changed;
            }
            let now = clock::now();
            self.telephony.carry_out(now, &mut self.equipment);
            self.show(now);
            let timeout = self.poll_timeout(now).map(|due| due.saturating_duration_since(now));
            for edge in self.pins.wait(timeout)? {
                self.equipment.handle_edge(edge);
            }
            let now = clock::now();
            self.equipment.handle_timeout(now);
            self.duty.handle_timeout(now);
            self.tell_alive(now);
            self.take_events(now);
            if self.telephony.handle_timeout(now) {
                self.link.tell(self.view());
            }
        };
        self.equipment.rest(clock::now());
        Ok(ended)
    }

    fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let times = [
            self.telephony.poll_timeout(now),
            self.equipment.poll_timeout(),
            self.duty.poll_timeout(),
            Some(self.alive_at),
        ];
        times.into_iter().flatten().min()
    }

    /// Takes the daemon's news.
    fn hear(&mut self) -> Result<(), BoardFault> {
        loop {
            match self.news.try_recv() {
                Ok(News::Signs(signs)) => {
                    let is_new = !signs.configuration.is_empty() && signs.configuration != self.configuration;
                    self.configuration.clone_from(&signs.configuration);
                    self.duty.handle_signs(clock::now(), signs);
                    if is_new {
                        self.reread()?;
                    }
                }
                Ok(News::Silent(why)) => self.duty.handle_silence(clock::now(), &why),
                Ok(News::Datagram { device, from, bytes }) => {
                    self.telephony.handle_datagram(clock::now(), device, (from, &bytes));
                }
                Ok(News::Listening) => {}
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
            }
        }
    }

    /// Another configuration is in force.
    fn reread(&mut self) -> Result<(), BoardFault> {
        let read = read_at_start(&self.setup.place)?;
        self.is_stale = Wanted::of(read.config(), &self.setup.otherwise) != self.wanted;
        self.telephony.handle_tables(&Arc::new(Tables::new(read.config())));
        Ok(())
    }

    fn show(&mut self, now: Instant) {
        self.equipment.show(now, self.duty.state());
        self.equipment.show_calls(now, self.duty.calls());
        self.equipment.show_emergency(now, self.duty.alarm());
    }

    fn tell_alive(&mut self, now: Instant) {
        if self.alive_at <= now {
            self.alive_at = now + ALIVE_EVERY;
            self.equipment.handle_alive(now);
            if self.duty.is_daemon_there() && self.telephony.is_served() {
                self.equipment.handle_served(now);
            }
            notify::alive();
        }
    }

    fn take_events(&mut self, now: Instant) {
        while let Some(event) = self.equipment.poll_event() {
            match event {
                Event::Button { event, name } => self.pressed(&name, event),
                Event::Failed(fault) => {
                    tracing::error!(%fault, "the board");
                    self.link.tell(self.view());
                }
                Event::Phone { name, event } => self.telephony.handle_phone(now, (&name, event)),
                Event::Line { name, event } => self.telephony.handle_line(now, (&name, event)),
            }
        }
    }

    fn pressed(&mut self, name: &str, event: ButtonEvent) {
        self.duty.handle_button(event);
        if event != ButtonEvent::Released(Held::VeryLong) {
            return;
        }
        let Some(file) = &self.setup.reset else {
            tracing::warn!(name, "held for a reset, but nobody here would do it");
            return;
        };
        match std::fs::write(file, "") {
            Ok(()) => tracing::warn!(name, "held for a reset: the box begins as new"),
            Err(error) => tracing::error!(name, file = %file.display(), %error, "held for a reset, which failed"),
        }
    }

    fn view(&self) -> BoardView {
        let equipment = &self.equipment;
        let devices = equipment.phones().chain(equipment.lines()).chain(equipment.buttons());
        BoardView {
            model: self.model.clone(),
            is_running: true,
            devices: devices.map(str::to_owned).collect(),
            faults: self
                .faults
                .iter()
                .chain(equipment.faults())
                .map(shown)
                .chain(self.telephony.faults())
                .collect(),
        }
    }
}

fn shown(fault: &Fault) -> FaultView {
    let without_fix = Fault {
        fix: String::new(),
        ..fault.clone()
    };
    FaultView {
        text: without_fix.to_string(),
        fix: fault.fix.clone(),
    }
}

/// Datagrams beyond are dropped; SIP repeats them.
const NEWS_MAX: usize = 256;
/// A watchdog outside of the processor is kicked as long as this goes on.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
