//! The verbs beside decisions: labels, outcomes, waiting, times to run, tokens.

use std::io::Write;

use super::super::api::{LabelBody, RunBody, RunHow, SettleBody, TokenBody};
use super::super::client::Client;
use super::super::render;
use super::super::text::line;
use super::super::view::{ChangeFull, Full, TokenNew, TokenPage};
use super::{ApproveArgs, CliError, Connection, TicketsArgs, Who, jobs, parse_id, person, post, print_json, told};
use crate::kernel::review::{Instant, StateName};
use crate::shell::audit::usage::Impact;
use crate::shell::clock::now;
use crate::shell::store::Token;

#[derive(Clone, Debug, clap::Args)]
pub struct LabelArgs {
    #[command(flatten)]
    pub who: Who,
    /// Labels to put on, with commas
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    pub add: Vec<String>,
    /// Labels to take off, with commas
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    pub remove: Vec<String>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Debug, clap::Args)]
pub struct SettleArgs {
    #[command(flatten)]
    pub who: Who,
    /// The database has the change
    #[arg(long, conflicts_with = "not_applied", required_unless_present = "not_applied")]
    pub applied: bool,
    /// The database does not have it
    #[arg(long)]
    pub not_applied: bool,
    /// What was found there
    #[arg(long, value_name = "TEXT")]
    pub found: String,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Debug, clap::Args)]
pub struct WaitArgs {
    /// Number of the ticket
    #[arg(value_name = "N", value_parser = parse_id)]
    pub id: i64,
    /// Print only what became of it, as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Debug, clap::Args)]
pub struct TokensArgs {
    #[command(subcommand)]
    pub command: TokensCommand,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub enum TokensCommand {
    /// List all tokens there ever were, without what they are
    List {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Hand out a token: it is told this once
    Create {
        /// Whose it is: a name of the configuration
        #[arg(value_name = "PERSON")]
        person: String,
        /// What it is limited to, with commas: read, request, decide, operate, audit [default: all that the person's roles give]
        #[arg(long, value_name = "SCOPES", value_delimiter = ',')]
        scopes: Vec<String>,
        /// How long it counts
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=366))]
        days: u32,
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "")]
        label: String,
    },
    /// Revoke a token, at once
    Revoke {
        /// Number of the token
        #[arg(value_name = "N")]
        id: i64,
    },
}

/// What a list asks for.
pub(super) fn query(args: &TicketsArgs) -> String {
    let states: Vec<&str> = args.state.iter().map(|state| state.as_str()).collect();
    let pairs = [
        ("state", Some(states.join(",")).filter(|states| !states.is_empty())),
        ("q", args.search.clone()),
        ("requester", args.requester.clone()),
        ("target", args.target.clone()),
        ("label", args.label.clone()),
        ("owed", args.owed.then(|| "true".to_owned())),
        ("waiting_for_me", args.waiting_for_me.then(|| "true".to_owned())),
        ("before", args.before.map(|id| id.to_string())),
    ];
    let mut query = format!("limit={}", args.limit);
    for (name, value) in pairs {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={}", encoded(&value)));
        }
    }
    query
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~,".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A time with its offset: it is nobody's guess which night is meant.
pub(super) fn parse_time(text: &str) -> Result<Instant, String> {
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    let at = parsed.map_err(|error| format!("{error}; write it as in 2026-03-01T22:00Z"))?;
    Ok(Instant(at.as_microsecond()))
}

pub(super) fn schedule(client: &Client, who: &Who, at: Instant, out: &mut dyn Write) -> Result<(), CliError> {
    let by = person(client, who.name.clone())?;
    let body = RunBody { by: Some(by), how: RunHow::Job, at: Some(at.0) };
    let full: Full = client.post_json(&format!("/v1/tickets/{}/schedule", who.id), &body)?;
    told(&full, who, &[format!("Once approved, it runs as a job at {}.", at.utc())], out)
}

pub(super) fn label(client: &Client, args: &LabelArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let by = person(client, args.who.name.clone())?;
    let body = LabelBody { by: Some(by), add: args.add.clone(), remove: args.remove.clone() };
    let full: Full = client.post_json(&format!("/v1/tickets/{}/label", args.who.id), &body)?;
    if args.who.json {
        return print_json(&full, out);
    }
    let labels: Vec<String> = full.ticket.labels.iter().map(|label| line(label)).collect();
    Ok(writeln!(out, "Ticket {} is labelled: {}", full.ticket.id, labels.join(", "))?)
}

pub(super) fn settle(client: &Client, args: &SettleArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let by = person(client, args.who.name.clone())?;
    let body = SettleBody { by: Some(by), applied: args.applied, found: args.found.clone() };
    let full: Full = client.post_json(&format!("/v1/tickets/{}/settle", args.who.id), &body)?;
    told(&full, &args.who, &[], out)
}

pub(super) fn wait(client: &Client, args: &WaitArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let mut full: Full = client.get(&format!("/v1/tickets/{}", args.id))?;
    loop {
        let headline = render::headline(&full.ticket, now());
        let (state, version) = (full.ticket.state.name(), full.ticket.version);
        match (args.json, state.is_over()) {
            (true, true) => print_json(&full, out)?,
            (true, false) => {}
            (false, _) => writeln!(out, "{headline}")?,
        }
        out.flush()?;
        if state == StateName::Done {
            return Ok(());
        }
        if state.is_over() {
            return Err(CliError::Refused(headline));
        }
        while full.ticket.version == version {
            full = client.get(&format!("/v1/tickets/{}/wait?version={version}&timeout_s=60", args.id))?;
        }
    }
}

pub(super) fn tokens(client: &Client, args: &TokensArgs, out: &mut dyn Write) -> Result<(), CliError> {
    match &args.command {
        TokensCommand::List { json } => {
            let page: TokenPage = client.get("/v1/tokens")?;
            if *json { print_json(&page.tokens, out) } else { listed(&page.tokens, out) }
        }
        TokensCommand::Create { person, scopes, days, label } => {
            let body =
                TokenBody { person: person.clone(), scopes: scopes.clone(), days: Some(*days), label: label.clone() };
            let new: TokenNew = client.post_json("/v1/tokens", &body)?;
            let (id, person, ends) = (new.token.id, line(&new.token.person), new.token.expires.utc());
            Ok(writeln!(out, "Token {id} of {person}, until {ends}. It is told this once:\n{}", line(&new.secret))?)
        }
        TokensCommand::Revoke { id } => {
            let _: TokenPage = client.delete(&format!("/v1/tokens/{id}"))?;
            Ok(writeln!(out, "Token {id} opens nothing any more.")?)
        }
    }
}

fn listed(tokens: &[Token], out: &mut dyn Write) -> Result<(), CliError> {
    if tokens.is_empty() {
        return Ok(writeln!(out, "No tokens.")?);
    }
    for token in tokens {
        let ends = match token.revoked {
            Some(at) => format!("revoked {}", at.utc()),
            None => format!("until {}", token.expires.utc()),
        };
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
        let (person, label) = (line(&token.person), line(&token.label));
        writeln!(out, "{:>5}  {person:<20}  {ends}  {}  {label}", token.id, scopes.join(","))?;
    }
    Ok(())
}

pub(super) fn show(
    client: &Client,
    (id, json): (i64, bool),
    program: &render::Program,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let full: Full = client.get(&format!("/v1/tickets/{id}"))?;
    if json {
        return print_json(&full, out);
    }
    let felt: ChangeFull = client.get(&format!("/v1/tickets/{id}/traffic"))?;
    Ok(write!(out, "{}{}", render::full(&full, program, now()), render::traffic::felt(&felt))?)
}

pub(super) fn impact(client: &Client, id: i64, json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    let impact: Impact = client.get(&format!("/v1/tickets/{id}/impact"))?;
    if json {
        return print_json(&impact, out);
    }
    Ok(out.write_all(render::impact::impact(&impact).as_bytes())?)
}

pub(super) fn approve(client: &Client, args: &ApproveArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let full: Full = client.get(&format!("/v1/tickets/{}", args.who.id))?;
    let seen = args.hash.as_deref().unwrap_or(&full.review_hash);
    if seen.len() < 8 || !full.review_hash.starts_with(seen) {
        return Err(CliError::Refused("the ticket has changed since it was looked at: look at it again".into()));
    }
    let quiet = &mut std::io::sink();
    let out_of_approval: &mut dyn Write = if args.run && args.who.json { quiet } else { &mut *out };
    post(client, &args.who, ("approve", args.note.clone()), Some(full.review_hash), out_of_approval)?;
    if args.run { jobs::run_ticket(client, &args.who, out) } else { Ok(()) }
}
