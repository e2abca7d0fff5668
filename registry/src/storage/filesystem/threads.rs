//! Threads that wait for the disk.
//!
//! As many as disks like to have requests at once, and not the megabytes that a thread for each of a thousand
//! transfers would take. A call that hangs, on a dead share or a bad sector, keeps its thread: so it counts among those no
//! longer, and another one gets its place.

use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::flush::lock;
use crate::workers::Workers;

const AT_ONCE: usize = 64;
/// How many may hang beside them. When there are more, the disk is taken for dead.
const HANGING: usize = 448;
/// A call that takes longer hangs. Disks that are merely busy take less.
const PATIENCE: Duration = Duration::from_secs(1);
/// So long a request waits for a place before its client is told to come again.
const LONGEST: Duration = Duration::from_secs(60);
/// How often whoever waits for a place looks for calls that hang.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct DiskThreads {
    workers: Workers,
    places: Semaphore,
    running: Mutex<Running>,
    /// How many may hang.
    most: usize,
}

/// Jobs that have a thread.
#[derive(Debug, Default)]
struct Running {
    /// Those that have a place, by the order in which they began, and since when.
    since: VecDeque<(u64, Instant)>,
    begun: u64,
    /// How many lost their place.
    hanging: usize,
}

impl DiskThreads {
    pub(super) fn new() -> Arc<Self> {
        Self::of(AT_ONCE, HANGING)
    }

    fn of(at_once: usize, hanging: usize) -> Arc<Self> {
        Arc::new(DiskThreads {
            workers: Workers::new("disk", at_once + hanging),
            places: Semaphore::new(at_once),
            running: Mutex::default(),
            most: hanging,
        })
    }

    /// Runs a job that may wait for the disk where waiting harms nobody.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let place = self.place().await?;
        let running = self.workers.spawn(move || {
            let result = job();
            drop(place);
            result
        });
        // Only a panic of the job, or a process that is ending, is an error here.
        running.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// Begins a job that nobody waits for.
    pub(super) fn run_alone(&self, job: impl FnOnce() + Send + 'static) {
        drop(self.workers.spawn(job));
    }

    async fn place(self: &Arc<Self>) -> io::Result<Place> {
        let began = Instant::now();
        // One wait, which keeps its turn however often it is looked at.
        let mut waiting = pin!(self.places.acquire());
        let permit = loop {
            match timeout(LOOK, waiting.as_mut()).await {
                Ok(permit) => break permit.expect("nobody closes it"),
                Err(_) if began.elapsed() > LONGEST => {
                    let why = "the disk does not answer as many requests as there can be at once";
                    return Err(io::Error::new(io::ErrorKind::TimedOut, why));
                }
                Err(_) => self.set_aside_what_hangs(),
            }
        };
        permit.forget();
        let mut running = lock(&self.running);
        let number = running.begun;
        running.begun += 1;
        running.since.push_back((number, Instant::now()));
        Ok(Place {
            threads: Arc::clone(self),
            number,
        })
    }

    fn set_aside_what_hangs(&self) {
        let mut running = lock(&self.running);
        while running.hanging < self.most
            && let Some((_, since)) = running.since.front()
            && since.elapsed() > PATIENCE
        {
            running.since.pop_front();
            running.hanging += 1;
            self.places.add_permits(1);
        }
    }
}

/// Of a job, until it has come to its end.
struct Place {
    threads: Arc<DiskThreads>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut running = lock(&self.threads.running);
        let mut since = running.since.iter();
        match since.position(|(number, _)| *number == self.number) {
            Some(position) => {
                running.since.remove(position);
                self.threads.places.add_permits(1);
            }
            None => running.hanging -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    fn hanging() -> (Sender<()>, impl FnOnce() -> io::Result<()>) {
        let (go_on, wait): (_, Receiver<()>) = channel();
        (go_on, move || wait.recv().map_err(io::Error::other))
    }

    #[tokio::test]
    async fn calls_that_hang_keep_no_others_waiting() {
        let threads = DiskThreads::of(2, 4);
        let (go_on, jobs): (Vec<_>, Vec<_>) = (0..4).map(|_| hanging()).unzip();
        let hanging: Vec<_> = jobs
            .into_iter()
            .map(|job| {
                let threads = Arc::clone(&threads);
                tokio::spawn(async move { threads.run(job).await })
            })
            .collect();
        for number in 0..9 {
            assert_eq!(threads.run(move || Ok(number)).await.unwrap(), number);
        }
        assert!(hanging.iter().all(|job| !job.is_finished()));
        drop(go_on);
        for job in hanging {
            assert!(job.await.unwrap().is_err());
        }
        assert_eq!(threads.places.available_permits(), 2);
        assert_eq!(lock(&threads.running).hanging, 0);
    }

    #[tokio::test]
    async fn so_does_one_whose_caller_has_gone_away() {
        let threads = DiskThreads::of(1, 1);
        let (_go_on, job) = hanging();
        assert!(
            timeout(Duration::from_millis(20), threads.run(job))
                .await
                .is_err()
        );
        threads.run(|| Ok(())).await.unwrap();
        assert_eq!(lock(&threads.running).hanging, 1);
    }

    #[tokio::test]
    async fn a_job_that_panics_gives_its_place_back() {
        let threads = DiskThreads::of(1, 0);
        for _ in 0..2 {
            let ended: io::Result<()> = threads.run(|| panic!("on purpose")).await;
            assert!(ended.is_err());
        }
        threads.run(|| Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn there_are_never_more_threads_than_were_said() {
        let threads = DiskThreads::of(1, 1);
        let hanging: Vec<_> = (0..2).map(|_| hanging()).collect();
        let mut go_on = Vec::new();
        for (sender, job) in hanging {
            assert!(timeout(3 * PATIENCE / 2, threads.run(job)).await.is_err());
            go_on.push(sender);
        }
        let next = threads.run(|| Ok(()));
        tokio::pin!(next);
        assert!(timeout(Duration::from_millis(20), next.as_mut()).await.is_err());
        drop(go_on);
        next.await.unwrap();
    }
}
