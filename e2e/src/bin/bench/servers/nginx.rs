//! nginx with static files: as Debian configures it, TLS 1.3 only, the access log on. It asks for no password.

use std::fs;
use std::time::Instant;

use http::StatusCode;

use super::setting::free_address;
use super::{Process, Server, Setting};
use crate::programs::Program;
use crate::table::NGINX;

impl Server {
    /// Starts it; what is put into its data folder is served under its path there.
    pub(crate) async fn nginx(setting: &Setting, program: &Program) -> anyhow::Result<Self> {
        let folder = setting.make_folder("nginx")?;
        let data = setting.make_folder("nginx/data")?;
        fs::write(data.join("up"), "up\n")?;
        let address = free_address()?;
        let config = folder.join("nginx.conf");
        let here = folder.display();
        // Workers of a master that is root would be "nobody", who cannot read the data.
        let user = if rustix::process::getuid().is_root() {
            "user root;"
        } else {
            ""
        };
        // Without `keepalive_requests`, each connection would be closed after 1,000 requests.
        fs::write(
            &config,
            format!(
                "daemon off; {user} worker_processes auto; worker_rlimit_nofile 20000;\n\
                 pid {here}/pid; error_log {here}/error.log;\n\
                 events {{ worker_connections 16000; }}\n\
                 http {{\n\
                   sendfile on; tcp_nopush on; default_type application/octet-stream;\n\
                   keepalive_requests 1000000000; keepalive_timeout 600s;\n\
                   access_log {here}/access.log combined;\n\
                   client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;\n\
                   uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;\n\
                   server {{\n\
                     listen {address} ssl;\n\
                     ssl_certificate {}; ssl_certificate_key {}; ssl_protocols TLSv1.3;\n\
                     root {};\n\
                   }}\n\
                 }}\n",
                setting.certificate().display(),
                setting.key().display(),
                data.display(),
            ),
        )?;
        let mut command = program.command();
        command
            .arg("-p")
            .arg(&folder)
            .arg("-e")
            .arg(folder.join("error.log"))
            .arg("-c")
            .arg(&config);
        let started = Instant::now();
        let server = Self {
            name: NGINX,
            process: Process::start(&command, &folder.join("log"))?,
            target: setting.target(address),
            data,
        };
        Ok(server.answers(started, "/up", StatusCode::OK).await?.0)
    }
}
