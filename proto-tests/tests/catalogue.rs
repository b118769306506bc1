//! The verdicts against the servers: for every case of `catalogue/` and every version, what the statement locks,
//! reads and writes anew is measured, and compared with what the gateway says of it. Nothing harmful may count as
//! safe, the locks it names are those that were taken, and where it is stricter than the truth stands in the cases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;

use proto_tests::catalogue::{self, Case, STRONG, Truth, mode_name, mode_of};
use proto_tests::{Client, Gateway, GatewayOptions, Server, majors};
use serde_json::Value;

/// Databases a server's cases are dealt to.
const WORKERS: usize = 2;

/// Stands before the statement of a case in the record.
const MARK: &str = "select 'the catalogue''s case ";

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue")
}

/// What the gateway says of a statement.
#[derive(Clone, Debug, Default)]
struct Verdict {
    /// pass, warn, bounded, rewrite, hold, refuse.
    word: String,
    rules: Vec<String>,
    /// Relation and lock of each finding that names both.
    found: Vec<(String, usize)>,
    /// Every lock it expects.
    locks: BTreeMap<String, usize>,
}

/// How far a statement has to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Free,
    Guard,
    Stop,
}

impl Verdict {
    fn weight(&self) -> Weight {
        match self.word.as_str() {
            "pass" | "warn" => Weight::Free,
            "bounded" => Weight::Guard,
            // Under a short lock timeout, and for nothing else.
            "rewrite" if self.rules.is_empty() => Weight::Guard,
            _ => Weight::Stop,
        }
    }
}

fn weight(case: &Case, truth: &Truth) -> Weight {
    if case.harm.is_some() || (truth.heavy() && case.fine.is_none()) {
        Weight::Stop
    } else if truth.strong().is_empty() || case.fine.is_some() {
        Weight::Free
    } else {
        Weight::Guard
    }
}

/// Measures and asks, for the cases that are left, on one database.
fn work(server: &Server, gateway: &Gateway, database: &str, left: &Mutex<Vec<Case>>) -> Vec<(Case, Truth)> {
    let mut done = Vec::new();
    let mut admin = server.connect("dba", database);
    let mut direct = server.connect("dba", database);
    let mut asked = gateway.connect("dba", database);
    loop {
        let Some(case) = left.lock().unwrap().pop() else { return done };
        case.prepare(&mut admin);
        let truth = if case.outside {
            catalogue::outside(&case, server, database, &mut direct)
        } else {
            catalogue::within(&case, &mut direct)
        };
        if case.outside {
            case.clean(&mut admin);
            case.prepare(&mut admin);
        }
        ask(&case, &mut asked);
        case.clean(&mut admin);
        done.push((case, truth));
    }
}

fn ask(case: &Case, client: &mut Client) {
    client.rows("set search_path = own, public");
    case.session.iter().for_each(|sql| drop(client.rows(sql)));
    if !case.outside {
        client.rows("begin");
    }
    case.inside.iter().for_each(|sql| drop(client.rows(sql)));
    client.rows(&format!("{MARK}{}'", case.place));
    client.query(&case.sql);
    client.query("rollback");
    client.rows("discard all");
}

/// The verdicts by the case's place: what each session's record says after the mark, first of all a decision.
fn verdicts(gateway: &Gateway) -> HashMap<String, Verdict> {
    let mut marked: HashMap<u64, String> = HashMap::new();
    let mut verdicts: HashMap<String, Verdict> = HashMap::new();
    let mut files: Vec<_> =
        std::fs::read_dir(gateway.data.join("record")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.is_file()) {
        for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            let text = |key: &str| line[key].as_str().unwrap_or_default();
            let session = line["session"].as_u64().unwrap_or_default();
            match (text("event"), text("text").strip_prefix(MARK)) {
                ("statement", Some(place)) => drop(marked.insert(session, place.trim_end_matches('\'').to_owned())),
                ("statement", None) => {
                    let passed = Verdict { word: "pass".into(), ..Verdict::default() };
                    marked.remove(&session).map(|place| verdicts.entry(place).or_insert(passed));
                }
                ("decision", _) => {
                    marked.get(&session).map(|place| verdicts.insert(place.clone(), verdict(&line)));
                }
                _ => {}
            }
        }
    }
    verdicts
}

fn verdict(line: &Value) -> Verdict {
    let word = line["recipe"].as_str().or(line["decision"].as_str()).unwrap_or_default().to_owned();
    let list = |key: &str| line[key].as_array().cloned().unwrap_or_default();
    let pair = |relation: &Value, mode: &Value| Some((relation.as_str()?.to_owned(), mode_of(mode.as_str()?)));
    Verdict {
        word,
        rules: list("findings").iter().map(|f| f["rule"].as_str().unwrap_or_default().to_owned()).collect(),
        found: list("findings").iter().filter_map(|f| pair(&f["relation"], &f["lock"])).collect(),
        locks: list("locks").iter().filter_map(|l| pair(&l["relation"], &l["mode"])).collect(),
    }
}

/// What was counted on one server.
#[derive(Default)]
struct Counted {
    caught: usize,
    missed: usize,
    alarms: usize,
    quiet: usize,
    harms: usize,
    complaints: Vec<String>,
}

impl Counted {
    fn line(&self, major: u32) -> String {
        let share = |of: usize, all: usize| {
            let tenths = (of * 1000).checked_div(all).unwrap_or(1000);
            f64::from(u32::try_from(tenths).unwrap()) / 10.0
        };
        let (caught, missed, alarms) = (self.caught, self.missed, self.alarms);
        let all = caught + missed + alarms + self.quiet + self.harms;
        format!(
            "{major:>3} {all:>6} {:>8} {caught:>7} {missed:>7} {alarms:>7} {:>6} {:>9.1} % {:>6.1} %",
            self.harms,
            self.quiet,
            share(caught, caught + alarms),
            share(caught, caught + missed),
        )
    }

    fn count(&mut self, case: &Case, truth: &Truth, verdict: &Verdict) {
        let complain = |text: String| format!("{} {}\n      {text}", case.place, case.sql);
        let any = case.fails.as_deref() == Some("any") && truth.error.is_some();
        if truth.error != case.fails && !any {
            self.complaints.push(complain(format!("fails {:?}, expected {:?}", truth.error, case.fails)));
            return;
        }
        let (needed, said) = (weight(case, truth), verdict.weight());
        let told = || format!("{} by {}", verdict.word, verdict.rules.join(", "));
        if case.harm.is_some() {
            self.harms += 1;
        } else if truth.error.is_some() {
            return;
        } else {
            match (needed == Weight::Stop, said == Weight::Stop) {
                (true, true) => self.caught += 1,
                (true, false) => self.missed += 1,
                (false, true) => self.alarms += 1,
                (false, false) => self.quiet += 1,
            }
        }
        if said < needed {
            let locks: Vec<String> =
                truth.strong().iter().map(|(name, mode)| format!("{} on {name}", mode_name(*mode))).collect();
            let what = format!("FALSE SAFE: {}; {:?}, {}, harm {:?}", told(), truth.work, locks.join(", "), case.harm);
            self.complaints.push(complain(what));
        }
        match (&case.alarm, said > needed) {
            (None, true) => self.complaints.push(complain(format!("FALSE ALARM: {}, needed {needed:?}", told()))),
            (Some(_), false) => self.complaints.push(complain("its alarm is not one".to_owned())),
            (None, false) | (Some(_), true) => {}
        }
        if case.fine.is_some() && truth.strong().is_empty() {
            self.complaints.push(complain("its locks are fine anyway".to_owned()));
        }
        if truth.error.is_none() && case.alarm.is_none() {
            self.complaints.extend(locks(case, truth, verdict).map(complain));
        }
    }
}

/// Where the locks named are not those taken.
fn locks(case: &Case, truth: &Truth, verdict: &Verdict) -> Option<String> {
    let mut wrong = Vec::new();
    // Of what runs in several transactions only what is held while it waits is certain to be seen.
    let unseen = |taken: Option<&usize>, named: Option<&usize>| case.outside && taken < named;
    for (name, mode) in &verdict.found {
        let taken = truth.locks.get(name);
        if taken.is_some_and(|taken| taken != mode && !unseen(Some(taken), Some(mode))) {
            wrong.push(format!("finding: {} on {name}, taken {}", mode_name(*mode), mode_name(*taken.unwrap())));
        }
    }
    if !verdict.rules.is_empty() || verdict.weight() > Weight::Free {
        let named: BTreeMap<&str, usize> = verdict
            .locks
            .iter()
            .filter(|(_, mode)| **mode >= STRONG)
            .map(|(name, mode)| (name.as_str(), *mode))
            .collect();
        let taken = truth.strong();
        for name in named.keys().chain(taken.keys()).collect::<std::collections::BTreeSet<_>>() {
            let word = |of: &BTreeMap<&str, usize>| of.get(name).map_or("none", |mode| mode_name(*mode));
            let excused = case.more.is_some() && !named.contains_key(name);
            if named.get(name) != taken.get(name) && !unseen(taken.get(name), named.get(name)) && !excused {
                wrong.push(format!("{name}: named {}, taken {}", word(&named), word(&taken)));
            }
        }
    }
    (!wrong.is_empty()).then(|| format!("LOCKS: {}", wrong.join("; ")))
}

fn judge(major: u32, cases: &[Case]) -> (String, Vec<String>) {
    let server = Server::start(major);
    server.sql("postgres", "create database template owner dba");
    let setup = std::fs::read_to_string(folder().join("setup.sql")).unwrap();
    server.connect("dba", "template").rows(&setup);
    let target = "[[targets]]\nname = \"default\"\ndatabases = [\"*\"]\npolicy = \"all\"\n";
    let policy = "[[policy.all.rules]]\nsmall_rows = 0\nsmall_bytes = 0\n";
    let options =
        GatewayOptions { mode: Some("observe"), config: format!("{target}{policy}"), ..GatewayOptions::default() };
    let gateway = Gateway::with(&server, &options);
    let mut left: Vec<Case> = cases.iter().filter(|case| case.is_for(major)).cloned().collect();
    left.reverse();
    let left = Mutex::new(left);
    let databases: Vec<String> = (0..WORKERS).map(|n| server.database(&format!("worker_{n}"), "template")).collect();
    let mut done: Vec<(Case, Truth)> = std::thread::scope(|scope| {
        let (server, gateway, left) = (&server, &gateway, &left);
        let threads: Vec<_> =
            databases.iter().map(|database| scope.spawn(move || work(server, gateway, database, left))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    done.sort_by(|a, b| a.0.place.cmp(&b.0.place));
    gateway.assert_healthy();
    gateway.stop();
    let verdicts = verdicts(&gateway);
    let mut counted = Counted::default();
    for (case, truth) in &done {
        match verdicts.get(&case.place) {
            Some(verdict) => counted.count(case, truth, verdict),
            None => counted.complaints.push(format!("{} {}: nothing on record", case.place, case.sql)),
        }
    }
    (counted.line(major), counted.complaints.iter().map(|text| format!("{major}: {text}")).collect())
}

#[test]
fn verdicts_are_what_the_servers_do() {
    if proto_tests::gateway::stand_in() {
        return;
    }
    let wanted = std::env::var("LOCKKEEPER_SCRIPT").unwrap_or_default();
    let mut cases = catalogue::cases(&folder());
    cases.retain(|case| case.place.contains(&wanted));
    assert!(!cases.is_empty(), "no case of that name");
    let threads: Vec<_> = majors()
        .into_iter()
        .map(|major| {
            let cases = cases.clone();
            std::thread::spawn(move || judge(major, &cases))
        })
        .collect();
    let mut table = String::from(" PG  cases  harmful  caught  missed  alarms  quiet  precision   recall\n");
    let mut complaints = Vec::new();
    for thread in threads {
        let (line, more) = thread.join().unwrap();
        let _ = writeln!(table, "{line}");
        complaints.extend(more);
    }
    println!("{table}");
    assert!(complaints.is_empty(), "{} complaints\n{}", complaints.len(), complaints.join("\n"));
}
