//! Queries as people and `psql` write them, answered without a gateway.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rusqlite::types::Value;

use super::catalog::{self, Asker};
use super::engine::{self, Data, is_catalog};
use super::translate::{self, Given};
use super::{settings, types};
use crate::kernel::wire::reply::Reply;

/// Some tickets, and the catalog.
fn data(reads: &BTreeMap<String, translate::Read>, asker: &Asker) -> Data {
    let ticket = |id: i64, state: &str, owner: &str, age: i64| {
        let text = |text: &str| Value::Text(text.to_owned());
        let opened = NOW - age * 60_000_000;
        let mut row = vec![Value::Integer(id), text(state), text(owner), text("main"), text("shop")];
        row.extend([text("drop table a"), text("{drop-table,\"odd, one\"}"), text("{}"), text("{bob}")]);
        row.extend([Value::Integer(opened), Value::Integer(NOW - opened), Value::Null, Value::Null, Value::Null]);
        row.extend([Value::Integer(0), Value::Integer(3)]);
        row
    };
    let rows = |read: &translate::Read| match read.table.name {
        "tickets" => vec![
            ticket(1, "done", "alice", 90),
            ticket(2, "pending", "bob", 30),
            ticket(3, "pending", "alice", 5),
            ticket(4, "rejected", "Carol", 1),
        ],
        _ if is_catalog(read) => catalog::rows(read.table, asker),
        _ => Vec::new(),
    };
    reads.iter().map(|(key, read)| (key.clone(), (read.table, rows(read)))).collect()
}

/// 2026-03-01 12:00 UTC.
const NOW: i64 = 1_772_366_400_000_000;

async fn answer(text: &str) -> Result<String, Reply> {
    let asker = Asker {
        name: "Alice Miller".into(),
        login: "alice".into(),
        database: "lockkeeper".into(),
        settings: settings::defaults(),
    };
    let sqlparser::ast::Statement::Query(query) = translate::read(text)? else {
        return Err(Reply::error("25006", "read only"));
    };
    let translated = translate::translate(&query, &Given { asker: &asker, now: NOW, parameters: &[] })?;
    let data = data(&translated.reads, &asker);
    let columns = translated.columns.clone();
    let rows = engine::start(translated, Vec::new(), data).rows().await?;
    let head = columns.iter().map(|column| format!("{}:{}", column.name, column.ty.sql())).collect::<Vec<_>>();
    let line = |row: &Vec<Value>| {
        let values = row.iter().zip(&columns).map(|(value, column)| {
            // Every value has a binary form too.
            types::binary(value, column.ty).expect("has one");
            types::text(value, column.ty, &jiff::tz::TimeZone::UTC).unwrap_or_else(|| "NULL".to_owned())
        });
        values.collect::<Vec<_>>().join("|")
    };
    let lines: Vec<String> = std::iter::once(head.join("|")).chain(rows.iter().map(line)).collect();
    Ok(lines.join("\n"))
}

/// A statement and its answer, or the SQLSTATE and message of its error, from a text of such pairs.
#[tokio::test]
async fn queries_are_answered_as_postgres_does() {
    let mut wrong = String::new();
    for case in include_str!("cases.txt").split("\n\n").filter(|case| !case.trim_start().starts_with('#')) {
        let (statement, expected) = case.trim().split_once("\n----\n").expect("a statement and its answer");
        let got = match answer(statement).await {
            Ok(text) => text,
            Err(reply) => format!("ERROR {}: {}", reply.code, reply.message),
        };
        if got != expected.trim_end() {
            wrong += &format!("{statement}\n----\n{got}\n\n");
        }
    }
    assert!(wrong.is_empty(), "answered otherwise:\n{wrong}");
}

fn piece() -> impl Strategy<Value = String> {
    let words = "select from where tickets jobs id state opened age now() count(*) ( ) , * and or not in like between case \
        when then else end 1 0 -1 2.5 'pending' 'x' null true = < > <> + - / || :: text int8 timestamptz interval order by \
        group by having limit offset union all join left on using exists with as t array [ ] any distinct over partition \
        $1 ~ is pg_class oid regclass \"a\" extract epoch coalesce string_agg min sum cast";
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    proptest::sample::select(words)
}

proptest! {
    /// Whatever is typed: an answer or an error, never a panic.
    #[test]
    fn nothing_typed_makes_it_panic(pieces in proptest::collection::vec(piece(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _ = runtime.block_on(answer(&pieces.join(" ")));
        let _ = runtime.block_on(answer(&format!("select {}", pieces.join(" "))));
    }

    #[test]
    fn nor_do_expressions(pieces in proptest::collection::vec(piece(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _ = runtime.block_on(answer(&format!("select {} from tickets where id = {}", pieces.join(" "), pieces.join(" "))));
        let _ = settings::read(&pieces.join(" "));
    }
}
