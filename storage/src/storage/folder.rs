//! The data folder: whose it is, and who may use it now.
//!
//! `IDENTITY` says whose, in three lines of text; it is the first thing that is made durable, so a
//! folder without it holds nothing of ours. `LOCK` is locked by the process that uses the folder;
//! the system lifts the lock however that process ends.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::Path,
};

use kraken_types::Digest;

use crate::{Error, tables::SCHEMA};

const LOCK: &str = "LOCK";
const IDENTITY: &str = "IDENTITY";
/// What becomes the identity once it is durable.
const IDENTITY_DRAFT: &str = "IDENTITY.new";

/// The first line of an identity.
const MAGIC: &str = "kraken data folder";

/// A data folder that this process may use. The lock ends with it.
#[derive(Debug)]
pub(super) struct Folder {
    _lock: File,
}

/// What a folder says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    schema: u32,
    genesis: Digest,
}

impl Folder {
    /// Opens the data folder of a chain, or makes an empty or absent folder into one.
    pub(super) fn open(directory: &Path, genesis: Digest) -> Result<Self, Error> {
        fs::create_dir_all(directory).map_err(Error::io("create the data folder", directory))?;
        // A foreign folder is left as it is, without a lock file of ours.
        let is_new = is_new(directory)?;
        let lock = lock(directory)?;
        if is_new {
            write_identity(directory, Identity { schema: SCHEMA, genesis })?;
        }
        check_identity(directory, genesis)?;
        Ok(Self { _lock: lock })
    }
}

/// Whether the folder holds nothing yet; an error if it holds something that is not ours.
fn is_new(directory: &Path) -> Result<bool, Error> {
    let mut is_empty = true;
    for entry in fs::read_dir(directory).map_err(Error::io("list the data folder", directory))? {
        let name = entry.map_err(Error::io("list the data folder", directory))?.file_name();
        if name == OsStr::new(IDENTITY) {
            return Ok(false);
        }
        is_empty &= name == OsStr::new(LOCK) || name == OsStr::new(IDENTITY_DRAFT);
    }
    if is_empty { Ok(true) } else { Err(Error::Foreign { directory: directory.to_owned() }) }
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

/// Replaces the identity as a whole, and makes it durable.
fn write_identity(directory: &Path, identity: Identity) -> Result<(), Error> {
    let (draft, path) = (directory.join(IDENTITY_DRAFT), directory.join(IDENTITY));
    File::create(&draft)
        .and_then(|mut file| {
            file.write_all(identity.to_text().as_bytes())?;
            file.sync_all()
        })
        .map_err(Error::io("write to", &draft))?;
    fs::rename(&draft, &path)
        .and_then(|()| File::open(directory)?.sync_all())
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
