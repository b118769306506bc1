//! Which files git has as new or changed since a commit: only these are judged.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::LintError;

/// Absolute paths of the files that differ from a commit, and of those git does not know.
pub(super) fn changed(paths: &[PathBuf], reference: &str) -> Result<BTreeSet<PathBuf>, LintError> {
    if reference.starts_with('-') {
        return Err(LintError::new(format!("{reference} is no commit")));
    }
    let mut changed = BTreeSet::new();
    for path in paths {
        let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(Path::new(".")) };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let top = git(folder, &["rev-parse", "--show-toplevel"])?;
        let top = Path::new(top.trim_end_matches(['\n', '\r']));
        let differ = git(folder, &["diff", "--name-only", "-z", "--diff-filter=d", reference, "--"])?;
        let unknown = git(top, &["ls-files", "--others", "--exclude-standard", "-z"])?;
        for name in differ.split('\0').chain(unknown.split('\0')).filter(|name| !name.is_empty()) {
            let path = top.join(name);
            changed.insert(std::fs::canonicalize(&path).unwrap_or(path));
        }
    }
    Ok(changed)
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String, LintError> {
    let told = |what: &str| LintError::new(format!("git {} in {}: {what}", arguments.join(" "), folder.display()));
    let ran = Command::new("git").args(arguments).current_dir(folder).output();
    let ran = ran.map_err(|error| told(&error.to_string()))?;
    if !ran.status.success() {
        return Err(told(String::from_utf8_lossy(&ran.stderr).trim()));
    }
    String::from_utf8(ran.stdout).map_err(|_| told("a file's name is not UTF-8"))
}
