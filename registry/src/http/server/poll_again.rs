//! A future that wakes itself is polled again at once.
//!
//! hyper hands each part of a body from one half of a connection to the other, and that wakes the connection, which is
//! being polled just then. The runtime puts such a task at the end of its queue and wakes another thread to take it. It
//! finds nothing to do, thousands of times for each layer that is pushed.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;

/// So often at once: then others have their turn. Mostly they have it before: when the runtime's budget for one task is
/// used up, the socket is not ready any more, and says so to the task itself.
const ROUNDS: usize = 16;

pub(super) struct PollAgain<F> {
    future: F,
    bell: Arc<Bell>,
    waker: Waker,
}

/// What the future wakes.
#[derive(Default)]
struct Bell {
    state: AtomicU8,
    task: AtomicWaker,
}

const QUIET: u8 = 0;
const POLLED: u8 = 1;
const RUNG: u8 = 2;

impl<F> PollAgain<F> {
    pub(super) fn new(future: F) -> Self {
        let bell = Arc::new(Bell::default());
        let waker = Arc::clone(&bell).into();
        PollAgain { future, bell, waker }
    }

    pub(super) fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }
}

impl<F: Future + Unpin> Future for PollAgain<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        this.bell.task.register(context.waker());
        for _ in 0..ROUNDS {
            // Not a store: what was done before the bell rang is to be seen.
            this.bell.state.swap(POLLED, Ordering::SeqCst);
            let polled = Pin::new(&mut this.future).poll(&mut Context::from_waker(&this.waker));
            if polled.is_ready() {
                return polled;
            }
            let ended = this
                .bell
                .state
                .compare_exchange(POLLED, QUIET, Ordering::SeqCst, Ordering::SeqCst);
            if ended.is_ok() {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(RUNG, Ordering::SeqCst) == QUIET {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Polls until it is ready or nobody has woken it, and gives how often, and how often the future was polled.
    fn polls_until_quiet(mut wakes_itself: usize) -> (usize, usize) {
        let mut rounds = 0;
        let mut task = PollAgain::new(poll_fn(|context| {
            rounds += 1;
            if wakes_itself > 0 {
                wakes_itself -= 1;
                context.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        }));
        let count = Arc::new(Count::default());
        let waker = Arc::clone(&count).into();
        let mut polls = 0;
        while polls <= count.0.load(Ordering::SeqCst) {
            polls += 1;
            let _ = Pin::new(&mut task).poll(&mut Context::from_waker(&waker));
        }
        drop(task);
        (polls, rounds)
    }

    #[test]
    fn the_task_is_not_woken_for_what_it_wakes_itself() {
        assert_eq!(polls_until_quiet(0), (1, 1));
        assert_eq!(polls_until_quiet(ROUNDS - 1), (1, ROUNDS));
    }

    #[test]
    fn others_have_their_turn() {
        assert_eq!(polls_until_quiet(3 * ROUNDS), (4, 3 * ROUNDS + 1));
    }

    /// It comes at every moment of a poll and after it.
    #[tokio::test]
    async fn no_wake_from_another_thread_is_lost() {
        const WAKES: usize = 20_000;
        let woken = Arc::new(AtomicUsize::new(0));
        let (sender, wakers) = mpsc::channel::<Waker>();
        let bystander = thread::spawn({
            let woken = Arc::clone(&woken);
            move || {
                for waker in wakers {
                    woken.fetch_add(1, Ordering::Relaxed);
                    waker.wake();
                }
            }
        });
        let mut asked = 0;
        let all = PollAgain::new(poll_fn(|context| {
            while woken.load(Ordering::Relaxed) == asked {
                if asked == WAKES {
                    return Poll::Ready(());
                }
                asked += 1;
                sender.send(context.waker().clone()).unwrap();
                for _ in 0..asked % 500 {
                    std::hint::spin_loop();
                }
            }
            Poll::Pending
        }));
        let timeout = Duration::from_secs(60);
        tokio::time::timeout(timeout, all).await.expect("woken");
        drop(sender);
        bystander.join().unwrap();
    }
}
