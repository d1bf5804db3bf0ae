//! What people see of updates.

use branchline_branch::view::UpdateView;
use branchline_update::{Outcome, State};

use super::look;
use crate::place::Place;
use crate::{clock, version};

/// A reason is a sentence or two.
const TEXT_CHARS_MAX: usize = 600;

/// For the page and the commands.
pub fn shown(state: &State) -> UpdateView {
    let mut view = UpdateView {
        version: version::own().to_owned(),
        trial: state
            .pending
            .as_ref()
            .map(|pending| pending.version.to_string())
            .unwrap_or_default(),
        ..UpdateView::default()
    };
    match &state.record.last {
        Some(Outcome::Good { version, utc_ms }) => {
            view.last = format!("{version} was found good on {}", clock::date_time_text(*utc_ms));
        }
        Some(Outcome::TakenBack {
            version,
            back_to,
            reason,
            utc_ms,
        }) => {
            let at = clock::date_time_text(*utc_ms);
            view.fault = short(&format!("{version} was taken back to {back_to} on {at}: {reason}"));
        }
        None => {}
    }
    if !state.record.refused.is_empty() {
        view.fault = short(&format!("not installed: {}", state.record.refused));
    }
    view
}

/// For a box; empty where nothing is known.
pub fn shown_at(place: &Place) -> UpdateView {
    match look(place).state() {
        Ok(state) => shown(&state),
        Err(fault) => UpdateView {
            version: version::own().to_owned(),
            fault: short(&fault.to_string()),
            ..UpdateView::default()
        },
    }
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}
