//! People sign in at an identity provider: a real one with its own pages, and one that lies.
//!
//! `drivers/install` gets the provider (npm's oidc-provider) and the library the liar signs with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proto_tests::browser::{Page, parameter};
use proto_tests::server::free_port;
use proto_tests::{Browser, Client, Gateway, GatewayOptions, Server, majors, wire};

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start(majors().into_iter().max().unwrap());
    server.sql("postgres", "create database fixture owner alice");
    server.sql("fixture", "alter schema public owner to alice");
    server.connect("alice", "fixture").rows("create table victim(id int primary key)");
    server
});

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A program of Node that says `ready`; it ends with the test.
struct Program(Child, #[allow(dead_code, reason = "kept for its end")] proto_tests::process::Watchdog);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn installed() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).expect("target/<profile>/deps/<test>").join("drivers/node/node_modules")
}

fn program(script: &str, arguments: &[&str]) -> Program {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers").join(script);
    let mut child = Command::new("node")
        .arg(path)
        .args(arguments)
        .env("NODE_PATH", installed())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts; run proto-tests/drivers/install");
    let out = child.stdout.take().unwrap();
    let watchdog = proto_tests::process::Watchdog::over(child.id(), "");
    let program = Program(child, watchdog);
    let mut lines = BufReader::new(out).lines().map_while(Result::ok);
    let ready = lines.any(|line| line == "ready");
    // What it says later has to go somewhere.
    std::thread::spawn(move || lines.for_each(drop));
    assert!(ready, "{script} does not start; run proto-tests/drivers/install");
    program
}

const PEOPLE: &str = r#"
[oidc.groups]
platform-dba = "dba"
[[people]]
name = "Alice Miller"
identities = ["alice@example.com"]
database_roles = ["alice"]
groups = ["dba"]
[[grants]]
role = "reviewer"
to = ["dba"]
"#;

/// A gateway that asks a provider, and a database of its own.
struct Case {
    gateway: Gateway,
    database: String,
    home: String,
    issuer: String,
    _folder: tempfile::TempDir,
    _provider: Program,
}

impl Case {
    fn new(script: &str, more: &str) -> Self {
        let (port, admin) = (free_port(), free_port());
        let (issuer, home) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{admin}"));
        let provider = program(script, &[&port.to_string(), &format!("{home}/oidc/callback")]);
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "the secret of the client\n").unwrap();
        let config = format!(
            "[oidc]\nissuer = \"{issuer}\"\nclient_id = \"lockkeeper\"\nclient_secret_file = \"{}\"\n{more}{PEOPLE}",
            secret.display()
        );
        let options = GatewayOptions { config, admin: Some(format!("127.0.0.1:{admin}")), ..GatewayOptions::default() };
        Self {
            gateway: Gateway::with(&SERVER, &options),
            database: SERVER.database(&format!("people_{}", NEXT.fetch_add(1, Ordering::Relaxed)), "fixture"),
            home,
            issuer,
            _folder: folder,
            _provider: provider,
        }
    }

    fn real() -> Self {
        Self::new("oidc_provider.js", "")
    }

    /// Asks for a change that is held; its ticket is the first.
    fn held(&self) -> Client {
        let mut client = self.gateway.connect("alice", &self.database);
        client.send(&wire::query(b"drop table victim")).unwrap();
        client.until("ticket 1");
        client
    }

    /// Goes to the provider, shows its pages a login, and stops before the gateway hears of it: the address it
    /// would be led back to.
    fn back(&self, browser: &mut Browser, login: &str) -> String {
        let page = browser.follow(&format!("{}/oidc/login?to=%2Ftickets%2F1", self.home), &self.home);
        let page = if page.body.contains("name=\"login\"") {
            let sent = browser.send(&page, &[("login", login), ("password", "any")]);
            self.onward(browser, sent)
        } else {
            page
        };
        let page = if page.to.is_none() {
            let sent = browser.send(&page, &[]);
            self.onward(browser, sent)
        } else {
            page
        };
        page.to.unwrap_or_else(|| panic!("not led back: {}", page.body))
    }

    /// Follows what a form led to, until the gateway.
    fn onward(&self, browser: &mut Browser, page: Page) -> Page {
        match page.to.clone() {
            Some(to) if !to.starts_with(&self.home) => browser.follow(&to, &self.home),
            Some(_) | None => page,
        }
    }

    fn signed_in(&self, login: &str) -> (Browser, Page) {
        let mut browser = Browser::default();
        let back = self.back(&mut browser, login);
        let page = browser.ask(&back, None);
        (browser, page)
    }

    fn recorded(&self, what: &str, who: &str) {
        proto_tests::wait_until(&format!("{who} {what} is recorded"), Duration::from_secs(10), || {
            let record = self.gateway.record();
            let found = |line: &serde_json::Value| {
                line["event"] == "admission" && line["what"] == what && line["person"] == who
            };
            record.iter().any(found).then_some(())
        });
    }
}

fn approve(browser: &mut Browser, home: &str) -> Page {
    let page = browser.ask(&format!("{home}/tickets/1"), None);
    assert_eq!(page.status, 200, "{page:?}");
    let value = |name: &str| {
        let rest = page.body.split_once(&format!("name=\"{name}\" value=\"")).expect("has the field").1;
        rest.split('"').next().unwrap().to_owned()
    };
    let form = [("seal".to_owned(), value("seal")), ("seen_hash".to_owned(), value("seen_hash"))];
    browser.ask(&format!("{home}/tickets/1/approve"), Some(&form))
}

#[test]
fn in_a_browser() {
    let case = Case::real();
    let mut client = case.held();
    let (mut browser, page) = case.signed_in("alice");
    assert_eq!((page.status, page.to.as_deref()), (200, Some(format!("{}/tickets/1", case.home).as_str())), "{page:?}");
    let session = page.set_cookies.iter().find(|set| set.starts_with("lockkeeper=")).expect("a session");
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=28800"] {
        assert!(session.contains(attribute), "{session}");
    }
    let own = approve(&mut browser, &case.home);
    assert_eq!(own.status, 403, "Alice asked for it herself: {}", own.body);

    let (mut browser, page) = case.signed_in("bob");
    assert_eq!(page.status, 200, "{page:?}");
    let approved = approve(&mut browser, &case.home);
    assert_eq!(approved.status, 303, "{}", approved.body);
    let replies = client.until_ready();
    assert!(replies.iter().any(|m| m.render() == "CommandComplete DROP TABLE"), "{replies:?}");
    assert!(case.gateway.show("1").contains("bob@example.com"));

    browser.ask(&format!("{}/logout", case.home), Some(&[]));
    assert_eq!(browser.ask(&format!("{}/tickets/1", case.home), None).status, 303, "signed out");
    for (what, who) in
        [("signed in", "Alice Miller"), ("signed in", "bob@example.com"), ("signed out", "bob@example.com")]
    {
        case.recorded(what, who);
    }
    case.gateway.assert_healthy();
}

#[test]
fn who_is_nobody_here() {
    let case = Case::real();
    for (login, why) in [("carol", "no role here"), ("mallory", "was verified to be theirs")] {
        let (mut browser, page) = case.signed_in(login);
        assert_eq!(page.status, 403, "{login}: {page:?}");
        assert!(page.body.contains(why), "{login}: {}", page.body);
        assert_eq!(browser.ask(&format!("{}/", case.home), None).status, 303, "{login} is let in");
    }
    case.recorded("turned away", "carol@example.com");
    // Who has left the group is nobody the next time.
    assert_eq!(case.signed_in("bob").1.status, 200);
    Browser::default().ask(&format!("{}/leave/bob/platform-dba", case.issuer), None);
    let (_, page) = case.signed_in("bob");
    assert_eq!(page.status, 403, "{page:?}");
}

#[test]
fn what_comes_back_counts_once_and_in_its_browser() {
    let case = Case::real();
    let mut browser = Browser::default();
    let back = case.back(&mut browser, "bob");
    let state = parameter(&back, "state").unwrap();
    let elsewhere = Browser::default().ask(&back, None);
    assert_eq!(elsewhere.status, 400, "another browser: {elsewhere:?}");
    let mut other = Browser::default();
    let others = case.back(&mut other, "bob");
    let mixed = back.replace(&state, &parameter(&others, "state").unwrap());
    assert_eq!(browser.ask(&mixed, None).status, 400, "another state");
    assert_eq!(browser.ask(&back, None).status, 400, "it was given up then");
    let foreign = others.replace("iss=", "iss=x");
    assert_eq!(other.ask(&foreign, None).status, 400, "another issuer");
    let mut again = Browser::default();
    let back = case.back(&mut again, "bob");
    assert_eq!(again.ask(&back, None).status, 200);
    assert_eq!(again.ask(&back, None).status, 400, "a second time");
    // The code of somebody else's sign-in, in one's own: the verifier is not the one it was asked for with.
    let (mut attacker, mut victim) = (Browser::default(), Browser::default());
    let (mine, theirs) = (case.back(&mut attacker, "carol"), case.back(&mut victim, "bob"));
    let injected = mine.replace(&parameter(&mine, "code").unwrap(), &parameter(&theirs, "code").unwrap());
    assert_eq!(attacker.ask(&injected, None).status, 403, "an injected code");
    case.gateway.assert_healthy();
}

#[test]
fn from_a_terminal() {
    let case = Case::real();
    let mut client = case.held();
    let home = tempfile::tempdir().unwrap();
    let cli = |words: &[&str]| {
        let output = case.gateway.command(words).env("XDG_CONFIG_HOME", home.path()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    let mut login =
        case.gateway.command(&["login"]).env("XDG_CONFIG_HOME", home.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(login.stdout.take().unwrap()).lines().map_while(Result::ok);
    let url = said.next().unwrap().split_once("Open ").expect("an address").1.to_owned();
    let code = said.next().unwrap();
    assert!(code.contains(&parameter(&url, "user_code").unwrap()), "{code}");
    let mut browser = Browser::default();
    let mut page = browser.follow(&url, &case.home);
    for _ in 0..6 {
        if !page.body.contains("<form") {
            break;
        }
        let sent = browser.send(&page, &[("login", "bob"), ("password", "any"), ("confirm", "yes")]);
        page = case.onward(&mut browser, sent);
    }
    assert!(said.next().is_some_and(|line| line.contains("Signed in") && line.contains("bob@example.com")), "{page:?}");
    assert!(login.wait().unwrap().success());
    let file = home.path().join("lockkeeper/sign-ins.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let token = std::fs::read_to_string(&file).unwrap();

    let (ok, text) = cli(&["approve", "1", "--as", "somebody else"]);
    assert!(!ok && text.contains("decides for nobody else"), "{text}");
    let (ok, text) = cli(&["approve", "1"]);
    assert!(ok, "{text}");
    client.until_ready();
    assert!(case.gateway.show("1").contains("bob@example.com"));
    assert!(cli(&["logout"]).0);
    std::fs::write(&file, token).unwrap();
    let (ok, text) = cli(&["tickets"]);
    assert!(!ok, "the token of an ended sign-in counts: {text}");
    case.gateway.assert_healthy();
}

/// A code for the liar, in base64url.
fn code(told: &serde_json::Value) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in told.to_string().as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..=chunk.len() {
            out.push(char::from(LETTERS[(bits >> (18 - 6 * at)) as usize & 63]));
        }
    }
    out
}

#[test]
fn lies_do_not_count() {
    let case = Case::new("oidc_forger.js", "clock_skew_s = 30\n");
    let sign_in = |mut claims: serde_json::Value, more: serde_json::Value| {
        let mut browser = Browser::default();
        let to = browser.ask(&format!("{}/oidc/login", case.home), None).to.unwrap();
        if claims.get("nonce").is_none() {
            claims["nonce"] = parameter(&to, "nonce").unwrap().into();
        }
        if claims.get("email").is_none() {
            claims["email"] = "alice@example.com".into();
        }
        let mut told = more;
        told["claims"] = claims;
        let state = parameter(&to, "state").unwrap();
        browser.ask(&format!("{}/oidc/callback?code={}&state={state}", case.home, code(&told)), None)
    };
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    for (claims, more, status) in [
        ("{}", "{}", 200),
        (r#"{"nonce": "another"}"#, "{}", 403),
        (r#"{"nonce": null}"#, "{}", 403),
        (r#"{"exp": "-31"}"#, "{}", 403),
        (r#"{"exp": "-20"}"#, "{}", 200),
        (r#"{"iat": "40"}"#, "{}", 403),
        (r#"{"iat": "20"}"#, "{}", 200),
        (r#"{"exp": null}"#, "{}", 403),
        (r#"{"iss": "https://elsewhere.example"}"#, "{}", 403),
        (r#"{"aud": "another"}"#, "{}", 403),
        (r#"{"aud": ["lockkeeper", "another"], "azp": "lockkeeper"}"#, "{}", 403),
        (r#"{"azp": "another"}"#, "{}", 403),
        (r#"{"azp": "lockkeeper"}"#, "{}", 200),
        (r#"{"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}"#, "{}", 403),
        ("{}", r#"{"how": "none"}"#, 403),
        ("{}", r#"{"how": "secret"}"#, 403),
        ("{}", r#"{"how": "public"}"#, 403),
        ("{}", r#"{"how": "other"}"#, 403),
        (r#"{"email_verified": false}"#, "{}", 403),
        // Somebody who looks like Alice, and somebody named as a group.
        (r#"{"email": "аlice@example.com"}"#, "{}", 403),
        (r#"{"email": "dba", "groups": ["platform-dba"]}"#, "{}", 403),
        (r#"{"email": "dave@example.com", "groups": ["dba", "DBA", "Alice Miller"]}"#, "{}", 403),
        (r#"{"email": "dave@example.com", "groups": "platform-dba"}"#, "{}", 200),
    ] {
        let page = sign_in(json(claims), json(more));
        assert_eq!(page.status, status, "{claims} {more}: {}", page.body);
    }
    // New keys are fetched when they are needed.
    sign_in(json("{}"), json(r#"{"rotate": true}"#));
    proto_tests::wait_until("the new key is known", Duration::from_secs(20), || {
        (sign_in(json("{}"), json("{}")).status == 200).then_some(())
    });
    case.gateway.assert_healthy();
}

const AGENTS: &str = r#"
[[targets]]
name = "default"
databases = ["*"]
[[targets.jobs.logins]]
roles = ["*"]
[[people]]
name = "robot"
kind = "agent"
database_roles = ["alice"]
[[people]]
name = "bob"
[[grants]]
role = "reviewer"
to = ["robot", "bob"]
"#;

#[test]
fn an_agent_asks_and_decides_nothing() {
    let options = GatewayOptions { config: AGENTS.into(), ..GatewayOptions::default() };
    let gateway = Gateway::with(&SERVER, &options);
    let database = SERVER.database("people_agent", "fixture");
    let token =
        |person: &str| gateway.must(&["tokens", "create", person]).trim_end().lines().last().unwrap().trim().to_owned();
    let (robot, bob) = (token("robot"), token("bob"));
    let cli = |token: &str, words: &[&str]| {
        let output = gateway.command(words).env("LOCKKEEPER_TOKEN", token).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    let (ok, text) = cli(&bob, &["mcp"]);
    assert!(!ok && text.contains("no agent may"), "a token that decides: {text}");
    let (ok, text) = cli("", &["mcp"]);
    assert!(!ok && text.contains("token of its own"), "the local token: {text}");

    let served = gateway.command(&["mcp"]);
    let mut agent = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers/mcp_agent.js"))
        .arg(&database)
        .arg(served.get_program())
        .args(served.get_args())
        .env("NODE_PATH", installed())
        .env("LOCKKEEPER_TOKEN", &robot)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts; run proto-tests/drivers/install");
    let mut said = BufReader::new(agent.stdout.take().unwrap()).lines().map_while(Result::ok);
    let ticket = said.next().unwrap_or_else(|| panic!("the agent failed: {}", gateway.log()));
    let number = ticket.strip_prefix("ticket ").expect("a ticket").to_owned();
    for words in [
        vec!["approve", &number],
        vec!["reject", &number, "--reason", "x"],
        vec!["request-changes", &number, "--reason", "x"],
        vec!["break-glass", &number, "--reason", "x"],
        vec!["run", &number],
        vec!["tokens", "create", "bob"],
    ] {
        let (ok, text) = cli(&robot, &words);
        assert!(!ok, "an agent's {words:?}: {text}");
    }
    let (ok, text) = cli(&bob, &["approve", &number]);
    assert!(ok, "{text}");
    assert_eq!(said.next().as_deref(), Some("done"), "{}", gateway.show(&number));
    assert!(agent.wait().unwrap().success());
    assert_eq!(SERVER.sql(&database, "select to_regclass('victim') is null"), ["t"]);
    gateway.assert_healthy();
}
