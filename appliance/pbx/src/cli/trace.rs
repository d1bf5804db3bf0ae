//! `branchline trace`

mod ladder;

use std::io::{self, IsTerminal, Write};

use branchline_branch::view::TraceLine;
use clap::Args;

use self::ladder::{Ladder, shorten};
use super::{Done, Fault};
use crate::clock;
use crate::control::client::{Client, Unreachable};
use crate::control::protocol::Reply;
use crate::place::Place;

const COLUMNS: usize = 80;

/// `trace`
#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// Only calls from or to a number that contains this
    #[arg(long, value_name = "NUMBER")]
    number: Option<String>,
    /// One line a message; the default unless printing to a terminal
    #[arg(long)]
    plain: bool,
    /// Whole messages, passwords blanked
    #[arg(long, conflicts_with = "json")]
    full: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

enum Style {
    Ladder(Ladder),
    Plain,
    Full,
    Json,
}

pub(crate) fn run(place: &Place, command: &Trace, out: &mut dyn Write) -> Done {
    let mut client = Client::connect(&place.control_socket())?;
    client.follow(command.number.clone())?;
    let mut style = match (command.json, command.full, command.plain || !io::stdout().is_terminal()) {
        (true, _, _) => Style::Json,
        (false, true, _) => Style::Full,
        (false, false, true) => Style::Plain,
        (false, false, false) => {
            let columns = terminal_size::terminal_size().map_or(COLUMNS, |(width, _)| usize::from(width.0));
            Style::Ladder(Ladder::new(columns))
        }
    };
    // People want to know that it works before the first call; programs do not.
    if let Style::Ladder(_) | Style::Full = style {
        writeln!(out, "Waiting for SIP messages; Ctrl-C ends. Times are UTC.")?;
    }
    loop {
        out.flush()?;
        match client.next_reply()? {
            Some(Reply::Line(line)) => write_line(&mut style, &line, out)?,
            Some(Reply::Gap(lines)) => write_gap(&style, lines, out)?,
            Some(Reply::Refused(why)) => return Err(Unreachable::Refused(why).into()),
            Some(Reply::View(_) | Reply::Outlook(_) | Reply::Vitals(_) | Reply::Done(_) | Reply::Signs(_)) => {
                return Err(Unreachable::Stranger.into());
            }
            None => return Err(Fault::Other("branchline has stopped".into())),
        }
    }
}

fn write_line(style: &mut Style, line: &TraceLine, out: &mut dyn Write) -> io::Result<()> {
    match style {
        Style::Ladder(ladder) => ladder.rows(line).iter().try_for_each(|row| writeln!(out, "{row}")),
        Style::Plain => writeln!(out, "{}", plain(line)),
        Style::Full => {
            let text: String = line
                .text
                .chars()
                .filter(|c| *c == '\n' || *c == '\t' || !c.is_control())
                .collect();
            writeln!(out, "\n{}\n{}", plain(line), text.trim_end())
        }
        Style::Json => writeln!(out, "{}", serde_json::to_string(line)?),
    }
}

fn write_gap(style: &Style, lines: u64, out: &mut dyn Write) -> io::Result<()> {
    match style {
        Style::Json => writeln!(out, "{}", serde_json::json!({ "gap": lines })),
        Style::Ladder(_) | Style::Plain | Style::Full => writeln!(out, "… {lines} messages came too fast to show"),
    }
}

fn plain(line: &TraceLine) -> String {
    let arrow = if line.arrived { "->" } else { "<-" };
    let time = clock::time_text(line.utc_ms);
    let text = format!(
        "{time}  {} {} {arrow} box  {}",
        line.remote,
        line.transport,
        shorten(&line.summary)
    );
    super::printable(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_has_time_peer_direction_and_message() {
        let line = TraceLine {
            utc_ms: 3_723_004,
            local: "192.0.2.1:5060".into(),
            remote: "192.0.2.9:5062".into(),
            transport: "udp".into(),
            arrived: true,
            summary: "INVITE sip:202@192.0.2.1;user=phone SIP/2.0".into(),
            sip_call_id: "a".into(),
            numbers: ["201".into(), "202".into()],
            text: String::new(),
        };
        assert_eq!(plain(&line), "01:02:03.004  192.0.2.9:5062 udp -> box  INVITE 202");
    }
}
