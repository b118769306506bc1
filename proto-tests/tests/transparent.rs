//! Traffic that the gateway does not intercept is byte for byte the server's own: every script of
//! `scripts/transparent` is played straight to PostgreSQL and through the gateway, and the replies compared.
//!
//! Words in a script's header: `large` (too many bytes to send one by one), `stepwise` (replies decide what is
//! sent next), `alone` (servers differ among themselves: played through the gateway only).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proto_tests::play::{Delivery, Reply, Stage, Transcript, play};
use proto_tests::script::{self, Script};
use proto_tests::{Gateway, Message, Server};

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start(newest());
    server.sql("postgres", "create database fixture owner alice");
    server.connect("alice", "fixture").rows(FIXTURE);
    server
});

const FIXTURE: &str = "\
create table account(id int primary key, owner text not null, balance numeric(12,2) not null default 0);
insert into account select g, 'owner ' || g, g * 10 from generate_series(1, 100) g;
create table ledger(id int primary key, note text);
create table raw_bytes(content bytea)";

fn newest() -> u32 {
    proto_tests::majors().into_iter().max().unwrap()
}

/// Numbers that differ between any two sessions, replaced by the order in which they first appear.
#[derive(Default)]
struct Numbers(BTreeMap<u32, u32>);

impl Numbers {
    fn ordinal(&mut self, bytes: &mut [u8]) {
        let number = u32::from_be_bytes((&*bytes).try_into().unwrap());
        let next = u32::try_from(self.0.len()).unwrap() + 1;
        bytes.copy_from_slice(&self.0.entry(number).or_insert(next).to_be_bytes());
    }
}

/// How a message is changed before it is compared.
type Normalise = fn(&mut Message, &mut Numbers);

/// The whole list of allowed differences.
const DIFFERENCES: &[(u8, &str, Normalise)] = &[
    (b'K', "the cancel key is the gateway's own", |message, _| message.body.clear()),
    (b'A', "the process that notified", |message, numbers| numbers.ordinal(&mut message.body[..4])),
    (b'T', "numbers of tables made by the script itself", made_tables),
];

/// The first object number that a database hands out itself.
const FIRST_OWN: u32 = 16_384;

fn made_tables(message: &mut Message, numbers: &mut Numbers) {
    let mut at = 2;
    while at < message.body.len() {
        at += message.body[at..].iter().position(|b| *b == 0).unwrap() + 1;
        let table = &mut message.body[at..at + 4];
        if u32::from_be_bytes((&*table).try_into().unwrap()) >= FIRST_OWN {
            numbers.ordinal(table);
        }
        at += 18;
    }
}

fn normalised(transcript: Transcript) -> Transcript {
    let mut numbers = Numbers::default();
    let one = |(name, mut reply): (String, Reply)| {
        if let Reply::Message(message) = &mut reply {
            for (tag, _reason, apply) in DIFFERENCES {
                if message.tag == *tag {
                    apply(message, &mut numbers);
                }
            }
        }
        (name, reply)
    };
    transcript.into_iter().map(one).collect()
}

/// Plays one script on both sides; says where they part.
fn compare(script: &Script, direct: Stage<'_>, through: Stage<'_>) -> Result<(), String> {
    if script.has("alone") {
        return play(script, through).map(drop).map_err(|e| format!("through the gateway: {e}"));
    }
    let expected = normalised(play(script, direct).map_err(|e| format!("directly: {e}"))?);
    let seen = normalised(play(script, through).map_err(|e| format!("through the gateway: {e}"))?);
    let short = |reply: Option<&(String, Reply)>| format!("{reply:?}").chars().take(600).collect::<String>();
    match (0..expected.len().max(seen.len())).find(|n| expected.get(*n) != seen.get(*n)) {
        None => Ok(()),
        Some(n) => Err(format!(
            "{}: reply {n} differs\n  server:  {}\n  gateway: {}",
            script.name,
            short(expected.get(n)),
            short(seen.get(n))
        )),
    }
}

fn play_all(delivery: Delivery, user: &str, leave_out: &[&str]) {
    let label = format!("{delivery:?}").to_lowercase();
    let (left, right) = (format!("{label}_direct"), format!("{label}_through"));
    let direct = SERVER.database(&left, "fixture");
    let through = SERVER.database(&right, "fixture");
    let gateway = Gateway::start(&SERVER);
    let stage = Stage { address: SERVER.address, server: &SERVER, gateway: None, user, database: &direct, delivery };
    let behind = Stage { address: gateway.address, gateway: Some(&gateway), database: &through, ..stage };
    let scripts = script::all("transparent");
    let chosen: Vec<_> = scripts.iter().filter(|s| !leave_out.iter().any(|word| s.has(word))).collect();
    let failures: Vec<String> = chosen.iter().filter_map(|s| compare(s, stage, behind).err()).collect();
    gateway.assert_healthy();
    println!("{label}: {} scripts, {} failures", chosen.len(), failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn replies_are_the_servers_own_message_by_message() {
    play_all(Delivery::ByMessage, "alice", &[]);
}

#[test]
fn replies_are_the_servers_own_when_bytes_come_one_by_one() {
    play_all(Delivery::ByByte, "alice", &["large"]);
}

#[test]
fn replies_are_the_servers_own_when_everything_comes_in_one_segment() {
    play_all(Delivery::AtOnce, "alice", &["stepwise"]);
}
