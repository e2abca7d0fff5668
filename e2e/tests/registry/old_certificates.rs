//! Certificates as old instructions make them, and clients that take them all the same.

use std::process::Command;

use roadstead_e2e::{Finished, Server, part, stock_config};

/// A lone certificate with a key of 1024 bits, and one of X.509 version 1, of a CA.
const MAKE: &str = "
openssl req -x509 -newkey rsa:1024 -nodes -days 9 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout short.key -out short.crt
openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=ca -keyout ca.key -out ca.crt
openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout first.key -out first.csr
openssl x509 -req -in first.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 9 -out first.crt
";

/// TLS 1.2 and 1.3 sign with different paddings.
const ASK: &str = "
curl() { command curl -sS -f --cacert $ROOT --ciphers DEFAULT@SECLEVEL=0 https://localhost:$PORT/v2/ \"$@\"; }
curl --tls-max 1.2
curl
";

#[test]
fn clients_that_take_an_old_certificate_are_served_and_the_log_says_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |script: &str, variables: &[(&str, &str)]| {
        let mut bash = Command::new("bash");
        bash.args(["-euc", script]).current_dir(folder.path());
        bash.envs(variables.iter().copied());
        Finished::run(&mut bash, "").ok()
    };
    run(MAKE, &[]);
    for (name, root, said) in [
        (
            "short",
            "short.crt",
            "too weak for current clients (an RSA key of 1024 bits",
        ),
        ("first", "ca.crt", "X.509 version 1"),
    ] {
        let path = |end: &str| folder.path().join(format!("{name}.{end}")).display().to_string();
        let tls = format!(
            "http:\n  tls: {{certificate: {}, key: {}}}\n",
            path("crt"),
            path("key")
        );
        let config = stock_config(&folder.path().join("data")).replace("http:\n", &tls);
        let server = Server::start(&config);
        let port = server.port().to_string();
        run(ASK, &[("ROOT", root), ("PORT", &port)]);
        assert!(server.log().contains(said), "{}", server.log());
        // Go takes no certificate without subjectAltName.
        if name == "short" {
            let crane = part("crane").join("crane").display().to_string();
            let script = "$CRANE catalog localhost:$PORT";
            run(
                script,
                &[("CRANE", &crane), ("SSL_CERT_FILE", root), ("PORT", &port)],
            );
        }
    }
}
