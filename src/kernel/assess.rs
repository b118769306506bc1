//! Statements and facts make findings, and with them the forms in which each statement can run.
//! Decides nothing: that is the policy's.

use std::cell::RefCell;
use std::ops::Range;

use super::facts::{Facts, Persistence};
use super::plan::combine::{self, Part};
use super::plan::estimate::{self, Estimate};
use super::plan::names::Names;
use super::plan::retype::{self, Retype, Work};
use super::plan::{Mode, Plan, as_is, batches, concurrently, create_partition, drops, guarded, tag};
use super::rules::locks::Locked;
use super::rules::subject::{Earlier, Hazard, Subject};
use super::rules::{Finding, RULES, Rule, brief_lock, definition, locks, watched};
use super::sql::agree::{Agreement, agreement};
use super::sql::statement::{
    AlterAction, AlterKind, AlterTable, Change, ConstraintKind, DropKind, LockMode, Parsed, Reading, RelationName,
    Statement, TransactionControl,
};

mod want;

#[cfg(test)]
pub(super) mod cases;

pub use want::{wanted, wanted_below};

/// Rules of statements that are brief as they are written.
const BRIEF: &[&str] = &["drop-index", "drop-table", "drop-column"];

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
    /// Of a drop: the form in which what is dropped is kept for a while, which a policy may ask for.
    pub aside: Option<Plan>,
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
pub fn assess(text: &str, reading: &Reading, facts: Facts) -> Assessment {
    let mut findings = Vec::new();
    let mut changes = Vec::new();
    let mut earlier = Earlier::default();
    for (statement, parsed) in reading.statements.iter().enumerate() {
        let Statement::Change(change) = &parsed.statement else {
            blur_by_statement(&parsed.statement, &mut earlier);
            continue;
        };
        let shares_text = reading.statements.iter().filter(|other| other.span == parsed.span).count() > 1;
        let names = RefCell::new(Names::new(&facts));
        let place = Place { text, span: parsed.span.clone() };
        let judged = Judged { statement, change, place: &place, facts: &facts, earlier: &earlier };
        let (found, mut assessed) = judged.assess(&names);
        let disagrees = || matches!(agreement(part(text, &parsed.span), change), Agreement::Disagrees(_));
        let miswritten = |plan: &Plan| plan.reads_back().is_err();
        assessed.aside = judged.aside();
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
        let batches = |plan: &Plan| plan.recipe == batches::RECIPE;
        assessed.on_request = assessed.safe.as_ref().is_some_and(batches) && !batches::asked_for(text);
        let plans = assessed.safe.iter_mut().chain(assessed.guarded.iter_mut().map(|(_, plan)| plan));
        plans.for_each(|plan| estimate::put(plan, &facts));
        findings.extend(told(found, &assessed, reading.exact_names));
        findings.extend(judged.definition(&names));
        changes.push(assessed);
        remember(change, &facts, &mut earlier);
    }
    findings.retain(|finding| !met_later(finding, reading));
    let statements = count(&reading.statements);
    Assessment { text: text.to_owned(), findings, facts, changes, statements }
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
        // Takes back what was made, and perhaps what was renamed.
        Statement::Transaction(TransactionControl::Rollback | TransactionControl::Savepoint) => {
            earlier.created.clear();
            earlier.blurred = true;
        }
        Statement::Ordinary
        | Statement::Transaction(
            TransactionControl::Begin | TransactionControl::Commit | TransactionControl::TwoPhase,
        )
        | Statement::Prepare { .. }
        | Statement::Deallocate { .. }
        | Statement::Change(_) => {}
    }
}

fn remember(change: &Change, facts: &Facts, earlier: &mut Earlier) {
    match change {
        // With IF NOT EXISTS it makes nothing where something stands already; a temporary table hides that.
        Change::CreateTable(table) => {
            let free =
                matches!(facts.relation(&table.relation), Some(None)) || earlier.dropped.contains(&table.relation);
            if (free && !earlier.blurred) || (table.temporary && table.relation.schema.is_none()) {
                earlier.created.push(table.relation.clone());
            }
        }
        Change::Rename(_)
        | Change::Setting(_)
        | Change::Opaque(_)
        | Change::Other { .. }
        | Change::Privilege(_)
        | Change::Unreadable { .. } => earlier.blurred = true,
        Change::Drop(drop) => {
            earlier.created.retain(|made| !drop.relations.iter().any(|gone| gone.name == made.name));
            earlier.dropped.extend(drop.relations.iter().cloned());
            earlier.blurred |= drop.kind == DropKind::Schema;
        }
        Change::CreateIndex(_)
        | Change::AlterTable(_)
        | Change::Truncate { .. }
        | Change::MassWrite { .. }
        | Change::Reindex(_)
        | Change::RewriteTable { .. }
        | Change::RefreshMatview { .. }
        | Change::CheckDomain { .. }
        | Change::CreateRule { .. }
        | Change::Publication(_)
        | Change::RestartSequence { .. }
        | Change::LockTable { .. }
        | Change::Brief { .. } => {}
    }
}

/// A statement in its message.
struct Place<'a> {
    text: &'a str,
    span: Range<usize>,
}

/// One change on its way through the rules.
struct Judged<'a> {
    statement: usize,
    change: &'a Change,
    place: &'a Place<'a>,
    facts: &'a Facts,
    earlier: &'a Earlier,
}

impl<'a> Judged<'a> {
    fn assess(&self, names: &'a RefCell<Names<'a>>) -> (Vec<Finding>, Assessed) {
        let (findings, safe) = if let Change::AlterTable(alter) = self.change {
            self.alter(alter, names)
        } else {
            let found = self.check(&Subject::new(self.change, None, self.facts, self.earlier, names));
            let every = !found.is_empty() && found.iter().all(|finding| finding.plan.is_some());
            let safe = if every { found.first().and_then(|finding| finding.plan.clone()) } else { None };
            (found, safe)
        };
        let guarded = self.guarded(names);
        let assessed = Assessed {
            statement: self.statement,
            safe,
            aside: None,
            on_request: false,
            brief: findings.is_empty() || self.brief_as_written(&findings),
            as_is: self.as_is(guarded.as_ref(), &findings),
            locks: locks::taken(&Subject::new(self.change, None, self.facts, self.earlier, names)),
            guarded,
        };
        (findings, assessed)
    }

    /// Of one table or column that others use.
    fn aside(&self) -> Option<Plan> {
        let table = |name: &RelationName| match self.facts.relation(name) {
            Some(Some(table)) if !self.earlier.blurred && table.persistence != Persistence::Temporary => Some(table),
            _ => None,
        };
        match self.change {
            Change::Drop(drop) if drop.kind == DropKind::Table && !drop.cascade => match drop.relations.as_slice() {
                [only] => drops::table_aside(table(only)?),
                _ => None,
            },
            Change::AlterTable(alter) => match alter.actions.as_slice() {
                [AlterAction { kind: AlterKind::DropColumn { column, cascade: false, .. }, .. }] => {
                    let hangs = self.facts.column_use(&alter.relation, column);
                    drops::column_aside(table(&alter.relation)?, column, hangs)
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn alter(&self, alter: &'a AlterTable, names: &'a RefCell<Names<'a>>) -> (Vec<Finding>, Option<Plan>) {
        let mut findings = Vec::new();
        let mut parts = Vec::new();
        let mut possible = true;
        if self.refused_at_once(alter) {
            return (findings, None);
        }
        for action in &alter.actions {
            let found = self.check(&Subject::new(self.change, Some(action), self.facts, self.earlier, names));
            let pass = combine::pass(&action.kind);
            match found.iter().find_map(|finding| finding.plan.clone()) {
                _ if found.is_empty() => {
                    parts.push((pass, Part::Brief(action.sql.clone(), locks::action_lock(&action.kind))));
                }
                Some(plan) if found.iter().all(|finding| finding.plan.is_some()) => {
                    parts.push((pass, Part::Plan(plan)));
                }
                _ => possible = false,
            }
            findings.extend(found);
        }
        let table = match self.facts.relation(&alter.relation) {
            Some(Some(table)) if possible && !findings.is_empty() => table,
            _ => return (findings, None),
        };
        let mut plan = combine::plan(alter, table, parts);
        plan.tag = tag::of(self.change);
        (findings, Some(plan))
    }

    /// The server answers with an error before it does anything long; in steps, half of it would stay.
    fn refused_at_once(&self, alter: &AlterTable) -> bool {
        let Some(Some(table)) = self.facts.relation(&alter.relation) else { return false };
        let drops = |kind: &AlterKind| matches!(kind, AlterKind::DropColumn { .. } | AlterKind::DropConstraint { .. });
        if self.earlier.blurred || alter.actions.iter().any(|action| drops(&action.kind)) {
            return false;
        }
        let added = |name: &str| {
            alter.actions.iter().any(|action| matches!(&action.kind, AlterKind::AddColumn(c) if c.name == name))
        };
        let missing = |name: &str| table.column(name).is_none() && !added(name);
        let second_key = |kind: &ConstraintKind| {
            matches!(kind, ConstraintKind::PrimaryKey { .. }) && table.indexes.iter().any(|index| index.primary)
        };
        alter.actions.iter().any(|action| match &action.kind {
            AlterKind::AddColumn(column) => match table.column(&column.name) {
                Some(_) => !column.if_not_exists,
                None if alter.only && table.has_children => true,
                None => column.constraints.iter().any(|constraint| second_key(&constraint.kind)),
            },
            AlterKind::SetNotNull { column }
            | AlterKind::DropNotNull { column }
            | AlterKind::SetDefault { column }
            | AlterKind::DropDefault { column } => missing(column),
            kind @ AlterKind::AlterType { column, .. } => {
                let change = Retype::of(alter, kind);
                let work = |change| retype::work(table, &change, self.facts);
                missing(column) || matches!(change.map(work), Some(Work::Refused(_)))
            }
            AlterKind::ValidateConstraint { name } => table.constraint(name).is_none(),
            AlterKind::AddConstraint(constraint) => {
                second_key(&constraint.kind)
                    || constraint.name.as_ref().is_some_and(|name| table.constraint(name).is_some())
            }
            AlterKind::DropColumn { .. }
            | AlterKind::DropConstraint { .. }
            | AlterKind::AddConstraintUsingIndex { .. }
            | AlterKind::AttachPartition { .. }
            | AlterKind::DetachPartition { .. }
            | AlterKind::WeakLock { .. }
            | AlterKind::BriefLock { .. }
            | AlterKind::Rewrites { .. }
            | AlterKind::Security { .. }
            | AlterKind::Weakens { .. }
            | AlterKind::ReplicaIdentityDefault
            | AlterKind::RestartIdentity { .. }
            | AlterKind::Enforce { .. }
            | AlterKind::Other { .. } => false,
        })
    }

    fn check(&self, subject: &Subject<'_>) -> Vec<Finding> {
        let rules = RULES.iter().filter(|rule| rule.id != brief_lock::RULE.id);
        rules.flat_map(|rule| (rule.check)(subject).into_iter().map(|hazard| self.finding(rule, hazard))).collect()
    }

    /// What it would leave behind: nothing of that changes how it runs.
    fn definition(&self, names: &'a RefCell<Names<'a>>) -> Vec<Finding> {
        let subject = Subject::new(self.change, None, self.facts, self.earlier, names)
            .written_as(self.text(), self.place.span.start);
        let rules = definition::RULES.iter();
        let found = rules.flat_map(|rule| (rule.check)(&subject).into_iter().map(|hazard| self.finding(rule, hazard)));
        let mut found: Vec<Finding> = found.collect();
        found.sort_by_key(|finding| finding.at.as_ref().map_or(0, |at| at.start));
        found
    }

    fn text(&self) -> &'a str {
        part(self.place.text, &self.place.span)
    }

    fn finding(&self, rule: &Rule, mut hazard: Hazard) -> Finding {
        if let Some(why) = concurrently::forbidden(self.facts.server_version)
            && hazard.plan.as_ref().is_some_and(Plan::builds_concurrently)
        {
            hazard.plan = None;
            hazard = hazard.with(Err(why));
        }
        if let (None, true, Some(lock)) = (&hazard.plan, hazard.only_lock, hazard.lock)
            && let Some(stall) = reckoned(rule.id, hazard.bytes).and_then(|estimate| estimate.stall(lock))
        {
            hazard.message.push_str(&format!("; as it is, it {stall}"));
        }
        Finding {
            rule: rule.rule_id(),
            statement: self.statement,
            relation: hazard.relation,
            lock: hazard.lock,
            message: hazard.message,
            instead: rule.doc.instead.to_owned(),
            plan: hazard.plan,
            rows: hazard.rows,
            bytes: hazard.bytes,
            only_lock: hazard.only_lock,
            at: hazard.at.and_then(|at| at.range(self.place.text, self.place.span.clone())),
            need: hazard.need,
        }
    }

    /// What hurts only by its place in the queue (and by what is lost): DROP, and a new partition beside which no
    /// default one is read.
    fn brief_as_written(&self, findings: &[Finding]) -> bool {
        let unread = |plan: &Plan| plan.recipe == create_partition::RECIPE && plan.steps.len() == 1;
        findings
            .iter()
            .all(|finding| BRIEF.contains(&finding.rule.0.as_str()) || finding.plan.as_ref().is_some_and(unread))
    }

    fn guarded(&self, names: &'a RefCell<Names<'a>>) -> Option<(Finding, Plan)> {
        let subject = Subject::new(self.change, None, self.facts, self.earlier, names);
        if let Some((hazard, plan)) = watched::watched(&subject) {
            return Some((self.finding(watched::RULE, hazard), plan));
        }
        let hazard = (brief_lock::RULE.check)(&subject).into_iter().next()?;
        let finding = self.finding(&brief_lock::RULE, hazard);
        let lock = finding.lock.unwrap_or(LockMode::AccessExclusive);
        let plan = guarded::plan(self.text(), tag::of(self.change), finding.relation.clone(), lock);
        Some((finding, plan))
    }

    fn as_is(&self, guarded: Option<&(Finding, Plan)>, findings: &[Finding]) -> Plan {
        let relation = guarded.and_then(|(finding, _)| finding.relation.clone());
        let lock = locks::locks(self.change).into_iter().map(|(_, lock)| lock).max();
        let mut plan = as_is::plan(self.text(), tag::of(self.change), relation, run_mode(self.change, lock));
        let longest = findings.iter().filter_map(|finding| reckoned(&finding.rule.0, finding.bytes)).max();
        plan.steps.iter_mut().for_each(|step| step.estimate = longest);
        plan
    }
}

fn reckoned(rule: &str, bytes: Option<u64>) -> Option<Estimate> {
    Some(Estimate::of(estimate::Work::of_rule(rule)?, bytes?))
}

/// How an approved statement runs: under a short lock timeout where its work is brief once it has its locks.
fn run_mode(change: &Change, lock: Option<LockMode>) -> (Mode, LockMode) {
    let lock = lock.unwrap_or(LockMode::AccessShare);
    let brief = match change {
        Change::Drop(drop) => !drop.concurrently && drop.kind != DropKind::Database,
        Change::Truncate { .. } | Change::Rename(_) | Change::CreateRule { .. } | Change::RestartSequence { .. } => {
            true
        }
        Change::AlterTable(alter) => alter.actions.iter().all(|action| quick(&action.kind)),
        Change::CreateIndex(_)
        | Change::CreateTable(_)
        | Change::MassWrite { .. }
        | Change::Privilege(_)
        | Change::Setting(_)
        | Change::Opaque(_)
        | Change::Reindex(_)
        | Change::RewriteTable { .. }
        | Change::RefreshMatview { .. }
        | Change::CheckDomain { .. }
        | Change::Publication(_)
        | Change::LockTable { .. }
        | Change::Brief { .. }
        | Change::Other { .. }
        | Change::Unreadable { .. } => false,
    };
    (if brief { Mode::Brief } else { Mode::AsIs }, lock)
}

fn quick(kind: &AlterKind) -> bool {
    matches!(
        kind,
        AlterKind::DropColumn { .. }
            | AlterKind::DropConstraint { .. }
            | AlterKind::Security { .. }
            | AlterKind::Weakens { .. }
            | AlterKind::ReplicaIdentityDefault
            | AlterKind::RestartIdentity { .. }
            | AlterKind::DropNotNull { .. }
            | AlterKind::SetDefault { .. }
            | AlterKind::DropDefault { .. }
            | AlterKind::BriefLock { .. }
            | AlterKind::WeakLock { .. }
    )
}
