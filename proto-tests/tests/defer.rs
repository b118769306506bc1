//! Changes inside transaction blocks that are split: the catalog at once, the rest after COMMIT and only then.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;
use std::time::Duration;

use proto_tests::client::{error_of, status_of};
use proto_tests::twins::{self, Twins};
use proto_tests::{Client, Gateway, GatewayOptions, Message, Server, wait_until, wire};

static SERVERS: LazyLock<Vec<Server>> = LazyLock::new(|| twins::servers(SHOP));

const SHOP: &str = r#"
create table customer(id int primary key, name text);
insert into customer select g, 'customer ' || g from generate_series(1, 20000) g;
create table orders(id int primary key, customer_id int, amount int, note text);
insert into orders select g, 1 + g % 20000, g, 'note' from generate_series(1, 30000) g;
create schema other;
create table other."Mixed Case"(id int, body text);
insert into other."Mixed Case" select g, 'body' from generate_series(1, 20000) g;
analyze"#;

const INDEXES: &str = "select indexrelid::regclass::text from pg_index where indrelid = 'orders'::regclass order by 1";
/// What the tests do to what was deferred needs nobody's approval.
const RESPONSES: &str = "rename = \"pass\", drop-object = \"pass\", change-type = \"defer\"";
const LONG: Duration = Duration::from_secs(60);

/// On every server: the gateway that defers, and its database.
fn each(run: impl Fn(&Twins<'_>)) {
    for server in SERVERS.iter() {
        let twins = Twins::with(server, &GatewayOptions::deferring(RESPONSES));
        run(&twins);
        over(twins);
    }
}

/// On the newest server only.
fn one(run: impl Fn(&mut Twins<'_>)) {
    let mut twins = Twins::with(SERVERS.last().unwrap(), &GatewayOptions::deferring(RESPONSES));
    run(&mut twins);
    over(twins);
}

fn over(twins: Twins<'_>) {
    twins.gateway.assert_healthy();
    let Twins { server, gateway, safe, naive } = twins;
    drop(gateway);
    for database in [safe, naive] {
        server.sql("postgres", &format!("drop database \"{database}\" with (force)"));
    }
}

fn done(client: &mut Client, sql: &str) -> Vec<Message> {
    let replies = client.query(sql);
    assert!(error_of(&replies).is_none(), "{sql}: {replies:?}");
    replies
}

fn told(replies: &[Message], part: &str) -> bool {
    replies.iter().any(|message| message.tag == b'N' && message.render().contains(part))
}

fn headline(gateway: &Gateway, job: u32) -> String {
    gateway.must(&["jobs", "show", &job.to_string()]).lines().next().unwrap_or_default().to_owned()
}

fn until(gateway: &Gateway, job: u32, part: &str) {
    wait_until(&format!("job {job} {part}"), LONG, || {
        let line = headline(gateway, job);
        let over = ["is done", "has failed", "was aborted"].iter().any(|end| line.contains(end));
        assert!(line.contains(part) || !over, "job {job} does not come to {part:?}: {line}; {}", gateway.log());
        line.contains(part).then_some(())
    });
}

fn indexes(twins: &Twins<'_>) -> Vec<String> {
    twins.server.sql(&twins.safe, INDEXES)
}

#[test]
fn what_is_deferred_begins_at_commit() {
    each(|twins| {
        let mut client = twins.connect();
        done(&mut client, "begin");
        let replies = done(&mut client, "create index on orders (amount)");
        assert!(told(&replies, "Nothing runs in this transaction"), "{replies:?}");
        assert!(told(&replies, "job 1 does the rest when this transaction is committed"), "{replies:?}");
        assert_eq!(status_of(&replies), Some('T'));
        assert!(headline(&twins.gateway, 1).contains("is deferred until its transaction is committed"));
        assert_eq!(indexes(twins), ["orders_pkey"]);
        let replies = done(&mut client, "commit");
        assert!(told(&replies, "committed: job 1 begins"), "{replies:?}");
        assert_eq!(replies.last().map(|message| message.tag), Some(b'Z'), "{replies:?}");
        until(&twins.gateway, 1, "is done");
        assert_eq!(indexes(twins), ["orders_amount_idx", "orders_pkey"]);
        let record = twins.gateway.record();
        let decision = record.iter().find(|line| line["event"] == "decision").unwrap();
        assert_eq!((decision["decision"].as_str(), decision["job"].as_i64()), (Some("defer"), Some(1)), "{decision}");
    });
}

#[test]
fn what_is_deferred_vanishes_with_its_transaction() {
    each(|twins| {
        let mut client = twins.connect();
        done(&mut client, "begin");
        done(&mut client, "create index on orders (amount)");
        let replies = done(&mut client, "rollback");
        assert!(told(&replies, "rolled back: job 1 is dropped"), "{replies:?}");
        assert!(headline(&twins.gateway, 1).contains("was aborted by ROLLBACK"));
        // COMMIT of a failed transaction is a ROLLBACK.
        done(&mut client, "begin");
        done(&mut client, "alter table orders add constraint positive check (amount > 0)");
        assert!(error_of(&client.query("select 1 / 0")).is_some());
        let replies = done(&mut client, "commit");
        assert!(told(&replies, "rolled back: job 2 is dropped"), "{replies:?}");
        // A session that ends.
        done(&mut client, "begin");
        done(&mut client, "create index on orders (amount)");
        client.vanish();
        until(&twins.gateway, 3, "was aborted by ROLLBACK");
        assert_eq!(twins.differences("select 1", &["orders"]), Vec::<String>::new());
    });
}

#[test]
fn a_savepoint_takes_back_what_was_deferred_after_it() {
    each(|twins| {
        let mut client = twins.connect();
        for sql in [
            "begin",
            "create index kept on orders (amount)",
            "savepoint one",
            "create index dropped on orders (note)",
            "savepoint two",
            "alter table orders add constraint gone check (amount > 0)",
            "release two",
            "rollback to one",
            "savepoint three",
            "create index also_kept on orders (customer_id)",
            "release savepoint three",
        ] {
            done(&mut client, sql);
        }
        let replies = done(&mut client, "commit");
        for part in ["job 1 begins", "job 2 is dropped", "job 3 is dropped", "job 4 begins"] {
            assert!(told(&replies, part), "{part}: {replies:?}");
        }
        until(&twins.gateway, 4, "is done");
        assert_eq!(indexes(twins), ["also_kept", "kept", "orders_pkey"]);
    });
}

/// One transaction of a migration, as the tools write them; the last of it is the version table's.
const MIGRATIONS: [&[&str]; 3] = [
    &[
        "ALTER TABLE orders ADD COLUMN token UUID DEFAULT gen_random_uuid() NOT NULL",
        "ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL",
        "CREATE INDEX ix_orders_customer_id ON orders (customer_id)",
        "ALTER TABLE orders ADD CONSTRAINT fk_orders_customer FOREIGN KEY(customer_id) REFERENCES customer (id)",
        "ALTER TABLE orders ADD CONSTRAINT uq_orders_token UNIQUE (token)",
        "ALTER TABLE orders ADD COLUMN remark VARCHAR(200)",
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, PRIMARY KEY (version_num))",
        "INSERT INTO alembic_version (version_num) VALUES ('ae1027a6acf')",
    ],
    &[
        r#"ALTER TABLE "orders" ADD COLUMN "paid" boolean DEFAULT false NOT NULL"#,
        r#"ALTER TABLE "orders" ALTER COLUMN "paid" DROP DEFAULT"#,
        r#"ALTER TABLE "orders" ADD CONSTRAINT "orders_customer_id_5a1e7d3c_fk" FOREIGN KEY ("customer_id") REFERENCES "customer" ("id") DEFERRABLE INITIALLY DEFERRED"#,
        r#"SET CONSTRAINTS ALL IMMEDIATE"#,
        r#"ALTER TABLE "orders" ADD CONSTRAINT "orders_amount_ck" CHECK ("amount" >= 0)"#,
        r#"CREATE INDEX "orders_customer_id_5a1e7d3c" ON "orders" ("customer_id")"#,
        r#"CREATE UNIQUE INDEX ON other."Mixed Case" (id, lower(body))"#,
    ],
    &[
        "alter table orders add column code serial unique, add check (amount > 0), alter note set not null",
        "alter table orders add unique (amount, id)",
    ],
];

#[test]
fn a_migration_in_one_transaction_ends_as_the_naive_one() {
    each(|twins| {
        let mut client = twins.connect();
        for migration in MIGRATIONS {
            let text = format!("begin; {}; commit", migration.join("; "));
            done(&mut client, "begin");
            migration.iter().for_each(|sql| drop(done(&mut client, sql)));
            done(&mut client, "commit");
            wait_until("all jobs are over", LONG, || {
                let list = twins.gateway.must(&["jobs"]);
                assert!(!list.contains(" failed ") && !list.contains(" aborted "), "{list}");
                let live = ["deferred", "queued", "running", "waiting"];
                (!list.lines().skip(1).any(|line| live.iter().any(|state| line.contains(state)))).then_some(())
            });
            let lines = twins.differences(&text, &["orders"]);
            assert_eq!(lines, Vec::<String>::new(), "{}: {migration:?}", twins.server.major);
        }
    });
}

/// A COMMIT that does not end before somebody lets it.
fn stuck(twins: &Twins<'_>, client: &mut Client) -> Client {
    let mut holder = twins.server.connect("alice", &twins.safe);
    holder.rows("select pg_advisory_lock(7)");
    done(client, "begin");
    done(client, "alter table orders add constraint positive check (amount > 0)");
    done(client, "insert into slow values (1)");
    client.send(&wire::query(b"commit")).unwrap();
    wait_until("the commit waits", LONG, || {
        let sql =
            format!("select pid from pg_stat_activity where datname = '{}' and wait_event = 'advisory'", twins.safe);
        twins.server.sql("postgres", &sql).pop()
    });
    holder
}

const SLOW: &str = "create table slow(a int); \
    create function wait_for_it() returns trigger language plpgsql as \
    $$ begin perform pg_advisory_xact_lock(7); return null; end $$; \
    create constraint trigger waits after insert on slow deferrable initially deferred \
    for each row execute function wait_for_it()";

#[test]
fn a_gateway_killed_during_commit_finds_out_what_became_of_it() {
    for is_committed in [true, false] {
        one(|twins| {
            twins.server.sql(&twins.safe, &format!("set role alice; {SLOW}"));
            let mut client = twins.connect();
            let mut holder = stuck(twins, &mut client);
            twins.gateway.kill();
            drop(client);
            if is_committed {
                holder.rows("select pg_advisory_unlock(7)");
            } else {
                let sql = format!(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}' and wait_event = 'advisory'",
                    twins.safe
                );
                assert_eq!(twins.server.sql("postgres", &sql), ["t"]);
            }
            twins.gateway.run();
            until(&twins.gateway, 1, if is_committed { "is done" } else { "was aborted by ROLLBACK" });
            let valid =
                twins.server.sql(&twins.safe, "select convalidated from pg_constraint where conname = 'positive'");
            assert_eq!(valid, if is_committed { vec!["t"] } else { vec![] });
        });
    }
}

#[test]
fn a_commit_whose_answer_nobody_hears_counts() {
    one(|twins| {
        twins.server.sql(&twins.safe, &format!("set role alice; {SLOW}"));
        let mut client = twins.connect();
        let mut holder = stuck(twins, &mut client);
        client.vanish();
        holder.rows("select pg_advisory_unlock(7)");
        until(&twins.gateway, 1, "is done");
    });
}

#[test]
fn a_job_that_fails_says_so_and_can_be_tried_again() {
    each(|twins| {
        let mut client = twins.connect();
        done(&mut client, "update orders set amount = -1 where id = 77");
        done(&mut client, "begin");
        done(&mut client, "alter table orders add constraint positive check (amount > 0)");
        done(&mut client, "commit");
        until(&twins.gateway, 1, "has failed: validate: check constraint \"positive\"");
        let valid = "select convalidated from pg_constraint where conname = 'positive'";
        assert_eq!(twins.server.sql(&twins.safe, valid), ["f"]);
        // What is new is checked from the COMMIT on.
        assert!(error_of(&client.query("insert into orders values (0, 1, -1)")).is_some());
        done(&mut client, "update orders set amount = 1 where id = 77");
        twins.gateway.must(&["jobs", "resume", "1", "--as", "bob"]);
        wait_until("the job is done", LONG, || headline(&twins.gateway, 1).contains("is done").then_some(()));
        assert_eq!(twins.server.sql(&twins.safe, valid), ["t"]);
        let undo = twins.gateway.must(&["jobs", "undo", "1", "--as", "bob"]);
        assert!(undo.to_lowercase().contains("job 2"), "{undo}");
        until(&twins.gateway, 2, "is done");
        assert_eq!(twins.server.sql(&twins.safe, valid), Vec::<String>::new());
    });
}

#[test]
fn what_a_later_statement_takes_away_is_not_brought_back() {
    one(|twins| {
        let mut client = twins.connect();
        done(&mut client, "begin");
        done(&mut client, "alter table orders add constraint positive check (amount > 0)");
        done(&mut client, "alter table orders drop constraint positive");
        done(&mut client, "create index on customer (name)");
        done(&mut client, "alter table customer rename to client");
        let replies = done(&mut client, "commit");
        assert!(told(&replies, "job 2 begins"), "{replies:?}");
        until(&twins.gateway, 1, "has failed: what step \"expand\" did in the transaction is not there any more");
        until(&twins.gateway, 2, "has failed: public.customer was dropped or renamed");
    });
}

#[test]
fn what_a_savepoint_took_back_can_be_ordered_anew() {
    one(|twins| {
        let mut client = twins.connect();
        done(&mut client, "begin; savepoint a");
        done(&mut client, "create index again on orders (amount)");
        done(&mut client, "alter table orders alter note set not null");
        done(&mut client, "rollback to a");
        assert!(told(&done(&mut client, "create index again on orders (amount, id)"), "does the rest"));
        done(&mut client, "alter table orders alter note drop not null");
        assert!(told(&done(&mut client, "commit"), "committed: job 3 begins"));
        wait_until("the index is there", LONG, || {
            let sql = "select indisvalid from pg_index where indexrelid = to_regclass('again') and indnatts = 2";
            (twins.server.sql(&twins.safe, sql) == ["t"]).then_some(())
        });
        assert!(headline(&twins.gateway, 1).contains("aborted") && headline(&twins.gateway, 2).contains("aborted"));
    });
}

#[test]
fn what_cannot_be_deferred_is_refused_with_the_reason() {
    one(|twins| {
        let mut client = twins.connect();
        let mut refused = |sql: &str, part: &str| {
            done(&mut client, "begin");
            done(&mut client, "create index again on orders (amount)");
            let replies = client.query(sql);
            let error = error_of(&replies).unwrap_or_else(|| panic!("{sql}: {replies:?}"));
            assert_eq!(
                (error.field('C').as_deref(), status_of(&replies)),
                (Some("LK002"), Some('E')),
                "{sql}: {error:?}"
            );
            assert!(error.render().contains(part) && error.render().contains("autocommit_block"), "{sql}: {error:?}");
            done(&mut client, "rollback");
        };
        refused("create index again on orders (amount)", "already ordered in this transaction");
        refused("create index on orders (note); select 1", "inside a transaction block");
        let mut client = twins.connect();
        for pair in [
            "alter note set not null; alter note drop not null",
            "add token uuid default gen_random_uuid(); alter token drop default",
            "alter note type varchar(99); alter note set default 'x', add check (note <> 'x')",
            "add check (note <> 'x'); alter note type varchar(99)",
        ] {
            let (deferred, sql) = pair.split_once("; ").unwrap();
            done(&mut client, "begin");
            done(&mut client, &format!("alter table orders {deferred}"));
            done(&mut client, "alter table orders alter amount set default 1, alter id drop default");
            let replies = client.query(&format!("alter table orders {sql}"));
            assert!(error_of(&replies).is_some_and(|m| m.render().contains("after this transaction")), "{replies:?}");
            done(&mut client, "rollback");
        }
        done(&mut client, "begin read only");
        let replies = client.query("create index on orders (amount)");
        assert_eq!(error_of(&replies).and_then(|m| m.field('C')).as_deref(), Some("25006"), "{replies:?}");
        done(&mut client, "rollback");
        done(&mut client, "create temp table mine (a int)");
        done(&mut client, "begin");
        let replies = client.query("create index on orders (amount)");
        assert!(error_of(&replies).is_some_and(|m| m.render().contains("temporary objects")), "{replies:?}");
    });
    // Nobody to log in as.
    let server = SERVERS.last().unwrap();
    let twins = Twins::with(server, &GatewayOptions::policy("defer"));
    let mut client = twins.connect();
    done(&mut client, "begin");
    let replies = client.query("create index on orders (amount)");
    assert!(error_of(&replies).is_some_and(|m| m.render().contains("[targets.jobs]")), "{replies:?}");
    drop(client);
    over(twins);
}

/// A text of several statements, and a pipeline, are transactions that no COMMIT ends.
#[test]
fn implicit_transactions_are_not_split_and_leave_nothing() {
    each(|twins| {
        let mut client = twins.connect();
        let rows = "select count(*) from customer where id > 20000";
        for text in [
            "insert into customer values (20001, 'a'); create index on orders (amount)",
            "create index on orders (amount); insert into customer values (20001, 'a')",
            "begin; insert into customer values (20001, 'a'); create index on orders (amount); commit",
        ] {
            let replies = client.query(text);
            let error = error_of(&replies).unwrap_or_else(|| panic!("{text}: {replies:?}"));
            assert_eq!((error.field('C').as_deref(), status_of(&replies)), (Some("LK002"), Some('I')), "{text}");
            assert!(error.render().contains("Send BEGIN, each statement, and COMMIT"), "{text}: {error:?}");
            assert_eq!(client.rows(rows), ["0"], "{text}");
        }
        let execute = |sql: &str| {
            [wire::parse(b"", sql.as_bytes(), &[]), wire::bind(b"", b"", &[], false), wire::execute(b"", 0)].concat()
        };
        let sync = || wire::framed(b'S', b"");
        let (insert, index) = (execute("insert into customer values (20001, 'a')"), "create index on orders (amount)");
        client.send(&[insert.clone(), execute(index), insert.clone(), sync()].concat()).unwrap();
        let replies = client.until_ready();
        let code = error_of(&replies).and_then(|error| error.field('C'));
        assert_eq!((code.as_deref(), status_of(&replies)), (Some("LK002"), Some('I')), "{replies:?}");
        assert_eq!(client.rows(rows), ["0"], "what ran before it is rolled back");
        assert_eq!(indexes(twins), ["orders_pkey"]);
        // What comes first stands alone, and stays.
        let fails = execute("insert into customer values (1, 'there already')");
        client.send(&[execute(index), fails, sync()].concat()).unwrap();
        let replies = client.until_ready();
        let code = error_of(&replies).and_then(|error| error.field('C'));
        assert_eq!((code.as_deref(), status_of(&replies)), (Some("23505"), Some('I')), "{replies:?}");
        assert_eq!(indexes(twins), ["orders_amount_idx", "orders_pkey"]);
        // Brief as it is: with its company, or not at all.
        let both = "alter table orders add column x int; insert into customer values (1, 'there already')";
        assert_eq!(error_of(&client.query(both)).and_then(|error| error.field('C')).as_deref(), Some("23505"));
        let columns = "select count(*) from pg_attribute where attrelid = 'orders'::regclass and attname = 'x'";
        assert_eq!(client.rows(columns), ["0"]);
    });
}

#[test]
fn pipelines_are_answered_in_order() {
    each(|twins| {
        let mut client = twins.connect();
        done(&mut client, "begin");
        let execute = |sql: &str| {
            [wire::parse(b"", sql.as_bytes(), &[]), wire::bind(b"", b"", &[], false), wire::execute(b"", 0)].concat()
        };
        let all = [execute("create index on orders (amount)"), wire::framed(b'S', b"")].concat();
        client.send(&all).unwrap();
        let replies = client.until_ready();
        assert!(error_of(&replies).is_none() && told(&replies, "job 1"), "{replies:?}");
        // Behind COMMIT comes the next transaction, before anybody has read an answer.
        let all = [
            execute("commit"),
            wire::framed(b'S', b""),
            execute("begin"),
            execute("select 41 + 1"),
            wire::framed(b'S', b""),
            execute("rollback"),
            wire::framed(b'S', b""),
        ];
        client.send(&all.concat()).unwrap();
        for status in ['I', 'T', 'I'] {
            let replies = client.until_ready();
            assert!(error_of(&replies).is_none(), "{replies:?}");
            assert_eq!(status_of(&replies), Some(status), "{replies:?}");
        }
        until(&twins.gateway, 1, "is done");
        assert_eq!(indexes(twins), ["orders_amount_idx", "orders_pkey"]);
    });
}
