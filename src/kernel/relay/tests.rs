use std::sync::Arc;

use proptest::prelude::*;

use super::from_client::{Question, Recall, Then};
use super::ledger::Path;
use super::*;
use crate::kernel::sql::remember::Memory;

struct Reads(Memory);

impl Recall for Reads {
    fn recall(&mut self, text: &[u8], encoding: TextEncoding, _: usize) -> Option<Arc<Known>> {
        Some(self.0.get_or_read(text, encoding))
    }
}

fn relay() -> (Relay, Reads) {
    let limits = Limits {
        function_calls: FunctionCalls::LargeObjects,
        values_max: 100,
        text_max: 1 << 20,
        message_max: 1 << 20,
        replication: false,
    };
    (Relay::new(TextEncoding::Utf8, limits), Reads(Memory::new(100, 1 << 20)))
}

fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 4).unwrap();
    [&[tag], &length.to_be_bytes()[..], body].concat()
}

fn query(sql: &str) -> Vec<u8> {
    frame(b'Q', &[sql.as_bytes(), b"\0"].concat())
}

fn parse(name: &str, sql: &str) -> Vec<u8> {
    frame(b'P', &[name.as_bytes(), b"\0", sql.as_bytes(), b"\0\0\0"].concat())
}

fn bind(portal: &str, statement: &str) -> Vec<u8> {
    frame(b'B', &[portal.as_bytes(), b"\0", statement.as_bytes(), b"\0\0\0\0\0\0\0"].concat())
}

fn execute(portal: &str) -> Vec<u8> {
    frame(b'E', &[portal.as_bytes(), b"\0\0\0\0\0"].concat())
}

fn sync() -> Vec<u8> {
    frame(b'S', b"")
}

fn ready() -> Vec<u8> {
    frame(b'Z', b"I")
}

/// Offers bytes piece by piece, as a session does. What went on, and the question that stopped it.
fn offer(relay: &mut Relay, reads: &mut Reads, pieces: &[&[u8]]) -> (Vec<u8>, Option<Then>) {
    let (mut forwarded, mut held) = (Vec::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let step = relay.from_client(&held, reads, 0);
            forwarded.extend(held.drain(..step.forward));
            match step.then {
                Then::Drop { bytes } => drop(held.drain(..bytes)),
                Then::More | Then::Partial { .. } | Then::Wait => break,
                other @ (Then::Ask { .. } | Then::Fatal(_)) => return (forwarded, Some(other)),
            }
        }
    }
    (forwarded, None)
}

fn answered(relay: &mut Relay, replies: &[u8]) {
    let step = relay.from_server(replies, 1).unwrap();
    assert_eq!((step.forward, step.need), (replies.len(), None));
}

#[test]
fn a_change_waits_for_what_is_owed_and_is_judged_whole() {
    let (mut relay, mut reads) = relay();
    let (ordinary, change) = (query("select a from t"), query("drop table t"));
    let input = [ordinary.clone(), change.clone()].concat();
    let (forwarded, then) = offer(&mut relay, &mut reads, &[&input]);
    assert_eq!(forwarded, ordinary);
    assert!(matches!(then, Some(Then::Ask { question: Question::Settle, .. })));
    answered(&mut relay, &[frame(b'C', b"SELECT 3\0"), ready()].concat());
    assert_eq!((relay.quiet(), relay.finished.len(), relay.finished[0].rows), (true, 1, 3));
    let (forwarded, then) = offer(&mut relay, &mut reads, &[&change]);
    assert!(forwarded.is_empty());
    assert!(
        matches!(then, Some(Then::Ask { bytes, question: Question::Judge { path: Path::Simple, .. } }) if bytes == change.len())
    );
}

#[test]
fn a_prepared_change_passes_until_it_is_executed() {
    let (mut relay, mut reads) = relay();
    let before = [parse("s", "truncate t"), bind("", "s"), sync()].concat();
    assert_eq!(offer(&mut relay, &mut reads, &[&before]).0, before);
    answered(&mut relay, &[frame(b'1', b""), frame(b'2', b""), ready()].concat());
    // Portals end with their transaction, names do not.
    assert_eq!(offer(&mut relay, &mut reads, &[&bind("p", "s")]).0, bind("p", "s"));
    answered(&mut relay, &frame(b'2', b""));
    let (forwarded, then) = offer(&mut relay, &mut reads, &[&execute("p")]);
    assert!(forwarded.is_empty());
    assert!(matches!(then, Some(Then::Ask { question: Question::Judge { path: Path::Execute, .. }, .. })));
}

#[test]
fn a_name_the_server_knows_and_we_do_not_is_not_ordinary() {
    let (mut relay, mut reads) = relay();
    assert!(offer(&mut relay, &mut reads, &[&bind("", "made by a function")]).1.is_none());
    answered(&mut relay, &frame(b'2', b""));
    let (_, then) = offer(&mut relay, &mut reads, &[&execute("")]);
    assert!(matches!(then, Some(Then::Ask { question: Question::Judge { .. }, .. })));
}

#[test]
fn names_are_the_servers_own() {
    let (mut relay, mut reads) = relay();
    let long = |end: &str| format!("{}{end}", "x".repeat(63));
    let message = [parse(&long("one"), "truncate t"), bind("", &long("other"))].concat();
    assert!(offer(&mut relay, &mut reads, &[&message]).1.is_none());
    answered(&mut relay, &[frame(b'1', b""), frame(b'2', b"")].concat());
    let (_, then) = offer(&mut relay, &mut reads, &[&execute("")]);
    assert!(matches!(then, Some(Then::Ask { question: Question::Judge { .. }, .. })));
    let beyond = "ä".repeat(40);
    assert!(matches!(offer(&mut relay, &mut reads, &[&parse(&beyond, "select 1")]).1, Some(Then::Fatal(_))));
    relay.encoding = TextEncoding::SingleByte;
    assert!(matches!(offer(&mut relay, &mut reads, &[&parse("ä", "select 1")]).1, Some(Then::Fatal(_))));
}

#[test]
fn an_error_skips_to_sync_on_both_sides() {
    let (mut relay, mut reads) = relay();
    let message = [parse("", "select a from t"), bind("", ""), execute("")].concat();
    assert!(offer(&mut relay, &mut reads, &[&message]).1.is_none());
    answered(&mut relay, &frame(b'E', b"SERROR\0C42P01\0Mno\0\0"));
    assert_eq!(relay.finished[0].error, Some(*b"42P01"));
    // The server ignores it, so it is not sent, and nothing is owed for it.
    let (forwarded, then) = offer(&mut relay, &mut reads, &[&[parse("", "drop table t"), sync()].concat()]);
    assert!(then.is_none());
    assert_eq!(forwarded, sync());
    answered(&mut relay, &ready());
    assert!(relay.quiet());
}

#[test]
fn copy_data_is_not_looked_at() {
    let (mut relay, mut reads) = relay();
    assert!(offer(&mut relay, &mut reads, &[&query("copy t from stdin")]).1.is_none());
    answered(&mut relay, &frame(b'G', b"\0\0\0"));
    let data = [frame(b'd', b"drop table t;"), sync(), frame(b'c', b"")].concat();
    assert_eq!(offer(&mut relay, &mut reads, &[&data]).0, data);
    answered(&mut relay, &[frame(b'C', b"COPY 1\0"), ready()].concat());
    assert!(relay.quiet());
}

fn ordinary() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0..100_u32).prop_map(|n| query(&format!("select a from t where id = {n}"))),
        "[a-z]{0,3}".prop_map(|name| parse(&name, "select $1::int")),
        "[a-z]{0,3}".prop_map(|name| bind("", &name)),
        Just(execute("")),
        Just(frame(b'D', b"P\0")),
        Just(frame(b'H', b"")),
        Just(frame(b'C', b"Sx\0")),
        Just(sync()),
    ]
}

proptest! {
    /// However the bytes are cut, the same bytes go on and the same is owed for them.
    #[test]
    fn cuts_change_nothing(
        messages in prop::collection::vec(ordinary(), 1..20),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let input = messages.concat();
        let (mut whole, mut reads) = relay();
        prop_assert_eq!(&offer(&mut whole, &mut reads, &[&input]).0, &input);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        at.extend([0, input.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
        let (mut cut, mut reads) = relay();
        prop_assert_eq!(&offer(&mut cut, &mut reads, &pieces).0, &input);
        prop_assert_eq!(whole.ledger.len(), cut.ledger.len());
    }

    /// Any bytes from either side: no panic, and never more forwarded than there was.
    #[test]
    fn any_bytes(from_client in prop::collection::vec(any::<u8>(), 0..200), from_server in prop::collection::vec(any::<u8>(), 0..200)) {
        let (mut relay, mut reads) = relay();
        let step = relay.from_client(&from_client, &mut reads, 0);
        prop_assert!(step.forward <= from_client.len());
        if let Ok(step) = relay.from_server(&from_server, 1) {
            prop_assert!(step.forward <= from_server.len());
        }
    }

    /// No change goes on by itself, wherever it stands and however it comes.
    #[test]
    fn a_change_never_goes_on(
        before in prop::collection::vec(ordinary(), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut relay, mut reads) = relay();
        let change = query("drop table t");
        let input = [before.concat(), change.clone()].concat();
        let (one, other) = input.split_at(cut.index(input.len()));
        let (forwarded, then) = offer(&mut relay, &mut reads, &[one, other]);
        prop_assert_eq!(forwarded, before.concat());
        let asked = matches!(then, Some(Then::Ask { .. }));
        prop_assert!(asked);
    }
}

#[test]
fn rows_of_a_portal_that_is_read_in_parts() {
    let (mut relay, mut reads) = relay();
    let part = frame(b'E', b"p\0\0\0\0\x07");
    let messages = [parse("", "select 1"), bind("p", ""), part.clone(), part, sync()].concat();
    assert!(offer(&mut relay, &mut reads, &[&messages]).1.is_none());
    let replies = [frame(b'1', b""), frame(b'2', b""), frame(b's', b""), frame(b'C', b"SELECT 3\0"), ready()].concat();
    answered(&mut relay, &replies);
    assert_eq!(relay.finished.iter().map(|one| one.rows).collect::<Vec<_>>(), [7, 3]);
}

fn asked(then: Option<Then>) -> Option<Question> {
    match then {
        Some(Then::Ask { question, .. }) => Some(question),
        _ => None,
    }
}

#[test]
fn nothing_goes_on_behind_a_copy_before_the_server_has_spoken() {
    let copies = [query("copy t from stdin"), [parse("", "COPY t FROM STDIN"), bind("", ""), execute("")].concat()];
    for copy in copies {
        let (mut relay, mut reads) = relay();
        let behind = [sync(), query("drop table t")].concat();
        assert_eq!(offer(&mut relay, &mut reads, &[&copy, &behind]).0, copy);
        assert!(relay.ledger.awaits_copy());
    }
}

#[test]
fn what_has_no_place_in_a_copy_makes_the_server_speak_and_is_judged_then() {
    let (mut relay, mut reads) = relay();
    offer(&mut relay, &mut reads, &[&query("copy t from stdin")]);
    answered(&mut relay, &frame(b'G', b"\0\0\0"));
    let change = query("drop table t");
    let (forwarded, then) = offer(&mut relay, &mut reads, &[&frame(b'd', b"no"), &change]);
    assert_eq!(forwarded, frame(b'd', b"no"));
    assert!(matches!(asked(then), Some(Question::OutOfPlace { tag: b'Q' })));
    relay.provoked();
    answered(&mut relay, &[frame(b'E', b"SERROR\0C22P02\0Mno\0\0"), ready()].concat());
    let (_, then) = offer(&mut relay, &mut reads, &[&change]);
    assert!(matches!(asked(then), Some(Question::Judge { .. })));
}

#[test]
fn a_sync_in_a_copy_that_failed_is_cleared_up_first() {
    for synced in [true, false] {
        let (mut relay, mut reads) = relay();
        offer(&mut relay, &mut reads, &[&[parse("", "copy t from stdin"), bind("", ""), execute("")].concat()]);
        answered(&mut relay, &[frame(b'1', b""), frame(b'2', b""), frame(b'G', b"\0\0\0")].concat());
        assert_eq!(offer(&mut relay, &mut reads, &[&sync()]).0, sync());
        answered(&mut relay, &frame(b'E', b"SERROR\0C22P02\0Mno\0\0"));
        assert!(!relay.quiet());
        let (forwarded, then) = offer(&mut relay, &mut reads, &[&frame(b'c', b""), &query("select 1")]);
        assert!(forwarded.is_empty());
        assert!(matches!(asked(then), Some(Question::Settle)));
        relay.copy_cleared(synced);
        let (forwarded, then) = offer(&mut relay, &mut reads, &[&query("select 1")]);
        assert!(then.is_none());
        assert_eq!(!forwarded.is_empty(), synced, "without a Sync the server skips it");
    }
}
