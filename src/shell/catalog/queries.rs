//! The catalog queries and their parameters. Servers from 14 on understand them.
//!
//! Every function, type, table and operator in them is qualified: an unqualified one could be another's.
//! So there is no IN, CASE x WHEN, BETWEEN, LIKE, DISTINCT FROM, USING or `::text`, all of which look an
//! operator or a type up by its bare name; and no backslash (`standard_conforming_strings` may be off).

use crate::kernel::facts::{COPY_TRIGGER, WantedObject, column_shape, shape};
use crate::kernel::sql::statement::{Callee, Named, RelationName};

pub(super) const RELATIONS: &str = include_str!("relations.sql");
pub(super) const CALLEES: &str = include_str!("callees.sql");
pub(super) const TYPES: &str = include_str!("types.sql");
const USES: &str = include_str!("uses.sql");
pub(super) const FACES: &str = include_str!("faces.sql");
pub(super) const SETTINGS: &str = include_str!("settings.sql");
pub(super) const OBJECTS: &str = include_str!("objects.sql");
pub(super) const TAKEN: &str = include_str!("taken.sql");
const TOUCHED: &str = include_str!("touched.sql");
const WHOLE: &str = include_str!("whole.sql");
pub(super) const DEFINITIONS: &str = include_str!("definitions.sql");

/// All that a table is made of.
pub(super) fn whole() -> String {
    WHOLE.replace("{shape}", &shape("$2::pg_catalog.oid")).replace("{copy_trigger}", COPY_TRIGGER)
}

/// What hangs on a column.
pub(super) fn uses() -> String {
    USES.replace("{shape}", &column_shape("$2::pg_catalog.oid", "col.attnum"))
}

/// What a change touches beside its relations.
pub(super) fn touched() -> String {
    TOUCHED.replace("{copy_trigger}", COPY_TRIGGER)
}

/// Kinds, schemas, names, parts and how far.
pub(super) fn named_arrays(named: &[Named]) -> [String; 5] {
    [
        array(named.iter().map(|one| Some(one.kind))),
        array(named.iter().map(|one| one.schema.as_deref())),
        array(named.iter().map(|one| Some(one.name.as_str()))),
        array(named.iter().map(|one| one.part.as_deref())),
        array(named.iter().map(|one| Some(one.reach.word()))),
    ]
}

/// Arrays of types, one behind the other; empty where they are not known.
pub(super) fn argument_array(objects: &[WantedObject]) -> String {
    let types =
        |one: &WantedObject| one.arguments.as_ref().map(|types| array(types.iter().map(|of| Some(of.as_str()))));
    let types: Vec<Option<String>> = objects.iter().map(types).collect();
    array(types.iter().map(Option::as_deref))
}

/// Schemas and names.
pub(super) fn relation_arrays(relations: &[RelationName]) -> [String; 2] {
    [array(relations.iter().map(|r| r.schema.as_deref())), array(relations.iter().map(|r| Some(r.name.as_str())))]
}

/// Kinds, schemas and names.
pub(super) fn callee_arrays(callees: &[Callee]) -> [String; 3] {
    let parts = callees.iter().map(|callee| match callee {
        Callee::Function { schema, name } => ("f", schema.as_deref(), name.as_str()),
        Callee::Operator { schema, name } => ("o", schema.as_deref(), name.as_str()),
    });
    [
        array(parts.clone().map(|(kind, _, _)| Some(kind))),
        array(parts.clone().map(|(_, schema, _)| schema)),
        array(parts.map(|(_, _, name)| Some(name))),
    ]
}

/// A text array in the server's input form. None is an empty text: what NULL means in it is the session's to say
/// (`array_nulls`).
pub(super) fn array<'a>(elements: impl Iterator<Item = Option<&'a str>>) -> String {
    let mut text = String::from("{");
    for (place, element) in elements.enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push('"');
        for letter in element.unwrap_or_default().chars() {
            if matches!(letter, '"' | '\\') {
                text.push('\\');
            }
            text.push(letter);
        }
        text.push('"');
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_carries_any_name() {
        let names = [Some("a b"), None, Some("NULL"), Some(r#"q"\,{}"#), Some("")];
        assert_eq!(array(names.into_iter()), r#"{"a b","","NULL","q\"\\,{}",""}"#);
        assert_eq!(array(std::iter::empty()), "{}");
    }

    #[test]
    fn no_query_looks_an_operator_or_type_up_by_its_bare_name() {
        for sql in
            [RELATIONS, CALLEES, TYPES, &uses(), FACES, SETTINGS, OBJECTS, TAKEN, &whole(), DEFINITIONS, &touched()]
        {
            let code: String =
                sql.lines().map(|line| line.split("--").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
            let mut bare = code.clone();
            for operator in ["@>", "<@", "=", "<>", "<=", "<", ">=", ">", "+", "-", "*", "/", "||"] {
                bare = bare.replace(&format!("OPERATOR(pg_catalog.{operator})"), "");
            }
            // Literals and array forms hold none of these either.
            for sign in ['=', '<', '>', '+', '*', '/', '|', '~', '\\'] {
                assert!(!bare.contains(sign), "bare {sign} in {bare}");
            }
            for word in [" IN ", "BETWEEN", "LIKE", "DISTINCT", "USING", "NULLIF", "SIMILAR"] {
                assert!(!bare.contains(word), "{word}");
            }
            for cast in bare.split("::").skip(1) {
                assert!(cast.starts_with("pg_catalog."), "{}", &cast[..20.min(cast.len())]);
            }
        }
    }
}
