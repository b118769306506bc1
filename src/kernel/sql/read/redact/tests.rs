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
    check("copy t from program 'cat /x'", "copy t from program 'cat /x'");
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
    assert!(kept.starts_with("<unreadable statement, 31 bytes, sha256 ") && !kept.contains("hunter"), "{kept}");
}
