//! What has changed about definitions, on its pages.

use super::http::{CAROL, gateway_for_test};
use super::web::{ask, signed_in};
use crate::kernel::notice::{DefinedColumn, Definition, SchemaChange, SchemaEffect};
use crate::kernel::review::TicketId;
use crate::shell::clock::now;
use crate::shell::store::SchemaFilter;

fn table(name: &str, columns: &[&str]) -> Definition {
    let column = |name: &&str| DefinedColumn { name: (*name).into(), type_sql: "int".into(), ..Default::default() };
    let columns = columns.iter().map(column).collect();
    Definition {
        oid: 7,
        schema: "public".into(),
        name: name.into(),
        kind: "table".into(),
        columns,
        ..Default::default()
    }
}

fn change(name: &str, effect: SchemaEffect, (before, after): (Option<Definition>, Option<Definition>)) -> SchemaChange {
    SchemaChange {
        version: 1,
        effect,
        target: "main".into(),
        database: "shop".into(),
        relation: format!("public.{name}"),
        requester: "alice".into(),
        person: None,
        application: "<i>psql".into(),
        statements: vec![format!("ALTER TABLE {name} ADD b int")],
        ticket: None,
        job: None,
        before,
        after,
    }
}

#[tokio::test]
async fn a_definition_before_and_after_line_by_line() {
    let gateway = gateway_for_test().await;
    let store = &gateway.tickets.store;
    let ticket = super::opened(&gateway.tickets).await;
    let altered = (Some(table("t", &["a", "gone"])), Some(table("t", &["a", "b"])));
    let changes = vec![
        SchemaChange { ticket: Some(ticket), ..change("t", SchemaEffect::Altered, altered) },
        change("<b>evil</b>", SchemaEffect::Created, (None, Some(table("<b>evil</b>", &["<script>"])))),
        change("lost", SchemaEffect::Uncertain, (None, None)),
    ];
    store.schema_end("x".into(), changes, now()).await.expect("writes");
    let cookie = signed_in(&gateway, CAROL, "").await;
    let list = ask(&gateway, &cookie, "/schema-changes", None).await;
    assert_eq!(list.status, 200);
    for part in [
        "<ins>+ column b int",
        "<del>- column gone int",
        "What became of it could not be seen",
        "&lt;b&gt;evil&lt;/b&gt;",
    ] {
        assert!(list.body.contains(part), "{part} is missing in {}", list.body);
    }
    assert!(!list.body.contains("<b>evil") && list.body.matches("<script").count() == 1, "{}", list.body);
    let some = ask(&gateway, &cookie, "/schema-changes?table=public.l*", None).await.body;
    assert!(some.contains("public.lost") && !some.contains("public.t<"), "{some}");
    let one = ask(&gateway, &cookie, "/schema-changes/1", None).await;
    assert!(one.status == 200 && one.body.contains("public.t") && !one.body.contains("public.lost"), "{}", one.body);
    assert_eq!(ask(&gateway, &cookie, "/schema-changes/99", None).await.status, 404);
    let page = ask(&gateway, &cookie, &format!("/tickets/{ticket}"), None).await.body;
    assert!(page.contains("What it has changed") && page.contains("column gone int"), "{page}");
    assert!(!page.contains("public.lost"));
}

#[tokio::test]
async fn what_is_old_and_told_is_forgotten() {
    let gateway = gateway_for_test().await;
    let store = &gateway.tickets.store;
    let left = async || {
        let (events, newest) = store.schema_events(SchemaFilter::default()).await.expect("reads");
        (events.into_iter().map(|event| event.position).collect::<Vec<_>>(), newest)
    };
    let began = now();
    for day in 0..4 {
        let one = SchemaChange { ticket: Some(TicketId(9)), ..change("t", SchemaEffect::Uncertain, (None, None)) };
        store.schema_end("x".into(), vec![one], began.plus_ms(day * 86_400_000)).await.expect("writes");
    }
    store.notified().await.expect("begins");
    // Nobody was told of the last two yet.
    store.notify(Vec::new(), [0, 0, 2], began).await.expect("writes");
    assert_eq!(store.schema_forget(began).await, Ok(0));
    assert_eq!(store.schema_forget(began.plus_ms(1)).await, Ok(1));
    assert_eq!(left().await, (vec![4, 3, 2], 4));
    assert_eq!(store.schema_forget(began.plus_ms(u64::from(u32::MAX) * 1_000)).await, Ok(1));
    assert_eq!(left().await, (vec![4, 3], 4));
    store.notify(Vec::new(), [0, 0, 4], began).await.expect("writes");
    assert_eq!(store.schema_forget(began.plus_ms(u64::from(u32::MAX) * 1_000)).await, Ok(1));
    assert_eq!(left().await, (vec![4], 4), "by the newest positions go on");
}
