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
pub(crate) struct Course {
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
    pub(crate) fn course(&self, request: &Request<'_>) -> Result<Course, Why> {
        let inside = match request.from {
            Caller::Trunk(_) | Caller::Hosted(_) => Direction::Inbound,
            Caller::Extension(_) | Caller::Unknown => Direction::Internal,
        };
        self.course_for(
            request,
            branchline_route::decide(request, &self.tables, self.legs.state()),
            inside,
        )
    }

    fn course_for(&self, request: &Request<'_>, decision: Decision, inside: Direction) -> Result<Course, Why> {
        let course = |attempts, direction, normalised| Course {
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
                let alone = self.course_for(request, *otherwise, inside);
                let alone = alone.unwrap_or_else(|_| course(Vec::new(), Direction::Outbound, number.clone()));
                let line = line.as_str().to_owned();
                let target = HostedTarget {
                    line,
                    number,
                    urgency: Urgency::Ordinary,
                };
                let attempts = self.hosted_attempts(target, alone.attempts);
                Ok(Course { attempts, ..alone })
            }
            Decision::Extension(extension) => {
                let attempts = self.extension_attempts(&extension, request.forwards);
                Ok(course(attempts, inside, extension.as_str().to_owned()))
            }
            Decision::Trunks { attempts, number, .. } => {
                let mut attempts = self.trunk_attempts(attempts);
                if let Caller::Trunk(_) = request.from {
                    divert(&mut attempts, &Diversion::of_number(request.dialled));
                }
                Ok(course(attempts, Direction::Outbound, number.as_str().to_owned()))
            }
            Decision::Emergency { attempts, number } => Ok(Course {
                attempts: Self::help_attempts(&attempts),
                direction: Direction::Outbound,
                urgency: Urgency::Emergency,
                normalised: number,
            }),
            Decision::Echo => Ok(course(Self::echo_attempts(), inside, ECHO.to_owned())),
            Decision::Refuse { why: Why::Busy, .. } => {
                let forwarded = self.forward_when_full(request).ok_or(Why::Busy)?;
                let mut course = self.course(&forwarded.request())?;
                forwarded.mark(&mut course.attempts);
                Ok(course)
            }
            Decision::Refuse { why, .. } => Err(why),
        }
    }

    /// Attempts for a number, as a transfer or a forward of `from` would dial it.
    pub(crate) fn attempts_for(&self, request: &Request<'_>) -> Result<Vec<Attempt<Target>>, Why> {
        self.course(request).map(|course| course.attempts)
    }
}
