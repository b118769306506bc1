//! Statements that refuse a transaction block.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_refuses_a_transaction_says_that_its_outcome_cannot_be_told() {
    let mut db = Script::default().on("pg_settings", &[Ok(SETTINGS)]).on("VACUUM", &[Err("25001"), Ok("VACUUM")]);
    let plan = plan(vec![step("as it is", "VACUUM FULL t", Mode::AsIs)]);
    let (outcome, paper) = kept(&mut db, &plan, &Past::default(), &Control::default()).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    assert_eq!(paper, ["0 Begins", "0 Transaction(\"\")", "0 Untold", "0 Done"]);
}

#[tokio::test(start_paused = true)]
async fn vacuum_full_waits_for_its_lock_as_briefly_as_others_do_and_again() {
    for mode in [Mode::Brief, Mode::AsIs] {
        let mut db = Script::default()
            .on("pg_settings", &[Ok(SETTINGS)])
            .on("VACUUM", &[Err("25001"), Err("55P03"), Err("55P03"), Ok("VACUUM")]);
        let plan = Plan { tag: "VACUUM".to_owned(), ..plan(vec![step("run", "VACUUM FULL t", mode)]) };
        let (control, past) = (Control::default(), Past::default());
        let outcome = run(&mut db, (&plan, &past), &Limits::default(), &control, &mut |_| {}).await;
        let Outcome::Done(report) = outcome else { panic!("{mode:?}: {outcome:?}") };
        assert_eq!(report.steps[0].attempts, 3, "{mode:?}");
        let log: Vec<&str> =
            db.log.iter().map(|(_, sql)| sql.as_str()).filter(|sql| !sql.contains("pg_locks")).collect();
        let last = log.iter().rposition(|sql| sql.starts_with("VACUUM")).expect("ran");
        assert!(log[last - 1].contains("set_config('lock_timeout', '50', false)"), "{log:?}");
        assert!(log[last + 1].contains("set_config('lock_timeout', '7000', false)"), "{log:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn commits_wait_for_the_disk_where_the_sessions_do_not() {
    const ASYNCHRONOUS: &str =
        "lock_timeout|7000\nstatement_timeout|90000\ndeadlock_timeout|1000\nsynchronous_commit|off";
    let said = |db: &Script, value: &str, local: bool| {
        db.count(&format!("set_config('synchronous_commit', '{value}', {local})"))
    };
    for (settings, often) in [(ASYNCHRONOUS, 1), (SETTINGS, 0)] {
        let mut db = Script::default().on("pg_settings", &[Ok(settings)]);
        assert!(matches!(go(&mut db, vec![step("run", "ALTER 1", Mode::Brief)]).await, Outcome::Done(_)));
        assert_eq!(said(&db, "local", true), often, "{:?}", db.log);
        let mut db = Script::default().on("pg_settings", &[Ok(settings)]);
        let drop = step("run", "DROP INDEX CONCURRENTLY i", Mode::NoTransaction);
        assert!(matches!(go(&mut db, vec![drop]).await, Outcome::Done(_)));
        assert_eq!((said(&db, "local", false), said(&db, "off", false)), (often, often), "{:?}", db.log);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_server_lets_run_read_only_may_write_and_nothing_else_may() {
    const READ_ONLY: &str = "lock_timeout|0\ndeadlock_timeout|1000\ndefault_transaction_read_only|on";
    for (tag, often) in [("VACUUM", 1), ("CLUSTER", 1), ("ALTER TABLE", 0)] {
        let mut db = Script::default().on("pg_settings", &[Ok(READ_ONLY)]);
        let plan = Plan { tag: tag.to_owned(), ..plan(vec![step("run", "ALTER 1", Mode::Brief)]) };
        let (control, past) = (Control::default(), Past::default());
        let outcome = run(&mut db, (&plan, &past), &Limits::default(), &control, &mut |_| {}).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        let said = ["false", "true"].map(|on| db.count(&format!("'default_transaction_read_only', '{on}', false")));
        assert_eq!(said, [often, often], "{tag}: {:?}", db.log);
    }
}
