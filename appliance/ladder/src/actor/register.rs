//! Registration: with the box as a telephone does, and of the box as a provider takes it.

use std::time::{Duration, Instant};

use branchline_sip::message::{Builder, Message, Method, Name};

use super::digest::proves;
use super::wire::Purpose;
use super::{Actor, Deed};

/// How the registration stands.
#[derive(Clone, Debug)]
pub(super) struct Registering {
    call_id: String,
    cseq: u32,
    wanted: bool,
    /// Until when the box promised to know us.
    pub(super) until: Option<Instant>,
    pub(super) attempts: u32,
}

impl Registering {
    pub(super) fn new(random: u64) -> Registering {
        Registering {
            call_id: format!("reg-{random:016x}"),
            cseq: 0,
            wanted: false,
            until: None,
            attempts: 0,
        }
    }
}

impl Actor {
    /// Until when the box promised to reach us; `None` while it did not.
    pub fn registered_until(&self) -> Option<Instant> {
        self.registering.until
    }

    /// Asks the box to know our address, and keeps asking.
    pub fn register(&mut self, now: Instant) {
        self.registering.wanted = true;
        self.send_register(now, self.setup.features.expires_s);
    }

    /// Takes our address back.
    pub fn unregister(&mut self, now: Instant) {
        self.registering.wanted = false;
        self.registering.until = None;
        self.deeds.retain(|(_, deed)| *deed != Deed::Register);
        self.send_register(now, 0);
    }

    /// The connection to the box broke. A registration of a flow ended with it (RFC 5626 section 4.4): a new one is asked for.
    pub fn lose_stream(&mut self, now: Instant) {
        if self.setup.features.instance.is_some() && self.registering.wanted {
            self.registering.until = None;
            self.send_register(now, self.setup.features.expires_s);
        }
    }

    fn send_register(&mut self, now: Instant, expires_s: u32) {
        self.deeds.retain(|(_, deed)| *deed != Deed::Register);
        if self.wire.has_pending(Purpose::Register) {
            return;
        }
        self.registering.cseq += 1;
        let host = self.setup.server;
        let (cseq, number) = (self.registering.cseq, self.setup.number.clone());
        let uri = format!("sip:{host}");
        let mut contact = format!("{};expires={expires_s}", self.contact());
        if let Some(q) = self.setup.features.q_thousandths {
            contact.push_str(&format!(";q={}.{:03}", q / 1000, q % 1000));
        }
        if let Some(instance) = &self.setup.features.instance {
            contact.push_str(&format!(";+sip.instance=\"<{instance}>\";reg-id=1"));
        }
        let (via, tag) = (self.via(), self.token());
        let mut request = Builder::request(&Method::Register, &uri)
            .header(Name::Via, via)
            .header(Name::MaxForwards, 70)
            .header(Name::From, format_args!("<sip:{number}@{}>;tag={tag}", host.ip()))
            .header(Name::To, format_args!("<sip:{number}@{}>", host.ip()))
            .header(Name::CallId, &self.registering.call_id)
            .header(Name::CSeq, format_args!("{cseq} REGISTER"))
            .header(Name::Contact, contact)
            .header(Name::Supported, "path, outbound");
        if let Some(mut challenge) = self.challenge.take() {
            let (name, value) = challenge.answer(&self.account(), "REGISTER", &uri);
            self.challenge = Some(challenge);
            request = request.header(name, value);
        }
        self.send(now, Purpose::Register, request);
    }

    pub(super) fn register_answered(&mut self, now: Instant, (request, signed): (&Message, bool), response: &Message) {
        match response.status() {
            401 | 407 if self.registering.attempts < 3 => {
                self.registering.attempts += 1;
                let _ = signed;
                self.registering.cseq += 1;
                let cseq = self.registering.cseq;
                match self.sign((request, response), cseq) {
                    Some(again) => self.send(now, Purpose::Register, again),
                    None => self.register_later(now, RETRY),
                }
            }
            200..=299 => {
                self.registering.attempts = 0;
                let own = format!("{}", self.setup.address);
                let granted = response
                    .values(Name::Contact)
                    .map(|value| String::from_utf8_lossy(value).into_owned())
                    .find(|value| value.contains(&own))
                    .and_then(|value| expires_of(&value));
                match granted {
                    Some(granted_s) if self.registering.wanted => {
                        self.registering.until = Some(now + Duration::from_secs(u64::from(granted_s)));
                        // Most telephones refresh at half to nine tenths of the time.
                        let wait_ms = u64::from(granted_s) * 700;
                        self.later(now + Duration::from_millis(wait_ms.max(1000)), Deed::Register);
                    }
                    Some(_) => self.send_register(now, 0),
                    None => self.registering.until = None,
                }
            }
            423 => {
                self.setup.features.expires_s = response.number(Name::MinExpires).unwrap_or(3600);
                self.register_later(now, Duration::from_millis(100));
            }
            503 => {
                let wait_s = response.number(Name::RetryAfter).unwrap_or(10).clamp(1, 60);
                self.register_later(now, Duration::from_secs(u64::from(wait_s)));
            }
            _ => {
                self.challenge = None;
                self.register_later(now, RETRY);
            }
        }
    }

    pub(super) fn register_later(&mut self, now: Instant, wait: Duration) {
        self.registering.attempts = 0;
        if self.registering.wanted {
            let wait = wait + self.random(Duration::from_secs(2));
            self.later(now + wait, Deed::Register);
        }
    }

    /// The box registers with us, a provider.
    pub(super) fn handle_register(&mut self, now: Instant, request: &Message) {
        let nonce = format!("nonce-{}", self.setup.seed);
        if !proves(&self.account(), request, &nonce) {
            let value = format!("Digest realm=\"provider\", nonce=\"{nonce}\", qop=\"auth\", algorithm=MD5");
            let refused = Builder::response_with_tag(request, 401, "r").header(Name::WwwAuthenticate, value);
            return self.respond(now, request, refused);
        }
        let contact = request.text(Name::Contact).unwrap_or_default().into_owned();
        let expires = request
            .number(Name::Expires)
            .or_else(|| expires_of(&contact))
            .unwrap_or(600);
        let contact = contact.split_inclusive('>').next().unwrap_or_default().to_owned();
        let accepted = Builder::response_with_tag(request, 200, "r")
            .header(Name::Contact, format_args!("{contact};expires={expires}"));
        self.registering.until = Some(now + Duration::from_secs(u64::from(expires)));
        self.respond(now, request, accepted);
    }
}

fn expires_of(contact: &str) -> Option<u32> {
    let (_, after) = contact.split_once("expires=")?;
    after.split([';', '>', ' ']).next()?.parse().ok()
}

const RETRY: Duration = Duration::from_secs(15);
