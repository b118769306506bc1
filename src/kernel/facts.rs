//! What must be looked up before judging, and the answers. The kernel asks, `shell::catalog` answers.

mod constraint;
mod face;
mod index;
mod kin;
mod naming;
mod settings;
mod shape;
mod touched;
mod types;
mod uses;
mod wanted;
mod whole;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sql::statement::{Callee, RelationName, TypeName};
pub use constraint::ConstraintFacts;
pub use face::{ColumnComment, ColumnGrant, Face};
pub use index::{IndexFacts, IndexMarks};
pub use kin::{Kin, KinHow};
pub use naming::NameKind;
pub use settings::{Switch, TableSettings};
pub use shape::{COPY_TRIGGER, column_shape, shape};
pub use touched::{TOUCHED_MAX, Touched, TouchedObject};
pub use types::{TypeFacts, VolatileCasts};
pub use uses::{
    CastFacts, ColumnUse, ConstraintUse, Grant, HelperName, IndexUse, SequenceUse, StatisticsUse, WantedUse,
};
pub use wanted::{Wanted, WantedObject};
pub use whole::{
    IncomingKey, SortKey, Whole, WholeColumn, WholeConstraint, WholeIndex, WholePolicy, WholePublication,
    WholeSequence, WholeTrigger, WholeView,
};

mod partition;
mod size;
mod stale;
mod taken;

pub use partition::{MEMBERS_MAX, Member, PartitionOf, Partitioned, Withheld};
pub use taken::Taken;

/// The answers. A relation that is asked for and does not exist is present with `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Facts {
    /// `server_version_num`: 150018 for 15.18.
    pub server_version: u32,
    /// Role the session acts as now, and as which it logged in.
    pub current_role: String,
    pub session_role: String,
    pub database: String,
    pub search_path: String,
    /// Where what is named without a schema is made.
    #[serde(default)]
    pub current_schema: Option<String>,
    /// The session's TimeZone.
    #[serde(default)]
    pub time_zone: String,
    /// Locks that the server's shared lock table has room for, 0 where it was not told:
    /// `max_locks_per_transaction` for each session there may be.
    #[serde(default)]
    pub lock_slots: u64,
    /// The database's own: `UTF8`; empty where it was not told.
    #[serde(default)]
    pub encoding: String,
    /// Patterns for new names, as configured.
    #[serde(skip)]
    pub naming: BTreeMap<NameKind, String>,
    /// Keyed by the name as written, see [`Facts::relation`].
    relations: BTreeMap<String, Option<RelationFacts>>,
    /// Some cast that happens unasked calls something volatile.
    #[serde(default)]
    pub volatile_implicit_casts: bool,
    /// Callees of which some overload is VOLATILE, or that were not found.
    volatile: Vec<Callee>,
    /// Callees of which some overload is not IMMUTABLE, or not everybody's to call, or that were not found.
    #[serde(default)]
    unsettled: Vec<Callee>,
    types: BTreeMap<String, TypeFacts>,
    /// Keyed by the relation's key and the column's name.
    #[serde(default)]
    uses: BTreeMap<String, ColumnUse>,
    /// Keyed as the relations are.
    #[serde(default)]
    faces: BTreeMap<String, Face>,
    /// Keyed as the relations are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    wholes: BTreeMap<String, Whole>,
    /// Keyed as the relations are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    settings: BTreeMap<String, TableSettings>,
    /// Whether there is one of this kind and name, see [`WantedObject`]. Keyed by both.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    objects: BTreeMap<String, bool>,
    /// What was there before the transaction and goes with one of its own. Keyed as the relations are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    taken: BTreeMap<String, Vec<Taken>>,
    /// A table that the open transaction keeps others waiting for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<RelationName>,
    #[serde(skip)]
    stale: stale::Stale,
    /// Beside the relations, if that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched: Option<Touched>,
}

impl Facts {
    /// What is known of a relation. Outer `None`: was not asked. Inner `None`: does not exist.
    #[must_use]
    pub fn relation(&self, name: &RelationName) -> Option<Option<&RelationFacts>> {
        self.relations.get(&key(name)).map(Option::as_ref)
    }

    pub fn put_relation(&mut self, name: &RelationName, facts: Option<RelationFacts>) {
        self.relations.insert(key(name), facts);
    }

    /// Takes over what a second look-up has found of relations.
    pub fn absorb(&mut self, more: Self) {
        self.relations.extend(more.relations);
        self.faces.extend(more.faces);
        self.wholes.extend(more.wholes);
    }

    /// All relations that exist, for the reviewer.
    pub fn relations(&self) -> impl Iterator<Item = &RelationFacts> {
        self.relations.values().flatten()
    }

    /// Everything that was asked for, by the name as written (schema and name joined by NUL), and what it is.
    pub fn looked_up(&self) -> impl Iterator<Item = (&str, Option<&RelationFacts>)> {
        self.relations.iter().map(|(name, facts)| (name.as_str(), facts.as_ref()))
    }

    /// Whether any overload of this callee may be volatile. Unknown counts as volatile.
    #[must_use]
    pub fn may_be_volatile(&self, callee: &Callee) -> bool {
        self.volatile.contains(callee) || self.may_have_changed(callee)
    }

    pub fn put_volatile(&mut self, callee: Callee) {
        self.volatile.push(callee);
    }

    /// Whether every overload of this callee gives the same in every session, whoever calls it.
    #[must_use]
    pub fn is_settled(&self, callee: &Callee) -> bool {
        !self.unsettled.contains(callee) && !self.may_be_volatile(callee)
    }

    pub fn put_unsettled(&mut self, callee: Callee) {
        self.unsettled.push(callee);
    }

    /// What hangs on a column, if that was asked.
    #[must_use]
    pub fn column_use(&self, relation: &RelationName, column: &str) -> Option<&ColumnUse> {
        self.uses.get(&use_key(relation, column))
    }

    pub fn put_use(&mut self, relation: &RelationName, column: &str, found: ColumnUse) {
        self.uses.insert(use_key(relation, column), found);
    }

    /// What a relation shows, if that was asked.
    #[must_use]
    pub fn face(&self, relation: &RelationName) -> Option<&Face> {
        self.faces.get(&key(relation))
    }

    pub fn put_face(&mut self, relation: &RelationName, found: Face) {
        self.faces.insert(key(relation), found);
    }

    /// Whether there is such an object anywhere, if that was asked.
    #[must_use]
    pub fn object(&self, asked: &WantedObject) -> Option<bool> {
        self.objects.get(&asked.key()).copied()
    }

    pub fn put_object(&mut self, asked: &WantedObject, is_there: bool) {
        self.objects.insert(asked.key(), is_there);
    }

    /// A table's switches and parameters, if that was asked.
    #[must_use]
    pub fn settings(&self, relation: &RelationName) -> Option<&TableSettings> {
        self.settings.get(&key(relation))
    }

    pub fn put_settings(&mut self, relation: &RelationName, found: TableSettings) {
        self.settings.insert(key(relation), found);
    }

    /// All that a table is made of, if that was asked.
    #[must_use]
    pub fn whole(&self, relation: &RelationName) -> Option<&Whole> {
        self.wholes.get(&key(relation))
    }

    pub fn put_whole(&mut self, relation: &RelationName, found: Whole) {
        self.wholes.insert(key(relation), found);
    }

    #[must_use]
    pub fn type_facts(&self, name: &TypeName) -> Option<&TypeFacts> {
        self.types.get(&name.sql)
    }

    pub fn put_type(&mut self, name: &TypeName, facts: TypeFacts) {
        self.types.insert(name.sql.clone(), facts);
    }

    /// Major version: 15.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.server_version / 10_000
    }
}

fn use_key(relation: &RelationName, column: &str) -> String {
    format!("{}\u{0}\u{0}{column}", key(relation))
}

fn key(name: &RelationName) -> String {
    match &name.schema {
        Some(schema) => format!("{schema}\u{0}{}", name.name),
        None => name.name.clone(),
    }
}

/// One relation, resolved in the session's own search path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RelationFacts {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    pub kind: RelationKind,
    pub persistence: Persistence,
    pub owner: String,
    /// `pg_class.reltuples`; absent when never analysed.
    pub rows: Option<u64>,
    /// Bytes of the heap (all partitions together).
    pub heap_bytes: u64,
    /// Bytes of what stands beside it because it is long.
    #[serde(default, skip_serializing_if = "size::is_none")]
    pub toast_bytes: u64,
    /// Heap, indexes and toast.
    pub total_bytes: u64,
    /// Created by the transaction that is open now.
    pub new_in_transaction: bool,
    /// In a transaction that has changed something: a table that was there before it refers to this one.
    #[serde(default)]
    pub referenced_by_old: bool,
    pub is_partition: bool,
    /// Partitions or inheritance children.
    pub has_children: bool,
    pub has_default_partition: bool,
    pub columns: Vec<ColumnFacts>,
    pub indexes: Vec<IndexFacts>,
    pub constraints: Vec<ConstraintFacts>,
    /// Names of others' constraints in its schema that begin as names made for it would: the server avoids them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraint_names: Vec<String>,
    /// Columns that tables below it have and it has not: one that it gets is merged with theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns_below: Vec<ColumnBelow>,
    /// Views and the like that depend on it: `view public.v`.
    pub dependents: Vec<String>,
    /// The table an index belongs to (kind Index only).
    pub index_of: Option<RelationName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_oid: Option<u32>,
    /// A publication sends its rows.
    pub published: bool,
    /// What a change of it locks or reads besides.
    #[serde(default)]
    pub kin: Vec<Kin>,
    /// How it is partitioned, if it is.
    #[serde(default)]
    pub partitioned: Option<Partitioned>,
    /// All below a partitioned table or index, at most one more than [`MEMBERS_MAX`].
    #[serde(default)]
    pub members: Vec<Member>,
    #[serde(default)]
    pub withheld: Withheld,
    /// Where it is attached, if it is a partition.
    #[serde(default)]
    pub partition_of: Option<PartitionOf>,
    /// What happens besides when its rows are written.
    #[serde(default)]
    pub reacts: Reactions,
    /// A materialized view that was filled: it can be read.
    #[serde(default)]
    pub populated: bool,
    /// By their names, the database's own tablespace too; absent where there are none, or none were told.
    #[serde(default)]
    pub tablespace: Option<String>,
    #[serde(default)]
    pub access_method: Option<String>,
}

impl RelationFacts {
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ColumnFacts> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The column of a child that a new one of this name and type would be merged with.
    #[must_use]
    pub fn column_below(&self, name: &str, type_sql: &str) -> Option<&ColumnBelow> {
        self.columns_below.iter().find(|below| below.name == name && below.type_sql == type_sql)
    }

    #[must_use]
    pub fn index(&self, name: &str) -> Option<&IndexFacts> {
        self.indexes.iter().find(|i| i.name == name)
    }

    #[must_use]
    pub fn constraint(&self, name: &str) -> Option<&ConstraintFacts> {
        self.constraints.iter().find(|c| c.name == name)
    }

    /// Qualified, as a name for statements.
    #[must_use]
    pub fn qualified(&self) -> RelationName {
        RelationName { schema: Some(self.schema.clone()), name: self.name.clone() }
    }

    /// Temporary, or made by the open transaction: nobody else sees it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.persistence == Persistence::Temporary || self.new_in_transaction
    }

    /// Its relatives of one sort.
    pub fn kin_by(&self, how: KinHow) -> impl Iterator<Item = &Kin> {
        self.kin.iter().filter(move |kin| kin.how == how)
    }
}

/// Triggers and rules of the application's own, of the table and of its parts: those that act in an ordinary session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reactions {
    pub triggers: Vec<Trigger>,
    /// Rules that do something else or something more than an UPDATE.
    #[serde(default)]
    pub update_rules: Vec<String>,
    /// A rule does something else or something more than the write.
    pub rules: bool,
    /// Row security hides rows of it, or of a part, from this role.
    #[serde(default)]
    pub hides_rows: bool,
    /// It, or a part, is published with its UPDATEs, and its replica identity is not there, not sent, or less than what a
    /// filter reads: the server refuses every one.
    #[serde(default)]
    pub refuses_updates: bool,
    /// It, or a part, has a CHECK or NOT NULL that is NOT VALID: whoever updates a row that breaks it fails.
    #[serde(default)]
    pub unproven: bool,
}

/// `pg_trigger`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "what the catalog says of one trigger")]
pub struct Trigger {
    pub name: String,
    pub for_each_row: bool,
    /// It sees all rows of a statement together.
    pub transition_tables: bool,
    pub on_insert: bool,
    pub on_update: bool,
    pub on_delete: bool,
    /// `UPDATE OF`; none: an UPDATE of any column.
    #[serde(default)]
    pub columns: Vec<String>,
}

impl Trigger {
    /// Whether an UPDATE of these columns fires it.
    pub fn fires_on<'a>(&self, mut columns: impl Iterator<Item = &'a str>) -> bool {
        self.on_update && (self.columns.is_empty() || columns.any(|name| self.columns.iter().any(|of| of == name)))
    }
}

/// `pg_class.relkind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    Table,
    PartitionedTable,
    Index,
    PartitionedIndex,
    View,
    MaterializedView,
    Sequence,
    ForeignTable,
    CompositeType,
    Toast,
}

/// `pg_class.relpersistence`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Persistence {
    Permanent,
    Unlogged,
    Temporary,
}

/// `pg_attribute` and what hangs on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ColumnFacts {
    pub name: String,
    /// `format_type(atttypid, atttypmod)`.
    pub type_sql: String,
    pub type_oid: u32,
    pub type_modifier: i32,
    pub not_null: bool,
    pub has_default: bool,
    pub generated: bool,
    pub identity: bool,
    /// Of a composite type, or a domain over one.
    #[serde(default)]
    pub is_row: bool,
}

/// A column that a table does not have from this parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ColumnBelow {
    pub name: String,
    pub type_sql: String,
    /// The child, with its schema: one of them.
    pub table: String,
}
