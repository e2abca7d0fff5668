//! A current docker; the clients of the cluster's tests have Debian's, which is some years older.

use roadstead_e2e::{Way, wait_until};

use crate::site::{Site, make_layer};

/// Where dockerd keeps images; pushes and pulls are other code in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// What a new installation has.
    Containerd,
    /// What an older one goes on with.
    Classic,
}

impl Store {
    pub(crate) const BOTH: [Self; 2] = [Self::Containerd, Self::Classic];
}

/// Starts dockerd among the clients, and waits until it answers.
pub(crate) fn start(site: &Site, store: Store) {
    let (driver, containerd) = match store {
        Store::Containerd => ("native", true),
        Store::Classic => ("vfs", false),
    };
    // No bridge and no rules: its containers would need them, and there are none.
    let printed = site
        .run(&format!(
            r#"mkdir -p /etc/docker
            cat > /etc/docker/daemon.json <<'JSON'
            {{"storage-driver": "{driver}", "features": {{"containerd-snapshotter": {containerd}}},
             "bridge": "none", "iptables": false, "ip6tables": false, "ip-forward": false}}
JSON
            dockerd > dockerd.log 2>&1 < /dev/null &
            until docker version > /dev/null 2>&1; do kill -0 $! || {{ cat dockerd.log; exit 1; }}; sleep .1; done
            docker version --format 'dockerd {{{{.Server.Version}}}}'"#
        ))
        .ok();
    println!("{}, {store:?} store", printed.trim());
}

/// Starts dockerd as one that trusts the registry and is logged in, with an image `$HOST/docker/app:1`.
fn ready(store: Store) -> Site {
    let site = Site::open();
    start(&site, store);
    site.run(&format!(
        "mkdir -p /etc/docker/certs.d/$HOST; cp ca.crt /etc/docker/certs.d/$HOST/\n\
         docker login -u ann --password-stdin $HOST < password\n\
         {}; docker import layer.tar $HOST/docker/app:1",
        make_layer(LAYER)
    ))
    .ok();
    site
}

const LAYER: u64 = 12_000_000;
const PART: u64 = 5_000_000;
const PUSH: &str = "docker push $HOST/docker/app:1";
const PULL: &str = "docker rmi $HOST/docker/app:1 > /dev/null; docker pull $HOST/docker/app:1";

#[test]
fn docker_goes_on_with_a_layer_whose_download_broke() {
    for store in Store::BOTH {
        let site = ready(store);
        site.run(PUSH).ok();
        let before = site.wire.carried(Way::Down);
        site.wire.cut_once_after(Way::Down, PART);
        site.run(PULL).ok();
        assert!(!site.wire.is_whole(), "{store:?}: the download broke");
        let carried = site.wire.carried(Way::Down) - before;
        assert!(
            carried < LAYER + PART / 2,
            "{store:?}: {carried} bytes for {LAYER}: it began anew"
        );
    }
}

#[test]
fn docker_brings_a_push_to_its_end_although_the_server_is_killed_in_the_middle_of_it() {
    for store in Store::BOTH {
        let site = ready(store);
        site.wire.cut_for_good_after(Way::Up, PART);
        let pushed = std::thread::scope(|scope| {
            let push = scope.spawn(|| site.run(PUSH));
            wait_until("the upload broke", || {
                if site.wire.is_whole() {
                    Err("it goes on".to_owned())
                } else {
                    Ok(())
                }
            });
            site.crash();
            push.join().expect("a client that fails is no panic")
        });
        match store {
            // Tries again by itself, some seconds later.
            Store::Classic => pushed.ok(),
            Store::Containerd => {
                pushed.fails();
                site.run(PUSH).ok()
            }
        };
        site.run(PULL).ok();
    }
}

#[test]
fn docker_is_told_of_a_wrong_password_an_unknown_tag_and_an_unknown_ca() {
    for store in Store::BOTH {
        let site = ready(store);
        let printed = site.run("docker pull $HOST/docker/app:none").fails();
        assert!(printed.contains("not found"), "{store:?}: {printed}");
        let printed = site
            .run("docker login -u ann --password-stdin $HOST < wrong")
            .fails();
        assert!(printed.contains("401 Unauthorized"), "{store:?}: {printed}");
        for trust in [
            "rm /etc/docker/certs.d/$HOST/ca.crt",
            "cp stranger.crt /etc/docker/certs.d/$HOST/ca.crt",
        ] {
            let printed = site.run(&format!("{trust}; {PUSH}")).fails();
            assert!(
                printed.contains("certificate signed by unknown authority"),
                "{store:?}: {printed}"
            );
        }
    }
}
