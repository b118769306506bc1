//! Several subcommands of one ALTER TABLE as one plan, in the order in which PostgreSQL works them off.

use super::back::Back;
use super::unchanged::opening;
use super::{Action, Plan, Step, quote, shadow};
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::{AlterKind, AlterTable, LockMode};

/// The recipe's name.
pub const RECIPE: &str = "combined";

/// One subcommand: its own plan, or brief as it is.
#[derive(Clone, Debug)]
pub enum Part {
    Brief(Brief),
    /// ADD COLUMN of a column that is not there, brief as it is: its text and its name.
    Column(String, String),
    Plan(Plan),
}

/// A part and where it goes.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The server's, see [`pass`]; parts of one pass keep their order.
    pub pass: u8,
    pub part: Part,
    /// It can be done, and so is proven, before a change of type of the same statement takes effect.
    pub before: bool,
}

/// A subcommand that is brief as it is.
#[derive(Clone, Debug)]
pub struct Brief {
    /// Text after `ALTER TABLE t `.
    pub sql: String,
    pub lock: LockMode,
    /// What takes it back, where that is known.
    pub back: Option<Back>,
}

/// One plan for all parts. What is brief goes with the cut-over of a change of type, and what has steps of its own before
/// it, wherever it can: until then all can be taken back, and then all is in effect at once.
#[must_use]
pub fn plan(alter: &AlterTable, table: &RelationFacts, mut pieces: Vec<Piece>) -> Plan {
    if let [Piece { part: Part::Plan(only), .. }] = pieces.as_slice() {
        return only.clone();
    }
    pieces.sort_by_key(|piece| piece.pass);
    let mut whole = Combined::new(alter, table);
    let mut rest = pieces;
    if let Some(first) = rest.iter().position(|piece| is_aside(&piece.part)) {
        // Each of them has the plan for all.
        let (mut asides, others): (Vec<Piece>, Vec<Piece>) =
            rest.drain(first..).partition(|piece| is_aside(&piece.part));
        let (plans, brief): (Vec<Piece>, Vec<Piece>) =
            rest.into_iter().partition(|piece| matches!(piece.part, Part::Plan(_)));
        plans.into_iter().for_each(|piece| whole.push(piece.part));
        let (before, others): (Vec<Piece>, Vec<Piece>) = others.into_iter().partition(|piece| piece.before);
        let mut early = Combined::new(alter, table);
        before.into_iter().for_each(|piece| early.push(piece.part));
        early.flush();
        let (with, after) = others.into_iter().partition(|piece| !matches!(piece.part, Part::Plan(_)));
        if let Part::Plan(plan) = asides.swap_remove(0).part {
            whole.cut_over(plan, early, (brief, with));
        }
        rest = after;
        whole.warn(!rest.is_empty());
    } else if let Some(first) = rest.iter().position(|piece| piece.pass == TYPES) {
        // There is no way back from a change of type that only the catalog sees.
        let (before, after): (Vec<Piece>, Vec<Piece>) = rest.drain(first..).partition(|piece| piece.before);
        let (types, after): (Vec<Piece>, Vec<Piece>) = after.into_iter().partition(|piece| piece.pass == TYPES);
        let follows = after.iter().any(|piece| matches!(piece.part, Part::Plan(_)));
        before.into_iter().chain(types).for_each(|piece| rest.push(piece));
        rest.into_iter().for_each(|piece| whole.push(piece.part));
        whole.warn(follows);
        rest = after;
    }
    rest.into_iter().for_each(|piece| whole.push(piece.part));
    whole.flush();
    let mut has_looked = false;
    // Once for all of them.
    whole.steps.retain(|step| !step.only_looks() || !std::mem::replace(&mut has_looked, true));
    Plan {
        recipe: RECIPE.to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: whole.summaries.join(" "),
        relation: Some(table.qualified()),
        steps: whole.steps,
        undo_loses: whole.undo_loses,
        verify: Vec::new(),
    }
}

/// A change of type by a column beside the old one.
#[must_use]
pub fn is_aside(part: &Part) -> bool {
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
    brief: Vec<Brief>,
    columns: Vec<(String, String)>,
}

impl<'a> Combined<'a> {
    fn new(alter: &'a AlterTable, table: &'a RelationFacts) -> Self {
        let (steps, summaries, brief, columns) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { alter, table, steps, summaries, undo_loses: None, brief, columns }
    }

    fn push(&mut self, part: Part) {
        match part {
            Part::Brief(brief) => {
                self.add_columns();
                // What can be taken back is, and what is left is told.
                if self.brief.iter().any(|other| other.back.is_some() != brief.back.is_some()) {
                    self.run_brief();
                }
                self.brief.push(brief);
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

    /// A change of type, with what is done before it, and with what is brief before it, which waits already, and after
    /// it.
    fn cut_over(&mut self, mut aside: Plan, early: Self, (before, after): (Vec<Piece>, Vec<Piece>)) {
        let texts = |pieces: Vec<Piece>| -> Vec<String> {
            let text = |piece: Piece| match piece.part {
                Part::Brief(Brief { sql, .. }) | Part::Column(sql, _) => Some(sql),
                Part::Plan(_) => None,
            };
            pieces.into_iter().filter_map(text).collect()
        };
        let before = Some(texts(before)).filter(|actions| !actions.is_empty());
        let before = before.map(|actions| self.altered(&actions));
        let later: Vec<String> = texts(after).into_iter().map(|sql| self.altered(&[sql])).collect();
        if before.is_some() || !later.is_empty() {
            aside.summary.push_str(" What else only changes the catalog is done in that transaction.");
        }
        if let Some(Step { action: Action::Together { statements }, .. }) = aside.steps.last_mut() {
            let at = opening(statements);
            statements.splice(at..at, before);
            statements.extend(later);
        }
        // New rows are kept in step by then, and a long walk has not begun.
        let at = aside.steps.iter().position(|step| matches!(step.action, Action::Backfill(_))).unwrap_or_default();
        aside.steps.splice(at..at, early.steps);
        self.push(Part::Plan(aside));
        self.summaries.extend(early.summaries);
        self.undo_loses = self.undo_loses.take().or(early.undo_loses);
    }

    /// What has to follow a cut-over may fail when that is in effect.
    fn warn(&mut self, follows: bool) {
        if follows {
            self.summaries.push(
                "What follows needs the new types: if it fails, it is taken back by itself, and they stay.".to_owned(),
            );
        }
    }

    fn flush(&mut self) {
        self.run_brief();
        self.add_columns();
    }

    fn run_brief(&mut self) {
        let Some(lock) = self.brief.iter().map(|brief| brief.lock).max() else { return };
        let (mut actions, mut proven) = (Vec::new(), Vec::new());
        let (mut back, mut after) = (Vec::new(), Vec::new());
        for brief in self.brief.drain(..) {
            actions.push(brief.sql);
            let own = brief.back.unwrap_or_default();
            back.splice(0..0, own.actions);
            proven.extend(own.proven.map(|name| format!("VALIDATE CONSTRAINT {}", quote::identifier(&name))));
            after.splice(0..0, own.after);
        }
        let step = Step::brief("run", self.altered(&actions), lock);
        let undo = [back, proven, after].into_iter().filter(|actions| !actions.is_empty());
        let undo: Vec<String> = undo.map(|actions| self.altered(&actions)).collect();
        self.steps.push(undo.into_iter().fold(step, Step::undone_by));
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

/// Where types are changed.
const TYPES: u8 = 1;

/// The pass in which PostgreSQL runs a subcommand (`AlterTablePass` in tablecmds.c).
#[must_use]
pub fn pass(kind: &AlterKind) -> u8 {
    match kind {
        AlterKind::DropColumn { .. }
        | AlterKind::DropConstraint { .. }
        | AlterKind::DropNotNull { .. }
        | AlterKind::DropDefault { .. } => 0,
        AlterKind::AlterType { .. } => TYPES,
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
        | AlterKind::Inherit { .. }
        | AlterKind::RowType(_)
        | AlterKind::Other { .. } => 10,
    }
}
