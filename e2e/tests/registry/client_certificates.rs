//! Mutual TLS, as clients have it.

use crate::docker_current::{Store, start};
use crate::site::{Site, documented, make_layer};

/// Where docker and podman's kin look for the CA; beside it lie the client's certificate and key, if it has them.
const FOLDER: &str = "folder=/etc/docker/certs.d/$HOST; mkdir -p $folder; cp ca.crt $folder/";

#[test]
fn what_the_page_says_of_client_certificates_works() {
    let site = Site::with_client_certificates("required");
    start(&site, Store::Containerd);
    site.run(&documented("Client certificates")).ok();
}

#[test]
fn who_has_no_client_certificate_is_told_that_one_is_needed() {
    let site = Site::with_client_certificates("required");
    start(&site, Store::Containerd);
    for login in [
        "docker login -u ann --password-stdin $HOST < password",
        "podman login -u ann --password-stdin $HOST < password",
        "oras login --ca-file ca.crt -u ann --password-stdin $HOST < password",
        "cosign tree --registry-cacert ca.crt $HOST/team/app:1",
        "regctl registry set --skip-check --cacert \"$(cat ca.crt)\" $HOST; regctl registry login -u ann --pass-stdin $HOST < password",
    ] {
        let printed = site.run(&format!("{FOLDER}; {login}")).fails();
        // Over HTTP/2, Go's clients now and then show the end of the connection and not the alert that says why.
        let words = [
            "certificate required",
            "http2: client conn could not be established",
        ];
        assert!(
            words.iter().any(|word| printed.contains(word)),
            "{login}: {printed}"
        );
    }
}

#[test]
fn a_client_certificate_stands_for_a_password_where_it_is_optional() {
    let site = Site::with_client_certificates("optional");
    start(&site, Store::Containerd);
    let push = format!(
        "{FOLDER}; {}; docker import layer.tar $HOST/team/app:1; docker push $HOST/team/app:1",
        make_layer(100_000)
    );
    let printed = site.run(&push).fails();
    assert!(
        printed.contains("no basic auth credentials") || printed.contains("authentication required"),
        "{printed}"
    );
    site.run(&format!(
        "{FOLDER}; cp client.cert client.key $folder/; docker push $HOST/team/app:1"
    ))
    .ok();
    site.run("podman pull $HOST/team/app:1; skopeo inspect docker://$HOST/team/app:1")
        .ok();
    let certificate =
        "--registry-cacert ca.crt --registry-client-cert client.cert --registry-client-key client.key";
    site.run(&format!(
        "export COSIGN_PASSWORD=; cosign generate-key-pair\n\
         image=$HOST/team/app@$(skopeo inspect --format '{{{{.Digest}}}}' docker://$HOST/team/app:1)\n\
         cosign sign {certificate} --yes --key cosign.key --use-signing-config=false --tlog-upload=false $image\n\
         cosign verify {certificate} --key cosign.pub --insecure-ignore-tlog=true $image"
    ))
    .ok();
}
