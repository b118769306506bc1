//! Tools whose migrations are programs: how to get their SQL, or, when told to, getting it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::LintError;
use super::input::Input;
use super::script::Script;
use super::tool::Tool;

/// How far above its migrations a project's own file is looked for.
const PROJECT_ABOVE_MAX: usize = 4;

/// A tool that writes no SQL files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elsewhere {
    Alembic,
    Django,
    Rails,
}

/// Whether a directory is a project, or a directory of migrations, of one of them.
pub(super) fn recognise(path: &Path) -> Option<Elsewhere> {
    let has = |name: &str| path.join(name).exists();
    let any = |folder: &Path, matches: &dyn Fn(&str) -> bool| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| matches(&entry.file_name().to_string_lossy()))
    };
    let numbered = |name: &str, ending: &str| name.ends_with(ending) && name.starts_with(|c: char| c.is_ascii_digit());
    let above = |name: &str| path.parent().is_some_and(|above| above.join(name).exists());
    let versions = path.file_name().is_some_and(|name| name == "versions") && above("env.py");
    if has("alembic.ini") || (has("env.py") && has("versions")) || versions {
        return Some(Elsewhere::Alembic);
    }
    let package = has("__init__.py") || path.file_name().is_some_and(|name| name == "migrations");
    if has("manage.py") || (package && any(path, &|name| numbered(name, ".py"))) {
        return Some(Elsewhere::Django);
    }
    let ruby = |folder: &Path| any(folder, &|name| numbered(name, ".rb"));
    if ruby(path) || ruby(&path.join("db/migrate")) || ruby(&path.join("migrate")) {
        return Some(Elsewhere::Rails);
    }
    None
}

impl Elsewhere {
    /// What the tool prints, or what to do to have it.
    pub(super) fn inputs(self, path: &Path, run: bool) -> Result<Vec<Input>, LintError> {
        let shown = path.display();
        let alembic = project(path, "alembic.ini").unwrap_or(path);
        match self {
            Self::Alembic if run => {
                let text = output(alembic, "alembic", &["upgrade", "--sql", "head"])?;
                Ok(vec![input("<alembic upgrade --sql head>".to_owned(), text)])
            }
            Self::Django if run => django(path),
            Self::Alembic => Err(LintError::new(format!(
                "{shown}: Alembic's migrations are Python. Judge the SQL it prints: \
                 cd {} && alembic upgrade --sql head | lockkeeper lint -   (or FROM:TO for some of them), \
                 or let it be run with --run-tool",
                alembic.display()
            ))),
            Self::Django => Err(LintError::new(format!(
                "{shown}: Django's migrations are Python. Judge the SQL it prints: cd {} && \
                 python manage.py sqlmigrate APP NAME | lockkeeper lint -, or let it be run with --run-tool",
                django_project(path).0.display()
            ))),
            Self::Rails => Err(LintError::new(format!(
                "{shown}: Rails' migrations are Ruby, and Rails prints no SQL without running them. Run them on a \
                 test database through the gateway in observe mode, and look at what it says \
                 (lockkeeper sessions); db/structure.sql can be given as --schema for other files"
            ))),
        }
    }
}

fn input(path: String, text: String) -> Input {
    Input { script: Script::new(path, text, Tool::Plain), judged: true }
}

/// The directory that has a tool's file, here or above.
fn project<'a>(path: &'a Path, file: &str) -> Option<&'a Path> {
    let found = path.ancestors().take(PROJECT_ABOVE_MAX).find(|above| above.join(file).exists());
    found.map(|found| if found.as_os_str().is_empty() { Path::new(".") } else { found })
}

/// Where manage.py is, and the app whose migrations are in the directory, if it is one of those.
fn django_project(path: &Path) -> (PathBuf, Option<String>) {
    if path.join("manage.py").exists() {
        return (path.to_owned(), None);
    }
    let absolute = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let project = absolute.ancestors().find(|above| above.join("manage.py").exists());
    let app = absolute.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    project.map_or_else(|| (path.to_owned(), None), |project| (project.to_owned(), app))
}

/// Every migration that is not applied yet, of the project or of the app, in Django's own order.
fn django(path: &Path) -> Result<Vec<Input>, LintError> {
    let (project, of) = django_project(path);
    let path = project.as_path();
    let plan = output(path, "python3", &["manage.py", "showmigrations", "--plan"])?;
    let pending = plan.lines().filter_map(|line| line.trim().strip_prefix("[ ]"));
    let mut inputs = Vec::new();
    for migration in pending {
        let migration = migration.split_whitespace().next().unwrap_or_default();
        let Some((app, name)) = migration.split_once('.') else { continue };
        if of.as_ref().is_some_and(|of| of != app) {
            continue;
        }
        let text = output(path, "python3", &["manage.py", "sqlmigrate", app, name])?;
        inputs.push(input(format!("<manage.py sqlmigrate {app} {name}>"), text));
    }
    Ok(inputs)
}

fn output(path: &Path, program: &str, arguments: &[&str]) -> Result<String, LintError> {
    let command = format!("{program} {}", arguments.join(" "));
    let ran = Command::new(program).args(arguments).current_dir(path).output();
    let ran = ran.map_err(|error| LintError::new(format!("{command} cannot be run in {}: {error}", path.display())))?;
    if !ran.status.success() {
        let said = String::from_utf8_lossy(&ran.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        return Err(LintError::new(format!("{command} failed in {}: {last}", path.display())));
    }
    String::from_utf8(ran.stdout).map_err(|_| LintError::new(format!("{command} printed something that is not UTF-8")))
}
