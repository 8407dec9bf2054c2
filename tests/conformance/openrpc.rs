//! Our own documents beside the official ones.

use std::collections::BTreeMap;

use kraken_openrpc::{Documents, Method, Parameter};
use kraken_tests::{Client, Coverage, Node, Official};
use serde_json::json;

/// Parameters that the specification does not know and some clients send.
const ALSO_TAKEN: [(&str, &str); 2] = [
    ("starknet_simulateTransactions", "trace_flags"),
    ("starknet_subscribeTransactionStatus", "block_id"),
];

/// What a node says that it serves to those who ask over a socket.
pub(crate) fn served(client: &Client) -> Documents {
    let document = Client::new(client.url()).socket("").get("rpc.discover", json!([]));
    let name = "served.json".to_owned();
    Documents::compile(BTreeMap::from([(name, document)])).expect("it makes sense")
}

/// Holds everything that was seen against documents.
pub(crate) fn all_fit(coverage: &Coverage, documents: &Documents) {
    let mut found = Vec::new();
    for (method, answers) in coverage.answers() {
        for answer in &answers {
            found.extend(documents.check_result(&method, answer).err().unwrap_or_default());
        }
    }
    for (method, notices) in coverage.notices() {
        for notice in &notices {
            found.extend(documents.check_notice(&method, notice).err().unwrap_or_default());
        }
    }
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
}

/// What ours says in another way about a method.
fn differences(name: &str, official: &Method, ours: &Method) -> Vec<String> {
    let is_known = |param: &&Parameter| {
        official.parameters().iter().any(|known| known.name == param.name)
            || !ALSO_TAKEN.contains(&(name, &param.name))
    };
    let params: Vec<_> = ours.parameters().iter().filter(is_known).cloned().collect();
    let mut found = Vec::new();
    if params != official.parameters() {
        found.push(format!("{name}: {params:?} instead of {:?}", official.parameters()));
    }
    let errors = |method: &Method| {
        let errors = method.errors().iter();
        let mut errors: Vec<_> =
            errors.map(|error| (error.code, error.message.clone(), error.has_data())).collect();
        errors.sort_unstable();
        errors
    };
    if errors(ours) != errors(official) {
        found.push(format!("{name}: {:?} instead of {:?}", errors(ours), errors(official)));
    }
    found
}

#[test]
fn our_documents_say_what_the_official_ones_say() {
    let Some(official) = Official::get() else { return };
    let node = Node::start_checked(&[]);
    let client = node.client();
    for (official, client) in [(&official.newest, &client), (&official.older, client.older())] {
        let ours = served(client);
        let mut found = Vec::new();
        for name in official.method_names() {
            let theirs = official.method(name).expect("it was listed");
            match ours.method(name) {
                Some(method) => found.extend(differences(name, theirs, method)),
                None => found.push(format!("{name} is missing")),
            }
        }
        let notices: Vec<_> = ours.notification_names().collect();
        assert_eq!(notices, official.notification_names().collect::<Vec<_>>());
        assert!(found.is_empty(), "at {}:\n{}", client.url(), found.join("\n"));
    }
}
