//! Signed webhooks, as Standard Webhooks has them: id, time and body are signed with each secret.

use std::time::Duration;

use base64::Engine as _;
use ring::hmac;
use serde_json::json;

use super::http;
use super::{Failure, Sent};
use crate::kernel::notice::Notice;
use crate::kernel::review::Instant;
use crate::shell::audit::timestamp;
use crate::shell::config::{Secret, Webhook};

/// Sends a notice at a time.
pub(super) fn send(webhook: &Webhook, notice: &Notice, now: Instant, timeout: Duration) -> Result<Sent, Failure> {
    let body = body(notice);
    let seconds = now.0.div_euclid(1_000_000).to_string();
    let signature = signature(&webhook.secrets, (&notice.id, &seconds), &body);
    let headers = [
        ("webhook-id", notice.id.as_str()),
        ("webhook-timestamp", seconds.as_str()),
        ("webhook-signature", signature.as_str()),
    ];
    http::post(&webhook.endpoint, "", &headers, &body, timeout)?.accepted()?;
    Ok(Sent::default())
}

fn body(notice: &Notice) -> String {
    let data = json!({
        "by": notice.by,
        "note": notice.note,
        "url": notice.url,
        "ticket": notice.ticket,
        "job": notice.job,
        "schema": notice.schema,
    });
    json!({ "type": notice.event, "timestamp": timestamp(notice.at), "data": data }).to_string()
}

/// One signature for each secret: a receiver that knows only the old or only the new one finds its own.
fn signature(secrets: &[Secret], (id, seconds): (&str, &str), body: &str) -> String {
    let signed = format!("{id}.{seconds}.{body}");
    let one = |secret: &Secret| {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.reveal()), signed.as_bytes());
        format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(tag))
    };
    secrets.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        // The example of the specification's reference libraries.
        let key = base64::engine::general_purpose::STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = |secrets: &[Secret]| {
            signature(secrets, ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330"), r#"{"test": 2432232314}"#)
        };
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let old = Secret::new(b"another secret of some time ago".to_vec());
        assert_eq!(signature(&[Secret::new(key.clone())]), expected);
        assert!(signature(&[old, Secret::new(key)]).ends_with(&format!(" {expected}")));
    }
}
