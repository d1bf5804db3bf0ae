//! How the box is, in the few words that its lights have.

use branchline_branch::view::View;
use serde::{Deserialize, Serialize};

/// What the program of the board is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signs {
    /// SHA-256 of the configuration in force; empty until the daemon has begun.
    pub configuration: String,
    /// How the call database is.
    pub database: Database,
    /// The branch routes its calls without the hosted PBX.
    pub is_alone: bool,
    /// Calls in progress.
    pub calls: usize,
    /// The latest calls for help that people are told of.
    pub emergencies: Vec<Emergency>,
}

/// A call for help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emergency {
    /// Its id.
    pub call: String,
    /// It goes on.
    pub is_active: bool,
}

/// How the call database is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Database {
    /// It follows the journal.
    #[default]
    Normal,
    /// It is bypassed, or cannot keep up.
    Degraded,
    /// It catches up.
    Recovering,
}

impl Signs {
    /// What a view says.
    pub fn of(view: &View) -> Signs {
        let told = view.emergencies.iter().filter(|call| call.told);
        Signs {
            configuration: view.configuration.clone(),
            database: match view.health.database.as_str() {
                "degraded" => Database::Degraded,
                "recovering" => Database::Recovering,
                _ => Database::Normal,
            },
            is_alone: view
                .hosted
                .as_ref()
                .is_some_and(|hosted| matches!(hosted.mode.as_str(), "survival" | "returning")),
            calls: view.calls.len(),
            emergencies: told
                .map(|call| Emergency {
                    call: call.call.clone(),
                    is_active: call.active,
                })
                .collect(),
        }
    }
}
