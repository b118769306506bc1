//! The pages over HTTP, as a browser without scripts uses them.

use super::http::{CAROL, Gateway, TOKEN, gateway_for_test, gateway_limited};
use super::{act, opened};
use crate::kernel::review::tests::request_for_test;
use crate::kernel::review::{Command, People, StateName};
use crate::shell::console::limits::Limits;

/// What a browser keeps of an answer.
pub(super) struct Seen {
    pub(super) status: u16,
    pub(super) to: String,
    cookie: String,
    policy: String,
    pub(super) body: String,
}

/// A GET, or a POST of a form. Redirects are shown, not followed.
pub(super) async fn ask(gateway: &Gateway, cookie: &str, path: &str, form: Option<&[(&str, &str)]>) -> Seen {
    let (url, cookie) = (format!("http://{}{path}", gateway.address), cookie.to_owned());
    let form: Option<Vec<(String, String)>> =
        form.map(|pairs| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
    tokio::task::spawn_blocking(move || {
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(None);
        let agent: ureq::Agent = config.max_redirects_will_error(false).build().into();
        let mut answer = match form {
            None => agent.get(url).header("Cookie", cookie).header("Accept", "text/html,*/*").call(),
            Some(pairs) => agent.post(url).header("Cookie", cookie).send_form(pairs),
        }
        .expect("answers");
        let header = |name: &str| {
            let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (to, set, policy) = (header("location"), header("set-cookie"), header("content-security-policy"));
        Seen {
            status: answer.status().as_u16(),
            to,
            cookie: set.split(';').next().unwrap_or_default().to_owned(),
            policy,
            body: answer.body_mut().read_to_string().unwrap_or_default(),
        }
    })
    .await
    .expect("runs")
}

pub(super) async fn signed_in(gateway: &Gateway, token: &str, by: &str) -> String {
    let seen = ask(gateway, "", "/login", Some(&[("token", token), ("by", by), ("to", "/tickets/1")])).await;
    assert_eq!((seen.status, seen.to.as_str()), (303, "/tickets/1"));
    seen.cookie
}

/// The seal in the forms of a page.
pub(super) fn field(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).expect("has the field");
    rest.split('"').next().unwrap_or_default().to_owned()
}

async fn state(gateway: &Gateway) -> StateName {
    gateway.tickets.store.load(crate::kernel::review::TicketId(1)).await.expect("is there").state.name()
}

#[tokio::test]
async fn a_wrong_address_leads_to_a_page() {
    let gateway = gateway_for_test().await;
    let carol = signed_in(&gateway, CAROL, "").await;
    for (path, status, says) in [
        ("/nothing", 404, "There is no page at this address"),
        ("/tickets/x", 400, "mistake in this address"),
        ("/?show=x", 400, "mistake in this address"),
        ("/logout", 405, "only for forms"),
    ] {
        for cookie in ["", carol.as_str()] {
            let seen = ask(&gateway, cookie, path, None).await;
            if seen.status == 303 {
                continue;
            }
            assert_eq!(seen.status, status, "{path}");
            assert!(seen.body.contains("<h1>") && seen.body.contains(says), "{path}: {}", seen.body);
            assert!(seen.policy.starts_with("default-src 'none'"), "{path}");
        }
    }
    let api = ask(&gateway, &carol, "/v1/nothing", None).await;
    assert_eq!((api.status, api.body.starts_with('{')), (401, true), "the API answers programs: {}", api.body);
}

#[tokio::test]
async fn nobody_sees_or_sends_anything_without_signing_in() {
    let gateway = gateway_for_test().await;
    opened(&gateway.tickets).await;
    let stranger = "lockkeeper=0123456789abcdef";
    for path in ["/", "/?show=all", "/tickets/1", "/jobs", "/jobs/1", "/live/tickets", "/live/tickets/1", "/live/jobs"]
    {
        let seen = ask(&gateway, stranger, path, None).await;
        assert_eq!(seen.status, 303, "{path}");
        assert!(seen.to.starts_with("/login"), "{path} leads to {}", seen.to);
        assert!(!seen.body.contains("DROP TABLE"), "{path}");
    }
    for verb in ["approve", "reject", "cancel", "comment", "run"] {
        let seen = ask(&gateway, stranger, &format!("/tickets/1/{verb}"), Some(&[("note", "x")])).await;
        assert_eq!((seen.status, seen.to.starts_with("/login")), (303, true), "{verb}");
    }
    assert_eq!(state(&gateway).await, StateName::Pending);
}

#[tokio::test]
async fn a_token_lets_in_under_its_own_name() {
    let gateway = gateway_for_test().await;
    opened(&gateway.tickets).await;
    let wrong = ask(&gateway, "", "/login", Some(&[("token", "no"), ("by", "carol")])).await;
    assert_eq!((wrong.status, wrong.cookie.as_str()), (401, ""));
    let nameless = ask(&gateway, "", "/login", Some(&[("token", TOKEN)])).await;
    assert_eq!((nameless.status, nameless.cookie.as_str()), (400, ""));
    let cookie = signed_in(&gateway, CAROL, "mallory").await;
    let page = ask(&gateway, &cookie, "/tickets/1", None).await;
    assert!(page.body.contains("carol") && !page.body.contains("mallory"));
    ask(&gateway, &cookie, "/logout", Some(&[])).await;
    assert_eq!(ask(&gateway, &cookie, "/tickets/1", None).await.status, 303);
}

#[tokio::test]
async fn guessing_is_slow() {
    let gateway = gateway_limited(People::default(), Limits::default()).await;
    for _ in 0..10 {
        assert_eq!(ask(&gateway, "", "/login", Some(&[("token", "guess")])).await.status, 401);
    }
    assert_eq!(ask(&gateway, "", "/login", Some(&[("token", "guess")])).await.status, 429);
    // Whoever knows a token is not shut out by somebody at the same address who does not.
    assert_eq!(ask(&gateway, "", "/login", Some(&[("token", CAROL)])).await.status, 303);
}

#[tokio::test]
async fn nobody_is_led_elsewhere() {
    let gateway = gateway_for_test().await;
    for to in ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
        let seen = ask(&gateway, "", "/login", Some(&[("token", CAROL), ("to", to)])).await;
        assert_eq!((seen.status, seen.to.as_str()), (303, "/"), "{to}");
    }
}

#[tokio::test]
async fn a_form_counts_once_and_only_with_its_seal() {
    let gateway = gateway_for_test().await;
    opened(&gateway.tickets).await;
    let cookie = signed_in(&gateway, CAROL, "").await;
    let page = ask(&gateway, &cookie, "/tickets/1", None).await.body;
    let (seal, hash) = (field(&page, "seal"), field(&page, "seen_hash"));
    for seal in [
        "",
        "0123",
        &field(&ask(&gateway, &signed_in(&gateway, TOKEN, "dave").await, "/tickets/1", None).await.body, "seal"),
    ] {
        let forged = ask(&gateway, &cookie, "/tickets/1/approve", Some(&[("seal", seal), ("seen_hash", &hash)])).await;
        assert_eq!(forged.status, 403, "{seal}");
    }
    assert_eq!(state(&gateway).await, StateName::Pending);
    let stale = ask(&gateway, &cookie, "/tickets/1/approve", Some(&[("seal", &seal), ("seen_hash", "00")])).await;
    assert_eq!((stale.status, state(&gateway).await), (409, StateName::Pending));
    let form = [("seal", seal.as_str()), ("seen_hash", hash.as_str()), ("note", "fine <b>")];
    let approved = ask(&gateway, &cookie, "/tickets/1/approve", Some(&form)).await;
    assert_eq!((approved.status, approved.to.as_str()), (303, "/tickets/1?done=approve"));
    let again = ask(&gateway, &cookie, "/tickets/1/approve", Some(&form)).await;
    assert_eq!(again.status, 409);
    let page = ask(&gateway, &cookie, &approved.to, None).await.body;
    assert!(page.contains("approved by carol (own token): fine &lt;b&gt;"), "{page}");
}

#[tokio::test]
async fn a_rejection_needs_a_reason_and_a_requester_is_no_reviewer() {
    let gateway = gateway_for_test().await;
    opened(&gateway.tickets).await;
    let own = signed_in(&gateway, TOKEN, "alice").await;
    let page = ask(&gateway, &own, "/tickets/1", None).await.body;
    let form = [("seal", field(&page, "seal")), ("seen_hash", field(&page, "seen_hash"))];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let refused = ask(&gateway, &own, "/tickets/1/approve", Some(&form)).await;
    assert_eq!((refused.status, state(&gateway).await), (403, StateName::Pending));
    assert!(refused.body.contains("role=\"alert\""));
    let refused = ask(&gateway, &own, "/tickets/1/reject", Some(&form)).await;
    assert_eq!((refused.status, state(&gateway).await), (400, StateName::Pending));
    let nothing = ask(&gateway, &own, "/tickets/1/explode", Some(&form)).await;
    assert_eq!(nothing.status, 404);
}

#[tokio::test]
async fn nothing_that_people_write_becomes_markup() {
    let evil = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'><svg/onload=alert(1)>",
        "</textarea><script>alert(1)</script>",
        "</title><script>alert(1)</script>",
        "<iframe srcdoc='<script>alert(1)</script>'>",
        "<a href=javascript:alert(1)>x</a>",
        "--><script>alert(1)</script><!--",
        "{{7*7}}${7*7}<%= 7 %>",
        "\u{202e}<b>\u{0}\u{1b}[31m",
    ];
    let gateway = gateway_for_test().await;
    for (n, text) in evil.iter().enumerate() {
        let mut request = request_for_test();
        request.shown = format!("DROP TABLE \"{text}\" /* {text} */ -- {text}");
        request.text_hash = format!("{n:064x}");
        (request.requester, request.application) = (format!("r{text}"), (*text).to_owned());
        (request.target, request.database) = ((*text).to_owned(), (*text).to_owned());
        let id = gateway.tickets.request(request).await.expect("opens").0.id;
        act(&gateway.tickets, id, Command::Comment { by: "dave".into(), text: (*text).to_owned() }).await;
    }
    let cookie = signed_in(&gateway, CAROL, "").await;
    let mut paths =
        vec!["/?show=all".to_owned(), format!("/?show=all&requester={}", "%3Cscript%3Ealert(1)%3C/script%3E")];
    paths.extend((1..=evil.len()).map(|id| format!("/tickets/{id}")));
    for path in paths {
        let seen = ask(&gateway, &cookie, &path, None).await;
        assert_eq!(seen.status, 200, "{path}");
        assert!(seen.policy.starts_with("default-src 'none'; script-src 'self'; "), "{path}: {}", seen.policy);
        for tag in ["<script>", "<img src=x", "<svg", "<iframe", "<a href=java", "<b>", "\u{202e}", "\u{1b}"] {
            assert!(!seen.body.contains(tag), "{path} has {tag}");
        }
        // The one script there is has an address.
        assert_eq!(seen.body.matches("<script").count(), 1, "{path}");
    }
}
