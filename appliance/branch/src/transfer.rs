//! REFER (RFC 3515): a phone sends its party to a number, or joins it with the one it consulted.

use branchline_call::LegId;
use branchline_journal::{Transfer, TransferKind};
use branchline_route::{Caller, Request};
use branchline_sip::agent::{Replaces, Verdict};
use branchline_sip::message::{Message, NameAddr, Scheme, Uri};
use branchline_sip::transaction::ServerKey;

use crate::Branch;
use crate::now::Now;

/// Where a REFER points.
pub(crate) struct ReferTo {
    uri: String,
    replaces: Option<Replaces>,
    /// Names that who asks knows the box by.
    known_as: Vec<String>,
}

impl ReferTo {
    pub(crate) fn new(uri: String, replaces: Option<Replaces>, request: &Message) -> ReferTo {
        let names = [request.request_uri(), request.from().uri_text, request.to().uri_text];
        ReferTo {
            uri,
            replaces,
            known_as: names.into_iter().filter_map(host_of).collect(),
        }
    }
}

impl Branch {
    pub(crate) fn refer(&mut self, now: Now, leg: LegId, (key, to): (ServerKey, ReferTo)) {
        let Some(session) = self.session_of(leg) else { return };
        let attended = to.replaces.as_ref().map(|replaces| {
            let consultation = self.agent.find_consultation(replaces).ok();
            let consultation = consultation.and_then(|session| self.legs.of_session(session));
            consultation.filter(|other| self.legs.are_of_one_party(leg, *other))
        });
        let verdict = match attended {
            Some(Some(consultation)) => self.join(now, leg, (consultation, &to.uri)),
            Some(None) => Err(481),
            // Whose user part is a number of ours may be anybody elsewhere.
            None if !self.is_here(&to) => Err(404),
            None => self.send_on(now, leg, &to.uri),
        };
        let verdict = match verdict {
            Ok(()) => Verdict::Accept,
            Err(491) => Verdict::Refuse { status: 491 },
            // A 404 or 481 to a request inside a dialog ends the dialog for a strict phone (RFC 5057 section 5.1).
            Err(_) => Verdict::Refuse { status: 603 },
        };
        self.agent.answer_refer(now.mono, session, key, verdict);
    }

    /// A number without a host, or one of ours or of a trunk.
    fn is_here(&self, to: &ReferTo) -> bool {
        let uri = NameAddr::parse(to.uri.as_bytes()).map_or(to.uri.as_str(), |address| address.uri_text);
        let Some(host) = host_of(uri) else { return true };
        let is = |name: &str| name.eq_ignore_ascii_case(&host);
        to.known_as.iter().any(|name| is(name))
            || is(&self.config.site.realm)
            || self.config.trunks.iter().any(|trunk| is(&trunk.host))
    }

    fn join(&mut self, now: Now, leg: LegId, (consultation, uri): (LegId, &str)) -> Result<(), u16> {
        let (from, into) = (self.calls.call_of(leg), self.calls.call_of(consultation));
        let (moved, stays) = (self.calls.peer_of(leg), self.calls.peer_of(consultation));
        if let (Some(moved), Some(stays), Some(upstream)) = (moved, stays, self.hosted.upstream())
            && upstream.loops.are_ends(moved, stays)
        {
            // A phone that called itself through the hosted PBX: nobody would be left but the box at both ends.
            return Err(603);
        }
        let transfer = self.transfer_record(now, leg, (TransferKind::Attended, uri));
        if !self.calls.transfer_attended(now.mono, leg, consultation) {
            return Err(481);
        }
        if let (Some(moved), Some(into)) = (moved, into) {
            self.legs.move_to(moved, into);
            if let Some(party) = self.legs.entry(moved).map(|entry| entry.party.clone()) {
                self.note_party(into, &party);
            }
        }
        for call in [from, into].into_iter().flatten() {
            if let Some(facts) = self.whole_of(call) {
                facts.transfers.push(transfer.clone());
            }
        }
        Ok(())
    }

    fn send_on(&mut self, now: Now, leg: LegId, uri: &str) -> Result<(), u16> {
        let number = number_of(uri);
        let caller = self
            .legs
            .entry(leg)
            .map_or(Caller::Unknown, |entry| self.caller(&entry.party));
        let attempts = self
            .attempts_for(&Request::new(caller, &number))
            .map_err(|why| why.codes().0)?;
        let transfer = self.transfer_record(now, leg, (TransferKind::Blind, &number));
        let call = self.calls.call_of(leg);
        if !self.calls.transfer_blind(now.mono, leg, attempts) {
            return Err(491);
        }
        if let Some(facts) = call.and_then(|call| self.whole_of(call)) {
            facts.transfers.push(transfer);
        }
        Ok(())
    }

    fn transfer_record(&self, now: Now, leg: LegId, (kind, to): (TransferKind, &str)) -> Transfer {
        let by = self
            .legs
            .entry(leg)
            .map(|entry| entry.party.name().to_owned())
            .unwrap_or_default();
        Transfer {
            at: self.journal.stamp(now),
            kind,
            by,
            to: number_of(to),
        }
    }
}

/// The host of a SIP URI.
fn host_of(uri: &str) -> Option<String> {
    let uri = Uri::parse(uri).ok()?;
    matches!(uri.scheme, Scheme::Sip | Scheme::Sips).then(|| uri.host.to_string())
}

/// The number in a URI or name-addr, or all of it where there is none.
fn number_of(text: &str) -> String {
    let uri = NameAddr::parse(text.as_bytes()).map_or(text, |address| address.uri_text);
    match Uri::parse(uri) {
        Ok(parsed) if parsed.user.is_some() => parsed.user_unescaped().into_owned(),
        Ok(_) | Err(_) => uri.to_owned(),
    }
}
