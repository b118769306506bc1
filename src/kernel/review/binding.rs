//! What an approval is bound to: the exact text, where and as whom it runs, the objects it touches, the plan.
//! Sizes are not part of its hash: a table that grows a little while people think is still the table they thought
//! about. One that has grown by a factor is not.

use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Request, Terms};
use crate::kernel::facts::{ColumnFacts, ConstraintFacts, Facts, IndexFacts, Persistence, RelationFacts, RelationKind};
use crate::kernel::plan::{Action, Backfill, Plan, Step};

/// In what a statement differs from the one a ticket is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    #[error("its text differs")]
    Text,
    #[error("it goes to another target")]
    Target,
    #[error("it goes to another database")]
    Database,
    #[error("somebody else asks for it")]
    Requester,
    #[error("it would run as another role")]
    Role,
    #[error("its search_path differs")]
    SearchPath,
    #[error("the objects it touches have changed since it was looked at")]
    Objects,
    #[error("what would run has changed since it was looked at")]
    Plan,
    #[error("the policy asks for other approvals since it was looked at")]
    Policy,
    #[error("{relation} has grown since it was looked at, from {from} to {to} {unit}")]
    Grown { relation: String, from: u64, to: u64, unit: &'static str },
}

/// A table below both bounds is small whatever it was before.
const GROWN_ROWS: u64 = 10_000;
const GROWN_BYTES: u64 = 16 << 20;

impl Mismatch {
    /// The same change in changed surroundings: somebody has to look again.
    /// The others mean that it is another change.
    #[must_use]
    pub fn returns_to_review(&self) -> bool {
        match self {
            Self::Objects | Self::Plan | Self::Policy | Self::Grown { .. } => true,
            Self::Text | Self::Target | Self::Database | Self::Requester | Self::Role | Self::SearchPath => false,
        }
    }
}

/// SHA-256 (hex) of a text that is shown as it is. What hides something has a keyed hash instead: a short secret is
/// found by trying.
#[must_use]
pub fn text_hash(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

impl Request {
    /// The text of the statement, if that is all there is to it: nothing left out, no values bound.
    #[must_use]
    pub fn whole_text(&self) -> Option<&str> {
        (text_hash(&self.shown) == self.text_hash).then_some(self.shown.as_str())
    }

    /// Whether an approval of this request also covers `other`.
    ///
    /// # Errors
    /// The first difference, most telling first.
    pub fn matches(&self, other: &Self) -> Result<(), Mismatch> {
        let checks = [
            (self.text_hash == other.text_hash, Mismatch::Text),
            (self.target == other.target, Mismatch::Target),
            (self.database == other.database, Mismatch::Database),
            (self.requester == other.requester, Mismatch::Requester),
            (self.role == other.role, Mismatch::Role),
            (self.search_path == other.search_path, Mismatch::SearchPath),
            (self.objects_hash == other.objects_hash, Mismatch::Objects),
            (same_plan(&self.plan, &other.plan), Mismatch::Plan),
            (self.conditions == other.conditions, Mismatch::Policy),
        ];
        match checks.into_iter().find(|(same, _)| !same) {
            Some((_, mismatch)) => Err(mismatch),
            None => Ok(()),
        }
    }

    /// As [`Self::matches`], and nothing it touches has grown by more than a factor.
    ///
    /// # Errors
    /// The first difference.
    pub fn still_covers(&self, now: &Self, terms: Terms) -> Result<(), Mismatch> {
        self.matches(now)?;
        for before in self.facts.relations() {
            let Some(after) = now.facts.relations().find(|after| after.oid == before.oid) else { continue };
            let relation = format!("{}.{}", after.schema, after.name);
            if let (Some(from), Some(to)) = (before.rows, after.rows) {
                grown(&relation, (from, to), (GROWN_ROWS, "rows"), terms)?;
            }
            grown(&relation, (before.total_bytes, after.total_bytes), (GROWN_BYTES, "bytes"), terms)?;
        }
        if let (Some(before), Some(after)) = (&self.facts.touched, &now.facts.touched) {
            grown("what it touches besides", (before.rows, after.rows), (GROWN_ROWS, "rows"), terms)?;
        }
        Ok(())
    }

    /// The part of [`super::Ticket::review_hash`] that the statement and its surroundings are.
    pub(super) fn review_hash(&self) -> String {
        hash(&(
            (&self.text_hash, &self.shown, &self.target, &self.database),
            (&self.requester, &self.role, &self.search_path, &self.objects_hash),
            (bound_plan(&self.plan), &self.conditions),
        ))
    }

    /// What makes changes alike whatever their names: what is done to which table, and how.
    #[must_use]
    pub fn kin(&self) -> String {
        let relation = self.plan.relation.as_ref().map(|name| (name.schema.as_deref().unwrap_or("public"), &name.name));
        hash(&(&self.plan.recipe, &self.plan.tag, relation))
    }

    /// What makes two requests the same one, in one column: [`Request::matches`] up to the search path.
    #[must_use]
    pub fn identity_hash(&self) -> String {
        hash(&((&self.text_hash, &self.target, &self.database), (&self.requester, &self.role, &self.search_path)))
    }
}

fn grown(
    relation: &str,
    (from, to): (u64, u64),
    (least, unit): (u64, &'static str),
    terms: Terms,
) -> Result<(), Mismatch> {
    let is_grown = to > least && to > from.saturating_mul(u64::from(terms.growth_factor.max(1)));
    if is_grown { Err(Mismatch::Grown { relation: relation.to_owned(), from, to, unit }) } else { Ok(()) }
}

/// Hash over the objects a statement touches: which they are and what they look like, not how large.
#[must_use]
pub fn objects_hash(facts: &Facts) -> String {
    let shapes: Vec<(&str, Option<Shape<'_>>)> =
        facts.looked_up().map(|(name, relation)| (name, relation.map(Shape::of))).collect();
    match &facts.touched {
        // As it was before there was more to look at.
        None => hash(&shapes),
        Some(touched) => hash(&(&shapes, &touched.fingerprint)),
    }
}

/// One relation as far as an approval is bound to it.
#[derive(Serialize)]
struct Shape<'a> {
    identity: (u32, &'a str, &'a str, RelationKind, Persistence, &'a str),
    family: (bool, bool, bool),
    columns: Vec<&'a ColumnFacts>,
    indexes: Vec<Index<'a>>,
    constraints: Vec<&'a ConstraintFacts>,
    dependents: Vec<&'a str>,
}

#[derive(Serialize)]
struct Index<'a> {
    oid: u32,
    name: &'a str,
    definition: &'a str,
    /// Valid, ready, unique, primary.
    flags: (bool, bool, bool, bool),
    constraint: Option<&'a str>,
}

impl<'a> Shape<'a> {
    fn of(relation: &'a RelationFacts) -> Self {
        let mut indexes: Vec<Index<'a>> = relation.indexes.iter().map(Index::of).collect();
        indexes.sort_by_key(|index| index.name);
        let mut constraints: Vec<&ConstraintFacts> = relation.constraints.iter().collect();
        constraints.sort_by(|a, b| a.name.cmp(&b.name));
        let mut dependents: Vec<&str> = relation.dependents.iter().map(String::as_str).collect();
        dependents.sort_unstable();
        Self {
            identity: (
                relation.oid,
                &relation.schema,
                &relation.name,
                relation.kind,
                relation.persistence,
                &relation.owner,
            ),
            family: (relation.is_partition, relation.has_children, relation.has_default_partition),
            columns: relation.columns.iter().collect(),
            indexes,
            constraints,
            dependents,
        }
    }
}

impl<'a> Index<'a> {
    fn of(index: &'a IndexFacts) -> Self {
        Self {
            oid: index.oid,
            name: &index.name,
            definition: &index.definition,
            flags: (index.valid, index.ready, index.unique, index.primary),
            constraint: index.constraint.as_deref(),
        }
    }
}

/// Plans of older versions have no checks of their own: those do not make them another plan.
fn same_plan(one: &Plan, other: &Plan) -> bool {
    let (mut one, mut other) = (bound_plan(one), bound_plan(other));
    if one.verify.is_empty() || other.verify.is_empty() {
        one.verify.clear();
        other.verify.clear();
    }
    one == other
}

/// The plan without what is only told to people and moves with the table's size.
fn bound_plan(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.summary.clear();
    plan.steps = plan.steps.into_iter().map(bound_step).collect();
    plan
}

fn bound_step(step: Step) -> Step {
    let action = match step.action {
        Action::Backfill(backfill) => Action::Backfill(Backfill { rows_estimate: 0, ..backfill }),
        other @ (Action::Sql { .. }
        | Action::Together { .. }
        | Action::BuildIndex { .. }
        | Action::Reindex { .. }
        | Action::Later { .. }) => other,
    };
    Step { action, estimate: None, ..step }
}

/// JSON keeps the borders between values, which plain concatenation would not.
pub(super) fn hash(value: &impl Serialize) -> String {
    // Fails only for maps whose keys are not strings, of which there are none here.
    let bytes = serde_json::to_vec(value).unwrap_or_else(|error| error.to_string().into_bytes());
    HEXLOWER.encode(&Sha256::digest(&bytes))
}
