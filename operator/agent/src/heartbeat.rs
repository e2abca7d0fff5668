//! Shows to the kubelet's exec probe that the loop turns: a file that is touched, and a look at its age.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How often the loop shows a sign of life.
pub const BEAT: Duration = Duration::from_secs(10);
/// The age at which it counts as stuck.
const STUCK: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum Dead {
    #[error("no heartbeat at {0}: {1}")]
    None(String, #[source] io::Error),
    #[error("the last heartbeat is {0} s old")]
    Old(u64),
}

pub fn beat(file: &Path) -> io::Result<()> {
    std::fs::write(file, [])
}

pub fn check(file: &Path) -> Result<(), Dead> {
    let touched = std::fs::metadata(file).and_then(|metadata| metadata.modified());
    let touched = touched.map_err(|error| Dead::None(file.display().to_string(), error))?;
    match SystemTime::now().duration_since(touched) {
        Ok(age) if age > STUCK => Err(Dead::Old(age.as_secs())),
        // A clock that was set back is not a stuck loop.
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_beat_is_alive_an_old_one_and_none_are_dead() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("heartbeat");
        assert!(matches!(check(&file), Err(Dead::None(..))));
        beat(&file).expect("a beat");
        assert!(check(&file).is_ok());
        let old = std::fs::File::options()
            .write(true)
            .open(&file)
            .expect("the file");
        old.set_modified(SystemTime::now() - Duration::from_secs(90))
            .expect("an old time");
        assert!(matches!(check(&file), Err(Dead::Old(90))));
    }
}
