//! What people and the system order: reload, hang up, watch, stop.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use branchline_branch::{Command, DrillOrder, Now, Watched};
use branchline_config::Config;
use rustls::ServerConfig;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::load::{self, LoadFault, Read};
use super::turn::Loop;
use crate::hub::{self, DatabaseOrder, HostedOrder, Outcome, Request};
use crate::invocation::Invocation;
use crate::io::tls::{self, TlsFault};
use crate::place::Place;
use crate::{clock, notify, update};

/// What is ordered and not done yet.
#[derive(Debug)]
pub(super) struct Orders {
    place: Place,
    /// What sockets, workers and challenges were made from.
    started: Arc<Config>,
    config: Arc<Config>,
    digest: String,
    /// Keys whose changes wait for a restart.
    awaits_restart: Vec<&'static str>,
    loading: Option<Loading>,
    watched: Watched,
    ending: Ending,
}

#[derive(Debug)]
struct Loading {
    files: JoinHandle<Loaded>,
    reply: Option<oneshot::Sender<Outcome>>,
}

/// What the files say; read on another thread.
pub(super) type Loaded = Result<Files, LoadFault>;

#[derive(Debug)]
pub(super) struct Files {
    read: Read,
    server: Result<Arc<ServerConfig>, TlsFault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    All,
    ForHelp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    /// Calls are hung up, and their goodbyes and records are on their way.
    HangingUp {
        until: Instant,
        /// Calls for help go on until then.
        help_until: Instant,
    },
}

impl Orders {
    pub(super) fn new(place: Place, (config, digest): (Arc<Config>, String)) -> Orders {
        Orders {
            place,
            digest,
            started: Arc::clone(&config),
            config,
            awaits_restart: Vec::new(),
            loading: None,
            watched: Watched::No,
            ending: Ending::No,
        }
    }

    /// SHA-256 of its text.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// Keys of the configuration whose changes wait for a restart.
    pub(super) fn awaits_restart(&self) -> &[&'static str] {
        &self.awaits_restart
    }

    /// Whether a message is still taken: a box that stops takes no new calls but those for help.
    pub(super) fn lets_in(&self, message: &[u8]) -> bool {
        self.ending == Ending::No || !message.starts_with(b"INVITE ")
    }

    /// Begins to read the files again.
    pub(super) fn reload(&mut self, reply: Option<oneshot::Sender<Outcome>>) {
        if self.loading.is_some() {
            answer(
                reply,
                Err("the configuration is being read already; try again".to_owned()),
            );
            return;
        }
        let place = self.place.clone();
        let files = tokio::task::spawn_blocking(move || {
            let read = load::load(&place)?;
            let server = tls::server(&load::key_files(read.config(), &place));
            Ok(Files { read, server })
        });
        self.loading = Some(Loading { files, reply });
    }

    /// Waits for the files. Safe to cancel.
    pub(super) async fn loaded(&mut self) -> Loaded {
        match &mut self.loading {
            Some(loading) => match (&mut loading.files).await {
                Ok(loaded) => loaded,
                // Only a panic ends it otherwise, and that ends the daemon.
                Err(_) => pending().await,
            },
            None => pending().await,
        }
    }

    /// What the branch is to be told when people begin or cease to watch.
    pub(super) fn watched(&mut self, wanted: Watched) -> Option<Watched> {
        (wanted != std::mem::replace(&mut self.watched, wanted)).then_some(wanted)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.ending {
            Ending::No => None,
            Ending::HangingUp { until, help_until } => Some(if until > clock::now() { until } else { help_until }),
        }
    }
}

impl Loop {
    /// False once the daemon is to end.
    pub(super) fn is_going(&mut self) -> bool {
        match self.orders.ending {
            Ending::No => true,
            Ending::HangingUp { until, help_until } => {
                let now = clock::now();
                (now < until && self.has_calls(Which::All)) || (now < help_until && self.has_calls(Which::ForHelp))
            }
        }
    }

    // A call is shown until its record is safe.
    fn has_calls(&mut self, which: Which) -> bool {
        let now = self.clock.now();
        let calls = self.branch.view(now).calls;
        calls.iter().any(|call| which == Which::All || call.emergency)
    }

    pub(super) fn request(&mut self, now: Now, request: Request) {
        let Request { command, reply } = request;
        match command {
            hub::Command::Reload => self.orders.reload(Some(reply)),
            hub::Command::HangUp { call } => {
                let is_known = self.branch.view(now).calls.iter().any(|known| known.id == call);
                self.branch.handle_command(now, Command::HangUp { call: call.clone() });
                let outcome = if is_known {
                    Ok("hung up".to_owned())
                } else {
                    Err(format!("there is no call {call}"))
                };
                answer(Some(reply), outcome);
            }
            hub::Command::Database(order) => {
                let db = self.journal.sink();
                match order {
                    DatabaseOrder::Fail { at_most_s } => db.bypass(at_most_s.map(Duration::from_secs)),
                    DatabaseOrder::Restore => db.restore(),
                }
                answer(Some(reply), Ok(order.outcome()));
            }
            hub::Command::Hosted(order) => {
                let outcome = self.hosted_order(now, order);
                answer(Some(reply), outcome);
            }
            hub::Command::Unban { address } => {
                let shut_out = self.branch.view(now).health.banned.len();
                self.branch.handle_command(now, Command::Unban { address });
                let outcome = if self.branch.view(now).health.banned.len() < shut_out {
                    tracing::info!(%address, "let in again by hand");
                    Ok(format!("{address} is let in again"))
                } else {
                    Err(format!("{address} is not shut out"))
                };
                answer(Some(reply), outcome);
            }
            hub::Command::Board(told) => {
                self.publisher.handle_board(told);
                answer(Some(reply), Ok("shown".to_owned()));
            }
            hub::Command::Outlook => {
                let outlook = serde_json::to_string(&self.branch.outlook(now));
                answer(Some(reply), outlook.map_err(|error| error.to_string()));
            }
            hub::Command::Vitals => {
                let mut view = self.branch.view(now);
                self.storage.show(&mut view, self.journal.sink().status());
                let vitals = serde_json::to_string(&update::vitals(&view));
                answer(Some(reply), vitals.map_err(|error| error.to_string()));
            }
            hub::Command::StopWhenIdle => {
                let outcome = self.stop_when_idle(now);
                answer(Some(reply), outcome);
            }
            hub::Command::Updated(view) => {
                self.update = view;
                answer(Some(reply), Ok("noted".to_owned()));
            }
            hub::Command::Shutdown => {
                answer(Some(reply), Ok("stopping".to_owned()));
                self.stop(now);
            }
        }
    }

    fn hosted_order(&mut self, now: Now, order: HostedOrder) -> Outcome {
        let (lasts_s, canary) = match order {
            HostedOrder::Return => {
                self.branch.end_drill(now, "by order");
                return Ok("the hosted PBX is used again".to_owned());
            }
            HostedOrder::Away { lasts_s, canary } => (lasts_s, canary),
        };
        let order = DrillOrder {
            lasts: Duration::from_secs(lasts_s).min(DRILL_MAX),
            canary,
        };
        let begun = self.branch.begin_drill(now, &order);
        begun.map_err(|refused| refused.to_string())?;
        Ok(format!(
            "the hosted PBX is treated as gone for {lasts_s} s; calls go on"
        ))
    }

    /// Takes a configuration that was read; calls go on. A faulty one changes nothing.
    pub(super) fn loaded(&mut self, now: Now, loaded: Loaded) {
        let Some(Loading { reply, .. }) = self.orders.loading.take() else {
            return;
        };
        let Files { read, server } = match loaded {
            Ok(files) => files,
            Err(fault) => {
                let fault = fault.to_string();
                let shown = Invocation::of(&self.orders.place).spell(&fault);
                tracing::error!(fault = shown, "the configuration in force stays");
                answer(reply, Err(fault));
                return;
            }
        };
        let Read {
            configuration, bundle, ..
        } = read;
        let config = Arc::clone(&configuration.config);
        let mut text = "the configuration is in force; calls went on".to_owned();
        let later = load::awaits_restart(&self.orders.started, &config);
        if !later.is_empty() {
            text = format!("{text}; restart for changes of {}", later.join(", "));
        }
        if config.site.realm != self.orders.started.site.realm {
            text = format!("{text}; passwords made for the new realm count after it, the old ones until then");
        }
        match server {
            Ok(server) => self.streams.show(server),
            Err(fault) => text = format!("{text}; the certificate stays as it was: {fault}"),
        }
        self.orders.digest.clone_from(&configuration.digest);
        self.branch
            .handle_command(now, Command::Configure(Box::new(configuration)));
        self.storage.handle_configuration(String::new());
        let (place, spool) = (self.orders.place.clone(), config.storage.spool.clone());
        tokio::task::spawn_blocking(move || Read::keep(&place, &bundle, spool.as_deref()));
        self.feed.tell_page_hash(config.page.password_hash.as_ref());
        self.orders.config = config;
        self.orders.awaits_restart = later;
        tracing::info!("{text}");
        answer(reply, Ok(text));
    }

    /// Nothing comes between the look at the calls and the end: both are of one turn.
    fn stop_when_idle(&mut self, now: Now) -> Outcome {
        match self.branch.view(now).calls.len() {
            0 => {
                self.stop(now);
                Ok("stopping".to_owned())
            }
            calls => Err(format!("{calls} calls are up")),
        }
    }

    /// Takes no more calls and hangs up those there are, but for those for help; a second order hangs these up as well.
    pub(super) fn stop(&mut self, now: Now) {
        let mut help_until = now.mono + HELP_WITHIN;
        if self.orders.ending != Ending::No {
            help_until = now.mono;
        }
        notify::stopping();
        let calls = self.branch.view(now).calls;
        let for_help = calls.iter().filter(|call| call.emergency).count();
        tracing::info!(calls = calls.len(), for_help, "stopping");
        for call in calls
            .into_iter()
            .filter(|call| !call.emergency || help_until <= now.mono)
        {
            self.branch.handle_command(now, Command::HangUp { call: call.id });
        }
        self.orders.ending = Ending::HangingUp {
            until: now.mono + HANG_UP_WITHIN,
            help_until,
        };
    }

    /// Flushes the journal; a disk that does not answer is left behind.
    pub(super) fn finish(mut self) {
        self.carry_out();
        let left = self.journal.pending();
        if left > 0 {
            tracing::error!(entries = left, "the journal took no more");
        }
        let counts = self.streams.counts();
        tracing::info!(
            datagrams_unsent = self.udp.dropped,
            entries_lost = self.journal.lost,
            routes_asked = self.facing.asked,
            ?counts,
            "stopped taking messages"
        );
        let db = self.journal.into_sink();
        let (done, closed) = std::sync::mpsc::channel();
        let closing = std::thread::Builder::new().name("closing".to_owned()).spawn(move || {
            db.close();
            // Nobody waits any longer if the disk was too slow.
            let _ = done.send(());
        });
        if closing.is_err() || closed.recv_timeout(CLOSE_WITHIN).is_err() {
            tracing::error!("the journal did not close in time; the next start repairs it");
        }
    }
}

fn answer(reply: Option<oneshot::Sender<Outcome>>, outcome: Outcome) {
    if let Some(reply) = reply {
        // The one who asked may have gone.
        let _ = reply.send(outcome);
    }
}

/// Nobody remembers a drill for longer.
const DRILL_MAX: Duration = Duration::from_secs(24 * 3600);
/// Goodbyes are answered within a round trip; who does not answer is not waited for.
const HANG_UP_WITHIN: Duration = Duration::from_millis(700);
/// Longer than most calls for help take; the unit waits a little longer.
const HELP_WITHIN: Duration = Duration::from_secs(600);
/// Together with the goodbyes below two seconds.
const CLOSE_WITHIN: Duration = Duration::from_millis(1000);
