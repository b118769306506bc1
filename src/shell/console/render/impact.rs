//! Who uses what a ticket changes, for a terminal; and the sentences that the page says as well.

use super::super::text::{line, short};
use super::{grouped, size};
use crate::shell::audit::usage::Impact;

const SHAPE_WIDTH: usize = 100;

/// What was looked for, and how far back.
pub(in super::super) fn looked(impact: &Impact) -> String {
    let tables = impact.tables.iter().map(|name| line(name)).collect::<Vec<_>>().join(", ");
    let Some(since) = &impact.since else { return format!("The record has nothing yet to tell who uses {tables}.") };
    let since = line(since.split('.').next().unwrap_or(since)).replace('T', " ");
    let cut = if impact.is_cut { "; it goes further back than that" } else { ", which is all there is" };
    format!("Statements that name {tables} in the record since {since} UTC ({}{cut}).", size(impact.bytes))
}

/// What the numbers leave out.
pub(in super::super) fn left_out(impact: &Impact) -> Vec<String> {
    let mut said =
        vec!["Not counted: what reaches a table through views, functions, triggers, or past this gateway.".into()];
    if impact.unread > 0 {
        said.push(format!("{} statements are not read: cut in the record, or too many.", grouped(impact.unread)));
    }
    if impact.unknown > 0 {
        let count = grouped(impact.unknown);
        said.push(format!("{count} statements are of sessions that began before that: whose, is not known."));
    }
    if impact.more > 0 {
        said.push(format!("{} more applications and roles use it less often.", grouped(impact.more)));
    }
    said
}

pub(in super::super) fn impact(impact: &Impact) -> String {
    let mut out = looked(impact) + "\n";
    if impact.users.is_empty() {
        out += "Nobody.\n";
    }
    for user in &impact.users {
        let application = if user.application.is_empty() { "an unnamed application" } else { &user.application };
        out += &format!(
            "\n{} as {}: {} reads, {} writes, last {}",
            line(application),
            line(&user.role),
            grouped(user.reads),
            grouped(user.writes),
            line(&user.last)
        );
        if !impact.columns.is_empty() {
            out += &format!("; {} name {}", grouped(user.of_columns), line(&impact.columns.join(", ")));
        }
        out.push('\n');
        for used in &user.shapes {
            let mark = if used.of_columns { "!" } else { " " };
            out += &format!("  {mark} {:>9} x  {}\n", grouped(used.count), short(&used.text, SHAPE_WIDTH));
        }
        if user.more > 0 {
            out += &format!("    and {} other statements\n", grouped(user.more));
        }
    }
    out.push('\n');
    for said in left_out(impact) {
        out += &format!("{said}\n");
    }
    out
}
