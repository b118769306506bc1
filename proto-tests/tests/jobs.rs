//! Plans that outlive their clients: connections that go away, kills, queues, and who may do what.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;
use std::time::Duration;

use proto_tests::case::{self, Case};
use proto_tests::client::error_of;
use proto_tests::{Client, Gateway, GatewayOptions, Server, wait_until, wire};

/// Large enough to be filled in batches, small enough not to take long.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = case::prepared();
    server.sql("fixture", "delete from orders where id > 60000");
    server.sql("fixture", "vacuum (full, analyze) orders");
    server
});

const LONG: Duration = Duration::from_secs(60);
const FILL: &[u8] = b"alter table orders add column token uuid not null default gen_random_uuid()";
/// What FILL leaves: the column, its default, no row without a value, nothing of ours beside it.
const FILLED: &str = "select format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), \
    (select count(*) from orders where token is null), (select count(distinct token) from orders), \
    (select string_agg(conname, ',' order by conname) from pg_constraint where conrelid = 'orders'::regclass and contype <> 'n'), \
    (select count(*) from pg_trigger where tgrelid = 'orders'::regclass) \
    from pg_attribute a join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum \
    where a.attrelid = 'orders'::regclass and a.attname = 'token'";
const COLUMNS: &str =
    "select count(*) from pg_attribute where attrelid = 'orders'::regclass and attnum > 0 and not attisdropped";
const IS_FILLED: [&str; 1] = ["uuid|t|gen_random_uuid()|0|60000|orders_pkey|0"];

fn slow(name: &str, gone: &str) -> Case<'static> {
    Case::with(&SERVER, name, &GatewayOptions::jobs(gone, 2_000))
}

/// The number of the job that the session's statement has become.
fn begun(client: &mut Client, sql: &[u8]) -> String {
    client.send(&wire::query(sql)).unwrap();
    number(&client.until("this is job ").render())
}

fn number(text: &str) -> String {
    let rest = &text[text.find("job ").unwrap() + 4..];
    rest.chars().take_while(char::is_ascii_digit).collect()
}

fn headline(gateway: &Gateway, job: &str) -> String {
    let text = gateway.must(&["jobs", "show", job]);
    text.lines().next().unwrap_or_default().to_owned()
}

/// Waits until the job's line says so.
fn until(gateway: &Gateway, job: &str, part: &str) -> String {
    let mut last = String::new();
    let deadline = std::time::Instant::now() + LONG;
    while std::time::Instant::now() < deadline {
        last = headline(gateway, job);
        if last.contains(part) {
            return last;
        }
        let over = ["is done", "has failed", "was aborted", "was undone"].iter().any(|end| last.contains(end));
        assert!(!over, "job {job} ends without {part:?}: {last}");
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("job {job} does not come to {part:?}: {last}; {}", gateway.must(&["jobs", "show", job]));
}

fn busy(case: &Case<'_>, sql: &str) -> String {
    let replies = case.connect().query(sql);
    error_of(&replies).filter(|e| e.field('C').as_deref() == Some("LK009")).expect(sql).render()
}

fn filling(gateway: &Gateway, job: &str) {
    until(gateway, job, "rows/s");
}

fn rows_filled(case: &Case<'_>) -> u64 {
    SERVER.sql(&case.database, "select count(*) from orders where token is not null")[0].parse().unwrap()
}

#[test]
fn a_client_that_waits_is_told_as_ever() {
    let case = Case::with(&SERVER, "j_waits", &GatewayOptions::jobs("continue", 0));
    let mut client = case.connect();
    let replies = client.query(&String::from_utf8_lossy(FILL));
    assert!(error_of(&replies).is_none(), "{replies:?}");
    let text: Vec<String> = replies.iter().map(proto_tests::Message::render).collect();
    assert!(text.iter().any(|line| line.contains("CommandComplete ALTER TABLE")), "{text:?}");
    assert!(text.iter().any(|line| line.contains("rows filled")), "{text:?}");
    assert_eq!(SERVER.sql(&case.database, FILLED), IS_FILLED);
    assert_eq!(client.rows("select count(token) from orders"), ["60000"]);
    drop(client);
    case.assert_well();
}

#[test]
fn a_client_that_leaves_does_not_end_its_job() {
    let case = slow("j_leaves", "continue");
    let mut client = case.connect();
    let job = begun(&mut client, FILL);
    filling(&case.gateway, &job);
    client.vanish();
    case.gateway.must(&["jobs", "rate", &job, "--pause-percent", "0", "--as", "bob"]);
    until(&case.gateway, &job, "is done");
    assert_eq!(SERVER.sql(&case.database, FILLED), IS_FILLED);
    case.assert_well();
}

#[test]
fn a_job_can_pause_go_on_and_be_found_again() {
    let case = slow("j_pauses", "pause");
    let mut client = case.connect();
    let job = begun(&mut client, FILL);
    filling(&case.gateway, &job);
    client.vanish();
    until(&case.gateway, &job, "is paused by alice left");
    assert!(busy(&case, "alter table orders alter token set default null").contains("is paused, at step 2 of"));
    let (ok, text) = case.gateway.cli(&["jobs", "pause", &job, "--as", "bob"]);
    assert!(!ok && text.contains("the job is paused"), "{text}");
    // The same statement again waits for the same job.
    let mut again = case.connect();
    again.send(&wire::query(FILL)).unwrap();
    again.until(&format!("at work already, as job {job}"));
    case.gateway.must(&["jobs", "rate", &job, "--pause-percent", "0", "--as", "bob"]);
    case.gateway.must(&["jobs", "resume", &job, "--as", "bob"]);
    let replies = again.until_ready();
    assert!(error_of(&replies).is_none(), "{replies:?}");
    assert_eq!(SERVER.sql(&case.database, FILLED), IS_FILLED);
    drop(again);
    case.assert_well();
}

#[test]
fn a_job_that_is_aborted_leaves_nothing() {
    for (name, how) in [("j_abort", "command"), ("j_ctrl_c", "cancel"), ("j_abort_paused", "paused")] {
        let case = slow(name, "continue");
        let mut client = case.connect();
        let job = begun(&mut client, FILL);
        filling(&case.gateway, &job);
        match how {
            "cancel" => client.cancel(),
            "paused" => {
                case.gateway.must(&["jobs", "pause", &job, "--as", "bob"]);
                case.gateway.must(&["jobs", "abort", &job, "--as", "bob"]);
            }
            _ => drop(case.gateway.must(&["jobs", "abort", &job, "--as", "bob", "--reason", "not now"])),
        }
        let replies = client.until_ready();
        let error = error_of(&replies).unwrap();
        assert_eq!(error.field('C').as_deref(), Some("57014"), "{replies:?}");
        let by_another = format!("job {job} was aborted by bob");
        let said = if how == "cancel" { "canceling statement due to user request" } else { &by_another };
        assert_eq!(error.field('M').as_deref(), Some(said), "{replies:?}");
        until(&case.gateway, &job, "was aborted");
        assert_eq!(SERVER.sql(&case.database, COLUMNS), ["2"]);
        assert_eq!(client.rows("select 1"), ["1"]);
        drop(client);
        case.assert_well();
    }
}

#[test]
fn of_two_jobs_on_a_table_the_second_waits_and_says_for_what() {
    let case = slow("j_queue", "continue");
    let mut first = case.connect();
    let one = begun(&mut first, FILL);
    filling(&case.gateway, &one);
    let mut second = case.connect();
    let two = begun(&mut second, b"create index on orders (amount)");
    second.until(&format!("job {two} waits for job {one}"));
    assert!(headline(&case.gateway, &two).contains("is queued; waits for job"));
    assert_eq!(SERVER.sql(&case.database, "select count(*) from pg_index where indrelid = 'orders'::regclass"), ["1"]);
    case.gateway.must(&["jobs", "rate", &one, "--pause-percent", "0", "--as", "bob"]);
    assert!(error_of(&first.until_ready()).is_none());
    assert!(error_of(&second.until_ready()).is_none());
    assert_eq!(
        SERVER.sql(
            &case.database,
            "select indexrelid::regclass::text, indisvalid from pg_index where indrelid = 'orders'::regclass order by 1"
        ),
        ["orders_amount_idx|t", "orders_pkey|t"]
    );
    drop((first, second));
    case.assert_well();
}

/// The cut-over of a copy locks and changes what refers to the table, too.
#[test]
fn copies_of_tables_that_refer_to_each_other_take_turns() {
    let mut options = GatewayOptions::jobs("continue", 2_000);
    options.config = options.config.replace("[targets.jobs]\n", "policy = \"own\"\n[targets.jobs]\n");
    options.config.push_str("[[policy.own.rules]]\nresponses = { rewrite-table = \"rewrite\" }\n");
    let case = Case::with(&SERVER, "j_kin", &options);
    let mut owner = SERVER.connect("alice", &case.database);
    owner.rows("create table line(id int primary key, order_id bigint constraint of_order references orders)");
    owner.rows("insert into line select g, g from generate_series(1, 20000) g");
    owner.rows("analyze line");
    let mut first = case.connect();
    let one = begun(&mut first, b"cluster orders using orders_pkey");
    filling(&case.gateway, &one);
    assert!(busy(&case, "comment on table orders is 'x'").contains("table public.orders"));
    let mut second = case.connect();
    let two = begun(&mut second, b"cluster line using line_pkey");
    second.until(&format!("job {two} waits for job {one}, which works on public.line, public.orders"));
    case.gateway.must(&["jobs", "rate", &one, "--pause-percent", "0", "--as", "bob"]);
    assert!(error_of(&first.until_ready()).is_none());
    // What it was planned for is not there any more: it is told so before a row is copied.
    let replies = second.until_ready();
    let refused = error_of(&replies).unwrap();
    assert_eq!(refused.field('C').as_deref(), Some("55000"), "{refused:?}");
    assert!(refused.render().contains("has changed since its copy was planned"), "{refused:?}");
    assert!(!case.gateway.must(&["jobs", "show", &two]).contains("rows/s"));
    assert!(error_of(&second.query("cluster line using line_pkey")).is_none());
    let left = "select conname, conrelid::regclass, confrelid::regclass, convalidated from pg_constraint where contype = 'f' \
        union all select relname, null, null, null from pg_class where relname like '%lockkeeper%' \
        and relnamespace = 'public'::regnamespace";
    assert_eq!(SERVER.sql(&case.database, left), ["of_order|line|orders|t"]);
    drop((owner, first, second));
    case.assert_well();
}

#[test]
fn a_job_survives_the_death_of_its_gateway() {
    let mut case = slow("j_killed", "continue");
    let mut client = case.connect();
    let job = begun(&mut client, FILL);
    filling(&case.gateway, &job);
    case.gateway.kill();
    drop(client);
    let before = rows_filled(&case);
    assert!(before < 60_000);
    case.gateway.run();
    filling(&case.gateway, &job);
    case.gateway.must(&["jobs", "rate", &job, "--pause-percent", "0", "--as", "bob"]);
    until(&case.gateway, &job, "is done");
    assert_eq!(SERVER.sql(&case.database, FILLED), IS_FILLED);
    let shown = case.gateway.must(&["jobs", "show", &job]);
    assert!(shown.contains("recovered"), "{shown}");
    case.assert_well();
}

#[test]
fn a_job_survives_the_loss_of_its_connection() {
    let case = slow("j_lost", "continue");
    let mut client = case.connect();
    let job = begun(&mut client, FILL);
    filling(&case.gateway, &job);
    let ours = format!("application_name = 'lockkeeper job {job}' and datname = '{}'", case.database);
    let ended = SERVER.sql("postgres", &format!("select pg_terminate_backend(pid) from pg_stat_activity where {ours}"));
    assert_eq!(ended, ["t"]);
    client.until("waits: ");
    case.gateway.must(&["jobs", "rate", &job, "--pause-percent", "0", "--as", "bob"]);
    let replies = client.until_ready();
    assert!(error_of(&replies).is_none(), "{replies:?}");
    assert_eq!(SERVER.sql(&case.database, FILLED), IS_FILLED);
    drop(client);
    case.assert_well();
}

#[test]
fn what_a_job_has_done_can_be_undone() {
    let case = Case::with(&SERVER, "j_undone", &GatewayOptions::jobs("continue", 0));
    let mut client = case.connect();
    let job = begun(&mut client, FILL);
    assert!(error_of(&client.until_ready()).is_none());
    let (ok, text) = case.gateway.cli(&["jobs", "undo", &job, "--as", "bob"]);
    assert!(!ok && text.contains("--yes"), "{text}");
    assert_eq!(SERVER.sql(&case.database, FILLED), IS_FILLED);
    let undo = number(&case.gateway.must(&["jobs", "undo", &job, "--yes", "--as", "bob"]).to_lowercase());
    until(&case.gateway, &undo, "is done");
    assert!(headline(&case.gateway, &job).contains(&format!("was undone by job {undo}")));
    assert_eq!(SERVER.sql(&case.database, COLUMNS), ["2"]);

    let index = begun(&mut client, b"create index on orders (amount)");
    assert!(error_of(&client.until_ready()).is_none());
    let undo = number(&case.gateway.must(&["jobs", "undo", &index, "--as", "bob"]).to_lowercase());
    until(&case.gateway, &undo, "is done");
    assert_eq!(SERVER.sql(&case.database, "select count(*) from pg_index where indrelid = 'orders'::regclass"), ["1"]);
    drop(client);
    case.assert_well();
}

#[test]
fn a_job_can_do_what_its_requester_can_and_no_more() {
    let case = Case::with(&SERVER, "j_rights", &GatewayOptions::jobs("continue", 0));
    let climb = |how: &str| {
        format!(
            "create or replace function evil() returns int language plpgsql volatile as \
             $$ begin {how}; execute 'alter role alice superuser'; return 1; end $$"
        )
    };
    let mut client = case.connect();
    for how in ["set role dba", "reset role", "reset session authorization", "set session authorization dba", "null"] {
        SERVER.sql(&case.database, &climb(how));
        SERVER.sql(&case.database, "grant execute on function evil() to alice");
        let replies = client.query("alter table orders add column bad int not null default evil()");
        assert!(error_of(&replies).is_some(), "{how}: {replies:?}");
        assert_eq!(SERVER.sql("postgres", "select rolsuper from pg_roles where rolname = 'alice'"), ["f"], "{how}");
        assert_eq!(
            SERVER.sql(
                &case.database,
                "select count(*) from pg_attribute where attrelid = 'orders'::regclass and attname = 'bad'"
            ),
            ["0"],
            "{how}"
        );
    }
    drop(client);
    case.assert_well();
}

#[test]
fn a_job_takes_over_what_its_session_is() {
    let case = Case::with(&SERVER, "j_session", &GatewayOptions::jobs("continue", 0));
    SERVER.sql(&case.database, "create role owner_role; grant owner_role to alice; grant create, usage on schema public to owner_role; create schema other; grant all on schema other to owner_role; create table other.things as select g as id from generate_series(1, 30000) g; alter table other.things owner to owner_role; analyze other.things");
    let mut client = case.connect();
    client.rows("set role owner_role");
    client.rows("set search_path = other");
    client.rows("set timezone = 'Asia/Tokyo'");
    client.send(&wire::query(b"alter table things add column at timestamptz not null default '2020-01-01 00:00'::text::timestamptz + random() * interval '0'")).unwrap();
    client.until("this is job ");
    let replies = client.until_ready();
    assert!(error_of(&replies).is_none(), "{replies:?}");
    assert_eq!(
        SERVER.sql(&case.database, "select min(at)::text, max(at)::text, count(*) from other.things"),
        ["2019-12-31 15:00:00+00|2019-12-31 15:00:00+00|30000"]
    );
    drop(client);
    case.assert_well();
}

#[test]
fn what_only_the_session_has_stays_with_the_session() {
    let case = Case::with(&SERVER, "j_temporary", &GatewayOptions::jobs("continue", 0));
    let mut client = case.connect();
    client.rows("create temp table own (id int)");
    let replies = client.query("create index on orders (amount)");
    assert!(error_of(&replies).is_none(), "{replies:?}");
    assert!(!replies.iter().any(|m| m.render().contains("this is job")), "{replies:?}");
    assert!(case.gateway.must(&["jobs"]).contains("No jobs."));
    drop(client);
    case.assert_well();
}

#[test]
fn an_approved_change_runs_without_the_one_who_asked() {
    let mut options = GatewayOptions::jobs("continue", 0);
    options.config.push_str("[hold]\nmode = \"answer\"\n");
    let case = Case::with(&SERVER, "j_ticket", &options);
    let mut client = case.connect();
    let replies = client.query("drop table ledger");
    assert_eq!(error_of(&replies).and_then(|m| m.field('C')).as_deref(), Some("LK001"), "{replies:?}");
    client.vanish();
    let (ok, text) = case.gateway.cli(&["run", "1"]);
    assert!(!ok && text.contains("would have to be approved"), "{text}");
    let told = case.gateway.must(&["approve", "1", "--run", "--as", "bob"]);
    until(&case.gateway, &number(&told.to_lowercase()), "is done");
    assert_eq!(SERVER.sql(&case.database, "select to_regclass('ledger') is null"), ["t"]);
    let ticket = case.gateway.show("1");
    assert!(ticket.contains("Ticket 1 is done"), "{ticket}");
    // Facts that have changed meanwhile bring it back to review.
    let mut client = case.connect();
    client.query("drop table orders");
    case.gateway.approve("2", "bob");
    SERVER.sql(&case.database, "alter table orders add column more int");
    let told = case.gateway.must(&["run", "2"]);
    until(&case.gateway, &number(&told.to_lowercase()), "has failed");
    assert!(case.gateway.show("2").contains("pending again"));
    assert_eq!(SERVER.sql(&case.database, "select to_regclass('orders') is null"), ["f"]);
    drop(client);
    case.assert_well();
}

/// Not the same twice, and the same in each run of the tests.
fn pseudo_random(seed: u64, below: u64) -> u64 {
    let mixed = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) % below
}

#[test]
fn an_approved_change_runs_once_whenever_its_gateway_is_killed() {
    let mut options = GatewayOptions::jobs("continue", 0);
    options.config.push_str("[hold]\nmode = \"answer\"\n");
    let mut case = Case::with(&SERVER, "j_once", &options);
    SERVER.sql(&case.database, "update ledger set note = ''; insert into ledger values (1, '')");
    for round in 1..=8_u64 {
        let mut client = case.connect();
        // Without a probe, and not the same when done twice.
        let replies = client.query(&format!("update ledger set note = note || 'x' where true or id = {round}"));
        assert_eq!(error_of(&replies).and_then(|m| m.field('C')).as_deref(), Some("LK001"), "{replies:?}");
        client.vanish();
        let told = case.gateway.must(&["approve", &round.to_string(), "--run", "--as", "bob"]);
        let job = number(&told.to_lowercase());
        // The kill may hit anything from before the login to after the commit.
        std::thread::sleep(Duration::from_millis(pseudo_random(round, 60)));
        case.gateway.kill();
        case.gateway.run();
        until(&case.gateway, &job, "is done");
        assert_eq!(SERVER.sql(&case.database, "select length(note) from ledger"), [round.to_string()], "round {round}");
        // Its ticket hears of it after the job itself, also when the gateway was killed between the two.
        wait_until("the ticket says so too", Duration::from_secs(10), || {
            case.gateway.show(&round.to_string()).contains(&format!("Ticket {round} is done")).then_some(())
        });
    }
    case.assert_well();
}

#[test]
fn an_index_that_a_dead_gateway_asked_for_is_waited_for() {
    let mut case = Case::with(&SERVER, "j_orphan", &GatewayOptions::jobs("continue", 0));
    let mut holder = SERVER.connect("alice", &case.database);
    holder.rows("begin; update orders set amount = amount where id = 1");
    let mut client = case.connect();
    let job = begun(&mut client, b"create index on orders (amount)");
    let building =
        "select pid from pg_stat_activity where query ilike 'create index concurrently%' and wait_event_type = 'Lock'";
    let pid = wait_until("the index build waits", LONG, || SERVER.sql(&case.database, building).pop());
    case.gateway.kill();
    drop(client);
    case.gateway.run();
    until(&case.gateway, &job, &format!("waits for server process {pid}"));
    holder.rows("rollback");
    until(&case.gateway, &job, "is done");
    assert_eq!(
        SERVER.sql(
            &case.database,
            "select indexrelid::regclass::text, indisvalid from pg_index where indrelid = 'orders'::regclass order by 1"
        ),
        ["orders_amount_idx|t", "orders_pkey|t"]
    );
    drop(holder);
    case.assert_well();
}

#[test]
fn a_job_waits_for_its_server() {
    let server = case::prepared();
    let gateway = Gateway::with(&server, &GatewayOptions::jobs("continue", 400));
    let mut client = gateway.connect("alice", "fixture");
    let job = begun(&mut client, FILL);
    filling(&gateway, &job);
    server.crash();
    until(&gateway, &job, "waits, next try");
    server.run();
    gateway.must(&["jobs", "rate", &job, "--pause-percent", "0", "--as", "bob"]);
    until(&gateway, &job, "is done");
    assert_eq!(server.sql("fixture", FILLED), [IS_FILLED[0].replace("60000", "300000")]);
    wait_until("the gateway is well", LONG, || gateway.session("alice", "fixture").connect().ok());
    gateway.assert_healthy();
}
