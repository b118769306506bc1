//! The console in SQL: who is let in, what psql and drivers find there, and decisions made in it.
//!
//! `psql` is the one on the path; `LOCKKEEPER_PSQLS` names more of them, by path, with blanks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proto_tests::client::{NotConnected, error_of, status_of};
use proto_tests::wire;
use proto_tests::{Client, Gateway, GatewayOptions, Message, Server, majors, wait_until};

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start(majors().into_iter().max().unwrap());
    server.sql("postgres", "create database fixture owner alice");
    server.sql("fixture", "alter schema public owner to alice");
    server
        .connect("alice", "fixture")
        .rows("create table victim(id int primary key, name text); insert into victim values (1, 'one'), (2, 'two')");
    server
});

static NEXT: AtomicUsize = AtomicUsize::new(0);

const PEOPLE: &str = "
[[people]]
name = \"alice\"
token_sha256 = \"3538e9ba583ee237d8acb8984ec9a0592d55a02a3fae9154d2a241e5629cf64d\"
database_roles = [\"alice\"]
[[people]]
name = \"bob\"
token_sha256 = \"21985f40b509776c58e5c20bc053a83baffa23dd6848f2db25d706c7fd9a2629\"
groups = [\"dba\"]
[[people]]
name = \"robot\"
token_sha256 = \"84bba61fdbc2de6ec51b6e4871cdeb3509dcb1032f5b7599d366b97bc254c442\"
kind = \"agent\"
groups = [\"dba\"]
[[people]]
name = \"eve\"
token_sha256 = \"dfd325509e2b985627fb01de93dcec861a972009ccb12ae12a2cc3fab7ffc1ad\"
database_roles = [\"shared\"]
[[people]]
name = \"mallory\"
token_sha256 = \"dafe6970ff100c3f617d75dd3b082f50a2f2442cfa0ebf258295514621b2e3ee\"
database_roles = [\"shared\"]
[[grants]]
role = \"reviewer\"
to = [\"dba\", \"alice\"]
[[grants]]
role = \"viewer\"
to = [\"eve\"]
[[grants]]
role = \"auditor\"
to = [\"eve\"]
";

struct Case {
    gateway: Gateway,
    database: String,
}

impl Case {
    fn new() -> Self {
        Self::with(PEOPLE)
    }

    fn with(config: &str) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let options = GatewayOptions { config: config.to_owned(), ..GatewayOptions::default() };
        Self {
            gateway: Gateway::with(&SERVER, &options),
            database: SERVER.database(&format!("console_{number}"), "fixture"),
        }
    }

    /// Somebody's token, as the configuration has it.
    fn token(&self, person: &str) -> String {
        format!("lk_test_{person}")
    }

    fn console(&self, person: &str) -> Client {
        let session = self.gateway.session(person, "lockkeeper").password(&self.token(person));
        session.connect().unwrap_or_else(|e| panic!("{e:?}; log: {}", self.gateway.log()))
    }

    /// A statement of alice's that waits, and the number of its ticket.
    fn held(&self, sql: &str) -> (Client, String) {
        let mut client = self.gateway.connect("alice", &self.database);
        let number = client.hold(sql);
        (client, number)
    }

    fn psql(&self, program: &str, token: &str, commands: &[&str]) -> (bool, String) {
        let mut command = Command::new(program);
        command.env("PGHOST", "127.0.0.1").env("PGPORT", self.gateway.address.port().to_string());
        command
            .env("PGUSER", "bob")
            .env("PGPASSWORD", token)
            .env("PGDATABASE", "lockkeeper")
            .env("PGSSLMODE", "disable");
        command.arg("-X").stdin(Stdio::null());
        for text in commands {
            command.args(["-c", text]);
        }
        let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }
}

fn psqls() -> Vec<String> {
    let more = std::env::var("LOCKKEEPER_PSQLS").unwrap_or_default();
    std::iter::once("psql".to_owned()).chain(more.split_whitespace().map(str::to_owned)).collect()
}

fn refused(result: Result<Client, NotConnected>) -> String {
    match result {
        Err(NotConnected::Refused(message)) => message.field('C').unwrap_or_default(),
        Err(NotConnected::Io(error)) => panic!("not a word of explanation: {error}"),
        Ok(_) => panic!("a session came about"),
    }
}

fn code(replies: &[Message]) -> String {
    error_of(replies).and_then(|m| m.field('C')).unwrap_or_else(|| panic!("no error in {replies:?}"))
}

#[test]
fn a_held_drop_is_approved_in_psql_while_its_session_waits() {
    let case = Case::new();
    let token = case.token("bob");
    for (program, number) in psqls().iter().zip(0..) {
        SERVER.connect("alice", &case.database).rows(&format!("alter table victim add column doomed_{number} int"));
        let (mut client, ticket) = case.held(&format!("alter table victim drop column doomed_{number}"));
        let list = format!("select id, requester, state from tickets where id = {ticket}");
        let (ok, text) = case.psql(program, &token, &[&list, &format!("call approve({ticket}, 'fine by me')")]);
        let said = Instant::now();
        assert!(ok && text.contains("alice") && text.contains("approved"), "{program}: {text}");
        let replies = client.until_ready();
        println!("{program}: the result came {:?} after psql was told", said.elapsed());
        assert!(replies.iter().any(|m| m.render() == "CommandComplete ALTER TABLE"), "{replies:?}");
        assert_eq!(status_of(&replies), Some('I'));
        let mut console = case.console("eve");
        let events =
            console.rows(&format!("select what, by, said from ticket_events where ticket = {ticket} order by seq"));
        assert!(events.iter().any(|row| row.contains("bob") && row.contains("fine by me")), "{events:?}");
    }
    case.gateway.assert_healthy();
}

/// What psql sends when it completes `SELECT * FROM tic<TAB>`, `\d tic<TAB>`, a column and `CALL app<TAB>`, as
/// versions before and since 15 do.
const COMPLETIONS: [(&str, &str); 5] = [
    (
        "SELECT pg_catalog.quote_ident(c.relname) FROM pg_catalog.pg_class c WHERE (c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p')) AND substring(pg_catalog.quote_ident(c.relname),1,6)='ticket' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog')
UNION SELECT pg_catalog.quote_ident(n.nspname) || '.' FROM pg_catalog.pg_namespace n WHERE substring(pg_catalog.quote_ident(n.nspname) || '.',1,6)='ticket' AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_namespace WHERE substring(pg_catalog.quote_ident(nspname) || '.',1,6) = substring('ticket',1,pg_catalog.length(pg_catalog.quote_ident(nspname))+1)) > 1
UNION SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) FROM pg_catalog.pg_class c, pg_catalog.pg_namespace n WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'v') AND substring(pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),1,6)='ticket' AND substring(pg_catalog.quote_ident(n.nspname) || '.',1,6) = substring('ticket',1,pg_catalog.length(pg_catalog.quote_ident(n.nspname))+1)
LIMIT 1000",
        "tickets",
    ),
    (
        "SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND (c.relname) LIKE 'ticket%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog')
UNION ALL
SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'ticket%' AND n.nspname NOT LIKE E'pg\\\\_%'
LIMIT 1000",
        "tickets",
    ),
    (
        "SELECT pg_catalog.quote_ident(attname) FROM pg_catalog.pg_attribute a, pg_catalog.pg_class c WHERE c.oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped AND substring(pg_catalog.quote_ident(attname),1,2)='re' AND (pg_catalog.quote_ident(relname)='tickets' OR '\"' || relname || '\"'='tickets') AND pg_catalog.pg_table_is_visible(c.oid)
LIMIT 1000",
        "requester",
    ),
    (
        "SELECT a.attname FROM pg_catalog.pg_attribute a, pg_catalog.pg_class c WHERE c.oid = a.attrelid AND (a.attname) LIKE 're%' AND a.attnum > 0 AND NOT a.attisdropped AND c.relname = 'tickets' AND pg_catalog.pg_table_is_visible(c.oid)
LIMIT 1000",
        "requester",
    ),
    (
        "SELECT p.proname, NULL::pg_catalog.text FROM pg_catalog.pg_proc p WHERE p.prokind = 'p' AND (p.proname) LIKE 'app%' AND pg_catalog.pg_function_is_visible(p.oid) AND p.pronamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog')
LIMIT 1000",
        "approve",
    ),
];

#[test]
fn psql_finds_its_way() {
    let case = Case::new();
    let token = case.token("bob");
    for program in psqls() {
        for (command, expected) in [
            ("\\d", "ticket_details"),
            ("\\dv", "ticket_events"),
            ("\\dv+", "Changes that are or were held"),
            ("\\dt", "relations"),
            ("\\d tickets", "timestamp with time zone"),
            ("\\d+ tickets", "Who has approved so far"),
            ("\\d t*", "ticket_events"),
            ("\\df", "break_glass"),
            ("\\df+ approve", "Approve what you looked at"),
            ("\\df app*", "comment text DEFAULT NULL"),
            ("\\l", "lockkeeper"),
            ("\\du", "bob"),
            ("\\dn", "public"),
            ("\\dp", "tickets"),
            ("\\dS pg_class", "relname"),
            ("\\dT", "types"),
            ("\\dx", "extensions"),
            ("\\sv tickets", "CREATE"),
            ("\\conninfo", "lockkeeper"),
            ("\\dO", "collations"),
            ("show all", "server_version_num"),
            ("show timezone", "UTC"),
            ("select * from help", "approve"),
        ] {
            let (ok, text) = case.psql(&program, &token, &[command]);
            assert!(ok && !text.contains("ERROR") && text.contains(expected), "{program} {command}: {text}");
        }
    }
    let mut client = case.console("bob");
    for (query, expected) in COMPLETIONS {
        let rows = client.rows(query);
        assert!(rows.iter().any(|row| row.starts_with(expected)), "{query}: {rows:?}");
    }
}

#[test]
fn who_is_let_in() {
    let place = tempfile::tempdir().unwrap();
    let users = place.path().join("users.txt");
    let verifier = SERVER.sql("postgres", "select rolpassword from pg_authid where rolname = 'scram_user'");
    let Some(verifier) = verifier.first().filter(|verifier| verifier.starts_with("SCRAM")) else {
        panic!("the server has no user with a SCRAM password: {verifier:?}");
    };
    let lines = ["bob", "alice", "shared", "stranger"].map(|user| format!("\"{user}\" \"{verifier}\"\n"));
    std::fs::write(&users, lines.concat()).unwrap();
    let case = Case::with(&format!("{PEOPLE}\n[sql_console]\nusers_file = \"{}\"\n", users.display()));
    let session = |user: &str| case.gateway.session(user, "lockkeeper");
    let mut bob = session("bob").password("pencil").connect().unwrap();
    assert_eq!(bob.rows("select name, method, powers from me"), ["bob|scram-sha-256|{read,request,decide}"]);
    assert_eq!(refused(session("bob").password("wrong").connect()), "28P01");
    assert_eq!(refused(session("shared").password("pencil").connect()), "28000");
    assert_eq!(refused(session("stranger").password("pencil").connect()), "28000");
    assert_eq!(refused(session("eve").password("pencil").connect()), "28P01");
    let told = case.gateway.must(&["tokens", "create", "eve", "--scopes", "read"]);
    let token = told.split_whitespace().find(|word| word.starts_with("lk_")).expect("a token").to_owned();
    let mut eve = session("eve").password(&token).connect().unwrap();
    assert_eq!(eve.rows("select name, method, current_user from me"), ["eve|token|eve"]);
    // A token that is taken back ends what its session may do.
    let number = case.gateway.must(&["tokens", "list"]);
    let number =
        number.lines().find(|line| line.contains("eve")).unwrap().split_whitespace().next().unwrap().to_owned();
    case.gateway.must(&["tokens", "revoke", &number]);
    assert_eq!(code(&eve.query("select * from tickets")), "28000");
    assert_eq!(refused(session("eve").password(&token).connect()), "28P01");
    // The record tells of both.
    let record = wait_until("what was refused last is recorded", Duration::from_secs(10), || {
        let record = case.gateway.record();
        let has =
            |event: &str, what: &str, is: &str| record.iter().any(|line| line["event"] == event && line[what] == is);
        (has("login_failed", "user", "eve") && has("statement", "text", "select * from tickets")).then_some(record)
    });
    let told = |event: &str| record.iter().any(|line| line["event"] == event && line["database"] == "lockkeeper");
    assert!(told("session_started") && told("login_failed"));
    let text = record.iter().map(ToString::to_string).collect::<String>();
    assert!(!text.contains(&token) && !case.gateway.log().contains(&token), "a token is nowhere");
}

#[test]
fn everybody_may_do_what_the_api_lets_them() {
    let case = Case::new();
    let (mut client, ticket) = case.held("drop table victim");
    let approve = format!("call approve({ticket})");
    for (person, expected) in [("alice", "42501"), ("robot", "42501"), ("eve", "42501")] {
        let mut console = case.console(person);
        let replies = console.query(&approve);
        assert_eq!(code(&replies), expected, "{person}: {replies:?}");
    }
    let mut bob = case.console("bob");
    for (statement, expected) in [
        ("call approve(4711)", "02000"),
        ("call approve('x')", "22P02"),
        ("call approve()", "42883"),
        ("call nonsense(1)", "42883"),
        ("select approve(id) from tickets", "0A000"),
        ("call approve(1, hash => 'other')", "55000"),
        ("delete from tickets", "25006"),
        ("create table x (a int)", "25006"),
        ("select 1; selec 2", "42601"),
        ("begin; call approve(1)", "25001"),
    ] {
        let replies = bob.query(statement);
        assert_eq!(code(&replies), expected, "{statement}: {replies:?}");
    }
    assert_eq!(status_of(&bob.query("rollback")), Some('I'));
    // Seen, then changed: what was seen is not what would be approved.
    assert_eq!(bob.rows(&format!("select id from tickets where id = {ticket}")), [ticket.as_str()]);
    case.console("alice").rows(&format!("select justify({ticket}, 'it is not used any more')"));
    assert_eq!(code(&bob.query(&approve)), "55000");
    bob.rows(&format!("select * from ticket_details where id = {ticket}"));
    // Comments are no change.
    case.console("alice").rows(&format!("select comment({ticket}, 'please')"));
    assert_eq!(bob.rows(&approve.replace("call", "select")), [format!("{ticket}|approved|approved")]);
    client.until_ready();
    case.gateway.assert_healthy();
}

#[test]
fn waiting_can_be_cancelled_and_tells_what_happens() {
    let case = Case::new();
    let (client, ticket) = case.held("drop table victim");
    let mut bob = case.console("bob");
    bob.send(&wire::query(format!("select wait({ticket})").as_bytes())).unwrap();
    bob.until("is pending");
    bob.cancel();
    assert_eq!(code(&bob.until_ready()), "57014");
    bob.send(&wire::query(format!("select wait({ticket})").as_bytes())).unwrap();
    bob.until("is pending");
    case.console("alice").rows(&format!("select comment({ticket}, 'any news?')"));
    bob.until("commented by alice");
    let mut other = case.console("bob");
    other.rows(&format!("select reject({ticket}, 'not before the weekend')"));
    let replies = bob.until_ready();
    assert!(replies.iter().any(|m| m.render().contains("rejected by bob")), "{replies:?}");
    assert_eq!(
        other.rows(&format!("select state, decided_by, reason from tickets where id = {ticket}")),
        ["rejected|bob|not before the weekend"]
    );
    // With a limit it ends by itself.
    let (_another, ticket) = case.held("drop table victim");
    assert!(bob.rows(&format!("select wait({ticket}, 0)"))[0].contains("pending"));
    // A client that goes away while it waits leaves nothing behind.
    let (_more, ticket) = case.held("truncate victim");
    bob.send(&wire::query(format!("select wait({ticket})").as_bytes())).unwrap();
    bob.until("is pending");
    bob.vanish();
    drop(client);
    case.gateway.assert_healthy();
}

#[test]
fn what_would_become_of_a_statement() {
    let case = Case::new();
    let mut bob = case.console("bob");
    let rows = bob
        .rows(&format!("select * from explain('alter table victim drop column name', '{}', 'alice')", case.database));
    assert!(rows.iter().any(|row| row.starts_with("verdict|1|hold")), "{rows:?}");
    assert!(rows.iter().any(|row| row.contains("drop-column")), "{rows:?}");
    assert_eq!(bob.rows("select count(*) > 20 from rules"), ["t"]);
    assert_eq!(bob.rows("select name, unreachable from targets"), ["default|NULL"]);
    assert_eq!(code(&bob.query("select login, database from sessions")), "42501");
    let sessions = case.console("eve").rows("select login, database from sessions");
    assert!(sessions.iter().any(|row| row == "bob|lockkeeper"), "{sessions:?}");
}

#[test]
fn nonsense_on_the_wire_ends_one_session() {
    let case = Case::new();
    for (bytes, expected) in [
        (wire::framed(b'Q', b"select 1"), "08P01"),
        (wire::framed(b'P', b"x"), "08P01"),
        (wire::framed(b'B', b"\0\0\xff\xff"), "08P01"),
        (wire::framed(b'?', b""), "08P01"),
        (b"Q\x7f\xff\xff\xff".to_vec(), "08P01"),
        (b"Q\0\0\0\0".to_vec(), "08P01"),
    ] {
        let mut client = case.console("bob");
        client.send(&bytes).unwrap();
        let replies = client.until_ready();
        assert_eq!(code(&replies), expected, "{bytes:?}");
    }
    let mut client = case.console("bob");
    for (text, expected) in
        [(&b"select '\xff'"[..], "22021"), (b"select ((((((", "42601"), ("select ".repeat(9_000).as_bytes(), "42601")]
    {
        client.send(&wire::query(text)).unwrap();
        assert_eq!(code(&client.until_ready()), expected);
    }
    client.send(&wire::query("(".repeat(60_000).as_bytes())).unwrap();
    assert!(["42601", "54000"].contains(&code(&client.until_ready()).as_str()));
    assert_eq!(client.rows("select 1"), ["1"]);
    // Row limits of a portal, and what an error skips.
    let burst = [
        wire::parse(b"", b"select n from generate_series(1, 5) n", &[]),
        wire::bind(b"", b"", &[], false),
        wire::execute(b"", 2),
        wire::execute(b"", 2),
        wire::execute(b"", 2),
        wire::parse(b"", b"selec", &[]),
        wire::execute(b"", 0),
        wire::framed(b'S', b""),
    ];
    client.send(&burst.concat()).unwrap();
    let replies = client.until_ready();
    let tags: String = replies.iter().map(|m| char::from(m.tag)).collect();
    assert_eq!(tags, "12DDsDDsDCEZ");
    case.gateway.assert_healthy();
}

#[test]
fn a_driver_prepares_and_binds_in_binary() {
    let case = Case::new();
    let (_client, ticket) = case.held("drop table victim");
    let token = case.token("bob");
    let url =
        format!("host=127.0.0.1 port={} user=bob password={token} dbname=lockkeeper", case.gateway.address.port());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let id: i64 = ticket.parse().unwrap();
        let row = client
            .query_one("select id, state, rules, opened, owed, version from tickets where id = $1 and opened > now() - $2::text::interval", &[&id, &"1 hour"])
            .await
            .unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (id, "pending"));
        assert_eq!(row.get::<_, Vec<String>>(2), ["drop-table"]);
        assert!(row.get::<_, std::time::SystemTime>(3) <= std::time::SystemTime::now() + Duration::from_secs(5));
        assert!(!row.get::<_, bool>(4));
        let row = client.query_one("select count(*), avg(rows)::float8, max(lock) from findings", &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 1);
        let listed = "select id from tickets where id = any ($1) and state = any ($2) and $3::text[] <> '{}'";
        let row = client.query_one(listed, &[&vec![id, 7], &vec!["pending"], &vec![Some("a, b"), None]]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), id);
        let row = client.query_one("select $1::bigint[]", &[&vec![Some(3_i64), None]]).await.unwrap();
        assert_eq!(row.get::<_, Vec<Option<i64>>>(0), [Some(3), None]);
        let transaction = client.transaction().await.unwrap();
        let portal = transaction.bind("select * from rules order by id", &[]).await.unwrap();
        assert_eq!(transaction.query_portal(&portal, 5).await.unwrap().len(), 5);
        assert!(transaction.query_portal(&portal, 0).await.unwrap().len() > 10);
        let error = transaction.query("select approve($1)", &[&id]).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "25001");
        transaction.rollback().await.unwrap();
        let row = client.query_one("call approve($1, $2)", &[&id, &"from a driver"]).await.unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (id, "approved"));
    });
}
