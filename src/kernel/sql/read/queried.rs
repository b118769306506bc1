//! The columns that a query gives to the table it makes, as far as the text says what they are.

use pg_raw_parse::{Node, nodes};

use super::super::statement::{QueriedColumn, TypeName};
use super::{column, objects};

/// What CREATE TABLE AS or SELECT INTO says of its columns.
pub(super) fn columns(into: &nodes::IntoClause, query: Node<'_>) -> Vec<QueriedColumn> {
    let from = into.rel().map_or(0, |relation| column::place(relation.location));
    let listed: Vec<&str> = into.col_names().iter().filter_map(Node::as_str).collect();
    let mut targets: Vec<&nodes::ResTarget> =
        first(query).map_or_else(Vec::new, |of| of.target_list().iter().collect());
    // Nobody knows how many a star is, so which of the list's names are those behind it.
    let counted = targets.iter().position(|target| is_star(target.val())).unwrap_or(targets.len());
    if !listed.is_empty() {
        targets.truncate(counted);
    }
    let mut columns = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        let cast = cast(target.val());
        let named = match listed.get(at) {
            Some(name) => Some((*name, Some(from))),
            None => named(target, cast.as_ref()),
        };
        if let Some((name, name_at)) = named {
            columns.push(QueriedColumn { name: name.to_owned(), name_at, cast });
        }
    }
    let others = listed.iter().skip(targets.len());
    columns.extend(others.map(|name| QueriedColumn { name: (*name).to_owned(), name_at: Some(from), cast: None }));
    columns
}

/// The one whose columns a UNION takes its names from.
fn first(query: Node<'_>) -> Option<&nodes::SelectStmt> {
    let Node::SelectStmt(mut select) = query else { return None };
    while let Some(left) = select.larg() {
        select = left;
    }
    Some(select)
}

/// What it is called, and where that is written: as an alias, or as the column or the call that is cast. What is cast
/// besides gets its type's name from the server.
fn named<'a>(target: &'a nodes::ResTarget, cast: Option<&'a (TypeName, usize)>) -> Option<(&'a str, Option<usize>)> {
    let at = Some(column::place(target.location));
    let mut value = target.val();
    while let Node::TypeCast(cast) = value {
        value = cast.arg();
    }
    if let Some(name) = target.name() {
        return Some((name, at));
    }
    let of_type = cast.map(|(type_name, _)| (type_name.name.as_str(), None));
    match value {
        Node::ColumnRef(of) => objects::last_name(of.fields()).map(|name| (name, at)),
        Node::FuncCall(of) => objects::last_name(of.funcname()).map(|name| (name, at)),
        _ => of_type,
    }
}

fn cast(value: Node<'_>) -> Option<(TypeName, usize)> {
    let Node::TypeCast(cast) = value else { return None };
    let written = cast.type_name()?;
    Some((column::type_name(written).ok()?, column::place(written.location)))
}

pub(super) fn is_star(node: Node<'_>) -> bool {
    matches!(node, Node::ColumnRef(column) if column.fields().iter().any(|field| matches!(field, Node::A_Star(_))))
}
