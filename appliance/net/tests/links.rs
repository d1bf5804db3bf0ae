//! A cable that is pulled, in a network namespace. It wants root and `ip`.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cable {
    In,
    Out,
}

fn cable_of(address: IpAddr) -> Cable {
    match linked_addresses().unwrap().contains(&address) {
        true => Cable::In,
        false => Cable::Out,
    }
}

/// Waits from change to change; the kernel gathers changes of one interface for a second.
#[expect(clippy::disallowed_methods, reason = "the deadline of a test")]
fn wait_until(watch: &LinkWatch, address: IpAddr, expected: Cable) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while cable_of(address) != expected {
        assert!(Instant::now() < deadline, "{address} is not {expected:?}");
        assert_eq!(watch.wait().unwrap(), Waited::Changed, "nobody was told of {address}");
    }
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
        wait_until(&watch, address, Cable::In);
        ip("link set far down");
        wait_until(&watch, address, Cable::Out);
        ip("link set far up");
        wait_until(&watch, address, Cable::In);
        ip(&format!("addr del {with_mask} dev wan"));
        wait_until(&watch, address, Cable::Out);
        ip("link set far down");
    }
    assert_eq!(cable_of([127, 0, 0, 1].into()), Cable::In);
}
