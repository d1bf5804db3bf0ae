//! The hosted PBX: the box registers a line there for each telephone that is here, routes by it while it can be reached,
//! and lives without it when it cannot.
//!
//! `lines` mirrors the registrations, `probe` feeds [`Health`], `calls` sends and takes calls, `loops` knows which call
//! came back to the branch and joins its parties when the hosted PBX is lost, `drill` takes it away on purpose.

mod addresses;
mod calls;
mod drill;
mod lines;
mod loops;
mod probe;
mod signs;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use branchline_config::{Listen, Transport};
use branchline_sip::Flow;
use branchline_sip::digest::Answerer;
use branchline_sip::transaction::ClientKey;
use branchline_survival::{Health, Mode, ProbeId, Settings, Suspicion};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub(crate) use calls::HostedTarget;
pub(crate) use drill::Reached;
pub use drill::{DrillOrder, DrillRefused};
pub(crate) use loops::{Return, Returned};

use crate::Configuration;
use crate::hosted::addresses::{Address, Addresses, Place};
use crate::hosted::drill::{Drill, Side};
use crate::hosted::lines::Lines;
use crate::hosted::loops::Loops;
use crate::now::Now;
use crate::output::{FlowFault, Lookup, Resolved};
use crate::view::HostedView;

/// How look-ups and records call the hosted PBX; no trunk can have this name.
pub(crate) const HOSTED: &str = "(hosted)";

/// The hosted PBX, where the branch has one.
pub(crate) struct Hosted {
    upstream: Option<Upstream>,
    rng: ChaCha12Rng,
}

/// One hosted PBX.
pub(crate) struct Upstream {
    config: branchline_config::Hosted,
    listen: Vec<Listen>,
    addresses: Addresses,
    look_up_at: Option<Instant>,
    problem: String,
    health: Health,
    probes: HashMap<ClientKey, Probe>,
    lines: Lines,
    pub(crate) loops: Loops,
    drill: Option<Drill>,
}

/// A probe that is out.
struct Probe {
    side: Side,
    id: ProbeId,
    to: Address,
}

impl Hosted {
    pub(crate) fn new(now: Instant, configuration: &Configuration, seed: [u8; 32]) -> Hosted {
        let mut hosted = Hosted {
            upstream: None,
            rng: ChaCha12Rng::from_seed(seed),
        };
        hosted.handle_configuration(now, configuration);
        hosted
    }

    /// The same hosted PBX keeps its health, its lines and its calls.
    pub(crate) fn handle_configuration(&mut self, now: Instant, configuration: &Configuration) {
        let Some(config) = &configuration.config.hosted else {
            self.upstream = None;
            return;
        };
        let seed = self.draw();
        let same = self.upstream.take().filter(|known| known.is_at(config));
        let mut upstream = same.unwrap_or_else(|| Upstream::new(now, config, seed));
        upstream.config = config.clone();
        upstream.listen.clone_from(&configuration.config.sip.listen);
        upstream.health.handle_settings(settings(config));
        let seed = self.draw();
        upstream.lines.handle_configuration(configuration, seed);
        self.upstream = Some(upstream);
    }

    /// The hosted PBX, where there is one.
    pub(crate) fn upstream(&mut self) -> Option<&mut Upstream> {
        self.upstream.as_mut()
    }

    /// It sends from there.
    pub(crate) fn is_at(&self, remote: SocketAddr) -> bool {
        let upstream = self.upstream.as_ref();
        upstream.is_some_and(|upstream| upstream.addresses.is_at(remote.ip()))
    }

    /// The extension whose line is called by this user part.
    pub(crate) fn line_of_user(&self, user: &str) -> Option<String> {
        self.upstream.as_ref()?.lines.of_user(user)
    }

    /// Somebody who answers the challenges of a line, for one request.
    pub(crate) fn answerer(&mut self, line: &str) -> Option<Answerer> {
        self.upstream.as_mut()?.answerer(line)
    }

    pub(crate) fn handle_resolved(&mut self, now: Instant, resolved: Resolved) {
        if let Some(upstream) = &mut self.upstream {
            upstream.handle_resolved(now, resolved);
        }
    }

    /// A connection to it broke or fell silent, or the network says that nobody is there.
    pub(crate) fn handle_flow_failed(&mut self, now: Instant, flow: Flow, fault: FlowFault) {
        let suspicion = match fault {
            FlowFault::Broken => Suspicion::Transport,
            FlowFault::Silent => Suspicion::Ping,
        };
        if let Some(upstream) = &mut self.upstream
            && upstream.address().is_some_and(|address| address.remote == flow.remote)
        {
            for side in upstream.sides() {
                upstream.health_mut(side).handle_suspicion(now, suspicion);
            }
        }
    }

    /// The addresses of the box that have a network behind them. Where the one that faces the hosted PBX is not among them,
    /// that raises a doubt, and nothing else.
    pub(crate) fn handle_links(&mut self, now: Instant, linked: &[IpAddr]) {
        if let Some(upstream) = &mut self.upstream
            // All of a loopback network is there; the kernel lists one address of it.
            && upstream
                .address()
                .is_some_and(|address| !address.facing.is_loopback() && !linked.contains(&address.facing))
        {
            upstream
                .health
                .handle_suspicion(now, branchline_survival::Suspicion::Link);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some(upstream) = &mut self.upstream {
            if upstream.address().is_some() {
                for side in upstream.sides() {
                    upstream.health_mut(side).handle_timeout(now);
                }
            }
            upstream.lines.handle_timeout(now);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let upstream = self.upstream.as_ref()?;
        let health = upstream.address().and_then(|_| upstream.health.poll_timeout());
        let turn = upstream.lines.poll_turn(|line| upstream.can_register(line));
        let drill = upstream.drill.as_ref().and_then(Drill::poll_timeout);
        [upstream.look_up_at, health, upstream.lines.poll_timeout(), turn, drill]
            .into_iter()
            .flatten()
            .min()
    }

    /// The branch lives on its own: there is a hosted PBX, and it is lost.
    pub(crate) fn is_lost(&self) -> bool {
        let upstream = self.upstream.as_ref();
        upstream.is_some_and(|upstream| upstream.is_lost(upstream.main_side()))
    }

    /// The calls of this line do without it.
    pub(crate) fn is_lost_for(&self, line: &str) -> bool {
        let upstream = self.upstream.as_ref();
        upstream.is_some_and(|upstream| upstream.is_lost(upstream.side_of(line)))
    }

    /// Calls that left for it.
    pub(crate) fn calls(&self) -> usize {
        self.upstream.as_ref().map_or(0, |upstream| upstream.loops.len())
    }

    /// Probes that are not answered yet.
    pub(crate) fn probes(&self) -> usize {
        self.upstream.as_ref().map_or(0, |upstream| upstream.probes.len())
    }

    pub(crate) fn view(&self, now: Now) -> Option<HostedView> {
        self.upstream.as_ref().map(|upstream| upstream.view(now))
    }

    fn draw(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }
}

impl Upstream {
    fn new(now: Instant, config: &branchline_config::Hosted, seed: [u8; 32]) -> Upstream {
        Upstream {
            listen: Vec::new(),
            addresses: Addresses::default(),
            look_up_at: Some(now),
            problem: format!("{} is not looked up yet", config.host),
            health: Health::new(now, settings(config), seed),
            probes: HashMap::new(),
            lines: Lines::new(config.registers_per_second),
            loops: Loops::default(),
            drill: None,
            config: config.clone(),
        }
    }

    fn is_at(&self, config: &branchline_config::Hosted) -> bool {
        let place = |config: &branchline_config::Hosted| {
            (
                config.host.clone(),
                config.port,
                config.transport,
                config.domain.clone(),
            )
        };
        place(&self.config) == place(config)
    }

    fn address(&self) -> Option<Address> {
        self.addresses.in_use()
    }

    fn mode(&self) -> Mode {
        self.mode_of(self.main_side())
    }

    /// Without an address there is nobody to be online with.
    fn mode_of(&self, side: Side) -> Mode {
        match self.address() {
            Some(_) => self.health(side).mode(),
            None => Mode::Survival,
        }
    }

    fn is_lost(&self, side: Side) -> bool {
        match self.mode_of(side) {
            Mode::Online | Mode::Suspect => false,
            Mode::Survival | Mode::Returning => true,
        }
    }

    fn can_register(&self, line: &str) -> bool {
        self.address().is_some() && !self.is_lost(self.side_of(line))
    }

    /// A drill has one of its own.
    fn sides(&self) -> Vec<Side> {
        match &self.drill {
            Some(drill) if drill.has_lines() => vec![Side::Ordinary, Side::Drilled],
            Some(_) | None => vec![Side::Ordinary],
        }
    }

    fn flow(&self) -> Option<Flow> {
        let address = self.address()?;
        let transport = match self.config.transport {
            Transport::Udp => branchline_sip::Transport::Udp,
            Transport::Tcp => branchline_sip::Transport::Tcp,
            Transport::Tls => branchline_sip::Transport::Tls,
        };
        let own = self
            .listen
            .iter()
            .find(|own| own.transport == self.config.transport && own.address.is_ipv4() == address.remote.is_ipv4());
        let port = own.map_or_else(|| transport.default_port(), |own| own.address.port());
        Some(Flow {
            transport,
            local: SocketAddr::new(address.facing, port),
            remote: address.remote,
            connection: None,
        })
    }

    /// Its domain as the host part of a URI; the port belongs to the host, not to a domain.
    fn domain(&self) -> String {
        match self.config.port {
            Some(port) if self.config.domain == self.config.host => format!("{}:{port}", self.config.domain),
            Some(_) | None => self.config.domain.clone(),
        }
    }

    fn lookup(&mut self, now: Instant) -> Option<Lookup> {
        if self.look_up_at.is_none_or(|due| due > now) {
            return None;
        }
        self.look_up_at = Some(now + LOOK_UP_RETRY);
        Some(Lookup {
            trunk: HOSTED.to_owned(),
            host: self.config.host.clone(),
            port: self.config.port,
            transport: self.config.transport,
        })
    }

    fn handle_resolved(&mut self, now: Instant, resolved: Resolved) {
        if resolved.addresses.is_empty() {
            self.look_up_at = Some(now + LOOK_UP_RETRY);
            // The address of before is better than none (RFC 8767 in spirit).
            self.problem = resolved
                .problem
                .unwrap_or_else(|| format!("{} has no address", self.config.host));
            return;
        }
        let pause = match resolved.problem {
            None => LOOK_UP_AGAIN,
            Some(_) => LOOK_UP_RETRY,
        };
        self.look_up_at = Some(now + pause);
        self.problem.clear();
        let found = resolved.addresses.into_iter();
        let found = found.map(|(remote, facing)| Address { remote, facing }).collect();
        if self.addresses.handle_found(found) == Place::Other {
            self.forget_registrations();
            let lines = self.lines.extensions().into_iter().collect();
            self.start_lines(&lines);
        }
    }

    /// It is lost where it was: its name may lead elsewhere by now.
    fn look_up_again(&mut self, now: Instant) {
        self.look_up_at = Some(now);
    }

    /// Nobody answers: each probe goes to the next address. What answers then is where it is.
    fn try_next_address(&mut self) {
        if self.mode_of(Side::Ordinary) == Mode::Survival && self.addresses.move_on() == Place::Other {
            self.forget_registrations();
        }
    }

    /// The address of a probe answers.
    fn found_at(&mut self, address: Address) {
        if self.mode_of(Side::Ordinary) == Mode::Survival && self.addresses.settle_on(address) == Place::Other {
            self.forget_registrations();
        }
    }

    fn view(&self, now: Now) -> HostedView {
        let (since, reason) = self.health(self.main_side()).since();
        let ago = now.mono.saturating_duration_since(since);
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let (lines, confirmed) = self.lines.counts();
        HostedView {
            host: self.config.host.clone(),
            mode: self.mode().name().to_owned(),
            since_utc_ms: now.utc_ms.saturating_sub(millis(ago)),
            reason: match (self.address(), self.main_side()) {
                (None, _) => self.problem.clone(),
                (Some(_), Side::Ordinary) => reason.text().to_owned(),
                (Some(_), Side::Drilled) => format!("a drill: {}", reason.text()),
            },
            address: self
                .address()
                .map(|address| address.remote.to_string())
                .unwrap_or_default(),
            rtt_ms: self
                .health
                .rtt()
                .map(|rtt| u32::try_from(rtt.as_millis()).unwrap_or(u32::MAX)),
            loss_percent: u32::try_from(self.health.loss_percent()).unwrap_or(100),
            lost_total: self.health.trips(),
            lines,
            lines_confirmed: confirmed,
            problems: self.lines.problems(),
            drill: self.drill_view(),
        }
    }
}

fn settings(config: &branchline_config::Hosted) -> Settings {
    Settings {
        probe: Duration::from_secs(u64::from(config.probe_s)),
        settle: Duration::from_secs(u64::from(config.settle_s)),
    }
}

/// Addresses are asked for again after this, found or not; DNS time-to-live is the resolver's business.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(300);
const LOOK_UP_RETRY: Duration = Duration::from_secs(15);
