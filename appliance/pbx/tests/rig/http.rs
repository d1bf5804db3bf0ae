//! One plain GET, enough for the local page and the metrics.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(5);
const BODY_BYTES_MAX: u64 = 8 << 20;

/// Status, head and body of a reply.
#[derive(Debug)]
pub struct Reply {
    /// Such as 200.
    pub status: u16,
    /// Everything above the blank line.
    pub head: String,
    /// The rest, as it came: chunked coding is not undone (the request asks for HTTP/1.0).
    pub body: String,
}

/// GETs `path`; an error is the connection's.
pub fn read_page(from: SocketAddr, path: &str) -> std::io::Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&from, WITHIN)?;
    stream.set_read_timeout(Some(WITHIN))?;
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: {from}\r\nConnection: close\r\n\r\n"
    )?;
    let mut bytes = Vec::new();
    stream.take(BODY_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Ok(Reply {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// The value of the first sample of metric `name` (Prometheus text), labels ignored.
pub fn metric(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{'))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}
