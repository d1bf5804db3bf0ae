//! Lines at the hosted PBX: one registration for each extension that has a telephone here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use branchline_config::{Credentials, Secret};
use branchline_journal::WanMode;
use branchline_sip::Flow;
use branchline_sip::binding::{Registration, RegistrationConfig, RegistrationEvent};
use branchline_sip::digest::{Account, Answerer};
use branchline_sip::message::{Builder, Message};
use branchline_sip::transaction::ClientKey;
use branchline_survival::Pace;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use crate::hosted::Upstream;
use crate::identity::escaped;
use crate::{Branch, Configuration};

/// All lines.
pub(super) struct Lines {
    lines: BTreeMap<String, Line>,
    /// Extension of each user part.
    users: BTreeMap<String, String>,
    /// When each line wants to be woken.
    deadlines: BTreeSet<(Instant, String)>,
    /// Lines with a REGISTER to send, in order.
    queue: VecDeque<String>,
    pace: Pace,
    rng: ChaCha12Rng,
}

/// Whether a line should be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A telephone of the extension is here.
    Yes,
    /// None is.
    No,
}

struct Line {
    credentials: Credentials,
    password: Option<Secret>,
    wanted: Wanted,
    registration: Option<Registration>,
    /// REGISTER that waits for its turn.
    request: Option<Builder>,
    registering: Option<ClientKey>,
    deadline: Option<Instant>,
    /// Registered since the hosted PBX was last lost: it routes the line's calls.
    confirmed: bool,
    problem: String,
}

/// What to do for a line now.
pub(super) struct Due {
    pub(super) extension: String,
    pub(super) request: Builder,
}

impl Lines {
    pub(super) fn new(per_second: u32) -> Lines {
        Lines {
            lines: BTreeMap::new(),
            users: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            queue: VecDeque::new(),
            pace: Pace::new(per_second),
            rng: ChaCha12Rng::from_seed([0; 32]),
        }
    }

    /// Lines that did not change keep their registration; one that is gone takes it back.
    pub(super) fn handle_configuration(&mut self, configuration: &Configuration, seed: [u8; 32]) {
        self.rng = ChaCha12Rng::from_seed(seed);
        let mut old = std::mem::take(&mut self.lines);
        self.users.clear();
        if let Some(hosted) = &configuration.config.hosted {
            self.pace = Pace::new(hosted.registers_per_second);
        }
        for entry in &configuration.config.extensions {
            let Some(credentials) = &entry.hosted else { continue };
            let extension = entry.number.as_str().to_owned();
            let password = configuration
                .line_passwords
                .iter()
                .find(|(known, _)| *known == extension)
                .map(|(_, secret)| secret.clone());
            let same = old
                .remove(&extension)
                .filter(|line| line.credentials == *credentials && line.password == password);
            self.users.insert(credentials.username.clone(), extension.clone());
            let line = same.unwrap_or_else(|| Line::new(credentials.clone(), password));
            self.lines.insert(extension, line);
        }
        let known = &self.lines;
        self.deadlines.retain(|(_, extension)| known.contains_key(extension));
        self.queue.retain(|extension| known.contains_key(extension));
    }

    pub(super) fn of_user(&self, user: &str) -> Option<String> {
        self.users.get(user).cloned()
    }

    pub(super) fn username(&self, extension: &str) -> Option<&str> {
        Some(self.lines.get(extension)?.credentials.username.as_str())
    }

    pub(super) fn extensions(&self) -> Vec<String> {
        self.lines.keys().cloned().collect()
    }

    /// Lines that should be registered, and those that are.
    pub(super) fn counts(&self) -> (u32, u32) {
        let count = |fits: fn(&Line) -> bool| {
            u32::try_from(self.lines.values().filter(|line| fits(line)).count()).unwrap_or(u32::MAX)
        };
        (
            count(|line| line.wanted == Wanted::Yes),
            count(|line| line.wanted == Wanted::Yes && line.confirmed),
        )
    }

    /// Why lines that should be registered are not.
    pub(super) fn problems(&self) -> Vec<String> {
        let lost = self
            .lines
            .iter()
            .filter(|(_, line)| line.wanted == Wanted::Yes && !line.confirmed);
        lost.filter(|(_, line)| !line.problem.is_empty())
            .take(PROBLEMS_MAX)
            .map(|(extension, line)| format!("{extension}: {}", line.problem))
            .collect()
    }

    /// The hosted PBX routes this line, as far as its registration goes.
    pub(super) fn is_confirmed(&self, extension: &str) -> bool {
        self.lines.get(extension).is_some_and(|line| line.confirmed)
    }

    /// The hosted PBX is lost to these: nothing is on its way to it, and it routes nothing.
    pub(super) fn forget(&mut self, lines: &BTreeSet<String>) {
        self.queue.retain(|extension| !lines.contains(extension));
        for line in lines {
            let Some(line) = self.lines.get_mut(line) else { continue };
            line.request = None;
            line.registering = None;
            line.confirmed = false;
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, extension)) = self.deadlines.first().cloned() {
            if due > now {
                break;
            }
            self.touch(&extension, |line| {
                if let Some(registration) = &mut line.registration {
                    registration.handle_timeout(now);
                }
            });
        }
    }

    /// When a registration wants something.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// When the next REGISTER has its turn.
    pub(super) fn poll_turn(&self, may: impl Fn(&str) -> bool) -> Option<Instant> {
        let waits = self.waiting().any(|line| may(line));
        waits.then(|| self.pace.poll_timeout()).flatten()
    }

    /// Changes a line, then sees what its registration wants.
    fn touch(&mut self, extension: &str, change: impl FnOnce(&mut Line)) {
        let Some(line) = self.lines.get_mut(extension) else {
            return;
        };
        if let Some(old) = line.deadline.take() {
            self.deadlines.remove(&(old, extension.to_owned()));
        }
        change(line);
        let Some(registration) = &mut line.registration else {
            return;
        };
        while let Some(event) = registration.poll_event() {
            match event {
                RegistrationEvent::Registered { .. } => {
                    line.problem.clear();
                    line.confirmed = true;
                }
                RegistrationEvent::Failed { status } => {
                    line.problem = problem(status);
                    line.confirmed &= registration.is_registered();
                }
                RegistrationEvent::Lost => {
                    "the registration ran out".clone_into(&mut line.problem);
                    line.confirmed = false;
                }
                RegistrationEvent::Unregistered => line.confirmed = false,
            }
        }
        if let Some(request) = registration.poll_request()
            && line.request.replace(request).is_none()
        {
            self.queue.push_back(extension.to_owned());
        }
        line.deadline = registration.poll_timeout().map(|(at, _)| at);
        if let Some(deadline) = line.deadline {
            self.deadlines.insert((deadline, extension.to_owned()));
        }
    }

    /// Lines with a REGISTER to send, in order.
    fn waiting(&self) -> impl Iterator<Item = &String> {
        let has_request = |line: &&String| self.lines.get(*line).is_some_and(|line| line.request.is_some());
        self.queue.iter().filter(has_request)
    }

    /// The REGISTER of a line, if its turn has come.
    fn take_turn(&mut self, now: Instant, extension: String) -> Option<Due> {
        if !self.pace.take(now) {
            return None;
        }
        self.queue.retain(|line| *line != extension);
        let request = self.lines.get_mut(&extension)?.request.take()?;
        Some(Due { extension, request })
    }
}

impl Line {
    fn new(credentials: Credentials, password: Option<Secret>) -> Line {
        Line {
            credentials,
            password,
            wanted: Wanted::No,
            registration: None,
            request: None,
            registering: None,
            deadline: None,
            confirmed: false,
            problem: String::new(),
        }
    }

    fn account(&self) -> Option<Account> {
        Some(Account::with_password(
            self.credentials.auth_username.clone(),
            self.password.as_ref()?.expose().to_owned(),
        ))
    }

    /// Registers where it should be, or takes the registration back.
    fn start(&mut self) {
        let Some(registration) = &mut self.registration else {
            return;
        };
        match self.wanted {
            Wanted::Yes => registration.start(),
            Wanted::No => registration.stop(),
        }
    }
}

impl Upstream {
    /// The hosted PBX is found, or has come back: these lines register anew.
    pub(super) fn start_lines(&mut self, lines: &BTreeSet<String>) {
        self.lines.forget(lines);
        for extension in lines {
            let fresh = self.registration(extension);
            self.lines.touch(extension, |line| {
                // With a registration of before, the registrar sees a refresh and not a second telephone.
                line.registration = line.registration.take().or(fresh);
                line.start();
            });
        }
    }

    /// The address of the hosted PBX or of the box towards it is another: so are the contacts.
    pub(super) fn forget_registrations(&mut self) {
        for line in self.lines.lines.values_mut() {
            line.registration = None;
        }
    }

    /// A telephone of the extension came, or the last one left.
    pub(super) fn want_line(&mut self, extension: &str, wanted: Wanted) {
        let Some(line) = self.lines.lines.get(extension) else {
            return;
        };
        if line.wanted == wanted {
            return;
        }
        let fresh = if line.registration.is_none() {
            self.registration(extension)
        } else {
            None
        };
        self.lines.touch(extension, |line| {
            line.wanted = wanted;
            line.registration = line.registration.take().or(fresh);
            line.start();
        });
    }

    fn registration(&mut self, extension: &str) -> Option<Registration> {
        let flow = self.flow()?;
        let line = self.lines.lines.get(extension)?;
        let account = line.account()?;
        let username = &line.credentials.username;
        let mut seed = [0; 32];
        self.lines.rng.fill_bytes(&mut seed);
        let config = RegistrationConfig {
            registrar: format!("sip:{}", self.domain()),
            address: format!("sip:{}@{}", escaped(username), self.config.domain),
            contact: contact_uri(username, flow),
            instance: Some(instance(&self.config.domain, username)),
            account,
            expires_s: self.config.expires_s,
        };
        Some(Registration::new(config, seed))
    }

    /// The REGISTER whose turn has come.
    fn next_register(&mut self, now: Instant) -> Option<Due> {
        let line = self.lines.waiting().find(|line| self.can_register(line));
        let line = line.cloned()?;
        self.lines.take_turn(now, line)
    }

    /// Somebody who answers the challenges of a line, for one request.
    pub(super) fn answerer(&mut self, extension: &str) -> Option<Answerer> {
        let account = self.lines.lines.get(extension)?.account()?;
        let mut seed = [0; 32];
        self.lines.rng.fill_bytes(&mut seed);
        Some(Answerer::new(account, seed))
    }

    pub(super) fn username(&self, extension: &str) -> Option<&str> {
        self.lines.username(extension)
    }

    pub(super) fn lines_mut(&mut self) -> &mut Lines {
        &mut self.lines
    }

    /// A response to a REGISTER of ours; `None` when none came. Says whether it was one.
    pub(super) fn handle_register_response(
        &mut self,
        now: Instant,
        key: ClientKey,
        response: Option<&Message>,
    ) -> Option<String> {
        let found = self.lines.lines.iter().find(|(_, line)| line.registering == Some(key));
        let extension = found.map(|(extension, _)| extension.clone())?;
        self.lines.touch(&extension, |line| {
            line.registering = None;
            if let Some(registration) = &mut line.registration {
                match response {
                    Some(response) => registration.handle_response(now, response),
                    None => registration.handle_failure(now, 408),
                }
            }
        });
        Some(extension)
    }

    /// The hosted PBX routes the calls of this line now.
    pub(super) fn routes(&self, extension: &str) -> bool {
        self.health(self.side_of(extension)).serves() && self.lines.is_confirmed(extension)
    }
}

impl Branch {
    /// Sends the REGISTERs whose turn has come. Says whether there was any.
    pub(super) fn register_lines(&mut self, now: Instant) -> bool {
        let mut moved = false;
        while let Some(upstream) = self.hosted.upstream() {
            let Some(flow) = upstream.flow() else { break };
            let Some(due) = upstream.next_register(now) else { break };
            moved = true;
            let sent = self.agent.request(now, flow, due.request);
            let Some(upstream) = self.hosted.upstream() else { break };
            let side = upstream.side_of(&due.extension);
            upstream.health_mut(side).handle_sent(now);
            upstream
                .lines
                .touch(&due.extension, |line| match (sent, &mut line.registration) {
                    (Ok(key), _) => line.registering = Some(key),
                    (Err(_), Some(registration)) => registration.handle_failure(now, 503),
                    (Err(_), None) => {}
                });
        }
        moved
    }

    /// The registrations of an extension changed: its line follows.
    pub(crate) fn follow_binding(&mut self, extension: &str) {
        let wanted = if self.bindings.lookup(extension).is_empty() {
            Wanted::No
        } else {
            Wanted::Yes
        };
        if let Some(upstream) = self.hosted.upstream() {
            upstream.want_line(extension, wanted);
        }
    }

    /// Every line follows: at the start, after a reload, when the hosted PBX is found.
    pub(crate) fn follow_bindings(&mut self) {
        let extensions = self.hosted.upstream().map(|upstream| upstream.lines.extensions());
        for extension in extensions.unwrap_or_default() {
            self.follow_binding(&extension);
        }
    }

    /// Tells routing which lines the hosted PBX serves, and the records whether it can be reached.
    pub(crate) fn tell_lines(&mut self) {
        self.mode.wan = if self.hosted.is_lost() {
            WanMode::Survival
        } else {
            WanMode::Online
        };
        let Some(upstream) = self.hosted.upstream() else {
            return self.legs.set_hosted_lines(BTreeSet::new());
        };
        let served = upstream
            .lines
            .extensions()
            .into_iter()
            .filter(|line| upstream.routes(line));
        let served = served.collect();
        self.legs.set_hosted_lines(served);
    }

    pub(super) fn tell_line(&mut self, extension: &str) {
        match self.hosted.upstream() {
            Some(upstream) if upstream.routes(extension) => self.legs.add_hosted_line(extension),
            Some(_) | None => self.legs.remove_hosted_line(extension),
        }
    }
}

fn contact_uri(username: &str, flow: Flow) -> String {
    let transport = match flow.transport {
        branchline_sip::Transport::Udp => "",
        branchline_sip::Transport::Tcp => ";transport=tcp",
        branchline_sip::Transport::Tls => ";transport=tls",
    };
    format!("sip:{}@{}{transport}", escaped(username), flow.local)
}

/// A UUID of version 8 (RFC 9562 section 5.8) out of the address of record: the same after each start.
fn instance(domain: &str, username: &str) -> String {
    let digest = Sha256::digest(format!("{username}@{domain}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    format!("urn:uuid:{}", uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

fn problem(status: u16) -> String {
    match status {
        401 | 403 | 407 => {
            format!("the user name or password is refused (status {status}): check its hosted = {{ … }}")
        }
        404 => "the user name is not known (status 404): check its hosted = { … }".to_owned(),
        408 => "no answer to REGISTER".to_owned(),
        503 => "the hosted PBX cannot be reached".to_owned(),
        _ => format!("the registration is refused (status {status})"),
    }
}

/// Shown at once; the rest is in the log.
const PROBLEMS_MAX: usize = 20;
