//! Who is told of a call for help: phones by a text, a program by a post. Nothing here is waited for.

use std::collections::VecDeque;

use branchline_call::CallId;
use branchline_journal::{EmergencyCall, Uuid};
use branchline_sip::agent::Body;

use super::Voice;
use super::calls::News;
use crate::Branch;
use crate::identity::{Privacy, Shown};
use crate::now::Now;
use crate::output::{About, Level, Output, Post};
use crate::targets::ContactTarget;
use crate::view_of::EMERGENCIES_SHOWN;

/// The calls for help that people were told of since the start.
#[derive(Default)]
pub(crate) struct Alarms {
    count: u64,
    /// As many as are shown.
    latest: VecDeque<Uuid>,
}

impl Alarms {
    /// Grows with each.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn has_told(&self, call: &Uuid) -> bool {
        self.latest.contains(call)
    }

    fn tell(&mut self, call: Uuid) {
        self.count += 1;
        self.latest.truncate(EMERGENCIES_SHOWN - 1);
        self.latest.push_front(call);
    }
}

impl Branch {
    pub(super) fn tell_of_help(&mut self, now: Now, call: &EmergencyCall, news: News) {
        if self.voice_of(CallId(*call.call.as_bytes())) == Voice::Quiet {
            return;
        }
        if let Some(url) = self.config.emergency.webhook.clone() {
            let body = serde_json::json!({
                "event": match news { News::First => "called", News::Further => "sent" },
                "site": self.config.site.name,
                "call": call,
            });
            self.outputs.push_back(Output::Post(Post {
                url,
                ca: self.config.emergency.webhook_ca.clone(),
                body: body.to_string(),
            }));
        }
        if news == News::Further {
            return;
        }
        self.alarms.tell(call.call);
        let text = announcement(call);
        let about = About {
            call: Some(call.call.to_string()),
            to: Some(call.number.clone()),
            extension: call.extension.clone(),
            trunk: call.trunk.clone(),
            ..About::default()
        };
        self.notice_about(Level::Warning, text.clone(), about);
        let from = Shown {
            number: call.extension.clone().unwrap_or_else(|| call.name.clone()),
            display: Some("EMERGENCY".to_owned()),
            privacy: Privacy::Shown,
        };
        for number in self.config.emergency.notify.clone() {
            for contact in self.contact_groups(number.as_str()).into_iter().flatten() {
                self.send_text(now, &contact, (&from, &text));
            }
        }
    }

    /// A text from the box (RFC 3428); whether it arrives is not waited for.
    pub(super) fn send_text(&mut self, now: Now, contact: &ContactTarget, (from, text): (&Shown, &str)) {
        let body = Body {
            content_type: "text/plain;charset=UTF-8".into(),
            bytes: text.to_owned().into(),
        };
        if self.send_message(now, contact, (from, Some(&body))).is_err() {
            let text = format!("no room for a text to {}", contact.uri);
            self.notice(Level::Warning, text);
        }
    }
}

/// `EMERGENCY: Anna (201) calls 911 from 120 Broadway, floor 2`.
fn announcement(call: &EmergencyCall) -> String {
    let who = match &call.extension {
        Some(number) if *number != call.name => format!("{} ({number})", call.name),
        Some(number) => number.clone(),
        None => format!("{} (a phone that is not registered)", call.name),
    };
    let place = if call.place.is_empty() {
        "an unknown place"
    } else {
        &call.place
    };
    format!("EMERGENCY: {who} calls {} from {place}", call.number)
}
