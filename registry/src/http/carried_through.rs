//! Work that does not end where its caller goes away.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// A future that is carried through: it is polled where it is awaited, which for the body of a push means no change of
/// threads for each piece, and if that is dropped before the end, in a task of its own.
pub(super) struct CarriedThrough<F: Future<Output: Send> + Send + 'static>(Option<Pin<Box<F>>>);

impl<F: Future<Output: Send> + Send + 'static> CarriedThrough<F> {
    pub(super) fn new(work: F) -> Self {
        CarriedThrough(Some(Box::pin(work)))
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for CarriedThrough<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let work = self.0.as_mut().expect("nobody polls a future that has ended");
        let output = std::task::ready!(work.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(output)
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for CarriedThrough<F> {
    fn drop(&mut self) {
        // Outside of a runtime the program is at its end.
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(work);
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
        let work = CarriedThrough::new(async {
            may_go_on.await.unwrap();
            done.send("done").unwrap();
        });
        let waiting = tokio::time::timeout(Duration::from_millis(10), work).await;
        assert!(waiting.is_err(), "it cannot have ended");
        go_on.send(()).unwrap();
        assert_eq!(is_done.await.unwrap(), "done");
        assert_eq!(CarriedThrough::new(async { 7 }).await, 7);
    }

    #[tokio::test]
    async fn work_that_was_never_begun_is_done_too() {
        let (done, is_done) = oneshot::channel();
        drop(CarriedThrough::new(async { done.send(()) }));
        is_done.await.unwrap();
    }
}
