//! Tenants: whose boxes they are.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::Scope;
use crate::{Store, StoreError};

/// A tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub Uuid);

/// A tenant as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Which.
    pub id: TenantId,
    /// For people.
    pub name: String,
    /// Unix time, ms.
    pub made_ms: i64,
}

impl Store {
    /// A new tenant.
    pub async fn add_tenant(&self, tenant: Tenant) -> Result<(), StoreError> {
        self.write(Scope::System, move |session| {
            let values = [tenant.id.0.into(), tenant.name.into(), tenant.made_ms.into()];
            session.execute(
                "INSERT INTO tenant (tenant, name, made_ms) VALUES ($1, $2, $3)",
                &values,
            )?;
            Ok(())
        })
        .await
    }

    /// All tenants, by name.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        self.read(Scope::System, |session| {
            let rows = session.query("SELECT tenant, name, made_ms FROM tenant ORDER BY name, tenant", &[])?;
            rows.iter()
                .map(|row| {
                    Ok(Tenant {
                        id: TenantId(row.uuid(0)?),
                        name: row.text(1)?,
                        made_ms: row.number(2)?,
                    })
                })
                .collect()
        })
        .await
    }
}
