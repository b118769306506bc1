//! Statements and facts make findings, and with them the forms in which each statement can run.
//! Decides nothing: that is the policy's.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;

use super::facts::{Facts, Touched};
use super::plan::estimate::{self};
use super::plan::names::Names;
use super::plan::{Plan, batches, concurrently, rename, verify};
use super::rules::Finding;
use super::rules::locks::Locked;
use super::rules::subject::Earlier;
use super::sql::agree::{Agreement, agreement};
use super::sql::read::unbound::{Unbinds, unbinds};
use super::sql::statement::{
    AlterKind, AlterTable, Change, ConstraintKind, DropKind, Parsed, Reading, Statement, TransactionControl,
};

mod judged;
mod refused;
mod stale;
mod want;

#[cfg(test)]
pub(super) mod cases;

use judged::{Judged, Place};
pub use want::{wanted, wanted_below};

/// What was found in one message, and what it was found from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    pub text: String,
    pub findings: Vec<Finding>,
    pub facts: Facts,
    /// One for each change of the reading, in order.
    pub changes: Vec<Assessed>,
    /// Statements in the text, changes or not.
    pub statements: usize,
}

/// One change, and the forms in which it can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessed {
    /// Index of its statement in the message, as in [`Finding::statement`].
    pub statement: usize,
    /// The safe form of all of it.
    pub safe: Option<Plan>,
    /// The form in which what is dropped, or the old name of what is renamed, is kept for a while, which a policy may
    /// ask for.
    pub aside: Option<Plan>,
    /// The statement itself asks for that.
    pub aside_asked: bool,
    /// The safe form keeps less of what the statement promises (all or nothing): approved, the statement runs as it
    /// is, unless its requester asked for that form. A policy may.
    pub on_request: bool,
    /// The statement itself under a short lock timeout: it takes a strong lock on what others use.
    pub guarded: Option<(Finding, Plan)>,
    /// The statement itself, for an approval without a safe form.
    pub as_is: Plan,
    /// The locks it takes itself on relations that others use.
    pub locks: Vec<Locked>,
    /// All its work is brief: inside a transaction block a bounded lock timeout is all it needs.
    pub brief: bool,
    /// What an earlier statement of the message does to that bound.
    pub unbound: Option<Unbinds>,
}

impl Assessed {
    /// The safe form, where an approval of the statement is one of that form.
    #[must_use]
    pub fn approvable(&self) -> Option<&Plan> {
        self.safe.as_ref().filter(|_| !self.on_request)
    }

    /// Written CONCURRENTLY: it runs by itself or not at all, and then the server says so.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.guarded.as_ref().is_some_and(|(_, plan)| plan.recipe == concurrently::RECIPE)
    }
}

/// All hazards of a message.
#[must_use]
pub fn assess(text: &str, reading: &Reading, mut facts: Facts) -> Assessment {
    facts.doubt(reading.exact_names);
    let mut findings = Vec::new();
    let mut changes = Vec::new();
    let mut earlier = Earlier::default();
    let mut unbound = None;
    // As they are behind the statements so far.
    let mut now = Cow::Borrowed(&facts);
    for (statement, parsed) in reading.statements.iter().enumerate() {
        let Statement::Change(change) = &parsed.statement else {
            blur_by_statement(&parsed.statement, &mut earlier);
            if is_last(statement, reading) {
                continue;
            }
            stale::after(parsed, part(text, &parsed.span), &[], now.to_mut());
            unbound = unbound.max(unbinds(part(text, &parsed.span)));
            continue;
        };
        let shares_text = reading.statements.iter().filter(|other| other.span == parsed.span).count() > 1;
        let names = RefCell::new(Names::new(&now));
        let place = Place { text, span: parsed.span.clone() };
        let judged = Judged { statement, change, place: &place, facts: &now, earlier: &earlier };
        let idle = judged.does_nothing(&names);
        let (found, mut assessed) = if idle { (Vec::new(), judged.idle()) } else { judged.assess(&names) };
        let disagrees = || matches!(agreement(part(text, &parsed.span), change), Agreement::Disagrees(_));
        let miswritten = |plan: &Plan| plan.reads_back().is_err();
        assessed.unbound = unbound;
        assessed.aside = judged.aside();
        assessed.aside_asked = batches::says(text, rename::REQUEST);
        // These can only take a plan away, never add one.
        if shares_text
            || !reading.exact_names
            || (assessed.safe.is_some() && disagrees())
            || assessed.safe.as_ref().is_some_and(miswritten)
        {
            assessed.safe = None;
        }
        if shares_text
            || !reading.exact_names
            || (assessed.aside.is_some() && disagrees())
            || assessed.aside.as_ref().is_some_and(miswritten)
        {
            assessed.aside = None;
        }
        assessed.on_request = assessed.safe.as_ref().is_some_and(|plan| batches::is_unasked(plan, text));
        let plans = assessed.safe.iter_mut().chain(assessed.guarded.iter_mut().map(|(_, plan)| plan));
        plans.for_each(|plan| estimate::put(plan, &facts));
        assessed.safe.iter_mut().chain(assessed.aside.as_mut()).for_each(|plan| verify::put(plan, &facts));
        let mut found = told(found, &assessed, reading.exact_names);
        put_reached(&mut found, &mut assessed, reading, &facts);
        findings.extend(found);
        findings.extend(judged.definition(&names));
        let locks = assessed.locks.clone();
        changes.push(assessed);
        if !idle {
            earlier.tie(change);
            remember(change, &facts, &mut earlier);
            earlier.changed = true;
            if !is_last(statement, reading) {
                unbound = unbound.max(unbinds(part(text, &parsed.span)));
                stale::after(parsed, part(text, &parsed.span), &locks, now.to_mut());
            }
        }
    }
    drop(now);
    findings.retain(|finding| !met_later(finding, reading));
    let statements = count(&reading.statements);
    Assessment { text: text.to_owned(), findings, facts, changes, statements }
}

fn is_last(statement: usize, reading: &Reading) -> bool {
    statement + 1 == reading.statements.len()
}

/// Findings that had a plan of their own get the one of the whole statement, or lose it.
fn told(found: Vec<Finding>, assessed: &Assessed, exact_names: bool) -> Vec<Finding> {
    let mut found = found;
    for finding in &mut found {
        if finding.plan.is_none() {
            continue;
        }
        finding.plan.clone_from(&assessed.safe);
        if !exact_names {
            finding.message.push_str("; its names are not in UTF8, so nothing can be written in its place");
        } else if assessed.safe.is_none() {
            finding.message.push_str("; together with the rest of the statement it cannot be done in steps");
        }
    }
    if found.is_empty()
        && let Some((finding, plan)) = &assessed.guarded
    {
        found.push(Finding { plan: Some(plan.clone()), ..finding.clone() });
    }
    found
}

/// What else a statement reaches, for who asks by tables. What depends on it was looked up for all of the message together.
fn put_reached(found: &mut [Finding], assessed: &mut Assessed, reading: &Reading, facts: &Facts) {
    let mut reached: Vec<_> = assessed.locks.iter().map(|locked| locked.relation.clone()).collect();
    if reading.statements.iter().filter(|parsed| matches!(parsed.statement, Statement::Change(_))).count() == 1 {
        reached.extend(facts.touched.iter().flat_map(Touched::relations));
    }
    reached.sort();
    reached.dedup();
    let guard = assessed.guarded.iter_mut().map(|(finding, _)| finding);
    found.iter_mut().chain(guard).for_each(|finding| finding.reaches.clone_from(&reached));
}

/// A later statement of the message gives what is missing.
fn met_later(finding: &Finding, reading: &Reading) -> bool {
    let Some(need) = &finding.need else { return false };
    reading.statements.iter().skip(finding.statement + 1).any(|parsed| match &parsed.statement {
        Statement::Change(change) => need.met_by(change),
        _ => false,
    })
}

fn count(statements: &[Parsed]) -> usize {
    let mut spans: Vec<&Range<usize>> = statements.iter().map(|parsed| &parsed.span).collect();
    spans.dedup();
    spans.len()
}

fn part<'a>(text: &'a str, span: &Range<usize>) -> &'a str {
    text.get(span.clone()).unwrap_or(text)
}

fn blur_by_statement(statement: &Statement, earlier: &mut Earlier) {
    match statement {
        // An EXECUTE runs what only the session knows.
        Statement::Execute { .. } => earlier.blurred = true,
        Statement::MovesNames => earlier.move_names(),
        Statement::Transaction(control) => match control {
            TransactionControl::Begin => earlier.begin(),
            TransactionControl::Commit | TransactionControl::TwoPhase => earlier.commit(),
            // Takes back what was made, and perhaps what was renamed.
            TransactionControl::Rollback | TransactionControl::Savepoint => earlier.blur(),
        },
        Statement::Ordinary | Statement::Prepare { .. } | Statement::Deallocate { .. } | Statement::Change(_) => {}
    }
}

/// Whether a table that the message has not made may get below one that it has.
fn takes_in(alter: &AlterTable, earlier: &Earlier) -> bool {
    alter.actions.iter().any(|action| match &action.kind {
        AlterKind::AttachPartition { partition, .. } => !earlier.made(partition),
        AlterKind::BriefLock { command: "INHERIT", .. } => !earlier.made(&alter.relation),
        _ => false,
    })
}

/// Foreign keys that it makes.
fn refer(alter: &AlterTable, earlier: &mut Earlier) {
    let made = alter.actions.iter().flat_map(|action| match &action.kind {
        AlterKind::AddConstraint(constraint) => std::slice::from_ref(constraint),
        AlterKind::AddColumn(column) => column.constraints.as_slice(),
        _ => &[],
    });
    for constraint in made {
        if let ConstraintKind::ForeignKey { references } = &constraint.kind {
            earlier.refer(&alter.relation, references);
        }
    }
}

fn remember(change: &Change, facts: &Facts, earlier: &mut Earlier) {
    match change {
        // With IF NOT EXISTS it makes nothing where something stands already; a temporary table hides that.
        Change::CreateTable(table) => earlier.make(table, facts),
        Change::Rename(rename) if rename.is_within() => earlier.blurred = true,
        // Whose name a table of the message's own has now is not followed.
        Change::Rename(_) | Change::Opaque(_) | Change::Other { .. } | Change::Unreadable { .. } => earlier.blur(),
        Change::Setting(_) | Change::AlterDatabase { .. } | Change::Privilege(_) => earlier.blurred = true,
        Change::Drop(drop) => {
            earlier.drop(&drop.relations);
            earlier.blurred |= drop.kind == DropKind::Schema;
        }
        // What it shows is others'.
        Change::Brief { command: "CREATE VIEW", relation: Some(view) } => earlier.drop(std::slice::from_ref(view)),
        Change::AlterTable(alter) if takes_in(alter, earlier) => earlier.mix(),
        Change::AlterTable(alter) => refer(alter, earlier),
        Change::CreateIndex(_)
        | Change::Truncate { .. }
        | Change::MassWrite { .. }
        | Change::Reindex(_)
        | Change::RewriteTable { .. }
        | Change::RefreshMatview { .. }
        | Change::CreateDomain(_)
        | Change::CheckDomain { .. }
        | Change::CreateRule { .. }
        | Change::Publication(_)
        | Change::RestartSequence { .. }
        | Change::LockTable { .. }
        | Change::Brief { .. } => {}
    }
}
