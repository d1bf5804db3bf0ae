//! Boxes: who they are and how they are.

use branchline_wire::v1::{Applied, BoxId, Health, Hello, Tail};

use crate::engine::Scope;
use crate::tenants::TenantId;
use crate::value::Row;
use crate::{Enrolled, Store, StoreError};

/// What the link has to know of a box that says hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownBox {
    /// Last entry up to which nothing is missing.
    pub acked: Option<Tail>,
}

/// A box as people see it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredBox {
    /// Which.
    pub id: BoxId,
    /// For people.
    pub name: String,
    /// `qemu-virt`
    pub board: String,
    /// Version of its program.
    pub software: String,
    /// Unix time, ms.
    pub enrolled_ms: i64,
    /// When it was heard of last; Unix time of the cloud, ms.
    pub seen_ms: i64,
    /// Last entry up to which nothing is missing.
    pub acked: Option<Tail>,
    /// Entries that it had to give up unsent.
    pub lost: u64,
    /// Generation of the configuration in force.
    pub applied: u64,
    /// What became of the last one it was given.
    pub outcome: Option<Applied>,
    /// How it is.
    pub health: Option<Health>,
}

const COLUMNS: &str =
    "box, name, board, software, enrolled_ms, seen_ms, acked_seq, acked_id, lost, applied, applied_text, health";

impl Store {
    /// Whose key this is; SHA-256 of the public key.
    pub async fn box_of_key(&self, key: [u8; 32]) -> Result<Option<Enrolled>, StoreError> {
        self.read(Scope::System, move |session| {
            let row = session.query_one("SELECT tenant, box FROM box WHERE key = $1", &[key.as_slice().into()])?;
            row.map(|row| {
                Ok(Enrolled {
                    tenant: TenantId(row.uuid(0)?),
                    id: BoxId(row.uuid(1)?),
                })
            })
            .transpose()
        })
        .await
    }

    /// A box says hello.
    pub async fn greet(&self, now_ms: i64, whose: Enrolled, hello: Hello) -> Result<KnownBox, StoreError> {
        self.write(Scope::Tenant(whose.tenant), move |session| {
            let values = [
                whose.tenant.0.into(),
                whose.id.0.into(),
                now_ms.into(),
                hello.software.as_str().into(),
                hello.generation.into(),
            ];
            let changed = session.execute(
                "UPDATE box SET seen_ms = $3, software = $4, applied = $5 WHERE tenant = $1 AND box = $2",
                &values,
            )?;
            if changed == 0 {
                return Err(StoreError::NotFound("box"));
            }
            let row = session.query_one(
                "SELECT acked_seq, acked_id FROM box WHERE tenant = $1 AND box = $2",
                &values[..2],
            )?;
            let acked = row.map(|row| tail(&row, 0)).transpose()?.flatten();
            Ok(KnownBox { acked })
        })
        .await
    }

    /// A box says how it is.
    pub async fn set_health(&self, now_ms: i64, whose: Enrolled, health: Health) -> Result<(), StoreError> {
        self.write(Scope::Tenant(whose.tenant), move |session| {
            let text = serde_json::to_string(&health).map_err(|error| unreadable(&error))?;
            let values = [whose.tenant.0.into(), whose.id.0.into(), now_ms.into(), text.into()];
            session.execute(
                "UPDATE box SET seen_ms = $3, health = $4 WHERE tenant = $1 AND box = $2",
                &values,
            )?;
            Ok(())
        })
        .await
    }

    /// A box says what became of a generation.
    pub async fn set_applied(&self, now_ms: i64, whose: Enrolled, applied: Applied) -> Result<(), StoreError> {
        self.write(Scope::Tenant(whose.tenant), move |session| {
            let text = serde_json::to_string(&applied).map_err(|error| unreadable(&error))?;
            let in_force = applied.refused.is_none().then_some(applied.generation);
            let values = [
                whose.tenant.0.into(),
                whose.id.0.into(),
                now_ms.into(),
                text.into(),
                in_force.into(),
            ];
            session.execute(
                "UPDATE box SET seen_ms = $3, applied_text = $4, applied = COALESCE($5, applied)
                 WHERE tenant = $1 AND box = $2",
                &values,
            )?;
            Ok(())
        })
        .await
    }

    /// The boxes of a tenant, by name.
    pub async fn boxes(&self, tenant: TenantId) -> Result<Vec<StoredBox>, StoreError> {
        self.read(Scope::Tenant(tenant), move |session| {
            let sql = format!("SELECT {COLUMNS} FROM box WHERE tenant = $1 ORDER BY name, box");
            session.query(&sql, &[tenant.0.into()])?.iter().map(stored).collect()
        })
        .await
    }

    /// One box of a tenant.
    pub async fn one_box(&self, tenant: TenantId, id: BoxId) -> Result<StoredBox, StoreError> {
        self.read(Scope::Tenant(tenant), move |session| {
            let sql = format!("SELECT {COLUMNS} FROM box WHERE tenant = $1 AND box = $2");
            let row = session.query_one(&sql, &[tenant.0.into(), id.0.into()])?;
            stored(&row.ok_or(StoreError::NotFound("box"))?)
        })
        .await
    }
}

fn stored(row: &Row) -> Result<StoredBox, StoreError> {
    Ok(StoredBox {
        id: BoxId(row.uuid(0)?),
        name: row.text(1)?,
        board: row.text(2)?,
        software: row.text(3)?,
        enrolled_ms: row.number(4)?,
        seen_ms: row.number(5)?,
        acked: tail(row, 6)?,
        lost: row.count(8)?,
        applied: row.count(9)?,
        outcome: json(row.optional_text(10)?)?,
        health: json(row.optional_text(11)?)?,
    })
}

fn tail(row: &Row, at: usize) -> Result<Option<Tail>, StoreError> {
    match (row.optional_number(at)?, row.optional_uuid(at + 1)?) {
        (Some(_), Some(id)) => Ok(Some(Tail {
            seq: row.count(at)?,
            id,
        })),
        _ => Ok(None),
    }
}

fn json<T: serde::de::DeserializeOwned>(text: Option<String>) -> Result<Option<T>, StoreError> {
    text.map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|error| unreadable(&error))
}

pub(crate) fn unreadable(error: &serde_json::Error) -> StoreError {
    StoreError::Unreadable {
        what: "JSON text",
        problem: error.to_string(),
    }
}
