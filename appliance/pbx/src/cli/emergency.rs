//! `branchline emergency check`

use std::io::Write;
use std::process::ExitCode;

use branchline_branch::view::{Outlook, PhoneOutlook};
use clap::{Args, Subcommand};

use super::table::Table;
use super::{Done, printable};
use crate::control::client::Client;
use crate::place::Place;

/// `emergency`
#[derive(Debug, Subcommand)]
pub(crate) enum Emergency {
    /// What a call for help would do now, phone by phone; ends with 1 when something is missing, 2 when a phone has no way out
    Check(Check),
}

/// `emergency check`
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(place: &Place, command: &Emergency, out: &mut dyn Write) -> Done {
    let Emergency::Check(check) = command;
    let outlook = Client::connect(&place.control_socket())?.outlook()?;
    if check.json {
        let text = serde_json::to_string(&outlook).map_err(std::io::Error::from)?;
        writeln!(out, "{text}")?;
    } else {
        write_outlook(&outlook, out)?;
    }
    Ok(ExitCode::from(verdict(&outlook)))
}

/// 0: nothing is missing. 1: a phone lacks something. 2: a phone has no way out.
fn verdict(outlook: &Outlook) -> u8 {
    let of_phone = |phone: &PhoneOutlook| match (phone.way_out, phone.missing.is_empty()) {
        (false, _) => 2,
        (true, false) => 1,
        (true, true) => 0,
    };
    outlook.phones.iter().map(of_phone).max().unwrap_or(0)
}

fn write_outlook(outlook: &Outlook, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "A call to {} would now do this:\n", outlook.number)?;
    let mut table = Table::new(&["extension", "from", "routes", "call back", "location", "missing"]);
    for phone in &outlook.phones {
        let callback = phone
            .callback
            .as_ref()
            .map(|number| format!("{number} ({})", phone.line));
        let from = if phone.address.is_empty() {
            "not registered"
        } else {
            &phone.address
        };
        table.row(&[
            phone.extension.clone(),
            from.to_owned(),
            phone.routes.join(", "),
            callback.unwrap_or_default(),
            printable(&phone.place),
            phone.missing.join("; "),
        ]);
    }
    table.write(out)?;
    let lacking = outlook.phones.iter().filter(|phone| !phone.missing.is_empty()).count();
    match lacking {
        0 => writeln!(out, "\nNothing is missing."),
        _ => writeln!(out, "\n{lacking} of {} lack something.", outlook.phones.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(missing: &[&str]) -> PhoneOutlook {
        PhoneOutlook {
            extension: "201".into(),
            address: "192.0.2.11:5060".into(),
            routes: vec!["local".into(), "provider".into()],
            way_out: true,
            place: "120 Broadway".into(),
            callback: Some("+12125550101".into()),
            line: "elin".into(),
            missing: missing.iter().map(|&text| text.to_owned()).collect(),
            ..PhoneOutlook::default()
        }
    }

    #[test]
    fn the_exit_code_is_that_of_the_worst_phone() {
        let outlook = |phones: Vec<PhoneOutlook>| Outlook {
            number: "911".into(),
            phones,
        };
        let (good, lacking) = (phone(&[]), phone(&["no location"]));
        let lost = PhoneOutlook {
            way_out: false,
            ..phone(&["every route is down"])
        };
        assert_eq!(verdict(&outlook(vec![])), 0);
        assert_eq!(verdict(&outlook(vec![good.clone()])), 0);
        assert_eq!(verdict(&outlook(vec![good.clone(), lacking.clone()])), 1);
        assert_eq!(verdict(&outlook(vec![lost, lacking, good])), 2);
    }

    #[test]
    fn each_phone_has_a_line_with_what_it_would_send() {
        let outlook = Outlook {
            number: "911".into(),
            phones: vec![phone(&["no location"])],
        };
        let mut out = Vec::new();
        write_outlook(&outlook, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for part in [
            "A call to 911",
            "local, provider",
            "+12125550101 (elin)",
            "120 Broadway",
            "no location",
            "1 of 1 lack",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
