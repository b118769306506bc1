//! The ways in and their limits: who is let in and how, how many, what is read anew, and how a stop ends it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use proto_tests::case;
use proto_tests::client::{NotConnected, error_of, status_of};
use proto_tests::wire;
use proto_tests::{Client, Gateway, GatewayOptions, Server, wait_until};

static SERVER: LazyLock<Server> = LazyLock::new(case::prepared);

fn refused(result: Result<Client, NotConnected>) -> String {
    match result {
        Err(NotConnected::Refused(message)) => message.field('C').unwrap_or_default(),
        Err(NotConnected::Io(error)) => panic!("not a word of explanation: {error}"),
        Ok(_) => panic!("a session came about"),
    }
}

#[test]
fn the_gateway_checks_passwords_and_logs_in_by_itself() {
    let place = tempfile::tempdir().unwrap();
    let (users, secret) = (place.path().join("users.txt"), place.path().join("secret"));
    let verifier = SERVER.sql("postgres", "select rolpassword from pg_authid where rolname = 'scram_user'").remove(0);
    std::fs::write(&users, format!("\"anna\" \"{verifier}\"\n")).unwrap();
    std::fs::write(&secret, "pencil\n").unwrap();
    #[cfg(unix)]
    for file in [&users, &secret] {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    for account in ["scram_user", "md5_user", "clear_user"] {
        let gateway = Gateway::with(&SERVER, &GatewayOptions::scram(&users, account, &secret));
        let session = gateway.session("anna", "postgres");
        let mut client = session.clone().password("pencil").connect().unwrap_or_else(|e| panic!("{account}: {e:?}"));
        assert_eq!(client.rows("select session_user"), [account]);
        client.send(&wire::query(b"select pg_sleep(60)")).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        client.cancel();
        assert_eq!(error_of(&client.until_ready()).unwrap().field('C').as_deref(), Some("57014"));
        assert_eq!(refused(session.clone().password("wrong").connect()), "28P01");
        assert_eq!(refused(gateway.session("nobody", "postgres").password("pencil").connect()), "28P01");
        gateway.assert_healthy();
    }
    // The login that the gateway holds is not the client's, nor its mistake.
    std::fs::write(&secret, "pen\n").unwrap();
    for account in ["scram_user", "nobody_at_all"] {
        let gateway = Gateway::with(&SERVER, &GatewayOptions::scram(&users, account, &secret));
        let Err(NotConnected::Refused(message)) = gateway.session("anna", "postgres").password("pencil").connect()
        else {
            panic!("{account}: a session came about, or not a word");
        };
        assert_eq!(message.field('C').as_deref(), Some("08001"), "{message:?}");
        assert!(!message.render().contains(account), "{message:?}");
    }
}

#[test]
fn there_is_room_for_so_many_sessions() {
    let gateway = Gateway::with(&SERVER, &GatewayOptions::room(3, 50, 10));
    let mut sessions: Vec<Client> = (0..3).map(|_| gateway.connect("alice", "postgres")).collect();
    for _ in 0..20 {
        assert_eq!(refused(gateway.session("alice", "postgres").connect()), "53300");
    }
    // A cancel request needs no place of its own.
    sessions[0].send(&wire::query(b"select pg_sleep(60)")).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    sessions[0].cancel();
    assert_eq!(error_of(&sessions[0].until_ready()).unwrap().field('C').as_deref(), Some("57014"));
    drop(sessions.pop());
    wait_until("the place is free again", Duration::from_secs(10), || {
        gateway.session("alice", "postgres").connect().ok()
    });
    gateway.assert_healthy();
}

#[test]
fn who_does_not_come_in_does_not_stay_at_the_door() {
    let gateway = Gateway::with(&SERVER, &GatewayOptions::room(100, 5, 1));
    let before = gateway.descriptors();
    let began = Instant::now();
    let silent: Vec<Client> = (0..40).map(|_| gateway.session("alice", "postgres").open().unwrap()).collect();
    for mut client in silent {
        client.patience(Duration::from_secs(10));
        while let Ok(Some(_)) = client.recv_byte() {}
    }
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(gateway.connect("alice", "postgres").rows("select 1"), ["1"]);
    if let Some(before) = before {
        wait_until("the descriptors are given back", Duration::from_secs(10), || {
            (gateway.descriptors()? <= before + 2).then_some(())
        });
    }
    gateway.assert_healthy();
}

#[test]
fn a_good_file_is_read_anew_and_a_bad_one_changes_nothing() {
    let gateway = Gateway::with(&SERVER, &GatewayOptions::policy("standard"));
    let database = SERVER.database("reload", "fixture");
    let mut client = gateway.connect("alice", &database);
    let is_held = |client: &mut Client| {
        client.send(&wire::query(b"delete from orders")).unwrap();
        let answer = client.recv().unwrap().unwrap();
        let held = answer.tag == b'N';
        if held {
            client.cancel();
        }
        client.until_ready_unless(&answer);
        held
    };
    assert!(is_held(&mut client), "nobody said so");
    gateway.reload("[[targets]]\nname = 7\nnonsense = true\n");
    wait_until("the mistakes are logged", Duration::from_secs(10), || {
        let log = gateway.log();
        (log.contains("not reloaded") && log.contains("nonsense")).then_some(())
    });
    assert!(is_held(&mut client), "the bad file took effect");
    gateway.reload_policy("observe");
    wait_until("the good file is read", Duration::from_secs(10), || {
        gateway.log().contains("configuration reloaded").then_some(())
    });
    assert!(!is_held(&mut client), "the good file took no effect on the open session");
    gateway.assert_healthy();
}

#[test]
fn a_stop_tells_everybody_and_ends() {
    let database = SERVER.database("stop", "fixture");
    let gateway = Gateway::with(&SERVER, &GatewayOptions::drain_for(3));
    let mut idle = gateway.connect("alice", &database);
    let mut held = gateway.connect("alice", &database);
    let mut open = gateway.connect("alice", &database);
    let mut endless = gateway.connect("alice", &database);
    held.send(&wire::query(b"drop table orders")).unwrap();
    held.until("ticket ");
    open.rows("begin");
    endless.send(&wire::query(b"select pg_sleep(60)")).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| gateway.stop());
        for (name, client) in [("idle", &mut idle), ("held", &mut held)] {
            let seen = client.until_ready();
            let code = error_of(&seen).and_then(|m| m.field('C'));
            assert_eq!(code.as_deref(), Some("57P01"), "{name}: {seen:?}");
        }
        // A transaction may be finished.
        assert_eq!(open.rows("select 1"), ["1"]);
        open.rows("commit");
        assert_eq!(error_of(&open.until_ready()).and_then(|m| m.field('C')).as_deref(), Some("57P01"));
        case::drain(&mut endless, "endless");
    });
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(gateway.session("alice", &database).open().is_err(), "it still listens");
}

#[test]
fn replication_and_function_calls_have_to_be_allowed() {
    let gateway = Gateway::start(&SERVER);
    for value in ["true", "database", "on", "1"] {
        assert_eq!(refused(gateway.session("walker", "postgres").parameter("replication", value).connect()), "0A000");
    }
    let mut client = gateway.session("alice", "postgres").parameter("replication", "false").connect().ok().unwrap();
    client.rows("begin");
    // lo_creat(integer)
    client.send(&wire::function_call(957, &[b"393216"])).unwrap();
    let replies = client.until_ready();
    assert!(replies.iter().any(|m| m.tag == b'V') && status_of(&replies) == Some('T'), "{replies:?}");
    client.rows("rollback");
    // pg_backend_pid()
    client.send(&wire::function_call(2026, &[])).unwrap();
    let code = error_of(&client.until_ready()).and_then(|m| m.field('C')).unwrap();
    assert!(code.starts_with("LK"), "{code}");
    assert_eq!(client.rows("select 1"), ["1"]);
    gateway.assert_healthy();
}

/// TLS from the first byte, with or without the protocol's name; what came back, decrypted.
fn directly(gateway: &Gateway, root: &str, alpn: Option<&[u8]>, startup: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut roots = rustls::RootCertStore::empty();
    let pem = rustls::pki_types::pem::PemObject::from_pem_slice(root.as_bytes()).unwrap();
    roots.add(pem).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
    let mut connection = rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut socket = TcpStream::connect(gateway.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut stream = rustls::Stream::new(&mut connection, &mut socket);
    stream.write_all(startup)?;
    let mut answer = vec![0; 64];
    let count = stream.read(&mut answer)?;
    answer.truncate(count);
    Ok(answer)
}

#[test]
fn encryption_may_begin_with_the_first_byte() {
    let place = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (place.path().join("cert.pem"), place.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let gateway = Gateway::with(&SERVER, &GatewayOptions::tls("require", &cert, &key));
    let startup = gateway.session("alice", "postgres").startup();
    let answer = directly(&gateway, &made.cert.pem(), Some(b"postgresql"), &startup).unwrap();
    assert!(answer.starts_with(b"R\0\0\0\x08\0\0\0\0"), "{}", answer.escape_ascii());
    for name in [None, Some(&b"http/1.1"[..])] {
        let answer = directly(&gateway, &made.cert.pem(), name, &startup);
        assert!(!answer.as_ref().is_ok_and(|bytes| bytes.contains(&b'R')), "{name:?}: {answer:?}");
    }
    gateway.assert_healthy();
}
