//! Who did what: a chain in which each entry holds the digest of the one before, so that none can be changed or taken out.

use sha2::{Digest, Sha256};

use crate::engine::{Scope, Session};
use crate::tenants::TenantId;
use crate::{Store, StoreError};

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// Unix time, ms.
    pub at_ms: i64,
    /// Who: a person, a token, or `system`.
    pub who: String,
    /// What: `command.hang_up`.
    pub what: String,
    /// To what: an id or a name.
    pub subject: String,
    /// More, as JSON.
    pub detail: String,
}

/// A deed in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// 1, 2, 3, … of the tenant.
    pub seq: u64,
    /// What was done.
    pub deed: Deed,
    /// SHA-256 over the digest before and this deed.
    pub hash: [u8; 32],
}

/// The chain does not hold here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq} of the audit log was changed, or one before it is missing")]
pub struct Tampered {
    /// First entry that does not fit.
    pub seq: u64,
}

impl Store {
    /// Appends a deed.
    pub async fn audit(&self, tenant: TenantId, deed: Deed) -> Result<(), StoreError> {
        self.write(Scope::Tenant(tenant), move |session| append(session, tenant, &deed))
            .await
    }

    /// The deeds after `after_seq`, in order, at most `limit`.
    pub async fn audit_log(
        &self,
        tenant: TenantId,
        (after_seq, limit): (u64, u32),
    ) -> Result<Vec<AuditEntry>, StoreError> {
        self.read(Scope::Tenant(tenant), move |session| {
            read(session, (tenant, after_seq), limit.clamp(1, PAGE))
        })
        .await
    }

    /// Walks the whole chain.
    pub async fn check_audit(&self, tenant: TenantId) -> Result<Result<u64, Tampered>, StoreError> {
        self.read(Scope::Tenant(tenant), move |session| {
            let mut chain = Chain::default();
            loop {
                let page = read(session, (tenant, chain.seq), PAGE)?;
                if page.is_empty() {
                    return Ok(Ok(chain.seq));
                }
                if let Err(tampered) = page.iter().try_for_each(|entry| chain.follow(entry)) {
                    return Ok(Err(tampered));
                }
            }
        })
        .await
    }
}

const PAGE: u32 = 500;

/// How far the chain has been walked.
#[derive(Default)]
struct Chain {
    seq: u64,
    hash: [u8; 32],
}

impl Chain {
    fn follow(&mut self, entry: &AuditEntry) -> Result<(), Tampered> {
        let seq = self.seq + 1;
        if entry.seq != seq || entry.hash != link(&self.hash, &entry.deed) {
            return Err(Tampered { seq });
        }
        *self = Chain { seq, hash: entry.hash };
        Ok(())
    }
}

fn append(session: &mut dyn Session, tenant: TenantId, deed: &Deed) -> Result<(), StoreError> {
    // Takes the tenant's row: deeds of one tenant come one after the other.
    session.execute("UPDATE tenant SET name = name WHERE tenant = $1", &[tenant.0.into()])?;
    let last = session.query_one(
        "SELECT seq, hash FROM audit WHERE tenant = $1 ORDER BY seq DESC LIMIT 1",
        &[tenant.0.into()],
    )?;
    let (seq, before) = match last {
        Some(row) => (row.count(0)?, row.bytes(1)?),
        None => (0, vec![0; 32]),
    };
    let hash = link(&before, deed);
    let values = [
        tenant.0.into(),
        (seq + 1).into(),
        deed.at_ms.into(),
        deed.who.as_str().into(),
        deed.what.as_str().into(),
        deed.subject.as_str().into(),
        deed.detail.as_str().into(),
        hash.as_slice().into(),
    ];
    session.execute(
        "INSERT INTO audit (tenant, seq, at_ms, who, what, subject, detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &values,
    )?;
    Ok(())
}

fn read(
    session: &mut dyn Session,
    (tenant, after_seq): (TenantId, u64),
    limit: u32,
) -> Result<Vec<AuditEntry>, StoreError> {
    let rows = session.query(
        "SELECT seq, at_ms, who, what, subject, detail, hash FROM audit WHERE tenant = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        &[tenant.0.into(), after_seq.into(), i64::from(limit).into()],
    )?;
    rows.iter()
        .map(|row| {
            let deed = Deed {
                at_ms: row.number(1)?,
                who: row.text(2)?,
                what: row.text(3)?,
                subject: row.text(4)?,
                detail: row.text(5)?,
            };
            Ok(AuditEntry {
                seq: row.count(0)?,
                deed,
                // A digest of another length fits nothing.
                hash: row.bytes(6)?.try_into().unwrap_or_default(),
            })
        })
        .collect()
}

fn link(before: &[u8], deed: &Deed) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(before);
    digest.update(deed.at_ms.to_be_bytes());
    for text in [&deed.who, &deed.what, &deed.subject, &deed.detail] {
        // With its length, so that no text can pass for two.
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text.as_bytes());
    }
    digest.finalize().into()
}
