//! How the command line finds the running gateway: two files in the data directory,
//! the address it listens on and a token only the directory's owner can read. Beside them, the key for hidden texts.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use data_encoding::HEXLOWER;
use ring::hmac;

use super::identity::digest;
use crate::kernel::review::Power;
use crate::shell::clock::now;
use crate::shell::store::{DataDirectory, OPERATOR, Store, StoreError, Token};

/// Bearer token of the local administrator.
pub const TOKEN_FILE: &str = "admin.token";
/// Key for hashes of texts with secrets. With another one, approvals of such texts have to be asked for again.
const TEXT_KEY_FILE: &str = "text.key";
/// Address of the admin door.
pub const ADDRESS_FILE: &str = "admin.addr";
/// Hex digits of a token.
const TOKEN_LENGTH: usize = 64;

/// The token of this data directory: the one that is there if nobody else could have read it, else a new one.
///
/// # Errors
/// The file cannot be written.
pub fn token(directory: &DataDirectory) -> Result<String, StoreError> {
    secret(directory, TOKEN_FILE)
}

/// The key that hashes of hidden texts are made with. It is not in the store: who has one has not the other.
///
/// # Errors
/// The file cannot be written.
pub fn text_key(directory: &DataDirectory) -> Result<hmac::Key, StoreError> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, secret(directory, TEXT_KEY_FILE)?.as_bytes()))
}

fn secret(directory: &DataDirectory, file: &str) -> Result<String, StoreError> {
    let path = directory.path().join(file);
    if let Some(token) = existing(&path) {
        return Ok(token);
    }
    let token = random_hex()? + &random_hex()?;
    replace(&path, &token)?;
    Ok(token)
}

/// Says where the admin door is.
///
/// # Errors
/// The file cannot be written.
pub fn write_address(directory: &DataDirectory, address: SocketAddr) -> Result<(), StoreError> {
    replace(&directory.path().join(ADDRESS_FILE), &address.to_string())
}

/// The token of a store that never handed one out: it operates for a day, long enough to hand out others.
///
/// # Errors
/// The store cannot be read or written.
pub async fn first_token(store: &Store) -> Result<Option<String>, StoreError> {
    const DAY_MS: u64 = 86_400_000;
    if !store.tokens().await?.is_empty() {
        return Ok(None);
    }
    let secret = new_secret()?;
    let created = now();
    let token = Token {
        id: 0,
        person: OPERATOR.to_owned(),
        label: "printed at the first start".to_owned(),
        scopes: Power::ALL.to_vec(),
        created,
        expires: created.plus_ms(DAY_MS),
        revoked: None,
        vouched: None,
    };
    store.token_add(token, digest(&secret)).await?;
    Ok(Some(secret))
}

/// A token to be handed out: 256 random bits, easily told apart from other secrets.
pub(super) fn new_secret() -> Result<String, StoreError> {
    Ok(format!("lk_{}{}", random_hex()?, random_hex()?))
}

/// 128 random bits.
pub(crate) fn random_hex() -> Result<String, StoreError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Failed(format!("no randomness: {error}")))?;
    Ok(HEXLOWER.encode(&bytes))
}

fn existing(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    if file.metadata().ok()?.permissions().mode() & 0o077 != 0 {
        return None;
    }
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let token = text.trim();
    let good = token.len() == TOKEN_LENGTH && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then(|| token.to_owned())
}

/// Written beside and renamed over: a reader sees the old or the new one, and never with other rights.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), StoreError> {
    let beside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        writeln!(file, "{text}")?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|error| StoreError::File(format!("{}: {error}", path.display())))
}
