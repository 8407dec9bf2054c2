//! Every input that is refused: what was sent, the code, and what is said about it.
//!
//! The client holds each answer against the official documents as well: code, exact message, and
//! whether there may be data. What the node says goes into `docs/bad-inputs.md`.

mod classes;
mod command_line;
mod disk;
mod reads;
mod requests;
mod traces;
mod writes;

use kraken_tests::{Client, Matrix, wallet::submission};
use serde_json::Value;
use starknet_api::rpc_transaction::RpcTransaction;

/// A request that is refused.
struct Case {
    /// In words.
    input: &'static str,
    method: &'static str,
    params: Value,
    code: i64,
    /// In the message or in the data.
    says: &'static str,
}

fn case(
    input: &'static str,
    (method, params): (&'static str, Value),
    code: i64,
    says: &'static str,
) -> Case {
    Case { input, method, params, code, says }
}

/// Sends each, and notes what the node says.
#[track_caller]
fn run(client: &Client, matrix: &mut Matrix, cases: Vec<Case>) {
    for Case { input, method, params, code, says } in cases {
        let shown = format!("{method} {params:.300}");
        let (got, message, data) = client.refusal(method, params);
        assert_eq!(got, code, "{shown}: {message}, {data}");
        let said = told(&message, &data);
        assert!(said.contains(says), "{shown}: {said:?} does not say {says:?}");
        matrix.request(input, method, code, &said);
    }
}

/// What a caller reads: the message, and with what.
fn told(message: &str, data: &Value) -> String {
    match data {
        Value::Null => message.to_owned(),
        Value::String(reason) => format!("{message}: {reason}"),
        Value::Object(fields) if fields.contains_key("reason") => {
            format!("{message}: {}", fields["reason"].as_str().expect("a reason is text"))
        }
        Value::Object(_) | Value::Array(_) | Value::Bool(_) | Value::Number(_) => {
            format!("{message}: `{data}`")
        }
    }
}

/// The refusal of a transaction, changed before it is sent.
fn refused(
    input: &'static str,
    transaction: &RpcTransaction,
    change: impl FnOnce(&mut Value),
    code: i64,
    says: &'static str,
) -> Case {
    let (method, mut params) = submission(transaction);
    let body = params.as_object_mut().and_then(|params| params.values_mut().next());
    change(body.expect("one parameter"));
    case(input, (method, params), code, says)
}

fn unchanged(_: &mut Value) {}
