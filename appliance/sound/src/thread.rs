//! The thread of real time that runs an engine, and the one that opens cards for it.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use branchline_media::voice::ChannelPlan;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use thiserror::Error;
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

use crate::QUEUE_MAX;
use crate::card::{Card, CardError, Cards};
use crate::engine::{CardId, DeviceConfig, DeviceId, Engine, EngineError, SoundEvent};
use crate::figures::SoundFigures;

/// The sound of all devices, running; it ends when this is dropped.
pub struct Sound {
    orders: SyncSender<Order>,
    events: Receiver<SoundEvent>,
    figures: Arc<Mutex<SoundFigures>>,
    locals: Vec<SocketAddr>,
    thread: Option<JoinHandle<()>>,
}

/// Why it does not run.
#[derive(Debug, Error)]
pub enum SoundError {
    /// It cannot be made.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No thread.
    #[error("no thread for sound")]
    Thread(#[source] std::io::Error),
    /// It ended, or has more orders waiting than it can take.
    #[error("the thread of the sound takes no orders")]
    Stuck,
}

enum Order {
    Plan(DeviceId, ChannelPlan),
    Digit(DeviceId, char),
    End,
}

/// What the thread that opens cards is asked.
enum Errand {
    Open(CardId, String),
    Close(Box<dyn Card>),
}

type Opened = (CardId, Result<Box<dyn Card>, CardError>);

impl Sound {
    /// Starts both threads.
    pub fn start(devices: Vec<DeviceConfig>, cards: impl Cards + 'static) -> Result<Sound, SoundError> {
        let engine = Engine::new(clock(), devices)?;
        let locals = engine.locals();
        let (orders, taken) = sync_channel(QUEUE_MAX);
        let (told, events) = sync_channel(QUEUE_MAX);
        let (errands, asked) = channel();
        let (brought, opened) = channel();
        let figures = Arc::new(Mutex::new(SoundFigures::default()));
        let runner = Runner {
            engine,
            orders: taken,
            events: told,
            errands,
            opened,
            figures: Arc::clone(&figures),
            late_frames: 0,
            events_dropped: 0,
        };
        spawn("sound-cards", move || open_and_close(cards, &asked, &brought))?;
        let thread = spawn("sound", move || runner.run())?;
        Ok(Sound {
            orders,
            events,
            figures,
            locals,
            thread: Some(thread),
        })
    }

    /// Where each device's RTP comes to, in the order in which they were given.
    #[must_use]
    pub fn locals(&self) -> &[SocketAddr] {
        &self.locals
    }

    /// The state that is wanted of a device; it is so within 20 ms.
    pub fn plan(&self, device: DeviceId, plan: ChannelPlan) -> Result<(), SoundError> {
        self.order(Order::Plan(device, plan))
    }

    /// A key of a device that makes no sound.
    pub fn digit(&self, device: DeviceId, digit: char) -> Result<(), SoundError> {
        self.order(Order::Digit(device, digit))
    }

    /// What happened, waited for as long as this.
    #[must_use]
    pub fn event(&self, timeout: Duration) -> Option<SoundEvent> {
        self.events.recv_timeout(timeout).ok()
    }

    /// Counts and levels, at most a second old.
    #[must_use]
    pub fn figures(&self) -> SoundFigures {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn order(&self, order: Order) -> Result<(), SoundError> {
        self.orders.try_send(order).map_err(|_| SoundError::Stuck)
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        // A queue that is full is emptied within a frame; an end that cannot be said is seen when the queue is gone.
        let _ = self.orders.send(Order::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Runner {
    engine: Engine,
    orders: Receiver<Order>,
    events: SyncSender<SoundEvent>,
    errands: Sender<Errand>,
    opened: Receiver<Opened>,
    figures: Arc<Mutex<SoundFigures>>,
    late_frames: u64,
    events_dropped: u64,
}

impl Runner {
    fn run(mut self) {
        if let Err(error) = be_real_time() {
            tracing::warn!(%error, "sound without real time: other work may interrupt it");
        }
        let mut due = clock() + FRAME;
        let mut frames = 0u64;
        loop {
            self.wait(due);
            let now = clock();
            self.engine.handle_packets(now);
            if now < due {
                continue;
            }
            let late = now - due;
            self.late_frames += u64::from(late > LATE);
            // After a long sleep of the whole machine there is nothing to make up for.
            due = if late > LOST { now + FRAME } else { due + FRAME };
            if !self.take_orders(now) {
                return;
            }
            self.engine.handle_frame(now);
            self.exchange_cards(now);
            self.tell();
            frames += 1;
            if frames.is_multiple_of(FIGURES_FRAMES) {
                self.publish();
            }
        }
    }

    /// Until a packet comes, or a frame is due.
    fn wait(&self, due: Instant) {
        let mut sockets: Vec<PollFd<'_>> = self
            .engine
            .sockets()
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        let left = due.saturating_duration_since(clock());
        // An interrupted wait is a short one.
        let _ = ppoll(&mut sockets, Some(TimeSpec::from_duration(left)), None);
    }

    /// Whether to go on.
    fn take_orders(&mut self, now: Instant) -> bool {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Plan(device, plan)) => self.engine.handle_plan(now, device, plan),
                Ok(Order::Digit(device, digit)) => self.engine.handle_digit(now, device, digit),
                Ok(Order::End) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    /// The thread that opens cards ends with this one; what it cannot be told then nobody needs.
    fn exchange_cards(&mut self, now: Instant) {
        while let Some((card, name)) = self.engine.poll_wanted(now) {
            let _ = self.errands.send(Errand::Open(card, name));
        }
        while let Some(card) = self.engine.poll_lost() {
            let _ = self.errands.send(Errand::Close(card));
        }
        while let Ok((card, opened)) = self.opened.try_recv() {
            self.engine.handle_card(now, card, opened);
        }
    }

    fn tell(&mut self) {
        while let Some(event) = self.engine.poll_event() {
            match self.events.try_send(event) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => {}
                Err(TrySendError::Full(_)) => self.events_dropped += 1,
            }
        }
    }

    /// Whoever reads the figures now gets those of the second before.
    fn publish(&self) {
        if let Ok(mut figures) = self.figures.try_lock() {
            *figures = self.engine.figures();
            figures.late_frames = self.late_frames;
            figures.events_dropped += self.events_dropped;
        }
    }
}

/// Opening a card can take a second, closing one that was pulled as well.
fn open_and_close(mut cards: impl Cards, asked: &Receiver<Errand>, brought: &Sender<Opened>) {
    while let Ok(errand) = asked.recv() {
        match errand {
            Errand::Open(card, name) => {
                if brought.send((card, cards.open(&name))).is_err() {
                    return;
                }
            }
            Errand::Close(card) => drop(card),
        }
    }
}

fn be_real_time() -> Result<(), thread_priority::Error> {
    set_thread_priority_and_policy(
        thread_native_id(),
        ThreadPriority::Crossplatform(ThreadPriorityValue::try_from(PRIORITY).unwrap_or_default()),
        ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo),
    )
}

fn spawn<F: FnOnce() + Send + 'static>(name: &str, body: F) -> Result<JoinHandle<()>, SoundError> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(body).map_err(SoundError::Thread)
}

#[expect(clippy::disallowed_methods, reason = "the clock of the thread that moves sound")]
fn clock() -> Instant {
    Instant::now()
}

const FRAME: Duration = Duration::from_millis(20);
const LATE: Duration = Duration::from_millis(10);
const LOST: Duration = Duration::from_millis(500);
const FIGURES_FRAMES: u64 = 50;
/// Above everything that is not real time, below the kernel's own threads.
const PRIORITY: u8 = 30;
