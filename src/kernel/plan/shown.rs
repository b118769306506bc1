//! A plan as people and records may see it: what is secret in its statements is hidden.

use super::{Action, Backfill, Plan, RowWrite, quote};
use crate::kernel::sql::read;

impl Plan {
    /// The plan with the secrets in its steps hidden. Never run: only shown and kept.
    #[must_use]
    pub fn shown(&self) -> Self {
        let mut plan = self.clone();
        for step in &mut plan.steps {
            match &mut step.action {
                Action::Sql { sql, .. } | Action::BuildIndex { sql, .. } | Action::Reindex { sql, .. } => hide(sql),
                Action::Together { statements } => statements.iter_mut().for_each(hide),
                Action::Backfill(fill) => hide_value(fill),
                Action::Later { plan, .. } => **plan = plan.shown(),
            }
            step.undo.iter_mut().for_each(hide);
        }
        plan
    }
}

fn hide(sql: &mut String) {
    if read::may_hold_secrets(sql) {
        *sql = read::shown(sql);
    }
}

/// Whether a value is secret is seen by the column it goes to.
fn hide_value(fill: &mut Backfill) {
    // A column set to itself tells nothing, nor do rows that are copied.
    if fill.moves() || fill.copies().is_some() {
        return;
    }
    if let Some(RowWrite::Update { set_sql }) = &mut fill.write {
        let before = "UPDATE t SET ";
        let whole = format!("{before}{set_sql}");
        if read::may_hold_secrets(&whole) {
            // The rows still to do are told apart by the same values.
            fill.pending_sql = "'***'".to_owned();
            read::shown(&whole).strip_prefix(before).unwrap_or("'***'").clone_into(set_sql);
        }
        return;
    }
    let before = format!("UPDATE t SET {} = ", quote::identifier(&fill.column));
    let whole = format!("{before}{}", fill.expression_sql);
    if read::may_hold_secrets(&whole) {
        let shown = read::shown(&whole);
        fill.expression_sql = shown.strip_prefix(&before).unwrap_or("'***'").to_owned();
    }
}

#[cfg(test)]
mod tests {
    use crate::kernel::plan::as_is;
    use crate::kernel::plan::{Action, Backfill, Mode, Step};
    use crate::kernel::sql::statement::{LockMode, RelationName};

    fn step(action: Action) -> String {
        let mut plan = as_is::plan("select 1", "SELECT".to_owned(), None, (Mode::AsIs, LockMode::AccessShare));
        plan.steps = vec![Step { action, ..plan.steps.remove(0) }];
        serde_json::to_string(&plan.shown()).expect("serialises")
    }

    #[test]
    fn secrets_are_hidden_in_every_kind_of_step() {
        for sql in [
            "create role bob password 'hunter2'",
            "alter user mapping for bob server s options (set password 'hunter2')",
        ] {
            let shown = step(Action::Sql { sql: sql.to_owned(), mode: Mode::Brief });
            assert!(!shown.contains("hunter2") && shown.contains("***"), "{shown}");
        }
        let fill = Backfill {
            relation: RelationName { schema: None, name: "t".to_owned() },
            column: "password".to_owned(),
            expression_sql: "crypt('hunter2', gen_salt('bf'))".to_owned(),
            pending_sql: "password IS NULL".to_owned(),
            rows_estimate: 1,
            write: None,
        };
        let shown = step(Action::Backfill(fill));
        assert!(!shown.contains("hunter2") && shown.contains("crypt("), "{shown}");
    }

    #[test]
    fn what_is_not_secret_stays() {
        let shown = step(Action::Sql { sql: "drop table \"Keys\"".to_owned(), mode: Mode::Brief });
        assert!(shown.contains("drop table \\\"Keys\\\""), "{shown}");
    }
}
