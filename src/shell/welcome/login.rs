//! Where the gateway authenticates clients itself: SCRAM towards the client, a secret of its own towards
//! the server (PostgreSQL docs, 55.2.1 and 55.3).

use bytes::Bytes;

use super::super::auth::{AuthError, Mock, Offer, UpstreamAuth, UpstreamReply, channel};
use super::super::backstage;
use super::super::config::{UpstreamLogin, Users};
use super::super::tls::ServerSide;
use super::greeting::{GREETING_MAX, Greeting, by_server, greeting, read_answer, read_frame, unexpected};
use super::{Side, Startup, Turned};
use crate::kernel::wire::frame::{HEADER, server as tags};
use crate::kernel::wire::message::{self, Reader};
use crate::kernel::wire::reply::{Reply, sqlstate};

const SASL: i32 = 10;
const SASL_CONTINUE: i32 = 11;
const SASL_FINAL: i32 = 12;

/// Class 28, invalid authorization: wrong password, no line in pg_hba.conf, a role that may not log in.
const LOGIN_REFUSED: &str = "28";

impl From<AuthError> for Turned {
    fn from(error: AuthError) -> Self {
        Self::Away(Reply::fatal(error.sqlstate(), error.to_string()))
    }
}

/// Who may come in: verifiers, and what stands in for users that do not exist.
pub(super) struct Book<'a> {
    pub(super) users: &'a Users,
    pub(super) mock: &'a Mock,
    /// Longest answer that is read.
    pub(super) answer_max: usize,
}

/// Authenticates the client against the users file. The name is that of the method, for the record.
pub(super) async fn client(
    client: &mut Side,
    startup: &Startup,
    book: Book<'_>,
    tls: Option<&ServerSide>,
) -> Result<&'static str, Turned> {
    let end_point = tls.filter(|_| client.stream.is_tls()).and_then(|tls| tls.end_point.clone());
    let offer = Offer::new(&startup.user, book.users, book.mock, end_point);
    message::put_authentication(&mut client.out, SASL, &offer.mechanisms());
    client.drain().await?;
    let first = read_answer(client, book.answer_max).await?;
    let mut random = [0; 18];
    getrandom::fill(&mut random).map_err(|error| {
        tracing::error!(%error, "no randomness");
        Turned::Away(Reply::fatal(sqlstate::CANNOT_CONNECT_NOW, "the gateway cannot authenticate now"))
    })?;
    let (challenge, data) = offer.initial(first.get(HEADER..).unwrap_or_default(), random)?;
    message::put_authentication(&mut client.out, SASL_CONTINUE, &data);
    client.drain().await?;
    let second = read_answer(client, book.answer_max).await?;
    let authenticated = challenge.finish(second.get(HEADER..).unwrap_or_default())?;
    message::put_authentication(&mut client.out, SASL_FINAL, &authenticated.last);
    Ok("scram-sha-256")
}

/// Logs in to the server as configured; its AuthenticationOk and greeting go to the client.
pub(super) async fn server(
    server: &mut Side,
    client: &mut Side,
    account: &UpstreamLogin,
    user: &str,
) -> Result<Greeting, Turned> {
    let mut login = UpstreamAuth::new(user, account, channel(&server.stream));
    loop {
        let (tag, frame) = read_frame(&mut server.stream, GREETING_MAX).await?;
        let body = frame.get(HEADER..).unwrap_or_default();
        match tag {
            tags::AUTHENTICATION => match login.answer(body)? {
                UpstreamReply::Send(data) => {
                    message::put_password(&mut server.out, &data);
                    server.drain().await?;
                }
                UpstreamReply::Wait => {}
                UpstreamReply::Done => {
                    client.out.extend_from_slice(&frame);
                    return greeting(client, server, refused).await;
                }
            },
            // The client's version was settled with it already; a server that knows less only has shorter keys.
            tags::NEGOTIATE_VERSION => {
                let _ = Reader::new(body).int32();
            }
            tags::ERROR => return Err(refused(client, &frame)),
            tags::NOTICE => client.out.extend_from_slice(&frame),
            tag => return Err(unexpected(tag)),
        }
    }
}

/// The client has proven who it is: what the server has against the login that stands for it is not about the client, and
/// names that login.
fn refused(client: &mut Side, frame: &Bytes) -> Turned {
    let error = backstage::server_message(frame.get(HEADER..).unwrap_or_default());
    if !error.code.starts_with(LOGIN_REFUSED) {
        return by_server(client, frame);
    }
    tracing::error!(code = error.code, message = error.message, "cannot log in to the server");
    Turned::Away(
        Reply::fatal(sqlstate::CANNOT_CONNECT, "the gateway cannot log in to the server")
            .detail("What the server says of it is in the gateway's log.")
            .hint("Check upstream_user and its password in the target's configuration."),
    )
}
