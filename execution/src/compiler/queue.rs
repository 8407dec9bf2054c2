//! Who may compile now, who waits, and who is sent away.

use std::sync::{
    Condvar, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use super::Unfinished;

/// A line of bounded length in front of a number of places.
#[derive(Debug)]
pub(super) struct Queue {
    /// Callers who may be here at a time, waiting or not.
    callers_max: usize,
    callers: AtomicUsize,
    /// Places that are free.
    free: Mutex<usize>,
    freed: Condvar,
    waiting_max: usize,
}

/// A caller is in the line until this is dropped.
#[derive(Debug)]
pub(super) struct PlaceInLine<'a>(&'a Queue);

/// A caller's class is compiled until this is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a>(&'a Queue);

impl Queue {
    /// `at_once` places, and room for `waiting_max` callers more.
    pub(super) fn new(at_once: usize, waiting_max: usize) -> Self {
        Self {
            callers_max: at_once.saturating_add(waiting_max),
            callers: AtomicUsize::new(0),
            free: Mutex::new(at_once),
            freed: Condvar::new(),
            waiting_max,
        }
    }

    /// Joins the line.
    ///
    /// # Errors
    /// [`Unfinished::Busy`] if it is full.
    pub(super) fn enter(&self) -> Result<PlaceInLine<'_>, Unfinished> {
        let join = |callers| (callers < self.callers_max).then_some(callers + 1);
        match self.callers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, join) {
            Ok(_) => Ok(PlaceInLine(self)),
            Err(_) => Err(Unfinished::Busy { waiting: self.waiting_max }),
        }
    }

    /// Waits for a place.
    pub(super) fn turn(&self) -> Turn<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.freed.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Turn(self)
    }
}

impl Drop for PlaceInLine<'_> {
    fn drop(&mut self) {
        self.0.callers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}
