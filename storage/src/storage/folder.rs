//! The data folder: whose it is, and who may use it now.
//!
//! `IDENTITY` says whose, in three lines of text. It is made durable once the logs are there and
//! before anything is in them: a folder without it holds nothing of ours, and one with it has lost
//! something if a log is missing. `LOCK` is locked by the process that uses the folder; the system
//! lifts the lock however that process ends.

use std::{
    ffi::OsStr,
    fs::{self, DirEntry, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use kraken_types::Digest;

use crate::{
    Error,
    disk::{self, Disk},
    log::Log,
    tables::SCHEMA,
};

const LOCK: &str = "LOCK";
const IDENTITY: &str = "IDENTITY";
/// What becomes the identity once it is durable.
const IDENTITY_DRAFT: &str = "IDENTITY.new";

/// The folders of the logs.
const LOGS: [&str; 3] = [CHAIN, "batches", "votes"];
/// The folder of the log that is the chain.
pub(super) const CHAIN: &str = "chain";

/// The first line of an identity.
const MAGIC: &str = "kraken data folder";

/// A data folder that this process may use. The lock ends with it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    is_new: bool,
    _lock: File,
}

/// What a folder says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    schema: u32,
    genesis: Digest,
}

impl Folder {
    /// Opens the data folder of a chain, or begins to make an empty or absent folder into one.
    pub(super) fn open(directory: &Path, genesis: Digest, disk: &dyn Disk) -> Result<Self, Error> {
        disk::make_folder(disk, directory)
            .map_err(Error::io("create the data folder", directory))?;
        // A foreign folder is left as it is, without a lock file of ours.
        let is_new = is_new(directory)?;
        let lock = lock(directory)?;
        if !is_new {
            check_identity(directory, genesis)?;
            for log in LOGS {
                check_log(&directory.join(log))?;
            }
            // What a killed process saw of the folder may not be durable yet.
            disk.sync_folder(directory).map_err(Error::io("sync", directory))?;
        }
        Ok(Self { path: directory.to_owned(), is_new, _lock: lock })
    }

    /// Whether the folder still has to become that of a chain.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Makes a new folder that of a chain. Its logs are there and empty.
    pub(super) fn adopt(&self, genesis: Digest, disk: &dyn Disk) -> Result<(), Error> {
        write_identity(&self.path, Identity { schema: SCHEMA, genesis }, disk)
    }

    /// What is wrong with a new folder whose logs hold something.
    pub(super) fn lost_identity(&self) -> Error {
        Error::DamagedIdentity { path: self.path.join(IDENTITY) }
    }
}

/// Whether the folder holds nothing yet; an error if it holds something that is not ours.
fn is_new(directory: &Path) -> Result<bool, Error> {
    let listed = Error::io("list the data folder", directory);
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(listed)?;
    if entries.iter().any(|entry| entry.file_name() == OsStr::new(IDENTITY)) {
        return Ok(false);
    }
    if entries.iter().all(is_ours) {
        return Ok(true);
    }
    Err(Error::Foreign { directory: directory.to_owned() })
}

/// Whether it may be there before the identity is.
fn is_ours(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    if LOGS.iter().any(|log| name == OsStr::new(log)) {
        return fs::read_dir(entry.path()).is_ok_and(|mut segments| {
            segments.all(|segment| segment.is_ok_and(|it| Log::is_segment(&it.file_name())))
        });
    }
    name == OsStr::new(LOCK) || name == OsStr::new(IDENTITY_DRAFT)
}

/// A log was made before the identity, and never loses its last segment.
fn check_log(path: &Path) -> Result<(), Error> {
    let is_there = fs::read_dir(path).is_ok_and(|mut segments| {
        segments.any(|segment| segment.is_ok_and(|it| Log::is_segment(&it.file_name())))
    });
    if is_there { Ok(()) } else { Err(Error::MissingLog { path: path.to_owned() }) }
}

fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join(LOCK);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(Error::io("write to", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { directory: directory.to_owned() }),
        Err(TryLockError::Error(source)) => Err(Error::io("lock", path)(source)),
    }
}

/// Makes the identity durable as a whole, with all names beside it.
fn write_identity(directory: &Path, identity: Identity, disk: &dyn Disk) -> Result<(), Error> {
    let (draft, path) = (directory.join(IDENTITY_DRAFT), directory.join(IDENTITY));
    disk.create(&draft)
        .and_then(|file| {
            disk.write_at(&file, identity.to_text().as_bytes(), 0)?;
            disk.sync(&file)
        })
        .map_err(Error::io("write to", &draft))?;
    disk.rename(&draft, &path)
        .and_then(|()| disk.sync_folder(directory))
        .map_err(Error::io("create", path))
}

fn check_identity(directory: &Path, genesis: Digest) -> Result<(), Error> {
    let path = directory.join(IDENTITY);
    let identity = match fs::read_to_string(&path) {
        Ok(text) => Identity::from_text(&text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let Some(identity) = identity else {
        return Err(Error::DamagedIdentity { path });
    };
    let directory = directory.to_owned();
    if identity.schema != SCHEMA {
        let found = identity.schema;
        return Err(Error::WrongSchema { directory, found, expected: SCHEMA });
    }
    if identity.genesis != genesis {
        let found = identity.genesis;
        return Err(Error::WrongGenesis { directory, found, expected: genesis });
    }
    Ok(())
}

impl Identity {
    fn to_text(self) -> String {
        let Self { schema, genesis } = self;
        format!("{MAGIC}\nschema {schema}\ngenesis {genesis}\n")
    }

    /// `None` if the text is no identity. What follows the schema may differ in another one.
    fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != MAGIC {
            return None;
        }
        let schema = lines.next()?.strip_prefix("schema ")?.parse().ok()?;
        if schema != SCHEMA {
            return Some(Self { schema, genesis: Digest::default() });
        }
        let genesis = parse_digest(lines.next()?.strip_prefix("genesis ")?)?;
        lines.next().is_none().then_some(Self { schema, genesis })
    }
}

fn parse_digest(digits: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Digest::from_bytes(bytes))
}
