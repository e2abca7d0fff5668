//! The machine that a run is made on, and what the benchmark asks of it.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A line for each thing that figures depend on.
pub(crate) fn describe(folder: &Path) -> anyhow::Result<String> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let cpu = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':'))
            .map_or("unknown", |(_, value)| value.trim())
            .to_owned()
    };
    let flags = field("flags");
    let has = |flag: &str| flags.split_whitespace().any(|word| word == flag);
    let memory = read("/proc/meminfo");
    let kib = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .unwrap_or(0);
    let load = read("/proc/loadavg");
    Ok(format!(
        "- {} cores of {}{}{}\n- {:.0} GiB of memory; {} on the disk that is measured\n- Linux {}\n- load average when it began: {} \
         (above 0.5, other work was going on and the figures are rough)",
        std::thread::available_parallelism()?,
        field("model name"),
        if has("sha_ni") { ", SHA-NI" } else { "" },
        if has("aes") { ", AES-NI" } else { "" },
        kib as f64 / f64::from(1 << 20),
        filesystem(folder)?,
        rustix::system::uname().release().to_string_lossy(),
        load.split_whitespace().next().unwrap_or("unknown"),
    ))
}

/// The type of the file system that a folder lies on.
fn filesystem(folder: &Path) -> anyhow::Result<String> {
    let folder = folder.canonicalize()?;
    let mounts = read("/proc/self/mounts");
    let mount = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(place, _)| folder.starts_with(place))
        .max_by_key(|(place, _)| place.len());
    Ok(mount
        .map_or("an unknown file system", |(_, kind)| kind)
        .to_owned())
}

/// Ten thousand connections are ten thousand files, here and in the servers, which inherit the limit.
pub(crate) fn raise_file_limit() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).context("cannot raise the limit of open files")
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
