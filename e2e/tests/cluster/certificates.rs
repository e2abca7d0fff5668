//! Bring your own certificate: root, intermediate and server certificate made with openssl, given as a Secret.

use roadstead_e2e::{Authority, Cluster, Finished, Pair, wait_until};

use crate::pulls::Pulls;

const HOST: &str = "registry.example.com";

fn secret(pair: &Pair, root: &str) -> String {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": "own-tls", "namespace": "registry"},
        "stringData": {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": root},
    })
    .to_string()
}

const REGISTRY: &str = "
apiVersion: roadstead.dev/v1alpha1
kind: Registry
metadata: {name: own, namespace: registry}
spec:
  hostname: registry.example.com
  tls: {secretRef: {name: own-tls}}
  storage: {emptyDir: {}}
";

/// A client that knows the Registry by its external name and trusts `root` alone.
fn client(cluster: &Cluster, root: &std::path::Path) -> Finished {
    cluster.run(&format!(
        "address=$(getent ahostsv4 own.registry.svc | awk 'NR == 1 {{print $1}}')\n\
         curl -sS --max-time 5 --cacert {} --resolve {HOST}:5000:$address -o /dev/null -w '%{{http_code}}' https://{HOST}:5000/v2/",
        root.display()
    ))
}

/// When the certificate that the Registry presents under the external name was made for: its serial number.
fn serial(cluster: &Cluster) -> String {
    cluster
        .run(&format!(
            "openssl s_client -connect own.registry.svc:5000 -servername {HOST} </dev/null 2>/dev/null | openssl x509 -noout -serial"
        ))
        .ok()
}

fn restarts_and_names(cluster: &Cluster) -> String {
    let format =
        "jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[0].restartCount} {end}";
    cluster
        .kubectl(&[
            "-n",
            "registry",
            "get",
            "pods",
            "-l",
            "roadstead.dev/registry=own",
            "-o",
            format,
        ])
        .ok()
}

#[test]
fn a_secret_of_the_users_own_is_served_a_broken_one_changes_nothing_and_no_pull_fails_meanwhile() {
    let cluster = Cluster::installed();
    let (authority, successor) = (Authority::create(), Authority::create());
    cluster
        .apply(&secret(&authority.issue(HOST), &authority.root()))
        .ok();
    cluster.apply(REGISTRY).ok();
    cluster.wait_for("registry", "own", "Ready", "True");
    cluster.wait_for("registry", "own", "CertificateValid", "True");
    wait_until(
        "a client that trusts the own root reaches the external name",
        || {
            let answer = client(cluster, &authority.root_path());
            if answer.succeeded() && answer.printed() == "401" {
                Ok(())
            } else {
                Err(answer.printed())
            }
        },
    );
    let pods = restarts_and_names(cluster);
    let first = serial(cluster);
    let pulls = Pulls::begin("own", HOST, &(authority.root() + &successor.root()));

    let other = authority.issue("other.example.com");
    let broken = Pair {
        key: other.key,
        ..authority.issue(HOST)
    };
    cluster.apply(&secret(&broken, &authority.root())).ok();
    let (reason, message) = cluster.wait_for("registry", "own", "CertificateValid", "False");
    assert_eq!(reason, "KeyMismatch", "{message}");
    assert_eq!(serial(cluster), first, "a broken Secret changed what is served");

    cluster
        .apply(&secret(&authority.issue(HOST), &authority.root()))
        .ok();
    cluster.wait_for("registry", "own", "CertificateValid", "True");
    wait_until("the replaced certificate is served", || {
        let now = serial(cluster);
        if now != first { Ok(()) } else { Err(now) }
    });
    assert_eq!(client(cluster, &authority.root_path()).ok(), "401");

    // Another CA: clients of the new root are served once the nodes know it; pods never notice.
    cluster
        .apply(&secret(&successor.issue(HOST), &successor.root()))
        .ok();
    wait_until("a certificate of another CA is served", || {
        let answer = client(cluster, &successor.root_path());
        if answer.succeeded() {
            Ok(())
        } else {
            Err(answer.printed())
        }
    });
    pulls.end();
    assert_eq!(
        restarts_and_names(cluster),
        pods,
        "the pods were replaced or restarted"
    );
    cluster
        .kubectl(&["-n", "registry", "delete", "registry", "own", "--timeout=60s"])
        .ok();
}
