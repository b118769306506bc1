//! Which files git has as new or changed since a commit: only these are judged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::LintError;
use super::input::BYTE_ORDER_MARK;
use super::script::Script;
use super::tool::Tool;

/// Files that differ from a commit, by their absolute paths: what they were then, nothing if they are new.
pub(super) type Changed = BTreeMap<PathBuf, Option<Old>>;

/// A file as of the commit.
#[derive(Debug)]
pub(super) struct Old {
    top: PathBuf,
    /// Its number in git.
    blob: String,
}

/// Files that differ from a commit, and those git does not know.
pub(super) fn changed(paths: &[PathBuf], reference: &str) -> Result<Changed, LintError> {
    if reference.starts_with('-') {
        return Err(LintError::new(format!("{reference} is no commit")));
    }
    let mut changed = Changed::new();
    for path in paths {
        let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(Path::new(".")) };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let top = git(folder, &["rev-parse", "--show-toplevel"])?;
        let top = Path::new(top.trim_end_matches(['\n', '\r']));
        let differ = git(folder, &["diff", "--raw", "--no-abbrev", "-M", "-z", "--diff-filter=d", reference, "--"])?;
        let unknown = git(top, &["ls-files", "--others", "--exclude-standard", "-z"])?;
        let mut put = |name: &str, old: Option<Old>| {
            let path = top.join(name);
            changed.insert(std::fs::canonicalize(&path).unwrap_or(path), old);
        };
        unknown.split('\0').filter(|name| !name.is_empty()).for_each(|name| put(name, None));
        let mut fields = differ.split('\0');
        // `:100644 100644 <old> <new> M`, then the file's name; of one that is renamed, the old name before it.
        while let Some((of, name)) = fields.next().zip(fields.next()) {
            let mut words = of.split(' ').skip(2);
            let (blob, how) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default());
            let name = if how.starts_with('R') { fields.next().unwrap_or_default() } else { name };
            let old = Old { top: top.to_owned(), blob: blob.to_owned() };
            put(name, (!how.starts_with('A')).then_some(old));
        }
    }
    Ok(changed)
}

impl Old {
    /// The script it was, as its tool would have taken it.
    pub(super) fn script(&self, path: &Path, tool: Tool) -> Result<Script, LintError> {
        let bytes = ran(&self.top, &["cat-file", "blob", &self.blob])?;
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
        Ok(Script::new(path.display().to_string(), String::from_utf8_lossy(bytes).into_owned(), tool))
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String, LintError> {
    let wrong =
        |_| LintError::new(format!("git {} in {}: a file's name is not UTF-8", arguments.join(" "), folder.display()));
    String::from_utf8(ran(folder, arguments)?).map_err(wrong)
}

fn ran(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, LintError> {
    let told = |what: &str| LintError::new(format!("git {} in {}: {what}", arguments.join(" "), folder.display()));
    let ran = Command::new("git").args(arguments).current_dir(folder).output();
    let ran = ran.map_err(|error| told(&error.to_string()))?;
    if !ran.status.success() {
        return Err(told(String::from_utf8_lossy(&ran.stderr).trim()));
    }
    Ok(ran.stdout)
}
