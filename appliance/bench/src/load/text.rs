//! Requests of the load, in the size and order of headers that desk phones send.

use std::fmt::Write;
use std::net::SocketAddr;

use branchline_sip::digest::Answerer;

use crate::accounts::REALM;

/// Method of an ACK to a final response other than 200, which repeats the branch of its INVITE.
pub(super) const ACK_OF_FAILURE: &str = "ACK-FAILURE";

/// What a request says.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    /// User part of From.
    pub(super) user: &'a str,
    /// Value of To.
    pub(super) to: &'a str,
    pub(super) call_id: &'a str,
    pub(super) cseq: u32,
    /// Own address, for Via, Contact and From.
    pub(super) from: SocketAddr,
    /// Whole header lines.
    pub(super) lines: &'a str,
    pub(super) body: &'a str,
}

impl Request<'_> {
    pub(super) fn text(&self) -> String {
        let Request {
            method,
            uri,
            user,
            to,
            call_id,
            cseq,
            from,
            lines,
            body,
        } = self;
        let tag = call_id.split('@').next().unwrap_or_default();
        // An ACK to a failure belongs to the transaction of its INVITE.
        let branch = match *method {
            ACK_OF_FAILURE => format!("{tag}-{cseq}-INVITE"),
            other => format!("{tag}-{cseq}-{other}"),
        };
        let method = method.trim_end_matches("-FAILURE");
        let mut text = String::with_capacity(1500);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {from};branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\n\
             From: \"Phone {user}\" <sip:{user}@{REALM}>;tag={tag}\r\n\
             To: {to}\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:{user}@{from}>\r\n\
             Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO, UPDATE\r\n\
             Supported: replaces, timer\r\n\
             User-Agent: Phone 1.2.3\r\n\
             {lines}"
        );
        if !body.is_empty() {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
        text
    }
}

/// The header line with credentials, empty before the first challenge.
pub(super) fn credentials(answerer: &mut Answerer, method: &str, uri: &str) -> String {
    match answerer.credentials(method, uri) {
        Some((name, value)) => format!("{}: {value}\r\n", name.as_str()),
        None => String::new(),
    }
}

/// G.711 both ways and telephone events.
pub(super) fn sdp(user: &str, media: SocketAddr) -> String {
    let (ip, port) = (media.ip(), media.port());
    format!(
        "v=0\r\no={user} 2890844526 2890844526 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// Where an SDP body wants its audio.
pub(super) fn media_of(body: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(body).ok()?;
    let line = |prefix: &str| text.lines().find_map(|line| line.strip_prefix(prefix));
    let ip = line("c=IN IP4 ")?.trim().parse().ok()?;
    let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}
