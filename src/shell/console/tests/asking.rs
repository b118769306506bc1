//! Sessions and their tickets.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::{act, approve, opened, tickets_for_test};
use crate::kernel::review::tests::request_for_test;
use crate::kernel::review::{Command, Request, StateName, Terms, TicketId};
use crate::shell::clock::now;
use crate::shell::console::ask::{Claim, Claimed, Decision, Tickets};
use crate::shell::store::{FILE, StoreError};

async fn claimed(tickets: &Tickets, id: TicketId) -> Claim {
    act(tickets, id, approve("bob")).await;
    match tickets.claim(id, "s1", request_for_test()).await.expect("claims") {
        Claimed::Run(claim) => claim,
        Claimed::BackToReview { why, .. } => panic!("{why}"),
    }
}

/// Waits for the ticket to get into a state, by the store's own news.
async fn until(tickets: &Tickets, id: TicketId, state: StateName) {
    let mut changes = tickets.store.watch();
    while tickets.store.load(id).await.expect("loads").state.name() != state {
        changes.recv().await.expect("news");
    }
}

#[tokio::test]
async fn a_waiting_session_is_told_at_once() {
    let (_directory, tickets) = tickets_for_test(Terms::default()).await;
    let id = opened(&tickets).await;
    let waiting = tokio::spawn({
        let tickets = tickets.clone();
        async move { tickets.await_decision(id, None).await }
    });
    act(&tickets, id, Command::Comment { by: "bob".into(), text: "looking".into() }).await;
    act(&tickets, id, approve("bob")).await;
    let decision = waiting.await.expect("ends").expect("answers");
    assert!(matches!(decision, Decision::Approved(ticket) if ticket.id == id));
}

#[tokio::test]
async fn every_end_of_a_wait() {
    let (_directory, tickets) = tickets_for_test(Terms::default()).await;
    let id = opened(&tickets).await;
    let deadline = Some(tokio::time::Instant::now());
    let decision = tickets.await_decision(id, deadline).await.expect("answers");
    assert!(matches!(decision, Decision::StillPending(_)));
    act(&tickets, id, Command::Reject { by: "bob".into(), reason: "no".into() }).await;
    let decision = tickets.await_decision(id, None).await.expect("answers");
    assert_eq!(decision, Decision::Rejected { by: "bob".into(), reason: "no".into() });
    let id = opened(&tickets).await;
    act(&tickets, id, Command::Cancel { by: "alice".into(), reason: None }).await;
    let decision = tickets.await_decision(id, None).await.expect("answers");
    assert_eq!(decision, Decision::Cancelled { by: "alice".into(), reason: None });
    let id = opened(&tickets).await;
    let mut claim = claimed(&tickets, id).await;
    let decision = tickets.await_decision(id, None).await.expect("answers");
    assert_eq!(decision, Decision::Taken(StateName::Claimed));
    assert!(tickets.claim(id, "s2", request_for_test()).await.is_err());
    claim.start().await.expect("starts");
    claim.finish(12, "DROP TABLE").await.expect("records");
    let decision = tickets.await_decision(id, None).await.expect("answers");
    assert_eq!(decision, Decision::Taken(StateName::Done));
}

#[tokio::test]
async fn the_timer_ends_what_nobody_decides() {
    let (_directory, tickets) = tickets_for_test(Terms { pending_ms: 40, approved_ms: 40, ..Terms::default() }).await;
    let timer = tokio::spawn(tickets.clone().expire_forever());
    let id = opened(&tickets).await;
    let decision = tickets.await_decision(id, None).await.expect("answers");
    assert_eq!(decision, Decision::Expired { was_approved: false });
    timer.abort();
}

#[tokio::test]
async fn a_dropped_claim_reports_by_itself() {
    let (_directory, tickets) = tickets_for_test(Terms::default()).await;
    let id = opened(&tickets).await;
    drop(claimed(&tickets, id).await);
    until(&tickets, id, StateName::Failed).await;
    let id = opened(&tickets).await;
    let mut claim = claimed(&tickets, id).await;
    claim.start().await.expect("starts");
    drop(claim);
    until(&tickets, id, StateName::Unknown).await;
}

#[tokio::test]
async fn a_claim_that_nobody_waits_for_is_given_up() {
    let (_directory, tickets) = tickets_for_test(Terms::default()).await;
    let id = opened(&tickets).await;
    act(&tickets, id, approve("bob")).await;
    {
        let mut claim = pin!(tickets.claim(id, "s1", request_for_test()));
        // Polled once: it has begun and is not done.
        assert!(poll_fn(|context| Poll::Ready(claim.as_mut().poll(context).is_pending())).await);
    }
    until(&tickets, id, StateName::Failed).await;
}

#[tokio::test]
async fn a_claim_of_something_else_goes_back_to_review() {
    let (_directory, tickets) = tickets_for_test(Terms::default()).await;
    let id = opened(&tickets).await;
    act(&tickets, id, approve("bob")).await;
    let changed = Request { objects_hash: "other".into(), ..request_for_test() };
    let outcome = tickets.claim(id, "s1", changed.clone()).await.expect("answers");
    assert!(matches!(outcome, Claimed::BackToReview { .. }), "{outcome:?}");
    act(&tickets, id, approve("bob")).await;
    assert!(matches!(tickets.claim(id, "s1", changed).await, Ok(Claimed::Run(_))));
}

#[tokio::test]
async fn a_store_that_has_failed_refuses() {
    let (directory, tickets) = tickets_for_test(Terms::default()).await;
    let id = opened(&tickets).await;
    let other = rusqlite::Connection::open(directory.path().join(FILE)).expect("opens");
    other.execute_batch("PRAGMA foreign_keys = OFF; DROP TABLE ticket_events;").expect("breaks it");
    let error = tickets.store.act(id, approve("bob"), now(), Terms::default()).await.expect_err("fails");
    assert!(matches!(error, StoreError::Failed(_)), "{error}");
    assert!(tickets.request(Request { text_hash: "bb".into(), ..request_for_test() }).await.is_err());
}
