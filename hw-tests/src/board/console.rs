//! The serial line of a board: all it says, and words to it.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::{Fault, clock};

pub(super) struct Console {
    line: Box<dyn Write + Send>,
    heard: Arc<Mutex<String>>,
}

/// A place in what was heard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark(usize);

/// A board does not say that much between two starts; what comes after is not kept.
const HEARD_BYTES_MAX: usize = 4 << 20;
/// So much of its end is shown when something did not come.
const END_CHARS: usize = 1500;

impl Console {
    pub(super) fn new(mut from: impl Read + Send + 'static, to: impl Write + Send + 'static) -> Console {
        let heard = Arc::new(Mutex::new(String::new()));
        let keeping = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut bytes) {
                let mut text = keeping.lock().unwrap_or_else(PoisonError::into_inner);
                if text.len() < HEARD_BYTES_MAX {
                    text.push_str(&String::from_utf8_lossy(&bytes[..length]));
                }
            }
        });
        let line = Box::new(to);
        Console { line, heard }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.text().len())
    }

    pub(super) fn say(&mut self, word: &str) -> Result<(), Fault> {
        let written = self.line.write_all(format!("{word}\n").as_bytes());
        written
            .and_then(|()| self.line.flush())
            .map_err(Fault::system("the serial line"))
    }

    /// Waits until what was said since `mark` makes sense to `find`.
    pub(super) fn wait_for<T>(
        &self,
        mark: Mark,
        within: Duration,
        mut find: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, Fault> {
        let mut look = || find(self.text().get(mark.0..).unwrap_or_default());
        clock::try_for(within, &mut look).ok_or_else(|| {
            let heard = self.text();
            let from = heard.char_indices().rev().nth(END_CHARS).map_or(0, |(at, _)| at);
            Fault::Late(format!(
                "the serial line did not say what it should within {} s; its end:\n{}",
                within.as_secs(),
                &heard[from..]
            ))
        })
    }

    fn text(&self) -> String {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_after_a_mark_counts() {
        let (from, mut board) = std::io::pipe().unwrap();
        let console = Console::new(from, std::io::sink());
        let seen = |text: &str| text.contains("box> ").then_some(());
        board.write_all(b"hello\r\nbox> ").unwrap();
        console.wait_for(Mark(0), Duration::from_secs(5), seen).unwrap();
        let mark = console.mark();
        let fault = console.wait_for(mark, Duration::ZERO, seen).unwrap_err().to_string();
        assert!(fault.contains("hello"), "{fault}");
        board.write_all(b"ok\r\nbox> ").unwrap();
        console.wait_for(mark, Duration::from_secs(5), seen).unwrap();
    }
}
