//! What a text sets of its session that the meaning of later statements depends on: where names are found, and as
//! which role, and which time zone holds.

use pg_raw_parse::raw::VariableSetKind;
use pg_raw_parse::{Node, nodes};

use super::super::write::quote_ident;
use super::objects;

/// A setting that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    Role,
    SearchPath,
    TimeZone,
}

impl Followed {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Role, Self::SearchPath, Self::TimeZone];

    /// As the server calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::SearchPath => "search_path",
            Self::TimeZone => "TimeZone",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(name))
    }

    /// Whether code that nobody reads names it.
    #[must_use]
    pub fn is_named_in(self, text: &str) -> bool {
        let text = text.to_lowercase();
        match self {
            Self::Role => ["set role", "local role", "session role", "'role'"].iter().any(|words| text.contains(words)),
            Self::SearchPath => text.contains("search_path") || text.contains("set schema"),
            Self::TimeZone => text.contains("timezone") || text.contains("time zone"),
        }
    }
}

/// What a setting is set to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SetTo {
    /// What the session began with.
    #[default]
    Own,
    /// As `set_config` takes it.
    Text(String),
    /// What no text says.
    Unclear,
}

/// One setting, set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub what: Followed,
    pub to: SetTo,
    /// To the end of the transaction.
    pub local: bool,
}

/// `SET`, `RESET`.
pub(super) fn set(statement: &nodes::VariableSetStmt) -> Vec<Setting> {
    if statement.kind == VariableSetKind::VAR_RESET_ALL {
        // It leaves the role as it is.
        return all_back().into_iter().filter(|setting| setting.what != Followed::Role).collect();
    }
    let Some(what) = statement.name().and_then(Followed::of) else { return Vec::new() };
    let to = match statement.kind {
        VariableSetKind::VAR_SET_VALUE => written(what, statement).map_or(SetTo::Unclear, SetTo::Text),
        VariableSetKind::VAR_SET_DEFAULT | VariableSetKind::VAR_RESET => SetTo::Own,
        _ => SetTo::Unclear,
    };
    vec![Setting { what, to, local: statement.is_local }]
}

/// `DISCARD ALL`.
pub(super) fn all_back() -> Vec<Setting> {
    Followed::ALL.map(|what| Setting { what, to: SetTo::Own, local: false }).to_vec()
}

/// A call of `set_config`. Of a name that is no literal it may set any.
pub(super) fn set_config(call: &nodes::FuncCall) -> Vec<Setting> {
    if objects::last_name(call.funcname()) != Some("set_config") {
        return Vec::new();
    }
    let mut arguments = call.args().iter().map(objects::literal);
    let mut next = || arguments.next().flatten();
    let (name, value, local) = (next(), next(), next());
    let Some(name) = name else {
        return Followed::ALL.map(|what| Setting { what, to: SetTo::Unclear, local: false }).to_vec();
    };
    let Some(what) = Followed::of(&name) else { return Vec::new() };
    let (to, local) = match (value, local.as_deref()) {
        (Some(value), Some("true" | "t" | "on")) => (SetTo::Text(value), true),
        (Some(value), Some("false" | "f" | "off")) => (SetTo::Text(value), false),
        (Some(_) | None, Some(_) | None) => (SetTo::Unclear, false),
    };
    vec![Setting { what, to, local }]
}

/// Each schema of a path is a name of its own there, also one with a comma in it. An interval is no time zone's name.
fn written(what: Followed, statement: &nodes::VariableSetStmt) -> Option<String> {
    let constant = |node| matches!(node, Node::A_Const(_)).then(|| objects::literal(node)).flatten();
    let values: Option<Vec<String>> = statement.args().iter().map(constant).collect();
    match what {
        Followed::SearchPath => Some(values?.iter().map(|name| quote_ident(name)).collect::<Vec<_>>().join(", ")),
        Followed::Role | Followed::TimeZone => values?.pop(),
    }
}

/// The schemas of a search path, as the server would read them. `None` where it would not.
#[must_use]
pub fn schemas(path: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_name(quoted)?,
            None => {
                let end = rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                (name.to_ascii_lowercase(), after)
            }
        };
        names.push(name);
        rest = match after.trim_start() {
            "" => "",
            after => after.strip_prefix(',').map(str::trim_start).filter(|rest| !rest.is_empty())?,
        };
    }
    Some(names)
}

/// Up to the quote that ends it, and what is behind that.
fn quoted_name(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        name.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::outline::outline;
    use super::*;

    #[test]
    fn what_is_set() {
        let text = |text: &str| SetTo::Text(text.to_owned());
        for (sql, what, to, local) in [
            ("set search_path = app, \"A,b\"", Followed::SearchPath, text("app, \"A,b\""), false),
            ("set local search_path to ''", Followed::SearchPath, text("\"\""), true),
            ("set schema 'app'", Followed::SearchPath, text("app"), false),
            ("reset search_path", Followed::SearchPath, SetTo::Own, false),
            ("set search_path to default", Followed::SearchPath, SetTo::Own, false),
            ("select set_config('search_path', 'a, b', true)", Followed::SearchPath, text("a, b"), true),
            ("select pg_catalog.set_config('search_path', '', false)", Followed::SearchPath, text(""), false),
            ("select set_config('search_path', current_user, false)", Followed::SearchPath, SetTo::Unclear, false),
            ("set role app", Followed::Role, text("app"), false),
            ("set local role 'App'", Followed::Role, text("App"), true),
            ("reset role", Followed::Role, SetTo::Own, false),
            ("set timezone = 'Europe/Berlin'", Followed::TimeZone, text("Europe/Berlin"), false),
            ("set local time zone 'UTC'", Followed::TimeZone, text("UTC"), true),
            ("set time zone interval '-08:00' hour to minute", Followed::TimeZone, SetTo::Unclear, false),
            ("set time zone local", Followed::TimeZone, SetTo::Own, false),
        ] {
            assert_eq!(outline(sql).settings, [Setting { what, to, local }], "{sql}");
        }
        assert_eq!(outline("discard all").settings, all_back());
        assert_eq!(outline("reset all").settings, all_back()[1..]);
        assert_eq!(outline("select set_config(name, 'x', false) from t").settings.len(), 3);
        for nothing in [
            "set statement_timeout = 0",
            "select set_config('statement_timeout', '0', false)",
            "create function f() returns int language sql set search_path = app as 'select 1'",
            "alter role r set search_path = app",
            "select set_config(name, 'view, foreign-table', false) from pg_settings where name = 'restrict_nonsystem_relation_kind'",
        ] {
            assert_eq!(outline(nothing).settings, [], "{nothing}");
        }
    }

    #[test]
    fn paths_are_taken_apart_as_the_server_does() {
        let names = |path: &str| schemas(path).map(|names| names.join("|"));
        for (path, expected) in [
            ("\"$user\", public", Some("$user|public")),
            ("App,\"App\" , \"a\"\"b,c\"", Some("app|App|a\"b,c")),
            ("", Some("")),
            ("a,", None),
            ("a b", None),
            ("\"a", None),
        ] {
            assert_eq!(names(path).as_deref(), expected, "{path}");
        }
    }
}
