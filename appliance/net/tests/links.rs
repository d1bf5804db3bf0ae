//! A cable that is pulled, in a network namespace. It wants root and `ip`.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use branchline_net::{LinkWatch, Waited, linked_addresses};
use nix::sched::{CloneFlags, unshare};

fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(
        done.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Waits for changes until the address is among those with a network behind them, or is not.
fn wait_until(watch: &LinkWatch, address: IpAddr, is_linked: bool) {
    for _ in 0..20 {
        if linked_addresses().unwrap().contains(&address) == is_linked {
            return;
        }
        assert_eq!(watch.wait().unwrap(), Waited::Changed, "nobody was told of {address}");
    }
    panic!("{address} is still otherwise than expected");
}

#[test]
fn an_address_whose_cable_is_pulled_is_told_at_once_and_again_when_it_is_back() {
    if unshare(CloneFlags::CLONE_NEWNET).is_err() {
        println!("SKIPPED: a network namespace is not permitted here");
        return;
    }
    ip("link set lo up");
    ip("link add wan type veth peer name far");
    let watch = LinkWatch::open(Duration::from_secs(5)).unwrap();
    for (address, with_mask) in [
        ("198.51.100.9", "198.51.100.9/24"),
        ("2001:db8:9::9", "2001:db8:9::9/64"),
    ] {
        let address = address.parse().unwrap();
        ip(&format!("addr add {with_mask} dev wan"));
        ip("link set wan up");
        assert!(
            !linked_addresses().unwrap().contains(&address),
            "{address} has no cable yet"
        );
        ip("link set far up");
        wait_until(&watch, address, true);
        ip("link set far down");
        wait_until(&watch, address, false);
        ip("link set far up");
        wait_until(&watch, address, true);
        ip(&format!("addr del {with_mask} dev wan"));
        wait_until(&watch, address, false);
        ip("link set far down");
    }
    assert!(linked_addresses().unwrap().contains(&[127, 0, 0, 1].into()));
}
