//! The loop: wait for anything, take what is there, let the branch decide, do what it says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use branchline_branch::view::UpdateView;
use branchline_branch::{Branch, Command, Now, Output, Resolved, Watched};
use branchline_calldb::CallDb;
use branchline_journal::Entry;
use branchline_media::MediaEvent;
use branchline_sip::{Flow, Transmit, Transport};
use bytes::Bytes;

use super::RunFault;
use super::clock::Clock;
use super::journal::Journal;
use super::logged;
use super::orders::{Loaded, Orders};
use super::relay::Relay;
use super::start::Daemon;
use super::storage::Storage;
use super::view::{Publisher, Shown};
use crate::hub::{Feed, Request};
use crate::io::facing::Facing;
use crate::io::post::Poster;
use crate::io::resolve::Resolver;
use crate::io::stream::{Arrived, Streams};
use crate::io::surroundings::{Noticed, Surroundings};
use crate::io::udp::{Left, Udp};
use crate::notify;
use crate::tide::Tide;
use crate::update;

/// Everything the loop goes round with.
pub(super) struct Loop {
    pub(super) branch: Box<Branch>,
    pub(super) clock: Clock,
    pub(super) udp: Udp,
    pub(super) streams: Streams,
    pub(super) journal: Journal<CallDb>,
    pub(super) storage: Arc<Storage>,
    pub(super) feed: Feed,
    pub(super) orders: Orders,
    pub(super) facing: Facing,
    pub(super) update: UpdateView,
    resolver: Resolver,
    poster: Poster,
    surroundings: Surroundings,
    relay: Relay,
    pub(super) publisher: Publisher,
    unanswered: Vec<Resolved>,
    /// Since when messages have waited without a moment of rest.
    busy_since: Option<Instant>,
    tide: Tide,
    alive: Option<Alive>,
    made: Made,
}

/// What ended the waiting.
pub(super) enum Woken {
    /// Datagrams wait, the journal has come on, or the time has.
    Something,
    Arrived(Arrived),
    Media(MediaEvent),
    Resolved(Resolved),
    Noticed(Noticed),
    Request(Request),
    Loaded(Loaded),
    Reload,
    Stop,
}

/// What a turn made, in buffers that are kept.
#[derive(Default)]
struct Made {
    entries: Vec<Entry>,
    datagrams: Vec<Transmit>,
    streamed: Vec<Transmit>,
}

struct Alive {
    every: Duration,
    due: Instant,
}

impl Loop {
    /// Takes over what was opened; inside of the runtime.
    pub(super) fn start(daemon: Daemon, feed: Feed) -> Result<Loop, RunFault> {
        let Daemon {
            place,
            config,
            digest,
            mut clock,
            branch,
            udp,
            streams,
            listening,
            resolver,
            poster,
            surroundings,
            relay,
            db,
            acks,
            storage,
        } = daemon;
        let now = clock.now();
        Ok(Loop {
            branch,
            udp: Udp::new(udp)?,
            streams,
            journal: Journal::new(db, acks),
            storage,
            feed,
            update: update::shown_at(&place),
            orders: Orders::new(place, (config, digest)),
            facing: Facing::new(listening),
            resolver,
            poster,
            surroundings,
            relay,
            publisher: Publisher::default(),
            unanswered: Vec::new(),
            busy_since: None,
            tide: Tide::new(now.mono, GATHER),
            alive: notify::alive_every().map(|every| Alive {
                every,
                due: now.mono + every,
            }),
            clock,
            made: Made::default(),
        })
    }

    /// Does what the branch wanted at its start.
    pub(super) fn begin(&mut self) {
        if tracing::enabled!(tracing::Level::DEBUG) {
            let now = self.clock.now();
            self.branch.handle_command(now, Command::Explain(Watched::Yes));
        }
        self.turn(Woken::Something);
    }

    /// Waits until there is something to do. Safe to cancel.
    pub(super) async fn wait(&mut self) -> Woken {
        if self.busy_since.is_some() || !self.unanswered.is_empty() {
            // More waits already; others on this thread get their turn first.
            tokio::task::yield_now().await;
            return Woken::Something;
        }
        if let Some(gather) = self.tide.gather() {
            // The whole thread rests: a runtime that waits for a timer is woken by each datagram.
            std::thread::park_timeout(gather);
        }
        let due = self.poll_timeout();
        tokio::select! {
            biased;
            () = self.udp.readable() => Woken::Something,
            Some(arrived) = self.streams.arrived() => Woken::Arrived(arrived),
            Some(event) = self.relay.event() => Woken::Media(event),
            () = self.journal.acks().changed() => Woken::Something,
            Some(resolved) = self.resolver.answer() => Woken::Resolved(resolved),
            Some(noticed) = self.surroundings.noticed() => Woken::Noticed(noticed),
            Some(request) = self.feed.command() => Woken::Request(request),
            loaded = self.orders.loaded() => Woken::Loaded(loaded),
            () = until(due) => Woken::Something,
        }
    }

    /// One turn.
    pub(super) fn turn(&mut self, woken: Woken) {
        let now = self.clock.now();
        let started = self.busy_since.unwrap_or(now.mono);
        self.watch_trace(now);
        self.handle(now, woken);
        let left = self.take_datagrams(now);
        let streams_left = self.take_streamed(now);
        self.take_others(now);
        if self.branch.poll_timeout().is_some_and(|(due, _)| due <= now.mono) {
            self.branch.handle_timeout(now);
        }
        self.relay.stock(now.mono, &mut self.branch);
        self.carry_out();

        let ended = self.clock.now();
        let shown = Shown {
            feed: &self.feed,
            db: self.journal.sink(),
            storage: &self.storage,
            configuration: self.orders.digest(),
            awaits_restart: self.orders.awaits_restart(),
            update: &self.update,
            udp: &self.udp,
            streams: &self.streams,
        };
        self.publisher.handle_timeout(ended, &self.branch, &shown);
        self.tell_alive(ended.mono);
        self.busy_since = (left == Left::More || streams_left == Left::More).then_some(started);
        self.branch
            .handle_queue_delay(ended.mono.saturating_duration_since(started));
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let held = (self.journal.pending() > 0).then(|| crate::clock::now() + OFFER_EVERY);
        [
            self.branch.poll_timeout().map(|(due, _)| due),
            self.publisher.poll_timeout(&self.branch, &self.feed),
            self.alive.as_ref().map(|alive| alive.due),
            self.orders.poll_timeout(),
            held,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn handle(&mut self, now: Now, woken: Woken) {
        match woken {
            Woken::Something => {}
            Woken::Arrived(arrived) => self.arrived(now, arrived),
            Woken::Media(event) => self.branch.handle_media(now, event),
            Woken::Resolved(resolved) => self.resolved(now, resolved),
            Woken::Noticed(Noticed::Neighbours(found)) => self.branch.handle_neighbours(now, found),
            Woken::Noticed(Noticed::Links(linked)) => self.branch.handle_links(now, &linked),
            Woken::Request(request) => self.request(now, request),
            Woken::Loaded(loaded) => self.loaded(now, loaded),
            Woken::Reload => self.orders.reload(None),
            Woken::Stop => self.stop(now),
        }
    }

    fn take_datagrams(&mut self, now: Now) -> Left {
        let Loop {
            udp,
            branch,
            facing,
            orders,
            tide,
            ..
        } = self;
        let mut datagrams = 0;
        let left = udp.receive(|bound, datagram| {
            datagrams += 1;
            let bytes = Bytes::copy_from_slice(datagram.data);
            if orders.lets_in(datagram.data) || branch.is_call_for_help(&bytes) {
                let mut flow = Flow::udp(bound, datagram.source);
                flow.local = facing.of_datagram(now.mono, (bound, datagram.source), || {
                    branch.is_worth_asking(now, flow, &bytes)
                });
                branch.handle_message(now, flow, bytes);
            }
        });
        tide.handle_batch(now.mono, datagrams);
        left
    }

    fn take_streamed(&mut self, now: Now) -> Left {
        for _ in 0..ARRIVED_PER_TURN_MAX {
            let Some(arrived) = self.streams.try_arrived() else {
                return Left::Nothing;
            };
            self.arrived(now, arrived);
        }
        Left::More
    }

    fn take_others(&mut self, now: Now) {
        for _ in 0..MEDIA_PER_TURN_MAX {
            let Some(event) = self.relay.try_event() else { break };
            self.branch.handle_media(now, event);
        }
        if let Some(journalled) = self.journal.acked() {
            self.branch.handle_journal(now, journalled);
        }
        self.branch.handle_storage(now, self.storage.mode());
        for resolved in std::mem::take(&mut self.unanswered) {
            self.resolved(now, resolved);
        }
    }

    fn arrived(&mut self, now: Now, arrived: Arrived) {
        match arrived {
            Arrived::Message(flow, bytes) if self.orders.lets_in(&bytes) || self.branch.is_call_for_help(&bytes) => {
                self.branch.handle_message(now, flow, bytes);
            }
            Arrived::Message(..) => {}
            Arrived::Failed(flow, fault) => self.branch.handle_flow_failed(now, flow, fault),
        }
    }

    fn resolved(&mut self, now: Now, resolved: Resolved) {
        // The certificate of a trunk or of the hosted PBX names its host, not the address that DNS gave for it.
        let host = resolved.host.trim_start_matches('[').trim_end_matches(']');
        for (address, _) in &resolved.addresses {
            self.streams.name(*address, host);
        }
        self.branch.handle_resolved(now, resolved);
    }

    /// Does what the branch asks for: the journal has its entries before the packets of the same turn leave.
    pub(super) fn carry_out(&mut self) {
        while let Some(output) = self.branch.poll_output() {
            match output {
                Output::Transmit(transmit) => match transmit.flow.transport {
                    Transport::Udp => self.made.datagrams.push(transmit),
                    Transport::Tcp | Transport::Tls => self.made.streamed.push(transmit),
                },
                Output::Media(plan) => self.relay.plan(plan),
                Output::Measure => self.relay.measure(),
                Output::Journal(entry) => {
                    logged::entry(&entry);
                    self.made.entries.push(entry);
                }
                Output::Resolve(lookup) => self.unanswered.extend(self.resolver.ask(lookup).err()),
                Output::Post(post) => self.poster.post(post),
                Output::Neighbours => self.surroundings.ask(),
                Output::Trace(line) => {
                    logged::message(&line);
                    self.feed.trace(*line);
                }
                Output::Notice(notice) => logged::notice(&notice),
            }
        }
        self.journal.append(&mut self.made.entries);
        if !self.made.datagrams.is_empty() {
            self.udp.send(&self.made.datagrams);
            self.made.datagrams.clear();
        }
        for transmit in self.made.streamed.drain(..) {
            self.streams.send(transmit);
        }
    }

    fn watch_trace(&mut self, now: Now) {
        let wanted = if self.feed.trace_wanted() || tracing::enabled!(tracing::Level::TRACE) {
            Watched::Yes
        } else {
            Watched::No
        };
        if let Some(watched) = self.orders.watched(wanted) {
            self.branch.handle_command(now, Command::Trace(watched));
        }
    }

    fn tell_alive(&mut self, now: Instant) {
        if let Some(alive) = &mut self.alive
            && alive.due <= now
        {
            alive.due = now + alive.every;
            notify::alive();
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// Messages of streams per turn, as many as a batch of datagrams.
const ARRIVED_PER_TURN_MAX: usize = 64;
/// Under load, a message waits this long for others: one wake-up for all of them, and no caller notices.
const GATHER: Duration = Duration::from_millis(10);
/// Reports of the relay per turn.
const MEDIA_PER_TURN_MAX: usize = 256;
/// While the journal hands entries back.
const OFFER_EVERY: Duration = Duration::from_millis(20);
