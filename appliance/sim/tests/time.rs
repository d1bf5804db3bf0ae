//! A box that loses its clock: records go on from the last one, and are put right when the time is known.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use std::time::Duration;

use branchline_journal::{CallRecord, Event};
use branchline_ladder::{Actor, Dial, Reaction};
use branchline_sim::office::{configuration, extension_text, phone};
use branchline_sim::world::{Member, Stop, Trust, World};
use branchline_sip::Transport;

const YEAR_MS: i64 = 365 * 86_400_000;

/// Two telephones; the second answers at once.
fn branch() -> World {
    let text = format!(
        "[site]\ncountry = \"US\"\n{}{}",
        extension_text("201", ""),
        extension_text("202", "")
    );
    let mut setups = [phone("201", 11, Transport::Udp), phone("202", 12, Transport::Udp)];
    setups[1].reaction = Reaction {
        provisional: None,
        finally: Some((Duration::ZERO, 200)),
    };
    let members = setups.map(|setup| Member::new(&format!("phone {}", setup.number), Actor::new(setup)));
    let mut world = World::new(1, configuration(&text, &[]).unwrap(), members.into());
    for at in 0..2 {
        world.with(at, |phone, now| phone.register(now));
    }
    pass(&mut world, 1);
    world
}

fn pass(world: &mut World, time_s: u64) {
    let end = world.offset() + Duration::from_secs(time_s);
    world.run_until(end);
}

/// A call of three seconds, and its record.
fn call(world: &mut World) -> CallRecord {
    world.with(0, |phone, now| phone.dial(now, &Dial::new("202")));
    pass(world, 3);
    world.with(0, |phone, now| {
        let call = phone.live_call().unwrap().handle;
        phone.hang_up(now, call);
    });
    pass(world, 2);
    records(world).pop().unwrap()
}

fn records(world: &World) -> Vec<CallRecord> {
    let record = |event: &Event| match event {
        Event::CallEnded(record) => Some((**record).clone()),
        _other => None,
    };
    let entries = world.disk().safe().iter();
    entries.filter_map(|entry| record(&entry.event)).collect()
}

#[test]
fn a_clock_that_was_lost_goes_on_from_the_last_record_and_is_put_right_later() {
    let mut world = branch();
    let before = call(&mut world);
    assert!(before.ended.clock_trusted);
    // The battery is empty: the box starts ten years ago, and nobody tells it the time.
    world.step_clock(-10 * YEAR_MS, Trust::Doubted);
    world.restart(Stop::PowerCut, Duration::from_secs(2));
    let registered = world.branch().unwrap().view(world.moment()).phones;
    assert!(
        registered.iter().all(|phone| phone.contacts.len() == 1),
        "{registered:?}"
    );
    let lost = call(&mut world);
    assert!(!lost.started.clock_trusted);
    assert!(lost.started.utc_ms >= before.ended.utc_ms, "{lost:?} before {before:?}");
    assert!((lost.ended.utc_ms - lost.started.utc_ms - 3000).abs() < 100, "{lost:?}");
    assert!(!world.branch().unwrap().view(world.moment()).health.clock_trusted);
    // It is told, a minute later, that three days have passed meanwhile.
    pass(&mut world, 60);
    let mid_call = world.offset();
    world.with(0, |phone, now| phone.dial(now, &Dial::new("202")));
    pass(&mut world, 2);
    world.step_clock(10 * YEAR_MS + 3 * 86_400_000, Trust::Trusted);
    world.with(0, |phone, now| phone.register(now));
    pass(&mut world, 1);
    let dated = records(&world).pop().unwrap();
    assert_eq!(dated.id, lost.id);
    assert!(dated.started.clock_trusted && dated.ended.clock_trusted);
    let told = world.moment();
    let ago_ms = i64::try_from((world.offset() - mid_call).as_millis()).unwrap();
    let true_end_ms = told.utc_ms - ago_ms - 60_000 - 2_000;
    assert!(
        (dated.ended.utc_ms - true_end_ms).abs() < 1000,
        "{dated:?}, not {true_end_ms}"
    );
    assert_eq!(
        (dated.talk_ms, &dated.from, &dated.to),
        (lost.talk_ms, &lost.from, &lost.to)
    );
    // The call that was up when the time came is dated from its start.
    world.with(0, |phone, now| {
        let call = phone.live_call().unwrap().handle;
        phone.hang_up(now, call);
    });
    pass(&mut world, 2);
    let last = records(&world).pop().unwrap();
    assert!(last.started.clock_trusted && last.started.utc_ms > dated.ended.utc_ms + 60_000);
    assert_eq!(branchline_sim::records::compare(&world), Vec::<String>::new());
    assert!(world.faults().is_empty(), "{:?}", world.faults());
}
