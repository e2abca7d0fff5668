//! The password that is made once.

use std::path::{Path, PathBuf};

use roadstead_pki::htpasswd::hash_line;

use super::USER;
use super::files::{self, SECRET};

/// 128 random bits need no slow hash to be safe.
const COST: u32 = 5;

pub(super) struct Password {
    /// Absent: the people who run this have their own users.
    pub(super) file: Option<PathBuf>,
    /// Known only to the start that made it: it is shown once.
    pub(super) fresh: Option<String>,
}

/// Afterwards there is a file of users. A file that is there is never touched: people add their own users to it.
pub(super) fn ensure(folder: &Path) -> anyhow::Result<Password> {
    let (users, file) = (folder.join("private/htpasswd"), folder.join("private/password"));
    if files::read(&users)?.is_some() {
        let file = files::read(&file)?.map(|_| file);
        return Ok(Password { file, fresh: None });
    }
    let password = roadstead_pki::password::generate();
    // The password first: a file of users without it would lock everyone out.
    files::write(&file, &password, SECRET)?;
    files::write(
        &users,
        &format!("{}\n", hash_line(USER, &password, COST)?),
        SECRET,
    )?;
    Ok(Password {
        file: Some(file),
        fresh: Some(password),
    })
}

#[cfg(test)]
mod tests {
    use roadstead_pki::htpasswd::Htpasswd;

    use super::*;

    #[test]
    fn the_password_is_made_once_and_admits_the_user() {
        let folder = tempfile::tempdir().unwrap();
        files::make_folder(&folder.path().join("private"), 0o700).unwrap();
        let password = ensure(folder.path()).unwrap().fresh.unwrap();
        let users = std::fs::read_to_string(folder.path().join("private/htpasswd")).unwrap();
        assert!(Htpasswd::parse(&users).unwrap().verify(USER, &password));
        let again = ensure(folder.path()).unwrap();
        assert!(again.fresh.is_none() && again.file.is_some());
        assert_eq!(
            std::fs::read_to_string(folder.path().join("private/htpasswd")).unwrap(),
            users
        );
    }
}
