//! Remembers outside of the data folder that a key was used.
//!
//! A validator that has lost its disk must not sign as if it had never signed. An empty data folder
//! looks the same in both cases; so the first start with a key leaves a file beside it, which names
//! the chain.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use kraken_types::Digest;

use crate::failure::Failure;

/// As many chains as no key is used for.
const BYTES_MAX: u64 = 1024 * 1024;

/// The file that says on which chains a key was used.
#[derive(Clone, Debug)]
pub(crate) struct Uses {
    path: PathBuf,
    genesis: Digest,
}

impl Uses {
    /// Of the key in this file, on the chain of this genesis.
    pub(crate) fn new(key: &Path, genesis: Digest) -> Self {
        let mut path = OsString::from(key);
        path.push(".used");
        Self { path: path.into(), genesis }
    }

    /// Whether it was used before.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub(crate) fn were_before(&self) -> Result<bool, Failure> {
        let mut text = String::new();
        match File::open(&self.path) {
            Ok(file) => file.take(BYTES_MAX).read_to_string(&mut text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => Err(error),
        }
        .map_err(|error| self.unusable(&error))?;
        let genesis = self.genesis.to_string();
        Ok(text.lines().any(|line| line == genesis))
    }

    /// Remembers that it is used from now on; durable when this returns.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn begin(&self) -> Result<(), Failure> {
        if self.were_before()? {
            return Ok(());
        }
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            // A line of its own, even behind half a line of a crash.
            write!(file, "\n{}\n", self.genesis)?;
            file.sync_all()?;
            let parent = self.path.parent().filter(|parent| *parent != Path::new(""));
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(|error| self.unusable(&error))
    }

    fn unusable(&self, error: &io::Error) -> Failure {
        Failure::because(
            format!("cannot note in {} that the key is used", self.path.display()),
            error,
            "let this user write to the folder of the key file",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_remembered_for_its_chain_only() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = folder.path().join("key.toml");
        let uses = |chain: u8| Uses::new(&key, Digest::from_bytes([chain; 32]));
        assert!(!uses(1).were_before().expect("nothing there"));
        uses(1).begin().expect("writable");
        uses(1).begin().expect("writable");
        assert!(uses(1).were_before().expect("readable"));
        assert!(!uses(2).were_before().expect("readable"));
        uses(2).begin().expect("writable");
        assert!(uses(1).were_before().expect("readable"));
        assert!(uses(2).were_before().expect("readable"));
        assert!(folder.path().join("key.toml.used").exists());
    }
}
