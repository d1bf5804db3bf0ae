//! Dialogs (RFC 3261 section 12) and the sessions in them.
//!
//! [`Dialog`] is the state two user agents share: tags, sequence numbers, route set, remote target. [`session`] runs an INVITE
//! usage over one or, while an outgoing call forks, several of them.

mod content;
mod multipart;
mod replaces;
mod resend;
pub(crate) mod session;
mod session_timer;
pub(crate) mod signer;
mod turn;

use std::net::{IpAddr, SocketAddr};

use crate::flow::{Flow, Transport};
use crate::message::{Builder, Host, Message, Method, Name, NameAddr, Uri};

pub(crate) use content::with_body;
pub use content::{Attachment, Body, Headers};
pub use replaces::{Replaces, ReplacesFault};
pub(crate) use session_timer::too_brief;
pub(crate) use turn::{Core, Owner, Purpose, Turn, unsupported};

/// A session of an agent; never reused while the program runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// Where requests inside a dialog are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NextHop {
    /// Over the flow that the peer used last: right for phones, which may sit behind NAT.
    #[default]
    Flow,
    /// To the first Route or the remote target where that is an IP literal, else over the flow: right for trunks.
    FromRouteSet,
}

/// Our tag of a dialog. It alone finds the dialog of a request, so it is random and drawn by us.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub(crate) struct Tag(pub(crate) u64);

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Tag {
    /// Reads a tag of ours back; `None` if it cannot be one.
    pub(crate) fn of(text: &str) -> Option<Tag> {
        let ours = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        ours.then(|| u64::from_str_radix(text, 16).ok().map(Tag)).flatten()
    }
}

/// Our side of a new dialog.
pub(crate) struct Local<'a> {
    pub(crate) tag: Tag,
    /// Value of our Contact header.
    pub(crate) contact: &'a str,
    pub(crate) next_hop: NextHop,
}

/// A request came with a sequence number not above the last one (RFC 3261 section 12.2.2).
#[derive(Debug)]
pub(crate) struct OutOfOrder;

/// One dialog, early or confirmed.
#[derive(Debug)]
pub(crate) struct Dialog {
    call_id: Box<str>,
    /// Our From value, with tag.
    local: Box<str>,
    /// Our To value, with the peer's tag if it has one.
    remote: Box<str>,
    remote_tag: Box<str>,
    remote_target: Box<str>,
    contact: Box<str>,
    routes: Vec<Box<str>>,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    flow: Flow,
    next_hop: NextHop,
}

// Above this a Record-Route is an attack, not a path.
const ROUTES_MAX: usize = 32;

// CSeq numbers stay below 2^31 (RFC 3261 section 8.1.1.5).
const CSEQ_MASK: u32 = 0x7fff_ffff;

impl Dialog {
    /// The dialog that our 1xx or 2xx to `request` makes (RFC 3261 section 12.1.1).
    pub(crate) fn of_request(request: &Message, flow: Flow, local: &Local<'_>) -> Dialog {
        let to = request.text(Name::To).unwrap_or_default();
        let routes = request.values(Name::RecordRoute).take(ROUTES_MAX).map(text).collect();
        Dialog {
            call_id: request.call_id().into(),
            local: format!("{to};tag={}", local.tag).into(),
            remote: request.text(Name::From).unwrap_or_default().as_ref().into(),
            remote_tag: request.from_tag().unwrap_or_default().into(),
            remote_target: target_of(request).unwrap_or_else(|| request.from().uri_text.into()),
            contact: local.contact.into(),
            routes,
            local_cseq: 0,
            remote_cseq: Some(request.cseq()),
            flow,
            next_hop: local.next_hop,
        }
    }

    /// The dialog that a response with a To tag to our request makes (RFC 3261 section 12.1.2).
    pub(crate) fn of_response(response: &Message, flow: Flow, local: &Local<'_>) -> Dialog {
        let mut routes: Vec<Box<str>> = response.values(Name::RecordRoute).take(ROUTES_MAX).map(text).collect();
        routes.reverse();
        Dialog {
            call_id: response.call_id().into(),
            local: response.text(Name::From).unwrap_or_default().as_ref().into(),
            remote: response.text(Name::To).unwrap_or_default().as_ref().into(),
            remote_tag: response.to_tag().unwrap_or_default().into(),
            remote_target: target_of(response).unwrap_or_else(|| response.to().uri_text.into()),
            contact: local.contact.into(),
            routes,
            local_cseq: response.cseq(),
            remote_cseq: None,
            flow,
            next_hop: local.next_hop,
        }
    }

    /// The dialog that a NOTIFY overtaking the 2xx to our SUBSCRIBE makes (RFC 6665 section 4.4.1).
    pub(crate) fn of_notify(notify: &Message, flow: Flow, local: &Local<'_>) -> Dialog {
        let mut dialog = Dialog::of_request(notify, flow, local);
        dialog.local = notify.text(Name::To).unwrap_or_default().as_ref().into();
        dialog
    }

    /// A 2xx makes the early dialog final: its route set counts (RFC 3261 section 13.2.2.4).
    pub(crate) fn confirm(&mut self, response: &Message) {
        let mut routes: Vec<Box<str>> = response.values(Name::RecordRoute).take(ROUTES_MAX).map(text).collect();
        routes.reverse();
        self.routes = routes;
        self.refresh_target(response);
    }

    pub(crate) fn call_id(&self) -> &str {
        &self.call_id
    }

    pub(crate) fn remote_tag(&self) -> &str {
        &self.remote_tag
    }

    pub(crate) fn remote_target(&self) -> &str {
        &self.remote_target
    }

    pub(crate) fn contact(&self) -> &str {
        &self.contact
    }

    /// The last sequence number that we used.
    pub(crate) fn local_cseq(&self) -> u32 {
        self.local_cseq
    }

    /// Numbers of our requests go on after `cseq`.
    pub(crate) fn continue_after(&mut self, cseq: u32) {
        self.local_cseq = cseq;
    }

    /// Takes the peer's next request: its sequence number and the flow it came over.
    pub(crate) fn receive(&mut self, request: &Message, flow: Flow) -> Result<(), OutOfOrder> {
        if self.remote_cseq.is_some_and(|last| request.cseq() <= last) {
            return Err(OutOfOrder);
        }
        self.remote_cseq = Some(request.cseq());
        self.follow(flow);
        Ok(())
    }

    /// The peer was heard on `flow`.
    pub(crate) fn follow(&mut self, flow: Flow) {
        self.flow = flow;
    }

    /// Takes the Contact of a target refresh request or its 2xx (RFC 3261 section 12.2).
    pub(crate) fn refresh_target(&mut self, message: &Message) {
        if let Some(target) = target_of(message) {
            self.remote_target = target;
        }
    }

    /// The next request in the dialog.
    pub(crate) fn request(&mut self, method: &Method) -> Builder {
        let cseq = self.next_cseq();
        self.compose(method, cseq)
    }

    /// The number of the next request.
    pub(crate) fn next_cseq(&mut self) -> u32 {
        self.local_cseq = self.local_cseq.wrapping_add(1) & CSEQ_MASK;
        self.local_cseq
    }

    /// The ACK to the 2xx to our INVITE number `cseq`.
    pub(crate) fn ack(&self, cseq: u32) -> Builder {
        self.compose(&Method::Ack, cseq)
    }

    fn compose(&self, method: &Method, cseq: u32) -> Builder {
        let strict = self.routes.first().filter(|first| !is_loose(first));
        let uri = match strict {
            Some(first) => uri_text(first).unwrap_or(&self.remote_target),
            None => &self.remote_target,
        };
        let mut builder = Builder::request(method, uri);
        for route in self.routes.iter().skip(usize::from(strict.is_some())) {
            builder = builder.header(Name::Route, route);
        }
        if strict.is_some() {
            builder = builder.header(Name::Route, format_args!("<{}>", self.remote_target));
        }
        builder = builder
            .header(Name::MaxForwards, 70)
            .header(Name::From, &self.local)
            .header(Name::To, &self.remote)
            .header(Name::CallId, &self.call_id)
            .header(Name::CSeq, format_args!("{cseq} {method}"));
        match method {
            Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer => {
                builder.header(Name::Contact, &self.contact)
            }
            Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Register
            | Method::Options
            | Method::Prack
            | Method::Info => builder,
            Method::Publish | Method::Message | Method::Other(_) => builder,
        }
    }

    /// Where the next request goes.
    pub(crate) fn flow(&self) -> Flow {
        match self.next_hop {
            NextHop::Flow => self.flow,
            NextHop::FromRouteSet => {
                let first = self
                    .routes
                    .first()
                    .and_then(|route| uri_text(route))
                    .unwrap_or(&self.remote_target);
                literal_flow(first, self.flow).unwrap_or(self.flow)
            }
        }
    }
}

fn text(value: &[u8]) -> Box<str> {
    String::from_utf8_lossy(value).into()
}

fn target_of(message: &Message) -> Option<Box<str>> {
    message
        .contact()?
        .ok()
        .filter(|contact| contact.uri_text != "*")
        .map(|contact| contact.uri_text.into())
}

fn uri_text(route: &str) -> Option<&str> {
    NameAddr::parse(route.as_bytes()).ok().map(|address| address.uri_text)
}

fn is_loose(route: &str) -> bool {
    uri_text(route)
        .and_then(|uri| Uri::parse(uri).ok())
        .is_some_and(|uri| uri.param("lr").is_some())
}

// Names would need a look-up, and nothing on the call path waits for one.
fn literal_flow(uri: &str, base: Flow) -> Option<Flow> {
    let uri = Uri::parse(uri).ok()?;
    let address = match uri.host {
        Host::Name(_) => return None,
        Host::V4(address) => IpAddr::from(address),
        Host::V6(address) => IpAddr::from(address),
    };
    let transport = match uri.param("transport").flatten() {
        Some(word) => Transport::of(&word)?,
        None => base.transport,
    };
    let remote = SocketAddr::new(address, uri.port.unwrap_or_else(|| transport.default_port()));
    if transport != base.transport || remote.is_ipv4() != base.local.is_ipv4() {
        return None;
    }
    let connection = base.connection.filter(|_| remote == base.remote);
    Some(Flow {
        transport,
        local: base.local,
        remote,
        connection,
    })
}
