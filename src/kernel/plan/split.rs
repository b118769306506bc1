//! A plan inside somebody's transaction block: its first steps run there, the rest after COMMIT.

use super::{Action, Mode, Plan, Step, copy};
use crate::kernel::sql::write;

impl Plan {
    /// How many steps from the start belong to the client's transaction, where the rest can follow its COMMIT.
    /// These are the leading ones that only change the catalog; absent where nothing is left for later, or
    /// where what is left counts rows for the client or has to run as it was written. Of a plan that is split
    /// there, see [`Self::looking_later`].
    #[must_use]
    pub fn head(&self) -> Option<usize> {
        let acts = || self.steps.iter().skip_while(|step| step.only_looks());
        let head = acts().take_while(|step| in_block(step)).count();
        let mut rest = acts().skip(head).peekable();
        let counts = matches!(self.tag.as_str(), "INSERT" | "UPDATE" | "DELETE" | "MERGE");
        // Rows are copied in an order of their own, and the cut-over waits for nobody's COMMIT.
        let copies = self.recipe == copy::RECIPE;
        let later = |step: &Step| !matches!(step.action, Action::Sql { mode: Mode::AsIs, .. });
        (self.rewrites() && !counts && !copies && rest.peek().is_some() && rest.all(later)).then_some(head)
    }

    /// The steps of [`Self::head`] as a plan of their own.
    #[must_use]
    pub fn first(&self, head: usize) -> Self {
        Self { steps: self.steps.iter().take(head).cloned().collect(), ..self.clone() }
    }
}

impl Plan {
    /// Whether the rest of the plan fills a column or makes it NOT NULL: a statement that says otherwise must not
    /// come between.
    #[must_use]
    pub fn settles(&self, head: usize, column: &str) -> bool {
        let seal = format!("ALTER COLUMN {} SET NOT NULL", write::quote_ident(column));
        let whole = format!("NOT NULL {} NOT VALID", write::quote_ident(column));
        let guards = self.steps.iter().any(|step| step.action.sql().ends_with(&whole));
        guards
            || self.steps.iter().skip(head).any(|step| match &step.action {
                Action::Backfill(fill) => fill.column == column,
                action => action.sql().ends_with(&seal),
            })
    }
}

fn in_block(step: &Step) -> bool {
    !step.scans
        && match &step.action {
            Action::Sql { mode, .. } => *mode == Mode::Brief,
            Action::Together { .. } => true,
            Action::BuildIndex { .. } | Action::Reindex { .. } | Action::Backfill(_) | Action::Later { .. } => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::sql::statement::LockMode;

    fn plan(tag: &str, steps: Vec<Step>) -> Plan {
        Plan {
            recipe: "made-up".to_owned(),
            tag: tag.to_owned(),
            summary: "because".to_owned(),
            relation: None,
            steps,
            undo_loses: None,
            verify: Vec::new(),
        }
    }

    #[test]
    fn the_catalog_comes_first_and_the_rest_follows() {
        let brief = || Step::brief("expand", "ALTER TABLE t ADD a int".to_owned(), LockMode::AccessExclusive);
        let together = || Step::together("both", vec!["SELECT 1".to_owned()], LockMode::AccessExclusive);
        let scan = || Step::scan("validate", "ALTER TABLE t VALIDATE CONSTRAINT c".to_owned());
        let mode = |mode| Step::sql("run", "SELECT 1".to_owned(), mode, LockMode::AccessShare);
        let look = || Step { scans: true, ..mode(Mode::Scan) };
        for (head, steps) in [
            (Some(1), vec![brief(), scan()]),
            (Some(2), vec![brief(), together(), scan(), brief()]),
            (Some(1), vec![look(), brief(), scan()]),
            (Some(0), vec![scan()]),
            (Some(0), vec![mode(Mode::NoTransaction)]),
            (None, vec![brief(), together()]),
            (None, vec![]),
            (None, vec![brief(), mode(Mode::AsIs)]),
        ] {
            let found = plan("ALTER TABLE", steps);
            assert_eq!(found.head(), head, "{:?}", found.steps);
            assert_eq!(found.first(head.unwrap_or_default()).steps.len(), head.unwrap_or_default());
        }
        assert_eq!(plan("UPDATE", vec![scan()]).head(), None);
        let split = plan("ALTER TABLE", vec![look(), brief(), together(), scan()]).looking_later(2);
        assert_eq!(split.steps, [brief(), together(), look(), scan()]);
    }
}
