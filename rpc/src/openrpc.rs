//! The OpenRPC documents: what is served, for clients and for those who generate them.
//!
//! They are made from the method table and from the types that are read and written, each for one
//! version of the specification. `rpc.discover` answers with them, and `cargo xtask openrpc` writes
//! them to `openrpc/`.

mod errors;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    dispatch::Handler,
    jsonrpc::Json,
    methods::{METHODS, Method},
    openrpc::errors::Described,
    params::Presence,
    schema::{SubscriptionId, keep_to, of},
    subscription::stream::Kind,
    version::Version,
};

/// The version of OpenRPC itself.
const OPENRPC: &str = "1.3.2";

/// Where the types of a document are.
const SCHEMAS: &str = "/components/schemas";

/// What a document describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What is answered over HTTP, and over WebSocket as well.
    Calls,
    /// Subscriptions and their notices, which need a WebSocket.
    Subscriptions,
}

/// An OpenRPC document.
#[derive(JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "a shape")]
pub(crate) struct Document {
    openrpc: String,
    info: Map<String, Value>,
    methods: Vec<Map<String, Value>>,
    components: Map<String, Value>,
}

/// Answers `rpc.discover`: what is served to callers of a version, with subscriptions to those who
/// ask over a socket. It is made when somebody asks for the first time.
pub(crate) fn discover(version: Version, is_socket: bool) -> Json {
    static MADE: [[OnceLock<Json>; 2]; Version::ALL.len()] =
        [const { [const { OnceLock::new() }; 2] }; Version::ALL.len()];
    let make = || {
        let parts: &[_] =
            if is_socket { &[Part::Calls, Part::Subscriptions] } else { &[Part::Calls] };
        serde_json::value::to_raw_value(&document(version, parts)).expect("it is JSON already")
    };
    MADE[version as usize][usize::from(is_socket)].get_or_init(make).clone()
}

/// Describes what a version serves.
pub(crate) fn document(version: Version, parts: &[Part]) -> Value {
    let mut writer = Writer::new(version);
    let mut methods = Vec::new();
    for method in METHODS.iter().filter(|method| parts.contains(&Part::of(method))) {
        methods.push(writer.method(method));
    }
    if parts.contains(&Part::Subscriptions) {
        methods.extend(Kind::ALL.map(|kind| writer.notice(kind)));
    }
    let mut document = json!({
        "openrpc": OPENRPC,
        "info": {
            "title": "Kraken",
            "description": "The Starknet API as a validator serves it, with what developers know \
                from starknet-devnet and katana.",
            "version": version.spec(),
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "methods": methods,
        "components": writer.components(),
    });
    keep_to(version, &mut document);
    tidy(&mut document);
    drop_unused(&mut document);
    document
}

impl Part {
    fn of(method: &Method) -> Self {
        match method.handler {
            Handler::Subscribe(_) | Handler::Unsubscribe => Self::Subscriptions,
            Handler::LookUp(_)
            | Handler::Read(_)
            | Handler::Cairo(_)
            | Handler::Write(_)
            | Handler::Discover
            | Handler::DevnetRead(_)
            | Handler::DevnetControl(_) => Self::Calls,
        }
    }
}

/// Writes methods, and remembers the types and the errors that they name.
struct Writer {
    version: Version,
    /// A field that may be missing is optional where it is read, and not where it is always written.
    read: SchemaGenerator,
    written: SchemaGenerator,
    errors: Map<String, Value>,
}

impl Writer {
    fn new(version: Version) -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = SCHEMAS.into();
            settings.meta_schema = None;
        });
        Self {
            version,
            read: settings.clone().for_deserialize().into_generator(),
            written: settings.for_serialize().into_generator(),
            errors: Map::new(),
        }
    }

    fn method(&mut self, method: &Method) -> Value {
        let params = method.params.iter().filter(|param| param.since <= self.version);
        let params = params.map(|param| {
            let schema = (param.describe)(&mut self.read);
            let is_required = param.presence == Presence::Required;
            json!({ "name": param.name, "required": is_required, "schema": schema })
        });
        json!({
            "name": method.name,
            "paramStructure": "either",
            "params": params.collect::<Vec<_>>(),
            "result": { "name": "result", "schema": (method.result)(&mut self.written) },
            "errors": self.errors_of(method),
        })
    }

    fn errors_of(&mut self, method: &Method) -> Vec<Value> {
        let errors = Described::all().into_iter();
        let errors = errors.filter(|it| method.may_answer(it.error.code(), self.version));
        let reference = |described: Described| {
            let reference = json!({ "$ref": format!("#/components/errors/{}", described.name) });
            let name = described.name.to_owned();
            let error = described.into_json(self.version, &mut self.written);
            self.errors.insert(name, error);
            reference
        };
        errors.map(reference).collect()
    }

    fn notice(&mut self, kind: Kind) -> Value {
        let id = of::<SubscriptionId>(&mut self.written);
        let result = kind.describe(&mut self.written);
        json!({
            "name": kind.method(),
            "paramStructure": "by-name",
            "params": [
                { "name": "subscription_id", "required": true, "schema": id },
                { "name": "result", "required": true, "schema": result },
            ],
        })
    }

    fn components(mut self) -> Value {
        let mut schemas = self.read.take_definitions(true);
        for (name, schema) in self.written.take_definitions(true) {
            let read = schemas.insert(name.clone(), schema);
            let is_other = read.is_some_and(|read| read != schemas[&name]);
            assert!(!is_other, "{name} is not written as it is read: it needs two names");
        }
        json!({ "schemas": schemas, "errors": self.errors })
    }
}

/// Makes descriptions of what are comments in the code: without its lines, and none where it is but
/// the name that the specification has.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(words) => {
            if let Some(Value::String(text)) = words.get_mut("description") {
                *text = text.replace('\n', " ");
                let is_name = |letter: char| letter.is_ascii_uppercase() || "_.".contains(letter);
                if text.chars().all(|letter| is_name(letter) || letter.is_ascii_digit()) {
                    words.remove("description");
                }
            }
            words.values_mut().for_each(tidy);
        }
        Value::Array(values) => values.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Takes out the types that only newer versions have a use for.
fn drop_unused(document: &mut Value) {
    loop {
        let text = document.to_string();
        let schemas = document.pointer_mut(SCHEMAS).and_then(Value::as_object_mut);
        let schemas = schemas.expect("the document was just made");
        let count = schemas.len();
        schemas.retain(|name, _| text.contains(&format!("\"#{SCHEMAS}/{name}\"")));
        if schemas.len() == count {
            return;
        }
    }
}
