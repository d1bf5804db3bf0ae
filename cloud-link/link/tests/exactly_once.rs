//! A box, a line and a cloud in memory, with everything going wrong: every entry that reached a disk is in the store once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod world;

use std::time::Duration;

use world::{Fault, World};

const SEEDS: u64 = 400;

#[test]
fn every_flushed_entry_is_stored_once_whatever_the_line_the_cloud_and_the_disk_do() {
    let mut faults = 0;
    let mut sessions = 0;
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        world.run(Duration::from_secs(600), Fault::ALL);
        world.settle();
        faults += world.faults;
        sessions += world.sessions;
        if let Err(wrong) = world.check() {
            panic!("seed {seed}: {wrong}");
        }
    }
    assert!(
        faults > SEEDS * 10 && sessions > SEEDS * 5,
        "{faults} faults, {sessions} sessions"
    );
}

#[test]
fn a_quiet_line_needs_one_session_and_sends_each_entry_once() {
    let mut world = World::new(7);
    world.run(Duration::from_secs(600), &[]);
    world.settle();
    world.check().unwrap();
    assert_eq!((world.sessions, world.sent_again), (1, 0));
    assert!(world.cloud.stored.len() > 500, "{} entries", world.cloud.stored.len());
}

#[test]
fn a_week_without_the_cloud_is_caught_up_at_the_pace_and_no_faster() {
    let mut world = World::new(11);
    world.cut_for(Duration::from_secs(7 * 86_400));
    world.run(Duration::from_secs(7 * 86_400), &[]);
    let backlog = world.backlog();
    assert!(backlog > 100_000, "{backlog} entries");
    let began = world.now;
    world.settle();
    world.check().unwrap();
    let took = world.now - began;
    let fastest = Duration::from_secs(backlog / u64::from(world::ENTRIES_PER_S));
    assert!(took >= fastest * 9 / 10, "{took:?}, the pace allows {fastest:?}");
    assert!(
        took < fastest * 2 + Duration::from_secs(400),
        "{took:?}, the pace allows {fastest:?}"
    );
}

#[test]
fn what_the_box_could_not_keep_is_counted() {
    let mut world = World::new(13);
    world.cut_for(Duration::from_secs(3000));
    world.run(Duration::from_secs(2000), &[]);
    world.trim_journal(500);
    world.settle();
    world.check().unwrap();
    assert_eq!(world.cloud.lost, 500 - world.cloud.acked_before_trim);
}
