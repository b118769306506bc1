//! Whether a WHERE leaves anything out: absent, a tautology, or about something else than the target.
//! Errs towards "leaves nothing out": a false alarm is a question, a miss is a table.

use std::collections::HashSet;

use pg_raw_parse::list::NodeList;
use pg_raw_parse::raw::{A_Expr_Kind, BoolExprType, BoolTestType, NullTestType, SetOperation, SubLinkType};
use pg_raw_parse::{Node, nodes};

use super::{fragment, objects, walk};

/// Predicates nested deeper than this are taken to say something.
const DEPTH_MAX: usize = 100;

/// The table that is written, and how a predicate may name it.
pub(super) struct Target<'a> {
    pub(super) range: &'a nodes::RangeVar,
    alias: &'a str,
    /// Other tables are joined: a column without a qualifier may be theirs, a qualified one is.
    joined: bool,
    /// The names under which the same table is joined once more: each row meets itself there.
    twins: Vec<&'a str>,
}

impl<'a> Target<'a> {
    pub(super) fn of(range: &'a nodes::RangeVar, joined: &'a NodeList) -> Self {
        let twins = joined.iter().filter_map(|other| twin(range, other)).collect();
        Self { joined: !joined.is_empty(), twins, ..Self::alone(range) }
    }

    pub(super) fn merged(range: &'a nodes::RangeVar, source: Node<'a>) -> Self {
        Self { joined: true, twins: twin(range, source).into_iter().collect(), ..Self::alone(range) }
    }

    fn alone(range: &'a nodes::RangeVar) -> Self {
        Self { range, alias: known_as(range), joined: false, twins: Vec::new() }
    }

    /// Whether a column may be the target's own.
    fn may_own(&self, column: &nodes::ColumnRef) -> bool {
        let parts: Vec<Node<'_>> = column.fields().iter().collect();
        match parts.as_slice() {
            [] => false,
            [_] => true,
            [.., qualifier, _] => !self.joined || qualifier.as_str() == Some(self.alias),
        }
    }
}

/// How a query names a table.
fn known_as(range: &nodes::RangeVar) -> &str {
    range.alias().and_then(nodes::Alias::aliasname).or_else(|| range.relname()).unwrap_or_default()
}

/// The name of the other one, if it is the same table.
fn twin<'a>(range: &nodes::RangeVar, other: Node<'a>) -> Option<&'a str> {
    match other {
        Node::RangeVar(other) if other.relname() == range.relname() && other.schemaname() == range.schemaname() => {
            Some(known_as(other))
        }
        _ => None,
    }
}

/// Whether no row of the target is certain to be spared.
pub(super) fn selects_everything(predicate: Node<'_>, target: &Target<'_>) -> bool {
    match predicate {
        Node::None => true,
        _ if is_false(predicate, target, 0) => false,
        _ => is_true(predicate, target, 0) || !mentions(predicate, target),
    }
}

/// Whether the predicate says anything about the target's rows. CURRENT OF does.
fn mentions(predicate: Node<'_>, target: &Target<'_>) -> bool {
    let mut mentioned = false;
    let depth = walk::each(predicate, |node| match node {
        Node::ColumnRef(column) => mentioned |= target.may_own(column),
        Node::CurrentOfExpr(_) => mentioned = true,
        _ => {}
    });
    mentioned || depth.is_err()
}

fn is_true(node: Node<'_>, target: &Target<'_>, depth: usize) -> bool {
    if depth > DEPTH_MAX {
        return false;
    }
    let holds = |node| is_true(node, target, depth + 1);
    match node {
        Node::A_Const(_) | Node::TypeCast(_) => boolean(node) == Some(true),
        Node::BoolExpr(expression) => match expression.boolop {
            BoolExprType::AND_EXPR => expression.args().iter().all(holds),
            BoolExprType::OR_EXPR => expression.args().iter().any(holds) || complementary(expression.args()),
            _ => expression.args().iter().all(|node| is_false(node, target, depth + 1)),
        },
        Node::BooleanTest(test) => match test.booltesttype {
            BoolTestType::IS_TRUE | BoolTestType::IS_NOT_FALSE => holds(test.arg()),
            BoolTestType::IS_FALSE | BoolTestType::IS_NOT_TRUE => is_false(test.arg(), target, depth + 1),
            BoolTestType::IS_NOT_UNKNOWN => holds(test.arg()),
            _ => false,
        },
        Node::NullTest(test) => {
            test.nulltesttype == NullTestType::IS_NOT_NULL
                && matches!(test.arg(), Node::A_Const(value) if !value.isnull)
        }
        Node::CoalesceExpr(coalesce) => coalesce.args().first().is_some_and(holds),
        Node::A_Expr(expression) => comparison(expression, target) == Some(true),
        Node::SubLink(link) => every_row(link, target, depth),
        _ => false,
    }
}

fn is_false(node: Node<'_>, target: &Target<'_>, depth: usize) -> bool {
    if depth > DEPTH_MAX {
        return false;
    }
    match node {
        Node::A_Const(_) | Node::TypeCast(_) => boolean(node) == Some(false),
        Node::BoolExpr(expression) => match expression.boolop {
            BoolExprType::AND_EXPR => expression.args().iter().any(|node| is_false(node, target, depth + 1)),
            BoolExprType::OR_EXPR => expression.args().iter().all(|node| is_false(node, target, depth + 1)),
            _ => expression.args().iter().all(|node| is_true(node, target, depth + 1)),
        },
        Node::A_Expr(expression) => comparison(expression, target) == Some(false),
        _ => false,
    }
}

/// A constant as a boolean: `true`, `'t'`, `1::bool`.
fn boolean(node: Node<'_>) -> Option<bool> {
    match objects::literal(node)?.trim().to_ascii_lowercase().as_str() {
        "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Some(true),
        "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// `x IS NULL OR x IS NOT NULL`, `p OR NOT p`.
fn complementary(arguments: &NodeList) -> bool {
    let mut plain = HashSet::new();
    let mut negated = HashSet::new();
    for argument in arguments.iter().take(DEPTH_MAX) {
        let (side, key) = match argument {
            Node::NullTest(test) if test.nulltesttype == NullTestType::IS_NULL => (&mut plain, shape(test.arg())),
            Node::NullTest(test) => (&mut negated, shape(test.arg())),
            Node::BoolExpr(expression) if expression.boolop == BoolExprType::NOT_EXPR => {
                (&mut negated, expression.args().first().and_then(shape))
            }
            other => (&mut plain, shape(other)),
        };
        side.extend(key);
    }
    !plain.is_disjoint(&negated)
}

/// A printed form to compare by; none for what is deep.
fn shape(node: Node<'_>) -> Option<String> {
    fragment::printed(node)
}

/// What a comparison is for every row: of constants, or of something with itself.
fn comparison(expression: &nodes::A_Expr, target: &Target<'_>) -> Option<bool> {
    let operator = objects::last_name(expression.name()).unwrap_or_default();
    let (left, right) = (expression.lexpr(), expression.rexpr());
    match expression.kind {
        A_Expr_Kind::AEXPR_OP | A_Expr_Kind::AEXPR_LIKE | A_Expr_Kind::AEXPR_ILIKE => {
            if let (Some(one), Some(other)) = (objects::literal(left), objects::literal(right)) {
                return Some(constant(operator, &one, &other));
            }
            if matches!(operator, "~~" | "~~*") && objects::literal(right).is_some_and(|p| p.chars().all(|c| c == '%'))
            {
                return Some(true);
            }
            if matches!(operator, "~" | "~*")
                && objects::literal(right).is_some_and(|p| matches!(p.as_str(), "" | ".*" | "^" | "$"))
            {
                return Some(true);
            }
            let reflexive = matches!(operator, "=" | "<=" | ">=" | "~~" | "~~*" | "@>" | "<@" | "&&");
            (reflexive && same(left, right, target)).then_some(true)
        }
        A_Expr_Kind::AEXPR_NOT_DISTINCT => same(left, right, target).then_some(true),
        A_Expr_Kind::AEXPR_IN => {
            let list = right.as_node_list()?;
            (operator == "=" && list.iter().any(|item| same(left, item, target) || equal(left, item))).then_some(true)
        }
        A_Expr_Kind::AEXPR_BETWEEN => {
            let bounds = right.as_node_list()?;
            bounds.iter().all(|bound| same(left, bound, target)).then_some(true)
        }
        A_Expr_Kind::AEXPR_OP_ANY if operator == "=" => match right {
            Node::SubLink(link) => column_of_target(left, link, target).then_some(true),
            Node::A_ArrayExpr(array) => array.elements().iter().any(|item| same(left, item, target)).then_some(true),
            _ => None,
        },
        _ => None,
    }
}

fn equal(left: Node<'_>, right: Node<'_>) -> bool {
    matches!((objects::literal(left), objects::literal(right)), (Some(one), Some(other)) if one == other)
}

fn constant(operator: &str, one: &str, other: &str) -> bool {
    let order = match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => one.partial_cmp(&other),
        _ => Some(one.cmp(other)),
    };
    let Some(order) = order else { return true };
    match operator {
        "=" => order.is_eq(),
        "<>" => order.is_ne(),
        "<" => order.is_lt(),
        ">" => order.is_gt(),
        "<=" => order.is_le(),
        ">=" => order.is_ge(),
        // Another operator on two constants: the same for every row, and not known to be false.
        _ => true,
    }
}

/// The same expression, or the same column of the target however qualified.
fn same(left: Node<'_>, right: Node<'_>, target: &Target<'_>) -> bool {
    match (column(left, target), column(right, target)) {
        (Some(one), Some(other)) => one == other,
        (Some(one), None) => twins_column(right, target) == Some(one),
        (None, Some(other)) => twins_column(left, target) == Some(other),
        (None, None) => matches!((shape(left), shape(right)), (Some(one), Some(other)) if one == other),
    }
}

/// A column of the target by its own name.
fn column<'a>(node: Node<'a>, target: &Target<'_>) -> Option<&'a str> {
    match node {
        Node::ColumnRef(column) if target.may_own(column) => objects::last_name(column.fields()),
        _ => None,
    }
}

/// A column of the target's twin.
fn twins_column<'a>(node: Node<'a>, target: &Target<'_>) -> Option<&'a str> {
    let Node::ColumnRef(column) = node else { return None };
    let parts: Vec<Node<'_>> = column.fields().iter().collect();
    let [qualifier, _] = parts.as_slice() else { return None };
    let of_twin = qualifier.as_str().is_some_and(|qualifier| target.twins.contains(&qualifier));
    of_twin.then(|| objects::last_name(column.fields())).flatten()
}

/// `EXISTS (SELECT … FROM the same table)`, `id IN (SELECT id FROM the same table)`.
fn every_row(link: &nodes::SubLink, target: &Target<'_>, depth: usize) -> bool {
    match link.sub_link_type {
        SubLinkType::EXISTS_SUBLINK => match link.subselect() {
            Node::SelectStmt(select) => {
                whole_target(select, target)
                    || (select.from_clause().is_empty()
                        && select.op == SetOperation::SETOP_NONE
                        && matches!(select.where_clause(), Node::None)
                        && matches!(select.limit_count(), Node::None))
            }
            _ => false,
        },
        SubLinkType::ANY_SUBLINK => column_of_target(link.testexpr(), link, target),
        SubLinkType::EXPR_SUBLINK => match link.subselect() {
            Node::SelectStmt(select)
                if select.from_clause().is_empty() && matches!(select.where_clause(), Node::None) =>
            {
                select.target_list().first().is_some_and(|only| is_true(only.val(), target, depth + 1))
            }
            _ => false,
        },
        _ => false,
    }
}

fn column_of_target(tested: Node<'_>, link: &nodes::SubLink, target: &Target<'_>) -> bool {
    let Node::SelectStmt(select) = link.subselect() else {
        return false;
    };
    let Some(tested) = column(tested, target) else {
        return false;
    };
    let mut selected = select.target_list().iter();
    let Some(selected) = selected.next() else {
        return false;
    };
    let same = matches!(selected.val(), Node::ColumnRef(column) if objects::last_name(column.fields()) == Some(tested));
    same && whole_target(select, target)
}

/// A plain SELECT of all rows of the target.
fn whole_target(select: &nodes::SelectStmt, target: &Target<'_>) -> bool {
    let mut from = select.from_clause().iter();
    let (Some(Node::RangeVar(range)), None) = (from.next(), from.next()) else {
        return false;
    };
    let inner = Target::alone(range);
    range.relname() == target.range.relname()
        && select.op == SetOperation::SETOP_NONE
        && selects_everything(select.where_clause(), &inner)
        && matches!(select.having_clause(), Node::None)
        && matches!(select.limit_count(), Node::None)
        && matches!(select.limit_offset(), Node::None)
}
