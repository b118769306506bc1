//! What will stand there by the time a statement runs, when the statements before it have not run yet: a
//! small model of the schema, made by them, on top of what a server says or of what is assumed without one.
//!
//! Relations it does not know are assumed to exist, large and with whatever columns a statement needs:
//! who reads a migration without its database must count every table that it did not make as one in use.

mod assume;
mod change;
mod learn;
mod objects;
mod referenced;
mod session;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::facts::{ColumnUse, Facts, Persistence, RelationFacts, RelationKind, TypeFacts, Wanted, WantedObject};
use super::sql::read::outline::DomainOutline;
use super::sql::statement::{Callee, Reading, RelationName, TypeName};
use super::sql::{functions, modifier};
pub use learn::Seen;
pub use session::OWN_SCHEMA;
use session::Session;

/// What is taken for granted about what nobody has looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// `server_version_num`.
    pub server_version: u32,
    /// Rows of every table that no statement of the run made.
    pub rows: u64,
    pub role: String,
    /// Where names without a schema are made and found, as long as the run does not say otherwise: schemas that are there,
    /// and the role's own.
    pub search_path: String,
    /// Schemas that are there, as far as a server has told: one of them may be a role's own.
    pub schemas: BTreeSet<String>,
}

/// Bytes that an assumed row takes in its table.
pub const ROW_BYTES: u64 = 100;
/// Where unqualified names of temporary tables are found.
const TEMPORARY: &str = "pg_temp";

/// The model.
#[derive(Clone, Debug)]
pub struct Forecast {
    assumed: Assumed,
    /// A server answers for what the run did not make.
    live: bool,
    now: Schema,
    /// As it was before the open transaction.
    before: Option<Schema>,
}

#[derive(Clone, Debug)]
struct Schema {
    /// What the run made or changed, by qualified name; `None` when it is gone.
    relations: BTreeMap<RelationName, Option<Standing>>,
    domains: BTreeMap<String, DomainOutline>,
    /// Functions of the run, and whether they are volatile.
    functions: BTreeMap<String, bool>,
    session: Session,
    /// In small letters, what has been said of things that are no relations, or may be none.
    said: Vec<Arc<str>>,
    /// Something ran that nobody has read.
    unread: bool,
    /// Temporary tables made with ON COMMIT DROP.
    ends_with_transaction: BTreeSet<RelationName>,
}

/// A relation as the run has left it.
#[derive(Clone, Debug)]
struct Standing {
    facts: RelationFacts,
    /// All its columns are known: one that is missing is not there.
    complete: bool,
}

impl Forecast {
    /// Nothing has run yet. With `live`, a server will be asked for what is not known here.
    #[must_use]
    pub fn new(assumed: Assumed, live: bool) -> Self {
        let now = Schema {
            relations: BTreeMap::new(),
            domains: BTreeMap::new(),
            functions: BTreeMap::new(),
            session: Session::default(),
            said: Vec::new(),
            unread: false,
            ends_with_transaction: BTreeSet::new(),
        };
        Self { assumed, live, now, before: None }
    }

    /// A transaction begins: what it makes is nobody else's until it ends.
    pub fn begin(&mut self) {
        if self.before.is_none() {
            self.before = Some(self.now.clone());
        }
    }

    /// What the open transaction made is there for everybody.
    pub fn commit(&mut self) {
        self.before = None;
        self.each(|standing| standing.facts.new_in_transaction = false);
        self.end_transaction();
    }

    fn end_transaction(&mut self) {
        self.now.session.end_transaction();
        for name in std::mem::take(&mut self.now.ends_with_transaction) {
            self.now.relations.remove(&name);
        }
    }

    /// The session ends, and its temporary relations with it. What comes next may be sent in one that is as this was.
    pub fn end_session(&mut self) {
        self.end_temporary();
        self.leave_role();
        self.now.session.end();
    }

    fn end_temporary(&mut self) {
        self.now.relations.retain(|name, _| name.schema.as_deref() != Some(TEMPORARY));
    }

    /// Something ran that nobody has read: every table may have got rows.
    pub fn fill(&mut self) {
        self.now.unread = true;
        let assumed = self.assumed.rows;
        self.each(|standing| {
            if holds_rows(standing.facts.kind) {
                let rows = standing.facts.rows.unwrap_or_default().max(assumed);
                sized(&mut standing.facts, rows);
            }
        });
    }

    /// What the open transaction did, it did not.
    pub fn rollback(&mut self) {
        if let Some(before) = self.before.take() {
            self.now = before;
        }
    }

    /// The run so far was long ago: its tables are in use and as large as any other.
    pub fn age(&mut self) {
        self.before = None;
        self.put_back();
        let rows = self.assumed.rows;
        self.each(|standing| {
            standing.facts.new_in_transaction = false;
            if holds_rows(standing.facts.kind) {
                sized(&mut standing.facts, rows);
            }
        });
    }

    fn each(&mut self, change: impl FnMut(&mut Standing)) {
        self.now.relations.values_mut().flatten().for_each(change);
    }

    /// What a server still has to be asked for: not the functions and types of the run, which it does not have.
    #[must_use]
    pub fn unknown(&self, wanted: &Wanted) -> Wanted {
        let mut asked = wanted.clone();
        asked.callees.retain(|callee| self.made_function(callee).is_none());
        // Types are written in several ways.
        let by_types = |object: &WantedObject| matches!(object.kind, "CAST" | "TRANSFORM" | "OPERATOR");
        asked.objects.retain(|object| {
            let by_types = by_types(object) && self.may_have_changed(&object.kind.to_lowercase());
            !by_types && !self.may_have_changed(&object.name)
        });
        // Only an approval is bound to that.
        asked.touched.clear();
        asked.types.retain(|of| !self.now.domains.contains_key(&of.name));
        asked
    }

    /// A server's answer, and on top of it what the run will have changed by then.
    #[must_use]
    pub fn on_top_of(&self, wanted: &Wanted, answer: Facts) -> Facts {
        let mut facts = answer;
        if let Some(role) = self.sets_role() {
            role.clone_into(&mut facts.current_role);
        }
        for name in &wanted.relations {
            if let Some(known) = self.now.relations.get(&self.key(name, &facts)) {
                facts.put_relation(name, known.as_ref().map(|standing| standing.facts.clone()));
            }
        }
        self.put_functions_and_types(wanted, &mut facts);
        for asked in &wanted.uses {
            let by_server = facts.column_use(&asked.relation, &asked.column).cloned();
            let (Some(mut found), true) = (
                ColumnUse::assumed(&facts, asked),
                by_server.is_none() || self.now.relations.contains_key(&self.key(&asked.relation, &facts)),
            ) else {
                continue;
            };
            if let Some(mut known) = by_server {
                known.extend(found);
                found = known;
            }
            facts.put_use(&asked.relation, &asked.column, found);
        }
        facts
    }

    /// What is assumed without a server.
    #[must_use]
    pub fn instead_of_a_server(&self, reading: &Reading, wanted: &Wanted) -> Facts {
        let mut facts = Facts::default();
        facts.server_version = self.assumed.server_version;
        self.role().unwrap_or(&self.assumed.role).clone_into(&mut facts.current_role);
        facts.session_role.clone_from(&self.assumed.role);
        facts.search_path = self.search_path();
        let referenced = referenced::by(reading);
        for name in &wanted.relations {
            let key = self.key(name, &facts);
            let standing = match self.now.relations.get(&key) {
                Some(known) => known.clone(),
                None => referenced
                    .get(name)
                    .map(|kind| Standing { facts: self.assumed_relation(&key, *kind), complete: false }),
            };
            let found = standing.map(|mut standing| {
                if !standing.complete {
                    assume::needed_by(reading, name, &mut standing.facts);
                }
                standing.facts
            });
            facts.put_relation(name, found);
        }
        let asked = self.unknown(wanted);
        for callee in asked.callees.into_iter().filter(|callee| !functions::is_steady(callee)) {
            facts.put_volatile(callee);
        }
        for of in &asked.types {
            facts.put_type(of, self.type_of(of));
        }
        self.put_functions_and_types(wanted, &mut facts);
        self.put_objects(reading, wanted, &mut facts);
        for asked in &wanted.uses {
            if let Some(found) = ColumnUse::assumed(&facts, asked) {
                facts.put_use(&asked.relation, &asked.column, found);
            }
        }
        facts
    }

    /// Relations of a reading that nothing is known of: their size and columns are assumed.
    #[must_use]
    pub fn guessed(&self, reading: &Reading) -> BTreeSet<RelationName> {
        let facts = Facts::default();
        let guessed = |name: &RelationName| {
            let known = self.now.relations.get(&self.key(name, &facts));
            known.is_none_or(|known| known.as_ref().is_some_and(|standing| !standing.complete))
        };
        if self.live {
            return BTreeSet::new();
        }
        referenced::by(reading).into_keys().filter(guessed).collect()
    }

    fn put_functions_and_types(&self, wanted: &Wanted, facts: &mut Facts) {
        for callee in &wanted.callees {
            if self.made_function(callee) == Some(true) {
                facts.put_volatile(callee.clone());
            }
        }
        for of in wanted.types.iter().filter(|of| self.now.domains.contains_key(&of.name)) {
            facts.put_type(of, self.type_of(of));
        }
    }

    /// Whether a function of the run is volatile, if it is one.
    fn made_function(&self, callee: &Callee) -> Option<bool> {
        match callee {
            Callee::Function { name, .. } => self.now.functions.get(name).copied(),
            Callee::Operator { .. } => None,
        }
    }

    /// Whether a call may write into tables: one that is STABLE or IMMUTABLE cannot.
    fn may_fill(&self, function: &RelationName) -> bool {
        let made = self.now.functions.get(&function.name).copied();
        made.unwrap_or_else(|| !functions::is_own(function))
    }

    fn type_of(&self, of: &TypeName) -> TypeFacts {
        let mut made = TypeFacts {
            type_sql: modifier::apply(&assume::type_sql(of), &of.sql),
            is_array: of.sql.ends_with("[]"),
            ..TypeFacts::default()
        };
        // A chain of domains is as long as there are domains.
        let mut name = &of.name;
        for _ in 0..=self.now.domains.len() {
            let Some(domain) = self.now.domains.get(name).filter(|_| !made.is_array) else { break };
            made.is_domain = true;
            made.constrained_domain |= domain.constrained;
            made.domain_default |= domain.has_default;
            name = &domain.base;
        }
        made
    }

    fn assumed_relation(&self, name: &RelationName, kind: RelationKind) -> RelationFacts {
        let mut facts = bare(name, kind, &self.assumed.role);
        if holds_rows(kind) {
            sized(&mut facts, self.assumed.rows);
        }
        if kind == RelationKind::Index {
            facts.indexes.push(assume::index(&name.name));
        }
        facts
    }
}

/// Empty, and without a column.
fn bare(name: &RelationName, kind: RelationKind, owner: &str) -> RelationFacts {
    RelationFacts {
        oid: 0,
        schema: name.schema.clone().unwrap_or_default(),
        name: name.name.clone(),
        kind,
        persistence: Persistence::Permanent,
        owner: owner.to_owned(),
        rows: Some(0),
        heap_bytes: 0,
        toast_bytes: 0,
        total_bytes: 0,
        new_in_transaction: false,
        referenced_by_old: false,
        is_partition: false,
        has_children: false,
        has_default_partition: false,
        columns: Vec::new(),
        indexes: Vec::new(),
        constraints: Vec::new(),
        constraint_names: Vec::new(),
        columns_below: Vec::new(),
        dependents: Vec::new(),
        index_of: None,
        table_oid: None,
        published: false,
        kin: Vec::new(),
        partitioned: None,
        members: Vec::new(),
        withheld: crate::kernel::facts::Withheld::default(),
        partition_of: None,
        reacts: crate::kernel::facts::Reactions::default(),
        populated: true,
        tablespace: None,
        access_method: None,
    }
}

fn sized(facts: &mut RelationFacts, rows: u64) {
    facts.rows = Some(rows);
    facts.heap_bytes = rows.saturating_mul(ROW_BYTES);
    facts.total_bytes = facts.heap_bytes;
}

fn holds_rows(kind: RelationKind) -> bool {
    match kind {
        RelationKind::Table
        | RelationKind::PartitionedTable
        | RelationKind::Index
        | RelationKind::PartitionedIndex
        | RelationKind::MaterializedView => true,
        RelationKind::View
        | RelationKind::Sequence
        | RelationKind::ForeignTable
        | RelationKind::CompositeType
        | RelationKind::Toast => false,
    }
}
