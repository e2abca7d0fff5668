//! Flushes that many wait for: one at a time, each for all who came before it began.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The flushes of one folder.
#[derive(Debug, Default)]
pub(super) struct Flush {
    state: Mutex<FlushState>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct FlushState {
    running: bool,
    begun: u64,
    /// The last flush that ended well; one that failed tells all who wait for it.
    succeeded: u64,
    failed: Option<(u64, io::ErrorKind)>,
}

impl Flush {
    /// Returns when a flush that began after this call has ended. One of those who wait does it.
    pub(super) fn join(&self, flush: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut state = lock(&self.state);
        let mine = state.begun + 1;
        loop {
            if state.succeeded >= mine {
                return Ok(());
            }
            if let Some((number, kind)) = state.failed
                && number >= mine
            {
                return Err(kind.into());
            }
            if !state.running {
                break;
            }
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.running = true;
        state.begun += 1;
        let number = state.begun;
        drop(state);
        let result = flush();
        let mut state = lock(&self.state);
        state.running = false;
        match &result {
            Ok(()) => state.succeeded = number,
            Err(error) => state.failed = Some((number, error.kind())),
        }
        self.ended.notify_all();
        result
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};
    use std::thread;

    use super::*;

    #[test]
    fn all_who_wait_while_a_flush_runs_share_the_next_one() {
        let flush = Flush::default();
        let flushes = AtomicUsize::new(0);
        let (running, is_running) = mpsc::channel();
        let go_on = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                flush.join(|| {
                    flushes.fetch_add(1, Ordering::SeqCst);
                    running.send(()).unwrap();
                    go_on.wait();
                    Ok(())
                })
            });
            is_running.recv().unwrap();
            let count = || {
                flush.join(|| {
                    flushes.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                })
            };
            let waiting: Vec<_> = (0..8).map(|_| scope.spawn(count)).collect();
            thread::sleep(std::time::Duration::from_millis(50));
            // Nobody may return on a flush that began before they came.
            assert!(waiting.iter().all(|one| !one.is_finished()));
            go_on.wait();
        });
        assert_eq!(flushes.into_inner(), 2);
    }

    #[test]
    fn a_failed_flush_fails_for_all_who_share_it_and_the_next_one_may_succeed() {
        let flush = Flush::default();
        assert!(flush.join(|| Err(io::ErrorKind::StorageFull.into())).is_err());
        assert!(flush.join(|| Ok(())).is_ok());
    }
}
