//! What clients do all day, by chance: each in a repository of its own, where it also deletes, and all in a shared one,
//! where they race for tags and push the same blobs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fastrand::Rng;

use crate::check::Reader as _;
use crate::client::{Client, Failure, Way};
use crate::images::{common, digest_of, image, index, noise};
use crate::ledger::{Ledger, Moment, Register, Value};

const SHARED: &str = "team/shared";
const TAGS: [&str; 4] = ["latest", "v1", "v2", "v3"];

/// The ledger and the clock that goes with it.
pub(crate) struct Notes {
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) now: Box<dyn Fn() -> Moment + Send + Sync>,
}

/// So many clients, each with a chance of its own, and what they note together.
pub(crate) fn workers(
    number: usize,
    largest_layer: usize,
    chance: &mut Rng,
    now: impl Fn() -> Moment + Send + Sync + 'static,
) -> (Arc<Notes>, Vec<Worker>) {
    let notes = Arc::new(Notes {
        ledger: Mutex::default(),
        now: Box::new(now),
    });
    let workers = (0..number).map(|number| Worker {
        notes: Arc::clone(&notes),
        chance: chance.fork(),
        own: format!("team/client{number}"),
        pushed: Vec::new(),
        largest_layer,
    });
    let workers = workers.collect();
    (notes, workers)
}

/// A clock that counts how often it is read.
pub(crate) fn counting() -> impl Fn() -> Moment + Send + Sync + 'static {
    let clock = AtomicU64::new(1);
    move || clock.fetch_add(1, Ordering::SeqCst)
}

impl Notes {
    /// When the workers are gone.
    pub(crate) fn into_ledger(self: Arc<Self>) -> Ledger {
        let notes = Arc::into_inner(self).expect("the workers are gone");
        notes.ledger.into_inner().unwrap()
    }

    /// Does what these writes stand for, and notes when it was acknowledged.
    fn noted(
        &self,
        writes: Vec<(Register, Value)>,
        request: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let ticket = self.ledger.lock().unwrap().begin((self.now)(), writes);
        request()?;
        self.ledger.lock().unwrap().end((self.now)(), ticket);
        Ok(())
    }

    /// The tags of the repository that point at this manifest.
    fn tags_of(&self, repository: &str, digest: &str) -> Vec<Register> {
        let ledger = self.ledger.lock().unwrap();
        let now = (self.now)();
        let points_there =
            |register: &&Register| ledger.possible(register, now).contains(&Some(digest.to_owned()));
        ledger
            .registers()
            .filter(|register| matches!(register, Register::Tag { repository: its, .. } if its == repository))
            .filter(points_there)
            .cloned()
            .collect()
    }
}

/// One client. It outlives the servers that it talks to.
pub(crate) struct Worker {
    notes: Arc<Notes>,
    chance: Rng,
    own: String,
    /// The manifests that it pushed, with their repositories, as far as it was told that they are there.
    pushed: Vec<(String, Vec<u8>)>,
    largest_layer: usize,
}

impl Worker {
    /// Works until the server does not answer any more, or it has done this much. An error is an answer that the server
    /// should not have given.
    pub(crate) fn work(&mut self, client: &Client, requests: usize) -> Result<(), String> {
        for _ in 0..requests {
            match self.act(client) {
                Ok(()) => {}
                Err(Failure::NoAnswer) => return Ok(()),
                Err(Failure::Wrong(answer)) => return Err(answer),
            }
        }
        Ok(())
    }

    fn act(&mut self, client: &Client) -> Result<(), Failure> {
        match self.chance.u8(..20) {
            0..=4 => self.push_image(client, None),
            5..=7 => self.push_common_image(client),
            8 => self.push_referrer(client),
            9..=10 => self.push_index(client),
            11..=13 => self.move_tag(client),
            14..=15 => self.delete_tag(client),
            16 => self.delete_manifest(client),
            17 => self.push_and_delete_blob(client),
            18 => self.mount(client),
            _ => self.abandon_upload(client),
        }
    }

    fn push_image(&mut self, client: &Client, subject: Option<&[u8]>) -> Result<(), Failure> {
        let repository = self.repository();
        let mut layers = Vec::new();
        for _ in 0..self.chance.usize(1..4) {
            let layer = match self.chance.bool() {
                true => common(self.chance.u64(..40)),
                false => {
                    let size = self.chance.usize(1..self.largest_layer);
                    noise(&mut self.chance, size)
                }
            };
            self.push_blob(client, &repository, &layer)?;
            layers.push(layer);
        }
        let config = noise(&mut self.chance, 200);
        self.push_blob(client, &repository, &config)?;
        self.put_manifest(client, &repository, image(&config, &layers, subject))
    }

    /// One that others push at the same moment, byte for byte.
    fn push_common_image(&mut self, client: &Client) -> Result<(), Failure> {
        let number = self.chance.u64(..3);
        let blobs = [common(number), common(number + 40)];
        for blob in &blobs {
            self.push_blob(client, SHARED, blob)?;
        }
        let [config, layer] = blobs;
        self.put_manifest(client, SHARED, image(&config, &[layer], None))
    }

    fn push_referrer(&mut self, client: &Client) -> Result<(), Failure> {
        let Some((repository, subject)) = self.earlier() else {
            return self.push_image(client, None);
        };
        self.push_image(client, Some(&subject))?;
        // The list is compared with the manifests once, when somebody first asks; what it is, is checked after the accident.
        let _ = client.referrers(&repository, &digest_of(&subject));
        Ok(())
    }

    fn push_index(&mut self, client: &Client) -> Result<(), Failure> {
        let Some((repository, one)) = self.earlier() else {
            return self.push_image(client, None);
        };
        let there = self.pushed.iter().filter(|(its, _)| *its == repository);
        let children: Vec<&[u8]> = there.map(|(_, manifest)| manifest.as_slice()).take(2).collect();
        let children = if children.is_empty() {
            vec![one.as_slice()]
        } else {
            children
        };
        let manifest = index(&children);
        self.put_manifest(client, &repository, manifest)
    }

    fn move_tag(&mut self, client: &Client) -> Result<(), Failure> {
        match self.earlier() {
            Some((repository, manifest)) => self.put_manifest(client, &repository, manifest),
            None => self.push_image(client, None),
        }
    }

    fn delete_tag(&mut self, client: &Client) -> Result<(), Failure> {
        let tag = self.tag();
        let writes = vec![(self.tag_of(&self.own, tag), None)];
        let path = format!("manifests/{tag}");
        self.notes.noted(writes, || client.delete(&self.own, &path))
    }

    fn delete_manifest(&mut self, client: &Client) -> Result<(), Failure> {
        let Some(at) = self
            .pushed
            .iter()
            .position(|(repository, _)| *repository == self.own)
        else {
            return Ok(());
        };
        let (_, manifest) = self.pushed.swap_remove(at);
        let digest = digest_of(&manifest);
        // What refers to it can be pushed no more.
        self.pushed
            .retain(|(_, other)| !String::from_utf8_lossy(other).contains(&digest));
        let mut gone = self.notes.tags_of(&self.own, &digest);
        gone.push(Register::Manifest {
            repository: self.own.clone(),
            digest: digest.clone(),
        });
        let writes = gone.into_iter().map(|register| (register, None)).collect();
        let path = format!("manifests/{digest}");
        self.notes.noted(writes, || client.delete(&self.own, &path))
    }

    fn push_and_delete_blob(&mut self, client: &Client) -> Result<(), Failure> {
        let bytes = noise(&mut self.chance, 5000);
        let repository = self.own.clone();
        self.push_blob(client, &repository, &bytes)?;
        let digest = digest_of(&bytes);
        let writes = vec![(blob(&repository, &digest), None)];
        let path = format!("blobs/{digest}");
        self.notes.noted(writes, || client.delete(&repository, &path))
    }

    fn mount(&mut self, client: &Client) -> Result<(), Failure> {
        let digest = digest_of(&common(self.chance.u64(..40)));
        let writes = vec![(blob(&self.own, &digest), Some(digest.clone()))];
        let ticket = self
            .notes
            .ledger
            .lock()
            .unwrap()
            .begin((self.notes.now)(), writes);
        if client.mount(&self.own, &digest, SHARED)? {
            self.notes.ledger.lock().unwrap().end((self.notes.now)(), ticket);
        }
        Ok(())
    }

    fn abandon_upload(&mut self, client: &Client) -> Result<(), Failure> {
        let upload = client.start_upload(&self.own)?;
        client.append_chunks(&upload, &noise(&mut self.chance, 9000))?;
        if self.chance.bool() {
            client.cancel_upload(&upload)
        } else {
            Ok(())
        }
    }

    fn push_blob(&mut self, client: &Client, repository: &str, bytes: &[u8]) -> Result<(), Failure> {
        let way = self.chance.choice(Way::ALL).unwrap();
        let digest = digest_of(bytes);
        // As clients do: what is there is not sent again.
        if self.chance.bool() && client.has_blob(repository, &digest)? {
            return Ok(());
        }
        let writes = vec![(blob(repository, &digest), Some(digest.clone()))];
        self.notes
            .noted(writes, || client.push_blob(repository, bytes, way))
    }

    /// Under a tag mostly, else by its digest.
    fn put_manifest(&mut self, client: &Client, repository: &str, manifest: Vec<u8>) -> Result<(), Failure> {
        let digest = digest_of(&manifest);
        let mut writes = vec![(
            Register::Manifest {
                repository: repository.to_owned(),
                digest: digest.clone(),
            },
            Some(digest.clone()),
        )];
        let mut reference = digest.clone();
        if self.chance.u8(..5) > 0 {
            let tag = self.tag();
            writes.push((self.tag_of(repository, tag), Some(digest)));
            reference = tag.to_owned();
        }
        self.notes
            .noted(writes, || client.put_manifest(repository, &reference, &manifest))?;
        self.pushed
            .retain(|(its, earlier)| its != repository || *earlier != manifest);
        self.pushed.push((repository.to_owned(), manifest));
        Ok(())
    }

    fn repository(&mut self) -> String {
        if self.chance.u8(..3) == 0 {
            SHARED.to_owned()
        } else {
            self.own.clone()
        }
    }

    fn earlier(&mut self) -> Option<(String, Vec<u8>)> {
        self.chance.choice(self.pushed.iter()).cloned()
    }

    fn tag(&mut self) -> &'static str {
        self.chance.choice(TAGS).unwrap()
    }

    fn tag_of(&self, repository: &str, tag: &str) -> Register {
        Register::Tag {
            repository: repository.to_owned(),
            tag: tag.to_owned(),
        }
    }
}

fn blob(repository: &str, digest: &str) -> Register {
    Register::Blob {
        repository: repository.to_owned(),
        digest: digest.to_owned(),
    }
}
