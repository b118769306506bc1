//! Migration tools: how their files are told apart, which part of a file runs, and how it reaches the server.

use std::ops::Range;

use super::script::blank_range;

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub(super) enum Tool {
    /// SQL as `psql -f` runs it, which is also what Alembic and Django print.
    Plain,
    Flyway,
    /// Flyway with `executeInTransaction=false` beside the file.
    #[value(skip)]
    FlywayAlone,
    /// Flyway with `mixed=true`.
    #[value(skip)]
    FlywayMixed,
    Prisma,
    Sqlx,
    Goose,
    GolangMigrate,
    Dbmate,
}

/// How a file's statements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sends {
    /// Each by itself.
    Statements,
    /// The file's text as one simple query.
    Text,
}

/// What of a file runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// As long as the file; what does not run is blank.
    pub(super) text: String,
    pub(super) wrapped: bool,
    pub(super) notes: Vec<String>,
}

impl Tool {
    /// As people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "a plain script",
            Self::Flyway | Self::FlywayAlone | Self::FlywayMixed => "Flyway",
            Self::Prisma => "Prisma",
            Self::Sqlx => "sqlx",
            Self::Goose => "goose",
            Self::GolangMigrate => "golang-migrate",
            Self::Dbmate => "dbmate",
        }
    }

    /// How a statement leaves the transaction it would be in.
    pub(super) fn way_out(self) -> &'static str {
        match self {
            Self::Plain => "take it out of BEGIN … COMMIT (Alembic: autocommit_block(); Django: atomic = False)",
            Self::Flyway | Self::FlywayAlone | Self::FlywayMixed => {
                "put it into a file of its own, with executeInTransaction=false in a .conf file beside it"
            }
            Self::Prisma | Self::GolangMigrate => "put it into a migration of its own, alone in its file",
            Self::Sqlx => "put it alone into a file whose first line is `-- no-transaction`",
            Self::Goose => "put `-- +goose NO TRANSACTION` at the top of the file",
            Self::Dbmate => "put it alone into a file with `-- migrate:up transaction:false`",
        }
    }

    /// Whether it sets the search path and the role behind each file to what they were before.
    pub(super) fn puts_session_back(self) -> bool {
        matches!(self, Self::Flyway | Self::FlywayAlone | Self::FlywayMixed)
    }

    pub(super) fn sends(self) -> Sends {
        match self {
            Self::Plain | Self::Flyway | Self::FlywayAlone | Self::FlywayMixed | Self::Goose => Sends::Statements,
            Self::Prisma | Self::Sqlx | Self::GolangMigrate | Self::Dbmate => Sends::Text,
        }
    }

    /// What of the file runs when it is applied.
    pub(super) fn part(self, text: &str) -> Part {
        let all = |wrapped| Part { text: text.to_owned(), wrapped, notes: Vec::new() };
        match self {
            Self::Plain | Self::Prisma | Self::GolangMigrate | Self::FlywayAlone => all(false),
            Self::Flyway | Self::FlywayMixed => all(true),
            Self::Sqlx => all(!text.starts_with("-- no-transaction")),
            Self::Goose => marked(text, "+goose ", ("Up", "Down"), "NO TRANSACTION"),
            Self::Dbmate => marked(text, "migrate:", ("up", "down"), "transaction:false"),
        }
    }
}

/// Sections between markers, each on a line of its own: only those of the first kind run.
fn marked(text: &str, marker: &str, kinds: (&str, &str), alone: &str) -> Part {
    let mut bytes = text.as_bytes().to_vec();
    let (mut wrapped, mut seen, mut runs, mut at) = (true, false, false, 0);
    let mut blanks: Vec<Range<usize>> = Vec::new();
    for line in text.split_inclusive('\n') {
        let here = at..at + line.len();
        at = here.end;
        if let Some(said) = comment(line).and_then(|said| said.strip_prefix(marker)) {
            let said = said.trim();
            let first = said.split_whitespace().next().unwrap_or_default();
            if first.eq_ignore_ascii_case(kinds.0) {
                (seen, runs) = (true, true);
            } else if first.eq_ignore_ascii_case(kinds.1) {
                runs = false;
            }
            wrapped &= !said.to_ascii_lowercase().contains(&alone.to_ascii_lowercase());
        }
        if !runs {
            blanks.push(here);
        }
    }
    let mut notes = Vec::new();
    if !seen {
        notes.push(format!("there is no `-- {marker}{}`: nothing of it runs", kinds.0));
    }
    blanks.into_iter().for_each(|range| blank_range(&mut bytes, range));
    Part { text: String::from_utf8_lossy(&bytes).into_owned(), wrapped, notes }
}

/// What a line says that is a comment.
fn comment(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("--").map(str::trim_start)
}

/// Whose a file is, by its name and its text; `rust` when a Rust project is around it.
pub(super) fn of_file(name: &str, text: &str, rust: bool) -> Tool {
    let has_line = |marker: &str| text.lines().filter_map(comment).any(|said| said.starts_with(marker));
    if flyway(name).is_some() {
        return Tool::Flyway;
    }
    if has_line("+goose Up") {
        return Tool::Goose;
    }
    if has_line("migrate:up") {
        return Tool::Dbmate;
    }
    if name == "migration.sql" {
        return Tool::Prisma;
    }
    let two_ways = name.ends_with(".up.sql") || name.ends_with(".down.sql");
    match (number(name), two_ways) {
        (Some(_), _) if text.starts_with("-- no-transaction") || rust => Tool::Sqlx,
        (Some(_), true) => Tool::GolangMigrate,
        (Some(_) | None, _) => Tool::Plain,
    }
}

/// `0001_name.sql`: the number files are ordered by.
pub(super) fn number(name: &str) -> Option<u64> {
    let (digits, _) = name.split_once('_')?;
    digits.parse().ok()
}

/// What a Flyway file is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flyway {
    /// `beforeMigrate.sql`, `beforeMigrate__x.sql`, before all of it.
    Before(String),
    /// `B2__x.sql`, `V1.2__x.sql`, by their numbers.
    Version(Vec<u64>),
    /// `R__x.sql`, after all versions, by their description.
    Repeatable(String),
    /// `afterMigrate.sql`, `afterMigrate__x.sql`, after all of it.
    After(String),
    /// `U1.2__x.sql`.
    Undo(Vec<u64>),
}

/// Flyway's callbacks that run when there is something to migrate.
const CALLBACKS: [&str; 7] = [
    "beforeMigrate",
    "beforeEachMigrate",
    "beforeRepeatables",
    "afterEachMigrate",
    "afterVersioned",
    "afterMigrateApplied",
    "afterMigrate",
];

pub(super) fn flyway(name: &str) -> Option<Flyway> {
    of_stem(name.strip_suffix(".sql")?)
}

fn of_stem(stem: &str) -> Option<Flyway> {
    let event = stem.split_once("__").map_or(stem, |(event, _)| event);
    if CALLBACKS.contains(&event) {
        let stem = stem.to_owned();
        return Some(if event.starts_with("before") { Flyway::Before(stem) } else { Flyway::After(stem) });
    }
    let (version, description) = stem.split_once("__")?;
    let numbers = |text: &str| -> Option<Vec<u64>> {
        let parts: Result<Vec<u64>, _> = text.split(['.', '_']).map(str::parse).collect();
        parts.ok().map(trimmed)
    };
    match version.split_at_checked(1)? {
        ("R", "") => Some(Flyway::Repeatable(description.to_owned())),
        ("V" | "B", rest) => numbers(rest).map(Flyway::Version),
        ("U", rest) => numbers(rest).map(Flyway::Undo),
        _ => None,
    }
}

/// Why a file of a tool's directory is not judged, if its tool runs it or somebody may think so.
pub(super) fn left_out(tool: Tool, name: &str) -> Option<&'static str> {
    let (stem, ending) = name.rsplit_once('.')?;
    if ending != "sql" && ending.eq_ignore_ascii_case("sql") && tool != Tool::Plain {
        return Some("its ending is not written .sql, which is what the tool looks for");
    }
    match tool {
        Tool::Flyway | Tool::FlywayAlone | Tool::FlywayMixed => match (ending, of_stem(stem)) {
            ("sql", Some(_)) | ("conf", _) => None,
            ("sql", None) => Some("by its name, Flyway does not run it when it migrates"),
            (_, Some(_)) => Some("it is a program, which Flyway runs: what it does is not known"),
            (_, None) => None,
        },
        Tool::Goose => match (ending, number(name)) {
            ("go", Some(_)) => Some("it is a program, which goose runs: what it does is not known"),
            ("sql", None) => Some("by its name, goose does not run it"),
            _ => None,
        },
        Tool::Sqlx => (ending == "sql" && number(name).is_none()).then_some("by its name, sqlx does not run it"),
        Tool::GolangMigrate => {
            let runs = number(name).is_some() && (name.ends_with(".up.sql") || name.ends_with(".down.sql"));
            (ending == "sql" && !runs).then_some("by its name, golang-migrate does not run it")
        }
        Tool::Plain | Tool::Prisma | Tool::Dbmate => None,
    }
}

/// Directories of what is not applied when a project's plain scripts are.
const ASIDE: [&str; 6] = ["down", "revert", "rollback", "rollbacks", "undo", "verify"];

/// Why a file, named from the directory that was given, is not looked at for where it lies.
pub(super) fn outside(tool: Tool, name: &str) -> Option<&'static str> {
    let (folders, _) = name.rsplit_once('/')?;
    match tool {
        Tool::Flyway | Tool::FlywayAlone | Tool::FlywayMixed | Tool::Prisma => None,
        Tool::Plain => folders
            .split('/')
            .any(|folder| ASIDE.contains(&folder.to_ascii_lowercase().as_str()))
            .then_some("its directory is one of scripts that take back or verify"),
        Tool::Sqlx | Tool::Goose | Tool::GolangMigrate | Tool::Dbmate => {
            Some("it lies in a directory below, where the tool does not look")
        }
    }
}

/// Whether a file's name says that it is SQL.
pub(super) fn is_sql(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("sql"))
}

/// Whether the tool runs a program, in its place among the files.
pub(super) fn is_program(tool: Tool, name: &str) -> bool {
    !is_sql(name) && left_out(tool, name).is_some()
}

/// 1.0 is 1.
fn trimmed(mut numbers: Vec<u64>) -> Vec<u64> {
    while numbers.len() > 1 && numbers.last() == Some(&0) {
        numbers.pop();
    }
    numbers
}

/// The files of one directory in the order their tool runs them. What takes migrations back is left out.
pub(super) fn in_order(tool: Tool, mut names: Vec<String>) -> Vec<String> {
    match tool {
        Tool::Flyway | Tool::FlywayAlone | Tool::FlywayMixed => {
            let mut files: Vec<(Flyway, String)> =
                names.into_iter().filter_map(|name| Some((of_stem(base(&name).rsplit_once('.')?.0)?, name))).collect();
            files.retain(|(of, _)| !matches!(of, Flyway::Undo(_)));
            files.sort();
            files.into_iter().map(|(_, name)| name).collect()
        }
        Tool::Sqlx | Tool::GolangMigrate | Tool::Goose => {
            names.retain(|name| !name.ends_with(".down.sql") && number(base(name)).is_some());
            names.sort_by(|one, other| (number(base(one)), one).cmp(&(number(base(other)), other)));
            names
        }
        Tool::Plain | Tool::Prisma | Tool::Dbmate => {
            names.retain(|name| !name.ends_with(".down.sql"));
            names.sort();
            names
        }
    }
}

fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_told_apart() {
        for (name, text, rust, expected) in [
            ("V1__a.sql", "", false, Tool::Flyway),
            ("V1.2_3__a.sql", "", false, Tool::Flyway),
            ("R__views.sql", "", false, Tool::Flyway),
            ("00001_a.sql", "-- +goose Up\nselect 1;", false, Tool::Goose),
            ("00001_a.sql", "--+goose Up\nselect 1;", false, Tool::Goose),
            ("20240101_a.sql", "-- migrate:up\nselect 1;", false, Tool::Dbmate),
            ("20240101_a.sql", "--migrate:up\nselect 1;", false, Tool::Dbmate),
            ("migration.sql", "", false, Tool::Prisma),
            ("000001_a.up.sql", "", false, Tool::GolangMigrate),
            ("20240101_a.up.sql", "", true, Tool::Sqlx),
            ("20240101_a.sql", "-- no-transaction\n", false, Tool::Sqlx),
            ("001_a.sql", "", false, Tool::Plain),
            ("schema.sql", "", true, Tool::Plain),
            ("V__a.sql", "", false, Tool::Plain),
        ] {
            assert_eq!(of_file(name, text, rust), expected, "{name}");
        }
    }

    #[test]
    fn what_a_tool_runs_besides_is_told() {
        for (tool, name, told) in [
            (Tool::Flyway, "V3__x.java", true),
            (Tool::Flyway, "V3__x.sql", false),
            (Tool::Flyway, "V3__x.sql.conf", false),
            (Tool::Flyway, "notes.sql", true),
            (Tool::Flyway, "Helper.java", false),
            (Tool::Goose, "00002_b.go", true),
            (Tool::Goose, "main.go", false),
            (Tool::GolangMigrate, "1_a.down.sql", false),
            (Tool::GolangMigrate, "1_a.sql", true),
            (Tool::Prisma, "migration.SQL", true),
            (Tool::Plain, "a.SQL", false),
            (Tool::Plain, "x.java", false),
        ] {
            assert_eq!(left_out(tool, name).is_some(), told, "{name}");
        }
    }

    #[test]
    fn the_order_is_the_tools() {
        let order = |tool, names: &[&str]| in_order(tool, names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(
            order(
                Tool::Flyway,
                &[
                    "V10__a.sql",
                    "R__v.sql",
                    "V2__b.sql",
                    "U2__b.sql",
                    "V1.10__c.sql",
                    "V1.9__d.sql",
                    "V2.1__p.java",
                    "afterMigrate__x.sql",
                    "beforeMigrate.sql",
                ]
            ),
            [
                "beforeMigrate.sql",
                "V1.9__d.sql",
                "V1.10__c.sql",
                "V2__b.sql",
                "V2.1__p.java",
                "V10__a.sql",
                "R__v.sql",
                "afterMigrate__x.sql",
            ]
        );
        assert_eq!(
            order(Tool::GolangMigrate, &["10_b.up.sql", "9_a.up.sql", "9_a.down.sql", "notes.sql"]),
            ["9_a.up.sql", "10_b.up.sql"]
        );
        assert_eq!(order(Tool::Plain, &["b.sql", "a.sql", "10.sql"]), ["10.sql", "a.sql", "b.sql"]);
    }

    #[test]
    fn only_what_is_applied_runs() {
        let goose = "-- +goose NO TRANSACTION\n-- +goose Up\nselect 1;\n-- +goose Down\nselect 2;\n";
        let part = Tool::Goose.part(goose);
        assert!(!part.wrapped && part.text.contains("select 1;") && !part.text.contains("select 2"));
        assert_eq!((part.text.len(), part.text.lines().count()), (goose.len(), 5));
        let dbmate = Tool::Dbmate.part("-- migrate:up transaction:false\nselect 1;\n-- migrate:down\nselect 2;");
        assert!(!dbmate.wrapped && dbmate.text.contains("select 1;") && !dbmate.text.contains("select 2"));
        assert!(Tool::Dbmate.part("-- migrate:up\nselect 1;").wrapped);
        assert_eq!(Tool::Goose.part("select 1;").notes.len(), 1);
        assert!(Tool::Sqlx.part("select 1").wrapped && !Tool::Sqlx.part("-- no-transaction\nselect 1").wrapped);
        assert!(Tool::Flyway.part("select 1").wrapped && !Tool::FlywayAlone.part("select 1").wrapped);
    }
}
