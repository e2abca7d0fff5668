//! Programs that a test runs, and waiting for what they say.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    what: String,
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Finished {
    /// Runs `command` to its end, with `input` on its standard input.
    pub fn run(command: &mut Command, input: &str) -> Self {
        let what = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {what}: {error}"));
        let mut stdin = child.stdin.take().expect("standard input is piped");
        // A program that does not read its input to the end is within its rights.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child
            .wait_with_output()
            .unwrap_or_else(|error| panic!("cannot await {what}: {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            what,
            status: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Its standard output; the test fails if the program did.
    pub fn ok(self) -> String {
        assert!(
            self.status == Some(0),
            "{}\nfailed with {:?}:\n{}{}",
            self.what,
            self.status,
            self.stdout,
            self.stderr
        );
        self.stdout
    }

    /// All that it printed; the test fails if the program did not.
    pub fn fails(self) -> String {
        assert!(
            self.status != Some(0),
            "{}\nsucceeded:\n{}{}",
            self.what,
            self.stdout,
            self.stderr
        );
        self.printed()
    }

    /// Whether it ended well.
    pub fn succeeded(&self) -> bool {
        self.status == Some(0)
    }

    /// All that it printed, both streams.
    pub fn printed(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Asks again and again until `ready` answers with something, and gives that; after two minutes the test fails with
/// what `ready` said last. That bound only ends a test that hangs: no test asserts how long something takes.
pub fn wait_until<T>(what: &str, mut ready: impl FnMut() -> Result<T, String>) -> T {
    const LIMIT: Duration = Duration::from_secs(120);
    let started = Instant::now();
    loop {
        match ready() {
            Ok(value) => {
                println!("{what}: after {:.1} s", started.elapsed().as_secs_f64());
                return value;
            }
            Err(state) => assert!(
                started.elapsed() < LIMIT,
                "{what}: not after {LIMIT:?}; last seen: {state}"
            ),
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}
