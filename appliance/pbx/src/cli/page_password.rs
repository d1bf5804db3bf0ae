//! `branchline page-password`

use std::io::Write;
use std::process::ExitCode;

use branchline_config::{Config, set_page_password_hash};

use super::{Done, Fault, read_text, reload};
use crate::control::client::{Client, Unreachable};
use crate::control::protocol::Request;
use crate::first_start::write_page_hash;
use crate::place::Place;
use crate::{file, password};

pub(crate) fn run(place: &Place, out: &mut dyn Write) -> Done {
    let text = read_text(place)?;
    let config = Config::parse(&place.config.display().to_string(), &text).map_err(Fault::Config)?;
    let password = password::generate()?;
    // A hash in the configuration wins over the file, so that is where the new one must go.
    let in_config = config.page.password_hash.is_some();
    if in_config {
        let hash = password::page_hash(&password)?;
        let edited = set_page_password_hash(&text, hash.expose()).map_err(|fault| Fault::Config(vec![fault]))?;
        file::replace_private(&place.config, edited.as_bytes())?;
    } else {
        write_page_hash(&place.page_hash(), &password)?;
    }
    writeln!(
        out,
        "New password of the local page:\n\n  {}\n\nIt is shown this once.",
        password.expose()
    )?;
    // Also without an edit: the running box may still hold a hash that is no longer in the file.
    reload::after_edit(place, out)?;
    let ended = Client::connect(&place.control_socket()).and_then(|mut client| client.command(&Request::EndSessions));
    match ended {
        Ok(_) => writeln!(out, "Everybody is logged out of the page.")?,
        Err(Unreachable::NotRunning) => {}
        Err(fault) => writeln!(out, "Browsers may still be logged in: {fault}")?,
    }
    Ok(ExitCode::SUCCESS)
}
