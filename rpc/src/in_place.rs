//! Short reads, on the thread that has the request (decision 21).
//!
//! To hand a read to another thread and to be woken by it costs several times what a few look-ups
//! in memory cost. But now and then a look-up waits for the disk, and then the runtime must go on:
//!
//! - At most one fewer than all its threads read in place at a time. Whoever comes beyond that first
//!   hands the rest of his thread's work to another one.
//! - A thread that took what sockets have to say and then reads would leave the sockets to nobody as
//!   long as the others sleep. So a watch looks every few milliseconds whether reads are under way,
//!   and wakes another thread if they are.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, Thread},
    time::Duration,
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::Semaphore,
    task::block_in_place,
};

use crate::error::{Error, Internal};

/// How often the watch looks.
const TICK: Duration = Duration::from_millis(2);

/// After so many looks at nothing the watch sleeps until somebody reads.
const IDLE_TICKS: u32 = 50;

/// Where short reads are carried out. One per server.
#[derive(Debug)]
pub(crate) struct InPlace {
    /// One for each thread but one.
    unguarded: Semaphore,
    reads: Arc<Reads>,
    watch: Thread,
}

/// What the watch sees.
#[derive(Debug, Default)]
struct Reads {
    under_way: AtomicUsize,
    /// Whether the watch has to be woken.
    is_unwatched: AtomicBool,
    /// Whether there will be no more.
    is_over: AtomicBool,
}

/// A read that is under way.
struct Reading<'a>(&'a Reads);

impl InPlace {
    /// For the threads of this runtime; `None` if it has only this one, or there can be no watch.
    pub(crate) fn new() -> Option<Self> {
        let runtime = Handle::current();
        if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            return None;
        }
        let threads = runtime.metrics().num_workers();
        let reads = Arc::new(Reads::default());
        let watched = Arc::clone(&reads);
        let watch = thread::Builder::new().name("rpc-watch".to_owned());
        match watch.spawn(move || watched.watch(&runtime)) {
            Ok(watch) => {
                let unguarded = Semaphore::new(threads - 1);
                Some(Self { unguarded, reads, watch: watch.thread().clone() })
            }
            Err(error) => {
                tracing::warn!(%error, "cannot start a thread, so reads take longer");
                None
            }
        }
    }

    /// Carries out `work` here and now.
    ///
    /// # Errors
    /// What `work` says, and [`Internal::Panicked`]: as on a blocking thread, a panic ends this
    /// request and nothing else.
    pub(crate) fn read<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let work = || {
            catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Internal::Panicked.into()))
        };
        let Ok(_permit) = self.unguarded.try_acquire() else {
            return block_in_place(work);
        };
        let _reading = self.reads.begin(&self.watch);
        work()
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        self.reads.is_over.store(true, SeqCst);
        self.watch.unpark();
    }
}

impl Reads {
    fn begin(&self, watch: &Thread) -> Reading<'_> {
        self.under_way.fetch_add(1, SeqCst);
        if self.is_unwatched.load(SeqCst) && self.is_unwatched.swap(false, SeqCst) {
            watch.unpark();
        }
        Reading(self)
    }

    /// Wakes a thread of the runtime whenever a read is seen under way: it may be one that waits, or
    /// one of many that keep a thread from the sockets.
    fn watch(&self, runtime: &Handle) {
        let mut idle = 0;
        while !self.is_over.load(SeqCst) {
            thread::sleep(TICK);
            if 0 < self.under_way.load(SeqCst) {
                // Who is woken for nothing looks after the sockets before he sleeps again.
                runtime.spawn(async {});
                idle = 0;
            } else {
                idle += 1;
            }
            if idle == IDLE_TICKS {
                self.rest();
                idle = 0;
            }
        }
    }

    /// Waits for somebody who reads, or for the end.
    fn rest(&self) {
        self.is_unwatched.store(true, SeqCst);
        // Who began before this was said has not woken anybody.
        while self.is_unwatched.load(SeqCst)
            && self.under_way.load(SeqCst) == 0
            && !self.is_over.load(SeqCst)
        {
            thread::park();
        }
        self.is_unwatched.store(false, SeqCst);
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{Ipv4Addr, TcpStream},
        sync::mpsc,
    };

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        time::timeout,
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_runtime_of_one_thread_does_not_read_in_place() {
        assert!(InPlace::new().is_none());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn more_reads_that_wait_than_threads_do_not_stop_the_runtime() {
        let in_place = Arc::new(InPlace::new().expect("there are threads"));
        let (releases, reads): (Vec<_>, Vec<_>) = (0..4)
            .map(|_| {
                let (in_place, (release, released)) = (in_place.clone(), mpsc::channel::<()>());
                (
                    release,
                    tokio::spawn(async move { in_place.read(|| Ok(released.recv().is_ok())) }),
                )
            })
            .unzip();
        let other = timeout(PATIENCE, tokio::spawn(async { 7 })).await;
        assert_eq!(other.expect("in time").expect("no panic"), 7);
        for release in releases {
            release.send(()).expect("somebody reads");
        }
        for read in reads {
            assert!(read.await.expect("no panic").expect("no error"));
        }
        assert_eq!(in_place.reads.under_way.load(SeqCst), 0);
    }

    /// Answers each byte of a connection; until it is released, a 1 has it wait in one read, and a 2
    /// read again and again.
    async fn serve(
        mut stream: tokio::net::TcpStream,
        in_place: Arc<InPlace>,
        released: Arc<std::sync::Mutex<mpsc::Receiver<()>>>,
    ) {
        while let Ok(byte) = stream.read_u8().await {
            if byte == 1 {
                let wait = || Ok(released.lock().expect("no panic").recv().is_ok());
                assert!(in_place.read(wait).expect("no error"));
            }
            while byte == 2 && released.lock().expect("no panic").try_recv().is_err() {
                let read = in_place.read(|| {
                    thread::sleep(Duration::from_millis(1));
                    Ok(())
                });
                read.expect("no error");
            }
            stream.write_u8(byte).await.expect("somebody reads");
        }
    }

    fn ask(stream: &mut TcpStream, byte: u8) {
        stream.write_all(&[byte]).expect("somebody reads");
        stream.read_exact(&mut [0]).expect("an answer in time");
    }

    #[test]
    fn sockets_are_served_while_a_read_waits_and_while_a_task_does_nothing_but_read() {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(4).enable_all().build().expect("threads");
        let (release, released) = mpsc::channel();
        let released = Arc::new(std::sync::Mutex::new(released));
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        runtime.spawn(async move {
            let in_place = Arc::new(InPlace::new().expect("there are threads"));
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&in_place), Arc::clone(&released)));
            }
        });
        let open = || {
            let stream = TcpStream::connect(address).expect("it listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("it can be set");
            stream
        };
        let (mut slow, mut other) = (open(), open());
        // Both are known, everybody sleeps, and so does the watch.
        ask(&mut slow, 0);
        ask(&mut other, 0);
        thread::sleep(TICK * (IDLE_TICKS + 50));
        for kind in [1, 2] {
            slow.write_all(&[kind]).expect("somebody reads");
            thread::sleep(Duration::from_millis(20));
            // Fails if there is no answer in time.
            ask(&mut other, 0);
            release.send(()).expect("somebody reads");
            slow.read_exact(&mut [0]).expect("an answer in time");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_panic_is_an_internal_error_and_gives_everything_back() {
        let in_place = Arc::new(InPlace::new().expect("there are threads"));
        let reading = Arc::clone(&in_place);
        let read = async move { reading.read::<()>(|| panic!("on purpose")) };
        let outcome = tokio::spawn(read).await.expect("the thread goes on");
        assert!(matches!(outcome, Err(Error::Internal(Internal::Panicked))));
        assert_eq!(in_place.unguarded.available_permits(), 1);
        assert_eq!(in_place.reads.under_way.load(SeqCst), 0);
    }
}
