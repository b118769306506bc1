//! Configuration: what was written (a file, the environment, the command line) becomes [`Settings`],
//! what it means. Nothing else reads configuration files or the environment.
//!
//! Referenced files (certificates, users, passwords) are read and checked here too, so that settings
//! that exist can be run. A reload builds whole new settings or gives mistakes; it changes none.

use std::path::Path;

mod address;
mod convert;
mod doubts;
mod explain;
mod jobs;
mod mistake;
mod naming;
mod notify;
mod oidc;
mod people;
mod policies;
mod record;
mod secret;
mod section;
mod settings;
mod sql_console;
mod targets;
mod throttle;
mod users;
mod written;

pub use explain::{Explained, check, explain, in_words, render, run_check, target as target_in_words};
pub use mistake::Mistake;
pub use notify::{Email, Endpoint, MailTls, Notifications, Route, Slack, Templates, Way, Webhook};
pub use oidc::Oidc;
pub use record::{OnFailure, Parameters, Record};
pub use secret::Secret;
pub use settings::*;
pub use sql_console::SqlConsole;
pub use users::{Users, UsersMistake, Verifier};
pub use written::{COMMAND_LINE, Overrides, Sources};

/// Settings that can be run, and what is doubtful about them: say it in the log at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub settings: Settings,
    pub warnings: Vec<Mistake>,
}

/// Reads a configuration file (or none), the environment and the command line's overrides.
pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Loaded, Vec<Mistake>> {
    let sources = Sources::gather(file, overrides).map_err(|mistake| vec![mistake])?;
    load_from(&sources)
}

/// As [`load`], from sources already gathered.
pub fn load_from(sources: &Sources) -> Result<Loaded, Vec<Mistake>> {
    let (settings, mut warnings) = convert::settings(sources)?;
    warnings.extend(doubts::of(&settings, std::time::SystemTime::now()));
    Ok(Loaded { settings, warnings })
}

#[cfg(test)]
mod tests;
