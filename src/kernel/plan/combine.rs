//! Several subcommands of one ALTER TABLE as one plan, in the order in which PostgreSQL works them off.

use super::{Action, Plan, Step, quote, shadow};
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::{AlterKind, AlterTable, LockMode};

/// One subcommand: its own plan, or brief as it is.
#[derive(Clone, Debug)]
pub enum Part {
    /// Text after `ALTER TABLE t `, and the lock it takes.
    Brief(String, LockMode),
    /// ADD COLUMN of a column that is not there, brief as it is: its text and its name.
    Column(String, String),
    Plan(Plan),
}

/// One plan for all parts. `passes` are the server's, see [`pass`]; parts of one pass keep their order. What is brief
/// goes with the cut-over of a change of type: until then all can be taken back, and then all is in effect at once.
#[must_use]
pub fn plan(alter: &AlterTable, table: &RelationFacts, mut parts: Vec<(u8, Part)>) -> Plan {
    if let [(_, Part::Plan(only))] = parts.as_slice() {
        return only.clone();
    }
    parts.sort_by_key(|(pass, _)| *pass);
    let mut parts: Vec<Part> = parts.into_iter().map(|(_, part)| part).collect();
    let mut whole = Combined::new(alter, table);
    if let Some(first) = parts.iter().position(is_aside) {
        // Each of them has the plan for all.
        let (mut asides, mut others): (Vec<Part>, Vec<Part>) = parts.drain(first..).partition(is_aside);
        parts.drain(..).for_each(|part| whole.push(part));
        parts = others.split_off(others.iter().take_while(|part| !matches!(part, Part::Plan(_))).count());
        if let Part::Plan(plan) = asides.swap_remove(0) {
            whole.cut_over(plan, others);
        }
    }
    parts.into_iter().for_each(|part| whole.push(part));
    whole.flush();
    Plan {
        recipe: "combined".to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: whole.summaries.join(" "),
        relation: Some(table.qualified()),
        steps: whole.steps,
        undo_loses: whole.undo_loses,
        verify: Vec::new(),
    }
}

/// A change of type by a column beside the old one.
fn is_aside(part: &Part) -> bool {
    matches!(part, Part::Plan(plan) if plan.recipe == shadow::RECIPE)
}

/// The plan as far as it has come.
struct Combined<'a> {
    alter: &'a AlterTable,
    table: &'a RelationFacts,
    steps: Vec<Step>,
    summaries: Vec<String>,
    undo_loses: Option<String>,
    /// Neighbours that become one step.
    brief: Vec<(String, LockMode)>,
    columns: Vec<(String, String)>,
}

impl<'a> Combined<'a> {
    fn new(alter: &'a AlterTable, table: &'a RelationFacts) -> Self {
        let (steps, summaries, brief, columns) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { alter, table, steps, summaries, undo_loses: None, brief, columns }
    }

    fn push(&mut self, part: Part) {
        match part {
            Part::Brief(sql, lock) => {
                self.add_columns();
                self.brief.push((sql, lock));
            }
            Part::Column(sql, name) => {
                self.run_brief();
                self.columns.push((sql, name));
            }
            Part::Plan(plan) => {
                self.flush();
                self.steps.extend(plan.steps);
                self.summaries.push(plan.summary);
                self.undo_loses = self.undo_loses.take().or(plan.undo_loses);
            }
        }
    }

    /// A change of type, with what is brief before it, which waits already, and after it.
    fn cut_over(&mut self, mut aside: Plan, after: Vec<Part>) {
        let before: Vec<String> = self.brief.drain(..).map(|(sql, _)| sql).collect();
        let before = (!before.is_empty()).then(|| self.altered(&before));
        let mut later = Vec::new();
        for part in after {
            if let Part::Brief(sql, _) | Part::Column(sql, _) = part {
                later.push(self.altered(&[sql]));
            }
        }
        if before.is_some() || !later.is_empty() {
            aside.summary.push_str(" What else only changes the catalog is done in that transaction.");
        }
        if let Some(Step { action: Action::Together { statements }, .. }) = aside.steps.last_mut() {
            statements.splice(..0, before);
            statements.extend(later);
        }
        self.push(Part::Plan(aside));
    }

    fn flush(&mut self) {
        self.run_brief();
        self.add_columns();
    }

    fn run_brief(&mut self) {
        let Some(lock) = self.brief.iter().map(|(_, lock)| *lock).max() else { return };
        let actions: Vec<String> = self.brief.drain(..).map(|(sql, _)| sql).collect();
        self.steps.push(Step::brief("run", self.altered(&actions), lock));
    }

    fn add_columns(&mut self) {
        if self.columns.is_empty() {
            return;
        }
        let (actions, names): (Vec<String>, Vec<String>) = self.columns.drain(..).unzip();
        let quoted: Vec<String> = names.iter().map(|name| quote::literal(name)).collect();
        let probe = format!(
            "SELECT pg_catalog.count(*) OPERATOR(pg_catalog.=) {} FROM pg_catalog.pg_attribute a WHERE a.attrelid \
             OPERATOR(pg_catalog.=) {} AND NOT a.attisdropped AND a.attname OPERATOR(pg_catalog.=) ANY (ARRAY[{}]::pg_catalog.name[])",
            names.len(),
            quote::oid(self.table),
            quoted.join(", ")
        );
        let drops: Vec<String> =
            names.iter().map(|name| format!("DROP COLUMN IF EXISTS {}", quote::identifier(name))).collect();
        self.undo_loses.get_or_insert_with(|| format!("the values of {}", names.join(", ")));
        let add = Step::brief("add", self.altered(&actions), LockMode::AccessExclusive);
        self.steps.push(add.probed(probe).undone_by(self.altered(&drops)));
    }

    fn altered(&self, actions: &[String]) -> String {
        let only = if self.alter.only { "ONLY " } else { "" };
        format!("ALTER TABLE {only}{} {}", quote::table(self.table), actions.join(", "))
    }
}

/// The pass in which PostgreSQL runs a subcommand (`AlterTablePass` in tablecmds.c).
#[must_use]
pub fn pass(kind: &AlterKind) -> u8 {
    match kind {
        AlterKind::DropColumn { .. }
        | AlterKind::DropConstraint { .. }
        | AlterKind::DropNotNull { .. }
        | AlterKind::DropDefault { .. } => 0,
        AlterKind::AlterType { .. } => 1,
        AlterKind::AddColumn(_) => 4,
        AlterKind::SetNotNull { .. } => 6,
        AlterKind::AddConstraintUsingIndex { .. } => 7,
        AlterKind::AddConstraint(constraint) => match constraint.kind {
            crate::kernel::sql::statement::ConstraintKind::NotNull => 6,
            crate::kernel::sql::statement::ConstraintKind::Unique { .. }
            | crate::kernel::sql::statement::ConstraintKind::PrimaryKey { .. }
            | crate::kernel::sql::statement::ConstraintKind::Exclude => 8,
            crate::kernel::sql::statement::ConstraintKind::Check { .. }
            | crate::kernel::sql::statement::ConstraintKind::ForeignKey { .. } => 9,
        },
        AlterKind::SetDefault { .. } => 9,
        AlterKind::ValidateConstraint { .. }
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
        | AlterKind::RowType(_)
        | AlterKind::Other { .. } => 10,
    }
}
