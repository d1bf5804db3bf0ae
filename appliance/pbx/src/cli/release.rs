//! `branchline release`: a site that serves its own updates makes them with this.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use branchline_update::{Artefact, Digest, Manifest, SigningKey, Version, seal};
use clap::{Args, Subcommand};
use sha2::Sha256;

use super::{Done, Fault};
use crate::file::{self, FileFault};
use crate::{clock, update, version};

/// `release`
#[derive(Debug, Subcommand)]
pub(crate) enum Release {
    /// Make a signing key, or show the public half of one that is there
    Key {
        /// The secret key; it never leaves the maker
        file: PathBuf,
    },
    /// Make the archives and the signed manifest of a release
    Make(Box<Make>),
}

#[derive(Debug, Args)]
pub(crate) struct Make {
    /// The secret key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Folder to make them in: that of the web server, or of a USB stick
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// Version of the programs
    #[arg(long, value_name = "VERSION")]
    release: Version,
    /// Program for one kind of machine, such as aarch64-unknown-linux-gnu=target/release/branchline
    #[arg(long = "program", value_name = "TARGET=FILE", required = true, value_parser = program)]
    programs: Vec<(String, PathBuf)>,
    /// Only for these boards [default: for all]
    #[arg(long = "board", value_name = "NAME")]
    boards: Vec<String>,
    /// Lowest version that it may follow
    #[arg(long, value_name = "VERSION", default_value = version::own())]
    follows: Version,
    /// Which releases
    #[arg(long, default_value = "stable")]
    channel: String,
    /// Days that the manifest counts; sign it again before they are over
    #[arg(long, default_value = "90", value_parser = clap::value_parser!(u16).range(1..))]
    days: u16,
    /// What is new
    #[arg(long, default_value = "")]
    notes: String,
}

const DAY_MS: i64 = 24 * 3600 * 1000;
const KEY_BYTES_MAX: u64 = 1024;

pub(crate) fn run(command: &Release, out: &mut dyn Write) -> Done {
    match command {
        Release::Key { file } => {
            let key = match read_key(file) {
                Err(Fault::File(fault)) if fault.is_absent() => make_key(file)?,
                read => read?,
            };
            writeln!(out, "public key: {}", key.public())?;
            writeln!(out, "Boxes trust it with: keys = [\"{}\"] under [update]", key.public())?;
        }
        Release::Make(make) => {
            let manifest = make_release(make)?;
            writeln!(out, "{}", make.into.join(&manifest).display())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read_key(path: &Path) -> Result<SigningKey, Fault> {
    let text = file::read_text(path, KEY_BYTES_MAX)?;
    SigningKey::read(&text).ok_or_else(|| Fault::Other(format!("{} is not a signing key", path.display())))
}

fn make_key(path: &Path) -> Result<SigningKey, Fault> {
    let cannot = |error| FileFault::new("cannot make", path)(error);
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| cannot(error.into()))?;
    let key = SigningKey::from_seed(seed).ok_or_else(|| Fault::Other("no key came of it; try again".to_owned()))?;
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(cannot)?;
    writeln!(file, "{}", key.expose())
        .and_then(|()| file.sync_all())
        .map_err(cannot)?;
    Ok(key)
}

fn make_release(make: &Make) -> Result<String, Fault> {
    let key = read_key(&make.key)?;
    let artefacts: Result<Vec<Artefact>, Fault> = make.programs.iter().map(|program| artefact(make, program)).collect();
    let now_utc_ms = clock::utc_ms();
    let manifest = Manifest {
        product: "branchline".to_owned(),
        channel: make.channel.clone(),
        version: make.release.clone(),
        follows: make.follows.clone(),
        not_before_utc_ms: now_utc_ms,
        expires_utc_ms: now_utc_ms + i64::from(make.days) * DAY_MS,
        notes: make.notes.clone(),
        artefacts: artefacts?,
    };
    let text = manifest.write().map_err(|refusal| Fault::Other(refusal.to_string()))?;
    // Last and at once: whoever reads it finds the archives that it names.
    let name = format!("{}.manifest", make.channel);
    let (beside, place) = (make.into.join(format!(".{name}")), make.into.join(&name));
    let written = fs::write(&beside, seal(&key, text.as_bytes())).and_then(|()| fs::rename(&beside, &place));
    written.map_err(FileFault::new("cannot write", &place))?;
    Ok(name)
}

fn artefact(make: &Make, (target, path): &(String, PathBuf)) -> Result<Artefact, Fault> {
    let file = format!("branchline-{}-{target}.tar.gz", make.release);
    let archive = make.into.join(&file);
    let mut program = File::open(path).map_err(FileFault::new("cannot read", path))?;
    let cannot = |error| FileFault::new("cannot write", &archive)(error);
    update::pack(&mut program, File::create(&archive).map_err(cannot)?).map_err(cannot)?;
    let (bytes, sha256) = digest(&archive).map_err(cannot)?;
    Ok(Artefact {
        target: target.clone(),
        boards: make.boards.clone(),
        file,
        bytes,
        sha256,
    })
}

fn digest(path: &Path) -> std::io::Result<(u64, Digest)> {
    let mut file = File::open(path)?;
    let (mut hash, mut buffer, mut bytes) = (<Sha256 as sha2::Digest>::new(), vec![0; 1 << 16], 0);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, Digest(sha2::Digest::finalize(hash).into()))),
            read => {
                bytes += read as u64;
                sha2::Digest::update(&mut hash, &buffer[..read]);
            }
        }
    }
}

fn program(text: &str) -> Result<(String, PathBuf), String> {
    let parts = text
        .split_once('=')
        .filter(|(target, path)| !target.is_empty() && !path.is_empty());
    let (target, path) = parts.ok_or("write TARGET=FILE")?;
    Ok((target.to_owned(), PathBuf::from(path)))
}
