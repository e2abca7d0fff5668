//! No change of a spec is a trap: what cannot be met is told, everything else goes on, and the way back is open.

mod taken;

use super::fake::Refusal;
use super::*;
use serde_json::{Value, json};

const CLAIM: &str = "/api/v1/namespaces/registry/persistentvolumeclaims/images-data";
const SERVICE: &str = "/api/v1/namespaces/registry/services/images";
const CA: &str = "/api/v1/namespaces/registry/configmaps/images-ca";

struct Trap {
    what: &'static str,
    /// Where in the spec, and what cannot be.
    field: &'static str,
    wish: Value,
    refusal: Option<Refusal>,
    condition: &'static str,
    reason: &'static str,
}

fn traps() -> Vec<Trap> {
    let claim = |field: &str| json!(field);
    vec![
        Trap {
            what: "a size that its class cannot have",
            field: "/storage/persistentVolumeClaim/size",
            wish: json!("20Gi"),
            refusal: Some(Refusal {
                path: CLAIM,
                code: 403,
                message: "only dynamically provisioned pvc can be resized",
                concerns: |claim| claim["spec"]["resources"]["requests"]["storage"] == "20Gi",
            }),
            condition: "StorageReady",
            reason: "ResizeRefused",
        },
        Trap {
            what: "another class",
            field: "/storage/persistentVolumeClaim/storageClassName",
            wish: claim("no-such-class"),
            refusal: None,
            condition: "StorageReady",
            reason: "ClaimMismatch",
        },
        Trap {
            what: "other access modes",
            field: "/storage/persistentVolumeClaim/accessModes",
            wish: json!(["ReadWriteMany"]),
            refusal: None,
            condition: "StorageReady",
            reason: "ClaimMismatch",
        },
        Trap {
            what: "a port that is taken",
            field: "/service",
            wish: json!({"type": "NodePort", "port": 5000, "nodePort": 30500}),
            refusal: Some(Refusal {
                path: SERVICE,
                code: 422,
                message: "spec.ports[0].nodePort: Invalid value: 30500: provided port is already allocated",
                concerns: |service| service["spec"]["ports"][0]["nodePort"] == 30500,
            }),
            condition: "Reconciled",
            reason: "ApplyFailed",
        },
        Trap {
            what: "resources that a policy does not want",
            field: "/pod",
            wish: json!({"resources": {"limits": {"memory": "1Ki"}}}),
            refusal: Some(Refusal {
                path: DEPLOYMENT,
                code: 422,
                message: "must be less than or equal to memory limit of 1Ki",
                concerns: |deployment| {
                    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
                    container["resources"]["limits"]["memory"] == "1Ki"
                },
            }),
            condition: "Reconciled",
            reason: "ApplyFailed",
        },
        Trap {
            what: "an affinity that would make a Deployment too large to be read again",
            field: "/pod",
            wish: json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "preference": {"matchExpressions": [
                    {"key": "disk", "operator": "In", "values": vec!["a".repeat(4000); 20]}]}}]}}}),
            refusal: None,
            condition: "Reconciled",
            reason: "TooLarge",
        },
        Trap {
            what: "a certificate that is not there",
            field: "/tls",
            wish: json!({"secretRef": {"name": "no-such-tls"}}),
            refusal: None,
            condition: "CertificateValid",
            reason: "SecretNotFound",
        },
        Trap {
            what: "a name that the installation does not allow",
            field: "/hostname",
            wish: json!("docker.io"),
            refusal: None,
            condition: "CertificateValid",
            reason: "HostnameNotAllowed",
        },
    ]
}

fn users(fake: &Fake, names: &[&str]) {
    let lines: Vec<_> = names
        .iter()
        .map(|name| roadstead_pki::htpasswd::hash_line(name, "a password", 4).expect("the name is usable"))
        .collect();
    let secret = secret(&[("htpasswd", &lines.join("\n"))]);
    fake.put(
        &format!("{SECRETS}/my-users"),
        serde_json::to_value(secret).expect("it is JSON"),
    );
}

/// A Registry that is well, with a volume of 10Gi and a user of its own.
async fn well() -> Fake {
    let fake = with_registry(json!({
        "storage": {"persistentVolumeClaim": {"size": "10Gi"}},
        "auth": {"htpasswd": {"secretRef": {"name": "my-users"}}},
    }));
    users(&fake, &["ada"]);
    settled(&fake).await;
    change(&fake, CLAIM, |claim| {
        claim["spec"]["volumeName"] = json!("pv-1");
        claim["spec"]["storageClassName"] = json!("local");
        claim["status"] = json!({"phase": "Bound", "capacity": {"storage": "10Gi"}});
    });
    change(&fake, DEPLOYMENT, |deployment| {
        deployment["status"] = json!({"readyReplicas": 1, "updatedReplicas": 1,
            "conditions": [{"type": "Available", "status": "True"}]});
    });
    settled(&fake).await;
    fake
}

fn wish(fake: &Fake, field: &str, value: Option<Value>) {
    change(fake, REGISTRY, |registry| {
        let (parent, name) = field.rsplit_once('/').expect("it begins with a slash");
        let parent = registry["spec"].pointer_mut(parent).expect("the parent is there");
        match value {
            Some(value) => parent[name] = value,
            None => drop(parent.as_object_mut().expect("it is a map").remove(name)),
        }
    });
}

/// Everything else that may have to be done for a Registry, done.
async fn everything_else_goes_on(fake: &Fake, what: &str, number: usize) {
    let user = format!("user{number}");
    users(fake, &["ada", &user]);
    fake.remove(CA);
    change(fake, SERVICE, |service| {
        service["spec"]["clusterIPs"] = json!([format!("10.96.0.{}", 20 + number)]);
    });
    let leaf = || {
        fake.get(&format!("{SECRETS}/images-internal-tls"))
            .expect("it is there")["data"]["tls.crt"]
            .clone()
    };
    let before = leaf();
    round(fake)
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let htpasswd = fake
        .get(&format!("{SECRETS}/images-htpasswd"))
        .expect("it is there");
    let htpasswd = serde_json::from_value::<k8s_openapi::ByteString>(htpasswd["data"]["htpasswd"].clone());
    let htpasswd = String::from_utf8(htpasswd.expect("it is base64").0).expect("it is text");
    assert!(htpasswd.contains(&user), "{what}: users still change");
    assert!(fake.get(CA).is_some(), "{what}: what somebody deleted comes back");
    assert_ne!(leaf(), before, "{what}: certificates are renewed");
}

#[tokio::test]
async fn what_cannot_be_met_is_told_all_else_goes_on_and_the_way_back_is_open() {
    for (number, trap) in traps().into_iter().enumerate() {
        let Trap {
            what,
            field,
            wish: impossible,
            refusal,
            condition: kind,
            reason,
        } = trap;
        let fake = well().await;
        let before = fake.get(REGISTRY).expect("it is there")["spec"]
            .pointer(field)
            .cloned();
        fake.refuse(refusal);
        wish(&fake, field, Some(impossible));
        for again in 0..2 {
            everything_else_goes_on(&fake, what, 2 * number + again).await;
            let (status, told, message) = condition(&fake, kind);
            assert_eq!(
                (status.as_str(), told.as_str()),
                ("False", reason),
                "{what}: {message}"
            );
            assert!(summary(&fake).contains(reason), "{what}: {}", summary(&fake));
        }
        wish(&fake, field, before);
        round(&fake)
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(condition(&fake, kind).0, "True", "{what}: back again");
        fake.writes();
        round(&fake)
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(
            fake.writes(),
            Vec::<String>::new(),
            "{what}: a second round writes nothing"
        );
    }
}

#[tokio::test]
async fn a_size_that_is_refused_says_what_the_claim_keeps() {
    let fake = well().await;
    let trap = traps().remove(0);
    fake.refuse(trap.refusal);
    wish(&fake, trap.field, Some(trap.wish));
    round(&fake).await.expect("the rest goes on");
    let message = condition(&fake, "StorageReady").2;
    assert!(
        message.contains("only dynamically provisioned pvc can be resized"),
        "{message}"
    );
    assert!(message.contains("set size back to 10Gi"), "{message}");
}

#[tokio::test]
async fn an_api_server_that_is_out_of_reach_is_no_refusal_of_an_object() {
    let fake = well().await;
    fake.remove(CA);
    fake.refuse(Some(Refusal {
        path: CA,
        code: 503,
        message: "etcd has no leader",
        concerns: |_| true,
    }));
    let error = round(&fake).await.expect_err("the round fails");
    assert!(error.to_string().contains("etcd has no leader"), "{error}");
}

#[tokio::test]
async fn a_claim_that_is_being_deleted_is_told_and_no_pod_is_replaced_meanwhile() {
    let fake = well().await;
    change(&fake, CLAIM, |claim| {
        claim["metadata"]["deletionTimestamp"] = json!("2026-11-28T00:00:00Z");
    });
    let before = fake.get(DEPLOYMENT);
    wish(&fake, "/pod", Some(json!({"nodeSelector": {"disk": "ssd"}})));
    everything_else_goes_on(&fake, "a claim that goes", 1).await;
    let (status, reason, message) = condition(&fake, "StorageReady");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "ClaimDeleting"));
    assert!(
        message.contains("copy the images") && message.contains("do not restart"),
        "{message}"
    );
    assert_eq!(fake.get(DEPLOYMENT), before);

    fake.remove(CLAIM);
    round(&fake).await.expect("nothing stands in the way");
    assert!(fake.get(CLAIM).is_some(), "a new one is made");
    let deployment = fake.get(DEPLOYMENT).expect("it is there");
    assert_eq!(
        deployment["spec"]["template"]["spec"]["nodeSelector"]["disk"],
        "ssd"
    );
}

#[tokio::test]
async fn a_new_ca_is_an_event() {
    let fake = well().await;
    fake.remove(AUTHORITY);
    round(&fake).await.expect("nothing stands in the way");
    let events: Vec<_> = fake
        .paths()
        .iter()
        .filter(|path| path.contains("/events/"))
        .filter_map(|path| fake.get(path))
        .filter(|event| event["reason"] == "AuthorityCreated")
        .map(|event| {
            (
                event["type"].clone(),
                event["note"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    let (kind, note) = events.last().expect("it is told");
    assert_eq!(*kind, "Warning");
    assert!(
        note.contains("kubectl -n registry get configmap images-ca"),
        "{note}"
    );
}
