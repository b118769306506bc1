//! Jobs in the store: lists, and what a restart finds.

use super::*;
use crate::kernel::job::{Command as Ask, JobId, Order, Progress, StateName as At};
use crate::kernel::plan::subjects::Seen;

fn stands() -> Seen {
    Seen { what: "index public.ix".into(), id: "16400".into(), definition: Some("CREATE INDEX …".into()) }
}

fn ordered(sameness: &str, ticket: Option<TicketId>) -> Order {
    Order {
        target: "t".into(),
        database: "d".into(),
        tables: Vec::new(),
        requester: "alice".into(),
        role: None,
        settings: Vec::new(),
        application: String::new(),
        shown: "select 1".into(),
        plan: request_for_test().plan,
        sameness: Some(sameness.into()),
        ticket,
        undo_of: None,
        after: None,
        later: None,
    }
}

#[tokio::test]
async fn jobs_come_in_pages() {
    let (_directory, store) = store_for_test().await;
    for name in ["a", "b", "c"] {
        store.job_order(ordered(name, None), Door::Session, NOW).await.expect("orders");
    }
    let mut page = JobFilter { limit: 2, ..JobFilter::default() };
    for (want, more) in [(vec![3, 2], true), (vec![1], false)] {
        let (found, others) = store.jobs(page.clone()).await.expect("reads");
        assert_eq!((found.iter().map(|seen| seen.job.id.0).collect::<Vec<_>>(), others), (want, more));
        page.before = found.last().map(|seen| seen.job.id);
    }
}

#[tokio::test]
async fn the_undos_of_a_job_are_found() {
    let (_directory, store) = store_for_test().await;
    let undo = Order { undo_of: Some(JobId(1)), ..ordered("b", None) };
    for order in [ordered("a", None), undo, ordered("c", None)] {
        store.job_order(order, Door::Session, NOW).await.expect("orders");
    }
    for (of, found) in [(1, vec![2]), (2, vec![])] {
        let undos = store.undos_of_job(JobId(of)).await.expect("reads");
        assert_eq!(undos.iter().map(|job| job.id.0).collect::<Vec<_>>(), found);
    }
}

#[tokio::test]
async fn a_job_and_what_became_of_it_are_there_after_a_restart() {
    let (directory, path) = directory();
    let alone = DataDirectory::take(directory.path()).expect("ours");
    {
        let store = Store::open(&path).await.expect("opens");
        let ticket = opened(&store, 1).await;
        store.act(ticket, approve("bob"), NOW, RULES.0).await.expect("approves");
        store.act(ticket, claim("job-1", 1), NOW, RULES.0).await.expect("claims");
        let job = store.job_order(ordered("a", Some(ticket)), Door::Session, NOW).await.expect("orders");
        let other = store.job_order(ordered("b", None), Door::Session, NOW).await.expect("orders");
        assert_eq!((job.id, other.id), (JobId(1), JobId(2)));
        store.job_act(Door::Gateway, job.id, Ask::Start, NOW).await.expect("starts");
        let progress = Progress { step: 1, steps: 2, ..Progress::default() };
        store.job_progress(job.id, progress).await.expect("is kept");
        let run = NewRun {
            run: "r".into(),
            ticket: None,
            job: Some(job.id),
            session: "job 1".into(),
            plan: request_for_test().plan,
            of: None,
        };
        store.journal_begin(run, NOW).await.expect("begins");
        store.journal_backend("r", Backend { pid: 7, start: "8".into() }).await.expect("is kept");
        assert!(store.journal_transaction("r", 0, "9").await.is_err(), "a step that was not begun");
        store.journal_started("r", 0, NOW).await.expect("starts");
        store.journal_transaction("r", 0, "9").await.expect("is kept");
        store.journal_left("r", 0, &[stands()]).await.expect("is kept");
        let refused = store.job_act(Door::Local, JobId(9), Ask::Recover, NOW).await;
        assert_eq!(refused, Err(StoreError::NoJob(JobId(9))));
    }
    let store = Store::open(&path).await.expect("opens");
    // The job of a ticket says what becomes of it, so the ticket is not given up.
    assert_eq!(store.recover(&alone, NOW).await.expect("recovers"), []);
    let recovered = store.recover_jobs(&alone, NOW).await.expect("recovers");
    assert_eq!(recovered.iter().map(|job| job.id).collect::<Vec<_>>(), [JobId(1)]);
    let seen = store.job(JobId(1)).await.expect("is there");
    assert_eq!((seen.job.state.name(), seen.job.version, seen.progress.step), (At::Queued, 3, 1));
    let runs = store.journal_of_job(JobId(1)).await.expect("are there");
    let [run] = runs.as_slice() else { panic!("{runs:?}") };
    assert_eq!(run.backend, Some(Backend { pid: 7, start: "8".into() }));
    assert_eq!(run.steps[0].xid.as_deref(), Some("9"));
    assert_eq!(run.steps[0].left, [stands()]);
    assert_eq!(store.job_same("b").await.expect("reads").map(|job| job.id), Some(JobId(2)));
    let abort = Ask::Abort { by: "bob".into(), reason: None };
    store.job_act(Door::Local, JobId(2), abort, NOW).await.expect("aborts");
    assert_eq!(store.job_same("b").await.expect("reads"), None);
    let events: Vec<&str> =
        store.job_events(JobId(1)).await.expect("are there").iter().map(|one| one.event.what.name()).collect();
    assert_eq!(events, ["ordered", "started", "recovered"]);
    let only = JobFilter { states: vec![At::Aborted], limit: 1, ..JobFilter::default() };
    let (aborted, more) = store.jobs(only).await.expect("reads");
    assert_eq!((aborted.len(), more), (1, false));
    assert_eq!(store.job_events_after(2, 10).await.expect("reads").len(), 3);
}
