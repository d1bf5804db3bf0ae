//! Where releases come from: a folder of a web server or of a disk.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use branchline_branch::Now;
use branchline_config::{Update, UpdateSource};
use branchline_update::{ENVELOPE_BYTES_MAX, Examined, Own, Record, Rules, Time, TrustedKeys, Version};
use self_update::{Certificate, Download};

use super::{UpdateFault, io_fault, own_version};
use crate::io::tls;

/// What the operator or the timer wants.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Instead of the source of the configuration.
    pub from: Option<UpdateSource>,
    /// Rules that are waived.
    pub rules: Rules,
}

/// What came of looking at a source.
#[derive(Debug)]
pub struct Examination {
    /// What it has for this box.
    pub examined: Examined,
    /// It.
    pub source: UpdateSource,
}

const MANIFEST_WITHIN: Duration = Duration::from_secs(30);
/// A branch may have a slow line.
const ARCHIVE_WITHIN: Duration = Duration::from_secs(30 * 60);
const PRODUCT: &str = "branchline";

/// Fetches the manifest of the site's channel and looks whether its release may be installed.
pub fn examine(
    update: &Update,
    wish: &Wish,
    (record, current): (&Record, Option<&Version>),
    now: Now,
) -> Result<Examination, UpdateFault> {
    let source = wish.from.as_ref().or(update.source.as_ref());
    let source = source.cloned().ok_or_else(|| {
        UpdateFault::Source("there is no source: set update.source, or name one with --from".to_owned())
    })?;
    let keys: Result<Vec<_>, _> = update.keys.iter().map(|key| key.parse()).collect();
    let keys = TrustedKeys::new(keys?)?;
    let mut envelope = Vec::new();
    let name = format!("{}.manifest", update.channel);
    fetch((&source, update), (&name, ENVELOPE_BYTES_MAX as u64), &mut envelope)?;
    let own = Own {
        product: PRODUCT.to_owned(),
        target: self_update::get_target().to_owned(),
        board: update.board.clone(),
        channel: update.channel.clone(),
        version: match current {
            Some(version) => version.clone(),
            None => own_version()?,
        },
    };
    let time = match now.clock_trusted {
        true => Time::Trusted(now.utc_ms),
        false => Time::Floor(record.floor_utc_ms),
    };
    let examined = branchline_update::examine(&envelope, &keys, (&own, record), (time, wish.rules))?;
    Ok(Examination { examined, source })
}

/// Copies a file of at most `bytes_max`; more is a fault.
pub(super) fn fetch(
    (source, update): (&UpdateSource, &Update),
    (name, bytes_max): (&str, u64),
    into: &mut dyn Write,
) -> Result<(), UpdateFault> {
    match source {
        UpdateSource::Folder(folder) => {
            let path = folder.join(name);
            let file = File::open(&path).map_err(io_fault(path.display().to_string()))?;
            let copied = io::copy(&mut file.take(bytes_max + 1), into);
            match copied.map_err(io_fault(path.display().to_string()))? > bytes_max {
                true => Err(UpdateFault::Source(format!("{} is too long", path.display()))),
                false => Ok(()),
            }
        }
        UpdateSource::Web(address) => {
            let url = format!("{address}{name}");
            let within = if bytes_max > ENVELOPE_BYTES_MAX as u64 {
                ARCHIVE_WITHIN
            } else {
                MANIFEST_WITHIN
            };
            let mut download = Download::from_url(url.as_str());
            download.timeout(within).max_download_size(bytes_max);
            for authority in authorities(update.source_ca.as_deref())? {
                download.add_root_certificate(authority);
            }
            let done = download.download_to(into);
            done.map_err(|error| UpdateFault::Source(format!("{url}: {error}")))
        }
    }
}

fn authorities(ca: Option<&Path>) -> Result<Vec<Certificate>, UpdateFault> {
    let found = tls::authorities(ca).map_err(UpdateFault::Source)?;
    // Without one, self_update would fall back to a list of its own.
    if found.is_empty() {
        let text = "the system trusts no certificate authority: install ca-certificates, or set update.source_ca";
        return Err(UpdateFault::Source(text.to_owned()));
    }
    Ok(found.iter().map(|root| Certificate::from_der(root.as_ref())).collect())
}
