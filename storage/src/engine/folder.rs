//! The folder of an engine, which may be removed at any time but only as a whole.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process,
};

use super::OpenError;
use crate::Error;

/// Ends the name of the file beside the folder that says why it must not be used any more.
const DAMAGED: &str = ".damaged";

/// Ends the name of the file beside the folder that has a line for each process that opens the
/// engine, and is removed when it has come to an end of that.
const OPENING: &str = ".opening";

/// How many processes in a row may end while they open an engine, before it is what ends them.
const ENDED_MAX: usize = 2;

/// Ends the name of a folder that was one of an engine.
const OLD: &str = ".old";

/// Writes down that the engine in a folder must be made anew at the next start, and says so.
pub(super) fn condemn(path: &Path, why: &str) {
    tracing::error!(
        path = %path.display(),
        "the storage engine is damaged: {why}; the next start makes it anew from the chain log",
    );
    let sentence = beside(path, DAMAGED);
    let write = || {
        let mut file = File::create(&sentence)?;
        file.write_all(why.as_bytes())?;
        file.sync_all()
    };
    if let Err(error) = write() {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "cannot write {}: remove {} before the next start",
            sentence.display(),
            path.display(),
        );
    }
}

/// Why the engine in a folder must not be used any more, `None` if it may.
pub(crate) fn sentence(path: &Path) -> Result<Option<String>, Error> {
    let path = beside(path, DAMAGED);
    match fs::read(&path) {
        Ok(why) => Ok(Some(String::from_utf8_lossy(&why).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// Notes that this process opens the engine in a folder, which damage may make the end of it.
///
/// The note is not forced to the disk: it counts ends of processes, not those of machines.
///
/// # Errors
/// [`OpenError::Damaged`] if too many processes in a row ended while they did.
pub(super) fn begin_to_open(path: &Path) -> Result<(), OpenError> {
    let note = beside(path, OPENING);
    let failed = |error| Error::io("write to", &note)(error);
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).open(&note).map_err(failed)?;
    let mut noted = Vec::new();
    file.read_to_end(&mut noted).map_err(failed)?;
    let ended = noted.iter().filter(|&&byte| byte == b'\n').count();
    if ENDED_MAX <= ended {
        let why = format!("{ended} processes in a row ended while they opened it");
        return Err(OpenError::Damaged(why));
    }
    writeln!(file, "process {}", process::id()).map_err(failed)?;
    Ok(())
}

/// Notes that opening the engine in a folder has come to an end, whichever.
pub(super) fn end_opening(path: &Path) -> Result<(), Error> {
    let note = beside(path, OPENING);
    gone(fs::remove_file(&note)).map_err(Error::io("remove", note))
}

/// Removes an engine, and what an earlier removal left of it.
pub(crate) fn discard(path: &Path) -> Result<(), Error> {
    remove_old(path)?;
    // Under another name at once: what is half removed might still open.
    gone(fs::rename(path, beside(path, OLD))).map_err(Error::io("rename", path))?;
    for suffix in [DAMAGED, OPENING] {
        let about_it = beside(path, suffix);
        gone(fs::remove_file(&about_it)).map_err(Error::io("remove", about_it))?;
    }
    remove_old(path)
}

/// Removes what a removal that was cut off left of an engine.
pub(crate) fn remove_old(path: &Path) -> Result<(), Error> {
    let old = beside(path, OLD);
    gone(fs::remove_dir_all(&old)).map_err(Error::io("remove", old))
}

/// What is not there is gone.
fn gone(result: io::Result<()>) -> io::Result<()> {
    result
        .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// The path with something behind its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
