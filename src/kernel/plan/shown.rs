//! A plan for people and records: without the secrets its statements carry. Never to be run.

use super::{Action, Backfill, Plan, Step};
use crate::kernel::sql::read::{may_hold_secrets, shown, shown_expression};

impl Plan {
    /// The same plan with its secrets hidden.
    #[must_use]
    pub fn shown(&self) -> Self {
        Self { steps: self.steps.iter().map(Step::shown).collect(), ..self.clone() }
    }
}

impl Step {
    fn shown(&self) -> Self {
        let action = match &self.action {
            Action::Sql { sql, mode } => Action::Sql { sql: statement(sql), mode: *mode },
            Action::BuildIndex { sql, leftover, cleanup } => {
                Action::BuildIndex { sql: statement(sql), leftover: leftover.clone(), cleanup: cleanup.clone() }
            }
            Action::Backfill(fill) => {
                Action::Backfill(Backfill { expression_sql: shown_expression(&fill.expression_sql), ..fill.clone() })
            }
        };
        Self { action, undo: self.undo.as_deref().map(statement), ..self.clone() }
    }
}

fn statement(sql: &str) -> String {
    if may_hold_secrets(sql) { shown(sql) } else { sql.to_owned() }
}

#[cfg(test)]
mod tests {
    use crate::kernel::plan::{Mode, as_is};
    use crate::kernel::sql::statement::LockMode;

    #[test]
    fn secrets_are_hidden() {
        let sql = "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (password 'hunter2')";
        let run = (Mode::Brief, LockMode::AccessExclusive);
        let plan = as_is::plan(sql, "CREATE SERVER".to_owned(), None, run);
        let shown = serde_json::to_string(&plan.shown()).unwrap();
        assert!(shown.contains("password '***'") && !shown.contains("hunter2"), "{shown}");
    }
}
