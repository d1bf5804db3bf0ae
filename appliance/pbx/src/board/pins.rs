use std::io;
use std::sync::Arc;
use std::time::Duration;

use branchline_board::{Edge, Gpio};
use branchline_gpio::Gpiochip;

/// Ends a wait for pins; from any thread.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Pins, and a way to sleep until one of them changes.
pub trait Pins: Gpio {
    /// Sleeps until an input changes, the time is up (`None`: never), or somebody wakes it. Edges in their order.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Edge>>;

    /// What wakes it.
    fn waker(&self) -> Wake;
}

impl Pins for Gpiochip {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Edge>> {
        Gpiochip::wait(self, timeout)
    }

    fn waker(&self) -> Wake {
        let waker = Gpiochip::waker(self);
        Arc::new(move || {
            if let Err(error) = waker.wake() {
                tracing::error!(%error, "the board is not woken");
            }
        })
    }
}
