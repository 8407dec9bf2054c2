//! How a command ends when it cannot go on: one line that says what is wrong and what to do.

use std::{error::Error, fmt, iter};

/// Why a command ended, and what its user can do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    problem: String,
    remedy: String,
}

impl Failure {
    /// What is wrong, and what to do, each a phrase of one line.
    pub(crate) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }

    /// What is wrong is `problem`, because of `cause` and all that caused it.
    pub(crate) fn because(problem: impl fmt::Display, cause: &dyn Error, remedy: &str) -> Self {
        Self::new(format!("{problem}: {}", chain(cause)), remedy)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!("{} — {}", self.problem, self.remedy);
        f.write_str(&line.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// An error and its causes in one line, without what an outer message says already.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    for cause in iter::successors(error.source(), |&error| error.source()) {
        let cause = cause.to_string();
        if !line.contains(&cause) {
            line.push_str(": ");
            line.push_str(&cause);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_with_its_causes_and_a_remedy() {
        let cause = anyhow::Error::new(std::io::Error::other("disk on fire"));
        let cause = cause.context("cannot read the\nfile");
        let failure = Failure::because("no settings", cause.as_ref(), "buy a new disk");
        let line = "no settings: cannot read the file: disk on fire — buy a new disk";
        assert_eq!(failure.to_string(), line);
    }
}
