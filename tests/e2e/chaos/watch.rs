//! How long nothing happens.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use kraken_tests::committee::Door;
use serde_json::json;

/// How often validators are asked.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A thread that looks for new blocks.
#[derive(Debug)]
pub(super) struct Watch {
    is_over: Arc<AtomicBool>,
    watching: JoinHandle<Duration>,
}

impl Watch {
    /// Starts to look, at all who live.
    pub(super) fn start(doors: Vec<Door>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_over);
        Self { is_over, watching: thread::spawn(move || watch(&doors, &flag)) }
    }

    /// Ends it; returns the longest time without a new block at any validator.
    pub(super) fn stop(self) -> Duration {
        self.is_over.store(true, Ordering::SeqCst);
        self.watching.join().expect("watching does not panic")
    }
}

fn watch(doors: &[Door], is_over: &AtomicBool) -> Duration {
    let (mut tip, mut since, mut longest) = (0, Instant::now(), Duration::ZERO);
    while !is_over.load(Ordering::SeqCst) {
        for door in doors.iter().filter(|door| door.is_live()) {
            let newest = door.client.call("starknet_blockNumber", json!([]));
            let newest = newest.ok().and_then(|number| number.as_u64()).unwrap_or(0);
            if tip < newest {
                tip = newest;
                longest = longest.max(since.elapsed());
                since = Instant::now();
            }
        }
        thread::sleep(LOOK_AGAIN);
    }
    longest.max(since.elapsed())
}
