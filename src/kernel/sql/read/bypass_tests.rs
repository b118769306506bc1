//! The catalogue of ways around: what each recipe is to the reader. None may come out ordinary.

#![expect(clippy::too_many_lines, reason = "tables of cases")]

use super::super::encoding::TextEncoding;
use super::super::statement::{Change, OpaqueKind, Statement};
use super::{UnreadableKind, read, read_bytes};

/// One word per thing a text would do.
pub(super) fn words(text: &str) -> String {
    match read(text) {
        Ok(reading) => reading.statements.iter().map(|parsed| word(&parsed.statement)).collect::<Vec<_>>().join(", "),
        Err(error) => format!("{:?}", error.kind).to_lowercase(),
    }
}

fn word(statement: &Statement) -> String {
    match statement {
        Statement::Ordinary => "ordinary".to_owned(),
        Statement::MovesNames => "moves names".to_owned(),
        Statement::Transaction(control) => format!("{control:?}").to_lowercase(),
        Statement::Prepare { name, inner } => format!("prepare {name} ({})", word(inner)),
        Statement::Execute { name } => format!("execute {name}"),
        Statement::Deallocate { name } => {
            format!("deallocate {}", name.as_deref().unwrap_or("all"))
        }
        Statement::Change(change) => change_word(change),
    }
}

fn change_word(change: &Change) -> String {
    match change {
        Change::CreateIndex(index) => format!("index on {}", index.relation.name),
        Change::AlterTable(alter) => {
            format!("alter {} x{}", alter.relation.name, alter.actions.len())
        }
        Change::CreateTable(create) => format!("table {}", create.relation.name),
        Change::Drop(drop) => format!("drop {}", drop.objects.join(" ")),
        Change::Truncate { relations, .. } => format!("truncate {}", relations.len()),
        Change::MassWrite { kind, relation, .. } => format!("{kind:?} all of {}", relation.name).to_lowercase(),
        Change::Rename(rename) => {
            let schema = if rename.moves { "schema " } else { "" };
            format!("rename {} {} to {schema}{}", rename.what, rename.from, rename.to)
        }
        Change::Privilege(privilege) => privilege.command.to_lowercase(),
        Change::Setting(setting) => format!("setting {}", setting.name),
        Change::Opaque(opaque) => match opaque.kind {
            OpaqueKind::Code => format!("code {}", opaque.what),
            OpaqueKind::Server => format!("server {}", opaque.what),
            OpaqueKind::Function => format!("function {}", opaque.what),
        },
        Change::Reindex(_) => "reindex".to_owned(),
        Change::RewriteTable { command, .. } => command.to_lowercase(),
        Change::RefreshMatview { relation, .. } => format!("refresh {}", relation.name),
        Change::LockTable { mode, .. } => format!("lock {mode:?}").to_lowercase(),
        Change::Brief { command, .. } => format!("brief {}", command.to_lowercase()),
        Change::AlterDatabase { effect, .. } => format!("alter database {effect:?}").to_lowercase(),
        Change::Other { command } => format!("other {}", command.to_lowercase()),
        Change::CreateDomain(_) => "brief create domain".to_owned(),
        Change::CheckDomain { domain, .. } => format!("check domain {domain}"),
        Change::CreateRule { relation, .. } => format!("create rule {}", relation.name),
        Change::Publication(publication) => publication.command.to_owned(),
        Change::RestartSequence { relation, .. } => format!("restart {}", relation.name),
        Change::Unreadable { why } => format!("unreadable {why}"),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(words(text), *expected, "{text}");
    }
}

#[test]
fn text_tricks() {
    check(&[
        // B01, B02
        ("select 1; drop table victim; select 2", "ordinary, drop victim, ordinary"),
        ("/* /* */ select 1; */ drop table victim", "drop victim"),
        // B04, B05: with standard_conforming_strings pinned on, the backslash is a character.
        (r"select X'\'; drop table victim; --'", "ordinary, drop victim"),
        (r"select 'a\', '; drop table victim; --'", "ordinary"),
        // B13, B17
        (r#"drop table U&"\0073ecrets""#, "drop secrets"),
        (r#"drop table U&"!0073ecrets" UESCAPE '!'"#, "drop secrets"),
        ("dr/**/op table t", "syntax"),
        ("DROP\tTABLE/**/victim", "drop victim"),
        ("alter index t rename to u", "rename index t to u"),
    ]);
}

#[test]
fn continued_escape_strings() {
    // B03: every white space with a newline in it continues the E string.
    for between in ["\n", "\r", "\t\n", "\u{b}\n", " \n\t", "\r\n", "\n\n", "\u{c}\n"] {
        for prefix in ["E", "e"] {
            let text = format!("select {prefix}'a'{between}'b\\', '; drop table victim; --'");
            assert_eq!(words(&text), "ordinary, drop victim", "{text:?}");
        }
    }
    // With a comment between, the server continues the string and our grammar refuses it: never ordinary.
    for between in ["--c\n", "\n--c\n", "\n --'\n"] {
        assert_eq!(words(&format!("select E'a'{between}'b\\', '; drop table victim; --'")), "syntax", "{between:?}");
    }
}

#[test]
fn encodings() {
    // B10: valid UTF-8, harmless as such; the encodings under which it is not are not read at all.
    let text = b"select E'\xC2\x95\x5C'; drop table victim; --'";
    assert!(read_bytes(text, TextEncoding::Utf8).is_ok_and(|(reading, _)| reading.statements.len() == 1));
    // B11, invalid bytes; B12, dollar tags of high bytes; B14, no Unicode white space.
    let error = read_bytes(b"select '\xff'", TextEncoding::Utf8).unwrap_err();
    assert_eq!(
        (error.kind, error.why.as_str()),
        (UnreadableKind::Encoding, "invalid byte sequence for encoding \"UTF8\" at byte 8")
    );
    let (reading, _) = read_bytes(b"select $\xe4$ ; drop table x $\xe4$", TextEncoding::SingleByte).unwrap();
    assert_eq!((reading.statements.len(), reading.exact_names), (1, false));
    for space in ["\u{a0}", "\u{3000}", "\u{85}"] {
        assert_ne!(words(&format!("select 1;{space}drop table t")), "ordinary, drop t");
    }
    // B16: a NUL ends nothing.
    assert_eq!(words("select 1\0drop table victim"), "syntax");
}

#[test]
fn settings() {
    check(&[
        ("set standard_conforming_strings=off", "setting standard_conforming_strings"),
        ("SET LOCAL \"standard_conforming_strings\" TO 'off'", "setting standard_conforming_strings"),
        ("set standard_conforming_strings=on", "ordinary"),
        ("select set_config('Standard_Conforming_Strings','off',false)", "setting Standard_Conforming_Strings"),
        ("select pg_catalog.set_config('client_encoding','sjis',true)", "setting client_encoding"),
        ("select set_config($1,'x',true)", "function set_config() of a name that is not a literal"),
        ("select set_config('role','x',true)", "moves names"),
        (
            "SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'",
            "ordinary",
        ),
        (
            "SELECT set_config(name, 'view', false) FROM pg_settings WHERE name = 'search_path'",
            "function set_config() of a name that is not a literal",
        ),
        (
            "SELECT set_config(name, 'view', false) FROM a.pg_settings WHERE name = 'restrict_nonsystem_relation_kind'",
            "function set_config() of a name that is not a literal",
        ),
        ("select set_config('Search_Path', 'x', false), pg_catalog.set_config('search_path', $1, true)", "moves names"),
        (
            "set search_path = a; set local search_path to default; set schema 'a'",
            "moves names, moves names, moves names",
        ),
        ("reset role; set role x; reset session authorization", "moves names, moves names, moves names"),
        ("discard temp; discard all; discard plans", "moves names, deallocate all, moves names, ordinary"),
        ("fetch c", "moves names"),
        ("set client_encoding to 'gbk'", "setting client_encoding"),
        ("set names 'big5'", "setting client_encoding"),
        ("set client_encoding = 'nonsense'", "ordinary"),
        ("set client_encoding = ' S_J-I.S '", "setting client_encoding"),
        ("set names 'utf-8'", "ordinary"),
        ("reset client_encoding; reset all; set client_encoding to default", "ordinary, moves names, ordinary"),
        // B08, B39, B40
        ("alter role alice set client_encoding='SJIS'", "setting client_encoding"),
        ("alter database d set search_path = x", "alter database set"),
        ("alter role all in database d reset all", "alter role set"),
        ("set session_replication_role=replica", "setting session_replication_role"),
        ("set session_replication_role=origin", "ordinary"),
        ("set session authorization bob", "setting session_authorization"),
        (
            "set role bob; reset role; set lock_timeout = 5; set transaction read only",
            "moves names, moves names, ordinary, ordinary",
        ),
        ("set event_triggers = off", "setting event_triggers"),
        ("update pg_settings set setting = 'x' where name = 'y'", "server UPDATE pg_settings"),
    ]);
}

#[test]
fn code() {
    check(&[
        // B20, B22
        ("do $$begin execute 'drop table victim';end$$", "code DO"),
        ("call pr()", "code CALL pr"),
        (
            "create or replace function f() returns void language sql as 'drop table x'; select f()",
            "brief create function, ordinary",
        ),
        ("create function f() returns void language plpython3u as 'x'", "code CREATE FUNCTION … LANGUAGE plpython3u"),
        ("alter function f() security definer", "code ALTER FUNCTION … SECURITY DEFINER"),
        // B23
        ("alter table t2 alter a set default f()", "alter t2 x1"),
        ("create rule r as on insert to t do also delete from u", "create rule t"),
        ("create policy p on t using (f())", "create policy"),
        // B24, B25
        ("prepare p as select f(); execute p", "prepare p (ordinary), execute p"),
        ("prepare p as with a as (delete from t) select lo_import('x')", "prepare p (function lo_import())"),
        ("begin; declare c cursor for select dblink('x'); fetch c", "begin, function dblink(), moves names"),
        // B26, B27, B36, B42
        ("select query_to_xml('select k from secrets',true,true,'')", "function query_to_xml()"),
        ("select 1 where exists (select * from ts_stat('select 1'))", "function ts_stat()"),
        ("select ts_rewrite('a'::tsquery, 'select 1'), ts_rewrite(a, b, c) from t", "function ts_rewrite()"),
        ("values (public.dblink_exec('x', 'drop table victim'))", "function dblink_exec()"),
        ("insert into t select lo_export(1, '/x') on conflict do nothing", "function lo_export()"),
        ("update t set a = pg_read_file('/etc/passwd') where id = 1", "function pg_read_file()"),
        (
            "select * from t order by pg_terminate_backend(1) limit pg_cancel_backend(2)",
            "function pg_cancel_backend(), function pg_terminate_backend()",
        ),
        (
            "select case when a then pg_reload_conf() end, array[pg_promote()] from t group by 1",
            "function pg_promote(), function pg_reload_conf()",
        ),
        (
            "select sum(x) filter (where pg_switch_wal() is null) over (partition by pg_rotate_logfile()) from t",
            "function pg_rotate_logfile(), function pg_switch_wal()",
        ),
        (
            "select * from pg_ls_dir('.') with ordinality, lateral (select pg_stat_file('x')) y",
            "function pg_stat_file(), function pg_ls_dir()",
        ),
        (
            "select xmlelement(name x, pg_read_file('y')), json_object('a': lo_import('b'))",
            "function lo_import(), function pg_read_file()",
        ),
        ("create subscription s connection 'x' publication p", "server CREATE SUBSCRIPTION"),
        (
            "create server s foreign data wrapper w; create extension dblink",
            "server CREATE SERVER, code CREATE EXTENSION dblink",
        ),
        ("load 'x'", "server LOAD"),
        ("execute p(lo_import('x'))", "function lo_import(), execute p"),
    ]);
}

#[test]
fn changes_in_disguise() {
    check(&[
        // B29, B30
        ("create table x as select 1", "table x"),
        ("with q as (select 1) select * into x from q", "table x"),
        ("select 1 into x union select 2", "table x"),
        ("explain analyze create table x as select 1", "table x"),
        ("explain (analyze 1) delete from t", "delete all of t"),
        ("explain (analyze off, analyze) delete from t", "delete all of t"),
        ("explain (analyze false, verbose) delete from t", "ordinary"),
        ("explain analyze execute p", "execute p"),
        ("explain (analyze on) declare c cursor for select pg_reload_conf()", "function pg_reload_conf()"),
        ("create table x as execute p", "table x, execute p"),
        // B31, B32, B33, B34
        (
            "create schema s create table t(a int) create index on t(a) create view v as select lo_import('x')",
            "brief create schema, table t, index on t, brief create view, function lo_import()",
        ),
        ("drop owned by me", "drop me"),
        ("drop type t cascade; drop domain d cascade; drop schema s cascade", "drop t, drop d, drop s"),
        ("alter domain d add check (value > 0)", "check domain d"),
        ("alter type t add attribute a int cascade", "alter t x1"),
        (
            "truncate a, b; lock table t; vacuum (full) t; cluster t; reindex table t; reassign owned by a to b",
            "truncate 2, lock accessexclusive, vacuum full, cluster, reindex, reassign owned",
        ),
        ("vacuum full", "vacuum full"),
        (
            "refresh materialized view m; grant select on t to x; comment on table t is 'x'",
            "refresh m, grant, brief comment",
        ),
        // B35, B36
        ("update pg_catalog.pg_class set relname = 'x' where oid = 1", "server UPDATE pg_class"),
        ("with x as (delete from pg_event_trigger where oid = 1) select 1", "server DELETE pg_event_trigger"),
        ("insert into pg_authid values (1)", "server INSERT pg_authid"),
        ("copy pg_class from stdin", "server COPY pg_class"),
        ("copy t from program 'x'", "server COPY … PROGRAM"),
        (
            "copy t to '/file'; copy (select 1) to '/file'",
            "server COPY with a file of the server, server COPY with a file of the server",
        ),
        ("copy t from stdin; copy t to stdout; copy (select 1) to stdout", "ordinary, ordinary, ordinary"),
        ("copy (delete from t returning *) to stdout", "delete all of t"),
        ("copy t from stdin where lo_import(a) is null", "function lo_import()"),
        // B37, B43
        ("prepare transaction 'x'; commit prepared 'x'", "twophase, twophase"),
        ("alter role me password 'x'", "alter role"),
    ]);
}

#[test]
fn mass_writes() {
    let everything = [
        "",
        "where true",
        "where 't'",
        "where 1=1",
        "where 'a'='a'",
        "where id = id",
        "where t.id = id",
        "where not false",
        "where true or x = 1",
        "where x = 1 or 1 < 2",
        "where id in (select id from t)",
        "where id in (select t.id from t where true)",
        "where exists (select 1)",
        "where exists (select 1 from t)",
        "where id is null or id is not null",
        "where x or not x",
        "where not not true",
        "where (true)",
        "where true is true",
        "where coalesce(true, x)",
        "where 1 is not null",
        "where id between id and id",
        "where id in (id)",
        "where name like '%'",
        "where name ~ ''",
        "where 1 in (1, 2)",
        "where now() > '2000-01-01'",
        "where random() < 2",
        "where $1",
        "where 1::bool",
        "where id is not distinct from id",
        "where id = any (select id from t)",
        "where (select true)",
        "where true and 1=1",
        "where case when true then true end",
        "where id >= id and true",
        "where ctid = ctid",
        "where id = any (array[id])",
    ];
    for condition in everything {
        assert_eq!(words(&format!("delete from t {condition}")), "delete all of t", "{condition}");
        assert_eq!(words(&format!("update t set a = 1 {condition}")), "update all of t", "{condition}");
    }
    for condition in [
        "where id = 5",
        "where id = $1",
        "where false",
        "where 1 = 0",
        "where true and id = 5",
        "where id in (1, 2)",
        "where id in (select id from t where old)",
        "where id in (select id from t limit 10)",
        "where current of c",
        "where exists (select 1 from o where o.id = t.id)",
        "where not done",
        "where done",
        "where id in (select id from o)",
        "where name like 'a%'",
        "where id between 1 and 5",
        "where (a, b) = (1, 2)",
        "where x is null or y is not null",
    ] {
        assert_eq!(words(&format!("delete from t {condition}")), "ordinary", "{condition}");
    }
    check(&[
        ("update t set a = 1 from o", "update all of t"),
        ("update t set a = o.a from o where o.b = 5", "update all of t"),
        ("update t x set a = o.a from o where o.id = x.id", "ordinary"),
        ("delete from t using o where true", "delete all of t"),
        ("merge into t using s on t.id = s.id when matched then update set a = 1", "ordinary"),
        ("merge into t using s on true when matched then update set a = 1", "update all of t"),
        ("merge into t using s on t.id = s.id when not matched by source then delete", "delete all of t"),
        ("merge into t using t as s on t.id = s.id when matched then delete", "delete all of t"),
        ("merge into t using t as s on t.id = s.up when matched then delete", "ordinary"),
        ("merge into a.t using b.t as s on t.id = s.id when matched then delete", "ordinary"),
        ("delete from t using t as s where s.id = t.id and t.a = s.a", "delete all of t"),
        ("delete from t using t as s where s.id = t.id and s.a > 5", "ordinary"),
        ("delete from t using t as s where s.a = t.a and s.id < t.id", "ordinary"),
        ("with a as (delete from x) update y set b = 1 where c = 2", "delete all of x"),
    ]);
}
