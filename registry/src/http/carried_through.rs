//! Work that does not end where its caller goes away.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// A future that is carried through: it is polled where it is awaited, which for the body of a push means no change of
/// threads for each piece, and if that is dropped before the end, in a task of its own.
pub(super) struct CarriedThrough<F: Future<Output: Send> + Send + 'static> {
    work: Option<Pin<Box<F>>>,
    /// From the beginning: whoever waits for the tasks must not miss the moment at which it becomes one.
    counted: Option<TaskTrackerToken>,
}

impl<F: Future<Output: Send> + Send + 'static> CarriedThrough<F> {
    /// `tasks`: where it counts until it is done.
    pub(super) fn new(work: F, tasks: &TaskTracker) -> Self {
        CarriedThrough {
            work: Some(Box::pin(work)),
            counted: Some(tasks.token()),
        }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for CarriedThrough<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let work = self.work.as_mut().expect("nobody polls a future that has ended");
        let output = std::task::ready!(work.as_mut().poll(context));
        self.work = None;
        Poll::Ready(output)
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for CarriedThrough<F> {
    fn drop(&mut self) {
        // Outside of a runtime the program is at its end.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            let counted = self.counted.take();
            runtime.spawn(async move {
                work.await;
                drop(counted);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_is_done_whether_or_not_somebody_waits_for_it() {
        let (go_on, may_go_on) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let tasks = TaskTracker::new();
        let work = async {
            may_go_on.await.unwrap();
            done.send("done").unwrap();
        };
        let work = CarriedThrough::new(work, &tasks);
        let waiting = tokio::time::timeout(Duration::from_millis(10), work).await;
        assert!(waiting.is_err(), "it cannot have ended");
        tasks.close();
        assert_eq!(tasks.len(), 1, "the server waits for it");
        go_on.send(()).unwrap();
        assert_eq!(is_done.await.unwrap(), "done");
        tasks.wait().await;
        assert_eq!(CarriedThrough::new(async { 7 }, &tasks).await, 7);
    }

    #[tokio::test]
    async fn work_that_was_never_begun_is_done_too() {
        let (done, is_done) = oneshot::channel();
        drop(CarriedThrough::new(async { done.send(()) }, &TaskTracker::new()));
        is_done.await.unwrap();
    }
}
