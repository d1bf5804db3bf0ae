//! (a) Authenticated REGISTER.

use super::{Bench, Bout};
use crate::Done;
use crate::accounts::registrants;
use crate::load::register::{Nonce, RegisterLoad, Registrants};
use crate::report::{Row, Spread, Target};
use crate::servers::{Bounds, Branchline, Kamailio};

pub(super) fn measure(bench: &Bench) -> Done<Vec<Row>> {
    let users = registrants(USERS);
    let ours = Branchline::start(&bench.site("branchline", users.clone()), Bounds::Wide)?;
    let peer = Kamailio::start(&bench.site("kamailio", users.clone()))?;
    let mut ours = Bout::new(bench, Box::new(ours), Registrants::new(users.clone()))?;
    let mut peer = Bout::new(bench, Box::new(peer), Registrants::new(users))?;
    let mut rows = Vec::new();
    for (nonce, what) in [
        (Nonce::Fresh, "(a) REGISTER, 401, REGISTER, 200"),
        (Nonce::Kept, "(a) REGISTER with a known nonce, 200"),
    ] {
        let load = RegisterLoad {
            nonce,
            units: UNITS,
            per_s: PER_S,
        };
        for bout in [&mut ours, &mut peer] {
            // Warms both up, and tells every phone the nonce.
            bout.load.run(&mut bout.wire, load)?.check("registrations")?;
            bout.per_unit_us.clear();
        }
        for _ in 0..bench.runs {
            for bout in [&mut ours, &mut peer] {
                bout.measure(|phones, wire| phones.run(wire, load)?.check("registrations"))?;
            }
        }
        let (ours, peer) = (
            Spread::of(ours.per_unit_us.clone()),
            Spread::of(peer.per_unit_us.clone()),
        );
        rows.push(Row {
            what: what.to_owned(),
            unit: "us of CPU",
            ours: ours.text(),
            peers: format!("Kamailio {}", peer.text()),
            target: Target::ratio(ours.median, ("Kamailio", peer.median), 0.5),
        });
    }
    Ok(rows)
}

const USERS: usize = 1000;
const UNITS: u64 = 3000;
const PER_S: f64 = 1000.0;
