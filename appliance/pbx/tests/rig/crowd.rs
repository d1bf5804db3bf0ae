//! Many extensions that call each other by SIPp.

use std::time::Duration;

use super::Rig;
use super::daemon::{Daemon, Site};
use super::sipp::{Load, Outcome, Ring, Sipp, User};

const PAIRS: u32 = 20;
const RATE_PER_S: u32 = 10;

/// Extensions 1000 and up; the second half is called by the first.
pub struct Crowd {
    numbers: Vec<(String, String)>,
}

impl Crowd {
    /// Twenty callers and twenty callees.
    pub fn new() -> Crowd {
        let named = |number: u32| (number.to_string(), format!("secret-of-{number}"));
        Crowd {
            numbers: (1000..1000 + 2 * PAIRS).map(named).collect(),
        }
    }

    /// A box that knows them; `more` is appended to its configuration.
    pub fn start(&self, rig: &Rig, more: &str) -> Daemon {
        let extensions: Vec<(&str, &str)> = self.numbers.iter().map(|(n, p)| (&**n, &**p)).collect();
        let sip = "max_calls_per_second = 200\nmax_registers_per_second = 2000\n";
        Daemon::start(
            rig,
            &Site {
                sip,
                more,
                ..Site::with(&extensions)
            },
        )
    }

    fn users(&self, half: usize) -> Vec<User> {
        let pairs = PAIRS as usize;
        let user = |n: usize| User {
            name: self.numbers[n].0.clone(),
            password: self.numbers[n].1.clone(),
            calls: self.numbers[(n + pairs) % (2 * pairs)].0.clone(),
        };
        (half * pairs..(half + 1) * pairs).map(user).collect()
    }

    /// Registers the callees and begins `calls` calls, ten a second.
    pub fn call(&self, rig: &Rig, daemon: &Daemon, calls: u32) -> [Sipp; 2] {
        let (callers, callees) = (self.users(0), self.users(1));
        let load = |name, scenario, n, users, calls| Load {
            name,
            scenario,
            from: rig.phone_ip(n),
            to: daemon.address(),
            users,
            calls,
            rate_per_s: RATE_PER_S,
            talk: Duration::from_millis(300),
            within: Duration::from_secs(120),
        };
        Sipp::run(rig, &load("register", "register.xml", 1, &callees, PAIRS)).assert_all(PAIRS);
        [
            Sipp::start(rig, &load("callees", "callee.xml", 1, &callees, calls)),
            Sipp::start(rig, &load("callers", "caller.xml", 2, &callers, calls)),
        ]
    }
}

/// When calls began while a fault was there.
pub struct Window {
    /// From here,
    pub from_utc_s: f64,
    /// up to here; UTC seconds.
    pub to_utc_s: f64,
}

/// Prints what the faults added to the set-up of calls, and fails the test when it is a wait.
pub fn show_set_up_times(calling: &Outcome, windows: &[Window]) {
    let in_fault = |ring: &&Ring| {
        let at = ring.asked_utc_s;
        windows
            .iter()
            .any(|window| (window.from_utc_s..=window.to_utc_s).contains(&at))
    };
    let (faulty, quiet): (Vec<&Ring>, Vec<&Ring>) = calling.rings.iter().partition(in_fault);
    let percentile = |rings: &[&Ring], share: f64| {
        let mut times: Vec<f64> = rings.iter().map(|ring| ring.after_ms).collect();
        times.sort_by(f64::total_cmp);
        let at = (times.len() as f64 * share) as usize;
        times.get(at.min(times.len().saturating_sub(1))).copied().unwrap_or(0.0)
    };
    for (name, rings) in [("quiet", &quiet), ("while something fails", &faulty)] {
        println!(
            "INVITE to 180, {name}: {} calls, p50 {:.1} ms, p99 {:.1} ms",
            rings.len(),
            percentile(rings, 0.5),
            percentile(rings, 0.99)
        );
    }
    assert!(!faulty.is_empty(), "no call met a fault");
    let added_ms = percentile(&faulty, 0.99) - percentile(&quiet, 0.99);
    // Half a second would be a wait for a disk; the rest is the machine's noise.
    assert!(added_ms < 500.0, "{added_ms} ms more");
}
