//! A whole table written anew beside itself while others go on: a trigger notes the keys of the rows that change, the
//! rows are copied in batches, what was noted is copied again, and in one short transaction the copy takes the table's
//! place.
//!
//! The helpers' names depend only on what they are for. Until the cut-over every prefix of it can be taken back; after
//! it there is no way back, and none is needed: the rows are the same.

mod altered;
mod cutover;
mod incoming;
mod made;
mod possible;
mod publications;
mod rows;
mod views;

pub use altered::Altered;

use super::names::{helper, named_after};
use super::{Plan, StandsIn, Step, quote};
use crate::kernel::facts::{Face, Facts, Persistence, RelationFacts, Whole, WholeColumn, WholeIndex};
use crate::kernel::sql::statement::{LockMode, RelationName};

/// The recipe's name.
pub const RECIPE: &str = "copy-table";

/// What a statement says in a comment to be done so when it is approved.
pub const REQUEST: &str = "lockkeeper: copy";

/// In what the copy differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anew<'a> {
    /// CLUSTER by this index, or by the one it was done by before.
    Ordered(Option<&'a str>),
    /// VACUUM FULL.
    Smaller,
    Logged(bool),
    Tablespace(&'a str),
    AccessMethod(&'a str),
    /// What the statement's own subcommands make of it while it is empty.
    Altered(&'a Altered),
}

impl<'a> Anew<'a> {
    fn altered(self) -> Option<&'a Altered> {
        match self {
            Self::Altered(altered) => Some(altered),
            Self::Ordered(_) | Self::Smaller | Self::Logged(_) | Self::Tablespace(_) | Self::AccessMethod(_) => None,
        }
    }

    /// Columns that have other values afterwards.
    fn changed(self) -> &'a [String] {
        self.altered().map_or(&[], |altered| altered.changed.as_slice())
    }
}

/// One table on its way.
struct Copy<'a> {
    table: &'a RelationFacts,
    whole: &'a Whole,
    face: &'a Face,
    facts: &'a Facts,
    anew: Anew<'a>,
    /// What helpers are named after.
    of: String,
    /// The index by whose columns a row is known.
    key: &'a WholeIndex,
    /// The index in whose order the rows are written.
    order: Option<&'a WholeIndex>,
}

/// The plan, or why there is none.
///
/// # Errors
/// A clause for people that says why it cannot be done so.
pub fn plan(of: (&RelationFacts, &RelationName), anew: Anew<'_>, facts: &Facts, tag: String) -> Result<Plan, String> {
    let (table, written) = of;
    let unknown = "what belongs to it could not be looked up";
    let whole = facts.whole(written).ok_or(unknown)?;
    let face = facts.face(written).ok_or(unknown)?;
    possible::table(table, (whole, face), anew)?;
    let order = possible::order(table, whole, anew)?;
    let key = possible::key(whole, anew.changed())?;
    incoming::by_their_indexes(whole, key)?;
    let copy = Copy { table, whole, face, facts, anew, of: named(table, whole), key, order };
    let mut steps = vec![copy.make()?, copy.sync(), copy.rows()];
    steps.extend(copy.indexes()?);
    steps.extend(copy.constraints()?);
    steps.push(copy.analyze());
    let past = copy.past();
    for step in &mut steps {
        step.past = Some(past.clone());
    }
    steps.push(copy.cut_over()?.probed(past));
    steps.extend(copy.validate());
    Ok(Plan {
        recipe: RECIPE.to_owned(),
        tag,
        summary: copy.summary(),
        relation: Some(table.qualified()),
        steps,
        undo_loses: None,
        verify: Vec::new(),
    })
}

impl Copy<'_> {
    fn relation(&self) -> String {
        quote::table(self.table)
    }

    fn name(&self) -> RelationName {
        RelationName { schema: Some(self.table.schema.clone()), name: aside(&self.of) }
    }

    /// The copy, until it takes the table's name.
    fn copy(&self) -> String {
        quote::qualified(&self.table.schema, &aside(&self.of))
    }

    /// Keys of rows that have changed.
    fn log(&self) -> String {
        quote::qualified(&self.table.schema, &helper("changed", &self.of))
    }

    fn stands_in(&self) -> StandsIn {
        StandsIn { relation: aside(&self.of), of: self.table.name.clone() }
    }

    fn function(&self) -> String {
        quote::qualified(&self.table.schema, &helper("changes", &self.of))
    }

    /// The columns by which a row is known.
    fn key(&self) -> Vec<&str> {
        self.key.keys.iter().filter_map(|key| key.column.as_deref()).collect()
    }

    /// Columns that are copied: what is generated computes itself.
    fn columns(&self) -> Vec<String> {
        self.columns_that(|column| column.generated.is_none())
    }

    /// What is copied into them, over the table's bare columns.
    fn values(&self) -> Vec<String> {
        let computed = self.anew.altered().map_or(&[][..], |altered| altered.computed.as_slice());
        let of = |column: &String| computed.iter().find(|(name, _)| quote::identifier(name) == *column);
        let columns = self.columns().into_iter();
        columns.map(|column| of(&column).map_or(column, |(_, sql)| format!("({sql})"))).collect()
    }

    fn columns_that(&self, is: impl Fn(&WholeColumn) -> bool) -> Vec<String> {
        self.whole.columns.iter().filter(|column| is(column)).map(|column| quote::identifier(&column.name)).collect()
    }

    fn persistence(&self) -> Persistence {
        match self.anew {
            Anew::Logged(true) => Persistence::Permanent,
            Anew::Logged(false) => Persistence::Unlogged,
            Anew::Ordered(_) | Anew::Smaller | Anew::Tablespace(_) | Anew::AccessMethod(_) | Anew::Altered(_) => {
                self.table.persistence
            }
        }
    }

    /// The table of this name is another one than at the start.
    fn past(&self) -> String {
        format!(
            "SELECT coalesce({}::pg_catalog.oid OPERATOR(pg_catalog.<>) {}::pg_catalog.oid, false) AND {} IS NULL",
            quote::oid(self.table),
            self.table.oid,
            regclass(&self.copy())
        )
    }

    fn analyze(&self) -> Step {
        let copy = self.copy();
        let probe = format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_stats s WHERE s.schemaname OPERATOR(pg_catalog.=) {} \
             AND s.tablename OPERATOR(pg_catalog.=) {}) OR NOT EXISTS (SELECT FROM ONLY {copy})",
            quote::literal(&self.table.schema),
            quote::literal(&aside(&self.of))
        );
        on_copy(Step::scan("analyze", format!("ANALYZE {copy}")).probed(probe), self)
    }

    /// Foreign keys are proven when the copy has the table's place: before, it would keep others from deleting rows.
    fn validate(&self) -> Vec<Step> {
        self.own_keys()
            .filter(|key| key.validated && !key.definition.ends_with("NOT ENFORCED"))
            .map(|key| {
                let sql =
                    format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", self.relation(), quote::identifier(&key.name));
                let probe = quote::constraint_probe(self.table, &key.name, 'f', "c.convalidated");
                Step::scan("validate", sql).probed(probe)
            })
            .chain(self.prove_incoming())
            .collect()
    }

    /// What follows "is copied".
    fn how(&self) -> String {
        match self.anew {
            Anew::Ordered(_) => {
                let by = self.order.map_or("", |index| index.index.name.as_str());
                format!("in the order of {by}")
            }
            Anew::Smaller => "without its free room".to_owned(),
            Anew::Logged(true) => "as a logged table".to_owned(),
            Anew::Logged(false) => "as an unlogged table".to_owned(),
            Anew::Tablespace(to) => format!("in tablespace {to}"),
            Anew::AccessMethod(to) => format!("with access method {to}"),
            Anew::Altered(altered) => altered.how(),
        }
    }

    /// What the copy is made for, so that what another statement has left is known by it.
    fn purpose(&self) -> String {
        self.anew.altered().map_or_else(|| self.how(), |altered| altered.sql(&self.relation()))
    }

    fn summary(&self) -> String {
        let (schema, name) = (&self.table.schema, &self.table.name);
        let how = self.how();
        let remarks = self.anew.altered().map(Altered::remarks).unwrap_or_default();
        let keys = self.keys();
        let views = self.views_said();
        let publications = self.publications_said();
        format!(
            "{schema}.{name} is copied {how} while others read and write it: a trigger notes the keys of rows that change, \
             rows are copied in batches, those noted again, the indexes are built on the copy; when both are proven to hold \
             the same rows, the copy takes the table's name in one short transaction, and the old table is dropped.{keys}{remarks}{views}{publications} \
             It needs the table's size again on disk meanwhile. Until it is done every write costs an insert of its key \
             more, and TRUNCATE of the table is refused. A REPEATABLE READ transaction that began earlier and first reads the \
             table afterwards does not see what was copied since."
        )
    }
}

/// What an earlier run has left is found, and what somebody else has made is left alone.
fn named(table: &RelationFacts, whole: &Whole) -> String {
    let is = |what: &str, of: &str| whole.helpers.iter().filter(|one| one.name == helper(what, of)).collect::<Vec<_>>();
    let begun = |of: &String| is("changed", of).iter().any(|one| one.notes);
    let free = |of: &String| ["copy", "changed", "changes", "old"].iter().all(|what| is(what, of).is_empty());
    let names = || named_after(&table.name, table);
    // Each of theirs is in the way of one at most.
    let found = names().take(whole.helpers.len()).find(begun);
    found.or_else(|| names().find(free)).unwrap_or_default()
}

/// What something is called until the cut-over.
fn aside(name: &str) -> String {
    helper("copy", name)
}

fn regclass(qualified: &str) -> String {
    format!("pg_catalog.to_regclass({})", quote::literal(qualified))
}

/// Whether the locks of a step are on helpers only: nobody else uses them.
fn on_copy(step: Step, copy: &Copy<'_>) -> Step {
    Step { on: Some(copy.name()), ..step }
}

/// A step that only looks at the table.
fn beside(name: &str, statements: Vec<String>) -> Step {
    Step::together(name, statements, LockMode::AccessShare)
}
