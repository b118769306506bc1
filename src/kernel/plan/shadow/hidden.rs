//! A foreign key that references a partitioned table has rows of its own in the catalog for the partitions. The server
//! names them when it makes them, after the key's columns or the key; those of a helper are named anew.

use crate::kernel::facts::ConstraintUse;
use crate::kernel::plan::names::{joined, object_name};
use crate::kernel::plan::quote;

/// From here on they are named after the key, and numbered from 1; before, after its table and columns.
const AFTER_THE_KEY_FROM: u32 = 18;

/// The statement that gives them the names that they would have had, once the key has its own.
pub(super) fn named(key: &ConstraintUse, major: u32) -> Option<String> {
    if !key.references_parts {
        return None;
    }
    let middle = joined(key.columns.iter().map(String::as_str));
    // Without its number: a long name is cut the more, the longer that is.
    let stem = |digits: usize| {
        let number = "9".repeat(digits);
        let name = if major >= AFTER_THE_KEY_FROM {
            object_name(&key.name, "", &number)
        } else {
            object_name(&key.table, &middle, &format!("fkey{number}"))
        };
        quote::literal(name.strip_suffix(&number).unwrap_or(&name))
    };
    let first = i32::from(major >= AFTER_THE_KEY_FROM);
    let stems: Vec<String> = (0..5).map(stem).collect();
    let table = quote::qualified(&key.schema, &key.table);
    let body = format!(
        "DECLARE hidden record; wanted pg_catalog.text; number pg_catalog.int4; \
         of pg_catalog.oid := pg_catalog.to_regclass({table_text}); BEGIN \
         FOR hidden IN WITH RECURSIVE below (oid) AS (\
         SELECT c.oid FROM pg_catalog.pg_constraint c WHERE c.conrelid OPERATOR(pg_catalog.=) of \
         AND c.conname OPERATOR(pg_catalog.=) {name} AND c.contype OPERATOR(pg_catalog.=) 'f' \
         UNION ALL SELECT c.oid FROM below b JOIN pg_catalog.pg_constraint c ON c.conparentid OPERATOR(pg_catalog.=) b.oid \
         WHERE c.conrelid OPERATOR(pg_catalog.=) of) \
         SELECT c.conname, c.connamespace FROM below b JOIN pg_catalog.pg_constraint c ON c.oid OPERATOR(pg_catalog.=) b.oid \
         WHERE c.conparentid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid ORDER BY c.oid LOOP \
         number := {first}; LOOP \
         wanted := CASE WHEN number OPERATOR(pg_catalog.=) 0 THEN {bare} ELSE \
         (ARRAY[{stems}])[pg_catalog.length(number::pg_catalog.text)] OPERATOR(pg_catalog.||) number::pg_catalog.text END; \
         EXIT WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conname OPERATOR(pg_catalog.=) wanted::pg_catalog.name \
         AND c.connamespace OPERATOR(pg_catalog.=) hidden.connamespace); \
         number := number OPERATOR(pg_catalog.+) 1; END LOOP; \
         EXECUTE pg_catalog.format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', {table_text}, hidden.conname, wanted); \
         END LOOP; END",
        table_text = quote::literal(&table),
        name = quote::literal(&key.name),
        stems = stems.get(1..).unwrap_or_default().join(", "),
        bare = stems.first().map_or("''", String::as_str),
    );
    Some(format!("DO {}", quote::literal(&body)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests report by panicking")]

    use super::*;
    use crate::kernel::sql::write;

    #[test]
    fn it_is_one_statement_for_keys_of_partitioned_tables_only() {
        let key = ConstraintUse {
            references_parts: true,
            columns: vec!["a".to_owned(), "b".to_owned()],
            ..ConstraintUse::own(("s", "t"), "it's a key", 'f')
        };
        let text = named(&key, 15).unwrap();
        write::reads_back(&text).unwrap();
        assert!(text.contains("''t_a_b_fkey''"), "{text}");
        assert!(named(&key, 18).unwrap().contains("''it''''s a key_''"), "{}", named(&key, 18).unwrap());
        assert_eq!(named(&ConstraintUse { references_parts: false, ..key }, 15), None);
    }
}
