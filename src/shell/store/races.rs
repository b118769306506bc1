//! Everybody at once on the real store, and what is found there afterwards.

use super::tests::{LIMITS, NOW, RULES, approve, claim, directory, opened, request, store_for_test};
use super::*;
use crate::kernel::review::{self, Conditions, Happening, Need, RunMode, StateName, Voter};

/// Of each kind of race: more of them by the environment, since every one of them syncs the file.
fn races() -> usize {
    std::env::var("LOCKKEEPER_RACES").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

fn seen(by: &str, groups: &[&str], ticket: &Ticket) -> Command {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    let by = Voter { groups, ..Voter::from(by) };
    Command::Approve { by, note: None, seen_hash: Some(ticket.review_hash()) }
}

/// Whatever came of it, its events are a legal history of it, and nothing in it happened twice.
async fn check(store: &Store, id: TicketId) -> Ticket {
    let ticket = store.load(id).await.expect("loads");
    let events = store.events(id).await.expect("reads");
    let mut sum = review::begin(id, &events[0].event).expect("a first event");
    let (mut voters, mut ends, mut claims): (Vec<String>, usize, usize) = (Vec::new(), 0, 0);
    for (n, recorded) in events.iter().enumerate().skip(1) {
        assert_eq!(usize::try_from(recorded.version).expect("fits"), n + 1, "a version twice");
        match &recorded.event.what {
            Happening::Voted { by, .. } | Happening::Approved { by, .. } => {
                assert!(!voters.contains(by), "{by} counted twice");
                voters.push(by.clone());
            }
            Happening::Justified { .. } => voters.clear(),
            Happening::Rejected { .. } | Happening::Cancelled { .. } => ends += 1,
            Happening::Claimed { .. } => claims += 1,
            other => panic!("{}", other.name()),
        }
        sum = review::evolve(sum, &recorded.event);
    }
    assert_eq!(sum, ticket, "the row is what the events add up to");
    assert!(ends <= 1 && claims <= 1);
    if claims == 1 {
        assert!(voters.len() >= usize::try_from(ticket.request.conditions.people).expect("fits"));
    }
    ticket
}

async fn with_two(store: &Store, n: usize) -> Ticket {
    let conditions =
        Conditions { people: 2, needs: vec![Need { groups: vec!["dba".into()] }], ..Conditions::default() };
    store.open_or_attach(Request { conditions, ..request(n) }, NOW, RULES).await.expect("opens").0
}

async fn clear(store: &Store, id: TicketId) {
    // Whatever won, the requester's next ticket has room.
    let _ = store.act(id, Command::Cancel { by: "alice".into(), reason: None }, NOW, RULES.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_approve_and_one_rejects() {
    let (_directory, path) = directory();
    let (a, b) = (Store::open(&path).await.expect("opens"), Store::open(&path).await.expect("opens"));
    for n in 0..races() {
        let ticket = with_two(&a, n).await;
        let id = ticket.id;
        let reject = Command::Reject { by: "dan".into(), reason: "no".into() };
        let (one, two, three) = tokio::join!(
            a.act(id, seen("bob", &["dba"], &ticket), NOW, RULES.0),
            b.act(id, seen("carol", &[], &ticket), NOW, RULES.0),
            b.act(id, reject, NOW, RULES.0)
        );
        // A rejection counts at any time before the run; after it no approval does.
        assert!(three.is_ok(), "{three:?}");
        let after = check(&a, id).await;
        assert_eq!(after.state.name(), StateName::Rejected, "{one:?} {two:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approvals_against_an_edit() {
    let (_directory, path) = directory();
    let (a, b) = (Store::open(&path).await.expect("opens"), Store::open(&path).await.expect("opens"));
    for n in 0..races() {
        let ticket = with_two(&a, n).await;
        let id = ticket.id;
        let edit = Command::Justify { by: "alice".into(), text: "why".into() };
        let (one, two, edited) = tokio::join!(
            b.act(id, seen("bob", &["dba"], &ticket), NOW, RULES.0),
            a.act(id, seen("carol", &[], &ticket), NOW, RULES.0),
            b.act(id, edit, NOW, RULES.0)
        );
        let after = check(&a, id).await;
        if edited.is_ok() {
            assert_eq!((after.state.name(), after.votes().len()), (StateName::Pending, 0), "{one:?} {two:?}");
        } else {
            assert_eq!(after.state.name(), StateName::Approved, "the edit came after the decision");
        }
        clear(&a, id).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_approval_twice() {
    let (_directory, path) = directory();
    let (a, b) = (Store::open(&path).await.expect("opens"), Store::open(&path).await.expect("opens"));
    for n in 0..races() {
        let ticket = with_two(&a, n).await;
        let id = ticket.id;
        let (one, two) = tokio::join!(
            a.act(id, seen("bob", &["dba"], &ticket), NOW, RULES.0),
            b.act(id, seen("BOB", &["dba"], &ticket), NOW, RULES.0)
        );
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        assert_eq!(check(&a, id).await.state.name(), StateName::Pending, "one person is not two");
        clear(&a, id).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_claims_and_a_rejection() {
    let (_directory, path) = directory();
    let (a, b) = (Store::open(&path).await.expect("opens"), Store::open(&path).await.expect("opens"));
    for n in 0..races() {
        let id = opened(&a, n).await;
        a.act(id, approve("bob"), NOW, RULES.0).await.expect("approves");
        let reject = Command::Reject { by: "dan".into(), reason: "no".into() };
        let (one, two, three) = tokio::join!(
            a.act(id, claim("s1", n), NOW, RULES.0),
            b.act(id, claim("s2", n), NOW, RULES.0),
            b.act(id, reject, NOW, RULES.0)
        );
        let won = [one.is_ok(), two.is_ok(), three.is_ok()].into_iter().filter(|won| *won).count();
        assert_eq!(won, 1, "{one:?} {two:?} {three:?}");
        check(&a, id).await;
    }
}

#[tokio::test]
async fn found_by_what_they_are_and_by_words() {
    let (_directory, store) = store_for_test().await;
    let of = |n: usize, shown: &str, target: &str, requester: &str| Request {
        shown: shown.into(),
        target: target.into(),
        requester: requester.into(),
        ..request(n)
    };
    for one in [
        of(1, "DROP TABLE orders", "main", "alice"),
        of(2, "DROP TABLE order_lines", "staging", "alice"),
        of(3, "ALTER TABLE customers ADD COLUMN \"größe\" int", "main", "dave"),
    ] {
        store.open_or_attach(one, NOW, RULES).await.expect("opens");
    }
    let act = async |id, command| store.act(TicketId(id), command, NOW, RULES.0).await.expect("counts");
    act(1, Command::Comment { by: "bob".into(), text: "after the Sunday backup".into() }).await;
    act(3, Command::Label { by: "dave".into(), add: vec!["q3".into()], remove: Vec::new() }).await;
    let ids = async |filter: Filter| {
        store.list(filter).await.expect("reads").iter().map(|ticket| ticket.id.0).collect::<Vec<_>>()
    };
    let words = |text: &str| Filter { text: Some(text.into()), ..Filter::default() };
    for (text, expected) in [
        ("drop", vec![2, 1]),
        // The table it touches counts, whatever the statement calls it.
        ("order", vec![3, 2, 1]),
        ("drop orders", vec![2, 1]),
        ("order_lines", vec![2]),
        ("sunday backup", vec![1]),
        ("GRÖSSE", vec![]),
        ("größe", vec![3]),
        ("q3", vec![3]),
        ("dave", vec![3]),
        ("\"; DROP", vec![2, 1]),
        ("NEAR(", vec![]),
        ("  ", vec![3, 2, 1]),
    ] {
        assert_eq!(ids(words(text)).await, expected, "{text:?}");
    }
    let all = Filter::default;
    assert_eq!(ids(Filter { target: Some("main".into()), ..all() }).await, [3, 1]);
    assert_eq!(ids(Filter { visible: vec!["stag*".into(), "x".into()], ..all() }).await, [2]);
    assert_eq!(ids(Filter { visible: vec!["[main]".into()], ..all() }).await, [] as [i64; 0]);
    assert_eq!(ids(Filter { label: Some("q3".into()), ..all() }).await, [3]);
    assert_eq!(ids(Filter { requester: Some("dave".into()), ..all() }).await, [3]);
    assert_eq!(ids(Filter { before: Some(TicketId(2)), ..words("drop") }).await, [1]);
    act(3, Command::Label { by: "dave".into(), add: Vec::new(), remove: vec!["q3".into()] }).await;
    assert_eq!(ids(Filter { label: Some("q3".into()), ..all() }).await, [] as [i64; 0]);
    assert_eq!(ids(Filter { owed: true, ..all() }).await, [] as [i64; 0]);
}

#[tokio::test]
async fn likes_and_rehearsals_with_what_they_took() {
    let (_directory, store) = store_for_test().await;
    let ran = async |request: Request, ms: u64| {
        let id = store.open_or_attach(request.clone(), NOW, RULES).await.expect("opens").0.id;
        let claim = Command::Claim { claim: "s".into(), session: "s".into(), request: Box::new(request) };
        for command in [
            approve("bob"),
            claim,
            Command::Start { claim: "s".into() },
            Command::Finish { claim: "s".into(), ms, tag: "X".into() },
        ] {
            store.act(id, command, NOW, RULES.0).await.expect("counts");
        }
        id.0
    };
    let staging = |n| Request { target: "staging".into(), ..request(n) };
    let rehearsed = ran(staging(9), 40).await;
    ran(staging(8), 50).await;
    let before = ran(request(1), 1_234).await;
    let mut other = request(2);
    other.plan.recipe = "other".into();
    ran(other, 5).await;
    let ticket = store.open_or_attach(request(9), NOW, RULES).await.expect("opens").0;
    let found = store.kin(ticket).await.expect("reads");
    let told: Vec<_> = found.iter().map(|kin| (kin.id.0, kin.ms, kin.rows, kin.same_elsewhere)).collect();
    assert_eq!(told, [(before, Some(1_234), Some(1_000), false), (rehearsed, Some(40), Some(1_000), true)]);
}

#[tokio::test]
async fn what_starts_by_itself() {
    let (_directory, store) = store_for_test().await;
    let at = NOW.plus_ms(7_200_000);
    for (n, run) in [(1, RunMode::Session), (2, RunMode::Job), (3, RunMode::At { at })] {
        let id = opened(&store, n).await;
        store.act(id, Command::ChooseRun { by: "alice".into(), run }, NOW, RULES.0).await.expect("counts");
    }
    assert_eq!(store.starting(at).await.expect("reads"), (Vec::new(), None), "nobody has approved them");
    for id in 1..=3 {
        store.act(TicketId(id), approve("bob"), NOW, RULES.0).await.expect("counts");
    }
    let due = async |now| {
        let (due, next) = store.starting(now).await.expect("reads");
        (due.iter().map(|ticket| ticket.id.0).collect::<Vec<_>>(), next)
    };
    assert_eq!(due(NOW).await, (vec![2], Some(at)));
    assert_eq!(due(at).await, (vec![2, 3], None));
    store.act(TicketId(2), claim("job-1", 2), NOW, RULES.0).await.expect("claims");
    assert_eq!(due(at).await.0, [3]);
}

/// A file as the version before wrote it, with tickets in it.
#[tokio::test]
async fn an_older_file_is_brought_up_to_date() {
    let (_directory, path) = directory();
    let old = Connection::open(&path).expect("opens");
    for migration in schema::MIGRATIONS.iter().take(2) {
        old.execute_batch(migration).expect("runs");
    }
    old.pragma_update(None, "user_version", 2).expect("sets");
    let event = review::open(request(1), NOW, RULES.0);
    let ticket = review::begin(TicketId(1), &event).expect("a first event");
    let mut body = serde_json::to_value(&ticket).expect("writes");
    for new in ["run", "justification", "labels", "debt"] {
        body.as_object_mut().expect("an object").remove(new);
    }
    body["request"].as_object_mut().expect("an object").remove("conditions");
    body["state"] =
        serde_json::json!({"name": "approved", "by": "bob", "at": 1, "note": null, "expires": 86_400_000_000_i64});
    let insert = "INSERT INTO tickets (version, state, identity, requester, expires, body) VALUES (1, 'approved', ?1, 'alice', 1, ?2)";
    old.execute(insert, [request(1).identity_hash(), body.to_string()]).expect("inserts");
    let event = serde_json::to_string(&event).expect("writes");
    old.execute("INSERT INTO ticket_events (ticket, version, body) VALUES (1, 1, ?1)", [event]).expect("inserts");
    drop(old);
    let store = Store::open(&path).await.expect("opens");
    let found = store.list(Filter { text: Some("orders".into()), ..Filter::default() }).await.expect("reads");
    assert_eq!(found.len(), 1);
    assert_eq!(review::approvers(&found[0].state), ["bob"]);
    let found = store.list(Filter { target: Some("main".into()), ..Filter::default() }).await.expect("reads");
    assert_eq!(found.len(), 1);
    let (same, how) = store.open_or_attach(request(1), NOW, (RULES.0, LIMITS)).await.expect("attaches");
    assert_eq!((same.id, how), (TicketId(1), Opened::Attached));
    store.act(TicketId(1), claim("s", 1), NOW, RULES.0).await.expect("an old approval counts");
}
