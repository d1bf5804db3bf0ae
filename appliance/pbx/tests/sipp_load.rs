//! SIPp: many phones at once, and one that never acknowledges.

mod rig;

use std::time::Duration;

use rig::Rig;
use rig::daemon::{Daemon, Site};
use rig::sipp::{Load, Sipp, User};

const PHONES: u32 = 200;
const CALLS: u32 = 100;
const SIP: &str = "max_calls_per_second = 200\nmax_registers_per_second = 2000\n";

/// Extensions 1000 and up, each with a password of its own.
fn numbered(first: u32, count: u32) -> Vec<(String, String)> {
    (first..first + count)
        .map(|number| (number.to_string(), format!("secret-of-{number}")))
        .collect()
}

fn start(rig: &Rig, extensions: &[(String, String)], more: &str) -> Daemon {
    let extensions: Vec<(&str, &str)> = extensions
        .iter()
        .map(|(name, password)| (&**name, &**password))
        .collect();
    let sip = format!("{SIP}{more}");
    Daemon::start(
        rig,
        &Site {
            sip: &sip,
            ..Site::with(&extensions)
        },
    )
}

fn users(extensions: &[(String, String)], calls: impl Fn(usize) -> String) -> Vec<User> {
    let user = |(n, (name, password)): (usize, &(String, String))| User {
        name: name.clone(),
        password: password.clone(),
        calls: calls(n),
    };
    extensions.iter().enumerate().map(user).collect()
}

fn registering<'a>(rig: &Rig, daemon: &Daemon, users: &'a [User]) -> Load<'a> {
    Load {
        name: "register",
        scenario: "register.xml",
        from: rig.phone_ip(1),
        to: daemon.address(),
        users,
        calls: users.len() as u32,
        rate_per_s: 200,
        talk: Duration::ZERO,
        within: Duration::from_secs(60),
    }
}

#[test]
fn every_user_of_the_csv_registers() {
    let rig = Rig::new("sipp-register");
    let extensions = numbered(1000, PHONES);
    let daemon = start(&rig, &extensions, "");
    let users = users(&extensions, |_| String::new());
    Sipp::run(&rig, &registering(&rig, &daemon, &users)).assert_all(PHONES);
    daemon.wait_in_view("all registrations", Duration::from_secs(5), |view| {
        (view["counters"]["registrations"] == PHONES).then_some(())
    });
}

#[test]
fn a_hundred_calls_at_once_succeed() {
    let rig = Rig::new("sipp-calls");
    let (calling, called) = (numbered(1000, CALLS), numbered(2000, CALLS));
    let extensions = [calling.clone(), called.clone()].concat();
    let mut daemon = start(&rig, &extensions, "");
    let callees = users(&called, |_| String::new());
    let callers = users(&calling, |n| called[n].0.clone());
    Sipp::run(&rig, &registering(&rig, &daemon, &callees)).assert_all(CALLS);
    let answering = Load {
        name: "callees",
        scenario: "callee.xml",
        calls: CALLS,
        ..registering(&rig, &daemon, &callees)
    };
    let answering = Sipp::start(&rig, &answering);
    let load = Load {
        name: "callers",
        scenario: "caller.xml",
        from: rig.phone_ip(2),
        rate_per_s: 40,
        talk: Duration::from_secs(6),
        ..registering(&rig, &daemon, &callers)
    };
    let outcome = Sipp::run(&rig, &load);
    outcome.assert_all(CALLS);
    assert_eq!(outcome.at_once_max, u64::from(CALLS), "{outcome:#?}");
    answering.finish().assert_all(CALLS);
    daemon.assert_running();
    let records = daemon.wait_for_records(CALLS as usize, Duration::from_secs(10));
    assert!(
        records.iter().all(|record| record["outcome"] == "answered"),
        "{records:#?}"
    );
    assert_eq!(records.len(), CALLS as usize);
}

#[test]
fn a_caller_that_never_acknowledges_is_hung_up() {
    let rig = Rig::new("sipp-no-ack");
    let extensions = numbered(1000, 2);
    let daemon = start(&rig, &extensions, "");
    let users = users(&extensions, |_| "1001".to_owned());
    Sipp::run(&rig, &registering(&rig, &daemon, &users[1..])).assert_all(1);
    let answering = Load {
        name: "callee",
        scenario: "callee.xml",
        ..registering(&rig, &daemon, &users[1..])
    };
    let answering = Sipp::start(&rig, &answering);
    let deaf = Load {
        name: "deaf",
        scenario: "caller_without_ack.xml",
        from: rig.phone_ip(2),
        ..registering(&rig, &daemon, &users[..1])
    };
    Sipp::run(&rig, &deaf).assert_all(1);
    answering.finish().assert_all(1);
    daemon.wait_in_view("end of the call", Duration::from_secs(5), |view| {
        view["calls"].as_array()?.is_empty().then_some(())
    });
}
