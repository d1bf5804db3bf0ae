//! `branchline phones`

use std::io::Write;
use std::process::ExitCode;

use branchline_branch::view::{PhoneView, View};
use clap::Args;

use super::table::Table;
use super::{Done, read_config};
use crate::clock;
use crate::control::client::{Client, Unreachable};
use crate::invocation::Invocation;
use crate::place::Place;

/// `phones`
#[derive(Debug, Args)]
pub(crate) struct Phones {
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(place: &Place, command: &Phones, out: &mut dyn Write) -> Done {
    let view = match Client::connect(&place.control_socket()).and_then(|mut client| client.view()) {
        Ok(view) => view,
        Err(Unreachable::NotRunning) if !command.json => return not_running(place, out),
        Err(fault) => return Err(fault.into()),
    };
    if command.json {
        writeln!(
            out,
            "{}",
            serde_json::to_string(&view.phones).map_err(std::io::Error::from)?
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    if view.phones.is_empty() {
        let how = Invocation::of(place).spell("branchline extension add 201");
        writeln!(out, "No extensions yet. Add one: {how}")?;
        return Ok(ExitCode::SUCCESS);
    }
    write_phones(&view, clock::utc_ms(), out)?;
    Ok(ExitCode::SUCCESS)
}

fn not_running(place: &Place, out: &mut dyn Write) -> Done {
    let config = read_config(place)?;
    writeln!(out, "branchline is not running, so nobody is registered. Configured:\n")?;
    let mut table = Table::new(&["extension", "name"]);
    for entry in &config.extensions {
        table.row(&[entry.number.as_str().to_owned(), entry.name.clone()]);
    }
    table.write(out)?;
    Ok(ExitCode::FAILURE)
}

fn write_phones(view: &View, utc_ms: i64, out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = Table::new(&["extension", "name", "state", "reached at", "expires in", "device"]);
    for phone in &view.phones {
        let first = [phone.extension.clone(), phone.name.clone(), state(phone).to_owned()];
        if phone.contacts.is_empty() {
            table.row(&first);
        }
        for (at, contact) in phone.contacts.iter().enumerate() {
            let left_ms = contact.expires_utc_ms.saturating_sub(utc_ms).max(0).unsigned_abs();
            let lead = if at == 0 {
                first.clone()
            } else {
                [String::new(), String::new(), String::new()]
            };
            let mut cells = lead.to_vec();
            cells.push(format!("{} {}", contact.address, contact.transport));
            cells.push(clock::duration_text(left_ms));
            cells.push(contact.user_agent.clone());
            table.row(&cells);
        }
    }
    table.write(out)?;
    let ready = view.phones.iter().filter(|phone| !phone.contacts.is_empty()).count();
    writeln!(out, "\n{ready} of {} registered", view.phones.len())
}

fn state(phone: &PhoneView) -> &'static str {
    match (phone.calls, phone.contacts.is_empty()) {
        (1.., _) => "on a call",
        (0, false) => "ready",
        (0, true) => "not registered",
    }
}

#[cfg(test)]
mod tests {
    use branchline_branch::view::ContactView;

    use super::*;

    #[test]
    fn every_contact_has_a_line_and_the_absent_are_shown() {
        let contact = |address: &str| ContactView {
            address: address.into(),
            transport: "udp".into(),
            user_agent: "Desk".into(),
            expires_utc_ms: 65_000,
            ..ContactView::default()
        };
        let phone = |extension: &str, contacts| PhoneView {
            extension: extension.into(),
            name: "A".into(),
            contacts,
            calls: 0,
        };
        let phones = vec![
            phone("201", vec![contact("192.0.2.1:5060"), contact("192.0.2.2:5060")]),
            phone("202", vec![]),
        ];
        let mut out = Vec::new();
        write_phones(
            &View {
                phones,
                ..View::default()
            },
            5_000,
            &mut out,
        )
        .unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["201", "A", "ready", "192.0.2.1:5060", "udp", "1:00", "Desk"]);
        assert_eq!(lines[2], ["192.0.2.2:5060", "udp", "1:00", "Desk"]);
        assert_eq!(lines[3], ["202", "A", "not", "registered"]);
        assert!(text.ends_with("1 of 2 registered\n"));
    }
}
