//! A change of a definition, for the services that depend on the table: what it was before and what it is after.
//!
//! Nothing here understands statements beyond what they name. Definitions are looked up before a change and when its
//! transaction is over, and what differs is told: so a rollback tells nothing, and a rename shows by its oid.

mod concern;
mod difference;
mod shown;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernel::job::JobId;
use crate::kernel::review::{Instant, TicketId};
use crate::kernel::sql::statement::RelationName;

pub use concern::Concern;
pub use difference::{Difference, differences};

/// Version of the shape in which changes of definitions are told: it grows when a reader has to be changed.
pub const SCHEMA_VERSION: u32 = 1;

/// Characters of a statement that are kept with what it changed, and statements.
const STATEMENT_MAX: usize = 4_000;
const STATEMENTS_MAX: usize = 20;

/// What became of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemaEffect {
    Created,
    Altered,
    /// It has another name or schema; it may be altered as well.
    Renamed,
    Dropped,
    /// Nobody saw what it was before, or what became of it: look at the relation.
    Uncertain,
}

/// A change of a definition and its position among all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SchemaEvent {
    /// Counted up; to go on after it: `/v1/schema-changes?after=`.
    pub position: i64,
    pub at: Instant,
    #[serde(flatten)]
    pub change: SchemaChange,
}

/// One relation whose definition a transaction or a job has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SchemaChange {
    /// Of this shape: 1.
    pub version: u32,
    pub effect: SchemaEffect,
    pub target: String,
    pub database: String,
    /// Schema and name, after the change if it is still there.
    pub relation: String,
    /// Role that the client logged in as.
    pub requester: String,
    /// Whom the gateway knows by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    pub application: String,
    /// What changed it, in order, without secrets.
    pub statements: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// Null: there was none; if it is uncertain, it is not known.
    pub before: Option<Definition>,
    /// Null: there is none any more; if it is uncertain, it is not known.
    pub after: Option<Definition>,
}

/// What a relation is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Definition {
    /// By it a relation is the same under another name.
    pub oid: u32,
    pub schema: String,
    pub name: String,
    /// `table`, `partitioned table`, `view`, `materialized view`, `foreign table`.
    pub kind: String,
    /// Of a view.
    #[serde(default)]
    pub query: Option<String>,
    /// Of a partitioned table: by what it is.
    #[serde(default)]
    pub partition_key: Option<String>,
    /// Of a partition: its table, and for which rows it is.
    #[serde(default)]
    pub partition_of: Option<String>,
    pub columns: Vec<DefinedColumn>,
    pub constraints: Vec<DefinedConstraint>,
    pub indexes: Vec<DefinedIndex>,
}

/// One column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DefinedColumn {
    pub name: String,
    #[serde(rename = "type")]
    pub type_sql: String,
    pub not_null: bool,
    #[serde(default)]
    pub default: Option<String>,
    /// `always` or `by default`.
    #[serde(default)]
    pub identity: Option<String>,
    /// Its expression, if it is generated.
    #[serde(default)]
    pub generated: Option<String>,
}

/// One constraint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DefinedConstraint {
    pub name: String,
    pub definition: String,
    pub validated: bool,
}

/// One index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DefinedIndex {
    pub name: String,
    pub definition: String,
    pub valid: bool,
}

/// A relation that was there and could not be looked at: somebody had it locked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hidden {
    pub oid: u32,
    pub schema: String,
    pub name: String,
}

/// What a look-up of definitions found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    pub relations: Vec<Definition>,
    pub hidden: Vec<Hidden>,
    /// What the names that were asked for belong to, in their order.
    pub names: Vec<Option<u32>>,
}

/// Whose change it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaOrigin {
    pub target: String,
    pub database: String,
    pub requester: String,
    pub person: Option<String>,
    pub application: String,
    /// Without secrets.
    pub statement: String,
    pub ticket: Option<TicketId>,
    pub job: Option<JobId>,
}

/// What is written down before a change runs, so that it is told even if nobody sees its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaRun {
    pub origin: SchemaOrigin,
    names: Vec<RelationName>,
    touched: Vec<u32>,
    /// As they were when the transaction first touched them.
    before: Vec<Definition>,
    /// What could not be looked at.
    unsure: Vec<RelationName>,
    /// What is to be made, and was not there.
    missing: Vec<RelationName>,
}

impl SchemaRun {
    /// A change that is about to run, behind others of its transaction. `look`: what is there, unless that could not be
    /// asked; `absent`: names that are known to be free.
    #[must_use]
    pub fn new(
        origin: SchemaOrigin,
        concern: Concern,
        look: Option<Look>,
        absent: &[RelationName],
        earlier: &[Self],
    ) -> Self {
        let mut run = Self { origin, names: concern.names.clone(), ..Self::default() };
        let cut = run.origin.statement.char_indices().nth(STATEMENT_MAX).map(|(at, _)| at);
        if let Some(at) = cut {
            run.origin.statement.truncate(at);
            run.origin.statement.push('…');
        }
        let Some(look) = look else {
            let known = |name: &RelationName| earlier.iter().any(|run| run.names.contains(name));
            let (missing, unsure): (Vec<_>, Vec<_>) =
                concern.names.into_iter().filter(|name| !known(name)).partition(|name| absent.contains(name));
            run.missing = missing.into_iter().filter(|name| concern.made.contains(name)).collect();
            run.unsure = unsure;
            return run;
        };
        let free = concern.names.iter().zip(&look.names).filter(|(_, found)| found.is_none()).map(|(name, _)| name);
        run.missing = free.filter(|name| concern.made.contains(name)).cloned().collect();
        run.touched = look.relations.iter().map(|one| one.oid).chain(look.hidden.iter().map(|one| one.oid)).collect();
        let known = |oid: u32, schema: &str, name: &str| earlier.iter().any(|run| run.knows(oid, schema, name));
        run.before = look.relations.into_iter().filter(|one| !known(one.oid, &one.schema, &one.name)).collect();
        let hidden = look.hidden.into_iter().filter(|one| !known(one.oid, &one.schema, &one.name));
        run.unsure = hidden.map(|one| RelationName { schema: Some(one.schema), name: one.name }).collect();
        run
    }

    /// Whether there is nothing to be told of it in the end that others of its transaction do not tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.unsure.is_empty() && self.missing.is_empty()
    }

    /// What was there before the transaction is not what is there in the middle of it.
    fn knows(&self, oid: u32, schema: &str, name: &str) -> bool {
        self.before.iter().any(|one| one.oid == oid || (one.schema == schema && one.name == name))
            || self.unsure.iter().chain(&self.missing).any(|one| means(one, schema, name))
    }

    fn speaks_of(&self, one: &Definition) -> bool {
        self.touched.contains(&one.oid) || self.names.iter().any(|name| means(name, &one.schema, &one.name))
    }
}

fn means(asked: &RelationName, schema: &str, name: &str) -> bool {
    asked.name == name && asked.schema.as_ref().is_none_or(|written| written == schema)
}

/// What to look at when a transaction is over: the same relations, and what has taken their names or free ones.
#[must_use]
pub fn afterwards(runs: &[SchemaRun]) -> (Vec<u32>, Vec<RelationName>) {
    let named = |one: &Definition| RelationName { schema: Some(one.schema.clone()), name: one.name.clone() };
    let mut names: Vec<RelationName> = Vec::new();
    for run in runs {
        names.extend(run.before.iter().map(named));
        names.extend(run.unsure.iter().chain(&run.missing).cloned());
    }
    names.sort();
    names.dedup();
    (runs.iter().flat_map(|run| &run.before).map(|one| one.oid).collect(), names)
}

/// What the changes of a transaction have changed, relation by relation; of what ran and nobody saw the end of (no
/// `after`), all of it.
#[must_use]
pub fn schema_changes(runs: &[SchemaRun], after: Option<Look>) -> Vec<SchemaChange> {
    let Some(Look { relations: mut left, hidden, .. }) = after else {
        let before = runs.iter().flat_map(|run| run.before.iter().map(|one| told(runs, Some(one), None, true)));
        let named = runs.iter().flat_map(|run| run.unsure.iter().chain(&run.missing).map(|name| unseen(run, name)));
        return before.chain(named).flatten().collect();
    };
    let mut found = Vec::new();
    for before in runs.iter().flat_map(|run| &run.before) {
        let same = left.iter().position(|one| one.oid == before.oid);
        // What was built anew in its place has its name.
        let place = same.or_else(|| left.iter().position(|one| one.is_called_as(&before.schema, &before.name)));
        let now = place.map(|at| left.remove(at));
        let is_hidden = now.is_none()
            && hidden
                .iter()
                .any(|one| one.oid == before.oid || (one.schema == before.schema && one.name == before.name));
        if !now.as_ref().is_some_and(|now| now.looks_as(before)) {
            found.extend(told(runs, Some(before), now, is_hidden));
        }
    }
    for run in runs {
        for name in &run.unsure {
            let place = left.iter().position(|one| means(name, &one.schema, &one.name));
            match place.map(|at| left.remove(at)) {
                Some(now) => found.extend(told(runs, None, Some(now), true)),
                None => found.extend(unseen(run, name)),
            }
        }
        let locked = |name: &&RelationName| hidden.iter().any(|one| means(name, &one.schema, &one.name));
        found.extend(run.missing.iter().filter(locked).filter_map(|name| unseen(run, name)));
    }
    found.extend(left.into_iter().filter_map(|made| told(runs, None, Some(made), false)));
    found
}

/// One relation, and those statements that spoke of it.
fn told(
    runs: &[SchemaRun],
    before: Option<&Definition>,
    after: Option<Definition>,
    uncertain: bool,
) -> Option<SchemaChange> {
    let is_of = |run: &&SchemaRun| before.into_iter().chain(&after).any(|one| run.speaks_of(one));
    let mut of: Vec<&SchemaOrigin> = runs.iter().filter(is_of).map(|run| &run.origin).collect();
    if of.is_empty() {
        of = runs.iter().map(|run| &run.origin).collect();
    }
    let one = after.as_ref().or(before)?;
    let effect = match (before, &after) {
        _ if uncertain => SchemaEffect::Uncertain,
        (None, _) => SchemaEffect::Created,
        (Some(_), None) => SchemaEffect::Dropped,
        (Some(was), Some(now)) if now.is_called_as(&was.schema, &was.name) => SchemaEffect::Altered,
        (Some(_), Some(_)) => SchemaEffect::Renamed,
    };
    let relation = one.qualified();
    change(&of, (effect, relation), before.cloned(), after)
}

/// Of a relation only its name is known.
fn unseen(run: &SchemaRun, name: &RelationName) -> Option<SchemaChange> {
    change(&[&run.origin], (SchemaEffect::Uncertain, name.written()), None, None)
}

fn change(
    of: &[&SchemaOrigin],
    (effect, relation): (SchemaEffect, String),
    before: Option<Definition>,
    after: Option<Definition>,
) -> Option<SchemaChange> {
    let origin = (*of.first()?).clone();
    Some(SchemaChange {
        version: SCHEMA_VERSION,
        effect,
        target: origin.target,
        database: origin.database,
        relation,
        requester: origin.requester,
        person: origin.person,
        application: origin.application,
        statements: of.iter().take(STATEMENTS_MAX).map(|one| one.statement.clone()).collect(),
        ticket: of.iter().rev().find_map(|one| one.ticket),
        job: origin.job,
        before,
        after,
    })
}

impl Definition {
    /// With its schema.
    #[must_use]
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    fn is_called_as(&self, schema: &str, name: &str) -> bool {
        self.schema == schema && self.name == name
    }

    /// Whether a service that depends on it would see no difference.
    fn looks_as(&self, other: &Self) -> bool {
        Self { oid: other.oid, ..self.clone() } == *other
    }
}

impl SchemaEffect {
    /// The name of its event: `schema.created`.
    #[must_use]
    pub const fn event(self) -> &'static str {
        match self {
            Self::Created => "schema.created",
            Self::Altered => "schema.altered",
            Self::Renamed => "schema.renamed",
            Self::Dropped => "schema.dropped",
            Self::Uncertain => "schema.uncertain",
        }
    }

    /// As the end of a sentence.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Created => "was created",
            Self::Altered => "was altered",
            Self::Renamed => "was renamed",
            Self::Dropped => "was dropped",
            Self::Uncertain => "may have been changed",
        }
    }
}

impl SchemaChange {
    /// The names it had and has.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let before = self.before.as_ref().map(Definition::qualified).filter(|name| *name != self.relation);
        before.into_iter().chain([self.relation.clone()])
    }

    /// What tells this relation from all others.
    #[must_use]
    pub fn thread(&self) -> String {
        let oid = self.before.as_ref().or(self.after.as_ref()).map(|one| one.oid.to_string());
        format!("schema-{}/{}/{}", self.target, self.database, oid.unwrap_or_else(|| self.relation.clone()))
    }
}
