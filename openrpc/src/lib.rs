//! Checks answers of the RPC against the official OpenRPC documents of Starknet.
//!
//! [`Documents::load`] reads a folder of these documents, [`Documents::check_result`] and
//! [`Documents::check_error`] say what is wrong with an answer, and [`Documents::check_notice`] with a
//! notification. Used by tests only: nothing that
//! runs in a validator depends on this package.
//!
//! Where checking departs from the letter of the documents:
//!
//! - `oneOf` is read as `anyOf`: a confirmed block has every field of a pre-confirmed one, so it
//!   satisfies both branches and a literal `oneOf` turns every confirmed block away.
//! - The wrapper `{"schema": …}`, which the documents use in some places and which JSON Schema
//!   ignores, is replaced by what it holds; otherwise those parts would accept anything.
//! - `"required": "name"`, which is no JSON Schema, is read as a list of that one name;
//!   `"data": "string"` as a schema of that type.
//! - A storage key may begin with any digit unless it has 63 of them: the pattern in the documents
//!   turns away every key that begins with 8 to f.
//! - The cell that a hint of machine code names may lie before the register, so its offset may be
//!   negative.
//! - A result that is an object has no fields but the documented ones. Without this rule a
//!   confirmed block that lacks its hash would pass as a pre-confirmed one.

mod document;
mod error;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use crate::document::{RawError, RawMethod};
pub use crate::error::LoadError;

/// The methods of a folder of OpenRPC documents, ready to check answers.
#[derive(Debug)]
pub struct Documents {
    methods: BTreeMap<String, Method>,
    /// By method, the parameters with what they must look like.
    notifications: BTreeMap<String, Vec<(String, Validator)>>,
}

/// A release of the official documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// 0.9.0.
    V0_9,
    /// 0.10.2.
    V0_10,
}

/// One method as the documents describe it.
#[derive(Debug)]
pub struct Method {
    parameters: Vec<Parameter>,
    errors: Vec<ErrorDescription>,
    result: Validator,
}

/// One parameter of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name that a request by name uses.
    pub name: String,
    /// Whether a request without it is wrong.
    pub is_required: bool,
}

/// One error that a method may answer with.
#[derive(Debug)]
pub struct ErrorDescription {
    /// The number that clients match on.
    pub code: i64,
    /// The exact text that goes with it.
    pub message: String,
    /// What `data` must look like; `None` when the error carries no data.
    data: Option<Validator>,
}

/// One way in which an answer departs from the documents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{method} at \"{path}\": {problem}")]
pub struct Violation {
    /// The method that answered.
    pub method: String,
    /// Where in the answer, as a JSON pointer; empty for the whole of it.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
}

/// How much of a wrong value a [`Violation`] repeats, in characters.
const PROBLEM_CHARACTERS_MAX: usize = 300;

/// Codes that JSON-RPC 2.0 keeps for itself, section 5.1.
const JSON_RPC_CODES: std::ops::RangeInclusive<i64> = -32768..=-32000;

impl Release {
    /// Where [`Documents::official`] looks: in a folder that lies beside the project's.
    pub fn folder(self) -> PathBuf {
        // Cargo says where the package lies now, which may not be where it was built; every package
        // that uses this one lies beside it.
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        package.join("../../shared/openrpc").join(match self {
            Self::V0_9 => "v0_9_0",
            Self::V0_10 => "v0_10_2",
        })
    }
}

impl Documents {
    /// Reads all `*.json` files of a folder and compiles what they describe.
    ///
    /// # Errors
    /// [`LoadError`] if the folder cannot be read, holds no method, or a file is not what it
    /// should be.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        let unreadable = |source| LoadError::Read { path: folder.to_owned(), source };
        let mut documents = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = fs::read_to_string(&path)
                .map_err(|source| LoadError::Read { path: path.clone(), source })?;
            let document = serde_json::from_str(&text)
                .map_err(|source| LoadError::Parse { path: path.clone(), source })?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            documents.insert(name, document);
        }
        Self::compile(documents)
    }

    /// The official documents of a release, or `None` where their folder is missing: a caller then
    /// says that it skips the check.
    ///
    /// # Panics
    /// If the folder is there and cannot be loaded: a check that silently checks nothing would be
    /// worse than none.
    pub fn official(release: Release) -> Option<Self> {
        let folder = release.folder();
        folder.is_dir().then(|| Self::load(&folder).expect("the official documents load"))
    }

    /// Compiles documents that are already in memory, by file name.
    ///
    /// # Errors
    /// [`LoadError`] if they hold no method or one that makes no sense.
    pub fn compile(documents: BTreeMap<String, Value>) -> Result<Self, LoadError> {
        let library = document::Library::new(documents);
        let mut methods = BTreeMap::new();
        for raw in library.methods()? {
            let method = Method::compile(&library, &raw)?;
            methods.insert(raw.name, method);
        }
        if methods.is_empty() {
            return Err(LoadError::Empty);
        }
        let mut notifications = BTreeMap::new();
        for (name, parameters) in library.notifications()? {
            let compiled = parameters.into_iter().map(|(parameter, schema)| {
                let validator = library.validator(&name, &document::closed(&schema))?;
                Ok((parameter, validator))
            });
            let compiled = compiled.collect::<Result<_, LoadError>>()?;
            notifications.insert(name, compiled);
        }
        Ok(Self { methods, notifications })
    }

    /// The names of all methods that can be called, in alphabetical order.
    pub fn method_names(&self) -> impl Iterator<Item = &str> {
        self.methods.keys().map(String::as_str)
    }

    /// What the documents say of one method; `None` if they do not know it.
    pub fn method(&self, name: &str) -> Option<&Method> {
        self.methods.get(name)
    }

    /// Checks the `result` of an answer.
    ///
    /// # Errors
    /// Every [`Violation`] that was found, at least one.
    pub fn check_result(&self, method: &str, result: &Value) -> Result<(), Vec<Violation>> {
        let described = self.described(method)?;
        let violations = violations(method, "", &described.result, result);
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }

    /// The names of all notifications, in alphabetical order.
    pub fn notification_names(&self) -> impl Iterator<Item = &str> {
        self.notifications.keys().map(String::as_str)
    }

    /// Checks the `params` of a notification: it has all that are described, and no others.
    ///
    /// # Errors
    /// Every [`Violation`] that was found, at least one.
    pub fn check_notice(&self, method: &str, params: &Value) -> Result<(), Vec<Violation>> {
        let violation = |path: &str, problem: &str| Violation {
            method: method.to_owned(),
            path: path.to_owned(),
            problem: problem.to_owned(),
        };
        let Some(described) = self.notifications.get(method) else {
            return Err(vec![violation("", "the documents do not describe this notification")]);
        };
        let Some(given) = params.as_object() else {
            return Err(vec![violation("", "the parameters are no object")]);
        };
        let mut found = Vec::new();
        for (name, schema) in described {
            let path = format!("/{name}");
            match given.get(name) {
                Some(value) => found.extend(violations(method, &path, schema, value)),
                None => found.push(violation(&path, "it is missing")),
            }
        }
        let is_known = |name: &String| described.iter().any(|(known, _)| known == name);
        for name in given.keys().filter(|name| !is_known(name)) {
            found.push(violation(&format!("/{name}"), "the documents do not know it"));
        }
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    /// Checks the `error` of an answer: the method may give this code, the message is the one
    /// that belongs to it, and `data` is there exactly where the documents describe it.
    ///
    /// Errors of JSON-RPC itself (-32768 to -32000) need a message and may carry any data.
    ///
    /// # Errors
    /// Every [`Violation`] that was found, at least one.
    pub fn check_error(
        &self,
        method: &str,
        code: i64,
        message: &str,
        data: Option<&Value>,
    ) -> Result<(), Vec<Violation>> {
        let described = self.described(method)?;
        let violation = |path: &str, problem: String| Violation {
            method: method.to_owned(),
            path: path.to_owned(),
            problem,
        };
        if JSON_RPC_CODES.contains(&code) {
            if message.is_empty() {
                return Err(vec![violation("/message", "the message is empty".to_owned())]);
            }
            return Ok(());
        }
        let Some(error) = described.errors.iter().find(|error| error.code == code) else {
            let problem = format!("the method does not answer with error {code} ({message})");
            return Err(vec![violation("/code", problem)]);
        };

        let mut found = Vec::new();
        if error.message != message {
            let problem = format!("error {code} says {message:?} instead of {:?}", error.message);
            found.push(violation("/message", problem));
        }
        match (&error.data, data) {
            (None, None) => {}
            (None, Some(_)) => {
                found.push(violation("/data", format!("error {code} carries no data")));
            }
            (Some(_), None) => {
                found.push(violation("/data", format!("error {code} must carry data")));
            }
            (Some(schema), Some(data)) => found.extend(violations(method, "/data", schema, data)),
        }
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    fn described(&self, method: &str) -> Result<&Method, Vec<Violation>> {
        self.method(method).ok_or_else(|| {
            vec![Violation {
                method: method.to_owned(),
                path: String::new(),
                problem: "the documents do not describe this method".to_owned(),
            }]
        })
    }
}

impl Method {
    /// The parameters in the order that a request by position uses.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The errors that the method may answer with.
    pub fn errors(&self) -> &[ErrorDescription] {
        &self.errors
    }

    fn compile(library: &document::Library, raw: &RawMethod) -> Result<Self, LoadError> {
        let parameters = raw.parameters.clone();
        let errors = raw
            .errors
            .iter()
            .map(|error| ErrorDescription::compile(library, &raw.name, error))
            .collect::<Result<_, _>>()?;
        let result = library.validator(&raw.name, &document::closed(&raw.result))?;
        Ok(Self { parameters, errors, result })
    }
}

impl ErrorDescription {
    /// Whether the documents describe `data` for this error.
    pub fn has_data(&self) -> bool {
        self.data.is_some()
    }

    fn compile(
        library: &document::Library,
        method: &str,
        raw: &RawError,
    ) -> Result<Self, LoadError> {
        let data = raw.data.as_ref().map(|data| library.validator(method, data)).transpose()?;
        Ok(Self { code: raw.code, message: raw.message.clone(), data })
    }
}

/// Everything that `schema` finds wrong with `value`.
fn violations(method: &str, below: &str, schema: &Validator, value: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    for error in schema.iter_errors(value) {
        explain(method, below, &error, &mut found);
    }
    found
}

/// Turns an error into violations. Of a choice in which no branch fits, the one with the fewest
/// errors is explained, because it is most likely the one that was meant.
fn explain(method: &str, below: &str, error: &ValidationError<'_>, found: &mut Vec<Violation>) {
    if let ValidationErrorKind::AnyOf { context } = &error.kind
        && let Some(closest) = context.iter().min_by_key(|branch| branch.len())
        && !closest.is_empty()
    {
        for error in closest {
            explain(method, below, error, found);
        }
        return;
    }
    let text = error.to_string();
    let mut problem: String = text.chars().take(PROBLEM_CHARACTERS_MAX).collect();
    if problem.len() < text.len() {
        // The end of the text says what was expected; a long value hides it.
        problem.push_str(&format!(" … breaks the rule {}", error.schema_path));
    }
    let path = format!("{below}{}", error.instance_path);
    found.push(Violation { method: method.to_owned(), path, problem });
}
