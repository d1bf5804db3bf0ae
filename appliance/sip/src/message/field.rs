//! Names of header fields: canonical and compact forms, and which of them are comma lists.

use std::fmt;

/// Whether a header is one value or a comma-separated list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    One,
    List,
}

struct Entry {
    text: &'static str,
    compact: Option<u8>,
    shape: Shape,
}

macro_rules! names {
    ($($variant:ident $text:literal $compact:expr, $shape:ident;)*) => {
        /// Name of a header field. Compact forms are the same name; `Other` compares without regard to case.
        #[derive(Clone, Copy, Debug)]
        pub enum Name<'a> {
            $(#[doc = $text] $variant,)*
            /// A header that this stack has no rule for, as written.
            Other(&'a str),
        }

        #[derive(Clone, Copy)]
        #[repr(u8)]
        #[allow(clippy::enum_variant_names, reason = "mirrors the names on the wire")]
        pub(crate) enum Id { $($variant,)* }

        const ENTRIES: &[Entry] = &[$(Entry { text: $text, compact: $compact, shape: Shape::$shape },)*];

        impl<'a> Name<'a> {
            /// Number of a known name; `OTHER` otherwise.
            pub(crate) fn id(self) -> u8 {
                match self {
                    $(Name::$variant => Id::$variant as u8,)*
                    Name::Other(text) => lookup(text.as_bytes()),
                }
            }

            pub(crate) fn known(id: u8) -> Option<Name<'static>> {
                const KNOWN: &[Name<'static>] = &[$(Name::$variant,)*];
                KNOWN.get(usize::from(id)).copied()
            }
        }
    };
}

names! {
    Via "Via" Some(b'v'), List;
    From "From" Some(b'f'), One;
    To "To" Some(b't'), One;
    CallId "Call-ID" Some(b'i'), One;
    CSeq "CSeq" None, One;
    Contact "Contact" Some(b'm'), List;
    MaxForwards "Max-Forwards" None, One;
    Route "Route" None, List;
    RecordRoute "Record-Route" None, List;
    ContentLength "Content-Length" Some(b'l'), One;
    ContentType "Content-Type" Some(b'c'), One;
    ContentEncoding "Content-Encoding" Some(b'e'), List;
    ContentDisposition "Content-Disposition" None, One;
    ContentLanguage "Content-Language" None, List;
    ContentId "Content-ID" None, One;
    MimeVersion "MIME-Version" None, One;
    Expires "Expires" None, One;
    MinExpires "Min-Expires" None, One;
    Authorization "Authorization" None, One;
    WwwAuthenticate "WWW-Authenticate" None, One;
    ProxyAuthorization "Proxy-Authorization" None, One;
    ProxyAuthenticate "Proxy-Authenticate" None, One;
    AuthenticationInfo "Authentication-Info" None, One;
    Allow "Allow" None, List;
    Supported "Supported" Some(b'k'), List;
    Require "Require" None, List;
    ProxyRequire "Proxy-Require" None, List;
    Unsupported "Unsupported" None, List;
    Event "Event" Some(b'o'), One;
    SubscriptionState "Subscription-State" None, One;
    AllowEvents "Allow-Events" Some(b'u'), List;
    ReferTo "Refer-To" Some(b'r'), One;
    ReferredBy "Referred-By" Some(b'b'), One;
    ReferSub "Refer-Sub" None, One;
    TargetDialog "Target-Dialog" None, One;
    Replaces "Replaces" None, One;
    Join "Join" None, One;
    SessionExpires "Session-Expires" Some(b'x'), One;
    MinSe "Min-SE" None, One;
    RSeq "RSeq" None, One;
    RAck "RAck" None, One;
    Reason "Reason" None, List;
    Path "Path" None, List;
    ServiceRoute "Service-Route" None, List;
    PAssertedIdentity "P-Asserted-Identity" None, List;
    PPreferredIdentity "P-Preferred-Identity" None, List;
    PAssociatedUri "P-Associated-URI" None, List;
    PAccessNetworkInfo "P-Access-Network-Info" None, One;
    PEarlyMedia "P-Early-Media" None, One;
    RemotePartyId "Remote-Party-ID" None, List;
    Privacy "Privacy" None, One;
    Identity "Identity" Some(b'y'), One;
    Diversion "Diversion" None, List;
    HistoryInfo "History-Info" None, List;
    RetryAfter "Retry-After" None, One;
    UserAgent "User-Agent" None, One;
    Server "Server" None, One;
    Warning "Warning" None, List;
    Date "Date" None, One;
    Subject "Subject" Some(b's'), One;
    Accept "Accept" None, List;
    AcceptEncoding "Accept-Encoding" None, List;
    AcceptLanguage "Accept-Language" None, List;
    AcceptContact "Accept-Contact" Some(b'a'), List;
    RejectContact "Reject-Contact" Some(b'j'), List;
    RequestDisposition "Request-Disposition" Some(b'd'), List;
    AlertInfo "Alert-Info" None, List;
    CallInfo "Call-Info" None, List;
    ErrorInfo "Error-Info" None, List;
    Timestamp "Timestamp" None, One;
    Organization "Organization" None, One;
    Priority "Priority" None, One;
    InReplyTo "In-Reply-To" None, List;
    ReplyTo "Reply-To" None, One;
    Geolocation "Geolocation" None, List;
    GeolocationRouting "Geolocation-Routing" None, One;
    SipEtag "SIP-ETag" None, One;
    SipIfMatch "SIP-If-Match" None, One;
    FlowTimer "Flow-Timer" None, One;
    AnswerMode "Answer-Mode" None, One;
    RecvInfo "Recv-Info" None, List;
    InfoPackage "Info-Package" None, One;
    SecurityClient "Security-Client" None, List;
    SecurityServer "Security-Server" None, List;
    SecurityVerify "Security-Verify" None, List;
    UserToUser "User-to-User" None, List;
    MaxBreadth "Max-Breadth" None, One;
}

/// Id of a name that is not in the table.
pub(crate) const OTHER: u8 = 255;

const SLOTS: usize = 512;

const fn hash(text: &[u8]) -> usize {
    let first = text[0] | 0x20;
    let middle = text[text.len() / 2] | 0x20;
    let last = text[text.len() - 1] | 0x20;
    (text.len().wrapping_mul(37)
        ^ (first as usize).wrapping_mul(7)
        ^ (middle as usize).wrapping_mul(19)
        ^ (last as usize).wrapping_mul(59))
        % SLOTS
}

const fn slots() -> [u8; SLOTS] {
    let mut table = [OTHER; SLOTS];
    let mut id = 0;
    while id < ENTRIES.len() {
        let mut slot = hash(ENTRIES[id].text.as_bytes());
        while table[slot] != OTHER {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = id as u8;
        id += 1;
    }
    table
}

const fn compacts() -> [u8; 256] {
    let mut table = [OTHER; 256];
    let mut id = 0;
    while id < ENTRIES.len() {
        if let Some(letter) = ENTRIES[id].compact {
            table[letter as usize] = id as u8;
            table[letter.to_ascii_uppercase() as usize] = id as u8;
        }
        id += 1;
    }
    table
}

static SLOT: [u8; SLOTS] = slots();
static COMPACT: [u8; 256] = compacts();

/// Number of the name `text` (full or compact, any case), or `OTHER`.
pub(crate) fn lookup(text: &[u8]) -> u8 {
    match text {
        [] => OTHER,
        [letter] => COMPACT[usize::from(*letter)],
        _ => {
            let mut slot = hash(text);
            while SLOT[slot] != OTHER {
                let id = SLOT[slot];
                let known = ENTRIES[usize::from(id)].text.as_bytes();
                // Most are written as in the RFC, and equal bytes are found many at a time.
                if known == text || known.eq_ignore_ascii_case(text) {
                    return id;
                }
                slot = (slot + 1) % SLOTS;
            }
            OTHER
        }
    }
}

pub(crate) fn shape(id: u8) -> Shape {
    ENTRIES.get(usize::from(id)).map_or(Shape::One, |entry| entry.shape)
}

impl<'a> Name<'a> {
    /// Reads a name in full or compact form, in any case.
    pub fn of(text: &'a str) -> Name<'a> {
        Name::known(lookup(text.as_bytes())).unwrap_or(Name::Other(text))
    }

    /// The canonical spelling; an unknown name as written.
    pub fn as_str(self) -> &'a str {
        match self {
            Name::Other(text) => ENTRIES
                .get(usize::from(lookup(text.as_bytes())))
                .map_or(text, |entry| entry.text),
            known => ENTRIES.get(usize::from(known.id())).map_or("", |entry| entry.text),
        }
    }

    /// True for headers whose value is a comma-separated list.
    pub fn is_list(self) -> bool {
        shape(self.id()) == Shape::List
    }
}

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Name<'_>) -> bool {
        let (left, right) = (self.id(), other.id());
        left == right && (left != OTHER || self.as_str().eq_ignore_ascii_case(other.as_str()))
    }
}

impl Eq for Name<'_> {}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One header line as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Its name.
    pub name: Name<'a>,
    /// The whole line with its folds, without the final line end.
    pub raw: &'a [u8],
    /// Everything after the colon, trimmed, folds left in.
    pub value: &'a [u8],
}
