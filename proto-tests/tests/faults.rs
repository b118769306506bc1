//! Bad input and bad luck: after each fault the gateway lives, has not panicked, keeps its memory bounded, has
//! let go of the sessions concerned, and serves the next session.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;
use std::time::Duration;

use proto_tests::case::{self, Case, drain};
use proto_tests::client::error_of;
use proto_tests::wire::{self, Value};
use proto_tests::{Client, Server, wait_until};

static SERVER: LazyLock<Server> = LazyLock::new(case::prepared);

fn case(name: &str) -> Case<'static> {
    Case::new(&SERVER, name)
}

fn with_length(tag: &[u8], length: i32, body: &[u8]) -> Vec<u8> {
    [tag, &length.to_be_bytes(), body].concat()
}

/// Frames whose length lies, and frames whose inside does not fit their length.
fn malformed() -> Vec<(String, Vec<u8>)> {
    let mut list = Vec::new();
    for tag in [b'Q', b'P', b'B', b'D', b'E', b'C', b'S', b'd', b'p', b'F', b'X', 0, 0xff] {
        for length in [i32::MIN, -1, 0, 1, 3, i32::MAX, 1 << 30, (1 << 30) - 2] {
            list.push((format!("{} length {length}", tag.escape_ascii()), with_length(&[tag], length, b"select 1\0")));
        }
    }
    let bodies: &[(u8, &[u8])] = &[
        (b'Q', b"select 1"),
        (b'Q', b"select 1\0drop table ledger\0"),
        (b'Q', b""),
        (b'P', b"s\0select 1\0"),
        (b'P', b"s\0select 1\0\xff\xff"),
        (b'P', b"s\0select 1\0\0\0trailing"),
        (b'P', b"s"),
        (b'B', b"\0\0\0\0\x7f\xff"),
        (b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff"),
        (b'B', b"\0\0\0\x01\0\x05\0\0\0\0"),
        (b'B', b""),
        (b'D', b"X\0"),
        (b'D', b"S"),
        (b'C', b""),
        (b'E', b"\0\0"),
        (b'E', b"\0\0\0\0\x01trailing"),
        (b'S', b"trailing"),
        (b'H', b"trailing"),
        (b'F', b"\0\0"),
        (b'p', b"password\0"),
        (b'X', b"trailing"),
        (b'?', b"what"),
    ];
    list.extend(
        bodies
            .iter()
            .map(|(tag, body)| (format!("{} {}", tag.escape_ascii(), body.escape_ascii()), wire::framed(*tag, body))),
    );
    list.push(("second startup".into(), wire::startup((3, 0), &[("user".into(), "postgres".into())])));
    list.push(("SSLRequest in a session".into(), wire::ssl_request()));
    list.push(("half a frame".into(), b"Q\0\0\0\x20select".to_vec()));
    list.push(("noise".into(), (0..=255).rev().collect()));
    list
}

/// The states a session can be in when something malformed comes.
const STATES: &[&str] =
    &["ready", "transaction", "pipeline", "skipping", "copy in", "authenticating", "failed", "held"];

fn reach(case: &Case<'_>, state: &str) -> Client {
    if state == "authenticating" {
        let session = case.gateway.session("scram_user", &case.database);
        let mut client = session.open().unwrap();
        client.send(&session.startup()).unwrap();
        assert!(client.recv().unwrap().unwrap().render().starts_with("Authentication 10"));
        return client;
    }
    let mut client = case.connect();
    match state {
        "transaction" => drop(client.rows("begin")),
        "pipeline" => client.send(&wire::parse(b"s", b"select 1", &[])).unwrap(),
        "skipping" => client.send(&wire::parse(b"s", b"select nosuch", &[])).unwrap(),
        "copy in" => {
            client.send(&wire::query(b"copy ledger from stdin")).unwrap();
            client.until("CopyInResponse");
        }
        "failed" => drop(client.query("begin; select nosuch")),
        "held" => {
            client.send(&wire::query(b"drop table orders")).unwrap();
            client.until("ticket ");
        }
        _ => {}
    }
    client
}

#[test]
fn malformed_frames_in_every_state_end_the_session_at_most() {
    let case = case("malformed");
    for state in STATES {
        for (name, bytes) in malformed() {
            let mut client = reach(&case, state);
            let _ = client.send(&bytes);
            let _ = client.send(&wire::framed(b'S', b""));
            drain(&mut client, &format!("{state}, {name}"));
        }
        case.assert_well();
    }
    assert_eq!(SERVER.sql(&case.database, "select to_regclass('ledger') is not null"), ["t"]);
}

#[test]
fn malformed_startup_ends_the_connection() {
    let case = case("startup");
    let user = ("user".to_owned(), "alice".to_owned());
    let packets: Vec<Vec<u8>> = vec![
        with_length(b"", 0, b""),
        with_length(b"", 3, b""),
        with_length(b"", 4, b""),
        with_length(b"", 7, b"\0\x03\0"),
        with_length(b"", -1, b"\0\x03\0\0"),
        with_length(b"", i32::MAX, b"\0\x03\0\0user\0"),
        with_length(b"", 1 << 30, b"\0\x03\0\0user\0"),
        wire::startup((1, 0), std::slice::from_ref(&user)),
        wire::startup((2, 0), std::slice::from_ref(&user)),
        wire::startup((4, 0), std::slice::from_ref(&user)),
        wire::startup((3, 0), &[]),
        wire::startup((3, 0), &[user.clone(), user.clone()]),
        wire::startup((3, 0), &[("user".into(), "x".repeat(9_000))]),
        wire::startup((3, 0), &[user.clone(), ("options".into(), "-c=".into())]),
        wire::startup((3, 0), &[user.clone(), ("options".into(), "-c \\".into())]),
        wire::startup((3, 0), &[user.clone(), ("replication".into(), "database".into())]),
        wire::untagged(b"\0\x03\0\0user"),
        wire::untagged(b"\0\x03\0\0user\0alice"),
        wire::untagged(b"\0\x03\0\0user\0alice\0\0trailing\0"),
        wire::cancel_request(1, b"abcd"),
        wire::cancel_request(1, b""),
        wire::cancel_request(1, &[7; 400]),
        wire::query(b"select 1"),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        [wire::ssl_request(), wire::ssl_request(), wire::ssl_request()].concat(),
        b"\0".to_vec(),
        Vec::new(),
    ];
    for packet in packets {
        let mut client = case.session().open().unwrap();
        let _ = client.send(&packet);
        client.patience(Duration::from_secs(15));
        client.half_close();
        let what = packet.escape_ascii().to_string();
        while client
            .recv_byte()
            .map_err(|e| e.kind())
            .unwrap_or_else(|kind| {
                assert_eq!(kind, std::io::ErrorKind::ConnectionReset, "{what}: neither an answer nor an end");
                None
            })
            .is_some()
        {}
    }
    case.assert_well();
}

/// All that comes back to a first packet, up to a clean end.
fn answer_to(case: &Case<'_>, packet: &[u8]) -> Vec<u8> {
    let mut client = case.session().open().unwrap();
    client.send(packet).unwrap();
    client.patience(Duration::from_secs(15));
    std::iter::from_fn(|| client.recv_byte().expect("it ends, and is not reset")).collect()
}

#[test]
fn first_packets_that_lead_nowhere_are_answered_as_by_the_server() {
    let case = case("nowhere");
    assert_eq!(answer_to(&case, b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: y\r\n\r\n"), b"");
    let user = [("user".to_owned(), "alice".to_owned())];
    assert_eq!(
        answer_to(&case, &wire::startup((2, 0), &user)),
        b"EFATAL:  unsupported frontend protocol 2.0: server supports 3.0 to 3.2\n\0"
    );
    let newer = answer_to(&case, &wire::startup((0xffff, 1), &user)).escape_ascii().to_string();
    assert!(newer.contains("Munsupported frontend protocol 65535.1: server supports 3.0 to 3.2"), "{newer}");
}

#[test]
fn an_encoding_that_cannot_be_read_is_refused_before_anybody_logs_in() {
    let case = case("encoding");
    let names = [("user", "alice"), ("database", case.database.as_str()), ("client_encoding", "S-JIS")];
    let named = names.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let answer = answer_to(&case, &wire::startup((3, 0), &named)).escape_ascii().to_string();
    assert!(answer.starts_with('E') && answer.contains("C0A000"), "{answer}");
}

/// One session's messages, through everything a session can be doing.
fn conversation() -> Vec<Vec<u8>> {
    vec![
        wire::query(b"begin"),
        wire::query(b"insert into ledger values (1, 'x')"),
        wire::parse(b"s", b"select $1::int", &[23]),
        wire::bind(b"p", b"s", &[Value::Text(b"1".to_vec())], false),
        wire::named(b'D', b'P', b"p"),
        wire::execute(b"p", 0),
        wire::framed(b'S', b""),
        wire::query(b"select nosuch"),
        wire::query(b"rollback"),
        wire::query(b"copy ledger from stdin"),
        wire::framed(b'd', b"5\tfive\n"),
        wire::framed(b'c', b""),
        wire::query(b"select * from generate_series(1, 50000)"),
        wire::query(b"create index on orders (amount)"),
        wire::query(b"drop table orders"),
    ]
}

#[test]
fn a_client_may_vanish_at_every_message_boundary() {
    let case = case("vanish");
    case.assert_well();
    let before = case.gateway.descriptors();
    let messages = conversation();
    let startup = case.session().startup();
    for cut in [0, 1, 4, 8, startup.len() - 1, startup.len()] {
        let mut client = case.session().open().unwrap();
        let _ = client.send(&startup[..cut]);
        client.vanish();
    }
    for count in 0..=messages.len() {
        for extra in [0, 1, 5] {
            let mut client = case.connect();
            let mut bytes = messages[..count].concat();
            let next = messages.get(count).map_or(&[][..], Vec::as_slice);
            bytes.extend_from_slice(&next[..extra.min(next.len())]);
            let _ = client.send_all(&bytes);
            client.vanish();
        }
    }
    case.assert_well();
    if let Some(before) = before {
        wait_until("the descriptors are given back", Duration::from_secs(15), || {
            (case.gateway.descriptors()? <= before + 2).then_some(())
        });
    }
    let open = "select count(*) from ledger where id = 1";
    assert_eq!(SERVER.sql(&case.database, open), ["0"], "what was begun is undone");
}

#[test]
fn a_statement_of_a_hundred_megabytes_gets_an_answer() {
    let case = case("huge");
    for text in [format!("select length('{}')", "x".repeat(100 << 20)), " ".repeat(100 << 20) + "drop table ledger"] {
        let mut client = case.connect();
        client.send(&wire::query(text.as_bytes())).unwrap();
        let answer = client.recv();
        assert!(answer.is_ok(), "no answer: {answer:?}");
        client.vanish();
    }
    case.assert_well();
    assert_eq!(SERVER.sql(&case.database, "select to_regclass('ledger') is not null"), ["t"]);
}

#[test]
fn what_is_ordinary_may_be_large() {
    let case = case("large");
    let before = case.gateway.memory_kib();
    let mut client = case.connect();
    let megabytes = 100;
    let value = Value::Text(vec![b'x'; megabytes << 20]);
    let burst = [
        wire::parse(b"", b"insert into ledger values (1, $1) returning length(note)", &[25]),
        wire::bind(b"", b"", &[value], false),
        wire::execute(b"", 0),
        wire::framed(b'S', b""),
    ];
    client.send(&burst.concat()).unwrap();
    let replies = client.until_ready();
    assert!(replies.iter().any(|m| m.render() == format!("DataRow {}", megabytes << 20)), "{:?}", error_of(&replies));
    client.send(&wire::query(b"copy ledger from stdin")).unwrap();
    client.until("CopyInResponse");
    let line = [b"2\t".to_vec(), vec![b'y'; megabytes << 20], b"\n".to_vec()].concat();
    client.send(&[wire::framed(b'd', &line), wire::framed(b'c', b"")].concat()).unwrap();
    assert!(error_of(&client.until_ready()).is_none());
    // A text as long is refused, and nothing more: the session goes on.
    let text = format!("insert into ledger values (3, '{}')", "z".repeat(megabytes << 20));
    let code = error_of(&client.query(&text)).and_then(|m| m.field('C'));
    assert_eq!(code.as_deref(), Some("54000"));
    assert_eq!(client.rows("select id, length(note) from ledger order by id"), ["1|104857600", "2|104857600"]);
    if let (Some(before), Some(now)) = (before, case.gateway.memory_kib()) {
        println!("memory after 300 MB: {} KiB more", now.saturating_sub(before));
        assert!(now < before + 48 * 1024, "from {before} to {now} KiB");
    }
    drop(client);
    case.assert_well();
}

#[test]
fn a_gigabyte_that_is_claimed_is_not_kept() {
    let case = case("claims");
    let before = case.gateway.memory_kib();
    let claim = i32::to_be_bytes((1 << 30) - 2);
    let mut clients = Vec::new();
    for tag in [b'Q', b'P', b'B', b'F', b'd'] {
        let mut client = case.connect();
        let start = [&[tag][..], &claim, b"\0s\0"].concat();
        client.send_all(&start).unwrap();
        let _ = client.send_all(&vec![b' '; 16 << 20]);
        clients.push(client);
    }
    if let (Some(before), Some(now)) = (before, case.gateway.memory_kib()) {
        println!("memory for five gigabytes claimed: {} KiB", now.saturating_sub(before));
        assert!(now < before + 48 * 1024, "from {before} to {now} KiB");
    }
    clients.into_iter().for_each(Client::vanish);
    case.assert_well();
}

#[test]
fn deep_and_long_statements_get_an_answer() {
    let case = case("deep");
    let deep = 100_000;
    let texts = [
        format!("select {}1{}", "(".repeat(deep), ")".repeat(deep)),
        "(".repeat(deep),
        format!("select {}1{}", "(select ".repeat(60), ")".repeat(60)),
        format!("{}select 1", "/*".repeat(deep)),
        format!("{}{}drop table ledger", "/*".repeat(20_000), "*/".repeat(20_000)),
        format!("select 1{}", "+1".repeat(64_000)),
        format!("select 1 where {}true", "1=1 and ".repeat(50_000)),
        format!("select 1 where 1 in ({}1)", "1,".repeat(500_000)),
        format!("select {}true", "not ".repeat(deep)),
        format!("select array{}{}", "[".repeat(20_000), "]".repeat(20_000)),
        format!("select {}", "case when true then ".repeat(20_000)),
        "select 1;".repeat(20_000),
        format!("select $t{}$x$t{}$", "a".repeat(70_000), "a".repeat(70_000)),
        format!("select \"{}\"", "x".repeat(70_000)),
        format!("create table t({}a int)", "a int, ".repeat(5_000)),
    ];
    for text in &texts {
        let mut client = case.connect();
        client.send(&wire::query(text.as_bytes())).unwrap();
        let start: String = text.chars().take(40).collect();
        loop {
            let message = client.recv().unwrap_or_else(|e| panic!("{start}: no answer: {e}"));
            let Some(message) = message else { break };
            // A hold is an answer too: the client would wait for a reviewer now.
            if message.tag == b'Z' || proto_tests::play::is_judged(&message) {
                break;
            }
        }
        case.gateway.assert_healthy();
    }
    case.assert_well();
    assert_eq!(SERVER.sql(&case.database, "select to_regclass('ledger') is not null"), ["t"]);
}

#[test]
fn thousands_of_parses_without_sync() {
    let case = case("parses");
    let mut client = case.connect();
    let count = 20_000;
    let mut bytes = Vec::new();
    for number in 0..count {
        bytes.extend(wire::parse(format!("s{number}").as_bytes(), b"select 1", &[]));
    }
    bytes.extend(wire::framed(b'S', b""));
    client.send(&bytes).unwrap();
    let replies = client.until_ready();
    let done = replies.iter().filter(|m| m.tag == b'1').count();
    assert!(done == count || error_of(&replies).is_some(), "{done} of {count} and no error");
    drop(client);
    case.assert_well();
}

#[test]
fn a_client_that_does_not_read_costs_no_memory() {
    let case = case("slow");
    let before = case.gateway.memory_kib();
    let mut client = case.connect();
    client.send(&wire::query(b"select repeat('x', 1000) from generate_series(1, 500000)")).unwrap();
    let stuck =
        format!("select 1 from pg_stat_activity where datname = '{}' and wait_event = 'ClientWrite'", case.database);
    wait_until("the server cannot write any more", Duration::from_secs(15), || {
        (!SERVER.sql("postgres", &stuck).is_empty()).then_some(())
    });
    if let (Some(before), Some(now)) = (before, case.gateway.memory_kib()) {
        println!("memory for a client that does not read: {} KiB", now.saturating_sub(before));
        assert!(now < before + 32 * 1024, "from {before} to {now} KiB");
    }
    client.vanish();
    case.assert_well();
}

#[test]
fn silent_connections_keep_nobody_out() {
    let case = case("silent");
    let silent: Vec<Client> = (0..50).map(|_| case.session().open().unwrap()).collect();
    assert_eq!(case.connect().rows("select 1"), ["1"]);
    drop(silent);
    case.assert_well();
}
