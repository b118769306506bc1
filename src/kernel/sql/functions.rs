//! PostgreSQL's own functions and operators, for who judges without asking a server.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::statement::{Callee, RelationName};

/// In any version.
const OPERATORS: &str = "!! !~ !~* !~~ !~~* # ## #- #> #>> % & && &< &<| &> * *< *<= *<> *= *> *>= + - -> ->> -|- / < <-> << \
    <<= <<| <= <> <@ <^ = > >= >> >>= >^ ? ?# ?& ?- ?-| ?| ?|| @ @-@ @> @? @@ @@@ ^ ^@ | |&> |/ |>> || ||/ ~ ~* ~<=~ ~<~ \
    ~= ~>=~ ~>~ ~~ ~~*";

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
    is_pg(function.schema.as_deref()) && volatile(&function.name).is_some()
}

/// Whether it is PostgreSQL's, as far as its name says: what it is given is not known here.
#[must_use]
pub fn is_own_operator(operator: &RelationName) -> bool {
    // The grammar writes words for some: BETWEEN.
    let is_word = operator.name.starts_with(|letter: char| letter.is_ascii_alphabetic());
    is_pg(operator.schema.as_deref()) && (is_word || OPERATORS.split(' ').any(|own| own == operator.name))
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
            (Some("pg_catalog"), "pg_notify", true),
            (None, "pg_load_all", false),
            (Some("app"), "pg_sleep", false),
            (None, "load_all", false),
        ] {
            let function = RelationName { schema: schema.map(str::to_owned), name: name.to_owned() };
            assert_eq!(is_own(&function), own, "{function:?}");
        }
        for (schema, name, own) in
            [(None, "@>", true), (None, "NOT BETWEEN", true), (None, "===", false), (Some("app"), "=", false)]
        {
            let operator = RelationName { schema: schema.map(str::to_owned), name: name.to_owned() };
            assert_eq!(is_own_operator(&operator), own, "{operator:?}");
        }
        let called = |name: &str| Callee::Function { schema: None, name: name.to_owned() };
        assert!(is_steady(&called("lower")) && !is_steady(&called("random")) && !is_steady(&called("load_all")));
    }
}
