//! What gets into the history, and how it is found.

use super::super::schema::MIGRATIONS;
use super::super::tests::{NOW, RULES, approve, claim, opened, request, store_for_test};
use super::*;
use crate::kernel::plan::verify::{Checked, Verified};
use crate::kernel::review::Command;
use crate::kernel::review::tests::request_for_test;
use crate::shell::store::{NewRun, RunOutcome};

async fn found(store: &Store, filter: ChangeFilter) -> Vec<(i64, ChangeOutcome)> {
    let changes = store.changes(filter).await.expect("reads");
    changes.into_iter().map(|change| (change.id, change.outcome)).collect()
}

async fn act(store: &Store, id: TicketId, command: Command, ms: u64) {
    store.act(id, command, NOW.plus_ms(ms), RULES.0).await.expect("counts");
}

#[tokio::test]
async fn a_change_is_in_it_once_it_runs_or_is_turned_down() {
    let (_directory, store) = store_for_test().await;
    let (done, rejected) = (opened(&store, 1).await, opened(&store, 2).await);
    act(&store, done, approve("bob"), 0).await;
    act(&store, done, claim("s", 1), 10).await;
    assert_eq!(found(&store, ChangeFilter::default()).await, []);
    act(&store, done, Command::Start { claim: "s".into() }, 20).await;
    act(&store, rejected, Command::Reject { by: "carol".into(), reason: "at noon, never".into() }, 30).await;
    let all = [(2, ChangeOutcome::Rejected), (1, ChangeOutcome::Running)];
    assert_eq!(found(&store, ChangeFilter::default()).await, all);
    act(&store, done, Command::Finish { claim: "s".into(), ms: 70, tag: "DROP TABLE".into() }, 90).await;
    act(&store, done, Command::Undo { job: 7 }, 500).await;
    let change = store.changes(ChangeFilter::default()).await.expect("reads").pop().expect("is there");
    assert_eq!((change.outcome, change.ms, change.began), (ChangeOutcome::Undone, Some(70), NOW.plus_ms(20)));
    assert_eq!((change.approved_by, change.ticket), (vec!["bob".to_owned()], Some(done)));
}

#[tokio::test]
async fn it_is_found_by_what_is_known_of_it() {
    let (_directory, store) = store_for_test().await;
    for (n, table) in ["orders", "items"].into_iter().enumerate() {
        let (text, objects) = (format!("DROP TABLE {table}"), vec![format!("public.{table}")]);
        let (target, requester) = (format!("main{n}"), format!("app{n}"));
        let of = RunOf { text, objects, target, requester, rules: vec!["drop-table".into()], ..RunOf::default() };
        let (plan, session) = (request_for_test().plan, "b-1".to_owned());
        let run = NewRun { run: table.into(), ticket: None, job: None, session, plan, of: Some(of) };
        store.journal_begin(run, NOW.plus_ms(n as u64 * 1_000)).await.expect("begins");
    }
    let check = Checked { name: "column is there".into(), outcome: Verified::Holds, why: None };
    store.journal_checks("orders", vec![check]).await.expect("keeps");
    store.journal_end("orders", RunOutcome::Done, NOW.plus_ms(40)).await.expect("ends");
    let text = |text: &str| Some(text.to_owned());
    let all = ChangeFilter::default;
    for (filter, expected) in [
        (all(), vec![2, 1]),
        (ChangeFilter { limit: 1, ..all() }, vec![2]),
        (ChangeFilter { before: Some(2), ..all() }, vec![1]),
        (ChangeFilter { text: text("drop orde"), ..all() }, vec![1]),
        (ChangeFilter { text: text("drop \" * OR"), ..all() }, vec![1]),
        (ChangeFilter { text: text("drop OR items"), ..all() }, vec![]),
        (ChangeFilter { object: text("items"), ..all() }, vec![2]),
        (ChangeFilter { object: text("public.orders"), ..all() }, vec![1]),
        (ChangeFilter { object: text("order"), ..all() }, vec![]),
        (ChangeFilter { person: text("app1"), rule: text("drop-table"), ..all() }, vec![2]),
        (ChangeFilter { rule: text("drop-table"), target: text("main0"), ..all() }, vec![1]),
        (ChangeFilter { outcomes: vec![ChangeOutcome::Running], ..all() }, vec![2]),
        (ChangeFilter { visible: vec!["*0".into()], ..all() }, vec![1]),
        (ChangeFilter { from: Some(NOW.plus_ms(1)), ..all() }, vec![2]),
        (ChangeFilter { to: Some(NOW.plus_ms(1_000)), text: text("drop"), ..all() }, vec![1]),
    ] {
        let ids: Vec<i64> = found(&store, filter.clone()).await.into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, expected, "{filter:?}");
    }
    let done = store.changes(ChangeFilter { object: text("orders"), ..all() }).await.expect("reads").remove(0);
    assert_eq!((done.outcome, done.ms, done.session.as_deref()), (ChangeOutcome::Done, Some(40), Some("b-1")));
    assert_eq!(done.checked().as_deref(), Some("1 check held"));
}

#[tokio::test]
async fn a_file_without_a_history_gets_one() {
    let (_directory, path) = super::super::tests::directory();
    let store = Store::open(&path).await.expect("opens");
    let id = opened(&store, 1).await;
    act(&store, id, Command::Reject { by: "carol".into(), reason: "no".into() }, 5).await;
    drop((store, request(1)));
    let old = path.with_extension("old");
    let file = Connection::open(&old).expect("opens");
    MIGRATIONS[..8].iter().try_for_each(|migration| file.execute_batch(migration)).expect("makes an old file");
    file.execute("ATTACH ?1 AS made", [path.to_str().expect("text")]).expect("attaches");
    let rows =
        "INSERT INTO tickets SELECT * FROM made.tickets; INSERT INTO ticket_events SELECT * FROM made.ticket_events";
    file.execute_batch(rows).expect("copies");
    file.pragma_update(None, "user_version", 8).expect("sets");
    drop(file);
    let store = Store::open(&old).await.expect("opens");
    let changes = store.changes(ChangeFilter { person: Some("carol".into()), ..ChangeFilter::default() }).await;
    let changes = changes.expect("reads");
    assert_eq!((changes.len(), changes[0].began, changes[0].ticket), (1, NOW.plus_ms(5), Some(id)));
}
