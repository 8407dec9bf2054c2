//! The least that a server of this kind can do, to measure this one beside it.

use std::io;

use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Serves a route that reads a request of JSON-RPC as any JSON and answers `"0x0"`, whatever it asks.
/// No limits, no layers, no state: what is left is axum, and what stands below it.
///
/// # Errors
/// None so far: axum's loop has no end.
pub async fn serve_yardstick(listener: TcpListener) -> io::Result<()> {
    axum::serve(listener, Router::new().route("/", post(answer))).await
}

async fn answer(Json(request): Json<Value>) -> Json<Value> {
    Json(json!({ "jsonrpc": "2.0", "id": request["id"], "result": "0x0" }))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn the_yardstick_answers_what_looks_like_an_answer() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let serving = tokio::spawn(serve_yardstick(listener));
        let client = reqwest::Client::new();
        let sent = client.post(format!("http://{address}")).json(&json!({ "id": 7 })).send().await;
        let answer: Value = sent.expect("an answer").json().await.expect("JSON");
        assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": 7, "result": "0x0" }));
        serving.abort();
    }
}
