//! Text to flow; every fault with its line and a fix.

use std::time::Duration;

use super::{Action, Flow, Got, Habit, Holds, HostedHabit, Order, Sent, State, Step, Who};
use crate::{HostedKind, Way};

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Name of the file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What.
    pub what: String,
    /// How to put it right.
    pub fix: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}; {}", self.file, self.line, self.what, self.fix)
    }
}

type Wrong = (String, String);
type Words<'a> = &'a [&'a str];

/// Expectations without `within` wait this long.
const PATIENCE: Duration = Duration::from_secs(2);
/// What stays to be cleaned up takes transaction timers and port rests.
const CLEANING: Duration = Duration::from_secs(60);
const LINES_MAX: usize = 1000;

/// Reads a flow.
///
/// # Errors
/// Every [`Fault`] of the text, in order.
pub fn parse(file: &str, text: &str) -> Result<Flow, Vec<Fault>> {
    let mut flow = Flow::default();
    let mut faults = Vec::new();
    for (at, line) in text.lines().take(LINES_MAX).enumerate() {
        let content = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = content.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        if let Err((what, fix)) = read_line(&mut flow, at + 1, &words) {
            faults.push(Fault {
                file: file.to_owned(),
                line: at + 1,
                what,
                fix,
            });
        }
    }
    if faults.is_empty() { Ok(flow) } else { Err(faults) }
}

fn read_line(flow: &mut Flow, line: usize, words: Words<'_>) -> Result<(), Wrong> {
    match words {
        ["extension", number, keys @ ..] => flow.extensions.push(((*number).to_owned(), pairs(keys)?)),
        ["trunk", name, keys @ ..] if keys.iter().all(|key| key.contains('=')) => {
            flow.trunks.push(((*name).to_owned(), pairs(keys)?));
        }
        ["hosted", "proxy", keys @ ..] => flow.hosted = Some((HostedKind::Proxy, pairs(keys)?)),
        ["hosted", "b2bua", keys @ ..] => flow.hosted = Some((HostedKind::B2bua, pairs(keys)?)),
        ["operator", number] => flow.operators.push((*number).to_owned()),
        ["class", name, keys @ ..] => flow.classes.push(((*name).to_owned(), pairs(keys)?)),
        ["location", id, keys @ ..] => flow.locations.push(((*id).to_owned(), pairs(keys)?)),
        ["set", key, value] => flow.settings.push(((*key).to_owned(), (*value).to_owned())),
        ["stranger", number] => flow.strangers.push((*number).to_owned()),
        ["unregistered", number] => flow.unregistered.push((*number).to_owned()),
        _ => {
            let (words, at) = timed(words, "at")?;
            let action = action(&words)?;
            flow.steps.push(Step { line, at, action });
        }
    }
    Ok(())
}

fn action(words: Words<'_>) -> Result<Action, Wrong> {
    match words {
        ["wait", time] => Ok(Action::Wait(duration(time)?)),
        ["box", "restarts"] => Ok(Action::Order(Order::Restart)),
        ["hosted", "down"] => Ok(Action::Order(Order::CutHosted)),
        ["hosted", "up"] => Ok(Action::Order(Order::MendHosted)),
        ["hosted", "deaf"] => Ok(Action::Order(Order::HostedTakes(HostedHabit::Deaf))),
        ["hosted", "hears"] => Ok(Action::Order(Order::HostedTakes(HostedHabit::Hears))),
        ["hosted", "forgets"] => Ok(Action::Order(Order::HostedTakes(HostedHabit::Forgets))),
        ["drill", time, canary @ ..] => {
            let canary = canary.iter().map(|name| (*name).to_owned()).collect();
            Ok(Action::Order(Order::Drill(duration(time)?, canary)))
        }
        ["expect", rest @ ..] => expect(rest),
        ["never", rest @ ..] => {
            let (rest, time) = timed(rest, "for")?;
            let [kind, name, "<-", got @ ..] = rest.as_slice() else {
                return Err(unknown(words));
            };
            let time = time.ok_or_else(|| wrong("no time", "add for 3s"))?;
            Ok(Action::Never(who(kind, name)?, got_of(got)?, time))
        }
        [kind, name, "->", sent @ ..] => Ok(Action::Send(who(kind, name)?, sent_of(sent)?)),
        [kind, name, order @ ..] => {
            let who = who(kind, name)?;
            let order = match order {
                ["vanishes"] | ["down"] => Order::Unplug(who),
                ["returns"] | ["up"] => Order::Plug(who),
                ["crashes"] => Order::Crash(who),
                ["never", "acks"] => Order::Takes(who, Habit::NeverAcks),
                ["challenges"] => Order::Takes(who, Habit::Challenges),
                ["knows", "no", "timers"] => Order::Takes(who, Habit::NoTimers),
                ["knows", "prack"] => Order::Takes(who, Habit::Prack),
                _ => return Err(unknown(words)),
            };
            Ok(Action::Order(order))
        }
        _ => Err(unknown(words)),
    }
}

fn expect(words: Words<'_>) -> Result<Action, Wrong> {
    let (words, within) = timed(words, "within")?;
    let patience = within.unwrap_or(PATIENCE);
    let state = match words.as_slice() {
        ["sound", kind, name, other_kind, other] => State::Sound(who(kind, name)?, who(other_kind, other)?),
        ["calls", count] => State::Calls(number(count)?),
        ["records", count] => State::Records(number(count)?),
        ["mode", mode] => State::Mode((*mode).to_owned()),
        ["drill", stage] => State::Drill((*stage).to_owned()),
        ["lines", count] => State::Lines(number(count)?),
        ["record", from, "->", to, outcome] => record((from, to, outcome), None),
        ["record", from, "->", to, outcome, "talk", time] => record((from, to, outcome), Some(duration(time)?)),
        ["registered", kind, name] => State::Registered(who(kind, name)?),
        ["nothing", "left"] => {
            return Ok(Action::State(State::NothingLeft, within.unwrap_or(CLEANING)));
        }
        [kind, name, "<-", got @ ..] => return Ok(Action::Expect(who(kind, name)?, got_of(got)?, patience)),
        _ => return Err(unknown(&words)),
    };
    Ok(Action::State(state, patience))
}

fn number(text: &str) -> Result<usize, Wrong> {
    let fault = |_| wrong(&format!("{text} is not a number"), "write a number such as 2");
    text.parse().map_err(fault)
}

fn record((from, to, outcome): (&str, &str, &str), talk: Option<Duration>) -> State {
    State::Record {
        from: from.to_owned(),
        to: to.to_owned(),
        outcome: outcome.to_owned(),
        talk,
    }
}

fn sent_of(words: Words<'_>) -> Result<Sent, Wrong> {
    match words {
        ["INVITE", to, more @ ..] => {
            let (mut late, mut from, mut replacing, mut headers) = (false, None, None, Vec::new());
            let mut more = more;
            while let [word, rest @ ..] = more {
                more = match (*word, rest) {
                    ("late", rest) => {
                        late = true;
                        rest
                    }
                    ("from", [number, rest @ ..]) => {
                        from = Some((*number).to_owned());
                        rest
                    }
                    ("replacing", [number, rest @ ..]) => {
                        replacing = Some((*number).to_owned());
                        rest
                    }
                    ("with", [name, value, rest @ ..]) => {
                        headers.push(((*name).to_owned(), (*value).to_owned()));
                        rest
                    }
                    _ => {
                        return Err(wrong(
                            &format!("{word} after INVITE"),
                            "write late, from NUMBER, replacing NUMBER or with HEADER VALUE",
                        ));
                    }
                };
            }
            Ok(Sent::Invite {
                to: (*to).to_owned(),
                late,
                from,
                replacing,
                headers,
            })
        }
        ["BYE" | "CANCEL"] => Ok(Sent::End),
        ["HOLD"] => Ok(Sent::Change(Way::SendOnly)),
        ["INACTIVE"] => Ok(Sent::Change(Way::Inactive)),
        ["RESUME"] => Ok(Sent::Change(Way::SendRecv)),
        ["REFER", to] => Ok(Sent::Refer((*to).to_owned())),
        ["JOIN"] => Ok(Sent::Join),
        ["INFO", key] => Ok(Sent::Key(key.chars().next().unwrap_or('0'))),
        ["REGISTER"] => Ok(Sent::Register),
        [status, ..] => match status.parse::<u16>() {
            Ok(status) if (180..700).contains(&status) => Ok(Sent::Status(status)),
            Ok(_) | Err(_) => Err(wrong(
                &format!("{status} cannot be sent"),
                "write INVITE NUMBER, BYE, CANCEL, HOLD, RESUME, INACTIVE, REFER NUMBER, JOIN, INFO KEY, REGISTER or a status",
            )),
        },
        [] => Err(wrong("nothing is sent", "name a method or a status after ->")),
    }
}

fn got_of(words: Words<'_>) -> Result<Got, Wrong> {
    const METHODS: [&str; 12] = [
        "INVITE",
        "re-INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "INFO",
        "NOTIFY",
        "UPDATE",
        "MESSAGE",
        "OPTIONS",
        "REGISTER",
        "PRACK",
    ];
    match words {
        [method, holds @ ..] if METHODS.contains(method) => Ok(Got::Request((*method).to_owned(), holds_of(holds)?)),
        [status, more @ ..] => {
            let number = status.parse::<u16>();
            let fits = number.ok().filter(|number| (100..700).contains(number));
            let number = fits.ok_or_else(|| {
                wrong(
                    &format!("{status} is neither a method nor a status"),
                    "write a method such as BYE, or 100 to 699",
                )
            })?;
            Ok(if more == ["sdp"] {
                Got::Described(number)
            } else {
                Got::Status(number)
            })
        }
        [] => Err(wrong("nothing is expected", "name a method or a status after <-")),
    }
}

fn holds_of(mut words: Words<'_>) -> Result<Vec<Holds>, Wrong> {
    let mut holds = Vec::new();
    loop {
        words = match words {
            [] => return Ok(holds),
            ["with", name, value, rest @ ..] => {
                holds.push(Holds::With((*name).to_owned(), (*value).to_owned()));
                rest
            }
            ["without", name, rest @ ..] => {
                holds.push(Holds::Without((*name).to_owned()));
                rest
            }
            [word, ..] => {
                return Err(wrong(
                    &format!("{word} after a method"),
                    "write with HEADER TEXT or without HEADER",
                ));
            }
        };
    }
}

fn who(kind: &str, name: &str) -> Result<Who, Wrong> {
    let kind = match kind {
        "phone" => "phone",
        "trunk" => "trunk",
        "operator" => "operator",
        other => {
            return Err(wrong(
                &format!("{other} is nobody"),
                "begin with phone NUMBER, trunk NAME or operator NUMBER",
            ));
        }
    };
    Ok(Who {
        kind,
        name: name.to_owned(),
    })
}

/// Cuts `word TIME` off the end.
fn timed<'a>(words: Words<'a>, word: &str) -> Result<(Vec<&'a str>, Option<Duration>), Wrong> {
    match words {
        [before @ .., last, time] if *last == word => Ok((before.to_vec(), Some(duration(time)?))),
        _ => Ok((words.to_vec(), None)),
    }
}

fn duration(text: &str) -> Result<Duration, Wrong> {
    let fault = || wrong(&format!("{text} is no time"), "write 200ms, 3s or 2min");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| fault())?;
    let ms = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "min" => number.checked_mul(60_000),
        _ => None,
    };
    ms.filter(|ms| *ms <= 86_400_000)
        .map(Duration::from_millis)
        .ok_or_else(fault)
}

fn pairs(words: Words<'_>) -> Result<Vec<(String, String)>, Wrong> {
    let pair = |word: &&str| {
        let (key, value) = word
            .split_once('=')
            .ok_or_else(|| wrong(&format!("{word} has no ="), "write key=value"))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    words.iter().map(pair).collect()
}

fn unknown(words: Words<'_>) -> Wrong {
    wrong(
        &format!("\"{}\" is no step", words.join(" ")),
        "see LADDERS.md for the verbs",
    )
}

fn wrong(what: &str, fix: &str) -> Wrong {
    (what.to_owned(), fix.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_cannot_be_read_is_told_with_its_number_and_a_fix() {
        let cases = [
            ("phone 201 -> DANCE", "DANCE cannot be sent"),
            ("phone 201 -> INVITE 202 at noon", "noon is no time"),
            ("expect phone 201 <- 99", "99 is neither a method nor a status"),
            ("fax 201 -> BYE", "fax is nobody"),
            ("extension 201 name", "name has no ="),
            ("never phone 201 <- BYE", "no time"),
            ("expect phone 201 <- BYE at once", "once is no time"),
            ("expect phone 201 <- BYE having Reason", "having after a method"),
            ("phone 201 sleeps", "\"phone 201 sleeps\" is no step"),
        ];
        for (text, what) in cases {
            let faults = parse("a.ladder", &format!("\n# comment\n{text}\n")).unwrap_err();
            assert_eq!((faults.len(), faults[0].line, faults[0].what.as_str()), (1, 3, what));
            assert!(!faults[0].fix.is_empty());
        }
    }

    #[test]
    fn a_flow_reads_as_it_is_written() {
        let flow = parse(
            "a",
            "extension 201 max_calls=1\nphone 201 -> INVITE 202 late at 300ms # rings\n",
        )
        .unwrap();
        assert_eq!(
            flow.extensions,
            [("201".to_owned(), vec![("max_calls".to_owned(), "1".to_owned())])]
        );
        let invite = Sent::Invite {
            to: "202".into(),
            late: true,
            from: None,
            replacing: None,
            headers: Vec::new(),
        };
        let who = Who {
            kind: "phone",
            name: "201".into(),
        };
        let at = Some(Duration::from_millis(300));
        assert_eq!(
            flow.steps,
            [Step {
                line: 2,
                at,
                action: Action::Send(who, invite)
            }]
        );
    }
}
