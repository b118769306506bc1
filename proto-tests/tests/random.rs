//! Random conversations: legal, illegal and broken messages in any order, cut anywhere. Whatever the session and
//! the gateway believe about each other afterwards, no change may have run unjudged, and nothing may be left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::time::Duration;

use proto_tests::case;
use proto_tests::wire;
use proto_tests::{Client, Gateway, wait_until};

/// A xorshift generator: the same conversations every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// `orders` must survive all of them.
const TEXTS: &[&str] = &[
    "drop table orders",
    "delete from orders",
    "truncate orders",
    "prepare q as delete from orders",
    "prepare s as truncate orders",
    "execute q",
    "execute s",
    "explain analyze execute q",
    "select 1; delete from orders",
    "copy ledger from stdin; delete from orders",
    "copy ledger from stdin",
    "copy ledger to stdout",
    "begin",
    "commit",
    "rollback",
    "savepoint s",
    "deallocate all",
    "discard all",
    "create table if not exists made(a int)",
    "create index if not exists made_idx on made(a)",
    "insert into ledger select coalesce(max(id), 0) + 1, 'x' from ledger",
    "select nosuch",
    "select 'a\\', '; delete from orders; --'",
    "set standard_conforming_strings = off",
    "set client_encoding = 'SJIS'",
    "select E'\\x41'",
    "",
];

fn message(random: &mut Random) -> Vec<u8> {
    let names: &[&[u8]] = &[b"", b"q", b"s", b"p"];
    let text = random.one(TEXTS).as_bytes();
    let (name, other) = (random.one(names), random.one(names));
    match random.below(20) {
        0..=3 => wire::query(text),
        4..=7 => wire::parse(name, text, &[]),
        8..=10 => wire::bind(name, other, &[], false),
        11..=13 => wire::execute(name, 0),
        14 => wire::named(b'D', if random.below(2) == 0 { b'S' } else { b'P' }, name),
        15 => wire::named(b'C', if random.below(2) == 0 { b'S' } else { b'P' }, name),
        16 => wire::framed(b'S', b""),
        17 => wire::framed(b'H', b""),
        18 => match random.below(5) {
            0 => wire::framed(b'd', b"7\tseven\n"),
            1 => wire::framed(b'c', b""),
            2 => wire::text_message(b'f', b"no"),
            3 => wire::function_call(2026, &[]),
            _ => wire::framed(b'X', b""),
        },
        _ => {
            let mut bytes = wire::query(text);
            let at = random.below(bytes.len());
            bytes[at] = u8::try_from(random.below(256)).unwrap();
            bytes
        }
    }
}

/// One session: some messages in pieces of some size, perhaps cut off, perhaps listened to.
fn converse(mut client: Client, random: &mut Random) {
    let count = 1 + random.below(25);
    let mut bytes: Vec<u8> = (0..count).flat_map(|_| message(random)).collect();
    if random.below(3) == 0 {
        bytes.truncate(random.below(bytes.len() + 1));
    }
    let piece = [1, 7, 100, 100_000][random.below(4)];
    for part in bytes.chunks(piece) {
        if client.send_all(part).is_err() {
            return;
        }
    }
    client.patience(Duration::from_millis(30));
    if random.below(2) == 0 {
        while let Ok(Some(_)) = client.recv() {}
    }
    if random.below(2) == 0 {
        client.vanish();
    }
}

#[test]
fn no_change_runs_unjudged_in_any_conversation() {
    let server = case::prepared();
    let gateway = Gateway::start(&server);
    let database = server.database("random", "fixture");
    drop(gateway.connect("alice", &database));
    let before = gateway.descriptors();
    std::thread::scope(|scope| {
        for seed in 1..=4_u64 {
            let (gateway, database) = (&gateway, &database);
            scope.spawn(move || {
                let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                for _ in 0..150 {
                    converse(gateway.connect("alice", database), &mut random);
                }
            });
        }
    });
    assert_eq!(server.sql(&database, "select count(*) from orders"), ["300000"]);
    assert_eq!(gateway.connect("alice", &database).rows("select 1"), ["1"]);
    gateway.assert_healthy();
    case::assert_left(&server, &database);
    if let Some(before) = before {
        wait_until("the descriptors are given back", Duration::from_secs(15), || {
            (gateway.descriptors()? <= before + 2).then_some(())
        });
    }
    assert!(gateway.memory_kib().is_none_or(|kib| kib < 128 * 1024), "{:?} KiB", gateway.memory_kib());
}
