use std::sync::Mutex;

use proptest::{collection::vec, prelude::*};
use serde_json::json;

use super::*;

const LIMITS: Limits =
    Limits { batch_items_max: 5, batch_concurrency: 2, batch_response_bytes_max: 1_000 };

/// Echoes parameters, panics, sleeps or fails, as the method says.
async fn carry_out(request: Request) -> Result<Json, Error> {
    match request.method.as_str() {
        "echo" => Ok(request.params.unwrap_or_else(null)),
        "sleep" => {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            Ok(null())
        }
        "slow" => {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(request.params.unwrap_or_else(null))
        }
        "panic" => panic!("on purpose"),
        "big" => Ok(serde_json::value::to_raw_value(&"x".repeat(1_000)).expect("text")),
        method => Err(Error::MethodNotFound { method: method.to_owned() }),
    }
}

async fn ask(body: &str) -> Option<Value> {
    ask_within(body, Duration::from_secs(10)).await
}

async fn ask_within(body: &str, time: Duration) -> Option<Value> {
    let deadline = Deadline::after(time);
    let bytes = answer(body.as_bytes(), LIMITS, deadline, carry_out).await?;
    Some(serde_json::from_slice(&bytes).expect("an answer is JSON"))
}

async fn ask_for_error(body: &str) -> (Value, Value) {
    let answer = ask(body).await.expect("an answer");
    assert_eq!(answer["jsonrpc"], "2.0");
    assert!(answer.get("result").is_none());
    (answer["id"].clone(), answer["error"]["code"].clone())
}

#[tokio::test]
async fn a_request_is_answered_with_its_id() {
    for id in [json!(7), json!("seven"), json!(null), json!(-1), json!(1.5)] {
        let request = json!({"jsonrpc": "2.0", "id": id, "method": "echo", "params": [1]});
        let expected = json!({"jsonrpc": "2.0", "id": id, "result": [1]});
        assert_eq!(ask(&request.to_string()).await, Some(expected));
    }
}

#[tokio::test]
async fn nothing_begins_after_the_deadline() {
    let echo = json!({"jsonrpc": "2.0", "id": 1, "method": "echo"});
    let batch = json!([echo, echo]);
    let answers = ask_within(&batch.to_string(), Duration::ZERO).await.expect("an answer");
    for answer in answers.as_array().expect("a batch") {
        assert_eq!(answer["error"]["code"], -32000, "{answer}");
    }
}

#[tokio::test]
async fn a_notification_is_carried_out_without_an_answer() {
    let seen = Mutex::new(Vec::new());
    let note = |request: Request| {
        seen.lock().expect("no panic while locked").push(request.method);
        async { Ok(null()) }
    };
    let body = br#"{"jsonrpc": "2.0", "method": "echo"}"#;
    let deadline = Deadline::after(Duration::from_secs(1));
    assert_eq!(answer(body, LIMITS, deadline, note).await, None);
    assert_eq!(*seen.lock().expect("no panic while locked"), ["echo"]);
    assert_eq!(ask(r#"[{"jsonrpc": "2.0", "method": "nothing"}]"#).await, None);
}

#[tokio::test]
async fn what_is_no_json_is_a_parse_error() {
    for body in ["", "{", "[{]", "\u{0}", r#"{"jsonrpc": "2.0""#, "{} {}"] {
        assert_eq!(ask_for_error(body).await, (json!(null), json!(-32700)), "{body}");
    }
    let answer =
        answer(&[0xff, 0xfe], LIMITS, Deadline::after(Duration::from_secs(1)), carry_out).await;
    assert!(String::from_utf8(answer.expect("an answer")).expect("UTF-8").contains("-32700"));
}

#[tokio::test]
async fn json_that_is_no_request_is_an_invalid_request() {
    for (body, id) in [
        ("1", json!(null)),
        ("null", json!(null)),
        ("{}", json!(null)),
        (r#"{"jsonrpc": "2.0", "id": 3}"#, json!(3)),
        (r#"{"jsonrpc": "2.0", "id": 3, "method": 4}"#, json!(3)),
        (r#"{"jsonrpc": "1.0", "id": 3, "method": "echo"}"#, json!(3)),
        (r#"{"id": 3, "method": "echo"}"#, json!(3)),
        (r#"{"jsonrpc": "2.0", "id": [3], "method": "echo"}"#, json!(null)),
        (r#"{"jsonrpc": "2.0", "id": true, "method": "echo"}"#, json!(null)),
        ("[]", json!(null)),
    ] {
        assert_eq!(ask_for_error(body).await, (id, json!(-32600)), "{body}");
    }
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_its_bad_items() {
    let body = r#"[
        {"jsonrpc": "2.0", "id": 1, "method": "slow", "params": ["first"]},
        {"jsonrpc": "2.0", "method": "echo"},
        2,
        {"jsonrpc": "2.0", "id": 3, "method": "echo", "params": ["last"]}
    ]"#;
    let answers = ask(body).await.expect("an answer");
    let answers = answers.as_array().expect("a list");
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0]["result"], json!(["first"]));
    assert_eq!(answers[1]["error"]["code"], json!(-32600));
    assert_eq!(answers[2]["result"], json!(["last"]));
}

#[tokio::test]
async fn a_batch_over_the_limit_is_refused_whole() {
    let items = vec![json!({"jsonrpc": "2.0", "id": 1, "method": "echo"}); 6];
    let (id, code) = ask_for_error(&json!(items).to_string()).await;
    assert_eq!((id, code), (json!(null), json!(-32600)));
}

#[tokio::test]
async fn a_batch_stops_growing_at_its_limit() {
    let items = vec![json!({"jsonrpc": "2.0", "id": 1, "method": "big"}); 5];
    let answers = ask(&json!(items).to_string()).await.expect("an answer");
    let codes: Vec<_> = answers
        .as_array()
        .expect("a list")
        .iter()
        .map(|answer| answer["error"]["code"].as_i64())
        .collect();
    assert_eq!(codes.first(), Some(&None));
    assert_eq!(codes.last(), Some(&Some(-32001)));
}

#[tokio::test]
async fn a_panic_is_an_internal_error_with_the_id() {
    let body = r#"{"jsonrpc": "2.0", "id": "p", "method": "panic"}"#;
    assert_eq!(ask_for_error(body).await, (json!("p"), json!(-32603)));
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_anyway() {
    let body = r#"[{"jsonrpc": "2.0", "id": 1, "method": "sleep"},
                   {"jsonrpc": "2.0", "id": 2, "method": "echo", "params": []}]"#;
    let answers = ask_within(body, Duration::from_millis(200)).await.expect("an answer");
    assert_eq!(answers[0]["id"], json!(1));
    assert_eq!(answers[0]["error"]["code"], json!(-32000));
    assert_eq!(answers[1]["result"], json!([]));
}

#[tokio::test]
async fn an_unknown_method_is_named() {
    let answer = ask(r#"{"jsonrpc": "2.0", "id": 1, "method": "fly"}"#).await.expect("an answer");
    assert_eq!(
        answer["error"],
        json!({
            "code": -32601,
            "message": "Method not found",
            "data": {"reason": "there is no method \"fly\""},
        })
    );
}

#[tokio::test]
async fn deep_nesting_is_no_way_to_the_end_of_the_stack() {
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert_eq!(ask(&deep).await.expect("an answer")[0]["error"]["code"], json!(-32600));
    let deep = format!(r#"{{"jsonrpc": "2.0", "id": 1, "method": "echo", "x": {deep}}}"#);
    assert_eq!(ask(&deep).await.expect("an answer")["id"], json!(1));
    assert_eq!(ask_for_error(&"{\"a\":".repeat(1_000_000)).await.1, json!(-32700));
}

proptest! {
    /// Bodies come from outside: every one has an answer in JSON, or needs none.
    #[test]
    fn any_body_is_answered_in_json(
        body in prop_oneof![
            vec(any::<u8>(), 0..200),
            r#"[\[{}\],:"0-9a-z.]{0,60}"#.prop_map(String::into_bytes),
            r#"\{"jsonrpc":"2\.0","id":[0-9a-z"]{0,4},"method":"echo","params":[\[{}\]0-9,]{0,9}\}"#
                .prop_map(String::into_bytes),
        ],
    ) {
        let deadline = Deadline::after(Duration::from_secs(10));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime");
        let answer = runtime.block_on(answer(&body, LIMITS, deadline, carry_out));
        if let Some(answer) = answer {
            prop_assert!(serde_json::from_slice::<Value>(&answer).is_ok());
        }
    }
}
