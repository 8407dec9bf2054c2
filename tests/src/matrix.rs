//! `docs/bad-inputs.md`: what a node says to input that is wrong, as tests saw it.
//!
//! A test notes what it sent and what it was told, and in the end compares its part of the page with
//! that.

use std::fmt::{Display, Write};

use crate::Page;

/// What one test sent, and was told.
#[derive(Debug)]
#[must_use = "rows that nobody compares are worth nothing"]
pub struct Matrix {
    test: &'static str,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    input: String,
    /// What it was sent to, if that is a method; several where all say the same.
    methods: Vec<String>,
    code: String,
    reason: String,
}

/// A hexadecimal number with more digits than this is shown by its first ones.
const DIGITS_MAX: usize = 12;
/// So many of them.
const DIGITS_SHOWN: usize = 6;

/// The longest reason that is shown whole, in characters.
const REASON_CHARS_MAX: usize = 420;

impl Matrix {
    /// The part of a test, which is known by its whole name.
    pub fn new(test: &'static str) -> Self {
        Self { test, rows: Vec::new() }
    }

    /// Notes an input in words, the code, and the reason as it came.
    pub fn row(&mut self, input: &str, code: impl Display, reason: &str) {
        let (code, reason) = (code.to_string(), shown(reason));
        self.rows.push(Row { input: input.to_owned(), methods: Vec::new(), code, reason });
    }

    /// The same for an input to a method.
    pub fn request(&mut self, input: &str, method: &str, code: impl Display, reason: &str) {
        let (code, reason, method) = (code.to_string(), shown(reason), method.to_owned());
        let same =
            |row: &&mut Row| (&row.input[..], &row.code, &row.reason) == (input, &code, &reason);
        match self.rows.last_mut().filter(same) {
            Some(row) => row.methods.push(method),
            None => {
                self.rows.push(Row { input: input.to_owned(), methods: vec![method], code, reason })
            }
        }
    }

    /// Compares the page with what was noted, or writes that.
    ///
    /// # Panics
    /// If the page says something else.
    #[track_caller]
    pub fn check(&self) {
        Page::BadInputs.check(self.test, &self.table());
    }

    fn table(&self) -> String {
        let mut table =
            "| input | code | what the node says | test |\n|---|---|---|---|\n".to_owned();
        let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        for Row { input, methods, code, reason } in &self.rows {
            let methods: Vec<_> = methods.iter().map(|method| format!("`{method}`")).collect();
            let methods = if methods.is_empty() {
                String::new()
            } else {
                format!(": {}", methods.join(", "))
            };
            let (input, reason) = (cell(input), cell(reason));
            writeln!(table, "| {input}{methods} | {code} | {reason} | `{}` |", self.test)
                .expect("a text takes everything");
        }
        table
    }
}

/// A reason for people: long numbers by their beginning, and not more than fits.
fn shown(reason: &str) -> String {
    let mut text = String::with_capacity(reason.len());
    let mut rest = reason;
    while let Some(at) = rest.find("0x") {
        let (before, number) = rest.split_at(at);
        let digits = number[2..].bytes().take_while(u8::is_ascii_hexdigit).count();
        let kept = if DIGITS_MAX < digits { DIGITS_SHOWN } else { digits };
        text.push_str(before);
        text.push_str(&number[..2 + kept]);
        if kept < digits {
            text.push('…');
        }
        rest = &number[2 + digits..];
    }
    text.push_str(rest);
    let text = without_digests(&text);
    // `<` would begin something else on a page.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('<', "&lt;");
    if text.chars().count() <= REASON_CHARS_MAX {
        return text;
    }
    let head: String = text.chars().take(REASON_CHARS_MAX).collect();
    format!("{head}…")
}

/// Digests without `0x` are those of keys and files that are new at each run.
fn without_digests(text: &str) -> String {
    let is_digit = |letter: char| letter.is_ascii_digit() || ('a'..='f').contains(&letter);
    let mut kept = String::with_capacity(text.len());
    for word in text.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric()) {
        let digits = word.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
        if 32 <= digits.len() && digits.chars().all(is_digit) {
            kept.push_str("DIGEST");
            kept.push_str(&word[digits.len()..]);
        } else {
            kept.push_str(word);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_shown_in_one_short_line() {
        let long = "0x049d36570d4e46f48e99674bd3fcc84644ddd6b96f7c741b1562b82f9e004dc7";
        assert_eq!(shown(&format!("{long} and 0x12,\n0x")), "0x049d36… and 0x12, 0x");
        assert_eq!(shown(&format!("of {}.", &long[2..])), "of DIGEST.");
        assert_eq!(shown(&"ä".repeat(500)).chars().count(), REASON_CHARS_MAX + 1);
    }

    #[test]
    fn a_table_has_a_row_for_each_input() {
        let mut matrix = Matrix::new("some::test");
        matrix.row("a | b", 24, "no\nblock");
        for method in ["one", "two"] {
            matrix.request("nothing", method, 20, "no contract");
        }
        let table = matrix.table();
        assert!(table.contains("| a \\| b | 24 | no block | `some::test` |\n"), "{table}");
        assert!(table.contains("| nothing: `one`, `two` | 20 | no contract |"), "{table}");
    }
}
