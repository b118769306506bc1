//! Changes of definitions as people read them: by mail and in chats.

use super::texts::{Texts, printable_notice, render};
use super::{slack, teams};
use crate::kernel::notice::{DefinedColumn, Definition, Notice, SchemaChange, SchemaEffect, SchemaEvent, schema_event};
use crate::kernel::review::Instant;
use crate::shell::config::{Endpoint, Secret, Slack, Templates};

fn table(columns: &[&str]) -> Definition {
    let column = |name: &&str| DefinedColumn { name: (*name).into(), type_sql: "int".into(), ..Default::default() };
    let columns = columns.iter().map(column).collect();
    Definition {
        oid: 7,
        schema: "billing".into(),
        name: "<b>t".into(),
        kind: "table".into(),
        columns,
        ..Default::default()
    }
}

fn told(effect: SchemaEffect, (before, after): (Option<Definition>, Option<Definition>)) -> (Notice, Texts) {
    let change = SchemaChange {
        version: 1,
        effect,
        target: "main".into(),
        database: "shop".into(),
        relation: "billing.<b>t".into(),
        requester: "alice".into(),
        person: None,
        application: "psql".into(),
        statements: vec!["ALTER TABLE billing.\"<b>t\" ADD b int".into(), "DROP INDEX \u{202e}x".into()],
        ticket: None,
        job: None,
        before,
        after,
    };
    let (event, by, note) = schema_event(&change);
    let notice = Notice {
        id: "x.s12".into(),
        event: event.to_owned(),
        at: Instant(0),
        thread: change.thread(),
        by: by.map(str::to_owned),
        note,
        url: "https://lockkeeper.example.com/schema-changes/12".into(),
        ticket: None,
        job: None,
        schema: Some(SchemaEvent { position: 12, at: Instant(0), change }),
    };
    let notice = printable_notice(&notice);
    let texts = render(&notice, &Templates::default()).expect("is filled in");
    (notice, texts)
}

fn slack_for_test() -> Slack {
    let api = Endpoint { url: "https://slack.example.com".into(), roots: None };
    let token = Secret::new(b"x".to_vec());
    Slack { api, token, signing_secret: Some(Secret::new(b"y".to_vec())), channel: "#dba".into(), direct: true }
}

#[test]
fn what_was_altered_is_read_in_every_way() {
    let (notice, texts) = told(SchemaEffect::Altered, (Some(table(&["a"])), Some(table(&["a", "b"]))));
    assert_eq!(texts.title, "billing.<b>t on main/shop was altered by alice");
    for part in
        ["+ column b int", "Changed by alice with psql:", "ADD b int", "DROP INDEX \\u{202e}x", "/schema-changes/12"]
    {
        assert!(texts.body.contains(part), "{part} is missing in {}", texts.body);
    }
    assert!(texts.html.contains("&lt;b&gt;t") && !texts.html.contains("<b>t"), "{}", texts.html);
    assert!(texts.html.contains(">+ column b int</pre>"), "{}", texts.html);
    let card = teams::card(&notice, &texts).to_string();
    for part in ["+ column b int", "Changed by alice", "ADD b int", "\"Monospace\"", "/schema-changes/12"] {
        assert!(card.contains(part), "{part} is missing in {card}");
    }
    let message = slack::blocks::message(&slack_for_test(), &notice, &texts);
    let all = message.to_string();
    for part in ["+ column b int", "Changed by alice with psql", "ADD b int", "/schema-changes/12"] {
        assert!(all.contains(part), "{part} is missing in {all}");
    }
    assert_eq!(message["text"], "billing.&lt;b&gt;t on main/shop was altered by alice");
    assert!(!all.contains(slack::blocks::APPROVE), "there is nothing to decide");
}

#[test]
fn what_nobody_saw_is_told_so() {
    let (notice, texts) = told(SchemaEffect::Uncertain, (Some(table(&["a"])), None));
    assert_eq!(texts.title, "billing.<b>t on main/shop may have been changed");
    let seen = "could not be seen: look at the relation itself";
    assert!(texts.body.contains(seen) && !texts.body.contains("- column a"), "{}", texts.body);
    assert!(teams::card(&notice, &texts).to_string().contains(seen));
    assert!(slack::blocks::message(&slack_for_test(), &notice, &texts).to_string().contains(seen));
}

#[test]
fn a_long_difference_is_cut_and_the_message_still_taken() {
    let names: Vec<String> = (0..1_600).map(|n| format!("a_column_with_a_rather_long_name_{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (notice, texts) = told(SchemaEffect::Created, (None, Some(table(&names))));
    assert!(texts.body.contains("lines more"), "{}", texts.body);
    let message = slack::blocks::message(&slack_for_test(), &notice, &texts);
    for block in message["blocks"].as_array().expect("is a list") {
        assert!(block.to_string().len() < 3_200, "{block}");
    }
    assert!(teams::card(&notice, &texts).to_string().len() < 20_000);
}
