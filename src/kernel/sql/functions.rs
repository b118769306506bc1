//! PostgreSQL's own functions, for who judges without asking a server.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::statement::{Callee, RelationName};

/// One name on each line, `volatile` after it where the server may compute it anew for every row, in any version.
static OWN: LazyLock<BTreeMap<&str, bool>> = LazyLock::new(|| {
    let lines = include_str!("functions.txt").lines();
    lines.map(|line| line.split_once(' ').map_or((line, false), |(name, mark)| (name, mark == "volatile"))).collect()
});

/// Whether PostgreSQL's function of this name is volatile (`timezone` of a time alone is: nobody means that one). `None`
/// if it has none for people to call.
#[must_use]
pub fn volatile(name: &str) -> Option<bool> {
    OWN.get(name).copied()
}

/// Whether a callee nobody has looked up is known not to be volatile. Operators are never made volatile in practice.
#[must_use]
pub fn is_steady(callee: &Callee) -> bool {
    match callee {
        Callee::Operator { .. } => true,
        Callee::Function { schema, name } => is_pg(schema.as_deref()) && volatile(name) == Some(false),
    }
}

/// Whether it is PostgreSQL's. None of those writes into a table.
#[must_use]
pub fn is_own(function: &RelationName) -> bool {
    let name = &function.name;
    is_pg(function.schema.as_deref()) && (name.starts_with("pg_") || volatile(name).is_some())
}

fn is_pg(schema: Option<&str>) -> bool {
    schema.is_none_or(|schema| schema == "pg_catalog")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_functions() {
        for (schema, name, own) in [
            (None, "lower", true),
            (Some("pg_catalog"), "lower", true),
            (Some("app"), "lower", false),
            (None, "pg_sleep", true),
            (None, "load_all", false),
        ] {
            let function = RelationName { schema: schema.map(str::to_owned), name: name.to_owned() };
            assert_eq!(is_own(&function), own, "{function:?}");
        }
        let called = |name: &str| Callee::Function { schema: None, name: name.to_owned() };
        assert!(is_steady(&called("lower")) && !is_steady(&called("random")) && !is_steady(&called("load_all")));
    }
}
