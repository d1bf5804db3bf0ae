//! Opening everything the daemon needs.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use branchline_branch::{Branch, Configuration, JournalStart, Setup};
use branchline_calldb::{CallDb, Limits, Paths};
use branchline_config::Config;
use branchline_journal::{BootId, Stamp, uuid_v7};
use branchline_net::Socket;
use branchline_sip::Transport;

use super::RunFault;
use super::clock::Clock;
use super::journal::{self, Acks, Opened};
use super::limits;
use super::load::{self, Read};
use super::relay::Relay;
use super::storage::Storage;
use crate::io::facing::Facing;
use crate::io::post::Poster;
use crate::io::resolve::{Resolver, sip_transport};
use crate::io::stream::{PER_SOURCE_MAX, Settings, Streams};
use crate::io::surroundings::Surroundings;
use crate::io::{bind, tls};
use crate::place::Place;

/// Everything is open, and nothing is answered yet.
pub struct Daemon {
    pub(super) place: Place,
    pub(super) config: Arc<Config>,
    pub(super) digest: String,
    pub(super) clock: Clock,
    pub(super) branch: Box<Branch>,
    pub(super) udp: Vec<Socket>,
    pub(super) streams: Streams,
    pub(super) listening: Vec<(Transport, std::net::SocketAddr)>,
    pub(super) resolver: Resolver,
    pub(super) poster: Poster,
    pub(super) surroundings: Surroundings,
    pub(super) relay: Relay,
    pub(super) db: CallDb,
    pub(super) acks: Arc<Acks>,
    pub(super) storage: Arc<Storage>,
}

impl Daemon {
    /// Opens every socket, the journal and the media workers, and makes the branch.
    pub fn bind(place: &Place, read: Read) -> Result<Daemon, RunFault> {
        let open_files = limits::raise_open_files();
        let Read {
            configuration,
            bundle,
            fault,
        } = read;
        let (config, digest) = (Arc::clone(&configuration.config), configuration.digest.clone());
        let Sockets {
            udp,
            streams,
            listening,
        } = sockets(&config)?;
        let streams = Streams::start(streams, stream_settings(&config, place, open_files)?)?;
        let resolver = Resolver::start(Facing::new(listening.clone()), &place.resolved())?;
        let poster = Poster::start()?;
        let surroundings = Surroundings::start()?;
        let relay = Relay::start(&config)?;
        let mut clock = Clock::new();
        let (opened, branch) = remembered(place, configuration, &mut clock)?;
        if fault.is_empty() {
            Read::keep(place, &bundle, config.storage.spool.as_deref());
        } else {
            tracing::error!(fault, "the configuration is not the file");
            opened.storage.handle_configuration(fault);
        }
        Ok(Daemon {
            place: place.clone(),
            config,
            digest,
            clock,
            branch,
            udp,
            streams,
            listening,
            resolver,
            poster,
            surroundings,
            relay,
            db: opened.db,
            acks: opened.acks,
            storage: opened.storage,
        })
    }

    /// Why the state directory cannot be used; empty when it can.
    pub fn note_state_directory(&self, fault: String) {
        if !fault.is_empty() {
            tracing::error!(fault, "calls go on without the state directory");
        }
        self.storage.handle_state_directory(fault);
    }
}

struct Sockets {
    udp: Vec<Socket>,
    streams: Vec<(Transport, TcpListener)>,
    listening: Vec<(Transport, std::net::SocketAddr)>,
}

fn sockets(config: &Config) -> Result<Sockets, RunFault> {
    let mut sockets = Sockets {
        udp: Vec::new(),
        streams: Vec::new(),
        listening: Vec::new(),
    };
    for listen in &config.sip.listen {
        let transport = sip_transport(listen.transport);
        let bound = match transport {
            Transport::Udp => {
                let socket = bind::udp(listen.address)?;
                let bound = socket.local_address();
                sockets.udp.push(socket);
                bound
            }
            Transport::Tcp | Transport::Tls => {
                let listener = bind::stream(transport, listen.address)?;
                let bound = listener.local_addr()?;
                sockets.streams.push((transport, listener));
                bound
            }
        };
        sockets.listening.push((transport, bound));
    }
    Ok(sockets)
}

fn stream_settings(config: &Config, place: &Place, open_files: usize) -> Result<Settings, RunFault> {
    let has_tls = config
        .sip
        .listen
        .iter()
        .any(|listen| listen.transport == branchline_config::Transport::Tls);
    let server = match has_tls {
        // Without a certificate the other transports answer all the same.
        true => tls::server(&load::key_files(config, place))
            .inspect_err(|fault| tracing::error!(%fault, "no TLS"))
            .ok(),
        false => None,
    };
    Ok(Settings {
        server,
        client: tls::client()?,
        connections_max: limits::connections_max(open_files),
        per_source_max: PER_SOURCE_MAX,
        // A phone that stays connected says something at least when it registers again.
        idle_max: Duration::from_secs(u64::from(config.sip.expires_max_s)) + IDLE_SLACK,
        ping_every: PING_EVERY,
    })
}

type Remembered = (Opened, Box<Branch>);

fn remembered(place: &Place, configuration: Configuration, clock: &mut Clock) -> Result<Remembered, RunFault> {
    let now = clock.now();
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(std::io::Error::from)?;
    let boot = BootId(uuid_v7(now.utc_ms, &random));
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(std::io::Error::from)?;
    let setup = branchline_calldb::Setup {
        paths: Paths {
            journals: place.journals(configuration.config.storage.spool.as_deref()),
            database: place.records(),
        },
        limits: Limits::default(),
        now: Stamp {
            utc_ms: now.utc_ms,
            clock_trusted: now.clock_trusted,
            mono_ms: 0,
            boot,
        },
    };
    let mut opened = journal::open(&setup, place.reports())?;
    let report = &mut opened.report;
    tracing::info!(
        entries = report.last_seq,
        registrations = report.bindings.len(),
        interrupted_calls = report.interrupted.len(),
        torn_bytes = report.torn_bytes,
        corrupt_regions = report.corrupt_regions,
        "the journal goes on"
    );
    if let Some(rebuilt) = &report.rebuilt {
        tracing::warn!(
            why = rebuilt.why,
            replayed = rebuilt.replayed,
            "the call database was made again"
        );
    }
    let setup = Setup {
        configuration,
        seed,
        journal: JournalStart {
            boot,
            next_seq: opened.db.next_seq(),
            newest_utc_ms: report.newest.map(|stamp| stamp.utc_ms),
        },
        bindings: std::mem::take(&mut report.bindings),
        emergencies: std::mem::take(&mut report.emergencies),
        version: crate::version::own().to_owned(),
    };
    Ok((opened, Box::new(Branch::new(now, setup))))
}

/// An outage of a quiet connection is noticed within forty seconds, and most firewalls forget no sooner.
const PING_EVERY: Duration = Duration::from_secs(30);
/// A late refresh of a registration still finds its connection.
const IDLE_SLACK: Duration = Duration::from_secs(120);
