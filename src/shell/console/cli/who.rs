//! In whose name a verb is said.

use std::os::unix::fs::MetadataExt;

use super::super::client::Client;
use super::super::view::Me;
use super::{CliError, parse_id};

/// Which ticket, in whose name, and how it is answered.
#[derive(Clone, Debug, clap::Args)]
pub struct Who {
    /// Number of the ticket
    #[arg(value_name = "N", value_parser = parse_id)]
    pub id: i64,
    /// In whose name [default: a reviewer token's name, else the operating system's user]
    #[arg(long = "as", value_name = "NAME", env = "LOCKKEEPER_USER")]
    pub name: Option<String>,
    /// Print what has become of it as JSON, for programs
    #[arg(long)]
    pub json: bool,
}

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
