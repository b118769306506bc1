//! A table copied beside itself: it ends as the statement would have left it; wherever it stops, it goes on or is taken back.

use lockkeeper::kernel::plan::{Plan, undo};
use lockkeeper::shell::database::Database;
use lockkeeper::shell::executor::Outcome;

use crate::busy::while_others_write;
use crate::cluster::Cluster;
use crate::compact::done;
use crate::incoming;
use crate::run::go;
use crate::wire::Wire;
use crate::{offered, session};

/// A table with one of everything.
const SHOP: &[&str] = &[
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC, copy_reader",
    "CREATE TABLE customer (id int PRIMARY KEY, name text)",
    "INSERT INTO customer SELECT n, 'customer ' || n FROM generate_series(1, 200) n",
    "CREATE TABLE area (id int PRIMARY KEY) PARTITION BY LIST (id)",
    "CREATE TABLE area_1 PARTITION OF area FOR VALUES IN (1)",
    "CREATE TABLE area_rest PARTITION OF area DEFAULT",
    "CREATE TABLE t (id serial PRIMARY KEY, gone int, place int NOT NULL, \"Odd \"\"name\" text COLLATE \"C\", \
     number bigint GENERATED ALWAYS AS IDENTITY (START 7 INCREMENT 3), \
     customer_id int CONSTRAINT of_customer REFERENCES customer ON DELETE CASCADE, area_id int REFERENCES area, \
     note text DEFAULT 'none', code varchar(10), \
     CONSTRAINT sane CHECK (place >= 0)) WITH (fillfactor = 90, autovacuum_enabled = false, toast.autovacuum_enabled = false)",
    "ALTER TABLE t DROP gone, ADD twice bigint GENERATED ALWAYS AS (place * 2::bigint) STORED NOT NULL",
    "COMMENT ON COLUMN t.twice IS 'computed'",
    "INSERT INTO t (place, \"Odd \"\"name\", customer_id, note, code) SELECT hashint4(n) & 1023, 'o' || n, 1 + n % 200, \
     repeat('n', n % 50), 'c' || n FROM generate_series(1, 5000) n",
    "CREATE INDEX t_place ON t (place)",
    "CREATE INDEX t_twice ON t (twice)",
    "CREATE INDEX t_down ON t (place DESC, code DESC NULLS LAST)",
    "CREATE UNIQUE INDEX t_code ON t (code) INCLUDE (place) WITH (fillfactor = 70) WHERE place > 3",
    "ALTER TABLE t ADD CONSTRAINT t_both UNIQUE (number, id) DEFERRABLE INITIALLY DEFERRED",
    "CREATE INDEX t_expr ON t (lower(note), (place + 1))",
    "ALTER INDEX t_expr ALTER COLUMN 2 SET STATISTICS 77",
    "CREATE STATISTICS t_stat (dependencies) ON place, customer_id FROM t",
    "ALTER STATISTICS t_stat SET STATISTICS 66",
    "ALTER TABLE t ALTER place SET STATISTICS 55, ALTER note SET (n_distinct = 5), ALTER note SET STORAGE EXTERNAL",
    "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TRIGGER stamp BEFORE UPDATE OF note ON t FOR EACH ROW WHEN (OLD.note IS DISTINCT FROM NEW.note) \
     EXECUTE FUNCTION stamp('x')",
    "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stamp()",
    "CREATE TRIGGER off AFTER DELETE ON t FOR EACH STATEMENT EXECUTE FUNCTION stamp()",
    "ALTER TABLE t DISABLE TRIGGER off, ENABLE ALWAYS TRIGGER stamp",
    "CREATE POLICY mine ON t AS RESTRICTIVE FOR SELECT TO copy_reader \
     USING (EXISTS (SELECT FROM customer c WHERE c.id = t.customer_id))",
    "CREATE POLICY anyones ON t USING (place > 0) WITH CHECK (place > 1)",
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    "REVOKE SELECT ON t FROM PUBLIC",
    "GRANT SELECT, INSERT ON t TO copy_reader WITH GRANT OPTION",
    "GRANT UPDATE (note) ON t TO copy_reader",
    "GRANT USAGE ON SEQUENCE t_number_seq TO copy_reader",
    "ALTER TABLE t OWNER TO copy_owner",
    "ALTER TABLE t REPLICA IDENTITY USING INDEX t_pkey",
    "COMMENT ON TABLE t IS 'table'",
    "COMMENT ON COLUMN t.place IS 'column'",
    "COMMENT ON CONSTRAINT sane ON t IS 'check'",
    "COMMENT ON CONSTRAINT of_customer ON t IS 'foreign key'",
    "COMMENT ON CONSTRAINT t_both ON t IS 'unique'",
    "COMMENT ON INDEX t_place IS 'index'",
    "COMMENT ON TRIGGER stamp ON t IS 'trigger'",
    "COMMENT ON POLICY mine ON t IS 'policy'",
    "COMMENT ON STATISTICS t_stat IS 'statistics'",
    "COMMENT ON SEQUENCE t_number_seq IS 'sequence'",
    "CREATE VIEW plain AS SELECT id, place, \"Odd \"\"name\", customer_id AS whose, note FROM t",
    "CREATE VIEW \"Odd view\" (one, \"Two\") WITH (security_barrier, check_option = local) AS SELECT id, note FROM t WHERE place > 3",
    "CREATE VIEW grouped AS SELECT t.id, place, count(*) AS lines, t::text AS whole FROM t JOIN customer c ON c.id = t.customer_id GROUP BY t.id",
    "CREATE VIEW above AS SELECT g.id, p.note FROM grouped g JOIN plain p USING (id) WHERE EXISTS (SELECT FROM t WHERE t.id = p.id)",
    "CREATE MATERIALIZED VIEW kept AS SELECT one FROM \"Odd view\"",
    "ALTER VIEW plain ALTER note SET DEFAULT 'by the view'",
    "CREATE TRIGGER instead INSTEAD OF DELETE ON plain FOR EACH ROW EXECUTE FUNCTION stamp()",
    "CREATE VIEW counted AS SELECT 1 FROM t",
    "CREATE RULE quiet AS ON UPDATE TO grouped DO INSTEAD NOTHING",
    "ALTER VIEW plain OWNER TO copy_owner",
    "GRANT SELECT, UPDATE (note) ON plain TO copy_reader",
    "COMMENT ON VIEW plain IS 'view'",
    "COMMENT ON COLUMN \"Odd view\".\"Two\" IS 'column of a view'",
    "DELETE FROM t WHERE id % 7 = 0",
    "CREATE TABLE empty (id int PRIMARY KEY, a int)",
];

/// Everything by its name, so that one database can be compared with another. Whether the server's own rows of a foreign
/// key to a partitioned table are validated is left out: up to 17 VALIDATE leaves them as they are.
pub(crate) const CATALOG: &str = "\
SELECT format('%s %s %s %s %s %s %s %s %s %s', relname, relkind, relpersistence, pg_get_userbyid(relowner), amname, reltablespace, relacl, \
    reloptions, relreplident, relrowsecurity) FROM pg_class c LEFT JOIN pg_am a ON a.oid = relam WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT format('%s.%s %s %s %s %s %s %s %s %s %s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull, \
    row_number() OVER (PARTITION BY attrelid ORDER BY attnum), attgenerated, attidentity, attstorage, attcompression, attstattarget, attoptions, attacl, pg_get_expr(adbin, adrelid)) FROM pg_attribute \
    JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum \
    WHERE attnum > 0 AND NOT attisdropped AND relnamespace = 'public'::regnamespace
UNION ALL SELECT format('%s %s %s %s %s', conname, conrelid::regclass, CASE WHEN conparentid = 0 THEN pg_get_constraintdef(k.oid) END, \
    conparentid = 0 AND convalidated, nullif(conindid, 0)::regclass) \
    FROM pg_constraint k WHERE connamespace = 'public'::regnamespace OR contype = 'f'
UNION ALL SELECT format('%s fires %s %s %s %s %s %s %s', row_number() OVER (PARTITION BY tgrelid ORDER BY g.oid), tgrelid::regclass, conname, tgfoid::regproc, \
    tgtype, tgenabled, tgdeferrable, tginitdeferred) FROM pg_trigger g JOIN pg_constraint k ON k.oid = tgconstraint WHERE tgisinternal AND contype = 'f' \
    AND (k.confrelid = to_regclass('public.t') OR k.conrelid = to_regclass('public.t'))
UNION ALL SELECT format('%s %s %s %s %s', pg_get_indexdef(indexrelid), indisvalid, indisprimary, indisclustered, indisreplident) FROM pg_index \
    JOIN pg_class c ON c.oid = indexrelid WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT format('%s %s', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT format('%s %s %s %s %s %s %s', polname, polrelid::regclass, polcmd, polpermissive, polroles::regrole[], \
    pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy
UNION ALL SELECT format('%s %s %s', pg_get_statisticsobjdef(oid), pg_get_userbyid(stxowner), stxstattarget) FROM pg_statistic_ext
UNION ALL SELECT format('%s %s', description, (pg_identify_object(classoid, objoid, objsubid)).identity) FROM pg_description \
    WHERE objoid >= 16384
UNION ALL SELECT format('%s owned by %s %s %s', objid::regclass, refobjid::regclass, refobjsubid > 0, deptype) FROM pg_depend \
    JOIN pg_class s ON s.oid = objid AND s.relkind = 'S' WHERE refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
UNION ALL SELECT format('%s %s %s %s', sequencename, start_value, increment_by, last_value) FROM pg_sequences
UNION ALL SELECT format('%s: %s', ev_class::regclass, pg_get_ruledef(oid)) FROM pg_rewrite WHERE ev_class >= 16384
UNION ALL SELECT format('published %s', to_jsonb(p)) FROM pg_publication_tables p
UNION ALL SELECT format('type %s', typname) FROM pg_type WHERE typnamespace = 'public'::regnamespace
UNION ALL SELECT format('function %s', proname) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT format('rows %s %s', count(*), md5(string_agg(w::text, ',' ORDER BY id))) FROM t w
ORDER BY 1";

/// Who sends its rows on.
const PUBLISHED: &[&str] =
    &["CREATE PUBLICATION \"Every row\" FOR TABLE t, customer", "CREATE PUBLICATION second FOR TABLE ONLY t"];

/// What 14 does not have: columns and rows.
const PUBLISHED_PARTLY: &[&str] = &[
    "CREATE PUBLICATION partly FOR TABLE t (id, \"Odd \"\"name\", place) WHERE (\"Odd \"\"name\" <> 'o''3' AND place IS NOT NULL)",
    "CREATE PUBLICATION \"Every row\" FOR TABLE t WHERE (id > 3) WITH (publish = 'insert')",
];

/// Rows that keep out of each other's way.
const APART: &[&str] = &[
    "ALTER TABLE t ADD span int4range",
    "UPDATE t SET span = int4range(id * 3, id * 3 + 2)",
    "ALTER TABLE t ADD CONSTRAINT \"Room\" EXCLUDE USING gist (span WITH &&) WHERE (id > 5)",
    "COMMENT ON CONSTRAINT \"Room\" ON t IS 'exclusion'",
    "COMMENT ON INDEX \"Room\" IS 'its index'",
    "ALTER TABLE t ADD CONSTRAINT at_once EXCLUDE (code COLLATE \"C\" WITH =, number WITH =) DEFERRABLE INITIALLY DEFERRED",
];

/// What is not copied, and a word of why.
const NOT: &[(&str, &str)] = &[
    ("CREATE TABLE no (id int)", "told apart"),
    ("CREATE TABLE no (id int UNIQUE)", "told apart"),
    ("CREATE TABLE no (id int PRIMARY KEY DEFERRABLE)", "told apart"),
    ("CREATE TABLE no (id int PRIMARY KEY); CREATE TEMP VIEW other AS SELECT id FROM no", "is temporary"),
    (
        "CREATE TABLE no (id int PRIMARY KEY); CREATE VIEW other AS SELECT 1 AS a; \
         CREATE RULE r AS ON INSERT TO other DO INSTEAD INSERT INTO no VALUES (1)",
        "rule r on view copy_not.other",
    ),
    ("CREATE TABLE no (id int PRIMARY KEY); CREATE VIEW other AS SELECT no FROM no", "view copy_not.other"),
    (
        "CREATE TABLE no (id int PRIMARY KEY); CREATE MATERIALIZED VIEW other AS SELECT id FROM no",
        "view copy_not.other",
    ),
    ("CREATE TABLE no (id int PRIMARY KEY); CREATE TABLE other (row no)", "depends on it"),
    (
        "CREATE TABLE no (id int PRIMARY KEY); CREATE FUNCTION f(no) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "function copy_not.f",
    ),
    (
        "CREATE TABLE no (id int PRIMARY KEY); CREATE FUNCTION f() RETURNS bigint RETURN (SELECT count(*) FROM no)",
        "function copy_not.f",
    ),
    ("CREATE TABLE no (id int PRIMARY KEY); CREATE RULE r AS ON UPDATE TO no DO ALSO NOTIFY x", "rule "),
    ("CREATE TABLE no (id int PRIMARY KEY); CREATE TABLE child () INHERITS (no)", "children"),
    ("CREATE TABLE up (id int); CREATE TABLE no (PRIMARY KEY (id)) INHERITS (up)", "children"),
    (
        "CREATE TABLE no (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE no",
        "publication p sends its rows, and the server",
    ),
    ("CREATE TABLE no (id int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES", "publication p sends every table"),
    ("CREATE TABLE no (id int PRIMARY KEY); ALTER TABLE no ADD CHECK (id > 0) NOT VALID", "NOT VALID"),
    (
        "CREATE TABLE no (id int PRIMARY KEY); ALTER TABLE no ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "row security",
    ),
    ("CREATE TYPE k AS (id int); CREATE TABLE no OF k (PRIMARY KEY (id))", "made of a type"),
    (
        "CREATE TABLE no (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY); CREATE TABLE other (id int DEFAULT nextval('no_id_seq'))",
        "depends on it",
    ),
];

pub(crate) async fn all(cluster: &Cluster) {
    let mut admin = Wire::connect(&cluster.socket(), "postgres").await;
    for sql in ["CREATE ROLE copy_owner", "CREATE ROLE copy_reader", "CREATE DATABASE copy_shop"] {
        admin.run(sql).await;
    }
    let mut shop = Wire::connect_to(&cluster.socket(), "postgres", "copy_shop").await;
    shop.run("GRANT ALL ON SCHEMA public TO copy_owner").await;
    for sql in SHOP.iter().chain(incoming::SHOP) {
        shop.run(sql).await;
    }
    if cluster.major >= 18 {
        shop.run("ALTER TABLE t ADD computed int GENERATED ALWAYS AS (place / 2) VIRTUAL").await;
        shop.run("ALTER TABLE child ADD CONSTRAINT idle FOREIGN KEY (third) REFERENCES t NOT ENFORCED").await;
    }
    drop(shop);
    ends_as_the_statement(cluster, &mut admin).await;
    is_not_offered(cluster).await;
    statistics_of_others_are_left_alone(cluster).await;
    goes_in_order(cluster).await;
    goes_on_or_back(cluster, &mut admin).await;
    while_others_write(cluster).await;
    crate::altered::all(cluster, &mut admin).await;
}

pub(crate) async fn copy_of_shop(cluster: &Cluster, admin: &mut Wire) -> Wire {
    admin.run("DROP DATABASE IF EXISTS copy_twin WITH (FORCE)").await;
    admin.run("CREATE DATABASE copy_twin TEMPLATE copy_shop").await;
    Wire::connect_to(&cluster.socket(), "postgres", "copy_twin").await
}

pub(crate) async fn planned(db: &mut Wire, sql: &str) -> Plan {
    let plan = offered(db, sql).await.unwrap_or_else(|why| panic!("{sql}: {why}"));
    assert_eq!(plan.recipe, "copy-table", "{sql}");
    plan
}

fn statements(cluster: &Cluster) -> Vec<(&'static [&'static str], &'static str)> {
    let mut all: Vec<(&[&str], &str)> = vec![
        (&[], "CLUSTER t USING t_place"),
        (&["CLUSTER t USING t_place"], "CLUSTER t"),
        (&[], "CLUSTER public.t USING t_down"),
        (&[], "CLUSTER \"Other\".\"The children\" USING \"The children_pkey\""),
        (&incoming::UNLOGGED[..3], "ALTER TABLE t SET UNLOGGED"),
        (incoming::UNLOGGED, "ALTER TABLE t SET LOGGED"),
        (PUBLISHED, "CLUSTER t USING t_place"),
        (APART, "CLUSTER t USING t_place"),
    ];
    if cluster.major >= 15 {
        all.push((PUBLISHED_PARTLY, "CLUSTER t USING t_place"));
        all.push((
            &["CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler"],
            "ALTER TABLE t SET ACCESS METHOD heap2",
        ));
        all.push((
            &["SET allow_in_place_tablespaces = on", "CREATE TABLESPACE \"Copy Space\" LOCATION ''"],
            "ALTER TABLE t SET TABLESPACE \"Copy Space\"",
        ));
    }
    all
}

async fn ends_as_the_statement(cluster: &Cluster, admin: &mut Wire) {
    for (before, sql) in statements(cluster) {
        let mut left = Vec::new();
        for naive in [true, false] {
            let mut db = copy_of_shop(cluster, admin).await;
            for sql in before.iter().filter(|sql| naive || !sql.contains("TABLESPACE \"")) {
                db.run(sql).await;
            }
            if naive {
                db.run(sql).await;
            } else {
                let plan = planned(&mut db, sql).await;
                done(go(&mut db, &plan).await);
                // Done once more nothing happens.
                let again = done(go(&mut db, &plan).await);
                assert!(again.rows == 0 && again.steps.iter().all(|step| step.already_done), "{sql}: {again:?}");
            }
            left.push((db.run(CATALOG).await, db.run("SELECT nextval('t_id_seq'), nextval('t_number_seq')").await));
        }
        let [(naive, naive_next), (safe, safe_next)] = left.try_into().unwrap_or_else(|_| unreachable!());
        let gone: Vec<_> = naive.iter().filter(|line| !safe.contains(line)).collect();
        let more: Vec<_> = safe.iter().filter(|line| !naive.contains(line)).collect();
        assert!(
            gone.is_empty() && more.is_empty(),
            "PostgreSQL {}: {sql}: gone {gone:#?}, more {more:#?}",
            cluster.major
        );
        assert_eq!(naive_next, safe_next, "{sql}");
    }
}

/// They would have to be made anew for their owner.
async fn statistics_of_others_are_left_alone(cluster: &Cluster) {
    let mut db = session(cluster, "copy_statistics").await;
    for sql in [
        "CREATE TABLE no (id int PRIMARY KEY, b int, c int)",
        "INSERT INTO no SELECT n, n, n FROM generate_series(1, 100) n",
        "CREATE INDEX ON no (b)",
        "CREATE STATISTICS s ON b, c FROM no",
        "ALTER TABLE no OWNER TO copy_owner",
        "GRANT ALL ON SCHEMA copy_statistics TO copy_owner",
        "SET ROLE copy_owner",
    ] {
        db.run(sql).await;
    }
    for sql in ["ALTER TABLE no SET UNLOGGED", "ALTER TABLE no ALTER b TYPE bigint"] {
        let words = offered(&mut db, sql).await.expect_err(sql);
        assert!(words.contains("statistics copy_statistics.s belong to"), "{sql}: {words}");
    }
    db.run("RESET ROLE").await;
    db.run("DROP SCHEMA copy_statistics CASCADE").await;
}

async fn is_not_offered(cluster: &Cluster) {
    for (setup, why) in NOT.iter().chain(incoming::NOT) {
        let mut db = session(cluster, "copy_not").await;
        for sql in setup.split("; ") {
            db.run(sql).await;
        }
        let rows = if setup.contains("GENERATED ALWAYS AS IDENTITY") { "DEFAULT VALUES" } else { "(id) VALUES (1)" };
        db.run(&format!("INSERT INTO no {rows}")).await;
        let sql = "ALTER TABLE no SET UNLOGGED";
        let words = offered(&mut db, sql).await.expect_err(setup);
        assert!(words.contains("a copy cannot take its place") && words.contains(why), "{setup}: {words}");
        db.run("SET client_min_messages = warning").await;
        db.run("DROP PUBLICATION IF EXISTS p").await;
        db.run("DROP SCHEMA copy_not CASCADE").await;
    }
    let mut db = session(cluster, "copy_not_so").await;
    for sql in [
        "CREATE TABLE no (id int PRIMARY KEY, a int, b point, c text)",
        "CREATE INDEX no_gist ON no USING gist (b)",
        "CREATE INDEX no_expr ON no (lower(c))",
        "CREATE INDEX no_mixed ON no (a, c DESC)",
        "CREATE INDEX no_pattern ON no (c text_pattern_ops)",
        "CREATE INDEX no_first ON no (a NULLS FIRST)",
        "INSERT INTO no VALUES (1, 1)",
    ] {
        db.run(sql).await;
    }
    for (index, why) in [
        ("no_gist", "no order"),
        ("no_expr", "expressions"),
        ("no_mixed", "partly"),
        ("no_pattern", "another order"),
        ("no_first", "begins with nulls"),
    ] {
        let words = offered(&mut db, &format!("CLUSTER no USING {index}")).await.expect_err(index);
        assert!(words.contains(why), "{index}: {words}");
    }
    for sql in ["VACUUM FULL pg_catalog.pg_authid", "CLUSTER pg_catalog.pg_class USING pg_class_oid_index"] {
        let words = offered(&mut db, sql).await.expect_err(sql);
        assert!(words.contains("the server's own"), "{sql}: {words}");
    }
    let both = offered(&mut db, "ALTER TABLE no SET UNLOGGED, ADD COLUMN d int").await;
    assert!(both.is_err(), "{both:?}");
}

/// The rows stand in the index's order, nulls last; also where many are equal.
async fn goes_in_order(cluster: &Cluster) {
    let mut db = session(cluster, "copy_order").await;
    for sql in [
        "CREATE TABLE t (id int PRIMARY KEY, a int, b text, few int NOT NULL, at timestamptz NOT NULL)",
        "INSERT INTO t SELECT n, CASE WHEN n % 10 > 0 THEN hashint4(n) END, md5(n::text), n % 3, now() - n * interval '1 hour' \
         FROM generate_series(1, 30000) n",
        "CREATE INDEX t_ab ON t (a, b)",
        "CREATE INDEX t_few ON t (few DESC)",
        "CREATE INDEX t_at ON t (at)",
        "ANALYZE t",
    ] {
        db.run(sql).await;
    }
    for (index, order) in [("t_ab", "a, b"), ("t_few", "few DESC"), ("t_at", "at"), ("t_pkey", "id")] {
        let before = db.one("SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM t").await;
        let plan = planned(&mut db, &format!("CLUSTER t USING {index}")).await;
        done(go(&mut db, &plan).await);
        let key = order.replace(" DESC", "");
        let runs = format!(
            "SELECT count(*) FROM (SELECT rank() OVER (ORDER BY {order}) AS now, \
             lag(rank) OVER (ORDER BY ctid) AS before, rank FROM \
             (SELECT ctid, {key}, rank() OVER (ORDER BY {order}) FROM t) r) x WHERE rank < before"
        );
        assert_eq!(db.one(&runs).await, "0", "PostgreSQL {}: {index}", cluster.major);
        assert_eq!(db.one("SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM t").await, before, "{index}");
    }
}

pub(crate) fn beginning(plan: &Plan, length: usize) -> Plan {
    Plan { steps: plan.steps[..length].to_vec(), verify: Vec::new(), ..plan.clone() }
}

async fn goes_on_or_back(cluster: &Cluster, admin: &mut Wire) {
    let sql = "CLUSTER t USING t_place";
    let mut db = copy_of_shop(cluster, admin).await;
    let before = db.run(CATALOG).await;
    let plan = planned(&mut db, sql).await;
    let cut_over = plan.steps.iter().position(|step| step.name == "cut over").unwrap();
    for length in 1..=cut_over {
        done(go(&mut db, &beginning(&plan, length)).await);
        let done_steps: Vec<usize> = (0..length).collect();
        let back = undo::plan(&plan, &done_steps).unwrap();
        done(go(&mut db, &back).await);
        assert_eq!(db.run(CATALOG).await, before, "after {length} steps and back");
    }
    // TRUNCATE cannot be noted.
    done(go(&mut db, &beginning(&plan, 2)).await);
    let refused = db.execute("TRUNCATE t CASCADE").await.unwrap_err();
    assert_eq!(refused.code(), Some("55006"), "{refused}");
    // Whoever changes the table meanwhile has the last word.
    for (change, back) in [
        ("CREATE VIEW late AS SELECT id FROM t", "DROP VIEW late"),
        ("ALTER VIEW plain SET (security_barrier)", "ALTER VIEW plain RESET (security_barrier)"),
        ("CREATE OR REPLACE VIEW counted AS SELECT 2 FROM t", "CREATE OR REPLACE VIEW counted AS SELECT 1 FROM t"),
    ] {
        db.run(change).await;
        let Outcome::Failed(_, stopped) = go(&mut db, &plan).await else { panic!("it was changed: {change}") };
        assert!(stopped.error.to_string().contains("has changed since its copy was planned"), "{change}: {stopped:?}");
        db.run(back).await;
    }
    // What those runs did is taken back; what an earlier one did is not its own.
    done(go(&mut db, &undo::plan(&plan, &[0, 1]).unwrap()).await);
    assert_eq!(db.run(CATALOG).await, before, "after it was changed");
    drop(db);
    incoming::all(cluster, admin).await;
    // Cut off anywhere, it goes on.
    for cut in [5, 20, 40, 47, 60, 75, 90, 103, 115, 130, 150, 170] {
        let mut db = copy_of_shop(cluster, admin).await;
        let plan = planned(&mut db, sql).await;
        let mut first = Wire::connect_to(&cluster.socket(), "postgres", "copy_twin").await;
        first.statements_left = Some(cut);
        first.cut_after_effect = cut % 2 == 0;
        let outcome = go(&mut first, &plan).await;
        assert!(matches!(outcome, Outcome::Unknown(..) | Outcome::Done(_)), "cut at {cut}: {outcome:?}");
        drop(first);
        done(go(&mut db, &plan).await);
        let after = db.run(CATALOG).await;
        assert!(after.iter().all(|line| !format!("{line:?}").contains("lockkeeper")), "cut at {cut}: {after:#?}");
        assert_eq!(after.len(), before.len(), "cut at {cut}");
    }
}
