//! `lockkeeper lint`: migration files judged by the rules and the policy of the gateway, before they run.
//!
//! Nothing is executed. Facts are those of a server that is only read, or assumed; what the statements of
//! the run make is kept in a forecast, so that a table that is made two lines above is not taken for a large
//! one in use. Files are only text here: what their statements do is the kernel's to say.

mod args;
mod directive;
mod elsewhere;
mod github;
mod input;
mod judge;
mod live;
mod of;
mod report;
mod sarif;
mod scan;
mod script;
mod since;
mod source;
mod text;
mod tool;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

pub use args::{Args, EXIT_CODES};

use self::args::Format;
use self::input::{Input, Taken};
use self::judge::Judge;
use self::live::Login;
use self::report::{FileReport, Origin, Report, Summary};
use self::source::Source;
use crate::kernel::facts::NameKind;
use crate::kernel::forecast::{Assumed, Forecast};
use crate::kernel::policy::{Policy, Who};
use crate::kernel::sql::write::quote_ident;
use crate::shell::config::{self, Overrides, Settings, Target};

/// Why nothing can be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(crate) struct LintError {
    what: String,
}

impl LintError {
    fn new(what: String) -> Self {
        Self { what }
    }
}

/// Where names without a schema are found, without a server to say so.
const USUAL_PATH: &str = "\"$user\", public";

/// Patterns for new names.
type Naming = BTreeMap<NameKind, String>;

/// The verb. Findings go to `out`, what prevents judging to standard error.
pub fn run(args: &Args, out: &mut dyn Write) -> ExitCode {
    let report = match report(args) {
        Ok(report) => report,
        Err(error) => {
            let _ = writeln!(io::stderr(), "lockkeeper: {error}");
            return ExitCode::from(2);
        }
    };
    let printed = match args.format {
        Format::Text => text::print(&report, &style(args), out),
        Format::Json => json(&report, out),
        Format::Sarif => sarif::print(&report, out),
        Format::Github => github::print(&report, out),
    };
    if let Err(error) = printed
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = writeln!(io::stderr(), "lockkeeper: the report cannot be written: {error}");
        return ExitCode::from(2);
    }
    ExitCode::from(u8::from(report.failed))
}

fn style(args: &Args) -> text::Style {
    text::Style { colours: args.colour.wanted(io::stdout().is_terminal()), all: args.all }
}

fn json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

/// Reads, judges, sums up.
fn report(args: &Args) -> Result<Report, LintError> {
    let settings = settings(args.config.as_deref())?;
    let target = target(&settings, args.target.as_deref())?;
    let policy = policy(&settings, &target, args.policy.as_deref())?;
    let inputs = inputs(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| LintError::new(format!("there is no runtime to be had: {error}")))?;
    runtime.block_on(judged(args, (&target, &policy, &settings.naming), inputs))
}

async fn judged(args: &Args, by: (&Target, &Policy, &Naming), inputs: Inputs) -> Result<Report, LintError> {
    let (target, policy, naming) = by;
    let login = login(args, target)?;
    let role = args.role.clone().or_else(|| login.as_ref().and_then(Login::user).map(str::to_owned));
    let role = role.unwrap_or_default();
    let source = match login {
        Some(login) => Source::Server(Box::new(login.open().await?)),
        None => Source::Assumed,
    };
    let live = source.is_server();
    let (server_version, search_path, schemas) = match &source {
        Source::Server(session) => (session.version, session.set_path.clone(), session.schemas.clone()),
        Source::Assumed => (args.server_version.saturating_mul(10_000), USUAL_PATH.to_owned(), BTreeSet::new()),
    };
    let search_path = args.schema_name.as_deref().map_or(search_path, quote_ident);
    let assumed = Assumed { server_version, rows: args.assume_rows, role: role.clone(), search_path, schemas };
    let observe = policy.observe || target.observe;
    let who = Who { target: target.name.clone(), role, application: args.application.clone() };
    let enforced = Policy { observe: false, ..policy.clone() };
    let mut judge = Judge::new(enforced, who.clone(), source, Forecast::new(assumed.clone(), live));
    judge.follows_ignores = !args.no_ignore;
    judge.naming.clone_from(naming);
    judge.run = inputs.judged.iter().flat_map(|input| input.script.changes()).collect();
    judge.server_version = assumed.server_version;
    // On a server these have run.
    if !live {
        inputs.before.iter().for_each(|input| judge.remember(&input.script));
        judge.forecast.age();
    }
    let mut files: Vec<FileReport> = Vec::new();
    for input in &inputs.judged {
        files.push(judge.file(&input.script).await?);
    }
    let summary = Summary::of(&files);
    let worst = files.iter().flat_map(|file| &file.statements).map(report::Judged::severity).max();
    let facts = origin(args, live, judge.server_version);
    Ok(Report {
        format: 1,
        policy: policy.name.clone(),
        target: who.target,
        role: who.role,
        application: who.application,
        observe,
        facts,
        fail_on: args.fail_on,
        failed: worst.is_some_and(|worst| worst >= args.fail_on),
        summary,
        files,
    })
}

fn origin(args: &Args, live: bool, server_version: u32) -> Origin {
    let mut words = Vec::new();
    if live {
        words.push(
            "sizes, columns and constraints are those of the server, as far as no statement of the run changes them"
                .to_owned(),
        );
        words.push("search_path and TimeZone are those of the login, as long as the run does not set them".to_owned());
    } else {
        let rows = args.assume_rows;
        words.push(format!("PostgreSQL {} (--server-version)", args.server_version));
        words.push(format!("a table that no statement of the run makes is there, has {rows} rows (--assume-rows), no default partition, and the columns that the statements need"));
        words.push("a type or domain that no statement of the run makes has no constraint; a function that is not PostgreSQL's own is volatile".to_owned());
    }
    Origin {
        source: if live { "server" } else { "assumed" },
        words,
        server_version,
        assumed_rows: (!live).then_some(args.assume_rows),
    }
}

fn settings(file: Option<&Path>) -> Result<Settings, LintError> {
    let Some(file) = file else { return Ok(Settings::default()) };
    let loaded = config::load(Some(file), &Overrides::default());
    let loaded = loaded.map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        LintError::new(lines.join("\nlockkeeper: "))
    })?;
    Ok(loaded.settings)
}

/// The one that is named, or the first.
fn target(settings: &Settings, name: Option<&str>) -> Result<Arc<Target>, LintError> {
    let found = match name {
        None => settings.targets.first(),
        Some(name) => settings.targets.iter().find(|target| target.name == name),
    };
    found.cloned().ok_or_else(|| {
        let names: Vec<&str> = settings.targets.iter().map(|target| target.name.as_str()).collect();
        LintError::new(format!(
            "there is no target {}; the configuration has {}",
            name.unwrap_or_default(),
            names.join(", ")
        ))
    })
}

fn policy(settings: &Settings, target: &Target, name: Option<&str>) -> Result<Arc<Policy>, LintError> {
    let name = name.unwrap_or(&target.policy);
    settings.policies.get(name).cloned().ok_or_else(|| {
        let names: Vec<&str> = settings.policies.keys().map(String::as_str).collect();
        LintError::new(format!("there is no policy {name}; there are {}", names.join(", ")))
    })
}

fn login(args: &Args, target: &Target) -> Result<Option<Login>, LintError> {
    let login = match &args.database_url {
        Some(url) => Login::from_url(url)?,
        None if args.live => Login::to_target(target, args.user.as_deref(), args.database.as_deref())?,
        None => return Ok(None),
    };
    let Some(file) = &args.password_file else { return Ok(Some(login)) };
    let password = input::text(file)?;
    Ok(Some(login.with_password(password.trim_end_matches(['\r', '\n']).as_bytes())))
}

/// What is judged, and what came before it.
struct Inputs {
    before: Vec<Input>,
    judged: Vec<Input>,
}

fn inputs(args: &Args) -> Result<Inputs, LintError> {
    let only = match &args.since {
        Some(reference) => Some(since::changed(&args.paths, reference)?),
        None => None,
    };
    let whole = Taken { tool: None, run_tool: false, only: None };
    let mut before = input::read_all(&args.schema, &whole)?;
    let taken = Taken { tool: args.tool, run_tool: args.run_tool, only: only.as_ref() };
    let mut judged = Vec::new();
    for input in input::read_all(&args.paths, &taken)? {
        if input.judged { judged.push(input) } else { before.push(input) }
    }
    Ok(Inputs { before, judged })
}
