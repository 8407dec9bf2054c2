//! A WebSocket to a node that blocks, and can check every answer and every notice.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::{SinkExt, StreamExt};
use kraken_openrpc::Documents;
use serde_json::{Value, json};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout, timeout_at},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, protocol::CloseFrame},
};

use crate::{
    Coverage,
    client::{CallError, WITHIN, block_on, check, refused},
};

/// The receive buffer of a socket: small, so that a reader who does not read is noticed soon.
const RECEIVE_BYTES: u32 = 4_096;

/// A WebSocket to one node. What is told while an answer is waited for is kept.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    documents: Option<Arc<Documents>>,
    coverage: Option<Arc<Coverage>>,
    asked: u64,
    told: VecDeque<Notice>,
}

/// A notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Its method behind `starknet_subscription`.
    pub kind: String,
    /// The subscription that it is for.
    pub subscription: String,
    /// What it tells.
    pub result: Value,
}

impl Socket {
    /// Opens a socket at a URL that begins with `http`; answers and notices must be as the documents
    /// say, if there are any, and are noted where somebody wants that.
    ///
    /// # Panics
    /// If the node does not let it.
    pub(crate) fn open(
        url: &str,
        documents: Option<Arc<Documents>>,
        coverage: Option<Arc<Coverage>>,
    ) -> Self {
        let url = url.replacen("http", "ws", 1);
        let address = url.trim_start_matches("ws://").split('/').next().unwrap_or_default();
        let address = address.parse().expect("an address and a port");
        let stream = block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(RECEIVE_BYTES)?;
            let stream = socket.connect(address).await?;
            let opened = timeout(WITHIN, client_async(url, stream)).await;
            let (stream, _) =
                opened.map_err(std::io::Error::other)?.map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(stream)
        });
        let stream = stream.expect("the node opens a socket");
        Self { stream, documents, coverage, asked: 0, told: VecDeque::new() }
    }

    /// Calls a method.
    ///
    /// # Errors
    /// [`CallError`] if the node refuses.
    ///
    /// # Panics
    /// If it does not answer, or not what the documents, if there are any, say.
    #[expect(clippy::needless_pass_by_value, reason = "callers write parameters in place")]
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, CallError> {
        self.asked += 1;
        let id = self.asked;
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        block_on(self.stream.send(Message::text(request.to_string()))).expect("the node listens");
        loop {
            let mut message = self.message();
            if message.get("method").is_some() {
                let notice = self.notice_of(&mut message);
                self.told.push_back(notice);
                continue;
            }
            assert_eq!(message["id"], id, "{method}: {message}");
            let result = match message.get_mut("error") {
                None => Ok(message["result"].take()),
                Some(error) => Err(refused(error)),
            };
            let documents = self.documents.as_ref();
            if let Some(documents) = documents.filter(|_| method.starts_with("starknet_")) {
                check(documents, method, &result);
            }
            if let Some(coverage) = &self.coverage {
                coverage.note(method, &result);
            }
            return result;
        }
    }

    /// Calls a method that must have a result.
    ///
    /// # Panics
    /// If it has none.
    #[track_caller]
    pub fn get(&mut self, method: &str, params: Value) -> Value {
        self.call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Opens a subscription; its id.
    ///
    /// # Panics
    /// If that is refused.
    #[track_caller]
    pub fn subscribe(&mut self, kind: &str, params: Value) -> String {
        let id = self.get(&format!("starknet_subscribe{kind}"), params);
        id.as_str().expect("ids are text").to_owned()
    }

    /// The next notice.
    ///
    /// # Panics
    /// If none comes, or the socket is closed.
    #[track_caller]
    pub fn notice(&mut self) -> Notice {
        if let Some(notice) = self.told.pop_front() {
            return notice;
        }
        let mut message = self.message();
        self.notice_of(&mut message)
    }

    /// The next notice, which is for this subscription.
    ///
    /// # Panics
    /// As [`Socket::notice`], or if it is for another one.
    #[track_caller]
    pub fn told(&mut self, subscription: &str) -> Value {
        let notice = self.notice();
        assert_eq!(notice.subscription, subscription, "{notice:?}");
        notice.result
    }

    /// Whether nothing is told for so long.
    pub fn is_quiet_for(&mut self, time: Duration) -> bool {
        let quiet = async {
            // Pings are answered meanwhile.
            while let Some(Ok(message)) = self.stream.next().await {
                if message.is_text() {
                    return;
                }
            }
        };
        self.told.is_empty() && block_on(async { timeout(time, quiet).await.is_err() })
    }

    /// Reads on until the socket is closed; the code and the reason.
    ///
    /// # Panics
    /// If it is not closed, or without a reason.
    #[track_caller]
    pub fn closed(&mut self) -> (u16, String) {
        let deadline = Instant::now() + WITHIN;
        loop {
            let next = block_on(async { timeout_at(deadline, self.stream.next()).await });
            match next.expect("it is closed in time") {
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    return (code.into(), reason.to_string());
                }
                Some(Ok(_)) => {}
                end => panic!("closed without a reason: {end:?}"),
            }
        }
    }

    #[track_caller]
    fn message(&mut self) -> Value {
        // Pings are no messages.
        let deadline = Instant::now() + WITHIN;
        loop {
            let next = block_on(async { timeout_at(deadline, self.stream.next()).await });
            match next.expect("a message in time") {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).expect("messages are JSON");
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                end => panic!("the socket has ended: {end:?}"),
            }
        }
    }

    #[track_caller]
    fn notice_of(&self, message: &mut Value) -> Notice {
        assert_eq!((&message["jsonrpc"], message.get("id")), (&json!("2.0"), None), "{message}");
        let method = message["method"].as_str().expect("a method").to_owned();
        if let Some(documents) = &self.documents
            && let Err(violations) = documents.check_notice(&method, &message["params"])
        {
            let said: Vec<_> = violations.iter().map(ToString::to_string).collect();
            panic!("{}\nin {message}", said.join("\n"));
        }
        if let Some(coverage) = &self.coverage {
            coverage.note_notice(&method, &message["params"]);
        }
        let params = &mut message["params"];
        let kind = method.strip_prefix("starknet_subscription").expect("a notice").to_owned();
        let subscription = params["subscription_id"].as_str().expect("text").to_owned();
        Notice { kind, subscription, result: params["result"].take() }
    }
}
