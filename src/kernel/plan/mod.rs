//! A plan is data: the ordered steps that run instead of a statement. The same value is shown to the
//! reviewer, approved, stored and executed. Recipes, one file each, make plans; nothing here runs them.

pub mod add_column;
pub mod add_constraint;
pub mod add_index_constraint;
pub mod as_is;
pub mod attach_partition;
pub mod back;
pub mod batches;
pub mod claims;
pub mod combine;
pub mod compact;
pub mod concurrently;
pub mod copy;
pub mod create_index;
pub mod create_partition;
pub mod detach_partition;
pub mod drop_constraint;
pub mod drop_index;
pub mod drops;
pub mod estimate;
mod fill;
pub mod guarded;
pub mod identity;
mod limits;
pub mod names;
pub mod partition_bound;
pub mod partitioned_index;
pub mod partitioned_key;
pub mod queue;
pub mod quote;
pub mod refresh_matview;
pub mod reindex;
pub mod rename;
pub mod retype;
pub mod serial;
pub mod set_not_null;
pub mod shadow;
pub mod shown;
mod split;
pub mod subjects;
pub mod swap_primary_key;
pub mod tag;
pub mod throttle;
pub mod tree;
mod unchanged;
pub mod undo;
mod unproven;
pub mod verify;

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sql::statement::{LockMode, RelationName};
use super::sql::write::{self, Miswritten};
pub use fill::{Backfill, Differs, RowCopy, RowWrite, SortedBy};
pub use limits::Limits;
use names::helper;

/// SQLSTATE of a plan that would lose what was done meanwhile to what it replaces.
pub const CHANGED: &str = "LK010";

/// Stands in a summary for how long something is kept, until that is known.
const GRACE: &str = "{grace}";

/// What runs instead of one statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The recipe's name: `create-index`, `add-column`, `guarded`, …
    pub recipe: String,
    /// The command tag the client asked for: `ALTER TABLE`.
    pub tag: String,
    /// One sentence for people: what will run instead and why. Empty for `guarded`: the statement
    /// itself runs, only under a lock timeout, and nobody needs to be told.
    pub summary: String,
    /// The table the plan works on.
    pub relation: Option<RelationName>,
    pub steps: Vec<Step>,
    /// What is lost when the end state is undone, if data is.
    pub undo_loses: Option<String>,
    /// What must hold in the end. None: what the steps' probes say, see [`Plan::checks`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verify: Vec<verify::Check>,
}

impl Plan {
    /// What its steps lock beside its own table, by name.
    pub fn locked_beside(&self) -> impl Iterator<Item = String> {
        self.steps.iter().flat_map(|step| step.on.iter().chain(&step.also)).map(RelationName::written)
    }

    /// So many rows were written, in the words of its steps.
    #[must_use]
    pub fn rows_done(&self, rows: &str) -> String {
        let mut words: Vec<&str> = Vec::new();
        for step in &self.steps {
            if let Action::Backfill(fill) = &step.action
                && !words.contains(&fill.done_word())
            {
                words.push(fill.done_word());
            }
        }
        match words.as_slice() {
            [word] => format!("{rows} rows {word}"),
            _ => format!("{rows} rows written"),
        }
    }

    /// Whether the parser of record reads one statement, and no more, in each text of ours. Where it does
    /// not, nobody can say what the server would make of it.
    ///
    /// # Errors
    /// Says what is wrong with the first text that does not read back.
    pub fn reads_back(&self) -> Result<(), Miswritten> {
        for step in &self.steps {
            step.texts().iter().try_for_each(|sql| write::reads_back(sql))?;
        }
        for check in &self.verify {
            std::iter::once(&check.sql).chain(&check.past).try_for_each(|sql| write::reads_back(sql))?;
        }
        Ok(())
    }

    /// Whether something else runs than what the client wrote: then the client is told.
    #[must_use]
    pub fn rewrites(&self) -> bool {
        !self.summary.is_empty() && self.recipe != as_is::RECIPE
    }

    /// What is left for later, and how much later.
    #[must_use]
    pub fn later(&self) -> Option<(u64, &Plan)> {
        self.steps.iter().find_map(|step| match &step.action {
            Action::Later { ms, plan } => Some((*ms, plan.as_ref())),
            Action::Sql { .. }
            | Action::Together { .. }
            | Action::BuildIndex { .. }
            | Action::Reindex { .. }
            | Action::Backfill(_) => None,
        })
    }

    /// The same with so long until then.
    #[must_use]
    pub fn after(mut self, grace: u64) -> Self {
        for step in &mut self.steps {
            if let Action::Later { ms, .. } = &mut step.action {
                *ms = grace;
            }
        }
        self.summary = self.summary.replace(GRACE, &limits::period(grace));
        self
    }

    /// Whether an index is built in it without blocking writers.
    #[must_use]
    pub fn builds_concurrently(&self) -> bool {
        let builds = |step: &Step| matches!(step.action, Action::BuildIndex { .. } | Action::Reindex { .. });
        self.steps.iter().any(builds)
    }

    /// Whether the client's own message is forwarded instead of a step of ours: it may return rows, carry
    /// parameters, or hold several statements.
    #[must_use]
    pub fn forwards_message(&self) -> bool {
        matches!(self.steps.as_slice(), [step] if matches!(step.action, Action::Sql { mode: Mode::AsIs, .. }))
    }
}

/// One step. Running it twice must equal running it once: the probe tells whether it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PlanStep")]
pub struct Step {
    /// `expand`, `backfill`, `guard`, `validate`, `seal`, `tidy`, `build index`, …
    pub name: String,
    pub action: Action,
    /// Strongest lock on the table, for people and for the lock tests.
    pub lock: LockMode,
    /// Whether the step reads or writes all rows (never together with a lock that blocks writers).
    pub scans: bool,
    /// A query that returns one row with one boolean: is this step done already? Absent: cannot be told
    /// (the step then runs in one transaction and an unknown outcome is reported as such).
    pub probe: Option<String>,
    /// A query like the probe, asked before it: has a later step made this one past? What the step made, and what
    /// its own probe asks about, may be gone then.
    #[serde(default)]
    pub past: Option<String>,
    /// What takes the step back, in one transaction and in order; empty where nothing can, or nothing need.
    pub undo: Vec<String>,
    /// How a failure is told where the server's own words would be about a helper nobody asked for.
    #[serde(default)]
    pub reworded: Option<Reworded>,
    /// How long it takes and how much it writes, where sizes tell.
    #[serde(default)]
    pub estimate: Option<estimate::Estimate>,
    /// What the server says while it runs is for the client, also where there are other steps.
    #[serde(default)]
    pub heard: bool,
    /// The table it locks, where that is not the plan's: a partition.
    #[serde(default)]
    pub on: Option<RelationName>,
    /// Other tables that it locks in the same way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<RelationName>,
    /// Statements that run as of one moment, and as often as there is much to do for them, right before the step's own:
    /// so that these find little left to do under their lock.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ahead: Vec<String>,
    /// Names of helpers, and those that errors tell in their place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stands_for: Vec<(String, String)>,
    /// Rows of a table are written to another one that is to take its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_in: Option<StandsIn>,
    /// What must hold before anything of the plan has run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expects: Vec<verify::Check>,
    /// What was there before it and goes with what takes it back: that is somebody's to decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loses: Vec<String>,
}

/// What an error says of one table is said of the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StandsIn {
    /// Their bare names.
    pub relation: String,
    pub of: String,
}

/// An error of a step in the words the server has for the statement that the step stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reworded {
    /// The SQLSTATE it is for.
    pub code: String,
    pub as_code: String,
    pub message: String,
    /// Empty for none.
    pub column: String,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Sql {
        sql: String,
        mode: Mode,
    },
    /// Several statements as one: catalog only, in one transaction, brief as [`Mode::Brief`] is.
    Together {
        statements: Vec<String>,
    },
    /// `CREATE INDEX CONCURRENTLY`: no transaction, no lock timeout; a failed build leaves an INVALID
    /// index which `cleanup` drops before the next try, if `leftover` (a boolean query) finds it.
    BuildIndex {
        sql: String,
        leftover: String,
        cleanup: String,
    },
    /// `REINDEX … CONCURRENTLY`: as above; `leftovers` is a query for the names (one column, qualified and quoted) of
    /// what a failed try has left.
    Reindex {
        sql: String,
        leftovers: String,
    },
    Backfill(Backfill),
    /// Nothing now: so long after this plan is done, that one runs as a job of its own, unless this one was undone.
    Later {
        ms: u64,
        plan: Box<Plan>,
    },
}

impl Action {
    /// Whether it takes only a moment, once it has its lock.
    #[must_use]
    pub fn is_brief(&self) -> bool {
        match self {
            Self::Sql { mode, .. } => *mode == Mode::Brief,
            Self::Together { .. } | Self::Later { .. } => true,
            Self::BuildIndex { .. } | Self::Reindex { .. } | Self::Backfill(_) => false,
        }
    }

    /// As people are shown it: the statement, or the one that stands for its batches.
    #[must_use]
    pub fn sql(&self) -> Cow<'_, str> {
        match self {
            Self::Sql { sql, .. } | Self::BuildIndex { sql, .. } | Self::Reindex { sql, .. } => {
                unproven::shown(sql).into()
            }
            Self::Together { statements } => {
                let shown: Vec<_> = statements.iter().map(|sql| unchanged::shown(sql)).collect();
                format!("BEGIN; {}; COMMIT", shown.join("; ")).into()
            }
            Self::Backfill(fill) => fill.update_sql().into(),
            Self::Later { plan, .. } => {
                let steps: Vec<_> = plan.steps.iter().map(|step| step.action.sql()).collect();
                steps.join("; ").into()
            }
        }
    }
}

/// How a statement is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Strong lock, catalog only: own transaction, short `lock_timeout`, bounded retries with back-off.
    Brief,
    /// Weak lock, long scan: own transaction, longer `lock_timeout`, no `statement_timeout`.
    Scan,
    /// Refuses a transaction block (CONCURRENTLY): neither timeout.
    NoTransaction,
    /// The statement as it is, in its own transaction, with the session's own settings (an approved change).
    AsIs,
}

impl Step {
    /// A statement that needs a strong lock for a moment.
    #[must_use]
    pub fn brief(name: &str, sql: String, lock: LockMode) -> Self {
        Self::sql(name, sql, Mode::Brief, lock)
    }

    /// A long scan under a lock that lets readers and writers go on.
    #[must_use]
    pub fn scan(name: &str, sql: String) -> Self {
        Self { scans: true, ..Self::sql(name, sql, Mode::Scan, LockMode::ShareUpdateExclusive) }
    }

    /// Every text of the step that a server may be given.
    fn texts(&self) -> Vec<Cow<'_, str>> {
        let mut texts: Vec<Cow<'_, str>> = match &self.action {
            Action::Sql { sql, .. } => vec![sql.into()],
            Action::Together { statements } => statements.iter().map(Cow::from).collect(),
            Action::BuildIndex { sql, leftover, cleanup } => vec![sql.into(), leftover.into(), cleanup.into()],
            Action::Reindex { sql, leftovers } => vec![sql.into(), leftovers.into()],
            Action::Backfill(fill) => {
                let copy = fill.copies().into_iter();
                let more = copy.flat_map(|copy| {
                    copy.again.iter().chain([&copy.same_sql]).chain(copy.differs.as_ref().map(|why| &why.sql))
                });
                std::iter::once(fill.update_sql().into()).chain(more.map(Cow::from)).collect()
            }
            Action::Later { plan, .. } => plan.steps.iter().flat_map(Step::texts).collect(),
        };
        texts.extend(self.probe.iter().chain(&self.past).chain(&self.undo).chain(&self.ahead).map(Cow::from));
        texts.extend(self.expects.iter().map(|check| Cow::from(&check.sql)));
        texts
    }

    /// Statements that need strong locks for a moment, all or none of them.
    #[must_use]
    pub fn together(name: &str, statements: Vec<String>, lock: LockMode) -> Self {
        Self { action: Action::Together { statements }, ..Self::sql(name, String::new(), Mode::Brief, lock) }
    }

    /// One statement without a probe and without an undo.
    #[must_use]
    pub fn sql(name: &str, sql: String, mode: Mode, lock: LockMode) -> Self {
        Self {
            name: name.to_owned(),
            action: Action::Sql { sql, mode },
            lock,
            scans: false,
            probe: None,
            past: None,
            undo: Vec::new(),
            reworded: None,
            heard: false,
            estimate: None,
            on: None,
            also: Vec::new(),
            ahead: Vec::new(),
            stands_for: Vec::new(),
            stands_in: None,
            expects: Vec::new(),
            loses: Vec::new(),
        }
    }

    /// Its lock for people, with the other tables that it is taken on too.
    #[must_use]
    pub fn lock_words(&self) -> String {
        format!("{}{}", self.lock.words(), also_words(&self.also))
    }

    /// With the query that tells whether it is done.
    #[must_use]
    pub fn probed(self, probe: String) -> Self {
        Self { probe: Some(probe), ..self }
    }

    /// With other tables that it locks in the same way.
    #[must_use]
    pub fn locking(mut self, tables: impl IntoIterator<Item = RelationName>) -> Self {
        self.also.extend(tables);
        self.also.sort();
        self.also.dedup();
        self
    }

    /// With what takes it back; said again, with one more statement after it.
    #[must_use]
    pub fn undone_by(mut self, undo: String) -> Self {
        self.undo.push(undo);
        self
    }
}

/// What follows the words of a lock that is taken on these tables too.
#[must_use]
pub fn also_words(tables: &[RelationName]) -> String {
    let tables: Vec<String> = tables.iter().map(RelationName::written).collect();
    if tables.is_empty() { String::new() } else { format!(", also on {}", tables.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(sql: &str) -> Plan {
        let step = Step::brief("run", sql.to_owned(), LockMode::AccessExclusive);
        Plan {
            recipe: "made-up".to_owned(),
            tag: String::new(),
            summary: String::new(),
            relation: None,
            steps: vec![step],
            undo_loses: None,
            verify: Vec::new(),
        }
    }

    #[test]
    fn a_text_that_is_not_one_statement_does_not_read_back() {
        assert_eq!(plan("ALTER TABLE t ALTER COLUMN a SET NOT NULL").reads_back(), Ok(()));
        for bad in ["ALTER TABLE t ADD COLUMN a int; DROP TABLE t", "", "ALTER TABEL t"] {
            assert!(plan(bad).reads_back().is_err(), "{bad}");
        }
        let mut probed = plan("ALTER TABLE t ALTER COLUMN a SET NOT NULL");
        probed.steps = probed.steps.into_iter().map(|step| step.probed("SELECT 1; SELECT 2".to_owned())).collect();
        assert!(probed.reads_back().is_err());
    }
}
