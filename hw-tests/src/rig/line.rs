//! The line between the branch and the hosted PBX: packets in, packets out, as late and as few as wanted.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tun_rs::SyncDevice;

use crate::clock;

/// How good the line is, each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// Nothing passes.
    pub is_cut: bool,
    /// Lost packets, percent.
    pub loss_percent: u32,
    /// Time a packet needs.
    pub delay: Duration,
}

/// The line; it ends with its devices, when the process does.
pub struct Line {
    quality: Arc<Mutex<Quality>>,
}

/// Packets under way at once; more are dropped, as by any router.
const UNDER_WAY_MAX: usize = 10_000;
const PACKET_BYTES_MAX: usize = 2048;

impl Line {
    pub(super) fn new(one: SyncDevice, other: SyncDevice) -> Line {
        let quality = Arc::new(Mutex::new(Quality::default()));
        let (one, other) = (Arc::new(one), Arc::new(other));
        for (seed, from, to) in [(1, &one, &other), (2, &other, &one)] {
            let (sender, receiver) = sync_channel(UNDER_WAY_MAX);
            let (from, to, quality) = (from.clone(), to.clone(), quality.clone());
            std::thread::spawn(move || take(&from, &quality, (seed, &sender)));
            std::thread::spawn(move || give(&to, &receiver));
        }
        Line { quality }
    }

    /// Changes it, from the next packet on.
    pub fn set(&self, quality: Quality) {
        *self.quality.lock().unwrap_or_else(PoisonError::into_inner) = quality;
    }

    /// Nothing passes any more.
    pub fn cut(&self) {
        self.set(Quality {
            is_cut: true,
            ..Quality::default()
        });
    }

    /// Everything passes again.
    pub fn mend(&self) {
        self.set(Quality::default());
    }
}

type Packet = (Instant, Vec<u8>);

fn take(from: &SyncDevice, quality: &Mutex<Quality>, (seed, sender): (u8, &SyncSender<Packet>)) {
    let mut rng = ChaCha12Rng::from_seed([seed; 32]);
    let mut buffer = [0; PACKET_BYTES_MAX];
    while let Ok(length) = from.recv(&mut buffer) {
        let quality = *quality.lock().unwrap_or_else(PoisonError::into_inner);
        if !quality.is_cut && rng.next_u32() % 100 >= quality.loss_percent {
            // A full line drops.
            let _ = sender.try_send((clock::now() + quality.delay, buffer[..length].to_vec()));
        }
    }
}

fn give(to: &SyncDevice, receiver: &Receiver<Packet>) {
    while let Ok((due, packet)) = receiver.recv() {
        let wait = due.saturating_duration_since(clock::now());
        if !wait.is_zero() {
            clock::pause(wait);
        }
        if to.send(&packet).is_err() {
            return;
        }
    }
}
