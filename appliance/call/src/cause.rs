//! Why a leg failed or ended, in both vocabularies: SIP status and Q.850 cause (RFC 3398 section 7.2 and 8.2.6.1).

/// A SIP status with the Q.850 cause that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// SIP status; 200 for a normal clearing.
    pub status: u16,
    /// ITU-T Q.850 cause, 1 to 127.
    pub q850: u8,
}

/// What kind of failure it is, for the choice of what to try next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The party is there and takes no call now.
    Busy,
    /// It rang and nobody answered.
    NoAnswer,
    /// Nothing there could take the call: no route, no reply, a failed server.
    Unreachable,
    /// The party or a policy said no; nobody else should be tried.
    Refused,
    /// The call was wound up in the ordinary way.
    Cleared,
}

impl Cause {
    /// Ordinary hang-up.
    pub const CLEARED: Cause = Cause { status: 200, q850: 16 };
    /// The caller gave up.
    pub const CANCELLED: Cause = Cause { status: 487, q850: 16 };
    /// The called party hung up before the caller heard its answer.
    pub const UNHEARD: Cause = Cause { status: 480, q850: 16 };
    /// Another phone took the call.
    pub const ANSWERED_ELSEWHERE: Cause = Cause { status: 200, q850: 26 };
    /// Rang without an answer.
    pub const NO_ANSWER: Cause = Cause { status: 480, q850: 19 };
    /// Engaged.
    pub const BUSY: Cause = Cause { status: 486, q850: 17 };
    /// No phone is registered for the number.
    pub const NOT_REGISTERED: Cause = Cause { status: 480, q850: 20 };
    /// The media stopped.
    pub const MEDIA_LOST: Cause = Cause { status: 500, q850: 31 };
    /// It gave its channel to a call for help (ITU-T Q.850 cause 8).
    pub const PREEMPTED: Cause = Cause { status: 503, q850: 8 };
    /// No media port, no memory, no slot.
    pub const NO_RESOURCE: Cause = Cause { status: 503, q850: 47 };
    /// The two sides share no codec.
    pub const NOT_ACCEPTABLE: Cause = Cause { status: 488, q850: 65 };

    /// The cause for a SIP final status.
    pub fn of_status(status: u16) -> Cause {
        let q850 = match status {
            200..=299 => 16,
            401 | 402 | 403 | 407 | 603 | 608 => 21,
            404 | 604 => 1,
            405 => 63,
            406 | 415 | 488 | 606 => 65,
            408 | 504 => 102,
            410 => 22,
            413 | 414 | 416 | 420 | 421 | 423 | 505 | 513 => 127,
            480 => 18,
            481 | 500 => 41,
            482 | 483 => 25,
            484 => 28,
            485 => 1,
            486 | 600 => 17,
            487 => 16,
            501 => 79,
            502 => 38,
            503 => 41,
            580 => 47,
            _ => 31,
        };
        Cause { status, q850 }
    }

    /// The cause for a Q.850 value from a Reason header or an analog line.
    pub fn of_q850(q850: u8) -> Cause {
        let status = match q850 {
            16 | 26 | 31 => 480,
            1..=3 => 404,
            17 => 486,
            18 => 408,
            19 | 20 => 480,
            21 => 403,
            22 => 410,
            27 | 38 | 41 | 42 | 47 | 34 => 503,
            28 => 484,
            55 | 57 | 58 => 403,
            65 | 70 | 79 | 87 | 88 => 488,
            102 => 504,
            _ => 500,
        };
        Cause { status, q850 }
    }

    /// The same status with a Q.850 cause the far end named itself.
    pub fn with_q850(self, q850: Option<u8>) -> Cause {
        match q850 {
            Some(q850 @ 1..=127) => Cause { q850, ..self },
            Some(_) | None => self,
        }
    }

    /// The kind of failure.
    pub fn class(self) -> Class {
        match self.status {
            200..=299 | 487 => Class::Cleared,
            486 | 600 => Class::Busy,
            480 if self.q850 == 20 => Class::Unreachable,
            480 => Class::NoAnswer,
            408 | 404 | 410 | 500..=599 => Class::Unreachable,
            _ => Class::Refused,
        }
    }

    /// There was no free channel on the way (Q.850 causes 34, 42, 44 and 47), or nobody could say more than that.
    pub fn is_congestion(self) -> bool {
        matches!(self.q850, 17 | 34 | 42 | 44 | 47) || matches!(self.status, 480 | 486 | 500 | 503 | 600)
    }

    /// Which of two failures tells the caller more; the higher wins. 6xx ends the search (RFC 3261 section 16.7).
    pub(crate) fn rank(self) -> u8 {
        match self.status {
            600..=699 => 9,
            486 => 8,
            480 => 7,
            401 | 403 | 407 | 415 | 420 | 484 | 488 => 6,
            400..=403 | 405..=407 | 409..=479 | 481..=499 => 5,
            404 => 4,
            408 => 3,
            _ => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_map_to_the_q850_causes_of_rfc_3398() {
        for (status, q850) in [
            (404, 1),
            (486, 17),
            (480, 18),
            (403, 21),
            (484, 28),
            (503, 41),
            (488, 65),
            (408, 102),
            (603, 21),
        ] {
            assert_eq!(Cause::of_status(status).q850, q850, "status {status}");
        }
    }

    #[test]
    fn q850_causes_map_back_to_statuses() {
        for (q850, status) in [
            (1, 404),
            (17, 486),
            (18, 408),
            (19, 480),
            (21, 403),
            (28, 484),
            (34, 503),
            (88, 488),
            (102, 504),
        ] {
            assert_eq!(Cause::of_q850(q850).status, status, "cause {q850}");
        }
    }

    #[test]
    fn a_phone_without_registration_is_unreachable_and_a_silent_one_does_not_answer() {
        assert_eq!(Cause::NOT_REGISTERED.class(), Class::Unreachable);
        assert_eq!(Cause::NO_ANSWER.class(), Class::NoAnswer);
    }
}
