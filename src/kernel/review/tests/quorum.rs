//! Who counts, who may let it through alone, and what takes votes away.

use super::*;

pub(super) fn oncall(name: &str) -> Voter {
    Voter { groups: vec!["oncall".into()], ..Voter::from(name) }
}

#[test]
fn the_glass() {
    let mut request = request_for_test();
    request.conditions.people = 2;
    request.conditions.break_glass = vec!["oncall".into()];
    let ticket = begin(TicketId(1), &open(request.clone(), NOW, Terms::default())).expect("a first event");
    let glass = |by: Voter, reason: &str| Command::BreakGlass { by, reason: reason.into() };
    let refused =
        |ticket: &Ticket, command| decide(ticket, command, NOW, Terms::default()).expect_err("does not count");
    assert!(matches!(refused(&ticket, glass("bob".into(), "x")), Rejection::NoGlass { .. }));
    assert_eq!(refused(&ticket, glass(oncall("bob"), " ")), Rejection::NoReason);
    let robot = Voter { kind: Kind::Agent, ..oncall("robot") };
    assert!(matches!(refused(&ticket, glass(robot, "x")), Rejection::NoPerson { .. }));
    // The one who asks may be alone at night.
    let ticket = after(ticket, glass(oncall("alice"), "the site is down"));
    assert_eq!(ticket.state.name(), StateName::Approved);
    let ticket = after(after(ticket, claim_of(request)), start());
    let review = |by: Voter| Command::ReviewDebt { by, note: "right".into() };
    assert!(matches!(refused(&ticket, review(oncall("ALICE"))), Rejection::OwnDebt { .. }));
    let ticket = after(ticket, review("bob".into()));
    assert_eq!(ticket.debt.as_ref().and_then(|debt| debt.reviewed.as_ref()).map(|one| one.by.as_str()), Some("bob"));
    assert_eq!(refused(&ticket, review("carol".into())), Rejection::NoDebt);
    // Somebody else's glass, the requester's change.
    let mut owed = opened();
    owed.debt = Some(Debt { by: "bob".into(), reason: "x".into(), at: NOW, reviewed: None });
    assert!(matches!(refused(&owed, review("alice".into())), Rejection::OwnRequest { .. }));
}

#[test]
fn what_is_decided_on_clears_the_votes_when_it_changes() {
    let mut request = request_for_test();
    request.conditions.people = 2;
    let ticket = begin(TicketId(1), &open(request, NOW, Terms::default())).expect("a first event");
    let half = after(ticket, approve_as("bob"));
    assert_eq!(half.votes().len(), 1);
    let again = decide(&half, approve_as("BOB "), NOW, Terms::default());
    assert_eq!(again, Err(Rejection::VotedAlready { by: "BOB".into() }));
    let later = RunMode::At { at: NOW.plus_ms(60_000) };
    for edit in [
        Command::Justify { by: "alice".into(), text: "nobody reads it".into() },
        Command::ChooseRun { by: "alice".into(), run: later },
    ] {
        let stale = Command::Approve { by: "carol".into(), note: None, seen_hash: Some(half.review_hash()) };
        let edited = after(half.clone(), edit);
        assert!(matches!(&edited.state, State::Pending { returned: Some(_), votes, .. } if votes.is_empty()));
        assert_eq!(decide(&edited, stale, NOW, Terms::default()), Err(Rejection::StaleView));
    }
    assert_eq!(after(half, approve_as("carol")).state.name(), StateName::Approved);
}

#[test]
fn approved_for_a_later_time() {
    let terms = Terms::default();
    let at = NOW.plus_ms(10 * 3_600_000);
    let ticket =
        after(after(opened(), Command::ChooseRun { by: "alice".into(), run: RunMode::At { at } }), approve_as("bob"));
    assert_eq!(decide(&ticket, claim_of(request_for_test()), NOW, terms), Err(Rejection::TooEarly { from: Some(at) }));
    assert!(decide(&ticket, claim_of(request_for_test()), at, terms).is_ok());
    assert_eq!(ticket.state.expires(), Some(at.plus_ms(terms.approved_ms)), "its time begins when it can run");
    let approved = in_state(StateName::Approved);
    let beyond = Command::ChooseRun { by: "bob".into(), run: RunMode::At { at } };
    assert!(matches!(decide(&approved, beyond, NOW, terms), Err(Rejection::AfterApproval { .. })));
    let past = Command::ChooseRun { by: "bob".into(), run: RunMode::At { at: NOW } };
    assert_eq!(decide(&approved, past, NOW, terms), Err(Rejection::InThePast));
}

#[test]
fn nobody_approves_under_another_of_their_names() {
    let also = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let mut request = request_for_test();
    request.person = Some("Alice Miller".into());
    let ticket = begin(TicketId(1), &open(request, NOW, Terms::default())).expect("a first event");
    for (voter, allowed) in [
        (Voter::from("Alice Miller"), false),
        (Voter { also: also(&["alice"]), ..Voter::from("am") }, false),
        (Voter { also: also(&["App_Owner"]), ..Voter::from("am") }, false),
        (Voter { also: also(&["al*"]), ..Voter::from("am") }, false),
        (Voter { also: also(&["alice@example.com", "alice"]), ..Voter::from("alice@example.com") }, false),
        (Voter::from("ALICE "), false),
        (Voter::from("аlice"), false),
        (Voter::from("ａｌｉｃｅ"), false),
        (Voter::from("app_0wner"), false),
        (Voter { kind: Kind::Agent, ..Voter::from("bob") }, false),
        (Voter { kind: Kind::Service, ..Voter::from("bob") }, false),
        (Voter { also: also(&["bob_admin"]), ..Voter::from("bob") }, true),
    ] {
        let approve = Command::Approve { by: voter.clone(), note: None, seen_hash: None };
        assert_eq!(decide(&ticket, approve, NOW, Terms::default()).is_ok(), allowed, "{voter:?}");
    }
}
