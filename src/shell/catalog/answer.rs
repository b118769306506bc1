//! The catalog's answers in our own words. Nothing is asked here.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::kernel::facts::{
    ColumnBelow, ColumnFacts, ColumnUse, ConstraintFacts, Facts, IndexFacts, Kin, Member, PartitionOf, Partitioned,
    Persistence, Reactions, RelationFacts, RelationKind, TypeFacts, VolatileCasts, WantedObject, WantedUse, Withheld,
};
use crate::kernel::sql::modifier;
use crate::kernel::sql::statement::{Callee, RelationName, TypeName};
use crate::shell::database::Row;

#[derive(Deserialize)]
struct Answer {
    server_version: u32,
    encoding: String,
    current_role: String,
    session_role: String,
    database: String,
    search_path: String,
    current_schema: Option<String>,
    time_zone: String,
    lock_slots: u64,
    held: Option<RelationName>,
    /// Absent when nothing was asked for.
    relations: Option<Vec<Option<Relation>>>,
}

#[derive(Deserialize)]
struct Relation {
    oid: u32,
    schema: String,
    name: String,
    kind: char,
    persistence: char,
    owner: String,
    rows: Option<f64>,
    heap_bytes: u64,
    toast_bytes: u64,
    total_bytes: u64,
    new_in_transaction: bool,
    referenced_by_old: bool,
    is_partition: bool,
    has_children: bool,
    has_default_partition: bool,
    columns: Vec<ColumnFacts>,
    indexes: Vec<IndexFacts>,
    constraints: Vec<ConstraintFacts>,
    constraint_names: Vec<String>,
    columns_below: Vec<ColumnBelow>,
    dependents: Vec<String>,
    index_of: Option<RelationName>,
    table_oid: Option<u32>,
    published: bool,
    kin: Vec<Kin>,
    partitioned: Option<Partitioned>,
    members: Vec<Listed>,
    withheld: Withheld,
    partition_of: Option<PartitionOf>,
    reacts: Reactions,
    populated: bool,
    tablespace: Option<String>,
    access_method: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    oid: u32,
    parent: u32,
    schema: String,
    name: String,
    kind: char,
    bound: Option<String>,
    detach_pending: bool,
}

/// Partitions have the triggers of their parents as well.
fn distinct(mut reacts: Reactions) -> Reactions {
    reacts.triggers.dedup();
    reacts.update_rules.dedup();
    reacts
}

/// The facts of the first query, whose relations come in the order they were asked for.
pub(super) fn facts(asked: &[RelationName], rows: &[Row]) -> Result<Facts, String> {
    let [row] = rows else { return Err(format!("{} rows instead of one", rows.len())) };
    let [Some(text)] = row.as_slice() else { return Err("no value".to_owned()) };
    let answer: Answer = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut facts = Facts::default();
    facts.server_version = answer.server_version;
    facts.encoding = answer.encoding;
    facts.current_role = answer.current_role;
    facts.session_role = answer.session_role;
    facts.database = answer.database;
    facts.search_path = answer.search_path;
    facts.current_schema = answer.current_schema;
    facts.time_zone = answer.time_zone;
    facts.lock_slots = answer.lock_slots;
    facts.held = answer.held;
    let found = answer.relations.unwrap_or_default();
    if found.len() != asked.len() {
        return Err(format!("{} relations instead of {}", found.len(), asked.len()));
    }
    for (name, relation) in asked.iter().zip(found) {
        facts.put_relation(name, relation.map(Relation::into_facts).transpose()?);
    }
    Ok(facts)
}

/// Volatile is what the server says so of, and whatever it said nothing of.
pub(super) fn put_callees(facts: &mut Facts, asked: &[Callee], rows: &[Row]) {
    for (place, callee) in asked.iter().enumerate() {
        let answer = |column: usize| rows.get(place).and_then(|row| row.get(column)).and_then(Option::as_deref);
        if answer(0) != Some("f") {
            facts.put_volatile(callee.clone());
        }
        if answer(1) != Some("f") {
            facts.put_unsettled(callee.clone());
        }
    }
}

/// Types that exist. The others stay without facts.
pub(super) fn put_types(facts: &mut Facts, asked: &[TypeName], rows: &[Row]) {
    for row in rows {
        let [Some(place), Some(oid), Some(base), domain, constrained, default, array, is_row, casts, unasked] =
            row.as_slice()
        else {
            continue;
        };
        let (Ok(place), Ok(oid)) = (place.parse::<usize>(), oid.parse::<u32>()) else { continue };
        let Some(name) = place.checked_sub(1).and_then(|place| asked.get(place)) else { continue };
        let is = |value: &Option<String>| value.as_deref() == Some("t");
        let of = TypeFacts {
            oid,
            type_sql: modifier::apply(base, &name.sql),
            is_domain: is(domain),
            constrained_domain: is(constrained),
            domain_default: is(default),
            is_array: is(array),
            is_row: is(is_row),
            volatile_casts: volatile_casts(casts.as_deref()),
        };
        facts.volatile_implicit_casts |= unasked.as_deref() != Some("f");
        facts.put_type(name, of);
    }
}

fn volatile_casts(answer: Option<&str>) -> VolatileCasts {
    match answer {
        Some("0") => VolatileCasts::None,
        Some("1") => VolatileCasts::Written,
        Some("2") => VolatileCasts::Assigned,
        Some("3") => VolatileCasts::Number,
        _ => VolatileCasts::Length,
    }
}

/// One answer for each.
pub(super) fn put_objects(facts: &mut Facts, asked: &[WantedObject], rows: &[Row]) {
    for (object, row) in asked.iter().zip(rows) {
        if let [Some(is_there)] = row.as_slice() {
            facts.put_object(object, is_there != "f");
        }
    }
}

/// What hangs on a column; nothing if it does not exist.
pub(super) fn put_use(facts: &mut Facts, asked: &WantedUse, rows: &[Row]) -> Result<(), String> {
    let Some(mut found) = value::<ColumnUse>(rows)? else { return Ok(()) };
    for (cast, written) in found.casts.iter_mut().zip(&asked.types) {
        let is_domain = facts.type_facts(written).is_some_and(|of| of.is_domain);
        cast.type_sql = modifier::apply(&cast.type_sql, &written.sql);
        if !is_domain {
            cast.base_sql = modifier::apply(&cast.base_sql, &written.sql);
        }
    }
    facts.put_use(&asked.relation, &asked.column, found);
    Ok(())
}

/// One JSON value; nothing if what was asked about is gone.
pub(super) fn value<T: DeserializeOwned>(rows: &[Row]) -> Result<Option<T>, String> {
    let Some(Some(text)) = rows.first().and_then(|row| row.first()) else { return Ok(None) };
    serde_json::from_str(text).map(Some).map_err(|error| error.to_string())
}

impl Relation {
    fn into_facts(self) -> Result<RelationFacts, String> {
        Ok(RelationFacts {
            oid: self.oid,
            kind: kind(self.kind)?,
            persistence: persistence(self.persistence)?,
            schema: self.schema,
            name: self.name,
            owner: self.owner,
            rows: self.rows.map(whole),
            heap_bytes: self.heap_bytes,
            toast_bytes: self.toast_bytes,
            total_bytes: self.total_bytes,
            new_in_transaction: self.new_in_transaction,
            referenced_by_old: self.referenced_by_old,
            is_partition: self.is_partition,
            has_children: self.has_children,
            has_default_partition: self.has_default_partition,
            columns: self.columns,
            indexes: self.indexes,
            constraints: self.constraints,
            constraint_names: self.constraint_names,
            columns_below: self.columns_below,
            dependents: self.dependents,
            index_of: self.index_of,
            table_oid: self.table_oid,
            published: self.published,
            kin: self.kin,
            partitioned: self.partitioned,
            members: self.members.into_iter().map(Listed::into_facts).collect::<Result<_, _>>()?,
            withheld: self.withheld,
            partition_of: self.partition_of,
            reacts: distinct(self.reacts),
            populated: self.populated,
            tablespace: self.tablespace,
            access_method: self.access_method,
        })
    }
}

impl Listed {
    fn into_facts(self) -> Result<Member, String> {
        Ok(Member {
            oid: self.oid,
            parent: self.parent,
            schema: self.schema,
            name: self.name,
            kind: kind(self.kind)?,
            bound: self.bound,
            detach_pending: self.detach_pending,
        })
    }
}

/// A number of rows: never negative, and far below the precision of a double.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(rows: f64) -> u64 {
    rows.max(0.0).round() as u64
}

fn kind(letter: char) -> Result<RelationKind, String> {
    Ok(match letter {
        'r' => RelationKind::Table,
        'p' => RelationKind::PartitionedTable,
        'i' => RelationKind::Index,
        'I' => RelationKind::PartitionedIndex,
        'v' => RelationKind::View,
        'm' => RelationKind::MaterializedView,
        'S' => RelationKind::Sequence,
        'f' => RelationKind::ForeignTable,
        'c' => RelationKind::CompositeType,
        't' => RelationKind::Toast,
        other => return Err(format!("relation kind {other}")),
    })
}

fn persistence(letter: char) -> Result<Persistence, String> {
    Ok(match letter {
        'p' => Persistence::Permanent,
        'u' => Persistence::Unlogged,
        't' => Persistence::Temporary,
        other => return Err(format!("persistence {other}")),
    })
}
