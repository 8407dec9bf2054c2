//! What callers may send: as `rpc.discover` says it, and as the node takes it.

use std::collections::BTreeMap;

use jsonschema::Validator;
use kraken_rpc::testing::body;
use proptest::{
    collection::vec,
    prelude::any,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::{Value, json};

use crate::{
    corpus::known,
    node::{start, wishes},
};

/// How many requests are sent.
const REQUESTS: usize = 3_000;

/// What no pattern says: a number of the field, of a word, or of keys may be too large.
const TOO_LARGE: [&str; 3] = ["2^251", "below 2^", "expected at most"];

/// A parameter as the document describes it.
struct Described {
    name: String,
    is_required: bool,
    schema: Validator,
}

impl Described {
    fn new(param: &Value, components: &Value) -> Self {
        let mut schema = param["schema"].clone();
        schema["components"] = components.clone();
        Self {
            name: param["name"].as_str().expect("a name").to_owned(),
            is_required: param["required"] == true,
            schema: jsonschema::draft202012::new(&schema).expect("a schema"),
        }
    }

    /// What may be missing may be null, too.
    fn fits(&self, value: Option<&Value>) -> bool {
        match value {
            None | Some(Value::Null) if !self.is_required => true,
            None => false,
            Some(value) => self.schema.is_valid(value),
        }
    }
}

/// The parameters of each method.
fn described(document: &Value) -> BTreeMap<String, Vec<Described>> {
    let methods = document["methods"].as_array().expect("methods").iter();
    let params = |method: &Value| {
        let params = method["params"].as_array().expect("parameters").iter();
        params.map(|param| Described::new(param, &document["components"])).collect()
    };
    methods
        .map(|method| (method["name"].as_str().expect("a name").to_owned(), params(method)))
        .collect()
}

/// Whether parameters are as they are described, by name or by position.
fn fit(described: &[Described], params: &Value) -> bool {
    let value = |(place, param): (usize, &Described)| {
        param.fits(params.get(place).or_else(|| params.get(&param.name)))
    };
    let is_known = |name: &String| described.iter().any(|param| param.name == *name);
    let has_others = params.as_array().is_some_and(|values| described.len() < values.len())
        || params.as_object().is_some_and(|fields| !fields.keys().all(is_known));
    !has_others && described.iter().enumerate().all(value)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_is_described_and_what_is_refused_is_not() {
    let node = start(wishes()).await;
    let methods = described(&node.ask("rpc.discover", json!([])).await);
    let (mut runner, known) = (TestRunner::deterministic(), known());
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..REQUESTS {
        let bytes = vec(any::<u8>(), 20..200).new_tree(&mut runner).expect("bytes").current();
        let body = body(&bytes, &known);
        let Ok(request) = serde_json::from_slice::<Value>(&body) else { continue };
        let Some(described) = request["method"].as_str().and_then(|name| methods.get(name)) else {
            continue;
        };
        let answer = node.post("/", body).await.text().await.expect("a whole answer");
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let reason = answer["error"]["data"]["reason"].as_str().unwrap_or_default();
        let fits = fit(described, &request["params"]);
        if answer.get("result").is_some() {
            assert!(fits, "{request} was taken, and is not described");
            taken += 1;
        } else if answer["error"]["code"] == -32602
            && !TOO_LARGE.iter().any(|limit| reason.contains(limit))
        {
            assert!(!fits, "{request} is described, and was refused: {reason}");
            refused += 1;
        }
    }
    assert!(REQUESTS / 20 < taken && REQUESTS / 20 < refused, "{taken} taken, {refused} refused");
    node.stop().await;
}
