//! What the files that a configuration names hold: `serve` forgives some of it, and whoever checks a configuration wants to
//! know.

use crate::auth;
use crate::config::Config;

/// Everything that is wrong with them.
pub(super) fn problems(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(login) = &config.login {
        match auth::look_at(login) {
            Ok(lines) => problems.extend(lines),
            Err(error) => problems.push(error.to_string()),
        }
    }
    problems
}
