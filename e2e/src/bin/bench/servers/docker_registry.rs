//! Debian's docker-registry, the registry:2 of 2.8.2, configured as its image is, with a password of cost 5: it
//! computes the hash for each request.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use http::StatusCode;

use super::setting::free_address;
use super::{Process, Server, Setting};
use crate::table::DOCKER_REGISTRY;

impl Server {
    /// Starts it, which is what `command` does, on this data, and gives the time that it took until it answered.
    pub(crate) async fn docker_registry(
        setting: &Setting,
        mut command: Command,
        data: &Path,
    ) -> anyhow::Result<(Self, Duration)> {
        let folder = data.parent().context("data lies in a server's folder")?;
        let address = free_address()?;
        let config = folder.join("config.yml");
        fs::write(
            &config,
            format!(
                "version: 0.1\n\
                 log: {{fields: {{service: registry}}}}\n\
                 storage: {{cache: {{blobdescriptor: inmemory}}, filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
                 http: {{addr: '{address}', secret: bench, tls: {{certificate: {}, key: {}}}}}\n\
                 auth: {{htpasswd: {{realm: bench, path: {}}}}}\n",
                data.display(),
                setting.certificate().display(),
                setting.key().display(),
                setting.htpasswd(5)?.display(),
            ),
        )?;
        command.arg("serve").arg(&config);
        let started = Instant::now();
        let server = Self {
            name: DOCKER_REGISTRY,
            process: Process::start(&command, &folder.join("log"))?,
            target: setting.target(address),
            data: data.to_owned(),
        };
        server.answers(started, "/v2/", StatusCode::UNAUTHORIZED).await
    }
}
