//! The floor program: see [`crate::floor`].

use std::process::Command;
use std::time::Instant;

use http::StatusCode;

use super::setting::free_address;
use super::{Process, Server, Setting};
use crate::table::FLOOR;

impl Server {
    /// Starts it, as another process of this same program.
    pub(crate) async fn floor(setting: &Setting) -> anyhow::Result<Self> {
        let folder = setting.make_folder("floor")?;
        let data = setting.make_folder("floor/data")?;
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("floor")
            .args(["--listen", &address.to_string()])
            .arg("--certificate")
            .arg(setting.certificate())
            .arg("--key")
            .arg(setting.key())
            .arg("--folder")
            .arg(&data);
        let started = Instant::now();
        let server = Self {
            name: FLOOR,
            process: Process::start(&command, &folder.join("log"))?,
            target: setting.target(address),
            data,
        };
        Ok(server.answers(started, "/", StatusCode::OK).await?.0)
    }
}
