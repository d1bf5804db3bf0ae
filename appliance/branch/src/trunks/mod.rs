//! Trunks: looked up, registered, asked for signs of life (OPTIONS), and told apart when they call.

mod line;
mod upkeep;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use branchline_config::{Config, Listen, Mode};
use branchline_route::State;
use branchline_sip::Flow;
use branchline_sip::binding::{Registration, RegistrationState};
use branchline_sip::digest::Answerer;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::Configuration;
use crate::output::Resolved;
use crate::view::TrunkView;
use line::{Address, Line, PROBE_PATIENCE, Probe, interval};

/// All trunks of the box.
pub(crate) struct Trunks {
    lines: Vec<Line>,
    /// Trunks that are no longer configured and still have to be told so; at most [`LEAVING_MAX`].
    leaving: Vec<Line>,
    listen: Vec<Listen>,
    rng: ChaCha12Rng,
}

impl Trunks {
    pub(crate) fn new(now: Instant, configuration: &Configuration, seed: [u8; 32]) -> Trunks {
        let mut trunks = Trunks {
            lines: Vec::new(),
            leaving: Vec::new(),
            listen: Vec::new(),
            rng: ChaCha12Rng::from_seed(seed),
        };
        trunks.handle_configuration(now, configuration);
        trunks
    }

    /// Trunks that did not change keep their registration.
    pub(crate) fn handle_configuration(&mut self, now: Instant, configuration: &Configuration) {
        let config: &Config = &configuration.config;
        self.listen.clone_from(&config.sip.listen);
        let mut old = std::mem::take(&mut self.lines);
        for trunk in &config.trunks {
            let password = configuration
                .trunk_passwords
                .iter()
                .find(|(name, _)| *name == trunk.name);
            let password = password.map(|(_, secret)| secret.clone());
            let same = old
                .iter()
                .position(|line| line.trunk == *trunk && line.password == password);
            self.lines.push(match same {
                Some(at) => old.swap_remove(at),
                None => Line::new(now, trunk.clone(), password),
            });
        }
        // An account that goes on under other terms registers the same contact again.
        old.retain(|line| self.lines.iter().all(|kept| !kept.is_same_account(line)));
        for mut line in old {
            if let Some(registration) = &mut line.registration
                && registration.is_registered()
                && self.leaving.len() < LEAVING_MAX
            {
                registration.stop();
                self.leaving.push(line);
            }
        }
    }

    pub(crate) fn handle_resolved(&mut self, now: Instant, resolved: Resolved) {
        let seed = self.draw();
        let listen = self.listen.clone();
        let Some(line) = self.lines.iter_mut().find(|line| line.trunk.name == resolved.trunk) else {
            return;
        };
        line.look_up_at = Some(
            now + match resolved.problem {
                None => LOOK_UP_AGAIN,
                Some(_) => LOOK_UP_RETRY,
            },
        );
        if resolved.addresses.is_empty() {
            // The addresses of before are better than none (RFC 8767 in spirit).
            line.problem = resolved
                .problem
                .unwrap_or_else(|| format!("{} has no address", line.trunk.host));
            return;
        }
        let mut addresses: Vec<Address> = resolved
            .addresses
            .into_iter()
            .map(|(remote, facing)| Address { remote, facing })
            .collect();
        let in_use = line.addresses.first().copied();
        if let Some(at) = in_use.and_then(|in_use| addresses.iter().position(|known| *known == in_use)) {
            if line.is_up() {
                // Name servers turn the list round and give parts of it; what is in use stays in use.
                addresses.rotate_left(at);
            } else if at > 0 {
                line.probe.asked = None;
                line.probe.next = now;
            }
            line.addresses = addresses;
            return;
        }
        line.addresses = addresses;
        line.problem.clear();
        line.probe = Probe {
            next: now,
            asked: None,
            missed: 0,
        };
        if line.trunk.mode == Mode::Register
            && let Some(flow) = line.flow(&listen)
        {
            line.registration = line.registration(flow, seed);
            line.registering = None;
            if let Some(registration) = &mut line.registration {
                registration.start();
            }
        }
    }

    /// A trunk has this address.
    pub(crate) fn has_address(&self, remote: SocketAddr) -> bool {
        self.at(remote).next().is_some()
    }

    /// The trunk that calls from this address. Of several accounts at one provider it is the one whose number or user name
    /// was dialled.
    pub(crate) fn of_call(&self, remote: SocketAddr, dialled: &str) -> Option<String> {
        let called = self.at(remote).find(|line| line.is_called(dialled));
        let line = called.or_else(|| self.at(remote).next())?;
        Some(line.trunk.name.clone())
    }

    /// The trunks at this very address and port, or else on this host.
    fn at(&self, remote: SocketAddr) -> impl Iterator<Item = &Line> {
        let exact = self.lines.iter().any(|line| line.is_at(remote));
        self.lines.iter().filter(move |line| {
            if exact {
                line.is_at(remote)
            } else {
                line.is_on(remote.ip())
            }
        })
    }

    pub(crate) fn flow(&self, name: &str) -> Option<Flow> {
        self.line(name)?.flow(&self.listen)
    }

    /// User part of our Contact towards a trunk: what it registered, or the number it knows.
    pub(crate) fn contact_user(&self, name: &str, number: &str) -> String {
        self.line(name).and_then(Line::user).unwrap_or(number).to_owned()
    }

    /// Somebody who answers the challenges of a trunk, for one request.
    pub(crate) fn answerer(&mut self, name: &str) -> Option<Answerer> {
        let seed = self.draw();
        Some(Answerer::new(self.line(name)?.account()?, seed))
    }

    /// Any answer on a call proves that the trunk lives.
    pub(crate) fn handle_alive(&mut self, now: Instant, name: &str) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.trunk.name == name) {
            line.handle_alive();
            line.probe.next = line.probe.next.max(now + interval(line) / 2);
        }
    }

    /// The connection to a registrar is gone, and with it the way it would call us: register over a new one.
    pub(crate) fn handle_flow_failed(&mut self, flow: Flow) {
        let lost = |line: &&mut Line| {
            line.addresses
                .first()
                .is_some_and(|address| address.remote == flow.remote)
        };
        for line in self.lines.iter_mut().filter(lost) {
            // One that is asking or waits to ask again keeps its pace, or a registrar that refuses connections is hammered.
            if let Some(registration) = &mut line.registration
                && let RegistrationState::Registered { .. } = registration.state()
            {
                registration.start();
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for line in &mut self.lines {
            line.give_up_probe(now);
            if let Some(registration) = &mut line.registration {
                registration.handle_timeout(now);
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.lines
            .iter()
            .flat_map(|line| {
                let probe = match line.probe.asked {
                    Some((_, since)) => Some(since + PROBE_PATIENCE),
                    None => (!line.addresses.is_empty()).then_some(line.probe.next),
                };
                let registration = line
                    .registration
                    .as_ref()
                    .and_then(Registration::poll_timeout)
                    .map(|(at, _)| at);
                [line.look_up_at, probe, registration]
            })
            .flatten()
            .min()
    }

    pub(crate) fn views(&self, state: &State) -> Vec<TrunkView> {
        self.lines.iter().map(|line| line.view(state)).collect()
    }

    fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.trunk.name == name)
    }

    fn draw(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }
}

/// Addresses are asked for again after this, found or not; DNS time-to-live is the resolver's business.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(300);
const LOOK_UP_RETRY: Duration = Duration::from_secs(15);
/// Trunks taken out at once that are still told; the registrations of more run out by themselves.
const LEAVING_MAX: usize = 32;
