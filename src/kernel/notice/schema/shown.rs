//! Definitions as services, people and the store may have them: what is secret in them is hidden.

use super::{Definition, Look};
use crate::kernel::plan::shown::shown_of;
use crate::kernel::sql::read::shown_behind;

impl Look {
    /// With the secrets in defaults, conditions and queries hidden: they are told and kept as the statements are.
    #[must_use]
    pub fn shown(mut self) -> Self {
        self.relations.iter_mut().for_each(Definition::hide);
        self
    }
}

impl Definition {
    fn hide(&mut self) {
        for column in &mut self.columns {
            column.default.iter_mut().chain(&mut column.generated).for_each(|sql| *sql = shown_of(&column.name, sql));
        }
        for constraint in &mut self.constraints {
            constraint.definition = shown_behind("ALTER TABLE t ADD ", &constraint.definition);
        }
        let indexes = self.indexes.iter_mut().map(|index| &mut index.definition);
        indexes.chain(&mut self.query).for_each(|sql| *sql = shown_behind("", sql));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DefinedColumn, DefinedConstraint, DefinedIndex};
    use super::*;

    #[test]
    fn no_definition_tells_a_secret() {
        let open = Definition {
            query: Some(" SELECT id\n   FROM users\n  WHERE password = 'X'::text;".to_owned()),
            columns: vec![DefinedColumn {
                name: "api_token".into(),
                default: Some("'X'::text".into()),
                ..Default::default()
            }],
            constraints: vec![DefinedConstraint {
                definition: "CHECK ((password <> 'X'::text)) NOT VALID".into(),
                ..Default::default()
            }],
            indexes: vec![DefinedIndex {
                definition: "CREATE INDEX i ON public.users USING btree (id) WHERE (password = 'X'::text)".into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let plain = Definition {
            query: Some(" SELECT 'X'::text AS a;".to_owned()),
            columns: vec![DefinedColumn { name: "a".into(), default: Some("'X'::text".into()), ..Default::default() }],
            ..Default::default()
        };
        let look = Look { relations: vec![open, plain.clone()], ..Default::default() }.shown();
        let [shown, same] = look.relations.as_slice() else { panic!() };
        let text = serde_json::to_string(shown).unwrap();
        assert!(!text.contains("'X'") && text.matches("'***'").count() == 4, "{text}");
        assert_eq!(*same, plain);
    }
}
