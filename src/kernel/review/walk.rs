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
    Claim { changed: bool },
    Finish(bool),
    Fail(bool),
    Lose,
    Return,
    Wait(u64),
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let one = prop_oneof![
        3 => prop_oneof![Just("bob"), Just("ALICE "), Just("app_owner"), Just("carol")].prop_map(Try::Approve),
        1 => Just(Try::Reject),
        1 => Just(Try::Cancel),
        1 => Just(Try::Comment),
        1 => Just(Try::Expire),
        4 => prop::bool::weighted(0.2).prop_map(|changed| Try::Claim { changed }),
        2 => any::<bool>().prop_map(Try::Finish),
        1 => any::<bool>().prop_map(Try::Fail),
        1 => Just(Try::Lose),
        1 => Just(Try::Return),
        1 => (0_u64..90_000_000).prop_map(Try::Wait),
    ];
    prop::collection::vec(one, 0..40)
}

fn command(attempt: &Try, n: usize) -> Option<Command> {
    let claim = |right: bool| if right { "c".to_owned() } else { "other".to_owned() };
    let request = |changed: bool| {
        let mut request = request_for_test();
        if changed {
            request.objects_hash = format!("changed {n}");
        }
        Box::new(request)
    };
    Some(match attempt {
        Try::Approve(by) => Command::Approve { by: (*by).into(), note: None, seen_hash: None },
        Try::Reject => Command::Reject { by: "bob".into(), reason: "no".into() },
        Try::Cancel => Command::Cancel { by: "alice".into(), reason: None },
        Try::Comment => Command::Comment { by: "zoe".into(), text: "hm".into() },
        Try::Expire => Command::Expire,
        Try::Claim { changed } => {
            Command::Claim { claim: "c".into(), session: "s".into(), request: request(*changed) }
        }
        Try::Finish(right) => Command::Finish { claim: claim(*right), ms: 1, tag: "X".into() },
        Try::Fail(right) => Command::Fail { claim: claim(*right), code: "X".into(), message: "x".into() },
        Try::Lose => Command::LoseOutcome { claim: None, why: "x".into() },
        Try::Return => Command::ReturnToReview { why: "x".into(), request: request(true) },
        Try::Wait(_) => return None,
    })
}

/// What the events of a ticket must say, read without looking at its state.
#[derive(Default)]
struct Witness {
    /// Person, and until when; forgotten by whatever ends an approval.
    approval: Option<(String, Instant)>,
    claims: usize,
    ended: bool,
}

impl Witness {
    fn see(&mut self, event: &Event, ticket: &Ticket) {
        match &event.what {
            Happening::Approved { by, expires, .. } => {
                assert!(!self.ended);
                assert!(!same_person(by, &ticket.request.requester) && !same_person(by, &ticket.request.role));
                self.approval = Some((by.clone(), *expires));
            }
            Happening::Claimed { .. } => {
                let (_, expires) = self.approval.take().expect("an approval not spent yet");
                assert!(event.at < expires, "claimed after the approval ran out");
                self.claims += 1;
            }
            Happening::Returned { .. } => {
                assert!(!self.ended);
                self.approval = None;
            }
            Happening::Rejected { .. }
            | Happening::Cancelled { .. }
            | Happening::Expired
            | Happening::Finished { .. }
            | Happening::Failed { .. }
            | Happening::OutcomeLost { .. } => {
                assert!(!self.ended, "ended twice");
                self.ended = true;
            }
            Happening::Commented { .. } => {}
            Happening::Opened { .. } => panic!("opened twice"),
        }
        assert!(self.claims <= 1, "ran twice");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_without_a_second_person_and_never_twice(tries in tries()) {
        let terms = Terms::default();
        let mut now = Instant(0);
        let first = open(request_for_test(), now, terms);
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
            let version = ticket.version;
            ticket = evolve(ticket, &event);
            history.push(event);
            prop_assert_eq!(ticket.version, version + 1);
            prop_assert!(!before.name().is_terminal() || before == ticket.state, "moved after its end");
            prop_assert_eq!(ticket.state.name().is_terminal(), witness.ended);
        }
        let (first, rest) = history.split_first().expect("not empty");
        let again = rest.iter().fold(begin(TicketId(1), first).expect("a first event"), evolve);
        prop_assert_eq!(again, ticket, "the events alone make the same ticket");
    }
}
