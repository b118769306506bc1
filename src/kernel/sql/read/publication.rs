//! `CREATE PUBLICATION` and `ALTER PUBLICATION`: what is sent, and which of its columns.

use std::collections::BTreeSet;

use pg_raw_parse::list::NodeList;
use pg_raw_parse::raw::AlterPublicationAction;
use pg_raw_parse::{Node, nodes};

use super::super::statement::{Change, Publication, PublicationEffect, Published};
use super::classify::Found;
use super::{Unreadable, objects, walk};

pub(super) fn create(statement: &nodes::CreatePublicationStmt, found: &mut Found) -> Result<(), Unreadable> {
    let (tables, more) = published(statement.pubobjects())?;
    let effect = if more || statement.for_all_tables { PublicationEffect::AddsMore } else { PublicationEffect::Adds };
    let says = statement.options().iter().find(|option| option.defname() == Some("publish"));
    let old_rows = says.is_none_or(|option| objects::literal(option.arg()).is_none_or(|list| sends_old_rows(&list)));
    found.add(Change::Publication(Publication { command: "CREATE PUBLICATION", tables, effect, old_rows }));
    Ok(())
}

pub(super) fn alter(statement: &nodes::AlterPublicationStmt, found: &mut Found) -> Result<(), Unreadable> {
    let (tables, more) = published(statement.pubobjects())?;
    let adds = statement.action == AlterPublicationAction::AP_AddObjects && statement.options().is_empty();
    let effect = match (adds, more) {
        (true, false) => PublicationEffect::Adds,
        (true, true) => PublicationEffect::AddsMore,
        (false, _) => PublicationEffect::Removes,
    };
    // What the publication was made for is not known here.
    found.add(Change::Publication(Publication { command: "ALTER PUBLICATION", tables, effect, old_rows: true }));
    Ok(())
}

fn sends_old_rows(publish: &str) -> bool {
    !publish.split(',').all(|kind| matches!(kind.trim(), "insert" | "truncate"))
}

/// The tables a publication names, and whether it reaches further.
fn published(list: &NodeList) -> Result<(Vec<Published>, bool), Unreadable> {
    let mut tables = Vec::new();
    let mut more = false;
    for node in list {
        let table = match node {
            Node::PublicationObjSpec(spec) => spec.pubtable(),
            _ => None,
        };
        match table.and_then(|table| Some((table, table.relation()?))) {
            Some((table, relation)) => tables.push(Published {
                relation: objects::relation(relation),
                columns: table.columns().iter().filter_map(Node::as_str).map(str::to_owned).collect(),
                filter: mentioned(table.where_clause())?,
            }),
            None => more = true,
        }
    }
    Ok((tables, more))
}

/// The columns that an expression reads.
fn mentioned(expression: Node<'_>) -> Result<Vec<String>, Unreadable> {
    let mut columns = BTreeSet::new();
    if !matches!(expression, Node::None) {
        walk::each(expression, |node| {
            if let Node::ColumnRef(column) = node {
                columns.extend(objects::last_name(column.fields()).map(str::to_owned));
            }
        })?;
    }
    Ok(columns.into_iter().collect())
}
