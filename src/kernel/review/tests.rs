//! Tables: what a command does to a ticket in each state, who may approve, what an approval is bound to.

use super::*;
use crate::kernel::facts::{ColumnFacts, Persistence, RelationFacts, RelationKind};
use crate::kernel::plan::{Action, Backfill, Mode, Step};
use crate::kernel::sql::statement::{LockMode, RelationName};

mod identities;
mod quorum;
mod touched;

use quorum::oncall;

fn plan_for_test() -> Plan {
    let sql = Action::Sql { sql: "DROP TABLE orders".into(), mode: Mode::AsIs };
    let step = Step {
        name: "run".into(),
        action: sql,
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
    };
    Plan {
        recipe: "as-is".into(),
        tag: "DROP TABLE".into(),
        summary: "1,000 rows".into(),
        relation: None,
        steps: vec![step],
        undo_loses: Some("the table".into()),
        verify: Vec::new(),
    }
}

fn relation_for_test() -> RelationFacts {
    RelationFacts {
        oid: 16_400,
        schema: "public".into(),
        name: "orders".into(),
        kind: RelationKind::Table,
        persistence: Persistence::Permanent,
        owner: "app".into(),
        rows: Some(1_000),
        heap_bytes: 8_192,
        toast_bytes: 0,
        total_bytes: 16_384,
        new_in_transaction: false,
        referenced_by_old: false,
        is_partition: false,
        has_children: false,
        has_default_partition: false,
        columns: vec![ColumnFacts {
            name: "id".into(),
            type_sql: "integer".into(),
            type_oid: 23,
            type_modifier: -1,
            not_null: true,
            has_default: false,
            generated: false,
            identity: false,
            is_row: false,
        }],
        indexes: Vec::new(),
        constraints: Vec::new(),
        constraint_names: Vec::new(),
        columns_below: Vec::new(),
        dependents: Vec::new(),
        index_of: None,
        table_oid: None,
        published: false,
        kin: Vec::new(),
        partitioned: None,
        members: Vec::new(),
        withheld: crate::kernel::facts::Withheld::default(),
        partition_of: None,
        reacts: crate::kernel::facts::Reactions::default(),
        populated: false,
        tablespace: None,
        access_method: None,
    }
}

fn facts_with(change: impl FnOnce(&mut RelationFacts)) -> Facts {
    let mut relation = relation_for_test();
    change(&mut relation);
    let mut facts = Facts::default();
    facts.put_relation(&RelationName { schema: None, name: "orders".into() }, Some(relation));
    facts
}

pub(crate) fn request_for_test() -> Request {
    let facts = facts_with(|_| ());
    Request {
        shown: "DROP TABLE orders".into(),
        text_hash: "aa".into(),
        target: "main".into(),
        database: "shop".into(),
        requester: "alice".into(),
        role: "app_owner".into(),
        person: None,
        search_path: "public".into(),
        application: "psql".into(),
        client: "127.0.0.1:5".into(),
        settings: Vec::new(),
        findings: Vec::new(),
        objects_hash: objects_hash(&facts),
        facts,
        plan: plan_for_test(),
        conditions: Conditions::default(),
    }
}

const NOW: Instant = Instant(1_000_000_000);

fn opened() -> Ticket {
    begin(TicketId(1), &open(request_for_test(), NOW, Terms::default())).expect("a first event")
}

fn after(ticket: Ticket, command: Command) -> Ticket {
    let event = decide(&ticket, command, NOW, Terms::default()).expect("counts");
    evolve(ticket, &event)
}

fn approve_as(by: &str) -> Command {
    Command::Approve { by: by.into(), note: None, seen_hash: None }
}

fn start() -> Command {
    Command::Start { claim: "c1".into() }
}

fn ask_for_changes() -> Command {
    Command::RequestChanges { by: "bob".into(), what: "a comment on the column".into() }
}

fn claim_of(request: Request) -> Command {
    Command::Claim { claim: "c1".into(), session: "s1".into(), request: Box::new(request) }
}

#[test]
fn an_approval_that_did_nothing_is_there_again_for_as_long_as_it_was_given() {
    let approved = after(opened(), approve_as("bob"));
    let running = after(after(approved.clone(), claim_of(request_for_test())), start());
    let back = after(running, Command::GiveBack { claim: "c1".into(), why: "no lock".into() });
    assert_eq!(
        (back.state.approval(), approvers(&back.state)),
        (approved.state.approval(), approvers(&approved.state))
    );
    assert_eq!(back.state.expires(), approved.state.expires());
    assert_eq!(after(back, claim_of(request_for_test())).state.name(), StateName::Claimed);
}

fn in_state(name: StateName) -> Ticket {
    let approved = || after(opened(), approve_as("bob"));
    let claimed = || after(approved(), claim_of(request_for_test()));
    let running = || after(claimed(), start());
    let done = || after(running(), Command::Finish { claim: "c1".into(), ms: 3, tag: "DROP TABLE".into() });
    match name {
        StateName::Pending => opened(),
        StateName::Approved => approved(),
        StateName::ChangesRequested => after(opened(), ask_for_changes()),
        StateName::Claimed => claimed(),
        StateName::Running => running(),
        StateName::Done => done(),
        StateName::Undone => after(done(), Command::Undo { job: 7 }),
        StateName::Failed => {
            after(running(), Command::Fail { claim: "c1".into(), code: "42P01".into(), message: "gone".into() })
        }
        StateName::Unknown => after(running(), Command::LoseOutcome { claim: None, why: "killed".into() }),
        StateName::Rejected => after(opened(), Command::Reject { by: "bob".into(), reason: "no".into() }),
        StateName::Cancelled => after(opened(), Command::Cancel { by: "alice".into(), reason: None }),
        StateName::Expired => {
            let late = NOW.plus_ms(Terms::default().pending_ms);
            let ticket = opened();
            let event = decide(&ticket, Command::Expire, late, Terms::default()).expect("due");
            evolve(ticket, &event)
        }
    }
}

/// Which commands count in which state: one letter per state, in the order of [`StateName::ALL`].
#[test]
fn commands_by_state() {
    type Make = fn() -> Command;
    let table: [(&str, &str, Make); 18] = [
        ("approve", "y...........", || approve_as("bob")),
        ("break the glass", "yy..........", || Command::BreakGlass { by: oncall("bob"), reason: "down".into() }),
        ("request changes", "yy..........", ask_for_changes),
        ("reject", "yyy.........", || Command::Reject { by: "bob".into(), reason: "no".into() }),
        ("cancel", "yyy.........", || Command::Cancel { by: "alice".into(), reason: None }),
        ("justify", "yy..........", || Command::Justify { by: "alice".into(), text: "unused".into() }),
        ("choose", "yyy.........", || Command::ChooseRun { by: "alice".into(), run: RunMode::Job }),
        ("claim", "..y.........", || claim_of(request_for_test())),
        ("start", "...y........", start),
        ("finish", "....y.......", || Command::Finish { claim: "c1".into(), ms: 1, tag: "x".into() }),
        ("fail", "...yy.......", || Command::Fail { claim: "c1".into(), code: "x".into(), message: "y".into() }),
        ("lose", "....y.......", || Command::LoseOutcome { claim: None, why: "x".into() }),
        ("give back", "...yy.......", || Command::GiveBack { claim: "c1".into(), why: "its lock".into() }),
        ("undo", ".....yy.....", || Command::Undo { job: 7 }),
        ("settle", "........y...", || Command::Settle { by: "bob".into(), applied: true, found: "gone".into() }),
        ("return", "yyy.........", || Command::ReturnToReview {
            why: "x".into(),
            request: Box::new(request_for_test()),
        }),
        ("label", "yyyyyyyyyyyy", || Command::Label { by: "zoe".into(), add: vec!["q3".into()], remove: Vec::new() }),
        ("comment", "yyyyyyyyyyyy", || Command::Comment { by: "zoe".into(), text: "hm".into() }),
    ];
    for (name, expected, make) in table {
        let got: String = StateName::ALL
            .into_iter()
            .map(|state| {
                let mut ticket = in_state(state);
                assert_eq!(ticket.state.name(), state);
                ticket.request.conditions.break_glass = vec!["oncall".into()];
                let make = || match make() {
                    Command::Claim { claim, session, .. } => {
                        Command::Claim { claim, session, request: Box::new(ticket.request.clone()) }
                    }
                    other => other,
                };
                if decide(&ticket, make(), NOW, Terms::default()).is_ok() { 'y' } else { '.' }
            })
            .collect();
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn nobody_approves_their_own_request() {
    for (by, allowed) in [
        ("bob", true),
        ("alice", false),
        (" Alice ", false),
        ("ALICE", false),
        ("app_owner", false),
        ("App_Owner", false),
        ("alicia", true),
        ("аlice", false),
        ("ａｌｉｃｅ", false),
        ("𝐚𝐥𝐢𝐜𝐞", false),
        ("al1ce", false),
        ("aliсе", false),
        ("alic\u{301}e", false),
        ("alicé", false),
        ("", false),
        ("   ", false),
        ("ali\u{200b}ce", false),
        ("\u{202e}bob", false),
        ("bob\u{1b}[31m", false),
    ] {
        let outcome = decide(&opened(), approve_as(by), NOW, Terms::default());
        assert_eq!(outcome.is_ok(), allowed, "{by:?}: {outcome:?}");
    }
}

#[test]
fn an_approval_of_something_else_does_not_count() {
    let seen = |hash: &str| Command::Approve { by: "bob".into(), note: None, seen_hash: Some(hash.into()) };
    let ticket = opened();
    assert_eq!(decide(&ticket, seen("old"), NOW, Terms::default()), Err(Rejection::StaleView));
    assert!(decide(&ticket, seen(&ticket.review_hash()), NOW, Terms::default()).is_ok());
}

#[test]
fn time_runs_out_to_the_microsecond() {
    let terms = Terms::default();
    let end = NOW.plus_ms(terms.pending_ms);
    let before = Instant(end.0 - 1);
    assert!(decide(&opened(), approve_as("bob"), before, terms).is_ok());
    assert_eq!(decide(&opened(), approve_as("bob"), end, terms), Err(Rejection::Overdue));
    assert_eq!(decide(&opened(), Command::Expire, before, terms), Err(Rejection::NotDue));
    let approved = in_state(StateName::Approved);
    let end = NOW.plus_ms(terms.approved_ms);
    assert!(decide(&approved, claim_of(request_for_test()), Instant(end.0 - 1), terms).is_ok());
    assert_eq!(decide(&approved, claim_of(request_for_test()), end, terms), Err(Rejection::Overdue));
}

#[test]
fn a_claim_of_changed_objects_returns_to_review_and_needs_a_new_approval() {
    let mut changed = request_for_test();
    changed.facts = facts_with(|relation| relation.dependents.push("view public.v".into()));
    changed.objects_hash = objects_hash(&changed.facts);
    let ticket = after(in_state(StateName::Approved), claim_of(changed.clone()));
    let State::Pending { returned: Some(why), .. } = &ticket.state else { panic!("{:?}", ticket.state) };
    assert_eq!(why, "the objects it touches have changed since it was looked at");
    let again = after(after(ticket, approve_as("bob")), claim_of(changed));
    assert_eq!(again.state.name(), StateName::Claimed);
}

#[test]
fn the_first_difference_is_named() {
    type Change = fn(&mut Request);
    let table: [(Change, Option<Mismatch>); 15] = [
        (|_| (), None),
        (|r| r.text_hash.push(' '), Some(Mismatch::Text)),
        (|r| r.target.push('x'), Some(Mismatch::Target)),
        (|r| r.database.push('x'), Some(Mismatch::Database)),
        (|r| r.requester = "Alice".into(), Some(Mismatch::Requester)),
        (|r| r.role = "postgres".into(), Some(Mismatch::Role)),
        (|r| r.search_path = "evil, public".into(), Some(Mismatch::SearchPath)),
        (|r| r.objects_hash.push('x'), Some(Mismatch::Objects)),
        (|r| r.plan.steps.clear(), Some(Mismatch::Plan)),
        (|r| r.plan.undo_loses = None, Some(Mismatch::Plan)),
        (|r| r.conditions.people = 2, Some(Mismatch::Policy)),
        (|r| r.plan.summary = "2,000 rows".into(), None),
        (|r| r.client = "10.0.0.1:9".into(), None),
        (|r| r.application = "other".into(), None),
        (|r| r.facts = facts_with(|relation| relation.rows = Some(9)), None),
    ];
    for (n, (change, expected)) in table.into_iter().enumerate() {
        let mut other = request_for_test();
        change(&mut other);
        assert_eq!(request_for_test().matches(&other).err(), expected, "case {n}");
    }
}

#[test]
fn a_table_that_has_grown_by_a_factor_is_looked_at_again() {
    let sized = |rows, bytes| {
        let facts = facts_with(|relation| (relation.rows, relation.total_bytes) = (Some(rows), bytes));
        Request { facts, ..request_for_test() }
    };
    let terms = Terms::default();
    for (before, after, expected) in [
        ((1_000, 1 << 20), (9_000, 9 << 20), "still covered"),
        (
            (1_000, 1 << 20),
            (20_000, 9 << 20),
            "public.orders has grown since it was looked at, from 1000 to 20000 rows",
        ),
        ((50_000, 1 << 30), (100_000, 2 << 30), "still covered"),
        (
            (50_000, 1 << 30),
            (99_000, 3 << 30),
            "public.orders has grown since it was looked at, from 1073741824 to 3221225472 bytes",
        ),
        ((50_000, 1 << 30), (10, 1 << 10), "still covered"),
    ] {
        let covers = sized(before.0, before.1).still_covers(&sized(after.0, after.1), terms);
        let got = covers.map_or_else(|why| why.to_string(), |()| "still covered".into());
        assert_eq!(got, expected);
    }
    let ticket = begin(TicketId(1), &open(sized(1_000, 1), NOW, terms)).expect("a first event");
    let again = after(after(ticket, approve_as("bob")), claim_of(sized(1_000_000, 1)));
    assert!(matches!(&again.state, State::Pending { returned: Some(_), .. }), "{:?}", again.state);
}

#[test]
fn tickets_of_the_first_version_are_read() {
    let old = r#"{"name":"approved","by":"bob","at":1,"note":null,"expires":5}"#;
    let state: State = serde_json::from_str(old).expect("reads");
    assert_eq!(approvers(&state), ["bob"]);
    let old = r#"{"name":"running","claim":"c","since":1,"by_session":"s","approved_by":"bob"}"#;
    assert_eq!(approvers(&serde_json::from_str::<State>(old).expect("reads")), ["bob"]);
    let old = r#"{"at":1,"door":"local","event":"approved","by":"bob","note":null,"seen_hash":null,"expires":5}"#;
    serde_json::from_str::<Event>(old).expect("reads");
}

#[test]
fn a_backfill_may_grow() {
    let with_rows = |rows_estimate| {
        let mut request = request_for_test();
        request.plan.steps[0].action = Action::Backfill(Backfill {
            relation: RelationName { schema: None, name: "orders".into() },
            column: "a".into(),
            expression_sql: "1".into(),
            pending_sql: "a IS NULL".into(),
            rows_estimate,
            write: None,
        });
        request
    };
    assert_eq!(with_rows(1).matches(&with_rows(2)), Ok(()));
}

#[test]
fn objects_are_their_shape_and_not_their_size() {
    type Change = fn(&mut RelationFacts);
    let table: [(Change, bool); 8] = [
        (|_| (), true),
        (|r| r.rows = Some(5_000_000), true),
        (|r| r.total_bytes = 1 << 40, true),
        (|r| r.oid += 1, false),
        (|r| r.columns[0].not_null = false, false),
        (|r| r.columns.clear(), false),
        (|r| r.kind = RelationKind::View, false),
        (|r| r.owner = "mallory".into(), false),
    ];
    let before = objects_hash(&facts_with(|_| ()));
    for (n, (change, same)) in table.into_iter().enumerate() {
        assert_eq!(objects_hash(&facts_with(change)) == before, same, "case {n}");
    }
    let mut missing = Facts::default();
    missing.put_relation(&RelationName { schema: None, name: "orders".into() }, None);
    assert_ne!(objects_hash(&missing), objects_hash(&Facts::default()));
}

#[test]
fn events_survive_json() {
    for state in StateName::ALL {
        let ticket = in_state(state);
        let text = serde_json::to_string(&ticket).expect("writes");
        assert_eq!(serde_json::from_str::<Ticket>(&text).expect("reads"), ticket, "{text}");
    }
    let event = open(request_for_test(), NOW, Terms::default());
    let text = serde_json::to_string(&event).expect("writes");
    assert_eq!(serde_json::from_str::<Event>(&text).expect("reads"), event);
}
