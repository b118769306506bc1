use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::kernel::policy::Policy;

fn sources(text: &str) -> Sources {
    Sources { file: Some((PathBuf::from("gw.toml"), text.to_owned())), ..Sources::default() }
}

fn mistakes(text: &str) -> String {
    match load_from(&sources(text)) {
        Ok(_) => "no mistake".to_owned(),
        Err(mistakes) => mistakes.iter().map(|mistake| format!("{mistake}\n")).collect(),
    }
}

fn settings(text: &str) -> Settings {
    load_from(&sources(text)).unwrap_or_else(|mistakes| panic!("{}", render(&mistakes))).settings
}

fn shipped(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)).unwrap()
}

#[test]
fn no_file_means_the_defaults() {
    let loaded = load_from(&Sources::default()).unwrap();
    assert_eq!(loaded, Loaded { settings: Settings::default(), warnings: Vec::new() });
    assert_eq!(settings(""), Settings::default());
}

#[test]
fn the_commented_file_means_the_defaults() {
    assert_eq!(settings(&shipped("gateway.toml")), Settings::default());
}

#[test]
fn the_commented_file_has_every_key() {
    // Every key, commented out or not, is one the reader knows: uncommented, no mistake is about a key.
    let mut all = String::new();
    for line in shipped("gateway.toml").lines() {
        let bare = line.trim_start_matches('#').trim_start();
        let is_key = bare
            .split_once(" = ")
            .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '_' | '2' | '5' | '6')));
        let is_heading = bare.starts_with('[') && bare.ends_with(']');
        if is_key || is_heading {
            all.push_str(bare);
            all.push('\n');
        }
    }
    let told = mistakes(&all);
    assert!(!told.contains("There is no such key") && !told.contains("not TOML"), "{told}");
    for key in ["cert_file", "root_file", "users_file", "data_dir", "token_sha256", "small_bytes", "review"] {
        assert!(all.contains(key), "{key} in\n{all}");
    }
}

#[test]
fn every_shipped_file_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let loaded = load_from(&Sources { file: Some((path.clone(), text)), ..Sources::default() });
            assert!(loaded.is_ok(), "{}", render(&loaded.unwrap_err()));
            count += 1;
        }
    }
    assert!(count >= 3);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = r#"
lisen = "127.0.0.1:6433"
admin = "localhost:x"
mode = "watch"

[limits]
connections_max = -1
auth_timeout_s = "10"
conections_max = 5

[[targets]]
name = "a"
policy = "standart"
upstream = "postgres://db/app"
startup_parameters = ["options", "statement_timeout"]
[targets.auth]
method = "scram"
[targets.upstream_tls]
mode = "verify-full"

[[targets]]
name = "a"

[[policy.mine.rules]]
tables = ["orders"]
responses = { create-index = "rewrit" }

[[reviewers]]
name = "alice"
token_sha256 = "abc"
"#;
    insta::assert_snapshot!(mistakes(text));
}

#[test]
fn a_text_that_is_not_toml_is_told_with_every_error() {
    insta::assert_snapshot!(mistakes("listen = \nadmin = \"x\nmode = \"observe\"\n[tls\n"));
}

#[test]
fn single_mistakes() {
    for (text, expected) in [
        ("listen = []", "gw.toml:1: listen: There is no address to listen at."),
        ("listen = [\"127.0.0.1:1\", \"127.0.0.1:1\"]", "gw.toml:1: listen: 127.0.0.1:1 is written twice."),
        ("\nlisten = [\"127.0.0.1:1\",\n \"nowhere\"]", "gw.toml:3: listen[1]: \"nowhere\" is not an address."),
        ("[tls]\nmode = \"require\"", "gw.toml:2: tls.mode: TLS needs a certificate."),
        ("[tls]\ncert_file = \"a.crt\"", "gw.toml:2: tls.cert_file: The certificate has no private key."),
        ("[[listen]]\naddress = \"/run/lk\"\ntls = \"require\"", "gw.toml:3: listen[0].tls: TLS needs a certificate."),
        ("[[listen]]", "gw.toml:1: listen[0]: The listener has no address."),
        (
            "[[policy.own.rules]]\nresponses = { unreadable = \"pass\" }",
            "gw.toml:2: policy.own.rules[0].responses.unreadable: What cannot be read is never let through",
        ),
        (
            "[[targets]]\nupstream = \"/tmp\"\nupstream_tls = { mode = \"require\" }",
            "gw.toml:3: targets[0].upstream_tls.mode: The server is at a Unix socket",
        ),
        (
            "[[targets]]\nupstream = \"/tmp\"\nupstream_tls = { root_file = \"nowhere\" }",
            "gw.toml:3: targets[0].upstream_tls.root_file: The server is at a Unix socket",
        ),
        (
            "[[targets]]\nupstream_tls = { mode = \"require\", root_file = \"nowhere\" }",
            "gw.toml:2: targets[0].upstream_tls.root_file: The root certificate is not used",
        ),
        (
            "[[targets]]\n[targets.auth]\nupstream_user = \"x\"",
            "gw.toml:3: targets[0].auth.upstream_user: This has no meaning with pass-through",
        ),
        (
            "[[targets]]\nauth = { users_file = \"nowhere\" }",
            "gw.toml:2: targets[0].auth.users_file: nowhere cannot be read",
        ),
        ("[[targets]]\n[[targets]]\nname = \"b\"", "gw.toml:1: targets[0]: The target has no name."),
        (
            "[[targets]]\nname = \"a\"\n[[targets]]\nname = \"b\"",
            "gw.toml:3: targets[1].databases: This target is never reached: a before it",
        ),
        ("[policy.strict]\nrules = [{}]", "gw.toml:1: policy.strict: \"strict\" is a shipped profile."),
        ("[policy.mine]", "gw.toml:1: policy.mine: The policy has no entry."),
        (
            "[[policy.mine.rules]]\nroles = [\"x\"]",
            "gw.toml:1: policy.mine.rules[0]: The last entry must match everything.",
        ),
        (
            "[[policy.mine.rules]]\n[[policy.mine.rules]]",
            "gw.toml:1: policy.mine.rules[0]: This entry matches everything",
        ),
        (
            "[hold]\npending_expiry_s = 60\nwait_limit_s = 61",
            "gw.toml:3: hold.wait_limit_s: A session would wait longer",
        ),
        ("[executor]\nbackoff_max_ms = 1", "gw.toml:2: executor.backoff_max_ms: The longest pause is shorter"),
        ("targets = \"x\"", "gw.toml:1: targets: A text stands where a section belongs."),
        ("limits = 5", "gw.toml:1: limits: This is a whole number."),
        ("admin = \"\"", "gw.toml:1: admin: The value is empty."),
        ("\"a.b\" = 1", "There is no such key."),
        ("[tls]\ncert_file = \"a.crt\"", "a.crt: tls: the file cannot be read"),
        ("[tls]\ncert_file = \"a.crt\"\nkey_file = \"a.key\"", "a.key: tls: the file cannot be read"),
        ("[hold]\nwait_limit_s = 1e400", "gw.toml:2: hold.wait_limit_s: The number is out of bounds."),
        ("[hold]\nreminder_s = 99999999999999999999", "gw.toml:2: hold.reminder_s: The number is out of bounds."),
        ("[hold]\nwait_limit_s = 1e400\nnothing = 1", "gw.toml:3: hold.nothing: There is no such key."),
        ("[hold]\nwait_limit_s = inf", "gw.toml:2: hold.wait_limit_s: This is a number with a fraction."),
    ] {
        let told = mistakes(text);
        assert!(told.contains(expected), "{text}\n  gives\n{told}\n  instead of\n{expected}");
    }
}

#[test]
fn a_root_certificate_that_is_not_there_is_one_mistake() {
    let told = mistakes("[[targets]]\nupstream_tls = { root_file = \"nowhere\" }");
    assert!(told.contains("nowhere") && !told.contains("is not used"), "{told}");
}

#[test]
fn unknown_keys_come_with_the_nearest_known() {
    assert!(mistakes("[hold]\nreminders = 5").contains("Did you mean `reminder_s`?"));
    assert!(mistakes("[record]\nzzz = 5").contains("Known here: `dir`, `files_max`"));
    assert!(mistakes("[[targets]]\npolicy = \"stritc\"").contains("Did you mean \"strict\"?"));
}

#[test]
fn a_rule_that_does_not_exist_is_a_mistake() {
    let told = mistakes("[[policy.p.rules]]\nresponses = { drop-tabel = \"refuse\" }");
    assert!(told.contains("There is no such rule.") && told.contains("Did you mean `drop-table`?"), "{told}");
}

#[test]
fn the_shipped_profiles_are_the_kernels() {
    let policies = Settings::default().policies;
    for profile in [Policy::standard(), Policy::strict(), Policy::observe()] {
        assert_eq!(*policies[&profile.name], profile);
    }
}

#[test]
fn the_environment_beats_the_file_and_the_command_line_both() {
    let mut sources = sources(
        "listen = \"127.0.0.1:1\"\nmode = \"enforce\"\n[limits]\nconnections_max = 7\n[[targets]]\nupstream = \"a:1\"\nmode = \"enforce\"",
    );
    sources.environment = [
        ("LOCKKEEPER_LISTEN", "127.0.0.1:2, /run/lk"),
        ("LOCKKEEPER_UPSTREAM", "b:2"),
        ("LOCKKEEPER_LIMITS__CONNECTIONS_MAX", "9"),
        ("LOCKKEEPER_RECORD__STDOUT", "true"),
        ("LOCKKEEPER_SOMETHING_ELSE", "ignored"),
        ("UNRELATED", "x"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    let settings = load_from(&sources).unwrap().settings;
    assert_eq!(
        settings.listeners.iter().map(|l| l.address.to_string()).collect::<Vec<_>>(),
        ["127.0.0.1:2", "/run/lk/.s.PGSQL.6433"]
    );
    assert_eq!((settings.limits.connections_max, settings.record.stdout), (9, true));
    assert_eq!(settings.targets[0].upstream.to_string(), "b:2");
    assert!(!settings.targets[0].observe);

    sources.overrides = Overrides {
        listen: vec!["127.0.0.1:3".to_owned()],
        upstream: Some("/tmp".to_owned()),
        data_dir: Some(PathBuf::from("/data")),
        mode: Some("observe".to_owned()),
        admin: None,
    };
    let settings = load_from(&sources).unwrap().settings;
    assert_eq!(settings.listeners[0].address.to_string(), "127.0.0.1:3");
    assert_eq!(settings.targets[0].upstream, UpstreamAddress::Unix(PathBuf::from("/tmp/.s.PGSQL.5432")));
    assert!(settings.targets[0].observe);
    assert_eq!(settings.record.dir, PathBuf::from("/data/record"));
}

#[test]
fn a_wrong_word_is_told_once() {
    let told = mistakes("[[notify]]\nname = \"a\"\nkind = \"pigeon\"");
    assert_eq!(told.matches("notify[0].kind").count(), 1, "{told}");
    assert!(mistakes("[[notify]]\nname = \"a\"").contains("The route has no kind."));
}

#[test]
fn only_who_observes_lets_pass_what_cannot_be_read() {
    let rules = "[[policy.own.rules]]\nresponses = { unreadable = \"pass\" }";
    assert_eq!(mistakes(&format!("[policy.own]\nobserve = true\n{rules}")), "no mistake");
    assert!(mistakes(rules).contains("never let through"));
    assert_eq!(mistakes(&rules.replace("pass", "hold")), "no mistake");
}

#[test]
fn mistakes_outside_the_file_name_their_place() {
    let environment = BTreeMap::from([("LOCKKEEPER_LIMITS__CONECTIONS_MAX".to_owned(), "9".to_owned())]);
    let mut sources = Sources { environment, ..Sources::default() };
    sources.overrides.listen = vec!["nowhere".to_owned()];
    let told = render(&load_from(&sources).unwrap_err());
    assert!(told.contains("the environment: limits.conections_max: There is no such key."), "{told}");
    assert!(told.contains("the command line: listen[0]: \"nowhere\" is not an address."), "{told}");
    assert!(told.contains("2 mistakes."), "{told}");
}

#[test]
fn a_section_that_only_the_environment_has_is_told_with_its_variable() {
    let environment = |name: &str| BTreeMap::from([(name.to_owned(), "1".to_owned())]);
    let mut told = Vec::new();
    for name in ["LOCKKEEPER_BOGUS__X", "LOCKKEEPER_LIMITS__BOGUS"] {
        let sources = Sources { environment: environment(name), ..Sources::default() };
        let text = render(&load_from(&sources).unwrap_err());
        assert!(text.contains(&format!("It is set by {name}: rename or unset that.")), "{text}");
        told.push(text.lines().next().unwrap().to_owned());
    }
    assert_eq!(
        told,
        ["the environment: bogus: There is no such key.", "the environment: limits.bogus: There is no such key."]
    );
}

/// Whoever names a variable in the file may call it as they like.
#[test]
fn a_variable_with_a_secret_is_no_key() {
    let mut sources = sources(
        "[[targets]]\nupstream = \"a:1\"\n[targets.jobs]\n[[targets.jobs.logins]]\nroles = \"*\"\npassword_env = \"LOCKKEEPER_DB__PASSWORD\"",
    );
    sources.environment = BTreeMap::from([("LOCKKEEPER_DB__PASSWORD".to_owned(), "secret".to_owned())]);
    let loaded = load_from(&sources);
    assert!(loaded.is_ok(), "{}", render(&loaded.unwrap_err()));
}

#[test]
fn an_upstream_from_outside_needs_a_single_target() {
    let mut sources = sources("[[targets]]\nname = \"a\"\ndatabases = \"a\"\n[[targets]]\nname = \"b\"");
    sources.overrides.upstream = Some("x:1".to_owned());
    let told = render(&load_from(&sources).unwrap_err());
    assert!(told.contains("It is not clear which of the targets"), "{told}");
}

#[test]
fn a_full_file_is_read_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let made = rcgen::generate_simple_self_signed(vec!["gw.example".to_owned()]).unwrap();
    write("server.crt", &made.cert.pem());
    write("server.key", &made.signing_key.serialize_pem());
    write("users.txt", &format!("{}\n", crate::shell::auth::verifier("alice", b"wonder")));
    write("up.password", "s3cret\n");
    let text = r#"
listen = ["127.0.0.1:6433", "0.0.0.0:6000", "/run/lk"]
[tls]
mode = "require"
cert_file = "server.crt"
key_file = "server.key"
[[targets]]
name = "shop"
databases = ["shop", "shop_*"]
upstream = "db.internal"
policy = "mine"
hold = "answer"
upstream_tls = { root_file = "server.crt" }
[targets.auth]
users_file = "users.txt"
upstream_user = "app"
upstream_password_file = "up.password"
[[targets]]
name = "rest"
mode = "observe"
[[policy.mine.rules]]
roles = ["migrator"]
tables = ["public.*"]
responses = { create-index = "rewrite", drop-table = "hold", truncate = "hold" }
[[policy.mine.rules]]
small_rows = 0
small_bytes = 0
[[reviewers]]
name = "bob"
token_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
"#;
    let path = write("gw.toml", text);
    let loaded = load_from(&Sources { file: Some((path, text.to_owned())), ..Sources::default() })
        .unwrap_or_else(|mistakes| panic!("{}", render(&mistakes)));
    let Auth::Scram { users, upstream } = &loaded.settings.targets[0].auth else { panic!("not scram") };
    assert!(users.get("alice").is_some());
    assert_eq!(upstream.password.as_ref().unwrap().reveal(), b"s3cret");
    assert!(!format!("{loaded:?}").contains("s3cret"));
    assert_eq!(loaded.settings.target_for("shop_eu").unwrap().name, "shop");
    assert_eq!(loaded.settings.target_for("else").unwrap().name, "rest");
    assert_eq!(loaded.settings.listeners[2].tls, ListenerTls::default());
    let shown = explain(&loaded).to_string().replace(&folder.path().display().to_string(), "DIR");
    insta::assert_snapshot!(shown);
}

#[test]
fn open_files_expired_certificates_and_channel_binding_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["gw".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2019, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    std::fs::write(folder.path().join("old.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(folder.path().join("old.key"), key.serialize_pem()).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder.path().join("old.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let text = "listen = \"0.0.0.0:6433\"\n[tls]\ncert_file = \"old.crt\"\nkey_file = \"old.key\"\n";
    let file = Some((folder.path().join("gw.toml"), text.to_owned()));
    let loaded = load_from(&Sources { file, ..Sources::default() }).unwrap();
    let told: String = loaded.warnings.iter().map(|warning| format!("{warning}\n")).collect();
    for expected in ["(mode 0644)", "has expired", "channel binding", "does not insist on TLS"] {
        assert!(told.contains(expected), "{expected} in\n{told}");
    }
}

#[test]
fn check_has_its_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gw.toml");
    let run = |path: &Path| {
        let mut out = Vec::new();
        let code = run_check(Some(path), &mut out);
        (format!("{code:?}"), String::from_utf8(out).unwrap())
    };
    std::fs::write(&path, "mode = \"observe\"").unwrap();
    let (code, text) = run(&path);
    assert_eq!(code, format!("{:?}", std::process::ExitCode::SUCCESS));
    assert!(text.contains("gw.toml is right. It means:") && text.contains("nothing is changed"), "{text}");
    std::fs::write(&path, "mod = \"observe\"").unwrap();
    let (code, text) = run(&path);
    assert_eq!(code, format!("{:?}", std::process::ExitCode::FAILURE));
    assert!(text.contains("gw.toml:1: mod: There is no such key.\n    Did you mean `mode`?"), "{text}");
    let (_, text) = run(Path::new("/nowhere/gw.toml"));
    assert!(text.contains("/nowhere/gw.toml: The file cannot be read"), "{text}");
}

#[test]
fn patterns_for_names_are_read_and_said() {
    let read = settings("[naming]\nindex = 'ix_{table}_{columns}'\ncolumn = '[a-z_]{1,30}'");
    assert_eq!(read.naming.len(), 2);
    let told = mistakes("[naming]\nindex = '('\nindexes = 'a'");
    assert!(told.contains("\"(\" is no pattern") && told.contains("indexes"), "{told}");
}

#[test]
fn a_group_that_nobody_is_in_is_warned_of() {
    let text = r#"
[[people]]
name = "ann"
groups = ["dba"]
[[people]]
name = "robot"
kind = "agent"
groups = ["bots"]
[[owners]]
tables = ["billing.*"]
groups = ["billing"]
[[policy.mine.rules]]
review = { groups = ["dba", "owners", "bots"], break_glass = ["oncal"] }
"#;
    let told: Vec<String> = load_from(&sources(text)).unwrap().warnings.iter().map(ToString::to_string).collect();
    let expected = [
        "policy.mine.rules[0].review.groups: No person is in the group \"bots\"",
        "policy.mine.rules[0].review.break_glass: No person is in the group \"oncal\"",
        "owners[0].groups: No person is in billing",
    ];
    for part in expected {
        assert!(told.iter().any(|line| line.contains(part)), "{part:?} is missing in {told:?}");
    }
    assert_eq!(told.len(), expected.len(), "{told:?}");
}
