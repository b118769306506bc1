//! Every kind of plan is interrupted at every statement it sends: the gateway is killed, the server restarted, the
//! connection cut; then it goes on, or is aborted. The end must be what the naive statement leaves on a twin
//! database, or what was there before; behind a cut-over what the abort says is left to run must lead there. No
//! timing: a gate in the connection stops the run where the fault is wanted.
//!
//! By default a few points of each plan are tried, others in each case; `LOCKKEEPER_CRASHES=all` tries all of them,
//! `LOCKKEEPER_CRASHES=NUMBER` so many of each plan, and `LOCKKEEPER_CRASH_CASE` only statements containing that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proto_tests::client::error_of;
use proto_tests::{Client, Gate, Gateway, GatewayOptions, Moment, Server, catalog, majors, wait_until, wire};

const LONG: Duration = Duration::from_secs(90);

const SHOP: &str = include_str!("crashes/shop.sql");

/// Statements that run as plans of several steps, or as one long one.
const CHANGES: &str = include_str!("crashes/changes.sql");

const TABLES: [&str; 10] =
    ["orders", "line", "keyless", "part", "event", "hashed", "parent", "bloated", "shelf", "stock"];

/// Rewrites whatever has a safe form, also on small tables, and steers backfills as jobs elsewhere.
const CONFIG: &str = "policy = \"own\"\n[targets.jobs]\n[[targets.jobs.logins]]\nroles = [\"*\"]\n\
    [[policy.own.rules]]\nsmall_rows = 0\nsmall_bytes = 0\nrename_grace_s = 1\n\
    responses = { change-type = \"rewrite\", rename = \"rewrite\", drop-object = \"rewrite\", drop-index = \"rewrite\", reindex = \"rewrite\", \
      rewrite-table = \"rewrite\", add-column-rewrite = \"rewrite\" }\n";

/// What goes away.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Gateway,
    Server,
    Connection,
}

/// What is wanted afterwards.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// The job goes on by itself.
    On,
    /// It is aborted before it can.
    Back,
    /// It ran in the client's session, who sends the statement again.
    Again,
}

/// Where the fault comes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    At(usize, Moment),
    /// In the statement of that number, while it waits for those who write the table, or for old snapshots.
    Within(usize, &'static str),
}

#[derive(Clone, Copy, Debug)]
struct Point {
    way: Way,
    place: Place,
    fault: Fault,
}

/// A schema and rows.
type Left = (Vec<String>, Vec<String>);

struct Rig {
    server: Server,
    gate: Gate,
    gateway: Gateway,
    /// The same, without jobs.
    plain: Gateway,
    original: Left,
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Rig {
    fn new() -> Self {
        let server = Server::start(majors().into_iter().max().unwrap());
        server.sql("postgres", "create database shop owner alice");
        server.sql("shop", "alter schema public owner to alice");
        server.connect("alice", "shop").rows(SHOP);
        let gate = Gate::to(server.address);
        let executor = "[executor]\nbatch_ms = 5\n";
        let target = format!("{executor}[[targets]]\nname = \"default\"\ndatabases = [\"*\"]\nhold = \"answer\"\n");
        let options = |config: String| GatewayOptions { config, ..GatewayOptions::default() };
        let before = |text: &str| Gateway::before(&gate.address().to_string(), &options(format!("{target}{text}")));
        let gateway = before(CONFIG);
        let plain = before(&CONFIG.replace("[targets.jobs]", "[targets.jobs]\nenabled = false"));
        let original = (schema(&server, "shop"), rows(&server, "shop"));
        Self { server, gate, gateway, plain, original }
    }

    fn database(&self) -> String {
        self.server.database(&format!("crash_{}", NEXT.fetch_add(1, Ordering::Relaxed)), "shop")
    }

    fn drop(&self, database: &str) {
        self.server.sql("postgres", &format!("drop database \"{database}\" with (force)"));
    }

    /// The schema and the rows that the statement as written leaves.
    fn naive(&self, sql: &str) -> Left {
        let database = self.database();
        self.server.connect("alice", &database).rows(sql);
        let left = (schema(&self.server, &database), rows(&self.server, &database));
        self.drop(&database);
        left
    }

    /// Sends the statement, and waits until it has become a job or has been stopped at the gate.
    fn begin(&self, way: Way, database: &str, sql: &str) -> (Client, String) {
        let gateway = if way == Way::Again { &self.plain } else { &self.gateway };
        let session = gateway.session("alice", database).parameter("application_name", "crashes");
        let mut client = session.connect().unwrap_or_else(|e| panic!("{e:?}"));
        client.patience(LONG);
        client.send(&wire::query(sql.as_bytes())).unwrap();
        if way == Way::Again {
            return (client, String::new());
        }
        let told = client.until("this is job ").render();
        let number = told[told.find("job ").unwrap() + 4..].chars().take_while(char::is_ascii_digit).collect();
        (client, number)
    }

    fn state(&self, job: &str) -> String {
        self.gateway.must(&["jobs", "show", job]).lines().next().unwrap_or_default().to_owned()
    }

    fn end_of(&self, job: &str) -> String {
        let deadline = Instant::now() + LONG;
        loop {
            let state = self.state(job);
            if is_over(&state) {
                return state;
            }
            assert!(Instant::now() < deadline, "job {job} does not end: {}", self.gateway.must(&["jobs", "show", job]));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The statements that a run sends, by a run without faults; also checks that run.
    fn statements(&self, way: Way, sql: &str, naive: &Left) -> Result<Vec<String>, String> {
        let database = self.database();
        self.gate.arm(watched(way), None);
        let (mut client, _) = self.begin(way, &database, sql);
        let replies = client.until_ready();
        if let Some(error) = error_of(&replies) {
            return Err(format!("{error:?}"));
        }
        self.compare(&database, naive)?;
        self.drop(&database);
        Ok(self.gate.seen())
    }

    fn compare(&self, database: &str, (wanted, wanted_rows): &Left) -> Result<(), String> {
        self.wait_for_old_names(database);
        let mut lines = catalog::difference(wanted, &schema(&self.server, database));
        lines.extend(catalog::difference(wanted_rows, &rows(&self.server, database)));
        if lines.is_empty() { Ok(()) } else { Err(lines.join("\n      ")) }
    }

    /// What an old name is kept by goes with a job of its own, a little later.
    fn wait_for_old_names(&self, database: &str) {
        let deadline = Instant::now() + LONG;
        while self.has_old_names(database) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn has_old_names(&self, database: &str) -> bool {
        let kept = "select from pg_trigger where tgname like 'zzz_lockkeeper%' \
                    union all select from pg_class where relkind = 'v' and relnamespace = 'public'::regnamespace \
                    and relname <> 'shelved'";
        !self.server.sql(database, kept).is_empty()
    }

    /// One fault in one run, and what is wrong with its end.
    fn round(&mut self, (sql, naive): (&str, &Left), point: Point) -> Result<(), String> {
        let Point { way, place, fault } = point;
        let database = self.database();
        let stop = match place {
            Place::At(at, moment) => (at, moment),
            Place::Within(at, _) => (at, Moment::Before),
        };
        self.gate.arm(watched(way), Some(stop));
        let (mut client, job) = self.begin(way, &database, sql);
        let reached = match way {
            Way::Again => self.gate.wait(|| is_answered(&mut client)),
            Way::On | Way::Back => self.gate.wait(|| is_over(&self.state(&job)) && !self.has_old_names(&database)),
        };
        // What follows the answer is the gateway's own affair: whoever has it sends nothing again.
        let answered = way == Way::Again && (!reached || is_answered(&mut client));
        if reached {
            let holder = self.within(&database, place);
            self.fault(way, fault, &job);
            drop(holder);
        }
        client.vanish();
        let ended = match way {
            Way::Again if answered => String::new(),
            Way::Again => self.again(&database, sql),
            Way::On | Way::Back => self.end_of(&job),
        };
        let left = ended.split_once("run what is left: ").map(|(_, left)| left);
        if let Some(left) = left {
            self.server.connect("alice", &database).rows(left);
        }
        let is_back = ended.contains("was aborted") && left.is_none();
        let compared = self.compare(&database, if is_back { &self.original } else { naive });
        let is_as_wanted = way == Way::Again || ended.contains("is done") || ended.contains("was aborted");
        compared.map_err(|lines| format!("{ended}\n      {lines}"))?;
        self.gateway.assert_healthy();
        self.plain.assert_healthy();
        self.drop(&database);
        if is_as_wanted { Ok(()) } else { Err(ended) }
    }

    /// Lets a statement begin that then has to wait for the session returned.
    fn within(&self, database: &str, place: Place) -> Option<Client> {
        let Place::Within(at, what) = place else { return None };
        let mut holder = self.server.connect("alice", database);
        holder.rows("begin isolation level repeatable read");
        match what {
            "writers" => holder.rows("lock table orders, keyless, part, event, hashed in row exclusive mode"),
            _ => holder.rows("select count(*) from customer"),
        };
        self.gate.open();
        let waiting = format!(
            "select from pg_stat_activity where datname = '{database}' and wait_event_type = 'Lock' \
             and backend_type = 'client backend'"
        );
        wait_until("the statement waits, or is over", LONG, || {
            let is_over = self.gate.seen().len() > at + 1;
            (is_over || !self.server.sql("postgres", &waiting).is_empty()).then_some(())
        });
        Some(holder)
    }

    fn fault(&mut self, way: Way, fault: Fault, job: &str) {
        // Nobody goes on before the abort.
        self.gate.shut(way == Way::Back);
        let gateway = if way == Way::Again { &mut self.plain } else { &mut self.gateway };
        match fault {
            Fault::Gateway => {
                gateway.kill();
                self.gate.cut();
                gateway.run();
            }
            Fault::Server => {
                self.server.crash();
                self.gate.cut();
                self.server.run();
            }
            Fault::Connection => self.gate.cut(),
        }
        if way == Way::Back {
            let (aborted, text) = self.gateway.cli(&["jobs", "abort", job, "--as", "bob"]);
            assert!(aborted || text.contains("the job is done"), "{text}");
            self.gate.shut(false);
        }
    }

    /// The same statement once more: what it answers is no matter, where it had come to its end before.
    fn again(&self, database: &str, sql: &str) -> String {
        let mut client = self.plain.connect("alice", database);
        client.patience(LONG);
        error_of(&client.query(sql)).map(|error| format!("{error:?}")).unwrap_or_default()
    }
}

/// The sessions at work on a change, by what their startup messages contain.
fn watched(way: Way) -> &'static str {
    match way {
        Way::Again => "crashes",
        Way::On | Way::Back => "lockkeeper job",
    }
}

fn is_over(state: &str) -> bool {
    ["is done", "has failed", "was aborted"].iter().any(|end| state.contains(end))
}

fn is_answered(client: &mut Client) -> bool {
    client.patience(Duration::from_millis(1));
    while let Ok(Some(message)) = client.recv() {
        if message.tag == b'Z' {
            return true;
        }
    }
    false
}

/// By nature, a column that was made anew may stand in another place; and numbers that a lost transaction had drawn
/// are gone.
fn schema(server: &Server, database: &str) -> Vec<String> {
    let lines = catalog::dump(server, database).into_iter();
    let lines = lines.filter(|line| !(line.starts_with("sequence ") && line.contains(" last=")));
    lines.map(|line| line.split(" position=").next().unwrap().to_owned()).collect()
}

/// The rows of every table; of values that come out differently each time, how many there are.
fn rows(server: &Server, database: &str) -> Vec<String> {
    let one = |table: &&str| {
        format!(
            "select '{table}', count(*), md5(string_agg(j::text, ',' order by j::text)), \
               count(distinct t), count(distinct n), count(s) \
             from (select to_jsonb(r) - 'token' - 'number' - 'stamped' as j, to_jsonb(r) ->> 'token' as t, \
               to_jsonb(r) ->> 'number' as n, to_jsonb(r) ->> 'stamped' as s from {table} r) x"
        )
    };
    let tables: Vec<String> = TABLES.iter().map(one).collect();
    server.sql(database, &format!("set timezone = 'UTC'; {}", tables.join(" union all ")))
}

/// Where faults make sense: after everything that changes something, and before the first of it.
fn places(statements: &[String]) -> Vec<Place> {
    let mut places = Vec::new();
    for (at, sql) in statements.iter().enumerate() {
        if ["SELECT", "BEGIN", "SET", "RESET", "ROLLBACK", "WITH RECURSIVE"].iter().any(|word| sql.starts_with(word)) {
            continue;
        }
        if places.is_empty() {
            places.push(Place::At(at, Moment::Before));
        }
        places.push(Place::At(at, Moment::After));
        if sql.contains("CONCURRENTLY") {
            places.extend([Place::Within(at, "writers"), Place::Within(at, "snapshots")]);
        }
    }
    places
}

/// Not the same twice, and the same in each run of the tests.
fn pseudo_random(seed: u64) -> u64 {
    let mixed = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 8
}

/// The points to be tried of one plan: all of them, or some.
fn points(places: &[Place], ways: &[Way], (number, seed): (usize, u64)) -> Vec<Point> {
    let faults = [Fault::Gateway, Fault::Server, Fault::Connection];
    let mut all = Vec::new();
    for way in ways {
        let of = |place: &Place| faults.map(|fault| Point { way: *way, place: *place, fault });
        all.extend(places.iter().flat_map(of));
    }
    let mut seed = seed;
    while all.len() > number {
        seed = pseudo_random(seed);
        all.swap_remove(usize::try_from(seed).unwrap() % all.len());
    }
    all
}

/// Everything about one statement.
fn change(rig: &mut Rig, sql: &str, (number, seed): (usize, u64), failures: &Mutex<Vec<String>>) {
    let from = Instant::now();
    let naive = rig.naive(sql);
    let fail = |text: String| failures.lock().unwrap().push(format!("{sql}: {text}"));
    let mut tried = 0;
    for (ways, part) in [(&[Way::On, Way::Back][..], number.div_ceil(2)), (&[Way::Again][..], number / 2)] {
        // Without jobs no old name is kept; and a key swapped once more for itself is asked about.
        if ways == [Way::Again] && (sql.contains(" rename ") || sql.contains("_pkey, add ")) {
            continue;
        }
        let statements = match rig.statements(ways[0], sql, &naive) {
            Ok(statements) => statements,
            Err(text) => return fail(format!("without a fault: {text}")),
        };
        for point in points(&places(&statements), ways, (part, seed)) {
            tried += 1;
            if let Err(text) = rig.round((sql, &naive), point) {
                let (Place::At(at, _) | Place::Within(at, _)) = point.place;
                let text = format!("{point:?} at {:?}:\n      {text}", statements.get(at));
                println!("{sql}: {text}");
                fail(text);
            }
        }
    }
    println!("{sql}: {tried} faults in {} ms", from.elapsed().as_millis());
}

#[test]
fn whatever_goes_away_a_plan_ends_as_the_naive_statement_or_as_nothing() {
    let number = match std::env::var("LOCKKEEPER_CRASHES").as_deref() {
        Ok("all") => usize::MAX,
        Ok(number) => number.parse().expect("LOCKKEEPER_CRASHES is a number, or all"),
        Err(_) => 2,
    };
    let only = std::env::var("LOCKKEEPER_CRASH_CASE").unwrap_or_default();
    let changes: Vec<&str> = CHANGES.lines().filter(|sql| sql.contains(&only)).collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2.min(changes.len()) {
            scope.spawn(|| {
                let mut rig = Rig::new();
                let take = || next.fetch_add(1, Ordering::SeqCst);
                while let Some((at, sql)) = changes.iter().enumerate().nth(take()) {
                    let tried =
                        catch_unwind(AssertUnwindSafe(|| change(&mut rig, sql, (number, at as u64), &failures)));
                    if tried.is_err() {
                        failures.lock().unwrap().push(format!("{sql}: panicked, see above"));
                        rig = Rig::new();
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}
