//! Requests and answers.

use std::time::Duration;

use bytes::Bytes;
use kraken_network::{Admission, Dialing, RequestError, Transport};
use kraken_types::ValidatorId;
use tokio::time;

use crate::committee::{Node, TCP, config, pair, peer, within};

/// Answers every request with itself.
fn echo(node: Node) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        // All of it moves here, so that the swarm lives.
        let mut node = node;
        while let Some(request) = node.inboxes.requests.recv().await {
            let answer = request.bytes.clone();
            request.answer(answer);
        }
    })
}

async fn requests_are_answered_over(transport: Transport) {
    let (lower, mut higher) = pair(|config| config.transport = transport).await;
    let ask = lower.network.request(ValidatorId(1), Bytes::from_static(b"what?"));
    let answer = async {
        let request = higher.inboxes.requests.recv().await.expect("a request");
        assert_eq!(request.from, Some(ValidatorId(0)));
        assert_eq!(&request.bytes[..], b"what?");
        request.answer(Bytes::from(vec![1; 1 << 20]));
    };
    let (answer, ()) = within(async { tokio::join!(ask, answer) }).await;
    assert_eq!(answer.expect("an answer").len(), 1 << 20);
    assert_eq!(lower.metric("requests_total", "answered"), 1);
    higher.reached("requests_served_total", "answered", 1).await;
}

#[tokio::test]
async fn a_request_is_answered() {
    requests_are_answered_over(TCP).await;
}

#[tokio::test]
async fn a_request_is_answered_over_quic() {
    requests_are_answered_over(Transport::Quic).await;
}

#[tokio::test]
async fn a_request_that_nobody_answers_times_out_or_is_refused() {
    let (lower, mut higher) =
        pair(|config| config.requests.timeout = Duration::from_millis(300)).await;
    let ask = || lower.network.request(ValidatorId(1), Bytes::from_static(b"?"));

    let unanswered = within(ask()).await;
    assert!(matches!(unanswered, Err(RequestError::Timeout { .. })), "{unanswered:?}");
    drop(higher.inboxes.requests.recv().await);

    let (refused, ()) =
        within(async { tokio::join!(ask(), async { drop(higher.inboxes.requests.recv().await) }) })
            .await;
    assert!(matches!(refused, Err(RequestError::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn requests_that_cannot_be_made_say_why() {
    let alone = Node::start(config(0, vec![peer(1, None)])).await;
    let ask = |bytes| alone.network.request(ValidatorId(1), Bytes::from(vec![0; bytes]));
    let away = ask(10).await;
    assert!(matches!(away, Err(RequestError::Away { to: ValidatorId(1) })), "{away:?}");
    let too_large = ask(1_001).await;
    assert!(
        matches!(too_large, Err(RequestError::TooLarge { bytes: 1_001, max: 1_000 })),
        "{too_large:?}"
    );
}

#[tokio::test]
async fn an_answer_larger_than_agreed_is_not_read() {
    let higher = {
        let mut generous = config(1, vec![peer(0, None)]);
        generous.requests.answer_bytes_max = 2 << 20;
        Node::start(generous).await
    };
    let lower = config(0, vec![peer(1, Some(higher.network.listening_on()))]);
    let lower = Node::start(lower).await;
    lower.connected(1).await;
    let network = higher.network.clone();
    let mut higher = higher;
    let answer = async {
        let request = higher.inboxes.requests.recv().await.expect("a request");
        request.answer(Bytes::from(vec![1; (1 << 20) + 1]));
    };
    let ask = lower.network.request(ValidatorId(1), Bytes::new());
    let (too_large, ()) = within(async { tokio::join!(ask, answer) }).await;
    assert!(matches!(too_large, Err(RequestError::AnswerTooLarge { .. })), "{too_large:?}");
    assert_eq!(network.connected().borrow().len(), 1, "the connection lasts");
}

#[tokio::test]
async fn requests_at_once_are_bounded_on_both_ends() {
    // The one who asks would ask twelve at once; the other serves four.
    let higher = Node::start(config(1, vec![peer(0, None)])).await;
    let mut greedy = config(0, vec![peer(1, Some(higher.network.listening_on()))]);
    greedy.requests.at_once_max = 12;
    let greedy = Node::start(greedy).await;
    greedy.connected(1).await;
    let asking: Vec<_> = (0..12)
        .map(|_| {
            let network = greedy.network.clone();
            tokio::spawn(async move { network.request(ValidatorId(1), Bytes::new()).await })
        })
        .collect();
    higher.reached("requests_served_total", "busy", 8).await;
    let higher = echo(higher);
    let mut answered = 0;
    for ask in asking {
        answered += usize::from(within(ask).await.expect("no panic").is_ok());
    }
    assert_eq!(answered, 4);
    higher.abort();
}

#[tokio::test]
async fn our_own_requests_wait_for_their_turn() {
    let mut higher = Node::start(config(1, vec![peer(0, None)])).await;
    let mut patient = config(0, vec![peer(1, Some(higher.network.listening_on()))]);
    patient.requests.at_once_max = 1;
    let patient = Node::start(patient).await;
    patient.connected(1).await;
    let asking: Vec<_> = (0..4_u8)
        .map(|number| {
            let (network, bytes) = (patient.network.clone(), Bytes::from(vec![number]));
            tokio::spawn(async move { network.request(ValidatorId(1), bytes).await })
        })
        .collect();
    for _ in 0..4 {
        let request = within(higher.inboxes.requests.recv()).await.expect("a request");
        time::sleep(Duration::from_millis(50)).await;
        assert!(higher.inboxes.requests.try_recv().is_err(), "two at once");
        let echo = request.bytes.clone();
        request.answer(echo);
    }
    for (number, ask) in (0_u8..).zip(asking) {
        let answer = within(ask).await.expect("no panic").expect("an answer");
        assert_eq!(answer, vec![number]);
    }
}

#[tokio::test]
async fn a_stranger_may_ask_where_anyone_is_admitted() {
    let mut open = config(0, Vec::new());
    open.admission = Admission::Anyone { connections_max: 1, requests_max: 1 };
    open.lanes.clear();
    let mut open = Node::start(open).await;
    let mut stranger = config(1, vec![peer(0, Some(open.network.listening_on()))]);
    stranger.dialing = Dialing::Everyone;
    stranger.lanes.clear();
    let stranger = Node::start(stranger).await;
    stranger.connected(1).await;

    let ask = || stranger.network.request(ValidatorId(0), Bytes::from_static(b"?"));
    let answer = async {
        let request = open.inboxes.requests.recv().await.expect("a request");
        assert_eq!(request.from, None);
        // A second one at once is one too many.
        let refused = time::timeout(Duration::from_secs(1), ask()).await.expect("at once");
        assert!(matches!(refused, Err(RequestError::Refused { .. })), "{refused:?}");
        request.answer(Bytes::from_static(b"!"));
    };
    let (answer, ()) = within(async { tokio::join!(ask(), answer) }).await;
    assert_eq!(answer.expect("an answer"), Bytes::from_static(b"!"));
}
