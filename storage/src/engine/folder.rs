//! The folder of an engine, which may be removed at any time but only as a whole.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::Error;

/// Ends the name of the file beside the folder that says why it must not be used any more.
const DAMAGED: &str = ".damaged";

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

/// Removes an engine, and what an earlier removal left of it.
pub(crate) fn discard(path: &Path) -> Result<(), Error> {
    let (old, sentence) = (beside(path, OLD), beside(path, DAMAGED));
    remove_old(path)?;
    // Under another name at once: what is half removed might still open.
    gone(fs::rename(path, &old)).map_err(Error::io("rename", path))?;
    gone(fs::remove_file(&sentence)).map_err(Error::io("remove", sentence))?;
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
