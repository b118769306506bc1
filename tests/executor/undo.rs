//! Every prefix of a plan can be taken back: its steps run, their undos run, and the catalog is as it was.

use std::fmt::Write as _;

use lockkeeper::kernel::plan::{Action, Plan, undo};
use lockkeeper::shell::database::Database;
use lockkeeper::shell::executor::Outcome;

use crate::cluster::Cluster;
use crate::renamed::go_noting;
use crate::run::go;
use crate::wire::Wire;
use crate::{assessed, offered};

const SHOP: &[&str] = &[
    "CREATE TABLE customer (id int PRIMARY KEY, name text, email text)",
    "INSERT INTO customer SELECT n, 'customer ' || n, n FROM generate_series(1, 100) n",
    "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id int, status text, amount int)",
    "INSERT INTO orders SELECT n, 1 + n % 100, 'paid', n % 500 FROM generate_series(1, 500) n",
    "CREATE INDEX orders_old ON orders (lower(status)) WHERE amount > 3",
    "CREATE TABLE part (id int NOT NULL, region int NOT NULL, customer_id int, note text) PARTITION BY LIST (region)",
    "CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1)",
    "CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2, 3) PARTITION BY RANGE (id)",
    "CREATE TABLE part_2a PARTITION OF part_2 FOR VALUES FROM (0) TO (100)",
    "CREATE TABLE part_2b PARTITION OF part_2 FOR VALUES FROM (100) TO (MAXVALUE)",
    "INSERT INTO part SELECT n, 1 + n % 2, 1 + n % 100, 'note' FROM generate_series(1, 500) n",
    "CREATE TABLE keyed (id int NOT NULL, region int NOT NULL, customer_id int REFERENCES customer, PRIMARY KEY (id, region)) \
     PARTITION BY LIST (region)",
    "CREATE INDEX ON keyed (customer_id)",
    "CREATE TABLE keyed_1 PARTITION OF keyed FOR VALUES IN (1)",
    "CREATE TABLE keyed_rest PARTITION OF keyed DEFAULT",
    "INSERT INTO keyed SELECT n, 1 + n % 2, 1 + n % 100 FROM generate_series(1, 500) n",
    "CREATE TABLE keyed_3 (id int NOT NULL, region int NOT NULL, customer_id int)",
    "INSERT INTO keyed_3 SELECT n, 3, 1 + n % 100 FROM generate_series(1, 500) n",
    "CREATE TABLE ranged (a bigint, b text COLLATE \"C\") PARTITION BY RANGE (a, b)",
    "CREATE TABLE ranged_rest PARTITION OF ranged DEFAULT",
    "INSERT INTO ranged SELECT 100 + n, 'x' FROM generate_series(1, 500) n",
    "CREATE TABLE ranged_2 (a bigint, b text COLLATE \"C\")",
    "INSERT INTO ranged_2 SELECT 10, 'l' FROM generate_series(1, 500) n",
    "CREATE TABLE hashed (a int, b bigint) PARTITION BY HASH (a, b)",
    "CREATE TABLE hashed_1 (a int, b bigint)",
    "INSERT INTO hashed_1 SELECT n, n FROM generate_series(1, 500) n \
     WHERE satisfies_hash_partition('hashed'::regclass, 2, 1, n, n::bigint)",
    "CREATE FOREIGN DATA WRAPPER far",
    "CREATE SERVER far FOREIGN DATA WRAPPER far",
    "CREATE TABLE mixed (a int, note text) PARTITION BY LIST (a)",
    "CREATE TABLE mixed_1 PARTITION OF mixed FOR VALUES IN (1)",
    "CREATE FOREIGN TABLE mixed_2 PARTITION OF mixed FOR VALUES IN (2) SERVER far",
    "INSERT INTO mixed SELECT 1, 'note' FROM generate_series(1, 500) n",
    "CREATE TABLE nested_top (a int, b int) PARTITION BY LIST (a)",
    "CREATE TABLE nested PARTITION OF nested_top FOR VALUES IN (1) PARTITION BY LIST (b)",
    "CREATE TABLE nested_2 (a int, b int)",
    "INSERT INTO nested_2 SELECT 1, 2 FROM generate_series(1, 500) n",
    "CREATE TABLE tied (id int PRIMARY KEY REFERENCES customer ON DELETE CASCADE, order_id bigint, up int REFERENCES tied, \
     note text)",
    "ALTER TABLE tied ADD CONSTRAINT later FOREIGN KEY (order_id) REFERENCES orders DEFERRABLE INITIALLY DEFERRED NOT VALID",
    "CREATE UNIQUE INDEX tied_two ON tied (order_id, lower(note)) INCLUDE (up) WHERE note > ''",
    "CREATE INDEX tied_up ON tied (up)",
    "CREATE INDEX tied_said ON tied (order_id)",
    "COMMENT ON INDEX tied_said IS 'kept to the end'",
    "ALTER TABLE tied ADD CONSTRAINT tied_note UNIQUE (order_id, note) DEFERRABLE INITIALLY DEFERRED",
    "COMMENT ON CONSTRAINT tied_note ON tied IS 'once'",
    "CREATE UNIQUE INDEX marked ON orders (id, (amount + 1))",
    "CREATE UNIQUE INDEX marked_too ON orders (id)",
    "ALTER TABLE orders ALTER amount SET DEFAULT 3, ALTER amount SET STATISTICS 44, ALTER amount SET (n_distinct = 50)",
    "ALTER TABLE orders CLUSTER ON marked, REPLICA IDENTITY USING INDEX marked_too",
    "ALTER INDEX marked ALTER COLUMN 2 SET STATISTICS 77",
    "COMMENT ON INDEX marked IS 'marked'",
    "ALTER TABLE tied ADD CONSTRAINT up_sane CHECK (up > 0)",
    "COMMENT ON CONSTRAINT up_sane ON tied IS 'sane'",
    "CREATE TABLE swapped (id int PRIMARY KEY, other bigint, note text)",
    "INSERT INTO swapped SELECT n, n, 'note' FROM generate_series(1, 500) n",
    "COMMENT ON CONSTRAINT swapped_pkey ON swapped IS 'key'",
    "COMMENT ON INDEX swapped_pkey IS 'index'",
    "ALTER TABLE swapped CLUSTER ON swapped_pkey, REPLICA IDENTITY USING INDEX swapped_pkey",
    "CREATE VIEW notes AS SELECT note FROM tied WHERE false",
    "CREATE TABLE switched (id int PRIMARY KEY, other bigint NOT NULL, note text NOT NULL, \"Said\" text) \
     WITH (fillfactor = 70, autovacuum_vacuum_threshold = 7, toast.autovacuum_enabled = false)",
    "INSERT INTO switched SELECT n, n, 'note' FROM generate_series(1, 500) n",
    "CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TRIGGER \"Is on\" BEFORE UPDATE ON switched FOR EACH ROW EXECUTE FUNCTION fired()",
    "CREATE TRIGGER is_off BEFORE UPDATE ON switched FOR EACH ROW EXECUTE FUNCTION fired()",
    "CREATE RULE is_a_replicas AS ON DELETE TO switched DO NOTHING",
    "ALTER TABLE switched DISABLE TRIGGER is_off, ENABLE REPLICA RULE is_a_replicas",
    "CREATE TABLE bequest (a int, CONSTRAINT said CHECK (a > 0))",
    "CREATE TABLE heir (a int)",
    "INSERT INTO heir SELECT n FROM generate_series(1, 500) n",
    "CREATE TABLE untied (id int PRIMARY KEY, customer_id int REFERENCES customer, tied_id int REFERENCES tied)",
];

/// Statements over whose last step there is no way back: every prefix without that is taken back.
const DROPS: &[&str] = &[
    "CLUSTER swapped USING swapped_pkey",
    "ALTER TABLE swapped ADD x bigint GENERATED ALWAYS AS (other + 1) STORED NOT NULL",
    "DROP TABLE untied",
    "DROP TABLE part_1",
    "DROP TABLE part_1, untied",
    "ALTER TABLE tied DROP order_id",
];

/// Drops that first set aside what is dropped, and renames whose old name goes on working.
const ASIDE: &[&str] = &[
    "DROP TABLE untied",
    "ALTER TABLE tied DROP order_id",
    "ALTER TABLE keyed_3 DROP region",
    "ALTER TABLE tied RENAME TO bound",
    "ALTER TABLE part RENAME TO whole",
    "ALTER TABLE tied RENAME order_id TO sold_id",
    "ALTER TABLE tied RENAME COLUMN id TO key",
    "ALTER TABLE customer RENAME id TO number",
];

/// What the server refuses for what depends on it, or is brief already: no plan.
const AS_IS: &[&str] = &[
    "DROP TABLE customer",
    "DROP TABLE keyed_1",
    "DROP TABLE untied CASCADE",
    "DROP TABLE ranged_2",
    "DROP TABLE part",
    "ALTER TABLE tied DROP note",
    "ALTER TABLE tied DROP id",
    "ALTER TABLE part DROP note",
    "ALTER TABLE orders DROP amount, DROP status",
    "ALTER TABLE customer DROP CONSTRAINT customer_pkey, ADD PRIMARY KEY (email)",
];

/// Statements of which every prefix of the plan is taken back.
const STATEMENTS: &[&str] = &[
    "CREATE INDEX ON orders (amount)",
    "DROP INDEX orders_old",
    "DROP INDEX marked, marked_too",
    "ALTER TABLE tied DROP CONSTRAINT tied_note",
    "ALTER TABLE tied DROP CONSTRAINT tied_id_fkey",
    "ALTER TABLE tied DROP CONSTRAINT later",
    "ALTER TABLE tied DROP CONSTRAINT up_sane",
    "ALTER TABLE untied DROP CONSTRAINT untied_pkey",
    "ALTER TABLE swapped DROP CONSTRAINT swapped_pkey, ADD PRIMARY KEY (other, note)",
    "ALTER TABLE swapped ADD CONSTRAINT k PRIMARY KEY (other) INCLUDE (note) DEFERRABLE, DROP CONSTRAINT swapped_pkey",
    "ALTER TABLE orders ADD UNIQUE (id, amount)",
    "ALTER TABLE orders ALTER COLUMN status SET NOT NULL",
    "ALTER TABLE heir ADD CONSTRAINT said CHECK (a > 0), INHERIT bequest",
    "ALTER TABLE orders ADD CHECK (amount >= 0), ADD FOREIGN KEY (customer_id) REFERENCES customer",
    "ALTER TABLE orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE",
    "ALTER TABLE orders ADD COLUMN number serial",
    "ALTER TABLE orders ADD COLUMN number int GENERATED BY DEFAULT AS IDENTITY (START 100 INCREMENT 5)",
    "ALTER TABLE orders ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY UNIQUE",
    "ALTER TABLE orders ALTER customer_id SET NOT NULL, ALTER customer_id ADD GENERATED ALWAYS AS IDENTITY (START 5000)",
    "ALTER TABLE orders ALTER status SET DEFAULT 'new', ALTER amount DROP DEFAULT, ALTER amount SET STATISTICS 7, \
     ALTER id SET STATISTICS 8, ALTER amount SET (n_distinct = 9), ALTER id RESET (n_distinct), CLUSTER ON marked_too, \
     ALTER status SET STORAGE EXTERNAL, ALTER status SET COMPRESSION pglz, ADD CONSTRAINT new CHECK (id > 9) NOT VALID, \
     ADD CHECK (id > 8) NOT VALID, ADD FOREIGN KEY (id) REFERENCES customer NOT VALID, ADD CHECK (amount >= 0)",
    "ALTER TABLE switched ALTER note DROP NOT NULL, ADD CHECK (id > 0), ALTER other DROP NOT NULL, ALTER \"Said\" DROP NOT NULL",
    "ALTER TABLE switched ALTER note DROP NOT NULL, ALTER other DROP NOT NULL, ALTER other SET STATISTICS 7, ADD CHECK (id > 0)",
    "ALTER TABLE switched SET (fillfactor = 60, toast.autovacuum_enabled = true, parallel_workers = 3), \
     RESET (autovacuum_vacuum_threshold, toast.log_autovacuum_min_duration), REPLICA IDENTITY FULL, ADD CHECK (id > 0)",
    "ALTER TABLE swapped REPLICA IDENTITY DEFAULT, SET (user_catalog_table = true), ADD CHECK (id > 0)",
    "ALTER TABLE switched REPLICA IDENTITY USING INDEX switched_pkey, ENABLE TRIGGER is_off, ENABLE ALWAYS TRIGGER \"Is on\", \
     ENABLE RULE is_a_replicas, ADD CHECK (id > 0)",
    "CREATE INDEX ON part (note)",
    "CREATE INDEX ON mixed (note)",
    "CREATE UNIQUE INDEX part_u ON part (id, region)",
    "ALTER TABLE part ADD CONSTRAINT part_unique UNIQUE (id, region)",
    "ALTER TABLE part ADD PRIMARY KEY (id, region)",
    "ALTER TABLE part ADD FOREIGN KEY (customer_id) REFERENCES customer",
    "ALTER TABLE part ALTER COLUMN note SET NOT NULL",
    "ALTER TABLE part ADD COLUMN extra int DEFAULT 1 REFERENCES customer (id)",
    "ALTER TABLE keyed ATTACH PARTITION keyed_3 FOR VALUES IN (3)",
    "ALTER TABLE part DETACH PARTITION part_1",
    "CREATE TABLE keyed_4 PARTITION OF keyed FOR VALUES IN (4)",
    "CREATE TABLE part_4 PARTITION OF part FOR VALUES IN (4)",
];

/// Names only, so that one database can be compared with another.
pub(crate) const CATALOG: &str = "\
SELECT 'column ' || a.attrelid::regclass || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || a.attnotnull
    || a.attislocal || a.attinhcount || coalesce(a.attstattarget, -1) || coalesce(a.attoptions::text, '')
    || a.attstorage::text || a.attcompression::text || coalesce(pg_get_expr(d.adbin, d.adrelid), '-')
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
  WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
UNION ALL SELECT 'constraint ' || conname || ' on ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid) || convalidated
    || CASE WHEN contype = 'n' AND coninhcount > 0 THEN '' ELSE conislocal::text END || coninhcount || (conparentid <> 0)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'index ' || pg_get_indexdef(indexrelid) || indisvalid || indisready || indisprimary
  FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE c.relnamespace = 'public'::regnamespace
UNION ALL SELECT 'marks ' || indexrelid::regclass || indisreplident || indisclustered || coalesce(obj_description(indexrelid), '')
    || coalesce((SELECT string_agg(attnum || '=' || attstattarget, ',') FROM pg_attribute WHERE attrelid = indexrelid
      AND attstattarget >= 0), '')
  FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE c.relnamespace = 'public'::regnamespace
UNION ALL SELECT 'said ' || obj_description(oid, 'pg_constraint') || conname FROM pg_constraint
  WHERE obj_description(oid, 'pg_constraint') IS NOT NULL
UNION ALL SELECT 'place ' || inhrelid::regclass || ' below ' || inhparent::regclass || inhdetachpending
    || coalesce(pg_get_expr(c.relpartbound, c.oid), '')
  FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
UNION ALL SELECT 'relation ' || relname || relkind::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'set ' || relname || relreplident::text
    || (SELECT coalesce(string_agg(o, ',' ORDER BY o), '') FROM unnest(c.reloptions) o)
    || (SELECT coalesce(string_agg(o, ',' ORDER BY o), '') FROM pg_class t, unnest(t.reloptions) o WHERE t.oid = c.reltoastrelid)
  FROM pg_class c WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'trigger ' || tgname || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'rule ' || rulename || ev_enabled::text FROM pg_rewrite WHERE rulename <> '_RETURN'
UNION ALL SELECT 'trigger ' || count(*) || ' on ' || tgrelid::regclass FROM pg_trigger GROUP BY tgrelid
ORDER BY 1";

pub(crate) async fn all(cluster: &Cluster) {
    let mut admin = Wire::connect(&cluster.socket(), "postgres").await;
    admin.run("CREATE DATABASE undo_shop").await;
    let mut shop = Wire::connect_to(&cluster.socket(), "postgres", "undo_shop").await;
    for sql in SHOP {
        shop.run(sql).await;
    }
    drop(shop);
    nothing_is_read(cluster, &mut admin).await;
    crate::renamed::all(cluster, &mut admin).await;
    let mut complaints = String::new();
    for sql in STATEMENTS {
        let mut length = 1;
        while length > 0 {
            let steps = prefix(cluster, &mut admin, sql, length, &mut complaints).await;
            length = if length < steps { length + 1 } else { 0 };
        }
    }
    for sql in DROPS {
        let mut length = 1;
        while length + 1 < prefix(cluster, &mut admin, sql, length, &mut complaints).await {
            length += 1;
        }
        whole(cluster, &mut admin, sql, &mut complaints).await;
    }
    for sql in ASIDE {
        aside(cluster, &mut admin, sql, &mut complaints).await;
    }
    let mut shop = Wire::connect_to(&cluster.socket(), "postgres", "undo_shop").await;
    for sql in AS_IS {
        if offered(&mut shop, sql).await.is_ok() {
            let _ = writeln!(complaints, "{sql}: has a plan");
        }
    }
    assert!(complaints.is_empty(), "PostgreSQL {}:\n{complaints}", cluster.major);
}

/// Whatever has been done is taken back; what is done later leaves what the statement would have left.
async fn aside(cluster: &Cluster, admin: &mut Wire, sql: &str, complaints: &mut String) {
    let mut length = 0;
    let mut whole = 1;
    while length <= whole {
        admin.run("CREATE DATABASE undo_copy TEMPLATE undo_shop").await;
        let mut db = Wire::connect_to(&cluster.socket(), "postgres", "undo_copy").await;
        let before = db.run(CATALOG).await;
        let change = assessed(&mut db, sql).await.changes.into_iter().next().unwrap();
        let plan = change.aside.unwrap_or_else(|| panic!("{sql}: cannot be set aside")).after(3_600_000);
        whole = plan.steps.len();
        // Once more than there are steps: then what is left for later is done too.
        let part = beginning(&plan, length.min(whole));
        let mut outcomes = vec![go(&mut db, &part).await];
        let done: Vec<usize> = (0..part.steps.len()).collect();
        if let Some(back) = undo::plan(&part, &done) {
            outcomes.push(go(&mut db, &back).await);
        }
        if db.run(CATALOG).await != before {
            let _ = writeln!(complaints, "{sql}: not as before after {length} steps and back");
        }
        if length == whole {
            outcomes.push(go(&mut db, &plan).await);
            let (_, later) = plan.later().unwrap();
            outcomes.push(go(&mut db, later).await);
            outcomes.push(go(&mut db, later).await);
            let safe = db.run(CATALOG).await;
            drop(db);
            admin.run("DROP DATABASE undo_copy WITH (FORCE)").await;
            admin.run("CREATE DATABASE undo_copy TEMPLATE undo_shop").await;
            db = Wire::connect_to(&cluster.socket(), "postgres", "undo_copy").await;
            db.run(sql).await;
            if db.run(CATALOG).await != safe {
                let _ = writeln!(complaints, "{sql}: set aside and dropped later it leaves something else");
            }
        }
        for outcome in outcomes.iter().filter(|outcome| !matches!(outcome, Outcome::Done(_))) {
            let _ = writeln!(complaints, "{sql}: {length} steps: {outcome:?}");
        }
        drop(db);
        admin.run("DROP DATABASE undo_copy WITH (FORCE)").await;
        length += 1;
    }
}

/// All of a plan leaves what the statement would have left.
async fn whole(cluster: &Cluster, admin: &mut Wire, sql: &str, complaints: &mut String) {
    let mut catalogs = Vec::new();
    for naive in [true, false] {
        admin.run("CREATE DATABASE undo_copy TEMPLATE undo_shop").await;
        let mut db = Wire::connect_to(&cluster.socket(), "postgres", "undo_copy").await;
        if naive {
            db.run(sql).await;
        } else {
            let plan = planned(&mut db, sql).await;
            let done: Vec<usize> = (0..plan.steps.len()).collect();
            if undo::plan(&plan, &done).is_some() {
                let _ = writeln!(complaints, "{sql}: after the drop it is said that it can be undone");
            }
            for _ in 0..2 {
                let outcome = go(&mut db, &plan).await;
                if !matches!(outcome, Outcome::Done(_)) {
                    let _ = writeln!(complaints, "{sql}: {outcome:?}");
                }
            }
        }
        catalogs.push(db.run(CATALOG).await);
        drop(db);
        admin.run("DROP DATABASE undo_copy WITH (FORCE)").await;
    }
    if catalogs.first() != catalogs.last() {
        let differs = |a: &[lockkeeper::shell::database::Row], b: &[lockkeeper::shell::database::Row]| {
            a.iter().filter(|line| !b.contains(line)).map(|line| format!("{line:?}")).collect::<Vec<_>>()
        };
        let (naive, safe) = (&catalogs[0], &catalogs[1]);
        let _ =
            writeln!(complaints, "{sql}: only naive {:?}, only safe {:?}", differs(naive, safe), differs(safe, naive));
    }
}

/// ATTACH finds all proven: it reads neither the new partition nor the default one.
async fn nothing_is_read(cluster: &Cluster, admin: &mut Wire) {
    let statements = [
        ("ALTER TABLE keyed ATTACH PARTITION keyed_3 FOR VALUES IN (3)", 2),
        ("CREATE TABLE keyed_4 PARTITION OF keyed FOR VALUES IN (4, NULL)", 1),
        ("ALTER TABLE ranged ATTACH PARTITION ranged_2 FOR VALUES FROM (10, 'l') TO (20, MAXVALUE)", 2),
        ("ALTER TABLE ranged ATTACH PARTITION ranged_2 FOR VALUES FROM (10, MINVALUE) TO (20, 'm')", 2),
        ("ALTER TABLE ranged ATTACH PARTITION ranged_2 FOR VALUES FROM (10, 'a') TO (10, 'm')", 2),
        ("ALTER TABLE ranged ATTACH PARTITION ranged_2 FOR VALUES FROM (MINVALUE, MINVALUE) TO (20, 'm')", 2),
        ("ALTER TABLE hashed ATTACH PARTITION hashed_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)", 1),
        ("ALTER TABLE nested ATTACH PARTITION nested_2 FOR VALUES IN (2)", 1),
    ];
    for (sql, proven) in statements {
        admin.run("CREATE DATABASE undo_copy TEMPLATE undo_shop").await;
        let mut db = Wire::connect_to(&cluster.socket(), "postgres", "undo_copy").await;
        let plan = planned(&mut db, sql).await;
        let last = plan.steps.last().unwrap();
        let outcome = go(&mut db, &beginning(&plan, plan.steps.len() - 1)).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{sql}: {outcome:?}");
        let Action::Together { statements } = &last.action else { panic!("{last:?}") };
        db.run("BEGIN").await;
        db.run("SET LOCAL client_min_messages = debug1").await;
        let mut said = Vec::new();
        for sql in statements {
            said.extend(db.execute(sql).await.unwrap().notices.into_iter().map(|notice| notice.message));
        }
        db.run("COMMIT").await;
        let implied = said.iter().filter(|text| text.contains("is implied by existing constraints")).count();
        let read = said.iter().any(|text| text.contains("verifying table") && !text.contains("keyed_4"));
        assert!(implied == proven && !read, "PostgreSQL {}: {sql}: {said:#?}", cluster.major);
        drop(db);
        admin.run("DROP DATABASE undo_copy WITH (FORCE)").await;
    }
}

/// The first steps of a plan. What must hold in the end is the whole plan's.
fn beginning(plan: &Plan, length: usize) -> Plan {
    let verify = if length < plan.steps.len() { Vec::new() } else { plan.verify.clone() };
    Plan { steps: plan.steps[..length].to_vec(), verify, ..plan.clone() }
}

/// Runs the first steps of the statement's plan on a copy and takes them back. How many steps there are.
async fn prefix(cluster: &Cluster, admin: &mut Wire, sql: &str, length: usize, complaints: &mut String) -> usize {
    let mut copy = "CREATE DATABASE undo_copy TEMPLATE undo_shop".to_owned();
    if cluster.major >= 15 {
        copy.push_str(" STRATEGY FILE_COPY");
    }
    admin.run(&copy).await;
    let mut db = Wire::connect_to(&cluster.socket(), "postgres", "undo_copy").await;
    let plan = planned(&mut db, sql).await;
    let before = db.run(CATALOG).await;
    let whole = plan.steps.len();
    let part = beginning(&plan, length);
    // The last step of some plans takes helpers away, so that of a part the helpers' own probes still hold.
    // By a plan of its own, as a job is undone, and by its statements, as one that fails takes itself back.
    let done: Vec<usize> = (0..part.steps.len()).collect();
    let mut back = undo::plan(&part, &done);
    for by_plan in [true, false] {
        // A part goes both ways where the catalog has most to say.
        let one_way = length == whole && by_plan != back.is_some();
        if one_way || (length < whole && by_plan && cluster.major < 18) {
            continue;
        }
        let (outcome, left) = go_noting(&mut db, &part).await;
        if !matches!(outcome, Outcome::Done(_)) {
            let _ = writeln!(complaints, "{sql}: {length} steps: {outcome:?}");
        }
        if by_plan {
            back = undo::bound_to(&part, &done, undo::Bounds { relations: &[], left: &left, in_part: false });
        }
        match &back {
            Some(back) if by_plan => {
                let outcome = go(&mut db, back).await;
                if !matches!(outcome, Outcome::Done(_)) {
                    let _ = writeln!(complaints, "{sql}: {length} steps undone as a plan: {outcome:?}");
                }
            }
            _ => {
                for step in part.steps.iter().rev() {
                    if let Err(error) = take_back(&mut db, &step.undo).await {
                        let _ = writeln!(
                            complaints,
                            "{sql}: undo of step {} of {length}: {:?}: {error}",
                            step.name, step.undo
                        );
                    }
                }
            }
        }
        let after = db.run(CATALOG).await;
        for line in before.iter().filter(|line| !after.contains(line)) {
            let _ = writeln!(complaints, "{sql}: after {length} steps and back ({by_plan}): gone: {line:?}");
        }
        for line in after.iter().filter(|line| !before.contains(line)) {
            let _ = writeln!(complaints, "{sql}: after {length} steps and back ({by_plan}): left: {line:?}");
        }
    }
    drop(db);
    admin.run("DROP DATABASE undo_copy WITH (FORCE)").await;
    whole
}

pub(crate) async fn planned(db: &mut Wire, sql: &str) -> Plan {
    offered(db, sql).await.unwrap_or_else(|findings| panic!("{sql}: no plan: {findings}"))
}

async fn take_back(db: &mut Wire, statements: &[String]) -> Result<(), String> {
    let parts = undo::parts(statements);
    let brief = parts.brief.iter().chain(parts.proof).chain(parts.after);
    let mut all: Vec<&str> = brief.map(String::as_str).collect();
    if !all.is_empty() {
        all.insert(0, "BEGIN");
        all.push("COMMIT");
    }
    if let Some(first) = parts.concurrent {
        all.insert(0, first);
    }
    for sql in all {
        if let Err(error) = db.execute(sql).await {
            let _ = db.execute("ROLLBACK").await;
            return Err(error.to_string());
        }
    }
    Ok(())
}
