//! The tables of the embedded store, and how an older file becomes one of this version.
//! A migration, once released, is never edited: a new one follows it.

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// One entry per version, in order; `user_version` counts those that were applied.
pub(super) const MIGRATIONS: [&str; 15] = [
    "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- What the events of a ticket add up to, and the columns needed to find it.
CREATE TABLE tickets (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    version   INTEGER NOT NULL,
    state     TEXT NOT NULL,
    identity  TEXT NOT NULL,
    requester TEXT NOT NULL,
    expires   INTEGER,
    body      TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX tickets_live ON tickets (identity) WHERE state IN ('pending', 'approved');
CREATE INDEX tickets_by_state ON tickets (state, id);
CREATE INDEX tickets_due ON tickets (expires) WHERE expires IS NOT NULL;

CREATE TABLE ticket_events (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    ticket  INTEGER NOT NULL REFERENCES tickets (id),
    version INTEGER NOT NULL,
    body    TEXT NOT NULL,
    UNIQUE (ticket, version)
) STRICT;
CREATE TRIGGER ticket_events_stay BEFORE UPDATE ON ticket_events
    BEGIN SELECT RAISE(ABORT, 'ticket events are append-only'); END;
CREATE TRIGGER ticket_events_remain BEFORE DELETE ON ticket_events
    BEGIN SELECT RAISE(ABORT, 'ticket events are append-only'); END;

CREATE TABLE runs (
    run     TEXT PRIMARY KEY,
    ticket  INTEGER REFERENCES tickets (id),
    session TEXT NOT NULL,
    plan    TEXT NOT NULL,
    started INTEGER NOT NULL,
    ended   INTEGER,
    outcome TEXT
) STRICT;
CREATE INDEX runs_unfinished ON runs (started) WHERE ended IS NULL;
CREATE INDEX runs_by_ticket ON runs (ticket) WHERE ticket IS NOT NULL;

CREATE TABLE run_steps (
    run      TEXT NOT NULL REFERENCES runs (run),
    step     INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    started  INTEGER NOT NULL,
    finished INTEGER,
    outcome  TEXT,
    detail   TEXT,
    PRIMARY KEY (run, step, attempt)
) STRICT, WITHOUT ROWID;
",
    "
-- What the events of a job add up to; its progress is only shown, and written now and then.
CREATE TABLE jobs (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    version  INTEGER NOT NULL,
    state    TEXT NOT NULL,
    sameness TEXT,
    ticket   INTEGER REFERENCES tickets (id),
    body     TEXT NOT NULL,
    progress TEXT
) STRICT;
CREATE INDEX jobs_by_state ON jobs (state, id);
CREATE INDEX jobs_by_sameness ON jobs (sameness) WHERE sameness IS NOT NULL;
CREATE INDEX jobs_by_ticket ON jobs (ticket) WHERE ticket IS NOT NULL;

CREATE TABLE job_events (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    job     INTEGER NOT NULL REFERENCES jobs (id),
    version INTEGER NOT NULL,
    body    TEXT NOT NULL,
    UNIQUE (job, version)
) STRICT;
CREATE TRIGGER job_events_stay BEFORE UPDATE ON job_events
    BEGIN SELECT RAISE(ABORT, 'job events are append-only'); END;
CREATE TRIGGER job_events_remain BEFORE DELETE ON job_events
    BEGIN SELECT RAISE(ABORT, 'job events are append-only'); END;

-- Whose run it is, and the server process that runs it (its id and start).
ALTER TABLE runs ADD COLUMN job INTEGER REFERENCES jobs (id);
ALTER TABLE runs ADD COLUMN backend TEXT;
CREATE INDEX runs_by_job ON runs (job) WHERE job IS NOT NULL;
-- The transaction of a step: whether it was committed, the server can tell.
ALTER TABLE run_steps ADD COLUMN xid TEXT;
",
    "
-- What tickets are found by. Filled from their bodies, here for those of older versions.
ALTER TABLE tickets ADD COLUMN target TEXT NOT NULL DEFAULT '';
ALTER TABLE tickets ADD COLUMN text_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE tickets ADD COLUMN kin TEXT NOT NULL DEFAULT '';
ALTER TABLE tickets ADD COLUMN person TEXT;
-- Somebody has to look at it afterwards.
ALTER TABLE tickets ADD COLUMN owed INTEGER NOT NULL DEFAULT 0;
-- When it runs without its requester.
ALTER TABLE tickets ADD COLUMN starts INTEGER;
DROP INDEX tickets_live;
CREATE UNIQUE INDEX tickets_live ON tickets (identity) WHERE state IN ('pending', 'changes_requested', 'approved');
CREATE INDEX tickets_by_requester ON tickets (requester, id);
CREATE INDEX tickets_by_person ON tickets (person, id) WHERE person IS NOT NULL;
CREATE INDEX tickets_by_target ON tickets (target, id);
CREATE INDEX tickets_by_kin ON tickets (kin, id);
CREATE INDEX tickets_by_text ON tickets (text_hash, id);
CREATE INDEX tickets_owed ON tickets (id) WHERE owed = 1;
CREATE INDEX tickets_start ON tickets (starts) WHERE starts IS NOT NULL;

CREATE TABLE ticket_labels (
    label  TEXT NOT NULL,
    ticket INTEGER NOT NULL REFERENCES tickets (id),
    PRIMARY KEY (label, ticket)
) STRICT, WITHOUT ROWID;
CREATE INDEX ticket_labels_of ON ticket_labels (ticket);

CREATE VIRTUAL TABLE tickets_text USING fts5(statement, words, content='', contentless_delete=1);
",
    "
-- Keys of people to the admin door. The key itself is nowhere.
CREATE TABLE tokens (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    person  TEXT NOT NULL,
    label   TEXT NOT NULL,
    sha256  TEXT NOT NULL UNIQUE,
    scopes  TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    revoked INTEGER
) STRICT;
",
    "
-- Who is in the way of a run; absent when nobody is.
ALTER TABLE runs ADD COLUMN waiting TEXT;
",
    "
-- What an identity provider said of whom it let in.
ALTER TABLE tokens ADD COLUMN vouched TEXT;
CREATE INDEX tokens_by_end ON tokens (expires);
",
    "
-- What has to be told outside, to whom, and whether it was.
CREATE TABLE deliveries (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    route     TEXT NOT NULL,
    recipient TEXT NOT NULL,
    thread    TEXT NOT NULL,
    event     TEXT NOT NULL,
    state     TEXT NOT NULL,
    tries     INTEGER NOT NULL,
    created   INTEGER NOT NULL,
    due       INTEGER NOT NULL,
    ended     INTEGER,
    problem   TEXT,
    notice    TEXT NOT NULL,
    UNIQUE (event, route, recipient)
) STRICT;
CREATE INDEX deliveries_waiting ON deliveries (route, thread, recipient, id) WHERE state = 'waiting';
CREATE INDEX deliveries_ended ON deliveries (ended) WHERE ended IS NOT NULL;
CREATE INDEX deliveries_of_thread ON deliveries (thread);

-- By what a receiver knows a message that is changed as its thread goes on.
CREATE TABLE messages (
    route     TEXT NOT NULL,
    recipient TEXT NOT NULL,
    thread    TEXT NOT NULL,
    reference TEXT NOT NULL,
    PRIMARY KEY (route, recipient, thread)
) STRICT, WITHOUT ROWID;
",
    "
-- What was checked when all steps of a run were over.
ALTER TABLE runs ADD COLUMN checks TEXT;
",
    "
-- What was done to the databases: made from tickets, from jobs, and from the runs of sessions. Few bytes a row, so
-- that many of them are looked at quickly; the rest is in the bodies.
CREATE TABLE changes (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT NOT NULL,
    ref     TEXT NOT NULL,
    at      INTEGER NOT NULL,
    target  TEXT NOT NULL,
    outcome TEXT NOT NULL,
    UNIQUE (kind, ref)
) STRICT;
CREATE INDEX changes_by_time ON changes (at, id);
CREATE INDEX changes_by_target ON changes (target, id);
CREATE INDEX changes_by_outcome ON changes (outcome, id);
CREATE TABLE change_bodies (id INTEGER PRIMARY KEY REFERENCES changes (id), body TEXT NOT NULL) STRICT;
-- Objects, people, rules.
CREATE TABLE change_keys (
    key    TEXT NOT NULL,
    change INTEGER NOT NULL REFERENCES changes (id),
    PRIMARY KEY (key, change)
) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE changes_text USING fts5(words, content='', contentless_delete=1);
",
    "
-- Where the walk of a step had come to.
ALTER TABLE run_steps ADD COLUMN place TEXT;
",
    "
-- What lists are filtered by, in few bytes and in their order: a search that finds nothing has looked at all of it.
CREATE INDEX tickets_brief ON tickets (id, state, target, requester, person, owed);
DROP INDEX tickets_by_requester;
DROP INDEX tickets_by_person;
DROP INDEX tickets_by_target;
DROP INDEX tickets_owed;
",
    "
-- Changes of definitions. Those of what runs now, under a key for each transaction or job, until their end is known.
CREATE TABLE schema_runs (
    key  TEXT NOT NULL,
    n    INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (key, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE schema_events (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    target TEXT NOT NULL,
    -- With their schemas: the name it had and the name it has.
    was    TEXT,
    now_is TEXT NOT NULL,
    ticket INTEGER,
    job    INTEGER,
    body   TEXT NOT NULL
) STRICT;
CREATE INDEX schema_events_of_ticket ON schema_events (ticket, seq) WHERE ticket IS NOT NULL;
CREATE INDEX schema_events_of_job ON schema_events (job, seq) WHERE job IS NOT NULL;
CREATE TRIGGER schema_events_stay BEFORE UPDATE ON schema_events
    BEGIN SELECT RAISE(ABORT, 'changes of definitions are append-only'); END;
CREATE TRIGGER schema_events_remain BEFORE DELETE ON schema_events
    BEGIN SELECT RAISE(ABORT, 'changes of definitions are append-only'); END;
",
    "
-- What others felt of a change, over time; and microseconds that one of them had to wait at most.
CREATE TABLE change_charts (
    id   INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    ref  TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (kind, ref)
) STRICT;
ALTER TABLE changes ADD COLUMN waited INTEGER;
",
    "
-- They are forgotten at an age, if so configured. Nothing else deletes them.
DROP TRIGGER schema_events_remain;
CREATE INDEX schema_events_by_time ON schema_events (at);
",
    "
-- What stood under the names that a step's way back goes by, when it was done.
ALTER TABLE run_steps ADD COLUMN leaves TEXT;
",
];

/// The first version whose tickets have the columns they are found by.
const INDEXED: usize = 3;
/// The first version with a history.
const WITH_HISTORY: usize = 9;

/// Durable from the moment a commit returns; concurrent readers and one writer that waits for its turn.
const SETTINGS: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA trusted_schema = OFF;
";

/// Checks the file and brings it to this version.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), StoreError> {
    connection.busy_timeout(super::BUSY_TIMEOUT)?;
    connection.execute_batch(SETTINGS)?;
    let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if check != "ok" {
        return Err(StoreError::Damaged(check));
    }
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: usize = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = MIGRATIONS.len();
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for migration in MIGRATIONS.iter().skip(found) {
        tx.execute_batch(migration)?;
    }
    if (1..INDEXED).contains(&found) {
        super::search::index_all(&tx)?;
    }
    if (1..WITH_HISTORY).contains(&found) {
        super::history::write::index_all(&tx)?;
    }
    tx.pragma_update(None, "user_version", known)?;
    tx.commit()?;
    Ok(())
}
