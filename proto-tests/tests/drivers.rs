//! The drivers that people use work unchanged: one smoke programme each, in `drivers/`. Each asks, prepares,
//! copies, has a change rewritten, one refused in a transaction, and one approved while it waits.
//!
//! `drivers/install` gets them. A missing driver fails, unless `LOCKKEEPER_DRIVERS` names those wanted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use proto_tests::{Gateway, Server, majors};

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start(majors().into_iter().max().unwrap());
    server.sql("postgres", "create database fixture owner alice");
    server.sql("fixture", "alter schema public owner to alice");
    server.connect("alice", "fixture").rows(
        "create table note(id int, body text); create table doomed(id int); insert into doomed values (1); create table doomed_too(id int);
         create table orders(id bigint primary key, customer_id int, amount int);
         insert into orders select g, g % 1000, g % 500 from generate_series(1, 100000) g; analyze",
    );
    server
});

/// How long one programme may take.
const LIMIT: Duration = Duration::from_secs(90);

fn wanted(driver: &str) -> bool {
    let list = std::env::var("LOCKKEEPER_DRIVERS");
    list.map_or(true, |list| list.split_whitespace().any(|name| name == driver))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers")
}

/// Where `drivers/install` puts things.
fn installed() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).expect("target/<profile>/deps/<test>").join("drivers")
}

/// Sends the reviewer home, also when the test fails: it would wait for him for ever.
struct Home<'a>(&'a AtomicBool);

impl Drop for Home<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A reviewer who approves whatever is asked until told to stop.
fn approve_all(gateway: &Gateway, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) && !proto_tests::gateway::stand_in() {
        for ticket in 1..=6 {
            let _refused = gateway.try_approve(&ticket.to_string(), "bob");
        }
    }
}

/// Runs something before a gateway of its own, while bob approves.
fn with_reviewer<T>(driver: &str, run: impl FnOnce(&Gateway, &str) -> T) -> T {
    let database = SERVER.database(&format!("driver_{driver}"), "fixture");
    let gateway = Gateway::start(&SERVER);
    let stop = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        let _home = Home(&stop);
        scope.spawn(|| approve_all(&gateway, &stop));
        run(&gateway, &database)
    });
    gateway.assert_healthy();
    outcome
}

fn smoke(driver: &str, command: &mut Command) {
    if !wanted(driver) {
        println!("{driver}: not wanted");
        return;
    }
    let (ok, text) = with_reviewer(driver, |gateway, database| {
        command.env("PGHOST", "127.0.0.1").env("PGPORT", gateway.address.port().to_string());
        command.env("PGUSER", "alice").env("PGDATABASE", database).env("PGSSLMODE", "disable");
        command.env("LOCKKEEPER_DATA_DIR", &gateway.data);
        let log = tempfile::NamedTempFile::new().unwrap();
        command.stdin(std::process::Stdio::null());
        command.stdout(log.reopen().unwrap()).stderr(log.reopen().unwrap());
        let mut child =
            command.spawn().unwrap_or_else(|e| panic!("{driver}: {command:?}: {e}; run proto-tests/drivers/install"));
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let text = std::fs::read_to_string(log.path()).unwrap_or_default();
        (status.is_some_and(|s| s.success()), format!("{status:?} {text}"))
    });
    assert!(ok, "{driver}: {text}");
}

fn python(script: &str) -> Command {
    let mut command = Command::new(installed().join("venv/bin/python"));
    command.arg("-B").arg(folder().join(script));
    command
}

#[test]
fn psql() {
    let mut command = Command::new("sh");
    command.arg(folder().join("psql.sh"));
    command.env("PSQL", std::env::var("LOCKKEEPER_PSQL").unwrap_or_else(|_| "psql".into()));
    smoke("psql", &mut command);
}

#[test]
fn psycopg() {
    smoke("psycopg", &mut python("psycopg_smoke.py"));
}

#[test]
fn asyncpg() {
    smoke("asyncpg", &mut python("asyncpg_smoke.py"));
}

#[test]
fn openapi() {
    smoke("openapi", &mut python("openapi_smoke.py"));
}

#[test]
fn alembic() {
    smoke("alembic", &mut python("alembic_smoke.py"));
}

#[test]
fn django() {
    smoke("django", &mut python("django_smoke.py"));
}

#[test]
fn node_postgres() {
    let mut command = Command::new("node");
    command.arg(folder().join("node_smoke.js")).env("NODE_PATH", installed().join("node/node_modules"));
    smoke("node", &mut command);
}

#[test]
fn jdbc() {
    let jar = std::env::var("LOCKKEEPER_JDBC_JAR").unwrap_or_else(|_| "/usr/share/java/postgresql.jar".into());
    assert!(!wanted("jdbc") || Path::new(&jar).exists(), "{jar} is missing; run proto-tests/drivers/install");
    let mut command = Command::new("java");
    command.args(["-XX:TieredStopAtLevel=1", "-cp", &jar]).arg(folder().join("JdbcSmoke.java"));
    smoke("jdbc", &mut command);
}

#[test]
fn tokio_postgres() {
    if !wanted("tokio-postgres") {
        return;
    }
    with_reviewer("tokio_postgres", |gateway, database| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let url = format!("host=127.0.0.1 port={} user=alice dbname={database}", gateway.address.port());
        runtime.block_on(async { tokio::time::timeout(LIMIT, converse(&url)).await.expect("in time") });
    });
}

async fn converse(url: &str) {
    let (mut client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let task = tokio::spawn(connection);
    let plus = client.prepare("select $1::int4 + 1").await.unwrap();
    for number in 0..10_i32 {
        let row = client.query_one(&plus, &[&number]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), number + 1);
    }
    assert_eq!(
        client
            .simple_query("select 1; select 2")
            .await
            .unwrap()
            .iter()
            .filter(|m| matches!(m, tokio_postgres::SimpleQueryMessage::Row(_)))
            .count(),
        2
    );
    let transaction = client.transaction().await.unwrap();
    transaction.execute("insert into note values (-1, 'lost')", &[]).await.unwrap();
    let error = transaction.batch_execute("create index refused on orders (amount)").await.unwrap_err();
    assert!(error.code().unwrap().code().starts_with("LK"), "{error:?}");
    transaction.rollback().await.unwrap();
    client.batch_execute("create index on orders (customer_id)").await.unwrap();
    client.execute("drop table doomed", &[]).await.unwrap();
    client.batch_execute("drop table doomed_too").await.unwrap();
    let row = client
        .query_one("select to_regclass('doomed') is null and to_regclass('doomed_too') is null, (select count(*) from note where id = -1)", &[])
        .await
        .unwrap();
    assert!(row.get::<_, bool>(0) && row.get::<_, i64>(1) == 0);
    drop(client);
    task.await.unwrap().unwrap();
}
