//! Pulls that go on while something else happens: by people, over the external name, and by pods.

use std::fs;
use std::thread::JoinHandle;

use roadstead_e2e::{Client, Cluster, Finished, wait_until};

use crate::pods::failed_pulls;

/// Pulls of one image, again and again, until they are ended.
pub(crate) struct Pulls {
    by_people: JoinHandle<Finished>,
    client: Client,
    registry: String,
}

/// A manifest and a layer, each time over a new connection that is verified; a line for each pull that fails, and
/// at the end how many there were.
const PULL_UNTIL_STOPPED: &str = r#"
address=$(getent ahostsv4 "$HOST" | awk 'NR == 1 {print $1}')
get() { curl -sS --fail --max-time 20 --cacert roots.crt --resolve "$NAME:5000:$address" -u "$REGISTRY_USER:$(cat password)" -o "$1" "https://$NAME:5000/v2/$2"; }
digest=$(get manifest pulls/hello/manifests/1 2>&1 && sed -E 's/.*"layers":.*"digest":"([^"]+)".*/\1/' manifest)
count=0
until [ -e stop ]; do
  get manifest pulls/hello/manifests/1 || echo "pull $count: no manifest"
  get layer "pulls/hello/blobs/$digest" || echo "pull $count: no layer"
  count=$((count + 1))
done
echo "pulls: $count"
"#;

impl Pulls {
    /// Begins to pull from the Registry, which is also reached as `external` by those who trust one of `roots`.
    pub(crate) fn begin(registry: &str, external: &str, roots: &str) -> Self {
        let cluster = Cluster::installed();
        crate::pods::push_to(registry, "pulls/hello:1");
        let client = Client::pull_from(registry);
        fs::write(client.folder().join("roots.crt"), roots).expect("the temporary folder can be written");
        let script = format!("NAME={external} HOST={registry}.registry.svc\n{PULL_UNTIL_STOPPED}");
        let folder = client.folder().to_owned();
        let user = client.user.clone();
        let by_people = std::thread::spawn(move || {
            cluster.run(&format!(
                "cd {}; REGISTRY_USER={user}\n{script}",
                folder.display()
            ))
        });
        // Each of these pods is a pull; two at a time, for as long as the Job is there.
        cluster
            .apply(&format!(
                "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {registry}-pulls, namespace: registry}}\nspec:\n  \
                 parallelism: 2\n  completions: 1000\n  backoffLimit: 0\n  template:\n    spec:\n      \
                 restartPolicy: Never\n      imagePullSecrets: [{{name: {registry}-pull}}]\n      containers: [{{name: main, \
                 image: {registry}.registry.svc:5000/pulls/hello:1, imagePullPolicy: Always, command: [\"true\"]}}]\n"
            ))
            .ok();
        let pulls = Self {
            by_people,
            client,
            registry: registry.to_owned(),
        };
        pulls.wait_for_more_pods();
        pulls
    }

    /// Ends them; the test fails if a single one did.
    pub(crate) fn end(self) {
        // Some that began after the last change.
        let by_pods = self.wait_for_more_pods();
        fs::write(self.client.folder().join("stop"), "").expect("the temporary folder can be written");
        let printed = self.by_people.join().expect("the thread only runs a script").ok();
        let counted = printed.trim().strip_prefix("pulls: ");
        let by_people: u32 = counted
            .and_then(|count| count.parse().ok())
            .unwrap_or_else(|| panic!("pulls over the external name failed:\n{printed}"));
        let cluster = Cluster::installed();
        let job = format!("{}-pulls", self.registry);
        assert_eq!(failed_pulls(cluster, &job), "");
        assert!(by_people > 0 && by_pods > 0);
        println!("{by_people} pulls by people and {by_pods} by pods, none failed");
        cluster
            .kubectl(&["-n", "registry", "delete", "job", &job, "--timeout=60s"])
            .ok();
    }

    /// Waits until three more pods than now have run to their end; how many that are in all.
    fn wait_for_more_pods(&self) -> u64 {
        let cluster = Cluster::installed();
        let succeeded = || {
            let job = cluster
                .get("registry", "job", &format!("{}-pulls", self.registry))
                .expect("it was made");
            job["status"]["succeeded"].as_u64().unwrap_or_default()
        };
        let before = succeeded();
        wait_until("three more pods have pulled", || match succeeded() {
            now if now >= before + 3 => Ok(now),
            now => Err(format!("{now} pods")),
        })
    }
}
