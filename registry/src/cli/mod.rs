//! The command line. What can be said on registry:2's is understood.

mod allocator;
mod arguments;
mod check_config;
mod doors;
mod files;
mod health;
mod htpasswd;
mod open_files;
mod serve;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;

use self::arguments::{Arguments, Command};
use crate::config::CONFIGURATION_PATH;

/// Runs a command line; its first word is the program's name.
pub fn run(words: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments::with_command(words)) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let outcome = match arguments.command {
        Command::Serve { config, data } => match config.or_else(named_by_variable) {
            Some(config) if data.is_none() => serve::with_config(&config),
            _ => serve::standalone(data),
        },
        Command::CheckConfig { config, offline } => match config.or_else(named_by_variable) {
            Some(config) => check_config::run(&config, offline),
            None => Err(anyhow::anyhow!(
                "no configuration is named: write its path, or set {CONFIGURATION_PATH}"
            )),
        },
        Command::Health { config } => health::run(config),
        Command::Htpasswd { user, cost } => htpasswd::run(&user, cost),
        Command::Version => say(concat!("roadstead-registry ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::GarbageCollect { .. } => Err(anyhow::anyhow!(
            "garbage-collect is not supported; stop this server and run registry:2's own on the same volume: the \
             layout is the same"
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("roadstead-registry: {}", once(&error));
            ExitCode::FAILURE
        }
    }
}

/// Where registry:2 finds the path of its configuration when no argument names it.
fn named_by_variable() -> Option<PathBuf> {
    std::env::var_os(CONFIGURATION_PATH)
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

/// An error with its causes, but for those that it has told itself.
fn once(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// To standard output, where a closed pipe is no reason to panic.
fn say(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
