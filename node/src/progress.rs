//! Shows that something long goes on: a bar on a terminal, lines of the log elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Shows how far one piece of work is. A log does not mention short work.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    bar: ProgressBar,
    started: Instant,
    /// When the log was last told.
    told: Instant,
}

impl Progress {
    /// Work that takes less is not worth a line.
    const PATIENCE: Duration = Duration::from_secs(1);
    /// Time between two lines of the log.
    const PAUSE: Duration = Duration::from_secs(2);

    /// Starts to watch, for example, `compiling classes`.
    pub(crate) fn new(what: &'static str) -> Self {
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {msg}")
            .expect("the template is well formed")
            .progress_chars("=> ");
        let bar = ProgressBar::new(0).with_style(style).with_prefix(what);
        let now = Instant::now();
        Self { what, bar, started: now, told: now }
    }

    /// `done` of `total` is done; `detail` comes next, or is empty.
    pub(crate) fn at(&mut self, done: u64, total: u64, detail: &str) {
        if !self.bar.is_hidden() {
            self.bar.set_length(total);
            self.bar.set_message(detail.to_owned());
            self.bar.set_position(done);
        } else if self.started.elapsed() < Self::PATIENCE {
            // Soon over.
        } else if self.told == self.started || Self::PAUSE < self.told.elapsed() {
            self.told = Instant::now();
            tracing::info!("{}: {done} of {total} {detail}", self.what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
