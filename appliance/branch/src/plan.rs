//! What routing decided becomes attempts.

use branchline_call::Attempt;
use branchline_config::Extension;
use branchline_journal::Direction;
use branchline_route::{Caller, Decision, Request, Why};

use crate::Branch;
use crate::echo::ECHO;
use crate::hosted::HostedTarget;
use crate::legs::Party;
use crate::targets::{Diversion, Target, Urgency, divert};

/// Where a call goes.
pub(crate) struct Plan {
    pub(crate) attempts: Vec<Attempt<Target>>,
    pub(crate) direction: Direction,
    pub(crate) urgency: Urgency,
    pub(crate) normalised: String,
}

impl Branch {
    pub(crate) fn caller(&self, party: &Party) -> Caller {
        match party {
            Party::Extension(number) => Extension::new(number).map_or(Caller::Unknown, Caller::Extension),
            Party::Trunk(name) => Caller::Trunk(name.clone()),
            Party::Hosted(line) => Extension::new(line).map_or(Caller::Unknown, Caller::Hosted),
            Party::Stranger => Caller::Unknown,
        }
    }

    /// What to try for a number, forwards of the called extension included.
    pub(crate) fn plan(&self, request: &Request<'_>) -> Result<Plan, Why> {
        let inside = match request.from {
            Caller::Trunk(_) | Caller::Hosted(_) => Direction::Inbound,
            Caller::Extension(_) | Caller::Unknown => Direction::Internal,
        };
        self.plan_for(
            request,
            branchline_route::decide(request, &self.tables, self.legs.state()),
            inside,
        )
    }

    fn plan_for(&self, request: &Request<'_>, decision: Decision, inside: Direction) -> Result<Plan, Why> {
        let plan = |attempts, direction, normalised| Plan {
            attempts,
            direction,
            urgency: Urgency::Ordinary,
            normalised,
        };
        match decision {
            Decision::Hosted {
                line,
                number,
                otherwise,
            } => {
                let alone = self.plan_for(request, *otherwise, inside);
                let alone = alone.unwrap_or_else(|_| plan(Vec::new(), Direction::Outbound, number.clone()));
                let line = line.as_str().to_owned();
                let target = HostedTarget {
                    line,
                    number,
                    urgency: Urgency::Ordinary,
                };
                let attempts = self.hosted_attempts(target, alone.attempts);
                Ok(Plan { attempts, ..alone })
            }
            Decision::Extension(extension) => {
                let attempts = self.extension_attempts(&extension, request.forwards);
                Ok(plan(attempts, inside, extension.as_str().to_owned()))
            }
            Decision::Trunks { attempts, number, .. } => {
                let mut attempts = self.trunk_attempts(attempts);
                if let Caller::Trunk(_) = request.from {
                    divert(&mut attempts, &Diversion::of_number(request.dialled));
                }
                Ok(plan(attempts, Direction::Outbound, number.as_str().to_owned()))
            }
            Decision::Emergency { attempts, number } => Ok(Plan {
                attempts: Self::help_attempts(&attempts),
                direction: Direction::Outbound,
                urgency: Urgency::Emergency,
                normalised: number,
            }),
            Decision::Echo => Ok(plan(Self::echo_attempts(), inside, ECHO.to_owned())),
            Decision::Refuse { why: Why::Busy, .. } => {
                let forwarded = self.forward_when_full(request).ok_or(Why::Busy)?;
                let mut plan = self.plan(&forwarded.request())?;
                forwarded.mark(&mut plan.attempts);
                Ok(plan)
            }
            Decision::Refuse { why, .. } => Err(why),
        }
    }

    /// Attempts for a number, as a transfer or a forward of `from` would dial it.
    pub(crate) fn attempts_for(&self, request: &Request<'_>) -> Result<Vec<Attempt<Target>>, Why> {
        self.plan(request).map(|plan| plan.attempts)
    }
}
