//! `branchline extension add|list|remove|password`

use std::io::Write;
use std::process::ExitCode;

use branchline_config::{
    Config, Extension as Number, ExtensionEntry, NewExtension, Secret, add_extension, remove_extension,
    set_password_hashes,
};
use clap::Subcommand;

use super::table::Table;
use super::{Done, Fault, read_config, read_text, reload};
use crate::invocation::Invocation;
use crate::place::Place;
use crate::{file, password};

/// `extension …`
#[derive(Debug, Subcommand)]
pub(crate) enum Extension {
    /// Add an extension; its password is shown once
    Add {
        /// What others dial, such as 205
        number: String,
        /// Shown to called parties
        #[arg(long)]
        name: Option<String>,
        /// Class of service from the configuration
        #[arg(long)]
        class: Option<String>,
    },
    /// List the extensions
    List {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Remove an extension; its phone can no longer register
    Remove {
        /// The extension
        number: String,
    },
    /// Make a new password; the phone must be given it before it can register again
    Password {
        /// The extension
        number: String,
    },
}

pub(crate) fn run(place: &Place, command: &Extension, out: &mut dyn Write) -> Done {
    match command {
        Extension::Add { number, name, class } => {
            let number = parse(number)?;
            let (text, config) = read(place)?;
            let password = password::generate()?;
            let hashes = password::phone_hashes(number.as_str(), &config.site.realm, &password);
            let new = NewExtension {
                number: number.clone(),
                name: name.clone(),
                class: class.clone(),
                hashes,
            };
            write(place, add_extension(&text, &new))?;
            writeln!(out, "Extension {number} is added. On the phone:\n")?;
            show(&number, &password, out)?;
            reload::after_edit(place, out)?;
        }
        Extension::List { json: true } => list_for_programs(&read_config(place)?, out)?,
        Extension::List { json: false } => list(place, &read_config(place)?, out)?,
        Extension::Remove { number } => {
            let number = parse(number)?;
            let text = read_text(place)?;
            write(place, remove_extension(&text, &number))?;
            writeln!(out, "Extension {number} is removed.")?;
            reload::after_edit(place, out)?;
        }
        Extension::Password { number } => {
            let number = parse(number)?;
            let (text, config) = read(place)?;
            let password = password::generate()?;
            let hashes = password::phone_hashes(number.as_str(), &config.site.realm, &password);
            write(place, set_password_hashes(&text, &number, &hashes))?;
            writeln!(out, "Extension {number} has a new password. On the phone:\n")?;
            show(&number, &password, out)?;
            reload::after_edit(place, out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(number: &str) -> Result<Number, Fault> {
    Number::new(number).map_err(|fault| Fault::Other(format!("\"{}\": {fault}", super::printable(number))))
}

// The realm is part of every hash, so the file must be readable before a password is made for it.
fn read(place: &Place) -> Result<(String, Config), Fault> {
    let text = read_text(place)?;
    let config = Config::parse(&place.config.display().to_string(), &text).map_err(Fault::Config)?;
    Ok((text, config))
}

fn write(place: &Place, edited: Result<String, branchline_config::Fault>) -> Result<(), Fault> {
    let text = edited.map_err(|mut fault| {
        fault.file = place.config.display().to_string();
        Fault::Config(vec![fault])
    })?;
    Ok(file::replace_private(&place.config, text.as_bytes())?)
}

fn show(number: &Number, password: &Secret, out: &mut dyn Write) -> Result<(), Fault> {
    writeln!(out, "  User name  {number}\n  Password   {}\n", password.expose())?;
    writeln!(out, "The password is shown this once.")?;
    Ok(())
}

fn list_for_programs(config: &Config, out: &mut dyn Write) -> Result<(), Fault> {
    let row = |entry: &ExtensionEntry| serde_json::json!({ "number": entry.number.as_str(), "name": entry.name, "class": entry.class });
    let rows: Vec<serde_json::Value> = config.extensions.iter().map(row).collect();
    Ok(writeln!(out, "{}", serde_json::Value::from(rows))?)
}

fn list(place: &Place, config: &Config, out: &mut dyn Write) -> Result<(), Fault> {
    if config.extensions.is_empty() {
        let how = Invocation::of(place).spell("branchline extension add 201");
        writeln!(out, "No extensions yet. Add one: {how}")?;
        return Ok(());
    }
    let mut table = Table::new(&["number", "name", "class", "calls at once"]);
    for entry in &config.extensions {
        let cells = [
            entry.number.as_str(),
            &entry.name,
            &entry.class,
            &entry.max_calls.to_string(),
        ];
        table.row(&cells.map(str::to_owned));
    }
    Ok(table.write(out)?)
}
