//! Statements of a message behind which a `lock_timeout` that was set before the message may not hold any more.

use pg_raw_parse::raw::{DiscardMode, TransactionStmtKind, VariableSetKind};
use pg_raw_parse::{Node, nodes};

use super::super::bounds;
use super::{objects, parse, walk};

const SETTING: &str = "lock_timeout";

/// What takes it away. The stronger one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unbinds {
    /// Where it was set inside the transaction that is rolled back.
    Rollback,
    /// The setting itself is changed.
    Setting,
}

/// What of a text takes it away, if anything.
#[must_use]
pub fn unbinds(text: &str) -> Option<Unbinds> {
    let tree = parse(text, bounds::TEXT_BYTES_MAX).ok()?;
    tree.stmts().filter_map(statement).max()
}

fn statement(node: Node<'_>) -> Option<Unbinds> {
    match node {
        Node::VariableSetStmt(set) => {
            let all = set.kind == VariableSetKind::VAR_RESET_ALL;
            (all || set.name().is_some_and(|name| name.eq_ignore_ascii_case(SETTING))).then_some(Unbinds::Setting)
        }
        Node::DiscardStmt(discard) => (discard.target == DiscardMode::DISCARD_ALL).then_some(Unbinds::Setting),
        Node::TransactionStmt(control) => {
            let back = [TransactionStmtKind::TRANS_STMT_ROLLBACK, TransactionStmtKind::TRANS_STMT_ROLLBACK_TO];
            back.contains(&control.kind).then_some(Unbinds::Rollback)
        }
        Node::SelectStmt(_)
        | Node::InsertStmt(_)
        | Node::UpdateStmt(_)
        | Node::DeleteStmt(_)
        | Node::MergeStmt(_)
        | Node::CreateTableAsStmt(_)
        | Node::ExplainStmt(_) => sets_within(node),
        Node::CopyStmt(copy) if !matches!(copy.query(), Node::None) => sets_within(copy.query()),
        _ => None,
    }
}

fn sets_within(query: Node<'_>) -> Option<Unbinds> {
    let mut sets = false;
    let walked = walk::each(query, |node| {
        if let Node::FuncCall(call) = node {
            sets |= sets_it(call);
        }
    });
    (sets || walked.is_err()).then_some(Unbinds::Setting)
}

/// `set_config()` of it. A name that is not a literal is held elsewhere.
fn sets_it(call: &nodes::FuncCall) -> bool {
    objects::relation_of(call.funcname()).name == "set_config"
        && call.args().first().and_then(objects::literal).is_some_and(|name| name.eq_ignore_ascii_case(SETTING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_the_lock_timeout_away() {
        for (text, expected) in [
            ("set lock_timeout = 0", Some(Unbinds::Setting)),
            ("SET LOCAL \"Lock_Timeout\" TO DEFAULT", Some(Unbinds::Setting)),
            ("reset lock_timeout", Some(Unbinds::Setting)),
            ("reset all", Some(Unbinds::Setting)),
            ("discard all", Some(Unbinds::Setting)),
            ("select pg_catalog.set_config('LOCK_timeout', '0', false)", Some(Unbinds::Setting)),
            ("explain analyze select set_config('lock_timeout', '0', false)", Some(Unbinds::Setting)),
            ("create table u as select set_config('lock_timeout', '0', false)", Some(Unbinds::Setting)),
            ("copy (select set_config('lock_timeout', '0', false)) to stdout", Some(Unbinds::Setting)),
            ("insert into t select * from u", None),
            ("copy t from stdin", None),
            ("with a as (select set_config('lock_timeout', '0', false)) select 1", Some(Unbinds::Setting)),
            ("rollback", Some(Unbinds::Rollback)),
            ("rollback to savepoint a", Some(Unbinds::Rollback)),
            ("rollback; set lock_timeout = 1", Some(Unbinds::Setting)),
            ("set statement_timeout = 0", None),
            ("select set_config('statement_timeout', '0', false)", None),
            ("discard plans", None),
            ("commit", None),
            ("release savepoint a", None),
            ("alter table t add a int", None),
        ] {
            assert_eq!(unbinds(text), expected, "{text}");
        }
    }
}
