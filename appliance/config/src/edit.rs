//! Edits that keep comments and order.

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use crate::fault::{Fault, Wrong};
use crate::faults::Faults;
use crate::secret::to_hex;
use crate::{Config, Extension, Hashes};

const FILE: &str = "branchline.toml";

/// What the command line knows of a new extension.
#[derive(Clone, Debug)]
pub struct NewExtension {
    /// Must be free.
    pub number: Extension,
    /// Shown to called parties.
    pub name: Option<String>,
    /// Class of service; the default one when `None`.
    pub class: Option<String>,
    /// Of the password just made.
    pub hashes: Hashes,
}

/// The text with `[[extension]]` added after the last one. Refused when the result would not be a valid file.
pub fn add_extension(text: &str, new: &NewExtension) -> Result<String, Fault> {
    let mut document = read(text)?;
    let list = extensions(&mut document, text)?;
    let mut table = Table::new();
    table.insert("number", value(new.number.as_str()));
    if let Some(name) = &new.name {
        table.insert("name", value(name.as_str()));
    }
    if let Some(class) = &new.class {
        table.insert("class", value(class.as_str()));
    }
    write_hashes(&mut table, &new.hashes);
    table.decor_mut().set_prefix("\n");
    list.push(table);
    checked(text, &document)
}

/// The text without this extension's table.
pub fn remove_extension(text: &str, number: &Extension) -> Result<String, Fault> {
    let mut document = read(text)?;
    let at = position(&mut document, text, number)?;
    extensions(&mut document, text)?.remove(at);
    checked(text, &document)
}

/// The text with new hashes for this extension; other lines and comments stay.
pub fn set_password_hashes(text: &str, number: &Extension, hashes: &Hashes) -> Result<String, Fault> {
    let mut document = read(text)?;
    let at = position(&mut document, text, number)?;
    if let Some(table) = extensions(&mut document, text)?.get_mut(at) {
        table.remove("password");
        write_hashes(table, hashes);
    }
    checked(text, &document)
}

/// The text with `page.password_hash` set to a PHC string (`$argon2id$…`).
pub fn set_page_password_hash(text: &str, phc: &str) -> Result<String, Fault> {
    let mut document = read(text)?;
    let page = document.entry("page").or_insert_with(toml_edit::table);
    match page.as_table_like_mut() {
        Some(table) => {
            table.remove("password");
            table.insert("password_hash", value(phc));
        }
        None => return Err(fault(text, "page", Wrong::new("is not a table", "write [page]"))),
    }
    checked(text, &document)
}

fn read(text: &str) -> Result<DocumentMut, Fault> {
    let faults = Faults::new(FILE, text);
    if faults.parse_document().is_none() {
        return Err(first(faults.into_sorted(), text));
    }
    text.parse()
        .map_err(|error: toml_edit::TomlError| fault(text, "", Wrong::new(error.message(), "correct the TOML")))
}

fn extensions<'d>(document: &'d mut DocumentMut, text: &str) -> Result<&'d mut ArrayOfTables, Fault> {
    let item = document
        .entry("extension")
        .or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    item.as_array_of_tables_mut().ok_or_else(|| {
        fault(
            text,
            "extension",
            Wrong::new("is not written as [[extension]]", "write each under [[extension]]"),
        )
    })
}

fn position(document: &mut DocumentMut, text: &str, number: &Extension) -> Result<usize, Fault> {
    let list = extensions(document, text)?;
    let found = list
        .iter()
        .position(|table| table.get("number").and_then(Item::as_str) == Some(number.as_str()));
    found.ok_or_else(|| {
        fault(
            text,
            "extension",
            Wrong::new(format!("there is no extension \"{number}\""), "add it first"),
        )
    })
}

fn write_hashes(table: &mut Table, hashes: &Hashes) {
    let fields: [(&str, Option<&[u8]>); 2] = [
        ("ha1_md5", hashes.md5.as_ref().map(<[u8; 16]>::as_slice)),
        ("ha1_sha256", hashes.sha256.as_ref().map(<[u8; 32]>::as_slice)),
    ];
    for (key, bytes) in fields {
        match (bytes, table.get_mut(key).and_then(Item::as_value_mut)) {
            (Some(bytes), Some(old)) => {
                let decor = old.decor().clone();
                *old = to_hex(bytes).into();
                *old.decor_mut() = decor;
            }
            (Some(bytes), None) => {
                table.insert(key, value(to_hex(bytes)));
            }
            (None, _) => {
                table.remove(key);
            }
        }
    }
}

/// Hands the new text out unless the edit itself made a fault.
fn checked(before: &str, document: &DocumentMut) -> Result<String, Fault> {
    let after = document.to_string();
    let Err(faults) = Config::parse(FILE, &after) else {
        return Ok(after);
    };
    let known = Config::parse(FILE, before).err().unwrap_or_default();
    let is_new = |fault: &Fault| {
        !known
            .iter()
            .any(|old| old.field == fault.field && old.problem == fault.problem)
    };
    match faults.into_iter().find(is_new) {
        Some(fault) => Err(fault),
        None => Ok(after),
    }
}

fn first(faults: Vec<Fault>, text: &str) -> Fault {
    let none = || fault(text, "", Wrong::new("is not TOML", "correct it"));
    faults.into_iter().next().unwrap_or_else(none)
}

fn fault(text: &str, field: &str, wrong: Wrong) -> Fault {
    let faults = Faults::new(FILE, text);
    faults.push(field, wrong);
    faults.into_sorted().swap_remove(0)
}
