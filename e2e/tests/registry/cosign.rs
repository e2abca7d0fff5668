//! What cosign makes of the referrers API, in both of its formats.

use crate::site::Site;

const VERIFY: &str = "cosign verify --insecure-ignore-tlog=true";
const SIGN: &str = "cosign sign --yes --key cosign.key --use-signing-config=false --tlog-upload=false";

/// A registry with two images in `team/app`, whose digests are in the files `one` and `two`, and a key pair.
fn site() -> Site {
    let site = Site::open();
    run(
        &site,
        "crane auth login $HOST -u ann --password-stdin < password\n\
         for image in one two; do\n\
           echo $image > content; tar -cf layer.tar content\n\
           crane append --oci-empty-base --new_layer layer.tar --new_tag $HOST/team/app:$image\n\
           echo $HOST/team/app@$(crane digest $HOST/team/app:$image) > $image\n\
         done\n\
         cosign generate-key-pair; cosign generate-key-pair --output-key-prefix other",
    )
    .ok();
    site
}

fn run(site: &Site, script: &str) -> roadstead_e2e::Finished {
    site.run(&format!(
        "export SSL_CERT_FILE=$PWD/ca.crt COSIGN_PASSWORD=\n{script}"
    ))
}

#[test]
fn a_signature_holds_for_its_key_and_its_image_alone() {
    let site = site();
    run(&site, &format!("{SIGN} $(cat one)")).ok();
    run(&site, &format!("{VERIFY} --key cosign.pub $(cat one)")).ok();
    run(&site, &format!("{VERIFY} --key cosign.pub $HOST/team/app:one")).ok();
    let printed = run(&site, &format!("{VERIFY} --key other.pub $(cat one)")).fails();
    assert!(printed.contains("failed to verify signature"), "{printed}");
    let printed = run(&site, &format!("{VERIFY} --key cosign.pub $(cat two)")).fails();
    assert!(printed.contains("no signatures found"), "{printed}");
    // Found by the referrers API: no tag was made for it.
    let tags = run(&site, "crane ls $HOST/team/app").ok();
    assert_eq!(tags, "one\ntwo\n");
}

#[test]
fn the_older_format_works_by_tag_and_by_referrer() {
    let site = site();
    let older = "--new-bundle-format=false";
    run(&site, &format!("{SIGN} {older} $(cat one)")).ok();
    run(&site, &format!("{VERIFY} {older} --key cosign.pub $(cat one)")).ok();
    let tags = run(&site, "crane ls $HOST/team/app").ok();
    assert!(tags.contains(".sig\n"), "{tags}");
    let referrers = "COSIGN_EXPERIMENTAL=1";
    run(
        &site,
        &format!("{referrers} {SIGN} {older} --registry-referrers-mode=oci-1-1 $(cat two)"),
    )
    .ok();
    let verify = format!("{referrers} {VERIFY} {older} --experimental-oci11 --key cosign.pub $(cat two)");
    run(&site, &verify).ok();
    let tree = run(&site, "cosign tree $(cat two)").ok();
    assert!(tree.contains("via OCI referrer"), "{tree}");
}

#[test]
fn clean_takes_the_signatures_away_and_leaves_the_image() {
    let site = site();
    run(
        &site,
        &format!("{SIGN} $(cat one); {VERIFY} --key cosign.pub $(cat one); cosign clean --force $(cat one)"),
    )
    .ok();
    let printed = run(&site, &format!("{VERIFY} --key cosign.pub $(cat one)")).fails();
    assert!(printed.contains("no signatures found"), "{printed}");
    run(&site, "crane manifest $(cat one)").ok();
}
