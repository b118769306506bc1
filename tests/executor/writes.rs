//! Writes of all rows in batches: what is left is what the one statement would have left, also where it was
//! interrupted, and rows written meanwhile are treated as the plan says.

use lockkeeper::kernel::assess;
use lockkeeper::kernel::plan::Plan;
use lockkeeper::kernel::sql::read::read;
use lockkeeper::shell::catalog::look_up;
use lockkeeper::shell::executor::{Control, Outcome, Past, Report, run};

use crate::cluster::Cluster;
use crate::run::{go, limits};
use crate::wire::Wire;
use crate::{offered, session};

const TABLES: &[&str] = &[
    "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
    "CREATE TYPE mood AS ENUM ('sad', 'glad')",
    "CREATE TABLE plain (id int PRIMARY KEY, a int, b int, v varchar(5), c char(4), n numeric(8,2), w numeric, j json, \
     d date, m mood, p positive, x float8, l text[])",
    "INSERT INTO plain SELECT n, n % 7, nullif(n % 5, 0), 'v' || n % 10, 'c', n / 3.0, '1.0', '{}', '2020-01-01', \
     'sad', 1, '-0', '{a}' FROM generate_series(1, 20000) n",
    "CREATE TABLE part (id int, a int, t text) PARTITION BY LIST (a)",
    "CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1)",
    "CREATE TABLE part_2 (t text, gone int, a int, id int)",
    "ALTER TABLE part_2 DROP COLUMN gone",
    "ALTER TABLE part ATTACH PARTITION part_2 FOR VALUES IN (2)",
    "INSERT INTO part SELECT n, 1 + n % 2, 't' FROM generate_series(1, 10000) n",
    "CREATE TABLE above (id int, t text)",
    "CREATE TABLE heir (more int) INHERITS (above)",
    "INSERT INTO above SELECT n, 't' FROM generate_series(1, 3000) n",
    "INSERT INTO heir SELECT n, 't', n FROM generate_series(1, 3000) n",
    "CREATE TABLE \"Odd \"\"Name\" (\"A b\" int, id int)",
    "INSERT INTO \"Odd \"\"Name\" SELECT n, n FROM generate_series(1, 3000) n",
    "CREATE TABLE referring (id int REFERENCES plain ON DELETE CASCADE)",
    "CREATE INDEX ON referring (id)",
    "INSERT INTO referring SELECT n FROM generate_series(1, 20000, 7) n",
];

/// With the table to compare.
const SAME: &[(&str, &str)] = &[
    ("UPDATE plain SET a = 1", "plain"),
    ("UPDATE plain SET a = b * 2 + 1, v = 'x' || b WHERE true", "plain"),
    ("UPDATE plain SET v = 'abc', c = 'ab', n = 1.005, w = 1.00, j = '{ }', d = '2021-02-03'", "plain"),
    ("UPDATE plain SET m = 'glad', p = 5, x = 0, l = '{b,c}'", "plain"),
    ("UPDATE plain SET b = NULL, j = NULL", "plain"),
    ("UPDATE plain SET b = coalesce(a, 3) WHERE a = a OR a IS NULL", "plain"),
    ("UPDATE part SET t = 'u', id = a", "part"),
    ("UPDATE above SET t = 'u'", "above"),
    ("UPDATE heir SET t = 'u', more = NULL", "heir"),
    ("UPDATE \"Odd \"\"Name\" SET \"A b\" = id + 1", "\"Odd \"\"Name\""),
    ("DELETE FROM plain", "plain"),
    ("DELETE FROM plain", "referring"),
    ("DELETE FROM part WHERE 1 = 1", "part"),
    ("DELETE FROM above", "heir"),
];

/// What is not offered in batches, or the server's to refuse: then nothing is changed, or no plan made.
const NOT: &[&str] = &[
    "UPDATE plain SET a = a + 1",
    "UPDATE plain SET a = b, b = a",
    "UPDATE plain SET d = 'now'",
    "UPDATE plain SET x = random()",
    "UPDATE plain SET a = (SELECT max(b) FROM plain)",
    "UPDATE plain SET a = 1 RETURNING id",
    "UPDATE plain p SET a = p.b",
    "UPDATE plain SET (a, b) = (1, 2)",
    "UPDATE plain SET a = DEFAULT",
    "UPDATE plain SET l[1] = 'x'",
    "UPDATE part SET a = 1",
    "UPDATE ONLY above SET t = 'x'",
    "WITH w AS (SELECT 1) DELETE FROM plain",
    "WITH gone AS (DELETE FROM plain RETURNING id) SELECT count(*) FROM gone",
    "DELETE FROM plain USING referring",
];

pub(crate) async fn all(cluster: &Cluster) {
    let mut admin = Wire::connect(&cluster.socket(), "postgres").await;
    admin.run("CREATE DATABASE writes_shop").await;
    let mut shop = Wire::connect_to(&cluster.socket(), "postgres", "writes_shop").await;
    for sql in TABLES {
        shop.run(sql).await;
    }
    for sql in NOT {
        assert_eq!(planned(&mut shop, sql).await, None, "{sql}");
    }
    drop(shop);
    for (sql, table) in SAME {
        as_one_statement(cluster, &mut admin, sql, table).await;
    }
    interrupted_anywhere(cluster, &mut admin).await;
    too_long_is_the_servers_to_say(cluster).await;
    triggers(cluster).await;
    deletes_only_what_was_there(cluster).await;
    parts_of_others_are_left_alone(cluster).await;
}

/// The server asks for the rights on the table that is named; whoever names its parts needs rights on each.
async fn parts_of_others_are_left_alone(cluster: &Cluster) {
    let mut db = session(cluster, "writes_parts").await;
    for sql in [
        "CREATE ROLE parts_owner",
        "GRANT ALL ON SCHEMA writes_parts TO parts_owner",
        "CREATE TABLE t (a int, b int) PARTITION BY LIST (a)",
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1)",
        "CREATE TABLE t_2 PARTITION OF t DEFAULT",
        "INSERT INTO t SELECT n % 3, n FROM generate_series(1, 100) n",
        "CREATE INDEX i ON t (b)",
        "CREATE TABLE above (a int)",
        "CREATE TABLE below () INHERITS (above)",
        "INSERT INTO below VALUES (1)",
        "ALTER TABLE t OWNER TO parts_owner",
        "ALTER TABLE t_1 OWNER TO parts_owner",
        "ALTER TABLE above OWNER TO parts_owner",
        "SET ROLE parts_owner",
    ] {
        db.run(sql).await;
    }
    let indexes = ["CREATE INDEX ON t (b)", "ALTER TABLE t ADD UNIQUE (a)", "REINDEX INDEX i", "REINDEX TABLE t"];
    let writes = ["UPDATE t SET b = 1", "DELETE FROM t", "UPDATE above SET a = 1", "DELETE FROM above"];
    for sql in indexes.iter().chain(&writes) {
        let words = offered(&mut db, sql).await.expect_err(sql);
        assert!(
            words.contains("writes_parts.t_2 below it") || words.contains("writes_parts.below below it"),
            "{words}"
        );
    }
    db.run("RESET ROLE").await;
    for sql in ["GRANT SELECT, UPDATE ON t_2, below TO parts_owner", "SET ROLE parts_owner"] {
        db.run(sql).await;
    }
    for sql in writes {
        assert_eq!(planned(&mut db, sql).await.is_some(), sql.starts_with("UPDATE"), "{sql}");
    }
    db.run("RESET ROLE").await;
    for sql in ["GRANT parts_owner TO CURRENT_USER", "ALTER TABLE t_2 OWNER TO parts_owner", "SET ROLE parts_owner"] {
        db.run(sql).await;
    }
    for sql in indexes {
        assert_eq!(offered(&mut db, sql).await.err(), None, "{sql}");
    }
    db.run("RESET ROLE").await;
    db.run("DROP SCHEMA writes_parts CASCADE").await;
}

async fn planned(db: &mut Wire, sql: &str) -> Option<Plan> {
    let reading = read(sql).unwrap();
    let facts = look_up(db, &assess::wanted(&reading)).await.unwrap();
    let assessment = assess::assess(sql, &reading, facts);
    assessment.changes.into_iter().next().and_then(|change| change.safe)
}

async fn copy(cluster: &Cluster, admin: &mut Wire) -> Wire {
    admin.run("DROP DATABASE IF EXISTS writes_copy WITH (FORCE)").await;
    admin.run("CREATE DATABASE writes_copy TEMPLATE writes_shop").await;
    Wire::connect_to(&cluster.socket(), "postgres", "writes_copy").await
}

/// All rows, as they are stored.
async fn rows(db: &mut Wire, table: &str) -> Vec<Vec<Option<String>>> {
    let mut rows =
        db.run(&format!("SELECT whole::text, octet_length(record_send(whole)) FROM {table} whole ORDER BY 1")).await;
    rows.sort();
    rows
}

fn done(outcome: Outcome, sql: &str) -> Report {
    match outcome {
        Outcome::Done(report) => report,
        other => panic!("{sql}: {other:?}"),
    }
}

async fn as_one_statement(cluster: &Cluster, admin: &mut Wire, sql: &str, table: &str) {
    let mut db = copy(cluster, admin).await;
    let tag = db_tag(&mut db, sql).await;
    let naive = rows(&mut db, table).await;
    drop(db);
    let mut db = copy(cluster, admin).await;
    let plan = planned(&mut db, sql).await.unwrap_or_else(|| panic!("{sql}: no plan"));
    let report = done(go(&mut db, &plan).await, sql);
    assert!(rows(&mut db, table).await == naive, "PostgreSQL {}: {sql}: other rows", cluster.major);
    // Rows that have their values already are not written.
    let count = |tag: &str| tag.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok()).unwrap();
    let told = report.tag.unwrap();
    assert_eq!(told.split(' ').next(), tag.split(' ').next(), "{sql}");
    assert!(count(&told) <= count(&tag) && count(&told) > 0, "{sql}: {told} for {tag}");
    if sql.starts_with("DELETE") || sql.starts_with("UPDATE heir") {
        assert_eq!(told, tag, "{sql}");
    }
    let again = done(go(&mut db, &plan).await, sql);
    assert_eq!(again.rows, 0, "{sql} again");
}

async fn db_tag(db: &mut Wire, sql: &str) -> String {
    use lockkeeper::shell::database::Database;
    db.execute(sql).await.unwrap().tag
}

/// Cut off before any of its statements, and gone on with.
async fn interrupted_anywhere(cluster: &Cluster, admin: &mut Wire) {
    for sql in ["UPDATE part SET t = 'u', id = a", "DELETE FROM part"] {
        let mut db = copy(cluster, admin).await;
        db_tag(&mut db, sql).await;
        let naive = rows(&mut db, "part").await;
        drop(db);
        for cut in [1, 2, 5, 9, 14, 20, 33] {
            let mut db = copy(cluster, admin).await;
            let plan = planned(&mut db, sql).await.unwrap();
            db.statements_left = Some(cut);
            db.cut_after_effect = cut % 2 == 0;
            let first = go(&mut db, &plan).await;
            drop(db);
            let mut db = Wire::connect_to(&cluster.socket(), "postgres", "writes_copy").await;
            assert!(matches!(first, Outcome::Unknown(..) | Outcome::Done(_)), "{sql} cut at {cut}: {first:?}");
            done(go(&mut db, &plan).await, sql);
            assert!(rows(&mut db, "part").await == naive, "PostgreSQL {}: {sql} cut at {cut}", cluster.major);
        }
    }
}

async fn too_long_is_the_servers_to_say(cluster: &Cluster) {
    let mut db = session(cluster, "too_long").await;
    db.run("CREATE TABLE t AS SELECT n, 'abc'::varchar(3) AS v FROM generate_series(1, 5000) n").await;
    let plan = planned(&mut db, "UPDATE t SET v = 'abcd'").await.unwrap();
    let Outcome::Failed(_, stopped) = go(&mut db, &plan).await else { panic!("it is too long") };
    assert_eq!(stopped.error.code(), Some("22001"));
    assert_eq!(stopped.state, "Nothing was changed.");
    // Half way.
    db.run("CREATE TABLE half AS SELECT n, 0 AS v FROM generate_series(1, 50000) n").await;
    let plan = planned(&mut db, "UPDATE half SET v = 1000000 / (50000 - n)").await.unwrap();
    let Outcome::Failed(report, stopped) = go(&mut db, &plan).await else { panic!("it divides by zero") };
    assert_eq!(stopped.error.code(), Some("22012"));
    assert!(
        report.rows > 0 && stopped.state.contains(&format!("{} rows are done and stay so", report.rows)),
        "{stopped:?}"
    );
    assert_eq!(db.one("SELECT count(*) FROM half WHERE v > 0").await, report.rows.to_string());
}

async fn triggers(cluster: &Cluster) {
    let mut db = session(cluster, "writes_triggers").await;
    for sql in [
        "CREATE TABLE t AS SELECT n, 0 AS v FROM generate_series(1, 5000) n",
        "CREATE TABLE seen (n int)",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN INSERT INTO writes_triggers.seen VALUES (OLD.n); RETURN NEW; END'",
        "CREATE TRIGGER each AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION note()",
    ] {
        db.run(sql).await;
    }
    let plan = planned(&mut db, "UPDATE t SET v = 1").await.unwrap();
    assert!(plan.summary.contains("each"), "{}", plan.summary);
    done(go(&mut db, &plan).await, "triggers");
    assert_eq!(db.one("SELECT count(*) || ' ' || count(DISTINCT n) FROM seen").await, "5000 5000");
    db.run("CREATE TRIGGER once AFTER DELETE ON t EXECUTE FUNCTION note()").await;
    assert!(planned(&mut db, "UPDATE t SET v = 2").await.is_some());
    assert_eq!(planned(&mut db, "DELETE FROM t").await, None);
    db.run("CREATE RULE none AS ON DELETE TO seen DO INSTEAD NOTHING").await;
    assert_eq!(planned(&mut db, "DELETE FROM seen").await, None);
}

/// What is inserted or updated after it began stays, also where it goes on after an interruption.
async fn deletes_only_what_was_there(cluster: &Cluster) {
    let mut db = session(cluster, "writes_deletes").await;
    let mut other = session(cluster, "writes_deletes").await;
    db.run("CREATE TABLE t AS SELECT n, repeat('x', 500) AS v FROM generate_series(1, 20000) n").await;
    let plan = planned(&mut db, "DELETE FROM t").await.unwrap();
    // The application inserts whenever the run tells something, a row for each statement of it.
    db.run("CREATE TABLE later (n int)").await;
    let since = db.one("SELECT pg_snapshot_xmax(pg_current_snapshot())::text").await;
    other.run("INSERT INTO t SELECT -n, 'new' FROM generate_series(1, 100) n").await;
    other.run("UPDATE t SET v = 'kept' WHERE n = 77").await;
    let past = Past { since: [(0, since)].into(), ..Past::default() };
    let (limits, control) = (limits(), Control::default());
    let mut ledger = Kept::default();
    let outcome = lockkeeper::shell::executor::go_on(
        (&mut db, None),
        (&plan, &limits),
        &control,
        &mut |_| {},
        (&past, &mut ledger),
    )
    .await;
    assert_eq!(done(outcome, "delete").tag.as_deref(), Some("DELETE 19999"));
    assert_eq!(db.one("SELECT count(*) || ' ' || count(*) FILTER (WHERE n = 77) FROM t").await, "101 1");
    assert!(ledger.0.iter().any(|entry| entry.contains("Transaction")), "{:?}", ledger.0);
    done(run(&mut db, (&plan, &Past::default()), &limits, &control, &mut |_| {}).await, "delete again");
    assert_eq!(db.one("SELECT count(*) FROM t").await, "0");
}

#[derive(Default)]
struct Kept(Vec<String>);

impl lockkeeper::shell::executor::Ledger for Kept {
    fn write<'a>(
        &'a mut self,
        step: usize,
        entry: lockkeeper::shell::executor::Entry<'a>,
    ) -> lockkeeper::shell::executor::Written<'a> {
        self.0.push(format!("{step} {entry:?}"));
        Box::pin(async { Ok(()) })
    }
}
