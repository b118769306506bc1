//! Events into lines, in the sessions' threads; and what chains them in the writer's: numbers, times and seals.
//!
//! Statements are by far the most lines, so theirs are written by hand; everything else goes through
//! serde. A test holds both to the same form.

use std::io::{self, Write};

use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::escape::json_fragment;
use super::event::{Event, SessionNumber, StatementRecord};
use super::parameters::Parameters;
use crate::kernel::review::Instant;

/// Where the chain stands: the number of the last line, and the last seal.
pub(super) struct Chain {
    seq: u64,
    seal: [u8; 32],
    boot: String,
    stamp: Stamp,
}

impl Chain {
    pub(super) fn new(boot: &str, last: (u64, [u8; 32])) -> Self {
        Self { seq: last.0, seal: last.1, boot: boot.to_owned(), stamp: Stamp::default() }
    }

    /// Appends a line: its number, when it happened, and what [`statement`] or [`event`] made.
    pub(super) fn line(&mut self, out: &mut Vec<u8>, at: Instant, fields: &[u8]) {
        self.seq += 1;
        out.extend_from_slice(b"{\"seq\":");
        number(out, self.seq);
        out.extend_from_slice(b",\"boot\":\"");
        out.extend_from_slice(self.boot.as_bytes());
        out.extend_from_slice(b"\",\"at\":\"");
        self.stamp.write(out, at);
        out.extend_from_slice(b"\",");
        out.extend_from_slice(fields);
    }

    /// Closes the batch that starts at `from`: its last line gets the seal of them all.
    pub(super) fn seal(&mut self, out: &mut Vec<u8>, from: usize) {
        out.truncate(out.len().saturating_sub(LINE_END.len()));
        out.extend_from_slice(b",\"prev\":\"");
        hex(out, &self.seal);
        out.extend_from_slice(b"\",\"seal\":\"");
        self.seal = Sha256::digest(out.get(from..).unwrap_or_default()).into();
        hex(out, &self.seal);
        out.push(b'"');
        out.extend_from_slice(LINE_END);
    }
}

/// The fields of any event but a statement, to the end of its line.
pub(super) fn event(event: &Event) -> io::Result<Vec<u8>> {
    let mut fields = Vec::with_capacity(512);
    event.serialize(&mut serde_json::Serializer::with_formatter(&mut fields, Harmless))?;
    if fields.starts_with(b"{") {
        fields.remove(0);
    }
    fields.push(b'\n');
    Ok(fields)
}

/// What the fields of an ordinary statement take beside its text, about.
const FIELDS: usize = 256;
/// How every line ends.
const LINE_END: &[u8] = b"}\n";

fn hex(out: &mut Vec<u8>, bytes: &[u8; 32]) {
    let mut digits = [0; 64];
    HEXLOWER.encode_mut(bytes, &mut digits);
    out.extend_from_slice(&digits);
}

/// Appends the fields of a statement, to the end of its line. Texts are cut at `limit` bytes.
pub(super) fn statement(
    out: &mut Vec<u8>,
    who: (SessionNumber, u64),
    record: &StatementRecord<'_>,
    (limit, parameters): (usize, &Parameters),
) {
    // Room for all that is not text, at once.
    out.reserve(record.text.len() + FIELDS);
    out.extend_from_slice(b"\"event\":\"statement\",\"session\":");
    number(out, who.0.0);
    out.extend_from_slice(b",\"n\":");
    number(out, who.1);
    word(out, b",\"path\":\"", record.path.word());
    out.extend_from_slice(b",\"text\":\"");
    let shown = cut(record.text, limit);
    json_fragment(out, shown);
    out.push(b'"');
    let full = record.text_bytes.max(record.text.len() as u64);
    if full != shown.len() as u64 {
        out.extend_from_slice(b",\"text_bytes\":");
        number(out, full);
    }
    if let Some(bound) = record.bound {
        parameters.write(out, bound);
    }
    word(out, b",\"decision\":\"", record.decision.word());
    if record.change {
        out.extend_from_slice(b",\"change\":true");
    }
    if !record.rules.is_empty() {
        list(out, b",\"rules\":[", record.rules.iter().map(|rule| rule.0.as_str()));
    }
    if let Some(ticket) = record.ticket {
        out.extend_from_slice(b",\"ticket\":");
        number(out, ticket.0.unsigned_abs());
    }
    outcome(out, record);
    out.extend_from_slice(LINE_END);
}

fn outcome(out: &mut Vec<u8>, record: &StatementRecord<'_>) {
    word(out, b",\"tx\":\"", record.transaction.word());
    out.extend_from_slice(b",\"rows\":");
    number(out, record.rows);
    out.extend_from_slice(b",\"bytes\":");
    number(out, record.bytes);
    out.extend_from_slice(b",\"duration_us\":");
    number(out, record.duration_us);
    out.extend_from_slice(b",\"tag\":\"");
    json_fragment(out, record.tag);
    out.push(b'"');
    if let Some(state) = &record.sqlstate {
        out.extend_from_slice(b",\"sqlstate\":\"");
        out.extend_from_slice(state.bytes());
        out.push(b'"');
    }
}

fn word(out: &mut Vec<u8>, key: &[u8], value: &str) {
    out.extend_from_slice(key);
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

fn list<'a>(out: &mut Vec<u8>, key: &[u8], values: impl Iterator<Item = &'a str>) {
    out.extend_from_slice(key);
    for (i, value) in values.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.push(b'"');
        json_fragment(out, value);
        out.push(b'"');
    }
    out.push(b']');
}

pub(super) fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The longest beginning of at most `limit` bytes that ends between characters.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// RFC 3339 with microseconds; the part down to the second is kept, since it seldom changes.
#[derive(Default)]
struct Stamp {
    second: i64,
    text: String,
}

impl Stamp {
    fn write(&mut self, out: &mut Vec<u8>, at: Instant) {
        let second = at.0.div_euclid(1_000_000);
        if second != self.second || self.text.is_empty() {
            self.second = second;
            self.text = jiff::Timestamp::from_second(second)
                .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
                .strftime("%Y-%m-%dT%H:%M:%S")
                .to_string();
        }
        out.extend_from_slice(self.text.as_bytes());
        let micros = u64::try_from(at.0.rem_euclid(1_000_000)).unwrap_or_default();
        let from = out.len();
        number(out, 1_000_000 + micros);
        if let Some(first) = out.get_mut(from) {
            *first = b'.';
        }
        out.push(b'Z');
    }
}

/// A point in time as the record writes it.
#[must_use]
pub fn timestamp(at: Instant) -> String {
    let mut out = Vec::with_capacity(27);
    Stamp::default().write(&mut out, at);
    String::from_utf8(out).unwrap_or_default()
}

/// serde's JSON with our stricter escaping.
struct Harmless;

impl serde_json::ser::Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut safe = Vec::with_capacity(fragment.len());
        json_fragment(&mut safe, fragment);
        writer.write_all(&safe)
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Arrival, Decision, Line, Seal, SqlState, Statement, Transaction};
    use super::super::parameters::{ParameterMode, bound};
    use super::*;
    use crate::kernel::review::TicketId;
    use crate::kernel::rules::RuleId;

    fn rich(test: impl FnOnce(&StatementRecord<'_>)) {
        let rules = [RuleId("create-index".into()), RuleId("a\"b".into())];
        let bound = bound(&[(None, true), (Some("x\n\u{202e}".as_bytes()), true)]);
        test(&StatementRecord {
            duration_us: 1500,
            path: Arrival::Execute,
            decision: Decision::Rewrite,
            change: true,
            transaction: Transaction::Block,
            rows: u64::MAX,
            bytes: 10,
            tag: "ALTER TABLE",
            sqlstate: SqlState::new("42P01"),
            rules: &rules,
            ticket: Some(TicketId(7)),
            bound: Some(&bound),
            ..StatementRecord::new(Instant(1_763_736_497_000_123), "alter \"t\"\n\u{2028}é")
        });
    }

    fn chain() -> Chain {
        Chain::new("b00t", (41, [0xab; 32]))
    }

    fn written(record: &StatementRecord<'_>, limit: usize) -> String {
        let (mut fields, mut out) = (Vec::new(), Vec::new());
        let parameters = Parameters::new(ParameterMode::Text, limit);
        statement(&mut fields, (SessionNumber(3), 9), record, (limit, &parameters));
        chain().line(&mut out, record.at, &fields);
        String::from_utf8(out).unwrap()
    }

    fn same(record: &StatementRecord<'_>) {
        let by_hand = written(record, 1000);
        let line: Line = serde_json::from_str(&by_hand).unwrap();
        let mut by_serde = Vec::new();
        chain().line(&mut by_serde, record.at, &event(&line.event).unwrap());
        assert_eq!(by_hand, String::from_utf8(by_serde).unwrap());
        assert_eq!((line.seq, line.boot.as_str()), (42, "b00t"));
    }

    #[test]
    fn by_hand_and_by_serde_are_the_same() {
        rich(same);
        same(&StatementRecord::new(Instant(-1), ""));
    }

    #[test]
    fn a_line_is_as_documented() {
        let record = StatementRecord { tag: "SELECT 1", rows: 1, ..StatementRecord::new(Instant(0), "select 1") };
        insta::assert_snapshot!(written(&record, 1000).trim_end(), @r#"{"seq":42,"boot":"b00t","at":"1970-01-01T00:00:00.000000Z","event":"statement","session":3,"n":9,"path":"simple","text":"select 1","decision":"pass","tx":"idle","rows":1,"bytes":0,"duration_us":0,"tag":"SELECT 1"}"#);
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let line: Line = serde_json::from_str(&written(&StatementRecord::new(Instant(0), "ab漢字"), 4)).unwrap();
        let Event::Statement(Statement { text, text_bytes, .. }) = line.event else { panic!() };
        assert_eq!((text.as_str(), text_bytes), ("ab", Some(8)));
    }

    #[test]
    fn a_seal_covers_its_batch_and_names_the_one_before() {
        let mut out = Vec::new();
        let mut chain = chain();
        let mut before = "ab".repeat(32);
        for _ in 0..2 {
            let from = out.len();
            (1..4).for_each(|n| chain.line(&mut out, Instant(n), b"\"event\":\"gateway_stopped\",\"reason\":\"x\"}\n"));
            chain.seal(&mut out, from);
            let batch = std::str::from_utf8(&out[from..]).unwrap();
            assert_eq!(batch.lines().count(), 3);
            let line: Line = serde_json::from_str(batch.lines().last().unwrap()).unwrap();
            let Seal { prev, seal } = line.seal.unwrap();
            assert_eq!(prev, before);
            let covered = batch.strip_suffix(&format!("{seal}\"}}\n")).unwrap();
            assert_eq!(HEXLOWER.encode(&Sha256::digest(covered)), seal);
            before = seal;
        }
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(timestamp(Instant(1_763_736_497_000_123)), "2025-11-21T14:48:17.000123Z");
        assert_eq!(timestamp(Instant(-1)), "1969-12-31T23:59:59.999999Z");
    }
}
