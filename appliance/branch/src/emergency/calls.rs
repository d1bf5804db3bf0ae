//! The calls for help that were made, and what they say about numbers: pure look-ups in one short list.

use std::collections::HashMap;

use branchline_call::CallId;
use branchline_config::Location;
use branchline_journal::{CallbackLine, CallsForHelp, EmergencyCall, Stamp};

use super::Phone;

/// The calls for help, the latest last.
#[derive(Debug, Default)]
pub(crate) struct Emergencies {
    calls: CallsForHelp,
    window_ms: u64,
}

/// A number out of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Elin {
    pub(crate) number: String,
    /// Who had it last, when that is not long enough ago.
    pub(crate) taken_from: Option<String>,
}

/// Whether a call was heard of for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    First,
    Further,
}

impl Emergencies {
    pub(crate) fn new(calls: Vec<EmergencyCall>, callback_hours: u32) -> Emergencies {
        let mut emergencies = Emergencies::default();
        emergencies.set_window(callback_hours);
        for call in calls {
            emergencies.keep(call);
        }
        emergencies
    }

    pub(crate) fn set_window(&mut self, callback_hours: u32) {
        self.window_ms = u64::from(callback_hours) * 3_600_000;
    }

    /// The latest word on a call replaces the one before.
    pub(crate) fn keep(&mut self, call: EmergencyCall) -> News {
        match self.calls.keep(call) {
            Some(_) => News::Further,
            None => News::First,
        }
    }

    /// Puts the times right that were taken before `known`; gives the calls that are changed.
    pub(crate) fn date_by(&mut self, known: &Stamp) -> Vec<EmergencyCall> {
        let mut dated = Vec::new();
        for call in self.calls.iter_mut() {
            if let Some(at) = call.at.dated_by(known) {
                call.at = at;
                dated.push(call.clone());
            }
        }
        dated
    }

    pub(crate) fn of_call(&self, call: CallId) -> Option<&EmergencyCall> {
        self.calls.iter().rev().find(|known| *known.call.as_bytes() == call.0)
    }

    /// All of them, the latest first.
    pub(crate) fn latest_first(&self) -> impl Iterator<Item = &EmergencyCall> {
        self.calls.iter().rev()
    }

    /// The call that an operator returns who dials `digits` (E.164 without +).
    pub(crate) fn caller_at(&self, now: &Stamp, digits: &str) -> Option<&EmergencyCall> {
        let is_callback = |call: &&EmergencyCall| call.callback.as_deref().map(bare) == Some(digits);
        self.latest_first()
            .find(is_callback)
            .filter(|call| self.is_open(now, call))
    }

    /// The latest call of the extension that a line belongs to.
    pub(crate) fn caller_on_line(&self, now: &Stamp, extension: &str) -> Option<&EmergencyCall> {
        let is_caller = |call: &&EmergencyCall| call.extension.as_deref() == Some(extension);
        self.latest_first()
            .find(is_caller)
            .filter(|call| self.is_open(now, call))
    }

    /// The number that stands for a phone at a place: the one it had, else one that is free, else the one that was
    /// given out longest ago. `None` where the place has none.
    pub(crate) fn elin(&self, now: &Stamp, place: &Location, phone: &Phone) -> Option<Elin> {
        let mut given: HashMap<&str, (usize, &EmergencyCall)> = HashMap::new();
        for (age, call) in self
            .latest_first()
            .enumerate()
            .filter(|(_, call)| call.line == CallbackLine::Elin)
        {
            if let Some(number) = &call.callback {
                given.entry(number).or_insert((age, call));
            }
        }
        let open = |number: &&String| given.get(number.as_str()).filter(|(_, call)| self.is_open(now, call));
        let own = place
            .elins
            .iter()
            .find(|number| open(number).is_some_and(|(_, call)| is_of(call, phone)));
        if let Some(number) = own.or_else(|| place.elins.iter().find(|number| open(number).is_none())) {
            return Some(Elin {
                number: number.clone(),
                taken_from: None,
            });
        }
        let oldest = place.elins.iter().filter_map(|number| Some((number, open(&number)?)));
        let (number, (_, call)) = oldest.max_by_key(|(_, (age, _))| *age)?;
        Some(Elin {
            number: number.clone(),
            taken_from: Some(call.name.clone()),
        })
    }

    fn is_open(&self, now: &Stamp, call: &EmergencyCall) -> bool {
        // Without a clock to be trusted nobody knows how long ago it was: better too long than too short.
        let is_known = now.boot == call.at.boot || (now.clock_trusted && call.at.clock_trusted);
        !is_known || now.ms_since(&call.at) < self.window_ms
    }
}

/// A call that this phone made. Ports change with each connection, the rest of the address only with the network.
fn is_of(call: &EmergencyCall, phone: &Phone) -> bool {
    let remote = call
        .received
        .split_once(' ')
        .and_then(|(_, remote)| remote.parse::<std::net::SocketAddr>().ok());
    let same_place = remote.is_some_and(|remote| match phone.extension {
        Some(_) => remote.ip() == phone.flow.remote.ip(),
        None => remote == phone.flow.remote,
    });
    call.extension == phone.extension && same_place
}

fn bare(number: &str) -> &str {
    number.trim_start_matches('+')
}

#[cfg(test)]
mod tests {
    use branchline_config::Config;
    use branchline_journal::{BootId, Uuid};
    use branchline_sip::Flow;

    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    fn place(elins: usize) -> Location {
        let list: Vec<String> = (0..elins).map(|n| format!("\"+1212555{n:04}\"")).collect();
        let text = format!(
            "[site]\ncountry = \"US\"\n[[location]]\nid = \"hq\"\ncivic = {{ A3 = \"NY\" }}\nelins = [{}]\n",
            list.join(", ")
        );
        Config::parse("f", &text).unwrap().locations.remove(0)
    }

    fn stamp(boot: u128, mono_ms: u64) -> Stamp {
        Stamp {
            utc_ms: 1_700_000_000_000 + i64::try_from(mono_ms).unwrap(),
            clock_trusted: true,
            mono_ms,
            boot: BootId(Uuid::from_u128(boot)),
        }
    }

    fn phone(number: u32) -> Phone {
        let [.., c, d] = number.to_be_bytes();
        Phone {
            extension: Some(number.to_string()),
            flow: Flow::udp("192.0.2.1:5060".parse().unwrap(), ([10, 1, c, d], 5060).into()),
        }
    }

    fn call(number: u32, at: Stamp, callback: &str) -> EmergencyCall {
        EmergencyCall {
            call: Uuid::from_u128(u128::from(number) << 64 | u128::from(at.mono_ms)),
            at,
            extension: Some(number.to_string()),
            name: format!("Phone {number}"),
            number: "911".into(),
            trunk: Some("a".into()),
            location: Some("hq".into()),
            place: "NY".into(),
            callback: Some(callback.into()),
            line: CallbackLine::Elin,
            contact: String::new(),
            received: format!("192.0.2.1:5060 {}", phone(number).flow.remote),
            transport: "udp".into(),
        }
    }

    /// Lets a phone call; gives the number and who lost it.
    fn calls(pool: &mut Emergencies, at: Stamp, (number, place): (u32, &Location)) -> (String, Option<String>) {
        let elin = pool.elin(&at, place, &phone(number)).unwrap();
        pool.keep(call(number, at, &elin.number));
        (elin.number, elin.taken_from)
    }

    #[test]
    fn a_flood_from_unregistered_phones_pushes_out_no_telephone_of_ours() {
        let mut pool = Emergencies::new(Vec::new(), 3);
        pool.keep(call(201, stamp(1, 0), "+12125550001"));
        for n in 1..=2000 {
            let stranger = EmergencyCall {
                extension: None,
                ..call(999, stamp(1, n), "+12125550002")
            };
            pool.keep(stranger);
        }
        assert_eq!(pool.calls.iter().count(), CallsForHelp::MAX);
        assert_eq!(pool.calls.iter().next().unwrap().extension.as_deref(), Some("201"));
    }

    #[test]
    fn each_caller_has_a_number_of_its_own_while_they_last_and_then_the_oldest_goes() {
        for size in [1_u32, 2, 7, 300] {
            let (place, mut pool) = (place(size as usize), Emergencies::new(Vec::new(), 3));
            let mut seen = std::collections::BTreeSet::new();
            for n in 0..size {
                let (number, taken) = calls(&mut pool, stamp(1, u64::from(n)), (200 + n, &place));
                assert!(seen.insert(number) && taken.is_none(), "caller {n} of {size}");
            }
            // The same phone again keeps its own, and counts as new from then on.
            let (again, taken) = calls(&mut pool, stamp(1, 1000), (200, &place));
            assert_eq!((again.as_str(), taken), ("+12125550000", None));
            let (next, taken) = calls(&mut pool, stamp(1, 2000), (900, &place));
            let oldest = if size == 1 { 0 } else { 1 };
            assert_eq!(next, format!("+1212555{oldest:04}"));
            assert_eq!(taken, Some(format!("Phone {}", 200 + oldest)));
        }
    }

    #[test]
    fn a_number_is_free_again_after_the_time_to_call_back() {
        let (place, mut pool) = (place(1), Emergencies::new(Vec::new(), 3));
        calls(&mut pool, stamp(1, 0), (201, &place));
        let (number, taken) = calls(&mut pool, stamp(1, 3 * HOUR_MS), (202, &place));
        assert_eq!((number.as_str(), taken), ("+12125550000", None));
    }

    #[test]
    fn an_operator_finds_the_caller_within_the_time_and_across_a_restart() {
        let mut pool = Emergencies::new(Vec::new(), 2);
        pool.keep(call(201, stamp(1, 1000), "+12125550101"));
        pool.keep(call(202, stamp(1, 2000), "+12125550102"));
        let kept: Vec<EmergencyCall> = pool.calls.iter().cloned().collect();
        let restarted = Emergencies::new(kept, 2);
        let after = |hours: u64| Stamp {
            boot: BootId(Uuid::from_u128(2)),
            ..stamp(1, hours * HOUR_MS)
        };
        let found = |digits: &str, at: Stamp| restarted.caller_at(&at, digits).and_then(|call| call.extension.clone());
        assert_eq!(found("12125550101", after(1)).as_deref(), Some("201"));
        assert_eq!(found("12125550102", after(1)).as_deref(), Some("202"));
        assert_eq!(found("12125550103", after(1)), None);
        assert_eq!(found("12125550101", after(3)), None);
        let without_clock = Stamp {
            clock_trusted: false,
            ..after(3)
        };
        assert_eq!(found("12125550101", without_clock).as_deref(), Some("201"));
    }

    #[test]
    fn the_list_is_bounded_and_the_latest_word_on_a_call_counts() {
        let mut pool = Emergencies::new(Vec::new(), 3);
        let first = call(201, stamp(1, 0), "+12125550101");
        assert_eq!(pool.keep(first.clone()), News::First);
        assert_eq!(
            pool.keep(EmergencyCall {
                trunk: None,
                ..first.clone()
            }),
            News::Further
        );
        assert_eq!(pool.of_call(CallId(*first.call.as_bytes())).unwrap().trunk, None);
        for n in 0..2000 {
            pool.keep(call(201, stamp(1, n + 1), "+12125550101"));
        }
        assert_eq!(pool.calls.iter().count(), CallsForHelp::MAX);
    }
}
