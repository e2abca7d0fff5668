//! The two that serve registry:2's configuration: Roadstead, and Debian's docker-registry, the registry:2 of 2.8.2.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use http::StatusCode;

use super::setting::free_address;
use super::{Process, Server, Setting};
use crate::table::{DOCKER_REGISTRY, ROADSTEAD};

/// In what their configurations differ.
struct Kind {
    name: &'static str,
    /// Sections of its own.
    sections: &'static str,
    /// Keys of its own in `storage` and in `http`.
    storage: &'static str,
    http: &'static str,
    /// Of the password's bcrypt.
    cost: u32,
}

/// What stands in a configuration of registry:2, everything else as it is.
const OURS: Kind = Kind {
    name: ROADSTEAD,
    sections: "",
    storage: "",
    // All connections of the benchmark come from one address.
    http: "limits: {connections: 0, peraddress: 0}, ",
    cost: 12,
};

/// Configured as its image is. The password costs less, for it computes the hash at each request.
const DEBIANS: Kind = Kind {
    name: DOCKER_REGISTRY,
    sections: "log: {fields: {service: registry}}\n",
    storage: "cache: {blobdescriptor: inmemory}, ",
    http: "secret: bench, ",
    cost: 5,
};

impl Server {
    /// Starts Roadstead, which is what `command` does, on this data, and gives the time that it took until it answered.
    pub(crate) async fn roadstead(
        setting: &Setting,
        command: Command,
        data: &Path,
    ) -> anyhow::Result<(Self, Duration)> {
        Self::registry(&OURS, setting, command, data).await
    }

    /// The same with docker-registry.
    pub(crate) async fn docker_registry(
        setting: &Setting,
        command: Command,
        data: &Path,
    ) -> anyhow::Result<(Self, Duration)> {
        Self::registry(&DEBIANS, setting, command, data).await
    }

    async fn registry(
        kind: &Kind,
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
                "version: 0.1\n{}\
                 storage: {{{}filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
                 http: {{addr: '{address}', {}tls: {{certificate: {}, key: {}}}}}\n\
                 auth: {{htpasswd: {{realm: bench, path: {}}}}}\n",
                kind.sections,
                kind.storage,
                data.display(),
                kind.http,
                setting.certificate().display(),
                setting.key().display(),
                setting.htpasswd(kind.cost)?.display(),
            ),
        )?;
        command.arg("serve").arg(&config);
        let started = Instant::now();
        let server = Self {
            name: kind.name,
            process: Process::start(&command, &folder.join("log"))?,
            target: setting.target(address),
            data: data.to_owned(),
        };
        server.answers(started, "/v2/", StatusCode::UNAUTHORIZED).await
    }
}
