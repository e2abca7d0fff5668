//! What each client says of a wrong password, an unknown tag and a CA that it does not know. docker's part is beside
//! its other tests.

use crate::site::Site;

/// What a client types; `{ca}` and `{password}` stand for files.
struct Stock {
    name: &'static str,
    /// Gives it a CA to trust.
    trust: &'static str,
    login: &'static str,
    /// Asks for a tag that is not there.
    unknown: &'static str,
}

const CERTS_D: &str = "mkdir -p /etc/containers/certs.d/$HOST; cp {ca} /etc/containers/certs.d/$HOST/ca.crt";
const ENVIRONMENT: &str = "export SSL_CERT_FILE=$PWD/{ca}";

const CLIENTS: &[Stock] = &[
    Stock {
        name: "podman",
        trust: CERTS_D,
        login: "podman login -u ann --password-stdin $HOST < {password}",
        unknown: "podman pull $HOST/team/app:none",
    },
    Stock {
        name: "buildah",
        trust: CERTS_D,
        login: "buildah login -u ann --password-stdin $HOST < {password}",
        unknown: "buildah pull $HOST/team/app:none",
    },
    Stock {
        name: "skopeo",
        trust: CERTS_D,
        login: "skopeo login -u ann --password-stdin $HOST < {password}",
        unknown: "skopeo inspect docker://$HOST/team/app:none",
    },
    Stock {
        name: "regctl",
        trust: "regctl registry set --skip-check --cacert \"$(cat {ca})\" $HOST",
        login: "regctl registry login -u ann --pass-stdin $HOST < {password}",
        unknown: "regctl image digest $HOST/team/app:none",
    },
    // Its login asks the registry nothing; what comes after it does.
    Stock {
        name: "cosign",
        trust: ENVIRONMENT,
        login: "cosign login $HOST -u ann --password-stdin < {password}; cosign triangulate $HOST/team/app:1",
        unknown: "cosign tree $HOST/team/app:none",
    },
    Stock {
        name: "crane",
        trust: ENVIRONMENT,
        login: "crane auth login $HOST -u ann --password-stdin < {password}; crane ls $HOST/team/app",
        unknown: "crane digest $HOST/team/app:none",
    },
    Stock {
        name: "oras",
        trust: ENVIRONMENT,
        login: "oras login $HOST -u ann --password-stdin < {password}",
        unknown: "oras manifest fetch $HOST/team/app:none",
    },
    Stock {
        name: "helm",
        trust: ENVIRONMENT,
        login: "helm registry login $HOST -u ann --password-stdin < {password}",
        unknown: "helm pull oci://$HOST/team/app --version 0.0.1",
    },
];

/// Runs commands with these files in a new room, where a registry has the tag `team/app:1`; the last command fails, and
/// says one of the words.
fn refused(site: &Site, stock: &Stock, commands: &[&str], ca: &str, password: &str, words: &[&str]) {
    let script = commands
        .join("\n")
        .replace("{ca}", ca)
        .replace("{password}", password);
    let printed = site.run(&script).fails().to_lowercase();
    assert!(
        words.iter().any(|word| printed.contains(word)),
        "{}: {printed}",
        stock.name
    );
}

/// A registry with the repository `team/app`.
fn site() -> Site {
    let site = Site::open();
    site.run(
        "echo app > content; tar -cf layer.tar content\n\
         crane append --oci-empty-base --new_layer layer.tar --new_tag app:1 --output app.tar\n\
         skopeo --insecure-policy copy --dest-cert-dir . --dest-creds \"ann:$(cat password)\" \
           docker-archive:app.tar docker://$HOST/team/app:1",
    )
    .ok();
    site
}

#[test]
fn each_client_is_told_of_a_wrong_password() {
    let site = site();
    for stock in CLIENTS {
        let words = ["unauthorized", "401", "invalid username/password"];
        refused(
            &site,
            stock,
            &[stock.trust, stock.login],
            "ca.crt",
            "wrong",
            &words,
        );
    }
}

#[test]
fn each_client_is_told_of_an_unknown_tag() {
    let site = site();
    for stock in CLIENTS {
        let commands = [stock.trust, stock.login, stock.unknown];
        let words = ["manifest unknown", "manifest_unknown", "not found"];
        refused(&site, stock, &commands, "ca.crt", "password", &words);
    }
}

#[test]
fn each_client_refuses_a_certificate_of_a_ca_that_it_does_not_know() {
    let words = ["certificate signed by unknown authority"];
    for stock in CLIENTS {
        // A room of its own, for trust that one client was given may be another's.
        let site = Site::open();
        refused(&site, stock, &[stock.login], "ca.crt", "password", &words);
        let commands = [stock.trust, stock.login];
        refused(&site, stock, &commands, "stranger.crt", "password", &words);
    }
}
