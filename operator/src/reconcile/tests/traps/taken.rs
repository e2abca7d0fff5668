//! Objects of somebody else under the names of a Registry that is there already.

use super::*;

const BUDGET: &str = "/apis/policy/v1/namespaces/registry/poddisruptionbudgets/images";

/// Kind, name, and the condition that tells of it.
const NAMES: [(&str, &str, &str); 10] = [
    ("services", "images", "Ready"),
    ("deployments", "images", "Ready"),
    ("serviceaccounts", "images", "Reconciled"),
    ("configmaps", "images-config", "Reconciled"),
    ("configmaps", "images-ca", "CertificateValid"),
    ("secrets", "images-internal-tls", "CertificateValid"),
    ("secrets", "images-htpasswd", "AuthReady"),
    ("secrets", "images-push", "AuthReady"),
    ("secrets", "images-pull", "AuthReady"),
    ("persistentvolumeclaims", "images-data", "StorageReady"),
];

fn path_of(kind: &str, name: &str) -> String {
    let group = match kind {
        "deployments" => "/apis/apps/v1",
        _ => "/api/v1",
    };
    format!("{group}/namespaces/registry/{kind}/{name}")
}

fn line_of(fake: &Fake, user: &str) -> Option<String> {
    let htpasswd = fake.get(&format!("{SECRETS}/images-htpasswd"))?;
    let text: k8s_openapi::ByteString = serde_json::from_value(htpasswd["data"]["htpasswd"].clone()).ok()?;
    let text = String::from_utf8(text.0).ok()?;
    text.lines()
        .find(|line| line.starts_with(user))
        .map(str::to_owned)
}

#[tokio::test]
async fn whatever_name_is_taken_it_is_told_left_alone_and_all_else_goes_on() {
    for (kind, name, concerned) in NAMES {
        let fake = well().await;
        let path = path_of(kind, name);
        let pull = line_of(&fake, "roadstead-pull:");
        let ours = fake.get(&path);
        let theirs = json!({"metadata": {"name": name, "namespace": "registry"},
            "data": {"tls.crt": "bm9uZQ==", "password": "bm90IHRoZSByaWdodCBvbmU=", "username": "cm9hZHN0ZWFkLXB1bGw="},
            "spec": {"clusterIPs": ["10.96.0.99"]}, "status": {"phase": "Bound"}});
        fake.put(&path, theirs);
        let theirs = fake.get(&path);

        let another = path_of("serviceaccounts", "images");
        let another = if another == path { CA.to_owned() } else { another };
        fake.remove(&another);
        users(&fake, &["ada", "grace"]);
        round(&fake)
            .await
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(fake.get(&another).is_some(), "{path}: the rest is made anew");
        assert_eq!(fake.get(&path), theirs, "{path} is left alone");
        if name != "images-htpasswd" {
            assert!(line_of(&fake, "grace:").is_some(), "{path}: users still change");
            let pulls = line_of(&fake, "roadstead-pull:");
            assert!(pulls.is_some(), "{path}: nodes still log in");
            assert!(
                name != "images-pull" || pulls == pull,
                "whoever knows the password still logs in"
            );
        }
        let (status, reason, message) = condition(&fake, concerned);
        assert_eq!(
            (status.as_str(), reason.as_str()),
            ("False", "NameConflict"),
            "{path}: {message}"
        );
        assert!(message.contains(name), "{message}");
        assert!(summary(&fake).contains("NameConflict"), "{path}");
        let registry = fake.get(REGISTRY).expect("it is there");
        assert_eq!(registry["status"]["clusterIPs"], json!(["10.96.0.7"]), "{path}");
        fake.writes();
        round(&fake)
            .await
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(
            fake.writes(),
            Vec::<String>::new(),
            "{path}: a second round writes nothing"
        );

        match ours {
            Some(ours) => fake.put(&path, ours),
            None => fake.remove(&path),
        }
        round(&fake)
            .await
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_ne!(
            condition(&fake, concerned).1,
            "NameConflict",
            "{path}: back again"
        );
    }
}

#[tokio::test]
async fn pods_are_not_made_over_what_somebody_else_put_under_a_name_that_they_mount() {
    for (kind, name) in [
        ("configmaps", "images-config"),
        ("secrets", "images-internal-tls"),
        ("secrets", "images-htpasswd"),
        ("persistentvolumeclaims", "images-data"),
    ] {
        let fake = well().await;
        let path = path_of(kind, name);
        let ours = fake.get(&path).unwrap_or_else(|| panic!("{path} is there"));
        let theirs =
            json!({"metadata": {"name": name, "namespace": "registry"}, "status": {"phase": "Bound"}});
        fake.put(&path, theirs);
        fake.remove(DEPLOYMENT);
        let told = |error| panic!("{path}: {error}");
        round(&fake).await.unwrap_or_else(told);
        assert!(fake.get(DEPLOYMENT).is_none(), "{path}");
        fake.put(&path, ours);
        round(&fake).await.unwrap_or_else(told);
        assert!(fake.get(DEPLOYMENT).is_some(), "{path}: back again");
    }
}

#[tokio::test]
async fn a_name_that_is_taken_when_it_is_first_needed_is_told_and_left_to_its_owner() {
    let fake = with_registry(json!({"storage": {"persistentVolumeClaim": {"claimName": "mine"}}}));
    fake.put(
        "/api/v1/namespaces/registry/persistentvolumeclaims/mine",
        json!({"metadata": {"name": "mine"}, "spec": {"accessModes": ["ReadWriteMany"], "volumeName": "pv-0"},
            "status": {"phase": "Bound"}}),
    );
    settled(&fake).await;
    let theirs = json!({"metadata": {"name": "images", "namespace": "registry"}});
    fake.put(BUDGET, theirs.clone());
    fake.put(
        CLAIM,
        json!({"metadata": {"name": "images-data"}, "status": {"phase": "Bound"}}),
    );
    let (budget, deployment) = (fake.get(BUDGET), fake.get(DEPLOYMENT));

    wish(&fake, "/replicas", Some(json!(2)));
    everything_else_goes_on_without_users(&fake).await;
    assert_eq!(condition(&fake, "Reconciled").1, "NameConflict");
    assert_eq!(fake.get(BUDGET), budget);
    wish(&fake, "/replicas", Some(json!(1)));
    round(&fake).await.expect("the rest goes on");
    assert_eq!(
        condition(&fake, "Reconciled").0,
        "True",
        "nothing is needed for one pod"
    );

    wish(
        &fake,
        "/storage/persistentVolumeClaim",
        Some(json!({"size": "1Gi"})),
    );
    everything_else_goes_on_without_users(&fake).await;
    assert_eq!(condition(&fake, "StorageReady").1, "NameConflict");
    let volumes = |deployment: Option<Value>| {
        deployment.expect("it is there")["spec"]["template"]["spec"]["volumes"].clone()
    };
    assert_eq!(
        volumes(fake.get(DEPLOYMENT)),
        volumes(deployment),
        "pods keep their volume"
    );
    wish(
        &fake,
        "/storage/persistentVolumeClaim",
        Some(json!({"claimName": "mine"})),
    );
    round(&fake).await.expect("nothing stands in the way");
    assert_eq!(condition(&fake, "StorageReady").0, "True");
}

async fn everything_else_goes_on_without_users(fake: &Fake) {
    fake.remove(CA);
    round(fake).await.expect("the rest goes on");
    assert!(fake.get(CA).is_some(), "what somebody deleted comes back");
}
