#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use super::*;
use crate::kernel::review::tests::request_for_test;
use crate::kernel::review::{
    Command, Grant, Kind, Need, People, Profile, Role, Terms, Voter, begin, decide, evolve, open,
};

const NOW: Instant = Instant(1_000_000_000);

fn ticket() -> Ticket {
    begin(TicketId(7), &open(request_for_test(), NOW, Terms::default())).unwrap()
}

fn notice(event: &str, ticket: &Ticket, by: Option<&str>) -> Notice {
    Notice {
        id: "1".into(),
        event: event.into(),
        at: NOW,
        thread: ticket_thread(ticket.id),
        by: by.map(str::to_owned),
        note: None,
        url: String::new(),
        ticket: Some(TicketLine::of(ticket)),
        job: None,
        schema: None,
    }
}

fn people() -> People {
    let one = |name: &str, kind, role, target: &str| Profile {
        name: name.into(),
        kind,
        grants: vec![Grant { role, targets: vec![target.into()] }],
        ..Profile::default()
    };
    let mut profiles = vec![
        one("bob", Kind::Person, Role::Reviewer, "ma*"),
        one("carol", Kind::Person, Role::Reviewer, "main"),
        one("far", Kind::Person, Role::Reviewer, "other"),
        one("robot", Kind::Agent, Role::Reviewer, "*"),
        one("viewer", Kind::Person, Role::Viewer, "*"),
    ];
    let asking = one("Alice Miller", Kind::Person, Role::Reviewer, "*");
    profiles.push(Profile { roles: vec!["alice".into()], ..asking });
    People { profiles, ..People::default() }
}

fn told(notice: &Notice, ticket: &Ticket) -> String {
    let people = people();
    let audience = audience(notice, Some(ticket), &people);
    let mut names: Vec<&str> = audience.reviewers.iter().map(|profile| profile.name.as_str()).collect();
    names.extend(audience.requester.iter().map(|profile| profile.name.as_str()));
    names.join(" ")
}

#[test]
fn who_hears_what() {
    let fresh = ticket();
    let hash = Some(fresh.review_hash());
    let mut other = fresh.clone();
    other.request.conditions.people = 2;
    let hash_of_other = Some(other.review_hash());
    let mut theirs = fresh.clone();
    theirs.request.conditions.needs = vec![Need { groups: vec!["nobody's".into()] }];
    let vote = |seen_hash| Command::Approve { by: Voter::named("bob".into()), note: None, seen_hash };
    let voted = evolve(other.clone(), &decide(&other, vote(hash_of_other), NOW, Terms::default()).unwrap());
    let approved = evolve(fresh.clone(), &decide(&fresh, vote(hash), NOW, Terms::default()).unwrap());
    for (event, ticket, by, expected) in [
        ("ticket.opened", &fresh, Some("alice"), "bob carol"),
        ("ticket.opened", &theirs, Some("alice"), ""),
        ("ticket.voted", &voted, Some("bob"), "carol"),
        ("ticket.returned", &fresh, None, "bob carol Alice Miller"),
        ("ticket.approved", &approved, Some("bob"), "Alice Miller"),
        ("ticket.cancelled", &fresh, Some("alice"), ""),
        ("ticket.cancelled", &fresh, Some("bob"), "Alice Miller"),
        ("ticket.started", &approved, None, ""),
        ("ticket.finished", &approved, None, "Alice Miller"),
    ] {
        assert_eq!(told(&notice(event, ticket, by), ticket), expected, "{event} by {by:?}");
    }
}

#[test]
fn subscriptions() {
    let mut labelled = ticket();
    labelled.labels.insert("urgent".into());
    let subscription = |events: &[&str], targets: &[&str], labels: &[&str]| {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Subscription { events: list(events), targets: list(targets), labels: list(labels), tables: Vec::new() }
    };
    for (subscription, plain, urgent) in [
        (subscription(&["*"], &["*"], &[]), true, true),
        (subscription(&["ticket.*"], &["ma?n"], &["urgent"]), false, true),
        (subscription(&["ticket.opened"], &["other"], &[]), false, false),
        (subscription(&["job.*", "ticket.none"], &["*"], &[]), false, false),
    ] {
        assert_eq!(subscription.hears(&notice("ticket.opened", &ticket(), None)), plain, "{subscription:?}");
        assert_eq!(subscription.hears(&notice("ticket.opened", &labelled, None)), urgent, "{subscription:?}");
    }
}

#[test]
fn literals_are_hidden() {
    let mut held = ticket();
    held.request.shown = "ALTER TABLE t ADD c text DEFAULT 'it''s' /* 'no' */, ADD d int DEFAULT 3".into();
    let concealed = notice("ticket.opened", &held, None).concealed().ticket.unwrap();
    assert_eq!(concealed.statement, "ALTER TABLE t ADD c text DEFAULT '***' /* 'no' */, ADD d int DEFAULT 3");
    assert!(concealed.concealed);
    let plain = notice("ticket.opened", &ticket(), None).concealed().ticket.unwrap();
    assert!(!plain.concealed, "nothing was hidden");
}
