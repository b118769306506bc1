//! Where a PostgreSQL server may be, on the systems people use.

use std::path::{Path, PathBuf};

use super::DemoError;
use super::directory::Account;
use super::process;

/// What to do when there is none.
pub(super) const REMEDY: &str = "Install one (Debian, Ubuntu: `apt-get install postgresql`; macOS: `brew install postgresql@17`), \
or say where it is with `--postgres DIR`, the directory of `initdb`";

const OLDEST: u32 = 13;

/// A server that can be run.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) bin: PathBuf,
    /// `PostgreSQL 17.5`.
    pub(super) version: String,
}

/// The first server that runs: the one named, else one in the path, else the newest in the usual places.
pub(super) async fn server(named: Option<&Path>, account: Option<&Account>) -> Result<Server, DemoError> {
    let candidates = named.map_or_else(usual_places, |bin| vec![bin.to_owned()]);
    for bin in candidates.into_iter().filter(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file()) {
        let bin = bin.canonicalize().unwrap_or(bin);
        let mut command = process::command(&bin.join("postgres"), account);
        command.arg("--version");
        // One that may not be run by the server's user, or is too old, is not the end: there may be another.
        let Ok(text) = process::output(command, "postgres --version").await else { continue };
        if let Some(major) = major(&text)
            && major >= OLDEST
        {
            let version = text.trim().replace("postgres (PostgreSQL)", "PostgreSQL");
            return Ok(Server { bin, version });
        }
    }
    Err(DemoError::NoServer)
}

fn usual_places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    for (parent, below) in [
        ("/usr/lib/postgresql", "bin"),
        ("/opt/homebrew/opt", "bin"),
        ("/usr/local/opt", "bin"),
        ("/home/linuxbrew/.linuxbrew/opt", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "bin"),
        ("/usr", "bin"),
    ] {
        places.extend(children(Path::new(parent), below));
    }
    if let Ok(here) = std::env::current_dir() {
        for ancestor in here.ancestors() {
            places.extend(children(&ancestor.join(".pg"), "bin"));
        }
    }
    places
}

/// `parent/*/below`, newest version first.
fn children(parent: &Path, below: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_ours = name.starts_with("postgresql")
                || name.starts_with("pgsql-")
                || name.starts_with(|c: char| c.is_ascii_digit());
            is_ours.then(|| (number(&name), entry.path().join(below)))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

/// The first number in a text.
fn number(text: &str) -> u32 {
    let digits: String = text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

/// `postgres (PostgreSQL) 15.18 (Debian …)`.
fn major(version: &str) -> Option<u32> {
    version.contains("PostgreSQL").then(|| number(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-1)"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(major("something else 20"), None);
    }

    #[test]
    fn the_newest_comes_first() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["9.6", "15", "postgresql@17", "pgsql-16", "other-99"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        let found: Vec<_> = children(directory.path(), "bin")
            .iter()
            .map(|path| number(&path.display().to_string().replace(&directory.path().display().to_string(), "")))
            .collect();
        assert_eq!(found, [17, 16, 15, 9]);
    }
}
