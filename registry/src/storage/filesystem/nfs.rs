//! Volumes of NFS that several registries share.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Says it if this machine may not see for up to a minute what another registry wrote to the same volume: by nfs(5)'s
/// default it remembers which names were not there.
pub(super) fn warn_of_stale_names(root: &Path) {
    let (Ok(found), Ok(mounts)) = (fs::metadata(root), fs::read_to_string("/proc/self/mountinfo")) else {
        return;
    };
    let device = format!(
        "{}:{}",
        rustix::fs::major(found.dev()),
        rustix::fs::minor(found.dev())
    );
    if remembers_absent_names(&mounts, &device) {
        tracing::warn!(
            root = %root.display(),
            "this volume is on NFS and mounted without lookupcache=positive: if another registry shares it, what was \
             pushed there may be missing here for up to a minute; add that to the mount's options"
        );
    }
}

/// By the lines of proc_pid_mountinfo(5).
fn remembers_absent_names(mounts: &str, device: &str) -> bool {
    mounts.lines().any(|line| {
        let Some((place, filesystem)) = line.split_once(" - ") else {
            return false;
        };
        let mut filesystem = filesystem.split(' ');
        let (kind, options) = (
            filesystem.next().unwrap_or_default(),
            filesystem.nth(1).unwrap_or_default(),
        );
        place.split(' ').nth(2) == Some(device)
            && matches!(kind, "nfs" | "nfs4")
            && !options
                .split(',')
                .any(|option| option.starts_with("lookupcache="))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_that_remembers_absent_names_is_known() {
        let mounts = "\
            22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
            60 22 0:52 / /a rw,relatime shared:31 - nfs4 server:/a rw,vers=4.2,hard,proto=tcp\n\
            61 22 0:53 / /b rw,relatime - nfs server:/b rw,vers=3,lookupcache=pos,hard\n\
            62 22 0:54 / /c rw,relatime - nfs4 server:/c rw,vers=4.1,lookupcache=none\n";
        let found =
            ["254:1", "0:52", "0:53", "0:54", "0:99"].map(|device| remembers_absent_names(mounts, device));
        assert_eq!(found, [false, true, false, false, false]);
    }
}
