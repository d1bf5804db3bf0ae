//! The registrar's table: REGISTER in, bindings out, bounded per user and in total.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::record::{Binding, BindingEvent, Granted, Removal};
use super::register::{Change, Moment, RegisterOutcome, RegisterRefused, Update, read, user};
use crate::flow::{ConnectionId, Flow};
use crate::message::{Message, Uri};

/// Bounds of a [`Bindings`] table.
#[derive(Clone, Copy, Debug)]
pub struct BindingsConfig {
    /// Most contacts of one user; a further one takes the place of the oldest.
    pub contacts_per_user_max: usize,
    /// Most contacts of all users.
    pub contacts_max: usize,
    /// Shortest interval granted, seconds.
    pub expires_min_s: u32,
    /// Longest interval granted, seconds.
    pub expires_max_s: u32,
    /// Interval of a phone that asks for none, seconds.
    pub expires_default_s: u32,
}

impl Default for BindingsConfig {
    /// One hour unless asked, as RFC 3261 section 10.2.1.1 has it; a minute at least, so that refreshes don't become load.
    fn default() -> BindingsConfig {
        BindingsConfig {
            contacts_per_user_max: 10,
            contacts_max: 10_000,
            expires_min_s: 60,
            expires_max_s: 7200,
            expires_default_s: 3600,
        }
    }
}

/// Why the table wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BindingReason {
    /// A binding ends.
    Expiry,
}

struct Entry {
    binding: Binding,
    expires_at: Instant,
    /// See [`BindingEvent::Changed`].
    keep_until_utc_ms: u64,
}

/// All bindings of the box.
///
/// Inputs: [`handle_register`](Bindings::handle_register), [`handle_timeout`](Bindings::handle_timeout),
/// [`handle_connection_closed`](Bindings::handle_connection_closed). Then poll [`poll_event`](Bindings::poll_event) until it is empty.
pub struct Bindings {
    config: BindingsConfig,
    users: BTreeMap<Arc<str>, Vec<Entry>>,
    // The earliest end of each user's bindings.
    deadlines: BTreeSet<(Instant, Arc<str>)>,
    count: usize,
    events: VecDeque<BindingEvent>,
}

impl Bindings {
    /// An empty table.
    pub fn new(config: BindingsConfig) -> Bindings {
        Bindings {
            config,
            users: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            count: 0,
            events: VecDeque::new(),
        }
    }

    /// New bounds; they count from the next REGISTER of each phone on.
    pub fn handle_config(&mut self, config: BindingsConfig) {
        self.config = config;
    }

    /// Takes back what was journalled before a restart; what has ended meanwhile is left out. Streams are gone with the old
    /// process; their phones are reached where they listen.
    pub fn restore(&mut self, at: Moment, saved: impl IntoIterator<Item = Binding>) {
        for mut binding in saved {
            let left_ms = binding
                .expires_utc_ms
                .saturating_sub(at.utc_ms)
                .min(u64::from(self.config.expires_max_s) * 1000);
            if left_ms == 0 || self.count >= self.config.contacts_max {
                continue;
            }
            binding.lose_connection();
            let (user, expires_at) = (binding.user.clone(), at.now + Duration::from_millis(left_ms));
            let mut entries = self.take(&user);
            entries.retain(|entry| entry.binding.contact != binding.contact && !entry.binding.same_instance(&binding));
            if entries.len() < self.config.contacts_per_user_max {
                entries.push(Entry {
                    keep_until_utc_ms: binding.expires_utc_ms,
                    binding,
                    expires_at,
                });
            }
            self.put(&user, entries);
        }
    }

    /// Carries out a REGISTER of an authenticated sender: all of its contacts or none. The user is the user part of To.
    pub fn handle_register(&mut self, at: Moment, request: &Message, flow: Flow) -> RegisterOutcome {
        match self.register(at, request, flow) {
            Ok((user, outbound)) => {
                let contacts = self.granted(at.now, &user);
                RegisterOutcome::Accepted { contacts, outbound }
            }
            Err(refused) => RegisterOutcome::Refused(refused),
        }
    }

    fn register(&mut self, at: Moment, request: &Message, flow: Flow) -> Result<(Box<str>, bool), RegisterRefused> {
        self.handle_timeout(at.now);
        let user = user(request)?;
        let changes = match read(request, flow, &self.config)? {
            Update::Query => return Ok((user, false)),
            Update::RemoveAll => {
                self.check_order(&user, |_| true, request)?;
                for entry in self.take(&user) {
                    self.removed(entry, Removal::Requested);
                }
                return Ok((user, false));
            }
            Update::Contacts(changes) => changes,
        };
        for change in &changes {
            self.check_order(&user, |entry| matches(entry, &change.binding), request)?;
        }
        let added = changes.iter().filter(|change| change.expires_s > 0).count();
        let replaced = self
            .entries(&user)
            .filter(|entry| changes.iter().any(|change| matches(entry, &change.binding)));
        if self.count + added > self.config.contacts_max + replaced.count() {
            return Err(RegisterRefused::Full);
        }
        let outbound = changes.iter().any(|change| change.binding.reg_id.is_some());
        let mut entries = self.take(&user);
        for change in changes {
            self.apply(at, &mut entries, change);
        }
        while entries.len() > self.config.contacts_per_user_max {
            let oldest = entries.remove(0);
            self.removed(oldest, Removal::Replaced);
        }
        self.put(&user, entries);
        Ok((user, outbound))
    }

    // Entries stand in the order of their last refresh.
    fn apply(&mut self, at: Moment, entries: &mut Vec<Entry>, change: Change) {
        let Change { mut binding, expires_s } = change;
        let this_request =
            |entry: &Entry| entry.binding.call_id == binding.call_id && entry.binding.cseq == binding.cseq;
        let (old, kept): (Vec<Entry>, Vec<Entry>) = std::mem::take(entries).into_iter().partition(|entry| {
            let by_instance = entry.binding.same_instance(&binding) && !this_request(entry);
            by_instance || same_contact(&entry.binding, &binding)
        });
        *entries = kept;
        let interval = Duration::from_secs(u64::from(expires_s));
        let interval_ms = u64::from(expires_s) * 1000;
        binding.expires_utc_ms = at.utc_ms.saturating_add(interval_ms);
        let told = old.iter().find(|entry| binding.refreshes(&entry.binding));
        let told_until_utc_ms = told.map_or(0, |entry| entry.keep_until_utc_ms);
        for entry in old {
            if expires_s == 0 {
                self.removed(entry, Removal::Requested);
            } else if entry.binding.contact != binding.contact {
                self.removed(entry, Removal::Replaced);
            }
        }
        if expires_s > 0 {
            let mut keep_until_utc_ms = told_until_utc_ms;
            if binding.expires_utc_ms > told_until_utc_ms {
                // Twice the interval: the next refresh is then known already.
                keep_until_utc_ms = binding.expires_utc_ms.saturating_add(interval_ms);
                self.events.push_back(BindingEvent::Changed {
                    binding: binding.clone(),
                    keep_until_utc_ms,
                });
            }
            entries.push(Entry {
                binding,
                expires_at: at.now + interval,
                keep_until_utc_ms,
            });
        }
    }

    fn check_order(
        &self,
        user: &str,
        concerned: impl Fn(&Entry) -> bool,
        request: &Message,
    ) -> Result<(), RegisterRefused> {
        let overtaken =
            |entry: &Entry| &*entry.binding.call_id == request.call_id() && entry.binding.cseq >= request.cseq();
        let late = self.entries(user).any(|entry| concerned(entry) && overtaken(entry));
        if late { Err(RegisterRefused::OutOfOrder) } else { Ok(()) }
    }

    /// Bindings of a user, most preferred first and latest first among equals.
    pub fn lookup(&self, user: &str) -> Vec<&Binding> {
        let mut found: Vec<&Binding> = self.entries(user).map(|entry| &entry.binding).rev().collect();
        found.sort_by_key(|binding| std::cmp::Reverse(binding.q_thousandths));
        found
    }

    /// Every binding, by user.
    pub fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.users.values().flatten().map(|entry| &entry.binding)
    }

    /// Bindings in the table.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True if nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes out a user's bindings, because the extension was deleted.
    pub fn remove_user(&mut self, user: &str) {
        for entry in self.take(user) {
            self.removed(entry, Removal::Requested);
        }
    }

    /// A stream is gone: flows of RFC 5626 end with it, other contacts can be connected to anew where they listen.
    pub fn handle_connection_closed(&mut self, connection: ConnectionId) {
        let uses = |entry: &Entry| entry.binding.flow.connection == Some(connection);
        let users: Vec<Arc<str>> = self
            .users
            .iter()
            .filter(|(_, entries)| entries.iter().any(uses))
            .map(|(user, _)| user.clone())
            .collect();
        for user in users {
            let (lost, mut kept): (Vec<Entry>, Vec<Entry>) = self
                .take(&user)
                .into_iter()
                .partition(|entry| uses(entry) && entry.binding.reg_id.is_some());
            for entry in kept.iter_mut().filter(|entry| uses(entry)) {
                entry.binding.lose_connection();
            }
            self.put(&user, kept);
            for entry in lost {
                self.removed(entry, Removal::FlowLost);
            }
        }
    }

    /// Drops what has ended by `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, user)) = self.deadlines.first().cloned()
            && due <= now
        {
            let (ended, kept): (Vec<Entry>, Vec<Entry>) =
                self.take(&user).into_iter().partition(|entry| entry.expires_at <= now);
            self.put(&user, kept);
            for entry in ended {
                self.removed(entry, Removal::Expired);
            }
        }
    }

    /// When [`handle_timeout`](Bindings::handle_timeout) is wanted next, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, BindingReason)> {
        self.deadlines.first().map(|(due, _)| (*due, BindingReason::Expiry))
    }

    /// The next change to journal.
    pub fn poll_event(&mut self) -> Option<BindingEvent> {
        self.events.pop_front()
    }

    fn granted(&self, now: Instant, user: &str) -> Vec<String> {
        let granted = self.entries(user).map(|entry| {
            // Rounded up, so that a fresh binding is told the interval it asked for.
            let left = entry.expires_at.saturating_duration_since(now) + Duration::from_millis(999);
            Granted {
                binding: &entry.binding,
                expires_s: left.as_secs(),
            }
            .to_string()
        });
        granted.collect()
    }

    fn entries(&self, user: &str) -> std::slice::Iter<'_, Entry> {
        self.users.get(user).map(Vec::as_slice).unwrap_or_default().iter()
    }

    fn take(&mut self, user: &str) -> Vec<Entry> {
        let Some((key, entries)) = self.users.remove_entry(user) else {
            return Vec::new();
        };
        if let Some(due) = earliest(&entries) {
            self.deadlines.remove(&(due, key));
        }
        self.count -= entries.len();
        entries
    }

    fn put(&mut self, user: &str, mut entries: Vec<Entry>) {
        let Some(due) = earliest(&entries) else { return };
        entries.shrink_to_fit();
        self.count += entries.len();
        let key: Arc<str> = user.into();
        self.deadlines.insert((due, key.clone()));
        self.users.insert(key, entries);
    }

    fn removed(&mut self, entry: Entry, why: Removal) {
        let Entry { binding, .. } = entry;
        self.events.push_back(BindingEvent::Removed { binding, why });
    }
}

fn earliest(entries: &[Entry]) -> Option<Instant> {
    entries.iter().map(|entry| entry.expires_at).min()
}

fn matches(entry: &Entry, binding: &Binding) -> bool {
    entry.binding.same_instance(binding) || same_contact(&entry.binding, binding)
}

// Flows of one phone (RFC 5626) may share a URI; they differ in reg-id.
fn same_contact(left: &Binding, right: &Binding) -> bool {
    let other_flow = left.instance.is_some() && left.instance == right.instance && left.reg_id != right.reg_id;
    !other_flow
        && (left.contact == right.contact
            || match (Uri::parse(&left.contact), Uri::parse(&right.contact)) {
                (Ok(left), Ok(right)) => left.same_as(&right),
                (Ok(_) | Err(_), _) => false,
            })
}
