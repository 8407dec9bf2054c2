//! Makes plain JSON Schema out of OpenRPC documents.

use std::collections::BTreeMap;

use jsonschema::{Draft, Resource, Validator};
use serde_json::{Map, Value, json};

use crate::{LoadError, Parameter};

/// All documents, with every reference absolute and every schema usable.
#[derive(Debug)]
pub(crate) struct Library {
    documents: BTreeMap<String, Value>,
}

/// A method without an answer, and its parameters with their schemas.
pub(crate) type Notification = (String, Vec<(String, Value)>);

/// A method as it stands in a document, with references to errors followed.
#[derive(Debug)]
pub(crate) struct RawMethod {
    /// The whole name, such as `starknet_call`.
    pub(crate) name: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) errors: Vec<RawError>,
    /// The schema of the result.
    pub(crate) result: Value,
}

/// An error as it stands in a document.
#[derive(Debug)]
pub(crate) struct RawError {
    pub(crate) code: i64,
    pub(crate) message: String,
    /// The schema of its data.
    pub(crate) data: Option<Value>,
}

/// Prefix of the addresses under which the documents know each other.
const SCHEME: &str = "openrpc:///";

/// The words that make an object a schema; one that has none of them and has `schema` is a wrapper.
const SCHEMA_WORDS: [&str; 8] =
    ["$ref", "allOf", "anyOf", "enum", "not", "oneOf", "properties", "type"];

/// The pattern of storage keys turns away the keys that begin with a digit of 8 or more, though only
/// a key of 63 digits may not.
const STORAGE_KEY_WRITTEN: &str = "^0x(0|[0-7]{1}[a-fA-F0-9]{0,62}$)";
const STORAGE_KEY_MEANT: &str = "^0x(0|[1-9a-fA-F][0-9a-fA-F]{0,61}|[1-7][0-9a-fA-F]{62})$";

impl Library {
    /// Takes documents by file name.
    pub(crate) fn new(documents: BTreeMap<String, Value>) -> Self {
        let documents = documents
            .into_iter()
            .map(|(name, mut document)| {
                absolute_references(&name, &mut document);
                if let Some(schemas) = document.pointer_mut("/components/schemas") {
                    repair(schemas);
                }
                (name, document)
            })
            .collect();
        Self { documents }
    }

    /// The methods that do not answer, with the schemas of their parameters.
    pub(crate) fn notifications(&self) -> Result<Vec<Notification>, LoadError> {
        let mut notifications = Vec::new();
        for (document, value) in &self.documents {
            let methods = array(value, "methods").iter();
            for method in methods.filter(|method| method.get("result").is_none()) {
                let missing = |part: &str| LoadError::Shape {
                    document: document.clone(),
                    part: part.to_owned(),
                };
                let name = text(method, "name").ok_or_else(|| missing("method name"))?;
                let parameter = |parameter: &Value| {
                    let label = text(parameter, "name")
                        .ok_or_else(|| missing(&format!("parameter name of {name}")))?;
                    let mut schema = parameter.get("schema").cloned().ok_or_else(|| {
                        missing(&format!("schema of parameter {label} of {name}"))
                    })?;
                    repair(&mut schema);
                    Ok((label, schema))
                };
                let parameters = array(method, "params").iter().map(parameter);
                let parameters = parameters.collect::<Result<_, LoadError>>()?;
                notifications.push((name, parameters));
            }
        }
        Ok(notifications)
    }

    /// The methods that answer, from all documents. Notifications have no result and are left out.
    pub(crate) fn methods(&self) -> Result<Vec<RawMethod>, LoadError> {
        let mut methods = Vec::new();
        for (document, value) in &self.documents {
            for method in array(value, "methods") {
                if method.get("result").is_some() {
                    methods.push(self.method(document, method)?);
                }
            }
        }
        Ok(methods)
    }

    /// Compiles a schema that may refer to any of the documents.
    pub(crate) fn validator(&self, method: &str, schema: &Value) -> Result<Validator, LoadError> {
        let resources = self.documents.iter().map(|(name, document)| {
            // Only the components are ever referred to.
            let components = document.get("components").cloned().unwrap_or_else(|| json!({}));
            let resource = Draft::Draft202012.create_resource(json!({ "components": components }));
            (address(name), resource)
        });
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_resources(resources.collect::<Vec<(String, Resource)>>().into_iter())
            .build(schema)
            .map_err(|error| LoadError::Schema {
                method: method.to_owned(),
                reason: error.to_string(),
            })
    }

    fn method(&self, document: &str, method: &Value) -> Result<RawMethod, LoadError> {
        let missing =
            |part: &str| LoadError::Shape { document: document.to_owned(), part: part.to_owned() };
        let name = text(method, "name").ok_or_else(|| missing("method name"))?;
        let mut result = method
            .pointer("/result/schema")
            .cloned()
            .ok_or_else(|| missing(&format!("result of {name}")))?;
        repair(&mut result);

        let mut parameters = Vec::new();
        for parameter in array(method, "params") {
            let parameter = self.follow(parameter)?;
            parameters.push(Parameter {
                name: text(parameter, "name")
                    .ok_or_else(|| missing(&format!("parameter name of {name}")))?,
                is_required: parameter.get("required").and_then(Value::as_bool).unwrap_or(false),
            });
        }

        let mut errors = Vec::new();
        for error in array(method, "errors") {
            let error = self.follow(error)?;
            let data = error.get("data").map(data_schema);
            errors.push(RawError {
                code: error
                    .get("code")
                    .and_then(Value::as_i64)
                    .ok_or_else(|| missing(&format!("error code of {name}")))?,
                message: text(error, "message")
                    .ok_or_else(|| missing(&format!("error message of {name}")))?,
                data,
            });
        }
        Ok(RawMethod { name, parameters, errors, result })
    }

    /// What a `{"$ref": …}` refers to, or the value itself.
    fn follow<'a>(&'a self, mut value: &'a Value) -> Result<&'a Value, LoadError> {
        while let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            value = reference
                .strip_prefix(SCHEME)
                .and_then(|rest| rest.split_once('#'))
                .and_then(|(name, pointer)| self.documents.get(name)?.pointer(pointer))
                .filter(|next| *next != value)
                .ok_or_else(|| LoadError::Dangling { reference: reference.to_owned() })?;
        }
        Ok(value)
    }
}

/// The schema of an error's data, of which some errors only give the name of the type.
fn data_schema(data: &Value) -> Value {
    let mut schema = if data.is_string() { json!({ "type": data }) } else { data.clone() };
    repair(&mut schema);
    schema
}

/// The schema of a result, closed: an object has no fields but the described ones.
///
/// Branches are closed one by one, so that an answer cannot mix them.
pub(crate) fn closed(schema: &Value) -> Value {
    let Value::Object(map) = schema else {
        return schema.clone();
    };
    let mut map = map.clone();
    if let Some(Value::Array(branches)) = map.get_mut("anyOf") {
        for branch in branches {
            *branch = closed(branch);
        }
    } else {
        map.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
    }
    Value::Object(map)
}

/// Turns `oneOf` into `anyOf`, takes wrappers off and makes a list of a lone required name, here
/// and everywhere below.
fn repair(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(inner) = wrapped(map) {
                *schema = inner;
                repair(schema);
                return;
            }
            if map.get("oneOf").is_some_and(Value::is_array)
                && let Some(branches) = map.remove("oneOf")
            {
                map.insert("anyOf".to_owned(), branches);
            }
            correct(map);
            if let Some(required @ Value::String(_)) = map.get_mut("required") {
                *required = Value::Array(vec![required.take()]);
            }
            for value in map.values_mut() {
                repair(value);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(repair),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Puts right what the documents say and no chain can keep to.
fn correct(map: &mut Map<String, Value>) {
    if map.get("pattern").is_some_and(|pattern| pattern == STORAGE_KEY_WRITTEN) {
        map.insert("pattern".to_owned(), STORAGE_KEY_MEANT.into());
    }
    if map.get("title").is_some_and(|title| title == "CellRef")
        && let Some(Value::Object(offset)) =
            map.get_mut("properties").and_then(|properties| properties.get_mut("offset"))
    {
        offset.remove("minimum");
    }
}

/// What the wrapper `{"schema": …}` holds; `None` for anything else.
fn wrapped(map: &mut Map<String, Value>) -> Option<Value> {
    let is_schema = SCHEMA_WORDS.iter().any(|word| map.contains_key(*word));
    if is_schema || !map.get("schema").is_some_and(Value::is_object) {
        return None;
    }
    map.remove("schema")
}

/// Makes references independent of the place they stand in.
fn absolute_references(name: &str, value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get_mut("$ref") {
                *reference = absolute(name, reference);
            }
            for value in map.values_mut() {
                absolute_references(name, value);
            }
        }
        Value::Array(values) => {
            values.iter_mut().for_each(|value| absolute_references(name, value));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `#/x` stays in its document; of `./api/file.json#/x` only the name of the file counts, because
/// all documents lie in one folder.
fn absolute(name: &str, reference: &str) -> String {
    let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
    let file = file.rsplit('/').next().filter(|file| !file.is_empty()).unwrap_or(name);
    format!("{}#{pointer}", address(file))
}

fn address(name: &str) -> String {
    format!("{SCHEME}{name}")
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}
