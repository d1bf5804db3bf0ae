//! Hosts behind the ports of a bridge and behind an interface of its own, in network namespaces. They want root and `ip`.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use branchline_net::{Neighbour, neighbours};
use nix::sched::{CloneFlags, setns, unshare};

fn run(command: &str) {
    let mut words = command.split(' ');
    let done = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(
        done.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// A host behind the end `inner` of a cable; it goes when dropped.
struct Host {
    namespace: String,
}

impl Host {
    fn plug(name: &str, port: &str, addresses: [&str; 2]) -> Host {
        let namespace = format!("neighbours-{}-{name}", std::process::id());
        run(&format!("ip netns add {namespace}"));
        let host = Host { namespace };
        let namespace = &host.namespace;
        run(&format!(
            "ip link add {port} type veth peer name eth0 netns {namespace}"
        ));
        run(&format!("ip link set {port} up"));
        host.run("ip link set eth0 up");
        for address in addresses {
            host.run(&format!("ip addr add {address} dev eth0"));
        }
        host
    }

    fn run(&self, command: &str) {
        run(&format!("ip netns exec {} {command}", self.namespace));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.namespace]).status();
    }
}

#[expect(clippy::disallowed_methods, reason = "the deadline of a test")]
fn wait_for(address: &str) -> Neighbour {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        // Something to answer, so that each learns of the other.
        let (own, to) = match address.contains(':') {
            true => ("[::]:0", format!("[{address}]:9")),
            false => ("0.0.0.0:0", format!("{address}:9")),
        };
        let _ = UdpSocket::bind(own).unwrap().send_to(b"?", to);
        let found = neighbours().unwrap();
        if let Some(one) = found.iter().find(|it| it.address.to_string() == address) {
            return one.clone();
        }
        assert!(Instant::now() < deadline, "{address} is not among {found:?}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn each_host_is_found_behind_its_port_over_both_families() {
    // The namespace is this thread's alone.
    let outside = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
    if unshare(CloneFlags::CLONE_NEWNET).is_err() {
        println!("SKIPPED: a network namespace is not permitted here");
        return;
    }
    run("ip link add br0 type bridge");
    run("ip link set br0 up");
    let hosts = [
        Host::plug("one", "lan1", ["10.81.0.11/24", "fd00:81::11/64"]),
        Host::plug("two", "lan2", ["10.81.0.12/24", "fd00:81::12/64"]),
        Host::plug("three", "lan3", ["10.82.0.13/24", "fd00:82::13/64"]),
    ];
    for port in ["lan1", "lan2"] {
        run(&format!("ip link set {port} master br0"));
    }
    for (address, interface) in [
        ("10.81.0.1/24", "br0"),
        ("fd00:81::1/64", "br0"),
        ("10.82.0.1/24", "lan3"),
        ("fd00:82::1/64", "lan3"),
    ] {
        run(&format!("ip addr add {address} dev {interface}"));
    }
    for (address, interface, port) in [
        ("10.81.0.11", "br0", "lan1"),
        ("10.81.0.12", "br0", "lan2"),
        ("10.82.0.13", "lan3", "lan3"),
        ("fd00:81::11", "br0", "lan1"),
        ("fd00:81::12", "br0", "lan2"),
        ("fd00:82::13", "lan3", "lan3"),
    ] {
        let found = wait_for(address);
        assert_eq!(
            (found.interface.as_str(), found.port.as_str()),
            (interface, port),
            "{address}"
        );
    }
    drop(hosts);
    setns(outside, CloneFlags::CLONE_NEWNET).unwrap();
}
