//! How many transactions may be under way: as many as execution keeps up with.
//!
//! What is under way has its place in the order, or will have the next one, and nobody can overtake
//! it there; what waits in the pool can be. So no more should be under way than keeps execution busy.
//! The window is found as TCP finds its own, by what comes back: a transaction that was executed soon
//! after it was ordered makes it larger, one that stood in line for long makes it smaller, and each
//! the more the further it is from the time that is aimed at. Small steps, because what a step does
//! shows only after everything that is under way already.

use std::time::Duration;

/// How long a transaction should stand in line for execution, in milliseconds. Long enough to outlast
/// the end of a block and a few writes to the disk, short beside a block interval.
const IN_LINE_MILLIS: u64 = 200;

/// The window in steps: a transaction that did not stand in line at all makes it larger by a quarter
/// of a place, and one that stood there for five times as long as it should, or longer, smaller by
/// one. With these the line stays still while the order takes up to a second.
const STEPS: u64 = 4 * IN_LINE_MILLIS;

/// What the window is at the start. It is found within a second or two.
const SIZE_START: u64 = 128;

/// What may be under way however slow execution is.
const SIZE_MIN: u64 = 16;

/// What may be under way however fast execution is.
const SIZE_MAX: u64 = 16_384;

/// The part of the window that must be free before more is handed out: one in so many. Without it,
/// every executed transaction would be followed by a batch of one.
const FREE_PART: usize = 8;

/// How many transactions may be under way.
#[derive(Debug)]
pub(super) struct Window {
    /// In steps.
    size: u64,
    under_way: usize,
}

impl Window {
    /// Starts with nothing under way.
    pub(super) fn new() -> Self {
        Self { size: SIZE_START * STEPS, under_way: 0 }
    }

    /// How many more may leave now.
    pub(super) fn room(&self) -> usize {
        let free = self.size().saturating_sub(self.under_way);
        if free < self.size().div_ceil(FREE_PART) { 0 } else { free }
    }

    /// What it is now.
    pub(super) fn size(&self) -> usize {
        usize::try_from(self.size / STEPS).unwrap_or(usize::MAX)
    }

    /// One more is under way.
    pub(super) fn left(&mut self) {
        self.under_way += 1;
    }

    /// One has an outcome, so long after it was ordered; `None` if nobody knows how long.
    pub(super) fn arrived(&mut self, in_line: Option<Duration>) {
        // A window that nobody needs says nothing about what execution can do.
        let is_used = self.size() <= 2 * self.under_way;
        self.under_way -= 1;
        let Some(in_line) = in_line else {
            return;
        };
        let millis = u64::try_from(in_line.as_millis()).unwrap_or(u64::MAX);
        if IN_LINE_MILLIS < millis {
            let over = (millis - IN_LINE_MILLIS).min(STEPS);
            self.size = (self.size - over).max(SIZE_MIN * STEPS);
        } else if is_used {
            self.size = (self.size + IN_LINE_MILLIS - millis).min(SIZE_MAX * STEPS);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Execution of so many a second behind an order that takes so long, with more always ready;
    /// how many were executed in the last ten seconds of twenty, and how long one stood in line at
    /// most.
    fn run(per_second: usize, order_millis: u64) -> (usize, Duration) {
        let mut window = Window::new();
        let (mut in_order, mut line) = (VecDeque::new(), VecDeque::<u64>::new());
        let (mut executed, mut in_line_max, mut work) = (0, Duration::ZERO, 0);
        for now in 0..20_000_u64 {
            for _ in 0..window.room() {
                window.left();
                in_order.push_back(now + order_millis);
            }
            while in_order.pop_front_if(|at| *at <= now).is_some() {
                line.push_back(now);
            }
            work = if line.is_empty() { 0 } else { work + per_second };
            while let Some(ordered) = (1_000 <= work).then(|| line.pop_front()).flatten() {
                work -= 1_000;
                let in_line = Duration::from_millis(now - ordered);
                window.arrived(Some(in_line));
                if 10_000 <= now {
                    executed += 1;
                    in_line_max = in_line_max.max(in_line);
                }
            }
        }
        (executed, in_line_max)
    }

    #[test]
    fn execution_is_kept_busy_and_its_line_short_whatever_its_speed_and_that_of_the_order() {
        for per_second in [50, 350, 5_000] {
            for order_millis in [2, 100, 600] {
                let (executed, in_line) = run(per_second, order_millis);
                let case = format!("{per_second} tx/s, {order_millis} ms: {executed}, {in_line:?}");
                assert!(per_second * 19 / 2 <= executed, "{case}");
                assert!(in_line <= Duration::from_millis(2 * IN_LINE_MILLIS), "{case}");
            }
        }
    }

    #[test]
    fn a_window_that_nobody_needs_stays_as_it_is() {
        let mut window = Window::new();
        let before = window.size();
        for _ in 0..100_000 {
            window.left();
            window.arrived(Some(Duration::ZERO));
        }
        assert_eq!(window.size(), before);
    }

    #[test]
    fn a_window_has_bounds() {
        let mut window = Window::new();
        let mut run = |in_line| {
            for _ in 0..100_000 {
                while window.under_way <= window.size() {
                    window.left();
                }
                window.arrived(Some(in_line));
            }
            u64::try_from(window.size()).expect("a small number")
        };
        assert_eq!(run(Duration::ZERO), SIZE_MAX);
        assert_eq!(run(Duration::from_secs(3_600)), SIZE_MIN);
    }
}
