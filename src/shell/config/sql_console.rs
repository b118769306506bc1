//! `[sql_console]`: the database that is a console.

use std::time::Duration;

use super::section::Section;
use super::settings::Target;
use super::targets;
use super::users::Users;

/// The console in SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlConsole {
    /// The database's name; nothing: there is none.
    pub database: Option<String>,
    /// Who logs in with a password; others do with a token.
    pub users: Users,
    /// A session without a statement for so long ends; zero: never.
    pub idle: Duration,
}

impl Default for SqlConsole {
    fn default() -> Self {
        Self { database: Some("lockkeeper".to_owned()), users: Users::default(), idle: Duration::from_secs(12 * 3_600) }
    }
}

impl SqlConsole {
    /// Whether a database is the console.
    #[must_use]
    pub fn serves(&self, database: &str) -> bool {
        self.database.as_deref() == Some(database)
    }
}

/// Off where a target names a database like that: the one that is there comes first.
pub(super) fn read<'a>(section: Section<'_>, targets: impl Iterator<Item = &'a Target>) -> SqlConsole {
    let default = SqlConsole::default();
    let enabled = section.flag("enabled", true);
    let named = section.text("database");
    let database = named.clone().or(default.database).filter(|_| enabled);
    let mut taken = targets.filter(|target| target.databases.iter().any(|name| Some(name) == database.as_ref()));
    let taken = taken.next().map(|target| target.name.clone());
    if let Some(target) = &taken {
        section.warn(
            "database",
            format!("Target \"{target}\" serves a database of the console's name: there is no console in SQL."),
            "Write another name, as in `database = \"reviews\"`, or `enabled = false`.",
        );
    }
    let console = SqlConsole {
        database: database.filter(|_| taken.is_none()),
        users: section.path("users_file").map(|file| targets::users(&section, &file)).unwrap_or_default(),
        idle: section.seconds("idle_timeout_s", default.idle, 0..=30 * 86_400),
    };
    section.finish();
    console
}

/// For `check`.
pub(super) fn explained(console: &SqlConsole) -> String {
    let Some(database) = &console.database else { return "There is no console in SQL.".to_owned() };
    let users = if console.users.is_empty() {
        "with a token as password".to_owned()
    } else {
        format!("with a token as password, or as one of {} users with SCRAM-SHA-256", console.users.len())
    };
    format!("The database \"{database}\" is the console in SQL: {users}. No server is asked for it.")
}
