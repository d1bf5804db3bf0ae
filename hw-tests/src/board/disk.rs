//! The disk of a board from outside: a partition by its name in the GUID partition table (UEFI 2.10 section 5.3).

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::Fault;

const SECTOR_BYTES: u64 = 512;
const ENTRY_BYTES: usize = 128;
const ENTRIES: usize = 128;
/// So much of the beginning goes: superblock, groups and journal.
const RUINED_BYTES: u64 = 64 << 20;

/// Writes over the beginning of a partition.
pub(super) fn ruin(disk: &Path, partition: &str) -> Result<(), Fault> {
    let file = OpenOptions::new().read(true).write(true).open(disk);
    let file = file.map_err(Fault::system("the disk"))?;
    let (from, bytes) = find(&file, partition)?;
    let rubbish: Vec<u8> = (0..1_u32 << 20)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let step = rubbish.len() as u64;
    for at in 0..RUINED_BYTES.min(bytes) / step {
        file.write_all_at(&rubbish, from + at * step)
            .map_err(Fault::system("the disk"))?;
    }
    Ok(())
}

/// First byte of a partition.
pub(super) fn first_byte(disk: &Path, partition: &str) -> Result<u64, Fault> {
    let file = File::open(disk).map_err(Fault::system("the disk"))?;
    find(&file, partition).map(|(from, _)| from)
}

/// First byte and length of a partition.
fn find(disk: &File, name: &str) -> Result<(u64, u64), Fault> {
    let mut table = vec![0; ENTRY_BYTES * ENTRIES];
    disk.read_exact_at(&mut table, 2 * SECTOR_BYTES)
        .map_err(Fault::system("the partition table"))?;
    let utf16: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let entry = table
        .chunks_exact(ENTRY_BYTES)
        .find(|entry| entry[56..].starts_with(&utf16));
    let entry = entry.ok_or_else(|| Fault::Late(format!("the disk has no partition {name}")))?;
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| entry[at + byte]));
    let (first, last) = (number(32), number(40));
    Ok((first * SECTOR_BYTES, (last + 1).saturating_sub(first) * SECTOR_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_partition_is_written_over() {
        let disk = tempfile::NamedTempFile::new().unwrap();
        disk.as_file().set_len(8 << 20).unwrap();
        for (at, (name, first, last)) in [("spool", 4096_u64, 6143_u64), ("data", 6144, 10_239)]
            .iter()
            .enumerate()
        {
            let mut entry = [0; ENTRY_BYTES];
            entry[32..40].copy_from_slice(&first.to_le_bytes());
            entry[40..48].copy_from_slice(&last.to_le_bytes());
            for (place, unit) in name.encode_utf16().enumerate() {
                entry[56 + 2 * place..58 + 2 * place].copy_from_slice(&unit.to_le_bytes());
            }
            disk.as_file()
                .write_all_at(&entry, 1024 + (at * ENTRY_BYTES) as u64)
                .unwrap();
        }
        ruin(disk.path(), "data").unwrap();
        let is_ruined = |sector: u64| {
            let mut bytes = [0; 512];
            disk.as_file().read_exact_at(&mut bytes, sector * SECTOR_BYTES).unwrap();
            bytes != [0; 512]
        };
        assert_eq!(
            [4096, 6143, 6144, 10_239, 10_240].map(is_ruined),
            [false, false, true, true, false]
        );
        assert!(ruin(disk.path(), "root-a").is_err());
    }
}
