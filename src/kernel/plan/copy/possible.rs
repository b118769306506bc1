//! Where a copy can take a table's place, and where not.

use super::{Anew, incoming, publications};
use crate::kernel::facts::{
    Face, Persistence, RelationFacts, RelationKind, SortKey, StatisticsUse, Whole, WholeConstraint, WholeIndex,
    WholeView,
};

/// Said wherever what a column is compared by is not PostgreSQL's own.
const OWN_TYPES: &str = "whose type is not one of PostgreSQL's own";

/// # Errors
/// A clause for people that says what the copy could not take over.
pub(super) fn table(table: &RelationFacts, (whole, face): (&Whole, &Face), anew: Anew<'_>) -> Result<(), String> {
    let stands = place(table, whole).or_else(|| views(whole)).or_else(|| publications::impossible(whole, anew));
    let stands = stands.or_else(|| incoming::impossible(whole, anew));
    let stands = stands.or_else(|| definition(whole));
    let stands = stands.or_else(|| StatisticsUse::kept_from_us(&whole.statistics_objects));
    match stands.or_else(|| rights(table, whole, face)) {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

/// What it is, and what refers to it.
fn place(table: &RelationFacts, whole: &Whole) -> Option<String> {
    Some(if table.kind != RelationKind::Table {
        "it is not an ordinary table".to_owned()
    } else if ["pg_catalog", "pg_toast"].contains(&table.schema.as_str()) {
        "it is the server's own".to_owned()
    } else if table.persistence == Persistence::Temporary {
        "it is temporary: nobody else uses it".to_owned()
    } else if table.has_children || table.is_partition || whole.inherits {
        "the table has partitions or children, or is one".to_owned()
    } else if whole.columns.iter().all(|column| column.generated.is_some()) {
        "it has no columns that could be copied".to_owned()
    } else if whole.typed_table {
        "the table is made of a type".to_owned()
    } else if whole.of_extension {
        "it belongs to an extension".to_owned()
    } else if let Some(other) = whole.others.first() {
        format!("{other} depends on it, and would stay with the old table")
    } else {
        return None;
    })
}

/// Views over it are given the same query again, over the copy.
fn views(whole: &Whole) -> Option<String> {
    let reason = |view: &WholeView| {
        if view.temporary {
            Some("is temporary, and a session's own")
        } else if !view.may_replace {
            Some(
                "would have to be given its query again, but this role does not have the rights of its owner, or may not \
                  create views in its schema",
            )
        } else {
            None
        }
    };
    whole.views.iter().find_map(|view| Some(format!("view {}.{} {}", view.schema, view.name, reason(view)?)))
}

/// What it is made of.
fn definition(whole: &Whole) -> Option<String> {
    let constraints = || whole.constraints.iter();
    let is_odd = |text: &str| text.contains("WITHOUT OVERLAPS") || text.contains(" PERIOD ");
    // A foreign key may stay unproven; other constraints are made before there are rows.
    let waits = |one: &WholeConstraint| one.kind == 'f' || one.validated || one.definition.ends_with("NOT ENFORCED");
    let unproven = constraints().find(|one| !waits(one));
    let odd = constraints().find(|one| is_odd(&one.definition));
    let invalid = whole.indexes.iter().find(|one| !one.index.valid);
    Some(if let Some(constraint) = unproven {
        format!("{} is NOT VALID, and the copy's rows would be checked", constraint.name)
    } else if let Some(constraint) = odd {
        format!("constraint {} is one that the copy cannot be given under another name", constraint.name)
    } else if let Some(index) = invalid {
        format!("index {} is not valid: drop it or build it anew first", index.index.name)
    } else if whole.disabled_keys {
        "triggers of one of its foreign keys, or of one that refers to it, are disabled, and would be enabled again"
            .to_owned()
    } else if whole.labelled {
        "it has a security label".to_owned()
    } else if whole.type_marked {
        "its row type has privileges or a comment of its own, which the copy's would not have".to_owned()
    } else {
        return None;
    })
}

/// Who may do what with it.
fn rights(table: &RelationFacts, whole: &Whole, face: &Face) -> Option<String> {
    let grants = face.column_grants.iter().map(|of| &of.grant).chain(&face.grants);
    let mut grants = grants.chain(whole.sequences.iter().flat_map(|of| &of.sequence.grants));
    Some(if whole.forced_row_security || whole.hides_rows {
        "row security may hide rows from it".to_owned()
    } else if grants.any(|grant| !grant.by_owner) {
        "a privilege on it was granted by somebody else than the owner".to_owned()
    } else if !face.owner_has_all {
        "its owner has not all rights on it".to_owned()
    } else if !whole.is_owner {
        "this role does not have the rights of its owner".to_owned()
    } else if !whole.may_create {
        format!("this role may not create tables and functions in schema {}", table.schema)
    } else {
        return None;
    })
}

/// An index by which every row can be told from all others: the primary key, or one like it.
///
/// # Errors
/// As above.
pub(super) fn key<'a>(whole: &'a Whole, changed: &[String]) -> Result<&'a WholeIndex, String> {
    let is_primary = |one: &WholeIndex| {
        let owner = one.index.constraint.as_deref();
        whole.constraints.iter().any(|constraint| constraint.kind == 'p' && Some(constraint.name.as_str()) == owner)
    };
    let is_changed = |key: &SortKey| key.column.as_ref().is_some_and(|name| changed.contains(name));
    let tells = |one: &&WholeIndex| {
        one.index.unique
            && one.index.valid
            && one.immediate
            && one.btree
            && !one.index.computed
            && usual(whole, one, true)
            && !one.keys.iter().any(is_changed)
    };
    whole.indexes.iter().filter(tells).min_by_key(|one| !is_primary(one)).ok_or_else(|| {
        "its rows cannot be told apart: it has no primary key, or unique index on columns that are NOT NULL and of \
         PostgreSQL's own types, that is checked at once and that the statement leaves as it is"
            .to_owned()
    })
}

/// Whether all of its columns sort as their types do.
fn usual(whole: &Whole, index: &WholeIndex, not_null: bool) -> bool {
    let column = |key: &SortKey| whole.columns.iter().find(|one| Some(&one.name) == key.column.as_ref());
    !index.keys.is_empty()
        && index
            .keys
            .iter()
            .all(|key| key.usual && column(key).is_some_and(|one| one.plain && (one.not_null || !not_null)))
}

/// The index in whose order the rows are to be written, if there is to be an order.
///
/// # Errors
/// As above.
pub(super) fn order<'a>(
    table: &RelationFacts,
    whole: &'a Whole,
    anew: Anew<'_>,
) -> Result<Option<&'a WholeIndex>, String> {
    let by = match anew {
        Anew::Ordered(by) => by,
        Anew::Smaller | Anew::Tablespace(_) | Anew::AccessMethod(_) | Anew::Altered(_) => return Ok(None),
        Anew::Logged(to) if to == (table.persistence == Persistence::Permanent) => {
            return Err("it is so already".to_owned());
        }
        Anew::Logged(_) => return Ok(None),
    };
    let index = match by {
        Some(name) => whole.indexes.iter().find(|one| one.index.name == name),
        None => whole.indexes.iter().find(|one| one.index.clustered),
    };
    let index = index.ok_or("the index to go by is not one of its own")?;
    let name = &index.index.name;
    let first = index.keys.first().ok_or("the index to go by has no columns")?;
    let nullable = |key: &&SortKey| {
        whole.columns.iter().any(|column| Some(&column.name) == key.column.as_ref() && !column.not_null)
    };
    if !index.btree {
        Err(format!("index {name} has no order that batches could go by"))
    } else if index.index.computed && index.keys.iter().any(|key| key.column.is_none()) {
        Err(format!("batches cannot go by the expressions of index {name}"))
    } else if !usual(whole, index, false) {
        Err(format!("index {name} sorts in another order than its columns' own, or has a column {OWN_TYPES}"))
    } else if index.keys.iter().any(|key| key.descending != first.descending) {
        Err(format!("index {name} is partly ascending and partly descending"))
    } else if index.keys.iter().filter(nullable).any(|key| key.nulls_first) {
        Err(format!("index {name} begins with nulls"))
    } else {
        Ok(Some(index))
    }
}
