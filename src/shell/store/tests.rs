//! The store on real files: races between two connections, death at any point, limits, damage.

mod jobs;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::kernel::review::tests::request_for_test;
use crate::kernel::review::{self, Happening, Rejection, State, StateName};

pub(super) const RULES: (Terms, Limits) =
    (Terms { pending_ms: 86_400_000, approved_ms: 3_600_000, growth_factor: 2 }, LIMITS);
pub(super) const LIMITS: Limits = Limits { per_requester: 50, total: 1_000 };
pub(super) const NOW: Instant = Instant(1_000_000);

pub(super) fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE);
    (directory, path)
}

pub(super) async fn store_for_test() -> (tempfile::TempDir, Store) {
    let (directory, path) = directory();
    let store = Store::open(&path).await.expect("opens");
    (directory, store)
}

pub(super) fn request(n: usize) -> Request {
    Request { text_hash: format!("{n:064x}"), ..request_for_test() }
}

fn a_run(run: &str) -> NewRun {
    NewRun { run: run.into(), ticket: None, job: None, session: "s".into(), plan: request(1).plan, of: None }
}

pub(super) fn approve(by: &str) -> Command {
    Command::Approve { by: by.into(), note: None, seen_hash: None }
}

pub(super) fn claim(session: &str, n: usize) -> Command {
    Command::Claim { claim: session.into(), session: session.into(), request: Box::new(request(n)) }
}

pub(super) async fn opened(store: &Store, n: usize) -> TicketId {
    let (ticket, opened) = store.open_or_attach(request(n), NOW, RULES).await.expect("opens");
    assert_eq!(opened, Opened::New);
    ticket.id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_connections_exactly_one_decides_and_one_claims() {
    let (_directory, path) = directory();
    let (a, b) = (Store::open(&path).await.expect("opens"), Store::open(&path).await.expect("opens"));
    for n in 0..1_000 {
        let id = opened(&a, n).await;
        if n % 4 == 0 {
            let what = |what| Event { at: NOW, door: Door::Local, what };
            let approved =
                what(Happening::GlassBroken { by: "bob".into(), reason: "down".into(), expires: NOW.plus_ms(1) });
            let rejected = what(Happening::Rejected { by: "carol".into(), reason: "no".into() });
            let (one, two) = tokio::join!(a.append(id, 1, approved), b.append(id, 1, rejected));
            assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
            // Whatever won, the requester's next ticket has room.
            let _ = a.act(id, Command::Cancel { by: "alice".into(), reason: None }, NOW, RULES.0).await;
            continue;
        }
        let (one, two) =
            tokio::join!(a.act(id, approve("bob"), NOW, RULES.0), b.act(id, approve("carol"), NOW, RULES.0));
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        let reject = Command::Reject { by: "dan".into(), reason: "no".into() };
        let (one, two, three) = tokio::join!(
            a.act(id, claim("s1", n), NOW, RULES.0),
            b.act(id, claim("s2", n), NOW, RULES.0),
            b.act(id, reject, NOW, RULES.0)
        );
        let won = [one.is_ok(), two.is_ok(), three.is_ok()].into_iter().filter(|won| *won).count();
        assert_eq!(won, 1, "{one:?} {two:?} {three:?}");
        assert_eq!(a.load(id).await.expect("loads").version, 3);
    }
}

#[tokio::test]
async fn the_same_request_attaches_and_changed_objects_return_it_to_review() {
    let (_directory, store) = store_for_test().await;
    let id = opened(&store, 1).await;
    let (ticket, how) = store.open_or_attach(request(1), NOW, RULES).await.expect("attaches");
    assert_eq!((ticket.id, how, ticket.version), (id, Opened::Attached, 1));
    store.act(id, approve("bob"), NOW, RULES.0).await.expect("approves");
    let (ticket, _) = store.open_or_attach(request(1), NOW, RULES).await.expect("attaches");
    assert_eq!((ticket.id, ticket.state.name()), (id, StateName::Approved));
    let changed = Request { objects_hash: "other".into(), ..request(1) };
    let (ticket, how) = store.open_or_attach(changed, NOW, RULES).await.expect("attaches");
    assert_eq!((ticket.id, how), (id, Opened::Attached));
    assert!(matches!(ticket.state, State::Pending { returned: Some(_), .. }), "{:?}", ticket.state);
    let other_person = Request { requester: "dave".into(), ..request(1) };
    assert_eq!(store.open_or_attach(other_person, NOW, RULES).await.expect("opens").1, Opened::New);
}

#[tokio::test]
async fn what_ended_is_not_attached_to() {
    let (_directory, store) = store_for_test().await;
    let first = opened(&store, 1).await;
    store.act(first, approve("bob"), NOW, RULES.0).await.expect("approves");
    store.act(first, claim("s", 1), NOW, RULES.0).await.expect("claims");
    let second = opened(&store, 1).await;
    assert_ne!(first, second);
    let late = NOW.plus_ms(RULES.0.pending_ms);
    let (third, how) = store.open_or_attach(request(1), late, RULES).await.expect("opens");
    assert_eq!(how, Opened::New);
    assert_ne!(third.id, second);
    assert_eq!(store.load(second).await.expect("loads").state.name(), StateName::Expired);
}

#[tokio::test]
async fn attaching_at_once_from_many_sides_opens_one() {
    let (_directory, path) = directory();
    let stores = [Store::open(&path).await.expect("opens"), Store::open(&path).await.expect("opens")];
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let store = stores[n % 2].clone();
        tasks.spawn(async move { store.open_or_attach(request(7), NOW, RULES).await.expect("opens") });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|(_, how)| *how == Opened::New).count(), 1);
    assert!(answers.iter().all(|(ticket, _)| ticket.id == TicketId(1)));
}

#[tokio::test]
async fn limits_are_told() {
    let (_directory, store) = store_for_test().await;
    let rules = (RULES.0, Limits { per_requester: 2, total: 3 });
    for n in 0..2 {
        store.open_or_attach(request(n), NOW, rules).await.expect("opens");
    }
    let error = store.open_or_attach(request(2), NOW, rules).await.expect_err("too many");
    assert_eq!(error, StoreError::RequesterLimit { requester: "alice".into(), limit: 2 });
    assert_eq!(store.open_or_attach(request(1), NOW, rules).await.expect("attaches").1, Opened::Attached);
    let other = |n| Request { requester: "dave".into(), ..request(n) };
    store.open_or_attach(other(1), NOW, rules).await.expect("opens");
    let error = store.open_or_attach(other(2), NOW, rules).await.expect_err("too many");
    assert_eq!(error, StoreError::TotalLimit { limit: 3 });
    let huge = Request { shown: "x".repeat(5 << 20), ..other(9) };
    let error = store.open_or_attach(huge, NOW, RULES).await.expect_err("too large");
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
}

/// The files as they are after any commit are what a killed process leaves behind.
#[tokio::test]
async fn a_copy_taken_at_any_moment_has_every_event_recorded_so_far() {
    let (directory, store) = store_for_test().await;
    let started = Command::Start { claim: "s".into() };
    let commands =
        [approve("bob"), claim("s", 1), started, Command::Finish { claim: "s".into(), ms: 1, tag: "X".into() }];
    let id = opened(&store, 1).await;
    for (n, command) in commands.into_iter().enumerate() {
        let ticket = store.act(id, command, NOW, RULES.0).await.expect("counts");
        let copy = tempfile::tempdir().expect("a directory");
        for name in [FILE, "lockkeeper.db-wal"] {
            std::fs::copy(directory.path().join(name), copy.path().join(name)).expect("copies");
        }
        let again = Store::open(&copy.path().join(FILE)).await.expect("opens");
        assert_eq!(again.load(id).await.expect("loads"), ticket);
        let events = again.events(id).await.expect("reads");
        assert_eq!(events.len(), n + 2);
        let first = review::begin(id, &events[0].event).expect("a first event");
        let sum = events[1..].iter().fold(first, |ticket, recorded| review::evolve(ticket, &recorded.event));
        assert_eq!(sum, ticket, "the row is what the events add up to");
    }
}

#[tokio::test]
async fn after_a_death_the_outcome_is_unknown() {
    let (directory, store) = store_for_test().await;
    let (running, approved) = (opened(&store, 1).await, opened(&store, 2).await);
    store.act(running, approve("bob"), NOW, RULES.0).await.expect("approves");
    store.act(approved, approve("bob"), NOW, RULES.0).await.expect("approves");
    store.act(running, claim("s", 1), NOW, RULES.0).await.expect("claims");
    store.act(running, Command::Start { claim: "s".into() }, NOW, RULES.0).await.expect("starts");
    let claimed = opened(&store, 3).await;
    store.act(claimed, approve("bob"), NOW, RULES.0).await.expect("approves");
    store.act(claimed, claim("s", 3), NOW, RULES.0).await.expect("claims");
    let run = NewRun { ticket: Some(running), ..a_run("s") };
    store.journal_begin(run, NOW).await.expect("writes");
    assert_eq!(store.journal_started("s", 0, NOW).await.expect("writes"), 1);
    drop(store);
    let alone = DataDirectory::take(directory.path()).expect("alone");
    assert!(matches!(DataDirectory::take(directory.path()), Err(StoreError::InUse(_))));
    let store = Store::open(&alone.path().join(FILE)).await.expect("opens");
    let lost = store.recover(&alone, NOW).await.expect("recovers");
    assert_eq!(lost.iter().map(|ticket| ticket.id).collect::<Vec<_>>(), [running, claimed]);
    assert_eq!(store.load(claimed).await.expect("loads").state.name(), StateName::Failed, "nothing was sent");
    assert_eq!(store.load(running).await.expect("loads").state.name(), StateName::Unknown);
    assert_eq!(store.load(approved).await.expect("loads").state.name(), StateName::Approved);
    let runs = store.journal_unfinished().await.expect("reads");
    assert_eq!((runs.len(), runs[0].steps.len(), runs[0].steps[0].ended), (1, 1, None));
}

#[tokio::test]
async fn the_journal_keeps_every_attempt() {
    let (_directory, store) = store_for_test().await;
    let run = a_run("r");
    store.journal_begin(run, NOW).await.expect("writes");
    assert!(store.journal_started("nobody", 0, NOW).await.is_err());
    for (attempt, outcome) in [(1, StepOutcome::Failed), (2, StepOutcome::Done)] {
        assert_eq!(store.journal_started("r", 0, NOW).await.expect("writes"), attempt);
        store.journal_finished("r", 0, (outcome, None), NOW).await.expect("writes");
    }
    store.journal_finished("r", 1, (StepOutcome::Skipped, Some("x".into())), NOW).await.expect("writes");
    let steps = store.journal_unfinished().await.expect("reads").remove(0).steps;
    let shape: Vec<_> = steps.iter().map(|s| (s.step, s.attempt, s.ended.map(|(_, how)| how))).collect();
    let expected =
        [(0, 1, Some(StepOutcome::Failed)), (0, 2, Some(StepOutcome::Done)), (1, 1, Some(StepOutcome::Skipped))];
    assert_eq!(shape, expected);
    store.journal_end("r", RunOutcome::Done, NOW).await.expect("writes");
    assert!(store.journal_end("r", RunOutcome::Done, NOW).await.is_err());
    assert!(store.journal_unfinished().await.expect("reads").is_empty());
}

#[tokio::test]
async fn time_runs_out_and_watchers_hear_of_it() {
    let (_directory, store) = store_for_test().await;
    let id = opened(&store, 1).await;
    let due = store.next_due().await.expect("reads").expect("something is due");
    let mut watcher = store.watch();
    assert!(store.expire_due(Instant(due.0 - 1)).await.expect("writes").is_empty());
    assert_eq!(store.expire_due(due).await.expect("writes").len(), 1);
    assert_eq!(watcher.recv().await, Ok(Changed { id, version: 2 }));
    assert_eq!(store.next_due().await.expect("reads"), None);
}

#[tokio::test]
async fn lists_filter_and_page() {
    let (_directory, store) = store_for_test().await;
    for n in 0..5 {
        opened(&store, n).await;
    }
    store.act(TicketId(2), approve("bob"), NOW, RULES.0).await.expect("approves");
    let ids =
        async |filter| store.list(filter).await.expect("reads").iter().map(|ticket| ticket.id.0).collect::<Vec<_>>();
    assert_eq!(ids(Filter::default()).await, [5, 4, 3, 2, 1]);
    assert_eq!(ids(Filter { limit: 2, before: Some(TicketId(4)), ..Filter::default() }).await, [3, 2]);
    assert_eq!(ids(Filter { states: vec![StateName::Approved], ..Filter::default() }).await, [2]);
    assert_eq!(ids(Filter { requester: Some("nobody".into()), ..Filter::default() }).await, [0; 0]);
    assert_eq!(store.position().await.expect("reads"), 6);
    assert_eq!(store.events_after(5, 10).await.expect("reads")[0].ticket, TicketId(2));
    assert_eq!(store.load(TicketId(9)).await, Err(StoreError::NotFound(TicketId(9))));
    assert_eq!(store.events(TicketId(9)).await, Err(StoreError::NotFound(TicketId(9))));
}

#[tokio::test]
async fn a_refused_command_leaves_no_trace() {
    let (_directory, store) = store_for_test().await;
    let id = opened(&store, 1).await;
    let error = store.act(id, approve("Alice"), NOW, RULES.0).await.expect_err("own request");
    assert_eq!(error, StoreError::Rejected(Rejection::OwnRequest { by: "Alice".into() }));
    assert_eq!(store.events(id).await.expect("reads").len(), 1);
}

#[tokio::test]
async fn the_file_is_private_append_only_and_checked() {
    let (directory, path) = directory();
    std::fs::write(&path, "").expect("writes");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("sets");
    let store = Store::open(&path).await.expect("opens");
    opened(&store, 1).await;
    for name in [FILE, "lockkeeper.db-wal", "lockkeeper.db-shm"] {
        let mode = std::fs::metadata(directory.path().join(name)).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let raw = Connection::open(&path).expect("opens");
    assert!(raw.execute("DELETE FROM ticket_events", []).is_err());
    assert!(raw.execute("UPDATE ticket_events SET body = ''", []).is_err());
    raw.pragma_update(None, "user_version", 99).expect("writes");
    let error = Store::open(&path).await.expect_err("newer");
    assert_eq!(error, StoreError::Newer { found: 99, known: schema::MIGRATIONS.len() });
    std::fs::write(directory.path().join("bad.db"), "this is no database, whatever its name says").expect("writes");
    let error = Store::open(&directory.path().join("bad.db")).await.expect_err("damaged");
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    let error = Store::open(&directory.path().join("none/x.db")).await.expect_err("no directory");
    assert!(matches!(error, StoreError::File(_)), "{error}");
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    let (_directory, store) = store_for_test().await;
    let id = opened(&store, 1).await;
    store
        .run(|connection| {
            let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            Ok(connection.pragma_update(None, "max_page_count", pages)?)
        })
        .await
        .expect("sets");
    let large = Request { shown: "x".repeat(100_000), ..request(2) };
    assert_eq!(store.open_or_attach(large, NOW, RULES).await.expect_err("full"), StoreError::Full);
    assert_eq!(store.list(Filter::default()).await.expect("reads").len(), 1);
    assert_eq!(store.load(id).await.expect("loads").version, 1);
}

#[tokio::test]
async fn a_locked_file_is_told() {
    let (_directory, path) = directory();
    let store = Store::open(&path).await.expect("opens");
    store.run(|c| Ok(c.busy_timeout(Duration::from_millis(20))?)).await.expect("sets");
    let mut other = Connection::open(&path).expect("opens");
    let held = other.transaction_with_behavior(TransactionBehavior::Immediate).expect("locks");
    assert_eq!(store.open_or_attach(request(1), NOW, RULES).await.expect_err("busy"), StoreError::Busy);
    drop(held);
    opened(&store, 1).await;
}

/// The directory a child process of the test below works in, and where its tickets begin.
const CHILD: &str = "LOCKKEEPER_STORE_TEST_CHILD";

/// Not a test by itself: in a child process it opens and approves tickets, says so, and goes on until it is killed.
#[tokio::test]
async fn writes_until_killed() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let store = Store::open(Path::new(&path)).await.expect("opens");
    let mut n = usize::try_from(store.position().await.expect("reads")).expect("fits");
    loop {
        n += 1;
        let id = opened(&store, n).await;
        store.act(id, approve("bob"), NOW, RULES.0).await.expect("counts");
        eprintln!("recorded {id}");
        store.act(id, claim("s", n), NOW, RULES.0).await.expect("counts");
    }
}

#[tokio::test]
async fn what_was_said_to_be_recorded_is_there_after_a_kill() {
    use std::io::{BufRead, BufReader};
    let (_directory, path) = directory();
    for kills in 1..=20 {
        let mut child = std::process::Command::new(std::env::current_exe().expect("is known"))
            .args(["--exact", "--nocapture", "shell::store::tests::writes_until_killed"])
            .env(CHILD, &path)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("starts");
        let mut said = BufReader::new(child.stderr.take().expect("is piped")).lines().map_while(Result::ok);
        let last = said.by_ref().filter_map(|line| line.strip_prefix("recorded ")?.parse().ok()).nth(kills);
        child.kill().expect("kills");
        child.wait().expect("ends");
        let rest = said.filter_map(|line| line.strip_prefix("recorded ")?.parse().ok()).last();
        let last = TicketId(rest.or(last).expect("it said something"));
        let store = Store::open(&path).await.expect("opens");
        let ticket = store.load(last).await.expect("is there");
        assert!(ticket.version >= 2, "{ticket:?}");
        let events = store.events(last).await.expect("reads");
        assert_eq!(events.len(), usize::try_from(ticket.version).expect("fits"));
        // A ticket it was in the middle of is decided, so that the requester's limit is not reached.
        for live in store.list(Filter { states: vec![StateName::Pending], ..Filter::default() }).await.expect("reads") {
            let cancel = Command::Cancel { by: "alice".into(), reason: None };
            store.act(live.id, cancel, NOW, RULES.0).await.expect("counts");
        }
    }
}

#[tokio::test]
async fn the_last_run_of_a_statement_is_found_by_the_beginning_of_its_name() {
    let (_directory, store) = store_for_test().await;
    for (name, at) in [("ab:1", 1), ("ab:2", 3), ("abc:3", 5), ("ab;4", 6)] {
        store.journal_begin(a_run(name), NOW.plus_ms(at)).await.expect("writes");
    }
    let last = async |words: &str| store.journal_last(words).await.expect("reads").map(|run| run.run);
    assert_eq!(last("ab").await.as_deref(), Some("ab:2"));
    assert_eq!(last("abc").await.as_deref(), Some("abc:3"));
    assert_eq!(last("a").await, None);
}
