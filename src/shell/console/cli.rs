//! The verbs of the review queue on the command line: they call the admin door and print what it says.

mod about;
mod changes;
mod definitions;
mod jobs;
mod mcp;
mod notify;
mod print;
mod review;
mod sign_in;
mod watch;
mod who;

use std::io::Write;

use super::api::Body;
use super::client::{Client, DEFAULT_DATA_DIR};
use super::render::{self, Program};
use super::text;
use super::view::{Full, Page};
use crate::kernel::review::{Instant, StateName};
use crate::shell::clock::now;

pub use super::client::Connection;
pub use about::{EndSessionArgs, ExplainArgs, TargetsArgs};
pub use changes::ChangesArgs;
pub use definitions::SchemaChangesArgs;
pub use jobs::{JobsArgs, JobsCommand};
pub use notify::{NotifyArgs, NotifyCommand};
use print::{print_json, print_line, told};
pub use review::{LabelArgs, SettleArgs, TokensArgs, TokensCommand, WaitArgs};
pub use sign_in::SignInArgs;
use who::{Who, person};

const EXIT_CODES: &str = "Exit codes: 0 done; 1 refused or failed, as said; 2 the command line is wrong; 3 the gateway cannot be reached. A token in LOCKKEEPER_TOKEN comes first, then the sign-in of `lockkeeper login`, then the local token in the data directory.";

/// Verbs to flatten into the main parser.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum TicketCommand {
    /// List tickets, or show one with everything known about it
    #[command(after_help = EXIT_CODES)]
    Tickets(TicketsArgs),
    /// Approve a ticket: its change may then run once. Who asked for it cannot
    #[command(after_help = EXIT_CODES)]
    Approve(ApproveArgs),
    /// Ask for something else before it can be approved
    #[command(after_help = EXIT_CODES)]
    RequestChanges(RejectArgs),
    /// Let a ticket through alone, where its policy allows it; somebody else has to review that afterwards
    #[command(after_help = EXIT_CODES)]
    BreakGlass(RejectArgs),
    /// Say that a change somebody let through alone was looked at
    #[command(after_help = EXIT_CODES)]
    ReviewDebt(CommentArgs),
    /// Say why your own change is wanted
    #[command(after_help = EXIT_CODES)]
    Justify(CommentArgs),
    /// Put labels on a ticket, or take them off
    #[command(after_help = EXIT_CODES)]
    Label(LabelArgs),
    /// Say what a ticket's unknown outcome turned out to be
    #[command(after_help = EXIT_CODES)]
    Settle(SettleArgs),
    /// Wait until a ticket is over, and print what becomes of it
    #[command(after_help = EXIT_CODES)]
    Wait(WaitArgs),
    /// Hand out, list and revoke tokens of people
    #[command(after_help = EXIT_CODES)]
    Tokens(TokensArgs),
    /// Show and test the routes of notifications; list what was delivered and what was given up
    Notify(NotifyArgs),
    /// Run an approved ticket now, without the one who asked for it; with --at, when its time has come
    #[command(after_help = EXIT_CODES)]
    Run(RunArgs),
    /// List jobs (plans that outlive their clients), show one, steer or undo it
    #[command(after_help = EXIT_CODES)]
    Jobs(JobsArgs),
    /// List what was done to the databases and what was turned down, search it, or export it
    #[command(after_help = EXIT_CODES)]
    Changes(ChangesArgs),
    /// List which definitions of tables have changed and how, or follow what changes from now on
    #[command(after_help = EXIT_CODES)]
    SchemaChanges(SchemaChangesArgs),
    /// Reject a ticket, or take an approval back that was not used yet
    #[command(after_help = EXIT_CODES)]
    Reject(RejectArgs),
    /// Cancel a ticket that is no longer wanted
    #[command(after_help = EXIT_CODES)]
    Cancel(CancelArgs),
    /// Add a comment to a ticket
    #[command(after_help = EXIT_CODES)]
    Comment(CommentArgs),
    /// Sign in at the identity provider, by a code that is entered in a browser
    #[command(after_help = EXIT_CODES)]
    Login(SignInArgs),
    /// End the sign-in: its token counts no more
    #[command(after_help = EXIT_CODES)]
    Logout(SignInArgs),
    /// Serve AI agents the Model Context Protocol on standard input and output: they ask and read, and decide nothing
    #[command(after_help = EXIT_CODES)]
    Mcp(SignInArgs),
    /// Show open tickets and jobs as a table that is kept up to date, until Ctrl-C; where nobody looks, a line for each event
    #[command(after_help = EXIT_CODES)]
    Watch(WatchArgs),
    /// Say what would become of a statement, without running it
    #[command(after_help = EXIT_CODES)]
    Explain(ExplainArgs),
    /// End a session: what it runs is cancelled first
    #[command(after_help = EXIT_CODES)]
    EndSession(EndSessionArgs),
    /// List the servers behind the gateway: how each is guarded, and whether it answers
    #[command(after_help = EXIT_CODES)]
    Targets(TargetsArgs),
}

#[derive(Clone, Debug, clap::Args)]
pub struct TicketsArgs {
    #[command(subcommand)]
    pub command: Option<TicketsCommand>,
    /// Only these states, with commas: pending, changes_requested, approved, claimed, running, done, failed, undone, unknown, rejected, cancelled, expired
    #[arg(long, value_name = "STATES", value_delimiter = ',', value_parser = parse_state)]
    pub state: Vec<StateName>,
    /// Only with all of these words, or beginnings of words: in statements, tables, names, comments
    #[arg(long, value_name = "WORDS")]
    pub search: Option<String>,
    /// Only those asked for by this login or person
    #[arg(long, value_name = "NAME")]
    pub requester: Option<String>,
    /// Only those of this target
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Only those with this label
    #[arg(long, value_name = "LABEL")]
    pub label: Option<String>,
    /// Only those that somebody let through alone and nobody has looked at yet
    #[arg(long)]
    pub owed: bool,
    /// Only those that wait for you
    #[arg(long)]
    pub waiting_for_me: bool,
    /// Only tickets with a smaller number: the next page
    #[arg(long, value_name = "N")]
    pub before: Option<i64>,
    /// At most this many, newest first
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub limit: u32,
    /// As JSON, for programs
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub enum TicketsCommand {
    /// List tickets: the same as no command
    List,
    /// Show one ticket: why it waits, what would run, the statement, its history
    #[command(after_help = EXIT_CODES)]
    Show {
        /// Number of the ticket
        #[arg(value_name = "N", value_parser = parse_id)]
        id: i64,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Tell which applications and roles have used the tables and columns of a ticket lately
    #[command(after_help = EXIT_CODES)]
    Impact {
        /// Number of the ticket
        #[arg(value_name = "N", value_parser = parse_id)]
        id: i64,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Debug, clap::Args)]
pub struct ApproveArgs {
    #[command(flatten)]
    pub who: Who,
    /// A remark; it stays with the ticket
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Only if the ticket still is what was seen: the hash that `tickets show` prints, or its beginning
    #[arg(long, value_name = "HASH")]
    pub hash: Option<String>,
    /// Run it at once as a job, without waiting for the one who asked for it
    #[arg(long)]
    pub run: bool,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// Which ticket
    #[command(flatten)]
    pub who: Who,
    /// Not now, but then, once it is approved: 2026-03-01T22:00Z
    #[arg(long, value_name = "TIME", value_parser = review::parse_time)]
    pub at: Option<Instant>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Debug, clap::Args)]
pub struct RejectArgs {
    #[command(flatten)]
    pub who: Who,
    /// Why; the requester is told
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Debug, clap::Args)]
pub struct CancelArgs {
    #[command(flatten)]
    pub who: Who,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Debug, clap::Args)]
pub struct CommentArgs {
    #[command(flatten)]
    pub who: Who,
    /// The comment
    #[arg(long, value_name = "TEXT")]
    pub text: String,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Debug, clap::Args)]
pub struct WatchArgs {
    /// Each event as a line of JSON, for programs
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
}

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Refused(String),
    #[error("the gateway cannot be reached at {admin}: {why}; is it running (lockkeeper serve)?")]
    Unreachable { admin: String, why: String },
    #[error("the gateway's answer cannot be read: {0}")]
    Answer(String),
    #[error("cannot print: {0}")]
    Io(#[from] std::io::Error),
}

impl CliError {
    /// 1 refused or failed, 2 usage, 3 gateway not reachable.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Answer(_) | Self::Io(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable { .. } => 3,
        }
    }

    /// The message for a terminal: part of it may be other people's text.
    #[must_use]
    pub fn printable(&self) -> String {
        text::line(&self.to_string())
    }
}

impl TicketCommand {
    #[must_use]
    pub fn connection(&self) -> &Connection {
        match self {
            Self::Tickets(args) => &args.connection,
            Self::Approve(args) => &args.connection,
            Self::RequestChanges(args) | Self::BreakGlass(args) => &args.connection,
            Self::ReviewDebt(args) | Self::Justify(args) => &args.connection,
            Self::Label(args) => &args.connection,
            Self::Settle(args) => &args.connection,
            Self::Wait(args) => &args.connection,
            Self::Tokens(args) => &args.connection,
            Self::Notify(args) => &args.connection,
            Self::Run(args) => &args.connection,
            Self::Jobs(args) => &args.connection,
            Self::Changes(args) => &args.connection,
            Self::SchemaChanges(args) => &args.connection,
            Self::Reject(args) => &args.connection,
            Self::Cancel(args) => &args.connection,
            Self::Comment(args) => &args.connection,
            Self::Login(args) | Self::Logout(args) | Self::Mcp(args) => &args.connection,
            Self::Watch(args) => &args.connection,
            Self::Explain(args) => &args.connection,
            Self::EndSession(args) => &args.connection,
            Self::Targets(args) => &args.connection,
        }
    }
}

/// Runs one verb. A reader of `out` that has gone is no failure.
///
/// # Errors
/// See [`CliError::exit_code`].
pub fn run(command: &TicketCommand, connection: &Connection, out: &mut dyn Write) -> Result<(), CliError> {
    let ran = match command {
        TicketCommand::Login(_) => sign_in::login(connection, out),
        TicketCommand::Logout(_) => sign_in::logout(connection, out),
        TicketCommand::Mcp(_) => Client::new(connection).and_then(mcp::serve),
        other => Client::new(connection).and_then(|client| with_token(other, &client, out)),
    };
    match ran {
        Err(CliError::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn with_token(command: &TicketCommand, client: &Client, out: &mut dyn Write) -> Result<(), CliError> {
    match command {
        // These are not among them.
        TicketCommand::Login(_) | TicketCommand::Logout(_) | TicketCommand::Mcp(_) => Ok(()),
        TicketCommand::Tickets(args) => tickets(client, args, out),
        TicketCommand::Approve(args) => review::approve(client, args, out),
        TicketCommand::RequestChanges(args) => {
            post(client, &args.who, ("request-changes", Some(args.reason.clone())), None, out)
        }
        TicketCommand::BreakGlass(args) => {
            post(client, &args.who, ("break-glass", Some(args.reason.clone())), None, out)
        }
        TicketCommand::ReviewDebt(args) => post(client, &args.who, ("review-debt", Some(args.text.clone())), None, out),
        TicketCommand::Justify(args) => post(client, &args.who, ("justify", Some(args.text.clone())), None, out),
        TicketCommand::Label(args) => review::label(client, args, out),
        TicketCommand::Settle(args) => review::settle(client, args, out),
        TicketCommand::Wait(args) => review::wait(client, args, out),
        TicketCommand::Tokens(args) => review::tokens(client, args, out),
        TicketCommand::Notify(args) => notify::notify(client, args, out),
        TicketCommand::Run(args) => match args.at {
            Some(at) => review::schedule(client, &args.who, at, out),
            None => jobs::run_ticket(client, &args.who, out),
        },
        TicketCommand::Jobs(args) => jobs::jobs(client, args, out),
        TicketCommand::Changes(args) => changes::changes(client, args, out),
        TicketCommand::SchemaChanges(args) => definitions::changes(client, args, out),
        TicketCommand::Reject(args) => post(client, &args.who, ("reject", Some(args.reason.clone())), None, out),
        TicketCommand::Cancel(args) => post(client, &args.who, ("cancel", args.reason.clone()), None, out),
        TicketCommand::Comment(args) => post(client, &args.who, ("comment", Some(args.text.clone())), None, out),
        TicketCommand::Watch(args) => watch::queue(client, args.json, out),
        TicketCommand::Explain(args) => about::explain(client, args, out),
        TicketCommand::EndSession(args) => about::end_session(client, args, out),
        TicketCommand::Targets(args) => about::targets(client, args, out),
    }
}

fn tickets(client: &Client, args: &TicketsArgs, out: &mut dyn Write) -> Result<(), CliError> {
    if let Some(TicketsCommand::Show { id, json }) = &args.command {
        return review::show(client, (*id, *json || args.json), &program(&args.connection), out);
    }
    if let Some(TicketsCommand::Impact { id, json }) = &args.command {
        return review::impact(client, *id, *json || args.json, out);
    }
    let page: Page = client.get(&format!("/v1/tickets?{}", review::query(args)))?;
    if args.json {
        return print_json(&page.tickets, out);
    }
    Ok(out.write_all(render::list(&page.tickets, now()).as_bytes())?)
}

/// How this process was called, as far as it matters to the next call.
fn program(connection: &Connection) -> Program {
    let name = std::env::args().next().filter(|name| name.contains('/')).unwrap_or_else(|| "lockkeeper".to_owned());
    let quote = |text: &str| {
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-:@[]+".contains(c));
        if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
    };
    let is_set = |variable: &str| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    let data_dir = connection.data_dir.display().to_string();
    let mut options = String::new();
    if data_dir != DEFAULT_DATA_DIR && !is_set("LOCKKEEPER_DATA_DIR") {
        options += &format!(" --data-dir {}", quote(&data_dir));
    }
    if let Some(admin) = connection.admin.as_deref().filter(|_| !is_set("LOCKKEEPER_ADMIN")) {
        options += &format!(" --admin {}", quote(admin));
    }
    Program { name: quote(&name), options }
}

fn post(
    client: &Client,
    who: &Who,
    (verb, note): (&str, Option<String>),
    seen_hash: Option<String>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let by = person(client, who.name.clone())?;
    let body = Body { by: Some(by), note, seen_hash };
    let full: Full = client.post(&format!("/v1/tickets/{}/{verb}", who.id), &body)?;
    told(&full, who, &[], out)
}

fn parse_state(word: &str) -> Result<StateName, String> {
    let names = StateName::ALL.map(StateName::as_str).join(", ");
    StateName::parse(word).ok_or_else(|| format!("states are: {names}"))
}

fn parse_id(text: &str) -> Result<i64, String> {
    match text.trim_start_matches('#').parse() {
        Ok(id) if id > 0 => Ok(id),
        Ok(_) | Err(_) => Err("tickets are numbered from 1".into()),
    }
}
