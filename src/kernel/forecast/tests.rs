//! A run in, what each statement finds out.

use std::collections::BTreeSet;

use super::learn::Seen;
use super::{Assumed, Forecast};
use crate::kernel::assess::{assess, wanted};
use crate::kernel::facts::{Facts, RelationFacts};
use crate::kernel::rules::is_definition;
use crate::kernel::sql::read::read;
use crate::kernel::sql::statement::RelationName;

fn forecast() -> Forecast {
    let assumed = Assumed {
        server_version: 150_000,
        rows: 1_000_000,
        role: "owner".to_owned(),
        search_path: "\"$user\", public".to_owned(),
        schemas: BTreeSet::new(),
    };
    Forecast::new(assumed, false)
}

/// Runs statements one by one; the rules found for each.
fn run(forecast: &mut Forecast, texts: &[&str]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for text in texts {
        let reading = read(text).unwrap();
        let facts = forecast.instead_of_a_server(&reading, &wanted(&reading));
        let assessment = assess(text, &reading, facts.clone());
        let hazards = assessment.findings.iter().filter(|finding| !is_definition(&finding.rule));
        let rules = hazards.map(|finding| finding.rule.0.clone());
        found.push(rules.filter(|rule| rule != "brief-lock").collect());
        for parsed in &reading.statements {
            forecast.learn(&parsed.statement, Seen { text, facts: &facts, copied: None });
        }
    }
    found
}

fn last(texts: &[&str]) -> Vec<String> {
    run(&mut forecast(), texts).pop().unwrap()
}

#[test]
fn what_nobody_made_is_large_and_in_use() {
    assert_eq!(last(&["create index on orders (a)"]), ["create-index"]);
    assert_eq!(last(&["alter table orders alter a set not null"]), ["set-not-null"]);
    assert_eq!(last(&["alter table orders alter a type bigint"]), ["change-type"]);
    assert_eq!(last(&["alter table orders add foreign key (a) references customers"]), ["add-foreign-key"]);
    assert_eq!(last(&["alter table orders add column b uuid default gen_random_uuid()"]), ["add-column-volatile"]);
    assert_eq!(last(&["drop index orders_a"]), ["drop-index"]);
    assert_eq!(last(&["drop table orders"]), ["drop-table"]);
    for harmless in [
        "alter table orders add column a timestamptz default now()",
        "alter table orders add column a text default lower('X') || 'y'",
        "create index concurrently on orders (a)",
        "alter table orders validate constraint c",
        "create table new (id int references orders)",
        "create view v as select 1",
    ] {
        assert_eq!(last(&[harmless]), Vec::<String>::new(), "{harmless}");
    }
}

#[test]
fn what_the_transaction_made_is_its_own() {
    let made = "create table t (id bigint primary key, a int)";
    for own in ["create index on t (a)", "alter table t alter a set not null", "drop table t"] {
        assert_eq!(last(&["begin", made, own]), Vec::<String>::new(), "{own}");
    }
    // Committed, it is there for everybody, and empty.
    assert_eq!(last(&["begin", made, "commit", "drop table t"]), ["drop-table"]);
    assert_eq!(last(&["begin", made, "commit", "alter table t alter a type text"]), Vec::<String>::new());
    // Rolled back, it is another table.
    assert_eq!(last(&["begin", made, "rollback", "alter table t alter a type text"]), ["change-type"]);
}

#[test]
fn what_is_filled_is_large() {
    let filled = ["create table t (a int)", "insert into t select a from orders", "alter table t alter a set not null"];
    assert_eq!(last(&filled), ["set-not-null"]);
    assert_eq!(last(&["create table t as select 1 as a", "alter table t alter a type text"]), ["change-type"]);
    let few = ["create table t (a int)", "insert into t values (1)", "alter table t alter a set not null"];
    assert_eq!(last(&few), Vec::<String>::new());
    assert_eq!(last(&["truncate orders", "alter table orders alter a set not null"]), Vec::<String>::new());
}

#[test]
fn rows_may_come_unseen() {
    for fill in [
        "with a as (insert into t select * from orders returning 1) select 1",
        "merge into t using orders on t.a = orders.a when not matched then insert values (orders.a)",
        "do 'begin insert into t select 1; end'",
        "select load()",
        "alter table orders inherit t",
    ] {
        let run = ["create table t (a int)", fill, "alter table t alter a type text"];
        assert_eq!(last(&run), ["change-type"], "{fill}");
    }
    let through_a_view = [
        "create table t (a int)",
        "create view v as table t",
        "insert into v table u",
        "alter table t alter a type text",
    ];
    assert_eq!(last(&through_a_view), ["change-type"]);
    for harmless in [
        "select setval('s', 1)",
        "update t set a = length(lower('X'))",
        "create function f() returns int language sql stable as 'select 1'; select f()",
    ] {
        let run = ["create table t (a int)", harmless, "alter table t alter a type text"];
        assert_eq!(last(&run), Vec::<String>::new(), "{harmless}");
    }
    let of_two = "create function f() returns int language sql as 'insert into t select 1'; \
                  create function f(int) returns int language sql stable as 'select 1'; select f()";
    assert_eq!(last(&["create table t (a int)", of_two, "alter table t alter a type text"]), ["change-type"]);
}

#[test]
fn temporary_tables_end() {
    let change = "alter table t alter a type text";
    let made = "create temp table t (a int) on commit drop";
    assert_eq!(last(&["begin", made, change]), Vec::<String>::new());
    assert_eq!(last(&["begin", made, "commit", change]), ["change-type"]);
    assert_eq!(last(&[made, change]), ["change-type"]);
    assert_eq!(last(&["create temp table t (a int)", "discard temp", change]), ["change-type"]);
    let mut forecast = forecast();
    run(&mut forecast, &["create temp table t (a int)"]);
    forecast.end_session();
    assert_eq!(run(&mut forecast, &[change])[0], ["change-type"]);
}

#[test]
fn transactions_that_chain_or_are_prepared() {
    let made = "create table t (a int)";
    assert_eq!(last(&["begin", "commit and chain", made, "drop table t"]), Vec::<String>::new());
    assert_eq!(last(&["begin", made, "commit and chain", "drop table t"]), ["drop-table"]);
    assert_eq!(last(&["begin", made, "prepare transaction 'x'", "alter table t alter a type text"]), ["change-type"]);
}

#[test]
fn proofs_of_earlier_statements_count() {
    let steps = [
        "alter table orders add constraint a_there check (a is not null) not valid",
        "alter table orders validate constraint a_there",
        "alter table orders alter a set not null",
    ];
    assert_eq!(last(&steps), Vec::<String>::new());
    assert_eq!(last(&[steps[0], steps[2]]), ["set-not-null"], "not validated");
    let dropped = [steps[0], steps[1], "alter table orders drop constraint a_there", steps[2]];
    assert_eq!(last(&dropped), ["set-not-null"]);
}

#[test]
fn types_known_from_the_run() {
    let mut forecast = forecast();
    run(&mut forecast, &["create table t (a varchar(20), b numeric(10, 2))"]);
    forecast.age();
    assert_eq!(run(&mut forecast, &["alter table t alter a type varchar(50)"])[0], Vec::<String>::new());
    assert_eq!(run(&mut forecast, &["alter table t alter a type varchar(10)"])[0], ["change-type"]);
    assert_eq!(run(&mut forecast, &["alter table t alter b type numeric(12, 2)"])[0], Vec::<String>::new());
    run(&mut forecast, &["create domain short as text check (length(value) < 9)"]);
    assert_eq!(run(&mut forecast, &["alter table t add column c short"])[0], ["add-column-rewrite"]);
    run(&mut forecast, &["create function make() returns int language sql immutable as 'select 1'"]);
    assert_eq!(run(&mut forecast, &["alter table t add column d int default make()"])[0], Vec::<String>::new());
}

fn known(forecast: &Forecast, name: &str) -> Option<RelationFacts> {
    let name = RelationName { schema: None, name: name.to_owned() };
    let key = forecast.key(&name, &Facts::default());
    forecast.now.relations.get(&key).and_then(Option::as_ref).map(|standing| standing.facts.clone())
}

#[test]
fn names_are_the_servers() {
    let mut forecast = forecast();
    run(
        &mut forecast,
        &[
            "create table t (id serial primary key, a int unique, b int check (b > 0), c int references t, check (a > b))",
            "create index on t (a, b)",
            "create index on t (a, b)",
        ],
    );
    let table = known(&forecast, "t").unwrap();
    let indexes: Vec<&str> = table.indexes.iter().map(|index| index.name.as_str()).collect();
    assert_eq!(indexes, ["t_pkey", "t_a_key", "t_a_b_idx", "t_a_b_idx1"]);
    let constraints: Vec<&str> = table.constraints.iter().map(|constraint| constraint.name.as_str()).collect();
    assert_eq!(constraints, ["t_pkey", "t_a_key", "t_b_check", "t_c_fkey", "t_check"]);
    assert!(known(&forecast, "t_id_seq").is_some() && known(&forecast, "t_a_key").is_some());
    run(&mut forecast, &["alter table t drop column a", "alter table t rename to u", "alter table u set schema s"]);
    assert!(known(&forecast, "t").is_none() && known(&forecast, "t_a_key").is_none());
    run(&mut forecast, &["set search_path to r, s"]);
    assert_eq!(known(&forecast, "u").unwrap().indexes.len(), 1);
}

#[test]
fn temporary_tables_hide_others_and_hurt_nobody() {
    let steps = ["create table t (a int)", "create temp table t (a int)", "alter table t alter a type text"];
    let mut forecast = forecast();
    run(&mut forecast, &steps[..1]);
    forecast.age();
    assert_eq!(run(&mut forecast, &steps[1..]).pop().unwrap(), Vec::<String>::new());
    assert_eq!(run(&mut forecast, &["alter table public.t alter a type text"])[0], ["change-type"]);
}

#[test]
fn partitions_of_the_run() {
    let parts = [
        "create table p (a int) partition by list (a)",
        "create table p1 partition of p for values in (1)",
        "create table q (a int)",
        "alter table p attach partition q for values in (2)",
    ];
    assert_eq!(last(&parts), Vec::<String>::new());
    assert_eq!(last(&["alter table p attach partition big for values in (2)"]), ["attach-partition"]);
}

#[test]
fn names_are_found_by_the_path_that_the_run_has_set() {
    let (made, change) = ("create table t (a int)", "alter table t alter a type text");
    let none = Vec::<String>::new();
    for set in [
        "set search_path = app",
        "select pg_catalog.set_config('search_path', 'app, public', false)",
        "begin; set local search_path = app; rollback; set search_path to other, app",
    ] {
        assert_eq!(last(&["set search_path = app", made, set, change]), none, "{set}");
        assert_eq!(last(&["create table public.t (a int)", set, change]).is_empty(), set.contains("public"), "{set}");
    }
    // Local ends with its transaction, whichever way, and RESET goes back.
    for set in ["set local search_path = app", "set search_path = app"] {
        let ended = if set.contains("local") { none.clone() } else { vec!["change-type".to_owned()] };
        assert_eq!(last(&[made, "begin", set, "commit", change]), ended, "{set}");
        assert_eq!(last(&[made, "begin", set, "rollback", change]), none, "{set}");
        assert_eq!(last(&[made, set, "reset search_path", change]), none, "{set}");
        assert_eq!(last(&[made, set, "discard all", change]), none, "{set}");
    }
    assert_eq!(last(&[made, "set local search_path = app", change]), none, "without a transaction it does nothing");
    for dump in ["select pg_catalog.set_config('search_path', '', false)", "set search_path = \"$user\", public"] {
        assert_eq!(last(&[dump, made, change]), none, "{dump}");
    }
}

#[test]
fn a_role_has_its_own_schema() {
    let (made, change) = ("create table t (a int)", "alter table t alter a type text");
    let (none, others) = (Vec::<String>::new(), vec!["change-type".to_owned()]);
    let (schema, role) = ("create schema authorization app", "set role app");
    assert_eq!(last(&[schema, role, made, "alter table app.t alter a type text"]), none);
    assert_eq!(last(&[schema, role, made, "reset role", change]), others);
    assert_eq!(last(&[schema, made, role, change]), none, "found further on in the path");
    assert_eq!(last(&[schema, role, made, "set role none", "alter table public.t alter a type text"]), others);
    assert_eq!(last(&["create table app.t (a int)", role, change]), none);
    assert_eq!(last(&[role, made, "alter table public.t alter a type text"]), none, "there is no such schema");
    assert_eq!(last(&[schema, "set search_path = public", role, made, "reset role", change]), none);
    // Whose it is nobody knows.
    let unclear = "select set_config('role', current_setting('app.role'), false)";
    assert_eq!(last(&[schema, made, unclear, change]), others);
    let mut live = Forecast::new(Assumed { schemas: ["app".to_owned()].into(), ..forecast().assumed }, true);
    assert_eq!(live.search_path(), "public");
    run(&mut live, &[role]);
    assert_eq!(live.search_path(), "app, public");
    live.end_session();
    assert!(live.is_lost());
    let mut without = forecast();
    run(&mut without, &[role]);
    without.end_session();
    assert!(!without.is_lost(), "neither role has a schema");
}

#[test]
fn where_the_path_is_not_known_everything_is_others() {
    let (made, change) = ("create table t (a int)", "alter table t alter a type text");
    for unclear in [
        "select set_config('search_path', current_user, false)",
        "do $$ begin execute 'set search_path = ' || current_user; end $$",
    ] {
        assert_eq!(last(&[made, unclear, change]), ["change-type"], "{unclear}");
        assert_eq!(last(&[unclear, made, change]), Vec::<String>::new(), "{unclear}: wherever it is, it was made");
        assert_eq!(last(&[unclear, made, unclear, change]), ["change-type"], "{unclear}");
    }
    // Another file may be sent by the same session, or by another.
    let mut forecast = forecast();
    run(&mut forecast, &["set search_path = app", made]);
    forecast.end_session();
    assert!(forecast.is_lost());
    assert_eq!(run(&mut forecast, &[change])[0], ["change-type"]);
    run(&mut forecast, &["reset all", "select set_config('search_path', '', false)"]);
    forecast.end_session();
    assert!(!forecast.is_lost());
}

#[test]
fn what_is_not_on_a_table_of_the_run() {
    let made = "create table nt (a int)";
    for what in ["trigger", "policy", "rule"] {
        let drop = format!("drop {what} if exists x on nt");
        assert_eq!(last(&[made, &drop]), Vec::<String>::new(), "{what}");
        assert_eq!(last(&[&drop]), ["drop-object"], "{what}");
    }
    let drop = "drop trigger if exists x on nt";
    let renamed = ["create policy y on nt", "alter policy y on nt rename to z", "alter table nt alter a type text"];
    assert_eq!(last(&[&[made], renamed.as_slice()].concat()), Vec::<String>::new(), "the table keeps its name");
    for makes in [
        "create trigger x before insert on nt for each row execute function f()",
        "create trigger y before insert on nt for each row execute function f(); alter trigger y on nt rename to x",
        "do 'begin end'",
    ] {
        assert_eq!(last(&[made, makes, drop]), ["drop-object"], "{makes}");
    }
}

#[test]
fn triggers_and_default_partitions_of_a_schema() {
    let mut schema = forecast();
    run(
        &mut schema,
        &[
            "create table public.t (a int primary key)",
            "create trigger x before update on public.t for each row execute function f()",
            "create table public.p (a int) partition by list (a)",
            "create table public.p_def (a int)",
            "alter table only public.p attach partition public.p_def default",
        ],
    );
    schema.age();
    let filled = "alter table t add column b uuid default gen_random_uuid()";
    assert!(run(&mut schema, &[filled])[0].contains(&"fires-triggers".to_owned()));
    let again = "alter table t add column c uuid default gen_random_uuid()";
    assert_eq!(run(&mut schema, &["drop trigger x on t", again])[1], ["add-column-volatile"]);
    assert_eq!(run(&mut schema, &["create table p9 partition of p for values in (9)"])[0], ["attach-partition"]);
}

#[test]
fn columns_that_a_write_of_all_rows_needs() {
    let mut forecast = forecast();
    let text = "update orders set a = b + 1";
    let reading = read(text).unwrap();
    let facts = forecast.instead_of_a_server(&reading, &wanted(&reading));
    let message = assess(text, &reading, facts).findings[0].message.clone();
    assert!(message.contains("the type of column b is not known"), "{message}");
    assert!(!run(&mut forecast, &["update orders set a = 1"])[0].is_empty());
}
