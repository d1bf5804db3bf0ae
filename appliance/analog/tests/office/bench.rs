//! A branch with three analog telephones and a line, in memory: nothing but messages between them.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use branchline_analog::{Gateway, GatewaySetup, Output, Place, Station, StationSetup, Supervision};
use branchline_board::{FxoEvent, FxsEvent};
use branchline_branch::{Branch, Configuration, JournalStart, Journalled, Now, Output as FromBranch, Resolved, Setup};
use branchline_config::country::Analog;
use branchline_config::{Config, Extension};
use branchline_journal::{BootId, CallRecord, Entry, Event, Uuid};
use branchline_media::Family;
use branchline_media::voice::{ChannelEvent, ChannelPlan, Hear, Signal};
use branchline_route::Tables;
use branchline_sip::{Flow, Transmit};

pub(crate) const NUMBERS: [&str; 3] = ["201", "202", "203"];
/// Numbers that leave over the line, and a class that may not call them.
pub(crate) const LINE: &str = "[[trunk]]\nname = \"pstn\"\nline = \"line-1\"\ndefault_to = \"201\"\nnumber = \"+493055500\"\n\
    [emergency]\nroutes = [\"pstn\"]\n";

/// What a device was last told, and everything else it was told to do.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) sound: ChannelPlan,
    pub(crate) rings: bool,
    pub(crate) is_seized: bool,
    pub(crate) digits: String,
    /// Keys and callers' numbers that were sent to it.
    pub(crate) signals: Vec<Signal>,
}

pub(crate) struct Office {
    pub(crate) branch: Branch,
    pub(crate) now: Instant,
    base: Instant,
    pub(crate) stations: Vec<(Station, Told)>,
    pub(crate) line: (Gateway, Told),
    pub(crate) journal: Vec<Entry>,
    pub(crate) analog: &'static Analog,
    wire: VecDeque<(SocketAddr, Transmit)>,
}

fn place(at: u8, kind: u8) -> Place {
    Place {
        sip: SocketAddr::from(([127, 66, kind, at], 5066)),
        branch: branch_address(),
        media: SocketAddr::from(([127, 66, kind, at], 4000)),
    }
}

fn branch_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 5060))
}

fn configuration(country: &str, more: &str) -> Config {
    use md5::{Digest, Md5};
    let mut text = format!("[site]\ncountry = \"{country}\"\n");
    for (at, number) in NUMBERS.iter().enumerate() {
        let ha1 = Md5::digest(format!("{number}:branchline:secret"));
        let ha1 = ha1.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        write!(
            text,
            "[[extension]]\nnumber = \"{number}\"\nname = \"Phone {number}\"\nphone = \"phone-{}\"\nha1_md5 = \"{ha1}\"\n",
            at + 1
        )
        .unwrap();
    }
    text.push_str(more);
    Config::parse("f", &text).unwrap_or_else(|faults| panic!("{}", faults[0]))
}

impl Office {
    pub(crate) fn new(more: &str) -> Office {
        Office::seeded("DE", more, 1)
    }

    #[expect(clippy::disallowed_methods, reason = "one reading to have an Instant at all")]
    pub(crate) fn seeded(country: &str, more: &str, seed: u8) -> Office {
        let base = Instant::now();
        let config = Arc::new(configuration(country, more));
        let tables = Arc::new(Tables::new(&config));
        let analog = config.site.country.analog;
        let stations = config.extensions.iter().zip(1..).map(|(entry, at)| {
            let station = Station::new(
                base,
                StationSetup {
                    number: entry.number.as_str().to_owned(),
                    hashes: entry.hashes.clone(),
                    place: place(at, 0),
                    analog,
                    tables: Arc::clone(&tables),
                    seed: [seed.wrapping_mul(31).wrapping_add(at); 32],
                },
            );
            (station, Told::default())
        });
        let stations = stations.collect();
        let line = Gateway::new(GatewaySetup {
            number: "+493055500".to_owned(),
            place: place(1, 1),
            supervision: Supervision::Time,
            seed: [seed.wrapping_add(99); 32],
        });
        let setup = Setup {
            configuration: Configuration {
                trunk_passwords: Vec::new(),
                line_passwords: Vec::new(),
                config,
                digest: "test".to_owned(),
                trust: branchline_branch::Trust::Full,
            },
            seed: [seed; 32],
            journal: JournalStart {
                boot: BootId(Uuid::nil()),
                next_seq: 1,
                newest_utc_ms: None,
            },
            bindings: Vec::new(),
            emergencies: Vec::new(),
            version: "test".to_owned(),
        };
        let mut branch = Branch::new(moment(base, base), setup);
        branch.handle_ports(Family::V4, &(0..64).map(|n| 20_000 + 2 * n).collect::<Vec<u16>>());
        let mut office = Office {
            branch,
            now: base,
            base,
            stations,
            line: (line, Told::default()),
            journal: Vec::new(),
            analog,
            wire: VecDeque::new(),
        };
        office.wait_ms(10);
        // A trunk is up when it has answered.
        office.wait_ms(500);
        office
    }

    pub(crate) fn phone(&mut self, at: usize, event: FxsEvent) {
        self.stations[at].0.handle_phone(self.now, event);
        self.run();
    }

    pub(crate) fn off(&mut self, at: usize) {
        self.phone(at, FxsEvent::OffHook);
    }

    pub(crate) fn on(&mut self, at: usize) {
        self.phone(at, FxsEvent::OnHook);
    }

    pub(crate) fn flash(&mut self, at: usize) {
        self.phone(at, FxsEvent::Flash);
    }

    pub(crate) fn dial(&mut self, at: usize, digits: &str) {
        for digit in digits.chars() {
            self.sound(at, &ChannelEvent::Digit(digit));
        }
    }

    pub(crate) fn sound(&mut self, at: usize, event: &ChannelEvent) {
        self.stations[at].0.handle_sound(self.now, event);
        self.run();
    }

    pub(crate) fn exchange(&mut self, event: FxoEvent) {
        self.line.0.handle_line(self.now, event);
        self.run();
    }

    pub(crate) fn on_line(&mut self, event: &ChannelEvent) {
        self.line.0.handle_sound(self.now, event);
        self.run();
    }

    pub(crate) fn hears(&self, at: usize) -> &Hear {
        &self.stations[at].1.sound.hear
    }

    /// Two telephones send to the same two ports of the box and hear each other.
    pub(crate) fn talk(&self, at: usize) -> bool {
        let sound = &self.stations[at].1.sound;
        matches!(sound.hear, Hear::Far | Hear::FarAnd(_)) && sound.talk.is_some()
    }

    /// A call that is up.
    pub(crate) fn connect(&mut self, from: usize, to: usize) {
        self.off(from);
        self.dial(from, NUMBERS[to]);
        assert!(self.stations[to].1.rings);
        self.off(to);
        assert!(self.talk(from) && self.talk(to));
    }

    pub(crate) fn records(&self) -> Vec<&CallRecord> {
        let ended = self.journal.iter().filter_map(|entry| match &entry.event {
            Event::CallEnded(record) => Some(&**record),
            _ => None,
        });
        ended.collect()
    }

    /// What the branch still has of calls; registrations and probes go on for ever.
    pub(crate) fn left(&self) -> Vec<(&'static str, usize)> {
        let left = self.branch.residue().into_iter();
        left.filter(|(what, _)| *what != "transactions").collect()
    }

    pub(crate) fn is_registered(&self, number: &str) -> bool {
        let number = Extension::new(number).unwrap();
        let view = self.branch.view(moment(self.base, self.now));
        let phone = view.phones.iter().find(|phone| phone.extension == number.as_str());
        phone.is_some_and(|phone| !phone.contacts.is_empty())
    }

    pub(crate) fn run(&mut self) {
        loop {
            let mut moved = self.carry_out();
            while let Some((from, transmit)) = self.wire.pop_front() {
                moved = true;
                self.deliver(from, &transmit);
            }
            if !moved {
                return;
            }
        }
    }

    fn carry_out(&mut self) -> bool {
        let mut moved = false;
        while let Some(output) = self.branch.poll_output() {
            moved = true;
            match output {
                FromBranch::Transmit(transmit) => self.wire.push_back((branch_address(), transmit)),
                FromBranch::Journal(entry) => self.journal.push(entry),
                FromBranch::Resolve(lookup) => {
                    let host: std::net::IpAddr = lookup.host.parse().unwrap();
                    let resolved = Resolved {
                        trunk: lookup.trunk,
                        host: lookup.host,
                        addresses: vec![((host, lookup.port.unwrap()).into(), branch_address().ip())],
                        problem: None,
                    };
                    self.branch.handle_resolved(moment(self.base, self.now), resolved);
                }
                FromBranch::Media(_)
                | FromBranch::Measure
                | FromBranch::Neighbours
                | FromBranch::Trace(_)
                | FromBranch::Post(_)
                | FromBranch::Notice(_) => {}
            }
        }
        if let Some(last) = self.journal.last() {
            let journalled = Journalled {
                written_seq: last.seq,
                synced_seq: last.seq,
            };
            self.branch.handle_journal(moment(self.base, self.now), journalled);
        }
        for at in 0..self.stations.len() {
            while let Some(output) = self.stations[at].0.poll_output() {
                moved = true;
                let from = place(u8::try_from(at + 1).unwrap(), 0).sip;
                self.wire
                    .extend(self.stations[at].1.take(output).map(|transmit| (from, transmit)));
            }
        }
        while let Some(output) = self.line.0.poll_output() {
            moved = true;
            self.wire
                .extend(self.line.1.take(output).map(|transmit| (place(1, 1).sip, transmit)));
        }
        moved
    }

    fn deliver(&mut self, from: SocketAddr, transmit: &Transmit) {
        let to = transmit.flow.remote;
        let flow = Flow::udp(to, from);
        if to == branch_address() {
            self.branch
                .handle_message(moment(self.base, self.now), flow, transmit.bytes.clone());
        } else if to == place(1, 1).sip {
            self.line.0.handle_bytes(self.now, flow, &transmit.bytes);
        } else {
            let at = (1..).zip(&mut self.stations).find(|(at, _)| place(*at, 0).sip == to);
            if let Some((_, (station, _))) = at {
                station.handle_bytes(self.now, flow, &transmit.bytes);
            }
        }
    }

    pub(crate) fn wait_ms(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        loop {
            self.run();
            let branch = self.branch.poll_timeout().map(|(at, _)| at);
            let stations = self.stations.iter().filter_map(|(station, _)| station.poll_timeout());
            let next = branch
                .into_iter()
                .chain(stations)
                .chain(self.line.0.poll_timeout())
                .min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            self.branch.handle_timeout(moment(self.base, self.now));
            for (station, _) in &mut self.stations {
                station.handle_timeout(self.now);
            }
            self.line.0.handle_timeout(self.now);
        }
        self.now = end;
    }
}

impl Told {
    fn take(&mut self, output: Output) -> Option<Transmit> {
        match output {
            Output::Transmit(transmit) => return Some(transmit),
            Output::Sound(sound) => {
                if let Hear::Send(signals) = &sound.hear {
                    self.signals.extend(signals.clone());
                }
                self.sound = sound;
            }
            Output::Digit(digit) => self.digits.push(digit),
            Output::Ring => self.rings = true,
            Output::StopRinging => self.rings = false,
            Output::Polarity(_) => {}
            Output::Seize => self.is_seized = true,
            Output::Release => self.is_seized = false,
        }
        None
    }
}

fn moment(base: Instant, mono: Instant) -> Now {
    Now {
        mono,
        utc_ms: 1_800_000_000_000 + i64::try_from(mono.duration_since(base).as_millis()).unwrap(),
        clock_trusted: true,
    }
}
