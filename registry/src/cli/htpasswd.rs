//! `htpasswd`: a line for the file of users.

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::Context as _;
use roadstead_pki::htpasswd::hash_line;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

pub(super) fn run(user: &str, cost: u32) -> anyhow::Result<()> {
    let password = read_password(user)?;
    super::say(&format!("{}\n", hash_line(user, &password, cost)?))
}

/// One line of standard input. Never an argument: those can be seen by everyone on the machine.
fn read_password(user: &str) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    let mut line = String::new();
    if stdin.is_terminal() {
        eprint!("Password for {user}: ");
        let shown = tcgetattr(&stdin)?;
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden)?;
        let read = stdin.lock().read_line(&mut line);
        tcsetattr(&stdin, OptionalActions::Flush, &shown)?;
        eprintln!();
        read.context("cannot read the password")?;
    } else {
        stdin
            .lock()
            .read_line(&mut line)
            .context("cannot read the password from standard input")?;
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
