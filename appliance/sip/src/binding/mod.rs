//! Registrations in both roles: `Bindings` is the registrar's table, `Registration` keeps us registered at a trunk.

mod record;
mod register;
mod registration;
mod table;

pub use record::{Binding, BindingEvent, Removal};
pub use register::{Moment, RegisterOutcome, RegisterRefused};
pub use registration::{Registration, RegistrationConfig, RegistrationEvent, RegistrationReason, RegistrationState};
pub use table::{BindingReason, Bindings, BindingsConfig};
