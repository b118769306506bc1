//! The history of changes on the command line.

use std::io::Write;

use super::super::client::Client;
use super::super::render;
use super::super::text::{encoded, line, short};
use super::super::view::{ChangeFull, ChangePage};
use super::{CliError, Connection, print_json};
use crate::shell::clock::now;
use crate::shell::store::{Change, ChangeOutcome};

const TEXT_WIDTH: usize = 100;

#[derive(Clone, Debug, clap::Args)]
pub struct ChangesArgs {
    #[command(subcommand)]
    pub command: Option<ChangesCommand>,
    /// Only those with all of these words, each as a beginning
    #[arg(long, value_name = "WORDS")]
    pub search: Option<String>,
    /// Only those on the table of this name, with or without its schema
    #[arg(long, value_name = "NAME")]
    pub object: Option<String>,
    /// Only those that this login or person asked for, approved or ended
    #[arg(long, value_name = "NAME")]
    pub person: Option<String>,
    /// Only those that this rule held
    #[arg(long, value_name = "RULE")]
    pub rule: Option<String>,
    /// Only those on this target
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Only these outcomes, with commas: running, done, failed, undone, unknown, aborted, rejected, cancelled, expired
    #[arg(long, value_name = "OUTCOMES", value_delimiter = ',', value_parser = parse_outcome)]
    pub outcome: Vec<ChangeOutcome>,
    /// Begun on this day or at this time, or later: 2026-11-22 or 2026-11-22T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Begun on this day or before
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Only those for which a statement of others had to wait so long, or longer
    #[arg(long, value_name = "MS")]
    pub waited_ms: Option<u64>,
    /// Only smaller numbers: the next page
    #[arg(long, value_name = "N")]
    pub before: Option<i64>,
    /// At most this many, newest first
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub limit: u32,
    /// As JSON, for programs
    #[arg(long, conflicts_with = "export")]
    pub json: bool,
    /// Everything that is found, as one file: csv or jsonl
    #[arg(long, value_name = "FORMAT", value_parser = ["csv", "jsonl"], conflicts_with_all = ["before", "limit"])]
    pub export: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub enum ChangesCommand {
    /// Show one change: what it was, and what statements of others felt of it
    Show {
        /// Its number in the list
        #[arg(value_name = "N")]
        id: i64,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn changes(client: &Client, args: &ChangesArgs, out: &mut dyn Write) -> Result<(), CliError> {
    if let Some(ChangesCommand::Show { id, json }) = &args.command {
        let full: ChangeFull = client.get(&format!("/v1/changes/{id}"))?;
        if *json || args.json {
            return print_json(&full, out);
        }
        full.change.iter().try_for_each(|change| writeln!(out, "{}", told(change)))?;
        return Ok(out.write_all(full.traffic.as_ref().map(render::traffic::table).unwrap_or_default().as_bytes())?);
    }
    if let Some(format) = &args.export {
        return client.copy(&format!("/v1/changes?format={format}{}", query(args)), out);
    }
    let page: ChangePage = client.get(&format!("/v1/changes?limit={}{}", args.limit, query(args)))?;
    if args.json {
        return print_json(&page.changes, out);
    }
    if page.changes.is_empty() {
        return Ok(writeln!(out, "No changes.")?);
    }
    for change in &page.changes {
        writeln!(out, "{}", told(change))?;
    }
    if let Some(next) = page.next {
        writeln!(out, "More: --before {next}")?;
    }
    Ok(())
}

fn query(args: &ChangesArgs) -> String {
    let outcomes = args.outcome.iter().map(|outcome| outcome.as_str()).collect::<Vec<_>>().join(",");
    let pairs = [
        ("q", args.search.clone()),
        ("object", args.object.clone()),
        ("person", args.person.clone()),
        ("rule", args.rule.clone()),
        ("target", args.target.clone()),
        ("outcome", Some(outcomes).filter(|outcomes| !outcomes.is_empty())),
        ("from", args.from.clone()),
        ("to", args.to.clone()),
        ("waited_ms", args.waited_ms.map(|ms| ms.to_string())),
        ("before", args.before.map(|id| id.to_string())),
    ];
    let given = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
    given.map(|(name, value)| format!("&{name}={}", encoded(&value))).collect()
}

fn told(change: &Change) -> String {
    let what = match (change.ticket, change.job) {
        (Some(ticket), _) => format!("ticket {ticket}"),
        (None, Some(job)) => format!("job {job}"),
        (None, None) => format!("session {}", line(change.session.as_deref().unwrap_or_default())),
    };
    let mut text = format!(
        "{:>6}  {}  {:<9}  {} on {}/{}, {what}",
        change.id,
        render::time(change.began),
        change.outcome.as_str(),
        line(&change.requester),
        line(&change.target),
        line(&change.database),
    );
    match (change.ms, change.outcome) {
        (Some(ms), _) => text += &format!(", took {}", render::span(ms)),
        (None, ChangeOutcome::Running) => text += &format!(", for {}", render::span(now().ms_since(change.began))),
        (None, _) => {}
    }
    if !change.approved_by.is_empty() {
        text += &format!(", approved by {}", line(&change.approved_by.join(", ")));
    }
    text += &format!("\n        {}", short(&change.text, TEXT_WIDTH));
    if let Some(checked) = change.checked() {
        text += &format!("\n        {}", line(&checked));
    }
    if let Some(felt) = &change.traffic {
        text += &format!("\n        {}", felt.words());
    }
    if let Some(detail) = &change.detail {
        text += &format!("\n        {}", short(detail, TEXT_WIDTH));
    }
    text
}

fn parse_outcome(word: &str) -> Result<ChangeOutcome, String> {
    let names = ChangeOutcome::ALL.map(ChangeOutcome::as_str).join(", ");
    ChangeOutcome::parse(word).ok_or_else(|| format!("outcomes are: {names}"))
}
