//! What dashboards ask of registry:2's metrics, asked of both after the same work.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Command;

use roadstead_e2e::{Finished, Server, Software, stock_config};

/// Requests of every kind that both answer alike.
const WORK: &str = r#"
set -e
curl() { command curl -s -o /dev/null "$@"; }
digest() { echo sha256:$(printf %s "$1" | sha256sum | cut -d' ' -f1); }
curl $URL/; curl $URL/v2/; curl $URL/v2/_catalog; curl $URL/v2/none/tags/list; curl -I $URL/v2/none/manifests/1
for content in '{}' layer; do
	location=$(command curl -si -X POST $URL/v2/app/blobs/uploads/ | tr -d '\r' | sed -n 's/^Location: //p')
	case $location in http*) ;; *) location=$URL$location ;; esac
	curl -X PUT -H 'Content-Type: application/octet-stream' --data-binary "$content" "$location&digest=$(digest "$content")"
done
TYPE=application/vnd.docker.distribution.manifest.v2+json
manifest='{"schemaVersion":2,"mediaType":"'$TYPE'","config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":2,"digest":"'$(digest '{}')'"},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":5,"digest":"'$(digest layer)'"}]}'
curl -X PUT -H "Content-Type: $TYPE" --data-binary "$manifest" $URL/v2/app/manifests/one
curl -H "Accept: $TYPE" $URL/v2/app/manifests/one; curl -H "Accept: $TYPE" $URL/v2/app/manifests/one
curl -H "Accept: $TYPE" -I $URL/v2/app/manifests/one; curl $URL/v2/app/blobs/$(digest layer); curl $URL/v2/app/tags/list
curl -X OPTIONS $URL/v2/app/tags/list; curl -X DELETE $URL/v2/app/manifests/$(digest "$manifest")
command curl -s $METRICS/metrics
"#;

/// Selectors of dashboards and alerts: a name, and labels that must match.
const QUERIES: &[(&str, &[&str])] = &[
    ("registry_http_requests_total", &["code=\"200\""]),
    (
        "registry_http_requests_total",
        &["code=\"404\"", "method=\"head\""],
    ),
    (
        "registry_http_requests_total",
        &["handler=\"manifest\"", "method=\"put\""],
    ),
    (
        "registry_http_requests_total",
        &["handler=\"blob\"", "method=\"get\""],
    ),
    (
        "registry_http_request_duration_seconds_bucket",
        &["le=\"0.5\"", "handler=\"manifest\""],
    ),
    (
        "registry_http_request_duration_seconds_bucket",
        &["le=\"1\"", "method=\"get\""],
    ),
    (
        "registry_http_request_duration_seconds_sum",
        &["handler=\"blob\""],
    ),
    (
        "registry_http_request_duration_seconds_count",
        &["handler=\"blob_upload\""],
    ),
    ("registry_http_in_flight_requests", &["handler=\"manifest\""]),
    (
        "registry_http_request_size_bytes_bucket",
        &["le=\"1.048576e+06\""],
    ),
    ("registry_http_response_size_bytes_sum", &["handler=\"blob\""]),
    (
        "registry_storage_action_seconds_bucket",
        &["action=\"GetContent\"", "driver=\"filesystem\"", "le=\"10\""],
    ),
    (
        "registry_storage_action_seconds_count",
        &["action=\"PutContent\""],
    ),
    ("registry_storage_action_seconds_count", &["action=\"Stat\""]),
    ("registry_storage_action_seconds_count", &["action=\"List\""]),
    ("registry_storage_action_seconds_count", &["action=\"Move\""]),
    ("registry_storage_action_seconds_count", &["action=\"Delete\""]),
    ("registry_storage_cache_total", &["type=\"Hit\""]),
    ("registry_storage_cache_total", &["type=\"Request\""]),
];

fn metrics_of(software: Software) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    let port = free.expect("loopback has free ports").port();
    let debug = format!(
        "http:\n  debug: {{addr: '127.0.0.1:{port}', prometheus: {{enabled: true, path: /metrics}}}}\n"
    );
    let server = Server::of(software, &stock_config(folder.path()).replace("http:\n", &debug));
    let metrics = match software {
        Software::Roadstead => server.admin_port(),
        Software::Registry2 | Software::Registry3 => port,
    };
    let mut work = Command::new("bash");
    work.args(["-c", WORK]);
    work.env("URL", format!("http://127.0.0.1:{}", server.port()));
    work.env("METRICS", format!("http://127.0.0.1:{metrics}"));
    Finished::run(&mut work, "").ok()
}

/// Whether a sample has the name and the labels, in whatever order.
fn answers(metrics: &str, name: &str, labels: &[&str]) -> bool {
    metrics.lines().any(|line| {
        let of = line.strip_prefix(name).and_then(|rest| rest.strip_prefix('{'));
        of.is_some_and(|rest| labels.iter().all(|label| rest.contains(label)))
    })
}

/// The counts of requests, each with its labels in one order.
fn requests(metrics: &str) -> BTreeSet<String> {
    let samples = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("registry_http_requests_total{"));
    samples
        .map(|sample| {
            let (labels, count) = sample.split_once('}').expect("labels have an end");
            let labels: BTreeSet<_> = labels.split(',').collect();
            format!("{labels:?}{count}")
        })
        .collect()
}

#[test]
fn a_dashboard_for_registry_2_shows_what_it_showed() {
    let (ours, theirs) = (metrics_of(Software::Roadstead), metrics_of(Software::Registry2));
    for (name, labels) in QUERIES {
        assert!(
            answers(&theirs, name, labels),
            "registry:2 has no {name}{labels:?}: {theirs}"
        );
        assert!(answers(&ours, name, labels), "no {name}{labels:?} in {ours}");
    }
    assert_eq!(requests(&ours), requests(&theirs));
    let described = |metrics: &str| -> BTreeSet<String> {
        let lines = metrics
            .lines()
            .filter(|line| line.starts_with("# TYPE registry_"));
        lines.map(str::to_owned).collect()
    };
    let missing: Vec<_> = described(&theirs)
        .difference(&described(&ours))
        .cloned()
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
