//! What a REGISTER asks for, and what it is told (RFC 3261 section 10.3).

use std::time::Instant;

use super::record::Binding;
use super::table::BindingsConfig;
use crate::flow::Flow;
use crate::message::{Builder, Contact, Message, Name, NameAddr};

/// One point in time on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For deadlines.
    pub now: Instant,
    /// For records, in UTC milliseconds.
    pub utc_ms: u64,
}

/// Why a REGISTER changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RegisterRefused {
    /// Malformed or too long To, Contact or Path, or `*` out of place: 400.
    #[error("malformed registration")]
    Malformed,
    /// Asked for less than the box allows: 423 with Min-Expires.
    #[error("interval shorter than {min_s} s")]
    IntervalTooBrief {
        /// Shortest interval, seconds.
        min_s: u32,
    },
    /// An older REGISTER of the same call overtook a newer one: 500.
    #[error("CSeq is not greater than that of the binding")]
    OutOfOrder,
    /// The table is full: 503 with Retry-After.
    #[error("too many registrations")]
    Full,
}

impl RegisterRefused {
    /// The status to answer.
    pub fn status(&self) -> u16 {
        match self {
            RegisterRefused::Malformed => 400,
            RegisterRefused::IntervalTooBrief { .. } => 423,
            RegisterRefused::OutOfOrder => 500,
            RegisterRefused::Full => 503,
        }
    }
}

/// What to answer to a REGISTER.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RegisterOutcome {
    /// 200, with every contact that the user now has.
    Accepted {
        /// Values of the Contact lines.
        contacts: Vec<String>,
        /// True if a flow was recorded by RFC 5626, which the answer tells.
        outbound: bool,
    },
    /// Nothing was changed.
    Refused(RegisterRefused),
}

// A retry sooner would meet the same full table.
const RETRY_AFTER_S: u32 = 120;

impl RegisterOutcome {
    /// The response; the caller may add to it.
    pub fn response(&self, request: &Message, to_tag: &str) -> Builder {
        match self {
            RegisterOutcome::Accepted { contacts, outbound } => {
                let mut response = Builder::response_with_tag(request, 200, to_tag);
                for contact in contacts {
                    response = response.header(Name::Contact, contact);
                }
                if *outbound {
                    response = response.header(Name::Require, "outbound");
                }
                response.copy(request, Name::Path)
            }
            RegisterOutcome::Refused(why) => {
                let response = Builder::response_with_tag(request, why.status(), to_tag);
                match why {
                    RegisterRefused::IntervalTooBrief { min_s } => response.header(Name::MinExpires, min_s),
                    RegisterRefused::Full => response.header(Name::RetryAfter, RETRY_AFTER_S),
                    RegisterRefused::Malformed | RegisterRefused::OutOfOrder => response,
                }
            }
        }
    }
}

/// A REGISTER read whole, before anything is changed.
pub(crate) enum Update {
    Query,
    RemoveAll,
    Contacts(Vec<Change>),
}

/// One contact of a REGISTER; removal where it is granted no time.
pub(crate) struct Change {
    pub(crate) binding: Binding,
    pub(crate) expires_s: u32,
}

// What one binding may hold, so that the table's memory has a bound.
const CONTACT_BYTES_MAX: usize = 512;
const INSTANCE_BYTES_MAX: usize = 128;
const CALL_ID_BYTES_MAX: usize = 256;
const PATH_BYTES_MAX: usize = 768;
const USER_BYTES_MAX: usize = 128;
const USER_AGENT_CHARS_MAX: usize = 64;

pub(crate) fn user(request: &Message) -> Result<Box<str>, RegisterRefused> {
    let user = request.to().uri().ok().map(|uri| uri.user_unescaped().into_owned());
    let user = user.filter(|user| !user.is_empty() && user.len() <= USER_BYTES_MAX);
    user.map(String::into_boxed_str).ok_or(RegisterRefused::Malformed)
}

pub(crate) fn read(
    request: &Message,
    (user, flow): (&str, Flow),
    config: &BindingsConfig,
) -> Result<Update, RegisterRefused> {
    let mut changes = Vec::with_capacity(1);
    let mut all = false;
    let path = path(request)?;
    for contact in request.contacts() {
        match contact.map_err(|_| RegisterRefused::Malformed)? {
            Contact::All => all = true,
            Contact::Address(address) => {
                let expires_s = expires_s(request, &address, config)?;
                let way = Way {
                    user,
                    path: &path,
                    flow,
                };
                changes.push(Change {
                    binding: binding(request, &address, way)?,
                    expires_s,
                });
            }
        }
        if changes.len() > config.contacts_per_user_max {
            return Err(RegisterRefused::Malformed);
        }
    }
    match (all, changes.is_empty()) {
        (true, true) if request.number(Name::Expires) == Some(0) => Ok(Update::RemoveAll),
        (true, _) => Err(RegisterRefused::Malformed),
        (false, true) => Ok(Update::Query),
        (false, false) => Ok(Update::Contacts(changes)),
    }
}

fn path(request: &Message) -> Result<Box<[Box<str>]>, RegisterRefused> {
    let mut bytes = 0;
    let mut path = Vec::new();
    for value in request.values(Name::Path) {
        bytes += value.len();
        let text = std::str::from_utf8(value).map_err(|_| RegisterRefused::Malformed)?;
        if bytes > PATH_BYTES_MAX || NameAddr::parse(value).is_err() {
            return Err(RegisterRefused::Malformed);
        }
        path.push(text.into());
    }
    Ok(path.into_boxed_slice())
}

fn expires_s(request: &Message, address: &NameAddr<'_>, config: &BindingsConfig) -> Result<u32, RegisterRefused> {
    let asked = if address.params.has("expires") {
        address.expires_s()
    } else {
        request.number(Name::Expires)
    };
    match asked.unwrap_or(config.expires_default_s) {
        0 => Ok(0),
        brief if brief < config.expires_min_s => Err(RegisterRefused::IntervalTooBrief {
            min_s: config.expires_min_s,
        }),
        long => Ok(long.min(config.expires_max_s)),
    }
}

/// What all contacts of one REGISTER have in common.
#[derive(Clone, Copy)]
struct Way<'a> {
    user: &'a str,
    path: &'a [Box<str>],
    flow: Flow,
}

fn binding(request: &Message, address: &NameAddr<'_>, way: Way<'_>) -> Result<Binding, RegisterRefused> {
    let fault = RegisterRefused::Malformed;
    let uri = address.uri().map_err(|_| fault)?;
    let instance = address.instance();
    let fits = address.uri_text.len() <= CONTACT_BYTES_MAX
        && request.call_id().len() <= CALL_ID_BYTES_MAX
        && instance
            .as_ref()
            .is_none_or(|instance| instance.len() <= INSTANCE_BYTES_MAX);
    if !uri.is_sip() || !fits {
        return Err(fault);
    }
    Ok(Binding {
        user: way.user.into(),
        contact: address.uri_text.into(),
        // RFC 5626 section 6: a reg-id without an instance is ignored.
        reg_id: address.reg_id().filter(|_| instance.is_some()),
        instance: instance.map(|instance| instance.into_owned().into_boxed_str()),
        q_thousandths: address.q_thousandths().unwrap_or(1000),
        call_id: request.call_id().into(),
        cseq: request.cseq(),
        expires_utc_ms: 0,
        path: way.path.into(),
        flow: way.flow,
        user_agent: request.text(Name::UserAgent).map(|text| readable(&text)),
    })
}

fn readable(text: &str) -> Box<str> {
    let is_plain = |byte: u8| byte.is_ascii() && !byte.is_ascii_control();
    if text.len() <= USER_AGENT_CHARS_MAX && text.bytes().all(is_plain) {
        return text.into();
    }
    let letters = text.chars().filter(|letter| !letter.is_control());
    letters.take(USER_AGENT_CHARS_MAX).collect::<String>().into()
}
