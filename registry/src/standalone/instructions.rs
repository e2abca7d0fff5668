//! What a person reads after the start: where it is, and the commands that use it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::USER;
use super::password::Password;

/// What the instructions are made of. Variables (`REGISTRY_*`) may have changed any of it.
pub(super) struct Facts<'a> {
    /// Where all that was made by itself is.
    pub(super) folder: &'a Path,
    /// Where images are kept.
    pub(super) data: &'a Path,
    /// What is listened on.
    pub(super) address: SocketAddr,
    pub(super) prefix: &'a str,
    /// By which this machine is known.
    pub(super) names: &'a [String],
    /// What the certificate that is served is for.
    pub(super) covered: &'a [String],
    /// Whether the certificate that was made is the one that is served.
    pub(super) own_certificate: bool,
    /// Absent: the users are somebody else's.
    pub(super) password: Option<&'a Password>,
    /// Whether somebody reads this now, and nobody keeps it.
    pub(super) to_a_person: bool,
}

/// Commands are for this machine, where `localhost` surely leads here.
pub(super) fn write(facts: &Facts<'_>) -> String {
    let port = facts.address.port();
    let here = match facts.address.ip() {
        address if address.is_unspecified() || LOOPBACK.contains(&address) => "localhost".to_owned(),
        address => address.to_string(),
    };
    let here = covered(facts, here);
    let host = with_port(&here, port);
    let url = format!("https://{host}{}", facts.prefix.trim_end_matches('/'));
    let elsewhere = elsewhere(facts, &here, port);
    let (shown, source) = login(facts);
    let mut text = format!(
        "A private registry is ready on this machine.

  address    {url}
  elsewhere  {elsewhere}
  login      {shown}
"
    );
    let data = quote(facts.data);
    if !facts.own_certificate {
        text.push_str(&format!(
            "  data       {data}\n\nIts certificate is the one that REGISTRY_HTTP_TLS_CERTIFICATE names.\n\n"
        ));
        return text;
    }
    let trust = quote(&facts.folder.join("trust"));
    let ca = quote(&facts.folder.join("trust/ca.crt"));
    text.push_str(&format!(
        "  CA         {ca}
  data       {data}

docker:
  sudo install -D -m 644 {ca} /etc/docker/certs.d/{host}/ca.crt
  docker login -u {USER} --password-stdin {host}{source}
  docker tag IMAGE {host}/IMAGE && docker push {host}/IMAGE

podman:
  podman login --cert-dir {trust} -u {USER} --password-stdin {host}{source}
  podman push --cert-dir {trust} IMAGE {host}/IMAGE

curl:
  curl --cacert {ca} -u {credentials} {url}/v2/_catalog

",
        credentials = credentials(facts.password),
    ));
    if elsewhere != NOWHERE {
        text.push_str(
            "On other machines use one of the names under \"elsewhere\", and take the CA there first.\n\n",
        );
    }
    text
}

/// By a name that its certificate does not have, nobody can use it.
fn covered(facts: &Facts<'_>, here: String) -> String {
    let is_covered = |name: &str| roadstead_pki::certificate::covers(facts.covered, name);
    if is_covered(&here) {
        return here;
    }
    let concrete = facts.covered.iter().find(|name| !name.starts_with('*'));
    concrete.cloned().unwrap_or(here)
}

/// What `localhost` means.
const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

const NOWHERE: &str = "nowhere: only this machine can reach it";

/// The names by which other machines reach it: none of them leads to an address that is not listened on.
fn elsewhere(facts: &Facts<'_>, here: &str, port: u16) -> String {
    let ip = facts.address.ip();
    if ip.is_loopback() {
        return NOWHERE.to_owned();
    }
    if !ip.is_unspecified() {
        return with_port(here, port);
    }
    let is_covered = |name: &&String| roadstead_pki::certificate::covers(facts.covered, name);
    let known = facts.names.iter().filter(is_covered);
    let others = facts.covered.iter().filter(|name| !facts.names.contains(name));
    let names = known.chain(others);
    let names = names.filter(|name| !["localhost", "127.0.0.1", "::1"].contains(&name.as_str()));
    let names: Vec<_> = names.map(|name| with_port(name, port)).collect();
    if names.is_empty() {
        "none found".to_owned()
    } else {
        names.join(", ")
    }
}

fn login(facts: &Facts<'_>) -> (String, String) {
    let Some(password) = facts.password else {
        return ("as the variables REGISTRY_AUTH_* say".to_owned(), String::new());
    };
    let Some(file) = &password.file else {
        return (
            format!("{USER}, or whoever else stands in the file of users"),
            String::new(),
        );
    };
    let file = quote(file);
    let shown = match &password.fresh {
        Some(fresh) if facts.to_a_person => {
            format!("{USER} with the password {fresh} (shown this once; kept in {file})")
        }
        Some(_) | None => format!("{USER} with the password in {file}"),
    };
    (shown, format!(" < {file}"))
}

fn credentials(password: Option<&Password>) -> String {
    match password.and_then(|password| password.file.as_ref()) {
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

    fn text(change: impl FnOnce(&mut Facts<'_>)) -> String {
        text_of(Some("0123456789abcdef"), change)
    }

    fn text_of(fresh: Option<&str>, change: impl FnOnce(&mut Facts<'_>)) -> String {
        let password = Password {
            file: Some("/home/my data/roadstead/private/password".into()),
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
        let mut facts = Facts {
            folder: Path::new("/home/my data/roadstead"),
            data: Path::new("/home/my data/roadstead/registry"),
            address: "0.0.0.0:5000".parse().unwrap(),
            prefix: "/",
            names: &names,
            covered: &names,
            own_certificate: true,
            password: Some(&password),
            to_a_person: true,
        };
        change(&mut facts);
        write(&facts)
    }

    #[test]
    fn the_first_start_shows_the_password_and_every_command() {
        insta::assert_snapshot!(text(|_| {}));
    }

    #[test]
    fn only_names_that_the_certificate_has_are_shown() {
        let covered: &[String] = Vec::leak(vec![
            "registry.example.com".to_owned(),
            "*.example.org".to_owned(),
        ]);
        let said = text(|facts| (facts.own_certificate, facts.covered) = (false, covered));
        assert!(
            said.contains("address    https://registry.example.com:5000\n"),
            "{said}"
        );
        assert!(
            said.contains("elsewhere  registry.example.com:5000, *.example.org:5000\n"),
            "{said}"
        );
        assert!(!said.contains("localhost") && !said.contains("fd00::7"), "{said}");
    }

    #[test]
    fn a_password_is_shown_on_a_terminal_alone() {
        let text = text(|facts| facts.to_a_person = false);
        assert!(!text.contains("0123456789abcdef"), "{text}");
        assert!(
            text.contains("the password in '/home/my data/roadstead/private/password'"),
            "{text}"
        );
    }

    #[test]
    fn a_later_start_says_where_the_password_is() {
        let text = text_of(None, |_| {});
        let words = "the password in '/home/my data/roadstead/private/password'";
        assert!(text.contains(words) && !text.contains("shown"), "{text}");
    }

    #[test]
    fn what_variables_changed_is_what_is_said() {
        let said = text(|facts| facts.address = "127.0.0.1:7000".parse().unwrap());
        assert!(
            said.contains("https://localhost:7000\n") && said.contains(NOWHERE),
            "{said}"
        );
        assert!(
            !said.contains("host.example"),
            "nobody reaches it by that name: {said}"
        );
        let said = text(|facts| facts.address = "10.1.2.3:443".parse().unwrap());
        assert!(
            said.contains("https://10.1.2.3:443\n") && !said.contains("host.example"),
            "{said}"
        );
        let said = text(|facts| facts.prefix = "/registry/");
        assert!(
            said.contains("https://localhost:5000/registry/v2/_catalog"),
            "{said}"
        );
        let said = text(|facts| (facts.own_certificate, facts.password) = (false, None));
        assert!(
            !said.contains("ca.crt") && !said.contains("private/password"),
            "{said}"
        );
        let said = text(|facts| facts.data = Path::new("/srv/images"));
        assert!(said.contains("data       /srv/images"), "{said}");
    }
}
