//! Mail by SMTP: one message for each receiver, text and HTML, in one thread for each ticket.

use std::time::Duration;

use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Message, SmtpTransport, Transport};
use sha2::{Digest, Sha256};

use super::texts::Texts;
use super::{Failure, Sent};
use crate::kernel::notice::Notice;
use crate::shell::config::{Email, MailTls};

/// Sends a notice to one address; `begun`: there was mail to it about the same before.
pub(super) fn send(
    email: &Email,
    notice: &Notice,
    texts: &Texts,
    to: (&str, bool),
    timeout: Duration,
) -> Result<Sent, Failure> {
    let (address, begun) = to;
    let message = message(email, notice, texts, to)?;
    let transport = transport(email, timeout).map_err(Failure::again)?;
    match transport.send(&message) {
        Ok(_) => Ok(Sent { reference: (!begun).then(|| notice.id.clone()) }),
        Err(error) => Err(Failure {
            // Of a refusal for good only that of the address is one: a wrong password may be put right.
            fatal: error.is_permanent()
                && error.status().is_some_and(|code| matches!(u16::from(code), 550 | 551 | 553)),
            why: format!("mail to {address} cannot be sent: {}", chain(&error)),
            after: None,
        }),
    }
}

/// An error with what is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        next = error.source();
    }
    said
}

fn message(email: &Email, notice: &Notice, texts: &Texts, to: (&str, bool)) -> Result<Message, Failure> {
    let (address, begun) = to;
    let wrong = |what: &str| Failure { why: format!("{what} is no mail address"), after: None, fatal: true };
    let from: Mailbox = email.from.parse().map_err(|_| wrong(&email.from))?;
    let receiver: Mailbox = address.parse().map_err(|_| wrong(address))?;
    let domain = from.email.domain().to_owned();
    let id = |word: &str| {
        let digest = Sha256::digest(format!("{address}\0{word}").as_bytes());
        format!("<{}@{domain}>", data_encoding::HEXLOWER.encode(digest.get(..16).unwrap_or_default()))
    };
    // The id of the first message is the thread's own, so that the others know it.
    let instance = notice.id.split('.').next().unwrap_or_default();
    let first = id(&format!("{instance}.{}", notice.thread));
    let mut builder = Message::builder().from(from).to(receiver).subject(&texts.title);
    builder = if begun {
        builder.message_id(Some(id(&notice.id))).in_reply_to(first.clone()).references(first)
    } else {
        builder.message_id(Some(first))
    };
    builder
        .multipart(MultiPart::alternative_plain_html(texts.body.clone(), texts.html.clone()))
        .map_err(|error| Failure::again(format!("the message cannot be made: {error}")))
}

fn transport(email: &Email, timeout: Duration) -> Result<SmtpTransport, String> {
    let parameters = || -> Result<TlsParameters, String> {
        let mut builder = TlsParameters::builder(email.host.clone());
        if let Some(roots) = &email.roots {
            builder = builder.certificate_store(CertificateStore::None);
            for certificate in &roots.certificates {
                let certificate = Certificate::from_der(certificate.to_vec()).map_err(|error| chain(&error))?;
                builder = builder.add_root_certificate(certificate);
            }
        }
        builder.build_rustls().map_err(|error| chain(&error))
    };
    let tls = match email.tls {
        MailTls::Tls => Tls::Wrapper(parameters()?),
        MailTls::StartTls => Tls::Required(parameters()?),
        MailTls::None => Tls::None,
    };
    let mut builder = SmtpTransport::builder_dangerous(&email.host)
        .port(email.port)
        .hello_name(ClientId::Domain("lockkeeper".to_owned()))
        .timeout(Some(timeout))
        .tls(tls);
    if let Some((user, password)) = &email.login {
        let password = String::from_utf8_lossy(password.reveal()).into_owned();
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.build())
}
