//! Writes lines without making anyone wait for the disk or the terminal.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How much may wait to be written. When whoever reads the log does not keep up, lines are lost, and that is
/// said; a registry that stops because of its log helps nobody.
const LIMIT: usize = 4 << 20;
/// How long lines are gathered before they are written. To wake the thread for each line of a busy server would
/// cost more than to answer the request that the line tells of.
const GATHER: Duration = Duration::from_millis(5);

/// Lines on their way out. A thread writes them, many at a time when there are many.
pub(super) struct Writer {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    lost: u64,
    /// The thread is about to write, or has taken lines that are not written yet.
    writing: bool,
}

impl Writer {
    pub(super) fn start(output: impl Write + Send + 'static) -> Arc<Self> {
        let writer = Arc::new(Writer {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let for_thread = Arc::clone(&writer);
        let thread = std::thread::Builder::new().name("log".to_owned());
        if thread.spawn(move || for_thread.run(output)).is_err() {
            // Without the thread lines gather up to the limit and are dropped: the server is worth more.
            writer.lock().lost += 1;
        }
        writer
    }

    pub(super) fn write(&self, line: String) {
        let mut state = self.lock();
        if state.waiting.len() + line.len() > LIMIT {
            state.lost += 1;
            return;
        }
        let was_empty = state.waiting.is_empty();
        state.waiting.extend_from_slice(line.as_bytes());
        if was_empty && !state.writing {
            self.changed.notify_all();
        }
    }

    /// Waits until everything is written, but not for ever.
    pub(super) fn flush(&self) {
        let state = self.lock();
        let busy = |state: &mut State| state.writing || !state.waiting.is_empty();
        drop(
            self.changed
                .wait_timeout_while(state, Duration::from_secs(2), busy),
        );
    }

    fn run(&self, mut output: impl Write) {
        let mut taken = Vec::new();
        loop {
            let mut state = self.lock();
            while state.waiting.is_empty() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.writing = true;
            drop(state);
            std::thread::sleep(GATHER);
            let mut state = self.lock();
            std::mem::swap(&mut state.waiting, &mut taken);
            let lost = std::mem::take(&mut state.lost);
            drop(state);
            if lost > 0 {
                taken.extend_from_slice(
                    format!("{lost} log lines were lost: they were not read fast enough\n").as_bytes(),
                );
            }
            // Where the log cannot be written there is nowhere to say so.
            let _ = output.write_all(&taken).and_then(|()| output.flush());
            taken.clear();
            let mut state = self.lock();
            state.writing = false;
            // Whoever waits for everything to be written; the thread itself looks again anyway.
            if state.waiting.is_empty() {
                self.changed.notify_all();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Writes into a channel, and blocks for as long as nobody reads from it.
    struct Slow(mpsc::SyncSender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(std::io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_is_written_in_order() {
        let (sender, received) = mpsc::sync_channel(10_000);
        let writer = Writer::start(Slow(sender));
        for i in 0..1000 {
            writer.write(format!("{i}\n"));
        }
        writer.flush();
        let text: Vec<u8> = received.try_iter().flatten().collect();
        let expected: String = (0..1000).map(|i| format!("{i}\n")).collect();
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn a_log_that_nobody_reads_stops_nobody_and_says_how_much_was_lost() {
        let (sender, received) = mpsc::sync_channel(0);
        let writer = Writer::start(Slow(sender));
        let line = "x".repeat(64 * 1024);
        for _ in 0..200 {
            writer.write(line.clone());
        }
        writer.write("last\n".to_owned());
        let mut text = String::new();
        while !text.contains("were lost") {
            let bytes = received
                .recv_timeout(Duration::from_secs(5))
                .expect("it goes on writing");
            text.push_str(&String::from_utf8(bytes).unwrap());
        }
        // What is being written, what waits, and the word about the rest.
        assert!(text.len() < 2 * LIMIT + 200, "{} bytes waited", text.len());
        assert!(text.ends_with("were lost: they were not read fast enough\n"));
    }
}
