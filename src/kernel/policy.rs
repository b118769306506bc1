//! Findings and policy make a verdict. Policy is data: ordered entries, the first that matches decides.

use std::collections::BTreeMap;

mod pattern;
mod profile;
mod review;
mod verdict;
mod wayout;

#[cfg(test)]
mod tests;

pub use super::review::pattern_matches;
pub use profile::{SMALL_BYTES, SMALL_ROWS};
pub use review::{OWNERS, Owners, Review};
use serde::{Deserialize, Serialize};
pub use verdict::{Draft, Refusal, Verdict};
pub use wayout::not_deferred;

use super::assess::{Assessed, Assessment};
use super::plan::{Mode, Plan, as_is, rename};
use super::rules::{self, Finding, Response, RuleId, brief_lock, lock_table};
use super::sql::read::unbound::Unbinds;
use super::sql::statement::{LockMode, Reading, RelationName, Statement};

/// An ordered list of entries; the last matches everything (checked when the configuration is read).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub name: String,
    pub entries: Vec<Entry>,
    /// Judged and recorded, nothing changed.
    pub observe: bool,
    /// Whose tables are whose: the first that matches counts.
    pub owners: Vec<Owners>,
}

/// One entry: for whom and what it is, and what it answers to each rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub matches: Match,
    /// Tables at most this large are not bothered with lock hazards.
    pub small_rows: u64,
    pub small_bytes: u64,
    /// Rules that answer `rewrite` by default answer `defer`.
    pub defers: bool,
    /// What is dropped is kept so long, in milliseconds, and can be brought back; 0: not at all.
    pub drop_grace: u64,
    /// The old name of what is renamed is kept so long, in milliseconds; 0: not unless the statement asks for it.
    pub rename_grace: u64,
    /// Answers by rule id; a rule that is absent gets its own default.
    pub responses: BTreeMap<RuleId, Response>,
    /// Who approves what is held.
    pub review: Review,
}

/// Empty lists match everything. Patterns have `*` and `?` and are case-sensitive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    pub targets: Vec<String>,
    pub roles: Vec<String>,
    pub applications: Vec<String>,
    /// `schema.table`: named by the change, or reached by it.
    pub tables: Vec<String>,
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    pub target: String,
    pub role: String,
    pub application: String,
}

/// Where the message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// In an explicit transaction block, or after other statements of the same pipeline or string:
    /// what runs here shares its transaction with something else.
    pub in_transaction: bool,
    /// In an explicit transaction block and first in its pipeline: it can be left to savepoints and COMMIT.
    pub in_block: bool,
    /// More than one statement in the message.
    pub several: bool,
    /// Bound parameters present (extended protocol).
    pub parameters: bool,
}

/// Proof that a text was judged. Only [`judge`] and its kin make one; the upstream asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clearance(());

/// The verdict on an assessed message.
pub fn judge(policy: &Policy, who: &Who, place: Place, assessment: &Assessment) -> Verdict {
    let verdict = decide(policy, who, place, assessment);
    if !policy.observe {
        return verdict;
    }
    match verdict {
        Verdict::Pass { ref warnings, .. } if warnings.is_empty() => verdict,
        Verdict::Pass { .. }
        | Verdict::Bounded { .. }
        | Verdict::Rewrite { .. }
        | Verdict::Defer { .. }
        | Verdict::Observed { .. }
        | Verdict::Hold(_)
        | Verdict::Refuse(_) => Verdict::Observed { clearance: Clearance(()), would: Box::new(verdict) },
    }
}

/// What the policy answers to one finding.
struct Answer<'a> {
    response: Response,
    finding: &'a Finding,
    change: &'a Assessed,
    /// How long what it drops or the old name of what it renames is kept; 0: there is none, or it is not kept.
    grace: u64,
}

fn decide(policy: &Policy, who: &Who, place: Place, assessment: &Assessment) -> Verdict {
    let judged = assessment.changes.iter().filter(|change| !is_refused_there(place, assessment, change));
    let answers: Vec<Answer<'_>> = judged.flat_map(|change| answers(policy, who, assessment, change)).collect();
    let Some(strictest) = answers.iter().map(|answer| answer.response).max() else {
        return Verdict::Pass { clearance: Clearance(()), warnings: Vec::new() };
    };
    let told = |least: Response| -> Vec<Finding> {
        let kept = answers.iter().filter(|answer| answer.response >= least && !is_guard(answer.finding));
        kept.map(|answer| answer.finding.clone()).collect()
    };
    if matches!(strictest, Response::Defer | Response::Rewrite | Response::Hold)
        && let Some(refusal) = unbound(place, &answers)
    {
        return Verdict::Refuse(Box::new(refusal)).beside(told(Response::Warn));
    }
    let verdict = match strictest {
        Response::Pass => Verdict::Pass { clearance: Clearance(()), warnings: Vec::new() },
        Response::Warn => Verdict::Pass { clearance: Clearance(()), warnings: told(Response::Warn) },
        Response::Defer => defer(place, assessment, &answers, told(Response::Warn)),
        Response::Rewrite => rewrite(place, assessment, &answers, told(Response::Warn)),
        Response::Hold => hold((policy, who), place, assessment, &answers),
        Response::Refuse => Verdict::Refuse(Box::new(wayout::never(
            answers.iter().filter(|answer| answer.response == Response::Refuse).map(|answer| answer.finding),
        ))),
    };
    verdict.beside(told(Response::Warn))
}

/// LOCK TABLE that is a transaction of its own would end with it: the server refuses that (25P01).
fn is_refused_there(place: Place, assessment: &Assessment, change: &Assessed) -> bool {
    let is_lock = |finding: &Finding| finding.statement == change.statement && finding.rule.0 == lock_table::RULE.id;
    !place.in_transaction && !place.several && assessment.findings.iter().any(is_lock)
}

/// A strong lock may be waited for no longer than the gateway says, whatever the message itself does to that.
fn unbound(place: Place, answers: &[Answer<'_>]) -> Option<Refusal> {
    let waits = |answer: &&Answer<'_>| answer.response >= Response::Defer && answer.change.guarded.is_some();
    let counts = |by: &Unbinds| *by != Unbinds::Rollback || place.in_transaction;
    let mut waiting = answers.iter().filter(waits);
    let (answer, by) = waiting.find_map(|answer| Some((answer, answer.change.unbound.filter(counts)?)))?;
    Some(wayout::unbound(by, answer.finding))
}

/// The answers to the findings of one change. Small tables are not bothered with safe forms: their
/// statement runs as it is, only never waiting long in the queue for its lock.
fn answers<'a>(policy: &Policy, who: &Who, assessment: &'a Assessment, change: &'a Assessed) -> Vec<Answer<'a>> {
    let mut answers = Vec::new();
    let mut as_written = true;
    for finding in assessment.findings.iter().filter(|finding| finding.statement == change.statement) {
        if is_guard(finding) {
            continue;
        }
        let entry = policy.entry(who, finding);
        if finding.only_lock && entry.is_some_and(|entry| is_small(entry, finding)) {
            continue;
        }
        let grace = entry.map_or(0, |entry| grace(entry, finding, change));
        let response = match respond(entry, finding) {
            // What cannot be kept is asked about, whatever its form.
            Response::Pass | Response::Warn | Response::Rewrite if grace > 0 && change.aside.is_none() => {
                Response::Hold
            }
            Response::Pass | Response::Warn if grace > 0 => Response::Rewrite,
            Response::Hold
                if grace > 0 && change.aside.is_some() && said(entry, finding) == Some(Response::Rewrite) =>
            {
                Response::Rewrite
            }
            response => response,
        };
        if rules::is_definition(&finding.rule) {
            answers.push(Answer { response, finding, change, grace: 0 });
            continue;
        }
        // Told to let a long one through: then it must not be cut short either.
        as_written &= response == Response::Pass && change.brief;
        answers.push(Answer { response, finding, change, grace });
    }
    if let Some((finding, _)) = change.guarded.as_ref().filter(|_| as_written) {
        let response = respond(policy.entry(who, finding), finding);
        answers.push(Answer { response, finding, change, grace: 0 });
    }
    answers
}

/// How long a table or column that would be gone is kept, or a name that would be.
fn grace(entry: &Entry, finding: &Finding, change: &Assessed) -> u64 {
    match finding.rule.0.as_str() {
        "drop-table" | "drop-column" => entry.drop_grace,
        "rename" if entry.rename_grace == 0 && change.aside_asked => rename::REQUESTED_MS,
        "rename" => entry.rename_grace,
        _ => 0,
    }
}

fn said(entry: Option<&Entry>, finding: &Finding) -> Option<Response> {
    entry.and_then(|entry| entry.responses.get(&finding.rule)).copied()
}

fn respond(entry: Option<&Entry>, finding: &Finding) -> Response {
    let said = said(entry, finding);
    let default = match rules::find(&finding.rule.0).map_or(Response::Hold, |rule| rule.default) {
        Response::Rewrite if entry.is_some_and(|entry| entry.defers) && !is_guard(finding) => Response::Defer,
        default => default,
    };
    match said.unwrap_or(default) {
        Response::Rewrite | Response::Defer if finding.plan.is_none() && !is_guard(finding) => Response::Hold,
        response => response,
    }
}

fn is_guard(finding: &Finding) -> bool {
    finding.rule.0 == brief_lock::RULE.id
}

/// How strictly an entry answers.
fn weight(entry: &Entry, finding: &Finding) -> Response {
    if finding.only_lock && is_small(entry, finding) { Response::Pass } else { respond(Some(entry), finding) }
}

/// Sizes that are not known count as large.
fn is_small(entry: &Entry, finding: &Finding) -> bool {
    finding.rows.is_some_and(|rows| rows <= entry.small_rows)
        && finding.bytes.is_some_and(|bytes| bytes <= entry.small_bytes)
}

/// Alone in its message, outside any transaction, with all of its text in it.
fn stands_alone(place: Place, assessment: &Assessment) -> bool {
    !place.in_transaction
        && !place.several
        && !place.parameters
        && assessment.statements == 1
        && assessment.changes.len() == 1
}

fn is_rewritten(answer: &Answer<'_>) -> bool {
    matches!(answer.response, Response::Defer | Response::Rewrite)
}

/// In a transaction block the change is split where its plan can be; everywhere else it is a rewrite as any.
fn defer(place: Place, assessment: &Assessment, answers: &[Answer<'_>], findings: Vec<Finding>) -> Verdict {
    if let [change] = assessment.changes.as_slice()
        && place.in_block
        && !place.several
        && !place.parameters
        && assessment.statements == 1
        && !change.brief
        && let Some(plan) = &change.safe
        && let Some(head) = plan.head()
    {
        let plan = Box::new(plan.clone().looking_later(head));
        return Verdict::Defer { plan, head, clearance: Clearance(()), findings };
    }
    let splits = |change: &Assessed| change.safe.as_ref().is_some_and(|plan| plan.head().is_some());
    match rewrite(place, assessment, answers, findings) {
        // An implicit transaction has no COMMIT that the rest could follow.
        Verdict::Refuse(refusal) if !place.parameters && assessment.changes.iter().any(splits) => {
            Verdict::Refuse(Box::new(wayout::one_by_one(*refusal)))
        }
        verdict => verdict,
    }
}

fn rewrite(place: Place, assessment: &Assessment, answers: &[Answer<'_>], findings: Vec<Finding>) -> Verdict {
    let clearance = Clearance(());
    let rewritten = || answers.iter().filter(|answer| is_rewritten(answer));
    if stands_alone(place, assessment)
        && let Some(answer) = rewritten().next()
    {
        let guarded = answer.change.guarded.as_ref().map(|(_, plan)| plan);
        let plan = match answer.grace {
            _ if is_guard(answer.finding) => guarded.cloned(),
            0 => answer.change.safe.clone(),
            grace => answer.change.aside.clone().map(|aside| aside.after(grace)),
        };
        if let Some(plan) = plan {
            return Verdict::Rewrite { plan: Box::new(plan), clearance, findings };
        }
    }
    if rewritten().all(|answer| answer.change.is_watched()) {
        return Verdict::Pass { clearance, warnings: findings };
    }
    if rewritten().all(|answer| is_guard(answer.finding) || answer.change.brief && answer.grace == 0) {
        let warnings = answers.iter().filter(|answer| answer.response == Response::Warn);
        return Verdict::Bounded { clearance, warnings: warnings.map(|answer| answer.finding.clone()).collect() };
    }
    let heavy = rewritten().filter(|answer| !is_guard(answer.finding) && (!answer.change.brief || answer.grace > 0));
    Verdict::Refuse(Box::new(wayout::not_here(place, heavy.map(|answer| answer.finding))))
}

fn hold((policy, who): (&Policy, &Who), place: Place, assessment: &Assessment, answers: &[Answer<'_>]) -> Verdict {
    let stops = || answers.iter().filter(|answer| answer.response >= Response::Defer && !is_guard(answer.finding));
    let alone = stands_alone(place, assessment);
    // Something that has a safe form is not approved in its harmful one: it must come out of its company first.
    let safe_elsewhere = |answer: &&Answer<'_>| !alone && answer.change.approvable().is_some() && !answer.change.brief;
    if stops().any(|answer| safe_elsewhere(&answer)) {
        let heavy = stops().filter(safe_elsewhere);
        return Verdict::Refuse(Box::new(wayout::not_here(place, heavy.map(|answer| answer.finding))));
    }
    let findings: Vec<Finding> = stops().map(|answer| told(answer, alone)).collect();
    let guards = answers.iter().filter(|answer| is_guard(answer.finding) && answer.response == Response::Hold);
    let findings = if findings.is_empty() { guards.map(|a| a.finding.clone()).collect() } else { findings };
    let first = answers.iter().find(|answer| answer.response == Response::Hold);
    let kept = first.filter(|answer| alone && answer.grace > 0);
    let kept = kept.and_then(|answer| Some(answer.change.aside.clone()?.after(answer.grace)));
    let plan = match first.map(|answer| answer.change) {
        Some(_) if kept.is_some() => kept.unwrap_or_else(|| whole_message(assessment)),
        Some(change) if alone => change.approvable().unwrap_or(&change.as_is).clone(),
        Some(change) if assessment.statements == 1 && assessment.changes.len() == 1 && !place.parameters => {
            change.as_is.clone()
        }
        Some(_) | None => table_by_table(place, assessment).unwrap_or_else(|| whole_message(assessment)),
    };
    let conditions = review::conditions(policy, who, &findings);
    Verdict::Hold(Box::new(Draft { findings, plan, conditions }))
}

/// A finding, and whether what it is about will be kept for a while.
fn told(answer: &Answer<'_>, alone: bool) -> Finding {
    let mut finding = answer.finding.clone();
    if answer.grace > 0 && (answer.change.aside.is_none() || !alone) {
        let what = match finding.rule.0.as_str() {
            "rename" => "; its old name cannot be kept for a while here: approved, it fails at once",
            _ => "; it cannot be kept for a while first, as the policy says: approved, it is gone at once",
        };
        finding.message.push_str(what);
    }
    finding
}

/// VACUUM FULL of several tables: what is done of one stays done when the next does not get its lock.
fn table_by_table(place: Place, assessment: &Assessment) -> Option<Plan> {
    let alone = !place.parameters && !place.in_transaction;
    let plan = as_is::table_by_table(&assessment.text, whole_message(assessment)).filter(|_| alone)?;
    plan.reads_back().is_ok().then_some(plan)
}

/// The message as the client sent it: several statements, or parameters, which no step of ours has.
fn whole_message(assessment: &Assessment) -> Plan {
    let first = assessment.changes.first().map(|change| &change.as_is);
    let tag = first.map_or_else(String::new, |plan| plan.tag.clone());
    let relation = first.and_then(|plan| plan.relation.clone());
    let lock = assessment.findings.iter().filter_map(|finding| finding.lock).max();
    as_is::plan(&assessment.text, tag, relation, (Mode::AsIs, lock.unwrap_or(LockMode::AccessShare)))
}

impl Policy {
    /// What it answers to one finding.
    #[must_use]
    pub fn answer(&self, who: &Who, finding: &Finding) -> Response {
        respond(self.entry(who, finding), finding)
    }

    /// The entry for a finding: the first that matches the table it names. Where another is the first for a table that the
    /// change reaches beside it, and answers more strictly, that one. What names no table matches no table pattern.
    #[must_use]
    pub fn entry(&self, who: &Who, finding: &Finding) -> Option<&Entry> {
        let entries = self.entries_of(who, finding);
        // Of those that answer the same it is the last that max_by_key takes.
        entries.into_iter().rev().max_by_key(|entry| weight(entry, finding))
    }

    /// The first is that of what is named.
    fn entries_of(&self, who: &Who, finding: &Finding) -> Vec<&Entry> {
        let first = |names: &[&RelationName]| self.entries.iter().find(|entry| entry.matches.fits(who, names));
        let named: Vec<&RelationName> = finding.relation.iter().chain(&finding.table).collect();
        let mut entries: Vec<&Entry> = first(&named).into_iter().collect();
        if self.entries.iter().any(|entry| !entry.matches.tables.is_empty()) {
            for reached in finding.reaches.iter().filter_map(|name| first(&[name])) {
                if !entries.iter().any(|entry| std::ptr::eq(*entry, reached)) {
                    entries.push(reached);
                }
            }
        }
        entries
    }

    /// The default: what has a safe form runs in it, what loses something waits.
    #[must_use]
    pub fn standard() -> Self {
        profile::standard()
    }

    /// The standard, with transaction blocks as migration tools open them: what has a safe form is split.
    #[must_use]
    pub fn defer() -> Self {
        profile::deferring()
    }

    /// Nothing is changed without approval, and what has no place here is refused.
    #[must_use]
    pub fn strict() -> Self {
        profile::strict()
    }

    /// The standard, judged and recorded only.
    #[must_use]
    pub fn observe() -> Self {
        Self { name: "observe".to_owned(), observe: true, ..profile::standard() }
    }
}

impl Clearance {
    /// For a reading in which nothing is a change: no look-up, no judging.
    #[must_use]
    pub fn ordinary(reading: &Reading) -> Option<Self> {
        let harmless = reading.statements.iter().all(|parsed| match &parsed.statement {
            Statement::Ordinary
            | Statement::MovesNames
            | Statement::Transaction(_)
            | Statement::Prepare { .. }
            | Statement::Deallocate { .. } => true,
            Statement::Execute { .. } | Statement::Change(_) => false,
        });
        harmless.then_some(Self(()))
    }

    /// In a failed transaction the server refuses everything but its end: for a reading without one.
    #[must_use]
    pub fn in_failed_transaction(reading: &Reading) -> Option<Self> {
        let ends = reading.statements.iter().any(|p| matches!(p.statement, Statement::Transaction(_)));
        (!ends).then_some(Self(()))
    }

    /// For the steps of a plan that a verdict permits, or an approval has permitted.
    #[must_use]
    pub fn of_plan(plan: &Plan) -> Self {
        let _ = plan;
        Self(())
    }
}
