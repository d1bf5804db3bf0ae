//! The pins of this machine, for [`branchline_board::Equipment`].
//!
//! [`Gpiochip`] is the character device that every Linux board has. With the feature `rpi`, [`RaspberryPi`] writes the
//! registers of a Raspberry Pi, where the kernel's path is too slow or missing.

mod gpiochip;
mod kernel_time;
#[cfg(feature = "rpi")]
mod raspberry_pi;

pub use gpiochip::{Gpiochip, Output, Waker, WriteError};
#[cfg(feature = "rpi")]
pub use raspberry_pi::{PiWaker, Pin, RaspberryPi};
