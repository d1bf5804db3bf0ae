//! Claims: what makes a box that nobody knows the box of a tenant, once.

use branchline_wire::v1::BoxId;
use sha2::{Digest, Sha256};

use crate::engine::{Scope, Session};
use crate::tenants::TenantId;
use crate::{Store, StoreError};

/// A box that asks in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBox {
    /// The secret of the claim.
    pub claim: String,
    /// SHA-256 of its public key (`SubjectPublicKeyInfo`, DER).
    pub key: [u8; 32],
    /// Which box it shall be, if it is not one yet.
    pub id: BoxId,
    /// For people.
    pub name: String,
    /// `qemu-virt`
    pub board: String,
    /// Version of the program.
    pub software: String,
}

/// A box that is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub id: BoxId,
}

/// Why a box is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimFault {
    /// Nobody gave it out.
    #[error("this claim code is not known; look for a typing error, or make a new one in the console")]
    Unknown,
    /// Another box was claimed with it.
    #[error("this claim code was used for another box; make a new one in the console")]
    Used,
    /// It ran out.
    #[error("this claim code has run out; make a new one in the console")]
    Expired,
}

impl Store {
    /// A claim that is good for one box until `expires_ms`. Only a digest of the secret is kept.
    pub async fn add_claim(
        &self,
        tenant: TenantId,
        secret: &str,
        (made_ms, expires_ms): (i64, i64),
    ) -> Result<(), StoreError> {
        let hash = hash(secret);
        self.write(Scope::Tenant(tenant), move |session| {
            let values = [
                tenant.0.into(),
                hash.as_slice().into(),
                made_ms.into(),
                expires_ms.into(),
            ];
            let added = session.execute(
                "INSERT INTO claim (tenant, hash, made_ms, expires_ms) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                &values,
            )?;
            if added == 0 {
                Err(StoreError::Conflict("claim"))
            } else {
                Ok(())
            }
        })
        .await
    }

    /// Lets a box in. A box whose key is known stays the box it was, so that an answer lost on the way can be asked for again.
    pub async fn enrol(&self, now_ms: i64, new: NewBox) -> Result<Result<Enrolled, ClaimFault>, StoreError> {
        self.write(Scope::System, move |session| enrol(session, now_ms, &new))
            .await
    }
}

fn enrol(session: &mut dyn Session, now_ms: i64, new: &NewBox) -> Result<Result<Enrolled, ClaimFault>, StoreError> {
    let hash = hash(&new.claim);
    // Takes the row: of two boxes with one claim the second one waits here, and finds it used.
    session.execute(
        "UPDATE claim SET used_ms = used_ms WHERE hash = $1",
        &[hash.as_slice().into()],
    )?;
    let claim = session.query_one(
        "SELECT tenant, expires_ms, used_ms, box FROM claim WHERE hash = $1",
        &[hash.as_slice().into()],
    )?;
    let Some(claim) = claim else {
        return Ok(Err(ClaimFault::Unknown));
    };
    let tenant = TenantId(claim.uuid(0)?);
    let known = session.query_one(
        "SELECT box FROM box WHERE tenant = $1 AND key = $2",
        &[tenant.0.into(), new.key.as_slice().into()],
    )?;
    let known = known.map(|row| row.uuid(0)).transpose()?;
    if claim.optional_number(2)?.is_some() {
        let used_by = claim.optional_uuid(3)?;
        return Ok(match (known, used_by) {
            (Some(id), Some(used_by)) if id == used_by => Ok(Enrolled { tenant, id: BoxId(id) }),
            _ => Err(ClaimFault::Used),
        });
    }
    if claim.number(1)? <= now_ms {
        return Ok(Err(ClaimFault::Expired));
    }
    let id = match known {
        Some(id) => id,
        None => {
            add_box(session, now_ms, (tenant, new))?;
            new.id.0
        }
    };
    session.execute(
        "UPDATE claim SET used_ms = $3, box = $4 WHERE tenant = $1 AND hash = $2",
        &[tenant.0.into(), hash.as_slice().into(), now_ms.into(), id.into()],
    )?;
    Ok(Ok(Enrolled { tenant, id: BoxId(id) }))
}

fn add_box(session: &mut dyn Session, now_ms: i64, (tenant, new): (TenantId, &NewBox)) -> Result<(), StoreError> {
    let values = [
        tenant.0.into(),
        new.id.0.into(),
        new.key.as_slice().into(),
        new.name.as_str().into(),
        new.board.as_str().into(),
        new.software.as_str().into(),
        now_ms.into(),
    ];
    session.execute(
        "INSERT INTO box (tenant, box, key, name, board, software, enrolled_ms, seen_ms, lost, applied)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 0, 0)",
        &values,
    )?;
    Ok(())
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
