//! One client that pushes or pulls one large blob.

use super::first_pull::Both;
use crate::client::{Payload, Target};
use crate::content::Blob;
use crate::distribution::blob_path;
use crate::measure::{Sample, measured};
use crate::servers::Server;

/// What of one server and one client is measured over again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client<'a> {
    pub(super) server: &'a Server,
    pub(super) target: &'a Target,
    pub(super) repository: &'a str,
}

impl Client<'_> {
    /// Pushes over a new connection.
    pub(super) async fn push(self, blob: &Blob) -> anyhow::Result<Sample> {
        // What others left to be written is not this one's work.
        rustix::fs::sync();
        let mut connection = self.target.connect().await?;
        let work = connection.push_blob(self.repository, blob.digest(), Payload::blob(blob));
        Ok(measured(self.server, work).await?.0)
    }

    /// Pulls over a new connection.
    pub(super) async fn pull(self, blob: &Blob) -> anyhow::Result<Sample> {
        let path = blob_path(self.repository, blob.digest());
        let mut connection = self.target.connect().await?;
        let work = connection.download(&path, blob.size(), |_| ());
        Ok(measured(self.server, work).await?.0)
    }

    /// Pushes, and pulls what was just pushed.
    pub(super) async fn push_and_pull(self, blob: &Blob) -> anyhow::Result<Both> {
        Ok(Both {
            push: self.push(blob).await?,
            pull: self.pull(blob).await?,
        })
    }
}
