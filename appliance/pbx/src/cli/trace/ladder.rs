//! A ladder that grows downwards: one column for the box, one for each party, one row a message.
//!
//! In: trace lines. Out: rows of text no wider than the terminal. A party that has no column takes the one unused longest.

use branchline_branch::view::TraceLine;

use crate::cli::printable;
use crate::clock;

const TIME_COLUMNS: usize = 12;
/// From the time to the middle of the first column: half the room a name needs.
const MARGIN: usize = 11;
/// From the middle of one column to the middle of the next.
const SPAN: usize = 23;
/// With more, nobody follows the arrows.
const PARTIES_MAX: usize = 8;
/// The box stands right of the first party, so that a call reads from left to right.
const BOX_LANE: usize = 1;

/// The columns so far.
#[derive(Debug)]
pub(crate) struct Ladder {
    lanes_max: usize,
    // One entry a lane but the box's; the number grows with use.
    parties: Vec<(String, u64)>,
    used: u64,
}

impl Ladder {
    /// For a terminal of so many columns.
    pub(crate) fn new(columns: usize) -> Ladder {
        let lanes = columns.saturating_sub(TIME_COLUMNS + 2 * MARGIN) / SPAN + 1;
        Ladder {
            lanes_max: lanes.clamp(2, PARTIES_MAX + 1),
            parties: Vec::new(),
            used: 0,
        }
    }

    /// The rows for one message: itself, after a new head when the columns have changed.
    pub(crate) fn rows(&mut self, line: &TraceLine) -> Vec<String> {
        self.used += 1;
        let known = self.parties.iter().position(|(name, _)| *name == line.remote);
        let mut rows = Vec::new();
        let at = match known {
            Some(at) => at,
            None => self.seat(&line.remote),
        };
        self.parties[at].1 = self.used;
        if known.is_none() {
            rows.extend(self.head());
        }
        rows.push(self.arrow(lane_of(at), line));
        rows
    }

    fn seat(&mut self, name: &str) -> usize {
        let newcomer = (name.to_owned(), self.used);
        if self.parties.len() + 1 < self.lanes_max {
            self.parties.push(newcomer);
            return self.parties.len() - 1;
        }
        let oldest = self
            .parties
            .iter()
            .enumerate()
            .min_by_key(|(_, (_, used))| *used)
            .map_or(0, |(at, _)| at);
        self.parties[oldest] = newcomer;
        oldest
    }

    fn head(&self) -> Vec<String> {
        let mut row = Row::new(self.lanes());
        row.centre(middle(BOX_LANE), "box");
        for (at, (name, _)) in self.parties.iter().enumerate() {
            row.centre(middle(lane_of(at)), &fit(&printable(name), SPAN - 2));
        }
        let mut rails = Row::new(self.lanes());
        rails.rails();
        vec![String::new(), row.text(), rails.text()]
    }

    fn arrow(&self, lane: usize, line: &TraceLine) -> String {
        let mut row = Row::new(self.lanes());
        row.rails();
        row.put(0, &clock::time_text(line.utc_ms));
        let (left, right) = (middle(lane.min(BOX_LANE)), middle(lane.max(BOX_LANE)));
        for column in left + 1..right {
            row.set(column, '─');
        }
        let points_right = (lane < BOX_LANE) == line.arrived;
        match points_right {
            true => row.set(right - 1, '►'),
            false => row.set(left + 1, '◄'),
        }
        let label = format!(" {} ", fit(&printable(&shorten(&line.summary)), right - left - 7));
        row.centre(left + (right - left) / 2, &label);
        row.text()
    }

    fn lanes(&self) -> usize {
        self.parties.len() + 1
    }
}

fn lane_of(party: usize) -> usize {
    if party < BOX_LANE { party } else { party + 1 }
}

fn middle(lane: usize) -> usize {
    TIME_COLUMNS + MARGIN + lane * SPAN
}

/// `INVITE sip:202@192.0.2.1 SIP/2.0` to `INVITE 202`, `SIP/2.0 180 Ringing` to `180 Ringing`.
pub(crate) fn shorten(summary: &str) -> String {
    if let Some(status) = summary.strip_prefix("SIP/2.0 ") {
        return status.to_owned();
    }
    let mut words = summary.split_whitespace();
    match (words.next(), words.next()) {
        (Some(method), Some(uri)) => {
            let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
            let user = rest.split_once('@').map_or("", |(user, _)| user);
            let user = user.split([';', ':']).next().unwrap_or("");
            format!("{method} {user}").trim_end().to_owned()
        }
        (Some(_) | None, _) => summary.to_owned(),
    }
}

fn fit(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{kept}…")
}

struct Row {
    cells: Vec<char>,
    lanes: usize,
}

impl Row {
    fn new(lanes: usize) -> Row {
        Row {
            cells: vec![' '; middle(lanes) + 1],
            lanes,
        }
    }

    fn rails(&mut self) {
        (0..self.lanes.max(BOX_LANE + 1)).for_each(|lane| self.set(middle(lane), '│'));
    }

    fn set(&mut self, column: usize, symbol: char) {
        if let Some(cell) = self.cells.get_mut(column) {
            *cell = symbol;
        }
    }

    fn put(&mut self, from: usize, text: &str) {
        text.chars()
            .enumerate()
            .for_each(|(at, symbol)| self.set(from + at, symbol));
    }

    fn centre(&mut self, column: usize, text: &str) {
        self.put(column.saturating_sub(text.chars().count() / 2), text);
    }

    fn text(self) -> String {
        self.cells.into_iter().collect::<String>().trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    enum Way {
        In,
        Out,
    }

    fn line(remote: &str, way: Way, summary: &str) -> TraceLine {
        TraceLine {
            utc_ms: 1000,
            local: "192.0.2.1:5060".into(),
            remote: remote.into(),
            transport: "udp".into(),
            arrived: matches!(way, Way::In),
            summary: summary.into(),
            sip_call_id: "a".into(),
            numbers: [String::new(), String::new()],
            text: String::new(),
        }
    }

    #[test]
    fn a_call_reads_from_left_to_right() {
        let mut ladder = Ladder::new(80);
        let messages = [
            line("192.0.2.9:5060", Way::In, "INVITE sip:202@192.0.2.1 SIP/2.0"),
            line("192.0.2.8:5060", Way::Out, "INVITE sip:202@192.0.2.8 SIP/2.0"),
            line("192.0.2.8:5060", Way::In, "SIP/2.0 180 Ringing"),
            line("192.0.2.9:5060", Way::Out, "SIP/2.0 180 Ringing"),
        ];
        let text: Vec<String> = messages.iter().flat_map(|message| ladder.rows(message)).collect();
        let expected = "
                192.0.2.9:5060               box
                       │                      │
00:00:01.000           │──── INVITE 202 ─────►│

                192.0.2.9:5060               box              192.0.2.8:5060
                       │                      │                      │
00:00:01.000           │                      │──── INVITE 202 ─────►│
00:00:01.000           │                      │◄─── 180 Ringing ─────│
00:00:01.000           │◄─── 180 Ringing ─────│                      │";
        assert_eq!(text.join("\n"), expected);
    }

    #[test]
    fn rows_never_exceed_the_terminal_and_columns_are_taken_over() {
        for columns in [20, 80, 81, 132, 1000] {
            let mut ladder = Ladder::new(columns);
            for n in 0..50 {
                let remote = format!("[2001:db8:aaaa:bbbb:cccc:dddd:eeee:{n}]:5060");
                for row in ladder.rows(&line(&remote, Way::In, &format!("SIP/2.0 200 {}", "long ".repeat(40)))) {
                    assert!(row.chars().count() <= columns.max(60), "{columns}: {row}");
                }
            }
            assert!(ladder.parties.len() <= PARTIES_MAX);
        }
    }

    #[test]
    fn a_start_line_is_shortened_to_what_matters() {
        let cases = [
            ("INVITE sip:202;x=y@h SIP/2.0", "INVITE 202"),
            ("REGISTER sip:192.0.2.1 SIP/2.0", "REGISTER"),
            ("BYE tel:+4930123 SIP/2.0", "BYE"),
            ("SIP/2.0 486 Busy Here", "486 Busy Here"),
            ("", ""),
        ];
        for (summary, short) in cases {
            assert_eq!(shorten(summary), short);
        }
    }
}
