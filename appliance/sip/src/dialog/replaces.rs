//! Replaces (RFC 3891) and what is embedded in Refer-To (RFC 3515).

use std::fmt;

use crate::message::unescape;

/// The dialog that a new call is to take the place of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaces {
    /// Its Call-ID.
    pub call_id: String,
    /// Tag of the side that is asked to replace.
    pub to_tag: String,
    /// Tag of the other side.
    pub from_tag: String,
    /// True: only while it rings.
    pub early_only: bool,
}

/// Why no session can be replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReplacesFault {
    /// No such dialog, or an early one that we did not start.
    #[error("no dialog to replace")]
    NotFound,
    /// It is answered and the request says early-only.
    #[error("the dialog is answered already")]
    Answered,
    /// It is being torn down.
    #[error("the dialog has ended")]
    Ended,
}

impl ReplacesFault {
    /// The status to answer the INVITE with (RFC 3891 section 3).
    pub fn status(self) -> u16 {
        match self {
            ReplacesFault::NotFound => 481,
            ReplacesFault::Answered => 486,
            ReplacesFault::Ended => 603,
        }
    }
}

impl Replaces {
    /// Reads the value of a Replaces header; `None` if it is malformed, lacks a tag or names one twice.
    pub fn parse(value: &str) -> Option<Replaces> {
        let mut parts = value.split(';').map(str::trim);
        let call_id = parts.next().filter(|call_id| !call_id.is_empty())?.to_owned();
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            let (name, value) = part
                .split_once('=')
                .map_or((part, None), |(name, value)| (name.trim(), Some(value.trim())));
            let slot = if name.eq_ignore_ascii_case("to-tag") {
                &mut to_tag
            } else if name.eq_ignore_ascii_case("from-tag") {
                &mut from_tag
            } else {
                early_only |= name.eq_ignore_ascii_case("early-only");
                continue;
            };
            if slot.replace(value.filter(|tag| !tag.is_empty())?.to_owned()).is_some() {
                return None;
            }
        }
        Some(Replaces {
            call_id,
            to_tag: to_tag?,
            from_tag: from_tag?,
            early_only,
        })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        f.write_str(if self.early_only { ";early-only" } else { "" })
    }
}

/// Splits the URI of a Refer-To into the plain URI and the Replaces embedded in its headers.
pub(crate) fn split_refer_to(uri: &str) -> (String, Option<Replaces>) {
    let Some((plain, headers)) = uri.split_once('?') else {
        return (uri.to_owned(), None);
    };
    let replaces = headers.split('&').find_map(|header| {
        let (name, value) = header.split_once('=')?;
        name.eq_ignore_ascii_case("replaces")
            .then(|| Replaces::parse(&unescape(value)))?
    });
    (plain.to_owned(), replaces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_is_read_and_written_back() {
        let text = "98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff";
        let replaces = Replaces::parse(text).unwrap();
        assert_eq!(
            (
                replaces.to_tag.as_str(),
                replaces.from_tag.as_str(),
                replaces.early_only
            ),
            ("ff87ff", "r33th4x0r", false)
        );
        assert_eq!(Replaces::parse(&replaces.to_string()), Some(replaces));
        assert!(Replaces::parse("a;to-tag=1;from-tag=2;early-only").unwrap().early_only);
    }

    #[test]
    fn a_malformed_replaces_is_refused() {
        for text in [
            "",
            ";to-tag=1;from-tag=2",
            "a;to-tag=1",
            "a;from-tag=2",
            "a;to-tag;from-tag=2",
            "a;to-tag=1;to-tag=2;from-tag=3",
        ] {
            assert_eq!(Replaces::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_dialog_embedded_in_refer_to_is_unescaped() {
        let (uri, replaces) =
            split_refer_to("sip:bob@b.example?Replaces=12345%40192.0.2.1%3Bto-tag%3D12345%3Bfrom-tag%3D5FFE&X=1");
        assert_eq!(uri, "sip:bob@b.example");
        let expected = Replaces {
            call_id: "12345@192.0.2.1".into(),
            to_tag: "12345".into(),
            from_tag: "5FFE".into(),
            early_only: false,
        };
        assert_eq!(replaces, Some(expected));
        assert_eq!(split_refer_to("sip:bob@b.example"), ("sip:bob@b.example".into(), None));
        assert_eq!(split_refer_to("sip:b@h?Replaces=%zz%"), ("sip:b@h".into(), None));
    }
}
