//! What a call is known by when the hosted PBX brings it back.

use std::net::IpAddr;
use std::time::Instant;

/// What is remembered of a call that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signs {
    pub(crate) sent: Instant,
    /// Whose line.
    pub(crate) line: String,
    /// Where the branch alone would have taken it.
    pub(crate) leads_to: Option<String>,
    /// Session-ID of its INVITE (RFC 7989).
    pub(crate) session_id: String,
    /// Origin of the box's description: session and address.
    pub(crate) origin: (u64, IpAddr),
    /// Call-ID and our tag, once its INVITE is out.
    pub(crate) dialog: Option<(String, String)>,
}

/// What a call that comes in shows of itself.
pub(super) struct Seen<'a> {
    /// Line that calls, where it is one of ours.
    pub(super) from: Option<String>,
    /// Line that is called.
    pub(super) to: &'a str,
    pub(super) session_id: String,
    pub(super) origin: Option<(u64, IpAddr)>,
    /// Call-ID and the caller's tag.
    pub(super) dialog: (&'a str, &'a str),
}

impl Signs {
    /// It is this call: our own tag where the hosted PBX is a proxy, Session-ID or our own description where those pass.
    pub(super) fn prove(&self, seen: &Seen<'_>) -> bool {
        let same_session = !seen.session_id.is_empty() && self.session_id == seen.session_id;
        self.is_in(seen.dialog) || same_session || seen.origin == Some(self.origin)
    }

    /// Its INVITE is in this dialog: Call-ID and our tag.
    pub(super) fn is_in(&self, dialog: (&str, &str)) -> bool {
        let own = self.dialog.as_ref();
        own.is_some_and(|(call_id, tag)| (call_id.as_str(), tag.as_str()) == dialog)
    }

    /// It may be: the same line calls the same line.
    pub(super) fn connect(&self, seen: &Seen<'_>) -> bool {
        seen.from.as_deref() == Some(self.line.as_str()) && self.leads_to.as_deref() == Some(seen.to)
    }
}
