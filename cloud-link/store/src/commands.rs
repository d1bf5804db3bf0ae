//! Commands to boxes, until it is known how they ended.

use branchline_wire::v1::{BoxId, Command, CommandId, Outcome, OutcomeOf};

use crate::boxes::unreadable;
use crate::engine::Scope;
use crate::tenants::TenantId;
use crate::value::Row;
use crate::{Enrolled, Store, StoreError};

/// A command to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenCommand {
    /// To which box.
    pub to: BoxId,
    /// Unix time, ms.
    pub given_ms: i64,
    /// What, with its time to live.
    pub command: Command,
}

/// A command as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCommand {
    /// What was given.
    pub given: GivenCommand,
    /// How it ended; none while that is not known.
    pub outcome: Option<OutcomeOf>,
}

impl Store {
    /// Keeps a command; the same id given again changes nothing.
    pub async fn add_command(&self, tenant: TenantId, given: GivenCommand) -> Result<(), StoreError> {
        self.write(Scope::Tenant(tenant), move |session| {
            let body = serde_json::to_string(&given.command).map_err(|error| unreadable(&error))?;
            let expires_ms = given.given_ms.saturating_add(i64::from(given.command.ttl_s) * 1000);
            let values = [
                tenant.0.into(),
                given.to.0.into(),
                given.command.id.0.into(),
                given.given_ms.into(),
                expires_ms.into(),
                given.command.by.as_str().into(),
                body.into(),
            ];
            session.execute(
                "INSERT INTO command (tenant, box, command, given_ms, expires_ms, given_by, body)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
                &values,
            )?;
            Ok(())
        })
        .await
    }

    /// The commands that a box has still to carry out, oldest first, each with the time to live that is left.
    pub async fn open_commands(&self, now_ms: i64, whose: Enrolled) -> Result<Vec<Command>, StoreError> {
        self.read(Scope::Tenant(whose.tenant), move |session| {
            let rows = session.query(
                "SELECT body, outcome, given_ms, expires_ms FROM command
                 WHERE tenant = $1 AND box = $2 AND outcome IS NULL AND expires_ms > $3 ORDER BY given_ms, command LIMIT 100",
                &[whose.tenant.0.into(), whose.id.0.into(), now_ms.into()],
            )?;
            rows.iter()
                .map(|row| {
                    let left_ms = row.number(3)?.saturating_sub(now_ms);
                    let mut command = stored(row, whose.id)?.given.command;
                    command.ttl_s = u32::try_from(left_ms / 1000 + 1).unwrap_or(u32::MAX);
                    Ok(command)
                })
                .collect()
        })
        .await
    }

    /// A box says how a command ended; the first word counts.
    pub async fn set_outcome(&self, whose: Enrolled, outcome: Outcome) -> Result<(), StoreError> {
        self.write(Scope::Tenant(whose.tenant), move |session| {
            let text = serde_json::to_string(&outcome.outcome).map_err(|error| unreadable(&error))?;
            let values = [
                whose.tenant.0.into(),
                whose.id.0.into(),
                outcome.command.0.into(),
                text.into(),
            ];
            session.execute(
                "UPDATE command SET outcome = $4
                 WHERE tenant = $1 AND box = $2 AND command = $3 AND outcome IS NULL",
                &values,
            )?;
            Ok(())
        })
        .await
    }

    /// One command.
    pub async fn command(&self, tenant: TenantId, (to, id): (BoxId, CommandId)) -> Result<StoredCommand, StoreError> {
        self.read(Scope::Tenant(tenant), move |session| {
            let row = session.query_one(
                "SELECT body, outcome, given_ms, expires_ms FROM command WHERE tenant = $1 AND box = $2 AND command = $3",
                &[tenant.0.into(), to.0.into(), id.0.into()],
            )?;
            stored(&row.ok_or(StoreError::NotFound("command"))?, to)
        })
        .await
    }
}

fn stored(row: &Row, to: BoxId) -> Result<StoredCommand, StoreError> {
    let command = serde_json::from_str(&row.text(0)?).map_err(|error| unreadable(&error))?;
    let outcome = row.optional_text(1)?;
    let outcome = outcome
        .map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|error| unreadable(&error))?;
    Ok(StoredCommand {
        given: GivenCommand {
            to,
            given_ms: row.number(2)?,
            command,
        },
        outcome,
    })
}
