//! Counts the system calls of a running program by ptrace(2): those that work on files. What threads, memory and sockets
//! take differs from run to run.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// With the name that the table has.
const BY_PATH: [(i64, &str); 16] = [
    (libc::SYS_openat, "open"),
    (libc::SYS_openat2, "open"),
    (libc::SYS_statx, "stat"),
    (libc::SYS_newfstatat, "stat"),
    (libc::SYS_rename, "rename"),
    (libc::SYS_renameat2, "rename"),
    (libc::SYS_link, "link"),
    (libc::SYS_linkat, "link"),
    (libc::SYS_unlink, "unlink"),
    (libc::SYS_unlinkat, "unlink"),
    (libc::SYS_mkdir, "mkdir"),
    (libc::SYS_rmdir, "rmdir"),
    (libc::SYS_utimensat, "set times"),
    (libc::SYS_getdents64, "list"),
    (libc::SYS_fsync, "fsync"),
    (libc::SYS_fdatasync, "fdatasync"),
];
/// Of these only what works on a file of the store.
const BY_FILE: [(i64, &str); 9] = [
    (libc::SYS_fstat, "stat"),
    (libc::SYS_read, "read"),
    (libc::SYS_pread64, "read"),
    (libc::SYS_preadv2, "read"),
    (libc::SYS_write, "write"),
    (libc::SYS_pwrite64, "write"),
    (libc::SYS_ftruncate, "truncate"),
    (libc::SYS_copy_file_range, "copy"),
    (libc::SYS_sendfile, "copy"),
];

pub(crate) type Counts = BTreeMap<&'static str, usize>;

/// Follows a program until that ends.
pub(crate) struct Tracer(Arc<Mutex<Counts>>);

impl Tracer {
    /// Returns when every thread of it is followed. `store` is where its files lie.
    pub(crate) fn follow(program: u32, store: &str) -> Self {
        let counts = Arc::new(Mutex::new(Counts::new()));
        let (seized, is_seized) = mpsc::channel();
        let mut following = Following {
            program: Pid::from_raw(program.cast_signed()),
            store: store.to_owned(),
            counts: Arc::clone(&counts),
            inside: HashSet::new(),
        };
        // Whoever seizes a thread has to wait for it, and nobody waits for what others follow.
        thread::spawn(move || {
            following.seize();
            seized.send(()).unwrap();
            while following.next() {}
        });
        is_seized.recv().unwrap();
        Tracer(counts)
    }

    /// What was counted since it was asked last.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Following {
    program: Pid,
    store: String,
    counts: Arc<Mutex<Counts>>,
    /// Threads in a system call: they stop once more at its end.
    inside: HashSet<Pid>,
}

impl Following {
    fn seize(&self) {
        let mut seized = HashSet::new();
        loop {
            let before = seized.len();
            for entry in fs::read_dir(format!("/proc/{}/task", self.program)).unwrap() {
                let thread = entry.unwrap().file_name().to_string_lossy().parse().unwrap();
                let thread = Pid::from_raw(thread);
                // One that a thread begins which is followed already is followed from its beginning.
                let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE;
                if seized.insert(thread) && ptrace::seize(thread, options).is_ok() {
                    let _ = ptrace::interrupt(thread);
                }
            }
            if seized.len() == before {
                return;
            }
        }
    }

    /// `false`: it has ended.
    fn next(&mut self) -> bool {
        let (thread, signal) = match waitpid(
            Pid::from_raw(-1),
            Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD),
        ) {
            Ok(WaitStatus::PtraceSyscall(thread)) => {
                if !self.inside.remove(&thread) {
                    self.inside.insert(thread);
                    self.count(thread);
                }
                (thread, None)
            }
            Ok(WaitStatus::Stopped(thread, signal)) => (thread, Some(signal)),
            Ok(WaitStatus::PtraceEvent(thread, ..)) => (thread, None),
            Ok(WaitStatus::Exited(thread, _) | WaitStatus::Signaled(thread, ..)) => {
                return thread != self.program;
            }
            Err(Errno::ECHILD) => return false,
            _ => return true,
        };
        // It may have been killed meanwhile.
        let _ = ptrace::syscall(thread, signal);
        true
    }

    /// proc_pid_syscall(5): the number, then the arguments.
    fn count(&self, thread: Pid) {
        let Ok(text) = fs::read_to_string(format!("/proc/{thread}/syscall")) else {
            return;
        };
        let mut words = text.split_whitespace();
        let Some(number) = words.next().and_then(|number| number.parse::<i64>().ok()) else {
            return;
        };
        let named = |calls: &[(i64, &'static str)]| {
            let call = calls.iter().find(|(its, _)| *its == number);
            call.map(|(_, name)| *name)
        };
        let name = named(&BY_PATH).or_else(|| {
            let file = words.next()?.strip_prefix("0x")?;
            let file = i32::from_str_radix(file, 16).ok()?;
            let path = fs::read_link(format!("/proc/{thread}/fd/{file}")).ok()?;
            let is_ours = path.to_string_lossy().starts_with(&self.store);
            named(&BY_FILE).filter(|_| is_ours)
        });
        if let Some(name) = name {
            *self.counts.lock().unwrap().entry(name).or_default() += 1;
        }
    }
}
