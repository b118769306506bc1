//! In whose name a verb is said.

use std::os::unix::fs::MetadataExt;

use super::super::client::Client;
use super::super::view::Me;
use super::CliError;

/// A reviewer's token says who they are; the local token leaves it to the caller.
pub(super) fn person(client: &Client, name: Option<String>) -> Result<String, CliError> {
    match (client.get::<Me>("/v1/me")?.reviewer, name) {
        (Some(reviewer), None) => Ok(reviewer),
        (_, Some(name)) => Ok(name),
        (None, None) => os_user().ok_or_else(|| CliError::Usage("who are you? say it with --as NAME".into())),
    }
}

/// The user this process belongs to; for root by way of sudo, the one who typed it.
fn os_user() -> Option<String> {
    let from = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let uid = std::fs::metadata("/proc/self").ok().map(|me| me.uid());
    if let (Some(0), Some(user)) = (uid, from("SUDO_USER")) {
        return Some(user);
    }
    let known = uid.and_then(|uid| {
        let users = std::fs::read_to_string("/etc/passwd").ok()?;
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
        })
    });
    known.or_else(|| from("USER")).or_else(|| from("LOGNAME"))
}
