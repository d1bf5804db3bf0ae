//! What the cloud keeps of its tenants: boxes, their entries and calls, configurations, commands, and who did what.
//!
//! In and out: the methods of [`Store`], sorted by noun into the files here. Each is one transaction on one of two engines,
//! SQLite (a file, for one node) or PostgreSQL (for several), with the same questions and the same tests. A method has
//! returned when what it wrote is on the disk.
//!
//! The tenant comes first in every key and every question. On PostgreSQL the server enforces it too: row-level security is
//! forced, and a transaction sees the rows of the one tenant it is for.

mod audit;
mod boxes;
mod calls;
mod claims;
mod commands;
mod engine;
mod fault;
mod generations;
mod intake;
mod schema;
mod tenants;
mod value;

pub use audit::{AuditEntry, Deed, Tampered};
pub use boxes::{KnownBox, StoredBox};
pub use calls::{CALLS_PAGE_MAX, CallFilter, Cursor, FoundCalls, StoredCall};
pub use claims::{ClaimFault, Enrolled, NewBox};
pub use commands::{GivenCommand, StoredCommand};
pub use engine::{Place, PlaceFault};
pub use fault::StoreError;
pub use generations::StoredGeneration;
pub use intake::Batch;
pub use tenants::{Tenant, TenantId};

use std::sync::Arc;

use engine::{Access, Engine, Scope, Session};

/// The store. Clones share it.
#[derive(Clone)]
pub struct Store {
    engine: Arc<dyn Engine>,
}

impl Store {
    /// Opens what is there, makes what is missing, and brings an older one up to date.
    pub async fn open(place: &Place) -> Result<Store, StoreError> {
        let engine = engine::open(place).await?;
        Ok(Store { engine })
    }

    async fn write<T, F>(&self, scope: Scope, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Session) -> Result<T, StoreError> + Send + 'static,
    {
        engine::run(&*self.engine, Access::Write, scope, work).await
    }

    async fn read<T, F>(&self, scope: Scope, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Session) -> Result<T, StoreError> + Send + 'static,
    {
        engine::run(&*self.engine, Access::Read, scope, work).await
    }
}
