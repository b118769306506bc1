//! The verbs of jobs on the command line.

use std::io::Write;

use super::super::api::JobBody;
use super::super::client::Client;
use super::super::render::{jobs as render, traffic};
use super::super::text::encoded;
use super::super::view::{ChangeFull, JobFull, JobPage};
use super::{CliError, Connection, EXIT_CODES, Who, person, print_json, watch};
use crate::kernel::job::StateName;
use crate::kernel::plan::throttle::Signal;
use crate::shell::clock::now;

#[derive(Clone, Debug, clap::Args)]
pub struct JobsArgs {
    #[command(subcommand)]
    pub command: Option<JobsCommand>,
    /// Only these states, with commas: queued, running, paused, waiting, stopping, done, failed, aborted, undone
    #[arg(long, value_name = "STATES", value_delimiter = ',', value_parser = parse_state)]
    pub state: Vec<StateName>,
    /// Only those that work on the table of this name, with or without its schema
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// At most this many, newest first
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub limit: u32,
    /// Only smaller numbers, as an earlier page says
    #[arg(long, value_name = "N")]
    pub before: Option<i64>,
    /// As JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// In whose name [default: a reviewer token's name, else the operating system's user]
    #[arg(long = "as", value_name = "NAME", env = "LOCKKEEPER_USER", global = true)]
    pub name: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub enum JobsCommand {
    /// List jobs: the same as no command
    List,
    /// Show one job: where it stands, its steps, its runs, its history
    #[command(after_help = EXIT_CODES)]
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Let a job begin no further step or batch until it is resumed
    #[command(after_help = EXIT_CODES)]
    Pause {
        #[command(flatten)]
        which: Which,
    },
    /// Let a paused job go on, or try a failed one again
    #[command(after_help = EXIT_CODES)]
    Resume {
        #[command(flatten)]
        which: Which,
    },
    /// End a job, and take back what it has done
    #[command(after_help = EXIT_CODES)]
    Abort {
        #[command(flatten)]
        which: Which,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Change how fast the backfills of a job go, from their next batch on
    #[command(after_help = EXIT_CODES)]
    Rate {
        #[command(flatten)]
        which: Which,
        /// Time a batch should take: as long as a writer of its rows may have to wait
        #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        batch_ms: Option<u32>,
        /// Pause after each batch, in percent of the time it took
        #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=10_000))]
        pause_percent: Option<u32>,
        /// A limit of the throttle, 0 for none: replica_lag_ms=5000. The signals are those of [targets.throttle]
        #[arg(long = "limit", value_name = "SIGNAL=NUMBER", value_parser = parse_limit)]
        limits: Vec<(Signal, u64)>,
    },
    /// Take back what a job has done, in a job of its own
    #[command(after_help = EXIT_CODES)]
    Undo {
        #[command(flatten)]
        which: Which,
        /// Also if data is lost by it
        #[arg(long)]
        yes: bool,
    },
    /// Follow a job until it is over: on a terminal with a bar
    #[command(
        after_help = "Exit codes: 0 the job is done; 1 it ended otherwise, or the call failed; 2 the command line is wrong; 3 the gateway cannot be reached."
    )]
    Watch {
        #[command(flatten)]
        which: Which,
    },
}

/// Which job.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Which {
    /// Number of the job
    #[arg(value_name = "N", value_parser = parse_id)]
    pub id: i64,
}

pub(super) fn jobs(client: &Client, args: &JobsArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let body = |reason: Option<String>| -> Result<JobBody, CliError> {
        Ok(JobBody { by: Some(person(client, args.name.clone())?), reason, ..JobBody::default() })
    };
    let (id, verb, body) = match &args.command {
        None | Some(JobsCommand::List) => return list(client, args, out),
        Some(JobsCommand::Show { which }) => {
            let full: JobFull = client.get(&format!("/v1/jobs/{}", which.id))?;
            return if args.json {
                print_json(&full, out)
            } else {
                let felt: ChangeFull = client.get(&format!("/v1/jobs/{}/traffic", which.id))?;
                Ok(write!(out, "{}{}", render::full(&full, now()), traffic::felt(&felt))?)
            };
        }
        Some(JobsCommand::Watch { which }) => return watch::job(client, (which.id, args.json), out),
        Some(JobsCommand::Pause { which }) => (which.id, "pause", body(None)?),
        Some(JobsCommand::Resume { which }) => (which.id, "resume", body(None)?),
        Some(JobsCommand::Abort { which, reason }) => (which.id, "abort", body(reason.clone())?),
        Some(JobsCommand::Rate { which, batch_ms, pause_percent, limits }) => {
            let limits = limits.iter().copied().collect();
            (which.id, "rate", JobBody { batch_ms: *batch_ms, pause_percent: *pause_percent, limits, ..body(None)? })
        }
        Some(JobsCommand::Undo { which, yes }) => (which.id, "undo", JobBody { yes: *yes, ..body(None)? }),
    };
    let full: JobFull = client.post_json(&format!("/v1/jobs/{id}/{verb}"), &body)?;
    told(&full, args.json, out)
}

/// Runs an approved ticket without its session.
pub(super) fn run_ticket(client: &Client, who: &Who, out: &mut dyn Write) -> Result<(), CliError> {
    let full: JobFull = client.post_json(&format!("/v1/tickets/{}/run", who.id), &JobBody::default())?;
    told(&full, who.json, out)
}

fn told(full: &JobFull, json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    if json {
        return print_json(full, out);
    }
    Ok(writeln!(out, "{}", render::headline(&full.job, now()))?)
}

fn list(client: &Client, args: &JobsArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let words: Vec<&str> = args.state.iter().map(|state| state.as_str()).collect();
    let state = if words.is_empty() { String::new() } else { format!("&state={}", words.join(",")) };
    let table = args.table.as_deref().map(|name| format!("&table={}", encoded(name))).unwrap_or_default();
    let before = args.before.map(|before| format!("&before={before}")).unwrap_or_default();
    let page: JobPage = client.get(&format!("/v1/jobs?limit={}{state}{table}{before}", args.limit))?;
    if args.json {
        return print_json(&page.jobs, out);
    }
    out.write_all(render::list(&page.jobs, now()).as_bytes())?;
    if let Some(next) = page.next {
        writeln!(out, "More: --before {next}")?;
    }
    Ok(())
}

fn parse_state(word: &str) -> Result<StateName, String> {
    let names = StateName::ALL.map(StateName::as_str).join(", ");
    StateName::parse(word).ok_or_else(|| format!("states are: {names}"))
}

fn parse_limit(text: &str) -> Result<(Signal, u64), String> {
    let names = Signal::ALL.map(Signal::key).join(", ");
    let wrong = || format!("write SIGNAL=NUMBER; the signals are {names}");
    let (key, value) = text.split_once('=').ok_or_else(wrong)?;
    Ok((Signal::of(key).ok_or_else(wrong)?, value.parse().map_err(|_| wrong())?))
}

fn parse_id(text: &str) -> Result<i64, String> {
    match text.trim_start_matches('#').parse() {
        Ok(id) if id > 0 => Ok(id),
        Ok(_) | Err(_) => Err("jobs are numbered from 1".into()),
    }
}
