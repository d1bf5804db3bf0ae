//! What came of a drill or of cases, and the times that others publish.

use std::fmt::{self, Display};
use std::time::Duration;

/// One figure with what it was to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// How it came out.
    pub value: String,
    /// What it should be; empty where nothing was set.
    pub target: &'static str,
    /// Whether it is.
    pub is_met: bool,
}

impl Figure {
    /// One without a target, as it came out: well or badly.
    pub fn outcome(what: impl Into<String>, outcome: Result<String, String>) -> Figure {
        let is_met = outcome.is_ok();
        Figure {
            what: what.into(),
            value: outcome.unwrap_or_else(|bad| bad),
            target: "",
            is_met,
        }
    }

    /// The same with the name of its case before it.
    #[must_use]
    pub fn of(self, case: &str) -> Figure {
        let what = format!("{case}: {}", self.what);
        Figure { what, ..self }
    }
}

impl Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_met { "ok    " } else { "MISSED" };
        write!(f, "{mark} {:<72} {}", self.what, self.value)?;
        if !self.target.is_empty() {
            write!(f, "  (target {})", self.target)?;
        }
        Ok(())
    }
}

/// All figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// In order.
    pub figures: Vec<Figure>,
    /// From an outage to the next completed call, beside what others publish.
    pub outage: Option<String>,
}

/// Somebody else's time from an outage to working telephones, as published.
struct Published {
    who: &'static str,
    time: &'static str,
    /// Document of the maker, or the page where it is quoted.
    source: &'static str,
}

const OTHERS: [Published; 7] = [
    Published {
        who: "Cisco SRST, standby link to the router",
        time: "10 to 20 s",
        source: "Cisco IOS SRST 3.4 System Administrator Guide, page 20",
    },
    Published {
        who: "Cisco SRST, link broken; server hangs",
        time: "20 to 25 s; up to 90 s",
        source: "Cisco Press, Gateways, chapter SRST Overview (Fallback Time)",
    },
    Published {
        who: "Webex survivability gateway",
        time: "30 s by default",
        source: "Cisco multiplatform phones, Survivability_Proxy_Fallback_Intvl",
    },
    Published {
        who: "EdgeMarc",
        time: "30 s by default",
        source: "Edgewater 4300T User Manual 1.7, page 45; Windstream OfficeSuite LSG",
    },
    Published {
        who: "Avaya B5800 Branch Gateway",
        time: "about 2 min",
        source: "Implementing B5800 Branch Gateway, Survivability operation, page 182",
    },
    Published {
        who: "Avaya IP Office, desk phones",
        time: "3 min at least",
        source: "IP Office Resilience 12.2, When Does Failover Occur",
    },
    Published {
        who: "Avaya IP Office, DECT",
        time: "2 min by default",
        source: "IP Office Resilience 12.2, When Does Failover Occur",
    },
];

impl Report {
    /// Adds one.
    pub fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// Every target is met.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.figures.iter().all(|figure| figure.is_met)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for figure in &self.figures {
            writeln!(f, "{figure}")?;
        }
        let met = self.figures.iter().filter(|figure| figure.is_met).count();
        writeln!(f, "\n{met} of {} targets met", self.figures.len())
    }
}

/// From an outage to working telephones: what was measured, and what others publish.
#[must_use]
pub fn published(own: Option<&str>) -> String {
    let own = own.map(|own| format!("  {:<40} {own:<24} measured above\n", "Branchline"));
    let lines = OTHERS.map(|Published { who, time, source }| format!("  {who:<40} {time:<24} {source}\n"));
    format!(
        "From an outage to working telephones:\n{}{}",
        own.unwrap_or_default(),
        lines.concat()
    )
}

/// The value that so many percent do not exceed; `None` of nothing.
#[must_use]
pub fn percentile(times: &[Duration], percent: usize) -> Option<Duration> {
    let mut sorted = times.to_vec();
    sorted.sort();
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_measured_times() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Some(Duration::from_millis(100)));
        assert_eq!(percentile(&times, 99), Some(Duration::from_millis(198)));
        assert_eq!(percentile(&times[..1], 99), Some(Duration::from_millis(1)));
        assert_eq!(percentile(&[], 99), None);
    }

    #[test]
    fn one_missed_target_is_a_missed_report() {
        let figure = |is_met| Figure {
            what: "x".into(),
            value: "1".into(),
            target: "2",
            is_met,
        };
        let mut report = Report::default();
        report.add(figure(true));
        assert!(report.is_met());
        report.add(figure(false));
        assert!(!report.is_met() && report.to_string().contains("MISSED x"));
    }
}
