//! What a client is told about a plan: before it runs, while it runs, and when it is done.

use std::borrow::Cow;

use crate::kernel::plan::queue::in_the_way;
use crate::kernel::plan::{Action, Plan, Step};
use crate::kernel::wire::reply::Reply;
use crate::shell::executor::{Progress, Report};

/// Instead of the server's words about a statement with a secret, which may repeat it.
pub(super) const SECRET: &str = "its statement holds a secret, so the server's words are not kept";

/// What was done, in a line.
pub(super) fn summary(plan: &Plan, report: &Report) -> String {
    let total: u64 = report.steps.iter().map(|step| step.ms).sum();
    let steps: Vec<String> = report
        .steps
        .iter()
        .map(|step| {
            if step.already_done {
                format!("{} (done before)", step.name)
            } else {
                format!("{} {} ms", step.name, step.ms)
            }
        })
        .collect();
    let rows = if report.rows > 0 { format!(", {}", plan.rows_done(&report.rows.to_string())) } else { String::new() };
    format!("done in {total} ms{rows}: {}", steps.join(", "))
}

/// Bytes of one statement that a notice shows, and characters of a longer one: the ticket, the job and the record have all of it.
const SHOWN_MAX: usize = 600;
const SHOWN_OF_LONGER: usize = 200;

fn sql_of(action: &Action) -> String {
    match action {
        Action::Together { statements } => {
            let shown: Vec<_> = statements.iter().map(|statement| shortened(statement)).collect();
            format!("BEGIN; {}; COMMIT", shown.join("; "))
        }
        Action::Backfill(_) => format!("{} in batches", action.sql()),
        Action::Sql { .. } | Action::BuildIndex { .. } | Action::Reindex { .. } | Action::Later { .. } => {
            action.sql().into_owned()
        }
    }
}

/// What guards a step may fill a page, and nobody waits for it at a prompt.
fn shortened(statement: &str) -> Cow<'_, str> {
    if statement.len() <= SHOWN_MAX {
        return statement.into();
    }
    let shown: String = statement.chars().take(SHOWN_OF_LONGER).collect();
    format!("{shown}… ({} bytes in all)", statement.len()).into()
}

/// The steps of a plan, one a line.
pub(super) fn steps(plan: &Plan) -> String {
    lines(&plan.shown()).join("\n")
}

/// The steps of a plan that is split: what runs now, and what after COMMIT.
pub(super) fn split(plan: &Plan, head: usize) -> String {
    let mut lines = lines(&plan.shown());
    let later = lines.split_off(head.min(lines.len())).join("\n");
    let now = if lines.is_empty() { "Nothing runs in this transaction.".to_owned() } else { lines.join("\n") };
    format!("{now}\nAfter COMMIT:\n{later}")
}

fn lines(plan: &Plan) -> Vec<String> {
    let line = |(at, step): (usize, &Step)| {
        let takes = step.estimate.map(|estimate| format!(" ({estimate})")).unwrap_or_default();
        format!("{}. {}{takes}: {}", at + 1, step.name, sql_of(&step.action))
    };
    plan.steps.iter().enumerate().map(line).collect()
}

/// Progress as a notice, where it is worth one.
pub(super) fn progress(progress: &Progress, out: &mut bytes::BytesMut) {
    let text = match progress {
        // The summary at the end has them all.
        Progress::StepStarted { .. }
        | Progress::StepDone { .. }
        | Progress::AlreadyDone { .. }
        | Progress::Walked(_)
        | Progress::GoesOn => return,
        Progress::Retrying { attempt, wait_ms, queue } => {
            let who = in_the_way(&queue.holders);
            let when = match wait_ms {
                Some(ms) => format!(" (try {attempt}, next in {ms} ms)"),
                None => ", and trying when it is free".to_owned(),
            };
            format!("waiting for a lock without blocking others{when}: held by {who}")
        }
        Progress::Backfill { done, estimate, rows_per_second, left } => {
            let left = left.map(|left| format!(", about {} s left", left.as_secs())).unwrap_or_default();
            format!(
                "filling: {done} of about {estimate} rows ({}%), {rows_per_second} rows/s{left}",
                percent(*done, *estimate)
            )
        }
        Progress::Throttled { why } => format!("holding back: {why}"),
        Progress::WaitingForSnapshots { queue } => {
            format!("waiting until these transactions end: {}", in_the_way(&queue.holders))
        }
        Progress::EndedIdle { blocker } => {
            format!("ended a session that idled in its transaction in the way: {blocker}")
        }
        Progress::Note(text) => text.clone(),
    };
    Reply::notice(text).put(out);
}

fn percent(done: u64, of: u64) -> u64 {
    done.saturating_mul(100).checked_div(of).unwrap_or(100).min(100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::plan::{Backfill, Mode, RowWrite, as_is};
    use crate::kernel::sql::statement::{LockMode, RelationName};

    #[test]
    fn rows_are_told_by_what_became_of_them() {
        for (write, expected) in [
            (None, "done in 0 ms, 9 rows filled: "),
            (Some(RowWrite::Delete), "done in 0 ms, 9 rows deleted: "),
            (Some(RowWrite::Update { set_sql: "a = 1".to_owned() }), "done in 0 ms, 9 rows updated: "),
        ] {
            let mut plan = as_is::plan("select 1", "DELETE".to_owned(), None, (Mode::AsIs, LockMode::RowExclusive));
            let fill = Backfill {
                relation: RelationName { schema: None, name: "t".to_owned() },
                column: String::new(),
                expression_sql: String::new(),
                pending_sql: "true".to_owned(),
                rows_estimate: 1,
                write,
            };
            plan.steps = vec![Step { action: Action::Backfill(fill), ..plan.steps.remove(0) }];
            assert_eq!(summary(&plan, &Report { rows: 9, ..Report::default() }), expected);
        }
    }

    #[test]
    fn a_long_statement_is_shown_by_its_beginning() {
        let statements = vec!["LOCK TABLE a".to_owned(), format!("DO '{}'", "ä".repeat(400))];
        let shown = sql_of(&Action::Together { statements });
        assert!(shown.starts_with("BEGIN; LOCK TABLE a; DO 'ää"), "{shown}");
        assert!(shown.ends_with("ä… (805 bytes in all); COMMIT") && shown.len() < 500, "{shown}");
    }
}
