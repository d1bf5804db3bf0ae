//! Page and control socket together, on a thread of their own, so that no browser delays a call.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use branchline_config::Config;
use tokio::sync::oneshot;

use crate::control::Control;
use crate::first_start::Identity;
use crate::hub::{self, Feed, Hub};
use crate::invocation::Invocation;
use crate::page::{Page, Sessions, Settings};
use crate::place::Place;
use crate::screen::{ExtensionLine, Screen, Start};

/// What the daemon knows when it starts.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Where things lie.
    pub place: &'a Place,
    /// The configuration in force.
    pub config: &'a Config,
    /// Names and addresses of the box.
    pub identity: &'a Identity,
}

/// What is bound and not yet served.
#[derive(Debug)]
pub struct Front {
    control: Control,
    page: Option<Page>,
    hub: Hub,
}

/// The thread that serves; dropping it ends the serving.
#[derive(Debug)]
pub struct Serving {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Front {
    /// Binds the control socket and the page. Fails with `AddrInUse` while another daemon runs on the same state; a page
    /// that cannot be bound is logged and left out, for calls matter more.
    pub fn bind(told: Told<'_>) -> io::Result<(Front, Feed)> {
        let Told {
            place,
            config,
            identity,
        } = told;
        let control = Control::bind(&place.control_place())?;
        let settings = Settings {
            host_names: identity.names.clone(),
            reach: config.page.reach,
            password_hash_file: place.page_hash(),
        };
        let address = config.page.bind_address();
        let page = Page::bind(address, settings)
            .inspect_err(|error| tracing::error!(%address, %error, "no local page; set another page.listen"))
            .ok();
        if config.page.password_hash.is_none() && !place.page_hash().exists() {
            // Nobody gets in. A password that is made unasked would be lost in the log.
            let how = Invocation::of(place).spell("branchline page-password");
            tracing::warn!("the page has no password yet; make one: {how}");
        }
        let (hub, feed) = hub::hub(place.records());
        feed.tell_page_hash(config.page.password_hash.as_ref());
        Ok((Front { control, page, hub }, feed))
    }

    /// Where the page listens.
    pub fn page_address(&self) -> Option<SocketAddr> {
        self.page.as_ref().and_then(|page| page.address().ok())
    }

    /// The readers' end of the hub.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Serves on a thread of its own.
    pub fn serve(self) -> io::Result<Serving> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(8)
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let Front { control, page, hub } = self;
        let thread = thread::Builder::new().name("front".to_owned()).spawn(move || {
            let sessions = Arc::new(Sessions::default());
            let serving = async {
                let control = control.serve(hub.clone(), Arc::clone(&sessions));
                let page = async {
                    match page {
                        Some(page) => page.serve(hub.clone(), sessions).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    ended = control => log_end("control socket", ended),
                    ended = page => log_end("local page", ended),
                    _ = stopped => {}
                }
            };
            runtime.block_on(serving);
            // A lookup on a hanging disk must not hold the daemon's end up.
            runtime.shutdown_background();
        })?;
        Ok(Serving {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It logs its own faults; a panic there must not become one here.
            let _ = thread.join();
        }
    }
}

fn log_end(what: &str, ended: io::Result<()>) {
    if let Err(error) = ended {
        tracing::error!(%error, "{what} ended");
    }
}

/// What the start shows; `page` is where the page listens.
pub fn screen(told: Told<'_>, page: Option<SocketAddr>, start: Start) -> Screen {
    let Told {
        place,
        config,
        identity,
    } = told;
    let line = |entry: &branchline_config::ExtensionEntry| ExtensionLine {
        number: entry.number.as_str().to_owned(),
        name: entry.name.clone(),
    };
    Screen {
        site: config.site.name.clone(),
        listen: config.sip.listen.clone(),
        addresses: phone_addresses(config, identity),
        extensions: config.extensions.iter().map(line).collect(),
        page,
        country: config.site.country.name.to_owned(),
        emergency: config.site.country.general_number().to_owned(),
        config: place.config.display().to_string(),
        invocation: Invocation::of(place),
        start,
    }
}

// Addresses phones can enter: those SIP listens on, or all of the box where it listens on every interface.
fn phone_addresses(config: &Config, identity: &Identity) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for listen in &config.sip.listen {
        let bound = listen.address.ip();
        let meant: Vec<IpAddr> = match bound.is_unspecified() {
            true => identity
                .addresses
                .iter()
                .copied()
                .filter(|a| bound.is_ipv6() || a.is_ipv4())
                .collect(),
            false => vec![bound],
        };
        for address in meant {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_are_told_the_addresses_that_sip_listens_on() {
        let identity = Identity {
            names: vec![],
            addresses: vec!["192.168.1.20".parse().unwrap(), "2001:db8::20".parse().unwrap()],
            utc_ms: 0,
        };
        let cases = [
            (r#"["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"]"#, vec!["192.168.1.20"]),
            (r#"["udp:[::]:5060"]"#, vec!["192.168.1.20", "2001:db8::20"]),
            (r#"["udp:127.0.0.1:5060"]"#, vec!["127.0.0.1"]),
        ];
        for (listen, shown) in cases {
            let text = format!("[site]\ncountry = \"US\"\n[sip]\nlisten = {listen}\n");
            let config = Config::parse("f", &text).unwrap();
            let texts: Vec<String> = phone_addresses(&config, &identity)
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(texts, shown);
        }
    }
}
