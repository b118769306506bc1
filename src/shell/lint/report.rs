//! What lint has to say, before it is printed in one format or another. As JSON it is what docs/LINT.md
//! describes: fields are added, never changed.

use serde::Serialize;

use crate::kernel::plan::estimate::Estimate;
use crate::kernel::plan::{Plan, concurrently};
use crate::kernel::policy::Verdict;
use crate::kernel::rules::Finding;
use crate::kernel::sql::statement::{LockMode, RelationName};

/// What becomes of a statement, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// Nothing to say.
    Pass,
    /// It runs as it is, under a short lock timeout and with retries.
    Bounded,
    /// It runs as it is, with a warning.
    Warn,
    /// Something else runs, and a part of it only after COMMIT.
    Defer,
    /// Something else runs, with the same result.
    Rewrite,
    /// It waits for approval.
    Hold,
    Refuse,
}

impl Outcome {
    pub(super) const ALL: [Self; 7] =
        [Self::Pass, Self::Bounded, Self::Warn, Self::Defer, Self::Rewrite, Self::Hold, Self::Refuse];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Bounded => "bounded",
            Self::Warn => "warn",
            Self::Defer => "defer",
            Self::Rewrite => "rewrite",
            Self::Hold => "hold",
            Self::Refuse => "refuse",
        }
    }

    /// Of a verdict: what would become of it, where the policy only observes.
    pub(super) fn of(verdict: &Verdict) -> Self {
        let or_warn = |quiet: Self, warnings: &[Finding]| if warnings.is_empty() { quiet } else { Self::Warn };
        match verdict {
            Verdict::Pass { warnings, .. } => or_warn(Self::Pass, warnings),
            Verdict::Bounded { warnings, .. } => or_warn(Self::Bounded, warnings),
            // Written as it should be.
            Verdict::Rewrite { plan, findings, .. } if plan.recipe == concurrently::RECIPE => {
                or_warn(Self::Pass, findings)
            }
            Verdict::Rewrite { plan, findings, .. } if !plan.rewrites() => or_warn(Self::Bounded, findings),
            Verdict::Rewrite { .. } => Self::Rewrite,
            Verdict::Defer { .. } => Self::Defer,
            Verdict::Observed { would, .. } => Self::of(would),
            Verdict::Hold(_) => Self::Hold,
            Verdict::Refuse(_) => Self::Refuse,
        }
    }
}

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Of this shape of report.
    pub(super) format: u32,
    pub(super) policy: String,
    pub(super) target: String,
    pub(super) role: String,
    pub(super) application: String,
    /// The policy only observes: nothing of this would be done, only recorded.
    pub(super) observe: bool,
    pub(super) facts: Origin,
    pub(super) fail_on: Outcome,
    pub(super) failed: bool,
    pub(super) summary: Summary,
    pub(super) files: Vec<FileReport>,
}

/// Where the facts come from.
#[derive(Debug, Serialize)]
pub(super) struct Origin {
    /// `assumed` or `server`.
    pub(super) source: &'static str,
    /// In words: what was taken for granted.
    pub(super) words: Vec<String>,
    pub(super) server_version: u32,
    /// Rows of a table nobody has looked up.
    pub(super) assumed_rows: Option<u64>,
}

/// Statements by verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Summary {
    pub(super) files: usize,
    pub(super) statements: usize,
    pub(super) pass: usize,
    pub(super) bounded: usize,
    pub(super) warn: usize,
    pub(super) defer: usize,
    pub(super) rewrite: usize,
    pub(super) hold: usize,
    pub(super) refuse: usize,
    pub(super) problems: usize,
    pub(super) ignored: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct FileReport {
    pub(super) path: String,
    pub(super) tool: &'static str,
    /// What is not judged, or not certain.
    pub(super) notes: Vec<String>,
    pub(super) statements: Vec<Judged>,
    #[serde(skip)]
    pub(super) text: String,
}

/// One statement.
#[derive(Debug, Serialize)]
pub(super) struct Judged {
    pub(super) place: Place,
    /// With secrets hidden.
    pub(super) sql: String,
    pub(super) verdict: Outcome,
    pub(super) transaction: Transaction,
    pub(super) findings: Vec<Found>,
    /// Found, and said to be meant so in the file.
    pub(super) ignored: Vec<Ignored>,
    /// What runs instead, or what an approval would run.
    pub(super) plan: Option<ShownPlan>,
    /// How it can be done.
    pub(super) hint: Option<String>,
    /// What makes the verdict less certain.
    pub(super) notes: Vec<String>,
    /// Mistakes of the file itself; each counts as a refusal.
    pub(super) problems: Vec<Problem>,
    /// Its text may be printed as it stands in the file.
    #[serde(skip)]
    pub(super) printable: bool,
}

/// Lines and columns count from one, columns in characters; the end is behind the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) end_line: usize,
    pub(super) end_column: usize,
    #[serde(skip)]
    pub(super) bytes: std::ops::Range<usize>,
}

/// Which transaction a statement runs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Transaction {
    /// Statements with the same number share one.
    pub(super) number: usize,
    pub(super) kind: TransactionKind,
    pub(super) words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TransactionKind {
    /// Its own.
    Own,
    /// Between BEGIN and COMMIT of the file.
    Explicit,
    /// The tool's, around the file.
    Tool,
    /// That of a string of several statements.
    Implicit,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FoundKind {
    /// What the statement does while it runs.
    Hazard,
    /// What it leaves behind.
    Definition,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Found {
    pub(super) rule: String,
    pub(super) kind: FoundKind,
    /// The answer to this finding alone, of a definition; else the statement's.
    pub(super) verdict: Outcome,
    /// The column, constraint or name it is about; absent for all of the statement.
    pub(super) place: Option<Place>,
    pub(super) message: String,
    pub(super) relation: Option<String>,
    pub(super) lock: Option<LockMode>,
    pub(super) rows: Option<u64>,
    pub(super) bytes: Option<u64>,
    pub(super) instead: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Ignored {
    pub(super) rule: String,
    pub(super) message: String,
    pub(super) reason: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Problem {
    pub(super) rule: &'static str,
    pub(super) message: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ShownPlan {
    pub(super) recipe: String,
    pub(super) summary: String,
    pub(super) steps: Vec<ShownStep>,
    pub(super) undo_loses: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ShownStep {
    pub(super) name: String,
    pub(super) sql: String,
    pub(super) lock: LockMode,
    pub(super) scans: bool,
    /// How long it takes once it has its lock, where sizes tell.
    pub(super) estimate: Option<Estimate>,
    pub(super) undo: Vec<String>,
}

impl Found {
    pub(super) fn of(finding: &Finding, of: (FoundKind, Outcome), place: Option<Place>) -> Self {
        Self {
            rule: finding.rule.0.clone(),
            kind: of.0,
            verdict: of.1,
            place,
            message: finding.message.clone(),
            relation: finding.relation.as_ref().map(RelationName::written),
            lock: finding.lock,
            rows: finding.rows,
            bytes: finding.bytes,
            instead: finding.instead.clone(),
        }
    }
}

impl ShownPlan {
    /// With its secrets hidden.
    pub(super) fn of(plan: &Plan) -> Self {
        let plan = plan.shown();
        let steps = plan.steps.into_iter().map(|step| ShownStep {
            sql: step.action.sql().into_owned(),
            name: step.name,
            lock: step.lock,
            scans: step.scans,
            estimate: step.estimate,
            undo: step.undo,
        });
        Self { recipe: plan.recipe, summary: plan.summary, steps: steps.collect(), undo_loses: plan.undo_loses }
    }
}

impl Judged {
    /// The strictest of its verdict and its problems.
    pub(super) fn severity(&self) -> Outcome {
        if self.problems.is_empty() { self.verdict } else { Outcome::Refuse }
    }
}

impl Summary {
    pub(super) fn of(files: &[FileReport]) -> Self {
        let mut summary = Self { files: files.len(), ..Self::default() };
        for judged in files.iter().flat_map(|file| &file.statements) {
            summary.statements += 1;
            summary.problems += judged.problems.len();
            summary.ignored += judged.ignored.len();
            *match judged.verdict {
                Outcome::Pass => &mut summary.pass,
                Outcome::Bounded => &mut summary.bounded,
                Outcome::Warn => &mut summary.warn,
                Outcome::Defer => &mut summary.defer,
                Outcome::Rewrite => &mut summary.rewrite,
                Outcome::Hold => &mut summary.hold,
                Outcome::Refuse => &mut summary.refuse,
            } += 1;
        }
        summary
    }

    pub(super) fn count(&self, outcome: Outcome) -> usize {
        match outcome {
            Outcome::Pass => self.pass,
            Outcome::Bounded => self.bounded,
            Outcome::Warn => self.warn,
            Outcome::Defer => self.defer,
            Outcome::Rewrite => self.rewrite,
            Outcome::Hold => self.hold,
            Outcome::Refuse => self.refuse,
        }
    }
}
