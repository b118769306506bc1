//! A default expression: what it calls by name, and what it calls without one.

use pg_raw_parse::const_val::ConstValue;
use pg_raw_parse::{Node, nodes};

use super::super::super::statement::{Callee, DefaultExpression, Hidden, Operand, TypeName};
use super::super::{Unreadable, fragment, walk};
use super::type_name;

/// The expression with all it calls.
pub(in super::super) fn expression(node: Node<'_>) -> Result<DefaultExpression, Unreadable> {
    let mut callees = Vec::new();
    let mut hidden =
        Hidden { operators: Vec::new(), casts: Vec::new(), whole: operand(node)?, composed: false, unclear: false };
    let mut unreadable = None;
    walk::each(node, |node| {
        callees.extend(callee(node));
        hidden.operators.extend(operators(node).iter().map(|name| operator(name)));
        hidden.composed |= passes_on(node);
        hidden.unclear |= !is_known(node);
        if let Node::TypeCast(cast) = node {
            match written(cast) {
                Ok(cast) => hidden.casts.extend(cast),
                Err(error) => unreadable = Some(error),
            }
        }
    })?;
    if let Some(error) = unreadable {
        return Err(error);
    }
    for of in [&mut callees, &mut hidden.operators] {
        of.sort();
        of.dedup();
    }
    let is_null = matches!(node, Node::A_Const(constant) if constant.isnull);
    Ok(DefaultExpression { sql: fragment::expression(node)?, callees, hidden: Box::new(hidden), is_null })
}

fn callee(node: Node<'_>) -> Option<Callee> {
    let (names, function) = match node {
        Node::FuncCall(call) => (call.funcname(), true),
        Node::A_Expr(expression) => (expression.name(), false),
        _ => return None,
    };
    let parts: Vec<&str> = names.iter().filter_map(Node::as_str).collect();
    let (schema, name) = match parts.as_slice() {
        [.., schema, name] => (Some((*schema).to_owned()), (*name).to_owned()),
        [name] => (None, (*name).to_owned()),
        [] => return None,
    };
    if !function && is_word(&name) {
        return None;
    }
    Some(if function { Callee::Function { schema, name } } else { Callee::Operator { schema, name } })
}

/// BETWEEN and its kin are not operators of their own.
fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn operators(node: Node<'_>) -> &'static [&'static str] {
    match node {
        Node::A_Expr(expression) if expression.name().iter().filter_map(Node::as_str).any(is_word) => {
            &["<", "<=", ">", ">="]
        }
        Node::CaseExpr(case) if !matches!(case.arg(), Node::None) => &["="],
        _ => &[],
    }
}

fn operator(name: &str) -> Callee {
    Callee::Operator { schema: None, name: name.to_owned() }
}

fn written(cast: &nodes::TypeCast) -> Result<Option<(TypeName, Operand)>, Unreadable> {
    let Some(to) = cast.type_name() else { return Ok(None) };
    Ok(Some((type_name(to)?, operand(cast.arg())?)))
}

fn operand(node: Node<'_>) -> Result<Operand, Unreadable> {
    Ok(match node {
        Node::A_Const(constant) => match constant.val() {
            None | Some(ConstValue::String(_)) => Operand::Text,
            Some(ConstValue::Integer(_) | ConstValue::Float(_) | ConstValue::Boolean(_)) => Operand::Number,
            Some(_) => Operand::Other,
        },
        Node::TypeCast(cast) => match cast.type_name() {
            Some(to) => Operand::Typed(type_name(to)?),
            None => Operand::Other,
        },
        Node::CollateClause(clause) => operand(clause.arg())?,
        _ => Operand::Other,
    })
}

/// Whether what is below is converted to the type that is wanted there.
fn passes_on(node: Node<'_>) -> bool {
    match node {
        Node::FuncCall(call) => call.args().iter().any(|argument| !matches!(argument, Node::A_Const(_))),
        Node::A_Expr(_)
        | Node::CaseExpr(_)
        | Node::CoalesceExpr(_)
        | Node::MinMaxExpr(_)
        | Node::A_ArrayExpr(_)
        | Node::A_Indirection(_)
        | Node::XmlExpr(_)
        | Node::XmlSerialize(_) => true,
        _ => false,
    }
}

/// Nodes that call nothing but what is told of them here. A field of a row may be a function.
fn is_known(node: Node<'_>) -> bool {
    match node {
        Node::A_Indirection(indirection) => {
            indirection.indirection().iter().all(|part| matches!(part, Node::A_Indices(_)))
        }
        Node::FuncCall(_)
        | Node::A_Expr(_)
        | Node::A_Const(_)
        | Node::TypeCast(_)
        | Node::TypeName(_)
        | Node::BoolExpr(_)
        | Node::NullTest(_)
        | Node::BooleanTest(_)
        | Node::CaseExpr(_)
        | Node::CaseWhen(_)
        | Node::CoalesceExpr(_)
        | Node::MinMaxExpr(_)
        | Node::RowExpr(_)
        | Node::A_ArrayExpr(_)
        | Node::A_Indices(_)
        | Node::NamedArgExpr(_)
        | Node::CollateClause(_)
        | Node::ColumnRef(_)
        | Node::SQLValueFunction(_)
        | Node::XmlExpr(_)
        | Node::XmlSerialize(_)
        | Node::NodeList(_)
        | Node::String(_)
        | Node::Integer(_)
        | Node::Float(_)
        | Node::Boolean(_)
        | Node::BitString(_)
        | Node::None => true,
        _ => false,
    }
}
