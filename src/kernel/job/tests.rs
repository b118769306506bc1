#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use std::collections::BTreeMap;

use super::*;
use crate::kernel::plan::as_is;
use crate::kernel::plan::throttle::Signal;
use crate::kernel::plan::{Mode, Step};
use crate::kernel::sql::statement::{LockMode, RelationName};

fn ordered(id: i64, oids: &[u32]) -> Job {
    let plan = as_is::plan("select 1", "SELECT".to_owned(), None, (Mode::AsIs, LockMode::AccessShare));
    let made = Order {
        target: "t".to_owned(),
        database: "d".to_owned(),
        tables: oids.iter().map(|oid| Table { oid: *oid, name: format!("public.t{oid}") }).collect(),
        requester: "alice".to_owned(),
        role: None,
        settings: Vec::new(),
        application: String::new(),
        shown: "select 1".to_owned(),
        plan,
        sameness: None,
        ticket: None,
        undo_of: None,
        after: None,
        later: None,
    };
    order(JobId(id), made, Door::Session, Instant(0)).0
}

fn after(job: Job, commands: &[Command]) -> Result<Job, Rejection> {
    commands.iter().try_fold(job, |job, command| {
        let event = decide(&job, command.clone(), Door::Local, Instant(1_000_000))?;
        Ok(evolve(job, &event))
    })
}

fn by() -> String {
    "bob".to_owned()
}

fn all() -> Vec<Command> {
    vec![
        Command::Start,
        Command::Pause { by: by() },
        Command::Resume { by: by() },
        Command::Abort { by: by(), reason: None },
        Command::SetRate { by: by(), rate: Rate { batch_ms: Some(10), ..Rate::default() } },
        Command::Lose { why: "gone".to_owned() },
        Command::Finish { ms: 1, rows: 2 },
        Command::Fail { code: "XX000".to_owned(), message: "m".to_owned() },
        Command::Stopped { left: "nothing".to_owned() },
        Command::Undone { by: JobId(9) },
        Command::Recover,
        Command::Release,
        Command::Vanish,
    ]
}

fn following(id: i64, oids: &[u32]) -> Job {
    let made = Order { after: Some(After { xid: "747".to_owned(), head: 1 }), ..ordered(id, oids).order };
    order(JobId(id), made, Door::Session, Instant(0)).0
}

#[test]
fn what_follows_a_transaction_begins_when_that_is_committed_and_not_otherwise() {
    let counts = |job: &Job| -> Vec<&str> {
        all().into_iter().map(|one| if after(job.clone(), &[one]).is_ok() { "y" } else { "n" }).collect()
    };
    let job = following(1, &[1]);
    assert_eq!((job.state.name(), counts(&job).join(" ").as_str()), (StateName::Deferred, "n n n y y y n y n n n y y"));
    let lose = Command::Lose { why: "gone".to_owned() };
    let fail = Command::Fail { code: "28000".to_owned(), message: "no login".to_owned() };
    let resume = Command::Resume { by: by() };
    // Whatever happens before, it is not taken up.
    for way in [vec![], vec![lose.clone()], vec![fail.clone(), resume.clone()]] {
        let job = after(job.clone(), &way).unwrap();
        assert_eq!(job.state, State::Deferred, "{way:?}");
        assert!(after(job.clone(), &[Command::Start]).is_err());
        let dropped = after(job.clone(), &[Command::Vanish]).unwrap();
        assert!(matches!(&dropped.state, State::Aborted { by, .. } if by == "ROLLBACK"));
        let released = after(job, &[Command::Release]).unwrap();
        assert_eq!((released.state.name(), released.retry.is_none()), (StateName::Queued, true));
        let again = after(released, &[Command::Start, fail.clone(), resume.clone()]).unwrap();
        assert_eq!(again.state, State::Queued);
    }
}

#[test]
fn nobody_waits_for_a_transaction_of_somebody_else() {
    let (open, other) = (following(1, &[7]), ordered(2, &[7]));
    assert_eq!(behind(&other, &[open.clone(), other.clone()]), None);
    let begun = after(other.clone(), &[Command::Start]).unwrap();
    let released = after(open, &[Command::Release]).unwrap();
    assert_eq!(behind(&released, &[released.clone(), begun]).map(|job| job.id), Some(JobId(2)));
    assert_eq!(behind(&released, &[released.clone(), other.clone()]), None);
    assert_eq!(behind(&other, &[released, other.clone()]).map(|job| job.id), Some(JobId(1)));
}

/// Every way to a state, and which commands count there.
#[test]
fn each_command_counts_where_it_should() {
    use StateName as S;
    let one = std::slice::from_ref;
    let start = Command::Start;
    let abort = Command::Abort { by: by(), reason: None };
    let pause = Command::Pause { by: by() };
    let lose = Command::Lose { why: "gone".to_owned() };
    let finish = Command::Finish { ms: 1, rows: 2 };
    let fail = Command::Fail { code: "XX000".to_owned(), message: "m".to_owned() };
    let ways: [(&[Command], S, &str); 12] = [
        (&[], S::Queued, "y y n y y y n y n n n n n"),
        (one(&start), S::Running, "n y n y y y y y n n y n n"),
        (one(&pause), S::Paused, "n n y y y y n y n n n n n"),
        (&[start.clone(), pause.clone()], S::Paused, "n n y y y y y y n n n n n"),
        (&[start.clone(), lose.clone()], S::Waiting, "y y y y y y y y n n n n n"),
        (&[start.clone(), abort.clone()], S::Stopping, "n n n n y y y y y n n n n"),
        (&[start.clone(), abort.clone(), lose.clone()], S::Stopping, "n n n n y y y y y n n n n"),
        (&[start.clone(), finish.clone()], S::Done, "n n n n n n n n n y n n n"),
        (&[start.clone(), fail], S::Failed, "n n y n n n n n n y n n n"),
        (one(&abort), S::Aborted, "n n n n n n n n n n n n n"),
        (&[start.clone(), finish, Command::Undone { by: JobId(2) }], S::Undone, "n n n n n n n n n n n n n"),
        (&[start.clone(), pause.clone(), lose], S::Paused, "n n y y y y y y n n n n n"),
    ];
    for (way, state, allowed) in ways {
        let job = after(ordered(1, &[1]), way).unwrap();
        assert_eq!(job.state.name(), state, "{way:?}");
        assert_eq!(usize::try_from(job.version).unwrap(), way.len() + 1);
        let counts: Vec<&str> =
            all().into_iter().map(|command| if after(job.clone(), &[command]).is_ok() { "y" } else { "n" }).collect();
        assert_eq!(counts.join(" "), allowed, "in {state:?} by {way:?}");
    }
}

#[test]
fn what_had_not_begun_is_aborted_at_once_and_what_had_is_taken_back_first() {
    let abort = Command::Abort { by: by(), reason: None };
    assert_eq!(after(ordered(1, &[]), std::slice::from_ref(&abort)).unwrap().state.name(), StateName::Aborted);
    let stopped = Command::Stopped { left: "Nothing.".to_owned() };
    let job = after(ordered(1, &[]), &[Command::Start, abort, stopped]).unwrap();
    assert!(matches!(job.state, State::Aborted { by, .. } if by == "bob"));
}

#[test]
fn what_its_transaction_has_made_is_told_when_it_is_aborted_before_it_began() {
    let abort = Command::Abort { by: by(), reason: None };
    let step = |name: &str, sql: &str| Step::brief(name, sql.to_owned(), LockMode::AccessExclusive);
    let mut job = following(1, &[1]);
    job.order.plan.steps = vec![
        step("expand", "ALTER TABLE t ADD CONSTRAINT c CHECK (b > 0) NOT VALID")
            .undone_by("ALTER TABLE t DROP CONSTRAINT IF EXISTS c".to_owned()),
        step("validate", "ALTER TABLE t VALIDATE CONSTRAINT c"),
    ];
    let left = |job: Job, way: &[Command]| match after(job, way).unwrap().state {
        State::Aborted { left, .. } => left,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        left(job.clone(), std::slice::from_ref(&abort)),
        "It had not begun. What its transaction has done before it stays, if that is committed: \
         ALTER TABLE t ADD CONSTRAINT c CHECK (b > 0) NOT VALID. To take that away then, run: \
         ALTER TABLE t DROP CONSTRAINT IF EXISTS c; To finish it then instead, run: ALTER TABLE t VALIDATE CONSTRAINT c;"
    );
    let released = left(job.clone(), &[Command::Release, abort.clone()]);
    assert!(released.contains(" stays: ALTER TABLE ") && released.contains("take that away, run: "), "{released}");
    job.order.after = Some(After { xid: "747".to_owned(), head: 0 });
    assert_eq!(left(job, &[Command::Release, abort]), "It had not begun: nothing was changed.");
}

#[test]
fn an_approval_is_good_for_one_try_that_gets_its_locks() {
    let mut job = ordered(1, &[]);
    job.order.ticket = Some(TicketId(3));
    let ended = |code: &str| {
        let fail = Command::Fail { code: code.to_owned(), message: "m".to_owned() };
        let failed = after(job.clone(), &[Command::Start, fail]).unwrap();
        (report(&failed, None).unwrap(), after(failed, &[Command::Resume { by: by() }]).map(|job| job.state))
    };
    let (told, resumed) = ended("XX000");
    assert!(matches!(told, super::super::review::Command::Fail { .. }), "{told:?}");
    assert_eq!(resumed, Err(Rejection::Spent));
    for code in ["55P03", "40P01"] {
        let (told, resumed) = ended(code);
        assert!(matches!(told, super::super::review::Command::GiveBack { .. }), "{told:?}");
        assert_eq!(resumed, Ok(State::Queued));
    }
}

#[test]
fn a_lost_connection_is_tried_again_later_and_later() {
    let mut job = after(ordered(1, &[]), &[Command::Start]).unwrap();
    let mut last = 0;
    for _ in 0..12 {
        job = after(job, &[Command::Lose { why: "gone".to_owned() }]).unwrap();
        let pause = job.retry.as_ref().unwrap().at.ms_since(Instant(1_000_000));
        assert!(pause >= last && pause <= RETRY_MAX_MS);
        last = pause;
    }
    assert_eq!(last, RETRY_MAX_MS);
    assert!(!is_due(&job, Instant(1_000_000)));
    assert!(is_due(&job, Instant(1_000_000).plus_ms(RETRY_MAX_MS)));
    let job = after(job, &[Command::Start]).unwrap();
    assert_eq!(job.retry, None);
}

#[test]
fn of_two_jobs_on_a_table_the_later_waits() {
    let jobs = [ordered(1, &[7, 8]), ordered(2, &[9]), ordered(3, &[8])];
    assert_eq!(behind(&jobs[2], &jobs).map(|job| job.id), Some(JobId(1)));
    assert_eq!(behind(&jobs[1], &jobs), None);
    assert_eq!(behind(&jobs[0], &jobs), None);
    let over = after(jobs[0].clone(), &[Command::Abort { by: by(), reason: None }]).unwrap();
    assert_eq!(behind(&jobs[2], &[over]), None);
    let mut elsewhere = jobs[0].clone();
    elsewhere.order.database = "other".to_owned();
    assert_eq!(behind(&jobs[2], &[elsewhere]), None);
}

#[test]
fn what_a_step_locks_too_is_waited_for() {
    let name = |table: &str| RelationName { schema: Some("public".to_owned()), name: table.to_owned() };
    let mut jobs = [ordered(1, &[7]), ordered(2, &[8]), ordered(3, &[9])];
    jobs[0].order.plan.steps[0].also = vec![name("t8")];
    jobs[2].order.plan.steps[0].on = Some(name("t7"));
    assert_eq!(behind(&jobs[1], &jobs).map(|job| job.id), Some(JobId(1)));
    assert_eq!(jobs[1].order.shared_with(&jobs[0].order), "public.t8");
    assert_eq!(behind(&jobs[2], &jobs).map(|job| job.id), Some(JobId(1)));
    // What was replaced by another table has its name still.
    let mut anew = ordered(4, &[10]);
    anew.order.tables[0].name = "public.t9".to_owned();
    assert_eq!(behind(&anew, &jobs).map(|job| job.id), Some(JobId(3)));
}

#[test]
fn what_both_only_refer_to_keeps_nobody_waiting() {
    let name = |table: &str| RelationName { schema: Some("public".to_owned()), name: table.to_owned() };
    // Two that refer to table 7, and one on that table.
    let mut jobs = [ordered(1, &[8, 7]), ordered(2, &[9, 7]), ordered(3, &[7])];
    for (job, own) in jobs.iter_mut().zip(["t8", "t9", "t7"]) {
        job.order.plan.relation = Some(name(own));
    }
    assert_eq!(behind(&jobs[1], &jobs), None);
    assert_eq!(behind(&jobs[2], &jobs).map(|job| job.id), Some(JobId(1)));
    jobs[0].order.plan.steps[0].also = vec![name("t7")];
    jobs[1].order.plan.steps[0].also = vec![name("t7")];
    assert_eq!(behind(&jobs[1], &jobs), None);
    // Of which table a plan is may not be told.
    jobs[1].order.plan.relation = None;
    assert_eq!(behind(&jobs[1], &jobs).map(|job| job.id), Some(JobId(1)));
}

#[test]
fn what_was_planned_for_something_else_is_not_resumed() {
    let fail = Command::Fail { code: "LK010".to_owned(), message: "m".to_owned() };
    let resumed = after(ordered(1, &[]), &[Command::Start, fail, Command::Resume { by: by() }]);
    let refused = resumed.unwrap_err();
    assert_eq!(refused, Rejection::Outdated("select 1".to_owned()));
    assert!(refused.to_string().ends_with("filled: select 1"), "{refused}");
}

#[test]
fn rates_are_bounded_and_add_up() {
    let limits = BTreeMap::from([(Signal::ActiveSessions, 3)]);
    let rate = |batch_ms, pause_percent| Rate { batch_ms, pause_percent, limits: limits.clone() };
    let set = |batch_ms, pause_percent| Command::SetRate { by: by(), rate: rate(batch_ms, pause_percent) };
    let job = after(ordered(1, &[]), &[set(Some(5), None), set(None, Some(300))]).unwrap();
    assert_eq!(job.rate, rate(Some(5), Some(300)));
    for bad in [set(Some(0), None), set(Some(10_001), None), set(None, Some(10_001))] {
        assert_eq!(after(job.clone(), &[bad]), Err(Rejection::Rate));
    }
}

#[test]
fn jobs_and_events_survive_their_stored_form() {
    let job = after(ordered(1, &[1]), &[Command::Start, Command::Lose { why: "gone".to_owned() }]).unwrap();
    let text = serde_json::to_string(&job).unwrap();
    assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job);
    for command in all() {
        if let Ok(event) = decide(&job, command, Door::Gateway, Instant(5)) {
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
        }
    }
}
