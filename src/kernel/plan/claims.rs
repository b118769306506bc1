//! What a plan that is on its way must find as it was when it was made, and which statements would come between: what
//! they do would be lost when something else takes the place of what they do it to, or the plan would fail by it.

use super::{Action, Plan, RowWrite, Step, back, combine, copy, helper, shadow, verify};
use crate::kernel::facts::{Facts, RelationFacts};
use crate::kernel::sql::read::hung::Hung;
use crate::kernel::sql::read::session::schemas;
use crate::kernel::sql::statement::{
    AddColumn, AlterAction, AlterKind, AlterTable, Change, ConstraintKind, RelationName, TableConstraint,
};

/// What a statement does to a table, or to columns of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    pub relation: RelationName,
    pub columns: Vec<String>,
    /// Any column of it may be meant.
    pub all: bool,
    pub how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Something is said of it, or hung on it.
    Attaches,
    /// What it is for new rows, its type or its name.
    Redefines,
    /// What new rows get where nothing is said: nothing to a column that is only proven.
    Defaults,
    /// The table is another name's.
    Moves,
    /// A constraint is put on it that old rows may break.
    Checks,
}

/// What is on its way to become another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    Table,
    /// Another column takes its place.
    Replaced(String),
    /// It is filled or made NOT NULL.
    Settled(String),
    /// Its rows are written, each of which is checked whole.
    Written,
}

/// All that a change does which a plan may have to hear of.
#[must_use]
pub fn touches(change: &Change, facts: &Facts) -> Vec<Touch> {
    match change {
        Change::AlterTable(alter) => {
            let table = facts.relation(&alter.relation).flatten();
            alter.actions.iter().flat_map(|action| altered((alter, action), table, facts)).collect()
        }
        Change::Rename(rename) => {
            let Some(relation) = rename.relation.clone() else { return Vec::new() };
            let table = facts.relation(&relation).flatten();
            let (columns, how) = match rename.what {
                "column" => (vec![rename.from.clone()], How::Redefines),
                "constraint" => (constrained(table, &rename.from), How::Attaches),
                "table" => (Vec::new(), How::Moves),
                _ => (Vec::new(), How::Attaches),
            };
            vec![Touch { relation, columns, all: false, how }]
        }
        Change::CreateTable(table) => {
            let outline = &table.outline;
            let columns = outline.columns.iter().flat_map(|column| &column.constraints);
            columns.chain(&outline.constraints).filter_map(|constraint| refers(constraint, facts)).collect()
        }
        Change::Publication(publication) => {
            let tables = publication.tables.iter();
            let one = |table: &RelationName, columns: &[String]| Touch {
                relation: table.clone(),
                columns: columns.to_vec(),
                all: false,
                how: How::Attaches,
            };
            tables.map(|table| one(&table.relation, &table.columns)).collect()
        }
        Change::CreateIndex(_)
        | Change::Drop(_)
        | Change::Truncate { .. }
        | Change::MassWrite { .. }
        | Change::Privilege(_)
        | Change::Setting(_)
        | Change::Opaque(_)
        | Change::Reindex(_)
        | Change::RewriteTable { .. }
        | Change::RefreshMatview { .. }
        | Change::CreateDomain(_)
        | Change::CheckDomain { .. }
        | Change::CreateRule { .. }
        | Change::RestartSequence { .. }
        | Change::LockTable { .. }
        | Change::Brief { .. }
        | Change::AlterDatabase { .. }
        | Change::Other { .. }
        | Change::Unreadable { .. } => Vec::new(),
    }
}

/// Constraints that old rows may break, of those that steps put on tables.
#[must_use]
pub fn unproven(steps: &[Step], facts: &Facts) -> Vec<Touch> {
    let changes = steps.iter().flat_map(verify::statements).flat_map(verify::changes);
    changes.flat_map(|change| touches(&change, facts)).filter(|touch| touch.how == How::Checks).collect()
}

/// The same of what else a text says of columns.
#[must_use]
pub fn hung_on(hung: &Hung) -> Vec<Touch> {
    let one = |relation: &RelationName| {
        let own = || hung.own.iter().filter(|(of, _)| of == relation).map(|(_, column)| column);
        Touch {
            relation: relation.clone(),
            columns: hung.columns.iter().chain(own().flatten()).cloned().collect(),
            all: hung.all_columns || own().any(Option::is_none),
            how: How::Attaches,
        }
    };
    hung.relations.iter().map(one).collect()
}

fn altered((alter, action): (&AlterTable, &AlterAction), table: Option<&RelationFacts>, facts: &Facts) -> Vec<Touch> {
    let touch = |columns: Vec<String>, how: How| Touch { relation: alter.relation.clone(), columns, all: false, how };
    let (columns, how) = match &action.kind {
        AlterKind::DropColumn { column, .. }
        | AlterKind::DropNotNull { column }
        | AlterKind::AlterType { column, .. } => (vec![column.clone()], How::Redefines),
        AlterKind::SetDefault { column } | AlterKind::DropDefault { column } => (vec![column.clone()], How::Defaults),
        AlterKind::SetNotNull { column } | AlterKind::RestartIdentity { column, .. } => {
            (vec![column.clone()], How::Attaches)
        }
        AlterKind::AddColumn(column) => {
            return added(column, touch(Vec::new(), How::Attaches), facts);
        }
        AlterKind::AddConstraint(constraint) => {
            let how = if is_unproven(constraint) { How::Checks } else { How::Attaches };
            let own = touch(shadow::Look::columns(constraint), how);
            return std::iter::once(own).chain(refers(constraint, facts)).collect();
        }
        AlterKind::ValidateConstraint { name }
        | AlterKind::DropConstraint { name, .. }
        | AlterKind::Enforce { name, .. }
        | AlterKind::Inherit { name, .. } => (constrained(table, name), How::Attaches),
        AlterKind::AddConstraintUsingIndex { index, .. } => {
            let index = table.and_then(|table| table.index(index));
            (index.map(|index| index.columns.clone()).unwrap_or_default(), How::Attaches)
        }
        AlterKind::WeakLock { command } | AlterKind::BriefLock { command, .. } if back::is_of_column(command) => {
            (action.named.clone(), How::Attaches)
        }
        AlterKind::WeakLock { .. }
        | AlterKind::BriefLock { .. }
        | AlterKind::AttachPartition { .. }
        | AlterKind::DetachPartition { .. }
        | AlterKind::Rewrites { .. }
        | AlterKind::Security { .. }
        | AlterKind::Weakens { .. }
        | AlterKind::ReplicaIdentityDefault
        | AlterKind::RowType(_)
        | AlterKind::Other { .. } => (Vec::new(), How::Attaches),
    };
    vec![touch(columns, how)]
}

fn added(column: &AddColumn, own: Touch, facts: &Facts) -> Vec<Touch> {
    let mut columns: Vec<String> = column.constraints.iter().flat_map(shadow::Look::columns).collect();
    columns.retain(|name| *name != column.name);
    let referred = column.constraints.iter().filter_map(|constraint| refers(constraint, facts));
    std::iter::once(Touch { columns, ..own }).chain(referred).collect()
}

/// The table that a foreign key refers to: to its primary key, where it says no more.
fn refers(constraint: &TableConstraint, facts: &Facts) -> Option<Touch> {
    let ConstraintKind::ForeignKey { references } = &constraint.kind else { return None };
    let key = || facts.relation(references).flatten()?.indexes.iter().find(|index| index.primary);
    let columns = match constraint.referenced.as_slice() {
        [] => key().map(|index| index.columns.clone()),
        written => Some(written.to_vec()),
    };
    let (all, columns) = (columns.is_none(), columns.unwrap_or_default());
    Some(Touch { relation: references.clone(), all, columns, how: How::Attaches })
}

fn is_unproven(constraint: &TableConstraint) -> bool {
    let checks = matches!(constraint.kind, ConstraintKind::Check { .. } | ConstraintKind::NotNull);
    checks && constraint.not_valid && !constraint.not_enforced
}

fn constrained(table: Option<&RelationFacts>, name: &str) -> Vec<String> {
    table.and_then(|table| table.constraint(name)).map(|constraint| constraint.columns.clone()).unwrap_or_default()
}

impl Plan {
    /// Which of its claims one of these would come between. Its table has this oid, where that is known, and the first
    /// `head` steps have been done.
    #[must_use]
    pub fn between(&self, (head, oid): (usize, Option<u32>), touches: &[Touch], facts: &Facts) -> Option<Claim> {
        let replaced = self.replaced_columns();
        touches.iter().filter(|touch| self.is_on(oid, &touch.relation, facts)).find_map(|touch| {
            if self.recipe == copy::RECIPE {
                return Some(Claim::Table);
            }
            let meant = |column: &&String| touch.all || touch.columns.contains(column);
            if let Some(column) = replaced.iter().find(meant) {
                return Some(Claim::Replaced(column.clone()));
            }
            let settled = touch.columns.iter().find(|column| self.settles(head, column));
            match (touch.how, settled, replaced.first()) {
                (How::Redefines, Some(column), _) => Some(Claim::Settled(column.clone())),
                (How::Defaults, Some(column), _) if self.fills() => Some(Claim::Settled(column.clone())),
                (How::Moves, _, Some(column)) => Some(Claim::Replaced(column.clone())),
                (How::Moves, _, None) if self.fills() => Some(Claim::Table),
                (How::Checks, _, _) if self.updates() => Some(Claim::Written),
                _ => None,
            }
        })
    }

    /// Whether a name means its table. What was not looked up goes by its name and the search path.
    fn is_on(&self, oid: Option<u32>, name: &RelationName, facts: &Facts) -> bool {
        let Some(own) = &self.relation else { return false };
        if let Some(found) = facts.relation(name).flatten() {
            return oid.map_or_else(|| found.qualified() == *own, |oid| found.oid == oid);
        }
        let schema = |of: &str| own.schema.as_deref() == Some(of);
        let is_found = || schemas(&facts.search_path).is_none_or(|names| names.iter().any(|name| schema(name)));
        own.name == name.name && name.schema.as_deref().map_or_else(is_found, schema)
    }

    /// Columns whose places others take.
    fn replaced_columns(&self) -> Vec<String> {
        if ![shadow::RECIPE, combine::RECIPE].contains(&self.recipe.as_str()) {
            return Vec::new();
        }
        let pairs = self.steps.iter().flat_map(|step| &step.stands_for);
        let mut columns: Vec<String> =
            pairs.filter(|(new, old)| *new == helper("new", old)).map(|(_, old)| old.clone()).collect();
        columns.sort();
        columns.dedup();
        columns
    }

    fn fills(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.action, Action::Backfill(_)))
    }

    fn updates(&self) -> bool {
        let updates = |step: &Step| match &step.action {
            Action::Backfill(fill) => !matches!(fill.write, Some(RowWrite::Delete)),
            _ => false,
        };
        self.steps.iter().any(updates)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests report by panicking")]

    use super::*;
    use crate::kernel::plan::Backfill;
    use crate::kernel::sql::read::hung::hung;
    use crate::kernel::sql::read::read;
    use crate::kernel::sql::statement::{LockMode, Statement};

    /// What a statement would come between in a plan over `public.t`.
    fn claim(plan: &Plan, sql: &str) -> String {
        let mut facts = Facts::default();
        "\"$user\", public".clone_into(&mut facts.search_path);
        let statements = read(sql).unwrap().statements;
        let changes = statements.iter().filter_map(|parsed| match &parsed.statement {
            Statement::Change(change) => Some(change),
            _ => None,
        });
        let mut all: Vec<Touch> = changes.flat_map(|change| touches(change, &facts)).collect();
        all.extend(hung(sql).iter().flat_map(hung_on));
        match plan.between((0, Some(7)), &all, &facts) {
            None => String::new(),
            Some(Claim::Table) => "table".to_owned(),
            Some(Claim::Replaced(column)) => format!("replaced {column}"),
            Some(Claim::Settled(column)) => format!("settled {column}"),
            Some(Claim::Written) => "written".to_owned(),
        }
    }

    fn plan(recipe: &str, sql: &str) -> Plan {
        let step = Step::brief("run", sql.to_owned(), LockMode::AccessExclusive);
        let stands_for = vec![(helper("new", "a"), "a".to_owned()), (helper("con", "ck"), "ck".to_owned())];
        Plan {
            recipe: recipe.to_owned(),
            tag: String::new(),
            summary: String::new(),
            relation: Some(RelationName { schema: Some("public".to_owned()), name: "t".to_owned() }),
            steps: vec![Step { stands_for, ..step }],
            undo_loses: None,
            verify: Vec::new(),
        }
    }

    #[test]
    fn a_constraint_that_rows_may_break_comes_between_a_fill() {
        let mut filled = plan("add-column", "ALTER TABLE public.t ADD u uuid");
        assert_eq!(claim(&filled, "ALTER TABLE t ADD CHECK (b > 0) NOT VALID"), "");
        let fill = Backfill {
            relation: RelationName { schema: Some("public".to_owned()), name: "t".to_owned() },
            column: "u".to_owned(),
            expression_sql: "1".to_owned(),
            pending_sql: "u IS NULL".to_owned(),
            rows_estimate: 1,
            write: None,
        };
        let mut step = filled.steps[0].clone();
        step.action = Action::Backfill(fill.clone());
        filled.steps.push(step.clone());
        assert_eq!(claim(&filled, "ALTER TABLE t ADD CHECK (b > 0) NOT VALID"), "written");
        assert_eq!(claim(&filled, "ALTER TABLE t ADD CHECK (b > 0)"), "");
        assert_eq!(claim(&filled, "ALTER TABLE u ADD CHECK (b > 0) NOT VALID"), "");
        let guard = "ALTER TABLE public.t ADD CONSTRAINT k CHECK (b > 0) NOT VALID".to_owned();
        let steps = [Step::brief("guard", guard, LockMode::AccessExclusive)];
        let Some(Claim::Written) = filled.between((0, None), &unproven(&steps, &Facts::default()), &Facts::default())
        else {
            panic!("what a plan puts on it");
        };
        step.action = Action::Backfill(Backfill { write: Some(RowWrite::Delete), ..fill });
        filled.steps = vec![step];
        assert_eq!(claim(&filled, "ALTER TABLE t ADD CHECK (b > 0) NOT VALID"), "");
    }

    #[test]
    fn who_would_come_between() {
        let (aside, copied) = (plan(shadow::RECIPE, "SELECT 1"), plan(copy::RECIPE, "SELECT 1"));
        let sealed = plan("set-not-null", "ALTER TABLE public.t ALTER COLUMN a SET NOT NULL");
        for (sql, of_aside, of_copied, of_sealed) in [
            ("ALTER TABLE t ALTER a SET DEFAULT 1", "replaced a", "table", ""),
            ("ALTER TABLE public.t ALTER a DROP NOT NULL", "replaced a", "table", "settled a"),
            ("ALTER TABLE t RENAME a TO z", "replaced a", "table", "settled a"),
            ("ALTER TABLE t RENAME TO z", "replaced a", "table", ""),
            ("ALTER TABLE t ADD CHECK (b > a)", "replaced a", "table", ""),
            ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p", "replaced a", "table", ""),
            ("ALTER TABLE p ADD FOREIGN KEY (x) REFERENCES t (a)", "replaced a", "table", ""),
            ("CREATE TABLE p (x int REFERENCES t (a))", "replaced a", "table", ""),
            ("ALTER TABLE t ALTER a SET STATISTICS 5", "replaced a", "table", ""),
            ("ALTER TABLE t ALTER a SET (n_distinct = 5)", "replaced a", "table", ""),
            ("COMMENT ON COLUMN t.a IS 'x'", "replaced a", "table", ""),
            ("GRANT SELECT (a) ON public.t TO r", "replaced a", "table", ""),
            ("CREATE STATISTICS s ON a, b FROM t", "replaced a", "table", ""),
            ("CREATE VIEW v AS SELECT * FROM t", "replaced a", "table", ""),
            ("CREATE VIEW v AS SELECT u.a, t.b FROM t JOIN u ON u.a = t.b", "", "table", ""),
            ("CREATE VIEW v AS SELECT x.a FROM t x, u", "replaced a", "table", ""),
            ("CREATE INDEX i ON t (lower(a))", "replaced a", "table", ""),
            ("CREATE TRIGGER g BEFORE UPDATE OF a ON t EXECUTE FUNCTION f()", "replaced a", "table", ""),
            ("ALTER TABLE t ALTER b SET DEFAULT 1", "", "table", ""),
            ("ALTER TABLE t ADD c int", "", "table", ""),
            ("COMMENT ON TABLE t IS 'x'", "", "table", ""),
            ("GRANT SELECT ON t TO r", "", "table", ""),
            ("CREATE VIEW v AS SELECT b FROM t", "", "table", ""),
            ("ALTER TABLE s.t ALTER a SET DEFAULT 1", "", "", ""),
            ("ALTER TABLE u ALTER a SET DEFAULT 1", "", "", ""),
            ("TRUNCATE t", "", "", ""),
            ("SELECT a FROM t", "", "", ""),
        ] {
            let found = [&aside, &copied, &sealed].map(|plan| claim(plan, sql));
            assert_eq!(found, [of_aside, of_copied, of_sealed], "{sql}");
        }
    }
}
