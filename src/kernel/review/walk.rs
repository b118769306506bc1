//! Any sequence of commands, against what must hold whatever is tried.

use proptest::prelude::*;

use super::tests::request_for_test;
use super::*;

#[derive(Clone, Debug)]
enum Try {
    Approve(&'static str),
    Reject,
    Cancel,
    Comment,
    Expire,
    ApproveAs(&'static str, Kind, &'static str),
    Glass(&'static str),
    Pay(&'static str),
    AskForChanges,
    Justify,
    Start,
    Settle,
    Undo,
    Claim { changed: bool },
    Finish(bool),
    Fail(bool),
    GiveBack(bool),
    Lose,
    Return,
    Wait(u64),
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let one = prop_oneof![
        3 => prop_oneof![Just("bob"), Just("ALICE "), Just("app_owner"), Just("carol")].prop_map(Try::Approve),
        4 => (
            prop_oneof![Just("dave"), Just("erin"), Just("frank"), Just("robot")],
            prop_oneof![3 => Just(Kind::Person), 1 => Just(Kind::Agent), 1 => Just(Kind::Service)],
            prop_oneof![Just("dba"), Just("billing"), Just("none")]
        )
            .prop_map(|(name, kind, group)| Try::ApproveAs(name, kind, group)),
        1 => prop_oneof![Just("bob"), Just("alice")].prop_map(Try::Glass),
        1 => prop_oneof![Just("bob"), Just("alice"), Just("carol")].prop_map(Try::Pay),
        1 => Just(Try::AskForChanges),
        1 => Just(Try::Justify),
        3 => Just(Try::Start),
        1 => Just(Try::Settle),
        1 => Just(Try::Undo),
        1 => Just(Try::Reject),
        1 => Just(Try::Cancel),
        1 => Just(Try::Comment),
        1 => Just(Try::Expire),
        4 => prop::bool::weighted(0.2).prop_map(|changed| Try::Claim { changed }),
        2 => any::<bool>().prop_map(Try::Finish),
        1 => any::<bool>().prop_map(Try::Fail),
        1 => any::<bool>().prop_map(Try::GiveBack),
        1 => Just(Try::Lose),
        1 => Just(Try::Return),
        1 => (0_u64..90_000_000).prop_map(Try::Wait),
    ];
    prop::collection::vec(one, 0..40)
}

/// Two people, one of them a DBA: more than any single approval.
fn asked() -> Request {
    let mut request = request_for_test();
    request.conditions = Conditions {
        people: 2,
        needs: vec![Need { groups: vec!["dba".into()] }],
        break_glass: vec!["oncall".into()],
        windows: Vec::new(),
    };
    request
}

fn command(attempt: &Try, n: usize) -> Option<Command> {
    let claim = |right: bool| if right { "c".to_owned() } else { "other".to_owned() };
    let request = |changed: bool| {
        let mut request = asked();
        if changed {
            request.objects_hash = format!("changed {n}");
        }
        Box::new(request)
    };
    Some(match attempt {
        Try::Approve(by) => Command::Approve { by: (*by).into(), note: None, seen_hash: None },
        Try::ApproveAs(name, kind, group) => {
            let by = Voter { kind: *kind, groups: vec![(*group).into()], ..Voter::from(*name) };
            Command::Approve { by, note: None, seen_hash: None }
        }
        Try::Glass(by) => {
            let by = Voter { groups: vec!["oncall".into()], ..Voter::from(*by) };
            Command::BreakGlass { by, reason: "down".into() }
        }
        Try::Pay(by) => Command::ReviewDebt { by: Voter::from(*by), note: "right".into() },
        Try::AskForChanges => Command::RequestChanges { by: "bob".into(), what: "else".into() },
        Try::Justify => Command::Justify { by: "alice".into(), text: "why".into() },
        Try::Start => Command::Start { claim: "c".into() },
        Try::Settle => Command::Settle { by: "bob".into(), applied: n.is_multiple_of(2), found: "it".into() },
        Try::Undo => Command::Undo { job: 7 },
        Try::Reject => Command::Reject { by: "bob".into(), reason: "no".into() },
        Try::Cancel => Command::Cancel { by: "alice".into(), reason: None },
        Try::Comment => Command::Comment { by: "zoe".into(), text: "hm".into() },
        Try::Expire => Command::Expire,
        Try::Claim { changed } => Command::Claim { claim: "c".into(), session: "s".into(), request: request(*changed) },
        Try::Finish(right) => Command::Finish { claim: claim(*right), ms: 1, tag: "X".into() },
        Try::Fail(right) => Command::Fail { claim: claim(*right), code: "X".into(), message: "x".into() },
        Try::GiveBack(right) => Command::GiveBack { claim: claim(*right), why: "its lock".into() },
        Try::Lose => Command::LoseOutcome { claim: None, why: "x".into() },
        Try::Return => Command::ReturnToReview { why: "x".into(), request: request(true) },
        Try::Wait(_) => return None,
    })
}

/// What the events of a ticket must say, read without looking at its state.
#[derive(Default)]
struct Witness {
    /// Who has approved what is there now, with their groups.
    votes: Vec<(String, Vec<String>)>,
    /// Until when it may be claimed; forgotten by whatever ends an approval.
    approval: Option<Instant>,
    owed: Option<String>,
    /// Until when the one might have been that is being used.
    used: Option<Instant>,
    claims: usize,
    ended: bool,
}

impl Witness {
    fn see(&mut self, event: &Event, ticket: &Ticket) {
        match &event.what {
            Happening::Voted { by, groups, .. } => self.vote(by, groups, ticket),
            Happening::Approved { by, groups, expires, .. } => {
                self.vote(by, groups, ticket);
                assert!(self.votes.len() >= 2 && self.votes.iter().any(|(_, groups)| groups == &["dba"]));
                self.approval = Some(*expires);
            }
            Happening::GlassBroken { by, expires, .. } => {
                self.owed = Some(by.clone());
                self.approval = Some(*expires);
            }
            Happening::DebtReviewed { by, .. } => {
                let owed = self.owed.take().expect("a debt");
                assert!(!same_person(by, &owed) && !same_person(by, &ticket.request.requester));
            }
            Happening::Justified { .. } | Happening::ChangesRequested { .. } => self.votes.clear(),
            Happening::Claimed { .. } => {
                let expires = self.approval.take().expect("an approval not spent yet");
                assert!(event.at < expires, "claimed after the approval ran out");
                self.claims += 1;
                self.used = Some(expires);
            }
            Happening::GivenBack { .. } => {
                assert!(!self.ended);
                self.approval = self.used.take();
                self.claims -= 1;
                let given = ticket.state.approval().map(|approval| approval.expires);
                assert_eq!(given, self.approval, "longer than it was given for");
            }
            Happening::Returned { .. } => {
                assert!(!self.ended);
                self.approval = None;
                self.votes.clear();
            }
            Happening::Started => assert_eq!(ticket.state.name(), StateName::Claimed),
            Happening::Rejected { .. }
            | Happening::Cancelled { .. }
            | Happening::Expired
            | Happening::Finished { .. }
            | Happening::Failed { .. }
            | Happening::OutcomeLost { .. } => {
                assert!(!self.ended, "ended twice");
                self.ended = true;
            }
            // What was found out about the end moves it once more.
            Happening::Settled { .. } | Happening::Undone { .. } => assert!(self.ended),
            Happening::Labelled { .. } | Happening::RunChosen { .. } | Happening::Commented { .. } => {}
            Happening::Opened { .. } => panic!("opened twice"),
        }
        assert!(self.claims <= 1, "ran twice");
    }

    fn vote(&mut self, by: &str, groups: &[String], ticket: &Ticket) {
        assert!(!self.ended);
        assert!(!same_person(by, &ticket.request.requester) && !same_person(by, &ticket.request.role));
        assert!(!self.votes.iter().any(|(other, _)| same_person(other, by)), "counted twice");
        self.votes.push((by.to_owned(), groups.to_vec()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_without_a_second_person_and_never_twice(tries in tries()) {
        let terms = Terms::default();
        let mut now = Instant(0);
        let first = open(asked(), now, terms);
        let mut ticket = begin(TicketId(1), &first).expect("a first event");
        let mut history = vec![first];
        let mut witness = Witness::default();
        for (n, attempt) in tries.iter().enumerate() {
            if let Try::Wait(ms) = attempt {
                now = now.plus_ms(*ms);
            }
            let Some(command) = command(attempt, n) else { continue };
            let before = ticket.state.clone();
            let Ok(event) = decide(&ticket, command, now, terms) else { continue };
            witness.see(&event, &ticket);
            let found_out = matches!(event.what, Happening::Settled { .. } | Happening::Undone { .. });
            let version = ticket.version;
            ticket = evolve(ticket, &event);
            history.push(event);
            prop_assert_eq!(ticket.version, version + 1);
            prop_assert!(found_out || !before.name().is_over() || before == ticket.state, "moved after its end");
            prop_assert_eq!(ticket.state.name().is_over(), witness.ended);
            prop_assert_eq!(ticket.owed().is_some(), witness.owed.is_some());
        }
        let (first, rest) = history.split_first().expect("not empty");
        let again = rest.iter().fold(begin(TicketId(1), first).expect("a first event"), evolve);
        prop_assert_eq!(again, ticket, "the events alone make the same ticket");
    }
}
