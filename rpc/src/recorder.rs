//! Requests that changed a developer's chain, to be carried out again by another node.
//!
//! A dump is a list of JSON-RPC requests, as starknet-devnet writes it. Blocks that are made of it
//! have other times.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    jsonrpc::{Json, Request},
    server::{Dump, DumpOn},
};

/// What a dump is made of.
const RECORDED: [&str; 19] = [
    "starknet_addInvokeTransaction",
    "starknet_addDeclareTransaction",
    "starknet_addDeployAccountTransaction",
    "devnet_mint",
    "devnet_createBlock",
    "devnet_abortBlocks",
    "devnet_acceptOnL1",
    "devnet_setTime",
    "devnet_increaseTime",
    "devnet_setGasPrice",
    "devnet_impersonateAccount",
    "devnet_stopImpersonateAccount",
    "devnet_autoImpersonate",
    "devnet_stopAutoImpersonate",
    "devnet_applyStateDiff",
    "devnet_postmanSendMessageToL2",
    "dev_generateBlock",
    "dev_increaseNextBlockTimestamp",
    "dev_setStorageAt",
];

/// A request that changed the chain.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct Recorded {
    #[serde(default = "version")]
    jsonrpc: String,
    method: String,
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    params: Option<Json>,
    /// Nobody answers to it any more.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    id: Option<Json>,
}

fn version() -> String {
    "2.0".to_owned()
}

impl Recorded {
    /// To be carried out again.
    pub(crate) fn into_request(self) -> Request {
        Request { method: self.method, params: self.params }
    }
}

/// Keeps requests that changed the chain, if the node was told to.
#[derive(Debug)]
pub(crate) struct Recorder {
    settings: Option<Dump>,
    tape: Mutex<Tape>,
}

#[derive(Debug, Default)]
struct Tape {
    requests: Vec<Recorded>,
    /// How many requests there were when a snapshot was taken.
    marks: BTreeMap<u64, usize>,
}

impl Recorder {
    /// Starts empty.
    pub(crate) fn new(settings: Option<Dump>) -> Self {
        Self { settings, tape: Mutex::default() }
    }

    /// What to keep of a request, should it succeed.
    pub(crate) fn draft(&self, request: &Request) -> Option<Recorded> {
        let is_kept = self.settings.is_some() && RECORDED.contains(&request.method.as_str());
        is_kept.then(|| Recorded {
            jsonrpc: version(),
            method: request.method.clone(),
            params: request.params.clone(),
            id: None,
        })
    }

    /// A request has succeeded.
    pub(crate) fn keep(&self, request: Recorded) {
        let mut tape = self.lock();
        if let Some(path) = self.block_file()
            && let Err(error) = append(path, &request)
        {
            tracing::error!(path = %path.display(), %error, "cannot add to the dump");
        }
        tape.requests.push(request);
    }

    /// A snapshot was taken.
    pub(crate) fn mark(&self, snapshot: u64) {
        let mut tape = self.lock();
        let length = tape.requests.len();
        tape.marks.insert(snapshot, length);
    }

    /// The chain is as it was when the snapshot was taken.
    ///
    /// # Errors
    /// [`Error::Devnet`] if the dump cannot be written.
    pub(crate) fn go_back(&self, snapshot: u64) -> Result<(), Error> {
        let mut tape = self.lock();
        if let Some(length) = tape.marks.get(&snapshot).copied() {
            tape.requests.truncate(length);
        }
        tape.marks.split_off(&snapshot);
        self.rewrite(&tape)
    }

    /// The chain begins anew.
    ///
    /// # Errors
    /// [`Error::Devnet`] if the dump cannot be written.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        let mut tape = self.lock();
        *tape = Tape::default();
        self.rewrite(&tape)
    }

    /// All requests; written to `path`, or else to the file that the node was told, unless `inline`.
    ///
    /// # Errors
    /// [`Error::Devnet`] if nothing is kept, or the file cannot be written.
    pub(crate) fn dump(&self, path: Option<&Path>, inline: bool) -> Result<Vec<Recorded>, Error> {
        let Some(settings) = &self.settings else {
            let reason = "nothing is recorded: start the node with --dump-on request";
            return Err(Error::Devnet { reason: reason.to_owned() });
        };
        let requests = self.lock().requests.clone();
        let told = settings.path.as_deref().filter(|_| !inline);
        if let Some(path) = path.or(told) {
            write(path, &requests).map_err(|error| unwritable(path, &error))?;
        }
        Ok(requests)
    }

    /// The node ends.
    pub(crate) fn end(&self) {
        if let Some(Dump { on: DumpOn::Exit, path: Some(path) }) = &self.settings {
            let requests = self.lock().requests.clone();
            match write(path, &requests) {
                Ok(()) => tracing::info!(path = %path.display(), "dumped"),
                Err(error) => tracing::error!(path = %path.display(), %error, "cannot dump"),
            }
        }
    }

    /// Writes what is left where every request is written at once.
    fn rewrite(&self, tape: &Tape) -> Result<(), Error> {
        match self.block_file() {
            Some(path) => write(path, &tape.requests).map_err(|error| unwritable(path, &error)),
            None => Ok(()),
        }
    }

    fn block_file(&self) -> Option<&Path> {
        match &self.settings {
            Some(Dump { on: DumpOn::Block, path }) => path.as_deref(),
            Some(Dump { on: DumpOn::Exit | DumpOn::Request, .. }) | None => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a dump.
///
/// # Errors
/// [`Error::Devnet`] if the file cannot be read, or is no dump.
pub(crate) fn read(path: &Path) -> Result<Vec<Recorded>, Error> {
    let unreadable = |error: &dyn std::error::Error| Error::Devnet {
        reason: format!("cannot load {}: {error}", path.display()),
    };
    let bytes = fs::read(path).map_err(|error| unreadable(&error))?;
    serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))
}

/// Replaces a dump as a whole.
fn write(path: &Path, requests: &[Recorded]) -> io::Result<()> {
    let draft: PathBuf = path.with_added_extension("new");
    let mut file = File::create(&draft)?;
    file.write_all(&serde_json::to_vec(requests)?)?;
    file.sync_all()?;
    fs::rename(draft, path)
}

/// Adds to a dump, in one write: its last byte is the end of the list.
fn append(path: &Path, request: &Recorded) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    let length = file.metadata()?.len();
    // An empty list has two bytes, of which the first stays.
    let (at, separator) = match length {
        0 => (0, "["),
        1..=2 => (1, ""),
        _ => (length - 1, ","),
    };
    let mut bytes = separator.as_bytes().to_vec();
    serde_json::to_writer(&mut bytes, request)?;
    bytes.push(b']');
    file.seek(SeekFrom::Start(at))?;
    file.write_all(&bytes)
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::Devnet { reason: format!("cannot write the dump to {}: {error}", path.display()) }
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;

    use super::*;

    fn request(method: &str) -> Request {
        let params = to_raw_value(&[1, 2]).expect("JSON");
        Request { method: method.to_owned(), params: Some(params) }
    }

    fn recorder(on: DumpOn, path: Option<PathBuf>) -> Recorder {
        Recorder::new(Some(Dump { on, path }))
    }

    fn keep(recorder: &Recorder, method: &str) {
        recorder.keep(recorder.draft(&request(method)).expect("it is one that is kept"));
    }

    fn methods(requests: &[Recorded]) -> Vec<&str> {
        requests.iter().map(|request| request.method.as_str()).collect()
    }

    #[test]
    fn what_changes_nothing_is_not_kept_and_nothing_is_unless_asked_for() {
        let asked = recorder(DumpOn::Request, None);
        assert!(asked.draft(&request("starknet_chainId")).is_none());
        assert!(Recorder::new(None).draft(&request("devnet_mint")).is_none());
        assert!(Recorder::new(None).dump(None, false).is_err());
    }

    #[test]
    fn every_name_is_one_of_a_method() {
        for name in RECORDED {
            assert!(crate::methods::find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_file_grows_with_every_request_and_shrinks_with_the_chain() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("dump.json");
        let recorder = recorder(DumpOn::Block, Some(path.clone()));
        keep(&recorder, "devnet_mint");
        keep(&recorder, "devnet_createBlock");
        recorder.mark(1);
        keep(&recorder, "devnet_setTime");
        let all = ["devnet_mint", "devnet_createBlock", "devnet_setTime"];
        assert_eq!(methods(&read(&path).expect("a dump")), all);
        recorder.go_back(1).expect("writable");
        assert_eq!(methods(&read(&path).expect("a dump")), all[..2]);
        recorder.forget().expect("writable");
        assert!(read(&path).expect("a dump").is_empty());
        keep(&recorder, "devnet_mint");
        assert_eq!(methods(&read(&path).expect("a dump")), all[..1]);
        assert_eq!(methods(&recorder.dump(None, true).expect("kept")), all[..1]);
    }

    #[test]
    fn a_dump_is_a_list_of_requests_and_other_files_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("dump.json");
        let recorder = recorder(DumpOn::Exit, Some(path.clone()));
        keep(&recorder, "devnet_mint");
        recorder.end();
        let text = fs::read_to_string(&path).expect("written");
        assert_eq!(text, r#"[{"jsonrpc":"2.0","method":"devnet_mint","params":[1,2],"id":null}]"#);
        for other in ["", "{}", "[{\"colour\": 1}]", "[1]"] {
            fs::write(&path, other).expect("writable");
            assert!(read(&path).is_err(), "{other}");
        }
        assert!(read(&folder.path().join("missing")).is_err());
    }
}
