//! Scripts that people wrote for registry:2: an uploader, a clean-up, a migrator, a page that shows images, and what
//! bars addresses by the log. They take the registry's words literally.

use std::fmt::Write as _;
use std::process::Command;

use roadstead_e2e::{Finished, Server, stock_config};

use crate::site::Site;

/// With curl and grep, which minds case; the `Location` is used as it comes, and `&digest=` put behind it.
const TOOLS: &str = r#"
shopt -s expand_aliases
alias curl="curl -sS --http1.1 --cacert ca.crt -u 'ann:correct horse'"
header() { tr -d '\r' | grep "^$1: " | cut -d' ' -f2; }
digest() { echo sha256:$(sha256sum <"$1" | cut -d' ' -f1); }
upload() { # FILE
	location=$(curl -i -X POST https://$HOST/v2/$REPOSITORY/blobs/uploads/ | header Location)
	curl -f -X PUT -H 'Content-Type: application/octet-stream' --data-binary @$1 "$location&digest=$(digest $1)"
}
push() { # TAG
	echo '{}' >config; head -c 200000 /dev/urandom >layer
	upload config; upload layer
	cat >manifest <<-JSON
		{"schemaVersion": 2, "mediaType": "$TYPE",
		 "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 3, "digest": "$(digest config)"},
		 "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 200000, "digest": "$(digest layer)"}]}
	JSON
	curl -f -X PUT -H "Content-Type: $TYPE" --data-binary @manifest https://$HOST/v2/$REPOSITORY/manifests/$1
}
TYPE=application/vnd.docker.distribution.manifest.v2+json
REPOSITORY=team/app
"#;

fn run(site: &Site, script: &str) -> String {
    site.run(&format!("{TOOLS}{script}")).ok()
}

#[test]
fn an_uploader_and_a_clean_up_made_of_curl_and_grep() {
    let site = Site::open();
    let printed = run(
        &site,
        r#"
push one; push two
curl https://$HOST/v2/team/app/tags/list
for tag in $(curl https://$HOST/v2/team/app/tags/list | grep -o '"tags":.*' | grep -o '"[a-z]*"' | tr -d '"' | grep -v tags); do
	[ $tag = one ] || continue
	old=$(curl -I -H "Accept: $TYPE" https://$HOST/v2/team/app/manifests/$tag | header Docker-Content-Digest)
	curl -f -X DELETE https://$HOST/v2/team/app/manifests/$old
done
curl https://$HOST/v2/team/app/tags/list
"#,
    );
    assert!(printed.contains(r#""tags":["one","two"]"#), "{printed}");
    assert!(printed.trim_end().ends_with(r#""tags":["two"]}"#), "{printed}");
}

/// Follows pages by `Link`, mounts what it has moved before, and writes names with `%2F`.
#[test]
fn a_migrator_moves_every_repository_page_by_page() {
    let site = Site::open();
    let printed = run(
        &site,
        r#"
for REPOSITORY in team/a team/b team/c; do push 1; done
page="/v2/_catalog?n=2"; found=
while [ -n "$page" ]; do
	curl -i "https://$HOST$page" >answer
	found="$found $(tail -1 answer | grep -o '"team/[a-z]"' | tr -d '"')"
	page=$(tr -d '\r' <answer | grep '^Link: ' | sed 's/.*<\(.*\)>.*/\1/' || true)
done
for name in $found; do
	encoded=$(echo $name | sed 's,/,%2F,')
	curl -f -H "Accept: $TYPE" https://$HOST/v2/$encoded/manifests/1 >manifest
	for blob in $(grep -o 'sha256:[0-9a-f]*' manifest); do
		status=$(curl -o /dev/null -w '%{http_code}' -X POST "https://$HOST/v2/moved/$name/blobs/uploads/?mount=$blob&from=$name")
		[ $status = 201 ]
		curl -i -X POST "https://$HOST/v2/moved/$name/blobs/uploads/?mount=$blob&from=" | grep -q '^Docker-Upload-Uuid: '
	done
	curl -f -X PUT -H "Content-Type: $TYPE" --data-binary @manifest https://$HOST/v2/moved/$name/manifests/1
done
curl https://$HOST/v2/_catalog
"#,
    );
    assert!(
        printed.contains(r#"["moved/team/a","moved/team/b","moved/team/c","team/a","team/b","team/c"]"#),
        "{printed}"
    );
}

/// Its `Accept` knows images alone, and it puts a slash where it likes.
#[test]
fn a_page_like_portainers_shows_an_image_of_a_list() {
    let site = Site::open();
    let printed = run(
        &site,
        r#"
push amd64
LIST=application/vnd.docker.distribution.manifest.list.v2+json
cat >list <<-JSON
	{"schemaVersion": 2, "mediaType": "$LIST", "manifests": [{"mediaType": "$TYPE", "size": $(stat -c %s manifest),
	 "digest": "$(digest manifest)", "platform": {"architecture": "amd64", "os": "linux"}}]}
JSON
curl -f -X PUT -H "Content-Type: $LIST" --data-binary @list https://$HOST/v2/team/app/manifests/all
curl -L -f "https://$HOST//v2/_catalog/"
curl -L -f "https://$HOST/v2/team/app/tags/list/"
curl -f -H "Accept: $TYPE" https://$HOST/v2/team/app/manifests/all | grep -c '"layers"'
curl -f -H "Accept: $TYPE, $LIST" https://$HOST/v2/team/app/manifests/all | grep -c '"manifests"'
"#,
    );
    assert!(printed.ends_with("1\n1\n"), "{printed}");
    assert!(printed.contains(r#"{"repositories":["team/app"]}"#), "{printed}");
}

/// A pattern as fail2ban has it for Apache's combined lines.
const PATTERN: &str = r#"^[^ ]* [^ ]* [^ ]* \[[^]]*\] "[A-Z]* /v2/[^"]*" 401 "#;

/// Whom a reader of the log would bar after wrong passwords that were sent with a made-up `X-Forwarded-For`.
fn barred(trusted: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let users = folder.path().join("htpasswd");
    let line = roadstead_pki::htpasswd::hash_line("ann", "secret", 5).expect("bcrypt takes them");
    std::fs::write(&users, line).expect("the temporary folder can be written");
    let mut config = stock_config(&folder.path().join("data"))
        .replace(
            "accesslog: {disabled: true}, level: warn",
            "accesslog: {format: combined}",
        )
        .replace("http:\n", &format!("http:\n{trusted}"));
    let _ = writeln!(
        config,
        "auth: {{htpasswd: {{realm: R, path: {}}}}}",
        users.display()
    );
    let server = Server::start(&config);
    let script = format!(
        "for i in 1 2 3; do curl -s -u ann:wrong -H 'X-Forwarded-For: 192.0.2.66' http://{}/v2/; done",
        server.host()
    );
    Finished::run(Command::new("bash").args(["-c", &script]), "").ok();
    roadstead_e2e::wait_until("the log has the three", || {
        let lines = server.log().matches("\" 401 ").count();
        (lines == 3).then_some(()).ok_or_else(|| server.log())
    });
    let log = server.log();
    assert!(log.contains("remoteaddr=192.0.2.66"), "{log}");
    let reader = format!("grep '{PATTERN}' | cut -d' ' -f1 | sort | uniq -c");
    let printed = Finished::run(Command::new("bash").args(["-c", &reader]), &log).ok();
    printed.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_bars_addresses_by_the_log_bars_whom_it_should() {
    let made_up = barred("");
    assert!(made_up == "3 127.0.0.1" || made_up == "3 ::1", "{made_up}");
    assert_eq!(barred("  trustedproxies: [127.0.0.0/8, '::1']\n"), "3 192.0.2.66");
}
