//! Texts with secrets, and how they are shown.

use super::*;

fn check(text: &str, expected: &str) {
    assert_eq!(shown(text), expected, "{text}");
}

#[test]
fn roles() {
    check("select 1", "select 1");
    check("ALTER USER me PASSWORD 'hunter2'", "ALTER USER me PASSWORD '***'");
    check("alter role \"x\" with encrypted password $$hunter2$$", "alter role \"x\" with encrypted password '***'");
    check("create user x createdb password E'hunter\\'2'", "create user x createdb password '***'");
    check(
        "create role x password U&'hunter2' valid until '2030-01-01'",
        "create role x password '***' valid until '***'",
    );
    check("ALTER USER me PASSWORD 'SCRAM-SHA-256$4096:x$y:z'; select 'a'", "ALTER USER me PASSWORD '***'; select 'a'");
    check("alter user me password 'hunter'\n  '2'", "alter user me password '***'");
    check("alter role me password null", "alter role me password null");
}

#[test]
fn servers() {
    check(
        "create subscription s connection 'host=a password=hunter2' publication p",
        "create subscription s connection '***' publication p",
    );
    check(
        "create user mapping for x server s options (user 'u', password 'hunter2')",
        "create user mapping for x server s options (user '***', password '***')",
    );
    check("select dblink_connect('c', 'host=a password=hunter2')", "select dblink_connect('***', '***')");
    check("explain analyze select dblink('pw', 'b'), 'c'", "explain analyze select dblink('***', '***'), 'c'");
    check("copy t from program 'curl https://u:hunter2@host/x'", "copy t from program '***'");
    check("copy t from program 'curl -u admin:hunter2 http://h'", "copy t from program '***'");
    check("copy t from program E'mysql -p\\'hunter2\\''", "copy t from program '***'");
    check("alter system set primary_conninfo = 'hunter2'", "alter system set primary_conninfo = '***'");
}

#[test]
fn settings_and_data() {
    check("select set_config('app.jwt_secret', 'hunter2', false)", "select set_config('app.jwt_secret', '***', false)");
    check("set app.api_key = 'hunter2'", "set app.api_key = '***'");
    check(
        "insert into u (a, password) values ('x', 'hunter2'), ('y', crypt('hunter2', 's'))",
        "insert into u (a, password) values ('x', '***'), ('y', crypt('***', '***'))",
    );
    check(
        "update u set password_hash = 'hunter2' where name = 'x'",
        "update u set password_hash = '***' where name = 'x'",
    );
    check("select 1 from u where token = 'hunter2'", "select 1 from u where token = '***'");
}

#[test]
fn code() {
    check("do $x$ begin execute 'alter role a password ''hunter2'''; end $x$", "do $x$ begin execute '***'; end $x$");
    check("do $$ begin perform f('x'); end $$ -- key", "do $$ begin perform f('x'); end $$ -- key");
    check(
        "create function f() returns int language sql as 'alter role a password ''hunter2'''",
        "create function f() returns int language sql as '***'",
    );
}

#[test]
fn comments_beside_secrets() {
    check("alter /* 'x' */ role a password 'x' -- x", "alter /* *** */ role a password '***' /* *** */");
    check("select 1 /* the key */", "select 1 /* the key */");
}

#[test]
fn comments_that_tell_secrets() {
    for (text, expected) in [
        ("-- ALTER ROLE app PASSWORD 'X'\ndrop table small", "/* *** */\ndrop table small"),
        ("/* password=X */ create role r3 login", "/* *** */ create role r3 login"),
        ("/* postgresql://u:X@h/x */ select 1", "/* *** */ select 1"),
        ("create role q1 /* password 'X' */", "create role q1 /* *** */"),
        ("select 1 /* Password: X */", "select 1 /* *** */"),
        ("-- insert into users (name, pwd) values ('a', 'X')\nselect 1", "/* *** */\nselect 1"),
        ("select 1 /* a */ -- {\"api_key\": \"X\"}", "select 1 /* a */ /* *** */"),
        ("-- alter role a password $$X$$", "/* *** */"),
        ("do $$ begin -- password 'X'\n perform f('a'); end $$", "do $$ begin /* *** */\n perform f('***'); end $$"),
    ] {
        check(text, expected);
        assert!(may_hold_secrets(text), "{text}");
    }
    for plain in [
        "-- the user's password is reset\nselect 1",
        "select 1 /*action='reset_password',controller='users'*/",
        "select 1 -- passwords, tokens",
        "alter table t drop column token -- https://example.com/a?b=c@d:e",
        "update t set password = $1 -- the password's hash",
        "select a -- where token = $1",
    ] {
        check(plain, plain);
    }
    assert!(!may_hold_secrets("select password from users -- the token"));
}

#[test]
fn literals_that_tell_secrets() {
    for (text, expected) in [
        (
            "select cron.schedule('n', '* * * * *', $$alter role x password 'X'$$)",
            "select cron.schedule('n', '* * * * *', '***')",
        ),
        ("select $q$alter role x password 'X'$q$", "select '***'"),
        ("select * from explain('alter role bob password ''X''', 'd')", "select * from explain('***', 'd')"),
        ("select * from explain('insert into u (a, pwd) values (1, ''X'')')", "select * from explain('***')"),
        ("insert into log values ('{\"user\": \"a\", \"password\": \"X\"}')", "insert into log values ('***')"),
        ("insert into log values (E'{\\\"password\\\": \\\"X\\\"}')", "insert into log values ('***')"),
        ("insert into log values ('{\"access_token\": \"X\"}', 'a')", "insert into log values ('***', 'a')"),
        ("insert into log values ('login: a, password: X')", "insert into log values ('***')"),
        ("select format('alter role %I password ''X''', 'a')", "select format('***', 'a')"),
        ("comment on table t is 'PGPASSWD := X'", "comment on table t is '***'"),
        ("insert into log values ('<user>a</user><password>X</password>')", "insert into log values ('***')"),
        ("select '<s:Password type=\"a\">X</s:Password>'::xml", "select '***'::xml"),
        ("select $$<access_token><![CDATA[X]]></access_token>$$", "select '***'"),
        (
            "select http_post('http://a', '{}', 'Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30')",
            "select http_post('http://a', '{}', '***')",
        ),
        ("select http_header('Authorization', 'bearer sk-X123456')", "select http_header('Authorization', '***')"),
        ("insert into log values ('{\"Authorization\": \"Basic dXNlcjpwYXNz\"}')", "insert into log values ('***')"),
        (
            "select aws_s3.table_import_from_s3('t', '', '(format csv)', 'b', 'f', 'eu-west-1', 'minio', 'X', '')",
            "select aws_s3.table_import_from_s3('t', '', '(format csv)', 'b', 'f', 'eu-west-1', 'minio', '***', '***')",
        ),
        (
            "select app.fetch('b', 'AKIAIOSFODNN7EXAMPLE', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'::text, 'eu')",
            "select app.fetch('b', 'AKIAIOSFODNN7EXAMPLE', '***'::text, 'eu')",
        ),
    ] {
        check(text, expected);
    }
    for plain in [
        "select 'password'",
        "select 'Enter password: ' || a",
        "select 'your password ' || a",
        "comment on column t.a is 'the password''s hash'",
        "select '{\"max_tokens\": 500, \"secret\": false}'",
        "select a from t where kind = 'token: refresh' and note = 'x'",
        "select 'password::text'",
        "select 'select password from users where id = 1'",
        "select 'write <password> here, then </b>', '<password></password>', '<password/>'",
        "select '<p class=\"password\">forgotten?</p>'",
        "select 'the bearer of bad news', 'Bearer authentication', 'forbearer X1234567890', 'bearer responsibilities.'",
        "select 'Authorization: required', 'authorization basic permissions', 'Authorization'",
        "select f('AKIAIOSFODNN7EXAMPLE', 'eu-west-1', 'note')",
        "select aws_s3.query_export_to_s3('select 1', 'bucket', 'path', 'eu-west-1', 'format csv')",
        "select 'Asia', f('ASIAN', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY')",
    ] {
        check(plain, plain);
    }
}

#[test]
fn long_texts_are_looked_through_once() {
    let began = std::time::Instant::now();
    for long in [
        "pwd".repeat(300_000),
        "password ".repeat(100_000),
        "pwd $1 ".repeat(200_000),
        "://".repeat(300_000),
        "<pwd>".repeat(200_000),
        "bearer ".repeat(100_000),
    ] {
        assert_eq!(shown(&format!("select 1 -- {long}")), format!("select 1 -- {long}"));
    }
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn values() {
    for (text, secret) in [
        ("select crypt($1, 'x')", true),
        ("select set_config('a.password', $1, false)", true),
        ("insert into u (name, password) values ('a', $1)", true),
        ("insert into u (name, password) values ($1, 'a')", false),
        ("select 1 from u where token = $1", true),
        ("select key from u where id = $1", false),
    ] {
        assert_eq!(shown_with_values(text).values_are_secret, secret, "{text}");
    }
}

#[test]
fn unreadable_texts() {
    let kept = shown("alter role x passwrod 'hunter2'");
    assert_eq!(kept, "<unreadable statement>", "neither its length nor its hash");
}

/// Every X in it is a secret, and stays in no text.
fn hidden(text: &str) {
    let shown = shown(text);
    assert!(!shown.contains("'X") && !shown.contains("X'"), "{text}\n{shown}");
    assert!(may_hold_secrets(text), "{text}");
}

#[test]
fn every_word_of_a_secret_is_looked_for() {
    for word in words_of_secrets() {
        assert!(may_hold_secrets(&format!("select {word} 'X'")), "{word}");
    }
    hidden("update users set credential = 'X' where id = 1");
    hidden("select digest('X', 'sha256')");
    hidden(r#"update users set U&"p\0061ssword" = 'X'"#);
    hidden("call set_password('bob', 'X')");
    hidden("select f(password => 'X')");
}

#[test]
fn what_goes_to_a_secret_column() {
    for text in [
        "merge into u using s on u.id = s.id when matched then update set password = 'X'",
        "merge into u using s on u.id = s.id when not matched then insert (id, password) values (1, 'X')",
        "insert into users (id, password) select 1, 'X' union all select 2, 'X'",
        "insert into users (id, password) select * from (values (1, 'X')) v",
        "insert into users (id, password) select v.a, v.b from (values (1, 'X')) v (a, b)",
        "with v (id, password) as (values (1, 'X')) insert into users select * from v",
        "with v as (values (1, 'X')) insert into users (id, password) select * from v",
        "select * from (values (1, 'X')) v (id, password)",
        "insert into user_passwords values (1, 'X')",
        "insert into u (id) values (1) on conflict (id) do update set password = 'X'",
        "update users set (id, password) = (1, 'X')",
        "create table t (id, password) as select 1, 'X'",
        "create view v (id, password) as select 1, 'X'",
        "explain insert into u (password) values ('X')",
        "select 'X' as password",
    ] {
        hidden(text);
    }
    check(
        "merge into u using s on u.note = 'a' when not matched then insert (id, password) values ('b', 'X')",
        "merge into u using s on u.note = 'a' when not matched then insert (id, password) values ('b', '***')",
    );
    check(
        "insert into u (note, password) select 'a', 'X' from t where kind = 'b'",
        "insert into u (note, password) select 'a', '***' from t where kind = 'b'",
    );
}

#[test]
fn comparisons() {
    for of in [
        "lower(password) = 'X'",
        "password::text = 'X'",
        "(id, password) = (1, 'X')",
        "case password when 'X' then true end",
        "coalesce(password, '') = 'X'",
        "password in ('X', 'X')",
        "data ->> 'password' = 'X'",
        "exists (select 1 from users where password = 'X')",
    ] {
        hidden(&format!("select 1 from users where {of}"));
        hidden(&format!("delete from users where id = 1 and not {of}"));
        hidden(&format!("select 1 from a join users on {of}"));
    }
    check(
        "select note from users where lower(password) = 'X' and note = 'a'",
        "select note from users where lower(password) = '***' and note = 'a'",
    );
    check("select password from users where note = 'a'", "select password from users where note = 'a'");
    check("select * from orders where note = 'x' -- token", "select * from orders where note = 'x' -- token");
}

#[test]
fn settings_by_any_spelling() {
    hidden("select set_config(setting_name => 'app.password', new_value => 'X', is_local => false)");
    hidden("select set_config(new_value => 'X', setting_name => 'app.password', is_local => false)");
    hidden("select set_config('app.' || 'password', 'X', false)");
    hidden("alter system set ssl_passphrase_command = 'X'");
    hidden("alter system set archive_command = 'X'");
    hidden("set restore_command = 'X'");
    hidden("create function f() returns int language sql set app.password = 'X' as 'select 1'");
    check("select set_config('app.user', 'token', false)", "select set_config('app.user', 'token', false)");
}

#[test]
fn definitions() {
    for text in [
        "create table t (password text default 'X')",
        "create table t (id int, check (password <> 'X'))",
        "create table t (id int) partition by range (coalesce(password, 'X'))",
        "alter table t alter column password set default 'X'",
        "alter table t add column pwd2 text default 'X'",
        "alter table t alter a type text using coalesce(password, 'X')",
        "alter table t add check (password in ('X', 'X'))",
        "create policy p on t using (coalesce(password, '') = 'X') with check (password = 'X')",
        "alter policy p on t using (password = 'X')",
        "create index i on t (id) where password = 'X'",
        "create trigger g before update on t for each row when (old.password = 'X') execute function f('X')",
        "create rule r as on update to t where new.password = 'X' do also update u set password = 'X'",
        "create publication p for table t where (password = 'X')",
        "create function f() returns void begin atomic update users set password = 'X'; end",
        "create function f(password text default 'X') returns int language sql as 'select 1'",
        "create domain password_text as text default 'X'",
        "import foreign schema a from server s into b options (password 'X')",
        "alter foreign table t options (set password 'X')",
        "create foreign table t (id int) server s options (password 'X')",
    ] {
        hidden(text);
    }
    check(
        "create table t (status text default 'a', password text default 'X', \"a,(\" text default 'b')",
        "create table t (status text default 'a', password text default '***', \"a,(\" text default 'b')",
    );
    check(
        "alter table t alter a set default 'a', alter password set default 'X'",
        "alter table t alter a set default 'a', alter password set default '***'",
    );
    for plain in [
        "alter table public.\"Tokens\" add column kind text default 'refresh'",
        "create index tokens_kind_idx on tokens (id) where kind = 'refresh'",
        "create type token_kind as enum ('access', 'refresh')",
        "create function reset_password() returns int language sql as $$ select f('a') $$",
    ] {
        check(plain, plain);
    }
}

#[test]
fn values_that_are_secret() {
    for (text, secret) in [
        ("update u set credential = $1", true),
        ("merge into u using s on true when matched then update set password = $1", true),
        ("insert into u (id, password) select 1, 'a' union select $1, $2", true),
        ("select 'x' from u where lower(password) = $1", true),
        ("select 'x' from u where lower(password) = 'x' and id = $1", false),
    ] {
        assert_eq!(shown_with_values(text).values_are_secret, secret, "{text}");
    }
}

#[test]
fn values_of_a_statement_prepared_in_the_text() {
    check(
        "prepare a(text) as update t set password = $1; execute a('X'); execute b('Y')",
        "prepare a(text) as update t set password = $1; execute a('***'); execute b('Y')",
    );
}

#[test]
fn a_part_of_a_statement() {
    assert_eq!(
        shown_behind("ALTER TABLE t ADD ", "CHECK ((password <> 'X'::text))"),
        "CHECK ((password <> '***'::text))"
    );
    assert_eq!(shown_behind("UPDATE t SET token = ", "'X'::text"), "'***'::text");
    assert_eq!(shown_behind("UPDATE t SET name = ", "'X'::text"), "'X'::text");
}

#[test]
fn names_that_tell_secrets() {
    for (name, shown) in [
        ("host=a user=b password=c", "***"),
        ("postgres://u:pw@host/db", "***"),
        ("password: c", "***"),
        ("DBeaver 24 - Main <postgres>", "DBeaver 24 - Main <postgres>"),
        ("password_service", "password_service"),
        ("reset-password worker 3", "reset-password worker 3"),
        ("", ""),
    ] {
        assert_eq!(shown_name(name), shown);
    }
}
