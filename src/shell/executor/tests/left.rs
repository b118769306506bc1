//! What a plan that was stopped leaves, and what is said of it.

use super::*;

/// An index that was somebody's own goes with the one that it was attached to.
#[tokio::test(start_paused = true)]
async fn what_was_there_before_is_not_dropped_by_taking_back() {
    let undo = || vec!["DROP INDEX of the parent".to_owned()];
    let parent = Step { undo: undo(), ..step("expand", "CREATE parent", Mode::Brief) };
    let attach = |name: &str| Step {
        undo: undo(),
        loses: vec![format!("index {name}")],
        ..step("attach", &format!("ALTER attach {name}"), Mode::Brief)
    };
    let plan = plan(vec![parent, attach("a"), attach("b")]);
    for (failing, kept) in [("ALTER attach a", false), ("ALTER attach b", true)] {
        let control = Control::default();
        let asked = control.clone();
        let mut tell = move |told: Progress| {
            if matches!(told, Progress::Retrying { .. }) {
                asked.cancel();
            }
        };
        let mut db = Script::default().on("pg_settings", &[Ok(SETTINGS)]).on(failing, &[Err("55P03")]);
        let outcome = run(&mut db, (&plan, &Past::default()), &Limits::default(), &control, &mut tell).await;
        let Outcome::Cancelled(_, stopped) = outcome else { panic!("{outcome:?}") };
        assert_eq!(db.count("DROP INDEX"), usize::from(!kept), "{stopped:?}");
        assert_eq!(stopped.state.starts_with("Everything this run had done was taken back"), !kept, "{stopped:?}");
        assert_eq!(
            stopped.way_on.contains("To undo instead, which drops index a too: DROP INDEX of the parent;"),
            kept,
            "{stopped:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_index_that_was_half_dropped_can_be_had_back() {
    for drop in ["DROP INDEX CONCURRENTLY public.i", "DROP INDEX CONCURRENTLY IF EXISTS public.i"] {
        let mut db = Script::default()
            .on("pg_settings", &[Ok(SETTINGS)])
            .on("DROP INDEX", &[Err("57014")])
            .on("NOT i.indisvalid", &[Ok("t")]);
        let Outcome::Failed(_, stopped) = go(&mut db, vec![step("drop index", drop, Mode::NoTransaction)]).await else {
            panic!("it was stopped")
        };
        assert!(stopped.state.starts_with("Index public.i was half dropped"), "{}", stopped.state);
        let back = "To have it back as it was, run: REINDEX INDEX CONCURRENTLY public.i; to drop it after all, run: ";
        assert!(stopped.way_on.starts_with(&format!("{back}{drop}")), "{}", stopped.way_on);
    }
}
