//! A registered contact of a phone (RFC 3261 section 10, RFC 5626).

use serde::{Deserialize, Serialize};

/// One contact under an address of record, as it must come back after a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// Address of record: the extension.
    pub aor: String,
    /// Contact URI as the phone wrote it.
    pub contact: String,
    /// `+sip.instance` (RFC 5626 section 4.1).
    pub instance: Option<String>,
    /// `reg-id` (RFC 5626 section 4.2).
    pub reg_id: Option<u32>,
    /// Preference, 0 to 1000 thousandths.
    pub q_thousandths: u16,
    /// Path header values, first hop first (RFC 3327).
    pub path: Vec<String>,
    /// Address and port the REGISTER came from, as text.
    pub received: String,
    /// Transport it came over, as text (`udp`, `tcp`, `tls`).
    pub transport: String,
    /// Call-ID of the last REGISTER.
    pub call_id: String,
    /// `CSeq` number of the last REGISTER.
    pub cseq: u32,
    /// A restart takes it back until then, milliseconds since 1970-01-01T00:00:00Z: an interval later than the phone was
    /// told, so that its next refresh need not be written.
    pub expires_utc_ms: i64,
    /// User-Agent header.
    pub user_agent: Option<String>,
}

/// What makes a binding the same binding: the instance and reg-id where both are given, the contact URI otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BindingKey {
    /// Address of record: the extension.
    pub aor: String,
    /// `instance;reg-id` or the contact URI.
    pub contact: String,
}

impl Binding {
    /// The key that a newer registration of the same flow replaces (RFC 5626 section 6).
    pub fn key(&self) -> BindingKey {
        let contact = match (&self.instance, self.reg_id) {
            (Some(instance), Some(reg_id)) => format!("{instance};{reg_id}"),
            (Some(_) | None, Some(_) | None) => self.contact.clone(),
        };
        BindingKey {
            aor: self.aor.clone(),
            contact,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_known_by_instance_and_reg_id_and_a_plain_contact_by_its_uri() {
        let mut binding = Binding {
            aor: "201".into(),
            contact: "sip:201@192.0.2.1".into(),
            instance: Some("<urn:uuid:1>".into()),
            reg_id: Some(2),
            q_thousandths: 1000,
            path: vec![],
            received: "192.0.2.1:5060".into(),
            transport: "udp".into(),
            call_id: "a".into(),
            cseq: 1,
            expires_utc_ms: 0,
            user_agent: None,
        };
        assert_eq!(binding.key().contact, "<urn:uuid:1>;2");
        binding.reg_id = None;
        assert_eq!(binding.key().contact, "sip:201@192.0.2.1");
    }
}
