//! The command line. What can be said on registry:2's is understood.

mod allocator;
mod arguments;
mod check_config;
mod doors;
mod htpasswd;
mod serve;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use self::arguments::{Arguments, Command};

/// Runs a command line; its first word is the program's name.
pub fn run(words: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments::with_command(words)) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let outcome = match arguments.command {
        Command::Serve {
            config: Some(config), ..
        } => serve::with_config(&config),
        Command::Serve { config: None, data } => serve::standalone(data),
        Command::CheckConfig { config } => check_config::run(&config),
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
