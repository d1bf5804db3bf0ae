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

struct User {
    /// In the order of their last refresh; never empty while the user is in the table.
    entries: Vec<Entry>,
    /// The earliest end of the entries, or before: a refresh leaves it as it is, and it moves on when it is due.
    look_at: Instant,
}

/// All bindings of the box.
///
/// Inputs: [`handle_register`](Bindings::handle_register), [`handle_timeout`](Bindings::handle_timeout),
/// [`handle_connection_closed`](Bindings::handle_connection_closed). Then poll [`poll_event`](Bindings::poll_event) until it is empty.
pub struct Bindings {
    config: BindingsConfig,
    users: BTreeMap<Arc<str>, User>,
    // One per user.
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
            self.with_entries(&user, |table, entries| {
                entries
                    .retain(|entry| entry.binding.contact != binding.contact && !entry.binding.same_instance(&binding));
                if entries.len() < table.config.contacts_per_user_max {
                    entries.push(Entry {
                        keep_until_utc_ms: binding.expires_utc_ms,
                        binding,
                        expires_at,
                    });
                }
            });
        }
    }

    /// Carries out a REGISTER of an authenticated sender: all of its contacts or none. The user is the user part of To.
    pub fn handle_register(&mut self, at: Moment, request: &Message, flow: Flow) -> RegisterOutcome {
        self.handle_timeout(at.now);
        let read = user(request).and_then(|user| Ok((read(request, (&user, flow), &self.config)?, user)));
        let accepted = read.and_then(|(update, user)| {
            self.with_entries(&user, |table, entries| {
                let outbound = table.carry_out(at, entries, (update, request))?;
                let contacts = granted(at.now, entries);
                Ok(RegisterOutcome::Accepted { contacts, outbound })
            })
        });
        accepted.unwrap_or_else(RegisterOutcome::Refused)
    }

    /// True if a flow was recorded by RFC 5626.
    fn carry_out(
        &mut self,
        at: Moment,
        entries: &mut Vec<Entry>,
        (update, request): (Update, &Message),
    ) -> Result<bool, RegisterRefused> {
        let changes = match update {
            Update::Query => return Ok(false),
            Update::RemoveAll => {
                check_order(&*entries, request)?;
                for entry in entries.drain(..) {
                    self.removed(entry, Removal::Requested);
                }
                return Ok(false);
            }
            Update::Contacts(changes) => changes,
        };
        let is_replaced = |entry: &&Entry| changes.iter().any(|change| matches(entry, &change.binding));
        check_order(entries.iter().filter(is_replaced), request)?;
        let added = changes.iter().filter(|change| change.expires_s > 0).count();
        let replaced = entries.iter().filter(is_replaced).count();
        if self.count + entries.len() + added > self.config.contacts_max + replaced {
            return Err(RegisterRefused::Full);
        }
        let outbound = changes.iter().any(|change| change.binding.reg_id.is_some());
        for change in changes {
            self.apply(at, entries, change);
        }
        while entries.len() > self.config.contacts_per_user_max {
            let oldest = entries.remove(0);
            self.removed(oldest, Removal::Replaced);
        }
        Ok(outbound)
    }

    fn apply(&mut self, at: Moment, entries: &mut Vec<Entry>, change: Change) {
        let Change { mut binding, expires_s } = change;
        let interval = Duration::from_secs(u64::from(expires_s));
        let interval_ms = u64::from(expires_s) * 1000;
        binding.expires_utc_ms = at.utc_ms.saturating_add(interval_ms);
        let mut told_until_utc_ms = 0;
        for old in entries.extract_if(.., |entry| gives_way(&entry.binding, &binding)) {
            if told_until_utc_ms == 0 && binding.refreshes(&old.binding) {
                told_until_utc_ms = old.keep_until_utc_ms;
            }
            if expires_s == 0 {
                self.removed(old, Removal::Requested);
            } else if old.binding.contact != binding.contact {
                self.removed(old, Removal::Replaced);
            }
        }
        if expires_s > 0 {
            let mut keep_until_utc_ms = told_until_utc_ms;
            if binding.expires_utc_ms > told_until_utc_ms {
                // Twice the interval: the next refresh is then known already.
                keep_until_utc_ms = binding.expires_utc_ms.saturating_add(interval_ms);
                let binding = binding.clone();
                self.events.push_back(match told_until_utc_ms {
                    0 => BindingEvent::Changed {
                        binding,
                        keep_until_utc_ms,
                    },
                    1.. => BindingEvent::Refreshed {
                        binding,
                        keep_until_utc_ms,
                    },
                });
            }
            entries.reserve_exact(1);
            entries.push(Entry {
                binding,
                expires_at: at.now + interval,
                keep_until_utc_ms,
            });
        }
    }

    /// Bindings of a user, most preferred first and latest first among equals.
    pub fn lookup(&self, user: &str) -> Vec<&Binding> {
        let mut found: Vec<&Binding> = self.entries(user).map(|entry| &entry.binding).rev().collect();
        found.sort_by_key(|binding| std::cmp::Reverse(binding.q_thousandths));
        found
    }

    /// Every binding, by user.
    pub fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.users
            .values()
            .flat_map(|user| &user.entries)
            .map(|entry| &entry.binding)
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
        self.with_entries(user, |table, entries| {
            for entry in entries.drain(..) {
                table.removed(entry, Removal::Requested);
            }
        });
    }

    /// A stream is gone: flows of RFC 5626 end with it, other contacts can be connected to anew where they listen.
    pub fn handle_connection_closed(&mut self, connection: ConnectionId) {
        let uses = |entry: &Entry| entry.binding.flow.connection == Some(connection);
        let users: Vec<Arc<str>> = self
            .users
            .iter()
            .filter(|(_, user)| user.entries.iter().any(uses))
            .map(|(user, _)| user.clone())
            .collect();
        for user in users {
            self.with_entries(&user, |table, entries| {
                for lost in entries.extract_if(.., |entry| uses(entry) && entry.binding.reg_id.is_some()) {
                    table.removed(lost, Removal::FlowLost);
                }
                for entry in entries.iter_mut().filter(|entry| uses(entry)) {
                    entry.binding.lose_connection();
                }
            });
        }
    }

    /// Drops what has ended by `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.deadlines.first().is_some_and(|(due, _)| *due <= now)
            && let Some((_, user)) = self.deadlines.pop_first()
        {
            let entries = self.users.remove(&user).map(|user| user.entries);
            let mut entries = entries.unwrap_or_default();
            self.count -= entries.len();
            for ended in entries.extract_if(.., |entry| entry.expires_at <= now) {
                self.removed(ended, Removal::Expired);
            }
            self.put(&user, entries);
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

    fn entries(&self, user: &str) -> std::slice::Iter<'_, Entry> {
        let entries = self.users.get(user).map(|user| user.entries.as_slice());
        entries.unwrap_or_default().iter()
    }

    /// Changes what a user has; meanwhile the table counts without it.
    fn with_entries<R>(&mut self, user: &str, change: impl FnOnce(&mut Bindings, &mut Vec<Entry>) -> R) -> R {
        let known = self.users.get_mut(user);
        let mut entries = known.map(|user| std::mem::take(&mut user.entries)).unwrap_or_default();
        self.count -= entries.len();
        let result = change(self, &mut entries);
        self.put(user, entries);
        result
    }

    fn put(&mut self, user: &str, mut entries: Vec<Entry>) {
        self.count += entries.len();
        entries.shrink_to_fit();
        let due = entries.iter().map(|entry| entry.expires_at).min();
        if let Some(known) = self.users.get_mut(user)
            && due.is_some_and(|due| known.look_at <= due)
        {
            known.entries = entries;
            return;
        }
        if let Some((key, known)) = self.users.remove_entry(user) {
            self.deadlines.remove(&(known.look_at, key));
        }
        if let Some(look_at) = due {
            let key: Arc<str> = user.into();
            self.deadlines.insert((look_at, key.clone()));
            self.users.insert(key, User { entries, look_at });
        }
    }

    fn removed(&mut self, entry: Entry, why: Removal) {
        let Entry { binding, .. } = entry;
        self.events.push_back(BindingEvent::Removed { binding, why });
    }
}

fn check_order<'a>(concerned: impl IntoIterator<Item = &'a Entry>, request: &Message) -> Result<(), RegisterRefused> {
    let is_overtaken = |binding: &Binding| &*binding.call_id == request.call_id() && binding.cseq >= request.cseq();
    match concerned.into_iter().any(|entry| is_overtaken(&entry.binding)) {
        true => Err(RegisterRefused::OutOfOrder),
        false => Ok(()),
    }
}

fn granted(now: Instant, entries: &[Entry]) -> Vec<String> {
    let granted = entries.iter().map(|entry| {
        // Rounded up, so that a fresh binding is told the interval it asked for.
        let left = entry.expires_at.saturating_duration_since(now) + Duration::from_millis(999);
        let granted = Granted {
            binding: &entry.binding,
            expires_s: left.as_secs(),
        };
        granted.text()
    });
    granted.collect()
}

// Contacts of one REGISTER stand beside each other, also where they are of one instance.
fn gives_way(old: &Binding, new: &Binding) -> bool {
    let this_request = old.call_id == new.call_id && old.cseq == new.cseq;
    (old.same_instance(new) && !this_request) || same_contact(old, new)
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
