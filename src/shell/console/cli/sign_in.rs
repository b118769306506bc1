//! Signing in from a terminal: a code that is entered in any browser, while this waits.

use std::io::Write;

use super::super::api::DeviceWait;
use super::super::client::{Client, Connection};
use super::super::keyring::Kept;
use super::super::text::line;
use super::super::view::{DeviceCode, Me, SignedIn};
use super::CliError;

#[derive(Clone, Debug, clap::Args)]
pub struct SignInArgs {
    #[command(flatten)]
    pub connection: Connection,
}

pub(super) fn login(connection: &Connection, out: &mut dyn Write) -> Result<(), CliError> {
    // Where it goes is looked at first: nobody should enter a code for nothing.
    let (address, keyring) = (connection.address()?, connection.keyring()?);
    let client = Client::nobody(connection)?;
    let code: DeviceCode = client.post_json("/v1/sign-in/device", &serde_json::json!({}))?;
    writeln!(out, "Open {}", line(code.url_complete.as_deref().unwrap_or(&code.url)))?;
    writeln!(out, "and enter the code {} there. This waits.", line(&code.user_code))?;
    out.flush()?;
    let wait = DeviceWait { handle: code.handle, timeout_s: None };
    loop {
        let answer: SignedIn = client.post_json("/v1/sign-in/device/wait", &wait)?;
        let Some(new) = answer.signed_in else { continue };
        let (person, expires) = (new.token.person, new.token.expires);
        keyring.keep(&address, Kept { person: person.clone(), secret: new.secret, expires })?;
        return Ok(writeln!(out, "Signed in at {address} as {}, until {}.", line(&person), expires.utc())?);
    }
}

pub(super) fn logout(connection: &Connection, out: &mut dyn Write) -> Result<(), CliError> {
    let address = connection.address()?;
    let Some(kept) = connection.keyring()?.forget(&address)? else {
        return Ok(writeln!(out, "You are not signed in at {address}.")?);
    };
    // It is forgotten here whatever the gateway says; there it counts until it says so.
    match Client::with(&address, kept.secret).post_json::<Me>("/v1/sign-out", &serde_json::json!({})) {
        Ok(_) => Ok(writeln!(out, "Signed out at {address}.")?),
        Err(error) => {
            let until = kept.expires.utc();
            Err(CliError::Refused(format!("forgotten here, but the gateway did not end it before {until}: {error}")))
        }
    }
}
