//! The temporary directory of a demo, and whom the database server runs as.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;

use super::DemoError;

/// Removed when dropped.
pub(super) struct Directory {
    path: PathBuf,
    keep: bool,
}

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Directory {
    pub(super) fn new(keep: bool) -> Result<Self, DemoError> {
        let path = std::env::temp_dir().join(format!("lockkeeper-demo-{}", random_word()?));
        // Others may pass through (the server's user has to), not look.
        let made = fs::DirBuilder::new().mode(0o711).create(&path);
        made.map_err(DemoError::io(format!("{} cannot be created", path.display())))?;
        Ok(Self { path, keep })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A directory in it that belongs to this user alone.
    pub(super) fn create(&self, name: &str, owner: Option<&Account>) -> Result<PathBuf, DemoError> {
        let path = self.path.join(name);
        let failed = || DemoError::io(format!("{} cannot be created", path.display()));
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(failed())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(failed())?;
        if let Some(owner) = owner {
            chown(&path, Some(owner.uid), Some(owner.gid)).map_err(failed())?;
        }
        Ok(path)
    }

    /// PostgreSQL refuses to run as root: then somebody else has to run it.
    pub(super) fn account(&self) -> Result<Option<Account>, DemoError> {
        let owner = fs::metadata(&self.path).map_err(DemoError::io("the temporary directory is gone"))?;
        if owner.uid() != 0 {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").map_err(DemoError::io("/etc/passwd cannot be read"))?;
        let found = ["postgres", "_postgres", "nobody"].iter().find_map(|name| account(&users, name));
        let none =
            || DemoError::Child("PostgreSQL refuses to run as root, and there is no user postgres or nobody".into());
        found.ok_or_else(none).map(Some)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        // A process that was killed may still be writing its last file.
        for _ in 0..20 {
            if fs::remove_dir_all(&self.path).is_ok() || !self.path.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        tracing::warn!(path = %self.path.display(), "the demo's files cannot be removed");
    }
}

fn account(users: &str, name: &str) -> Option<Account> {
    let fields: Vec<&str> =
        users.lines().map(|line| line.split(':').collect()).find(|f: &Vec<&str>| f.first() == Some(&name))?;
    Some(Account { name: name.to_owned(), uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? })
}

/// Twelve characters nobody can guess: the name of the directory, and passwords.
pub(super) fn random_word() -> Result<String, DemoError> {
    let mut bytes = [0_u8; 6];
    getrandom::fill(&mut bytes).map_err(|error| DemoError::Child(format!("no randomness: {error}")))?;
    Ok(HEXLOWER.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found() {
        let users =
            "root:x:0:0:root:/root:/bin/bash\n# a comment\nbroken\npostgres:x:106:114::/var/lib/postgresql:/bin/bash\n";
        assert_eq!(account(users, "postgres"), Some(Account { name: "postgres".into(), uid: 106, gid: 114 }));
        assert_eq!(account(users, "broken"), None);
        assert_eq!(account(users, "nobody"), None);
    }

    #[test]
    fn nothing_is_left() {
        let directory = Directory::new(false).unwrap();
        let path = directory.path().to_owned();
        fs::write(directory.create("x", None).unwrap().join("y"), "z").unwrap();
        drop(directory);
        assert!(!path.exists());
    }
}
