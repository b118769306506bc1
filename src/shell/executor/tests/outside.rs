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
