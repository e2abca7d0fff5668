//! Stock clients: each pushes, pulls, and is told when the password or the tag is wrong.

use roadstead_e2e::{Client, Cluster};

/// What a client types, with `TARGET` for a reference under the client's own repository. A login comes first; the rest
/// runs as the user whose password lies in the file `password`.
struct Stock {
    name: &'static str,
    login: &'static str,
    push: &'static str,
    pull: &'static str,
    unknown: &'static str,
}

// grep reads to the end: with `-q` it may leave before the program whose output it reads, which `pipefail` counts against that.
const CLIENTS: &[Stock] = &[
    Stock {
        name: "crane",
        login: "crane auth login $HOST -u $REGISTRY_USER --password-stdin < password",
        push: "crane push $ARCHIVE TARGET:1",
        pull: "crane validate --remote TARGET:1 && crane pull TARGET:1 out.tar && tar -tf out.tar | grep manifest.json > list",
        unknown: "crane manifest TARGET:none",
    },
    Stock {
        name: "skopeo",
        login: "skopeo login --authfile auth.json -u $REGISTRY_USER --password-stdin $HOST < password",
        push: "skopeo --insecure-policy copy --authfile auth.json docker-archive:$ARCHIVE docker://TARGET:1",
        pull: "skopeo --insecure-policy copy --authfile auth.json docker://TARGET:1 oci:out:1 && test -s out/index.json",
        unknown: "skopeo inspect --authfile auth.json docker://TARGET:none",
    },
    Stock {
        name: "oras",
        login: "oras login $HOST -u $REGISTRY_USER --password-stdin < password",
        push: "echo hello > hello.txt && oras push TARGET:1 hello.txt:text/plain && oras attach TARGET:1 --artifact-type example/signature hello.txt:text/plain",
        pull: "oras discover TARGET:1 | grep example/signature > list && oras pull -o out TARGET:1 && cmp hello.txt out/hello.txt",
        unknown: "oras manifest fetch TARGET:none",
    },
    Stock {
        name: "helm",
        login: "helm registry login $HOST -u $REGISTRY_USER --password-stdin < password",
        push: "helm create helm > /dev/null && helm package helm && helm push helm-0.1.0.tgz oci://$HOST/clients",
        pull: "mkdir -p out && helm pull oci://TARGET --version 0.1.0 -d out && cmp helm-0.1.0.tgz out/helm-0.1.0.tgz",
        unknown: "helm pull oci://TARGET --version 9.9.9",
    },
];

fn archive() -> String {
    Cluster::installed()
        .state()
        .join("busybox.tar")
        .display()
        .to_string()
}

fn script(stock: &Stock, command: &str) -> String {
    script_for("clients", stock, command)
}

fn script_for(folder: &str, stock: &Stock, command: &str) -> String {
    let command = command.replace("oci://$HOST/clients", &format!("oci://$HOST/{folder}"));
    let target = format!("$HOST/{folder}/{}", stock.name);
    format!(
        "export ARCHIVE={}; {}",
        archive(),
        command.replace("TARGET", &target)
    )
}

#[test]
fn each_client_pushes_and_pulls_what_it_pushed() {
    for stock in CLIENTS {
        let client = Client::push();
        for command in [stock.login, stock.push, stock.pull] {
            client.run(&script(stock, command)).ok();
        }
        println!("{}: pushed and pulled", stock.name);
    }
}

#[test]
fn each_client_is_told_of_a_wrong_password() {
    for stock in CLIENTS {
        let stranger = Client::named("roadstead-push", "wrong");
        let login = stranger.run(&script(stock, stock.login));
        // crane stores credentials without asking; its first request is refused instead.
        let printed = if login.succeeded() {
            stranger.run(&script(stock, stock.push)).fails()
        } else {
            login.printed()
        };
        let printed = printed.to_lowercase();
        assert!(
            ["unauthorized", "401", "invalid username/password"]
                .iter()
                .any(|told| printed.contains(told)),
            "{}: {printed}",
            stock.name
        );
    }
}

#[test]
fn each_client_is_told_of_an_unknown_tag() {
    for stock in CLIENTS {
        let client = Client::push();
        client.run(&script(stock, stock.login)).ok();
        let printed = client.run(&script(stock, stock.unknown)).fails().to_lowercase();
        assert!(
            printed.contains("not found") || printed.contains("unknown"),
            "{}: {printed}",
            stock.name
        );
    }
}

#[test]
fn the_pull_user_may_not_push() {
    for stock in CLIENTS {
        let client = Client::pull();
        client.run(&script(stock, stock.login)).ok();
        // Where nothing is yet: crane does not send again what is there.
        let printed = client
            .run(&script_for("denied", stock, stock.push))
            .fails()
            .to_lowercase();
        assert!(
            printed.contains("denied") || printed.contains("403"),
            "{}: {printed}",
            stock.name
        );
    }
}
