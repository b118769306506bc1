//! What a statement makes, beyond what it would do to others: for whoever must know what stands there
//! when the next one comes, and has no server to ask.

use pg_raw_parse::list::CastNodeList;
use pg_raw_parse::raw::{
    AlterTableType, ConstrType, DiscardMode, OnCommitAction, ReindexObjectType, TransactionStmtKind,
};
use pg_raw_parse::{Node, nodes};

use super::super::bounds;
use super::super::statement::{RelationName, TableOutline};
use super::session::{self, Setting};
use super::{Unreadable, calls, column, objects, walk};

/// `CREATE_TABLE_LIKE_INDEXES`.
const INCLUDING_INDEXES: u32 = 1 << 6;
/// `TRIGGER_TYPE_INSERT`, `_UPDATE` and `_DELETE`.
const TRIGGER_EVENTS: [i16; 3] = [1 << 2, 1 << 4, 1 << 3];

/// What one text makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    pub domains: Vec<DomainOutline>,
    pub functions: Vec<FunctionOutline>,
    /// Enumerations, composite types and ranges.
    pub types: Vec<RelationName>,
    /// Tables that get rows from a query or from COPY: nobody knows how many.
    pub filled: Vec<RelationName>,
    /// It runs code that may fill any table: DO, CALL, EXECUTE.
    pub runs_code: bool,
    /// Functions that its queries call.
    pub calls: Vec<RelationName>,
    /// Tables whose rows become another's too, and that other one: INHERIT.
    pub joined: Vec<(RelationName, RelationName)>,
    /// Temporary tables that end with the transaction.
    pub dropped_on_commit: Vec<RelationName>,
    /// DISCARD ALL or TEMP.
    pub discards_temporary: bool,
    /// What a transaction's end says besides.
    pub end: Option<End>,
    /// What it sets of the session, in its order.
    pub settings: Vec<Setting>,
    pub triggers: Vec<TriggerOutline>,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// AND CHAIN: the next one begins.
    Chain,
    /// PREPARE TRANSACTION: this session is out of it, and nothing is decided.
    Prepare,
}

/// `CREATE DOMAIN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainOutline {
    pub name: RelationName,
    /// The type below it, by its internal name.
    pub base: String,
    pub constrained: bool,
    pub has_default: bool,
}

/// `CREATE FUNCTION`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionOutline {
    pub name: RelationName,
    /// Neither STABLE nor IMMUTABLE was written.
    pub volatile: bool,
}

/// `CREATE TRIGGER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerOutline {
    pub name: String,
    pub table: RelationName,
    pub for_each_row: bool,
    /// It sees all rows of a statement together.
    pub transition_tables: bool,
    /// INSERT, UPDATE, DELETE.
    pub events: [bool; 3],
    /// `UPDATE OF`.
    pub columns: Vec<String>,
}

/// The outline of a text. What cannot be read makes nothing.
#[must_use]
pub fn outline(text: &str) -> Outline {
    let mut outline = Outline::default();
    if let Ok(tree) = super::parse(text, bounds::TEXT_BYTES_MAX) {
        tree.stmts().for_each(|statement| see(statement, &mut outline));
    }
    outline
}

/// What in a text the server does not run inside a transaction block (25001), if anything.
#[must_use]
pub fn refuses_block(text: &str) -> Option<&'static str> {
    let tree = super::parse(text, bounds::TEXT_BYTES_MAX).ok()?;
    tree.stmts().find_map(refuses)
}

fn refuses(statement: Node<'_>) -> Option<&'static str> {
    match statement {
        Node::IndexStmt(index) if index.concurrent => Some("CREATE INDEX CONCURRENTLY"),
        Node::DropStmt(drop) if drop.concurrent => Some("DROP INDEX CONCURRENTLY"),
        Node::ReindexStmt(reindex) => {
            let of_many = !matches!(
                reindex.kind,
                ReindexObjectType::REINDEX_OBJECT_INDEX | ReindexObjectType::REINDEX_OBJECT_TABLE
            );
            let concurrently = objects::last(reindex, "concurrently").is_some_and(objects::may_be_true);
            (of_many || concurrently).then_some("REINDEX of this kind")
        }
        Node::AlterTableStmt(alter) => {
            let concurrently = |node: Node<'_>| match node {
                Node::AlterTableCmd(command) => {
                    matches!(command.def(), Node::PartitionCmd(partition) if partition.concurrent)
                }
                _ => false,
            };
            alter.cmds().iter().any(concurrently).then_some("DETACH PARTITION CONCURRENTLY")
        }
        Node::VacuumStmt(vacuum) if vacuum.is_vacuumcmd => Some("VACUUM"),
        Node::ClusterStmt(cluster) if cluster.relation().is_none() => Some("CLUSTER of all tables"),
        Node::CreatedbStmt(_) => Some("CREATE DATABASE"),
        Node::DropdbStmt(_) => Some("DROP DATABASE"),
        Node::AlterSystemStmt(_) => Some("ALTER SYSTEM"),
        Node::CreateTableSpaceStmt(_) => Some("CREATE TABLESPACE"),
        Node::DropTableSpaceStmt(_) => Some("DROP TABLESPACE"),
        _ => None,
    }
}

fn see(statement: Node<'_>, outline: &mut Outline) {
    match statement {
        Node::CreateDomainStmt(domain) => outline.domains.extend(domain_of(domain)),
        Node::CreateEnumStmt(of) => outline.types.push(named(of.type_name())),
        Node::CreateRangeStmt(of) => outline.types.push(named(of.type_name())),
        Node::CompositeTypeStmt(of) => outline.types.extend(of.typevar().map(objects::relation)),
        Node::CreateFunctionStmt(function) => outline.functions.push(function_of(function)),
        Node::SelectStmt(select) if calls::is_restriction(select) => {}
        Node::InsertStmt(_) | Node::MergeStmt(_) | Node::SelectStmt(_) | Node::UpdateStmt(_) | Node::DeleteStmt(_) => {
            query(statement, outline);
        }
        Node::CopyStmt(copy) if copy.is_from => outline.filled.extend(copy.relation().map(objects::relation)),
        Node::CopyStmt(copy) => query(copy.query(), outline),
        Node::ExplainStmt(explain) => see(explain.query(), outline),
        Node::DoStmt(_) | Node::CallStmt(_) | Node::ExecuteStmt(_) => outline.runs_code = true,
        Node::CreateStmt(create) if create.oncommit == OnCommitAction::ONCOMMIT_DROP => {
            outline.dropped_on_commit.extend(create.relation().map(objects::relation));
        }
        Node::CreateTableAsStmt(create) => {
            let drops = |into: &&nodes::IntoClause| into.on_commit == OnCommitAction::ONCOMMIT_DROP;
            let into = create.into().filter(drops).and_then(nodes::IntoClause::rel);
            outline.dropped_on_commit.extend(into.map(objects::relation));
            query(create.query(), outline);
        }
        Node::AlterTableStmt(alter) => outline.joined.extend(joined(alter)),
        Node::DiscardStmt(discard) => {
            outline.discards_temporary = matches!(discard.target, DiscardMode::DISCARD_ALL | DiscardMode::DISCARD_TEMP);
            if discard.target == DiscardMode::DISCARD_ALL {
                outline.settings.extend(session::all_back());
            }
        }
        Node::TransactionStmt(control) => {
            outline.end = match control.kind {
                TransactionStmtKind::TRANS_STMT_PREPARE => Some(End::Prepare),
                _ if control.chain => Some(End::Chain),
                _ => None,
            };
        }
        Node::VariableSetStmt(set) => outline.settings.extend(session::set(set)),
        Node::CreateTrigStmt(trigger) => outline.triggers.extend(trigger_of(trigger)),
        _ => {}
    }
}

/// What a query fills, wherever in it. What cannot be walked is said elsewhere to be unreadable.
fn query(root: Node<'_>, outline: &mut Outline) {
    let _ = walk::each(root, |node| match node {
        Node::InsertStmt(insert) if from_a_query(insert) => {
            outline.filled.extend(insert.relation().map(objects::relation));
        }
        Node::MergeStmt(merge) => outline.filled.extend(merge.relation().map(objects::relation)),
        Node::FuncCall(call) => {
            outline.calls.push(objects::relation_of(call.funcname()));
            outline.settings.extend(session::set_config(call));
        }
        _ => {}
    });
}

/// A table and whom its rows belong to as well.
fn joined(alter: &nodes::AlterTableStmt) -> Vec<(RelationName, RelationName)> {
    let Some(child) = alter.relation().map(objects::relation) else { return Vec::new() };
    let parents = alter.cmds().iter().filter_map(|command| match command {
        Node::AlterTableCmd(command) if command.subtype == AlterTableType::AT_AddInherit => match command.def() {
            Node::RangeVar(parent) => Some(objects::relation(parent)),
            _ => None,
        },
        _ => None,
    });
    parents.map(|parent| (child.clone(), parent)).collect()
}

/// What a CREATE TABLE says of the table. An element that cannot be told leaves the outline incomplete.
pub(super) fn table(create: &nodes::CreateStmt) -> TableOutline {
    let mut made = TableOutline {
        complete: create.inh_relations().is_empty() && create.of_typename().is_none(),
        partitioned: create.partspec().is_some(),
        parent: objects::ranges(create.inh_relations()).into_iter().next(),
        default_partition: create.partbound().is_some_and(|bound| bound.is_default),
        ..TableOutline::default()
    };
    for element in create.table_elts() {
        let added = match element {
            Node::ColumnDef(of) => column::add(of, false).map(|column| made.columns.push(column)),
            Node::Constraint(of) => column::table_constraint(of).map(|constraint| made.constraints.push(constraint)),
            Node::TableLikeClause(like) => {
                made.like_indexes |= like.options & INCLUDING_INDEXES != 0;
                Err(Unreadable::bounds("columns of another table"))
            }
            _ => Err(Unreadable::bounds("an element that says nothing by itself")),
        };
        made.complete &= added.is_ok();
    }
    made
}

fn domain_of(domain: &nodes::CreateDomainStmt) -> Option<DomainOutline> {
    let mut made = DomainOutline {
        name: named(domain.domainname()),
        base: column::type_name(domain.type_name()?).ok()?.name,
        constrained: false,
        has_default: false,
    };
    for constraint in domain.constraints() {
        match constraint.contype {
            ConstrType::CONSTR_DEFAULT => made.has_default = true,
            ConstrType::CONSTR_NULL => {}
            _ => made.constrained = true,
        }
    }
    Some(made)
}

fn function_of(function: &nodes::CreateFunctionStmt) -> FunctionOutline {
    let volatility = function.options().iter().find(|option| option.defname() == Some("volatility"));
    let written = volatility.and_then(|option| objects::literal(option.arg()));
    FunctionOutline {
        name: objects::relation_of(function.funcname()),
        volatile: !matches!(written.as_deref(), Some("stable" | "immutable")),
    }
}

fn trigger_of(trigger: &nodes::CreateTrigStmt) -> Option<TriggerOutline> {
    Some(TriggerOutline {
        name: trigger.trigname()?.to_owned(),
        table: trigger.relation().map(objects::relation)?,
        for_each_row: trigger.row,
        transition_tables: !trigger.transition_rels().is_empty(),
        events: TRIGGER_EVENTS.map(|event| trigger.events & event != 0),
        columns: trigger.columns().iter().filter_map(Node::as_str).map(str::to_owned).collect(),
    })
}

pub(super) fn named(parts: &CastNodeList<nodes::String>) -> RelationName {
    let parts: Vec<&str> = parts.iter().filter_map(nodes::String::sval).collect();
    objects::relation_from(&parts)
}

/// Not `VALUES`, whose rows stand in the text, and not `DEFAULT VALUES`.
fn from_a_query(insert: &nodes::InsertStmt) -> bool {
    match insert.select_stmt() {
        Node::SelectStmt(select) => select.values_lists().is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::sql::statement::{Change, CreateTable, Statement};

    fn name(schema: Option<&str>, name: &str) -> RelationName {
        RelationName { schema: schema.map(str::to_owned), name: name.to_owned() }
    }

    fn tables(text: &str) -> Vec<CreateTable> {
        let statements = super::super::read(text).unwrap().statements.into_iter();
        let made = statements.filter_map(|parsed| match parsed.statement {
            Statement::Change(Change::CreateTable(table)) => Some(table),
            _ => None,
        });
        made.collect()
    }

    #[test]
    fn a_table_with_all_it_says() {
        let text = "create table app.t (id bigserial primary key, a int not null, check (a > 0))";
        let made = tables(text);
        let [table] = made.as_slice() else { panic!("{made:?}") };
        assert_eq!(table.relation, name(Some("app"), "t"));
        let outline = &table.outline;
        assert_eq!(outline.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["id", "a"]);
        assert!(outline.complete && outline.constraints.len() == 1 && outline.columns[1].not_null.is_some());
        let at = |place: usize| &text[place..place + 5];
        let column = &outline.columns[0];
        let places = [column.at, column.type_at, column.constraints[0].at, outline.constraints[0].at];
        assert_eq!(places.map(at), ["id bi", "bigse", "prima", "check"]);
        for from_elsewhere in ["create table t (like u)", "create table t () inherits (u)", "create table t of u"] {
            assert!(!tables(from_elsewhere)[0].outline.complete, "{from_elsewhere}");
        }
        let like = |options: &str| tables(&format!("create table t (like u {options})"))[0].outline.like_indexes;
        assert!(like("including all") && like("including indexes") && !like("including defaults") && !like(""));
        let parts = "create table p (a int) partition by list (a); create table d partition of p default";
        let made = tables(parts);
        assert!(made[0].outline.partitioned && made[1].outline.default_partition);
        assert_eq!(made[1].outline.parent, Some(name(None, "p")));
    }

    #[test]
    fn what_else_is_made() {
        let made = outline(
            "create domain d as int check (value > 0); create domain e as d default 3; create type f as enum ('a'); \
             create function g() returns int language sql stable as 'select 1'; \
             create function h() returns int language sql as 'select 1'; \
             create trigger i before insert or update of a, b on s.t for each row execute function g()",
        );
        let domains: Vec<_> = made.domains.iter().map(|d| (d.base.as_str(), d.constrained, d.has_default)).collect();
        assert_eq!(domains, [("int4", true, false), ("d", false, true)]);
        assert_eq!(made.types, [name(None, "f")]);
        assert_eq!(made.functions.iter().map(|f| f.volatile).collect::<Vec<_>>(), [false, true]);
        let [trigger] = made.triggers.as_slice() else { panic!("{made:?}") };
        assert_eq!((&trigger.name, &trigger.table), (&"i".to_owned(), &name(Some("s"), "t")));
        assert_eq!((trigger.for_each_row, trigger.events, trigger.columns.len()), (true, [true, true, false], 2));
    }

    #[test]
    fn what_refuses_a_block() {
        for (text, expected) in [
            ("select 1; create index concurrently on t (a)", Some("CREATE INDEX CONCURRENTLY")),
            ("drop index concurrently i", Some("DROP INDEX CONCURRENTLY")),
            ("reindex (concurrently) table t", Some("REINDEX of this kind")),
            ("reindex schema s", Some("REINDEX of this kind")),
            ("alter table p detach partition q concurrently", Some("DETACH PARTITION CONCURRENTLY")),
            ("vacuum t", Some("VACUUM")),
            ("reindex table t", None),
            ("analyze t", None),
            ("create index on t (a)", None),
        ] {
            assert_eq!(refuses_block(text), expected, "{text}");
        }
    }

    #[test]
    fn what_ends_and_what_runs() {
        for text in ["create temp table t (a int) on commit drop", "create temp table t on commit drop as select 1"] {
            assert_eq!(outline(text).dropped_on_commit, [name(None, "t")], "{text}");
        }
        assert_eq!(outline("create temp table t (a int) on commit delete rows").dropped_on_commit, []);
        assert!(outline("discard all").discards_temporary && !outline("discard plans").discards_temporary);
        assert_eq!(outline("rollback and chain").end, Some(End::Chain));
        assert_eq!(outline("prepare transaction 'x'").end, Some(End::Prepare));
        assert_eq!(outline("commit").end, None);
        assert_eq!(outline("alter table a inherit b").joined, [(name(None, "a"), name(None, "b"))]);
        for (text, expected) in
            [("do 'begin end'", true), ("call p()", true), ("execute p", true), ("select app.load()", false)]
        {
            assert_eq!(outline(text).runs_code, expected, "{text}");
        }
        let calls = outline("select app.load(), count(*) from t; update t set a = lower(b)").calls;
        assert_eq!(calls, [name(None, "count"), name(Some("app"), "load"), name(None, "lower")]);
    }

    #[test]
    fn rows_nobody_counts() {
        let filled = |text| outline(text).filled;
        assert_eq!(filled("insert into s.t select * from u"), [name(Some("s"), "t")]);
        for text in [
            "copy t from stdin",
            "with a as (insert into t select * from u returning 1) select 1",
            "merge into t using u on t.a = u.a when not matched then insert values (u.a)",
            "explain analyze insert into t table u",
        ] {
            assert_eq!(filled(text), [name(None, "t")], "{text}");
        }
        for counted in ["insert into t values (1), (2)", "insert into t default values", "copy t to stdout", "selec"] {
            assert_eq!(filled(counted), [], "{counted}");
        }
    }
}
