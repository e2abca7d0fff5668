//! A guide's commands as people typed them for registry:2, with docker as it was then: nothing but the image's name is
//! another. The certificate is the leaf alone, as the guide copies it; the folders are root's, and registry:2 wrote
//! into them.

use roadstead_e2e::{Authority, DockerHost};

pub(crate) const NAME: &str = "dockie.mydomain.com";

/// A machine as the guide leaves it before it starts the registry: certificates in /opt/certs, the CA where docker
/// looks, and in /opt/data an image that registry:2 stored.
pub(crate) fn prepared() -> DockerHost {
    let host = DockerHost::named(NAME);
    let authority = Authority::create();
    let pair = authority.issue(NAME);
    let end = "-----END CERTIFICATE-----\n";
    let (leaf, intermediate) = pair.certificate.split_once(end).expect("a leaf and its issuer");
    host.write(&format!("opt/certs/{NAME}.crt"), &format!("{leaf}{end}"));
    host.write(&format!("opt/certs/{NAME}.key"), &pair.key);
    // "Even when curl works, docker may not": root and intermediate must be installed.
    host.write(
        &format!("etc/docker/certs.d/{NAME}:5000/ca.crt"),
        &format!("{intermediate}{}", authority.root()),
    );
    host
}

/// The image's archive stands for what the guide pulls from elsewhere.
const REGISTRY_2_WRITES: &str = r#"
registry2() { # COMMAND…: while registry:2 serves /opt/data on port 5001
	cat >registry2.yml <<-CONFIG
		version: 0.1
		storage: {filesystem: {rootdirectory: /opt/data}}
		http: {addr: "127.0.0.1:5001"}
	CONFIG
	docker-registry serve registry2.yml >registry2.log 2>&1 &
	local pid=$!
	await curl -s http://127.0.0.1:5001/
	"$@"
	kill $pid; wait $pid || true
}
umask 022
mkdir -p /opt/data
chmod 600 /opt/certs/*.key
docker tag $IMAGE 127.0.0.1:5001/ubuntu:old
registry2 docker push 127.0.0.1:5001/ubuntu:old
stat -c '%U:%G %a %n' /opt/data/docker /opt/certs/*.key
"#;

/// What the guide looks at, and what it then does, from section 3 to 5.
const LOOK_AND_USE: &str = r#"
await curl -s -k https://$name:5000
docker ps
# The trap of the copied leaf: the log names who issued it.
docker logs $(docker ps --quiet) 2>&1 | grep 'Example Intermediate'
openssl s_client -showcerts -verify 32 -connect $name:5000 </dev/null 2>/dev/null | grep 'CN = '
curl -i -k -v https://$name:5000

docker rmi 127.0.0.1:5001/ubuntu:old
docker pull $name:5000/ubuntu:old
tar -C /usr/bin -c busybox | docker import --change 'ENTRYPOINT ["/busybox"]' - $name:5000/ubuntu
docker push $name:5000/ubuntu
docker restart $(docker ps --quiet)
await curl -s -k https://$name:5000
docker rmi $name:5000/ubuntu:old $name:5000/ubuntu
docker pull $name:5000/ubuntu
"#;

/// What registry:2 finds when it comes back.
const AND_BACK: &str = r#"
docker stop $(docker ps --quiet)
docker rmi $name:5000/ubuntu
registry2 docker pull 127.0.0.1:5001/ubuntu:latest
docker run --rm --network none 127.0.0.1:5001/ubuntu echo it runs
"#;

#[test]
fn the_guides_docker_run_needs_another_image_and_nothing_else() {
    let run = format!(
        "docker run -d -p 5000:5000 --restart=always --name registry \
         -v /opt/data:/var/lib/registry -v /opt/certs:/certs \
         -e REGISTRY_HTTP_TLS_CERTIFICATE=/certs/{NAME}.crt \
         -e REGISTRY_HTTP_TLS_KEY=/certs/{NAME}.key $IMAGE"
    );
    let printed = prepared()
        .run(&format!("{REGISTRY_2_WRITES}{run}\n{LOOK_AND_USE}{AND_BACK}"))
        .ok();
    check(&printed);
}

#[test]
fn the_guides_compose_file_needs_another_image_and_nothing_else() {
    let host = prepared();
    host.write(
        "opt/registry/docker-compose.yml",
        &format!(
            "registry:\n  restart: always\n  image: localhost/roadstead/registry:dev\n  ports:\n    - 5000:5000\n  \
             environment:\n    REGISTRY_HTTP_TLS_CERTIFICATE: /certs/{NAME}.crt\n    \
             REGISTRY_HTTP_TLS_KEY: /certs/{NAME}.key\n    REGISTRY_AUTH: htpasswd\n    \
             REGISTRY_AUTH_HTPASSWD_PATH: /auth/htpasswd\n    REGISTRY_AUTH_HTPASSWD_REALM: Registry Realm\n  \
             volumes:\n    - /opt/data:/var/lib/registry\n    - /opt/certs:/certs\n    - /opt/auth:/auth\n"
        ),
    );
    let line = roadstead_pki::htpasswd::hash_line("alice", "secret", 5).expect("bcrypt takes them");
    host.write("opt/auth/htpasswd", &line);
    let compose = "(cd /opt/registry && docker-compose up -d)";
    let refused = "await curl -s -k https://$name:5000\n\
                   docker pull $name:5000/ubuntu:old && exit 9\n\
                   echo wrong | docker login -u alice --password-stdin $name:5000 && exit 9\n\
                   echo secret | docker login -u alice --password-stdin $name:5000\n\
                   curl -s -k -i https://$name:5000/v2/ | grep -i www-authenticate";
    let printed = host
        .run(&format!(
            "{REGISTRY_2_WRITES}{compose}\n{refused}\n{LOOK_AND_USE}{AND_BACK}"
        ))
        .ok();
    assert!(printed.contains("realm=\"Registry Realm\""), "{printed}");
    assert!(printed.contains("Login Succeeded"), "{printed}");
    check(&printed);
}

fn check(printed: &str) {
    // What was there before the registry was started.
    for line in [
        "root:root 755 /opt/data/docker",
        &format!("root:root 600 /opt/certs/{NAME}.key"),
    ] {
        assert!(printed.contains(line), "no {line:?} in: {printed}");
    }
    let (_, answer) = printed
        .split_once(" 200 \r\n")
        .or_else(|| printed.split_once(" 200 OK\r\n"))
        .unwrap_or_else(|| panic!("GET / was not answered: {printed}"));
    let (headers, rest) = answer.split_once("\r\n\r\n").expect("headers have an end");
    assert!(
        headers.to_lowercase().contains("cache-control: no-cache"),
        "{headers}"
    );
    assert!(
        rest.starts_with("Untagged:"),
        "the answer to GET / is not empty: {printed}"
    );
    assert!(printed.ends_with("it runs\n"), "{printed}");
}
