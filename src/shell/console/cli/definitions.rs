//! Changes of definitions on the command line.

use std::io::Write;

use super::super::client::Client;
use super::super::render;
use super::super::text::{encoded, line, short};
use super::super::view::SchemaPage;
use super::{CliError, Connection, print_json};
use crate::kernel::notice::{SchemaEvent, differences};

const TEXT_WIDTH: usize = 100;
/// Seconds that one question waits when what happens is followed.
const WAIT_S: u32 = 50;

#[derive(Clone, Debug, clap::Args)]
pub struct SchemaChangesArgs {
    /// Only those of this table, with its schema, or of a pattern such as billing.*: by the name it had or has
    #[arg(long, value_name = "PATTERN")]
    pub table: Option<String>,
    /// Only those on this target
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Only those of this ticket
    #[arg(long, value_name = "N")]
    pub ticket: Option<i64>,
    /// Only those of this job
    #[arg(long, value_name = "N")]
    pub job: Option<i64>,
    /// Those after this position, oldest first
    #[arg(long, value_name = "POSITION", conflicts_with = "before")]
    pub after: Option<i64>,
    /// Only smaller positions: the next page of what is newest first
    #[arg(long, value_name = "POSITION")]
    pub before: Option<i64>,
    /// At most this many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: u32,
    /// Go on with what changes, after --after or from now on, until Ctrl-C
    #[arg(long, conflicts_with = "before")]
    pub follow: bool,
    /// As JSON, for programs; with --follow one object a line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
}

pub(super) fn changes(client: &Client, args: &SchemaChangesArgs, out: &mut dyn Write) -> Result<(), CliError> {
    if args.follow {
        return follow(client, args, out);
    }
    let page: SchemaPage = client.get(&path(args, args.after, ""))?;
    if args.json {
        return print_json(&page.changes, out);
    }
    if page.changes.is_empty() {
        return Ok(writeln!(out, "No changes of definitions.")?);
    }
    for event in &page.changes {
        out.write_all(told(event).as_bytes())?;
    }
    if let (Some(next), None) = (page.next, args.after) {
        writeln!(out, "More: --before {next}")?;
    }
    Ok(())
}

fn follow(client: &Client, args: &SchemaChangesArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let mut after = match args.after {
        Some(after) => after,
        None => client.get::<SchemaPage>(&path(args, None, ""))?.newest,
    };
    loop {
        let page: SchemaPage = client.get(&path(args, Some(after), &format!("&wait={WAIT_S}")))?;
        for event in &page.changes {
            if args.json {
                serde_json::to_writer(&mut *out, event).map_err(|error| CliError::Answer(error.to_string()))?;
                writeln!(out)?;
            } else {
                out.write_all(told(event).as_bytes())?;
            }
        }
        out.flush()?;
        after = page.next.unwrap_or(after);
    }
}

fn path(args: &SchemaChangesArgs, after: Option<i64>, more: &str) -> String {
    let number = |id: Option<i64>| id.map(|id| id.to_string());
    let pairs = [
        ("table", args.table.clone()),
        ("target", args.target.clone()),
        ("ticket", number(args.ticket)),
        ("job", number(args.job)),
        ("after", number(after)),
        ("before", number(args.before)),
    ];
    let given = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let query: String = given.map(|(name, value)| format!("&{name}={}", encoded(&value))).collect();
    format!("/v1/schema-changes?limit={}{query}{more}", args.limit)
}

fn told(event: &SchemaEvent) -> String {
    let change = &event.change;
    let mut text = format!(
        "{:>6}  {}  {} {} on {}/{} by {}",
        event.position,
        render::time(event.at),
        line(&change.relation),
        change.effect.words(),
        line(&change.target),
        line(&change.database),
        line(change.person.as_deref().unwrap_or(&change.requester)),
    );
    if let Some(ticket) = change.ticket {
        text += &format!(", ticket {ticket}");
    }
    if let Some(job) = change.job {
        text += &format!(", job {job}");
    }
    text.push('\n');
    for statement in &change.statements {
        text += &format!("        {}\n", short(statement, TEXT_WIDTH));
    }
    for difference in differences(change.before.as_ref(), change.after.as_ref()) {
        text += &format!("          {}\n", line(&difference.text()));
    }
    text
}
