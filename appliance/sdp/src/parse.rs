//! Bytes to [`Sdp`] (RFC 8866 section 9), within the bounds of the crate.

use crate::line::Line;
use crate::{FORMATS_MAX, LINES_MAX, MEDIA_MAX, Media, SIZE_MAX, Sdp, SdpError};
use bytes::Bytes;

pub(crate) fn parse(data: &[u8]) -> Result<Sdp, SdpError> {
    if data.len() > SIZE_MAX {
        return Err(SdpError::TooLarge { bytes: data.len() });
    }
    let body = Bytes::copy_from_slice(data);
    let mut sdp = Sdp {
        session: Vec::new(),
        media: Vec::new(),
    };
    for (index, raw) in body.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        if raw.is_empty() {
            continue;
        }
        if index >= LINES_MAX {
            return Err(SdpError::TooManyLines);
        }
        let line = split_line(&body, raw).ok_or(SdpError::MalformedLine { line: number })?;
        check_connection(&line, number)?;
        accept(&mut sdp, line, number)?;
    }
    check_head(&sdp)?;
    Ok(sdp)
}

pub(crate) fn accept(sdp: &mut Sdp, line: Line, number: usize) -> Result<(), SdpError> {
    if line.is(b'm') {
        if sdp.media.len() == MEDIA_MAX {
            return Err(SdpError::TooManyMedia);
        }
        sdp.media.push(media_line(&line, number)?);
        return Ok(());
    }
    match sdp.media.last_mut() {
        Some(media) => media.lines.push(line),
        None => sdp.session.push(line),
    }
    Ok(())
}

pub(crate) fn split_line(body: &Bytes, raw: &[u8]) -> Option<Line> {
    let (kind, rest) = raw.split_first()?;
    let value = rest.strip_prefix(b"=")?;
    if !kind.is_ascii_alphabetic() || value.iter().any(|byte| matches!(byte, 0 | b'\r')) {
        return None;
    }
    Some(Line::new(*kind, body.slice_ref(value)))
}

fn media_line(line: &Line, number: usize) -> Result<Media, SdpError> {
    let fault = SdpError::Media { line: number };
    let mut fields = line.text().ok_or(fault)?.split_ascii_whitespace();
    let kind = fields.next().ok_or(fault)?.to_owned();
    let (port, port_count) = port_field(fields.next().ok_or(fault)?).ok_or(fault)?;
    let protocol = fields.next().ok_or(fault)?.to_owned();
    let formats: Vec<String> = fields.take(FORMATS_MAX + 1).map(str::to_owned).collect();
    if formats.is_empty() {
        return Err(fault);
    }
    if formats.len() > FORMATS_MAX {
        return Err(SdpError::TooManyFormats { line: number });
    }
    Ok(Media {
        kind,
        port,
        port_count,
        protocol,
        formats,
        lines: Vec::new(),
    })
}

fn port_field(text: &str) -> Option<(u16, Option<u16>)> {
    match text.split_once('/') {
        Some((port, count)) => Some((port.parse().ok()?, Some(count.parse().ok()?))),
        None => Some((text.parse().ok()?, None)),
    }
}

pub(crate) fn check_connection(line: &Line, number: usize) -> Result<(), SdpError> {
    let is_complete = |text: &str| text.split_ascii_whitespace().count() >= 3;
    if line.is(b'c') && !line.text().is_some_and(is_complete) {
        return Err(SdpError::Connection { line: number });
    }
    Ok(())
}

fn check_head(sdp: &Sdp) -> Result<(), SdpError> {
    let mut versions = sdp.session.iter().filter(|line| line.is(b'v'));
    let is_first = sdp
        .session
        .first()
        .is_some_and(|line| line.is(b'v') && line.value().trim_ascii() == b"0");
    if !is_first || versions.nth(1).is_some() {
        return Err(SdpError::Version);
    }
    let mut origins = sdp.session.iter().filter(|line| line.is(b'o'));
    let is_complete = |line: &Line| {
        line.text()
            .is_some_and(|text| text.split_ascii_whitespace().count() == 6)
    };
    if !origins.next().is_some_and(is_complete) || origins.next().is_some() {
        return Err(SdpError::Origin);
    }
    Ok(())
}
