//! The verbs that ask what the gateway guards and what it would do.

use std::io::{Read as _, Write};

use super::super::api::EndBody;
use super::super::client::Client;
use super::super::render::explain;
use super::super::text::{encoded, line};
use super::super::view::TargetPage;
use super::{CliError, Connection, person, print_json};
use crate::shell::audit::past::SessionSeen;
use crate::shell::jobs::{Explained, Question};

#[derive(Clone, Debug, clap::Args)]
pub struct ExplainArgs {
    /// The statement; `-` reads it from standard input
    #[arg(value_name = "SQL")]
    pub sql: String,
    /// Where it would be sent
    #[arg(long, short, value_name = "NAME", env = "PGDATABASE")]
    pub database: String,
    /// Who would send it
    #[arg(long, value_name = "ROLE", env = "PGUSER")]
    pub role: String,
    /// With which application_name
    #[arg(long, value_name = "NAME", default_value = "")]
    pub application: String,
    /// Inside a transaction block
    #[arg(long)]
    pub in_transaction: bool,
    /// As JSON, for programs
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Debug, clap::Args)]
pub struct TargetsArgs {
    /// As JSON, for programs
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Debug, clap::Args)]
pub struct EndSessionArgs {
    /// As `lockkeeper sessions` lists it: `7f3a1c09-12`
    #[arg(value_name = "SESSION")]
    pub id: String,
    /// Why; it stays in the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// In whose name [default: a reviewer token's name, else the operating system's user]
    #[arg(long = "as", value_name = "NAME", env = "LOCKKEEPER_USER")]
    pub name: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

pub(super) fn end_session(client: &Client, args: &EndSessionArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let body = EndBody { by: Some(person(client, args.name.clone())?), reason: args.reason.clone() };
    let ended: SessionSeen = client.post_json(&format!("/v1/sessions/{}/terminate", encoded(&args.id)), &body)?;
    Ok(writeln!(out, "Session {} of {} is being ended.", ended.id, line(&ended.info.user))?)
}

pub(super) fn explain(client: &Client, args: &ExplainArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let mut sql = args.sql.clone();
    if sql == "-" {
        sql.clear();
        std::io::stdin().read_to_string(&mut sql)?;
    }
    let question = Question {
        database: args.database.clone(),
        sql,
        role: args.role.clone(),
        application: args.application.clone(),
        in_transaction: args.in_transaction,
    };
    let explained: Explained = client.post_json("/v1/explain", &question)?;
    if args.json {
        return print_json(&explained, out);
    }
    Ok(out.write_all(explain::explained(&explained).as_bytes())?)
}

pub(super) fn targets(client: &Client, args: &TargetsArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let page: TargetPage = client.get("/v1/targets")?;
    if args.json {
        return print_json(&page.targets, out);
    }
    Ok(out.write_all(explain::targets(&page.targets).as_bytes())?)
}
