//! JSON-RPC 2.0: what is a request, and what an answer looks like.
//!
//! This layer knows no method: whoever calls [`answer`] brings the function that carries one out.
//! Each request gets an answer whatever that function does, a panic and a lack of time included; but
//! what is done in one go, without waiting, is not given up on once it has begun.

use std::{
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Internal};

/// JSON, written already.
pub(crate) type Json = Box<RawValue>;

/// What to carry out.
#[derive(Debug)]
pub(crate) struct Request {
    /// Its name.
    pub(crate) method: String,
    /// As they were sent.
    pub(crate) params: Option<Json>,
}

/// How much one caller may ask for at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Requests of a batch.
    pub(crate) batch_items_max: usize,
    /// Requests of a batch that are carried out at the same time.
    pub(crate) batch_concurrency: usize,
    /// Bytes of all answers to a batch.
    pub(crate) batch_response_bytes_max: usize,
}

/// When to give up, and how long that was, for the error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    /// From now on it is too late.
    pub(crate) at: Instant,
    /// How long the caller's request may take.
    pub(crate) after: Duration,
}

impl Deadline {
    /// The deadline of a request that arrives now.
    pub(crate) fn after(after: Duration) -> Self {
        Self { at: Instant::now() + after, after }
    }

    /// What a caller who waited that long is told.
    pub(crate) const fn error(&self) -> Error {
        Error::TimedOut { seconds: self.after.as_secs() }
    }
}

/// Answers a body: one request, or a batch of them. `None` if there were notifications only.
pub(crate) async fn answer<F>(
    body: &[u8],
    limits: Limits,
    deadline: Deadline,
    carry_out: impl Fn(Request) -> F + Sync,
) -> Option<Vec<u8>>
where
    F: Future<Output = Result<Json, Error>> + Send,
{
    let raw: &RawValue = match serde_json::from_slice(body) {
        Ok(raw) => raw,
        Err(error) => return Some(refusal(&Error::Parse { reason: error.to_string() })),
    };
    if !raw.get().starts_with('[') {
        return answer_one(raw, deadline, &carry_out).await.map(String::into_bytes);
    }
    let items: Vec<&RawValue> = match serde_json::from_str(raw.get()) {
        Ok(items) => items,
        Err(error) => return Some(refusal(&Error::Parse { reason: error.to_string() })),
    };
    if items.is_empty() || limits.batch_items_max < items.len() {
        let reason = format!(
            "a batch has 1 to {} requests, this one has {}",
            limits.batch_items_max,
            items.len()
        );
        return Some(refusal(&Error::InvalidRequest { reason }));
    }
    answer_batch(items, limits, deadline, &carry_out).await
}

/// An answer to what is no request, or cannot be read.
pub(crate) fn refusal(error: &Error) -> Vec<u8> {
    failure(&null(), error).into_bytes()
}

/// Answers requests side by side, in their order.
async fn answer_batch<F>(
    items: Vec<&RawValue>,
    limits: Limits,
    deadline: Deadline,
    carry_out: &(impl Fn(Request) -> F + Sync),
) -> Option<Vec<u8>>
where
    F: Future<Output = Result<Json, Error>> + Send,
{
    let written = AtomicUsize::new(0);
    let too_big = |_: Request| async {
        Err(Error::ResponseTooBig { bytes_max: limits.batch_response_bytes_max })
    };
    let answer_item = async |raw| {
        // Answers that are ready count against those that are still to come.
        let full = limits.batch_response_bytes_max <= written.load(Ordering::Relaxed);
        let answer = if full {
            answer_one(raw, deadline, &too_big).await
        } else {
            answer_one(raw, deadline, carry_out).await
        };
        written.fetch_add(answer.as_ref().map_or(0, String::len), Ordering::Relaxed);
        answer
    };
    let mut answers: Vec<BoxFuture<'_, Option<String>>> = Vec::with_capacity(items.len());
    for raw in items {
        answers.push(Box::pin(answer_item(raw)));
    }
    let answers: Vec<String> = stream::iter(answers)
        .buffered(limits.batch_concurrency.max(1))
        .filter_map(|answer| async { answer })
        .collect()
        .await;
    (!answers.is_empty()).then(|| format!("[{}]", answers.join(",")).into_bytes())
}

/// Answers one request; `None` if it is a notification.
async fn answer_one<F>(
    raw: &RawValue,
    deadline: Deadline,
    carry_out: &(impl Fn(Request) -> F + Sync),
) -> Option<String>
where
    F: Future<Output = Result<Json, Error>> + Send,
{
    let (id, request) = match parse(raw) {
        Ok(parsed) => parsed,
        Err((id, reason)) => return Some(failure(&id, &Error::InvalidRequest { reason })),
    };
    let work = AssertUnwindSafe(async {
        // What is done in one go would not notice that it begins too late.
        if deadline.at <= Instant::now() { Err(deadline.error()) } else { carry_out(request).await }
    })
    .catch_unwind();
    let outcome = match timeout_at(deadline.at, work).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Internal::Panicked.into()),
        Err(_) => Err(deadline.error()),
    };
    if let Err(Error::Internal(cause)) = &outcome {
        tracing::error!(error = cause as &dyn std::error::Error, "request failed");
    }
    let id = id?;
    Some(match outcome {
        Ok(result) => success(&id, &result),
        Err(error) => failure(&id, &error),
    })
}

/// The members of a request object; others are ignored.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
}

/// Keeps an id of null apart from no id at all.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// The id, unless it is a notification, and what to carry out; or the id as far as there is one, and
/// why this is no request.
fn parse(raw: &RawValue) -> Result<(Option<Json>, Request), (Json, String)> {
    let members: Members<'_> = serde_json::from_str(raw.get())
        .map_err(|_| (null(), "a request is an object with jsonrpc, method and id".to_owned()))?;
    if let Some(id) = members.id
        && !matches!(id.get().as_bytes(), [b'"' | b'-' | b'0'..=b'9', ..] | b"null")
    {
        return Err((null(), "id must be text, a number or null".to_owned()));
    }
    let id = members.id.map(ToOwned::to_owned);
    let invalid = |reason: &str| (id.clone().unwrap_or_else(null), reason.to_owned());
    if members.jsonrpc.is_none_or(|version| version.get() != r#""2.0""#) {
        return Err(invalid(r#"jsonrpc must be "2.0""#));
    }
    let method = members.method.ok_or_else(|| invalid("method is missing"))?;
    let method = serde_json::from_str(method.get()).map_err(|_| invalid("method must be text"))?;
    Ok((id, Request { method, params: members.params.map(ToOwned::to_owned) }))
}

#[derive(Serialize)]
struct Failure<'a> {
    jsonrpc: &'static str,
    id: &'a RawValue,
    error: ErrorObject,
}

#[derive(Serialize)]
struct ErrorObject {
    code: i32,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
}

/// Both are JSON already; large answers are copied once.
fn success(id: &RawValue, result: &RawValue) -> String {
    [r#"{"jsonrpc":"2.0","id":"#, id.get(), r#","result":"#, result.get(), "}"].concat()
}

fn failure(id: &RawValue, error: &Error) -> String {
    let error = ErrorObject { code: error.code(), message: error.to_string(), data: error.data() };
    write(&Failure { jsonrpc: "2.0", id, error })
}

fn write(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).expect("an answer has text keys and finite numbers only")
}

fn null() -> Json {
    RawValue::NULL.to_owned()
}

#[cfg(test)]
mod tests;
