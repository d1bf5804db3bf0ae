//! Typed views of headers, read on demand from the message they borrow. One noun a file.

mod authentication;
mod contact;
mod event;
mod forwarding;
mod privacy;
mod rack;
mod reason;
mod replaces;
mod session_expires;
mod subscription_state;

pub use authentication::Authentication;
pub use contact::Contact;
pub use event::Event;
pub use forwarding::{Diversion, HistoryEntry};
pub use privacy::Privacy;
pub use rack::RAck;
pub use reason::{Reason, ReasonProtocol};
pub use replaces::Replaces;
pub use session_expires::{Refresher, SessionExpires};
pub use subscription_state::{SubscriptionPhase, SubscriptionState};

use super::{Message, Name, NameAddr, ParseError};

impl Message {
    /// All contacts (RFC 3261 section 20.10).
    pub fn contacts(&self) -> impl Iterator<Item = Result<Contact<'_>, ParseError>> {
        self.values(Name::Contact).map(Contact::parse)
    }

    /// Addresses of a list header: Route, Record-Route, Path, Service-Route, P-Asserted-Identity and so on.
    pub fn addresses<'a>(&'a self, name: Name<'a>) -> impl Iterator<Item = Result<NameAddr<'a>, ParseError>> {
        self.values(name).map(NameAddr::parse)
    }

    /// Session-Expires (RFC 4028 section 4).
    pub fn session_expires(&self) -> Option<Result<SessionExpires, ParseError>> {
        self.value(Name::SessionExpires).map(SessionExpires::parse)
    }

    /// RAck (RFC 3262 section 7.2).
    pub fn rack(&self) -> Option<Result<RAck<'_>, ParseError>> {
        self.value(Name::RAck).map(RAck::parse)
    }

    /// Replaces (RFC 3891 section 6.1).
    pub fn replaces(&self) -> Option<Result<Replaces<'_>, ParseError>> {
        self.value(Name::Replaces).map(Replaces::parse)
    }

    /// Refer-To (RFC 3515 section 2.1).
    pub fn refer_to(&self) -> Option<Result<NameAddr<'_>, ParseError>> {
        self.value(Name::ReferTo).map(NameAddr::parse)
    }

    /// Referred-By (RFC 3892 section 3).
    pub fn referred_by(&self) -> Option<Result<NameAddr<'_>, ParseError>> {
        self.value(Name::ReferredBy).map(NameAddr::parse)
    }

    /// Event (RFC 6665 section 8.2.1).
    pub fn event(&self) -> Option<Result<Event<'_>, ParseError>> {
        self.value(Name::Event).map(Event::parse)
    }

    /// Subscription-State (RFC 6665 section 8.2.3).
    pub fn subscription_state(&self) -> Option<Result<SubscriptionState<'_>, ParseError>> {
        self.value(Name::SubscriptionState).map(SubscriptionState::parse)
    }

    /// The well-formed Reasons (RFC 3326).
    pub fn reasons(&self) -> impl Iterator<Item = Reason<'_>> {
        self.values(Name::Reason).filter_map(|value| Reason::parse(value).ok())
    }

    /// What Privacy asks for (RFC 3323, RFC 3325); nothing if absent.
    pub fn privacy(&self) -> Privacy {
        self.value(Name::Privacy).map(Privacy::parse).unwrap_or_default()
    }

    /// Retry-After in seconds (RFC 3261 section 20.33).
    pub fn retry_after_s(&self) -> Option<u32> {
        self.number(Name::RetryAfter)
    }

    /// The well-formed credentials or challenges of Authorization, WWW-Authenticate and their proxy forms.
    pub fn authentications<'a>(&'a self, name: Name<'a>) -> impl Iterator<Item = Authentication<'a>> {
        self.values(name).filter_map(|value| Authentication::parse(value).ok())
    }

    /// The well-formed Diversions, latest first (RFC 5806).
    pub fn diversions(&self) -> impl Iterator<Item = Diversion<'_>> {
        self.values(Name::Diversion)
            .filter_map(|value| Diversion::parse(value).ok())
    }

    /// The well-formed History-Info entries, oldest first (RFC 7044).
    pub fn history(&self) -> impl Iterator<Item = HistoryEntry<'_>> {
        self.values(Name::HistoryInfo)
            .filter_map(|value| HistoryEntry::parse(value).ok())
    }

    /// The well-formed location references (RFC 6442).
    pub fn geolocations(&self) -> impl Iterator<Item = NameAddr<'_>> {
        self.values(Name::Geolocation)
            .filter_map(|value| NameAddr::parse(value).ok())
    }
}
