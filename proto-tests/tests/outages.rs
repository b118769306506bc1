//! Servers and gateways that go away: crashes, strange upstreams, kills and orderly stops; and the plain ways in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::LazyLock;
use std::time::Duration;

use proto_tests::case::{self, Case, drain};
use proto_tests::client::{NotConnected, error_of, status_of};
use proto_tests::pump::Pump;
use proto_tests::{Client, Gateway, GatewayOptions, Server, Session, wait_until, wire};

static SERVER: LazyLock<Server> = LazyLock::new(case::prepared);

fn case(name: &str) -> Case<'static> {
    Case::new(&SERVER, name)
}

#[test]
fn a_server_that_crashes_and_comes_back() {
    let server = case::prepared();
    let gateway = Gateway::start(&server);
    let mut idle = gateway.connect("alice", "fixture");
    let mut busy = gateway.connect("alice", "fixture");
    let mut held = gateway.connect("alice", "fixture");
    busy.send(&wire::query(b"select pg_sleep(60)")).unwrap();
    held.send(&wire::query(b"drop table orders")).unwrap();
    held.until("ticket ");
    server.crash();
    for (name, client) in [("idle", &mut idle), ("busy", &mut busy), ("held", &mut held)] {
        drain(client, name);
    }
    let refused = Session::to(gateway.address).user("alice").database("fixture").connect();
    assert!(refused.is_err());
    server.run();
    assert_eq!(gateway.connect("alice", "fixture").rows("select count(*) from ledger"), ["0"]);
    gateway.assert_healthy();
}

/// What a session can be doing when its server goes away.
const DOING: &[&str] =
    &["nothing", "query", "transaction", "pipeline", "copy in", "copy out", "held", "rewrite", "fill"];

fn begin(client: &mut Client, what: &str) {
    let sent = match what {
        "query" => wire::query(b"select pg_sleep(60)"),
        "transaction" => wire::query(b"begin; insert into ledger values (1, 'x')"),
        "pipeline" => wire::parse(b"s", b"select 1", &[]),
        "copy in" => wire::query(b"copy ledger from stdin"),
        "copy out" => wire::query(b"copy (select generate_series(1, 100000000)) to stdout"),
        "held" => wire::query(b"drop table orders"),
        "rewrite" => wire::query(b"create index on orders (amount)"),
        "fill" => wire::query(b"alter table orders add column token uuid not null default gen_random_uuid()"),
        _ => return,
    };
    client.send(&sent).unwrap();
    match what {
        "copy in" => drop(client.until("CopyInResponse")),
        "copy out" => drop(client.until("CopyData")),
        "held" => drop(client.until("ticket ")),
        "rewrite" | "fill" => drop(client.until("NoticeResponse")),
        "transaction" => drop(client.until_ready()),
        _ => std::thread::sleep(Duration::from_millis(20)),
    }
}

/// Everything up to the end, which must come although the client goes on listening and talking.
fn to_the_end(client: &mut Client, what: &str) -> Vec<proto_tests::Message> {
    client.patience(Duration::from_secs(15));
    let mut seen = Vec::new();
    loop {
        match client.recv() {
            Ok(Some(message)) => seen.push(message),
            Ok(None) => return seen,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return seen,
            Err(error) => panic!("{what}: the session outlives its server: {error}; seen {seen:?}"),
        }
    }
}

#[test]
fn a_server_may_vanish_from_under_everything() {
    let database = SERVER.database("cut", "fixture");
    let pump = Pump::to(SERVER.address);
    let gateway = Gateway::before(&pump.address().to_string(), &GatewayOptions::default());
    drop(gateway.connect("alice", &database));
    let before = gateway.descriptors();
    for what in DOING {
        for after_ms in [0, 50] {
            let mut client = gateway.connect("alice", &database);
            begin(&mut client, what);
            std::thread::sleep(Duration::from_millis(after_ms));
            pump.cut();
            let seen = to_the_end(&mut client, what);
            let ready = seen.last().is_some_and(|m| m.tag == b'Z');
            assert!(!ready || *what == "transaction", "{what}: {seen:?}");
            // The server itself has not noticed yet.
            let orphans =
                format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database}'");
            SERVER.sql("postgres", &orphans);
            case::assert_left(&SERVER, &database);
            SERVER.sql(
                &database,
                "drop index if exists orders_amount_idx; alter table orders drop column if exists token",
            );
        }
    }
    assert_eq!(gateway.connect("alice", &database).rows("select 1"), ["1"]);
    if let Some(before) = before {
        wait_until("the descriptors are given back", Duration::from_secs(15), || {
            (gateway.descriptors()? <= before + 2).then_some(())
        });
    }
    gateway.assert_healthy();
}

#[test]
fn a_client_is_told_in_what_state_a_lost_server_left_its_change() {
    let case = case("told");
    let mut client = case.connect();
    begin(&mut client, "fill");
    let there = "select 1 from pg_attribute where attrelid = 'orders'::regclass and attname = 'token'";
    wait_until("the column is there", Duration::from_secs(20), || {
        (!SERVER.sql(&case.database, there).is_empty()).then_some(())
    });
    let end = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}' and usename = 'alice'",
        case.database
    );
    SERVER.sql("postgres", &end);
    let seen = to_the_end(&mut client, "fill");
    let last = seen.last().unwrap();
    assert_eq!((last.tag, last.field('C').as_deref()), (b'E', Some("08006")), "{seen:?}");
    assert!(last.field('D').is_some_and(|state| state.contains("Finished before: expand")), "{last:?}");
    assert!(last.field('H').is_some_and(|hint| hint.contains("run the same statement again")), "{last:?}");
    // And so it does.
    let mut client = case.connect();
    begin(&mut client, "fill");
    assert!(error_of(&client.until_ready()).is_none());
    drop(client);
    case.assert_well();
}

#[test]
fn a_client_may_vanish_from_a_rewrite() {
    let case = case("leaves");
    for what in ["rewrite", "fill", "held", "query"] {
        let mut client = case.connect();
        begin(&mut client, what);
        client.vanish();
        if what == "query" {
            // As without the gateway: the server finishes what it was asked for.
            SERVER.sql(
                "postgres",
                &format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'", case.database),
            );
        }
        case::assert_left(&SERVER, &case.database);
    }
    case.assert_well();
}

#[test]
fn a_rewrite_can_be_cancelled() {
    let database = SERVER.database("ctrl_c", "fixture");
    let pump = Pump::to(SERVER.address);
    let gateway = Gateway::before(&pump.address().to_string(), &GatewayOptions::default());
    let mut holder = SERVER.connect("alice", &database);
    holder.rows("begin; update orders set amount = amount where id = 1");
    let mut client = gateway.connect("alice", &database);
    begin(&mut client, "rewrite");
    let waiting =
        "select 1 from pg_stat_activity where query ilike '%create index concurrently%' and wait_event_type = 'Lock'";
    wait_until("the index build waits", Duration::from_secs(20), || {
        (!SERVER.sql(&database, waiting).is_empty()).then_some(())
    });
    let before = pump.taken();
    client.cancel();
    // What the build leaves behind can be removed as soon as nobody holds the table.
    holder.rows("rollback");
    drop(holder);
    let replies = client.until_ready();
    assert_eq!(error_of(&replies).and_then(|m| m.field('C')).as_deref(), Some("57014"), "{replies:?}");
    // A second one would stop the cleaning up.
    assert_eq!(pump.taken() - before, 1);
    assert_eq!(SERVER.sql(&database, "select count(*) from pg_index where not indisvalid"), ["0"]);
    assert_eq!(client.rows("select 1"), ["1"]);
    assert!(error_of(&client.query("create index on orders (amount)")).is_none());
    let indexes =
        "select indexrelid::regclass::text, indisvalid from pg_index where indrelid = 'orders'::regclass order by 1";
    assert_eq!(SERVER.sql(&database, indexes), ["orders_amount_idx|t", "orders_pkey|t"]);
    drop(client);
    gateway.assert_healthy();
}

/// What a strange upstream does with a connection.
fn upstream(behave: fn(std::net::TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(behave));
    address
}

fn after_startup(mut stream: std::net::TcpStream, answer: &[u8]) {
    let mut buffer = [0; 4096];
    let _ = stream.read(&mut buffer);
    let _ = stream.write_all(answer);
}

#[test]
fn a_strange_upstream_is_an_error_for_the_client() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], proto_tests::server::free_port()));
    let upstreams = [
        ("refuses", nobody),
        ("closes", upstream(drop)),
        ("sends noise", upstream(|s| after_startup(s, b"HTTP/1.1 400 Bad Request\r\n\r\n"))),
        ("claims a gigabyte", upstream(|s| after_startup(s, b"R\x40\0\0\0\0\0\0\0"))),
        ("sends a negative length", upstream(|s| after_startup(s, b"R\xff\xff\xff\xff\0\0\0\0"))),
        ("closes in the middle", upstream(|s| after_startup(s, b"R\0\0\0\x08\0\0"))),
        ("sends an empty error", upstream(|s| after_startup(s, b"E\0\0\0\x05\0"))),
        ("asks for something unknown", upstream(|s| after_startup(s, b"R\0\0\0\x08\0\0\0\x63"))),
    ];
    for (name, address) in upstreams {
        let gateway = Gateway::before(&address.to_string(), &GatewayOptions::default());
        for _ in 0..3 {
            match Session::to(gateway.address).user("alice").database("x").connect() {
                Ok(_) => panic!("{name}: a session came about"),
                Err(NotConnected::Refused(message)) => {
                    assert!(message.field('C').is_some() || name == "sends an empty error", "{name}: {message:?}")
                }
                Err(NotConnected::Io(error)) => {
                    let timed_out =
                        matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
                    assert!(!timed_out, "{name}: the client waits in vain");
                    assert!(name != "refuses", "a refused connection must be told to the client: {error}");
                }
            }
        }
        gateway.assert_healthy();
    }
}

#[test]
fn a_gateway_killed_during_a_rewrite_can_go_on() {
    let mut case = case("killed");
    let sql = "create index orders_amount_idx on orders (amount)";
    let mut holder = SERVER.connect("alice", &case.database);
    holder.rows("begin; update orders set amount = amount where id = 1");
    let mut client = case.connect();
    client.send(&wire::query(sql.as_bytes())).unwrap();
    let building = "select 1 from pg_stat_activity where query ilike '%create index%' and state = 'active' and pid <> pg_backend_pid()";
    wait_until("the index is being built", Duration::from_secs(20), || {
        (!SERVER.sql(&case.database, building).is_empty()).then_some(())
    });
    case.gateway.kill();
    holder.rows("rollback");
    drop(holder);
    case.gateway.run();
    let indexes =
        "select indexrelid::regclass::text, indisvalid from pg_index where indrelid = 'orders'::regclass order by 1";
    let replies = case.connect().query(sql);
    let found = SERVER.sql(&case.database, indexes);
    assert_eq!(found, ["orders_amount_idx|t", "orders_pkey|t"], "after the second try: {replies:?}");
    case.assert_well();
}

#[test]
fn sigterm_lets_a_running_statement_finish() {
    let case = case("drain");
    let mut busy = case.connect();
    busy.send(&wire::query(b"select pg_sleep(1), 'finished'")).unwrap();
    let running = format!("select 1 from pg_stat_activity where datname = '{}' and state = 'active'", case.database);
    wait_until("the statement runs", Duration::from_secs(10), || {
        (!SERVER.sql("postgres", &running).is_empty()).then_some(())
    });
    std::thread::scope(|scope| {
        scope.spawn(|| case.gateway.stop());
        let replies = busy.until_ready();
        assert!(replies.iter().any(|m| m.render().contains("finished")), "{replies:?}");
        assert_eq!(status_of(&replies), Some('I'));
        drop(busy);
    });
}

#[test]
fn every_way_of_logging_in_is_passed_through() {
    let case = case("login");
    for user in ["scram_user", "md5_user", "clear_user"] {
        let session = case.gateway.session(user, &case.database);
        let mut client = session.clone().password("pencil").connect().unwrap_or_else(|e| panic!("{user}: {e:?}"));
        assert_eq!(client.rows("select current_user"), [user]);
        match session.password("wrong").connect() {
            Err(NotConnected::Refused(message)) => {
                assert_eq!(message.field('C').as_deref(), Some("28P01"), "{message:?}")
            }
            Err(NotConnected::Io(error)) => panic!("{user} with a wrong password: {error}"),
            Ok(_) => panic!("{user} came in with a wrong password"),
        }
    }
    case.assert_well();
}

#[test]
fn unix_sockets_on_both_sides() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join(".s.PGSQL.5432");
    let upstream = SERVER.socket_dir.join(format!(".s.PGSQL.{}", SERVER.address.port()));
    let options = GatewayOptions::unix(&path, &upstream);
    if proto_tests::gateway::stand_in() {
        return;
    }
    let database = SERVER.database("sockets", "fixture");
    let gateway = Gateway::with(&SERVER, &options);
    let session = Session::at(proto_tests::client::Target::Unix(path.clone())).user("alice").database(&database);
    let mut client = session.connect().unwrap_or_else(|e| panic!("{e:?}; {}", gateway.log()));
    assert_eq!(client.rows("select inet_server_addr() is null"), ["t"]);
    client.send(&wire::query(b"select pg_sleep(60)")).unwrap();
    let running = format!("select 1 from pg_stat_activity where datname = '{database}' and state = 'active'");
    wait_until("the statement runs", Duration::from_secs(10), || {
        (!SERVER.sql("postgres", &running).is_empty()).then_some(())
    });
    client.cancel();
    assert_eq!(error_of(&client.until_ready()).unwrap().field('C').as_deref(), Some("57014"));
    gateway.assert_healthy();
    drop(client);
    gateway.stop();
    assert!(!path.exists(), "the socket's file stays");
}

/// The session a statement is of, its SQLSTATE, and how the session ended, from the record.
fn recorded(gateway: &Gateway, text: &str) -> Option<(u64, Option<String>, Option<String>)> {
    let lines = gateway.record();
    let is = |line: &&serde_json::Value, event: &str| line["event"] == event;
    let of = lines.iter().find(|line| is(line, "statement") && line["text"] == text)?;
    let session = of["session"].as_u64()?;
    let end = lines.iter().find(|line| is(line, "session_ended") && line["session"] == session)?;
    Some((session, of["sqlstate"].as_str().map(str::to_owned), end["reason"].as_str().map(str::to_owned)))
}

#[test]
fn what_was_running_when_a_session_was_ended_is_in_the_record() {
    let case = case("ended");
    for (sql, held) in [("select pg_sleep(60), 'plain'", false), ("drop table orders", true)] {
        let mut client = case.connect();
        client.send(&wire::query(sql.as_bytes())).unwrap();
        if held {
            client.until("ticket ");
        } else {
            let running = format!("select 1 from pg_stat_activity where query = '{}'", sql.replace('\'', "''"));
            wait_until("it runs", Duration::from_secs(20), || {
                (!SERVER.sql(&case.database, &running).is_empty()).then_some(())
            });
        }
        let last: serde_json::Value = wait_until("it is listed", Duration::from_secs(10), || {
            let live = case.gateway.must(&["sessions", "--live", "--json"]);
            live.lines().last().map(|line| serde_json::from_str(line).unwrap())
        });
        case.gateway.must(&["end-session", last["id"].as_str().unwrap(), "--reason", "enough", "--as", "bob"]);
        let seen = to_the_end(&mut client, sql);
        let fatal = seen.iter().rfind(|m| m.tag == b'E').unwrap_or_else(|| panic!("{sql}: {seen:?}"));
        assert_eq!(fatal.field('C').as_deref(), Some("57P01"), "{sql}: {seen:?}");
        assert!(fatal.field('D').unwrap().contains("bob"), "{fatal:?}");
        case::assert_left(&SERVER, &case.database);
        let (session, code, reason) =
            wait_until("it is recorded", Duration::from_secs(10), || recorded(&case.gateway, sql));
        assert_eq!((code.as_deref(), reason.as_deref()), (Some("57014"), Some("administrator")), "{sql}");
        let by = |line: &serde_json::Value| line["event"] == "session_terminated" && line["session"] == session;
        assert!(case.gateway.record().iter().any(|line| by(line) && line["reason"] == "enough"));
        assert!(!case.gateway.cli(&["end-session", last["id"].as_str().unwrap(), "--as", "bob"]).0, "it is over");
    }
    case.assert_well();
}

#[test]
fn what_was_running_when_the_server_vanished_is_in_the_record() {
    let database = SERVER.database("in_flight", "fixture");
    let pump = Pump::to(SERVER.address);
    let gateway = Gateway::before(&pump.address().to_string(), &GatewayOptions::default());
    let mut client = gateway.connect("alice", &database);
    let sql = "select pg_sleep(60), 'cut'";
    client.send(&wire::query(sql.as_bytes())).unwrap();
    wait_until("it runs", Duration::from_secs(20), || {
        (!SERVER
            .sql(&database, "select 1 from pg_stat_activity where query like '%''cut''' and state = 'active'")
            .is_empty())
        .then_some(())
    });
    pump.cut();
    to_the_end(&mut client, sql);
    let (_, code, _) = wait_until("it is recorded", Duration::from_secs(10), || recorded(&gateway, sql));
    assert_eq!(code.as_deref(), Some("08007"));
    SERVER.sql(
        "postgres",
        &format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database}'"),
    );
    gateway.assert_healthy();
}
