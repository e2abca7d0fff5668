//! A private registry on one machine, from nothing: its own CA, certificate and password, made once and used again.
//!
//! ```text
//! FOLDER/registry/           0700: images
//! FOLDER/trust/ca.crt        what clients trust; public, and alone in its folder, so that podman takes it whole
//! FOLDER/private/            0700: ca.key, server.crt, server.key, htpasswd, password
//! ```

mod certificate;
mod files;
mod instructions;
mod names;
mod password;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use self::instructions::Facts;
use self::password::Password;

/// Who may log in. One name is enough for one machine; more are lines in the file of users.
const USER: &str = "admin";

/// What of it is served, which variables may have changed.
pub(crate) struct Served<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) prefix: &'a str,
    /// Where images are kept.
    pub(crate) data: &'a Path,
    pub(crate) certificate: Option<&'a Path>,
    /// The file of those who may log in.
    pub(crate) users: Option<&'a Path>,
}

/// Everything that such a registry has, ready to be served.
pub(crate) struct Standalone {
    folder: PathBuf,
    names: Vec<String>,
    password: Password,
}

impl Standalone {
    /// Makes what is missing, and leaves what is there.
    pub(crate) fn prepare(folder: Option<PathBuf>) -> anyhow::Result<Self> {
        let folder = folder.map_or_else(default_folder, Ok)?;
        let folder = std::path::absolute(&folder)?;
        files::make_folder(&folder, 0o755)?;
        for (name, mode) in [("registry", 0o700), ("trust", 0o755), ("private", 0o700)] {
            files::make_folder(&folder.join(name), mode)?;
        }
        for file in std::fs::read_dir(folder.join("private"))? {
            files::check_ours(&file?.path())?;
        }
        let names = names::of_this_machine();
        certificate::ensure(&folder, &names)?;
        let password = password::ensure(&folder)?;
        Ok(Standalone {
            folder,
            names,
            password,
        })
    }

    /// The same as a configuration file, so that `REGISTRY_*` variables work here too.
    pub(crate) fn config(&self) -> String {
        config_of(&self.folder)
    }

    /// What a person does next. A new password is shown to a person alone: what is not a
    /// terminal is most likely kept somewhere.
    pub(crate) fn instructions(&self, served: &Served<'_>, to_a_person: bool) -> String {
        let own = |path: &Path, name: &str| path == self.folder.join(name);
        let covered = served.certificate.map(covered_by).unwrap_or_default();
        instructions::write(&Facts {
            folder: &self.folder,
            data: served.data,
            address: served.address,
            prefix: served.prefix,
            names: &self.names,
            covered: &covered,
            own_certificate: served
                .certificate
                .is_some_and(|path| own(path, "private/server.crt")),
            password: served
                .users
                .is_some_and(|path| own(path, "private/htpasswd"))
                .then_some(&self.password),
            to_a_person,
        })
    }

    /// A server that runs for years renews its certificate; the change of the file is seen like any other.
    pub(crate) async fn keep_certificate_fresh(self) {
        loop {
            tokio::time::sleep(Duration::from_secs(12 * 3600)).await;
            if let Err(error) = certificate::ensure(&self.folder, &names::of_this_machine()) {
                tracing::error!(%error, "the certificate could not be renewed");
            }
        }
    }
}

/// The names in a certificate that is served.
fn covered_by(path: &Path) -> Vec<String> {
    let pem = std::fs::read(path).unwrap_or_default();
    let leaf = roadstead_pki::certificate::parse_certificates(&pem)
        .ok()
        .and_then(|chain| chain.into_iter().next());
    leaf.map(|leaf| leaf.names().to_vec()).unwrap_or_default()
}

/// The configuration of a registry that is there already.
pub(crate) fn config(folder: Option<PathBuf>) -> anyhow::Result<String> {
    let folder = folder.map_or_else(default_folder, Ok)?;
    Ok(config_of(&std::path::absolute(&folder)?))
}

fn config_of(folder: &Path) -> String {
    let quoted = |name: &str| serde_json::Value::from(folder.join(name).display().to_string());
    format!(
        "version: 0.1\n\
         storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
         http: {{addr: ':5000', tls: {{certificate: {}, key: {}}}}}\n\
         auth: {{htpasswd: {{realm: Roadstead, path: {}}}}}\n",
        quoted("registry"),
        quoted("private/server.crt"),
        quoted("private/server.key"),
        quoted("private/htpasswd"),
    )
}

/// Where a person's programs keep what must stay.
fn default_folder() -> anyhow::Result<PathBuf> {
    let from = |variable: &str| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    from("XDG_DATA_HOME")
        .or_else(|| Some(from("HOME")?.join(".local/share")))
        .map(|folder| folder.join(Path::new("roadstead")))
        .context("neither XDG_DATA_HOME nor HOME is set; say where to keep the data with --data FOLDER")
}
