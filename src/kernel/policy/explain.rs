//! A verdict in lines of text, for notices and for `tickets show`.

use super::Verdict;
use crate::kernel::plan::{Action, Backfill, Plan};
use crate::kernel::rules::Finding;
use crate::kernel::sql::statement::LockMode;

/// What becomes of a message and why. Empty when there is nothing to tell.
#[must_use]
pub fn verdict(verdict: &Verdict) -> Vec<String> {
    match verdict {
        Verdict::Pass { warnings, .. } | Verdict::Bounded { warnings, .. } => findings(warnings),
        Verdict::Rewrite { plan: chosen, findings: found, .. } => {
            let mut lines = findings(found);
            lines.extend(plan(chosen));
            lines
        }
        Verdict::Hold(draft) => {
            let mut lines = findings(&draft.findings);
            lines.extend(plan(&draft.plan));
            lines
        }
        Verdict::Refuse(refusal) => {
            let mut lines = vec![refusal.message.clone()];
            lines.extend(refusal.detail.lines().map(str::to_owned));
            lines.push(refusal.hint.clone());
            lines
        }
        Verdict::Observed { would, .. } => {
            let outcome = match would.as_ref() {
                Verdict::Pass { .. } | Verdict::Bounded { .. } | Verdict::Observed { .. } => "passed",
                Verdict::Rewrite { .. } => "been run in its safe form",
                Verdict::Hold(_) => "been held for approval",
                Verdict::Refuse(_) => "been refused",
            };
            let mut lines = vec![format!("observed only; it would have {outcome}")];
            lines.extend(self::verdict(would));
            lines
        }
    }
}

/// One line for each finding.
#[must_use]
pub fn findings(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{}: {}", finding.rule, finding.message)).collect()
}

/// What will run instead and why: a summary and a line for each step. Empty for a guarded statement.
#[must_use]
pub fn plan(plan: &Plan) -> Vec<String> {
    if plan.summary.is_empty() {
        return Vec::new();
    }
    let steps = plan.steps.iter().enumerate().map(|(index, step)| {
        let what = match &step.action {
            Action::Sql { sql, .. } | Action::BuildIndex { sql, .. } => sql.clone(),
            Action::Backfill(backfill) => backfilled(backfill),
        };
        format!("  {}. {} ({}): {what}", index + 1, step.name, lock_words(step.lock))
    });
    std::iter::once(plan.summary.clone()).chain(steps).collect()
}

fn backfilled(backfill: &Backfill) -> String {
    let by = if backfill.key.is_empty() { "pages".to_owned() } else { backfill.key.join(", ") };
    format!(
        "set {} = {} where {}, in batches by {by}, about {} rows",
        backfill.column, backfill.expression_sql, backfill.pending_sql, backfill.rows_estimate
    )
}

/// A lock as the documentation writes it.
#[must_use]
pub fn lock_words(lock: LockMode) -> &'static str {
    match lock {
        LockMode::AccessShare => "ACCESS SHARE",
        LockMode::RowShare => "ROW SHARE",
        LockMode::RowExclusive => "ROW EXCLUSIVE",
        LockMode::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
        LockMode::Share => "SHARE",
        LockMode::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
        LockMode::Exclusive => "EXCLUSIVE",
        LockMode::AccessExclusive => "ACCESS EXCLUSIVE",
    }
}

impl super::Verdict {
    /// What it was made from; a plain pass has none.
    #[must_use]
    pub fn findings(&self) -> &[super::Finding] {
        match self {
            Self::Pass { warnings, .. } | Self::Bounded { warnings, .. } => warnings,
            Self::Rewrite { findings, .. } => findings,
            Self::Observed { would, .. } => would.findings(),
            Self::Hold(draft) => &draft.findings,
            Self::Refuse(refusal) => &refusal.findings,
        }
    }

    /// As records call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pass { .. } => "pass",
            Self::Bounded { .. } => "bounded",
            Self::Rewrite { .. } => "rewrite",
            Self::Observed { .. } => "observed",
            Self::Hold(_) => "hold",
            Self::Refuse(_) => "refuse",
        }
    }
}

impl super::Clearance {
    /// In a failed transaction the server refuses everything but its end: for a reading without one.
    #[must_use]
    pub fn in_failed_transaction(reading: &super::Reading) -> Option<Self> {
        let ends = reading.statements.iter().any(|p| matches!(p.statement, super::Statement::Transaction(_)));
        (!ends).then_some(Self(()))
    }
}
