//! An archive as it comes in, held against what the manifest says of it.

use sha2::Sha256;

use crate::accept::Refusal;
use crate::manifest::{Artefact, Digest};

/// Takes an archive piece by piece; more than was announced is refused at once.
#[derive(Debug)]
pub struct Weigh {
    expected: (u64, Digest),
    bytes: u64,
    hash: Sha256,
}

impl Weigh {
    /// For one archive.
    pub fn new(artefact: &Artefact) -> Weigh {
        Weigh {
            expected: (artefact.bytes, artefact.sha256),
            bytes: 0,
            hash: <Sha256 as sha2::Digest>::new(),
        }
    }

    /// The next piece.
    pub fn handle_piece(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        if self.bytes > self.expected.0 {
            return Err(self.length());
        }
        sha2::Digest::update(&mut self.hash, piece);
        Ok(())
    }

    /// The archive has ended.
    pub fn finish(self) -> Result<(), Refusal> {
        if self.bytes != self.expected.0 {
            return Err(self.length());
        }
        let found = Digest(sha2::Digest::finalize(self.hash).into());
        match found == self.expected.1 {
            true => Ok(()),
            false => Err(Refusal::Digest {
                expected: self.expected.1,
                found,
            }),
        }
    }

    fn length(&self) -> Refusal {
        Refusal::Length {
            expected: self.expected.0,
            found: self.bytes,
        }
    }
}
