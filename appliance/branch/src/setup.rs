//! How a branch begins, and how it takes a new configuration while calls are up.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use branchline_call::{Calls, LegId};
use branchline_config::{Config, Secret};
use branchline_journal::{Binding, EmergencyCall, Event, Mode};
use branchline_media::{PoolConfig, PortPool};
use branchline_route::{Admission, AdmissionLimits, Guard, GuardLimits, Tables};
use branchline_sip::agent::{Agent, AgentSettings};
use branchline_sip::binding::{self, Bindings, BindingsConfig, Moment};
use branchline_sip::message::{Message, Method};
use branchline_sip::transaction::{self, Priority};
use branchline_sip::{Flow, Transport};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::anchor::{Anchors, Timeouts};
use crate::auth::Auth;
use crate::emergency::{Emergencies, SESSIONS_FOR_HELP, Strangers};
use crate::hosted::Hosted;
use crate::journal::{Journal, JournalStart};
use crate::now::Now;
use crate::output::Level;
use crate::quota::Quota;
use crate::timers::HEARTBEAT;
use crate::trunks::Trunks;
use crate::{Branch, Watched};

/// A configuration with the secrets that are kept outside of it.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The parsed file.
    pub config: Arc<Config>,
    /// Password per trunk that has credentials, read from the file or from where the file says.
    pub trunk_passwords: Vec<(String, Secret)>,
    /// Password per extension that has a line at the hosted PBX.
    pub line_passwords: Vec<(String, Secret)>,
    /// Digest of the file, for the journal.
    pub digest: String,
    /// Whether it is what the site's administrator last put in force.
    pub trust: Trust,
}

/// How far a configuration can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// It is the site's own.
    #[default]
    Full,
    /// A copy that cannot be proved to be the site's, or is old: dear calls wait until the file is back.
    Restricted,
}

/// What a branch is made from.
pub struct Setup {
    /// The configuration.
    pub configuration: Configuration,
    /// Randomness for everything that must not be guessed.
    pub seed: [u8; 32],
    /// Where the journal goes on.
    pub journal: JournalStart,
    /// Registrations that were alive when the box stopped.
    pub bindings: Vec<Binding>,
    /// Calls for help that operators may call back, the latest last.
    pub emergencies: Vec<EmergencyCall>,
    /// Version of the program.
    pub version: String,
}

impl Branch {
    /// A branch that just started; it has outputs at once.
    pub fn new(now: Now, setup: Setup) -> Branch {
        let Setup {
            configuration,
            seed,
            journal,
            bindings,
            emergencies,
            version,
        } = setup;
        let mut rng = ChaCha12Rng::from_seed(seed);
        let config = configuration.config.clone();
        let auth = Auth::new(&config, now.mono, (draw(&mut rng), draw(&mut rng)));
        let tables = Arc::new(Tables::new(&config));
        let agent = Agent::new(agent_settings(&config, &version, priority(&tables)), draw(&mut rng));
        let trunks = Trunks::new(now.mono, &configuration, draw(&mut rng));
        let hosted = Hosted::new(now.mono, &configuration, draw(&mut rng));
        let mut branch = Branch {
            tables,
            agent,
            calls: Calls::new(),
            legs: crate::Legs::default(),
            anchors: Anchors::new(PortPool::new(pool_config(&config)), timeouts(&config)),
            hold_probes: Default::default(),
            facts: Default::default(),
            endings: Default::default(),
            bindings: Bindings::new(bindings_config(&config)),
            replies: Default::default(),
            messages: Default::default(),
            emergencies: Emergencies::new(emergencies, config.emergency.callback_hours),
            strangers: Strangers::new(),
            trunks,
            hosted,
            auth,
            guard: Guard::new(GuardLimits::from(&config.sip.ban)),
            admission: Admission::new(AdmissionLimits::from(&config.sip), now.mono),
            journal: Journal::new(now, journal, ChaCha12Rng::from_seed(draw(&mut rng))),
            outputs: Default::default(),
            notices: Quota::per_second(NOTICES_PER_SECOND),
            shed_records: Quota::per_second(SHED_RECORDS_PER_SECOND),
            neighbours: Default::default(),
            undated: Default::default(),
            counters: Default::default(),
            next_heartbeat: now.mono + HEARTBEAT,
            last_shed: None,
            watched: Watched::No,
            explained: Watched::No,
            mode: Mode::default(),
            trust: configuration.trust,
            version: 0,
            alarms: Default::default(),
            queue_delay: Duration::ZERO,
            config,
        };
        let restored = bindings.into_iter().filter_map(from_journal);
        branch.bindings.restore(branch.moment(now), restored);
        branch.restrict();
        branch.neighbours.handle_configuration(now.mono, &branch.config);
        branch.follow_bindings();
        branch.trust_bindings(now);
        branch.journal(now, Event::BoxStarted { version });
        branch.journal(
            now,
            Event::ConfigLoaded {
                digest: configuration.digest,
            },
        );
        branch.settle(now);
        branch
    }

    /// The phones that were registered before the start keep their good name.
    fn trust_bindings(&mut self, now: Now) {
        for binding in self.bindings.iter() {
            let left_ms = binding.expires_utc_ms.saturating_sub(self.moment(now).utc_ms);
            let lasts = Duration::from_millis(left_ms);
            self.guard.handle_success(now.mono, binding.flow.remote.ip(), lasts);
        }
    }

    /// New tables for new calls; calls and registrations that are there go on.
    pub(crate) fn configure(&mut self, now: Now, configuration: Configuration) {
        // What the sockets and the phones' passwords hang on stays as it was until the next start, for every part.
        let mut config = Config::clone(&configuration.config);
        config.sip.listen.clone_from(&self.config.sip.listen);
        config.media.addresses.clone_from(&self.config.media.addresses);
        if config.site.realm == self.config.site.realm {
            self.auth.handle_users(&config);
        } else {
            self.notice(
                Level::Warning,
                "a new site.realm needs new passwords and a restart; the old ones count until then",
            );
            config.site.realm.clone_from(&self.config.site.realm);
        }
        let config = Arc::new(config);
        let configuration = Configuration {
            config: Arc::clone(&config),
            ..configuration
        };
        self.trust = configuration.trust;
        self.restrict();
        self.tables = Arc::new(Tables::new(&config));
        self.agent.handle_priority(priority(&self.tables));
        self.guard.handle_limits(GuardLimits::from(&config.sip.ban));
        self.admission
            .handle_limits(now.mono, AdmissionLimits::from(&config.sip));
        self.anchors.set_timeouts(timeouts(&config));
        self.emergencies.set_window(config.emergency.callback_hours);
        self.bindings.handle_config(bindings_config(&config));
        self.trunks.handle_configuration(now.mono, &configuration);
        for gone in self
            .config
            .extensions
            .iter()
            .filter(|old| config.extension(old.number.as_str()).is_none())
        {
            self.bindings.remove_user(gone.number.as_str());
        }
        self.config = config;
        self.neighbours.handle_configuration(now.mono, &self.config);
        self.hosted.handle_configuration(now.mono, &configuration);
        self.follow_bindings();
        self.tell_lines();
        self.notice(Level::Info, "configuration taken; calls in progress go on");
        self.journal(
            now,
            Event::ConfigLoaded {
                digest: configuration.digest,
            },
        );
    }

    /// The moment of an input, as the registrar's table wants it.
    pub(crate) fn moment(&self, now: Now) -> Moment {
        Moment {
            now: now.mono,
            utc_ms: u64::try_from(self.journal.dated(now).utc_ms).unwrap_or(0),
        }
    }

    /// The address of the box that the media of a leg faces.
    pub(crate) fn leg_address(&self, leg: LegId) -> Option<IpAddr> {
        self.legs.entry(leg).map(|entry| self.address_facing(entry.flow))
    }

    /// The address of the box for media with the party on a flow.
    pub(crate) fn address_facing(&self, flow: Flow) -> IpAddr {
        let local = flow.local.ip();
        let configured = &self.config.media.addresses;
        if configured.is_empty() || configured.contains(&local) {
            return local;
        }
        configured
            .iter()
            .copied()
            .find(|address| address.is_ipv4() == local.is_ipv4())
            .unwrap_or(local)
    }
}

/// A binding as the journal keeps it: until `keep_until_utc_ms`.
pub(crate) fn to_journal(binding: binding::Binding, keep_until_utc_ms: u64) -> Binding {
    Binding {
        aor: binding.user.into(),
        contact: binding.contact.into(),
        instance: binding.instance.map(Into::into),
        reg_id: binding.reg_id,
        q_thousandths: binding.q_thousandths,
        path: binding.path.iter().map(|hop| hop.to_string()).collect(),
        received: format!("{} {}", binding.flow.local, binding.flow.remote),
        transport: binding.flow.transport.param_name().to_owned(),
        call_id: binding.call_id.into(),
        cseq: binding.cseq,
        expires_utc_ms: i64::try_from(keep_until_utc_ms).unwrap_or(i64::MAX),
        user_agent: binding.user_agent.map(Into::into),
    }
}

/// A binding from the journal; `None` for one this version cannot read. Its connection did not survive.
fn from_journal(saved: Binding) -> Option<binding::Binding> {
    let (local, remote) = saved.received.split_once(' ')?;
    let flow = Flow {
        transport: Transport::of(&saved.transport)?,
        local: local.parse().ok()?,
        remote: remote.parse().ok()?,
        connection: None,
    };
    Some(binding::Binding {
        user: saved.aor.into(),
        contact: saved.contact.into(),
        instance: saved.instance.map(Into::into),
        reg_id: saved.reg_id,
        q_thousandths: saved.q_thousandths,
        call_id: saved.call_id.into(),
        cseq: saved.cseq,
        expires_utc_ms: u64::try_from(saved.expires_utc_ms).unwrap_or(0),
        path: saved.path.into_iter().map(Into::into).collect(),
        flow,
        user_agent: saved.user_agent.map(Into::into),
    })
}

fn draw(rng: &mut ChaCha12Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    seed
}

fn agent_settings(config: &Config, version: &str, priority: Priority) -> AgentSettings {
    AgentSettings {
        user_agent: format!("Branchline/{version}"),
        limits: transaction::Limits {
            priority,
            ..transaction::Limits::default()
        },
        // Two legs per call, and room for phones that ring together.
        sessions_max: config.sip.max_calls as usize * 4 + SESSIONS_FOR_HELP,
        session_expires_s: config.sip.session_expires_s,
        min_se_s: config.sip.min_se_s,
        ..AgentSettings::default()
    }
}

/// What still gets a transaction when nearly all are in use: calls for help, and what ends calls.
fn priority(tables: &Arc<Tables>) -> Priority {
    let tables = tables.clone();
    Priority::new(move |request| has_priority(request, &tables))
}

fn has_priority(request: &Message, tables: &Tables) -> bool {
    match request.method() {
        Method::Bye | Method::Cancel | Method::Prack => true,
        Method::Invite => branchline_route::emergency_number(&crate::dial::dialled(request), tables).is_some(),
        Method::Ack
        | Method::Register
        | Method::Options
        | Method::Update
        | Method::Info
        | Method::Refer
        | Method::Notify
        | Method::Subscribe
        | Method::Publish
        | Method::Message
        | Method::Other(_) => false,
    }
}

fn bindings_config(config: &Config) -> BindingsConfig {
    BindingsConfig {
        contacts_per_user_max: config.sip.max_contacts as usize,
        contacts_max: config.sip.max_registrations as usize,
        expires_min_s: config.sip.expires_min_s,
        expires_default_s: config.sip.expires_default_s,
        expires_max_s: config.sip.expires_max_s,
    }
}

/// Enough bound ports in stock for a second of calls at the rate that is let in, several phones ringing for each.
fn pool_config(config: &Config) -> PoolConfig {
    let pairs = usize::from(config.media.port_max.saturating_sub(config.media.port_min)) / 2;
    let wanted = config.sip.max_calls_per_second as usize * 4;
    PoolConfig {
        stock: wanted.max(64).min(pairs.max(1)),
        ..PoolConfig::default()
    }
}

fn timeouts(config: &Config) -> Timeouts {
    Timeouts {
        talking: Duration::from_secs(u64::from(config.media.rtp_timeout_s)),
        held: Duration::from_secs(u64::from(config.media.rtp_timeout_hold_s)),
    }
}

/// Records of calls that overload turned away; more are only counted.
const SHED_RECORDS_PER_SECOND: u32 = 10;
/// Lines in the log about sources that are shut out.
const NOTICES_PER_SECOND: u32 = 5;
