//! How often the server asks for memory for a push, a pull and the move of a tag, in a table that a change keeps or explains.
//!
//! The server runs in this process, so that its allocator can be a counting one. Of several runs the
//! middle count stands and the fewest bytes: now and then a map grows or a timer goes off, which is no part of a request, and
//! how much is read at once depends on who is faster.

// Helpers of tests are tests too, but the lint sees only what stands inside of #[test].
#![allow(clippy::unwrap_used)]

mod client;
mod counting;

use std::path::Path;
use std::thread;
use std::time::Duration;

use roadstead_oci::Digest;
use sha2::{Digest as _, Sha256};

use client::Client;
use counting::{Allocated, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TABLE: &str = "tests/allocations/table.txt";
const REPOSITORY: &str = "/v2/team/app";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const BYTES: &str = "application/octet-stream";
const RUNS: usize = 12;
const LARGE: usize = 1 << 20;
/// What an answer leaves to be done is done by then.
const REST: Duration = Duration::from_millis(20);

/// Of a hundred.
const BAND_OF_COUNTS: u64 = 3;
const BAND_OF_BYTES: u64 = 10;

#[test]
fn a_push_a_pull_and_the_move_of_a_tag_allocate_what_the_table_says() {
    counting::leave_out_this_thread();
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let found = measure(&mut serve(folder.path()));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    let table = std::fs::read_to_string(&path).unwrap_or_default();
    if are_near(&found, &read(&table)) {
        return;
    }
    if std::env::var_os("ROADSTEAD_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, show(&found)).unwrap();
        return;
    }
    // The server has put its own hook in the place of the one that shows what a test panics with.
    eprintln!(
        "{TABLE} says\n{table}\nbut found was\n{}\nIf that is meant, run 'make golden' and say in the commit why.",
        show(&found)
    );
    panic!("the table is another");
}

/// What was done, and what it took.
type Rows = Vec<(String, Allocated)>;

fn show(rows: &Rows) -> String {
    let line = |(what, Allocated { count, bytes }): &(String, Allocated)| {
        format!("{what:30}{count:6} allocations{bytes:9} bytes\n")
    };
    rows.iter().map(line).collect()
}

fn read(table: &str) -> Rows {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [what @ .., count, _, bytes, _] = words.as_slice() else {
            return None;
        };
        let (count, bytes) = (count.parse().ok()?, bytes.parse().ok()?);
        Some((what.join(" "), Allocated { count, bytes }))
    };
    table.lines().filter_map(row).collect()
}

fn are_near(one: &Rows, other: &Rows) -> bool {
    let is_near = |a: u64, b: u64, band: u64| a.abs_diff(b) * 100 <= a.max(b) * band;
    one.len() == other.len()
        && one.iter().zip(other).all(|((what, a), (same, b))| {
            what == same
                && is_near(a.count, b.count, BAND_OF_COUNTS)
                && is_near(a.bytes, b.bytes, BAND_OF_BYTES)
        })
}

/// Serves this folder until the process ends.
fn serve(folder: &Path) -> Client {
    let (config, socket) = (folder.join("config.yml"), folder.join("socket"));
    let text = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {0}/data}}, delete: {{enabled: true}}}}\n\
         http: {{net: unix, addr: {1}}}\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
         health: {{storagedriver: {{enabled: false}}}}\n",
        folder.display(),
        socket.display()
    );
    std::fs::write(&config, text).unwrap();
    let words = [
        "roadstead-registry".into(),
        "serve".into(),
        config.into_os_string(),
    ];
    thread::spawn(|| roadstead_registry::cli::run(words.into_iter()));
    Client::connect(&socket)
}

/// An image whose bytes are those of no other number.
struct Image {
    config: Vec<u8>,
    layer: Vec<u8>,
}

impl Image {
    fn new(number: usize, length: usize) -> Self {
        let layer = [format!("{number:08}").into_bytes(), vec![7; length - 8]].concat();
        Image {
            config: format!("{{\"architecture\":\"{number:08}\"}}").into_bytes(),
            layer,
        }
    }

    fn manifest(&self) -> Vec<u8> {
        let part = |bytes: &[u8]| serde_json::json!({"mediaType": BYTES, "digest": digest(bytes).to_string(), "size": bytes.len()});
        let manifest = serde_json::json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": part(&self.config),
            "layers": [part(&self.layer)]});
        manifest.to_string().into_bytes()
    }

    fn push(&self, client: &mut Client) {
        for bytes in [&self.config, &self.layer] {
            let path = format!("{REPOSITORY}/blobs/uploads/?digest={}", digest(bytes));
            client.ask("POST", &path, BYTES, bytes, 201);
        }
        self.tag(client);
    }

    fn tag(&self, client: &mut Client) {
        client.ask(
            "PUT",
            &format!("{REPOSITORY}/manifests/latest"),
            MANIFEST,
            &self.manifest(),
            201,
        );
    }

    fn pull(&self, client: &mut Client) {
        let manifest = format!("{REPOSITORY}/manifests/{}", digest(&self.manifest()));
        client.ask("GET", &manifest, MANIFEST, &[], 200);
        for bytes in [&self.config, &self.layer] {
            let path = format!("{REPOSITORY}/blobs/{}", digest(bytes));
            assert!(client.ask("GET", &path, BYTES, &[], 200) == *bytes);
        }
    }
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::sha256(Sha256::digest(bytes).into())
}

fn measure(client: &mut Client) -> Rows {
    let (small, large) = (|run| Image::new(run, 1000), |run| Image::new(RUNS + run, LARGE));
    let (small_one, large_one) = (small(0), large(0));
    vec![
        measured(client, "a push of a small image", &|client, run| {
            small(run).push(client)
        }),
        measured(client, "a push of one large layer", &|client, run| {
            large(run).push(client)
        }),
        measured(client, "the move of a tag", &|client, run| small(run).tag(client)),
        measured(client, "a pull of a small image", &|client, _| {
            small_one.pull(client)
        }),
        measured(client, "a pull of one large layer", &|client, _| {
            large_one.pull(client)
        }),
    ]
}

fn measured(client: &mut Client, what: &str, action: &dyn Fn(&mut Client, usize)) -> (String, Allocated) {
    let runs = (0..RUNS).map(|run| {
        thread::sleep(REST);
        counting::take();
        action(client, run);
        thread::sleep(REST);
        counting::take()
    });
    let (mut counts, bytes): (Vec<u64>, Vec<u64>) = runs.map(|run| (run.count, run.bytes)).unzip();
    counts.sort_unstable();
    let (count, bytes) = (counts[RUNS / 2], *bytes.iter().min().unwrap());
    (what.to_owned(), Allocated { count, bytes })
}
