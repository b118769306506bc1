use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{hmac, pbkdf2};
use sha2::{Digest, Sha256};

use super::*;
use crate::shell::config::{Secret, UpstreamLogin, Users};

/// Made once: deriving a verifier is slow on purpose.
fn users() -> Users {
    static USERS: std::sync::OnceLock<Users> = std::sync::OnceLock::new();
    let text = || format!("{}\n{}", verifier("alice", b"wonder"), verifier("bo\"b", "pa\u{df}wort".as_bytes()));
    USERS.get_or_init(|| Users::parse(&text()).unwrap()).clone()
}

fn mock() -> Mock {
    Mock::new([7; 32])
}

fn login(password: &str) -> UpstreamLogin {
    UpstreamLogin { user: None, password: Some(Secret::new(password.into())), allow_cleartext: false }
}

fn request(code: u32, data: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes(), data].concat()
}

fn sent(reply: UpstreamReply) -> Vec<u8> {
    match reply {
        UpstreamReply::Send(body) => body,
        other => panic!("{other:?}"),
    }
}

/// Our own server against our own client (postgres-protocol's SCRAM).
fn exchange(user: &str, password: &str, server: Option<&[u8]>, client: Option<&[u8]>) -> Result<String, AuthError> {
    let offer = Offer::new(user, &users(), &mock(), server.map(<[u8]>::to_vec));
    let channel = Channel { private: true, end_point: client.map(<[u8]>::to_vec) };
    let mut upstream = UpstreamAuth::new(user, &login(password), channel);
    let first = sent(upstream.answer(&request(10, &offer.mechanisms()))?);
    let (challenge, data) = offer.initial(&first, [9; 18])?;
    let second = sent(upstream.answer(&request(11, &data))?);
    let done = challenge.finish(&second)?;
    assert_eq!(upstream.answer(&request(12, &done.last))?, UpstreamReply::Wait);
    assert_eq!(upstream.answer(&request(0, b""))?, UpstreamReply::Done);
    Ok(done.user)
}

#[test]
fn right_passwords_are_let_in_and_others_are_not() {
    assert_eq!(exchange("alice", "wonder", None, None), Ok("alice".to_owned()));
    assert_eq!(exchange("bo\"b", "pa\u{df}wort", None, None), Ok("bo\"b".to_owned()));
    assert_eq!(exchange("alice", "wrong", None, None), Err(AuthError::Failed("alice".to_owned())));
    assert_eq!(exchange("nobody", "wonder", None, None), Err(AuthError::Failed("nobody".to_owned())));
}

#[test]
fn channel_binding() {
    assert!(exchange("alice", "wonder", Some(b"hash"), Some(b"hash")).is_ok());
    // A client without binding, and one that could bind but was not offered it.
    assert!(exchange("alice", "wonder", Some(b"hash"), None).is_ok());
    assert!(exchange("alice", "wonder", None, Some(b"hash")).is_ok());
    let other = exchange("alice", "wonder", Some(b"hash"), Some(b"another"));
    assert!(matches!(other, Err(AuthError::Binding(_))), "{other:?}");
    // The offer was stripped on the way: the client says "y" to a server that did offer it.
    let offer = Offer::new("alice", &users(), &mock(), Some(b"hash".to_vec()));
    let mut client =
        UpstreamAuth::new("alice", &login("wonder"), Channel { private: true, end_point: Some(b"hash".to_vec()) });
    let first = sent(client.answer(&request(10, &strip_plus(&offer.mechanisms()))).unwrap());
    assert!(matches!(offer.initial(&first, [0; 18]), Err(AuthError::Binding(_))));
}

#[test]
fn unknown_users_get_a_steady_challenge() {
    let challenge = |user: &str| {
        let body = [b"SCRAM-SHA-256\0".as_slice(), &9_u32.to_be_bytes(), b"n,,n=,r=x"].concat();
        Offer::new(user, &users(), &mock(), None).initial(&body, [1; 18]).unwrap().1
    };
    assert_eq!(challenge("nobody"), challenge("nobody"));
    assert_ne!(challenge("nobody"), challenge("noone"));
    assert!(String::from_utf8(challenge("nobody")).unwrap().ends_with(",i=4096"));
}

#[test]
fn rfc_7677_example() {
    // Section 3: user "user", password "pencil".
    let salt = "W22ZaJ0SNY7soEsUEjb6gQ==";
    let mut salted = [0; 32];
    let iterations = std::num::NonZeroU32::new(4096).unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &STANDARD.decode(salt).unwrap(), b"pencil", &mut salted);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let stored = STANDARD.encode(Sha256::digest(hmac::sign(&key, b"Client Key")));
    let server = STANDARD.encode(hmac::sign(&key, b"Server Key"));
    let users = Users::parse(&format!("\"user\" \"SCRAM-SHA-256$4096:{salt}${stored}:{server}\"")).unwrap();

    let server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let first = "n=user,r=rOprNGfwEbeRWgbNEkqO";
    let challenge = Challenge::for_test(
        &users,
        "user",
        &format!("rOprNGfwEbeRWgbNEkqO{server_nonce}"),
        &format!("{first},r=rOprNGfwEbeRWgbNEkqO{server_nonce},s={salt},i=4096"),
    );
    let done = challenge
        .finish(b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        .unwrap();
    assert_eq!(done.last, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

#[test]
fn malformed_messages_are_refused() {
    let initial = |mechanism: &str, data: &str| {
        let length = u32::try_from(data.len()).unwrap();
        let body = [mechanism.as_bytes(), b"\0", &length.to_be_bytes(), data.as_bytes()].concat();
        Offer::new("alice", &users(), &mock(), None).initial(&body, [0; 18]).map(|_| ())
    };
    assert_eq!(initial("SCRAM-SHA-256", "n,,n=,r=abc"), Ok(()));
    for (mechanism, data) in [
        ("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc"),
        ("SCRAM-SHA-1", "n,,n=,r=abc"),
        ("SCRAM-SHA-256", ""),
        ("SCRAM-SHA-256", "n,"),
        ("SCRAM-SHA-256", "n,a=bob,n=,r=abc"),
        ("SCRAM-SHA-256", "x,,n=,r=abc"),
        ("SCRAM-SHA-256", "p=tls-unique,,n=,r=abc"),
        ("SCRAM-SHA-256", "n,,m=x,n=,r=abc"),
        ("SCRAM-SHA-256", "n,,n="),
        ("SCRAM-SHA-256", "n,,n=,r="),
        ("SCRAM-SHA-256", "n,,n=,r=a c"),
    ] {
        assert!(initial(mechanism, data).is_err(), "{mechanism} {data}");
    }
    for body in [
        b"".as_slice(),
        b"SCRAM-SHA-256",
        b"SCRAM-SHA-256\0\0\0",
        b"SCRAM-SHA-256\0\xff\xff\xff\xffn,,",
        b"\xff\0\0\0\0\0",
    ] {
        assert!(Offer::new("alice", &users(), &mock(), None).initial(body, [0; 18]).is_err(), "{body:?}");
    }
    for body in ["", "c=biws", "c=biws,r=abc", ",p=", "c=biws,r=n,p=AA==", "r=n,c=biws,p=AA==", "c=biws,r=other,p=AA=="]
    {
        let challenge = Challenge::for_test(&users(), "alice", "n", "x");
        assert!(challenge.finish(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn upstream_methods() {
    let start =
        |private: bool, login: UpstreamLogin| UpstreamAuth::new("alice", &login, Channel { private, end_point: None });
    assert_eq!(sent(start(true, login("pw")).answer(&request(3, b"")).unwrap()), b"pw\0");
    assert!(start(false, login("pw")).answer(&request(3, b"")).is_err());
    let allowed = UpstreamLogin { allow_cleartext: true, ..login("pw") };
    assert_eq!(sent(start(false, allowed).answer(&request(3, b"")).unwrap()), b"pw\0");
    let md5 = sent(start(false, login("pw")).answer(&request(5, b"abcd")).unwrap());
    assert!(md5.starts_with(b"md5") && md5.len() == 36, "{md5:?}");
    assert!(start(true, login("pw")).answer(&request(5, b"abc")).is_err());
    let none = UpstreamLogin { password: None, ..login("") };
    assert!(start(true, none.clone()).answer(&request(3, b"")).is_err());
    assert_eq!(start(true, none).answer(&request(0, b"")), Ok(UpstreamReply::Done));
    for code in [2, 6, 7, 9, 11, 12, 99] {
        assert!(start(true, login("pw")).answer(&request(code, b"")).is_err(), "{code}");
    }
    assert!(start(true, login("pw")).answer(b"\0\0").is_err());
}

#[test]
fn a_server_that_skips_its_own_proof_is_refused() {
    let mut client = UpstreamAuth::new("alice", &login("wonder"), Channel::default());
    sent(client.answer(&request(10, b"SCRAM-SHA-256\0\0")).unwrap());
    assert!(client.answer(&request(0, b"")).is_err());
    assert!(client.answer(&request(0, b"")).is_err());
}

#[test]
fn plus_is_stripped() {
    assert_eq!(strip_plus(b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"), b"SCRAM-SHA-256\0\0");
    assert_eq!(strip_plus(b"SCRAM-SHA-256\0\0"), b"SCRAM-SHA-256\0\0");
    assert_eq!(strip_plus(b""), b"\0");
    let first = |gs2: &[u8]| [b"SCRAM-SHA-256\0", 9_u32.to_be_bytes().as_slice(), gs2, b"n=,r=x"].concat();
    assert!(could_have_bound(&first(b"y,,")));
    assert!(!could_have_bound(&first(b"n,,")) && !could_have_bound(b"") && !could_have_bound(b"secret\0"));
}
