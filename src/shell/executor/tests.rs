//! The executor on a server that is a script: what real servers do rarely, and what takes minutes.

mod left;
mod outside;

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::{Control, Entry, Ledger, Limits, Outcome, Past, Progress, Written, error, go_on, run};
use crate::kernel::plan::{Action, Mode, Plan, Step};
use crate::kernel::sql::statement::LockMode;
use crate::shell::database::{Database, DatabaseError, Done, Row, TransactionStatus};

/// Answers by the first rule whose text the statement contains; everything else succeeds.
#[derive(Default)]
struct Script {
    /// Text, and the answers to give in turn; the last one stays.
    rules: Vec<(&'static str, VecDeque<Result<&'static str, &'static str>>)>,
    log: Vec<(Instant, String)>,
    in_block: bool,
}

impl Script {
    fn on(mut self, text: &'static str, answers: &[Result<&'static str, &'static str>]) -> Self {
        self.rules.push((text, answers.iter().copied().collect()));
        self
    }

    fn answer(&mut self, sql: &str) -> Result<&'static str, DatabaseError> {
        self.log.push((Instant::now(), sql.to_owned()));
        match sql.split(' ').next() {
            Some("BEGIN") => self.in_block = true,
            Some("COMMIT" | "ROLLBACK") => self.in_block = false,
            Some(_) | None => {}
        }
        let Some((_, answers)) = self.rules.iter_mut().find(|(text, _)| sql.contains(text)) else { return Ok("") };
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() };
        answer.unwrap_or(Ok("")).map_err(|code| match code {
            "lost" => DatabaseError::Lost("by the script".to_owned()),
            code => error(code, "by the script"),
        })
    }

    fn count(&self, text: &str) -> usize {
        self.log.iter().filter(|(_, sql)| sql.contains(text)).count()
    }
}

impl Database for Script {
    async fn execute(&mut self, sql: &str) -> Result<Done, DatabaseError> {
        self.answer(sql).map(|tag| Done { tag: tag.to_owned(), notices: Vec::new() })
    }

    async fn query(&mut self, sql: &str, _parameters: &[Option<&str>]) -> Result<Vec<Row>, DatabaseError> {
        let text = self.answer(sql)?;
        let row = |line: &str| line.split('|').map(|value| Some(value.to_owned())).collect();
        Ok(text.lines().map(row).collect())
    }

    fn transaction_status(&self) -> TransactionStatus {
        if self.in_block { TransactionStatus::Block } else { TransactionStatus::Idle }
    }
}

const SETTINGS: &str = "lock_timeout|7000\nstatement_timeout|90000\ndeadlock_timeout|1000";

fn step(name: &str, sql: &str, mode: Mode) -> Step {
    Step {
        name: name.to_owned(),
        action: Action::Sql { sql: sql.to_owned(), mode },
        lock: LockMode::AccessExclusive,
        scans: false,
        probe: None,
        past: None,
        undo: Vec::new(),
        reworded: None,
        heard: false,
        ahead: Vec::new(),
        stands_for: Vec::new(),
        stands_in: None,
        expects: Vec::new(),
        also: Vec::new(),
        loses: Vec::new(),
        estimate: None,
        on: None,
    }
}

fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        recipe: "test".to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: String::new(),
        relation: None,
        steps,
        undo_loses: None,
        verify: Vec::new(),
    }
}

async fn go(db: &mut Script, steps: Vec<Step>) -> Outcome {
    run(db, (&plan(steps), &Past::default()), &Limits::default(), &Control::default(), &mut |_: Progress| {}).await
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_tried_for_the_budget_and_no_longer() {
    let mut db = Script::default().on("pg_settings", &[Ok(SETTINGS)]).on("ALTER", &[Err("55P03")]);
    let started = Instant::now();
    let Outcome::Failed(_, stopped) = go(&mut db, vec![step("run", "ALTER 1", Mode::Brief)]).await else { panic!() };
    assert_eq!(stopped.error.code(), Some("55P03"));
    assert!((600..606).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    let tries: Vec<Instant> = db.log.iter().filter(|(_, sql)| sql == "ALTER 1").map(|(at, _)| *at).collect();
    assert!((115..220).contains(&tries.len()), "{} tries", tries.len());
    assert!(tries.windows(2).all(|pair| pair[1] - pair[0] <= Duration::from_secs(5)));
    assert!(tries[1] - tries[0] >= Duration::from_millis(99));
    assert!(!db.in_block, "no transaction is left open");
}

#[tokio::test(start_paused = true)]
async fn our_lock_timeout_is_short_and_below_the_deadlock_timeout() {
    for (settings, want) in [
        (SETTINGS, "'lock_timeout', '50'"),
        ("lock_timeout|20\ndeadlock_timeout|1000", "'lock_timeout', '20'"),
        ("lock_timeout|0\ndeadlock_timeout|10", "'lock_timeout', '9'"),
        ("lock_timeout|0\ndeadlock_timeout|1", "'lock_timeout', '50'"),
    ] {
        let mut db = Script::default().on("pg_settings", &[Ok(settings)]);
        assert!(matches!(go(&mut db, vec![step("run", "ALTER 1", Mode::Brief)]).await, Outcome::Done(_)));
        assert_eq!(db.count(want), 1, "{want}: {:?}", db.log);
    }
}

#[tokio::test(start_paused = true)]
async fn the_sessions_timeouts_come_back_on_every_way_out() {
    for failure in ["23505", "57014", "40P01", "XX000"] {
        let mut db = Script::default()
            .on("pg_settings", &[Ok(SETTINGS)])
            .on("DROP INDEX", &[Err(failure)])
            // A cancel that comes late hits the first attempt to put them back.
            .on("'lock_timeout', '7000'", &[Err("57014"), Ok("")]);
        let outcome = go(&mut db, vec![step("run", "DROP INDEX CONCURRENTLY i", Mode::NoTransaction)]).await;
        assert!(matches!(outcome, Outcome::Failed(..)), "{outcome:?}");
        let last = &db.log.iter().rev().find(|(_, sql)| sql.contains("lock_timeout")).unwrap().1;
        assert!(last.contains("'lock_timeout', '7000', false"), "{last}");
        assert!(last.contains("'statement_timeout', '90000', false"), "{last}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_takes_back_what_this_run_did_and_nothing_else() {
    let undone = |name: &str, probe: Option<&str>| Step {
        probe: probe.map(str::to_owned),
        past: None,
        undo: vec![format!("ALTER undo {name}")],
        reworded: None,
        heard: false,
        ahead: Vec::new(),
        stands_for: Vec::new(),
        stands_in: None,
        expects: Vec::new(),
        also: Vec::new(),
        loses: Vec::new(),
        estimate: None,
        on: None,
        ..step(name, &format!("ALTER do {name}"), Mode::Brief)
    };
    let steps = vec![
        undone("earlier", Some("SELECT is earlier")),
        undone("one", None),
        undone("two", None),
        step("bad", "ALTER bad", Mode::Scan),
    ];
    for (failure, undos) in [("23514", 2), ("55P03", 0), ("lost", 0)] {
        let mut db = Script::default()
            .on("pg_settings", &[Ok(SETTINGS)])
            .on("is earlier", &[Ok("t")])
            .on("ALTER bad", &[Err(failure)])
            .on("ALTER undo two", &[Err("55P03"), Ok("")]);
        let outcome = go(&mut db, steps.clone()).await;
        let (Outcome::Failed(_, stopped) | Outcome::Unknown(_, stopped)) = outcome else { panic!() };
        assert_eq!(stopped.name, "bad");
        assert_eq!(db.count("ALTER undo earlier"), 0);
        let order: Vec<&str> = db.log.iter().map(|(_, sql)| sql.as_str()).filter(|sql| sql.contains("undo")).collect();
        if undos == 2 {
            assert_eq!(order, ["ALTER undo two", "ALTER undo two", "ALTER undo one"]);
        } else {
            assert!(order.is_empty(), "{order:?}");
            assert!(stopped.way_on.contains("run the same statement again"), "{stopped:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_wakes_the_back_off_at_once() {
    let control = Control::default();
    let canceller = tokio::spawn({
        let control = control.clone();
        async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            control.cancel();
        }
    });
    let mut db = Script::default().on("pg_settings", &[Ok(SETTINGS)]).on("ALTER", &[Err("55P03")]);
    let started = Instant::now();
    let steps = plan(vec![step("run", "ALTER 1", Mode::Brief)]);
    let outcome = run(&mut db, (&steps, &Past::default()), &Limits::default(), &control, &mut |_: Progress| {}).await;
    let Outcome::Cancelled(_, stopped) = outcome else { panic!("{outcome:?}") };
    assert_eq!(stopped.error.code(), Some("57014"));
    assert_eq!(started.elapsed().as_secs(), 60);
    canceller.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_shuts_down_leaves_the_outcome_unknown() {
    let mut db = Script::default().on("pg_settings", &[Ok(SETTINGS)]).on("ALTER", &[Err("57P01")]);
    let outcome = go(&mut db, vec![step("run", "ALTER 1", Mode::Brief)]).await;
    assert!(matches!(outcome, Outcome::Unknown(..)), "{outcome:?}");
}

/// A ledger on paper.
#[derive(Default)]
struct Paper(Vec<String>);

impl Ledger for Paper {
    fn write<'a>(&'a mut self, step: usize, entry: Entry<'a>) -> Written<'a> {
        self.0.push(format!("{step} {entry:?}"));
        Box::pin(async { Ok(()) })
    }
}

async fn kept(db: &mut Script, plan: &Plan, past: &Past, control: &Control) -> (Outcome, Vec<String>) {
    let mut paper = Paper::default();
    let limits = Limits::default();
    let outcome = go_on((db, None), (plan, &limits), control, &mut |_| {}, (past, &mut paper)).await;
    (outcome, paper.0)
}

/// Two jobs on one table wait for each other, and the first puts another table in its place.
#[tokio::test(start_paused = true)]
async fn what_was_replaced_before_it_began_is_not_taken_for_done() {
    let past = || Some("SELECT 'replaced'".to_owned());
    let first = Step { past: past(), ..step("make the copy", "CREATE 1", Mode::Brief) };
    let cut = Step { probe: past(), ..step("cut over", "DROP 1", Mode::Brief) };
    let plan = Plan { recipe: "copy-table".to_owned(), ..plan(vec![first, cut]) };
    for (begun, is_done) in [(None, false), (Some(0), true)] {
        let mut db = Script::default().on("pg_settings", &[Ok(SETTINGS)]).on("'replaced'", &[Ok("t")]);
        let past = Past { begun: begun.into_iter().collect(), ..Past::default() };
        let (outcome, _) = kept(&mut db, &plan, &past, &Control::default()).await;
        assert_eq!(matches!(outcome, Outcome::Done(_)), is_done, "{begun:?}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_without_a_probe_is_written_down_with_its_transaction_before_it_runs() {
    let mut db = Script::default()
        .on("pg_settings", &[Ok(SETTINGS)])
        .on("pg_current_xact_id", &[Ok("77"), Ok("78")])
        .on("UPDATE", &[Err("55P03"), Ok("UPDATE 1")]);
    let plan = plan(vec![step("as it is", "UPDATE t SET a = a + 1", Mode::AsIs)]);
    let (outcome, paper) = kept(&mut db, &plan, &Past::default(), &Control::default()).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    assert_eq!(paper, ["0 Begins", "0 Transaction(\"77\")", "0 Transaction(\"78\")", "0 Done"]);
    let order: Vec<&str> =
        db.log.iter().map(|(_, sql)| sql.as_str()).filter(|sql| !sql.contains("set_config")).collect();
    let first = order.iter().position(|sql| sql.contains("pg_current_xact_id")).expect("asked");
    assert!(order[first - 1].starts_with("BEGIN") && order[first + 1].starts_with("UPDATE"), "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_did_is_not_done_again_and_is_taken_back_when_stopped() {
    let done = || Script::default().on("pg_settings", &[Ok(SETTINGS)]).on("SELECT done", &[Ok("t")]);
    let first = step("first", "ALTER TABLE t ADD a int", Mode::Brief);
    let first = Step { probe: Some("SELECT done".to_owned()), undo: vec!["ALTER TABLE t DROP a".to_owned()], ..first };
    let plan = plan(vec![first, step("second", "UPDATE t SET a = 1", Mode::AsIs)]);
    let past = Past { done: [1].into(), begun: [0, 1].into(), ..Past::default() };
    let mut db = done();
    let (outcome, paper) = kept(&mut db, &plan, &past, &Control::default()).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    assert_eq!(paper, ["0 Skipped", "1 Skipped"]);
    assert_eq!(db.count("ADD a") + db.count("UPDATE"), 0);
    // Stopped before it began: what the earlier run did is this one's to take back.
    let control = Control::default();
    control.cancel();
    let mut db = done();
    let (outcome, _) = kept(&mut db, &plan, &past, &control).await;
    assert!(matches!(outcome, Outcome::Cancelled(..)), "{outcome:?}");
    assert_eq!((db.count("ADD a"), db.count("DROP a")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_hold_in_the_end_fails_the_plan_by_name() {
    use crate::kernel::plan::verify::{Check, Verified};
    let check = |name: &str, sql: &str, uses: Option<&str>| Check {
        name: name.to_owned(),
        sql: sql.to_owned(),
        past: None,
        uses: uses.map(str::to_owned),
    };
    for (answer, holds) in [("t", true), ("f", false)] {
        let mut db = Script::default()
            .on("pg_settings", &[Ok(SETTINGS)])
            .on("VALID", &[Ok(answer)])
            .on("EXPLAIN 1", &[Ok("Limit\n  ->  Index Only Scan using i on t")])
            .on("EXPLAIN 2", &[Ok("Seq Scan on t")])
            .on("EXPLAIN 3", &[Err("42501")]);
        let mut plan = plan(vec![step("run", "ALTER 1", Mode::Brief)]);
        plan.verify = vec![
            check("index i is valid", "VALID", None),
            check("used", "EXPLAIN 1", Some("i")),
            check("not used", "EXPLAIN 2", Some("i")),
            check("not told", "EXPLAIN 3", Some("i")),
        ];
        let outcome =
            run(&mut db, (&plan, &Past::default()), &Limits::default(), &Control::default(), &mut |_: Progress| {})
                .await;
        let found: Vec<Verified> = outcome.report().checks.iter().map(|one| one.outcome).collect();
        let first = if holds { Verified::Holds } else { Verified::Fails };
        assert_eq!(found, [first, Verified::Holds, Verified::Fails, Verified::Untold]);
        match outcome {
            Outcome::Done(_) => assert!(holds),
            Outcome::Failed(_, stopped) => {
                assert!(!holds);
                assert_eq!(stopped.error.code(), Some("55000"));
                assert!(stopped.error.to_string().contains("index i is valid"), "{}", stopped.error);
            }
            other => panic!("{other:?}"),
        }
        assert!(!db.in_block);
    }
}

/// Two columns that take their places one after the other, and what is brief after them.
fn two_cut_overs() -> Plan {
    let mut steps = Vec::new();
    for name in ["one", "two"] {
        let past = Some(format!("SELECT past {name}"));
        let aside = step("aside", &format!("ALTER aside {name}"), Mode::Brief);
        let probe = Some(format!("SELECT has {name}"));
        steps.push(Step { probe, past: past.clone(), undo: vec![format!("ALTER undo {name}")], ..aside });
        steps.push(Step { probe: past, ..step(&format!("cut {name}"), &format!("ALTER cut {name}"), Mode::Brief) });
    }
    steps.push(step("last", "ALTER last", Mode::Brief));
    plan(steps)
}

/// On a server that answers so, asked to stop as soon as a statement has to be tried again.
async fn stopped(mut db: Script, past: &Past, from_the_start: bool) -> (Outcome, Script) {
    let (control, plan, limits) = (Control::default(), two_cut_overs(), Limits::default());
    if from_the_start {
        control.cancel();
    }
    let asked = control.clone();
    let mut tell = move |told: Progress| {
        if matches!(told, Progress::Retrying { .. }) {
            asked.cancel();
        }
    };
    let outcome = go_on((&mut db, None), (&plan, &limits), &control, &mut tell, (past, &mut Paper::default())).await;
    (outcome, db)
}

#[tokio::test(start_paused = true)]
async fn between_two_cut_overs_the_second_is_taken_back() {
    let begun = Past { begun: [0, 1, 2].into(), ..Past::default() };
    for (past, from_the_start) in [(Past::default(), false), (begun, true)] {
        let db = Script::default()
            .on("pg_settings", &[Ok(SETTINGS)])
            .on("SELECT past one", if from_the_start { &[Ok("t")] } else { &[Ok("f"), Ok("f"), Ok("t")] })
            .on("SELECT past two", &[Ok("f")])
            .on("SELECT has two", &[Ok(if from_the_start { "t" } else { "f" })])
            .on("ALTER cut two", &[Err("55P03")]);
        let (outcome, db) = stopped(db, &past, from_the_start).await;
        let Outcome::Cancelled(_, stopped) = outcome else { panic!("{outcome:?}") };
        let done = ["undo one", "undo two", "last"].map(|text| db.count(text));
        assert_eq!(done, [0, 1, 0], "{stopped:?}");
        assert!(stopped.state.contains("cannot be taken back: cut one"), "{}", stopped.state);
    }
}

#[tokio::test(start_paused = true)]
async fn behind_the_last_cut_over_what_is_brief_is_seen_through() {
    let past = Past { begun: (0..4).collect(), ..Past::default() };
    // The request may hit the brief step itself, once.
    for (from_the_start, answers) in
        [(true, [Err("55P03"), Ok("")].as_slice()), (false, &[Err("55P03"), Err("57014"), Ok("")])]
    {
        let db = Script::default()
            .on("pg_settings", &[Ok(SETTINGS)])
            .on("SELECT past", &[Ok("t")])
            .on("ALTER last", answers);
        let (outcome, db) = stopped(db, &past, from_the_start).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        assert_eq!((db.count("ALTER last"), db.count("undo")), (answers.len(), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reindex_that_was_cut_off_after_its_index_was_in_place_leaves_no_old_one() {
    let action =
        Action::Reindex { sql: "REINDEX INDEX CONCURRENTLY i".to_owned(), leftovers: "SELECT unfinished".to_owned() };
    let step = Step { action, probe: Some("SELECT rebuilt".to_owned()), ..step("rebuild", "", Mode::NoTransaction) };
    let plan = plan(vec![step]);
    let past = Past { begun: [0].into(), ..Past::default() };
    for stopped in [false, true] {
        let control = Control::default();
        if stopped {
            control.cancel();
        }
        let mut db = Script::default()
            .on("pg_settings", &[Ok(SETTINGS)])
            .on("SELECT rebuilt", &[Ok("t")])
            .on("SELECT unfinished", &[Ok("i_ccold"), Ok("")]);
        let (outcome, _) = kept(&mut db, &plan, &past, &control).await;
        assert_eq!(matches!(outcome, Outcome::Done(_)), !stopped, "{outcome:?}");
        let count = (db.count("REINDEX"), db.count("DROP INDEX CONCURRENTLY IF EXISTS i_ccold"));
        assert_eq!(count, (0, 1), "{stopped}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_index_of_toast_that_its_owner_may_not_drop_is_named() {
    use crate::kernel::plan::verify::Verified;
    let action =
        Action::Reindex { sql: "REINDEX TABLE CONCURRENTLY t".to_owned(), leftovers: "SELECT unfinished".to_owned() };
    let step = Step { action, ..step("rebuild", "", Mode::NoTransaction) };
    let mut db = Script::default()
        .on("pg_settings", &[Ok(SETTINGS)])
        .on("SELECT unfinished", &[Ok("pg_toast.x_ccnew")])
        .on("DROP INDEX", &[Err("42501")]);
    let Outcome::Done(report) = go(&mut db, vec![step]).await else { panic!("the indexes are rebuilt") };
    let told = report.checks.last().expect("a check");
    assert_eq!(told.outcome, Verified::Fails);
    let why =
        "this role may not drop it; to do that, run as a superuser: DROP INDEX CONCURRENTLY IF EXISTS pg_toast.x_ccnew";
    assert_eq!(told.why.as_deref(), Some(why));
}
