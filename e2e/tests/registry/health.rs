//! The health check of a compose file, as the moving guide writes it: docker asks the registry by its own command.

use crate::field_guide::{NAME, prepared};

/// Everything is set by variables, so that the command has to find TLS and the login's answer by itself.
fn compose() -> String {
    format!(
        "version: '2.3'\nservices:\n  registry:\n    image: localhost/roadstead/registry:dev\n    ports: ['5000:5000']\n    \
         environment:\n      REGISTRY_HTTP_TLS_CERTIFICATE: /certs/{NAME}.crt\n      \
         REGISTRY_HTTP_TLS_KEY: /certs/{NAME}.key\n      REGISTRY_AUTH: htpasswd\n      \
         REGISTRY_AUTH_HTPASSWD_PATH: /auth/htpasswd\n      REGISTRY_AUTH_HTPASSWD_REALM: Registry Realm\n    \
         volumes: ['/opt/data:/var/lib/registry', '/opt/certs:/certs', '/opt/auth:/auth']\n    \
         healthcheck: {{test: [CMD, registry, health], interval: 1s, timeout: 2s, retries: 2}}\n"
    )
}

/// A server that is stopped hangs, as one does whose disk is dead.
const SCRIPT: &str = r#"
mkdir -p /opt/data
is() { test "$(docker inspect --format '{{.State.Health.Status}}' $(docker ps --quiet))" = $1; }
docker inspect --format '{{json .Config.Healthcheck.Test}}' $IMAGE
(cd /opt/registry && docker-compose up -d)
await is healthy
kill -STOP $(docker inspect --format '{{.State.Pid}}' $(docker ps --quiet))
await is unhealthy
kill -CONT $(docker inspect --format '{{.State.Pid}}' $(docker ps --quiet))
await is healthy
echo told each time
"#;

#[test]
fn docker_is_told_whether_the_registry_is_well() {
    let host = prepared();
    host.write("opt/registry/docker-compose.yml", &compose());
    let line = roadstead_pki::htpasswd::hash_line("alice", "secret", 5).expect("bcrypt takes them");
    host.write("opt/auth/htpasswd", &line);
    let printed = host.run(SCRIPT).ok();
    assert!(
        printed.contains(r#"["CMD","/bin/registry","health"]"#),
        "{printed}"
    );
    assert!(printed.ends_with("told each time\n"), "{printed}");
}
