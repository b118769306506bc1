//! The record: every statement has its line, and no secret can be had from it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use proto_tests::binary::BINARY;
use proto_tests::case;
use proto_tests::client::error_of;
use proto_tests::wire;
use proto_tests::{Gateway, GatewayOptions, Server, wait_until};
use serde_json::Value;

static SERVER: LazyLock<Server> = LazyLock::new(case::prepared);

/// A text that holds a secret, so short that it can be guessed.
const SECRET: &str = "alter role alice password 'abc'";

fn sha256(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn events<'a>(record: &'a [Value], event: &str) -> Vec<&'a Value> {
    record.iter().filter(|line| line["event"] == event).collect()
}

#[test]
fn a_client_that_leaves_at_once_leaves_a_line() {
    let gateway = Gateway::start(&SERVER);
    SERVER.sql("postgres", "create table if not exists left_behind (id int)");
    for (at, sql) in ["drop table left_behind", "alter table left_behind add a int", "create table left_new (id int)"]
        .into_iter()
        .cycle()
        .take(30)
        .enumerate()
    {
        let sql = format!("{sql} /* {at} */");
        let mut client = gateway.connect("alice", "postgres");
        let goodbye = at % 2 == 0;
        let mut bytes = wire::query(sql.as_bytes());
        if goodbye {
            bytes.extend([b'X', 0, 0, 0, 4]);
        }
        client.send(&bytes).unwrap();
        if at % 3 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        client.vanish();
        let record = wait_until("the session is over", Duration::from_secs(20), || {
            let record = gateway.record();
            (events(&record, "session_ended").len() > at).then_some(record)
        });
        let ended = events(&record, "session_ended")[at];
        let lines: Vec<&Value> =
            events(&record, "statement").into_iter().filter(|line| line["text"] == sql.as_str()).collect();
        assert_eq!(lines.len(), 1, "{sql}: {lines:?}; {ended}");
        assert_eq!(ended["statements"], 1, "{ended}");
        let how = ended["reason"].as_str().unwrap();
        assert!(how == if goodbye { "terminated" } else { "client_gone" }, "{at}: {ended}");
    }
    gateway.assert_healthy();
}

#[test]
fn no_hash_and_no_length_of_a_secret() {
    let mut gateway = Gateway::with(&SERVER, &GatewayOptions::answer_at_once());
    let other = SECRET.replace("alice", "bob");
    let mut client = gateway.connect("alice", "postgres");
    // A session's own password only.
    let held = client.query(&other);
    let number = error_of(&held).unwrap().field('D').unwrap();
    assert_eq!(error_of(&held).unwrap().field('C').as_deref(), Some("LK001"), "{held:?}");
    assert!(error_of(&client.query(SECRET)).is_none_or(|error| error.field('C').as_deref() == Some("42501")));
    client.query("alter role alice passwrod 'abc'");
    drop(client);
    let shown = gateway.must(&["tickets", "show", "1", "--json"]) + &gateway.show("1");
    gateway.stop();
    for text in [SECRET, &other, "alter role alice passwrod 'abc'"] {
        let found = Command::new("grep").args(["-rlaF", &sha256(text)[..16]]).arg(&gateway.data).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "{text}");
        assert!(!shown.contains(&sha256(text)), "{shown}");
    }
    let record = gateway.record();
    let secret: Vec<&Value> =
        record.iter().filter(|line| line["text"].as_str().is_some_and(|text| text.contains("'***'"))).collect();
    assert!(secret.len() >= 3, "{record:?}");
    assert!(secret.iter().all(|line| line["text_bytes"].is_null()), "{secret:?}");
    // The key outlives the process: an approval is still one of the same text, and of no other.
    gateway.run();
    gateway.approve("1", "bob");
    let mut client = gateway.connect("alice", "postgres");
    let again = client.query(&other.replace("'abc'", "'abd'"));
    assert_eq!(error_of(&again).unwrap().field('C').as_deref(), Some("LK001"), "{again:?}");
    assert_ne!(error_of(&again).unwrap().field('D').unwrap(), number);
    let ran = client.query(&other);
    assert_ne!(error_of(&ran).and_then(|error| error.field('C')).as_deref(), Some("LK001"), "{ran:?}");
    gateway.assert_healthy();
}

#[test]
fn rows_that_are_read_in_parts_are_counted() {
    let gateway = Gateway::start(&SERVER);
    let mut client = gateway.connect("alice", "postgres");
    let part = || wire::execute(b"p", 400);
    let messages = [
        wire::parse(b"", b"select * from generate_series(1, 1000)", &[]),
        wire::bind(b"p", b"", &[], false),
        part(),
        part(),
        part(),
        wire::framed(b'S', b""),
    ];
    client.send(&messages.concat()).unwrap();
    assert!(error_of(&client.until_ready()).is_none());
    drop(client);
    gateway.stop();
    let record = gateway.record();
    let statements = events(&record, "statement");
    let rows: Vec<_> = statements.iter().filter_map(|one| one["rows"].as_u64()).collect();
    assert_eq!(rows, [400, 400, 200], "{statements:?}");
    assert_eq!(events(&record, "session_ended")[0]["rows"], 1000);
}

#[test]
fn standard_output_is_the_records_alone() {
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("gateway.toml");
    std::fs::write(&config, "[record]\nstdout = true\n").unwrap();
    let (out, err) = (place.path().join("out"), place.path().join("err"));
    let file = |path| std::fs::File::create(path).unwrap();
    let mut serve = Command::new(&*BINARY);
    serve.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    serve.args(["--upstream", &SERVER.address.to_string()]).arg("--config").arg(&config);
    serve.arg("--data-dir").arg(place.path().join("data"));
    let mut child = serve.stdin(Stdio::null()).stdout(file(&out)).stderr(file(&err)).spawn().unwrap();
    let said = wait_until("it listens", Duration::from_secs(20), || {
        let said = std::fs::read_to_string(&err).unwrap();
        said.contains("for reviewers at").then_some(said)
    });
    assert!(said.contains("operator token"), "{said}");
    wait_until("it is recorded", Duration::from_secs(5), || {
        (!std::fs::read_to_string(&out).unwrap().is_empty()).then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    for line in std::fs::read_to_string(&out).unwrap().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn nothing_is_said_before_everything_is_bound() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = tempfile::tempdir().unwrap();
    let mut serve = Command::new(&*BINARY);
    serve.args(["serve", "--listen", "127.0.0.1:0", "--listen", &taken.local_addr().unwrap().to_string()]);
    serve.args(["--admin", "127.0.0.1:0", "--upstream", "127.0.0.1:1"]).arg("--data-dir").arg(place.path());
    let output = serve.output().unwrap();
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot listen on"), "{said}");
}

#[test]
fn a_reload_says_what_waits_for_a_restart() {
    let gateway = Gateway::with(&SERVER, &GatewayOptions::room(30, 50, 10));
    gateway.reload("[limits]\nconnections_max = 31\nunauthenticated_max = 50\nauth_timeout_s = 10\n");
    wait_until("it is reloaded", Duration::from_secs(10), || {
        gateway.log().contains("configuration reloaded").then_some(())
    });
    let log = gateway.log();
    assert!(log.contains("waits for a restart") && log.contains("limits.connections_max"), "{log}");
    assert!(!log.contains("key=\"listen\""), "{log}");
}

#[test]
fn a_report_whose_reader_has_gone_ends_quietly() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a.sql"), "drop table t;\n".repeat(5_000)).unwrap();
    let mut child = Command::new(&*BINARY)
        .args(["lint", "a.sql"])
        .current_dir(place.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(1), "what it found is still told by its code");
}
