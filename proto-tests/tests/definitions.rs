//! Services hear of definitions: before and after, whichever way a change ran, and nothing of what was rolled back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proto_tests::case::prepared;
use proto_tests::client::error_of;
use proto_tests::receiver::Receiver;
use proto_tests::{Client, Gate, Gateway, GatewayOptions, Moment, Server, wait_until, wire};
use serde_json::{Value, json};

static SERVER: LazyLock<Server> = LazyLock::new(prepared);
static NEXT: AtomicUsize = AtomicUsize::new(0);

const LONG: Duration = Duration::from_secs(60);
const ALL: &str = "events = [\"schema.*\"]\n";

/// A gateway that tells a receiver, and a database.
struct Case {
    gateway: Gateway,
    receiver: Receiver,
    gate: Gate,
    database: String,
    _place: tempfile::TempDir,
}

fn webhook(place: &Path, url: &str, wants: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let secret = place.join("secret");
    std::fs::write(&secret, format!("whsec_{}", STANDARD.encode(b"a key of twenty-four byte"))).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let secret = secret.display();
    format!("[[notify]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{url}\"\nsecret_file = \"{secret}\"\n{wants}")
}

impl Case {
    fn new(mut options: GatewayOptions, wants: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let receiver = Receiver::content();
        options.config += &webhook(place.path(), &receiver.url(), wants);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let database = SERVER.database(&format!("definitions_{number}"), "fixture");
        let gate = Gate::to(SERVER.address);
        let gateway = Gateway::before(&gate.address().to_string(), &options);
        Self { gateway, receiver, gate, database, _place: place }
    }

    fn connect(&self) -> Client {
        let session = self.gateway.session("alice", &self.database).parameter("application_name", "definitions");
        session.connect().unwrap_or_else(|e| panic!("{e:?}"))
    }

    /// The next one that is told.
    fn told(&self) -> Value {
        let call = self.receiver.next().json();
        let schema = call["data"]["schema"].clone();
        assert_eq!(call["type"], format!("schema.{}", schema["effect"].as_str().unwrap()), "{call}");
        assert_eq!(schema["version"], 1);
        assert_eq!(schema["database"], self.database.as_str());
        schema
    }

    /// The names of all that was told so far and nobody looked at, once something told after it has come.
    fn nothing_but(&self, client: &mut Client, more: &str) {
        run(client, &format!("create table {more}(a int)"));
        assert_eq!(in_short(&self.told()), format!("created public.{more}"));
    }
}

fn run(client: &mut Client, sql: &str) {
    let replies = client.query(sql);
    assert!(error_of(&replies).is_none(), "{sql}: {replies:?}");
}

fn in_short(schema: &Value) -> String {
    format!("{} {}", schema["effect"].as_str().unwrap(), schema["relation"].as_str().unwrap())
}

fn columns(definition: &Value) -> String {
    let columns = definition["columns"].as_array().unwrap_or_else(|| panic!("no columns in {definition}"));
    let names: Vec<String> = columns
        .iter()
        .map(|one| format!("{} {}", one["name"].as_str().unwrap(), one["type"].as_str().unwrap()))
        .collect();
    names.join(", ")
}

#[test]
fn a_relation_from_its_making_to_its_end() {
    let case =
        Case::new(GatewayOptions::answers("rename = \"warn\", drop-table = \"warn\", drop-object = \"warn\""), ALL);
    let mut client = case.connect();
    run(&mut client, "create table t(id int primary key, note text default 'it''s' not null check (note <> ''))");
    let told = case.told();
    assert_eq!(in_short(&told), "created public.t");
    assert_eq!(told["before"], Value::Null);
    assert_eq!((&told["requester"], &told["application"]), (&json!("alice"), &json!("definitions")));
    assert!(told["statements"][0].as_str().unwrap().contains("default '***'"), "{told}");
    let after = &told["after"];
    assert_eq!(columns(after), "id integer, note text");
    let note = json!({ "name": "note", "type": "text", "not_null": true, "default": "'it''s'::text", "identity": null, "generated": null });
    assert_eq!(after["columns"][1], note);
    assert_eq!(after["constraints"].as_array().map(Vec::len), Some(2), "{after}");
    assert_eq!(after["indexes"][0]["definition"], "CREATE UNIQUE INDEX t_pkey ON public.t USING btree (id)");
    run(&mut client, "alter table t add amount numeric(12,2)");
    let told = case.told();
    assert_eq!(in_short(&told), "altered public.t");
    assert_eq!(told["before"], *after, "as it was told before");
    assert_eq!(columns(&told["after"]), "id integer, note text, amount numeric(12,2)");
    run(&mut client, "create view v as select id from t");
    let told = case.told();
    assert_eq!((in_short(&told), &told["after"]["kind"]), ("created public.v".to_owned(), &json!("view")));
    run(&mut client, "create index on t(amount)");
    assert_eq!(case.told()["after"]["indexes"].as_array().map(Vec::len), Some(2));
    run(&mut client, "alter table t rename to u");
    let told = case.told();
    assert_eq!(in_short(&told), "renamed public.u");
    assert_eq!((&told["before"]["name"], &told["before"]["oid"]), (&json!("t"), &told["after"]["oid"]));
    run(&mut client, "drop index t_amount_idx");
    assert_eq!(in_short(&case.told()), "altered public.u");
    run(&mut client, "drop view v");
    assert_eq!(in_short(&case.told()), "dropped public.v");
    run(&mut client, "drop table u");
    let told = case.told();
    assert_eq!((in_short(&told), &told["after"]), ("dropped public.u".to_owned(), &Value::Null));
    // What changes no definition is not told, nor what failed.
    run(&mut client, "create table w(a int)");
    case.told();
    run(&mut client, "insert into w values (1); comment on table w is 'x'; create temporary table x(a int)");
    assert!(error_of(&client.query("alter table w add a int")).is_some());
    case.nothing_but(&mut client, "last");
    case.gateway.assert_healthy();
}

#[test]
fn a_transaction_is_told_at_its_commit() {
    let case = Case::new(GatewayOptions::answers("drop-column = \"warn\""), ALL);
    let mut client = case.connect();
    for sql in ["begin", "create table t(a int)", "alter table ledger add b int", "rollback"] {
        run(&mut client, sql);
    }
    for sql in ["begin", "create table t(a int)", "savepoint s", "alter table t add gone int", "rollback to s"] {
        run(&mut client, sql);
    }
    run(&mut client, "alter table t add b int");
    run(&mut client, "alter table ledger add b int");
    run(&mut client, "alter table ledger drop column b");
    assert!(case.receiver.rest().is_empty(), "before its commit");
    run(&mut client, "commit");
    let told = case.told();
    assert_eq!(
        (in_short(&told), columns(&told["after"])),
        ("created public.t".to_owned(), "a integer, b integer".to_owned())
    );
    let statements = ["create table t(a int)", "alter table t add gone int", "alter table t add b int"];
    assert_eq!(told["statements"], json!(statements));
    case.nothing_but(&mut client, "u");
    // Two at once, one after the other, and a client that does not wait for its answer.
    run(&mut client, "create table x(a int); create table y(a int)");
    // Of different tables each for itself.
    let two = || BTreeSet::from([in_short(&case.told()), in_short(&case.told())]);
    assert_eq!(two(), BTreeSet::from(["created public.x".to_owned(), "created public.y".to_owned()]));
    client.send(&[wire::query(b"alter table x add b int"), wire::query(b"alter table y add b int")].concat()).unwrap();
    client.until_ready();
    client.until_ready();
    assert_eq!(two(), BTreeSet::from(["altered public.x".to_owned(), "altered public.y".to_owned()]));
    // An open transaction ends with its session.
    let mut leaving = case.connect();
    run(&mut leaving, "begin");
    run(&mut leaving, "alter table x add c int");
    leaving.vanish();
    case.nothing_but(&mut case.connect(), "after");
    case.gateway.assert_healthy();
}

#[test]
fn a_route_hears_of_its_tables_alone() {
    let case = Case::new(GatewayOptions::default(), &format!("{ALL}tables = [\"billing.*\"]\n"));
    let mut client = case.connect();
    run(&mut client, "create table t(a int)");
    SERVER.sql(&case.database, "create schema billing authorization alice");
    run(&mut client, "create table billing.t(a int)");
    assert_eq!(in_short(&case.told()), "created billing.t");
    let listed = |arguments: &[&str]| -> Vec<String> {
        let text = case.gateway.must(&[&["schema-changes", "--json"], arguments].concat());
        let events: Value = serde_json::from_str(&text).unwrap();
        events.as_array().unwrap().iter().map(in_short).collect()
    };
    assert_eq!(listed(&[]), ["created billing.t", "created public.t"], "newest first");
    assert_eq!(listed(&["--table", "billing.*"]), ["created billing.t"]);
    assert_eq!(listed(&["--after", "1"]), ["created billing.t"]);
    let text = case.gateway.must(&["schema-changes", "--limit", "1"]);
    assert!(text.contains("billing.t was created") && text.contains("+ column a integer"), "{text}");
    assert!(text.contains("More: --before 2"), "{text}");
}

#[test]
fn what_comes_is_waited_for() {
    use std::io::BufRead as _;
    let case = Case::new(GatewayOptions::default(), ALL);
    let mut command = case.gateway.command(&["schema-changes", "--follow", "--json", "--after", "0"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let mut client = case.connect();
    for name in ["first", "second"] {
        run(&mut client, &format!("create table {name}(a int)"));
        let event: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(in_short(&event), format!("created public.{name}"));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn jobs_tickets_and_undo() {
    let mut options = GatewayOptions::jobs("continue", 0);
    options.config = options.config.replace("databases = [\"*\"]\n", "databases = [\"*\"]\npolicy = \"own\"\n");
    options.config += "[[policy.own.rules]]\ndrop_grace_s = 1\nresponses = { drop-table = \"hold\" }\n";
    let case = Case::new(options, ALL);
    let mut client = case.connect();
    run(&mut client, "alter table orders add token uuid not null default gen_random_uuid()");
    let told = case.told();
    assert_eq!((in_short(&told), &told["job"]), ("altered public.orders".to_owned(), &json!(1)));
    assert_eq!(columns(&told["before"]), "id integer, amount integer", "{told}");
    assert_eq!(columns(&told["after"]), "id integer, amount integer, token uuid", "its steps are not told");
    case.gateway.must(&["jobs", "undo", "1", "--as", "bob", "--yes"]);
    let told = case.told();
    assert_eq!((columns(&told["after"]), &told["job"]), ("id integer, amount integer".to_owned(), &json!(2)));
    client.send(&wire::query(b"drop table ledger")).unwrap();
    client.until("ticket 1");
    case.gateway.approve("1", "bob");
    client.until_ready();
    let told = case.told();
    assert_eq!((&told["effect"], &told["ticket"]), (&json!("renamed"), &json!(1)), "it is set aside first: {told}");
    assert_eq!(told["before"]["schema"], "public");
    let gone = case.told();
    assert_eq!((&gone["effect"], &gone["before"]["oid"]), (&json!("dropped"), &told["after"]["oid"]));
    let text = case.gateway.must(&["schema-changes", "--ticket", "1"]);
    assert!(text.contains("was renamed") && text.contains("ticket 1"), "{text}");
    case.gateway.assert_healthy();
}

#[test]
fn approved_changes_and_rewrites_in_the_session() {
    let case = Case::new(GatewayOptions::answers("drop-column = \"hold\""), ALL);
    let mut client = case.connect();
    client.send(&wire::query(b"alter table ledger drop column note")).unwrap();
    client.until("ticket 1");
    case.gateway.approve("1", "bob");
    client.until_ready();
    let told = case.told();
    assert_eq!((in_short(&told), &told["ticket"]), ("altered public.ledger".to_owned(), &json!(1)));
    assert_eq!(columns(&told["after"]), "id integer");
    run(&mut client, "alter table orders add constraint positive check (amount > 0)");
    let told = case.told();
    assert_eq!(told["after"]["constraints"][1]["name"], "positive", "{told}");
    assert_eq!(told["after"]["constraints"][1]["validated"], true, "{told}");
    case.nothing_but(&mut client, "u");
}

#[test]
fn nothing_is_lost_when_the_gateway_is_killed_in_between() {
    let mut case = Case::new(GatewayOptions::default(), ALL);
    // From its first statement on until after the last of them; the stops behind that are not reached.
    case.gate.arm("definitions", None);
    let mut client = case.connect();
    run(&mut client, "alter table ledger add a int");
    case.told();
    let statements = case.gate.seen();
    let at = statements.iter().position(|sql| sql == "alter table ledger add a int").expect("the statement itself");
    assert!(statements.len() > at + 1, "looked at again");
    drop(client);
    for (stop, moment, sql, expected) in [
        (at, Moment::After, "alter table ledger add b int", "b integer"),
        (at + 1, Moment::Before, "alter table ledger add c int", "c integer"),
        (at, Moment::Before, "alter table ledger add d int", "never"),
    ] {
        case.gate.arm("definitions", Some((stop, moment)));
        let mut client = case.connect();
        client.send(&wire::query(sql.as_bytes())).unwrap();
        assert!(case.gate.wait(|| false));
        case.gateway.kill();
        case.gate.cut();
        case.gateway.run();
        let told = case.told();
        assert_eq!((in_short(&told), &told["after"]), ("uncertain public.ledger".to_owned(), &Value::Null), "{sql}");
        assert!(!columns(&told["before"]).contains(expected), "{told}");
        assert_eq!(told["statements"], json!([sql]));
    }
    // A job tells it when it goes on.
    let mut case = Case::new(GatewayOptions::jobs("continue", 0), ALL);
    case.gate.arm("lockkeeper job", Some((25, Moment::After)));
    let mut client = case.connect();
    client.send(&wire::query(b"alter table orders add token uuid not null default gen_random_uuid()")).unwrap();
    assert!(case.gate.wait(|| false));
    case.gateway.kill();
    case.gate.cut();
    case.gateway.run();
    let told = case.told();
    assert_eq!(in_short(&told), "altered public.orders");
    assert_eq!(columns(&told["before"]), "id integer, amount integer");
    assert_eq!(columns(&told["after"]), "id integer, amount integer, token uuid");
    wait_until("the job is done", LONG, || case.gateway.must(&["jobs", "show", "1"]).contains("is done").then_some(()));
}
