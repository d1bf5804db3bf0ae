//! Power cuts under load: what the callers counted, compared with the records.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::Value;

use super::Plan;
use crate::board::Board;
use crate::report::Figure;
use crate::rig::Office;
use crate::{Fault, clock};

const SEED: u64 = 1;
/// What happened so long before a cut must be remembered: the journal is flushed within a second.
const SETTLED: Duration = Duration::from_secs(2);
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
const DURATION_ERROR_MAX: Duration = Duration::from_secs(1);
/// The database takes over what the journal has after a cut.
const RECORDS_WITHIN: Duration = Duration::from_secs(60);

/// One call as its caller knows it.
struct Placed {
    answered: Instant,
    /// From the answer until it hung up; `None` where power was cut first.
    talked: Option<(Instant, Duration)>,
}

#[derive(Default)]
struct Count {
    placed: usize,
    answered: usize,
    settled: usize,
    missing: usize,
    twice: usize,
    longest_error: Duration,
}

pub(super) fn cuts(board: &mut Board, plan: &Plan) -> Result<Vec<Figure>, Fault> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut count = Count::default();
    let mut office = board.office()?;
    office.register_all()?;
    let mut known = BTreeSet::new();
    new_records(board, &mut known, 0)?;
    for _ in 0..plan.cuts {
        let after = Duration::from_millis(u64::from(3000 + random.next_u32() % 5000));
        let began = clock::now();
        let (attempts, placed) = load(&mut office, after, &mut random);
        board.power_cut()?;
        let cut = clock::now();
        drop(office);
        board.in_service()?;
        let settled: Vec<&Placed> = placed.iter().filter(|call| call.answered + SETTLED < cut).collect();
        let new = new_records(board, &mut known, settled.len())?;
        count.add(&settled, &new, (attempts, placed.len()));
        (plan.tell)(&count.told(began));
        // Registrations outlive the cut: nobody registers again.
        office = board.office()?;
    }
    let mut figures = count.figures(plan.cuts);
    let last = office.call(0, 1, ANSWERED_WITHIN);
    let last = last.map(|took| format!("answered after {} ms", took.as_millis()));
    figures.push(Figure::outcome(
        "a call after the last cut, without a new registration",
        last.ok_or_else(|| office.refusals.join("; ")),
    ));
    office.hang_up(0);
    Ok(figures)
}

/// Short calls one after the other, until power is to be cut: between calls, while one is set up, in one.
fn load(office: &mut Office, time: Duration, random: &mut ChaCha8Rng) -> (usize, Vec<Placed>) {
    let end = clock::now() + time;
    let left = || end.saturating_duration_since(clock::now());
    let (mut attempts, mut placed) = (0, Vec::new());
    while !left().is_zero() {
        attempts += 1;
        if office.call(0, 1, left()).is_none() {
            continue;
        }
        let answered = clock::now();
        let talk = Duration::from_millis(u64::from(100 + random.next_u32() % 900));
        office.run(talk.min(left()), |_| false);
        let hung_up = clock::now();
        let is_over = !left().is_zero() && office.hang_up(0);
        let talked = is_over.then_some((hung_up, hung_up - answered));
        placed.push(Placed { answered, talked });
    }
    (attempts, placed)
}

impl Count {
    fn add(&mut self, settled: &[&Placed], new: &[Value], (attempts, answered): (usize, usize)) {
        self.placed += attempts;
        self.answered += answered;
        self.settled += settled.len();
        self.missing += settled.len().saturating_sub(new.len());
        self.twice += new.len().saturating_sub(attempts);
        // Calls came one after the other, and so do their records.
        for (call, record) in settled.iter().zip(new) {
            let Some((_, talked)) = call.talked else { continue };
            let recorded = Duration::from_millis(record["talk_ms"].as_u64().unwrap_or_default());
            self.longest_error = self.longest_error.max(recorded.abs_diff(talked));
        }
    }

    fn told(&self, began: Instant) -> String {
        let took = (clock::now() - began).as_secs();
        let (answered, settled, missing) = (self.answered, self.settled, self.missing);
        format!("  a cut in {took} s: {answered} answered, {settled} settled, {missing} missing")
    }

    fn figures(&self, cuts: u32) -> Vec<Figure> {
        let record = format!(
            "{} calls in {cuts} cuts, {} answered, {} of them settled",
            self.placed, self.answered, self.settled
        );
        let outcome = |bad: usize, text: &str| match bad {
            0 => Ok("none".to_owned()),
            bad => Err(format!("{bad} {text}")),
        };
        vec![
            Figure::outcome(
                record,
                if self.settled > 0 {
                    Ok(String::new())
                } else {
                    Err("none".to_owned())
                },
            ),
            Figure::outcome("settled calls without a record", outcome(self.missing, "missing")),
            Figure::outcome("records without a call", outcome(self.twice, "too many")),
            Figure {
                what: "largest difference between a caller's time and its record".to_owned(),
                value: format!("{} ms", self.longest_error.as_millis()),
                target: "1 s",
                is_met: self.longest_error <= DURATION_ERROR_MAX,
            },
        ]
    }
}

/// Answered calls that are not known yet, in the order in which they began, once there are at least so many. They are known
/// from now on.
fn new_records(board: &mut Board, known: &mut BTreeSet<String>, at_least: usize) -> Result<Vec<Value>, Fault> {
    let end = clock::now() + RECORDS_WITHIN;
    loop {
        let answer = board.ask("calls --past --json --limit 100")?;
        let json = answer.lines().find(|line| line.starts_with('[')).unwrap_or("[]");
        let listed: Vec<Value> = serde_json::from_str(json.trim()).unwrap_or_default();
        // An id begins with the time at which its call began.
        let named = listed
            .into_iter()
            .filter_map(|record| Some((record["id"].as_str()?.to_owned(), record)));
        let named: BTreeMap<String, Value> = named.collect();
        let is_new = |(id, record): &(String, Value)| !known.contains(id) && !record["answered"].is_null();
        let new: BTreeMap<String, Value> = named.into_iter().filter(is_new).collect();
        if new.len() >= at_least || clock::now() >= end {
            known.extend(new.keys().cloned());
            return Ok(new.into_values().collect());
        }
    }
}
