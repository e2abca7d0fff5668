//! A real dockerd with the Registry's CA in `/etc/docker/certs.d`, as people set it up by hand.

use roadstead_e2e::{Client, Cluster, Finished};

/// Runs a script beside a dockerd of its own: in the cluster's network, with folders of its own for what docker
/// keeps under /etc, /opt, /run and /var, so that the machine's docker, if it has one, is not met, and nothing stays.
fn beside_docker(client: &Client, script: &str) -> Finished {
    let archive = Cluster::installed().state().join("busybox.tar");
    let inner = format!(
        "mkdir data exec scratch; mount -t tmpfs tmpfs scratch; mkdir scratch/etc scratch/work\n\
         cp -L /etc/resolv.conf /etc/hosts .\n\
         mount -t overlay overlay -o lowerdir=/etc,upperdir=$PWD/scratch/etc,workdir=$PWD/scratch/work /etc\n\
         rm -f /etc/resolv.conf /etc/hosts; cp resolv.conf hosts /etc; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /opt\n\
         mkdir -p /etc/docker/certs.d/$HOST; cp ca.crt /etc/docker/certs.d/$HOST/ca.crt\n\
         dockerd --bridge=none --iptables=false --storage-driver=vfs --data-root $PWD/data --exec-root $PWD/exec \
           --pidfile $PWD/docker.pid -H unix://$PWD/docker.sock > dockerd.log 2>&1 &\n\
         daemon=$!; trap 'kill $daemon; wait $daemon || true' EXIT\n\
         export DOCKER_HOST=unix://$PWD/docker.sock; unset SSL_CERT_FILE\n\
         for try in $(seq 100); do docker version > /dev/null 2>&1 && break; kill -0 $daemon || {{ cat dockerd.log; exit 9; }}; sleep .2; done\n\
         docker load -q -i {}; docker tag localhost/roadstead-test/busybox:1 $HOST/docker/busybox:1\n{script}",
        archive.display()
    );
    // A private mount namespace: what is mounted over /etc is seen by no one else, and goes with it.
    client.run(&format!(
        "cat > inner.sh <<'SCRIPT'\nset -euo pipefail\n{inner}\nSCRIPT\nunshare --mount bash inner.sh"
    ))
}

#[test]
fn docker_logs_in_pushes_and_pulls() {
    let script = "docker login -u $REGISTRY_USER --password-stdin $HOST < password; docker push $HOST/docker/busybox:1; \
                  docker rmi $HOST/docker/busybox:1 localhost/roadstead-test/busybox:1; docker pull $HOST/docker/busybox:1; \
                  docker pull $HOST/docker/busybox:none && exit 8 || true";
    let printed = beside_docker(&Client::push(), script).ok();
    assert!(printed.contains("Login Succeeded"), "{printed}");
}

#[test]
fn docker_is_told_of_a_wrong_password_and_of_an_unknown_tag() {
    let stranger = Client::named("roadstead-push", "wrong");
    let printed = beside_docker(
        &stranger,
        "docker login -u $REGISTRY_USER --password-stdin $HOST < password",
    )
    .fails();
    assert!(printed.contains("401 Unauthorized"), "{printed}");
    let script = "docker login -u $REGISTRY_USER --password-stdin $HOST < password; docker pull $HOST/docker/busybox:none";
    let printed = beside_docker(&Client::push(), script).fails();
    assert!(
        printed.contains("not found") || printed.contains("manifest unknown"),
        "{printed}"
    );
}
