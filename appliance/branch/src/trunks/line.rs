//! One trunk: where it is, whether it lives, what it knows us as.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use branchline_config::{Listen, Mode, Secret, Transport, Trunk};
use branchline_route::State;
use branchline_sip::Flow;
use branchline_sip::binding::{Registration, RegistrationConfig};
use branchline_sip::digest::Account;
use branchline_sip::message::{Builder, Method, Name};
use branchline_sip::transaction::ClientKey;

use crate::identity::{escaped, host};
use crate::legs::TrunkUse;
use crate::view::TrunkView;

/// One trunk.
pub(super) struct Line {
    pub(super) trunk: Trunk,
    pub(super) password: Option<Secret>,
    pub(super) addresses: Vec<Address>,
    pub(super) look_up_at: Option<Instant>,
    pub(super) problem: String,
    pub(super) registration: Option<Registration>,
    pub(super) registering: Option<ClientKey>,
    pub(super) probe: Probe,
    pub(super) rtt: Option<Duration>,
    /// What was said of it last, to say only what is new.
    pub(super) was: Option<TrunkUse>,
}

/// Where a trunk is, and the address of the box that faces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) remote: SocketAddr,
    pub(super) facing: IpAddr,
}

/// The question whether the other end lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) next: Instant,
    pub(super) asked: Option<(ClientKey, Instant)>,
    /// Questions in a row without an answer.
    pub(super) missed: u32,
}

impl Line {
    pub(super) fn new(now: Instant, trunk: Trunk, password: Option<Secret>) -> Line {
        Line {
            trunk,
            password,
            addresses: Vec::new(),
            look_up_at: Some(now),
            problem: "not looked up yet".to_owned(),
            registration: None,
            registering: None,
            probe: Probe {
                next: now,
                asked: None,
                missed: 0,
            },
            rtt: None,
            was: None,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        let registered = match self.trunk.mode {
            Mode::Register => self.registration.as_ref().is_some_and(Registration::is_registered),
            Mode::Address => true,
        };
        !self.addresses.is_empty() && registered && self.probe.missed < MISSED_MAX
    }

    /// Address of record user: what the trunk knows us as.
    pub(super) fn user(&self) -> Option<&str> {
        let known = self.trunk.credentials.as_ref().map(|known| known.username.as_str());
        known.or(self.trunk.number.as_deref())
    }

    pub(super) fn is_same_account(&self, other: &Line) -> bool {
        self.trunk.host == other.trunk.host && self.user() == other.user()
    }

    pub(super) fn is_at(&self, remote: SocketAddr) -> bool {
        self.addresses.iter().any(|known| known.remote == remote)
    }

    pub(super) fn is_on(&self, host: IpAddr) -> bool {
        let known = self.addresses.iter().any(|known| known.remote.ip() == host);
        known || self.trunk.accept_from.iter().any(|network| network.contains(host))
    }

    /// The number is one that this trunk has for us.
    pub(super) fn is_called(&self, dialled: &str) -> bool {
        let is = |own: &str| own.trim_start_matches('+') == dialled.trim_start_matches('+');
        let numbers = self.trunk.inbound.iter().map(|inbound| inbound.number.as_str());
        numbers.chain(self.user()).chain(self.trunk.number.as_deref()).any(is)
    }

    pub(super) fn account(&self) -> Option<Account> {
        let credentials = self.trunk.credentials.as_ref()?;
        let password = self.password.as_ref()?.expose().to_owned();
        Some(Account::with_password(credentials.auth_username.clone(), password))
    }

    pub(super) fn flow(&self, listen: &[Listen]) -> Option<Flow> {
        let address = self.addresses.first()?;
        let transport = sip_transport(self.trunk.transport);
        let port = listen
            .iter()
            .find(|own| own.transport == self.trunk.transport && own.address.is_ipv4() == address.remote.is_ipv4())
            .map_or_else(|| transport.default_port(), |own| own.address.port());
        let local = SocketAddr::new(address.facing, port);
        Some(Flow {
            transport,
            local,
            remote: address.remote,
            connection: None,
        })
    }

    pub(super) fn domain(&self) -> &str {
        self.trunk.from_domain.as_deref().unwrap_or(&self.trunk.host)
    }

    pub(super) fn registration(&self, flow: Flow, seed: [u8; 32]) -> Option<Registration> {
        let user = escaped(self.user()?);
        let transport = match flow.transport {
            branchline_sip::Transport::Udp => String::new(),
            other => format!(";transport={}", other.param_name()),
        };
        let port = self.trunk.port.map(|port| format!(":{port}")).unwrap_or_default();
        Some(Registration::new(
            RegistrationConfig {
                registrar: format!("sip:{}{port}", self.trunk.host),
                address: format!("sip:{user}@{}", self.domain()),
                contact: format!("sip:{user}@{}{transport}", flow.local),
                instance: None,
                account: self.account()?,
                expires_s: self.trunk.expires_s,
            },
            seed,
        ))
    }

    pub(super) fn view(&self, state: &State) -> TrunkView {
        let waits =
            self.trunk.mode == Mode::Register && !self.registration.as_ref().is_some_and(Registration::is_registered);
        let word = match () {
            () if self.is_up() => "up",
            () if self.addresses.is_empty() || self.probe.missed >= MISSED_MAX => "down",
            () if waits && !self.problem.is_empty() => "refused",
            () => "registering",
        };
        TrunkView {
            name: self.trunk.name.clone(),
            state: word.to_owned(),
            reason: if self.is_up() {
                String::new()
            } else {
                self.problem.clone()
            },
            address: self
                .addresses
                .first()
                .map(|address| address.remote.to_string())
                .unwrap_or_default(),
            rtt_ms: self.rtt.map(|rtt| u32::try_from(rtt.as_millis()).unwrap_or(u32::MAX)),
            calls: state.trunks.get(&self.trunk.name).map_or(0, |trunk| trunk.calls),
        }
    }

    pub(super) fn options(&self, flow: Flow, ids: (String, String)) -> Builder {
        let (tag, call_id) = ids;
        let port = self.trunk.port.map(|port| format!(":{port}")).unwrap_or_default();
        let user = self
            .user()
            .map(|user| format!("{}@", escaped(user)))
            .unwrap_or_default();
        Builder::request(&Method::Options, &format!("sip:{}{port}", self.trunk.host))
            .header(Name::MaxForwards, 70)
            .header(Name::From, format_args!("<sip:{user}{}>;tag={tag}", host(flow.local)))
            .header(Name::To, format_args!("<sip:{}>", self.trunk.host))
            .header(Name::CallId, call_id)
            .header(Name::CSeq, "1 OPTIONS")
            .header(Name::Accept, "application/sdp")
    }

    /// No answer in time; the transaction lives on and is ignored.
    pub(super) fn give_up_probe(&mut self, now: Instant) {
        if self.probe.asked.is_some_and(|(_, since)| since + PROBE_PATIENCE <= now) {
            self.probe.asked = None;
            self.probe_missed(now);
        }
    }

    pub(super) fn probe_missed(&mut self, now: Instant) {
        self.probe.missed = self.probe.missed.saturating_add(1);
        self.problem = format!("{} does not answer OPTIONS", self.trunk.host);
        // A second look soon: one lost packet should not take a trunk down, nor a dead one stay up for long.
        self.probe.next = self.probe.next.min(now + PROBE_RETRY);
        self.rtt = None;
        if self.probe.missed.is_multiple_of(MISSED_MAX) && self.addresses.len() > 1 {
            // The next address of the name (RFC 3263 section 4.3); it registers there when it answers.
            self.addresses.rotate_left(1);
        }
    }

    pub(super) fn handle_probe(&mut self, now: Instant, (status, since): (u16, Instant)) {
        // Any answer is a sign of life, even "not allowed"; 408 and 503 come from the box itself or a dead backend.
        if matches!(status, 408 | 503 | 504) {
            self.probe_missed(now);
            return;
        }
        self.rtt = Some(now.saturating_duration_since(since));
        self.handle_alive();
    }

    /// It has said something.
    pub(super) fn handle_alive(&mut self) {
        let was_down = self.probe.missed >= MISSED_MAX;
        self.probe.missed = 0;
        if was_down && let Some(registration) = &mut self.registration {
            // It may have lost its memory while it was away.
            registration.start();
        }
        if self.trunk.mode == Mode::Address {
            self.problem.clear();
        }
    }
}

fn sip_transport(transport: Transport) -> branchline_sip::Transport {
    match transport {
        Transport::Udp => branchline_sip::Transport::Udp,
        Transport::Tcp => branchline_sip::Transport::Tcp,
        Transport::Tls => branchline_sip::Transport::Tls,
    }
}

pub(super) fn interval(line: &Line) -> Duration {
    match line.trunk.options_s {
        0 => NEVER,
        seconds => Duration::from_secs(u64::from(seconds)),
    }
}

/// `options_s = 0`: long enough to be never, short enough to add to an instant.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// Unanswered questions in a row that take a trunk down.
pub(super) const MISSED_MAX: u32 = 2;
const PROBE_RETRY: Duration = Duration::from_secs(2);
/// A line to the outside that takes longer than this to say anything is of no use for a call.
pub(super) const PROBE_PATIENCE: Duration = Duration::from_secs(4);
