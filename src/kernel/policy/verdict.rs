//! What becomes of a message.

use super::super::plan::{Plan, concurrently};
use super::super::review::Conditions;
use super::super::rules::{Finding, is_definition};
use super::Clearance;

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Forward as it is; the findings are told as WARNINGs.
    Pass {
        clearance: Clearance,
        warnings: Vec<Finding>,
    },
    /// Forward as it is under a bounded `lock_timeout`: several statements, or inside a transaction block.
    Bounded {
        clearance: Clearance,
        warnings: Vec<Finding>,
    },
    /// Run this plan instead.
    Rewrite {
        plan: Box<Plan>,
        clearance: Clearance,
        findings: Vec<Finding>,
    },
    /// Inside a transaction block: run the first `head` steps there, and the rest in a job after COMMIT.
    Defer {
        plan: Box<Plan>,
        head: usize,
        clearance: Clearance,
        findings: Vec<Finding>,
    },
    /// Observe mode: forward as it is; `would` is what would have become of it.
    Observed {
        clearance: Clearance,
        would: Box<Verdict>,
    },
    Hold(Box<Draft>),
    Refuse(Box<Refusal>),
}

/// What a ticket is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub findings: Vec<Finding>,
    /// What will run on approval: the safe form where there is one, else the statement as it is.
    pub plan: Plan,
    /// Who has to approve it, and when it may run.
    pub conditions: Conditions,
}

/// Why not, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub findings: Vec<Finding>,
    pub message: String,
    pub detail: String,
    pub hint: String,
    /// Nothing forbids it: it only needs a message, or a transaction, of its own.
    pub elsewhere: bool,
}

impl Verdict {
    /// What it was made from; a plain pass has none.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Pass { warnings, .. } | Self::Bounded { warnings, .. } => warnings,
            Self::Rewrite { findings, .. } | Self::Defer { findings, .. } => findings,
            Self::Observed { would, .. } => would.findings(),
            Self::Hold(draft) => &draft.findings,
            Self::Refuse(refusal) => &refusal.findings,
        }
    }

    /// With what the statement defines, behind what stops it.
    pub(super) fn beside(mut self, told: Vec<Finding>) -> Self {
        let put = |findings: &mut Vec<Finding>| {
            let news: Vec<_> =
                told.into_iter().filter(|one| is_definition(&one.rule) && !findings.contains(one)).collect();
            findings.extend(news);
        };
        match &mut self {
            Self::Hold(draft) => put(&mut draft.findings),
            Self::Refuse(refusal) => put(&mut refusal.findings),
            // There nothing stops it, and it is told with the rest.
            Self::Pass { .. }
            | Self::Bounded { .. }
            | Self::Rewrite { .. }
            | Self::Defer { .. }
            | Self::Observed { .. } => {}
        }
        self
    }

    /// As records call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pass { warnings, .. } if warnings.is_empty() => "pass",
            Self::Pass { .. } => "warn",
            Self::Bounded { .. } => "bounded",
            // What is written CONCURRENTLY is left as it is.
            Self::Rewrite { plan, .. } if plan.recipe == concurrently::RECIPE => "pass",
            Self::Rewrite { .. } => "rewrite",
            Self::Defer { .. } => "defer",
            Self::Observed { .. } => "observed",
            Self::Hold(_) => "hold",
            Self::Refuse(_) => "refuse",
        }
    }
}
