//! How long a step takes once it has its locks, and how much it writes: reckoned from sizes and from what machines do
//! from a small one with slow disks to a large one with everything in memory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Mode, Plan, Step};
use crate::kernel::facts::{Facts, RelationFacts};
use crate::kernel::sql::statement::LockMode;

/// Between these two, as far as sizes tell. Waiting for others is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    pub most_ms: u64,
    pub least_ms: u64,
    /// Bytes of files written, without the log.
    pub bytes: u64,
}

/// What is done with every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Read and compared.
    Read,
    /// Looked up in another table.
    LookUp,
    /// Sorted into an index.
    Sort,
    /// Written anew, with all indexes.
    Rewrite,
    /// Updated in batches.
    Fill,
}

impl Work {
    /// Megabytes of the table a second: at best, at worst.
    fn speed(self) -> (u64, u64) {
        match self {
            Self::Read => (1_000, 100),
            Self::LookUp => (100, 10),
            Self::Sort => (200, 20),
            Self::Rewrite => (60, 10),
            Self::Fill => (20, 2),
        }
    }

    /// The work of what a rule is about, where it is done while a lock blocks others.
    #[must_use]
    pub fn of_rule(rule: &str) -> Option<Self> {
        match rule {
            "add-check" | "set-not-null" | "attach-partition" | "check-domain" => Some(Self::Read),
            "add-foreign-key" => Some(Self::LookUp),
            "create-index" | "add-unique" | "add-primary-key" | "add-exclusion" | "reindex" => Some(Self::Sort),
            "add-column-volatile" | "add-column-rewrite" | "change-type" | "rewrite-table" => Some(Self::Rewrite),
            _ => None,
        }
    }
}

impl Estimate {
    /// For a table of this size that a step of this kind goes through.
    #[must_use]
    pub fn of(work: Work, heap_bytes: u64) -> Self {
        let (best, worst) = work.speed();
        let ms = |speed: u64| heap_bytes.saturating_mul(1_000) / (speed << 20);
        let bytes = match work {
            Work::Read | Work::LookUp => 0,
            Work::Sort => heap_bytes / 4,
            Work::Rewrite | Work::Fill => heap_bytes,
        };
        Self { most_ms: ms(worst), least_ms: ms(best), bytes }
    }

    /// `5 s to 51 s`.
    #[must_use]
    pub fn span(&self) -> String {
        if self.most_ms < 1_000 {
            return "less than 1 s".to_owned();
        }
        format!("{} to {}", span(self.least_ms), span(self.most_ms))
    }

    /// What that is like for others under this lock; nothing where they are not kept waiting, or hardly.
    #[must_use]
    pub fn stall(&self, lock: LockMode) -> Option<String> {
        let what = match lock {
            LockMode::AccessExclusive => "reads and writes",
            LockMode::Share | LockMode::ShareRowExclusive | LockMode::Exclusive => "writes",
            LockMode::AccessShare | LockMode::RowShare | LockMode::RowExclusive | LockMode::ShareUpdateExclusive => {
                return None;
            }
        };
        (self.most_ms >= 1_000).then(|| format!("blocks {what} for about {}", self.span()))
    }
}

impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.most_ms < 1_000 { "" } else { "about " }, self.span())?;
        let megabytes = self.bytes >> 20;
        if megabytes > 0 { write!(f, ", {megabytes} MB written") } else { Ok(()) }
    }
}

fn span(ms: u64) -> String {
    let seconds = ms.div_ceil(1_000);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3_600)),
    }
}

/// Writes to each step of a plan what it will take.
pub fn put(plan: &mut Plan, facts: &Facts) {
    let of_plan = plan.relation.clone();
    let mut references = false;
    for step in &mut plan.steps {
        references |= step.action.sql().contains(" FOREIGN KEY ");
        let name = step.on.as_ref().or(of_plan.as_ref());
        let table = facts.relations().find(|found| name.is_some_and(|name| found.qualified() == *name));
        step.estimate = table.and_then(|table| of_step(step, table, references));
    }
}

fn of_step(step: &Step, table: &RelationFacts, references: bool) -> Option<Estimate> {
    let work = match &step.action {
        Action::BuildIndex { .. } => Work::Sort,
        Action::Reindex { .. } => {
            let bytes = table.indexes.iter().map(|index| index.bytes).sum();
            return Some(Estimate { bytes, ..Estimate::of(Work::Sort, table.heap_bytes) });
        }
        Action::Backfill(_) => Work::Fill,
        Action::Sql { mode: Mode::Scan, .. } if references => Work::LookUp,
        Action::Sql { mode: Mode::Scan, .. } => Work::Read,
        Action::Sql { mode: Mode::Brief | Mode::NoTransaction | Mode::AsIs, .. }
        | Action::Together { .. }
        | Action::Later { .. } => {
            return None;
        }
    };
    Some(Estimate::of(work, table.table_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{Estimate, Work};
    use crate::kernel::sql::statement::LockMode;

    #[test]
    fn grows_with_the_table_and_says_whom_it_stalls() {
        let large = Estimate::of(Work::Rewrite, 10 << 30);
        assert_eq!(large.to_string(), "about 3 min to 18 min, 10240 MB written");
        let blocks = large.stall(LockMode::AccessExclusive);
        assert_eq!(blocks.as_deref(), Some("blocks reads and writes for about 3 min to 18 min"));
        assert_eq!(large.stall(LockMode::ShareUpdateExclusive), None);
        let small = Estimate::of(Work::Read, 1 << 20);
        assert_eq!((small.to_string().as_str(), small.stall(LockMode::Share)), ("less than 1 s", None));
        assert!(Estimate::of(Work::Fill, u64::MAX).most_ms > 0);
    }
}
