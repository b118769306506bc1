//! Pieces of a tree as text. Every piece is read back and compared with the tree it came from: a
//! deparser that loses something is noticed here and not in somebody's schema.

use pg_raw_parse::make::{self, MemoryToken, Unique};
use pg_raw_parse::{Node, deparse, nodes};

use super::super::bounds;
use super::{Unreadable, UnreadableKind, only, walk};

/// The relation that stands for "this table" while a piece is deparsed.
const SENTINEL: &str = "t";

fn lost(what: &str) -> Unreadable {
    Unreadable { why: format!("{what} cannot be written back faithfully"), kind: UnreadableKind::Bounds }
}

/// Refuses what is too deep to be deparsed: deparsing, copying and printing recurse.
pub(super) fn shallow(node: Node<'_>) -> Result<(), Unreadable> {
    let depth = walk::each(node, |_| {})?;
    if depth > bounds::DEPTH_DEPARSED_MAX {
        return Err(Unreadable::bounds(format!(
            "an expression is nested deeper than {} levels",
            bounds::DEPTH_DEPARSED_MAX
        )));
    }
    Ok(())
}

/// An expression, usable wherever an `a_expr` may stand.
pub(super) fn expression(node: Node<'_>) -> Result<String, Unreadable> {
    shallow(node)?;
    let select = make::owned(|mem| {
        let mut select = mem.make_node::<nodes::SelectStmt>();
        let target = mem.make_res_target(None, mem.empty(), mem.make_unique(node));
        select.as_mut().set_target_list(mem.make_list(&[target]));
        select
    });
    let sql = text(Node::SelectStmt(&select))?;
    let tree = super::parse(&sql, bounds::TEXT_BYTES_MAX).map_err(|_| lost("an expression"))?;
    let same = match only(&tree) {
        Some(Node::SelectStmt(read)) => {
            read.target_list().len() == 1 && read.target_list().iter().all(|target| alike(target.val(), node))
        }
        _ => false,
    };
    match sql.strip_prefix("SELECT ") {
        Some(expression) if same => Ok(expression.to_owned()),
        _ => Err(lost("an expression")),
    }
}

/// A type's name with modifiers and array bounds.
pub(super) fn type_name(name: &nodes::TypeName) -> Result<String, Unreadable> {
    let cast = make::owned(|mem| {
        let mut cast = mem.make_node::<nodes::TypeCast>();
        cast.as_mut().set_arg(mem.make_null().uncast());
        cast.as_mut().set_type_name(mem.make_unique(name).as_option());
        cast
    });
    let sql = expression(Node::TypeCast(&cast))?;
    sql.strip_prefix("NULL::").map(str::to_owned).ok_or_else(|| lost("a type"))
}

/// A collation's name.
pub(super) fn collation(clause: &nodes::CollateClause) -> String {
    let names: Vec<String> =
        clause.collname().iter().filter_map(Node::as_str).map(super::super::write::quote_ident).collect();
    names.join(".")
}

/// What follows the table's name in `CREATE INDEX ON t …`.
pub(super) fn index_body(statement: &nodes::IndexStmt) -> Result<String, Unreadable> {
    index_shallow(statement)?;
    let plain = make::owned(|mem| {
        let mut copy = mem.make_unique(statement);
        let mut index = copy.as_mut();
        index.set_relation(sentinel(mem));
        index.set_idxname(None);
        index.set_unique(false);
        index.set_concurrent(false);
        index.set_if_not_exists(false);
        copy
    });
    index_text(&plain)
}

/// The same for an index made up here, of a constraint.
pub(super) fn index_text(plain: &nodes::IndexStmt) -> Result<String, Unreadable> {
    let sql = text(Node::IndexStmt(plain))?;
    let tree = super::parse(&sql, bounds::TEXT_BYTES_MAX).map_err(|_| lost("an index"))?;
    let same = only(&tree).is_some_and(|read| alike(read, Node::IndexStmt(plain)));
    match sql.strip_prefix("CREATE INDEX ON t ") {
        Some(body) if same => Ok(body.to_owned()),
        _ => Err(lost("an index")),
    }
}

fn index_shallow(statement: &nodes::IndexStmt) -> Result<(), Unreadable> {
    shallow(statement.where_clause())?;
    statement.index_params().iter().try_for_each(|element| shallow(element.expr()))
}

/// What follows the table's name in `ALTER TABLE t …` for one subcommand.
pub(super) fn action(statement: &nodes::AlterTableStmt, command: &nodes::AlterTableCmd) -> Result<String, Unreadable> {
    if let Node::Constraint(of) = command.def()
        && parted(of)
    {
        return Ok(format!("ADD {}", constraint(of)?));
    }
    let sql = alone(statement, |mem| mem.make_unique(command))?;
    let tree = super::parse(&sql, bounds::TEXT_BYTES_MAX).map_err(|_| lost("a subcommand"))?;
    let same = match only(&tree) {
        Some(Node::AlterTableStmt(read)) => {
            read.cmds().len() == 1 && read.cmds().iter().all(|read| alike(read, Node::AlterTableCmd(command)))
        }
        _ => false,
    };
    match sql.split_once(" t ") {
        Some((_, action)) if same => Ok(action.to_owned()),
        _ => Err(lost("a subcommand")),
    }
}

/// `ADD …` of one table constraint, without the ADD.
pub(super) fn constraint(of: &nodes::Constraint) -> Result<String, Unreadable> {
    let sql = if parted(of) { parted_text(of)? } else { add_constraint(of)? };
    let tree = super::parse(&sql, bounds::TEXT_BYTES_MAX).map_err(|_| lost("a constraint"))?;
    let same = match only(&tree) {
        Some(Node::AlterTableStmt(read)) => match read.cmds().first() {
            Some(Node::AlterTableCmd(command)) => alike(command.def(), Node::Constraint(of)),
            _ => false,
        },
        _ => false,
    };
    match sql.strip_prefix("ALTER TABLE t ADD ") {
        // What is not enforced is not valid either; the deparser says both.
        Some(definition) if same => Ok(definition.strip_suffix(" NOT VALID").unwrap_or(definition).to_owned()),
        _ => Err(lost("a constraint")),
    }
}

/// Whether this is an exclusion constraint with a predicate behind its index's options or tablespace: the deparser writes
/// the predicate before them, where the grammar does not take it.
fn parted(of: &nodes::Constraint) -> bool {
    of.contype == pg_raw_parse::raw::ConstrType::CONSTR_EXCLUSION
        && !matches!(of.where_clause(), Node::None)
        && (!of.options().is_empty() || of.indexspace().is_some())
}

fn parted_text(of: &nodes::Constraint) -> Result<String, Unreadable> {
    let rest = make::owned(|mem| {
        let mut rest = mem.make_unique(of);
        rest.as_mut().set_where_clause(mem.make_unique(Node::None));
        rest.as_mut().set_deferrable(false);
        rest.as_mut().set_initdeferred(false);
        rest
    });
    let mut sql = add_constraint(&rest)?;
    sql.push_str(&format!(" WHERE ({})", expression(of.where_clause())?));
    sql.push_str(if of.deferrable { " DEFERRABLE" } else { "" });
    sql.push_str(if of.initdeferred { " INITIALLY DEFERRED" } else { "" });
    Ok(sql)
}

fn add_constraint(of: &nodes::Constraint) -> Result<String, Unreadable> {
    let alter = make::owned(|mem| {
        let mut command = mem.make_node::<nodes::AlterTableCmd>();
        command.as_mut().set_subtype(pg_raw_parse::raw::AlterTableType::AT_AddConstraint);
        command.as_mut().set_def(mem.make_unique(of).uncast());
        alter_sentinel(mem, command)
    });
    text(Node::AlterTableStmt(&alter))
}

/// A column definition after the column's name and type: what `keep` says of the original.
pub(super) fn column_tail(column: &nodes::ColumnDef) -> Result<String, Unreadable> {
    let whole = add_column(column)?;
    let bare = make::owned(|mem| {
        let mut bare = mem.make_unique(column);
        bare.as_mut().set_constraints(mem.empty());
        bare.as_mut().set_coll_clause(mem.make_unique(None::<&nodes::CollateClause>));
        bare.as_mut().set_storage_name(None);
        bare.as_mut().set_compression(None);
        bare
    });
    let bare = add_column(&bare)?;
    whole.strip_prefix(&bare).map(|tail| tail.trim().to_owned()).ok_or_else(|| lost("a column"))
}

fn add_column(column: &nodes::ColumnDef) -> Result<String, Unreadable> {
    let alter = make::owned(|mem| {
        let mut command = mem.make_node::<nodes::AlterTableCmd>();
        command.as_mut().set_subtype(pg_raw_parse::raw::AlterTableType::AT_AddColumn);
        command.as_mut().set_def(mem.make_unique(column).uncast());
        alter_sentinel(mem, command)
    });
    text(Node::AlterTableStmt(&alter))
}

fn alter_sentinel<'mem>(
    mem: MemoryToken<'mem>,
    command: Unique<'mem, &'mem nodes::AlterTableCmd>,
) -> Unique<'mem, &'mem nodes::AlterTableStmt> {
    let mut alter = mem.make_node::<nodes::AlterTableStmt>();
    alter.as_mut().set_relation(sentinel(mem));
    alter.as_mut().set_objtype(pg_raw_parse::raw::ObjectType::OBJECT_TABLE);
    alter.as_mut().set_cmds(mem.make_list(&[command.uncast()]));
    alter
}

fn alone(
    statement: &nodes::AlterTableStmt,
    command: impl for<'mem> FnOnce(MemoryToken<'mem>) -> Unique<'mem, &'mem nodes::AlterTableCmd>,
) -> Result<String, Unreadable> {
    let alter = make::owned(|mem| {
        let mut alter = alter_sentinel(mem, command(mem));
        alter.as_mut().set_objtype(statement.objtype);
        alter
    });
    text(Node::AlterTableStmt(&alter))
}

fn sentinel<'mem>(mem: MemoryToken<'mem>) -> Unique<'mem, Option<&'mem nodes::RangeVar>> {
    mem.make_range_var(None, Some(SENTINEL)).as_option()
}

fn text(node: Node<'_>) -> Result<String, Unreadable> {
    deparse(node).map(|result| result.as_str().to_owned()).map_err(|_| lost("a statement"))
}

/// Whether two trees are the same but for the places in their texts.
pub(super) fn alike(one: Node<'_>, other: Node<'_>) -> bool {
    let one = format!("{one:?}");
    let other = format!("{other:?}");
    without_places(&one).eq(without_places(&other))
}

/// A tree printed without its places, to compare by. None for what is too deep to print.
pub(super) fn printed(node: Node<'_>) -> Option<String> {
    shallow(node).ok()?;
    Some(without_places(&format!("{node:?}")).collect())
}

/// The printed tree cut at every place, the places' numbers left out.
fn without_places(printed: &str) -> impl Iterator<Item = &str> {
    const PLACES: [&str; 3] = ["location: ", "_start: ", "_end: "];
    let mut rest = printed;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let cut = PLACES.iter().filter_map(|place| rest.find(place).map(|at| at + place.len())).min();
        let (piece, after) = rest.split_at(cut.unwrap_or(rest.len()));
        rest = after.trim_start_matches(|c: char| c == '-' || c.is_ascii_digit());
        Some(piece)
    })
}
