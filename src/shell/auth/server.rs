//! The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677; channel binding RFC 5929).
//!
//! [`Offer`] takes the first message and gives a [`Challenge`]; that takes the second and gives
//! [`Authenticated`], which nothing else makes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::super::config::{Users, Verifier};
use super::{AuthError, SCRAM_SHA_256, SCRAM_SHA_256_PLUS};

/// Longer nonces serve nobody.
const CLIENT_NONCE_MAX: usize = 1_024;
const MOCK_ITERATIONS: u32 = 4_096;

/// Stands in for users that do not exist: the same name gets the same salt every time, so that the
/// exchange does not tell who exists. One for the life of the process.
#[derive(Clone)]
pub struct Mock(hmac::Key);

impl Mock {
    /// From randomness made at the start.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret))
    }

    fn verifier(&self, user: &str) -> Verifier {
        let part = |label: &str| -> [u8; 32] { tag(&self.0, &[label.as_bytes(), b"\0", user.as_bytes()]) };
        Verifier {
            iterations: MOCK_ITERATIONS,
            salt: part("salt").into_iter().take(16).collect(),
            stored_key: part("stored"),
            server_key: part("server"),
        }
    }
}

impl std::fmt::Debug for Mock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mock(…)")
    }
}

/// Nothing said yet.
#[derive(Debug)]
pub struct Offer {
    user: String,
    known: bool,
    verifier: Verifier,
    /// `tls-server-end-point` of our certificate, when the client is on TLS.
    end_point: Option<Vec<u8>>,
}

/// The client's nonce is known and the challenge is sent.
#[derive(Debug)]
pub struct Challenge {
    user: String,
    known: bool,
    verifier: Verifier,
    nonce: String,
    /// What `c=` must be.
    binding: String,
    /// `client-first-message-bare,server-first-message`.
    said: String,
}

/// Proof that a user knows the password.
#[derive(Debug, PartialEq, Eq)]
#[allow(clippy::manual_non_exhaustive, reason = "only this module may say that somebody is authenticated")]
pub struct Authenticated {
    pub user: String,
    /// Data of the AuthenticationSASLFinal to send.
    pub last: Vec<u8>,
    sealed: (),
}

impl Offer {
    /// `end_point`: channel binding data of the listener's certificate if, and only if, this client is on TLS.
    #[must_use]
    pub fn new(user: &str, users: &Users, mock: &Mock, end_point: Option<Vec<u8>>) -> Self {
        let made_up = mock.verifier(user);
        let (known, verifier) = match users.get(user) {
            Some(verifier) => (true, verifier.clone()),
            None => (false, made_up),
        };
        Self { user: user.to_owned(), known, verifier, end_point }
    }

    /// Mechanism list of the AuthenticationSASL to send (after its code).
    #[must_use]
    pub fn mechanisms(&self) -> Vec<u8> {
        let plus: &[u8] = if self.end_point.is_some() { b"SCRAM-SHA-256-PLUS\0" } else { b"" };
        [plus, b"SCRAM-SHA-256\0\0"].concat()
    }

    /// Takes the body of a SASLInitialResponse and 18 random bytes; gives the data of the
    /// AuthenticationSASLContinue to send.
    pub fn initial(self, body: &[u8], random: [u8; 18]) -> Result<(Challenge, Vec<u8>), AuthError> {
        let (mechanism, data) = initial_response(body)?;
        let plus = match mechanism {
            SCRAM_SHA_256 => false,
            SCRAM_SHA_256_PLUS if self.end_point.is_some() => true,
            _ => return Err(AuthError::Malformed("the mechanism was not offered")),
        };
        let (flag, rest) = data.split_once(',').ok_or(AuthError::Malformed("no channel binding flag"))?;
        let (authzid, bare) = rest.split_once(',').ok_or(AuthError::Malformed("no user name"))?;
        if !authzid.is_empty() {
            return Err(AuthError::Malformed("an authorization identity is not supported"));
        }
        let mut input = format!("{flag},,").into_bytes();
        match (flag, plus, self.end_point) {
            ("n", false, _) | ("y", false, None) => {}
            ("y", false, Some(_)) => {
                return Err(AuthError::Binding("the client was not told that it is offered"));
            }
            ("p=tls-server-end-point", true, Some(end_point)) => input.extend_from_slice(&end_point),
            (_, true, _) => {
                return Err(AuthError::Binding("the mechanism needs tls-server-end-point"));
            }
            (_, false, _) => return Err(AuthError::Binding("the mechanism does not bind")),
        }
        let nonce = format!("{}{}", client_nonce(bare)?, STANDARD.encode(random));
        let salt = STANDARD.encode(&self.verifier.salt);
        let first = format!("r={nonce},s={salt},i={}", self.verifier.iterations);
        let challenge = Challenge {
            user: self.user,
            known: self.known,
            verifier: self.verifier,
            nonce,
            binding: STANDARD.encode(input),
            said: format!("{bare},{first}"),
        };
        Ok((challenge, first.into_bytes()))
    }
}

impl Challenge {
    /// Takes the body of a SASLResponse.
    pub fn finish(self, body: &[u8]) -> Result<Authenticated, AuthError> {
        let text = std::str::from_utf8(body).map_err(|_| AuthError::Malformed("not UTF-8"))?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(AuthError::Malformed("no proof"))?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|part| part.strip_prefix("c="));
        let nonce = attributes.next().and_then(|part| part.strip_prefix("r="));
        let (Some(binding), Some(nonce)) = (binding, nonce) else {
            return Err(AuthError::Malformed("no channel binding data or nonce"));
        };
        if binding != self.binding {
            return Err(AuthError::Binding("the data is of another channel"));
        }
        if nonce != self.nonce {
            return Err(AuthError::Malformed("the nonce is another"));
        }
        let proof: [u8; 32] = STANDARD
            .decode(proof)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(AuthError::Malformed("the proof has another length"))?;
        let message = format!("{},{without_proof}", self.said);
        let mut client_key = signature(&self.verifier.stored_key, &message);
        for (byte, proof) in client_key.iter_mut().zip(proof) {
            *byte ^= proof;
        }
        let stored: [u8; 32] = Sha256::digest(client_key).into();
        let right: bool = stored.ct_eq(&self.verifier.stored_key).into();
        if !(right && self.known) {
            return Err(AuthError::Failed(self.user));
        }
        let last = format!("v={}", STANDARD.encode(signature(&self.verifier.server_key, &message)));
        Ok(Authenticated { user: self.user, last: last.into_bytes(), sealed: () })
    }
}

#[cfg(test)]
impl Challenge {
    /// A challenge without channel binding and with a nonce of the test's choice.
    pub(super) fn for_test(users: &Users, user: &str, nonce: &str, said: &str) -> Self {
        let mock = Mock::new([0; 32]);
        let offer = Offer::new(user, users, &mock, None);
        Self {
            user: offer.user,
            known: offer.known,
            verifier: offer.verifier,
            nonce: nonce.to_owned(),
            binding: "biws".to_owned(),
            said: said.to_owned(),
        }
    }
}

fn signature(key: &[u8; 32], message: &str) -> [u8; 32] {
    tag(&hmac::Key::new(hmac::HMAC_SHA256, key), &[message.as_bytes()])
}

fn tag(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.sign().as_ref());
    bytes
}

/// Mechanism name and data of a SASLInitialResponse.
fn initial_response(body: &[u8]) -> Result<(&str, &str), AuthError> {
    let malformed = AuthError::Malformed("not a SASLInitialResponse");
    let Some(end) = body.iter().position(|byte| *byte == 0) else {
        return Err(malformed);
    };
    let (name, rest) = body.split_at(end);
    let (Some(length), Some(data)) = (rest.get(1..5), rest.get(5..)) else {
        return Err(malformed);
    };
    let length = u32::from_be_bytes(length.try_into().unwrap_or_default());
    if usize::try_from(length) != Ok(data.len()) {
        return Err(malformed);
    }
    match (std::str::from_utf8(name), std::str::from_utf8(data)) {
        (Ok(name), Ok(data)) => Ok((name, data)),
        (Err(_), _) | (_, Err(_)) => Err(malformed),
    }
}

/// The nonce of a client-first-message-bare. The user name in it is ignored, as PostgreSQL does: the one
/// of the startup message counts.
fn client_nonce(bare: &str) -> Result<&str, AuthError> {
    let mut attributes = bare.split(',');
    if !attributes.next().is_some_and(|part| part.starts_with("n=")) {
        return Err(AuthError::Malformed("no user name, or a mandatory extension"));
    }
    let nonce = attributes.next().and_then(|part| part.strip_prefix("r="));
    let nonce = nonce.ok_or(AuthError::Malformed("no nonce"))?;
    let printable = nonce.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if nonce.is_empty() || nonce.len() > CLIENT_NONCE_MAX || !printable {
        return Err(AuthError::Malformed("the nonce is not printable"));
    }
    Ok(nonce)
}
