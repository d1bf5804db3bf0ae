//! The media workers as the loop sees them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use branchline_branch::Branch;
use branchline_config::Config;
use branchline_media::{Family, MediaEvent, MediaPlan};
use tokio::sync::mpsc;

use crate::rtp::{RtpConfig, RtpError, RtpEvent, RtpHandle};

/// The workers and what they report.
#[derive(Debug)]
pub(super) struct Relay {
    handle: RtpHandle,
    events: mpsc::Receiver<RtpEvent>,
    families: Vec<Family>,
    /// After a failure to bind ports: when to try again.
    rest_until: Option<Instant>,
}

impl Relay {
    /// Starts the workers as the configuration says.
    pub(super) fn start(config: &Config) -> Result<Relay, RtpError> {
        let addresses = addresses(config);
        let families: Vec<Family> = addresses.iter().copied().map(Family::from).collect();
        let media = &config.media;
        let workers = media.workers.map(|count| count as usize);
        let settings = RtpConfig {
            addresses,
            ports: media.port_min..=media.port_max,
            workers,
            ..RtpConfig::default()
        };
        let (handle, events) = RtpHandle::start(&settings)?;
        Ok(Relay {
            handle,
            events,
            families,
            rest_until: None,
        })
    }

    /// The next report. Safe to cancel.
    pub(super) async fn event(&mut self) -> Option<MediaEvent> {
        loop {
            if let Some(event) = media(self.events.recv().await?) {
                return Some(event);
            }
        }
    }

    /// The next report if there is one.
    pub(super) fn try_event(&mut self) -> Option<MediaEvent> {
        loop {
            if let Some(event) = media(self.events.try_recv().ok()?) {
                return Some(event);
            }
        }
    }

    /// Carries out a plan.
    pub(super) fn plan(&mut self, plan: MediaPlan) {
        let bridge = plan.bridge;
        if let Err(error) = self.handle.plan(plan) {
            tracing::error!(bridge = bridge.0, %error, "the media of a call is not as it should be");
        }
    }

    /// Asks for the figures of all legs.
    pub(super) fn measure(&self) {
        if let Err(error) = self.handle.measure() {
            tracing::warn!(%error, "the figures of live calls are missing");
        }
    }

    /// Binds a few of the ports that the branch would like in stock.
    pub(super) fn stock(&mut self, now: Instant, branch: &mut Branch) {
        if self.rest_until.is_some_and(|until| now < until) {
            return;
        }
        for family in &self.families {
            let wanted = branch.ports_wanted(*family).min(BOUND_AT_ONCE_MAX);
            if wanted == 0 {
                continue;
            }
            match self.handle.bind_ports(*family, wanted) {
                Ok(ports) => branch.handle_ports(*family, &ports),
                // The range is as large as it was configured; ports of ended calls come back by themselves.
                Err(RtpError::RangeUsedUp) => self.rest_until = Some(now + REST),
                Err(
                    error @ (RtpError::Start(_) | RtpError::NoAddress(_) | RtpError::Bind(_) | RtpError::Stalled(_)),
                ) => {
                    self.rest_until = Some(now + REST);
                    tracing::error!(%error, "cannot open more media ports");
                }
            }
        }
    }
}

/// Ports opened in one turn of the loop, some 10 microseconds each.
const BOUND_AT_ONCE_MAX: usize = 64;
/// Between attempts when no port can be had.
const REST: Duration = Duration::from_secs(30);

fn media(event: RtpEvent) -> Option<MediaEvent> {
    match event {
        RtpEvent::Media(event) => Some(event),
        RtpEvent::Refused(why) => {
            tracing::error!(why, "the relay refused a plan");
            None
        }
    }
}

// One per family: the configured one, else the one SIP listens on, else every interface.
fn addresses(config: &Config) -> Vec<IpAddr> {
    let configured = &config.media.addresses;
    let sip: Vec<IpAddr> = config.sip.listen.iter().map(|listen| listen.address.ip()).collect();
    let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    any.into_iter()
        .filter_map(|any| {
            let of_family = |list: &[IpAddr]| {
                let mut found: Vec<IpAddr> = list
                    .iter()
                    .copied()
                    .filter(|ip| ip.is_ipv4() == any.is_ipv4())
                    .collect();
                found.sort_unstable();
                found.dedup();
                found
            };
            let wanted = match (of_family(configured), of_family(&sip)) {
                (configured, sip) if configured.is_empty() => sip,
                (configured, _) => configured,
            };
            match wanted.as_slice() {
                [] => None,
                [one] => Some(*one),
                [_, ..] => Some(any),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_uses_the_address_of_sip_unless_it_has_its_own() {
        let cases: [(&str, &[&str]); 5] = [
            ("", &["0.0.0.0"]),
            (
                "[sip]\nlisten = [\"udp:127.0.0.4\", \"tcp:127.0.0.4\"]\n",
                &["127.0.0.4"],
            ),
            (
                "[sip]\nlisten = [\"udp:127.0.0.4\", \"udp:127.0.0.5\", \"udp:[::1]\"]\n",
                &["0.0.0.0", "::1"],
            ),
            ("[media]\naddresses = [\"127.0.0.6\"]\n", &["127.0.0.6"]),
            (
                "[sip]\nlisten = [\"udp:[::1]\"]\n[media]\naddresses = [\"127.0.0.6\", \"127.0.0.7\"]\n",
                &["0.0.0.0", "::1"],
            ),
        ];
        for (text, expected) in cases {
            let config = Config::parse("f", &format!("[site]\ncountry = \"US\"\n{text}")).unwrap();
            let found: Vec<String> = addresses(&config).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
