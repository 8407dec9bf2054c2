//! A client of a socket.

use std::{collections::VecDeque, time::Duration};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, protocol::CloseFrame},
};

use crate::node::Node;

/// How long anything waited for may take on a busy machine.
const WITHIN: Duration = Duration::from_secs(30);

/// A client of a socket.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    asked: u64,
    /// Notices that came while an answer was waited for.
    notices: VecDeque<Value>,
}

impl Client {
    pub(crate) async fn connect(node: &Node, path: &str) -> Self {
        Self::try_connect(node, path).await.expect("a socket")
    }

    pub(crate) async fn try_connect(node: &Node, path: &str) -> Result<Self, Error> {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Small, so that a reader who does not read is noticed soon.
        socket.set_recv_buffer_size(4_096).expect("a size");
        let stream = socket.connect(node.server.address()).await.expect("it listens");
        let url = node.url(path).replacen("http", "ws", 1);
        let (socket, _) = client_async(url, stream).await?;
        Ok(Self { socket, asked: 0, notices: VecDeque::new() })
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("it is there");
    }

    pub(crate) async fn send_bytes(&mut self, bytes: Vec<u8>) {
        self.socket.send(Message::binary(bytes)).await.expect("it is there");
    }

    /// The next message that is one of JSON-RPC.
    pub(crate) async fn message(&mut self) -> Value {
        loop {
            let message = timeout(WITHIN, self.socket.next()).await.expect("in time");
            match message.expect("the socket is open").expect("a message") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                    panic!("{other:?}")
                }
            }
        }
    }

    async fn answer(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send(&request.to_string()).await;
        loop {
            let message = self.message().await;
            if message["id"] == id {
                return message;
            }
            self.notices.push_back(message);
        }
    }

    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> Value {
        let answer = self.answer(method, params).await;
        assert_eq!(answer.get("error"), None, "{method}");
        answer["result"].clone()
    }

    pub(crate) async fn fail(&mut self, method: &str, params: Value) -> Value {
        let answer = self.answer(method, params).await;
        assert_eq!(answer.get("result"), None, "{method}");
        answer["error"].clone()
    }

    /// The id of a new subscription.
    pub(crate) async fn subscribe(&mut self, method: &str, params: Value) -> String {
        let id = self.ask(method, params).await;
        id.as_str().expect("ids are text").to_owned()
    }

    /// The next notice, whoever it is for: its method, its subscription and what it tells.
    pub(crate) async fn any_notice(&mut self) -> (String, String, Value) {
        let mut notice = match self.notices.pop_front() {
            Some(notice) => notice,
            None => self.message().await,
        };
        assert_eq!((&notice["jsonrpc"], notice.get("id")), (&json!("2.0"), None), "{notice}");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let method = text(&notice["method"]);
        let id = text(&notice["params"]["subscription_id"]);
        (method, id, notice["params"]["result"].take())
    }

    /// What the next notice tells; it is one of this kind, for this subscription.
    pub(crate) async fn notice(&mut self, kind: &str, subscription: &str) -> Value {
        let (method, id, result) = self.any_notice().await;
        let expected = (format!("starknet_subscription{kind}"), subscription.to_owned());
        assert_eq!((method, id), expected, "{result}");
        result
    }

    /// Makes sure that nothing more was told before now.
    pub(crate) async fn no_notice(&mut self) {
        self.ask("starknet_chainId", json!([])).await;
        assert_eq!(self.notices.pop_front(), None);
    }

    /// Why the socket was closed: reads on until then.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            let message = timeout(WITHIN, self.socket.next()).await.expect("in time");
            match message {
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    return (code.into(), reason.to_string());
                }
                Some(Ok(_)) => {}
                end => panic!("no reason: {end:?}"),
            }
        }
    }
}
