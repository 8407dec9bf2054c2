//! The data folder: whose it is, and which chain lives there.

use std::{
    fs::{self, File, Permissions, TryLockError},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use kraken_types::Genesis;

use crate::failure::Failure;

/// The data folder of a node; no other process claims it as long as this value lives.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// The folder itself, open and locked.
    handle: File,
}

impl Folder {
    /// Which chain lives here.
    const GENESIS: &str = "genesis.toml";
    /// The same while it is written.
    const DRAFT: &str = "genesis.toml.new";
    /// Where `kraken-storage` keeps its files.
    const STORAGE: &str = "storage";

    /// Takes the folder for this process, and makes it where there is none.
    ///
    /// # Errors
    /// If it cannot be made or opened, or another process has it.
    pub(crate) fn claim(path: &Path) -> Result<Self, Failure> {
        let open = || -> io::Result<File> {
            fs::create_dir_all(path)?;
            File::open(path)
        };
        let handle = open().map_err(|error| unusable(path, &error))?;
        match handle.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(
                    format!("the data folder {} is in use by another process", path.display()),
                    "stop that process, or name another folder with --data-dir",
                ));
            }
            // Some file systems have no locks on folders. Storage guards its own files as well.
            Err(TryLockError::Error(error)) => tracing::debug!("no lock on the folder: {error}"),
        }
        Ok(Self { path: path.to_owned(), handle })
    }

    /// As it was named.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where storage keeps its files.
    pub(crate) fn storage(&self) -> PathBuf {
        self.path.join(Self::STORAGE)
    }

    /// The chain that lives here, `None` if there is none yet.
    ///
    /// # Errors
    /// If the folder holds files of something else, or the genesis cannot be read.
    pub(crate) fn genesis(&self) -> Result<Option<Genesis>, Failure> {
        let file = self.path.join(Self::GENESIS);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match self.is_empty() {
                    Ok(true) => Ok(None),
                    Ok(false) => Err(self.foreign()),
                    Err(error) => Err(unusable(&self.path, &error)),
                };
            }
            Err(error) => return Err(unusable(&self.path, &error)),
        };
        let genesis = Genesis::from_toml(&text).map_err(|error| {
            Failure::because(
                format!("cannot use {}", file.display()),
                &error,
                "put the file back as it was, or name another folder with --data-dir",
            )
        })?;
        Ok(Some(genesis))
    }

    /// Writes the genesis of a new chain, whole or not at all.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub(crate) fn write_genesis(&self, genesis: &Genesis) -> Result<(), Failure> {
        let write = || -> io::Result<()> {
            let draft = self.path.join(Self::DRAFT);
            let mut file = File::create(&draft)?;
            file.write_all(genesis.to_toml().as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, self.path.join(Self::GENESIS))?;
            self.handle.sync_all()
        };
        write().map_err(|error| unusable(&self.path, &error))
    }

    /// Makes the folder that of a chain, or finds out that it is already.
    ///
    /// # Errors
    /// If the folder holds another chain, or files of something else, or cannot be written to.
    pub(crate) fn adopt(&self, genesis: &Genesis) -> Result<(), Failure> {
        match self.genesis()? {
            None => self.write_genesis(genesis),
            Some(stored) if stored.digest() == genesis.digest() => Ok(()),
            Some(stored) => Err(Failure::new(
                format!(
                    "the data folder {} holds the chain of genesis {}, and not of {}",
                    self.path.display(),
                    stored.digest(),
                    genesis.digest()
                ),
                "name the genesis that the folder was made with, or another folder with --data-dir",
            )),
        }
    }

    /// Whether nothing is here; a draft of ours is nothing.
    fn is_empty(&self) -> io::Result<bool> {
        for entry in fs::read_dir(&self.path)? {
            if entry?.file_name() != Self::DRAFT {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn foreign(&self) -> Failure {
        Failure::new(
            format!("the folder {} holds files, but no chain of Kraken", self.path.display()),
            "name an empty or a new folder with --data-dir",
        )
    }
}

/// A mode for what anybody may read.
const FOR_ALL: u32 = 0o644;
/// A mode for secrets.
const FOR_OWNER: u32 = 0o600;

/// Writes a new file that anybody may read, whole or not at all.
///
/// # Errors
/// If there is such a file already, which stays as it is, or it cannot be written.
pub(crate) fn write_new(path: &Path, text: &str) -> io::Result<()> {
    write_with_mode(path, text, FOR_ALL)
}

/// The same for secrets: there is no moment at which others than the owner can read them.
///
/// # Errors
/// As [`write_new`].
pub(crate) fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    write_with_mode(path, text, FOR_OWNER)
}

fn write_with_mode(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let folder = parent.unwrap_or(Path::new("."));
    let mut draft = tempfile::Builder::new()
        .prefix(".kraken-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)?;
    draft.write_all(text.as_bytes())?;
    draft.as_file().sync_all()?;
    draft.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::because(
        format!("cannot use the data folder {}", path.display()),
        error,
        "name a folder that you may write to with --data-dir",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{genesis, settings::ChainSettings};

    #[test]
    fn a_genesis_is_read_back() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::claim(&directory.path().join("new")).expect("writable");
        assert_eq!(folder.genesis().expect("nothing there"), None);

        let genesis = genesis::create(&ChainSettings::default(), 42, 1_000);
        folder.write_genesis(&genesis).expect("writable");
        assert_eq!(folder.genesis().expect("own file"), Some(genesis));
    }

    #[test]
    fn a_folder_stays_with_its_chain() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::claim(directory.path()).expect("writable");
        let genesis = genesis::create(&ChainSettings::default(), 42, 1_000);
        folder.adopt(&genesis).expect("an empty folder");
        folder.adopt(&genesis).expect("the same chain");
        let other = genesis::create(&ChainSettings::default(), 43, 1_000);
        let failure = folder.adopt(&other).expect_err("another chain").to_string();
        assert!(failure.contains(&genesis.digest().to_string()), "{failure}");
    }

    #[test]
    fn a_half_written_genesis_is_no_chain() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        fs::write(directory.path().join(Folder::DRAFT), "chain_id = ").expect("writable");
        let folder = Folder::claim(directory.path()).expect("writable");
        assert_eq!(folder.genesis().expect("nothing there"), None);
    }

    #[test]
    fn a_folder_of_something_else_is_refused() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        fs::write(directory.path().join("photo.jpg"), "sunset").expect("writable");
        let folder = Folder::claim(directory.path()).expect("writable");
        assert!(folder.genesis().is_err());
    }

    #[test]
    fn a_folder_has_one_owner_at_a_time() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let first = Folder::claim(directory.path()).expect("free");
        assert!(Folder::claim(directory.path()).is_err());
        drop(first);
        assert!(Folder::claim(directory.path()).is_ok());
    }
}
