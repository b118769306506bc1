//! The way into the console in SQL: SCRAM for users of its own file, else a token of the API as password.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use zeroize::Zeroizing;

use super::super::audit::SessionInfo;
use super::super::cancel::Connected;
use super::super::clock::now;
use super::super::config::{Settings, SqlConsole};
use super::super::console::Caller;
use super::super::net::{Raw, Stream};
use super::super::session::farewell;
use super::super::side::Side;
use super::super::sqlconsole::{self, Console};
use super::greeting::read_answer;
use super::{Gate, Guest, Turned, login, tls_name, too_many};
use crate::kernel::review::People;
use crate::kernel::sql::read::shown_name;
use crate::kernel::wire::frame::HEADER;
use crate::kernel::wire::message::{self, Reader};
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::kernel::wire::startup::Startup;

const OK: i32 = 0;
const CLEARTEXT: i32 = 3;

impl Gate {
    pub(super) async fn enter_console(
        &self,
        mut client: Side,
        startup: &Startup,
        peer: &str,
        settings: &Settings,
    ) -> Result<(Guest, OwnedSemaphorePermit), Turned> {
        let Ok(place) = self.room.clone().try_acquire_owned() else {
            return turned(&mut client, Turned::Away(too_many())).await;
        };
        let guest = match self.authenticate(&mut client, startup, peer, settings).await {
            Ok(guest) => guest,
            Err(away) => return turned(&mut client, away).await,
        };
        let (process, key) = new_key(startup.minor)?;
        let info = SessionInfo {
            client: peer.to_owned(),
            transport: if is_unix(&client.stream) { "unix" } else { "tcp" }.to_owned(),
            tls: tls_name(&client.stream),
            user: shown_name(&startup.user),
            database: startup.database.clone(),
            target: String::new(),
            application: shown_name(&startup.application),
            auth: guest.method.to_owned(),
            backend_pid: None,
        };
        let log = self.audit.begin(info.clone());
        let about = Connected { id: log.id(), info, since: now() };
        let cancel = self.cancels.register(None, (process, key), about);
        message::put_authentication(&mut client.out, OK, &[]);
        let shared = (&self.console, self.shared.draining.clone());
        let console = Console::open(client, guest, (log, cancel), shared).await;
        Ok((Guest::Console(Box::new(console)), place))
    }

    async fn authenticate(
        &self,
        client: &mut Side,
        startup: &Startup,
        peer: &str,
        settings: &Settings,
    ) -> Result<sqlconsole::Guest, Turned> {
        if startup.replication.is_some() {
            let message = "the console is not replicated";
            return Err(Turned::Away(Reply::fatal(sqlstate::FEATURE_NOT_SUPPORTED, message)));
        }
        startup.check(&[])?;
        startup.negotiate(2, &mut client.out);
        let console = &settings.sql_console;
        let answer_max = settings.limits.auth_message_bytes_max;
        let address = address_of(client, peer);
        let (caller, method) = if console.users.get(&startup.user).is_some() {
            let book = login::Book { users: &console.users, mock: &self.mock, answer_max };
            let method = login::client(client, startup, book, self.tls.as_ref()).await?;
            (Caller::Person(person(&settings.people, &startup.user)?), method)
        } else {
            (token(client, answer_max, address).await?, "token")
        };
        let me = self.console.knows(&caller, address).await.map_err(|refused| {
            let code = if refused.status == 401 { sqlstate::INVALID_PASSWORD } else { sqlstate::INVALID_AUTHORIZATION };
            tracing::info!(user = startup.user, why = refused.detail, "not let into the console");
            let message = format!("password authentication failed for user \"{}\"", startup.user);
            Turned::Away(Reply::fatal(code, message).hint(hint(console)))
        })?;
        Ok(sqlconsole::Guest {
            caller,
            address,
            me,
            login: startup.user.clone(),
            database: startup.database.clone(),
            settings: startup.settings.clone(),
            method,
            idle: console.idle,
        })
    }
}

fn hint(console: &SqlConsole) -> &'static str {
    if console.users.is_empty() {
        "The password is a token: `lockkeeper tokens create NAME` hands one out."
    } else {
        "The password is that of the users file for those who are in it, and a token for everybody else."
    }
}

async fn turned<T>(client: &mut Side, away: Turned) -> Result<T, Turned> {
    if let Turned::Away(reply) = &away {
        reply.clone().put(&mut client.out);
    }
    farewell(client).await;
    Err(away)
}

/// A token goes over the wire as it is: only where nobody listens in.
async fn token(client: &mut Side, answer_max: usize, address: IpAddr) -> Result<Caller, Turned> {
    if !(client.stream.is_tls() || is_unix(&client.stream) || address.to_canonical().is_loopback()) {
        let message = "a token is taken over TLS, a Unix socket or from this machine only";
        return Err(Turned::Away(
            Reply::fatal(sqlstate::INVALID_AUTHORIZATION, message)
                .hint("Connect with sslmode=require; the listener needs a certificate for that."),
        ));
    }
    message::put_authentication(&mut client.out, CLEARTEXT, &[]);
    client.drain().await?;
    let answer = read_answer(client, answer_max).await?;
    let body = answer.get(HEADER..).unwrap_or_default();
    let malformed = || Turned::Away(Reply::fatal(sqlstate::PROTOCOL_VIOLATION, "malformed password message"));
    let token = Reader::new(body).string().map_err(|_| malformed())?;
    let token = std::str::from_utf8(token).map_err(|_| malformed())?;
    Ok(Caller::Token(Arc::new(Zeroizing::new(token.to_owned()))))
}

/// Whose login it is: the one person who has it as a name, or among their database roles. A password that several
/// people have proves nobody in particular.
fn person(people: &People, user: &str) -> Result<String, Turned> {
    let mut found =
        people.profiles.iter().filter(|profile| profile.name == user || profile.roles.iter().any(|role| role == user));
    match (found.next(), found.next()) {
        (Some(profile), None) => Ok(profile.name.clone()),
        (None, _) => Err(nobody(user, "is no person of the configuration", "Add it under [[people]].")),
        (Some(_), Some(_)) => Err(nobody(user, "is the login of several people", "Connect with a token of your own.")),
    }
}

fn nobody(user: &str, what: &str, hint: &str) -> Turned {
    Turned::Away(Reply::fatal(sqlstate::INVALID_AUTHORIZATION, format!("\"{user}\" {what}")).hint(hint))
}

fn is_unix(stream: &Stream) -> bool {
    matches!(stream, Stream::Plain(Raw::Unix(_)))
}

/// Where the client is; one at a Unix socket is on this machine.
fn address_of(client: &Side, peer: &str) -> IpAddr {
    let elsewhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    match peer.parse::<SocketAddr>() {
        Ok(address) => address.ip(),
        Err(_) if is_unix(&client.stream) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Err(_) => elsewhere,
    }
}

/// A process number and a key: four bytes before protocol 3.2.
fn new_key(minor: u16) -> Result<(i32, Vec<u8>), Turned> {
    let mut random = [0; 36];
    getrandom::fill(&mut random).map_err(|error| {
        tracing::error!(%error, "no randomness");
        Turned::Away(Reply::fatal(sqlstate::CANNOT_CONNECT_NOW, "the gateway cannot authenticate now"))
    })?;
    let (process, key) = random.split_at(4);
    let process = i32::from_be_bytes(process.try_into().unwrap_or_default()) & 0x7fff_ffff;
    let key = key.get(..if minor < 2 { 4 } else { 32 }).unwrap_or(key);
    Ok((process, key.to_vec()))
}
