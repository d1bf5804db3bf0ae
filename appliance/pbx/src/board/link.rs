//! The way to the daemon, on a thread of its own, and the word to stop.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use branchline_branch::view::BoardView;
use bytes::Bytes;

use super::Wake;
use crate::control::client::{Client, Speaker, Unreachable};
use crate::control::protocol::{Reply, Request};
use crate::control::signs::Signs;
use crate::place::Place;

/// What is heard of the daemon.
#[derive(Debug)]
pub enum News {
    /// How it is.
    Signs(Signs),
    /// It cannot be reached, and why.
    Silent(String),
    /// It sent a datagram to a telephone or a line.
    Datagram {
        /// Which
        device: usize,
        /// From where
        from: SocketAddr,
        /// What
        bytes: Bytes,
    },
    /// Nothing; whoever listens wants to know whether anybody takes it.
    Listening,
}

/// Tells what is wired, and gives what is heard; a thread connects again whenever the daemon was gone.
pub(super) struct Link {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    is_over: AtomicBool,
}

#[derive(Default)]
struct State {
    board: BoardView,
    speaker: Option<Speaker>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// `wake` is called with each piece of news.
    pub(super) fn start(place: &Place, (news, wake): (SyncSender<News>, Wake)) -> io::Result<Link> {
        let shared = Arc::new(Shared::default());
        let line = Line {
            place: place.clone(),
            shared: Arc::clone(&shared),
            news,
            wake,
        };
        thread::Builder::new()
            .name("link".to_owned())
            .spawn(move || line.run())?;
        Ok(Link { shared })
    }

    /// What is wired has changed.
    pub(super) fn tell(&self, board: BoardView) {
        let mut state = self.shared.lock();
        if let Some(speaker) = &mut state.speaker
            && let Err(error) = speaker.say(&Request::Board(board.clone()))
        {
            // The next connection begins with it.
            tracing::debug!(%error, "the daemon was not told of the board");
        }
        state.board = board;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(speaker) = self.shared.lock().speaker.take() {
            speaker.hang_up();
        }
    }
}

struct Line {
    place: Place,
    shared: Arc<Shared>,
    news: SyncSender<News>,
    wake: Wake,
}

impl Line {
    fn run(&self) {
        while !self.shared.is_over.load(Ordering::Relaxed) {
            let why = match self.converse() {
                Ok(()) => "it closed the connection".to_owned(),
                Err(fault) => fault.to_string(),
            };
            self.shared.lock().speaker = None;
            if !self.bring(News::Silent(why)) {
                return;
            }
            thread::park_timeout(RETRY_AFTER);
        }
    }

    fn converse(&self) -> Result<(), Unreachable> {
        let mut client = Client::connect(&self.place.control_socket())?;
        let mut speaker = client.follow_board()?;
        {
            let mut state = self.shared.lock();
            speaker.say(&Request::Board(state.board.clone()))?;
            state.speaker = Some(speaker);
        }
        while !self.shared.is_over.load(Ordering::Relaxed) {
            match client.next_reply()? {
                Some(Reply::Signs(signs)) => {
                    if !self.bring(News::Signs(signs)) {
                        return Ok(());
                    }
                }
                Some(Reply::Refused(why)) => return Err(Unreachable::Refused(why)),
                Some(
                    Reply::View(_)
                    | Reply::Outlook(_)
                    | Reply::Vitals(_)
                    | Reply::Done(_)
                    | Reply::Line(_)
                    | Reply::Gap(_),
                ) => {
                    return Err(Unreachable::Stranger);
                }
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Whether anybody still listens.
    fn bring(&self, news: News) -> bool {
        let is_heard = self.news.send(news).is_ok();
        (self.wake)();
        is_heard
    }
}

/// The word to stop, from a signal or a test.
#[derive(Clone, Default)]
pub struct Stop(Arc<StopState>);

#[derive(Default)]
struct StopState {
    is_wanted: AtomicBool,
    wake: Mutex<Option<Wake>>,
}

impl Stop {
    /// Ends [`run`](super::run) soon.
    pub fn stop(&self) {
        self.0.is_wanted.store(true, Ordering::SeqCst);
        let wake = self.0.wake.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(wake) = wake {
            wake();
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.0.is_wanted.load(Ordering::SeqCst)
    }

    pub(super) fn set_wake(&self, wake: Wake) {
        *self.0.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(wake);
    }
}

/// A daemon that starts again is back within a second or two.
const RETRY_AFTER: Duration = Duration::from_millis(500);
