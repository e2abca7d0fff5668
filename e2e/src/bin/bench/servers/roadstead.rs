//! Our server: what stands in a configuration of registry:2, a password of cost 12, everything else as it is.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use http::StatusCode;

use super::setting::free_address;
use super::{Process, Server, Setting};
use crate::table::ROADSTEAD;

impl Server {
    /// Starts it, which is what `command` does, on this data, and gives the time that it took until it answered.
    pub(crate) async fn roadstead(
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
                 storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
                 http: {{addr: '{address}', tls: {{certificate: {}, key: {}}}}}\n\
                 auth: {{htpasswd: {{realm: bench, path: {}}}}}\n",
                data.display(),
                setting.certificate().display(),
                setting.key().display(),
                setting.htpasswd(12)?.display(),
            ),
        )?;
        command.arg("serve").arg(&config);
        let started = Instant::now();
        let server = Self {
            name: ROADSTEAD,
            process: Process::start(&command, &folder.join("log"))?,
            target: setting.target(address),
            data: data.to_owned(),
        };
        server.answers(started, "/v2/", StatusCode::UNAUTHORIZED).await
    }
}
