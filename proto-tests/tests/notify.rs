//! Notifications against stand-ins of the services they go to: who is told what, signed how, in which order, how often.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

#[path = "notify/slack.rs"]
mod slack;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proto_tests::mail::MailServer;
use proto_tests::receiver::{Call, Receiver, Reply};
use proto_tests::{Client, Gateway, GatewayOptions, Server, majors};
use ring::hmac;

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start(majors().into_iter().max().unwrap());
    server.sql("postgres", "create database fixture owner alice");
    server.sql("fixture", "alter schema public owner to alice");
    server
        .connect("alice", "fixture")
        .rows("create table victim(id int primary key, name text not null default 'none')");
    server
});

static NEXT: AtomicUsize = AtomicUsize::new(0);

const DROP: &str = "drop table victim";
const KEY: &[u8] = b"a key of twenty-four byte";
const OLD_KEY: &[u8] = b"another one, of last year";

/// A gateway with its configuration, a folder for secrets, and a database.
struct Case {
    gateway: Gateway,
    database: String,
    place: tempfile::TempDir,
}

fn secret(place: &Path, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = place.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

impl Case {
    fn new(config: impl FnOnce(&Path) -> String) -> Self {
        let place = tempfile::tempdir().unwrap();
        let options = GatewayOptions { config: config(place.path()), ..GatewayOptions::default() };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let database = SERVER.database(&format!("notify_{number}"), "fixture");
        Self { gateway: Gateway::with(&SERVER, &options), database, place }
    }

    /// Sends a statement that is held, and returns its ticket's number and the client that waits.
    fn hold(&self, sql: &str) -> (String, Client) {
        let mut client = self.gateway.connect("alice", &self.database);
        (client.hold(sql), client)
    }

    fn admin(&self) -> String {
        std::fs::read_to_string(self.gateway.data.join("admin.addr")).unwrap().trim().to_owned()
    }
}

fn webhook(place: &Path, url: &str) -> String {
    let one = secret(place, "secret", &format!("whsec_{}", STANDARD.encode(KEY)));
    let old = secret(place, "old", &format!("whsec_{}", STANDARD.encode(OLD_KEY)));
    let secrets = format!("secret_file = \"{}\"\nprevious_secret_file = \"{}\"\n", one.display(), old.display());
    format!("[[notify]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{url}/in\"\n{secrets}")
}

/// Whether both secrets have signed what was sent.
fn assert_signed(call: &Call) {
    let signed = format!("{}.{}.{}", call.header("webhook-id"), call.header("webhook-timestamp"), call.body);
    let signatures: Vec<&str> = call.header("webhook-signature").split(' ').collect();
    assert_eq!(signatures.len(), 2, "{call:?}");
    for (signature, key) in signatures.iter().zip([KEY, OLD_KEY]) {
        let tag = STANDARD.decode(signature.strip_prefix("v1,").expect("version 1")).unwrap();
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes(), &tag).expect("the signature");
    }
    let sent: u64 = call.header("webhook-timestamp").parse().expect("seconds");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(sent) < 60);
}

fn kind(call: &Call) -> String {
    call.json()["type"].as_str().expect("a type").to_owned()
}

#[test]
fn webhooks_are_signed_tried_again_and_in_order() {
    let mut failures = vec![Reply::Silence, Reply::Later(429, 1), Reply::Status(500)];
    let receiver = Receiver::start(move |_| failures.pop().unwrap_or(Reply::Status(204)));
    let case = Case::new(|place| format!("[notifications]\ntimeout_s = 1\n{}", webhook(place, &receiver.url())));
    let (number, mut client) = case.hold("alter table victim drop column name /* it's late */");
    case.gateway.approve(&number, "bob");
    client.until_ready();
    let mut taken = Vec::new();
    let mut statuses = Vec::new();
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    while taken.last().is_none_or(|last| last != "ticket.finished") {
        let call = receiver.next();
        assert_signed(&call);
        assert_eq!(call.path, "/in");
        let event = kind(&call);
        let id = ids.entry(event.clone()).or_insert_with(|| call.header("webhook-id").to_owned());
        assert_eq!(*id, call.header("webhook-id"), "the same at every try");
        statuses.push(call.status);
        if call.status == 204 {
            taken.push(event);
        }
    }
    assert_eq!(statuses[..4], [500, 429, 0, 204]);
    assert_eq!(
        taken,
        ["ticket.opened", "ticket.approved", "ticket.claimed", "ticket.started", "ticket.finished"],
        "each once, in order"
    );
    case.gateway.assert_healthy();
}

#[test]
fn what_a_webhook_is_told() {
    let receiver = Receiver::content();
    let case = Case::new(|place| webhook(place, &receiver.url()) + "events = [\"ticket.opened\"]\n");
    let (number, _client) = case.hold("alter table victim drop column name, add c text default 'it''s secret'");
    let told = receiver.next().json();
    assert!(told["timestamp"].as_str().is_some_and(|text| text.ends_with('Z')), "{told}");
    let ticket = &told["data"]["ticket"];
    assert_eq!(ticket["id"].to_string(), number);
    assert_eq!(ticket["state"], "pending");
    assert_eq!(ticket["requester"], "alice");
    assert_eq!(ticket["database"], case.database.as_str());
    assert_eq!(ticket["tables"], serde_json::json!(["public.victim"]));
    assert_eq!(ticket["statement"], "alter table victim drop column name, add c text default '***'");
    assert!(ticket["findings"][0]["rule"].as_str().is_some(), "{ticket}");
    assert!(told["data"]["url"].as_str().unwrap().ends_with(&format!("/tickets/{number}")), "{told}");
    assert!(!told.to_string().contains("secret"), "{told}");
}

#[test]
fn nothing_is_lost_when_the_gateway_is_killed_before_it_could_tell() {
    let (open, opened) = std::sync::mpsc::channel::<()>();
    let mut is_open = false;
    let receiver = Receiver::start(move |_| {
        is_open = is_open || opened.try_recv().is_ok();
        if is_open { Reply::Status(200) } else { Reply::Status(503) }
    });
    let mut case = Case::new(|place| webhook(place, &receiver.url()) + "events = [\"ticket.*\"]\n");
    let (_, client) = case.hold(DROP);
    let before = receiver.next();
    assert_eq!(before.status, 503);
    case.gateway.kill();
    drop(client);
    open.send(()).unwrap();
    case.gateway.run();
    let after = receiver.next_with(|call| call.status == 200);
    assert_eq!((kind(&after), after.status), ("ticket.opened".to_owned(), 200));
    assert_eq!(after.header("webhook-id"), before.header("webhook-id"), "by which a receiver would know it");
    proto_tests::wait_until("it is written down", std::time::Duration::from_secs(10), || {
        case.gateway.must(&["notify", "list", "--state", "delivered"]).contains("ticket.opened").then_some(())
    });
    case.gateway.kill();
    case.gateway.run();
    let (_, _client) = case.hold("drop table if exists victim cascade");
    assert_ne!(receiver.next().header("webhook-id"), after.header("webhook-id"), "nothing twice");
}

#[test]
fn what_is_given_up_is_listed_and_can_be_tried_again() {
    let mut gone = true;
    let receiver =
        Receiver::start(move |_| if std::mem::take(&mut gone) { Reply::Status(410) } else { Reply::Status(200) });
    let case = Case::new(|place| webhook(place, &receiver.url()) + "events = [\"ticket.opened\"]\n");
    let (_, _client) = case.hold(DROP);
    assert_eq!(receiver.next().status, 410);
    let list = proto_tests::wait_until("it is listed", std::time::Duration::from_secs(10), || {
        let list = case.gateway.must(&["notify", "list", "--state", "dead"]);
        (!list.is_empty()).then_some(list)
    });
    assert!(list.contains("ticket.opened") && list.contains("410"), "{list}");
    case.gateway.must(&["notify", "retry", list.split_whitespace().next().unwrap()]);
    assert_eq!(receiver.next().status, 200);
}

#[test]
fn routes_can_be_tried_and_redirects_lead_nowhere() {
    let receiver = Receiver::content();
    let url = receiver.url();
    let wrong = Receiver::start(move |_| Reply::Redirect(url.clone()));
    let case = Case::new(|place| {
        let teams = format!("[[notify]]\nname = \"cards\"\nkind = \"teams\"\nurl = \"{}\"\n", receiver.url());
        format!("{}{teams}", webhook(place, &wrong.url()))
    });
    case.gateway.must(&["notify", "test", "cards"]);
    let card = &receiver.next().json()["attachments"][0];
    assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(card["content"]["type"], "AdaptiveCard");
    let (ok, said) = case.gateway.cli(&["notify", "test", "hook"]);
    assert!(!ok && said.contains("302"), "{said}");
    assert!(receiver.rest().is_empty(), "it followed");
    assert!(!case.gateway.cli(&["notify", "test", "other"]).0);
    let (_, _client) = case.hold(DROP);
    let card = receiver.next().json()["attachments"][0]["content"].clone();
    assert!(card.to_string().contains(DROP), "{card}");
    assert_eq!(card["actions"][0]["type"], "Action.OpenUrl");
    assert_eq!(card["actions"].as_array().map(Vec::len), Some(1), "nothing is decided there");
    let said = case.gateway.must(&["notify", "routes"]);
    assert!(said.contains("cards (teams)") && said.contains("hook (webhook)"), "{said}");
}

const PEOPLE: &str = r#"
[[people]]
name = "alice"
database_roles = ["alice"]
email = "alice@example.com"
slack = "UALICE"
[[people]]
name = "bob"
email = "bob@example.com"
slack = "UBOB"
[[people]]
name = "eve"
email = "eve@example.com"
slack = "UEVE"
[[grants]]
role = "reviewer"
to = ["alice", "bob"]
[[grants]]
role = "viewer"
to = ["eve"]
"#;

/// A token of bob's, which decides.
const BOB: &str = "[[reviewers]]\nname = \"bob\"\ntoken_sha256 = \"81b637d8fcd2c6da6359e6963113a1170de795e4b725b84d1e0b4cfd9ec58ce9\"\n";

#[test]
fn mail_goes_to_those_it_concerns() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root.pem");
    let refuse = vec!["451 4.3.0 come back later"];
    let server = MailServer::start(("gateway", "pencil"), &root, refuse);
    let case = Case::new(|place| {
        let password = secret(place, "password", "pencil\n");
        let way = format!("server = \"localhost:{}\"\nroot_file = \"{}\"\n", server.address.port(), root.display());
        let login = format!("user = \"gateway\"\npassword_file = \"{}\"\n", password.display());
        let from = "from = \"Lockkeeper <gate@example.com>\"\nto = [\"dba@example.com\"]\n";
        format!("{BOB}{PEOPLE}[[notify]]\nname = \"mail\"\nkind = \"email\"\n{way}{login}{from}")
    });
    let (number, mut client) = case.hold(DROP);
    let mut first: BTreeMap<String, _> = (0..2).map(|_| server.next()).map(|mail| (mail.to.clone(), mail)).collect();
    assert_eq!(
        first.keys().collect::<Vec<_>>(),
        ["bob@example.com", "dba@example.com"],
        "who may decide, and the list"
    );
    for mail in first.values() {
        assert!(mail.encrypted && mail.login.is_some());
        assert_eq!(mail.from, "gate@example.com");
        assert!(mail.header("Subject").starts_with(&format!("Ticket {number} on ")), "{}", mail.text);
        assert!(mail.text.contains(DROP) && mail.text.contains("text/html"), "{}", mail.text);
    }
    let body = r#"{"reason":"not today"}"#;
    let headers = [("Authorization", "Bearer bob"), ("Content-Type", "application/json")];
    let path = format!("/v1/tickets/{number}/reject");
    assert_eq!(proto_tests::receiver::post(&case.admin(), &path, &headers, body).0, 200);
    client.until_ready();
    let second: BTreeMap<String, _> = (0..2).map(|_| server.next()).map(|mail| (mail.to.clone(), mail)).collect();
    assert_eq!(second.keys().collect::<Vec<_>>(), ["alice@example.com", "dba@example.com"], "not bob, who did it");
    assert!(second["alice@example.com"].text.contains("not today"));
    let (dba, again) = (first.remove("dba@example.com").unwrap(), &second["dba@example.com"]);
    assert_eq!(again.header("In-Reply-To"), dba.header("Message-ID"), "one thread");
    assert_ne!(again.header("Message-ID"), dba.header("Message-ID"));
    assert!(second["alice@example.com"].header("In-Reply-To").is_empty(), "her first");
    drop(case.place);
}
