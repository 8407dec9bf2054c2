//! A small JSON-RPC client that blocks, and can check every answer.

use std::{
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use kraken_openrpc::Documents;
use serde_json::{Value, json};
use starknet_types_core::felt::Felt;
use tokio::runtime::{self, Runtime};

use crate::{
    Coverage, Official, Socket,
    official::{is_newer, older_code},
};

/// How long an answer may take on a busy machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// How long anything waited for may take on a busy machine.
pub const WITHIN: Duration = Duration::from_secs(60);

/// How long to sleep between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Codes of JSON-RPC 2.0.
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

/// Codes of the specification for what is not there yet.
const COME_TO_BE: [i64; 4] = [10, 20, 24, 29];

/// A client of one node. Cheap to clone; any thread may use it.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    documents: Option<Arc<Documents>>,
    coverage: Option<Arc<Coverage>>,
    /// Is asked everything as well.
    older: Option<Box<Self>>,
}

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum CallError {
    /// The node is not there, or went away before it answered.
    #[error("no answer: {reason}")]
    NoAnswer { reason: String },
    /// The node says no.
    #[error("error {code}: {message}, {data}")]
    Refused { code: i64, message: String, data: Value },
}

impl CallError {
    /// The code of the refusal.
    ///
    /// # Panics
    /// If the node did not answer.
    pub fn code(&self) -> i64 {
        match self {
            Self::Refused { code, .. } => *code,
            Self::NoAnswer { reason } => panic!("no answer: {reason}"),
        }
    }
}

impl Client {
    /// Speaks to the node at a URL.
    ///
    /// # Panics
    /// If the system has no sockets to give.
    pub fn new(url: &str) -> Self {
        Self::within(url, ANSWER_WITHIN)
    }

    /// The same for a node that may be frozen: waits for an answer no longer than this.
    ///
    /// # Panics
    /// As [`Client::new`].
    pub fn within(url: &str, time: Duration) -> Self {
        let http = reqwest::Client::builder().timeout(time).no_proxy().build();
        let http = http.expect("a client without certificates");
        Self { http, url: url.to_owned(), documents: None, coverage: None, older: None }
    }

    /// The same, but every answer to a method of the specification must be as the official documents
    /// say, where these are at hand. Whatever changes nothing is asked of the older version, too, which
    /// must answer in its own words, and refuse what the newest one refuses.
    #[must_use]
    pub fn checked(mut self) -> Self {
        let mut older = self.clone();
        older.url.push_str(Official::OLDER_PATH);
        if let Some(official) = Official::get() {
            self.documents = Some(Arc::clone(&official.newest));
            older.documents = Some(Arc::clone(&official.older));
        }
        self.older = Some(Box::new(older));
        self
    }

    /// The same, and everything that is said is noted, by each version in a place of its own.
    #[must_use]
    pub fn noted_in(mut self, newest: &Arc<Coverage>, older: &Arc<Coverage>) -> Self {
        self.coverage = Some(Arc::clone(newest));
        if let Some(client) = &mut self.older {
            client.coverage = Some(Arc::clone(older));
        }
        self
    }

    /// A client that speaks the older version.
    ///
    /// # Panics
    /// If this one is not checked.
    pub fn older(&self) -> &Self {
        self.older.as_deref().expect("a client that is checked speaks both")
    }

    /// Opens a WebSocket at a path of the node; what comes over it is checked as answers are.
    ///
    /// # Panics
    /// If the node does not let it.
    pub fn socket(&self, path: &str) -> Socket {
        let url = format!("{}{path}", self.url);
        Socket::open(&url, self.documents.clone(), self.coverage.clone())
    }

    /// Where the node is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Calls a method with parameters by position or by name.
    ///
    /// # Errors
    /// [`CallError`] if the node refuses, or is not there.
    ///
    /// # Panics
    /// If the answer is not what the documents, if there are any, say.
    #[expect(clippy::needless_pass_by_value, reason = "callers write parameters in place")]
    pub fn call(&self, method: &str, params: Value) -> Result<Value, CallError> {
        let result = self.ask(method, &params);
        // What is sent once more might be taken.
        if let Some(older) = self.older_for(method).filter(|_| !method.starts_with("starknet_add"))
        {
            let said = older.ask(method, &params);
            let shown = format!("{method} {params:.300}: {result:?}, and by 0.9 {said:?}");
            assert!(agree(method, &params, &result, &said), "{shown:.900}");
        }
        result
    }

    fn older_for(&self, method: &str) -> Option<&Self> {
        self.older.as_deref().filter(|_| method.starts_with("starknet_"))
    }

    fn ask(&self, method: &str, params: &Value) -> Result<Value, CallError> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut answer = self.post(&request.to_string())?;
        assert_eq!(answer["jsonrpc"], "2.0", "{method}: {answer}");
        assert_eq!(answer["id"], 1, "{method}: {answer}");
        let result = match answer.get_mut("error") {
            None => Ok(answer["result"].take()),
            Some(error) => Err(refused(error)),
        };
        if let Some(documents) = self.documents.as_ref().filter(|_| method.starts_with("starknet_"))
        {
            check(documents, method, &result);
        }
        if let Some(coverage) = &self.coverage {
            coverage.note(method, &result);
        }
        result
    }

    /// Calls a method that must have a result.
    ///
    /// # Panics
    /// If it has none.
    #[track_caller]
    pub fn get(&self, method: &str, params: Value) -> Value {
        let said = params.to_string();
        match self.call(method, params) {
            Ok(result) => result,
            Err(error) => panic!("{method} {said:.300}: {error}"),
        }
    }

    /// Calls a method that must be refused.
    ///
    /// # Panics
    /// If it is not, or if the node is not there.
    #[track_caller]
    pub fn refusal(&self, method: &str, params: Value) -> (i64, String, Value) {
        let said = params.to_string();
        match self.ask(method, &params) {
            Err(CallError::Refused { code, message, data }) => {
                if let Some(older) = self.older_for(method) {
                    let (of_older, ..) = older.refusal(method, params);
                    assert_eq!(of_older, older_code(method, code), "{method} {said:.300}");
                }
                (code, message, data)
            }
            Err(error @ CallError::NoAnswer { .. }) => panic!("{method} {said:.300}: {error}"),
            Ok(result) => panic!("{method} {said:.300} has the result {result:.300}"),
        }
    }

    /// Sends a body as it is and reads the answer as JSON.
    ///
    /// # Errors
    /// [`CallError::NoAnswer`] if there is no whole answer with status 200.
    pub fn post(&self, body: &str) -> Result<Value, CallError> {
        let request = self
            .http
            .post(&self.url)
            .header("content-type", "application/json")
            .body(body.to_owned());
        block_on(async {
            let answer = request.send().await?.error_for_status()?;
            answer.json::<Value>().await
        })
        .map_err(|error: reqwest::Error| CallError::NoAnswer { reason: format!("{error:?}") })
    }

    /// GETs a path; the status and the body.
    ///
    /// # Errors
    /// [`CallError::NoAnswer`] if there is no whole answer.
    pub fn get_path(&self, path: &str) -> Result<(u16, String), CallError> {
        let request = self.http.get(format!("{}{path}", self.url));
        block_on(async {
            let answer = request.send().await?;
            Ok((answer.status().as_u16(), answer.text().await?))
        })
        .map_err(|error: reqwest::Error| CallError::NoAnswer { reason: format!("{error:?}") })
    }

    /// The number of the newest block.
    ///
    /// # Panics
    /// If the node does not say.
    #[track_caller]
    pub fn block_number(&self) -> u64 {
        self.get("starknet_blockNumber", json!([])).as_u64().expect("a number")
    }

    /// The next nonce of an account, everything executed included.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn nonce(&self, account: Felt) -> Result<u64, CallError> {
        let nonce = self.call("starknet_getNonce", json!(["pre_confirmed", hex(account)]))?;
        Ok(u64::try_from(felt(&nonce)).expect("a small number"))
    }

    /// The receipt; `None` while the transaction is in no block.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn receipt(&self, hash: Felt) -> Result<Option<Value>, CallError> {
        match self.call("starknet_getTransactionReceipt", json!([hex(hash)])) {
            Ok(receipt) => Ok(Some(receipt)),
            Err(CallError::Refused { code: 29, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for the receipt of a transaction in a closed block.
    ///
    /// # Panics
    /// If it does not come.
    #[track_caller]
    pub fn accepted(&self, hash: Felt) -> Value {
        wait_for(&format!("a receipt of {hash:#x}"), || {
            let receipt = self.receipt(hash).expect("the node answers")?;
            (receipt["finality_status"] == "ACCEPTED_ON_L2").then_some(receipt)
        })
    }
}

/// Waits until `look` sees something.
///
/// # Panics
/// If it takes too long.
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < WITHIN, "waited for {what} in vain");
        thread::sleep(LOOK_AGAIN);
    }
}

/// A felt as the specification writes it.
pub fn hex(felt: impl Into<Felt>) -> String {
    format!("{:#x}", felt.into())
}

/// A felt of an answer.
///
/// # Panics
/// If it is none.
#[track_caller]
pub fn felt(value: &Value) -> Felt {
    let felt = value.as_str().and_then(|text| Felt::from_hex(text).ok());
    felt.unwrap_or_else(|| panic!("{value} is no felt"))
}

/// Whether what the older version says goes with what the newest one says.
fn agree(
    method: &str,
    params: &Value,
    newest: &Result<Value, CallError>,
    older: &Result<Value, CallError>,
) -> bool {
    use CallError::{NoAnswer, Refused};
    match (newest, older) {
        (Ok(_), Ok(_)) | (Err(NoAnswer { .. }), _) => true,
        (Ok(_), Err(Refused { code, .. })) => *code == INVALID_PARAMS && is_newer(method, params),
        (Err(Refused { code, .. }), Err(Refused { code: of_older, .. })) => {
            older_code(method, *code) == *of_older
        }
        // It may have come to be meanwhile.
        (Err(Refused { code, .. }), Ok(_)) => COME_TO_BE.contains(code),
        (_, Err(NoAnswer { .. })) => false,
    }
}

/// Why the node says no.
pub(crate) fn refused(error: &mut Value) -> CallError {
    CallError::Refused {
        code: error["code"].as_i64().expect("a code"),
        message: error["message"].as_str().expect("a message").to_owned(),
        data: error["data"].take(),
    }
}

/// Holds an answer against the documents.
pub(crate) fn check(documents: &Documents, method: &str, result: &Result<Value, CallError>) {
    let checked = match result {
        // The documents cannot say anything about a method that is in none of them.
        Err(CallError::Refused { code: METHOD_NOT_FOUND, .. }) => return,
        Ok(result) => documents.check_result(method, result),
        Err(CallError::Refused { code, message, data }) => {
            let data = (!data.is_null()).then_some(data);
            documents.check_error(method, *code, message, data)
        }
        Err(CallError::NoAnswer { .. }) => return,
    };
    if let Err(violations) = checked {
        let said: Vec<_> = violations.iter().map(ToString::to_string).collect();
        panic!("{}\nin {result:?}", said.join("\n"));
    }
}

/// Waits for what happens on sockets.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    runtime().block_on(work)
}

/// All clients share the thread that waits for sockets, with whatever else waits for them.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let threads = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        threads.expect("the system has a thread to give")
    })
}
