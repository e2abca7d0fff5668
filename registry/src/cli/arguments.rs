//! What can be written on the command line.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

/// A private container registry, drop-in for registry:2
#[derive(Debug, Parser)]
#[command(name = "roadstead-registry", version, arg_required_else_help = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve images
    ///
    /// With a configuration (registry:2's config.yml; REGISTRY_* variables override it) as it says. Without one: a
    /// private registry for this machine, whose certificate and password are made once and shown.
    Serve {
        /// registry:2's config.yml; REGISTRY_CONFIGURATION_PATH names it as well
        config: Option<PathBuf>,
        /// Where a registry without a configuration keeps everything
        #[arg(long, value_name = "FOLDER", conflicts_with = "config")]
        data: Option<PathBuf>,
    },
    /// Say what is wrong with a configuration, and with the files that it names
    CheckConfig {
        /// registry:2's config.yml; REGISTRY_CONFIGURATION_PATH names it as well
        config: Option<PathBuf>,
        /// Open no file but the configuration: certificates, users and storage are on another machine
        #[arg(long)]
        offline: bool,
    },
    /// Ask the running server whether it is well, for HEALTHCHECK: exit status 0 if it is, 1 if not
    Health {
        /// The configuration that it serves. Default: REGISTRY_CONFIGURATION_PATH, else what the first process of this
        /// container serves
        config: Option<PathBuf>,
    },
    /// Print a line for a file of users; the password is read from standard input
    Htpasswd {
        /// The user's name
        user: String,
        /// bcrypt's cost: each step doubles the work; 14 is the highest that a registry takes
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(4..=14))]
        cost: u32,
    },
    /// Print the version
    Version,
    /// Known from registry:2, and refused with the way out.
    #[command(hide = true)]
    GarbageCollect {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<OsString>,
    },
}

/// `registry FILE` means `registry serve FILE`, as in registry:2's image.
pub(super) fn with_command(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<_> = words.collect();
    if words.len() == 2 && is_file(&words[1]) {
        words.insert(1, "serve".into());
    }
    words
}

fn is_file(word: &OsStr) -> bool {
    let path = Path::new(word);
    let named_like_one = path
        .extension()
        .is_some_and(|extension| extension == "yml" || extension == "yaml");
    named_like_one || (!word.as_encoded_bytes().starts_with(b"-") && path.components().count() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        let words = line.split(' ').map(OsString::from);
        Arguments::try_parse_from(with_command(words)).map(|arguments| arguments.command)
    }

    fn config(line: &str) -> Option<PathBuf> {
        match parse(line).unwrap_or_else(|error| panic!("{line}: {error}")) {
            Command::Serve { config, .. } => config,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_file_alone_means_serve() {
        for line in [
            "registry /etc/docker/registry/config.yml",
            "registry config.yml",
            "registry serve config.yml",
        ] {
            assert!(config(line).is_some(), "{line}");
        }
        assert_eq!(config("roadstead-registry serve"), None);
    }

    #[test]
    fn what_is_neither_a_command_nor_a_file_is_an_error() {
        for line in [
            "registry",
            "registry sreve",
            "registry serve a.yml b.yml",
            "registry serve a.yml --data /d",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn garbage_collect_is_understood_with_all_its_flags() {
        assert!(matches!(
            parse("registry garbage-collect -m --dry-run /etc/docker/registry/config.yml"),
            Ok(Command::GarbageCollect { .. })
        ));
    }
}
