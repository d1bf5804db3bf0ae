//! The cable towards the hosted PBX is out: known at once, and nothing is decided by it alone.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use std::net::IpAddr;
use std::time::Duration;

use branchline_ladder::{Actor, HostedKind, HostedPbx, HostedSetup, Memory};
use branchline_sim::office::{configuration, extension_text, phone};
use branchline_sim::world::{BOX, Cable, Member, World};
use branchline_sip::Transport;

/// A box that probes its hosted PBX once a minute, and has just done so.
fn branch() -> World {
    let line = "hosted = { username = \"201\", password = \"line-secret\" }";
    let text = format!(
        "[site]\ncountry = \"US\"\n[hosted]\nhost = \"198.51.100.50\"\nprobe_s = 60\n{}",
        extension_text("201", line)
    );
    let setup = phone("201", 11, Transport::Udp);
    let members = vec![Member::new("phone 201", Actor::new(setup))];
    let mut world = World::new(1, configuration(&text, &[]).unwrap(), members);
    world.set_hosted(HostedPbx::new(HostedSetup {
        memory: Memory::Kept,
        thinks: Duration::ZERO,
        address: "198.51.100.50:5060".parse().unwrap(),
        kind: HostedKind::Proxy,
        users: vec![("201".to_owned(), "line-secret".to_owned())],
        beyond: Vec::new(),
    }));
    world.with(0, |phone, now| phone.register(now));
    pass(&mut world, 5_000);
    assert_eq!(mode(&world), "online");
    world
}

fn pass(world: &mut World, time_ms: u64) {
    let end = world.offset() + Duration::from_millis(time_ms);
    world.run_until(end);
}

fn mode(world: &World) -> String {
    let view = world.branch().unwrap().view(world.moment());
    view.hosted.unwrap().mode
}

fn tell_links(world: &mut World, linked: &[IpAddr]) {
    let moment = world.moment();
    world.branch_mut().unwrap().handle_links(moment, linked);
}

#[test]
fn a_cable_that_is_out_is_a_loss_within_two_seconds_however_rarely_it_is_probed() {
    let mut silent = branch();
    silent.plug_hosted(Cable::Out);
    pass(&mut silent, 5_000);
    assert_eq!(mode(&silent), "online", "nobody has noticed as yet");

    let mut told = branch();
    told.plug_hosted(Cable::Out);
    tell_links(&mut told, &[]);
    assert_eq!(mode(&told), "suspect");
    pass(&mut told, 2_000);
    assert_eq!(mode(&told), "survival");
}

#[test]
fn a_cable_alone_decides_nothing() {
    let mut world = branch();
    // Another interface takes over, or the driver is wrong: it still answers.
    for _ in 0..20 {
        tell_links(&mut world, &[]);
        assert_eq!(mode(&world), "suspect");
        pass(&mut world, 500);
        assert_eq!(mode(&world), "online");
    }
    // What does not face it does not matter.
    tell_links(&mut world, &[BOX.ip()]);
    assert_eq!(mode(&world), "online");
}
