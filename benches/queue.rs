//! How long the review queue takes to page, search and filter when it is large: `cargo bench --bench queue`.
//!
//! Fills a store in memory (`TMPDIR`, else `/dev/shm`) with tickets in all states, starts the gateway on it, and asks
//! its API and its pages as a reviewer's programs and browser would. Prints and judges nothing by a clock.
//! `LOCKKEEPER_TICKETS` says how many tickets [default: 100,000].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark reports by panicking")]
#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant as Clock};

use lockkeeper::kernel::facts::Facts;
use lockkeeper::kernel::plan::Plan;
use lockkeeper::kernel::review::{self, Instant, Request, Terms, TicketId};
use lockkeeper::kernel::rules::Finding;
use lockkeeper::shell::store::{FILE, Limits, Store};
use serde_json::json;

/// Calls of each kind.
const CALLS: usize = 10;
/// Of these many tickets one is still pending.
const PENDING: usize = 200;

const RULES: (Terms, Limits) = (
    Terms { pending_ms: 86_400_000, approved_ms: 86_400_000, growth_factor: 2 },
    Limits { per_requester: 1_000_000, total: 1_000_000 },
);

const STATEMENTS: [(&str, &str); 5] = [
    ("DROP TABLE refunds_{}", "drop-table"),
    ("ALTER TABLE orders_{} DROP COLUMN note", "drop-column"),
    ("ALTER TABLE invoices_{} ALTER COLUMN total TYPE numeric(12, 2) USING total::numeric(12, 2)", "change-type"),
    ("UPDATE customers_{} SET region = 'north-west' /* the move of the second quarter */", "mass-update"),
    ("TRUNCATE events_{}, events_archive_{}", "truncate"),
];

fn request(n: usize) -> Request {
    let (text, rule) = STATEMENTS[n % STATEMENTS.len()];
    let shown = text.replace("{}", &(n % 997).to_string());
    let finding = json!({
        "rule": rule, "statement": 0, "relation": null, "lock": "ACCESS_EXCLUSIVE", "plan": null, "rows": 5_000_000,
        "bytes": 1_000_000_000, "only_lock": false,
        "message": "all values of public.orders (about 5000000 rows, 1.0 GB) are lost; nothing brings them back",
        "instead": "Take the column out of the application first, and drop it in a change of its own."
    });
    let step = |name: &str| {
        json!({
            "name": name, "action": { "sql": { "sql": shown, "mode": "as_is" } }, "lock": "ACCESS_EXCLUSIVE",
            "scans": false, "probe": "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_class WHERE relname = 'orders')",
            "undo": []
        })
    };
    let steps = ["rehearse", "drop index", "drop"].map(step);
    let plan = json!({
        "recipe": "as-is", "tag": "DROP TABLE", "summary": "", "relation": null,
        "steps": steps, "undo_loses": "all of it"
    });
    Request {
        text_hash: format!("{n:064x}"),
        target: ["main", "ledger", "shop"][n % 3].into(),
        database: "shop".into(),
        requester: format!("dev{}", n % 20),
        role: "app_owner".into(),
        person: Some(["alice", "bob", "erin"][n % 3].into()),
        search_path: "public".into(),
        application: "psql".into(),
        client: "127.0.0.1:5".into(),
        settings: Vec::new(),
        findings: vec![serde_json::from_value::<Finding>(finding).expect("a finding")],
        facts: Facts::default(),
        plan: serde_json::from_value::<Plan>(plan).expect("a plan"),
        objects_hash: format!("{:064x}", n % 997),
        conditions: review::Conditions::default(),
        shown,
    }
}

/// Opens a ticket and takes it to its end; one in so many stays.
async fn live(store: &Store, n: usize, now: Instant) {
    let request = request(n);
    let (ticket, _) = store.open_or_attach(request.clone(), now, RULES).await.expect("opens");
    if n.is_multiple_of(PENDING) {
        return;
    }
    let claim = || "c".to_owned();
    let carol = || review::Voter::named("carol".into());
    let approve = review::Command::Approve { by: carol(), note: None, seen_hash: None };
    let run = review::Command::Claim { claim: claim(), session: "s".into(), request: Box::new(request) };
    let start = review::Command::Start { claim: claim() };
    let ends = match n % 10 {
        1 => vec![review::Command::Reject { by: carol(), reason: "the archive is still read".into() }],
        3 => vec![review::Command::Cancel { by: format!("dev{}", n % 20), reason: None }],
        7 => {
            let fail = review::Command::Fail { claim: claim(), code: "55P03".into(), message: "lock timeout".into() };
            vec![approve, run, start, fail]
        }
        _ => vec![approve, run, start, review::Command::Finish { claim: claim(), ms: 40, tag: "DROP TABLE".into() }],
    };
    for command in ends {
        store.act(ticket.id, command, now, RULES.0).await.unwrap_or_else(|error| panic!("ticket {n}: {error}"));
    }
}

async fn fill(data: &Path, tickets: usize) {
    let store = Store::open(&data.join(FILE)).await.expect("opens");
    let now = jiff::Timestamp::now().as_microsecond();
    for n in 0..tickets {
        // A minute apart, the last one now.
        let back = i64::try_from(tickets - n).expect("fits") * 60_000_000;
        live(&store, n, Instant(now - if n.is_multiple_of(PENDING) { 0 } else { back })).await;
    }
    // The record has them already, as it would.
    let last = store.position().await.expect("reads");
    store.set_recorded(last).await.expect("writes");
    assert!(store.load(TicketId(i64::try_from(tickets).expect("fits"))).await.is_ok());
}

/// Ends with the benchmark.
struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(data: &Path) -> Gateway {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockkeeper"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", "127.0.0.1:1"]);
    let child =
        command.arg("--data-dir").arg(data).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    Gateway(child)
}

fn file(data: &Path, name: &str) -> String {
    let until = Clock::now() + Duration::from_secs(120);
    loop {
        match std::fs::read_to_string(data.join(name)) {
            Ok(text) if !text.trim().is_empty() => return text.trim().to_owned(),
            _ => assert!(Clock::now() < until, "the gateway does not say {name}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Milliseconds of each call.
fn ask(url: &str, header: (&str, &str)) -> (f64, f64, usize) {
    let mut times = Vec::new();
    let mut length = 0;
    for _ in 0..CALLS {
        let began = Clock::now();
        let mut answer = ureq::get(url).header(header.0, header.1).call().unwrap_or_else(|why| panic!("{url}: {why}"));
        length = answer.body_mut().read_to_string().expect("text").len();
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    (times[CALLS / 2], times[CALLS - 1], length)
}

/// A browser's cookie for the local token.
fn sign_in(base: &str, token: &str) -> String {
    let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().max_redirects(0).build());
    let answer = agent.post(format!("{base}/login")).send_form([("token", token), ("by", "carol")]).expect("lets in");
    let cookie = answer.headers().get("set-cookie").expect("a cookie").to_str().expect("text");
    cookie.split(';').next().expect("its first part").to_owned()
}

fn main() {
    let tickets = std::env::var("LOCKKEEPER_TICKETS").map_or(100_000, |text| text.parse().expect("a number"));
    let place = std::env::var("TMPDIR").unwrap_or_else(|_| "/dev/shm".into());
    let data = tempfile::tempdir_in(place).expect("a directory");
    let began = Clock::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(fill(data.path(), tickets));
    println!("{tickets} tickets made in {:.0} s", began.elapsed().as_secs_f64());
    let _gateway = serve(data.path());
    let (admin, token) = (file(data.path(), "admin.addr"), file(data.path(), "admin.token"));
    let base = format!("http://{admin}");
    let (bearer, cookie) = (format!("Bearer {token}"), sign_in(&base, &token));
    println!("{:>9}  {:>9}  {:>9}  asked", "median ms", "worst ms", "bytes");
    let queue = [
        "",
        "state=pending",
        "waiting_for_me=true",
        "state=approved,claimed,running",
        "owed=true",
        "q=refunds",
        "q=alter+table",
        "q=nosuchword",
        "q=alter+archive",
        "requester=dev3",
        "requester=alice",
        "target=ledger",
        "label=none",
        "target=ledger&state=failed",
        "before=500",
        "q=drop&target=nothere",
        "state=failed&requester=bob",
    ];
    let changes = [
        "",
        "q=refunds",
        "q=alter+table",
        "q=nosuchword",
        "object=orders_7",
        "person=bob",
        "rule=drop-column",
        "rule=drop-column&outcome=running",
        "outcome=failed",
        "target=ledger",
        "target=ledger&outcome=rejected&q=invoices",
        "person=bob&target=nothere",
        "q=alter&target=nothere",
        "before=500",
    ];
    let api = queue.iter().map(|query| format!("/v1/tickets?limit=50&{query}"));
    let api = api.chain(changes.iter().map(|query| format!("/v1/changes?limit=50&{query}")));
    let pages = ["/", "/?view=all&q=refunds", "/changes", "/changes?person=bob", "/tickets/77"].map(str::to_owned);
    let header = |page: bool| if page { ("Cookie", cookie.as_str()) } else { ("Authorization", bearer.as_str()) };
    let asked = api.map(|path| (path, false)).chain(pages.into_iter().map(|path| (path, true)));
    for (path, page) in asked {
        let (median, worst, length) = ask(&format!("{base}{path}"), header(page));
        println!("{median:>9.1}  {worst:>9.1}  {length:>9}  {path}");
    }
}
