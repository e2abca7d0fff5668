//! MicroK8s' add-on `registry` as it is written: registry:2's image with three variables and nothing else.

use std::process::{Command, Stdio};

use roadstead_e2e::{Finished, Software};

/// The variables of its container, with another folder and port. `yes` is how it is written there.
const ADD_ON: &str = r#"
set -euo pipefail
export REGISTRY_HTTP_ADDR=127.0.0.1:0
export REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=$PWD/data
export REGISTRY_STORAGE_DELETE_ENABLED=yes
# Kubernetes tells every container of every Service.
export REGISTRY_PORT=tcp://10.152.183.2:5000 REGISTRY_SERVICE_HOST=10.152.183.2 REGISTRY_SERVICE_PORT=5000 REGISTRY_PORT_5000_TCP=tcp://10.152.183.2:5000
mkdir data
cat >config.yml <<-CONFIG
	version: 0.1
	log:
	  fields:
	    service: registry
	storage:
	  cache:
	    blobdescriptor: inmemory
	  filesystem:
	    rootdirectory: /var/lib/registry
	http:
	  addr: :5000
	  headers:
	    X-Content-Type-Options: [nosniff]
	health:
	  storagedriver:
	    enabled: true
	    interval: 10s
	    threshold: 3
CONFIG
"$PROGRAM" config.yml >log 2>&1 &
trap "kill $!" EXIT
for try in $(seq 200); do
	url=$(grep -o 'address="\?127.0.0.1:[0-9]*' log | grep -o '127.*' || true)
	[ -n "$url" ] && break
	sleep 0.05
done
[ -n "$url" ] || { cat log >&2; exit 1; }
digest=sha256:$(printf layer | sha256sum | cut -d' ' -f1)
curl -sSf --data-binary layer -H 'Content-Type: application/octet-stream' "http://$url/v2/app/blobs/uploads/?digest=$digest"
curl -sS -o /dev/null -w '%{http_code}\n' -X DELETE http://$url/v2/app/blobs/$digest
ls data
"#;

#[test]
fn the_add_on_of_microk8s_works_as_it_is_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut add_on = Command::new("timeout");
    add_on
        .args(["60", "bash", "-c", ADD_ON])
        .env("PROGRAM", Software::Roadstead.program())
        .current_dir(folder.path())
        .stdin(Stdio::null());
    let printed = Finished::run(&mut add_on, "").ok();
    assert_eq!(printed.lines().next(), Some("202"), "{printed}");
    assert!(printed.contains("docker"), "{printed}");
}
