//! A copy that is given the statement's own subcommands: it ends as the statement would have left it, columns in its order
//! and constraints by its names; or with its error, and nothing has changed.

use lockkeeper::shell::database::Database;
use lockkeeper::shell::executor::Outcome;

use crate::cluster::Cluster;
use crate::compact::done;
use crate::copy::{CATALOG, copy_of_shop, planned};
use crate::run::go;
use crate::wire::Wire;
use crate::{offered, session};

const TYPES: &[&str] = &[
    "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
    "CREATE DOMAIN fresh AS positive DEFAULT 7",
    "CREATE DOMAIN present AS text NOT NULL",
    "CREATE DOMAIN short AS varchar(10) CHECK (length(VALUE) < 9)",
    "CREATE TABLE other (a int, CONSTRAINT t_x_check CHECK (a > 0))",
    "CREATE TABLE line (id int PRIMARY KEY, customer_id int CONSTRAINT of_customer REFERENCES customer)",
    "INSERT INTO line VALUES (1, 1)",
    "CREATE TABLE word (id int PRIMARY KEY, line_id int REFERENCES line)",
    "INSERT INTO word VALUES (1, 1)",
    "CREATE TABLE span (id int PRIMARY KEY, r int4range, b int, c int, CONSTRAINT apart EXCLUDE USING gist (r WITH &&) WHERE (b > 0), \
     CONSTRAINT apart_by_one EXCLUDE USING gist (int4range(c, c + 1) WITH &&))",
    "REVOKE ALL ON span FROM PUBLIC, copy_reader",
    "INSERT INTO span VALUES (1, '[1,2)', 1, 1), (2, '[1,2)', 0, 2)",
    "CREATE TABLE carried (id int PRIMARY KEY, a int, b int, CONSTRAINT with_b UNIQUE (a) INCLUDE (b))",
    "INSERT INTO carried VALUES (1, 1, 1)",
];

/// Statements, and the first major that knows them.
const ALIKE: &[(u32, &str)] = &[
    (14, "ALTER TABLE t ADD COLUMN x int GENERATED ALWAYS AS (place + 1) STORED"),
    (14, "ALTER TABLE t ADD x positive"),
    (14, "ALTER TABLE t ADD x fresh NOT NULL, ADD COLUMN y present DEFAULT 'y' || 1"),
    (
        14,
        "ALTER TABLE public.t ADD x int GENERATED ALWAYS AS (place + 1) STORED NOT NULL CHECK (x > 0) CHECK (x < place + 2), \
         ADD y positive CONSTRAINT given CHECK (y < 9) DEFAULT 3, ADD \"Z z\" text COLLATE \"C\" DEFAULT 'z', ADD w uuid",
    ),
    (14, "ALTER TABLE t ALTER code TYPE short"),
    (14, "ALTER TABLE t ALTER code TYPE short USING 'k' || id, ADD x positive DEFAULT 2"),
    (14, "ALTER TABLE t ALTER twice TYPE numeric"),
    // What hangs on the column only by an index.
    (14, "ALTER TABLE span ALTER b TYPE bigint"),
    (14, "ALTER TABLE span ALTER c TYPE smallint"),
    (14, "ALTER TABLE carried ALTER b TYPE bigint"),
    (17, "ALTER TABLE t ALTER twice SET EXPRESSION AS (place * 3::bigint)"),
    (17, "ALTER TABLE t ALTER COLUMN twice SET EXPRESSION AS (0), ADD x int GENERATED ALWAYS AS (place) STORED"),
    (18, "ALTER TABLE t ADD x int GENERATED ALWAYS AS (place + 1) VIRTUAL NOT NULL"),
    (18, "ALTER TABLE t ADD x int GENERATED ALWAYS AS (place + 1) CONSTRAINT there NOT NULL CHECK (x > 0)"),
    (18, "ALTER TABLE t ADD x int GENERATED ALWAYS AS (place + 1) STORED NOT NULL NO INHERIT"),
];

/// What some row stands in the way of.
const REFUSED: &[(u32, &str)] = &[
    (14, "ALTER TABLE t ADD x int GENERATED ALWAYS AS (1 / (place - 5)) STORED"),
    (14, "ALTER TABLE t ADD x int GENERATED ALWAYS AS (nullif(place, 5)) STORED NOT NULL"),
    (14, "ALTER TABLE t ADD x int GENERATED ALWAYS AS (place) STORED CHECK (x > 5)"),
    (14, "ALTER TABLE t ADD x positive DEFAULT -1"),
    (14, "ALTER TABLE t ADD x present"),
    (14, "ALTER TABLE t ALTER code TYPE short USING repeat(code, 3)"),
    (14, "ALTER TABLE t ALTER code TYPE short USING left(code, 1)"),
    (17, "ALTER TABLE t ALTER twice SET EXPRESSION AS (nullif(place, 5))"),
    (18, "ALTER TABLE t ADD x int GENERATED ALWAYS AS (nullif(place, 5)) VIRTUAL NOT NULL"),
];

/// What the copy is not given, and a word of why.
const NOT: &[(&str, &str)] = &[
    ("ALTER TABLE t ADD x int GENERATED ALWAYS AS (t.place + 1) STORED", "names the table itself"),
    ("ALTER TABLE t ADD x positive, ADD y serial", "is numbered"),
    ("ALTER TABLE t ADD x positive UNIQUE", "UNIQUE of the new column x"),
    ("ALTER TABLE t ADD x positive DEFAULT 1 REFERENCES customer", "REFERENCES of the new column x"),
    ("ALTER TABLE t ADD x positive, DROP note", "does more than"),
    ("ALTER TABLE t ADD x positive, SET UNLOGGED", "does more than"),
    ("ALTER TABLE word ALTER id TYPE positive", "told apart"),
    (
        "ALTER TABLE line ALTER id TYPE positive",
        "foreign key word_line_id_fkey of public.word refers to it by column id",
    ),
    ("ALTER TABLE line ALTER customer_id TYPE positive", "foreign key of_customer"),
    ("ALTER TABLE t ALTER number TYPE positive", "identity"),
];

pub(crate) async fn all(cluster: &Cluster, admin: &mut Wire) {
    for (_, sql) in ALIKE.iter().filter(|(from, _)| cluster.major >= *from) {
        ends_alike(cluster, admin, sql).await;
    }
    let mut db = with_types(cluster, admin).await;
    let before = db.run(CATALOG).await;
    for (_, sql) in REFUSED.iter().filter(|(from, _)| cluster.major >= *from) {
        let naive = db.execute(sql).await.unwrap_err();
        let plan = planned(&mut db, sql).await;
        let Outcome::Failed(_, stopped) = go(&mut db, &plan).await else { panic!("{sql}: it ran") };
        assert_eq!(stopped.error.code(), naive.code(), "{sql}: {stopped:?}");
        assert_eq!(stopped.error.to_string(), naive.to_string(), "PostgreSQL {}: {sql}", cluster.major);
        assert_eq!(db.run(CATALOG).await, before, "PostgreSQL {}: {sql}: all is taken back", cluster.major);
    }
    for (sql, why) in NOT {
        let words = offered(&mut db, sql).await.expect_err(sql);
        assert!(words.contains("a copy cannot take its place") && words.contains(why), "{sql}: {words}");
    }
    a_row_that_comes_later(cluster).await;
    is_computed_otherwise(cluster).await;
    another_statements_copy(cluster).await;
}

async fn with_types(cluster: &Cluster, admin: &mut Wire) -> Wire {
    let mut db = copy_of_shop(cluster, admin).await;
    for sql in TYPES {
        db.run(sql).await;
    }
    db
}

async fn ends_alike(cluster: &Cluster, admin: &mut Wire, sql: &str) {
    let mut left = Vec::new();
    for naive in [true, false] {
        let mut db = with_types(cluster, admin).await;
        if naive {
            db.run(sql).await;
        } else {
            let plan = offered(&mut db, sql).await.unwrap_or_else(|why| panic!("{sql}: {why}"));
            done(go(&mut db, &plan).await);
        }
        left.push(db.run(CATALOG).await);
    }
    let [naive, safe] = left.try_into().unwrap_or_else(|_| unreachable!());
    let gone: Vec<_> = naive.iter().filter(|line| !safe.contains(line)).collect();
    let more: Vec<_> = safe.iter().filter(|line| !naive.contains(line)).collect();
    assert!(gone.is_empty() && more.is_empty(), "PostgreSQL {}: {sql}: gone {gone:#?}, more {more:#?}", cluster.major);
}

fn beginning(plan: &lockkeeper::kernel::plan::Plan, length: usize) -> lockkeeper::kernel::plan::Plan {
    lockkeeper::kernel::plan::Plan { steps: plan.steps[..length].to_vec(), verify: Vec::new(), ..plan.clone() }
}

/// Written while the table is copied, and not allowed afterwards: the application's row stays, the statement fails.
async fn a_row_that_comes_later(cluster: &Cluster) {
    let mut db = session(cluster, "copy_later").await;
    for sql in
        ["CREATE TABLE t (id int PRIMARY KEY, a int)", "INSERT INTO t SELECT n, n FROM generate_series(1, 100) n"]
    {
        db.run(sql).await;
    }
    let plan = planned(&mut db, "ALTER TABLE t ADD x int GENERATED ALWAYS AS (100 / a) STORED").await;
    let cut_over = plan.steps.iter().position(|step| step.name == "cut over").unwrap();
    done(go(&mut db, &beginning(&plan, cut_over)).await);
    db.run("UPDATE t SET a = 0 WHERE id = 7").await;
    let Outcome::Failed(_, stopped) = go(&mut db, &plan).await else { panic!("it ran") };
    assert_eq!(stopped.error.code(), Some("22012"), "{stopped:?}");
    assert_eq!(db.one("SELECT a FROM t WHERE id = 7").await, "0");
    assert_eq!(db.one("SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0").await, "2");
}

/// A function that was immutable only by its word.
async fn is_computed_otherwise(cluster: &Cluster) {
    let mut db = session(cluster, "copy_otherwise").await;
    for sql in [
        "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1'",
        "CREATE TABLE t (id int PRIMARY KEY, x int GENERATED ALWAYS AS (f(id)) STORED)",
        "INSERT INTO t SELECT n FROM generate_series(1, 100) n",
        "CREATE OR REPLACE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 2'",
    ] {
        db.run(sql).await;
    }
    let plan = planned(&mut db, "ALTER TABLE t SET UNLOGGED").await;
    let Outcome::Failed(_, stopped) = go(&mut db, &plan).await else { panic!("it ran") };
    assert!(stopped.error.to_string().contains("other values when it is computed anew"), "{stopped:?}");
    assert_eq!(db.one("SELECT count(*) FROM pg_class WHERE relnamespace = 'copy_otherwise'::regnamespace AND relname LIKE 'lockkeeper%'").await, "0");
    assert_eq!(db.one("SELECT sum(x - id) FROM t").await, "100");
    if cluster.major >= 18 {
        // Nobody has to be able to read it.
        db.run("CREATE TABLE v (id int PRIMARY KEY, x int GENERATED ALWAYS AS (1 / (id - 5)) VIRTUAL)").await;
        db.run("INSERT INTO v SELECT n FROM generate_series(1, 100) n").await;
        let plan = planned(&mut db, "ALTER TABLE v SET UNLOGGED").await;
        done(go(&mut db, &plan).await);
    }
}

/// What is there already was made for something else.
async fn another_statements_copy(cluster: &Cluster) {
    let mut db = session(cluster, "copy_left").await;
    for sql in ["CREATE TABLE t (id int PRIMARY KEY, a int)", "INSERT INTO t VALUES (1, 1)"] {
        db.run(sql).await;
    }
    let first = planned(&mut db, "ALTER TABLE t SET UNLOGGED").await;
    done(go(&mut db, &beginning(&first, 1)).await);
    let plan = planned(&mut db, "ALTER TABLE t ADD x int GENERATED ALWAYS AS (a) STORED").await;
    let Outcome::Failed(_, stopped) = go(&mut db, &plan).await else { panic!("it took the other's") };
    assert_eq!(stopped.error.code(), Some("42P07"), "{stopped:?}");
    done(go(&mut db, &first).await);
    let plan = planned(&mut db, "ALTER TABLE t ADD x int GENERATED ALWAYS AS (a) STORED").await;
    done(go(&mut db, &plan).await);
    assert_eq!(db.one("SELECT x FROM t").await, "1");
}
