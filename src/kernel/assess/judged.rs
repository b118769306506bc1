//! One change judged: its findings, its safe form, and the forms it can run in.

use std::cell::RefCell;
use std::ops::Range;

use super::super::facts::{Facts, Persistence, RelationFacts};
use super::super::plan::combine::{self, Brief, Part, Piece};
use super::super::plan::estimate::{self, Estimate};
use super::super::plan::names::Names;
use super::super::plan::retype::Retype;
use super::super::plan::{
    Mode, Plan, add_constraint, as_is, back, batches, concurrently, copy, create_partition, drop_constraint, drops,
    guarded, shadow, swap_primary_key, tag,
};
use super::super::rules::rename as keep_name;
use super::super::rules::subject::{Earlier, Hazard, Subject};
use super::super::rules::{Finding, RULES, Rule, brief_lock, definition, locks, watched};
use super::super::sql::statement::{AlterAction, AlterKind, AlterTable, Change, DropKind, LockMode, RelationName};
use super::refused::{names_twice, retypes_twice};
use super::{Assessed, part};

/// Rules of statements that are brief as they are written.
const BRIEF: &[&str] = &["drop-index", "drop-table", "drop-column"];

/// A statement in its message.
pub(super) struct Place<'a> {
    pub(super) text: &'a str,
    pub(super) span: Range<usize>,
}

/// One change on its way through the rules.
pub(super) struct Judged<'a> {
    pub(super) statement: usize,
    pub(super) change: &'a Change,
    pub(super) place: &'a Place<'a>,
    pub(super) facts: &'a Facts,
    pub(super) earlier: &'a Earlier,
}

impl<'a> Judged<'a> {
    pub(super) fn assess(&self, names: &'a RefCell<Names<'a>>) -> (Vec<Finding>, Assessed) {
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
            aside_asked: false,
            on_request: false,
            brief: findings.is_empty() || self.brief_as_written(&findings),
            as_is: self.as_is(guarded.as_ref(), &findings),
            locks: locks::taken(&Subject::new(self.change, None, self.facts, self.earlier, names)),
            guarded,
            unbound: None,
        };
        (findings, assessed)
    }

    pub(super) fn does_nothing(&self, names: &'a RefCell<Names<'a>>) -> bool {
        Subject::new(self.change, None, self.facts, self.earlier, names).does_nothing()
    }

    /// Of a statement that does nothing: no rule is about it, and it locks nothing.
    pub(super) fn idle(&self) -> Assessed {
        Assessed {
            statement: self.statement,
            safe: None,
            aside: None,
            aside_asked: false,
            on_request: false,
            brief: true,
            as_is: self.as_is(None, &[]),
            locks: Vec::new(),
            guarded: None,
            unbound: None,
        }
    }

    /// Of one table or column that others use: what is dropped is kept, of what is renamed the old name.
    pub(super) fn aside(&self) -> Option<Plan> {
        let table = |name: &RelationName| match self.facts.relation(name) {
            Some(Some(table)) if !self.earlier.blurs(name) && table.persistence != Persistence::Temporary => {
                Some(table)
            }
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
            Change::Rename(rename) => {
                let table = table(rename.relation.as_ref()?)?;
                keep_name::plan(rename, table, self.facts).and_then(Result::ok)
            }
            _ => None,
        }
    }

    fn alter(&self, alter: &'a AlterTable, names: &'a RefCell<Names<'a>>) -> (Vec<Finding>, Option<Plan>) {
        let mut findings = Vec::new();
        let mut parts = Vec::new();
        // By their names the steps' probes would take the second for done.
        let mut possible = !names_twice(alter) && !retypes_twice(alter);
        if self.is_refused(alter) {
            return (findings, None);
        }
        for (at, action) in alter.actions.iter().enumerate() {
            let found = self.check(&Subject::new(self.change, Some(action), self.facts, self.earlier, names));
            match found.iter().find_map(|finding| finding.plan.clone()) {
                _ if found.is_empty() => {
                    parts.push((at, self.brief_part(alter, action, &mut names.borrow_mut())));
                }
                Some(plan) if found.iter().all(|finding| finding.plan.is_some()) => {
                    parts.push((at, Part::Plan(plan)));
                }
                _ => possible = false,
            }
            findings.extend(found);
        }
        // A copy is given all of the statement.
        let copies = |plan: &&Plan| plan.recipe == copy::RECIPE;
        let copied = findings.iter().filter_map(|finding| finding.plan.as_ref()).find(copies).cloned();
        if let Some(copied) = &copied {
            findings.iter_mut().for_each(|finding| finding.plan = Some(copied.clone()));
            return (findings, Some(copied.clone()));
        }
        let table = match self.facts.relation(&alter.relation) {
            Some(Some(table)) if possible && !findings.is_empty() => table,
            _ => return (findings, None),
        };
        // Both halves of a swap have the plan of the whole.
        let mut swap = findings.iter().filter_map(|finding| finding.plan.as_ref());
        let swap = swap.find(|plan| plan.recipe == swap_primary_key::RECIPE).cloned();
        let mut plan = swap.unwrap_or_else(|| {
            let pieces = self.pieces((alter, table), parts, &mut names.borrow_mut());
            combine::plan(alter, table, pieces)
        });
        plan.tag = tag::of(self.change);
        (findings, Some(plan))
    }

    /// The parts with their places: what else is asked of columns whose types change is made with the new columns.
    fn pieces(
        &self,
        (alter, table): (&AlterTable, &RelationFacts),
        mut parts: Vec<(usize, Part)>,
        names: &mut Names<'_>,
    ) -> Vec<Piece> {
        let look = shadow::Look::new(alter, table, self.facts);
        let kind = |at: usize| alter.actions.get(at).map(|action| &action.kind);
        let planned = parts.iter().filter(|(_, part)| matches!(part, Part::Plan(_)) && !combine::is_aside(part));
        let planned: Vec<usize> = planned.map(|(at, _)| *at).collect();
        let first = parts.iter().find(|(_, part)| combine::is_aside(part));
        if let Some(change) = first.and_then(|(at, _)| Retype::of(alter, kind(*at)?))
            && let asked = look.asked(&planned, names)
            && let Ok(plan) = shadow::plan_with(table, &change, self.facts, &asked)
        {
            parts
                .iter_mut()
                .filter(|(_, part)| combine::is_aside(part))
                .for_each(|(_, part)| *part = Part::Plan(plan.clone()));
            parts.retain(|(at, _)| !asked.actions.contains(at));
        }
        let needed = |name: &String| {
            let mut constraints = planned.iter().filter_map(|at| match kind(*at)? {
                AlterKind::AddConstraint(constraint) => Some(constraint),
                _ => None,
            });
            constraints.any(|constraint| shadow::Look::columns(constraint).contains(name))
        };
        let placed = parts.into_iter().filter_map(|(at, part)| {
            let kind = kind(at)?;
            let before = match &part {
                Part::Plan(_) => look.is_apart(kind),
                Part::Column(_, name) => needed(name),
                Part::Brief(_) => false,
            };
            Some(Piece { pass: combine::pass(kind), part, before })
        });
        placed.collect()
    }

    fn brief_part(&self, alter: &AlterTable, action: &AlterAction, names: &mut Names<'_>) -> Part {
        let table = self.facts.relation(&alter.relation).flatten();
        let named = table.and_then(|table| add_constraint::named(table, action, names));
        let action = named.as_ref().unwrap_or(action);
        let is_new = |name: &str| table.is_some_and(|table| table.column(name).is_none());
        match &action.kind {
            AlterKind::AddColumn(column) if is_new(&column.name) => {
                Part::Column(action.sql.clone(), column.name.clone())
            }
            kind => Part::Brief(Brief {
                sql: action.sql.clone(),
                lock: locks::action_lock(kind),
                back: table.and_then(|table| back::of(alter, action, table, self.facts)),
            }),
        }
    }

    fn check(&self, subject: &Subject<'_>) -> Vec<Finding> {
        let rules = RULES.iter().filter(|rule| rule.id != brief_lock::RULE.id);
        rules.flat_map(|rule| (rule.check)(subject).into_iter().map(|hazard| self.finding(rule, hazard))).collect()
    }

    /// What it would leave behind: nothing of that changes how it runs.
    pub(super) fn definition(&self, names: &'a RefCell<Names<'a>>) -> Vec<Finding> {
        let subject = Subject::new(self.change, None, self.facts, self.earlier, names)
            .written_as(self.text(), self.place.span.start);
        let rules = definition::RULES.iter();
        let found = rules.flat_map(|rule| (rule.check)(&subject).into_iter().map(|hazard| self.finding(rule, hazard)));
        let mut found: Vec<Finding> = found.collect();
        found.sort_by_key(|finding| finding.at.as_ref().map_or(0, |at| at.start));
        found
    }

    pub(super) fn text(&self) -> &'a str {
        part(self.place.text, &self.place.span)
    }

    fn finding(&self, rule: &Rule, mut hazard: Hazard) -> Finding {
        if let Some(why) = concurrently::forbidden(self.facts.server_version)
            && hazard.plan.as_ref().is_some_and(Plan::builds_concurrently)
        {
            hazard.plan = None;
            hazard = hazard.with(Err(why));
        }
        // Approved, it runs as it is unless it asks for the other form.
        let may_be_as_is = hazard.plan.as_ref().is_none_or(|plan| batches::is_unasked(plan, self.place.text));
        if let (true, true, Some(lock)) = (may_be_as_is, hazard.only_lock, hazard.lock)
            && let Some(stall) = reckoned(rule.id, hazard.bytes).and_then(|estimate| estimate.stall(lock))
        {
            hazard.message.push_str(&format!("; as it is, it {stall}"));
        }
        Finding {
            rule: rule.rule_id(),
            statement: self.statement,
            table: hazard.relation.as_ref().and_then(|name| self.facts.table_of_index(name)),
            relation: hazard.relation,
            reaches: Vec::new(),
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
        let unread = |plan: &Plan| {
            plan.recipe == create_partition::RECIPE && plan.steps.len() == 1 || plan.recipe == drop_constraint::RECIPE
        };
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
        let named = locks::locks(self.change).into_iter().map(|(_, lock)| lock).max();
        let lock = named.max(locks::unnamed(self.change));
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
        | Change::CreateDomain(_)
        | Change::CheckDomain { .. }
        | Change::Publication(_)
        | Change::LockTable { .. }
        | Change::Brief { .. }
        | Change::AlterDatabase { .. }
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
