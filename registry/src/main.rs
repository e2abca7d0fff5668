//! The program `roadstead-registry`, also installed as `registry`.

use std::process::ExitCode;

fn main() -> ExitCode {
    roadstead_registry::cli::run(std::env::args_os())
}
