//! Who a login is, and who a provider's word makes somebody.

use super::*;

fn people() -> People {
    let grant = Grant { role: Role::Reviewer, targets: vec!["*".into()] };
    let alice = Profile {
        grants: vec![grant.clone()],
        roles: vec!["alice".into(), "alice_*".into(), "shared".into()],
        applications: vec!["a-*".into()],
        identities: vec!["alice@example.com".into()],
        groups: vec!["dba".into()],
        ..Profile { name: "Alice Miller".into(), ..Profile::default() }
    };
    let bob = Profile { name: "bob".into(), roles: vec!["shared".into()], ..Profile::default() };
    let granted = vec![Granted { grant, to: vec!["dba".into(), "bob".into()] }];
    People { profiles: vec![alice, bob], granted, provider: true }
}

#[test]
fn what_a_client_says_of_itself_names_and_never_hides() {
    let people = people();
    let of = |role: &str, application: &str| people.of_login(role, application).map(|one| one.name.clone());
    assert_eq!(of("alice_admin", "a-psql").as_deref(), Some("Alice Miller"));
    assert_eq!(of("alice_admin", "psql"), None);
    assert_eq!(of("shared", "psql").as_deref(), Some("bob"), "she says she is somebody else");
    let mut request = request_for_test();
    (request.requester, request.role, request.person) = ("shared".into(), "app_owner".into(), Some("bob".into()));
    let ticket = begin(TicketId(1), &open(request, NOW, Terms::default())).expect("a first event");
    for profile in &people.profiles {
        assert!(ticket.is_asked_by(&profile.voter()), "{}: it may have been either", profile.name);
    }
}

#[test]
fn whom_a_provider_makes_somebody() {
    let people = people();
    let vouched = |name: &str, groups: &[&str]| {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        people.vouched(&Vouched { name: name.into(), also: vec!["a.miller".into()], groups })
    };
    let alice = vouched("Alice@example.com", &["dba"]).map(|profile| (profile.name.clone(), profile.voter()));
    let (name, voter) = alice.unwrap_or_else(|_| panic!("she is known"));
    assert_eq!(name, "Alice Miller");
    for other in ["alice", "alice_ro", "A.Miller", "alice@example.com"] {
        assert!(voter.is_called(other), "{other}");
    }
    assert!(matches!(vouched("аlice@example.com", &["dba"]), Err(Stranger::Alike { .. })));
    assert!(matches!(vouched("DBA", &["dba"]), Err(Stranger::Group(_))));
    assert!(matches!(vouched("dave@example.com", &["bob", "DBA"]), Err(Stranger::NoRole(_))));
    assert!(matches!(vouched("\u{202e}dave", &["dba"]), Err(Stranger::BadName(..))));
    let dave = vouched("dave@example.com", &["dba"]);
    assert!(dave.is_ok_and(|dave| dave.voter().is_called("dave") && dave.on(Power::Decide).next().is_some()));
    let gone = People { provider: false, ..people.clone() };
    assert!(gone.vouched(&Vouched { name: "dave@example.com".into(), ..Vouched::default() }).is_err());
}
