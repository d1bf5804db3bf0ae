//! The decision: where a call goes, or why it goes nowhere.

use std::collections::{BTreeMap, BTreeSet};

use branchline_config::{Extension, ExtensionEntry, Kind};

use crate::dialled::Dialled;
use crate::emergency::{self, HelpAttempt, emergency_number};
use crate::inbound;
use crate::number::{Number, NumberFault, kind_of, normalise};
use crate::outbound::{self, Outbound, TrunkAttempt};
use crate::tables::Tables;

/// Forwards in a row before a call is taken for a loop.
pub const FORWARDS_MAX: u8 = 5;

/// Who calls, as authenticated by the caller of [`decide`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A telephone of this box, or one that forwards.
    Extension(Extension),
    /// A trunk by name.
    Trunk(String),
    /// The hosted PBX, for the line of this extension.
    Hosted(Extension),
    /// Nobody we know; may call the emergency services and nothing else.
    Unknown,
}

/// Whether a call goes round in circles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loop {
    /// The request passes here for the first time.
    Clear,
    /// It comes from the hosted PBX.
    FromHosted,
    /// It was here before, more than once.
    Seen,
}

/// One call to be routed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Who calls.
    pub from: Caller,
    /// User part or whole URI of the request.
    pub dialled: &'a str,
    /// Whether it goes round.
    pub looped: Loop,
    /// How often this call was forwarded already.
    pub forwards: u8,
}

impl<'a> Request<'a> {
    /// A first call that was never here before.
    pub fn new(from: Caller, dialled: &'a str) -> Request<'a> {
        Request {
            from,
            dialled,
            looped: Loop::Clear,
            forwards: 0,
        }
    }
}

/// How a trunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrunkState {
    /// Registered where it has to be, and answering OPTIONS.
    pub up: bool,
    /// Calls in progress.
    pub calls: u32,
}

/// How much the box lets its extensions do; emergencies are never asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Service {
    /// What their class of service allows.
    #[default]
    Full,
    /// Only what `[storage] class_while_degraded` allows as well.
    Restricted,
}

/// What changes while the box runs. Bounded by the number of configured trunks and extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// By name; an absent trunk counts as down and idle.
    pub trunks: BTreeMap<String, TrunkState>,
    /// Calls in progress by extension number; absent is none.
    pub extension_calls: BTreeMap<String, u32>,
    /// Restricted while the call database fails.
    pub service: Service,
    /// Extensions whose calls the hosted PBX routes now; none while it is lost.
    pub hosted_lines: BTreeSet<String>,
}

/// Where the call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Ring this extension.
    Extension(Extension),
    /// Try these trunks in order.
    Trunks {
        /// Never empty.
        attempts: Vec<TrunkAttempt>,
        /// What was called, for the record.
        number: Number,
        /// What it costs.
        kind: Kind,
    },
    /// Try these ways out in order, past every limit.
    Emergency {
        /// Empty only when neither a trunk nor a line of the hosted PBX is configured.
        attempts: Vec<HelpAttempt>,
        /// What is sent.
        number: String,
    },
    /// Ask the hosted PBX; where it cannot be reached, do as the branch would alone.
    Hosted {
        /// Whose line the call goes out on.
        line: Extension,
        /// As it was dialled.
        number: String,
        /// What the branch would do alone; never emergency, echo or hosted.
        otherwise: Box<Decision>,
    },
    /// Play back what is said.
    Echo,
    /// Answer with this status.
    Refuse {
        /// SIP status.
        status: u16,
        /// Cause of the Reason header (ITU-T Q.850).
        q850: u8,
        /// For the log and the record.
        why: Why,
    },
}

/// Why a call goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Not an extension, not a number.
    #[error("no such number")]
    UnknownNumber,
    /// Digits are missing, or the area code is.
    #[error("the number is incomplete")]
    Incomplete,
    /// The caller's class of service.
    #[error("the class of service does not allow it")]
    ClassOfService,
    /// The caller is not known.
    #[error("the caller is not known")]
    UnknownCaller,
    /// Routes are configured and none fits.
    #[error("no route fits the number")]
    NoRoute,
    /// No trunk is configured for it.
    #[error("no trunk is configured")]
    NoTrunk,
    /// Every trunk has its limit of calls.
    #[error("every trunk is at its limit")]
    TrunksFull,
    /// The extension has its limit of calls.
    #[error("the extension is busy")]
    Busy,
    /// The call was here before.
    #[error("the call loops")]
    Loop,
    /// Forwarded too often.
    #[error("the call was forwarded too often")]
    TooManyForwards,
}

impl Why {
    /// SIP status and Q.850 cause.
    pub fn codes(self) -> (u16, u8) {
        match self {
            Why::UnknownNumber => (404, 1),
            Why::Incomplete => (484, 28),
            Why::ClassOfService | Why::UnknownCaller => (403, 21),
            Why::NoRoute => (404, 3),
            Why::NoTrunk => (503, 38),
            Why::TrunksFull => (503, 34),
            Why::Busy => (486, 17),
            Why::Loop => (482, 25),
            Why::TooManyForwards => (483, 25),
        }
    }

    pub(crate) fn refuse(self) -> Decision {
        let (status, q850) = self.codes();
        Decision::Refuse {
            status,
            q850,
            why: self,
        }
    }
}

/// Routes one call. Pure: no clock, no randomness, nothing remembered.
pub fn decide(request: &Request<'_>, tables: &Tables, state: &State) -> Decision {
    match &request.from {
        Caller::Trunk(name) => match loop_fault(request) {
            Some(why) => why.refuse(),
            None => inbound::decide(name, request.dialled, (tables, state)),
        },
        Caller::Hosted(line) => match (loop_fault(request), tables.extension(line.as_str())) {
            (Some(why), _) => why.refuse(),
            (None, Some(called)) => ring(called, state),
            (None, None) => Why::UnknownNumber.refuse(),
        },
        Caller::Extension(number) => {
            let caller = tables.extension(number.as_str());
            let alone = from_inside(request, caller, (tables, state));
            match caller.filter(|_| state.hosted_lines.contains(number.as_str())) {
                Some(caller) if goes_to_hosted(request, &alone) => hosted((caller, request), alone, (tables, state)),
                Some(_) | None => alone,
            }
        }
        Caller::Unknown => from_inside(request, None, (tables, state)),
    }
}

/// The hosted PBX knows numbers that the branch does not; but calls for help, and what the site forbids, stay here.
fn goes_to_hosted(request: &Request<'_>, alone: &Decision) -> bool {
    match alone {
        Decision::Emergency { .. } | Decision::Echo | Decision::Hosted { .. } => false,
        // The hosted PBX would bring a forward inside the branch back, and it would be forwarded again.
        Decision::Extension(_) => request.forwards == 0,
        Decision::Trunks { .. } => true,
        Decision::Refuse { why: Why::Busy, .. } if request.forwards > 0 => false,
        Decision::Refuse { why, .. } => match why {
            Why::ClassOfService | Why::UnknownCaller | Why::Loop | Why::TooManyForwards => false,
            Why::UnknownNumber | Why::Incomplete | Why::NoRoute | Why::NoTrunk | Why::TrunksFull | Why::Busy => true,
        },
    }
}

fn hosted(
    (caller, request): (&ExtensionEntry, &Request<'_>),
    alone: Decision,
    (tables, state): (&Tables, &State),
) -> Decision {
    let is_unknown_here = matches!(
        &alone,
        Decision::Refuse {
            why: Why::UnknownNumber | Why::Incomplete,
            ..
        }
    );
    // Everything else has been held to the class of service already.
    if is_unknown_here && !may_mean(caller, request.dialled, (tables, state.service)) {
        return Why::ClassOfService.refuse();
    }
    Decision::Hosted {
        line: caller.number.clone(),
        number: request.dialled.to_owned(),
        otherwise: Box::new(alone),
    }
}

/// Whether the caller may call what the hosted PBX can take digits for that the branch has no place for.
fn may_mean(caller: &ExtensionEntry, dialled: &str, (tables, service): (&Tables, Service)) -> bool {
    // A name has no price.
    let Some(dialled) = Dialled::new(dialled) else {
        return true;
    };
    let number = normalise(&dialled, tables.home()).ok();
    let is_service = matches!(number, Some(Number::Short(_)));
    let kind = match &number {
        _ if !is_service && dialled.bare().len() <= ELSEWHERE_DIGITS_MAX => Kind::Internal,
        Some(number) => kind_of(number, tables.home()),
        None if service == Service::Full => return true,
        // What is not known may cost most.
        None => Kind::Premium,
    };
    let written = number.as_ref().map_or(dialled.digits.as_str(), Number::as_str);
    tables.permits(caller, service, (kind, &[written, &dialled.digits]))
}

fn from_inside(request: &Request<'_>, caller: Option<&ExtensionEntry>, (tables, state): (&Tables, &State)) -> Decision {
    // First of all: nothing below may refuse an emergency call.
    if let Some(number) = emergency_number(request.dialled, tables) {
        return emergency::decide(number, (request, caller), (tables, state));
    }
    if let Some(why) = loop_fault(request) {
        return why.refuse();
    }
    let Some(caller) = caller else {
        return Why::UnknownCaller.refuse();
    };
    let Some(dialled) = Dialled::new(request.dialled) else {
        return Why::UnknownNumber.refuse();
    };
    if is_test_number(&dialled, tables) {
        return Decision::Echo;
    }
    if let Some(called) = tables.extension(&dialled.digits) {
        let allowed = tables.permits(caller, state.service, (Kind::Internal, &[&dialled.digits]));
        return if allowed {
            ring(called, state)
        } else {
            Why::ClassOfService.refuse()
        };
    }
    match without_prefix(dialled, tables) {
        Some(dialled) => outbound::decide(
            &Outbound {
                dialled: &dialled,
                caller,
            },
            tables,
            state,
        ),
        None => Why::UnknownNumber.refuse(),
    }
}

/// Rings an extension unless it has its limit of calls.
pub(crate) fn ring(called: &ExtensionEntry, state: &State) -> Decision {
    let calls = state.extension_calls.get(called.number.as_str()).copied().unwrap_or(0);
    if calls >= called.max_calls {
        Why::Busy.refuse()
    } else {
        Decision::Extension(called.number.clone())
    }
}

fn loop_fault(request: &Request<'_>) -> Option<Why> {
    match request.looped {
        Loop::Seen => Some(Why::Loop),
        Loop::Clear | Loop::FromHosted if request.forwards > FORWARDS_MAX => Some(Why::TooManyForwards),
        Loop::Clear | Loop::FromHosted => None,
    }
}

fn is_test_number(dialled: &Dialled, tables: &Tables) -> bool {
    let after_prefix = tables
        .outside_prefix()
        .and_then(|prefix| dialled.digits.strip_prefix(prefix));
    let test_number = tables.emergency().test_number.as_deref();
    test_number.is_some() && (test_number == Some(dialled.digits.as_str()) || test_number == after_prefix)
}

/// Outside numbers need the outside prefix where there is one; an international + replaces it.
fn without_prefix(dialled: Dialled, tables: &Tables) -> Option<Dialled> {
    match tables.outside_prefix() {
        Some(prefix) if !dialled.digits.starts_with('+') => {
            let digits = dialled.digits.strip_prefix(prefix)?.to_owned();
            Some(Dialled {
                digits,
                context: dialled.context,
            })
        }
        Some(_) | None => Some(dialled),
    }
}

/// Digits of telephones and features of the hosted PBX; more may be a subscriber somewhere.
const ELSEWHERE_DIGITS_MAX: usize = 6;

impl From<NumberFault> for Why {
    fn from(fault: NumberFault) -> Why {
        match fault {
            NumberFault::TooShort | NumberFault::NoAreaCode => Why::Incomplete,
            NumberFault::NotANumber | NumberFault::TooLong => Why::UnknownNumber,
        }
    }
}
