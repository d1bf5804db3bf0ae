//! One binding, as it is kept, journalled and restored.

use std::fmt::{self, Write};
use std::net::SocketAddr;

use crate::flow::Flow;
use crate::message::{NameAddr, Uri};

/// A contact under which a user can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// User part of the address of record, unescaped: the extension.
    pub user: Box<str>,
    /// Contact URI as written: the request URI of requests to it.
    pub contact: Box<str>,
    /// `+sip.instance` of the phone (RFC 5626).
    pub instance: Option<Box<str>>,
    /// `reg-id` of the phone's flow (RFC 5626).
    pub reg_id: Option<u32>,
    /// Preference in thousandths; greater is rung first.
    pub q_thousandths: u16,
    /// Call-ID of the REGISTER.
    pub call_id: Box<str>,
    /// CSeq of the REGISTER.
    pub cseq: u32,
    /// When it ends, in UTC milliseconds.
    pub expires_utc_ms: u64,
    /// Route set of requests to it: the Path values in order (RFC 3327).
    pub path: Box<[Box<str>]>,
    /// Where the REGISTER came from; requests go back the same way, through NAT. Once its connection is lost, `remote` is
    /// where a new one may be opened.
    pub flow: Flow,
    /// User-Agent as sent, cut to 64 characters; for people to read.
    pub user_agent: Option<Box<str>>,
}

impl Binding {
    /// True if both are the same flow of the same phone (RFC 5626 section 6); phones without reg-id have one flow.
    pub(crate) fn same_instance(&self, other: &Binding) -> bool {
        self.instance.is_some() && self.instance == other.instance && self.reg_id == other.reg_id
    }

    /// True if nothing but the refresh itself tells them apart; a connection does not outlive the box anyway.
    pub(crate) fn refreshes(&self, old: &Binding) -> bool {
        let reached = |flow: &Flow| (flow.transport, flow.local, flow.remote);
        fn said(binding: &Binding) -> (Option<&str>, Option<u32>, u16) {
            (binding.instance.as_deref(), binding.reg_id, binding.q_thousandths)
        }
        self.contact == old.contact
            && said(self) == said(old)
            && self.path == old.path
            && reached(&self.flow) == reached(&old.flow)
            && self.user_agent == old.user_agent
    }

    /// The stream is gone, and nobody listens on the port that it came from: the first hop is reached where its URI says
    /// (RFC 3261 section 18.1.1).
    pub(crate) fn lose_connection(&mut self) {
        self.flow.connection = None;
        if self.flow.transport.reliable()
            && let Some(listening) = self.listening()
        {
            self.flow.remote = listening;
        }
    }

    // Only on the host that registered: another address stands behind NAT, and may be that of a stranger here.
    fn listening(&self) -> Option<SocketAddr> {
        let port = match self.path.first() {
            Some(hop) => self.port_here(&NameAddr::parse(hop.as_bytes()).ok()?.uri().ok()?),
            None => self.port_here(&Uri::parse(&self.contact).ok()?),
        }?;
        Some(SocketAddr::new(self.flow.remote.ip(), port))
    }

    fn port_here(&self, uri: &Uri<'_>) -> Option<u16> {
        let here = uri.host.ip()?.to_canonical() == self.flow.remote.ip().to_canonical();
        let port = uri.port.unwrap_or(self.flow.transport.default_port());
        (here && port > 0).then_some(port)
    }
}

/// The value of Contact in the answer to a REGISTER.
pub(crate) struct Granted<'a> {
    pub(crate) binding: &'a Binding,
    pub(crate) expires_s: u64,
}

impl Granted<'_> {
    pub(crate) fn text(&self) -> String {
        let mut text = String::with_capacity(self.binding.contact.len() + GRANTED_BYTES);
        // Writing to a String cannot fail.
        let _ = write!(text, "{self}");
        text
    }
}

// The most that a contact without an instance is told.
const GRANTED_BYTES: usize = "<>;expires=4294967295;q=0.123".len();

impl fmt::Display for Granted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Granted { binding, expires_s } = self;
        write!(f, "<{}>;expires={expires_s}", binding.contact)?;
        if binding.q_thousandths < 1000 {
            write!(f, ";q=0.{:03}", binding.q_thousandths)?;
        }
        if let Some(instance) = &binding.instance {
            write!(
                f,
                ";+sip.instance=\"{}\"",
                instance.replace('\\', "\\\\").replace('"', "\\\"")
            )?;
        }
        if let Some(reg_id) = binding.reg_id {
            write!(f, ";reg-id={reg_id}")?;
        }
        Ok(())
    }
}

/// Why a binding is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removal {
    /// The phone took it back.
    Requested,
    /// It was not refreshed.
    Expired,
    /// The same phone registered another contact in its place, or the user has too many.
    Replaced,
    /// The stream that it depends on is gone.
    FlowLost,
}

/// A change to be journalled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingEvent {
    /// New, or another than before.
    Changed {
        /// The binding.
        binding: Binding,
        /// A restart takes the binding back until then, UTC milliseconds: refreshes that end sooner are not told.
        keep_until_utc_ms: u64,
    },
    /// The same, refreshed beyond what was told last.
    Refreshed {
        /// The binding.
        binding: Binding,
        /// As of [`BindingEvent::Changed`].
        keep_until_utc_ms: u64,
    },
    /// Gone.
    Removed {
        /// As it was.
        binding: Binding,
        /// Why.
        why: Removal,
    },
}
