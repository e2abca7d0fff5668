//! Which files make containerd trust a host, to the byte. Knows nothing of what is on the disk.
//!
//! The rules are containerd's, of every version from 1.6: root keys stand before tables; 1.6 and 1.7 want at least
//! one `[host]`; `ca` at the root is not inherited by it; `server` is tried after the hosts, so it must be the same
//! address, or a failure would be hidden by one of name resolution.

use std::sync::Arc;

use crate::bundle::{Bundle, Host};
use crate::host::HostPath;

pub const CA: &str = "ca.crt";
pub const HOSTS: &str = "hosts.toml";

/// What one folder of a host shall hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFiles {
    /// The host as this folder spells it.
    pub spelling: Host,
    pub folder: HostPath,
    /// In the order of writing: a `hosts.toml` whose CA is missing fails every pull.
    pub files: [(HostPath, Arc<str>); 2],
}

/// The folders for `bundle` beneath `root`, a certs.d folder of containerd: one for each way to spell its host, for
/// containerd does not know that `host` and `host:443` are the same.
pub fn host_files(installation: &str, root: &HostPath, bundle: &Bundle) -> Vec<HostFiles> {
    let spellings = bundle.host().spellings().into_iter();
    spellings
        .map(|spelling| {
            let folder = root.join(spelling.as_str());
            let ca = folder.join(CA);
            let hosts = hosts_toml(installation, bundle, &ca);
            HostFiles {
                files: [(ca, bundle.ca().clone()), (folder.join(HOSTS), hosts.into())],
                folder,
                spelling,
            }
        })
        .collect()
}

fn hosts_toml(installation: &str, bundle: &Bundle, ca: &HostPath) -> String {
    let host = bundle.host();
    let url = format!("https://{}", bundle.dials());
    format!(
        r#"# Written by Roadstead ({installation}) for {host}.
# Its node agent undoes changes to this file and removes it together with the registry.
server = "{url}"
ca = "{ca}"

[host."{url}"]
  capabilities = ["pull", "resolve"]
  ca = "{ca}"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::tests::{bundle, spec};

    #[test]
    fn containerd_gets_the_address_and_the_ca_as_the_host_sees_it() {
        let root = "/etc/containerd/certs.d".parse().expect("a path");
        let all = host_files(
            "roadstead-system/roadstead",
            &root,
            &bundle("images.registry.svc:5000", "10.96.12.34:5000"),
        );
        let [files] = all.as_slice() else {
            panic!("one folder is enough: {all:?}")
        };
        assert_eq!(
            files.files[0].0.as_str(),
            "/etc/containerd/certs.d/images.registry.svc:5000/ca.crt"
        );
        assert_eq!(
            &*files.files[1].1,
            r#"# Written by Roadstead (roadstead-system/roadstead) for images.registry.svc:5000.
# Its node agent undoes changes to this file and removes it together with the registry.
server = "https://10.96.12.34:5000"
ca = "/etc/containerd/certs.d/images.registry.svc:5000/ca.crt"

[host."https://10.96.12.34:5000"]
  capabilities = ["pull", "resolve"]
  ca = "/etc/containerd/certs.d/images.registry.svc:5000/ca.crt"
"#
        );
    }

    #[test]
    fn without_an_address_the_host_itself_is_dialled_and_443_is_the_same() {
        let root = "/r".parse().expect("a path");
        let bundle = Bundle::try_from(&spec("registry.example.com", None)).expect("a bundle");
        let all = host_files("a/b", &root, &bundle);
        let folders: Vec<&str> = all.iter().map(|files| files.folder.as_str()).collect();
        assert_eq!(
            folders,
            ["/r/registry.example.com", "/r/registry.example.com:443"]
        );
        for files in &all {
            let hosts = &files.files[1].1;
            assert!(
                hosts.contains("[host.\"https://registry.example.com\"]\n"),
                "{hosts}"
            );
            assert!(
                hosts.contains(&format!("ca = \"{}/ca.crt\"", files.folder)),
                "{hosts}"
            );
        }
    }
}
