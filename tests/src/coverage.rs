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
    /// What came with notifications, by their method.
    notices: BTreeMap<String, Vec<Value>>,
}

/// How many answers and notices of a method are kept.
const ANSWERS_MAX: usize = 12;

impl Coverage {
    /// A method was called, and said this.
    pub fn note(&self, method: &str, result: &Result<Value, CallError>) {
        match result {
            Ok(answer) => keep(&mut self.lock().answers, method, answer),
            Err(CallError::Refused { code, .. }) => {
                self.lock().errors.insert((method.to_owned(), *code));
            }
            Err(CallError::NoAnswer { .. }) => {}
        }
    }

    /// A notification came with these parameters.
    pub fn note_notice(&self, method: &str, params: &Value) {
        keep(&mut self.lock().notices, method, params);
    }

    /// Notifications that were seen, by method, with their parameters.
    pub fn notices(&self) -> BTreeMap<String, Vec<Value>> {
        self.lock().notices.clone()
    }

    /// Answers that were seen, by method.
    pub fn answers(&self) -> BTreeMap<String, Vec<Value>> {
        self.lock().answers.clone()
    }

    /// The table of every method of the documents with its answer and each of its errors, and of every
    /// notification; `reasons` say why one of them cannot occur, by method and code (0 is the answer,
    /// and the notification).
    ///
    /// # Errors
    /// What was not seen and has no reason, and what was seen though there is a reason.
    pub fn table(
        &self,
        documents: &Documents,
        reasons: &[(&str, i64, &str)],
    ) -> Result<String, Vec<String>> {
        let seen = self.lock();
        let mut table = Table { reasons, rows: String::new(), wrong: Vec::new() };
        for name in documents.method_names() {
            let method = documents.method(name).expect("it was listed");
            let codes = method.errors().iter().map(|error| error.code);
            let is_seen = |code| seen.errors.contains(&(name.to_owned(), code));
            let errors: BTreeMap<_, _> = codes.map(|code| (code, is_seen(code))).collect();
            table.row(name, seen.answers.contains_key(name), &errors);
        }
        for name in documents.notification_names() {
            table.row(name, seen.notices.contains_key(name), &BTreeMap::new());
        }
        let Table { rows, wrong, .. } = table;
        let head = "| method | seen | errors | cannot occur |\n|---|---|---|---|\n";
        if wrong.is_empty() { Ok(format!("{head}{rows}")) } else { Err(wrong) }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A table in the making.
struct Table<'a> {
    reasons: &'a [(&'a str, i64, &'a str)],
    rows: String,
    wrong: Vec<String>,
}

impl Table<'_> {
    fn row(&mut self, name: &str, is_answered: bool, errors: &BTreeMap<i64, bool>) {
        let mut cannot = Vec::new();
        let answer = if self.cell((name, 0), is_answered, &mut cannot) { "yes" } else { "" };
        let mut codes = Vec::new();
        for (code, is_seen) in errors {
            if self.cell((name, *code), *is_seen, &mut cannot) {
                codes.push(code.to_string());
            }
        }
        let (codes, cannot) = (codes.join(" "), cannot.join("; "));
        writeln!(self.rows, "| `{name}` | {answer} | {codes} | {cannot} |")
            .expect("a text takes everything");
    }

    /// Whether something was seen; if not, why it cannot be goes to the others.
    fn cell(&mut self, (name, code): (&str, i64), is_seen: bool, cannot: &mut Vec<String>) -> bool {
        let reason = self.reasons.iter().find(|(it, of, _)| *it == name && *of == code);
        match (is_seen, reason) {
            (true, None) => {}
            (false, Some((_, _, why))) => {
                cannot.push(if code == 0 { why.to_string() } else { format!("{code}: {why}") });
            }
            (true, Some(_)) => {
                self.wrong.push(format!("{name} {code} was seen, and is said to be impossible"));
            }
            (false, None) => {
                self.wrong.push(format!("{name} {code} was not seen, and nothing says why"));
            }
        }
        is_seen
    }
}

/// Keeps what was seen of a method, if there is not enough of it.
fn keep(seen: &mut BTreeMap<String, Vec<Value>>, method: &str, it: &Value) {
    let kept = seen.entry(method.to_owned()).or_default();
    if kept.len() < ANSWERS_MAX {
        kept.push(it.clone());
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
