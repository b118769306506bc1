//! The measured catalogue: cases as text, and what a real server does with each of them.
//!
//! A file of `catalogue/` holds blocks of lines with an empty line between them. Lines that begin with `-- word:`
//! say something about the case, all others are its statement:
//!
//! ```text
//! -- from: 15, -- until: 17      the majors that know the statement
//! -- setup: SQL                  committed before it, in a schema `own` of the case, first in the search path
//! -- session: SQL                in the statement's session before it; `-- inside: SQL` also in its transaction
//! -- cleanup: SQL                after it
//! -- outside                     refuses a transaction block: runs by itself while another session holds a snapshot
//! -- fails: 23502                the server answers this, or `any` error, at once; only its harm is compared then
//! -- harm: loss                  what no lock shows: loss, breaks, rights, code, guards, mass, locks
//! -- fine: why                   it does long work under a strong lock, and nobody waits for that
//! -- more: why                   it locks relations that the product does not name
//! -- alarm: why                  the product is stricter than what was measured, and why that stays so
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::client::{Client, error_of};
use crate::process::wait_until;
use crate::server::Server;

/// Lock modes as `pg_locks` writes them, weakest first.
const MODES: [&str; 8] = [
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
];

/// The weakest mode that keeps writers out.
pub const STRONG: usize = 4;

/// One case.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// File and number of the line it begins at.
    pub place: String,
    /// The statement.
    pub sql: String,
    /// The majors it is for.
    pub majors: (u32, u32),
    /// What it harms beyond what locks show.
    pub harm: Option<String>,
    /// Why a verdict that is too strict is accepted.
    pub alarm: Option<String>,
    /// Why long work under its locks keeps nobody waiting.
    pub fine: Option<String>,
    /// Why locks are taken that nobody names.
    pub more: Option<String>,
    /// SQLSTATE it fails with.
    pub fails: Option<String>,
    /// It refuses a transaction block.
    pub outside: bool,
    setup: Vec<String>,
    /// SQL for its session.
    pub session: Vec<String>,
    /// SQL for its transaction.
    pub inside: Vec<String>,
    cleanup: Vec<String>,
}

/// All cases of a folder, in the order of file names and lines.
#[must_use]
pub fn cases(folder: &Path) -> Vec<Case> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "sql") && path.file_stem().unwrap() != "setup");
    files.sort();
    files.iter().flat_map(|path| parse(path)).collect()
}

fn parse(path: &Path) -> Vec<Case> {
    let text = fs::read_to_string(path).unwrap();
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut all = Vec::new();
    let mut case = Case { majors: (0, 99), ..Case::default() };
    let numbered = text.lines().enumerate().chain([(0, "")]);
    for (number, line) in numbered {
        if line.is_empty() {
            if !case.sql.is_empty() {
                all.push(case);
            }
            case = Case { majors: (0, 99), ..Case::default() };
            continue;
        }
        if case.place.is_empty() {
            case.place = format!("{name}:{}", number + 1);
        }
        match line.strip_prefix("-- ") {
            Some(header) => case.say(header),
            None if case.sql.is_empty() => case.sql = line.to_owned(),
            None => case.sql = format!("{}\n{line}", case.sql),
        }
    }
    all
}

impl Case {
    fn say(&mut self, header: &str) {
        let (word, value) = header.split_once(": ").unwrap_or((header, ""));
        let value = value.to_owned();
        match word {
            "from" => self.majors.0 = value.parse().unwrap(),
            "until" => self.majors.1 = value.parse().unwrap(),
            "setup" => self.setup.push(value),
            "session" => self.session.push(value),
            "inside" => self.inside.push(value),
            "cleanup" => self.cleanup.push(value),
            "outside" => self.outside = true,
            "fails" => self.fails = Some(value),
            "harm" => self.harm = Some(value),
            "alarm" => self.alarm = Some(value),
            "fine" => self.fine = Some(value),
            "more" => self.more = Some(value),
            // A remark about the file.
            _ => {}
        }
    }

    /// Whether this major knows the statement.
    #[must_use]
    pub fn is_for(&self, major: u32) -> bool {
        (self.majors.0..=self.majors.1).contains(&major)
    }

    /// Makes what the case needs.
    pub fn prepare(&self, admin: &mut Client) {
        admin.rows("create schema if not exists own; set search_path = own, public");
        self.setup.iter().for_each(|sql| drop(admin.rows(sql)));
    }

    /// Removes what it made, as far as it is there.
    pub fn clean(&self, admin: &mut Client) {
        self.cleanup.iter().for_each(|sql| drop(admin.query(sql)));
        admin.query("drop schema if exists own cascade");
    }
}

/// What the server did with a statement.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// SQLSTATE, when it failed.
    pub error: Option<String>,
    /// The strongest lock on each relation that was there before, by `schema.name`: an index into the modes. A lock
    /// on an index is one on its table, whose readers and writers open all its indexes.
    pub locks: BTreeMap<String, usize>,
    /// What was read, written anew or built: `scans public.orders`.
    pub work: Vec<String>,
}

impl Truth {
    /// Locks that keep writers out.
    #[must_use]
    pub fn strong(&self) -> BTreeMap<&str, usize> {
        self.locks.iter().filter(|(_, mode)| **mode >= STRONG).map(|(name, mode)| (name.as_str(), *mode)).collect()
    }

    /// Long work while writers are kept out of something.
    #[must_use]
    pub fn heavy(&self) -> bool {
        !self.work.is_empty() && !self.strong().is_empty()
    }
}

/// A mode in the words of PostgreSQL's documents, upper case with underscores.
#[must_use]
pub fn mode_of(word: &str) -> usize {
    let camel = |mode: &str| mode.trim_end_matches("Lock").to_uppercase();
    MODES.iter().position(|mode| camel(mode) == word.replace('_', "")).unwrap_or_else(|| panic!("lock mode {word}"))
}

/// A mode for people.
#[must_use]
pub fn mode_name(mode: usize) -> &'static str {
    MODES[mode].trim_end_matches("Lock")
}

/// A relation before or after the statement.
#[derive(Clone, Debug)]
struct Relation {
    name: String,
    kind: char,
    /// Of an index.
    table: String,
    file: String,
    read: u64,
    filled: bool,
}

const RELATIONS: &str = "select c.oid, n.nspname || '.' || c.relname, c.relkind, coalesce(i.indrelid, 0),
    coalesce(pg_relation_filenode(c.oid), 0), pg_stat_get_xact_tuples_returned(c.oid),
    case when c.relkind in ('r', 'm', 'i') then pg_relation_size(coalesce(i.indrelid, c.oid)) > 0 else false end
  from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_index i on i.indexrelid = c.oid
  where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relpersistence <> 't'
    and (c.relkind not in ('c', 'S') or c.relname = 'counter')";

type Relations = BTreeMap<String, Relation>;

fn relations(client: &mut Client) -> Relations {
    let read = |row: String| {
        let fields: Vec<&str> = row.split('|').collect();
        let [oid, name, kind, table, file, read, filled] = fields.as_slice() else { panic!("{row}") };
        let relation = Relation {
            name: (*name).to_owned(),
            kind: kind.chars().next().unwrap(),
            table: (*table).to_owned(),
            file: (*file).to_owned(),
            read: read.parse().unwrap(),
            filled: *filled == "t",
        };
        ((*oid).to_owned(), relation)
    };
    client.rows(RELATIONS).into_iter().map(read).collect()
}

/// A scan of fewer rows is a look-up.
const SCANNED: u64 = 100;

fn work(before: &Relations, after: &Relations) -> Vec<String> {
    let mut work = Vec::new();
    for (oid, old) in before {
        let Some(new) = after.get(oid) else { continue };
        if matches!(old.kind, 'r' | 'm' | 'i') && new.read >= old.read + SCANNED {
            work.push(format!("reads {}", old.name));
        }
        if matches!(old.kind, 'r' | 'm') && old.file != new.file && old.filled {
            work.push(format!("rewrites {}", old.name));
        }
    }
    // Also of an index that has another name now.
    let files: BTreeSet<&str> = before.values().map(|old| old.file.as_str()).collect();
    for new in after.values().filter(|new| new.kind == 'i' && new.filled && before.contains_key(&new.table)) {
        if !files.contains(new.file.as_str()) {
            work.push(format!("builds {}", new.name));
        }
    }
    work
}

fn note(locks: &mut BTreeMap<String, usize>, before: &Relations, rows: &[String]) {
    for row in rows {
        let (oid, mode) = row.split_once('|').unwrap();
        let Some(relation) = before.get(oid) else { continue };
        let relation = before.get(&relation.table).unwrap_or(relation);
        let mode = MODES.iter().position(|name| *name == mode).unwrap();
        let strongest = locks.entry(relation.name.clone()).or_default();
        *strongest = mode.max(*strongest);
    }
}

fn state_of(replies: &[crate::Message]) -> Option<String> {
    error_of(replies).and_then(|error| error.field('C'))
}

/// Runs the statement in a transaction that is rolled back.
pub fn within(case: &Case, client: &mut Client) -> Truth {
    client.rows(BEFORE);
    case.session.iter().for_each(|sql| drop(client.rows(sql)));
    let existing = relations(client);
    client.rows("begin");
    case.inside.iter().for_each(|sql| drop(client.rows(sql)));
    let mut before = relations(client);
    before.retain(|oid, _| existing.contains_key(oid));
    let mut truth = Truth { error: state_of(&client.query(&case.sql)), ..Truth::default() };
    if truth.error.is_none() {
        let held =
            client.rows("select relation, mode from pg_locks where pid = pg_backend_pid() and locktype = 'relation'");
        note(&mut truth.locks, &before, &held);
        truth.work = work(&before, &relations(client));
    }
    client.query("rollback");
    client.rows("discard all");
    truth
}

const BEFORE: &str = "set search_path = own, public";

/// Runs the statement by itself while another session holds a snapshot and reads everything; what it holds or
/// waits for is seen from a third.
pub fn outside(case: &Case, server: &Server, database: &str, client: &mut Client) -> Truth {
    let mut observer = server.connect("dba", database);
    let before = relations(&mut observer);
    let mut reader = server.connect("dba", database);
    reader.rows("begin isolation level repeatable read");
    for relation in before.values().filter(|relation| matches!(relation.kind, 'r' | 'm')) {
        let (schema, name) = relation.name.split_once('.').unwrap();
        reader.rows(&format!("select count(*) from \"{schema}\".\"{name}\" where false"));
    }
    client.rows(BEFORE);
    client.send(&crate::wire::query(case.sql.as_bytes())).unwrap();
    let pid = client.pid;
    let mut truth = Truth::default();
    wait_until("the statement ends or waits", std::time::Duration::from_secs(20), || {
        // Idle after the statement, not still before it.
        let sql = format!(
            "select wait_event_type = 'Lock' or (state <> 'active' and query <> '{BEFORE}') from pg_stat_activity
             where pid = {pid}"
        );
        let stands = observer.rows(&sql).contains(&"t".to_owned());
        let sql = format!("select relation, mode from pg_locks where pid = {pid} and locktype = 'relation'");
        note(&mut truth.locks, &before, &observer.rows(&sql));
        stands.then_some(())
    });
    reader.rows("commit");
    truth.error = state_of(&client.until_ready());
    truth.work = work(&before, &relations(&mut observer));
    truth
}
