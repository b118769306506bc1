//! What a rule looks at, and what it says. Looks nothing up: everything is in the facts.

use std::cell::{OnceCell, RefCell};

mod earlier;

use super::definition::{At, Need};
use crate::kernel::facts::{Facts, RelationFacts, RelationKind, Taken, WantedObject};
use crate::kernel::plan::names::Names;
use crate::kernel::plan::{Plan, add_column};
use crate::kernel::sql::statement::{
    AddColumn, AlterAction, AlterKind, AlterTable, BareName, Change, LockMode, RelationName,
};
pub use earlier::Earlier;

/// One statement, or one subcommand of an ALTER TABLE, and all that is known about it.
#[derive(Debug)]
pub struct Subject<'a> {
    pub change: &'a Change,
    /// The subcommand that is looked at.
    pub action: Option<&'a AlterAction>,
    pub facts: &'a Facts,
    pub earlier: &'a Earlier,
    pub names: &'a RefCell<Names<'a>>,
    /// The statement as it is written, and where it begins in the message.
    pub text: &'a str,
    pub at: usize,
    /// Several rules look at one ADD COLUMN; its plan is made once, so that names are given once.
    column_plan: OnceCell<Result<Plan, String>>,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub enum Known<'a> {
    Exists(&'a RelationFacts),
    /// Temporary, or made by the open transaction or earlier in the message: nobody else sees it.
    Own,
    Missing,
    /// Not looked up, or the look-up cannot be trusted any more.
    Unknown,
}

/// What of a relation is dropped.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    All,
    Column(&'a str),
    Constraint,
}

/// A relation that others use.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// Absent when it could not be looked up.
    pub facts: Option<&'a RelationFacts>,
    pub name: RelationName,
}

/// What a rule found. The id and the default advice are the rule's.
#[derive(Clone, Debug)]
pub struct Hazard {
    pub relation: Option<RelationName>,
    pub lock: Option<LockMode>,
    pub message: String,
    pub plan: Option<Plan>,
    pub rows: Option<u64>,
    pub bytes: Option<u64>,
    pub only_lock: bool,
    /// What in the statement it is about; absent for all of it.
    pub at: Option<At>,
    /// What a later statement may still give.
    pub need: Option<Need>,
}

impl<'a> Subject<'a> {
    #[must_use]
    pub fn new(
        change: &'a Change,
        action: Option<&'a AlterAction>,
        facts: &'a Facts,
        earlier: &'a Earlier,
        names: &'a RefCell<Names<'a>>,
    ) -> Self {
        Self { change, action, facts, earlier, names, text: "", at: 0, column_plan: OnceCell::new() }
    }

    /// With its text.
    #[must_use]
    pub fn written_as(self, text: &'a str, at: usize) -> Self {
        Self { text, at, ..self }
    }

    #[must_use]
    pub fn known(&self, name: &RelationName) -> Known<'a> {
        if self.earlier.made(name) {
            return Known::Own;
        }
        if self.earlier.blurs(name) {
            return Known::Unknown;
        }
        match self.facts.relation(name) {
            None => Known::Unknown,
            Some(None) => Known::Missing,
            Some(Some(found)) if found.is_own() => Known::Own,
            Some(Some(found)) => Known::Exists(found),
        }
    }

    /// Whether there is such an object anywhere; nothing where that is not known.
    #[must_use]
    pub fn is_there(&self, kind: &'static str, named: &BareName) -> Option<bool> {
        let asked = WantedObject::new(kind, named);
        if self.earlier.blurred || self.earlier.changed { None } else { self.facts.object(&asked) }
    }

    /// Whether no table has a column of this type, or of what is made of it.
    #[must_use]
    pub fn is_unused(&self, bare: &str) -> bool {
        self.is_there(WantedObject::USED_TYPE, &bare.to_owned().into()) == Some(false)
    }

    /// It drops what is not there, or makes what is there unless it is: nothing is touched.
    #[must_use]
    pub fn does_nothing(&self) -> bool {
        match self.change {
            Change::Drop(drop) => {
                let mut named = drop.named().peekable();
                named.peek().is_some() && named.all(|(kind, name)| self.is_there(kind, name) == Some(false))
            }
            // Of an extension nobody has a second one: what is found by its name is it.
            Change::Opaque(opaque) => {
                opaque.unless.clone().is_some_and(|name| self.is_there("EXTENSION", &name.into()) == Some(true))
            }
            Change::CreateTable(table) if table.if_not_exists && !table.temporary => {
                let made_in = table.relation.schema.as_ref().or(self.facts.current_schema.as_ref());
                matches!(self.known(&table.relation), Known::Exists(found) if made_in == Some(&found.schema))
            }
            _ => false,
        }
    }

    /// The relation, if others can be hurt by a lock on it.
    #[must_use]
    pub fn shared(&self, name: &RelationName) -> Option<Target<'a>> {
        match self.known(name) {
            Known::Exists(found) => Some(Target { facts: Some(found), name: found.qualified() }),
            Known::Unknown => Some(Target { facts: None, name: name.clone() }),
            Known::Own | Known::Missing => None,
        }
    }

    /// The relation, if it holds data that others could miss.
    #[must_use]
    pub fn with_data(&self, name: &RelationName) -> Option<Target<'a>> {
        self.shared(name).filter(|target| target.facts.is_none_or(|facts| facts.heap_bytes > 0))
    }

    /// A table of the transaction's own that one refers to which was there before: what becomes of its rows reaches that.
    #[must_use]
    pub fn referenced(&self, name: &RelationName) -> Option<Target<'a>> {
        let made_here = self.earlier.made(name);
        let found = self.facts.relation(name).flatten().filter(|_| !made_here);
        let is_referenced = if made_here {
            self.earlier.is_referenced(name)
        } else {
            found.is_some_and(|found| found.new_in_transaction && found.referenced_by_old)
        };
        is_referenced.then(|| Target::called(name, found))
    }

    /// Of a relation of the transaction's own that is dropped, or of a column or something else in it: what was there before
    /// and goes with it. `gone` is what is dropped; its own name where that is absent.
    #[must_use]
    pub fn taken(&self, name: &RelationName, part: Part<'_>, cascade: bool, gone: Option<&str>) -> Option<Hazard> {
        let Known::Own = self.known(name) else { return None };
        let found = self.facts.relation(name).flatten().filter(|_| !self.earlier.made(name));
        let target = Target::called(name, found);
        let goes = |taken: &&Taken| {
            let hangs = match (part, &taken.column) {
                (Part::All, _) => true,
                (Part::Column(name), Some(column)) => name == column,
                (Part::Constraint, Some(_)) => taken.cascade,
                (Part::Column(_) | Part::Constraint, None) => false,
            };
            hangs && (cascade || !taken.cascade)
        };
        let taken: Vec<&str> = match found {
            Some(_) => self.facts.taken(name).iter().filter(goes).map(|taken| taken.what.as_str()).collect(),
            None => Vec::new(),
        };
        let what = match taken.as_slice() {
            [] if self.earlier.may_have_tied(cascade) => "what was there before the message may go".to_owned(),
            [] => return None,
            [.., _] => format!("{}, there before the transaction, goes", listed(&taken)),
        };
        let gone = gone.map_or_else(|| target.name.written(), str::to_owned);
        Some(Hazard::loss(&target, LockMode::AccessExclusive, format!("{what} with {gone}")))
    }

    /// What to add to a message about a statement that locks all partitions at once, where there are so many that
    /// the server's lock table could be too small for them.
    #[must_use]
    pub fn crowd(&self, target: &Target<'_>) -> String {
        let Some(root) = target.facts.filter(|facts| !facts.members.is_empty()) else { return String::new() };
        let known = |name: &RelationName| self.facts.relation(name).flatten().map_or(0, |found| found.indexes.len());
        let locks: usize = root.members.iter().map(|member| 1 + known(&member.qualified())).sum();
        let (locks, slots) = (u64::try_from(locks).unwrap_or(u64::MAX), self.facts.lock_slots);
        if slots == 0 || locks.saturating_mul(4) < slots {
            return String::new();
        }
        format!(
            "; its partitions take {locks} locks or more at once, and the server has room for about {slots} \
             (max_locks_per_transaction)"
        )
    }

    /// The ALTER TABLE and the subcommand that is looked at.
    #[must_use]
    pub fn alter(&self) -> Option<(&'a AlterTable, &'a AlterKind)> {
        match (self.change, self.action) {
            (Change::AlterTable(alter), Some(action)) => Some((alter, &action.kind)),
            _ => None,
        }
    }

    /// An ADD COLUMN of a column that is not there yet, on a table that others use.
    #[must_use]
    pub fn new_column(&self) -> Option<(&'a AddColumn, Target<'a>)> {
        let (alter, kind) = self.alter()?;
        let AlterKind::AddColumn(column) = kind else { return None };
        let target = self.shared(&alter.relation)?;
        // A column that exists is the server's to answer, with an error or a NOTICE.
        if target.facts.is_some_and(|facts| facts.column(&column.name).is_some()) {
            return None;
        }
        Some((column, target))
    }

    /// ONLY on a partitioned table: an index that is not valid yet, of no rows.
    #[must_use]
    pub fn index_of_parent_only(&self, alter: &AlterTable, target: &Target<'_>) -> bool {
        alter.only && target.facts.is_some_and(|facts| facts.kind == RelationKind::PartitionedTable)
    }

    /// The steps for the ADD COLUMN that is looked at, or why there are none.
    pub fn column_plan(&self, column: &AddColumn, target: &Target<'_>) -> Result<Plan, String> {
        let make = || match target.facts {
            Some(table) => add_column::plan(table, column, self.facts, &mut self.names.borrow_mut()),
            None => Err(UNKNOWN.to_owned()),
        };
        self.column_plan.get_or_init(make).clone()
    }
}

/// Objects that are told one by one.
const TAKEN_MAX: usize = 5;

/// Why there is no plan for something that could not be looked up.
pub const UNKNOWN: &str = "the table could not be looked up reliably";

impl<'a> Target<'a> {
    /// By the name that the server has for it, where it was looked up.
    fn called(name: &RelationName, facts: Option<&'a RelationFacts>) -> Self {
        Self { facts, name: facts.map_or_else(|| name.clone(), RelationFacts::qualified) }
    }
}

impl Target<'_> {
    /// `public.orders (about 5000000 rows, 1.2 GB)`.
    #[must_use]
    pub fn described(&self) -> String {
        let name = self.name.written();
        match self.facts {
            Some(facts) => format!("{name} ({}, {})", rows(facts), bytes(facts.total_bytes)),
            None => format!("{name} (not looked up)"),
        }
    }

    /// Empty, as far as is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.facts.is_some_and(|facts| facts.heap_bytes == 0)
    }
}

/// The first of them, and how many more.
fn listed(names: &[&str]) -> String {
    match names.len().checked_sub(TAKEN_MAX) {
        None | Some(0) => names.join(", "),
        Some(more) => {
            format!("{} and {more} more", names.iter().take(TAKEN_MAX).copied().collect::<Vec<_>>().join(", "))
        }
    }
}

fn rows(facts: &RelationFacts) -> String {
    match facts.rows {
        Some(rows) => format!("about {rows} rows"),
        None => format!("at most {} rows", facts.rows_at_most()),
    }
}

/// Bytes for people.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    let units = [("GB", 1_u64 << 30), ("MB", 1 << 20), ("kB", 1 << 10)];
    for (unit, size) in units {
        if bytes >= size {
            let tenths = bytes.saturating_mul(10) / size;
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} bytes")
}

impl Hazard {
    /// A lock or a scan on a relation that others use.
    #[must_use]
    pub fn lock(target: &Target<'_>, lock: LockMode, message: String) -> Self {
        Self { lock: Some(lock), only_lock: true, ..Self::about(Some(target), message) }
    }

    /// Data or an object is lost.
    #[must_use]
    pub fn loss(target: &Target<'_>, lock: LockMode, message: String) -> Self {
        Self { lock: Some(lock), ..Self::about(Some(target), message) }
    }

    /// Nothing to do with a table.
    #[must_use]
    pub fn plain(message: String) -> Self {
        Self::about(None, message)
    }

    fn about(target: Option<&Target<'_>>, message: String) -> Self {
        let facts = target.and_then(|target| target.facts);
        Self {
            relation: target.map(|target| target.name.clone()),
            lock: None,
            message,
            plan: None,
            rows: facts.map(RelationFacts::rows_at_most),
            bytes: facts.map(RelationFacts::table_bytes),
            only_lock: false,
            at: None,
            need: None,
        }
    }

    /// With its safe form, or with the reason why there is none.
    #[must_use]
    pub fn with(mut self, plan: Result<Plan, impl AsRef<str>>) -> Self {
        match plan {
            Ok(plan) => self.plan = Some(plan),
            Err(why) => {
                self.message.push_str("; it cannot be done in steps here: ");
                self.message.push_str(why.as_ref());
            }
        }
        self
    }

    /// Sizes of a second table concerned: the larger of the two counts.
    #[must_use]
    pub fn and_size_of(mut self, other: Option<&Target<'_>>) -> Self {
        let Some(other) = other else { return self };
        match other.facts {
            Some(facts) => {
                self.rows = self.rows.map(|rows| rows.max(facts.rows_at_most()));
                self.bytes = self.bytes.map(|bytes| bytes.max(facts.table_bytes()));
            }
            None => (self.rows, self.bytes) = (None, None),
        }
        self
    }
}
