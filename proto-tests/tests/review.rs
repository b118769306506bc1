//! The life of a held change: the client waits, somebody else decides, it runs once or not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proto_tests::client::{error_of, status_of, ticket_of};
use proto_tests::wire;
use proto_tests::{Client, Gateway, GatewayOptions, Message, Server, majors, wait_until};

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start(majors().into_iter().max().unwrap());
    server.sql("postgres", "create database fixture owner alice");
    server.sql("fixture", "alter schema public owner to alice");
    server.connect("alice", "fixture").rows(
        "create table victim(id int primary key, name text); insert into victim values (1, 'one'), (2, 'two');
         create table bystander(id int)",
    );
    server
});

static NEXT: AtomicUsize = AtomicUsize::new(0);

const DROP: &str = "drop table victim";

/// A gateway and a database of one test.
struct Case {
    gateway: Gateway,
    database: String,
}

impl Case {
    fn new() -> Self {
        Self::with(&GatewayOptions::default())
    }

    fn with(options: &GatewayOptions) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            gateway: Gateway::with(&SERVER, options),
            database: SERVER.database(&format!("case_{number}"), "fixture"),
        }
    }

    fn connect(&self, user: &str) -> Client {
        self.gateway.connect(user, &self.database)
    }

    fn exists(&self, table: &str) -> bool {
        SERVER.sql(&self.database, &format!("select to_regclass('{table}') is not null")) == ["t"]
    }
}

fn code(replies: &[Message]) -> String {
    error_of(replies).and_then(|m| m.field('C')).unwrap_or_else(|| panic!("no error in {replies:?}"))
}

#[test]
fn approved_by_another_it_runs_while_the_client_waits() {
    let case = Case::new();
    let mut client = case.connect("alice");
    let number = client.hold(DROP);
    assert!(case.exists("victim"));
    let shown = case.gateway.show(&number);
    for part in [DROP, "alice"] {
        assert!(shown.contains(part), "{part:?} is missing in: {shown}");
    }
    assert!(case.gateway.tickets().contains(&number));
    case.gateway.approve(&number, "bob");
    let replies = client.until_ready();
    assert!(replies.iter().any(|m| m.render() == "CommandComplete DROP TABLE"), "{replies:?}");
    assert_eq!(status_of(&replies), Some('I'));
    assert!(!case.exists("victim"));
    let shown = case.gateway.show(&number);
    assert!(shown.contains("bob"), "who approved is missing in: {shown}");
}

#[test]
fn it_waits_through_the_extended_protocol_too() {
    let case = Case::new();
    let mut client = case.connect("alice");
    let burst = [
        wire::parse(b"", DROP.as_bytes(), &[]),
        wire::bind(b"", b"", &[], false),
        wire::named(b'D', b'P', b""),
        wire::execute(b"", 0),
        wire::framed(b'S', b""),
    ];
    client.send(&burst.concat()).unwrap();
    let number = ticket_of(&client.until("ticket "));
    case.gateway.approve(&number, "bob");
    let replies = client.until_ready();
    assert!(replies.iter().any(|m| m.render() == "CommandComplete DROP TABLE"), "{replies:?}");
    assert!(!case.exists("victim"));
}

#[test]
fn what_was_bound_is_what_runs_after_approval() {
    let case = Case::new();
    let mut client = case.connect("alice");
    for portal in [b"".as_slice(), b"p1"] {
        let burst = [
            wire::parse(b"", b"update victim set name = $1 returning id, name", &[]),
            wire::bind(portal, b"", &[wire::Value::Text(b"seen".to_vec())], true),
            wire::execute(portal, 0),
            wire::framed(b'S', b""),
        ];
        client.send(&burst.concat()).unwrap();
        let number = ticket_of(&client.until("ticket "));
        case.gateway.approve(&number, "bob");
        let replies = client.until_ready();
        assert!(replies.iter().any(|m| m.render() == "CommandComplete UPDATE 2"), "{replies:?}");
        let binary = replies.iter().filter(|m| m.tag == b'D').all(|m| m.body.windows(4).any(|id| id == [0, 0, 0, 4]));
        assert!(binary, "rows in the formats of the Bind: {replies:?}");
        assert_eq!(client.rows("select distinct name from victim"), ["seen"]);
    }
}

#[test]
fn rejected_it_says_who_and_why() {
    let case = Case::new();
    let mut client = case.connect("alice");
    let number = client.hold(DROP);
    case.gateway.reject(&number, "bob", "not before the weekend");
    let replies = client.until_ready();
    assert!(code(&replies).starts_with("LK"));
    let text = error_of(&replies).unwrap().render();
    assert!(text.contains("bob") && text.contains("not before the weekend"), "{text}");
    assert_eq!(client.rows("select count(*) from victim"), ["2"]);
}

#[test]
fn cancelled_by_the_requester_it_ends_with_an_error() {
    let case = Case::new();
    let mut client = case.connect("alice");
    let number = client.hold(DROP);
    case.gateway.withdraw(&number, "alice");
    assert!(code(&client.until_ready()).starts_with("LK"));
    assert_eq!(client.rows("select count(*) from victim"), ["2"]);
}

#[test]
fn expired_it_ends_with_an_error() {
    let case = Case::with(&GatewayOptions::expire_after(1));
    let mut client = case.connect("alice");
    let number = client.hold(DROP);
    assert!(code(&client.until_ready()).starts_with("LK"));
    let (approved, text) = case.gateway.try_approve(&number, "bob");
    assert!(!approved, "an expired ticket was approved: {text}");
    assert!(case.exists("victim"));
}

#[test]
fn a_reload_changes_how_long_a_ticket_lives_and_where_its_page_is() {
    let case = Case::with(&GatewayOptions::expire_after(3600));
    let page = "https://review.example.com";
    case.gateway.reload(&format!("[hold]\npending_expiry_s = 1\n[notifications]\nurl = '{page}/'\n"));
    wait_until("the file is read", Duration::from_secs(10), || {
        case.gateway.log().contains("configuration reloaded").then_some(())
    });
    let mut client = case.connect("alice");
    client.send(&wire::query(DROP.as_bytes())).unwrap();
    let replies = client.until_ready();
    assert!(code(&replies).starts_with("LK"), "{replies:?}");
    let hint = replies.iter().find(|reply| reply.tag == b'N').and_then(|notice| notice.field('H')).unwrap();
    assert!(hint.contains(&format!(", or at {page}/tickets/1. ")), "{hint}");
}

#[test]
fn ones_own_request_cannot_be_approved() {
    let case = Case::new();
    let mut client = case.connect("alice");
    let number = client.hold(DROP);
    let (approved, text) = case.gateway.try_approve(&number, "alice");
    assert!(!approved, "{text}");
    assert!(case.exists("victim"));
    case.gateway.reject(&number, "bob", "no");
    assert!(code(&client.until_ready()).starts_with("LK"));
    let (approved, text) = case.gateway.try_approve(&number, "bob");
    assert!(!approved, "a rejected ticket was approved: {text}");
}

#[test]
fn an_approval_is_spent_once() {
    let case = Case::new();
    let mut client = case.connect("alice");
    let sql = "delete from bystander";
    client.rows("insert into bystander values (1)");
    let first = client.hold(sql);
    case.gateway.approve(&first, "bob");
    assert!(error_of(&client.until_ready()).is_none());
    client.rows("insert into bystander values (2)");
    let second = client.hold(sql);
    assert_ne!(first, second, "the spent approval was found again");
    client.cancel();
    client.until_ready();
    assert_eq!(client.rows("select count(*) from bystander"), ["1"]);
}

#[test]
fn a_client_that_leaves_loses_nothing() {
    let case = Case::new();
    let mut client = case.connect("alice");
    let first = client.hold(DROP);
    client.vanish();
    let mut again = case.connect("alice");
    assert_eq!(again.hold(DROP), first, "the same statement joins the open ticket");
    again.vanish();
    case.gateway.approve(&first, "bob");
    assert!(case.exists("victim"), "nobody asked for it to run without them");
    let mut third = case.connect("alice");
    let replies = third.query(DROP);
    assert!(error_of(&replies).is_none(), "{replies:?}");
    assert!(!case.exists("victim"));
}

#[test]
fn an_approval_is_for_one_text_one_role_and_one_table() {
    let case = Case::with(&GatewayOptions::answer_at_once());
    let mut client = case.connect("alice");
    let refused = client.query(DROP);
    assert!(code(&refused).starts_with("LK"), "{refused:?}");
    let number = ticket_of(error_of(&refused).unwrap());
    case.gateway.approve(&number, "bob");
    SERVER.sql(&case.database, "alter table victim owner to carol; grant carol to alice");
    assert!(code(&case.connect("carol").query(DROP)).starts_with("LK"), "another role used the approval");
    SERVER.sql(&case.database, "alter table victim owner to alice");
    assert!(code(&client.query("drop table victim cascade")).starts_with("LK"), "another text used the approval");
    SERVER.sql(
        &case.database,
        "drop table victim; create table victim(other int); insert into victim values (1); \
         alter table victim owner to alice",
    );
    assert!(code(&client.query(DROP)).starts_with("LK"), "another table of the same name was dropped");
    assert!(case.exists("victim"));
}

#[test]
fn answered_at_once_the_same_statement_runs_after_approval() {
    let case = Case::with(&GatewayOptions::answer_at_once());
    let mut client = case.connect("alice");
    let first = client.query(DROP);
    assert!(code(&first).starts_with("LK"));
    let number = ticket_of(error_of(&first).unwrap());
    assert_eq!(ticket_of(error_of(&client.query(DROP)).unwrap()), number, "sent again it joins the same ticket");
    case.gateway.approve(&number, "bob");
    let replies = client.query(DROP);
    assert!(error_of(&replies).is_none(), "{replies:?}");
    assert!(!case.exists("victim"));
}

#[test]
fn cancel_ends_the_waiting() {
    let case = Case::new();
    let mut client = case.connect("alice");
    client.hold(DROP);
    client.cancel();
    assert_eq!(code(&client.until_ready()), "57014");
    assert_eq!(client.rows("select count(*) from victim"), ["2"]);
}

#[test]
fn waiting_has_an_end() {
    let case = Case::with(&GatewayOptions::wait_at_most(1));
    let mut client = case.connect("alice");
    let number = client.hold(DROP);
    let replies = client.until_ready();
    assert!(code(&replies).starts_with("LK"));
    case.gateway.approve(&number, "bob");
    assert!(error_of(&client.query(DROP)).is_none());
}

#[test]
fn tickets_outlive_the_gateway() {
    let mut case = Case::new();
    let mut client = case.connect("alice");
    let number = client.hold(DROP);
    case.gateway.kill();
    case.gateway.run();
    assert!(case.exists("victim"));
    assert!(case.gateway.show(&number).contains(DROP));
    case.gateway.approve(&number, "bob");
    let mut again = case.connect("alice");
    assert!(error_of(&again.query(DROP)).is_none());
    assert!(!case.exists("victim"));
}

#[test]
fn several_statements_are_held_as_one() {
    let case = Case::new();
    let mut client = case.connect("alice");
    let number = client.hold("insert into bystander values (7); drop table victim; select 'end'");
    assert_eq!(SERVER.sql(&case.database, "select count(*) from bystander"), ["0"]);
    case.gateway.approve(&number, "bob");
    let replies = client.until_ready();
    let tags: Vec<_> = replies.iter().filter(|m| m.tag == b'C').map(Message::render).collect();
    assert_eq!(tags, ["CommandComplete INSERT 0 1", "CommandComplete DROP TABLE", "CommandComplete SELECT 1"]);
}

#[test]
fn writes_without_a_condition_are_held() {
    let case = Case::with(&GatewayOptions::answer_at_once());
    let mut client = case.connect("alice");
    for sql in ["update victim set name = ''", "delete from victim", "truncate victim", "grant all on victim to public"]
    {
        assert!(code(&client.query(sql)).starts_with("LK"), "{sql}");
    }
    assert_eq!(client.rows("update victim set name = 'x' where id = 1"), Vec::<String>::new());
    assert_eq!(client.rows("select count(*) from victim where name = 'x'"), ["1"]);
}

#[test]
fn secrets_do_not_reach_the_records() {
    let case = Case::with(&GatewayOptions::answer_at_once());
    let mut client = case.connect("dba");
    let secret = "correct-horse-battery";
    for sql in [
        format!("alter role carol password '{secret}'"),
        format!("alter role carol password '{secret}' nonsense"),
        format!("create user mapping for carol server nosuch options (password '{secret}')"),
    ] {
        client.query(&sql);
    }
    case.gateway.stop();
    let found = std::process::Command::new("grep").args(["-rlaF", secret]).arg(&case.gateway.data).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "a password was written down");
    assert!(!case.gateway.log().contains(secret), "a password was logged");
}

#[test]
fn the_record_shows_the_session() {
    let case = Case::new();
    let mut client = case.connect("alice");
    client.rows("select 'remember me'");
    wait_until("the session is listed", Duration::from_secs(5), || {
        let listed = case.gateway.must(&["sessions"]);
        (listed.contains("alice") && listed.contains(&case.database)).then_some(())
    });
    drop(client);
    case.gateway.stop();
    wait_until("the statement is on record", Duration::from_secs(10), || {
        let found =
            std::process::Command::new("grep").args(["-rlF", "remember me"]).arg(&case.gateway.data).output().unwrap();
        found.status.success().then_some(())
    });
}

#[test]
fn tickets_as_json() {
    let case = Case::new();
    let mut client = case.connect("alice");
    let number = client.hold(DROP);
    let text = case.gateway.must(&["tickets", "--json"]);
    let lines: Vec<serde_json::Value> =
        serde_json::Deserializer::from_str(&text).into_iter().map(Result::unwrap).collect();
    assert!(!lines.is_empty(), "{text}");
    assert!(text.contains(&number) && text.contains(DROP), "{text}");
    for verb in [&["comment", "--text", "a"][..], &["label", "--add", "a"], &["reject", "--reason", "a"]] {
        let told = json(&case, &[verb, &[&number, "--as", "bob", "--json"]].concat());
        assert_eq!(told["ticket"]["id"].to_string(), number, "{verb:?}: {told}");
    }
    let (ok, text) = case.gateway.cli(&["wait", &number, "--json"]);
    assert!(!ok && text.contains("\"name\": \"rejected\""), "{text}");
    let (ok, text) = case.gateway.cli(&["label", &number, "--as", "bob"]);
    assert!(!ok && text.contains("a label has to be given"), "{text}");
}

fn json(case: &Case, arguments: &[&str]) -> serde_json::Value {
    let text = case.gateway.must(arguments);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error} in {text}"))
}

#[test]
fn an_approval_for_what_is_not_there_any_more_is_taken_back() {
    let case = Case::new();
    let mut client = case.connect("alice");
    let number = client.hold(DROP);
    SERVER.sql(&case.database, DROP);
    case.gateway.approve(&number, "bob");
    assert_eq!(code(&client.until_ready()), "LK001");
    let shown = case.gateway.show(&number);
    assert!(shown.contains("is pending") && shown.contains("returned to review: the objects"), "{shown}");
}
