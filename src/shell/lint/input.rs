//! Files and directories of the command line become scripts, in the order their tools run them.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::LintError;
use super::elsewhere;
use super::script::Script;
use super::since::Changed;
use super::tool::{self, Tool};
use crate::kernel::sql::bounds;

/// What is read from standard input.
pub(super) const STANDARD_INPUT: &str = "-";
/// What some editors leave at the beginning; psql skips it too.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Files of one directory tree at most.
const FILES_MAX: usize = 100_000;
/// How deep a directory tree is looked through.
const DEPTH_MAX: usize = 8;
/// How far above its files Flyway's configuration is looked for: `src/main/resources/db/migration` is in its project.
const FLYWAY_ABOVE_MAX: usize = 8;
/// Where projects keep their migrations.
const USUAL: [&str; 6] =
    ["prisma/migrations", "src/main/resources/db/migration", "db/migrations", "db/migration", "migrations", "sql"];

/// A script, and whether it is judged or only tells what stands there.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) script: Script,
    pub(super) judged: bool,
}

/// How the arguments are to be taken.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    /// Said on the command line, instead of what the files look like.
    pub(super) tool: Option<Tool>,
    pub(super) run_tool: bool,
    /// Files that are judged; the others came before. Absent: all are.
    pub(super) only: Option<&'a Changed>,
}

/// Reads everything that was named.
pub(super) fn read_all(paths: &[PathBuf], taken: &Taken<'_>) -> Result<Vec<Input>, LintError> {
    let mut inputs = Vec::new();
    for path in paths {
        if path.as_os_str() == STANDARD_INPUT {
            let text = standard_input()?;
            let tool = taken.tool.unwrap_or_else(|| tool::of_file("", &text, false));
            inputs.push(Input { script: Script::new("<standard input>".to_owned(), text, tool), judged: true });
        } else if path.is_dir() {
            inputs.extend(directory(path, taken)?);
        } else {
            inputs.extend(file(path, taken)?);
        }
    }
    Ok(inputs)
}

fn standard_input() -> Result<String, LintError> {
    let mut bytes = Vec::new();
    let most = bounds::TEXT_BYTES_MAX as u64;
    let read = std::io::stdin().take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| LintError::new(format!("standard input cannot be read: {error}")))?;
    text_of("standard input", bytes)
}

/// A file's text, within the bound on statements.
pub(super) fn text(path: &Path) -> Result<String, LintError> {
    let shown = path.display();
    let cannot = |error: std::io::Error| {
        LintError::new(format!("{shown} cannot be read: {error}; give a file, a directory, or - for standard input"))
    };
    let opened = fs::File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    opened.take(bounds::TEXT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    text_of(&shown.to_string(), bytes)
}

fn text_of(name: &str, bytes: Vec<u8>) -> Result<String, LintError> {
    if bytes.len() > bounds::TEXT_BYTES_MAX {
        let most = bounds::TEXT_BYTES_MAX;
        return Err(LintError::new(format!("{name} has more than the {most} bytes that are read: split it")));
    }
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).map(<[u8]>::to_vec).unwrap_or(bytes);
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..at).unwrap_or_default();
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        let column = 1 + before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default().len();
        LintError::new(format!("{name}:{line}:{column}: this is not UTF-8; convert the file, for example with iconv"))
    })
}

fn file(path: &Path, taken: &Taken<'_>) -> Result<Vec<Input>, LintError> {
    let text = text(path)?;
    let tool = match taken.tool {
        Some(tool) => tool,
        None => tool::of_file(&name_of(path), &text, in_rust_project(path)),
    };
    scripts(path, text, tool, taken)
}

/// A file, and before it what it was at the commit since when files are judged: what it made then is not new. One that
/// says what it said then is not judged.
fn scripts(path: &Path, text: String, tool: Tool, taken: &Taken<'_>) -> Result<Vec<Input>, LintError> {
    let now = script(path, text, tool);
    let Some(only) = taken.only else { return Ok(vec![Input { script: now, judged: true }]) };
    let old = match only.get(&absolute(path)) {
        None => return Ok(vec![Input { script: now, judged: false }]),
        Some(None) => return Ok(vec![Input { script: now, judged: true }]),
        Some(Some(old)) => old.script(path, now.tool)?,
    };
    let judged = !old.says_the_same(&now);
    Ok(vec![Input { script: old, judged: false }, Input { script: now, judged }])
}

fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn script(path: &Path, text: String, tool: Tool) -> Script {
    let tool = match tool {
        Tool::Flyway if flyway_alone(path) => Tool::FlywayAlone,
        Tool::Flyway if flyway_mixed(path) => Tool::FlywayMixed,
        tool => tool,
    };
    Script::new(path.display().to_string(), text, tool)
}

/// `V1__x.sql.conf` with `executeInTransaction=false`.
fn flyway_alone(path: &Path) -> bool {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".conf");
    says(Path::new(&beside), "executeInTransaction=false")
}

/// `flyway.conf` or `flyway.toml` of the project with `mixed=true`.
fn flyway_mixed(path: &Path) -> bool {
    let absolute = absolute(path);
    let mut above = absolute.ancestors().skip(1).take(FLYWAY_ABOVE_MAX);
    above.any(|above| {
        says(&above.join("flyway.conf"), "flyway.mixed=true")
            || says(&above.join("conf/flyway.conf"), "flyway.mixed=true")
            || says(&above.join("flyway.toml"), "mixed=true")
    })
}

/// Whether a file is there and has this line, spaces aside.
fn says(path: &Path, setting: &str) -> bool {
    text(path).is_ok_and(|conf| conf.lines().any(|line| line.replace(' ', "").eq_ignore_ascii_case(setting)))
}

fn is_judged(path: &Path, taken: &Taken<'_>) -> bool {
    taken.only.is_none_or(|only| only.contains_key(&absolute(path)))
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Whether migrations here would be sqlx's: a Cargo.toml beside their directory or above it.
fn in_rust_project(path: &Path) -> bool {
    absolute(path).ancestors().skip(1).take(4).any(|above| above.join("Cargo.toml").is_file())
}

fn directory(path: &Path, taken: &Taken<'_>) -> Result<Vec<Input>, LintError> {
    if let Some(tool) = elsewhere::recognise(path) {
        return tool.inputs(path, taken.run_tool);
    }
    let mut files = Vec::new();
    collect(path, "", &mut files)?;
    let names: Vec<String> = files.iter().filter(|name| tool::is_sql(name)).cloned().collect();
    if names.is_empty() || !names.iter().any(|name| !name.contains('/') || name.ends_with("/migration.sql")) {
        if let Some(usual) = USUAL.iter().map(|usual| path.join(usual)).find(|usual| usual.is_dir()) {
            return directory(&usual, taken);
        }
        if names.is_empty() {
            return Err(LintError::new(format!("{} has no .sql file", path.display())));
        }
    }
    let rust = in_rust_project(&path.join("x"));
    let mut texts = Vec::with_capacity(names.len());
    for name in names {
        let text = text(&path.join(&name))?;
        let base = name.rsplit('/').next().unwrap_or(&name).to_owned();
        let of = tool::of_file(&base, &text, rust);
        texts.push((name, text, of));
    }
    let tool = match taken.tool {
        Some(tool) => tool,
        None => of_all(texts.iter().map(|(_, _, tool)| *tool)),
    };
    texts.retain(|(name, _, _)| tool::outside(tool, name).is_none());
    let within = |name: &&String| tool::outside(tool, name).is_none();
    let programs =
        files.iter().filter(within).filter(|name| tool::is_program(tool, &name_of(Path::new(name)))).cloned();
    let order = tool::in_order(tool, texts.iter().map(|(name, _, _)| name.clone()).chain(programs).collect());
    let mut inputs = Vec::with_capacity(order.len());
    for name in order {
        let path = path.join(&name);
        files.retain(|other| *other != name);
        match texts.iter().position(|(found, _, _)| *found == name) {
            Some(at) => inputs.extend(scripts(&path, texts.swap_remove(at).1, tool, taken)?),
            None => inputs.extend(left_out(&path, tool, taken)),
        }
    }
    for name in &files {
        let path = path.join(name);
        match tool::outside(tool, name) {
            Some(why) if tool::is_sql(name) => inputs.push(unjudged(&path, tool, (why, false), taken)),
            Some(_) => {}
            None => inputs.extend(left_out(&path, tool, taken)),
        }
    }
    Ok(inputs)
}

/// A file that its tool's rules leave out, or a program.
fn left_out(path: &Path, tool: Tool, taken: &Taken<'_>) -> Option<Input> {
    let name = name_of(path);
    let why = tool::left_out(tool, &name)?;
    Some(unjudged(path, tool, (why, tool::is_program(tool, &name)), taken))
}

/// A file of which only can be said why it is not judged, and whether it is run.
fn unjudged(path: &Path, tool: Tool, (why, runs): (&str, bool), taken: &Taken<'_>) -> Input {
    let script = Script::left_out(path.display().to_string(), tool, why, runs);
    Input { judged: is_judged(path, taken), script }
}

/// The tool that says most about its files; plain ones may lie among them.
fn of_all(tools: impl Iterator<Item = Tool>) -> Tool {
    let mut counts: Vec<(Tool, usize)> = Vec::new();
    for tool in tools.filter(|tool| *tool != Tool::Plain) {
        match counts.iter_mut().find(|(of, _)| *of == tool) {
            Some((_, count)) => *count += 1,
            None => counts.push((tool, 1)),
        }
    }
    // One sqlx file that leaves its transaction says what the others are.
    let sqlx = counts.iter().find(|(tool, _)| *tool == Tool::Sqlx);
    let most = counts.iter().max_by_key(|(_, count)| *count);
    sqlx.or(most).map_or(Tool::Plain, |(tool, _)| *tool)
}

/// Names of files below a directory, with `/` between their parts.
fn collect(root: &Path, below: &str, names: &mut Vec<String>) -> Result<(), LintError> {
    let here = root.join(below);
    let cannot = |error: std::io::Error| LintError::new(format!("{} cannot be read: {error}", here.display()));
    for entry in fs::read_dir(&here).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let relative = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let kind = entry.file_type().map_err(cannot)?;
        if kind.is_dir() && !name.starts_with('.') && relative.matches('/').count() < DEPTH_MAX {
            collect(root, &relative, names)?;
        } else if !kind.is_dir() {
            names.push(relative);
        }
        if names.len() > FILES_MAX {
            return Err(LintError::new(format!("{} has more than {FILES_MAX} files", root.display())));
        }
    }
    Ok(())
}
