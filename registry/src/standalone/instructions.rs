//! What a person reads after the start: where it is, and the commands that use it.

use std::path::Path;

use super::USER;
use super::password::Password;

/// Commands are for this machine, where `localhost` surely leads here.
pub(super) fn write(folder: &Path, port: u16, names: &[String], password: &Password) -> String {
    let host = format!("localhost:{port}");
    let trust = quote(&folder.join("trust"));
    let ca = quote(&folder.join("trust/ca.crt"));
    let data = folder.display();
    let (shown, source) = login(password);
    let elsewhere = names
        .iter()
        .filter(|name| !["localhost", "127.0.0.1", "::1"].contains(&name.as_str()));
    let elsewhere: Vec<_> = elsewhere.map(|name| with_port(name, port)).collect();
    let elsewhere = if elsewhere.is_empty() {
        "none found".to_owned()
    } else {
        elsewhere.join(", ")
    };
    format!(
        "A private registry is ready on this machine.

  address    https://{host}
  elsewhere  {elsewhere}
  login      {shown}
  CA         {ca}
  data       {data}

docker:
  sudo install -D -m 644 {ca} /etc/docker/certs.d/{host}/ca.crt
  docker login -u {USER} --password-stdin {host}{source}
  docker tag IMAGE {host}/IMAGE && docker push {host}/IMAGE

podman:
  podman login --cert-dir {trust} -u {USER} --password-stdin {host}{source}
  podman push --cert-dir {trust} IMAGE {host}/IMAGE

curl:
  curl --cacert {ca} -u {credentials} https://{host}/v2/_catalog

On other machines use one of the names under \"elsewhere\", and take the CA there first.

",
        credentials = credentials(password),
    )
}

fn login(password: &Password) -> (String, String) {
    match (&password.fresh, &password.file) {
        (Some(fresh), Some(file)) => {
            let file = quote(file);
            (
                format!("{USER} with the password {fresh} (shown this once; kept in {file})"),
                format!(" < {file}"),
            )
        }
        (_, Some(file)) => {
            let file = quote(file);
            (
                format!("{USER} with the password in {file}"),
                format!(" < {file}"),
            )
        }
        (_, None) => (
            format!("{USER}, or whoever else stands in the file of users"),
            String::new(),
        ),
    }
}

fn credentials(password: &Password) -> String {
    match &password.file {
        // In a command line it could be seen by everyone on the machine, but only while curl runs.
        Some(file) => format!("\"{USER}:$(cat {})\"", quote(file)),
        None => USER.to_owned(),
    }
}

fn with_port(name: &str, port: u16) -> String {
    if name.contains(':') {
        format!("[{name}]:{port}")
    } else {
        format!("{name}:{port}")
    }
}

/// As a shell takes it.
fn quote(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte));
    if plain {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(fresh: Option<&str>, file: Option<&str>) -> String {
        let password = Password {
            file: file.map(Into::into),
            fresh: fresh.map(str::to_owned),
        };
        let names = [
            "host.example",
            "localhost",
            "10.1.2.3",
            "fd00::7",
            "127.0.0.1",
            "::1",
        ];
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        write(Path::new("/home/my data/roadstead"), 5000, &names, &password)
    }

    #[test]
    fn the_first_start_shows_the_password_and_every_command() {
        insta::assert_snapshot!(text(
            Some("0123456789abcdef"),
            Some("/home/my data/roadstead/private/password")
        ));
    }

    #[test]
    fn a_later_start_says_where_the_password_is() {
        let text = text(None, Some("/d/private/password"));
        assert!(text.contains("the password in /d/private/password"), "{text}");
    }
}
