//! The manifests of fjall, one for each table: which files it has.
//!
//! fjall writes checksums of them, and does not look at these. Where a bit of a manifest has flipped
//! it may forget files, whose entries are missing then, or panic with a lock held, and again when it
//! closes what was open, which aborts the process.
//!
//! Source: `lsm_tree::version::persist`, of 3.1.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::xxh3_128;

use super::OpenError;
use crate::Error;

/// The folder with a folder for each table.
const TABLES: &str = "keyspaces";

/// The file with number and checksum of the manifest.
const CURRENT: &str = "current";

/// The only kind of checksum there is.
const XXH3: u8 = 0;

/// Checks the manifests of an engine, if there is one.
///
/// # Errors
/// [`OpenError::Damaged`] if one is not as it was written.
pub(super) fn check(engine: &Path) -> Result<(), OpenError> {
    for table in tables(&engine.join(TABLES))? {
        let is_whole = match is_whole(&table) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            checked => checked.map_err(Error::io("read the manifest in", &table))?,
        };
        if !is_whole {
            let why = format!("the manifest in {} is not as it was written", table.display());
            return Err(OpenError::Damaged(why));
        }
    }
    Ok(())
}

fn tables(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect::<io::Result<Vec<_>>>),
    };
    let entries = entries.map_err(Error::io("list", folder))?;
    Ok(entries.iter().map(fs::DirEntry::path).filter(|path| path.is_dir()).collect())
}

/// Whether the manifest of a table has its checksum.
fn is_whole(table: &Path) -> io::Result<bool> {
    let current = fs::read(table.join(CURRENT))?;
    let Some((number, checksum)) = current.split_first_chunk() else {
        return Ok(false);
    };
    let manifest = fs::read(table.join(format!("v{}", u64::from_le_bytes(*number))))?;
    let expected = xxh3_128(&manifest).to_le_bytes();
    Ok(checksum.split_last() == Some((&XXH3, &expected[..])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Fjall;

    #[test]
    fn a_flipped_bit_in_a_manifest_is_noticed_before_the_engine_opens() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let engine = directory.path().join("engine");
        check(&engine).expect("there is none yet");
        drop(Fjall::open(&engine).expect("it opens"));
        let tables = tables(&engine.join(TABLES)).expect("listable");
        assert!(!tables.is_empty());
        for table in &tables {
            let current = fs::read(table.join(CURRENT)).expect("readable");
            // Older manifests may lie beside it; nobody reads them.
            let manifest = format!("v{}", current[0]);
            for path in [table.join(CURRENT), table.join(manifest)] {
                let whole = fs::read(&path).expect("readable");
                for byte in 0..whole.len() {
                    let mut flipped = whole.clone();
                    flipped[byte] ^= 1 << (byte % 8);
                    fs::write(&path, flipped).expect("writable");
                    let checked = check(&engine);
                    assert!(matches!(checked, Err(OpenError::Damaged(_))), "{checked:?}");
                }
                fs::write(&path, whole).expect("writable");
            }
        }
        drop(Fjall::open(&engine).expect("it is as it was"));
    }
}
