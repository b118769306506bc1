//! A column definition and its constraints in our words.

pub(super) mod default;

use pg_raw_parse::raw::ConstrType;
use pg_raw_parse::{Node, make, nodes};

use super::super::statement::{AddColumn, ConstraintKind, Generated, NotNull, Serial, TableConstraint, TypeName};
use super::{Unreadable, fragment, objects, walk};

pub(super) fn type_name(name: &nodes::TypeName) -> Result<TypeName, Unreadable> {
    let parts: Vec<&str> = name.names().iter().filter_map(nodes::String::sval).collect();
    let (schema, last) = match parts.as_slice() {
        [.., schema, last] => (Some((*schema).to_owned()), (*last).to_owned()),
        [last] => (None, (*last).to_owned()),
        [] => (None, String::new()),
    };
    Ok(TypeName { schema, name: last, sql: fragment::type_name(name)? })
}

pub(super) fn add(column: &nodes::ColumnDef, if_not_exists: bool) -> Result<AddColumn, Unreadable> {
    let name = column.colname().unwrap_or_default().to_owned();
    let Some(written) = column.type_name() else {
        return Err(Unreadable::bounds("a column without a type"));
    };
    let serial = serial(written);
    let type_name = match serial {
        Some(Serial::Small) => integer("int2", "smallint"),
        Some(Serial::Int) => integer("int4", "int"),
        Some(Serial::Big) => integer("int8", "bigint"),
        None => type_name(written)?,
    };
    let mut added = AddColumn {
        name,
        at: place(column.location),
        type_at: place(written.location),
        type_name,
        if_not_exists,
        collation_sql: column.coll_clause().map(fragment::collation),
        default: None,
        not_null: None,
        null: false,
        serial,
        identity_sql: None,
        generated: None,
        constraints: Vec::new(),
        options_sql: options(column)?,
    };
    for (constraint, attributes) in with_attributes(column) {
        column_constraint(&mut added, column, constraint, attributes)?;
    }
    Ok(added)
}

/// An offset of the grammar's.
pub(super) fn place(location: i32) -> usize {
    usize::try_from(location).unwrap_or_default()
}

fn integer(name: &str, sql: &str) -> TypeName {
    TypeName { schema: Some("pg_catalog".to_owned()), name: name.to_owned(), sql: sql.to_owned() }
}

/// As transformColumnDefinition tells them: an unqualified name, not an array, not `%TYPE`.
fn serial(name: &nodes::TypeName) -> Option<Serial> {
    if name.names().len() != 1 || name.pct_type || !name.array_bounds().is_empty() {
        return None;
    }
    match name.names().first().and_then(nodes::String::sval)? {
        "smallserial" | "serial2" => Some(Serial::Small),
        "serial" | "serial4" => Some(Serial::Int),
        "bigserial" | "serial8" => Some(Serial::Big),
        _ => None,
    }
}

/// STORAGE and COMPRESSION, and the options of a foreign table's column.
fn options(column: &nodes::ColumnDef) -> Result<Option<String>, Unreadable> {
    if column.storage_name().is_none() && column.compression().is_none() && column.fdwoptions().is_empty() {
        return Ok(None);
    }
    let only = make::owned(|mem| {
        let mut only = mem.make_unique(column);
        only.as_mut().set_constraints(mem.empty());
        only.as_mut().set_coll_clause(mem.make_unique(None::<&nodes::CollateClause>));
        only
    });
    fragment::column_tail(&only).map(Some)
}

/// DEFERRABLE, INITIALLY DEFERRED, NOT ENFORCED: nodes of their own that follow a constraint.
#[derive(Clone, Copy, Default)]
struct Attributes {
    deferrable: Option<bool>,
    deferred: bool,
    not_enforced: bool,
}

fn with_attributes(column: &nodes::ColumnDef) -> Vec<(&nodes::Constraint, Attributes)> {
    let mut constraints: Vec<(&nodes::Constraint, Attributes)> = Vec::new();
    for node in column.constraints() {
        let Node::Constraint(constraint) = node else {
            continue;
        };
        let last = constraints.last_mut().map(|(_, attributes)| attributes);
        match (constraint.contype, last) {
            (ConstrType::CONSTR_ATTR_DEFERRABLE, Some(attributes)) => attributes.deferrable = Some(true),
            (ConstrType::CONSTR_ATTR_NOT_DEFERRABLE, Some(attributes)) => attributes.deferrable = Some(false),
            (ConstrType::CONSTR_ATTR_DEFERRED, Some(attributes)) => {
                attributes.deferred = true;
                attributes.deferrable = attributes.deferrable.or(Some(true));
            }
            (ConstrType::CONSTR_ATTR_NOT_ENFORCED, Some(attributes)) => attributes.not_enforced = true,
            (ConstrType::CONSTR_ATTR_IMMEDIATE | ConstrType::CONSTR_ATTR_ENFORCED, _) => {}
            _ => constraints.push((constraint, Attributes::default())),
        }
    }
    constraints
}

fn column_constraint(
    added: &mut AddColumn,
    column: &nodes::ColumnDef,
    constraint: &nodes::Constraint,
    attributes: Attributes,
) -> Result<(), Unreadable> {
    match constraint.contype {
        ConstrType::CONSTR_NULL => added.null = true,
        ConstrType::CONSTR_NOTNULL => {
            let name = constraint.conname().map(str::to_owned);
            added.not_null = Some(NotNull { name, no_inherit: constraint.is_no_inherit });
        }
        ConstrType::CONSTR_DEFAULT => added.default = Some(default::expression(constraint.raw_expr())?),
        ConstrType::CONSTR_IDENTITY => {
            let only = make::owned(|mem| {
                let mut only = mem.make_unique(column);
                only.as_mut().set_constraints(mem.make_list(&[mem.make_unique(constraint).uncast()]));
                only.as_mut().set_coll_clause(mem.make_unique(None::<&nodes::CollateClause>));
                only.as_mut().set_storage_name(None);
                only.as_mut().set_compression(None);
                only
            });
            added.identity_sql = Some(fragment::column_tail(&only)?);
        }
        ConstrType::CONSTR_GENERATED => {
            added.default = Some(default::expression(constraint.raw_expr())?);
            added.generated = Some(match u8::try_from(constraint.generated_kind).unwrap_or_default() {
                b's' => Generated::Stored,
                // The grammar writes 'v' when neither word stands there; the text tells them apart.
                b'v' => Generated::Virtual,
                _ => Generated::Unsaid,
            });
        }
        _ => {
            let whole = make::owned(|mem| {
                let mut copy = mem.make_unique(constraint);
                let mut table = copy.as_mut();
                let key = || mem.make_list(&[mem.make_string(column.colname()).uncast()]);
                match constraint.contype {
                    ConstrType::CONSTR_FOREIGN => table.set_fk_attrs(key()),
                    ConstrType::CONSTR_UNIQUE | ConstrType::CONSTR_PRIMARY => table.set_keys(key()),
                    _ => {}
                }
                table.set_deferrable(constraint.deferrable || attributes.deferrable == Some(true));
                table.set_initdeferred(constraint.initdeferred || attributes.deferred);
                if attributes.not_enforced {
                    table.set_is_enforced(false);
                }
                copy
            });
            added.constraints.push(table_constraint(&whole)?);
        }
    }
    Ok(())
}

/// A table constraint. Its expression is checked to be shallow by being deparsed.
pub(super) fn table_constraint(constraint: &nodes::Constraint) -> Result<TableConstraint, Unreadable> {
    fragment::shallow(constraint.raw_expr())?;
    fragment::shallow(constraint.where_clause())?;
    // Only CHECK and FOREIGN KEY have the two words; for the others the grammar leaves the fields zero.
    let can_wait = matches!(constraint.contype, ConstrType::CONSTR_CHECK | ConstrType::CONSTR_FOREIGN);
    let not_enforced = can_wait && !constraint.is_enforced;
    let bare = make::owned(|mem| {
        let mut bare = mem.make_unique(constraint);
        bare.as_mut().set_conname(None);
        if can_wait {
            bare.as_mut().set_skip_validation(not_enforced);
            bare.as_mut().set_initially_valid(!not_enforced);
        }
        bare
    });
    let (kind, columns) = match constraint.contype {
        ConstrType::CONSTR_CHECK => {
            (ConstraintKind::Check { no_inherit: constraint.is_no_inherit }, mentioned(constraint.raw_expr())?)
        }
        ConstrType::CONSTR_UNIQUE | ConstrType::CONSTR_PRIMARY if constraint.without_overlaps => {
            (ConstraintKind::Exclude, strings(constraint.keys()))
        }
        ConstrType::CONSTR_UNIQUE => {
            let (index_sql, tail_sql) = index(constraint)?;
            (ConstraintKind::Unique { index_sql, tail_sql }, strings(constraint.keys()))
        }
        ConstrType::CONSTR_PRIMARY => {
            let (index_sql, tail_sql) = index(constraint)?;
            (ConstraintKind::PrimaryKey { index_sql, tail_sql }, strings(constraint.keys()))
        }
        ConstrType::CONSTR_FOREIGN => match constraint.pktable() {
            Some(to) => {
                (ConstraintKind::ForeignKey { references: objects::relation(to) }, strings(constraint.fk_attrs()))
            }
            None => return Err(Unreadable::bounds("a foreign key that references nothing")),
        },
        ConstrType::CONSTR_NOTNULL => (ConstraintKind::NotNull, strings(constraint.keys())),
        ConstrType::CONSTR_EXCLUSION => (ConstraintKind::Exclude, Vec::new()),
        _ => return Err(Unreadable::bounds("a constraint of an unknown kind")),
    };
    Ok(TableConstraint {
        name: constraint.conname().map(str::to_owned),
        kind,
        columns,
        referenced: strings(constraint.pk_attrs()),
        at: place(constraint.location),
        definition_sql: fragment::constraint(&bare)?,
        not_valid: constraint.skip_validation && !not_enforced,
        not_enforced,
    })
}

fn strings(list: &pg_raw_parse::list::NodeList) -> Vec<String> {
    list.iter().filter_map(Node::as_str).map(str::to_owned).collect()
}

/// The columns an expression mentions, each once, in the order of their first mention.
fn mentioned(node: Node<'_>) -> Result<Vec<String>, Unreadable> {
    let mut places: Vec<(i32, String)> = Vec::new();
    walk::each(node, |node| {
        if let Node::ColumnRef(column) = node
            && let Some(name) = objects::last_name(column.fields())
        {
            places.push((column.location, name.to_owned()));
        }
    })?;
    places.sort();
    let mut names: Vec<String> = Vec::new();
    for (_, name) in places {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// What follows the table's name in CREATE UNIQUE INDEX, and what follows USING INDEX.
fn index(constraint: &nodes::Constraint) -> Result<(String, String), Unreadable> {
    let names = strings(constraint.keys());
    let included = strings(constraint.including());
    let plain = make::owned(|mem| {
        let elements = |names: &[String]| -> Vec<_> {
            let element = |name: &String| {
                let mut element = mem.make_node::<nodes::IndexElem>();
                element.as_mut().set_name(Some(mem.copy_string(name)));
                element
            };
            names.iter().map(element).collect()
        };
        let mut plain = mem.make_node::<nodes::IndexStmt>();
        let mut index = plain.as_mut();
        index.set_relation(mem.make_range_var(None, Some("t")).as_option());
        index.set_access_method(Some(mem.copy_string("btree")));
        index.set_table_space(constraint.indexspace().map(|name| mem.copy_string(name)));
        index.set_index_params(mem.make_list(&elements(&names)));
        let included: Vec<_> = elements(&included).into_iter().map(make::Unique::uncast).collect();
        index.set_index_including_params(mem.make_list(&included));
        index.set_nulls_not_distinct(constraint.nulls_not_distinct);
        let options: Vec<_> = constraint
            .options()
            .iter()
            .filter_map(|option| match option {
                Node::DefElem(option) => Some(mem.make_unique(option)),
                _ => None,
            })
            .collect();
        index.set_options(mem.make_list(&options));
        plain
    });
    let tail = match (constraint.deferrable, constraint.initdeferred) {
        (_, true) => "DEFERRABLE INITIALLY DEFERRED",
        (true, false) => "DEFERRABLE",
        (false, false) => "",
    };
    Ok((fragment::index_text(&plain)?, tail.to_owned()))
}
