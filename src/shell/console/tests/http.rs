//! The admin door over real HTTP, and the verbs that use it.

use std::net::SocketAddr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{act, approve, opened, tickets_for_test};
use crate::kernel::review::tests::request_for_test;
use crate::kernel::review::{Command, People, Terms, TicketId};
use crate::shell::audit::{self, Audit};
use crate::shell::console::api::{ApiState, check_exposure, serve};
use crate::shell::console::ask::Tickets;
use crate::shell::console::cli::{CliError, Connection, TicketCommand, run};
use crate::shell::console::door;
use crate::shell::console::identity::{self, Reviewer};
use crate::shell::console::limits::Limits;
use crate::shell::console::sign_in::SignIns;
use crate::shell::console::view::Full;
use crate::shell::jobs::Jobs;
use crate::shell::notify::Notifier;
use crate::shell::store::DataDirectory;

pub(super) const TOKEN: &str = "local";
pub(super) const CAROL: &str = "token-of-carol";

pub(super) struct Gateway {
    _directory: tempfile::TempDir,
    pub(super) tickets: Tickets,
    pub(super) address: SocketAddr,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(super) async fn gateway_for_test() -> Gateway {
    gateway_with(People::default()).await
}

/// Many tests come with wrong tokens, more often than anybody may.
pub(super) async fn gateway_with(people: People) -> Gateway {
    gateway_limited(people, Limits::of(std::num::NonZeroU32::MAX)).await
}

pub(super) async fn gateway_limited(people: People, limits: Limits) -> Gateway {
    let (directory, tickets) = tickets_for_test(Terms::default()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("has one");
    let token_sha256 = Sha256::digest(CAROL).iter().map(|byte| format!("{byte:02X}")).collect();
    let audit = Audit::open(&audit::Settings::new(directory.path().join("record"))).expect("opens");
    let (publish, settings) = tokio::sync::watch::channel(Arc::default());
    let jobs = Jobs::new(tickets.clone(), audit.clone(), settings.clone());
    let notifier = Notifier::new(tickets.store.clone(), settings, address, "test".into()).await.expect("opens");
    publish.send_modify(|settings| {
        let settings = Arc::make_mut(settings);
        settings.people = Arc::new(people);
        settings.targets.iter_mut().for_each(|target| Arc::make_mut(target).name = "main".into());
    });
    let state = Arc::new(ApiState {
        jobs,
        notifier,
        tickets: tickets.clone(),
        admin_token: TOKEN.into(),
        slack_seen: Arc::default(),
        limits,
        reviewers: vec![Reviewer { name: "carol".into(), token_sha256 }],
        sign_ins: SignIns::default(),
        audit,
        sessions: Arc::default(),
        reading: Arc::new(tokio::sync::Semaphore::new(1)),
    });
    let server = tokio::spawn(async move { serve(listener, state, std::future::pending()).await.expect("serves") });
    Gateway { _directory: directory, tickets, address, server }
}

impl Gateway {
    /// Status and body of a call; `body` makes it a POST.
    pub(super) async fn call(&self, token: &str, path: &str, body: Option<&str>) -> (u16, serde_json::Value) {
        let (url, token) = (format!("http://{}{path}", self.address), format!("Bearer {token}"));
        let body = body.map(str::to_owned);
        tokio::task::spawn_blocking(move || {
            let agent: ureq::Agent =
                ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
            let answer = match body {
                None => agent.get(url).header("Authorization", token).call(),
                Some(body) => {
                    agent.post(url).header("Authorization", token).header("Content-Type", "application/json").send(body)
                }
            };
            let mut answer = answer.expect("answers");
            let status = answer.status().as_u16();
            (status, answer.body_mut().read_json().unwrap_or_default())
        })
        .await
        .expect("runs")
    }

    /// A verb of the command line: what it prints, or its exit code and message.
    pub(super) async fn verb(&self, token: &str, words: &str) -> Result<String, (u8, String)> {
        let connection =
            Connection { admin: Some(self.address.to_string()), token: Some(token.into()), ..Connection::default() };
        let command = parse(words);
        tokio::task::spawn_blocking(move || {
            let mut out = Vec::new();
            let ran = run(&command, &connection, &mut out);
            ran.map_err(|error| (error.exit_code(), error.printable()))?;
            Ok(String::from_utf8(out).expect("UTF-8"))
        })
        .await
        .expect("runs")
    }
}

#[derive(clap::Parser)]
struct Line {
    #[command(subcommand)]
    command: TicketCommand,
}

fn parse(words: &str) -> TicketCommand {
    let words = std::iter::once("lockkeeper").chain(words.split(' '));
    <Line as clap::Parser>::try_parse_from(words).expect("parses").command
}

#[tokio::test]
async fn nobody_enters_without_a_token() {
    let gateway = gateway_for_test().await;
    opened(&gateway.tickets).await;
    for path in ["/v1/tickets", "/v1/tickets/1", "/v1/tickets/watch", "/v1/me", "/nothing"] {
        for token in ["", "wrong", "loca", "locall"] {
            assert_eq!(gateway.call(token, path, None).await.0, 401, "{path} {token}");
        }
    }
    assert_eq!(gateway.call("wrong", "/v1/tickets/1/approve", Some(r#"{"by":"bob"}"#)).await.0, 401);
    assert_eq!(gateway.call("", "/healthz", None).await.0, 200);
    assert_eq!(gateway.tickets.store.load(TicketId(1)).await.expect("loads").version, 1);
}

#[tokio::test]
async fn calls_and_their_answers() {
    let gateway = gateway_for_test().await;
    opened(&gateway.tickets).await;
    let large = format!(r#"{{"by":"bob","note":"{}"}}"#, "x".repeat(70_000));
    let hash = gateway.tickets.store.load(TicketId(1)).await.expect("loads").review_hash();
    let long = format!(r#"{{"by":"bob","seen_hash":"{hash}","note":"{}"}}"#, "x".repeat(5_000));
    let fine = format!(r#"{{"note":"fine","seen_hash":"{hash}"}}"#);
    let own = format!(r#"{{"by":" ALICE ","seen_hash":"{hash}"}}"#);
    let role = format!(r#"{{"by":"app_owner","seen_hash":"{hash}"}}"#);
    let late = format!(r#"{{"by":"bob","seen_hash":"{hash}"}}"#);
    let table = [
        (TOKEN, "/v1/tickets/9", None, 404),
        (TOKEN, "/v1/tickets/abc", None, 404),
        (TOKEN, "/v1/nothing", None, 404),
        (TOKEN, "/v1/tickets?state=odd", None, 400),
        (TOKEN, "/v1/tickets?odd=1", None, 400),
        (TOKEN, "/v1/tickets/1/approve", None, 405),
        (TOKEN, "/v1/tickets/1/approve", Some("{}"), 400),
        (TOKEN, "/v1/tickets/1/approve", Some("nonsense"), 400),
        (TOKEN, "/v1/tickets/1/approve", Some(r#"{"by":"bob","force":true}"#), 422),
        (TOKEN, "/v1/tickets/1/approve", Some(large.as_str()), 413),
        (TOKEN, "/v1/tickets/1/approve", Some(long.as_str()), 400),
        (TOKEN, "/v1/tickets/1/approve", Some(own.as_str()), 403),
        (TOKEN, "/v1/tickets/1/approve", Some(role.as_str()), 403),
        (TOKEN, "/v1/tickets/1/approve", Some(r#"{"by":"bob","seen_hash":"old"}"#), 409),
        (TOKEN, "/v1/tickets/1/reject", Some(r#"{"by":"bob"}"#), 400),
        (CAROL, "/v1/tickets/1/approve", Some(late.as_str()), 403),
        (CAROL, "/v1/tickets/1/approve", Some(r#"{"note":"fine"}"#), 428),
        (CAROL, "/v1/tickets/1/approve", Some(fine.as_str()), 200),
        (TOKEN, "/v1/tickets/1/approve", Some(late.as_str()), 409),
        (TOKEN, "/v1/tickets/1/comment", Some(r#"{"by":"bob","note":"hm"}"#), 200),
        (TOKEN, "/v1/tickets/1/reject", Some(r#"{"by":"bob","reason":"wait"}"#), 200),
        (TOKEN, "/v1/tickets/1/cancel", Some(r#"{"by":"alice"}"#), 409),
    ];
    for (token, path, body, expected) in table {
        let (status, answer) = gateway.call(token, path, body).await;
        assert_eq!(status, expected, "{path} {body:.80?}: {answer}");
        if expected >= 400 {
            assert_eq!(answer["status"], expected, "{path}: {answer}");
            assert!(!answer["detail"].as_str().expect("a text").is_empty());
        }
    }
    let (_, answer) = gateway.call(TOKEN, "/v1/tickets/1", None).await;
    let events: Vec<_> = answer["events"].as_array().expect("a list").iter().map(|e| e["event"].clone()).collect();
    assert_eq!(events, ["opened", "approved", "commented", "rejected"]);
    assert_eq!(answer["events"][1]["by"], "carol");
}

#[tokio::test]
async fn what_cannot_be_taken_apart_is_a_problem_too() {
    let gateway = gateway_for_test().await;
    let large = "x".repeat(100_000);
    for (path, body, status) in
        [("/v1/notify/%FF/test", "{}", 400), ("/v1/slack/%FF", "{}", 401), ("/v1/slack/x", large.as_str(), 401)]
    {
        let (got, problem) = gateway.call(TOKEN, path, Some(body)).await;
        assert!(got == status && problem["title"].is_string(), "{path}: {got} {problem}");
    }
}

#[tokio::test]
async fn long_polls_answer_when_something_happens() {
    let gateway = gateway_for_test().await;
    let id = opened(&gateway.tickets).await;
    let (_, news) = gateway.call(TOKEN, "/v1/tickets/watch", None).await;
    assert_eq!((news["next"].as_i64(), news["events"].as_array().map(Vec::len)), (Some(1), Some(0)));
    let (waited, watched, ()) = tokio::join!(
        gateway.call(TOKEN, "/v1/tickets/1/wait?version=1", None),
        gateway.call(TOKEN, "/v1/tickets/watch?after=1", None),
        act(&gateway.tickets, id, approve("bob"))
    );
    assert_eq!(waited.1["ticket"]["state"]["name"], "approved");
    assert_eq!(watched.1["events"][0]["event"], "approved");
    let (status, same) = gateway.call(TOKEN, "/v1/tickets/1/wait?version=2&timeout_s=0", None).await;
    assert_eq!((status, same["ticket"]["version"].as_i64()), (200, Some(2)));
}

#[test]
fn the_local_token_counts_on_this_machine_only() {
    let people: &'static People = Box::leak(Box::default());
    let known = |admin_token| identity::Known { admin_token, reviewers: &[], people };
    let check = |token, peer: &str| {
        identity::check(token, &known("local"), peer.parse().expect("an address")).map_err(|p| p.status)
    };
    assert!(check("local", "127.0.0.1").is_ok());
    assert!(check("local", "::ffff:127.0.0.1").is_ok());
    assert_eq!(check("local", "10.0.0.5"), Err(403));
    assert_eq!(check("other", "127.0.0.1"), Err(401));
    let empty = identity::check("", &known(""), [127, 0, 0, 1].into());
    assert_eq!(empty.map_err(|p| p.status), Err(401));
    let outside: SocketAddr = "0.0.0.0:6434".parse().expect("an address");
    assert!(check_exposure(outside, &[], &SignIns::default()).is_err());
    assert!(check_exposure("127.0.0.1:1".parse().expect("an address"), &[], &SignIns::default()).is_ok());
}

#[tokio::test]
async fn the_verbs() {
    let gateway = gateway_for_test().await;
    assert_eq!(gateway.verb(TOKEN, "tickets").await.expect("runs"), "No tickets.\n");
    opened(&gateway.tickets).await;
    let listed = gateway.verb(TOKEN, "tickets --state pending,running").await.expect("runs");
    assert!(listed.contains("DROP TABLE orders"), "{listed}");
    assert_eq!(gateway.verb(TOKEN, "tickets --state done").await.expect("runs"), "No tickets.\n");
    let shown = gateway.verb(TOKEN, "tickets show 1 --json").await.expect("runs");
    let full: Full = serde_json::from_str(&shown).expect("reads");
    assert_eq!(full.ticket.request, request_for_test());
    let own = gateway.verb(TOKEN, "approve 1 --as Alice").await.expect_err("own");
    assert_eq!(own.0, 1);
    assert!(own.1.contains("second person"), "{}", own.1);
    assert_eq!(gateway.verb(TOKEN, "approve 1 --as bob --hash 00000000").await.expect_err("stale").0, 1);
    let hash = &full.review_hash[..16];
    let done = gateway.verb(TOKEN, &format!("approve 1 --as bob --note fine --hash {hash}")).await.expect("runs");
    assert!(done.starts_with("Ticket 1 is approved by bob: fine, "), "{done}");
    let done = gateway.verb(CAROL, "reject 1 --reason wait").await.expect("runs");
    assert_eq!(done, "Ticket 1 was rejected by carol: wait\n");
    assert_eq!(gateway.verb(TOKEN, "cancel 1 --as bob").await.expect_err("ended").0, 1);
    assert_eq!(gateway.verb(TOKEN, "tickets show 7").await.expect_err("missing").0, 1);
    assert_eq!(gateway.verb("wrong", "tickets").await.expect_err("unknown").0, 1);
}

#[test]
fn the_gateway_is_named_before_or_after_the_verb_s_words() {
    for words in
        ["tickets --data-dir x show 1", "tickets show 1 --data-dir x", "tickets --data-dir x", "watch --data-dir x"]
    {
        assert_eq!(parse(words).connection().data_dir, std::path::Path::new("x"), "{words}");
    }
    for words in ["approve", "approve 0", "approve x", "reject 1", "tickets --state odd", "tickets show"] {
        let line = std::iter::once("lockkeeper").chain(words.split(' '));
        let error = <Line as clap::Parser>::try_parse_from(line).err().expect("does not parse");
        assert_eq!(error.exit_code(), 2, "{words}");
    }
}

/// A terminal that is closed once it has shown an approval.
#[derive(Default)]
struct Terminal {
    shown: String,
    begun: Option<std::sync::mpsc::Sender<()>>,
}

impl std::io::Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.shown.contains("approved by") {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        self.shown.push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.begun.take().map_or(Ok(()), |begun| begun.send(()).map_err(std::io::Error::other))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watching() {
    let gateway = gateway_for_test().await;
    let (begun, has_begun) = std::sync::mpsc::channel();
    let connection =
        Connection { admin: Some(gateway.address.to_string()), token: Some(TOKEN.into()), ..Connection::default() };
    let watching = tokio::task::spawn_blocking(move || {
        let mut terminal = Terminal { begun: Some(begun), ..Terminal::default() };
        run(&parse("watch"), &connection, &mut terminal).map(|()| terminal.shown)
    });
    tokio::task::spawn_blocking(move || has_begun.recv().expect("begins")).await.expect("runs");
    let id = opened(&gateway.tickets).await;
    act(&gateway.tickets, id, approve("bob")).await;
    act(&gateway.tickets, id, Command::Reject { by: "bob".into(), reason: "wait".into() }).await;
    let shown = watching.await.expect("ends").expect("a closed terminal is no failure");
    let told: Vec<&str> = shown.lines().filter_map(|line| line.split_once("  ")).map(|(_, told)| told).collect();
    assert_eq!(
        told,
        ["ticket 1  opened by alice: DROP TABLE orders", "ticket 1  approved by bob (local token)"],
        "{shown}"
    );
}

#[test]
fn a_gateway_that_is_not_there() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("has one");
    let mut connection =
        Connection { admin: Some(closed.to_string()), token: Some("x".into()), ..Connection::default() };
    let error = run(&parse("tickets"), &connection, &mut Vec::new()).expect_err("nobody there");
    assert_eq!(error.exit_code(), 3, "{error}");
    connection.admin = Some("https://example.org/x".into());
    let error = run(&parse("tickets"), &connection, &mut Vec::new()).expect_err("no address");
    assert!(matches!(error, CliError::Usage(_)), "{error}");
    if std::env::var_os("LOCKKEEPER_TOKEN").is_none() {
        let nowhere = std::path::PathBuf::from("/nonexistent");
        connection = Connection { data_dir: nowhere.clone(), sign_ins: Some(nowhere), ..Connection::default() };
        let error = run(&parse("tickets"), &connection, &mut Vec::new()).expect_err("no token");
        assert!(error.exit_code() == 1 && error.to_string().contains("no token"), "{error}");
    }
}

#[test]
fn the_door_is_found_through_the_data_directory() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let own = DataDirectory::take(&directory.path().join("data")).expect("takes");
    let token = door::token(&own).expect("writes");
    assert_eq!(door::token(&own).expect("reads"), token, "a restart keeps it");
    let path = own.path().join(door::TOKEN_FILE);
    assert_eq!(std::fs::metadata(&path).expect("is there").permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("sets");
    assert_ne!(door::token(&own).expect("writes"), token, "a token that others could read is replaced");
    door::write_address(&own, "127.0.0.1:6434".parse().expect("an address")).expect("writes");
    let written = std::fs::read_to_string(own.path().join(door::ADDRESS_FILE)).expect("reads");
    assert_eq!(written, "127.0.0.1:6434\n");
}
