//! Whether the box serves its telephones worse than before.

use serde::{Deserialize, Serialize};

use crate::vitals::{TestCall, Vitals};

/// How the box was under the version before; what is absent is not asked of the new one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Before {
    /// What the daemon said, if it ran.
    pub vitals: Option<Vitals>,
    /// The test call, if one could be made.
    pub test_call: Option<TestCall>,
}

/// What is worse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Worse {
    /// Telephones.
    #[error("{now} extensions are registered, {before} were before")]
    Registrations {
        /// Now.
        now: u32,
        /// Under the old version.
        before: u32,
    },
    /// Ways out.
    #[error("{now} trunks are up, {before} were before")]
    Trunks {
        /// Now.
        now: u32,
        /// Under the old version.
        before: u32,
    },
    /// Records.
    #[error("the call database was in order before and is not now")]
    Database,
    /// No call.
    #[error("the test call failed: {0}")]
    TestCall(String),
    /// A bad call.
    #[error("{now} % of the test call's sound was lost, {before} % were before")]
    Sound {
        /// Now, in per cent.
        now: u32,
        /// Under the old version, in per cent.
        before: u32,
    },
    /// A call without a record.
    #[error("the test call is not in the call database")]
    Record,
}

/// A busy box loses a packet or two of a second of sound now and then.
const LOST_MORE_PERCENT: u32 = 5;

impl Before {
    /// What the vitals of now have worse.
    pub fn against(&self, now: &Vitals) -> Result<(), Worse> {
        let Some(before) = &self.vitals else { return Ok(()) };
        if now.registrations < before.registrations {
            return Err(Worse::Registrations {
                now: now.registrations,
                before: before.registrations,
            });
        }
        if now.trunks_up < before.trunks_up {
            return Err(Worse::Trunks {
                now: now.trunks_up,
                before: before.trunks_up,
            });
        }
        match before.database_normal && !now.database_normal {
            true => Err(Worse::Database),
            false => Ok(()),
        }
    }

    /// What a test call of now has worse.
    pub fn against_call(&self, now: &Result<TestCall, String>) -> Result<(), Worse> {
        let Some(before) = &self.test_call else { return Ok(()) };
        let now = now.as_ref().map_err(|why| Worse::TestCall(why.clone()))?;
        let (lost_now, lost_before) = (now.lost_percent(), before.lost_percent());
        if lost_now > lost_before + LOST_MORE_PERCENT {
            return Err(Worse::Sound {
                now: lost_now,
                before: lost_before,
            });
        }
        match before.recorded && !now.recorded {
            true => Err(Worse::Record),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worse_is_named_and_what_was_absent_before_is_not_asked_for() {
        let vitals = Vitals {
            registrations: 3,
            trunks_up: 1,
            database_normal: true,
            ..Vitals::default()
        };
        let call = TestCall {
            sent: 50,
            returned: 49,
            round_trip_us: 400,
            recorded: true,
        };
        let before = Before {
            vitals: Some(vitals.clone()),
            test_call: Some(call.clone()),
        };
        assert_eq!(before.against(&vitals), Ok(()));
        let worse = |change: fn(&mut Vitals)| {
            let mut now = vitals.clone();
            change(&mut now);
            before.against(&now)
        };
        assert_eq!(worse(|now| now.registrations = 4), Ok(()));
        assert_eq!(
            worse(|now| now.registrations = 2),
            Err(Worse::Registrations { now: 2, before: 3 })
        );
        assert_eq!(worse(|now| now.trunks_up = 0), Err(Worse::Trunks { now: 0, before: 1 }));
        assert_eq!(worse(|now| now.database_normal = false), Err(Worse::Database));

        let called = |returned, recorded| {
            before.against_call(&Ok(TestCall {
                returned,
                recorded,
                ..call.clone()
            }))
        };
        assert_eq!(called(47, true), Ok(()));
        assert_eq!(called(40, true), Err(Worse::Sound { now: 20, before: 2 }));
        assert_eq!(called(50, false), Err(Worse::Record));
        assert_eq!(
            before.against_call(&Err("busy".into())),
            Err(Worse::TestCall("busy".into()))
        );

        let nothing = Before::default();
        assert_eq!(nothing.against(&Vitals::default()), Ok(()));
        assert_eq!(nothing.against_call(&Err("busy".into())), Ok(()));
    }
}
