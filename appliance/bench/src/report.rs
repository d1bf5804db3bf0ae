//! The table, and the page it is kept in.

use std::fmt::Write;

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: String,
    pub(crate) peers: String,
    pub(crate) target: Target,
}

/// What is to be reached, and whether it is.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// At most this, in the words of the table.
    AtMost { bound: f64, measured: f64, words: String },
    /// Given for comparison.
    None,
}

/// Median, least and most of several runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(mut runs: Vec<f64>) -> Spread {
        runs.sort_by(f64::total_cmp);
        let at = |index: usize| runs.get(index).copied().unwrap_or(f64::NAN);
        Spread {
            median: at(runs.len() / 2),
            least: at(0),
            most: at(runs.len().saturating_sub(1)),
        }
    }

    pub(crate) fn text(&self) -> String {
        let places = usize::from(self.median < 100.0);
        format!(
            "{:.places$} ({:.places$} to {:.places$})",
            self.median, self.least, self.most
        )
    }
}

impl Target {
    /// At most `bound` times a peer.
    pub(crate) fn ratio(ours: f64, peer: (&str, f64), bound: f64) -> Target {
        let measured = ours / peer.1;
        Target::AtMost {
            bound,
            measured,
            words: format!("<= {bound} x {}: {measured:.2}", peer.0),
        }
    }

    /// At most `bound`.
    pub(crate) fn bound(measured: f64, bound: f64, unit: &str) -> Target {
        Target::AtMost {
            bound,
            measured,
            words: format!("<= {bound} {unit}: {measured:.2}"),
        }
    }

    fn words(&self) -> &str {
        match self {
            Target::AtMost { words, .. } => words,
            Target::None => "",
        }
    }

    fn result(&self) -> &'static str {
        match self {
            Target::AtMost { bound, measured, .. } if measured <= bound => "met",
            Target::AtMost { .. } => "missed",
            Target::None => "",
        }
    }
}

/// The rows as a table in Markdown whose columns line up.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut cells = vec![HEAD.map(str::to_owned)];
    cells.extend(rows.iter().map(|row| {
        let (target, result) = (row.target.words().to_owned(), row.target.result().to_owned());
        [
            row.what.clone(),
            row.unit.to_owned(),
            row.ours.clone(),
            row.peers.clone(),
            target,
            result,
        ]
    }));
    let width = |column: usize| cells.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    cells.insert(1, std::array::from_fn(|column| "-".repeat(widths[column])));
    let mut table = String::new();
    for line in cells {
        for (cell, width) in line.iter().zip(&widths) {
            // Writing to a String cannot fail.
            let _ = write!(table, "| {cell:width$} ");
        }
        table.push_str("|\n");
    }
    table
}

const HEAD: [&str; 6] = ["What", "Unit", "Branchline", "Beside it", "Target: measured", "Result"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_run() {
        let spread = Spread::of(vec![9.0, 1.0, 5.0, 2.0, 7.0]);
        assert_eq!((spread.median, spread.least, spread.most), (5.0, 1.0, 9.0));
    }

    #[test]
    fn a_target_is_met_up_to_its_bound() {
        let cases = [(5.0, "met"), (4.0, "met"), (5.1, "missed"), (f64::NAN, "missed")];
        for (ours, result) in cases {
            assert_eq!(Target::ratio(ours, ("peer", 10.0), 0.5).result(), result, "{ours}");
        }
        assert_eq!(Target::None.result(), "");
    }

    #[test]
    fn columns_line_up() {
        let row = |what: &str| Row {
            what: what.to_owned(),
            unit: "us",
            ours: "1".to_owned(),
            peers: String::new(),
            target: Target::None,
        };
        let table = table(&[row("short"), row("something longer")]);
        let widths: Vec<usize> = table.lines().map(str::len).collect();
        assert_eq!(widths.len(), 4);
        assert!(widths.iter().all(|width| *width == widths[0]), "{table}");
    }
}
