//! The gateway's login to the server: answers each Authentication request, or says why not.

use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

use super::super::config::{Secret, UpstreamLogin};
use super::super::net::{Raw, Stream};
use super::super::tls;
use super::{AuthError, SCRAM_SHA_256, SCRAM_SHA_256_PLUS};

/// What the connection to the server is like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    /// TLS or a Unix socket: nobody listens in.
    pub private: bool,
    /// `tls-server-end-point` of the server's certificate, if on TLS.
    pub end_point: Option<Vec<u8>>,
}

/// What a connection to a server is like.
#[must_use]
pub fn channel(stream: &Stream) -> Channel {
    match stream {
        Stream::Plain(Raw::Tcp(_)) => Channel::default(),
        Stream::Plain(Raw::Unix(_)) | Stream::Server(_) => Channel { private: true, end_point: None },
        Stream::Client(stream) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let end_point = certificates.and_then(<[_]>::first).and_then(tls::server_end_point);
            Channel { private: true, end_point }
        }
    }
}

/// What to do after an Authentication message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamReply {
    /// Send a message `p` with this body.
    Send(Vec<u8>),
    /// Read on.
    Wait,
    /// AuthenticationOk: logged in.
    Done,
}

/// One login to the server.
pub struct UpstreamAuth {
    user: String,
    password: Option<Secret>,
    allow_cleartext: bool,
    channel: Channel,
    state: State,
}

enum State {
    Start,
    /// The first SCRAM message is sent.
    Proving(Box<ScramSha256>),
    /// The proof is sent; the server has yet to show that it knows the verifier.
    Awaiting(Box<ScramSha256>),
    /// All is said; only AuthenticationOk can follow.
    Answered,
    Over,
}

impl UpstreamAuth {
    /// `client_user` counts where the configuration names no user.
    #[must_use]
    pub fn new(client_user: &str, login: &UpstreamLogin, channel: Channel) -> Self {
        Self {
            user: login.user.clone().unwrap_or_else(|| client_user.to_owned()),
            password: login.password.clone(),
            allow_cleartext: login.allow_cleartext,
            channel,
            state: State::Start,
        }
    }

    /// Takes the body of an Authentication message (`R`), its code included.
    pub fn answer(&mut self, body: &[u8]) -> Result<UpstreamReply, AuthError> {
        let Some((code, data)) = body.split_first_chunk::<4>() else {
            return Err(AuthError::Malformed("an Authentication message without a code"));
        };
        let state = std::mem::replace(&mut self.state, State::Over);
        match (u32::from_be_bytes(*code), state) {
            (0, State::Start | State::Answered) => Ok(UpstreamReply::Done),
            (0, State::Proving(_) | State::Awaiting(_)) => {
                Err(refused("the server let us in without proving that it knows the password"))
            }
            (3, State::Start) => self.cleartext(),
            (5, State::Start) => self.md5(data),
            (10, State::Start) => self.sasl(data),
            (11, State::Proving(scram)) => self.prove(scram, data),
            (12, State::Awaiting(mut scram)) => {
                scram.finish(data).map_err(|error| AuthError::Upstream(error.to_string()))?;
                self.state = State::Answered;
                Ok(UpstreamReply::Wait)
            }
            (code @ (3 | 5 | 10 | 11 | 12), _) => Err(AuthError::Upstream(format!("request {code} came out of turn"))),
            (code, _) => Err(AuthError::Upstream(format!(
                "it asks for authentication method {code}, which is not supported (GSSAPI, SSPI and the like)"
            ))),
        }
    }

    fn password(&self) -> Result<Secret, AuthError> {
        self.password.clone().ok_or_else(|| refused("the server asks for a password and none is configured"))
    }

    fn cleartext(&mut self) -> Result<UpstreamReply, AuthError> {
        if !(self.channel.private || self.allow_cleartext) {
            return Err(refused("the server asks for the password in clear on a connection without TLS"));
        }
        let mut body = self.password()?.reveal().to_vec();
        body.push(0);
        self.state = State::Answered;
        Ok(UpstreamReply::Send(body))
    }

    fn md5(&mut self, salt: &[u8]) -> Result<UpstreamReply, AuthError> {
        let salt: [u8; 4] = salt.try_into().map_err(|_| AuthError::Malformed("an md5 salt is four bytes"))?;
        let mut body = md5_hash(self.user.as_bytes(), self.password()?.reveal(), salt).into_bytes();
        body.push(0);
        self.state = State::Answered;
        Ok(UpstreamReply::Send(body))
    }

    fn sasl(&mut self, mechanisms: &[u8]) -> Result<UpstreamReply, AuthError> {
        let offers = |name: &str| mechanisms.split(|byte| *byte == 0).any(|offered| offered == name.as_bytes());
        let (mechanism, binding) = match &self.channel.end_point {
            Some(hash) if offers(SCRAM_SHA_256_PLUS) => {
                (SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(hash.clone()))
            }
            _ if !offers(SCRAM_SHA_256) => {
                return Err(refused("the server offers no SCRAM mechanism that the gateway knows"));
            }
            // Says that we could have bound: a server that did offer it then notices the man in the middle.
            Some(_) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
            None => (SCRAM_SHA_256, ChannelBinding::unsupported()),
        };
        let scram = ScramSha256::new(self.password()?.reveal(), binding);
        let first = scram.message();
        let length = u32::try_from(first.len()).map_err(|_| AuthError::Malformed("too long"))?;
        let body = [mechanism.as_bytes(), b"\0", &length.to_be_bytes(), first].concat();
        self.state = State::Proving(Box::new(scram));
        Ok(UpstreamReply::Send(body))
    }

    fn prove(&mut self, mut scram: Box<ScramSha256>, data: &[u8]) -> Result<UpstreamReply, AuthError> {
        scram.update(data).map_err(|error| AuthError::Upstream(error.to_string()))?;
        let body = scram.message().to_vec();
        self.state = State::Awaiting(scram);
        Ok(UpstreamReply::Send(body))
    }
}

fn refused(why: &str) -> AuthError {
    AuthError::Upstream(why.to_owned())
}
