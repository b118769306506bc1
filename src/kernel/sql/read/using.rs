//! The expression of `ALTER COLUMN … TYPE … USING`: what a new value is computed from.

use pg_raw_parse::{Node, nodes};

use super::super::statement::{Callee, UsingForm};
use super::column::{self, default};
use super::{Unreadable, walk};

/// Types whose constants mean the same whatever the session's settings.
const PLAIN_TYPES: &[&str] = &["text", "varchar", "bpchar", "int2", "int4", "int8", "numeric", "bool", "uuid"];

pub(super) fn form(expression: Node<'_>, of: &str) -> Result<UsingForm, Unreadable> {
    let mut casts = Vec::new();
    let mut node = expression;
    while let Node::TypeCast(cast) = node {
        let Some(to) = cast.type_name() else { break };
        casts.push(column::type_name(to)?);
        node = cast.arg();
    }
    if bare_column(node) == Some(of) {
        casts.reverse();
        return Ok(UsingForm::Casts(casts));
    }
    match computed(expression)? {
        Some(callees) => Ok(UsingForm::Computed(callees)),
        None => Ok(UsingForm::Unclear),
    }
}

/// What an expression calls that is made of bare columns, constants and calls only.
pub(super) fn computed(expression: Node<'_>) -> Result<Option<Vec<Callee>>, Unreadable> {
    let mut clear = true;
    walk::each(expression, |node| clear &= is_clear(node))?;
    if !clear {
        return Ok(None);
    }
    Ok(Some(default::expression(expression)?.callees))
}

pub(super) fn bare_column(node: Node<'_>) -> Option<&str> {
    let Node::ColumnRef(reference) = node else { return None };
    let mut names = reference.fields().iter();
    match (names.next().and_then(Node::as_str), names.next()) {
        (Some(name), None) => Some(name),
        _ => None,
    }
}

fn is_clear(node: Node<'_>) -> bool {
    match node {
        Node::ColumnRef(_) => bare_column(node).is_some(),
        Node::TypeCast(cast) => matches!(cast.arg(), Node::A_Const(_)) && cast.type_name().is_some_and(is_plain),
        Node::FuncCall(_)
        | Node::A_Expr(_)
        | Node::A_Const(_)
        | Node::BoolExpr(_)
        | Node::NullTest(_)
        | Node::BooleanTest(_)
        | Node::CaseExpr(_)
        | Node::CaseWhen(_)
        | Node::CoalesceExpr(_)
        | Node::MinMaxExpr(_)
        | Node::TypeName(_)
        | Node::NodeList(_)
        | Node::String(_)
        | Node::Integer(_)
        | Node::Float(_)
        | Node::Boolean(_)
        | Node::None => true,
        _ => false,
    }
}

fn is_plain(name: &nodes::TypeName) -> bool {
    let last = name.names().iter().filter_map(nodes::String::sval).next_back();
    name.array_bounds().is_empty() && last.is_some_and(|last| PLAIN_TYPES.contains(&last))
}
