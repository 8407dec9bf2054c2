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

/// What to do when the disk is full, if this says that it is: no space left, over a quota, or over
/// the size that a file may have.
pub(crate) fn full_disk_remedy(line: &str) -> Option<&'static str> {
    // As Linux numbers them; libraries hand on the text, and not always the error.
    const FULL: [&str; 3] = ["(os error 28)", "(os error 122)", "(os error 27)"];
    FULL.iter().any(|full| line.contains(full)).then_some(
        "make room on the disk and start it again; nothing that was acknowledged is lost",
    )
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
    fn a_full_disk_is_known_by_its_number() {
        let full = std::io::Error::from_raw_os_error(28);
        assert!(full_disk_remedy(&format!("cannot append: {full}")).is_some());
        let other = std::io::Error::from_raw_os_error(2);
        assert_eq!(full_disk_remedy(&format!("cannot append: {other}")), None);
    }

    #[test]
    fn a_failure_is_one_line_with_its_causes_and_a_remedy() {
        let cause = anyhow::Error::new(std::io::Error::other("disk on fire"));
        let cause = cause.context("cannot read the\nfile");
        let failure = Failure::because("no settings", cause.as_ref(), "buy a new disk");
        let line = "no settings: cannot read the file: disk on fire — buy a new disk";
        assert_eq!(failure.to_string(), line);
    }
}
