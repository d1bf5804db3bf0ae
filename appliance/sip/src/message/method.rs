//! Request methods; unknown ones stay as they are, so that they can be answered 405 or 501.

use std::fmt;

macro_rules! methods {
    ($($variant:ident = $text:literal, $doc:literal;)*) => {
        /// A request method (RFC 3261 section 7.1); case-sensitive.
        #[derive(Clone, PartialEq, Eq, Hash, Debug)]
        pub enum Method {
            $(#[doc = $doc] $variant,)*
            /// A method that this stack has no rule for.
            Other(Box<str>),
        }

        impl Method {
            /// The method as written.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Method::$variant => $text,)*
                    Method::Other(text) => text,
                }
            }

            /// Reads a method; any token that is not known becomes `Other`.
            pub fn of(text: &str) -> Method {
                match text {
                    $($text => Method::$variant,)*
                    other => Method::Other(other.into()),
                }
            }
        }
    };
}

methods! {
    Invite = "INVITE", "RFC 3261 section 13.";
    Ack = "ACK", "RFC 3261 section 13.";
    Bye = "BYE", "RFC 3261 section 15.";
    Cancel = "CANCEL", "RFC 3261 section 9.";
    Register = "REGISTER", "RFC 3261 section 10.";
    Options = "OPTIONS", "RFC 3261 section 11.";
    Prack = "PRACK", "RFC 3262.";
    Update = "UPDATE", "RFC 3311.";
    Info = "INFO", "RFC 6086.";
    Refer = "REFER", "RFC 3515.";
    Notify = "NOTIFY", "RFC 6665.";
    Subscribe = "SUBSCRIBE", "RFC 6665.";
    Publish = "PUBLISH", "RFC 3903.";
    Message = "MESSAGE", "RFC 3428.";
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
