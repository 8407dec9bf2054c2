//! Which answers and which errors of the official documents were seen, as one table.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
};

use kraken_openrpc::Documents;
use serde_json::Value;

use crate::CallError;

/// What was seen of methods.
#[derive(Debug, Default)]
pub struct Coverage(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// An answer of each method that had one.
    answers: BTreeMap<String, Vec<Value>>,
    errors: BTreeSet<(String, i64)>,
}

/// How many answers of a method are kept.
const ANSWERS_MAX: usize = 12;

impl Coverage {
    /// A method was called, and said this.
    pub fn note(&self, method: &str, result: &Result<Value, CallError>) {
        match result {
            Ok(answer) => {
                let mut seen = self.lock();
                let answers = seen.answers.entry(method.to_owned()).or_default();
                if answers.len() < ANSWERS_MAX {
                    answers.push(answer.clone());
                }
            }
            Err(CallError::Refused { code, .. }) => {
                self.lock().errors.insert((method.to_owned(), *code));
            }
            Err(CallError::NoAnswer { .. }) => {}
        }
    }

    /// Answers that were seen, by method.
    pub fn answers(&self) -> BTreeMap<String, Vec<Value>> {
        self.lock().answers.clone()
    }

    /// The table of every method of the documents with its answer and each of its errors; `reasons`
    /// say why one of them cannot occur, by method and code (0 is the answer).
    ///
    /// # Errors
    /// What was not seen and has no reason, and what was seen though there is a reason.
    pub fn table(
        &self,
        documents: &Documents,
        reasons: &[(&str, i64, &str)],
    ) -> Result<String, Vec<String>> {
        let seen = self.lock();
        let (mut table, mut wrong) = (String::new(), Vec::new());
        table.push_str("| method | answer | errors | cannot occur |\n|---|---|---|---|\n");
        for name in documents.method_names() {
            let method = documents.method(name).expect("it was listed");
            let reason = |code| reasons.iter().find(|(it, of, _)| *it == name && *of == code);
            let mut cannot = Vec::new();
            let mut cell = |code: i64, is_seen: bool| match (is_seen, reason(code)) {
                (true, None) => true,
                (false, Some((_, _, why))) => {
                    cannot.push(if code == 0 { why.to_string() } else { format!("{code}: {why}") });
                    false
                }
                (true, Some(_)) => {
                    wrong.push(format!("{name} {code} was seen, and is said to be impossible"));
                    true
                }
                (false, None) => {
                    wrong.push(format!("{name} {code} was not seen, and nothing says why"));
                    false
                }
            };
            let answer = if cell(0, seen.answers.contains_key(name)) { "seen" } else { "" };
            let errors: Vec<_> = method
                .errors()
                .iter()
                .filter(|error| {
                    cell(error.code, seen.errors.contains(&(name.to_owned(), error.code)))
                })
                .map(|error| error.code.to_string())
                .collect();
            let (errors, cannot) = (errors.join(" "), cannot.join("; "));
            writeln!(table, "| `{name}` | {answer} | {errors} | {cannot} |")
                .expect("a text takes everything");
        }
        if wrong.is_empty() { Ok(table) } else { Err(wrong) }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every answer that is like this one but for one value in it, which is of another type.
pub fn mutations(answer: &Value) -> Vec<(String, Value)> {
    let mut pointers = Vec::new();
    leaves(answer, String::new(), &mut pointers);
    pointers
        .into_iter()
        .map(|pointer| {
            let mut mutant = answer.clone();
            *mutant.pointer_mut(&pointer).expect("it points into the answer") =
                Value::Array(vec![Value::Null]);
            (pointer, mutant)
        })
        .collect()
}

fn leaves(value: &Value, at: String, found: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                leaves(value, format!("{at}/{}", escaped(key)), found);
            }
        }
        // The items of a list are alike.
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate().take(2) {
                leaves(item, format!("{at}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => found.push(at),
    }
}
