//! CREATE TABLE and its kin, and what defines code.

use pg_raw_parse::list::NodeList;
use pg_raw_parse::raw::{ConstrType, ObjectType};
use pg_raw_parse::{Node, nodes};

use super::super::statement::{
    Change, CreateDomain, CreateTable, OpaqueKind, PartitionBound, RelationName, TableOutline,
};
use super::Unreadable;
use super::classify::{Found, expression, statement};
use super::{bound, column, objects, outline, queried, walk};

/// 't' of `relpersistence`.
fn is_temporary(range: &nodes::RangeVar) -> bool {
    u8::try_from(range.relpersistence) == Ok(b't') || range.schemaname().is_some_and(|schema| schema == "pg_temp")
}

fn from_query(into: &nodes::IntoClause, query: Node<'_>, view: bool, if_not_exists: bool) -> Change {
    let relation = into.rel().map_or_else(|| RelationName { schema: None, name: String::new() }, objects::relation);
    Change::CreateTable(CreateTable {
        relation,
        temporary: into.rel().is_some_and(is_temporary),
        if_not_exists,
        references: Vec::new(),
        partition_of: None,
        plain_partition: None,
        from_query: true,
        view,
        outline: Box::new(TableOutline { queried: queried::columns(into, query), ..TableOutline::default() }),
    })
}

/// `SELECT … INTO`.
pub(super) fn select_into(into: &nodes::IntoClause, select: &nodes::SelectStmt) -> Change {
    from_query(into, Node::SelectStmt(select), false, false)
}

/// `CREATE TABLE AS`, `CREATE MATERIALIZED VIEW`.
pub(super) fn table_as(create: &nodes::CreateTableAsStmt, found: &mut Found) -> Result<(), Unreadable> {
    match create.into() {
        Some(into) => {
            let view = create.objtype == ObjectType::OBJECT_MATVIEW;
            found.add(from_query(into, create.query(), view, create.if_not_exists));
        }
        None => found.other("CREATE TABLE AS"),
    }
    statement(create.query(), found)
}

pub(super) fn table(create: &nodes::CreateStmt, found: &mut Found) -> Result<(), Unreadable> {
    let Some(relation) = create.relation() else {
        found.other("CREATE TABLE");
        return Ok(());
    };
    let mut references = Vec::new();
    elements(create.table_elts(), &mut references, found)?;
    let parents = objects::ranges(create.inh_relations());
    let partition_of = match create.partbound() {
        Some(bound) => {
            for list in [bound.listdatums(), bound.lowerdatums(), bound.upperdatums()] {
                walk::query(Node::NodeList(list), found)?;
            }
            parents.into_iter().next()
        }
        None => None,
    };
    found.add(Change::CreateTable(CreateTable {
        relation: objects::relation(relation),
        temporary: is_temporary(relation),
        if_not_exists: create.if_not_exists,
        references,
        plain_partition: plain_partition(create)?,
        partition_of,
        from_query: false,
        view: false,
        outline: Box::new(outline::table(create)),
    }));
    Ok(())
}

/// A domain is what its type is.
pub(super) fn domain(create: &nodes::CreateDomainStmt, found: &mut Found) {
    let written = create.type_name();
    match written.and_then(|written| Some((column::type_name(written).ok()?, column::place(written.location)))) {
        Some((type_name, type_at)) => {
            let name = outline::named(create.domainname());
            found.add(Change::CreateDomain(CreateDomain { name, type_name, type_at }));
        }
        None => found.brief("CREATE DOMAIN", None),
    }
}

/// The bounds of a partition that is like its parent in all else.
fn plain_partition(create: &nodes::CreateStmt) -> Result<Option<PartitionBound>, Unreadable> {
    let Some(spec) = create.partbound() else { return Ok(None) };
    let more = create.if_not_exists
        || create.partspec().is_some()
        || create.tablespacename().is_some()
        || create.access_method().is_some()
        || !create.table_elts().is_empty()
        || !create.constraints().is_empty()
        || !create.options().is_empty()
        || create.relation().is_some_and(|name| u8::try_from(name.relpersistence) != Ok(b'p'));
    if more { Ok(None) } else { bound::bound(spec).map(Some) }
}

/// Columns and table constraints: what they reference, and what their expressions call.
fn elements(list: &NodeList, references: &mut Vec<RelationName>, found: &mut Found) -> Result<(), Unreadable> {
    for element in list {
        match element {
            Node::ColumnDef(column) => {
                for node in column.constraints() {
                    if let Node::Constraint(constraint) = node {
                        constraint_of(constraint, references, found)?;
                    }
                }
            }
            Node::Constraint(constraint) => constraint_of(constraint, references, found)?,
            _ => {}
        }
    }
    Ok(())
}

fn constraint_of(
    constraint: &nodes::Constraint,
    references: &mut Vec<RelationName>,
    found: &mut Found,
) -> Result<(), Unreadable> {
    if constraint.contype == ConstrType::CONSTR_FOREIGN
        && let Some(to) = constraint.pktable()
    {
        let to = objects::relation(to);
        if !references.contains(&to) {
            references.push(to);
        }
    }
    expression(constraint.raw_expr(), found)?;
    expression(constraint.where_clause(), found)
}

/// Languages whose code can do no more than its caller's SQL could.
const TRUSTED: &[&str] = &["sql", "plpgsql", "pltcl", "plperl", "plv8"];

/// CREATE FUNCTION only stores code; code that runs as somebody else or outside SQL is another matter.
pub(super) fn function(create: &nodes::CreateFunctionStmt, found: &mut Found) -> Result<(), Unreadable> {
    for parameter in create.parameters() {
        expression(parameter.defexpr(), found)?;
    }
    let mut language = None;
    let mut definer = false;
    for option in create.options() {
        match option.defname() {
            Some("language") => language = objects::literal(option.arg()).map(|name| name.to_ascii_lowercase()),
            Some("security") => definer = objects::may_be_true(option),
            _ => {}
        }
    }
    let trusted = match &language {
        Some(language) => TRUSTED.contains(&language.as_str()),
        None => !matches!(create.sql_body(), Node::None),
    };
    let command = if create.is_procedure { "CREATE PROCEDURE" } else { "CREATE FUNCTION" };
    if definer {
        found.opaque(format!("{command} … SECURITY DEFINER"), OpaqueKind::Code);
    } else if !trusted {
        found.opaque(format!("{command} … LANGUAGE {}", language.unwrap_or_default()), OpaqueKind::Code);
    } else {
        found.brief(command, None);
    }
    Ok(())
}

pub(super) fn alter_function(alter: &nodes::AlterFunctionStmt, found: &mut Found) {
    let definer =
        alter.actions().iter().any(|option| option.defname() == Some("security") && objects::may_be_true(option));
    if definer {
        found.opaque("ALTER FUNCTION … SECURITY DEFINER", OpaqueKind::Code);
    } else {
        found.brief("ALTER FUNCTION", None);
    }
}

/// ALTER TYPE … SET: functions are put where no query says their names; STORAGE is for later columns only.
pub(super) fn alter_base_type(alter: &nodes::AlterTypeStmt, found: &mut Found) {
    if alter.options().iter().all(|option| option.defname() == Some("storage")) {
        found.brief("ALTER TYPE", None);
    } else {
        found.opaque("ALTER TYPE … SET", OpaqueKind::Code);
    }
}

/// CREATE AGGREGATE, OPERATOR, TYPE, COLLATION, TEXT SEARCH ….
pub(super) fn define(define: &nodes::DefineStmt, found: &mut Found) {
    match define.kind {
        ObjectType::OBJECT_AGGREGATE => found.brief("CREATE AGGREGATE", None),
        ObjectType::OBJECT_OPERATOR => found.brief("CREATE OPERATOR", None),
        ObjectType::OBJECT_COLLATION => found.brief("CREATE COLLATION", None),
        ObjectType::OBJECT_TSCONFIGURATION | ObjectType::OBJECT_TSDICTIONARY => {
            found.brief("CREATE TEXT SEARCH", None);
        }
        // Base types and parsers are made of C functions.
        ObjectType::OBJECT_TYPE if define.definition().is_empty() => found.brief("CREATE TYPE", None),
        ObjectType::OBJECT_TYPE => found.opaque("CREATE TYPE of C functions", OpaqueKind::Code),
        _ => found.opaque("CREATE TEXT SEARCH of C functions", OpaqueKind::Code),
    }
}
