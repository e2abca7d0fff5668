//! Transfers that break: each client brings them to an end, and the registry has what it took in.

use roadstead_e2e::Way;

use crate::site::{Site, make_layer};

const LAYER: u64 = 12_000_000;
/// Where it breaks.
const PART: u64 = 5_000_000;

/// What a client types to push and pull an image that it has.
struct Stock {
    name: &'static str,
    /// Makes the image from `layer.tar`.
    image: &'static str,
    push: &'static str,
    pull: &'static str,
}

const CLIENTS: &[Stock] = &[
    Stock {
        name: "podman",
        image: "podman import layer.tar $HOST/resume/podman:1",
        push: "podman push $HOST/resume/podman:1",
        pull: "podman rmi --all --force; podman pull $HOST/resume/podman:1",
    },
    Stock {
        name: "buildah",
        image: "printf 'FROM scratch\\nADD layer.tar /\\n' > Containerfile; buildah build --tag $HOST/resume/buildah:1 .",
        push: "buildah push $HOST/resume/buildah:1",
        pull: "buildah rmi --all --force; buildah pull $HOST/resume/buildah:1",
    },
    Stock {
        name: "skopeo",
        image: "crane append --oci-empty-base --new_layer layer.tar --new_tag app:1 --output app.tar",
        push: "skopeo copy docker-archive:app.tar docker://$HOST/resume/skopeo:1",
        pull: "skopeo copy docker://$HOST/resume/skopeo:1 oci:out:1",
    },
    Stock {
        name: "crane",
        image: "crane append --oci-empty-base --new_layer layer.tar --new_tag app:1 --output app.tar",
        push: "SSL_CERT_FILE=ca.crt crane push app.tar $HOST/resume/crane:1",
        pull: "SSL_CERT_FILE=ca.crt crane pull $HOST/resume/crane:1 out.tar",
    },
    Stock {
        name: "oras",
        image: "true",
        push: "oras push --ca-file ca.crt $HOST/resume/oras:1 layer.tar",
        pull: "oras pull --ca-file ca.crt --output out $HOST/resume/oras:1; cmp layer.tar out/layer.tar",
    },
    Stock {
        name: "regctl",
        image: "crane append --oci-empty-base --new_layer layer.tar --new_tag app:1 --output app.tar; \
                regctl registry set --skip-check --cacert \"$(cat ca.crt)\" $HOST",
        push: "regctl image import $HOST/resume/regctl:1 app.tar",
        pull: "regctl image export $HOST/resume/regctl:1 out.tar",
    },
];

fn ready(stock: &Stock) -> Site {
    let site = Site::open();
    // Every one of them reads what docker's login leaves, and crane's leaves the same.
    site.run(&format!(
        "mkdir -p /etc/containers/certs.d/$HOST; cp ca.crt /etc/containers/certs.d/$HOST/\n\
         crane auth login $HOST -u ann --password-stdin < password\n{}; {}",
        make_layer(LAYER),
        stock.image
    ))
    .ok();
    site
}

#[test]
fn each_client_pushes_again_after_the_server_was_killed_in_the_middle_of_it() {
    for stock in CLIENTS {
        let site = ready(stock);
        site.wire.cut_for_good_after(Way::Up, PART);
        site.run(stock.push).fails();
        assert!(!site.wire.is_whole(), "{}: the upload broke", stock.name);
        site.crash();
        site.run(stock.push).ok();
        site.run(stock.pull).ok();
    }
}

#[test]
fn each_client_pulls_again_after_the_server_was_killed_in_the_middle_of_it() {
    for stock in CLIENTS {
        let site = ready(stock);
        site.run(stock.push).ok();
        site.wire.cut_for_good_after(Way::Down, PART);
        site.run(stock.pull).fails();
        assert!(!site.wire.is_whole(), "{}: the download broke", stock.name);
        site.crash();
        site.run(stock.pull).ok();
    }
}

#[test]
fn regctl_goes_on_with_a_layer_whose_upload_or_download_broke() {
    let stock = CLIENTS.last().expect("regctl is the last of them");
    let site = ready(stock);
    for (way, command) in [(Way::Up, stock.push), (Way::Down, stock.pull)] {
        let before = site.wire.carried(way);
        site.wire.cut_once_after(way, PART);
        site.run(command).ok();
        assert!(!site.wire.is_whole(), "{way:?}: the wire was cut");
        let carried = site.wire.carried(way) - before;
        assert!(
            carried < LAYER + PART / 2,
            "{way:?}: {carried} bytes for {LAYER}: it began anew"
        );
    }
}

/// `curl` with the user's password.
const CURL: &str = r#"curl() { command curl --silent --show-error --fail --cacert ca.crt --user "ann:$(cat password)" "$@"; }
    uploads=https://$HOST/v2/resume/curl/blobs/uploads/"#;

fn curl(site: &Site, script: &str) -> roadstead_e2e::Finished {
    site.run(&format!("{CURL}\n{script}"))
}

#[test]
fn curl_goes_on_with_a_download_that_broke() {
    let site = Site::open();
    let make = make_layer(LAYER);
    curl(
        &site,
        &format!(
            "{make}; digest=sha256:$(sha256sum < layer.tar | cut -d' ' -f1)\n\
             where=$(curl -X POST -o /dev/null -w '%header{{location}}' $uploads)\n\
             curl -T layer.tar \"$where&digest=$digest\"\n\
             echo https://$HOST/v2/resume/curl/blobs/$digest > address"
        ),
    )
    .ok();
    let before = site.wire.carried(Way::Down);
    site.wire.cut_once_after(Way::Down, PART);
    let get = "curl --continue-at - --output copy $(cat address)";
    curl(&site, get).fails();
    curl(&site, &format!("test -s copy; {get}; cmp layer.tar copy")).ok();
    let carried = site.wire.carried(Way::Down) - before;
    assert!(carried < LAYER + PART / 2, "{carried} bytes for {LAYER}");
}

#[test]
fn an_upload_in_pieces_goes_on_after_the_server_was_killed_in_the_middle_of_one() {
    let site = Site::open();
    let make = make_layer(LAYER);
    let patch = "-X PATCH -H 'Content-Type: application/octet-stream' -o /dev/null";
    curl(
        &site,
        &format!(
            "{make}; curl -X POST -o /dev/null -w '%header{{location}}' $uploads > where\n\
             head -c {PART} layer.tar | curl {patch} -H 'Content-Range: 0-{}' --data-binary @- $(cat where)",
            PART - 1
        ),
    )
    .ok();
    site.wire.cut_for_good_after(Way::Up, PART / 2);
    curl(
        &site,
        &format!(
            "tail -c +{} layer.tar | curl {patch} -H \"Content-Range: {PART}-$(($(stat -c %s layer.tar) - 1))\" --data-binary @- $(cat where)",
            PART + 1
        ),
    )
    .fails();
    assert!(!site.wire.is_whole(), "the second piece broke");
    site.crash();
    let printed = curl(
        &site,
        &format!(
            "range=$(curl -o /dev/null -w '%header{{range}}' $(cat where)); next=$((${{range#0-}} + 1)); size=$(stat -c %s layer.tar)\n\
             tail -c +$((next + 1)) layer.tar | curl {patch} -H \"Content-Range: $next-$((size - 1))\" --data-binary @- $(cat where)\n\
             digest=sha256:$(sha256sum < layer.tar | cut -d' ' -f1)\n\
             curl -X PUT \"$(cat where)&digest=$digest\"\n\
             curl -o copy https://$HOST/v2/resume/curl/blobs/$digest; cmp layer.tar copy; echo $next"
        ),
    )
    .ok();
    let next: u64 = printed.trim().parse().expect("a number of bytes");
    assert!(
        next >= PART,
        "the registry kept {next} of {PART} acknowledged bytes"
    );
}
