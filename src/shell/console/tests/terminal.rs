//! What a reviewer sees.

use super::tickets_for_test;
use crate::kernel::plan::{Action, Backfill, Mode, Plan, Step};
use crate::kernel::review::tests::request_for_test;
use crate::kernel::review::{Command, Instant, Request, Terms};
use crate::kernel::rules::{Finding, RuleId};
use crate::kernel::sql::statement::{LockMode, RelationName};
use crate::shell::console::render::{self, Program};
use crate::shell::console::view::{Full, Summary};
use crate::shell::store::{NewRun, Opened, StepOutcome};

/// A request of somebody who would rather not be read closely.
fn hostile_request() -> Request {
    let orders = RelationName { schema: Some("public".into()), name: "orders".into() };
    let finding = Finding {
        rule: RuleId("add-column".into()),
        statement: 0,
        relation: Some(orders.clone()),
        table: None,
        reaches: Vec::new(),
        lock: Some(LockMode::AccessExclusive),
        message: "It rewrites the table: 5,000,000 rows, 1.2 GiB.".into(),
        instead: String::new(),
        plan: None,
        rows: Some(5_000_000),
        bytes: Some(1 << 30),
        only_lock: true,
        at: None,
        need: None,
    };
    let fill = Backfill {
        relation: orders,
        column: "token".into(),
        expression_sql: "gen_random_uuid()".into(),
        pending_sql: "token IS NULL".into(),
        rows_estimate: 5_000_000,
        write: None,
    };
    let step = |name: &str, action, lock, scans| Step {
        name: name.into(),
        action,
        lock,
        scans,
        probe: Some("SELECT true".into()),
        past: None,
        undo: vec!["ALTER TABLE public.orders DROP COLUMN token".into()],
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
    };
    let expand = Action::Sql { sql: "ALTER TABLE public.orders ADD COLUMN token uuid".into(), mode: Mode::Brief };
    let plan = Plan {
        recipe: "add-column".into(),
        tag: "ALTER TABLE".into(),
        summary: "The column is added empty and filled in batches.".into(),
        relation: None,
        steps: vec![
            step("expand", expand, LockMode::AccessExclusive, false),
            step("backfill", Action::Backfill(fill), LockMode::RowExclusive, true),
        ],
        undo_loses: None,
        verify: Vec::new(),
    };
    Request {
        shown: format!(
            "ALTER TABLE orders{}\n\n\n\nADD COLUMN token uuid; -- \u{202e}efas\u{202c} \u{1b}[2J",
            " ".repeat(300)
        ),
        application: "psql\u{1b}]0;x\u{7}".into(),
        findings: vec![finding],
        plan,
        ..request_for_test()
    }
}

#[tokio::test]
async fn what_a_reviewer_sees() {
    let (_directory, tickets) = tickets_for_test(Terms::default()).await;
    let at = Instant(1_790_000_000_000_000);
    let rules = (Terms::default(), tickets.settings().limits);
    let (ticket, how) = tickets.store.open_or_attach(hostile_request(), at, rules).await.expect("opens");
    assert_eq!(how, Opened::New);
    let store = &tickets.store;
    let full = async || Full {
        ticket: store.load(ticket.id).await.expect("loads"),
        review_hash: ticket.review_hash(),
        missing: Vec::new(),
        may_approve: Vec::new(),
        kin: Vec::new(),
        events: store.events(ticket.id).await.expect("reads"),
        runs: store.journal_of(ticket.id).await.expect("reads"),
    };
    let later = at.plus_ms(400_000);
    let program = Program { name: "lockkeeper".into(), options: " --data-dir /srv/lk".into() };
    let shown = render::full(&full().await, &program, later);
    let hash = ticket.review_hash();
    insta::assert_snapshot!("pending", shown.replace(&hash[..16], "HASH"));
    let command = Command::Approve { by: "bob".into(), note: Some("after hours".into()), seen_hash: None };
    store.act(ticket.id, command, later, Terms::default()).await.expect("counts");
    let command = Command::Claim { claim: "c1".into(), session: "42".into(), request: Box::new(hostile_request()) };
    store.act(ticket.id, command, later, Terms::default()).await.expect("counts");
    let command = Command::Start { claim: "c1".into() };
    store.act(ticket.id, command, later, Terms::default()).await.expect("counts");
    let run = NewRun {
        run: "c1".into(),
        ticket: Some(ticket.id),
        job: None,
        session: "42".into(),
        plan: hostile_request().plan,
        of: None,
    };
    store.journal_begin(run, later).await.expect("writes");
    store.journal_started("c1", 0, later).await.expect("writes");
    store.journal_finished("c1", 0, (StepOutcome::Done, None), later.plus_ms(35)).await.expect("writes");
    store.journal_started("c1", 1, later.plus_ms(35)).await.expect("writes");
    insta::assert_snapshot!("running", render::full(&full().await, &program, later.plus_ms(9_000)));
    let summary = Summary::of(&full().await.ticket);
    insta::assert_snapshot!("list", render::list(&[summary], later));
}
