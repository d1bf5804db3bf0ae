//! A signed text: three lines of header, an empty line, and the bytes exactly as they were signed.
//!
//! ```text
//! branchline-release 1
//! key 21fe31dfa154a261
//! signature 6fa0…
//!
//! { … }
//! ```

use crate::accept::Refusal;
use crate::hex;
use crate::key::{KeyId, SigningKey, TrustedKeys};

/// Bytes of an envelope; a manifest with every artefact takes a tenth of it.
pub const ENVELOPE_BYTES_MAX: usize = 64 * 1024;

/// Names the form, and is signed with the text, so that a signature of something else proves nothing here.
const FORM: &str = "branchline-release 1\n";

/// Signs a text.
pub fn seal(key: &SigningKey, text: &[u8]) -> Vec<u8> {
    let (id, signature) = (key.public().id(), hex::write(&key.sign(&signed(text))));
    let mut envelope = format!("{FORM}key {id}\nsignature {signature}\n\n").into_bytes();
    envelope.extend(text);
    envelope
}

/// The text, if a trusted key signed it.
pub(crate) fn open<'a>(envelope: &'a [u8], keys: &TrustedKeys) -> Result<&'a [u8], Refusal> {
    if envelope.len() > ENVELOPE_BYTES_MAX {
        return Err(Refusal::NotAManifest("it is too long"));
    }
    let rest = envelope
        .strip_prefix(FORM.as_bytes())
        .ok_or(Refusal::NotAManifest("its first line is another"))?;
    let (id, rest) = line(rest, "key ").ok_or(Refusal::NotAManifest("it names no key"))?;
    let id = hex::read(id).ok_or(Refusal::NotAManifest("it names no key"))?;
    let (signature, rest) = line(rest, "signature ").ok_or(Refusal::NotAManifest("it has no signature"))?;
    let signature: [u8; 64] = hex::read(signature).ok_or(Refusal::NotAManifest("it has no signature"))?;
    let text = rest
        .strip_prefix(b"\n")
        .ok_or(Refusal::NotAManifest("its header has a further line"))?;
    let key = keys
        .find(KeyId(id))
        .ok_or_else(|| Refusal::UnknownKey(KeyId(id).to_string()))?;
    match key.proves(&signed(text), &signature) {
        true => Ok(text),
        false => Err(Refusal::Signature(KeyId(id).to_string())),
    }
}

fn signed(text: &[u8]) -> Vec<u8> {
    [FORM.as_bytes(), text].concat()
}

fn line<'a>(text: &'a [u8], begin: &str) -> Option<(&'a str, &'a [u8])> {
    let rest = text.strip_prefix(begin.as_bytes())?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&rest[..end]).ok()?, &rest[end + 1..]))
}
