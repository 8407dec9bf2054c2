//! A disk that stops at a chosen step, and what is left on it then.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::disk::{Disk, System};

/// How much of the last step is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tear {
    Nothing,
    Half,
    All,
}

/// What is left of the steps that nobody has synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// All of it: the process was killed.
    Everything,
    /// All but the oldest: the disk wrote the later ones first.
    Newest,
    /// None of it: the power failed.
    Nothing,
}

/// Counts the steps of all that is written, and goes out at one of them.
#[derive(Debug, Default)]
pub(super) struct Power {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    steps: u64,
    stop: Option<(u64, Tear)>,
    is_out: bool,
    /// What was not synced, oldest first.
    pending: Vec<Pending>,
}

/// How to take a step back, and what makes it durable.
#[derive(Debug)]
struct Pending {
    until: Synced,
    undo: Undo,
}

#[derive(Debug, PartialEq, Eq)]
enum Synced {
    /// The file with this number.
    File(u64),
    Folder(PathBuf),
}

#[derive(Debug)]
enum Undo {
    /// So many bytes there were these, as far as the file reached, which was so long.
    Bytes { file: File, offset: u64, count: usize, old: Vec<u8>, length: u64 },
    /// There was no such folder.
    NoFolder(PathBuf),
    /// These were the contents of files.
    Files(Vec<(PathBuf, Option<Vec<u8>>)>),
}

impl Power {
    /// Goes out at this step, counted from now and from 1.
    pub(super) fn stop_at(&self, step: u64, tear: Tear) {
        let mut state = self.lock();
        state.stop = Some((state.steps + step, tear));
    }

    /// How many steps there were.
    pub(super) fn steps(&self) -> u64 {
        self.lock().steps
    }

    pub(super) fn is_out(&self) -> bool {
        self.lock().is_out
    }

    /// Takes back what is not left, and goes on again.
    pub(super) fn come_back(&self, left: Left) {
        let mut state = self.lock();
        state.stop = None;
        state.is_out = false;
        let mut pending = std::mem::take(&mut state.pending);
        let lost = match left {
            Left::Everything => 0,
            Left::Newest => pending.len().min(1),
            Left::Nothing => pending.len(),
        };
        for Pending { undo, .. } in pending.drain(..lost).rev() {
            undo.carry_out();
        }
    }

    /// Takes a step; says what becomes of it if it is the last.
    pub(super) fn step(&self) -> io::Result<Option<Tear>> {
        let mut state = self.lock();
        if state.is_out {
            return Err(out());
        }
        state.steps += 1;
        match state.stop {
            Some((step, tear)) if step == state.steps => {
                state.is_out = true;
                Ok(Some(tear))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// A step that is carried out as a whole or not at all.
    fn whole<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.step()? {
            None => work(),
            Some(Tear::All) => work().and(Err(out())),
            Some(Tear::Nothing | Tear::Half) => Err(out()),
        }
    }

    fn pend(&self, until: Synced, undo: Undo) {
        self.lock().pending.push(Pending { until, undo });
    }

    fn synced(&self, what: &Synced) {
        self.lock().pending.retain(|pending| pending.until != *what);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for Power {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.whole(|| {
            System.create_folder(path)?;
            self.pend(folder_of(path), Undo::NoFolder(path.to_owned()));
            Ok(())
        })
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.whole(|| {
            self.pend(folder_of(path), Undo::Files(vec![contents(path)]));
            System.create(path)
        })
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        let tear = self.step()?;
        let written = match tear {
            None | Some(Tear::All) => bytes,
            Some(Tear::Half) => &bytes[..bytes.len() / 2],
            Some(Tear::Nothing) => &[],
        };
        self.pend(Synced::File(number_of(file)?), before(file, offset, written.len())?);
        System.write_at(file, written, offset)?;
        if tear.is_some() { Err(out()) } else { Ok(()) }
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        self.whole(|| {
            let rest = file.metadata()?.len().saturating_sub(length);
            let rest = usize::try_from(rest).map_err(io::Error::other)?;
            self.pend(Synced::File(number_of(file)?), before(file, length, rest)?);
            System.cut(file, length)
        })
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.whole(|| {
            self.synced(&Synced::File(number_of(file)?));
            Ok(())
        })
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.whole(|| {
            self.synced(&Synced::Folder(path.to_owned()));
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.whole(|| {
            self.pend(folder_of(from), Undo::Files(vec![contents(from), contents(to)]));
            System.rename(from, to)
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.whole(|| {
            self.pend(folder_of(path), Undo::Files(vec![contents(path)]));
            System.remove(path)
        })
    }
}

impl Undo {
    fn carry_out(self) {
        match self {
            Self::Bytes { file, offset, count, mut old, length } => {
                let end = file.metadata().expect("readable").len();
                if end <= offset + count as u64 {
                    file.set_len(length).expect("writable");
                } else {
                    // What was written behind it stays, with a hole before it.
                    old.resize(count, 0);
                }
                file.write_all_at(&old, offset).expect("writable");
            }
            Self::NoFolder(path) => fs::remove_dir_all(path).expect("removable"),
            Self::Files(files) => {
                for (path, contents) in files {
                    match contents {
                        Some(contents) => fs::write(path, contents).expect("writable"),
                        None if path.exists() => fs::remove_file(path).expect("removable"),
                        None => {}
                    }
                }
            }
        }
    }
}

fn out() -> io::Error {
    io::Error::other("the power is out")
}

fn folder_of(path: &Path) -> Synced {
    Synced::Folder(path.parent().expect("a path below a folder").to_owned())
}

fn contents(path: &Path) -> (PathBuf, Option<Vec<u8>>) {
    (path.to_owned(), fs::read(path).ok())
}

fn number_of(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.ino())
}

/// How a stretch of a file was before it changes.
fn before(file: &File, offset: u64, count: usize) -> io::Result<Undo> {
    let length = file.metadata()?.len();
    let mut old = vec![0; count];
    let mut read = 0;
    while read < count {
        match file.read_at(&mut old[read..], offset + read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    old.truncate(read);
    Ok(Undo::Bytes { file: file.try_clone()?, offset, count, old, length })
}
