//! The command line: verbs and options, what they need, their exit codes.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use tracing_subscriber::EnvFilter;

use super::app;
use super::audit::sessions;
use super::config::{self, Overrides, Settings};
use super::console::cli::{self as tickets, TicketCommand};
use super::demo;
use super::lint;

const EXIT_CODES: &str = "Exit codes: 0 done; 1 it failed, was refused or is not right, as said; 2 the command line is wrong; 3 the gateway cannot be reached.";

const SERVE_HELP: &str = "\
Environment: LOCKKEEPER_LISTEN, LOCKKEEPER_UPSTREAM, LOCKKEEPER_ADMIN, LOCKKEEPER_DATA_DIR, LOCKKEEPER_MODE, and LOCKKEEPER_<SECTION>__<KEY> for any key of the configuration; the options come before them, the file after. LOCKKEEPER_LOG sets what is logged to standard error (error, warn, info, debug).

Signals: SIGTERM and SIGINT let open sessions end and stop, SIGHUP reads the configuration again (a faulty one changes nothing).

Exit codes: 0 stopped as told; 1 it cannot start or has failed; 2 the command line is wrong.";

/// A PostgreSQL gateway through which a schema change cannot hurt production.
///
/// Point psql, applications and migration tools at it instead of at PostgreSQL. Ordinary traffic passes untouched; risky schema changes run in safe steps; dangerous ones wait for a second person.
#[derive(Debug, Parser)]
#[command(name = "lockkeeper", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the gateway. Works without a configuration file: 127.0.0.1:6433 before 127.0.0.1:5432
    #[command(after_help = SERVE_HELP)]
    Serve(ServeArgs),
    /// Read a configuration, print every mistake with its remedy, or what it means
    #[command(after_help = "Exit codes: 0 it is right; 1 it has mistakes; 2 the command line is wrong.")]
    Check {
        /// The configuration file [default: none; what holds then is printed]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Judge migration files as the gateway would, with and without a server
    #[command(after_help = lint::EXIT_CODES)]
    Lint(lint::Args),
    #[command(flatten)]
    Tickets(TicketCommand),
    /// List recorded sessions, show one, or verify the record
    #[command(
        after_help = "It reads files and needs no running gateway. Exit codes: 0 done; 1 it failed, there is no such session, or the record is not whole; 2 the command line is wrong."
    )]
    Sessions(sessions::Args),
    /// Start a throw-away server with live traffic behind a gateway, to try everything out
    #[command(
        after_help = "Exit codes: 0 ended by Ctrl-C, or with --script: every promise was kept; 1 it failed, or a promise was not kept; 2 the command line is wrong."
    )]
    Demo(demo::Args),
    /// Print what completes verbs and options in a shell
    #[command(
        after_help = "Examples: source <(lockkeeper completions bash); lockkeeper completions fish | source; lockkeeper completions zsh > \"${fpath[1]}/_lockkeeper\""
    )]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the users-file line of a user whose password is read from standard input
    #[command(after_help = "Example: lockkeeper user alice < password.txt >> users.txt")]
    User {
        /// The user's name
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct ServeArgs {
    /// The configuration file; its values are overridden by the options below
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where clients connect: HOST:PORT, or the directory of a Unix socket. May be given several times [default: 127.0.0.1:6433]
    #[arg(long, value_name = "ADDR")]
    listen: Vec<String>,
    /// The server: HOST:PORT, or the directory of its Unix socket [default: 127.0.0.1:5432]
    #[arg(long, value_name = "HOST:PORT")]
    upstream: Option<String>,
    /// Where the command line and the review queue's API connect [default: 127.0.0.1:6434]
    #[arg(long, value_name = "ADDR")]
    admin: Option<String>,
    /// Tickets, tokens and the record [default: ./lockkeeper-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// enforce: rewrite, hold and refuse; observe: judge and record only [default: enforce]
    #[arg(long, value_name = "MODE", value_parser = ["enforce", "observe"], hide_possible_values = true)]
    mode: Option<String>,
}

/// `tickets list` is `tickets`, so that what can be said there can be said here; jobs and changes alike.
fn listed(mut words: Vec<OsString>) -> Vec<OsString> {
    const LISTS: [&str; 4] = ["tickets", "jobs", "changes", "schema-changes"];
    let verb = words.get(1).and_then(|word| word.to_str());
    if verb.is_some_and(|verb| LISTS.contains(&verb)) && words.get(2).is_some_and(|word| word == "list") {
        words.remove(2);
    }
    words
}

/// Runs the command line.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse_from(listed(std::env::args_os().collect()));
    let mut out = Output { stream: io::stdout(), reader_gone: false };
    match cli.verb {
        Verb::Serve(args) => serve(args),
        Verb::Check { config } => config::run_check(config.as_deref(), &mut out),
        Verb::Lint(args) => lint::run(&args, &mut out),
        Verb::Tickets(command) => {
            let ran = tickets::run(&command, command.connection(), &mut out);
            told(&out, ran.map_err(|error| (error.exit_code(), error.printable())))
        }
        Verb::Sessions(args) => {
            let ran = sessions::run(&args, &mut out);
            told(&out, ran.map_err(|error| (1, error.to_string())))
        }
        Verb::Demo(args) => match demo::run(&args, &mut out) {
            // The normal end of a demo that a person looks at.
            Err(demo::DemoError::Interrupted) if !args.script => ExitCode::SUCCESS,
            ended => told(&out, ended.map_err(|error| (1, error.to_string()))),
        },
        Verb::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "lockkeeper", &mut text);
            let written = out.write_all(&text);
            told(&out, written.map_err(|error| (1, error.to_string())))
        }
        Verb::User { name } => {
            let made = user(&name, &mut out);
            told(&out, made.map_err(|what| (1, what)))
        }
    }
}

/// Standard output, and whether its reader has gone (`| head`), which is no failure.
struct Output {
    stream: io::Stdout,
    reader_gone: bool,
}

impl Output {
    fn seen<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        self.reader_gone |= result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        result
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes);
        self.seen(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.stream.flush();
        self.seen(flushed)
    }
}

fn told(out: &Output, result: Result<(), (u8, String)>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if out.reader_gone => ExitCode::SUCCESS,
        Err((code, what)) => {
            complain(&what);
            ExitCode::from(code)
        }
    }
}

fn complain(what: &str) {
    let _ = writeln!(io::stderr(), "lockkeeper: {what}");
}

fn serve(args: ServeArgs) -> ExitCode {
    let mut filter = EnvFilter::try_from_env("LOCKKEEPER_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // It logs the statements it reads, whose secrets belong in no log.
    if let Ok(silent) = "sqlparser=off".parse() {
        filter = filter.add_directive(silent);
    }
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    let ServeArgs { config, listen, upstream, admin, data_dir, mode } = args;
    let overrides = Overrides { listen, upstream, admin, data_dir, mode };
    let load = move || -> Result<Settings, Vec<config::Mistake>> {
        let loaded = config::load(config.as_deref(), &overrides)?;
        for warning in &loaded.warnings {
            tracing::warn!(%warning, "configuration");
        }
        Ok(loaded.settings)
    };
    let settings = match load() {
        Ok(settings) => settings,
        Err(mistakes) => {
            for mistake in &mistakes {
                complain(&mistake.to_string());
            }
            let usage = mistakes.iter().all(|mistake| mistake.file == config::COMMAND_LINE);
            return ExitCode::from(if usage { 2 } else { 1 });
        }
    };
    match app::run(settings, Box::new(load)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn user(name: &str, out: &mut dyn Write) -> Result<(), String> {
    if io::stdin().is_terminal() {
        let _ = write!(io::stderr(), "Password of {name} (it is shown as you type): ");
    }
    let mut password = String::new();
    io::stdin().read_line(&mut password).map_err(|error| format!("the password cannot be read: {error}"))?;
    let password = password.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err("there is no password on standard input".to_owned());
    }
    let line = super::auth::verifier(name, password.as_bytes());
    writeln!(out, "{line}").map_err(|error| error.to_string())
}
