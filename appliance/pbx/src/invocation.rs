//! How this program is called from a shell, so that a command in a message works when it is pasted.
//!
//! Messages name commands as the documentation does, `branchline doctor`. Where a person reads them, [`Invocation::spell`]
//! writes what the shell needs: the path of a program that is not on `PATH`, and files that are not where it looks by itself.

use std::env;
use std::path::{Path, PathBuf};

use crate::cli;
use crate::place::Place;

/// The words before the name of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    words: String,
}

impl Invocation {
    /// For the program as it was started and the files of a box.
    pub fn of(place: &Place) -> Invocation {
        Invocation::with(&program(place), place)
    }

    pub(crate) fn with(program: &str, place: &Place) -> Invocation {
        let found = Place::new(None, None);
        let config = (place.config != place.state.join("branchline.toml")).then_some(place.config.as_path());
        let state = (place.state != found.state).then_some(place.state.as_path());
        let beside = Place::new(None, Some(place.state.clone()));
        let options = [
            ("--config", config),
            ("--state", state),
            ("--spool", place.spool.as_deref()),
            (
                "--versions",
                (place.versions != beside.versions).then_some(place.versions.as_path()),
            ),
        ];
        let mut words = program.to_owned();
        for (option, path) in options {
            if let Some(path) = path {
                words = format!("{words} {option} {}", quoted(&whole(path)));
            }
        }
        Invocation { words }
    }

    /// A text with every `branchline COMMAND` in it written so that it works.
    pub fn spell(&self, text: &str) -> String {
        let commands = cli::commands();
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(CALLED) {
            out.push_str(before);
            let is_word = !out.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '-' | '_' | '.'));
            let command = after.split(|c: char| !c.is_ascii_lowercase() && c != '-').next();
            if is_word && command.is_some_and(|word| commands.iter().any(|known| known == word)) {
                out.push_str(&self.words);
                out.push(' ');
            } else {
                out.push_str(CALLED);
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }
}

/// `branchline` where the shell would find this very file by that name, or one that starts it as the current version; or
/// its path.
fn program(place: &Place) -> String {
    let Ok(own) = env::current_exe() else {
        return NAME.to_owned();
    };
    let found = env::var_os("PATH").and_then(|path| {
        let files = env::split_paths(&path).map(|directory| directory.join(NAME));
        files.filter_map(|file| file.canonicalize().ok()).next()
    });
    let is_found = found.is_some_and(|found| {
        let is_version = |own: &Path| {
            place
                .versions
                .canonicalize()
                .is_ok_and(|versions| own.starts_with(versions))
        };
        own.canonicalize().is_ok_and(|own| own == found || is_version(&own))
    });
    match is_found {
        true => NAME.to_owned(),
        false => quoted(&own),
    }
}

fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

// A shell takes everything between single quotes as it is.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ':' | '@' | '=' | ',');
    match text.chars().all(is_plain) {
        true => text.into_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

const NAME: &str = "branchline";
const CALLED: &str = "branchline ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_in_a_message_is_spelled_with_what_the_shell_needs() {
        let usual = Place::new(None, None);
        let elsewhere = Place::new(None, Some("/srv/box".into()));
        let odd = Place::new(Some("/etc/it's.toml".into()), Some("/srv/my box".into()));
        let cases = [
            ("branchline", &usual, "branchline doctor"),
            ("/opt/b/branchline", &usual, "/opt/b/branchline doctor"),
            ("branchline", &elsewhere, "branchline --state /srv/box doctor"),
            (
                "/b",
                &odd,
                r"/b --config '/etc/it'\''s.toml' --state '/srv/my box' doctor",
            ),
        ];
        for (program, place, spelled) in cases {
            let invocation = Invocation::with(program, place);
            assert_eq!(invocation.spell("branchline doctor"), spelled);
            assert_eq!(invocation.spell(spelled), spelled, "once is enough");
        }
    }

    #[test]
    fn only_commands_are_spelled() {
        let invocation = Invocation::with("/b", &Place::new(None, None));
        let cases = [
            (
                "run: `branchline check`, then branchline reload.",
                "run: `/b check`, then /b reload.",
            ),
            ("sudo branchline page-password", "sudo /b page-password"),
            ("branchline is not running", "branchline is not running"),
            ("systemctl restart branchline", "systemctl restart branchline"),
            ("a running branchline knows", "a running branchline knows"),
            ("/usr/bin/branchline doctor", "/usr/bin/branchline doctor"),
            ("", ""),
        ];
        for (text, spelled) in cases {
            assert_eq!(invocation.spell(text), spelled);
        }
    }
}
