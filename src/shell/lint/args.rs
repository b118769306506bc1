//! What the verb takes.

use std::path::PathBuf;

use super::report::Outcome;
use super::tool::Tool;

/// For the help.
pub const EXIT_CODES: &str = "\
Facts: without a server they are assumed, and the output says what. With --database-url, or --live for the server of the configured target, they are looked up as the gateway looks them up, in read-only transactions; nothing is executed.

Exit codes: 0 nothing at or above --fail-on; 1 there is, or a file has a mistake of its own (a comment that ignores nothing, a statement that refuses its transaction); 2 it cannot be judged: the command line, the configuration, a file or the server, as said.";

/// Rows of a table nobody has looked up: large, as far as any policy is concerned.
const ASSUMED_ROWS: u64 = 1_000_000;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Files and directories of migrations, in the order they run; - for standard input
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(super) paths: Vec<PathBuf>,
    /// How it is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
    /// Exit with 1 when a statement's verdict is this or stricter: pass, bounded, warn, defer, rewrite, hold, refuse
    #[arg(long, value_name = "VERDICT", default_value = "hold", hide_possible_values = true)]
    pub(super) fail_on: Outcome,
    /// Print statements that pass, too
    #[arg(long)]
    pub(super) all: bool,
    /// When the text has colours
    #[arg(long = "color", value_name = "WHEN", default_value = "auto")]
    pub(super) colour: Colour,

    /// The gateway's configuration, for its policies and targets [default: none; the standard policy]
    #[arg(long, value_name = "FILE", help_heading = "Policy")]
    pub(super) config: Option<PathBuf>,
    /// A target of the configuration [default: the first]
    #[arg(long, value_name = "NAME", help_heading = "Policy")]
    pub(super) target: Option<String>,
    /// Another policy than the target's: standard, strict, or one of the configuration
    #[arg(long, value_name = "NAME", help_heading = "Policy")]
    pub(super) policy: Option<String>,
    /// The role that will run it, for policies that tell roles apart
    #[arg(long, value_name = "NAME", help_heading = "Policy")]
    pub(super) role: Option<String>,
    /// The application_name it will run under, for policies that tell applications apart
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true, help_heading = "Policy")]
    pub(super) application: String,
    /// Do not follow `-- lockkeeper:ignore` comments
    #[arg(long, help_heading = "Policy")]
    pub(super) no_ignore: bool,

    /// The tool the files are for [default: by their names and texts]
    #[arg(long, value_name = "TOOL", help_heading = "Files")]
    pub(super) tool: Option<Tool>,
    /// Let Alembic or Django print their SQL
    #[arg(long, help_heading = "Files")]
    pub(super) run_tool: bool,
    /// Judge only files that are new or changed since this commit; the others came before
    #[arg(long, value_name = "COMMIT", help_heading = "Files")]
    pub(super) since: Option<String>,
    /// The schema as it is, such as pg_dump --schema-only prints it: not judged, its tables count as large. May be given several times
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub(super) schema: Vec<PathBuf>,

    /// Rows of tables that no statement makes
    #[arg(long, value_name = "N", default_value_t = ASSUMED_ROWS, help_heading = "Facts without a server")]
    pub(super) assume_rows: u64,
    /// Major version of the server
    #[arg(long, value_name = "MAJOR", default_value_t = 15, value_parser = clap::value_parser!(u32).range(12..=99), help_heading = "Facts without a server")]
    pub(super) server_version: u32,
    /// Where names without a schema are made and found [default: public; with a server, where it finds them for the login]
    #[arg(long, value_name = "SCHEMA", help_heading = "Facts")]
    pub(super) schema_name: Option<String>,

    /// The database to ask for facts: postgres://USER@HOST/DATABASE?sslmode=verify-full&sslrootcert=FILE
    #[arg(long, value_name = "URL", conflicts_with_all = ["live", "schema", "assume_rows", "server_version"], help_heading = "Facts of a server")]
    pub(super) database_url: Option<String>,
    /// Ask the server of the target
    #[arg(long, requires = "config", conflicts_with_all = ["schema", "assume_rows", "server_version"], help_heading = "Facts of a server")]
    pub(super) live: bool,
    /// Who logs in [default: the target's upstream_user]
    #[arg(long, value_name = "NAME", requires = "live", help_heading = "Facts of a server")]
    pub(super) user: Option<String>,
    /// The database [default: the user's name]
    #[arg(long, value_name = "NAME", requires = "live", help_heading = "Facts of a server")]
    pub(super) database: Option<String>,
    /// A file with the password
    #[arg(long, value_name = "FILE", help_heading = "Facts of a server")]
    pub(super) password_file: Option<PathBuf>,
}

/// How the report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Colour {
    Auto,
    Always,
    Never,
}

impl Colour {
    pub(super) fn wanted(self, terminal: bool) -> bool {
        match self {
            Self::Auto => terminal,
            Self::Always => true,
            Self::Never => false,
        }
    }
}
