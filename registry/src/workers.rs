//! Threads for what blocks. Each kind of work has its own, so that none keeps another waiting.

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// So many threads at most. They begin when there is work, and end after a while without.
#[derive(Debug)]
pub(crate) struct Workers(Option<Runtime>);

impl Workers {
    /// `name`: what the threads are called.
    pub(crate) fn new(name: &str, threads: usize) -> Self {
        // tokio's pool for blocking calls is one for each runtime. Nothing else of this one is used.
        let runtime = Builder::new_current_thread()
            .thread_name(name)
            .max_blocking_threads(threads)
            .build()
            .expect("a runtime without clock and network needs nothing from the system");
        Workers(Some(runtime))
    }

    /// Begins the job as soon as a thread is free. It comes to its end also if nobody waits for it.
    pub(crate) fn spawn<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let runtime = self.0.as_ref().expect("it is there until this is dropped");
        runtime.spawn_blocking(job)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Without waiting: a read that hangs in a dead disk must keep nobody, and async threads may not wait.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn who_waits_for_one_kind_of_work_does_not_wait_for_another() {
        let (slow, quick) = (Workers::new("slow", 1), Workers::new("quick", 1));
        let (go_on, wait) = mpsc::channel::<()>();
        let hangs = slow.spawn(move || wait.recv());
        let name = quick.spawn(|| std::thread::current().name().map(str::to_owned));
        assert_eq!(name.await.unwrap().as_deref(), Some("quick"));
        assert!(!hangs.is_finished());
        go_on.send(()).unwrap();
        hangs.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_for_a_job_that_hangs_when_its_threads_are_no_longer_needed() {
        let (_go_on, wait) = mpsc::channel::<()>();
        let workers = Workers::new("hangs", 1);
        let hangs = workers.spawn(move || wait.recv());
        drop(workers);
        assert!(!hangs.is_finished());
    }
}
