//! What an approval is bound to beside relations.

use super::super::*;
use super::{NOW, approve_as, claim_of, opened, request_for_test};
use crate::kernel::facts::{Touched, TouchedObject};

fn with(touched: Option<Touched>) -> Request {
    let mut request = request_for_test();
    request.facts.touched = touched;
    Request { objects_hash: objects_hash(&request.facts), ..request }
}

fn touched(fingerprint: &str, rows: u64) -> Touched {
    let object = TouchedObject { kind: "table".into(), name: "s.t".into(), rows: Some(rows) };
    Touched { objects: vec![object], count: 1, rows, fingerprint: fingerprint.into() }
}

#[test]
fn whatever_it_touches_is_bound() {
    let terms = Terms::default();
    let covers = |before: Option<Touched>, after: Option<Touched>| {
        let covers = with(before).still_covers(&with(after), terms);
        covers.map_or_else(|why| why.to_string(), |()| "still covered".into())
    };
    let changed = "the objects it touches have changed since it was looked at";
    assert_eq!(covers(None, None), "still covered");
    assert_eq!(covers(Some(touched("a", 1)), Some(touched("a", 2))), "still covered");
    assert_eq!(covers(Some(touched("a", 1)), Some(touched("b", 1))), changed);
    assert_eq!(covers(None, Some(touched("a", 1))), changed);
    assert_eq!(covers(Some(touched("a", 1)), None), changed);
    let grown = "what it touches besides has grown since it was looked at, from 1 to 20000 rows";
    assert_eq!(covers(Some(touched("a", 1)), Some(touched("a", 20_000))), grown);
}

#[test]
fn a_claim_with_something_else_touched_returns_to_review() {
    let ticket = begin(TicketId(1), &open(with(Some(touched("a", 1))), NOW, Terms::default())).expect("a first event");
    let approved = evolve(ticket.clone(), &decide(&ticket, approve_as("bob"), NOW, Terms::default()).expect("counts"));
    let claim = |fingerprint| claim_of(with(Some(touched(fingerprint, 1))));
    let decided = |claim| decide(&approved, claim, NOW, Terms::default()).expect("counts");
    assert_eq!(evolve(approved.clone(), &decided(claim("a"))).state.name(), StateName::Claimed);
    assert_eq!(evolve(approved.clone(), &decided(claim("b"))).state.name(), StateName::Pending);
}

#[test]
fn facts_of_older_versions_are_read() {
    let mut old = serde_json::to_value(opened()).expect("writes");
    old["request"]["facts"].as_object_mut().expect("an object").remove("touched");
    assert_eq!(serde_json::from_value::<Ticket>(old).expect("reads"), opened());
}
