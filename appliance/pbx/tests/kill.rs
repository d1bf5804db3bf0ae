//! kill -9 under load: registrations and records survive, and no call is recorded twice.

mod rig;

use std::collections::BTreeSet;
use std::time::Duration;

use rig::Rig;
use rig::clock;
use rig::daemon::{Daemon, Site};
use rig::sipp::{Load, Sipp, User};
use serde_json::Value;

const PAIRS: u32 = 50;
const CALLS: u32 = 1_000;
const KILLED_AFTER: u64 = 60;
const RATE_PER_S: u32 = 25;
/// From the caller's last message to its record in the kernel: the relay's figures, a turn of the loop, a write.
const RECORDED_WITHIN: Duration = Duration::from_millis(20);
const RECORD_WITHIN: Duration = Duration::from_secs(20);

#[test]
fn registrations_and_records_survive_a_kill_under_load() {
    let rig = Rig::new("kill");
    let password = |number: &str| format!("secret-of-{number}");
    let numbers: Vec<String> = (1000..1000 + 2 * PAIRS).map(|number| number.to_string()).collect();
    let passwords: Vec<String> = numbers.iter().map(|number| password(number)).collect();
    let extensions: Vec<(&str, &str)> = numbers.iter().zip(&passwords).map(|(n, p)| (&**n, &**p)).collect();
    let sip = "max_calls_per_second = 500\nmax_registers_per_second = 2000\n";
    let mut daemon = Daemon::start(
        &rig,
        &Site {
            sip,
            ..Site::with(&extensions)
        },
    );

    let pairs = PAIRS as usize;
    let user = |n: usize, calls: String| User {
        name: numbers[n].clone(),
        password: passwords[n].clone(),
        calls,
    };
    let callers: Vec<User> = (0..pairs).map(|n| user(n, numbers[pairs + n].clone())).collect();
    let callees: Vec<User> = (pairs..2 * pairs).map(|n| user(n, String::new())).collect();
    let address = daemon.address();
    let load = |name, scenario, n, calls| Load {
        name,
        scenario,
        from: rig.phone_ip(n),
        to: address,
        users: if n == 1 { &callees } else { &callers },
        calls,
        rate_per_s: RATE_PER_S,
        talk: Duration::from_secs(1),
        within: Duration::from_secs(60),
    };
    Sipp::run(&rig, &load("register", "register.xml", 1, PAIRS)).assert_all(PAIRS);
    let answering = Sipp::start(&rig, &load("callees", "callee.xml", 1, CALLS));
    let calling = Sipp::start(&rig, &load("callers", "caller.xml", 2, CALLS));
    clock::wait_for("calls that ended", RECORD_WITHIN, || {
        (calling.so_far().successful >= KILLED_AFTER).then_some(())
    });
    let killed_utc_s = clock::utc_s();
    daemon.kill9();
    let calling = calling.stop();
    let ended = calling.successful;
    let on_record_by_s = killed_utc_s - RECORDED_WITHIN.as_secs_f64();
    let recorded = calling.ended_utc_s.iter().filter(|at| **at <= on_record_by_s).count() as u64;
    assert!(recorded > 0, "no call had ended before the kill");
    answering.stop();

    daemon.start_again();
    assert_eq!(
        daemon.view()["counters"]["registrations"],
        PAIRS,
        "registrations after the kill"
    );
    let records = daemon.wait_for_records(ended as usize, RECORD_WITHIN);
    assert_known(&records, &Ended { all: ended, recorded });

    let answering = Sipp::start(&rig, &load("callees-after", "callee.xml", 1, PAIRS));
    let after = Load {
        talk: Duration::from_millis(200),
        ..load("callers-after", "caller.xml", 2, PAIRS)
    };
    Sipp::run(&rig, &after).assert_all(PAIRS);
    answering.finish().assert_all(PAIRS);
}

/// Calls that were over when the power went.
struct Ended {
    all: u64,
    /// Of those, the ones whose record the kernel had.
    recorded: u64,
}

/// Each call has one record, and tells what became of it.
fn assert_known(records: &[Value], ended: &Ended) {
    let ids: BTreeSet<&str> = records.iter().filter_map(|record| record["id"].as_str()).collect();
    assert_eq!(ids.len(), records.len(), "a call is recorded twice");
    let with = |outcome: &str| records.iter().filter(|record| record["outcome"] == outcome).count() as u64;
    // A call whose end was a moment before the kill may be known as interrupted; it is known all the same.
    let known = with("answered") + with("interrupted");
    assert!(known >= ended.all, "{known} records of {} calls that ended", ended.all);
    assert!(
        with("answered") >= ended.recorded,
        "{} of {} calls that had ended are on record as answered",
        with("answered"),
        ended.recorded
    );
    assert!(with("interrupted") > 0, "no call was up when the power went");
    assert_eq!(
        with("answered") + with("interrupted") + with("failed"),
        records.len() as u64,
        "other outcomes"
    );
}
