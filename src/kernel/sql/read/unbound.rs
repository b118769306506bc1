//! Statements of a message behind which a `lock_timeout` that was set before the message may not hold any more.

use pg_raw_parse::list::NodeList;
use pg_raw_parse::raw::{DiscardMode, TransactionStmtKind, VariableSetKind};
use pg_raw_parse::{Node, nodes};

use super::super::{bounds, functions};
use super::{objects, parse, walk};

const SETTING: &str = "lock_timeout";

/// What takes it away. The stronger one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unbinds {
    /// Where it was set inside the transaction that is rolled back.
    Rollback,
    /// Somebody's own code runs, or what is not to be told from the text: it may do either.
    Code,
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
        | Node::ExplainStmt(_) => within(node),
        Node::DeclareCursorStmt(cursor) => within(cursor.query()),
        // What a name or a cursor stands for.
        Node::DoStmt(_) | Node::CallStmt(_) | Node::ExecuteStmt(_) | Node::FetchStmt(_) => Some(Unbinds::Code),
        Node::CopyStmt(copy) if !matches!(copy.query(), Node::None) => within(copy.query()),
        _ => None,
    }
}

fn within(query: Node<'_>) -> Option<Unbinds> {
    let mut found = None;
    let walked = walk::each(query, |node| {
        found = found.max(match node {
            Node::FuncCall(call) => called(call),
            Node::A_Expr(of) => operated(of.name()),
            Node::SubLink(of) => operated(of.oper_name()),
            Node::SortBy(by) => operated(by.use_op()),
            _ => None,
        });
    });
    if walked.is_err() { Some(Unbinds::Setting) } else { found }
}

fn called(call: &nodes::FuncCall) -> Option<Unbinds> {
    if sets_it(call) {
        return Some(Unbinds::Setting);
    }
    (!functions::is_own(&objects::relation_of(call.funcname()))).then_some(Unbinds::Code)
}

/// An operator, where one is written.
fn operated(name: &NodeList) -> Option<Unbinds> {
    (!name.is_empty() && !functions::is_own_operator(&objects::relation_of(name))).then_some(Unbinds::Code)
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
            ("select f()", Some(Unbinds::Code)),
            ("select app.now() from t", Some(Unbinds::Code)),
            ("insert into t select lower(a), f(a) from u", Some(Unbinds::Code)),
            ("copy (select f()) to stdout", Some(Unbinds::Code)),
            ("select pg_fill()", Some(Unbinds::Code)),
            ("select app.pg_sleep(1)", Some(Unbinds::Code)),
            ("select pg_sleep(0), pg_catalog.pg_typeof(1)", None),
            ("select a === b from t", Some(Unbinds::Code)),
            ("select a operator(app.+) b from t", Some(Unbinds::Code)),
            ("select 1 from t where a === any (select 1)", Some(Unbinds::Code)),
            ("select a from t order by a using operator(app.<)", Some(Unbinds::Code)),
            ("select -a, a operator(pg_catalog.+) b from t where a between 1 and 2 and b in (1) or c like 'x'", None),
            ("select a from t where b = any (select 1) and a is distinct from b order by a using <", None),
            ("select f(), set_config('lock_timeout', '0', false)", Some(Unbinds::Setting)),
            ("do 'begin null; end'", Some(Unbinds::Code)),
            ("call p()", Some(Unbinds::Code)),
            ("execute x", Some(Unbinds::Code)),
            ("fetch c", Some(Unbinds::Code)),
            ("declare c cursor for select f()", Some(Unbinds::Code)),
            ("select now(), count(*), pg_catalog.lower(a) from t", None),
            ("select setval('t_id_seq', max(id)) from t", None),
            ("insert into t values (gen_random_uuid(), current_timestamp)", None),
            ("create function f() returns int language sql as 'select 1'", None),
            ("prepare x as select f()", None),
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
