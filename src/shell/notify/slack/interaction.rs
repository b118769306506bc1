//! What comes back from Slack: signed, fresh, and not seen before; then who pressed what.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use data_encoding::HEXLOWER;
use ring::hmac;
use serde_json::{Value, json};

use super::super::Notifier;
use super::blocks::{APPROVE, REJECT, reason_form};
use super::{call, escaped};
use crate::kernel::review::Instant;
use crate::shell::config::{Route, Secret, Slack, Way};

/// How old a call may be, and how far its clock may be ahead, in seconds.
const WINDOW_S: i64 = 300;
/// Calls that are remembered within that time.
const SEEN_MAX: usize = 10_000;

/// Calls of the last minutes, so that none counts twice.
#[derive(Default)]
pub struct Seen(Mutex<HashMap<Vec<u8>, i64>>);

/// Somebody's wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Approve what was shown.
    Approve {
        ticket: i64,
        seen: String,
    },
    /// A reason has to be asked for first.
    AskReason {
        ticket: i64,
    },
    Reject {
        ticket: i64,
        reason: String,
    },
    /// A button that only opens a page, or nothing of ours.
    Nothing,
}

/// Who wishes what, and where to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Press {
    /// Slack's id of the person.
    pub user: String,
    pub channel: Option<String>,
    pub trigger: Option<String>,
    pub wish: Wish,
}

/// Why a call does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the call is not signed with the route's secret")]
    Signature,
    #[error("the call is older than five minutes, or from the future")]
    Stale,
    #[error("the call has been here before")]
    Replayed,
    #[error("there are too many calls: try again in some minutes")]
    Flood,
    #[error("the call cannot be read")]
    Unreadable,
}

/// Checks a call's headers against its body.
///
/// # Errors
/// It is not Slack's, not fresh, or was here before.
pub fn check(
    secret: &Secret,
    (signature, sent): (&str, &str),
    body: &[u8],
    now: Instant,
    seen: &Seen,
) -> Result<(), Refused> {
    let tag = signature.strip_prefix("v0=").and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok());
    let tag = tag.ok_or(Refused::Signature)?;
    let mut signed = format!("v0:{sent}:").into_bytes();
    signed.extend_from_slice(body);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal());
    hmac::verify(&key, &signed, &tag).map_err(|_| Refused::Signature)?;
    let sent: i64 = sent.parse().map_err(|_| Refused::Stale)?;
    let now = now.0.div_euclid(1_000_000);
    if !(now.saturating_sub(WINDOW_S)..=now.saturating_add(WINDOW_S)).contains(&sent) {
        return Err(Refused::Stale);
    }
    let mut seen = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
    seen.retain(|_, at| *at >= now.saturating_sub(WINDOW_S));
    if seen.contains_key(&tag) {
        return Err(Refused::Replayed);
    }
    // Forgetting one would let it count twice.
    if seen.len() >= SEEN_MAX {
        return Err(Refused::Flood);
    }
    seen.insert(tag, sent);
    Ok(())
}

/// What a call wants.
///
/// # Errors
/// It has not the shape of one.
pub fn read(payload: &str) -> Result<Press, Refused> {
    let payload: Value = serde_json::from_str(payload).map_err(|_| Refused::Unreadable)?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let user = text(&payload["user"]["id"]).ok_or(Refused::Unreadable)?;
    let parsed = |value: &Value| value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let mut channel = text(&payload["channel"]["id"]);
    let wish = match payload["type"].as_str() {
        Some("block_actions") => {
            let action = &payload["actions"][0];
            let value = parsed(&action["value"]).unwrap_or_default();
            match (action["action_id"].as_str(), value["ticket"].as_i64()) {
                (Some(APPROVE), Some(ticket)) => {
                    Wish::Approve { ticket, seen: text(&value["seen"]).ok_or(Refused::Unreadable)? }
                }
                (Some(REJECT), Some(ticket)) => Wish::AskReason { ticket },
                _ => Wish::Nothing,
            }
        }
        Some("view_submission") if payload["view"]["callback_id"] == REJECT => {
            let view = &payload["view"];
            let about = parsed(&view["private_metadata"]).unwrap_or_default();
            channel = text(&about["channel"]);
            let reason = text(&view["state"]["values"]["reason"]["reason"]["value"]).unwrap_or_default();
            Wish::Reject { ticket: about["ticket"].as_i64().ok_or(Refused::Unreadable)?, reason }
        }
        _ => Wish::Nothing,
    };
    Ok(Press { user, channel, trigger: text(&payload["trigger_id"]), wish })
}

impl Notifier {
    /// The Slack route of this name and its signing secret.
    #[must_use]
    pub fn slack(&self, name: &str) -> Option<(std::sync::Arc<Route>, Secret)> {
        let settings = self.settings();
        let route = settings.notifications.route(name)?;
        let Way::Slack(slack) = &route.way else { return None };
        let secret = slack.signing_secret.clone()?;
        Some((route.clone(), secret))
    }

    /// Says something that only the one who pressed sees. Slack does not wait for it.
    pub fn slack_whisper(&self, route: &Route, press: &Press, text: &str) {
        let Some(channel) = &press.channel else { return };
        let body = json!({ "channel": channel, "user": press.user, "text": escaped(text) });
        self.slack_call(route, "chat.postEphemeral", body);
    }

    /// Opens the form that asks for a reason.
    pub fn slack_ask_reason(&self, route: &Route, press: &Press, ticket: i64) {
        let Some(trigger) = &press.trigger else { return };
        let about = json!({ "ticket": ticket, "channel": press.channel });
        self.slack_call(route, "views.open", json!({ "trigger_id": trigger, "view": reason_form(&about) }));
    }

    fn slack_call(&self, route: &Route, method: &'static str, body: Value) {
        let Way::Slack(slack) = &route.way else { return };
        let (slack, timeout): (Slack, _) = (slack.clone(), self.settings().notifications.timeout);
        tokio::task::spawn_blocking(move || {
            if let Err(failure) = call(&slack, method, &body, timeout) {
                tracing::warn!(why = failure.why, "an answer to somebody in Slack was lost");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    #[test]
    fn signatures_are_slacks() {
        // The example of Slack's documentation.
        let secret = Secret::new(b"8f742231b10e8888abcd99yyyzzz85a5".to_vec());
        let at = |seconds: i64| Instant(seconds * 1_000_000);
        let seen = Seen::default();
        let check = |signature: &str, sent: &str, now| check(&secret, (signature, sent), BODY, now, &seen);
        let sent = "1531420618";
        assert_eq!(check(SIGNATURE, sent, at(1_531_420_618 + 301)), Err(Refused::Stale));
        assert_eq!(check(SIGNATURE, sent, at(1_531_420_618 - 301)), Err(Refused::Stale));
        assert_eq!(check(SIGNATURE, "1531420619", at(1_531_420_618)), Err(Refused::Signature));
        assert_eq!(check(&SIGNATURE.replace("a2", "a3"), sent, at(1_531_420_618)), Err(Refused::Signature));
        assert_eq!(check("", "", at(1_531_420_618)), Err(Refused::Signature));
        assert_eq!(check(SIGNATURE, sent, at(1_531_420_618 + 299)), Ok(()));
        assert_eq!(check(SIGNATURE, sent, at(1_531_420_618 + 300)), Err(Refused::Replayed));
    }

    #[test]
    fn calls_are_read() {
        let value = json!({ "ticket": 7, "seen": "ab" }).to_string();
        let press = |action: &str| {
            let action = json!([{ "action_id": action, "value": value }]);
            json!({ "type": "block_actions", "user": { "id": "U1" }, "channel": { "id": "C1" }, "trigger_id": "t",
                    "actions": action })
        };
        let read = |value: Value| read(&value.to_string());
        let approve = read(press(APPROVE)).unwrap();
        assert_eq!(approve.wish, Wish::Approve { ticket: 7, seen: "ab".into() });
        assert_eq!((approve.user.as_str(), approve.channel.as_deref()), ("U1", Some("C1")));
        assert_eq!(read(press(REJECT)).unwrap().wish, Wish::AskReason { ticket: 7 });
        assert_eq!(read(press("other")).unwrap().wish, Wish::Nothing);
        let mut view = reason_form(&json!({ "ticket": 7, "channel": "C1" }));
        view["state"] = json!({ "values": { "reason": { "reason": { "value": "too late" } } } });
        let form = read(json!({ "type": "view_submission", "user": { "id": "U1" }, "view": view })).unwrap();
        assert_eq!(form.wish, Wish::Reject { ticket: 7, reason: "too late".into() });
        assert_eq!(form.channel.as_deref(), Some("C1"));
        assert_eq!(read(json!({ "type": "block_actions" })), Err(Refused::Unreadable));
    }
}
