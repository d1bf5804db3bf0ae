//! Generations of the boxes' configurations.

use branchline_wire::v1::{BoxId, SignedGeneration};

use crate::engine::Scope;
use crate::tenants::TenantId;
use crate::value::Row;
use crate::{Store, StoreError};

/// A generation as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredGeneration {
    /// 1, 2, 3, …
    pub number: u64,
    /// Unix time, ms.
    pub made_ms: i64,
    /// Who made it.
    pub made_by: String,
    /// As the box gets it.
    pub signed: SignedGeneration,
}

impl Store {
    /// Keeps the generation that follows the newest; [`StoreError::Conflict`] when another one came in between.
    pub async fn add_generation(
        &self,
        tenant: TenantId,
        of: BoxId,
        generation: StoredGeneration,
    ) -> Result<(), StoreError> {
        self.write(Scope::Tenant(tenant), move |session| {
            let values = [
                tenant.0.into(),
                of.0.into(),
                generation.number.into(),
                generation.made_ms.into(),
                generation.made_by.into(),
                generation.signed.text.into(),
                generation.signed.key.into(),
                generation.signed.signature.into(),
            ];
            let added = session.execute(
                "INSERT INTO generation (tenant, box, number, made_ms, made_by, text, key, signature)
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8
                 WHERE $3 = 1 + (SELECT COALESCE(MAX(number), 0) FROM generation WHERE tenant = $1 AND box = $2)
                 ON CONFLICT DO NOTHING",
                &values,
            )?;
            if added == 0 {
                Err(StoreError::Conflict("configuration"))
            } else {
                Ok(())
            }
        })
        .await
    }

    /// The newest generation of a box.
    pub async fn newest_generation(&self, tenant: TenantId, of: BoxId) -> Result<Option<StoredGeneration>, StoreError> {
        self.read(Scope::Tenant(tenant), move |session| {
            let row = session.query_one(
                "SELECT number, made_ms, made_by, text, key, signature FROM generation
                 WHERE tenant = $1 AND box = $2 ORDER BY number DESC LIMIT 1",
                &[tenant.0.into(), of.0.into()],
            )?;
            row.map(|row| stored(&row)).transpose()
        })
        .await
    }
}

fn stored(row: &Row) -> Result<StoredGeneration, StoreError> {
    Ok(StoredGeneration {
        number: row.count(0)?,
        made_ms: row.number(1)?,
        made_by: row.text(2)?,
        signed: SignedGeneration {
            text: row.text(3)?,
            key: row.text(4)?,
            signature: row.text(5)?,
        },
    })
}
