//! One call as a telephone knows it.

use std::time::{Duration, Instant};

use branchline_sip::message::{Message, Name, NameAddr};

use super::offer::{Described, Way};

/// A call of one telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallHandle(pub u64);

/// Which end of the call a telephone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It dialled.
    Caller,
    /// It was called.
    Callee,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The INVITE is out.
    Inviting,
    /// It rings here.
    Ringing,
    /// Answered.
    Up,
    /// Over, with the status or 0 for a BYE.
    Over {
        /// Final status of the INVITE; 0 after a BYE.
        status: u16,
        /// When.
        at: Instant,
    },
}

/// What a call is like for those who are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Situation {
    /// It rings at the other end.
    Ringing,
    /// It rings, and sound of the other end is there already.
    EarlyMedia,
    /// Both talk.
    Up,
    /// One of them waits.
    Held,
    /// One of them asked for a transfer and has not heard of its end.
    Transferring,
}

/// Whether a caller wants its INVITE taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancel {
    No,
    /// As soon as something provisional came (RFC 3261 section 9.1).
    Wanted,
    Sent,
}

/// What a telephone does when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Reaction {
    /// Status (180 or 183 with early media) and after how long.
    pub provisional: Option<(Duration, u16)>,
    /// Final status and after how long; none rings on.
    pub finally: Option<(Duration, u16)>,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its name at this telephone.
    pub handle: CallHandle,
    /// Which end.
    pub side: Side,
    /// How far it is.
    pub stage: Stage,
    /// Who is at the other end, as dialled or shown.
    pub peer: String,
    /// When the INVITE went out or came in.
    pub began: Instant,
    /// When the answer was received, or acknowledged.
    pub answered: Option<Instant>,
    /// What this side does.
    pub way: Way,
    /// What the other side said last.
    pub remote: Option<Described>,
    /// Where this side receives RTP.
    pub media: std::net::SocketAddr,
    /// Whether it was moved by a transfer, taken over, or made with Replaces.
    pub moved: bool,
    pub(super) replacing: bool,
    /// A transfer was asked for, and its end is not known.
    pub(super) referring: bool,
    pub(super) call_id: String,
    /// `From` of our requests without the tag, and `To`.
    pub(super) local: String,
    pub(super) remote_party: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: Option<String>,
    pub(super) target: String,
    pub(super) routes: Vec<String>,
    pub(super) cseq: u32,
    pub(super) remote_cseq: u32,
    pub(super) version: u32,
    /// Number of the last reliable provisional response, of either side (RFC 3262).
    pub(super) rseq: u32,
    /// The INVITE that came in, or the last one that went out.
    pub(super) invite: Option<Message>,
    /// It was offerless: the answer carries the offer, the ACK the answer.
    pub(super) offer_in_answer: bool,
    pub(super) cancel: Cancel,
    pub(super) wish: Way,
}

impl Call {
    /// Whether it is not over.
    pub fn is_alive(&self) -> bool {
        match self.stage {
            Stage::Inviting | Stage::Ringing | Stage::Up => true,
            Stage::Over { .. } => false,
        }
    }

    /// Call-ID, our tag and the other's, for a Replaces header of somebody else.
    pub fn dialog(&self) -> (String, String, String) {
        (
            self.call_id.clone(),
            self.local_tag.clone(),
            self.remote_tag.clone().unwrap_or_default(),
        )
    }

    /// Whether it was made to take over a call of somebody else.
    pub fn is_replacing(&self) -> bool {
        self.replacing
    }

    /// The user part that its INVITE shows as the caller.
    pub fn shown_as(&self) -> String {
        let user = self.local.trim_start_matches("<sip:");
        user.split('@').next().unwrap_or_default().to_owned()
    }

    /// What the call is like; `None` before anything is heard of the other end, and when it is over.
    pub fn situation(&self) -> Option<Situation> {
        let both_talk = self.way == Way::SendRecv && self.remote.is_none_or(|remote| remote.way == Way::SendRecv);
        match self.stage {
            Stage::Inviting => {
                let rings = self.remote_tag.is_some();
                rings.then_some(if self.remote.is_some() {
                    Situation::EarlyMedia
                } else {
                    Situation::Ringing
                })
            }
            Stage::Up if self.referring => Some(Situation::Transferring),
            Stage::Up if both_talk => Some(Situation::Up),
            Stage::Up => Some(Situation::Held),
            Stage::Ringing | Stage::Over { .. } => None,
        }
    }

    pub(super) fn from_header(&self) -> String {
        format!("{};tag={}", self.local, self.local_tag)
    }

    pub(super) fn to_header(&self) -> String {
        match &self.remote_tag {
            Some(tag) => format!("{};tag={tag}", self.remote_party),
            None => self.remote_party.clone(),
        }
    }

    /// Takes the other end's tag, target and route from what makes the dialog.
    pub(super) fn learn(&mut self, message: &Message) {
        if let Some(Ok(contact)) = message.contact() {
            self.target = contact.uri_text.to_owned();
        }
        let routes = message.values(Name::RecordRoute);
        let mut routes: Vec<String> = routes
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect();
        if message.is_request() {
            self.remote_tag = message.from_tag().map(str::to_owned);
        } else {
            self.remote_tag = message.to_tag().map(str::to_owned);
            routes.reverse();
        }
        self.routes = routes;
    }

    pub(super) fn is(&self, message: &Message) -> bool {
        let (ours, theirs) = match message.is_request() {
            true => (message.to_tag(), message.from_tag()),
            false => (message.from_tag(), message.to_tag()),
        };
        self.call_id == message.call_id()
            && ours == Some(self.local_tag.as_str())
            && (self.remote_tag.is_none() || self.remote_tag.as_deref() == theirs)
    }
}

/// Address of a name-addr header without its tag.
pub(super) fn without_tag(value: &str) -> String {
    let uri = NameAddr::parse(value.as_bytes()).map(|address| address.uri_text.to_owned());
    uri.map_or_else(|_| value.to_owned(), |uri| format!("<{uri}>"))
}
