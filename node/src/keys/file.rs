//! The file that holds the secrets: nobody but its owner can read it.
//!
//! What is wrong with it is said without quoting it, so that no secret reaches a log.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use kraken_sequencer::Seed;
use kraken_types::PublicKey;
use serde::Deserialize;

use super::Keys;
use crate::{failure::Failure, folder};

/// A key file with the most workers is far smaller.
const BYTES_MAX: u64 = 64 * 1024;

/// The bits of a mode that let others than the owner in.
const OTHERS: u32 = 0o077;

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    consensus: String,
    network: String,
    workers: Vec<String>,
}

/// The file of one worker.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkerText {
    worker: String,
}

impl Keys {
    /// Reads a key file.
    ///
    /// # Errors
    /// If it cannot be read, others can read it, or it is no key file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        parse(&read_secret(path)?).map_err(|problem| no_key_file(path, &problem))
    }

    /// Writes a key file that only its owner can read, whole or not at all.
    ///
    /// # Errors
    /// If there is such a file already, or the folder cannot be written to.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        write_secret(path, &self.to_toml())
    }

    /// Writes the secret of one worker to a file of its own, for the machine that runs it.
    ///
    /// # Errors
    /// If there is no such worker or such a file already, or the folder cannot be written to.
    pub(crate) fn write_worker(&self, place: u8, path: &Path) -> Result<(), Failure> {
        let seed = self.workers.get(usize::from(place)).ok_or_else(|| {
            Failure::new(
                format!("there is no worker {place}: the keys are of {}", self.workers.len()),
                "name a place with --place; workers are counted from 0",
            )
        })?;
        let text = format!(
            "# The secret key of worker {place} of a validator of Kraken. It cannot vote.\n\
             worker = \"{}\"\n",
            hex(seed)
        );
        write_secret(path, &text)
    }

    fn to_toml(&self) -> String {
        let workers: Vec<_> =
            self.workers.iter().map(|seed| format!("\"{}\"", hex(seed))).collect();
        format!(
            "# The secret keys of one validator of Kraken: whoever reads them can act in its name.\n\
             # Signs headers, votes and blocks.\n\
             consensus = \"{}\"\n\
             # By which peers know the connections of its primary.\n\
             network = \"{}\"\n\
             # The same for each of its workers.\n\
             workers = [{}]\n",
            hex(&self.consensus),
            hex(&self.primary),
            workers.join(", ")
        )
    }
}

/// Reads the key file of one worker.
///
/// # Errors
/// If it cannot be read, others can read it, or it is none.
pub(crate) fn read_worker(path: &Path) -> Result<Seed, Failure> {
    let text: WorkerText = toml::from_str(&read_secret(path)?).map_err(|_| {
        no_key_file(path, "it is not that of one worker; `kraken key --worker-of` makes one")
    })?;
    seed(&text.worker, "worker").map_err(|problem| no_key_file(path, &problem))
}

fn read_secret(path: &Path) -> Result<String, Failure> {
    let unreadable = |error: io::Error| {
        Failure::because(
            format!("cannot read the key file {}", path.display()),
            &error,
            "name a key file with --key; `kraken key --out FILE` makes one",
        )
    };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    if mode & OTHERS != 0 {
        return Err(Failure::new(
            format!("others can read the key file {} (mode {:03o})", path.display(), mode & 0o777),
            format!("chmod 600 {}, and make new keys if somebody may have read it", path.display()),
        ));
    }
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

fn no_key_file(path: &Path, problem: &str) -> Failure {
    Failure::new(
        format!("{} is no key file: {problem}", path.display()),
        "restore it from a copy; `kraken key --out FILE` makes a new one",
    )
}

fn write_secret(path: &Path, text: &str) -> Result<(), Failure> {
    folder::write_secret(path, text).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Failure::new(
                format!("{} exists, and keys are never overwritten", path.display()),
                "name another file with --out",
            );
        }
        Failure::because(
            format!("cannot write the key file {}", path.display()),
            &error,
            "name a file in a folder that you may write to with --out",
        )
    })
}

fn hex(seed: &Seed) -> String {
    seed.expose().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the text, or says what is wrong with it, without any of its values.
fn parse(text: &str) -> Result<Keys, String> {
    let text: Text = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        format!("line {line} is not as it should be")
    })?;
    let workers = text.workers.iter().map(|key| seed(key, "workers"));
    Ok(Keys {
        consensus: seed(&text.consensus, "consensus")?,
        primary: seed(&text.network, "network")?,
        workers: workers.collect::<Result<_, _>>()?,
    })
}

fn seed(text: &str, name: &str) -> Result<Seed, String> {
    // A secret is written as a public key is.
    let bytes = PublicKey::from_hex(text).map(|key| *key.as_bytes());
    bytes.map(Seed::new).ok_or_else(|| format!("{name}: expected 64 hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn keys_survive_their_file_which_is_for_its_owner_only() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("key.toml");
        let keys = Keys::random(2);
        keys.write(&path).expect("writable");
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(Keys::read(&path).expect("own file"), keys);
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[test]
    fn a_worker_has_a_file_with_its_own_secret_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("worker.toml");
        let keys = Keys::random(2);
        keys.write_worker(1, &path).expect("writable");
        assert_eq!(read_worker(&path).expect("own file"), keys.workers[1]);
        let text = fs::read_to_string(&path).expect("ours");
        for other in [&keys.consensus, &keys.primary, &keys.workers[0]] {
            assert!(!text.contains(&hex(other)), "{text}");
        }
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(keys.write_worker(1, &path).is_err(), "never overwritten");
        assert!(keys.write_worker(2, &folder.path().join("other")).is_err());
        let whole = folder.path().join("key.toml");
        keys.write(&whole).expect("writable");
        assert!(read_worker(&whole).is_err() && Keys::read(&path).is_err());
    }

    #[test]
    fn keys_are_never_overwritten() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("key.toml");
        let keys = Keys::random(1);
        keys.write(&path).expect("writable");
        let failure = Keys::random(1).write(&path).expect_err("it is there");
        assert!(failure.to_string().contains("never overwritten"), "{failure}");
        assert_eq!(Keys::read(&path).expect("own file"), keys);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("key.toml");
        Keys::random(1).write(&path).expect("writable");
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
            let failure = Keys::read(&path).expect_err("others can read it").to_string();
            assert!(failure.contains("chmod 600"), "{failure}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).expect("ours");
        assert!(Keys::read(&path).is_ok());
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secrets() {
        let secret = "5ec7e7".repeat(11);
        let good = "ab".repeat(32);
        for text in [
            format!("consensus = \"{secret}\"\nnetwork = \"{good}\"\nworkers = []"),
            format!("consensus = \"{good}\"\nnetwork = \"{good}\"\nworkers = \"{secret}\""),
            format!("consensus = \"{good}\"\nnetwork = \"{good}\"\nworkers = [\"{secret}\"]"),
            format!("consensus = {secret}"),
            format!("consensus = \"{good}\"\n{secret} = 1"),
            format!("network = \"{secret}\""),
        ] {
            let problem = parse(&text).expect_err("a bad file");
            assert!(!problem.contains("5ec7e7") && !problem.contains("abab"), "{problem}");
        }
        assert!(parse("workers = 1").expect_err("a bad file").starts_with("line 1"));
    }
}
