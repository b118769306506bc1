//! Every route with every role, and who counts as whom.

use super::http::{Gateway, TOKEN, gateway_with};
use super::opened;
use crate::kernel::review::{Grant, Kind, People, Power, Profile, Role};
use crate::shell::clock::now;
use crate::shell::console::api::rows;
use crate::shell::console::identity::digest;
use crate::shell::store::{OPERATOR, Token};

fn somebody(name: &str, role: Role, target: &str) -> Profile {
    let grants = vec![Grant { role, targets: vec![target.to_owned()] }];
    Profile { name: name.to_owned(), grants, ..Profile::default() }
}

fn people() -> People {
    let mut profiles: Vec<Profile> =
        Role::ALL.iter().map(|role| somebody(&format!("{role:?}"), *role, "ma*")).collect();
    profiles.push(somebody("Stranger", Role::Reviewer, "other"));
    profiles.push(Profile { roles: vec!["alice".into()], ..somebody("Alice Miller", Role::Reviewer, "*") });
    profiles.push(Profile { kind: Kind::Agent, ..somebody("Robot", Role::Reviewer, "*") });
    People { profiles, ..People::default() }
}

/// Everybody's token is their name.
async fn with_tokens() -> Gateway {
    let gateway = gateway_with(people()).await;
    let names = people().profiles.into_iter().map(|profile| profile.name);
    for person in names.chain([OPERATOR.to_owned(), "Gone".to_owned()]) {
        let token = Token {
            id: 0,
            label: String::new(),
            scopes: Power::ALL.to_vec(),
            created: now(),
            expires: now().plus_ms(60_000),
            revoked: None,
            vouched: None,
            person: person.clone(),
        };
        gateway.tickets.store.token_add(token, digest(&person)).await.expect("keeps");
    }
    opened(&gateway.tickets).await;
    gateway
}

/// Who may come in: viewer, requester, reviewer, operator, auditor. A route that is not in here fails the test.
const TABLE: &[(&str, &str, &str)] = &[
    ("get", "/v1/me", "yyyyy"),
    ("get", "/v1/openapi.json", "yyyyy"),
    ("get", "/v1/events", "yyyyy"),
    ("get", "/v1/rules", "yyyyy"),
    ("get", "/v1/tickets", "yyyyy"),
    ("post", "/v1/tickets", ".yyy."),
    ("get", "/v1/tickets/watch", "yyyyy"),
    ("get", "/v1/tickets/{id}", "yyyyy"),
    ("get", "/v1/tickets/{id}/wait", "yyyyy"),
    ("post", "/v1/tickets/{id}/approve", "..y.."),
    ("post", "/v1/tickets/{id}/reject", "..y.."),
    ("post", "/v1/tickets/{id}/request-changes", "..y.."),
    ("post", "/v1/tickets/{id}/review-debt", "..y.."),
    ("post", "/v1/tickets/{id}/break-glass", ".yyy."),
    ("post", "/v1/tickets/{id}/cancel", ".yyy."),
    ("post", "/v1/tickets/{id}/comment", ".yyy."),
    ("post", "/v1/tickets/{id}/justify", ".yyy."),
    ("post", "/v1/tickets/{id}/label", ".yyy."),
    ("post", "/v1/tickets/{id}/schedule", ".yyy."),
    ("post", "/v1/tickets/{id}/settle", "...y."),
    ("post", "/v1/tickets/{id}/run", "...y."),
    ("get", "/v1/jobs", "yyyyy"),
    ("get", "/v1/jobs/{id}", "yyyyy"),
    ("get", "/v1/jobs/{id}/wait", "yyyyy"),
    ("post", "/v1/jobs/{id}/pause", "...y."),
    ("post", "/v1/jobs/{id}/resume", "...y."),
    ("post", "/v1/jobs/{id}/abort", "...y."),
    ("post", "/v1/jobs/{id}/rate", "...y."),
    ("post", "/v1/jobs/{id}/undo", "...y."),
    ("get", "/v1/tickets/{id}/impact", "yyyyy"),
    ("get", "/v1/tickets/{id}/now", "yyyyy"),
    ("get", "/v1/tickets/{id}/traffic", "yyyyy"),
    ("get", "/v1/jobs/{id}/traffic", "yyyyy"),
    ("get", "/v1/changes", "yyyyy"),
    ("get", "/v1/changes/{id}", "yyyyy"),
    ("get", "/v1/schema-changes", "yyyyy"),
    ("get", "/v1/sessions", "...yy"),
    ("get", "/v1/sessions/{session}", "...yy"),
    ("post", "/v1/sessions/{session}/terminate", "...y."),
    ("get", "/v1/targets", "yyyyy"),
    ("get", "/v1/settings", "yyyyy"),
    ("post", "/v1/explain", "yyyyy"),
    // Before anybody is known.
    ("post", "/v1/sign-in/device", "open"),
    ("post", "/v1/sign-in/device/wait", "open"),
    ("get", "/v1/tokens", "...yy"),
    ("post", "/v1/tokens", "...y."),
    ("delete", "/v1/tokens/{id}", "...y."),
    ("get", "/v1/notify", "...yy"),
    ("post", "/v1/notify/{name}/test", "...y."),
    ("get", "/v1/deliveries", "...yy"),
    ("post", "/v1/deliveries/{id}/retry", "...y."),
    // A token opens nothing there: its calls are signed.
    ("post", "/v1/slack/{name}", "....."),
    // Last: it ends the tokens it is called with.
    ("post", "/v1/sign-out", "yyyyy"),
];

#[tokio::test]
async fn every_route_with_every_role() {
    let mut routes: Vec<(&str, &str)> = rows().iter().map(|row| (row.method, row.path)).collect();
    let mut known: Vec<(&str, &str)> = TABLE.iter().map(|(method, path, _)| (*method, *path)).collect();
    routes.sort_unstable();
    known.sort_unstable();
    assert_eq!(routes, known, "every route has its row");
    let gateway = with_tokens().await;
    for (method, path, expected) in TABLE.iter() {
        // A stream does not end, and a deletion cannot be sent by this client: the guard is the same.
        if *path == "/v1/events" || *method == "delete" {
            continue;
        }
        if *expected == "open" {
            assert_eq!(gateway.call("nobody", path, Some(r#"{"handle":"x"}"#)).await.0, 404, "{path}: no provider");
            continue;
        }
        let path = path.replace("{id}", "99").replace("{name}", "none");
        let body = (*method == "post").then_some("{}");
        let query = match path.as_str() {
            "/v1/tickets/99/wait" | "/v1/jobs/99/wait" => "?version=0&timeout_s=0",
            _ => "",
        };
        let mut got = String::new();
        for role in Role::ALL {
            let status = gateway.call(&format!("{role:?}"), &format!("{path}{query}"), body).await.0;
            let signed_only = path.starts_with("/v1/slack/");
            got.push(if status == 403 || (signed_only && status == 401) { '.' } else { 'y' });
        }
        assert_eq!(got, *expected, "{method} {path}");
        assert_eq!(gateway.call("nobody", &path, body).await.0, 401, "{path}");
    }
}

#[tokio::test]
async fn who_decides_where_people_are_known() {
    let gateway = with_tokens().await;
    let hash =
        gateway.call("Viewer", "/v1/tickets/1", None).await.1["review_hash"].as_str().expect("a text").to_owned();
    let approve = format!(r#"{{"seen_hash":"{hash}"}}"#);
    let named = format!(r#"{{"by":"bob","seen_hash":"{hash}"}}"#);
    for (token, body, expected) in [
        ("Gone", &approve, 401),
        (TOKEN, &named, 403),
        ("operator", &approve, 403),
        ("Robot", &approve, 403),
        ("Alice Miller", &approve, 403),
        ("Stranger", &approve, 404),
        ("Reviewer", &named, 403),
        ("Reviewer", &approve, 200),
    ] {
        let (status, answer) = gateway.call(token, "/v1/tickets/1/approve", Some(body)).await;
        assert_eq!(status, expected, "{token}: {answer}");
    }
    let count =
        async |token: &str| gateway.call(token, "/v1/tickets", None).await.1["tickets"].as_array().map(Vec::len);
    assert_eq!((count("Stranger").await, count("Viewer").await), (Some(0), Some(1)));
}

#[tokio::test]
async fn tokens_are_handed_out_and_revoked() {
    let gateway = with_tokens().await;
    let told = gateway.verb("operator", "tokens create Reviewer --scopes read").await.expect("runs");
    let secret = told.lines().last().expect("a line").to_owned();
    assert_eq!(gateway.call(&secret, "/v1/tickets/1", None).await.0, 200);
    assert_eq!(gateway.call(&secret, "/v1/tickets/1/reject", Some(r#"{"note":"no"}"#)).await.0, 403, "only to read");
    assert_eq!(gateway.verb("operator", "tokens create Nobody").await.expect_err("unknown").0, 1);
    let id = told.split_whitespace().nth(1).expect("a number").to_owned();
    gateway.verb("operator", &format!("tokens revoke {id}")).await.expect("runs");
    assert_eq!(gateway.call(&secret, "/v1/tickets/1", None).await.0, 401);
    let listed = gateway.verb("Auditor", "tokens list").await.expect("runs");
    assert!(listed.contains("revoked") && !listed.contains(&secret), "{listed}");
    assert_eq!(gateway.verb("Auditor", &format!("tokens revoke {id}")).await.expect_err("may not").0, 1);
}
