//! What must hold, whatever happened.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use branchline_journal::{BindingKey, Entry, Event};
use branchline_ladder::{Side, What};
use branchline_sip::message::Method;

use crate::records;
use crate::world::World;

/// What telephones must never get; looked at after each step of the plot, as they remember what they got.
pub fn heard(world: &mut World) {
    for member in 0..world.members.len() {
        let name = world.members[member].name.clone();
        while let Some(heard) = world.members[member].actor.poll_heard() {
            match heard.what {
                What::Fault(text) => world.fault(format!("{name} got {text}")),
                What::Garbage => world.fault(format!("{name} got bytes that are no message")),
                What::Response {
                    status,
                    method,
                    call: Some(call),
                    ..
                } if method == "INVITE" && REFUSED_BY_THE_BOX.contains(&status) => {
                    let call = world.members[member].actor.call(call);
                    if call.is_some_and(|call| call.peer == HELP && call.answered.is_none()) {
                        world.fault(format!("{name} called for help and was refused with {status}"));
                    }
                }
                What::Request { .. } | What::Response { .. } | What::NoAnswer { .. } | What::NoAck => {}
            }
        }
    }
}

/// What must hold after every event; cheap.
pub fn event(world: &mut World) {
    let Some(branch) = world.branch() else { return };
    let now = world.now();
    let late = branch
        .poll_timeout()
        .filter(|(at, _)| now.saturating_duration_since(*at) > LATE_MAX);
    let crowded = branch.residue().into_iter().find(|(what, count)| {
        let bound = BOUNDS.iter().find(|(bounded, _)| bounded == what);
        bound.is_some_and(|(_, most)| count > most)
    });
    if let Some((_, reason)) = late {
        world.fault(format!("a timer that is due stays due: {reason:?}"));
    }
    if let Some((what, count)) = crowded {
        world.fault(format!("{count} {what} in memory"));
    }
}

/// The number that help is called by.
pub const HELP: &str = "911";
/// What no operator answers here: the box had something against the call.
const REFUSED_BY_THE_BOX: [u16; 11] = [400, 401, 403, 406, 407, 415, 416, 420, 422, 483, 488];
const LATE_MAX: Duration = Duration::from_secs(1);
/// More than an office of this size can need at once.
const BOUNDS: [(&str, usize); 5] = [
    ("transactions", 2000),
    ("sessions", 400),
    ("calls", 300),
    ("legs", 400),
    ("ports", 400),
];

/// Every line of a telephone that is here is used, where there is a hosted PBX.
pub fn has_returned(world: &World) -> bool {
    let view = world.branch().map(|branch| branch.view(world.moment()));
    let hosted = view.and_then(|view| view.hosted);
    hosted.is_none_or(|hosted| hosted.mode == "online" && hosted.lines == hosted.lines_confirmed)
}

/// What must hold when all calls ended long ago.
pub fn quiet(world: &mut World) {
    let Some(branch) = world.branch() else { return };
    let residue = branch.residue();
    let view = branch.view(world.moment());
    let left: Vec<String> = residue
        .iter()
        .filter(|(what, _)| *what != "transactions")
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    if !left.is_empty() {
        let calls: Vec<String> = view
            .calls
            .iter()
            .map(|call| format!("{}->{} {}", call.from, call.to, call.state))
            .collect();
        world.fault(format!("left when all was over: {} {calls:?}", left.join(", ")));
    }
    if let Some(text) = unjustified_transactions(world) {
        world.fault(text);
    }
    if world.legs() > 0 {
        world.fault(format!("{} legs left in the relay", world.legs()));
    }
    if world.disk().moving() > 0 {
        world.fault("journal entries never became safe");
    }
    let open: Vec<String> = world
        .members
        .iter()
        .flat_map(|member| {
            let live = member.actor.calls().iter().filter(|call| call.is_alive());
            live.map(|call| format!("{}: call {:?} with {}", member.name, call.stage, call.peer))
        })
        .collect();
    for text in open {
        world.fault(format!("a call is stuck at {text}"));
    }
}

/// Telephones and lines go on registering, and trunks and the hosted PBX are asked whether they are there; nothing else goes on.
fn unjustified_transactions(world: &World) -> Option<String> {
    let methods: Vec<&Method> = world.branch()?.transaction_methods().collect();
    let (upkeep, others): (Vec<&Method>, Vec<&Method>) = methods
        .into_iter()
        .partition(|method| matches!(method, Method::Register | Method::Options));
    if !others.is_empty() {
        return Some(format!("transactions left when all was over: {others:?}"));
    }
    let begun = world.upkeep();
    (upkeep.len() > begun).then(|| format!("{} transactions left, and {begun} begun lately", upkeep.len()))
}

/// Every answered call has exactly one record, and no record stands without a call.
pub fn records(world: &mut World) {
    for fault in records::compare(world) {
        world.fault(fault);
    }
}

/// Calls that were answered, as the callers counted them.
pub fn answered(world: &World) -> usize {
    let calls = world.members.iter().flat_map(|member| member.actor.calls());
    calls
        .filter(|call| call.side == Side::Caller && call.answered.is_some())
        .count()
}

/// A telephone that the box promised to know.
#[derive(Clone, Debug)]
pub struct Promise {
    number: String,
    address: SocketAddr,
    until: Instant,
}

/// Telephones that had a 200 to their REGISTER.
pub fn promised(world: &World) -> Vec<Promise> {
    let phones = world.members.iter().filter(|member| member.is_phone());
    let promise = |member: &crate::world::Member| {
        let setup = member.actor.setup();
        Some(Promise {
            number: setup.number.clone(),
            address: setup.address,
            until: member.actor.registered_until()?,
        })
    };
    phones.filter_map(promise).collect()
}

/// Who was promised to be known is known after a restart, but for those whose last word the disk lost: an answer waits for
/// the disk for a moment only.
pub fn reachable(world: &mut World, promised: &[Promise]) {
    let Some(view) = world.branch().map(|branch| branch.view(world.moment())) else {
        return;
    };
    let now = world.now();
    let margin = Duration::from_secs(5);
    let missing: Vec<String> = promised
        .iter()
        .filter(|promise| promise.until > now + margin && !is_forgotten(world, promise))
        .filter(|promise| {
            let phone = view.phones.iter().find(|phone| phone.extension == promise.number);
            let own = promise.address.to_string();
            !phone.is_some_and(|phone| phone.contacts.iter().any(|contact| contact.uri.contains(&own)))
        })
        .map(|promise| format!("{} at {}", promise.number, promise.address))
        .collect();
    for text in missing {
        world.fault(format!(
            "{text} had a 200 to its REGISTER and is unknown after a restart"
        ));
    }
}

/// The last entry about this telephone's contact is one that a stop took, or takes the contact back, as when its stream broke
/// and the telephone has not noticed yet.
fn is_forgotten(world: &World, promise: &Promise) -> bool {
    let own = promise.address.to_string();
    let (safe, lost) = (world.disk().safe(), world.disk().lost());
    let own_key = |entry: &Entry| -> Option<BindingKey> {
        let Event::BindingSet(binding) = &entry.event else {
            return None;
        };
        (*binding.aor == *promise.number && binding.contact.contains(&own)).then(|| binding.key())
    };
    let keys: Vec<BindingKey> = safe.iter().chain(lost).filter_map(own_key).collect();
    let is_about = |entry: &&Entry| {
        own_key(entry).is_some() || matches!(&entry.event, Event::BindingRemoved(key) if keys.contains(key))
    };
    let (safe, lost) = (safe.iter().rfind(is_about), lost.iter().rfind(is_about));
    // Numbers are given again after a stop, and the wall clock steps: boots follow each other, and each has its own time.
    let at = |entry: Option<&Entry>| entry.map(|entry| (entry.stamp.boot.0, entry.stamp.mono_ms));
    let was_lost = lost.is_some() && at(lost) >= at(safe);
    was_lost || safe.is_some_and(|entry| stands_no_more(world, entry))
}

/// Taken back, or over by a clock that the box has to believe.
fn stands_no_more(world: &World, entry: &Entry) -> bool {
    let moment = world.moment();
    match &entry.event {
        Event::BindingSet(binding) => moment.clock_trusted && binding.expires_utc_ms <= moment.utc_ms,
        _other => true,
    }
}

/// Whether the journal tells of this call at all.
pub fn tells_of(event: &Event) -> Option<branchline_journal::Uuid> {
    match event {
        Event::CallStarted(started) => Some(started.call),
        Event::CallAnswered(answered) => Some(answered.call),
        Event::CallEnded(record) => Some(record.id),
        Event::EmergencyCall(call) => Some(call.call),
        Event::BoxStarted { .. }
        | Event::BindingSet(_)
        | Event::BindingRemoved(_)
        | Event::Heartbeat { .. }
        | Event::ConfigLoaded { .. }
        | Event::Omitted { .. }
        | Event::Unknown(_) => None,
    }
}
