//! Sending canaries: pulls that must fail, and whose failure shows that a pull would work.
//!
//! A server may answer whatever it likes. It is asked for a digest that nothing has, so that nothing it sends can be
//! taken for the image; what it begins to send all the same is broken off and thrown away.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::bundle::Bundle;
use crate::cri::Client;
use crate::host;
use crate::runtime::Runtime;
use crate::verdict::{self, Verdict};

const AT_ONCE: usize = 8;
/// A manifest comes at once or is none of those that containerd should wait for.
const LOOK: Duration = Duration::from_millis(250);

/// What a canary showed.
pub struct Landed {
    /// The start of the runtime that it was sent through.
    pub start: String,
    pub bundle: Arc<Bundle>,
    pub verdict: Verdict,
}

/// The canaries that are on their way.
#[derive(Default)]
pub struct Canaries {
    flying: JoinSet<Landed>,
}

impl Canaries {
    /// How many more may be sent.
    pub fn room(&self) -> usize {
        AT_ONCE.saturating_sub(self.flying.len())
    }

    pub fn send(&mut self, runtime: &Runtime, bundles: impl IntoIterator<Item = Arc<Bundle>>) {
        for bundle in bundles {
            let (client, start) = (runtime.client.clone(), runtime.start.clone());
            self.flying.spawn(async move {
                let verdict = fly(&client, &bundle).await;
                Landed {
                    start,
                    bundle,
                    verdict,
                }
            });
        }
    }

    /// The next one that has landed; waits for ever while none is on its way.
    pub async fn landed(&mut self) -> anyhow::Result<Landed> {
        match self.flying.join_next().await {
            Some(landed) => Ok(landed?),
            None => std::future::pending().await,
        }
    }
}

async fn fly(client: &Client, bundle: &Bundle) -> Verdict {
    let Ok(digest) = random_digest() else {
        return verdict::unproved(bundle, "the node has no random numbers");
    };
    let reference = verdict::reference(bundle, &digest);
    let verdict = tokio::select! {
        answer = client.pull(&reference) => match answer {
            Ok(image) => {
                warn!("{} answered a request for a digest that nothing has with {image}", bundle.host());
                if let Err(status) = client.remove_image(&image).await {
                    warn!("{image} could not be removed: {}", status.message());
                }
                verdict::unproved(bundle, "it gave an image that cannot exist")
            }
            Err(status) => {
                debug!("the runtime said {:?}: {}", status.code(), status.message());
                verdict::judge(bundle, &reference, status.message())
            }
        },
        () = begins_to_send(client, &digest) => {
            verdict::unproved(bundle, "it began to send an image that cannot exist")
        }
    };
    // Whatever the verdict: a server that ends with a refusal may have begun with something else. At once, for containerd
    // soon forgets what it has received for a pull that failed, and keeps its bytes until it next cleans up.
    client.discard(&digest).await;
    verdict
}

/// Ends when the runtime receives content under the digest. A runtime that does not tell is one that is waited for.
async fn begins_to_send(client: &Client, digest: &str) {
    loop {
        tokio::time::sleep(LOOK).await;
        if client.is_receiving(digest).await {
            return;
        }
    }
}

fn random_digest() -> std::io::Result<String> {
    let parts = (0..4).map(|_| host::random().map(|part| format!("{part:016x}")));
    let parts: std::io::Result<String> = parts.collect();
    Ok(format!("sha256:{}", parts?))
}
