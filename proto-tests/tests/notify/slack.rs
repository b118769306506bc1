//! Slack's Web API and its buttons.

use data::{escape, hex};
use proto_tests::client::error_of;
use proto_tests::receiver::{Call, Receiver, Reply, post};
use ring::hmac;
use serde_json::{Value, json};

use super::{Case, DROP, PEOPLE, secret};

const SIGNING: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// Slack's own ways with texts.
mod data {
    use std::fmt::Write as _;

    pub(super) fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut out, byte| {
            write!(out, "{byte:02x}").unwrap();
            out
        })
    }

    pub(super) fn escape(text: &str) -> String {
        text.bytes().fold(String::new(), |mut out, byte| {
            write!(out, "%{byte:02X}").unwrap();
            out
        })
    }
}

fn slack() -> Receiver {
    let mut count = 0;
    Receiver::start(move |call| {
        if call.header("authorization") != "Bearer xoxb-token" {
            return Reply::Json(json!({ "ok": false, "error": "invalid_auth" }));
        }
        count += 1;
        match call.path.as_str() {
            "/api/chat.postMessage" => {
                Reply::Json(json!({ "ok": true, "channel": "C123", "ts": format!("1700000000.{count:06}") }))
            }
            "/api/chat.update" | "/api/chat.postEphemeral" | "/api/views.open" => Reply::Json(json!({ "ok": true })),
            _ => Reply::Json(json!({ "ok": false, "error": "unknown_method" })),
        }
    })
}

fn case(slack: &Receiver) -> Case {
    Case::new(|place| {
        let token = secret(place, "token", "xoxb-token\n");
        let signing = secret(place, "signing", SIGNING);
        let secrets =
            format!("token_file = \"{}\"\nsigning_secret_file = \"{}\"\n", token.display(), signing.display());
        let route = format!("[[notify]]\nname = \"dba\"\nkind = \"slack\"\nurl = \"{}/api\"\n", slack.url());
        format!("{PEOPLE}{route}channel = \"#reviews\"\n{secrets}")
    })
}

/// The buttons of a message, by their ids, with their values.
fn buttons(message: &Value) -> Vec<(String, Value)> {
    let blocks = message["blocks"].as_array().expect("blocks");
    let actions = blocks.iter().filter(|block| block["type"] == "actions");
    let elements = actions.flat_map(|block| block["elements"].as_array().expect("elements"));
    elements.map(|one| (one["action_id"].as_str().unwrap().to_owned(), one["value"].clone())).collect()
}

fn button(message: &Value, word: &str) -> (String, Value) {
    buttons(message).into_iter().find(|(id, _)| id.contains(word)).unwrap_or_else(|| panic!("no {word} in {message}"))
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn signature(sent: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SIGNING.as_bytes());
    format!("v0={}", hex(hmac::sign(&key, format!("v0:{sent}:{body}").as_bytes()).as_ref()))
}

/// A call as Slack makes it.
fn call(case: &Case, (sent, signature): (u64, &str), body: &str) -> (u16, String) {
    let sent = sent.to_string();
    let headers = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("X-Slack-Request-Timestamp", sent.as_str()),
        ("X-Slack-Signature", signature),
    ];
    post(&case.admin(), "/v1/slack/dba", &headers, body)
}

fn send(case: &Case, payload: &Value) -> (u16, String) {
    let body = format!("payload={}", escape(&payload.to_string()));
    let sent = now();
    call(case, (sent, &signature(sent, &body)), &body)
}

fn press(user: &str, (id, value): &(String, Value)) -> Value {
    json!({
        "type": "block_actions", "user": { "id": user }, "channel": { "id": "C123" }, "trigger_id": format!("by {user}"),
        "actions": [{ "action_id": id, "value": value }],
    })
}

fn to(path: &'static str) -> impl Fn(&Call) -> bool {
    move |call| call.path == path
}

#[test]
fn pressed_by_another_it_runs_while_the_client_waits() {
    let slack = slack();
    let case = case(&slack);
    let (number, mut client) = case.hold(DROP);
    let message = slack.next().json();
    assert_eq!(message["channel"], "#reviews");
    assert!(message.to_string().contains(DROP) && message.to_string().contains("alice"), "{message}");
    let approve = button(&message, "approve");
    let payload = format!("payload={}", escape(&press("UBOB", &approve).to_string()));
    // Not signed, not fresh.
    assert_eq!(call(&case, (now(), "v0=00"), &payload).0, 401);
    assert_eq!(call(&case, (now(), &signature(now() - 1, &payload)), &payload).0, 401);
    assert_eq!(call(&case, (now() - 400, &signature(now() - 400, &payload)), &payload).0, 401);
    // Nobody we know, somebody who may not, and who asked for it.
    for (user, word) in [("UNKNOWN", "does not know you"), ("UEVE", "role"), ("UALICE", "asked for this change")] {
        assert_eq!(send(&case, &press(user, &approve)).0, 200);
        let whisper = slack.next_with(to("/api/chat.postEphemeral")).json();
        assert_eq!((&whisper["user"], &whisper["channel"]), (&json!(user), &json!("C123")));
        assert!(whisper["text"].as_str().unwrap().contains(word), "{whisper}");
    }
    // What was shown is not what is there any more.
    let stale = (approve.0.clone(), json!(approve.1.as_str().unwrap().replace("\"seen\":\"", "\"seen\":\"0")));
    assert_eq!(send(&case, &press("UBOB", &stale)).0, 200);
    let whisper = slack.next_with(to("/api/chat.postEphemeral")).json();
    assert!(whisper["text"].as_str().unwrap().contains("has changed"), "{whisper}");
    let sent = now();
    let signed = signature(sent, &payload);
    assert_eq!(call(&case, (sent, &signed), &payload).0, 200);
    let replies = client.until_ready();
    assert!(replies.iter().any(|m| m.render() == "CommandComplete DROP TABLE"), "{replies:?}");
    assert_eq!(call(&case, (sent, &signed), &payload).0, 401, "a replay");
    let update = slack.next_with(|call| call.path == "/api/chat.update" && call.body.contains("is done")).json();
    assert_eq!((&update["channel"], &update["ts"]), (&json!("C123"), &json!("1700000000.000001")), "in its place");
    assert_eq!(buttons(&update).len(), 1, "only the link is left: {update}");
    assert!(update.to_string().contains("approved by bob"), "{update}");
    let shown = case.gateway.show(&number);
    assert!(shown.contains("bob") && shown.contains("from a chat"), "{shown}");
    case.gateway.assert_healthy();
}

#[test]
fn a_rejection_asks_why_and_the_requester_hears_of_it() {
    let slack = slack();
    let case = case(&slack);
    let (_, mut client) = case.hold(DROP);
    let reject = button(&slack.next().json(), "reject");
    assert_eq!(send(&case, &press("UBOB", &reject)).0, 200);
    let opened = slack.next_with(to("/api/views.open")).json();
    assert_eq!(opened["trigger_id"], "by UBOB");
    let form = |user: &str, reason: &str| {
        let mut view = opened["view"].clone();
        view["state"] = json!({ "values": { "reason": { "reason": { "value": reason } } } });
        json!({ "type": "view_submission", "user": { "id": user }, "view": view })
    };
    for (user, reason, word) in
        [("UBOB", " ", "reason"), ("UNKNOWN", "no", "does not know you"), ("UEVE", "no", "role")]
    {
        let (status, said) = send(&case, &form(user, reason));
        assert_eq!(status, 200);
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["response_action"], "errors");
        assert!(said["errors"]["reason"].as_str().unwrap().contains(word), "{said}");
    }
    assert_eq!(send(&case, &form("UBOB", "not on a friday")), (200, String::new()));
    let replies = client.until_ready();
    let error = error_of(&replies).expect("an error").render();
    assert!(error.contains("not on a friday"), "{error}");
    let told = slack.next_with(|call| call.path == "/api/chat.postMessage" && call.body.contains("UALICE")).json();
    assert!(told["text"].as_str().unwrap().contains("not on a friday"), "{told}");
}

#[test]
fn nobody_approves_what_is_not_all_there() {
    let slack = slack();
    let case = case(&slack);
    let (_, _client) = case.hold("alter table victim drop column name, add c text default 'secret'");
    let message = slack.next().json();
    assert!(!message.to_string().contains("secret"), "{message}");
    let ids: Vec<String> = buttons(&message).into_iter().map(|(id, _)| id).collect();
    assert!(ids.iter().any(|id| id.contains("reject")) && !ids.iter().any(|id| id.contains("approve")), "{ids:?}");
}
