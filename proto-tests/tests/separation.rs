//! Nobody decides on their own change, under no name, at no door, and nobody is two people.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::process::Stdio;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use proto_tests::client::error_of;
use proto_tests::{Gateway, GatewayOptions, Server, Session, majors};

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start(majors().into_iter().max().unwrap());
    server.sql("postgres", "create database fixture owner alice");
    server.sql(
        "postgres",
        "create role owner_role; grant owner_role to alice, bob; create role alice_admin login in role owner_role;
         create role team login in role owner_role",
    );
    server.sql("fixture", "create table victim(id int); alter table victim owner to owner_role");
    server
});

const DROP: &str = "drop table victim";

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// ann logs in as `alice` and `alice_…`; ann and carl share the login `team`, which their applications tell apart.
const PEOPLE: &str = r#"
[[targets]]
name = "default"
databases = ["*"]
policy = "all"
[[policy.all.rules]]
review = { people = 2, groups = ["dba", "payments"], break_glass = ["dba"] }
[[people]]
name = "ann"
groups = ["dba", "payments"]
database_roles = ["alice", "alice_*", "team"]
applications = ["ann-*", "psql"]
[[people]]
name = "bob"
groups = ["dba", "payments"]
database_roles = ["bob"]
[[people]]
name = "carl"
groups = ["payments"]
database_roles = ["team"]
applications = ["carl-*"]
[[people]]
name = "dora"
groups = ["dba"]
[[people]]
name = "robot"
kind = "agent"
groups = ["dba", "payments"]
[[people]]
name = "cron"
kind = "service"
groups = ["dba", "payments"]
[[people]]
name = "chief"
database_roles = ["chief"]
[[grants]]
role = "reviewer"
to = ["dba", "payments"]
[[grants]]
role = "operator"
to = ["chief", "ann"]
[[grants]]
role = "auditor"
to = ["chief"]
"#;

struct Case {
    gateway: Gateway,
    database: String,
}

impl Case {
    fn new(config: &str) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let options = GatewayOptions { config: config.to_owned(), ..GatewayOptions::default() };
        let database = SERVER.database(&format!("separation_{number}"), "fixture");
        Self { gateway: Gateway::with(&SERVER, &options), database }
    }

    fn session(&self, login: &str) -> Session {
        self.gateway.session(login, &self.database)
    }

    /// A token of somebody's own.
    fn token(&self, person: &str) -> String {
        let told = self.gateway.must(&["tokens", "create", person]);
        told.trim_end().lines().last().unwrap().trim().to_owned()
    }

    fn by(&self, token: &str, words: &[&str]) -> (bool, String) {
        let output = self.gateway.command(words).env("LOCKKEEPER_TOKEN", token).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    }

    /// Somebody tries to approve, under their own name and under another.
    fn cannot(&self, who: &str, token: &str, ticket: &str) {
        let (ok, text) = self.by(token, &["approve", ticket]);
        assert!(!ok && text.contains("asked for this change"), "{who}: {text}");
        let (ok, text) = self.by(token, &["approve", ticket, "--as", "dora"]);
        assert!(!ok, "{who} as dora: {text}");
    }

    fn stands(&self) {
        assert_eq!(SERVER.sql(&self.database, "select to_regclass('victim') is not null"), ["t"]);
    }
}

#[test]
fn whoever_may_be_behind_a_login_asked_for_it() {
    let case = Case::new(PEOPLE);
    let (ann, bob, carl) = (case.token("ann"), case.token("bob"), case.token("carl"));
    // Her own login, another one of hers, whatever role it takes on, whatever it says it is.
    for (login, role, application) in [
        ("alice", "", "psql"),
        ("alice_admin", "", "ann-deploy"),
        ("alice", "set role owner_role", "psql"),
        ("alice", "", "carl-psql"),
        ("alice", "", "bob"),
        ("alice", "set application_name = 'dora'", "psql"),
    ] {
        let mut client = case.session(login).parameter("application_name", application).connect().unwrap();
        if !role.is_empty() {
            client.rows(role);
        }
        let ticket = client.hold(DROP);
        case.cannot("ann", &ann, &ticket);
        case.gateway.must(&["tickets", "show", &ticket]);
        let (ok, text) = case.by(&bob, &["reject", &ticket, "--reason", "next"]);
        assert!(ok, "{text}");
        client.until_ready();
    }
    // A login of two people: neither is a stranger to what it asks for, whatever it says.
    for application in ["ann-psql", "carl-psql", "dora", "psql"] {
        let mut client = case.session("team").parameter("application_name", application).connect().unwrap();
        let ticket = client.hold(DROP);
        case.cannot("ann", &ann, &ticket);
        case.cannot("carl", &carl, &ticket);
        let (ok, text) = case.by(&bob, &["reject", &ticket, "--reason", "next"]);
        assert!(ok, "{text}");
        client.until_ready();
    }
    case.stands();
    case.gateway.assert_healthy();
}

#[test]
fn one_person_counts_once_and_some_never() {
    let case = Case::new(PEOPLE);
    let mut client = case.session("alice").connect().unwrap();
    let ticket = client.hold(DROP);
    // In both groups, with two tokens, and once more: one vote.
    let (first, second) = (case.token("bob"), case.token("bob"));
    let (ok, text) = case.by(&first, &["approve", &ticket]);
    assert!(ok, "{text}");
    for token in [&first, &second] {
        let (ok, text) = case.by(token, &["approve", &ticket]);
        assert!(!ok && text.contains("already"), "{text}");
    }
    case.stands();
    for who in ["robot", "cron", "chief"] {
        let (ok, text) = case.by(&case.token(who), &["approve", &ticket]);
        assert!(!ok && text.contains("needed: decide"), "{who}: {text}");
    }
    // The token of the gateway's own directory decides nothing where people are known, under no name.
    for name in ["dora", "ann", "bob", "root"] {
        let (ok, text) = case.gateway.try_approve(&ticket, name);
        assert!(!ok, "as {name}: {text}");
    }
    case.stands();
    let (ok, text) = case.by(&case.token("carl"), &["approve", &ticket]);
    assert!(ok, "{text}");
    let replies = client.until_ready();
    assert!(error_of(&replies).is_none(), "{replies:?}");
    assert_eq!(SERVER.sql(&case.database, "select to_regclass('victim') is null"), ["t"]);
    case.gateway.assert_healthy();
}

#[test]
fn whoever_breaks_the_glass_does_not_forgive_it() {
    let case = Case::new(PEOPLE);
    let mut client = case.session("alice").connect().unwrap();
    let ticket = client.hold(DROP);
    let (ann, dora) = (case.token("ann"), case.token("dora"));
    let (ok, text) = case.by(&ann, &["break-glass", &ticket, "--reason", "the disk is full"]);
    assert!(ok, "{text}");
    let replies = client.until_ready();
    assert!(error_of(&replies).is_none(), "{replies:?}");
    let (ok, text) = case.by(&ann, &["review-debt", &ticket, "--text", "fine"]);
    assert!(!ok && text.contains("ann"), "{text}");
    let (ok, text) = case.by(&dora, &["review-debt", &ticket, "--text", "seen"]);
    assert!(ok, "{text}");
    case.gateway.assert_healthy();
}

#[test]
fn a_name_that_looks_like_the_requesters_is_theirs() {
    let case = Case::new("");
    let mut client = case.session("alice").connect().unwrap();
    let ticket = client.hold(DROP);
    let alike = [
        "alice",
        "ALICE",
        " alice ",
        "Alice",
        "аlice",
        "alіce",
        "ａｌｉｃｅ",
        "a1ice",
        "al\u{131}ce",
        "alicé",
        "αlice",
        "ali\u{441}e",
    ];
    let impossible = ["ali\u{200b}ce", "alice\u{202e}", "", " ", "alice\n", "\u{ad}alice", "ali\u{feff}ce"];
    for name in alike.into_iter().chain(impossible) {
        let (ok, text) = case.gateway.try_approve(&ticket, name);
        assert!(!ok, "{name:?}: {text}");
    }
    case.stands();
    let (ok, text) = case.gateway.try_approve(&ticket, "bob");
    assert!(ok, "{text}");
    client.until_ready();
    case.gateway.assert_healthy();
}

#[test]
fn the_console_in_sql_knows_its_own_as_well() {
    let case = Case::new(PEOPLE);
    let mut client = case.session("alice").connect().unwrap();
    let ticket = client.hold(DROP);
    let ann = case.token("ann");
    // The token says who it is, not the user name.
    for name in ["ann", "bob", "dora"] {
        let mut console = case.gateway.session(name, "lockkeeper").password(&ann).connect().unwrap();
        let replies = console.query(&format!("call approve({ticket})"));
        let told = error_of(&replies).unwrap_or_else(|| panic!("{replies:?}")).render();
        assert!(told.contains("ann asked for this change"), "{told}");
    }
    assert!(case.gateway.session("bob", "lockkeeper").password("").connect().is_err());
    case.stands();
    let (ok, text) = case.by(&ann, &["cancel", &ticket]);
    assert!(ok, "one's own is withdrawn: {text}");
    client.until_ready();
    case.gateway.assert_healthy();
}
