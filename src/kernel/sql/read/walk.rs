//! One walk over a query or expression: what in it changes something, runs text, or reaches the server.
//!
//! The grammar's own walker visits the children of one node at a time; the recursion is ours, with a
//! stack on the heap, because a tree can be as deep as its text is long.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pg_raw_parse::Node;
use pg_raw_parse::walk::{Recurse, walk_manual};

use super::super::bounds;
use super::super::statement::{Change, Opaque, OpaqueKind};
use super::classify::Found;
use super::{Unreadable, calls, create, mass, objects};

/// Adds what a query or an expression would do to `found`.
pub(super) fn query<'a>(root: Node<'a>, found: &mut Found) -> Result<(), Unreadable> {
    each(root, |node| visit(node, found)).map(|_| ())
}

/// Calls `see` for `root` and every node below it, in no particular order. Returns the tree's depth.
pub(super) fn each<'a>(root: Node<'a>, mut see: impl FnMut(Node<'a>)) -> Result<usize, Unreadable> {
    each_under(root, (), |node, ()| see(node))
}

/// The same; `see` is also given what it answered for the node above, which for `root` is `top`.
pub(super) fn each_under<'a, T: Copy>(
    root: Node<'a>,
    top: T,
    mut see: impl FnMut(Node<'a>, T) -> T,
) -> Result<usize, Unreadable> {
    let mut deepest = 0;
    let mut stack: Vec<(Node<'a>, usize, T)> = vec![(root, 1, top)];
    while let Some((node, depth, above)) = stack.pop() {
        deepest = deepest.max(depth);
        if depth > bounds::DEPTH_MAX {
            return Err(Unreadable::bounds(format!(
                "the statement is nested deeper than {} levels",
                bounds::DEPTH_MAX
            )));
        }
        let here = see(node, above);
        match shape(node) {
            Shape::Leaf => {}
            Shape::Branch => children(node, &mut |child| match shape(child) {
                Shape::Leaf => {
                    deepest = deepest.max(depth + 1);
                    see(child, here);
                }
                Shape::Branch | Shape::Unknown => stack.push((child, depth + 1, here)),
            })?,
            Shape::Unknown => {
                return Err(Unreadable::bounds("the statement contains a node that is not known to occur there"));
            }
        }
    }
    Ok(deepest)
}

/// The children of one node that the grammar's walker knows.
fn children<'a>(node: Node<'a>, see: &mut dyn FnMut(Node<'a>)) -> Result<(), Unreadable> {
    if let Node::NodeList(list) = node {
        // Much cheaper than the walker, and lists are what is long.
        list.iter().filter(|child| !matches!(child, Node::None)).for_each(see);
        return Ok(());
    }
    catch_unwind(AssertUnwindSafe(|| {
        walk_manual::<()>(node, |child| {
            see(child);
            Recurse::no()
        });
    }))
    .map_err(|_| Unreadable::bounds("the statement's tree cannot be walked"))
}

enum Shape {
    Leaf,
    Branch,
    /// Does not occur in a raw query or expression, or the walker cannot enter it.
    Unknown,
}

fn shape(node: Node<'_>) -> Shape {
    if is_leaf(node) {
        Shape::Leaf
    } else if is_branch(node) || is_json(node) {
        Shape::Branch
    } else {
        Shape::Unknown
    }
}

fn is_leaf(node: Node<'_>) -> bool {
    matches!(
        node,
        Node::None
        | Node::Alias(_)
        | Node::RangeVar(_)
        | Node::JsonFormat(_)
        | Node::SetToDefault(_)
        | Node::CurrentOfExpr(_)
        | Node::SQLValueFunction(_)
        | Node::Integer(_)
        | Node::Float(_)
        | Node::Boolean(_)
        | Node::String(_)
        | Node::BitString(_)
        | Node::ParamRef(_)
        | Node::A_Const(_)
        | Node::A_Star(_)
        | Node::MergeSupportFunc(_)
        | Node::ReturningOption(_)
        | Node::JsonTablePathSpec(_)
        | Node::RoleSpec(_)
        // A column's parts are names and stars.
        | Node::ColumnRef(_)
    )
}

fn is_branch(node: Node<'_>) -> bool {
    matches!(
        node,
        Node::NodeList(_)
            | Node::GroupingFunc(_)
            | Node::SubLink(_)
            | Node::CaseExpr(_)
            | Node::RowExpr(_)
            | Node::CoalesceExpr(_)
            | Node::MinMaxExpr(_)
            | Node::XmlExpr(_)
            | Node::NullTest(_)
            | Node::BooleanTest(_)
            | Node::JoinExpr(_)
            | Node::IntoClause(_)
            | Node::InsertStmt(_)
            | Node::DeleteStmt(_)
            | Node::UpdateStmt(_)
            | Node::MergeStmt(_)
            | Node::MergeWhenClause(_)
            | Node::ReturningClause(_)
            | Node::SelectStmt(_)
            | Node::PLAssignStmt(_)
            | Node::A_Expr(_)
            | Node::BoolExpr(_)
            | Node::FuncCall(_)
            | Node::NamedArgExpr(_)
            | Node::A_Indices(_)
            | Node::A_Indirection(_)
            | Node::A_ArrayExpr(_)
            | Node::ResTarget(_)
            | Node::MultiAssignRef(_)
            | Node::TypeCast(_)
            | Node::CollateClause(_)
            | Node::SortBy(_)
            | Node::WindowDef(_)
            | Node::RangeSubselect(_)
            | Node::RangeFunction(_)
            | Node::RangeTableSample(_)
            | Node::RangeTableFunc(_)
            | Node::RangeTableFuncCol(_)
            | Node::TypeName(_)
            | Node::ColumnDef(_)
            | Node::IndexElem(_)
            | Node::GroupingSet(_)
            | Node::LockingClause(_)
            | Node::XmlSerialize(_)
            | Node::WithClause(_)
            | Node::InferClause(_)
            | Node::OnConflictClause(_)
            | Node::CommonTableExpr(_)
    )
}

fn is_json(node: Node<'_>) -> bool {
    matches!(
        node,
        Node::JsonReturning(_)
            | Node::JsonValueExpr(_)
            | Node::JsonParseExpr(_)
            | Node::JsonScalarExpr(_)
            | Node::JsonSerializeExpr(_)
            | Node::JsonConstructorExpr(_)
            | Node::JsonIsPredicate(_)
            | Node::JsonArgument(_)
            | Node::JsonFuncExpr(_)
            | Node::JsonBehavior(_)
            | Node::JsonTable(_)
            | Node::JsonTableColumn(_)
            | Node::JsonOutput(_)
            | Node::JsonKeyValue(_)
            | Node::JsonObjectConstructor(_)
            | Node::JsonArrayConstructor(_)
            | Node::JsonAggConstructor(_)
            | Node::JsonObjectAgg(_)
            | Node::JsonArrayAgg(_)
            | Node::JsonArrayQueryConstructor(_)
    )
}

fn visit(node: Node<'_>, found: &mut Found) {
    match node {
        Node::FuncCall(call) => {
            if let Some(statement) = calls::judge(call) {
                found.push(statement);
            }
        }
        Node::SelectStmt(select) => {
            if let Some(into) = select.into_clause() {
                found.add(create::select_into(into, select));
            }
        }
        Node::UpdateStmt(update) => {
            written(update.relation(), "UPDATE", found);
            mass::update(update).into_iter().for_each(|change| found.add(change));
        }
        Node::DeleteStmt(delete) => {
            written(delete.relation(), "DELETE", found);
            mass::delete(delete).into_iter().for_each(|change| found.add(change));
        }
        Node::MergeStmt(merge) => {
            written(merge.relation(), "MERGE", found);
            mass::merge(merge).into_iter().for_each(|change| found.add(change));
        }
        Node::InsertStmt(insert) => written(insert.relation(), "INSERT", found),
        _ => {}
    }
}

/// DML on the system's own tables changes the schema behind every guard's back.
pub(super) fn written(relation: Option<&pg_raw_parse::nodes::RangeVar>, command: &str, found: &mut Found) {
    let Some(name) = relation.map(objects::relation) else {
        return;
    };
    let system = match name.schema.as_deref() {
        Some(schema) => matches!(schema, "pg_catalog" | "information_schema" | "pg_toast"),
        // pg_catalog is searched first, whatever the search_path says.
        None => name.name.starts_with("pg_"),
    };
    if system {
        let what = format!("{command} {}", name.name);
        found.add(Change::Opaque(Opaque { what, kind: OpaqueKind::Server, unless: None }));
    }
}
