//! The session description inside a body, alone or as a part of a multipart one (RFC 2046 section 5.1).

use bytes::Bytes;

use super::content::Body;

/// The description's bytes; `None` when there is none.
pub(super) fn session_description(body: &Body) -> Option<Bytes> {
    let (kind, params) = body.content_type.split_once(';').unwrap_or((&body.content_type, ""));
    if kind.trim().eq_ignore_ascii_case("application/sdp") {
        return Some(body.bytes.clone());
    }
    if !kind.trim().to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    let boundary = params.split(';').find_map(|param| {
        let (name, value) = param.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then(|| value.trim().trim_matches('"'))
    })?;
    parts(&body.bytes, boundary)
        .find(|part| is_session_description(part.head))
        .map(|part| body.bytes.slice_ref(part.content))
}

struct Part<'a> {
    head: &'a [u8],
    content: &'a [u8],
}

fn parts<'a>(bytes: &'a [u8], boundary: &str) -> impl Iterator<Item = Part<'a>> {
    let delimiter = format!("--{boundary}");
    let mut rest = find(bytes, delimiter.as_bytes()).map(|at| &bytes[at + delimiter.len()..]);
    std::iter::from_fn(move || {
        let here = rest?;
        if here.starts_with(b"--") {
            return None;
        }
        let end = find(here, delimiter.as_bytes())?;
        rest = Some(&here[end + delimiter.len()..]);
        let part = here[..end].strip_suffix(b"\r\n").unwrap_or(&here[..end]);
        let part = part.strip_prefix(b"\r\n").unwrap_or(part);
        let head_end = find(part, b"\r\n\r\n").unwrap_or(0);
        let content = part.get(head_end + 4..).unwrap_or_default();
        Some(Part {
            head: &part[..head_end],
            content,
        })
    })
}

fn is_session_description(head: &[u8]) -> bool {
    String::from_utf8_lossy(head).lines().any(|line| {
        line.split_once(':').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("content-type")
                && value.trim().to_ascii_lowercase().starts_with("application/sdp")
        })
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(kind: &str, bytes: &'static str) -> Body {
        Body {
            content_type: kind.into(),
            bytes: Bytes::from_static(bytes.as_bytes()),
        }
    }

    #[test]
    fn bodies_that_are_cut_or_changed_give_a_piece_of_themselves_or_nothing() {
        let kind = "multipart/mixed;boundary=\"b\"";
        let good = b"--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\n\r\n--b--\r\n";
        let cut = (0..=good.len()).map(|end| good[..end].to_vec());
        let changed = (0..good.len()).flat_map(|at| {
            [0, b'\r', b'\n', b'-', b':', 0xff].map(|byte| [&good[..at], &[byte], &good[at + 1..]].concat())
        });
        let mut found = 0;
        for bytes in cut.chain(changed) {
            for kind in [
                kind,
                "multipart/",
                "multipart/mixed;boundary=",
                "multipart/x;boundary=\"",
                "multipart/x;boundary=\r\n",
            ] {
                let content_type = kind.into();
                let bytes = Bytes::from(bytes.clone());
                let description = session_description(&Body {
                    content_type,
                    bytes: bytes.clone(),
                });
                found += usize::from(description.is_some());
                let part = description.unwrap_or_default();
                assert!(part.is_empty() || find(&bytes, &part).is_some(), "{kind} {bytes:?}");
            }
        }
        assert!(found > 0);
    }

    #[test]
    fn the_description_is_found_alone_and_among_other_parts() {
        let mixed = "preamble\r\n--b1\r\nContent-Type: application/pidf+xml\r\n\r\n<x/>\r\n--b1\r\n\
                     Content-Type: application/sdp\r\n\r\nv=0\r\ns=-\r\n--b1--\r\n";
        let cases = [
            ("application/sdp", "v=0\r\n", Some("v=0\r\n")),
            ("multipart/mixed; boundary=b1", mixed, Some("v=0\r\ns=-")),
            ("multipart/mixed; boundary=\"b1\"", mixed, Some("v=0\r\ns=-")),
            ("multipart/mixed; boundary=other", mixed, None),
            ("multipart/mixed", mixed, None),
            ("text/plain", "v=0\r\n", None),
        ];
        for (kind, bytes, expected) in cases {
            let found = session_description(&body(kind, bytes));
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{kind}");
        }
    }
}
