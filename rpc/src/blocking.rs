//! Work on threads that may wait, under permits.

use std::sync::Arc;

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};

use crate::error::{Error, Internal};

/// Every permit there is.
pub(crate) async fn all(permits: Arc<Semaphore>, count: usize) -> OwnedSemaphorePermit {
    let count = u32::try_from(count).expect("permits are few");
    permits.acquire_many_owned(count).await.expect("the semaphore is never closed")
}

/// Runs work on a blocking thread once there is a permit, which is held until it is done.
///
/// # Errors
/// What `work` says, and [`Internal::Panicked`].
pub(crate) async fn on_blocking_thread<T: Send + 'static>(
    permits: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let permit = Arc::clone(permits).acquire_owned().await.expect("the semaphore is never closed");
    let span = tracing::Span::current();
    let work = spawn_blocking(move || {
        let _permit = permit;
        span.in_scope(work)
    });
    // The runtime cancels blocking work only before it starts, when it shuts down.
    work.await.unwrap_or_else(|_| Err(Internal::Panicked.into()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn reads_do_not_wait_for_cairo() {
        let (reading, executing) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1)));
        let (release, released) = std::sync::mpsc::channel::<()>();
        let cairo = tokio::spawn(async move {
            on_blocking_thread(&executing, move || Ok(released.recv().is_ok())).await
        });
        let read = on_blocking_thread(&reading, || Ok(7));
        let read = tokio::time::timeout(Duration::from_secs(10), read).await;
        assert_eq!(read.expect("in time").expect("no error"), 7);
        release.send(()).expect("Cairo still runs");
        assert!(cairo.await.expect("no panic").expect("no error"));
    }

    #[tokio::test]
    async fn a_permit_outlives_the_caller_but_not_the_work() {
        let permits = Arc::new(Semaphore::new(1));
        let (release, released) = std::sync::mpsc::channel::<()>();
        let work = on_blocking_thread(&permits, move || Ok(released.recv().is_ok()));
        assert!(tokio::time::timeout(Duration::from_millis(20), work).await.is_err());
        assert_eq!(permits.available_permits(), 0);
        release.send(()).expect("the work goes on");
        let again = on_blocking_thread(&permits, || Ok(()));
        let again = tokio::time::timeout(Duration::from_secs(10), again).await;
        assert!(again.expect("the permit came back").is_ok());
    }

    #[tokio::test]
    async fn a_panic_on_a_blocking_thread_is_an_internal_error() {
        let permits = Arc::new(Semaphore::new(1));
        let outcome = on_blocking_thread::<()>(&permits, || panic!("on purpose")).await;
        assert!(matches!(outcome, Err(Error::Internal(Internal::Panicked))));
        assert_eq!(permits.available_permits(), 1);
    }
}
