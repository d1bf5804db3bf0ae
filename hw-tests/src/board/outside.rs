//! A board seen from its network: telephones, strangers, and programs on the same wire.

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use super::{ANSWER_WITHIN, Board, PATIENCE};
use crate::rig::{BOX_INSIDE, Office};
use crate::{Fault, clock};

impl Board {
    /// Two telephones on its wire, not registered yet.
    ///
    /// # Errors
    /// A socket.
    pub fn office(&mut self) -> Result<Office, Fault> {
        let accounts = self.with_accounts()?;
        self.wire.office(&accounts)
    }

    /// The time from power to the first REGISTER that is answered, with whatever: one is sent ten times a second.
    ///
    /// # Errors
    /// None was.
    pub fn first_register_answered(&mut self) -> Result<Duration, Fault> {
        let since = self.power()?.since;
        let socket = self.wire.stranger(PATIENCE)?;
        let answered = clock::try_for(self.file.start_within(), || {
            let answer = ask_sip(&socket, "REGISTER", "202");
            answer.map(|_| clock::now() - since)
        });
        answered.ok_or_else(|| Fault::Late("no REGISTER was answered".to_owned()))
    }

    /// What a stranger is told who sends this request for this extension.
    ///
    /// # Errors
    /// Nothing.
    pub fn ask_as_stranger(&mut self, method: &str, extension: &str) -> Result<String, Fault> {
        let socket = self.wire.stranger(ANSWER_WITHIN)?;
        ask_sip(&socket, method, extension).ok_or_else(|| Fault::Late(format!("{method} was not answered")))
    }

    /// Of these TCP ports, the ones where somebody listens.
    ///
    /// # Errors
    /// The namespace is gone.
    pub fn listening(&self, ports: Vec<u16>) -> Result<Vec<u16>, Fault> {
        self.wire.listening(ports)
    }

    /// Waits until a program on the board's wire listens on this port.
    ///
    /// # Errors
    /// It does not.
    pub fn await_served(&self, port: u16) -> Result<(), Fault> {
        let served = clock::try_for(ANSWER_WITHIN, || {
            self.wire.is_served(port).unwrap_or(false).then_some(())
        });
        served.ok_or_else(|| Fault::Late(format!("nobody serves port {port}")))
    }

    /// A program on the board's wire.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        self.wire.namespace.command(program)
    }
}

/// A request for an extension, and the answer; `None` when none comes while the socket waits.
fn ask_sip(socket: &UdpSocket, method: &str, extension: &str) -> Option<String> {
    let from = socket.local_addr().ok()?;
    let request = format!(
        "{method} sip:{extension}@{BOX_INSIDE} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKprobe{method}{extension};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{extension}@{BOX_INSIDE}>;tag=probe\r\nTo: <sip:{extension}@{BOX_INSIDE}>\r\n\
         Call-ID: probe{method}{extension}\r\nCSeq: 1 {method}\r\nContact: <sip:{extension}@{from}>\r\nContent-Length: 0\r\n\r\n"
    );
    // Nobody may be there yet.
    let _ = socket.send(request.as_bytes());
    loop {
        let mut bytes = [0; 2048];
        let length = socket.recv(&mut bytes).ok()?;
        let answer = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if !answer.starts_with("SIP/2.0 1") {
            return Some(answer);
        }
    }
}
