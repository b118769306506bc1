//! A plan as people and records may see it: what is secret in its statements is hidden.

use super::verify::Check;
use super::{Action, Backfill, Mode, Plan, RowWrite, Step, quote};
use crate::kernel::sql::read::{self, HIDDEN};

impl Plan {
    /// The plan with the secrets in its steps hidden. Never run: only shown and kept.
    #[must_use]
    pub fn shown(&self) -> Self {
        let mut plan = self.clone();
        let mut told = true;
        for (step, open) in plan.steps.iter_mut().zip(&self.steps) {
            match &mut step.action {
                Action::Sql { sql, .. } | Action::BuildIndex { sql, .. } | Action::Reindex { sql, .. } => hide(sql),
                Action::Together { statements } => statements.iter_mut().for_each(hide),
                Action::Backfill(fill) => hide_value(fill),
                Action::Later { plan, .. } => **plan = plan.shown(),
            }
            step.undo.iter_mut().for_each(hide);
            told &= open.action == step.action;
        }
        if !told {
            plan.questions().for_each(|sql| HIDDEN.clone_into(sql));
        }
        plan
    }

    /// The plan of a statement that is shown as `shown`, for nobody but the session knows what is secret in it.
    #[must_use]
    pub fn shown_as(&self, shown: &str) -> Self {
        let mut plan = self.shown();
        for step in &mut plan.steps {
            step.action = Action::Sql { sql: shown.to_owned(), mode: Mode::AsIs };
            step.undo.clear();
        }
        plan.questions().for_each(|sql| HIDDEN.clone_into(sql));
        plan
    }

    /// What it asks the server about what it does, in which the same values stand.
    fn questions(&mut self) -> impl Iterator<Item = &mut String> {
        self.steps.iter_mut().flat_map(of_step).chain(self.verify.iter_mut().flat_map(of_check))
    }
}

fn of_step(step: &mut Step) -> impl Iterator<Item = &mut String> {
    let Step { probe, past, ahead, expects, .. } = step;
    probe.iter_mut().chain(past).chain(ahead).chain(expects.iter_mut().flat_map(of_check))
}

fn of_check(check: &mut Check) -> impl Iterator<Item = &mut String> {
    std::iter::once(&mut check.sql).chain(&mut check.past)
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
        let shown = read::shown_behind("UPDATE t SET ", set_sql);
        if shown != *set_sql {
            // The rows still to do are told apart by the same values.
            HIDDEN.clone_into(&mut fill.pending_sql);
            *set_sql = shown;
        }
        return;
    }
    fill.expression_sql = shown_of(&fill.column, &fill.expression_sql);
}

/// What a column is given, with what is secret in it hidden.
#[must_use]
pub fn shown_of(column: &str, value: &str) -> String {
    read::shown_behind(&format!("UPDATE t SET {} = ", quote::identifier(column)), value)
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
    fn what_asks_about_a_secret_is_hidden_with_it() {
        let mut plan = as_is::plan(
            "update t set password = 'hunter2'",
            "UPDATE".into(),
            None,
            (Mode::AsIs, LockMode::RowExclusive),
        );
        plan.steps[0].probe = Some("SELECT NOT EXISTS (SELECT FROM t WHERE password <> 'hunter2')".to_owned());
        assert!(!serde_json::to_string(&plan.shown()).expect("serialises").contains("hunter2"));
        plan.steps[0].action = Action::Sql { sql: "execute a('hunter2')".to_owned(), mode: Mode::AsIs };
        let shown = serde_json::to_string(&plan.shown_as("<EXECUTE>")).expect("serialises");
        assert!(!shown.contains("hunter2") && shown.contains("<EXECUTE>"), "{shown}");
    }

    #[test]
    fn what_is_not_secret_stays() {
        let shown = step(Action::Sql { sql: "drop table \"Keys\"".to_owned(), mode: Mode::Brief });
        assert!(shown.contains("drop table \\\"Keys\\\""), "{shown}");
    }
}
