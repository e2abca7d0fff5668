//! Each client asks for an image by tag, of every kind that a tag can name: what `Accept` they send decides nothing, and
//! each must find its way. docs/clients.md has the table that this prints.

use std::fmt::Write as _;

use roadstead_e2e::part;

use crate::site::Site;

/// Pushes an image of two platforms in Docker's words and in OCI's, alone and in a list.
const IMAGES: &str = r#"
curl() { command curl -sS -f -o answer --cacert ca.crt -u "ann:$(cat password)" "$@"; }
digest() { echo sha256:$(sha256sum <"$1" | cut -d' ' -f1); }
upload() { curl -X POST --data-binary @$1 -H 'Content-Type: application/octet-stream' "https://$HOST/v2/team/app/blobs/uploads/?digest=$(digest $1)"; }
put() { # FILE TYPE TAG
	curl -X PUT --data-binary @$1 -H "Content-Type: $2" https://$HOST/v2/team/app/manifests/$3
}
described() { echo "\"mediaType\": \"$2\", \"size\": $(stat -c %s $1), \"digest\": \"$(digest $1)\""; }
image() { # FILE ARCHITECTURE TYPE CONFIG LAYER
	echo "{\"architecture\": \"$2\", \"os\": \"linux\", \"config\": {}, \"rootfs\": {\"type\": \"layers\", \"diff_ids\": [\"$(digest layer.tar)\"]}}" >config
	upload config
	echo "{\"schemaVersion\": 2, \"mediaType\": \"$3\", \"config\": {$(described config $4)}, \"layers\": [{$(described layer.tar.gz $5)}]}" >$1
}
list() { # FILE TYPE IMAGE-TYPE
	for architecture in amd64 arm64; do put $1.$architecture $3 $(digest $1.$architecture); done
	entry() { echo "{$(described $1.$2 $3), \"platform\": {\"os\": \"linux\", \"architecture\": \"$2\"}}"; }
	echo "{\"schemaVersion\": 2, \"mediaType\": \"$2\", \"manifests\": [$(entry $1 arm64 $3), $(entry $1 amd64 $3)]}" >$1
}
echo hello >hello; tar -cf layer.tar hello; gzip -nk layer.tar; upload layer.tar.gz
DOCKER=application/vnd.docker.distribution.manifest OCI=application/vnd.oci.image
for architecture in amd64 arm64; do
	image docker.$architecture $architecture $DOCKER.v2+json application/vnd.docker.container.image.v1+json application/vnd.docker.image.rootfs.diff.tar.gzip
	image oci.$architecture $architecture $OCI.manifest.v1+json $OCI.config.v1+json $OCI.layer.v1.tar+gzip
done
put docker.amd64 $DOCKER.v2+json docker
put oci.amd64 $OCI.manifest.v1+json oci
list docker $DOCKER.list.v2+json $DOCKER.v2+json; put docker $DOCKER.list.v2+json docker-list
list oci $OCI.index.v1+json $OCI.manifest.v1+json; put oci $OCI.index.v1+json oci-index
"#;

const TAGS: [&str; 4] = ["docker", "docker-list", "oci", "oci-index"];

/// What a client types; `$IMAGE` is the image.
struct Client {
    name: &'static str,
    /// Once, with what it needs to trust the registry and to log in.
    ready: &'static str,
    version: &'static str,
    pull: &'static str,
}

const CERTS_D: &str = "mkdir -p /etc/containers/certs.d/$HOST; cp ca.crt /etc/containers/certs.d/$HOST/; \
                       skopeo login -u ann --password-stdin $HOST < password";
const ENVIRONMENT: &str =
    "export SSL_CERT_FILE=$PWD/ca.crt; crane auth login $HOST -u ann --password-stdin < password";
const DOCKERD: &str = r#"
mkdir -p /etc/docker/certs.d/$HOST; cp ca.crt /etc/docker/certs.d/$HOST/
cat >/etc/docker/daemon.json <<-JSON
	{"storage-driver": "$DRIVER", "features": {"containerd-snapshotter": $SNAPSHOTTER},
	 "bridge": "none", "iptables": false, "ip-forward": false}
JSON
dockerd >dockerd.log 2>&1 3>&- </dev/null &
until docker version >/dev/null 2>&1; do kill -0 $! || { cat dockerd.log; exit 1; }; sleep .1; done
docker login -u ann --password-stdin $HOST < password
"#;
const CONTAINERD: &str = r#"
mkdir -p /etc/containerd/certs.d/$HOST
echo "[host.\"https://$HOST\"]
  ca = \"$PWD/ca.crt\"" >/etc/containerd/certs.d/$HOST/hosts.toml
cat >containerd.toml <<-TOML
	version = 2
	[plugins."io.containerd.grpc.v1.cri".registry]
	config_path = "/etc/containerd/certs.d"
TOML
containerd --config containerd.toml --root $PWD/containerd-$STORE >containerd.log 2>&1 3>&- </dev/null &
until ctr version >/dev/null 2>&1; do kill -0 $! || { cat containerd.log; exit 1; }; sleep .1; done
"#;
const DEBIAN: &str = "export PATH=/usr/sbin:/usr/bin:$PATH DRIVER=vfs SNAPSHOTTER=false STORE=old";
const DOCKER_PULL: &str =
    "docker pull -q $IMAGE; docker image inspect -f '{{.Architecture}}' $IMAGE | grep amd64";
const CTR_PULL: &str = "ctr images pull --platform linux/amd64 --hosts-dir /etc/containerd/certs.d \
                        --user \"ann:$(cat password)\" $IMAGE";
const DOCKER_VERSION: &str = "docker version -f '{{.Server.Version}}'";
const CRI_PULL: &str = "crictl --runtime-endpoint unix:///run/containerd/containerd.sock --timeout 60s \
                        pull --creds \"ann:$(cat password)\" $IMAGE";
const CONTAINERD_VERSION: &str = "containerd --version | cut -d' ' -f3";

const CLIENTS: &[Client] = &[
    Client {
        name: "docker, Debian's",
        ready: DEBIAN,
        version: DOCKER_VERSION,
        pull: DOCKER_PULL,
    },
    Client {
        name: "docker, classic store",
        ready: "export DRIVER=vfs SNAPSHOTTER=false",
        version: DOCKER_VERSION,
        pull: DOCKER_PULL,
    },
    Client {
        name: "docker, containerd's store",
        ready: "export DRIVER=native SNAPSHOTTER=true",
        version: DOCKER_VERSION,
        pull: DOCKER_PULL,
    },
    Client {
        name: "containerd, Debian's",
        ready: DEBIAN,
        version: CONTAINERD_VERSION,
        pull: CTR_PULL,
    },
    Client {
        name: "containerd",
        ready: "export STORE=new",
        version: CONTAINERD_VERSION,
        pull: CTR_PULL,
    },
    Client {
        name: "podman",
        ready: CERTS_D,
        version: "podman --version | cut -d' ' -f3",
        pull: "podman pull -q $IMAGE",
    },
    Client {
        name: "buildah",
        ready: CERTS_D,
        version: "buildah --version | cut -d' ' -f3",
        pull: "buildah pull -q $IMAGE",
    },
    Client {
        name: "skopeo",
        ready: CERTS_D,
        version: "skopeo --version | cut -d' ' -f3",
        pull: "skopeo copy docker://$IMAGE dir:copy",
    },
    Client {
        name: "crane",
        ready: ENVIRONMENT,
        version: "crane version",
        pull: "crane pull $IMAGE copy.tar",
    },
    Client {
        name: "oras",
        ready: ENVIRONMENT,
        version: "oras version | awk '/^Version/ {print $2}'",
        pull: "oras copy --to-oci-layout $IMAGE copy-$TAG:1",
    },
    Client {
        name: "regctl",
        ready: "regctl registry set --skip-check --cacert \"$(cat ca.crt)\" $HOST; \
                regctl registry login -u ann --pass-stdin $HOST < password",
        version: "echo $(regctl version --format '{{.VCSTag}}')",
        pull: "regctl image copy $IMAGE ocidir://copies:$TAG",
    },
];

/// Those that take the set-up of make soak. `{NAME}` is the folder of a part; CRI is what kubelets pull with.
const MORE_CLIENTS: &[Client] = &[
    Client {
        name: "docker, 28",
        ready: "export PATH={docker-28}:$PATH DRIVER=vfs SNAPSHOTTER=false",
        version: DOCKER_VERSION,
        pull: DOCKER_PULL,
    },
    Client {
        name: "containerd, 1.7",
        ready: "export PATH={containerd-1.7}:$PATH STORE=1.7",
        version: CONTAINERD_VERSION,
        pull: CTR_PULL,
    },
    Client {
        name: "containerd, 2.4",
        ready: "export PATH={containerd-2.4}:$PATH STORE=2.4",
        version: CONTAINERD_VERSION,
        pull: CTR_PULL,
    },
    Client {
        name: "containerd, 1.7, by CRI",
        ready: "export PATH={containerd-1.7}:{crictl}:$PATH STORE=1.7-cri",
        version: CONTAINERD_VERSION,
        pull: CRI_PULL,
    },
    Client {
        name: "containerd, 2.4, by CRI",
        ready: "export PATH={containerd-2.4}:{crictl}:$PATH STORE=2.4-cri",
        version: CONTAINERD_VERSION,
        pull: CRI_PULL,
    },
];

impl Client {
    fn script(&self) -> String {
        let daemon = match self.name.split(',').next() {
            Some("docker") => DOCKERD,
            Some("containerd") => CONTAINERD,
            _ => "",
        };
        let mut script = format!(
            "exec 3>&1 >said 2>&1\n{}\n{daemon}\n{{ {}; }} | tail -n 1 >&3\n",
            self.ready, self.version
        );
        for tag in TAGS {
            let _ = writeln!(
                script,
                "export TAG={tag} IMAGE=$HOST/team/app:{tag}\nif ( set -e; {} ); then echo pulled >&3; else echo failed: $(tail -n 1 said) >&3; fi",
                self.pull
            );
        }
        // The next one has the same sockets.
        script.push_str("kill $(jobs -p) 2>/dev/null && wait || true\n");
        script
    }
}

#[test]
fn every_client_pulls_every_kind_of_image_by_its_tag() {
    pull_with(CLIENTS, |script| script);
}

#[test]
#[ignore = "a part of make soak, whose set-up brings these versions"]
fn more_versions_pull_every_kind_of_image_by_its_tag() {
    let parts = ["docker-28", "containerd-1.7", "containerd-2.4", "crictl"];
    pull_with(MORE_CLIENTS, |script| {
        parts.into_iter().fold(script, |script, name| {
            script.replace(&format!("{{{name}}}"), &part(name).display().to_string())
        })
    });
}

fn pull_with(clients: &[Client], finished: impl Fn(String) -> String) {
    let site = Site::open();
    site.run(IMAGES).ok();
    let mut table = format!(
        "| client | version | {} |\n|---|---|{}\n",
        TAGS.join(" | "),
        "---|".repeat(TAGS.len())
    );
    let rows: Vec<_> = clients
        .iter()
        .map(|client| (client.name, site.run(&finished(client.script())).ok()))
        .collect();
    for (name, said) in &rows {
        let _ = writeln!(table, "| {name} | {} |", said.trim().replace('\n', " | "));
    }
    println!("{table}");
    for (name, said) in rows {
        assert_eq!(said.matches("pulled").count(), TAGS.len(), "{name}:\n{table}");
    }
}
