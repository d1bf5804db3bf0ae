//! The hosted PBX of a flow: a registrar, and a proxy or a back-to-back user agent that brings calls back to the branch.
//!
//! In: messages of the box. Out: messages for the box. It works on text and keeps no transactions, so that it shares
//! nothing with the box's own SIP.

mod media;
mod text;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::actor::proves_user;
use media::Anchors;
use text::Text;

/// What it does to the calls it brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostedKind {
    /// Passes dialogs and descriptions on.
    Proxy,
    /// Dialogs of its own, unknown headers dropped, its own media in the middle.
    B2bua,
}

/// What it still knows of its calls after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// It has written them down, or never needed to know.
    Kept,
    /// Nothing: their requests are answered 481, and their sound ends.
    Lost,
}

/// What a hosted PBX is made from.
#[derive(Clone, Debug)]
pub struct HostedSetup {
    /// Where it is.
    pub address: SocketAddr,
    /// What it does to calls.
    pub kind: HostedKind,
    /// What a restart leaves of its calls.
    pub memory: Memory,
    /// How long each message stays with it.
    pub thinks: Duration,
    /// Users and their passwords.
    pub users: Vec<(String, String)>,
    /// Numbers that it takes outside, and who answers there.
    pub beyond: Vec<(String, SocketAddr)>,
}

/// Where a message of the hosted PBX goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    /// To the box.
    Branch,
    /// To a telephone outside.
    Beyond(SocketAddr),
}

/// A hosted PBX.
#[derive(Debug)]
pub struct HostedPbx {
    setup: HostedSetup,
    contacts: BTreeMap<String, String>,
    /// INVITEs that were answered here: their ACK goes no further.
    refused: BTreeSet<String>,
    anchors: Anchors,
    /// Call-IDs since its start, those of the branch's side.
    calls: BTreeSet<String>,
    out: Vec<(Toward, Bytes)>,
    /// What it says when it has thought about it, in order.
    thought: VecDeque<(Instant, Toward, Bytes)>,
    hearing: Hearing,
}

/// Whether it takes new calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// It does.
    Good,
    /// It says nothing about them, like one whose front end lives on.
    Deaf,
}

const NONCE: &str = "hosted-nonce";
/// What a back-to-back user agent puts behind the Call-ID of its other side.
const OTHER_SIDE: &str = "-other-side";

impl HostedPbx {
    /// One that knows nobody's contact yet.
    pub fn new(setup: HostedSetup) -> HostedPbx {
        HostedPbx {
            anchors: Anchors::new(setup.address.ip()),
            contacts: BTreeMap::new(),
            calls: BTreeSet::new(),
            refused: BTreeSet::new(),
            out: Vec::new(),
            thought: VecDeque::new(),
            hearing: Hearing::Good,
            setup,
        }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.setup.address
    }

    /// It takes some number outside.
    pub fn leads_outside(&self) -> bool {
        !self.setup.beyond.is_empty()
    }

    /// It has restarted: every contact is forgotten, and what it was at.
    pub fn forget(&mut self) {
        self.contacts.clear();
        self.calls.clear();
        match self.setup.memory {
            Memory::Kept => {}
            Memory::Lost => self.anchors = Anchors::new(self.setup.address.ip()),
        }
        self.thought.clear();
    }

    /// Whether it takes new calls from now on.
    pub fn set_hearing(&mut self, hearing: Hearing) {
        self.hearing = hearing;
    }

    /// The next message that is ready, and where it goes.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<(Toward, Bytes)> {
        let (_, toward, bytes) = self.thought.pop_front_if(|(ready, ..)| *ready <= now)?;
        Some((toward, bytes))
    }

    /// When the next message is ready.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.thought.front().map(|(ready, ..)| *ready)
    }

    /// Where sound that arrives here from the box goes on: the port of the box, and where it then comes from.
    pub fn relays(&self, to: SocketAddr, from_port: u16) -> Option<(u16, SocketAddr)> {
        self.anchors.relays(to, from_port)
    }

    /// Its own ports for media, those of [`HostedPbx::relays`].
    pub fn media_ports(&self) -> impl Iterator<Item = u16> {
        self.anchors.ports()
    }

    /// One message of the box, or of a telephone outside.
    pub fn handle_message(&mut self, now: Instant, bytes: &Bytes) {
        self.take(bytes);
        let ready = now + self.setup.thinks;
        let said = self.out.drain(..).map(|(toward, bytes)| (ready, toward, bytes));
        self.thought.extend(said);
    }

    fn take(&mut self, bytes: &Bytes) {
        let Some(text) = Text::read(bytes) else { return };
        if text.is_response() {
            return self.pass_response(text);
        }
        let begins = text.to_tag().is_none();
        match text.method() {
            "ACK" if !begins && self.has_forgotten(&text) => {}
            _ if !begins && self.has_forgotten(&text) => {
                self.answer(&text, ("481 Call/Transaction Does Not Exist", &[]));
            }
            "REGISTER" => self.register(bytes, &text),
            "OPTIONS" if !text.has("Route") => self.answer(&text, ("200 OK", &[])),
            "ACK" if self.refused.contains(&text.branch()) => {}
            "INVITE" if text.to_tag().is_none() && self.hearing == Hearing::Deaf => {}
            "INVITE" if text.to_tag().is_none() => self.invite(bytes, text),
            _ => self.pass_request(text),
        }
    }

    fn knows(&self, bytes: &Bytes) -> bool {
        self.setup
            .users
            .iter()
            .any(|(user, password)| proves_user((user, password), bytes, NONCE))
    }

    fn challenge(&mut self, text: &Text, (status, name): (&str, &str)) {
        let value = format!("{name}: Digest realm=\"hosted\", nonce=\"{NONCE}\", qop=\"auth\", algorithm=MD5");
        self.refused.insert(text.branch());
        self.answer(text, (status, &[value]));
    }

    fn register(&mut self, bytes: &Bytes, text: &Text) {
        if !self.knows(bytes) {
            return self.challenge(text, ("401 Unauthorized", "WWW-Authenticate"));
        }
        let user = text.user_of("To");
        let contact = text.value("Contact").unwrap_or_default().to_owned();
        let uri = contact.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let expires = text.value("Expires").unwrap_or("600").to_owned();
        if expires == "0" {
            self.contacts.remove(&user);
            return self.answer(text, ("200 OK", &[]));
        }
        self.contacts.insert(user, uri.clone());
        self.answer(text, ("200 OK", &[format!("Contact: <{uri}>;expires={expires}")]));
    }

    fn invite(&mut self, bytes: &Bytes, mut text: Text) {
        if !self.comes_from_beyond(&text) && !self.knows(bytes) {
            return self.challenge(&text, ("407 Proxy Authentication Required", "Proxy-Authenticate"));
        }
        let user = text.request_user();
        let Some(contact) = self.contact_of(&user) else {
            self.refused.insert(text.branch());
            return self.answer(&text, ("404 Not Found", &[]));
        };
        self.answer(&text, ("100 Trying", &[]));
        self.calls.insert(call_of(&text).to_owned());
        text.set_request_uri(&contact);
        text.remove("Proxy-Authorization");
        text.push_on_top("Record-Route", &format!("<sip:{};lr>", self.setup.address));
        self.pass_on(text);
    }

    fn pass_request(&mut self, mut text: Text) {
        text.remove_first("Route");
        // What belongs to an INVITE that was brought back goes where that went.
        if matches!(text.method(), "ACK" | "CANCEL")
            && !text.is_in_dialog_target()
            && let Some(contact) = self.contact_of(&text.request_user())
        {
            text.set_request_uri(&contact);
        }
        self.pass_on(text);
    }

    fn pass_on(&mut self, mut text: Text) {
        let branch = format!("{}h", text.branch());
        self.disguise(&mut text);
        text.push_on_top("Via", &format!("SIP/2.0/UDP {};branch={branch}", self.setup.address));
        self.out.push((self.toward(text.request_uri()), text.print()));
    }

    fn contact_of(&self, user: &str) -> Option<String> {
        let beyond = self.setup.beyond.iter().find(|(number, _)| number == user);
        let beyond = beyond.map(|(number, address)| format!("sip:{number}@{address}"));
        beyond.or_else(|| self.contacts.get(user).cloned())
    }

    fn comes_from_beyond(&self, text: &Text) -> bool {
        self.toward(text.value("Via").unwrap_or_default()) != Toward::Branch
    }

    /// Who is named in a URI or a Via.
    fn toward(&self, place: &str) -> Toward {
        let mut addresses = self.setup.beyond.iter().map(|(_, address)| *address);
        let found = addresses.find(|address| place.contains(&address.to_string()));
        found.map_or(Toward::Branch, Toward::Beyond)
    }

    /// A call from before its start, where it has forgotten those.
    fn has_forgotten(&self, text: &Text) -> bool {
        self.setup.memory == Memory::Lost && !self.calls.contains(call_of(text))
    }

    fn pass_response(&mut self, mut text: Text) {
        text.remove_first("Via");
        if !text.has("Via") || self.has_forgotten(&text) {
            return;
        }
        self.disguise(&mut text);
        let toward = self.toward(text.value("Via").unwrap_or_default());
        self.out.push((toward, text.print()));
    }

    /// A back-to-back user agent: another dialog, another medium, nothing it does not know.
    fn disguise(&mut self, text: &mut Text) {
        if self.setup.kind == HostedKind::Proxy {
            return;
        }
        let call_id = text.value("Call-ID").unwrap_or_default().to_owned();
        let other = match call_id.strip_suffix(OTHER_SIDE) {
            Some(own) => own.to_owned(),
            None => format!("{call_id}{OTHER_SIDE}"),
        };
        text.set("Call-ID", &other);
        text.remove("Session-ID");
        if let Some(body) = text.body() {
            let body = self.anchors.anchor(&body);
            text.set_body(&body);
        }
    }

    fn answer(&mut self, text: &Text, (status, more): (&str, &[String])) {
        let toward = self.toward(text.value("Via").unwrap_or_default());
        self.out.push((toward, text.response(status, more)));
    }
}

/// Its Call-ID as the branch's side has it.
fn call_of(text: &Text) -> &str {
    let call_id = text.value("Call-ID").unwrap_or_default();
    call_id.strip_suffix(OTHER_SIDE).unwrap_or(call_id)
}
