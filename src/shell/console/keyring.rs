//! Where the command line keeps its user's sign-ins: one file that nobody else can read.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::cli::CliError;
use super::door::replace;
use crate::kernel::review::Instant;

/// The file, below the user's folder for configuration.
const FILE: &str = "lockkeeper/sign-ins.json";

/// A token that a sign-in gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) person: String,
    pub(super) secret: String,
    pub(super) expires: Instant,
}

/// The user's sign-ins, by the address of the gateway.
pub(super) struct Keyring(PathBuf);

/// As the XDG base directories have it.
pub(super) fn usual_place() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))?;
    Some(config.join(FILE))
}

impl Keyring {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The token for a gateway, if the user has signed in there.
    ///
    /// # Errors
    /// The sign-in is over, or the file cannot be used.
    pub(super) fn find(&self, address: &str, now: Instant) -> Result<Option<String>, CliError> {
        let Some(kept) = self.read()?.remove(address) else { return Ok(None) };
        if kept.expires <= now {
            let over = format!("your sign-in at {address} as {} is over", kept.person);
            return Err(CliError::Refused(format!(
                "{over}: `lockkeeper login` begins a new one, `lockkeeper logout` goes on without"
            )));
        }
        Ok(Some(kept.secret))
    }

    pub(super) fn keep(&self, address: &str, kept: Kept) -> Result<(), CliError> {
        let mut all = self.read()?;
        all.insert(address.to_owned(), kept);
        self.write(&all)
    }

    /// Forgets one, and says what it was.
    pub(super) fn forget(&self, address: &str) -> Result<Option<Kept>, CliError> {
        let mut all = self.read()?;
        let kept = all.remove(address);
        if kept.is_some() {
            self.write(&all)?;
        }
        Ok(kept)
    }

    fn read(&self) -> Result<BTreeMap<String, Kept>, CliError> {
        let path = self.0.display();
        let text = match std::fs::read_to_string(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(CliError::Refused(format!("{path} cannot be read: {error}"))),
            Ok(text) => text,
        };
        let mode = std::fs::metadata(&self.0)?.permissions().mode();
        if mode & 0o077 != 0 {
            let what = format!("{path} can be read by others, and so can your sign-ins");
            return Err(CliError::Refused(format!(
                "{what}: chmod 600 it, and sign in again if you are not alone here"
            )));
        }
        serde_json::from_str(&text)
            .map_err(|error| CliError::Refused(format!("{path} is damaged: {error}; remove it and sign in again")))
    }

    fn write(&self, all: &BTreeMap<String, Kept>) -> Result<(), CliError> {
        if let Some(folder) = self.0.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let text = serde_json::to_string(all).map_err(|error| CliError::Answer(error.to_string()))?;
        replace(&self.0, &text).map_err(|error| CliError::Refused(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_reads_it_and_what_is_over_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let keyring = Keyring::new(folder.path().join("a/b.json"));
        assert_eq!(keyring.find("x:1", Instant(0)).expect("reads"), None);
        let kept = Kept { person: "alice".into(), secret: "lk_1".into(), expires: Instant(10) };
        keyring.keep("x:1", kept.clone()).expect("keeps");
        keyring.keep("y:1", kept.clone()).expect("keeps");
        assert_eq!(std::fs::metadata(&keyring.0).expect("is there").permissions().mode() & 0o777, 0o600);
        assert_eq!(keyring.find("x:1", Instant(9)).expect("reads").as_deref(), Some("lk_1"));
        assert!(keyring.find("x:1", Instant(10)).expect_err("over").to_string().contains("lockkeeper login"));
        assert_eq!(keyring.forget("x:1").expect("writes"), Some(kept));
        assert_eq!(keyring.find("x:1", Instant(10)).expect("reads"), None);
        std::fs::set_permissions(&keyring.0, PermissionsExt::from_mode(0o644)).expect("sets");
        assert!(keyring.find("y:1", Instant(0)).expect_err("open").to_string().contains("chmod 600"));
    }
}
