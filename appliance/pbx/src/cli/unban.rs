//! `branchline unban`

use std::io::Write;
use std::net::IpAddr;
use std::process::ExitCode;

use clap::Args;

use super::Done;
use crate::control::client::Client;
use crate::control::protocol::Request;
use crate::place::Place;

/// `unban`
#[derive(Debug, Args)]
pub(crate) struct Unban {
    /// Whom to let in
    address: Option<IpAddr>,
}

pub(crate) fn run(place: &Place, command: &Unban, out: &mut dyn Write) -> Done {
    let mut client = Client::connect(&place.control_socket())?;
    match command.address {
        Some(address) => writeln!(out, "{}", client.command(&Request::Unban { address })?)?,
        None => {
            let banned = client.view()?.health.banned;
            if banned.is_empty() {
                writeln!(out, "Nobody is shut out.")?;
            }
            for address in banned {
                writeln!(out, "{address}")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
