//! What would be found to hang on a column of the cases' tables.

use crate::kernel::facts::{
    CastFacts, ColumnUse, ConstraintFacts, ConstraintUse, Facts, IndexFacts, IndexUse, RelationFacts, WantedUse,
};

/// What hangs on a column of [`super::catalog`]'s tables; `seen` is in a view, `watched` tables have a trigger.
pub(super) fn hangs_on(facts: &Facts, asked: &WantedUse) -> Option<ColumnUse> {
    let table = facts.relation(&asked.relation)??;
    let column = table.column(&asked.column)?;
    let mut before = column.type_sql.clone();
    let casts = asked.types.iter().filter_map(|of| {
        let of = facts.type_facts(of)?;
        let bare = |text: &str| text.split('(').next().unwrap_or_default().trim().to_owned();
        let (from, to) = (bare(&before), bare(&of.type_sql));
        let strings = ["text", "character varying"];
        let cast = CastFacts {
            type_sql: of.type_sql.clone(),
            base_sql: of.type_sql.clone(),
            is_array: of.is_array,
            same: from == to,
            method: if strings.contains(&from.as_str()) {
                strings.contains(&to.as_str()).then_some('b')
            } else {
                Some('f')
            },
            context: (!strings.contains(&from.as_str()) || strings.contains(&to.as_str())).then_some('a'),
            immutable: !to.starts_with("timestamp"),
            plain_text: true,
            to_string: to == "text",
        };
        before.clone_from(&of.type_sql);
        Some(cast)
    });
    let casts: Vec<CastFacts> = casts.collect();
    let indexes = table.indexes.iter().filter(|index| index.columns.contains(&asked.column));
    let constraints = table.constraints.iter().filter(|constraint| constraint.columns.contains(&asked.column));
    Some(ColumnUse {
        position: 1,
        base_sql: column.type_sql.clone(),
        casts,
        indexes: indexes.map(index_use).collect(),
        constraints: constraints.map(|constraint| constraint_use(table, constraint)).collect(),
        refused: if asked.column == "seen" { vec!["view public.report".to_owned()] } else { Vec::new() },
        triggers: if table.name == "watched" { vec!["touch".to_owned()] } else { Vec::new() },
        may_create: true,
        ..ColumnUse::default()
    })
}

fn index_use(index: &IndexFacts) -> IndexUse {
    IndexUse {
        name: index.name.clone(),
        definition: index.definition.clone(),
        valid: index.valid,
        unique: index.unique,
        computed: index.expression_or_partial,
        constraint: index.constraint.clone(),
        replica_identity: false,
        clustered: false,
        tablespace: None,
        comment: None,
    }
}

fn constraint_use(table: &RelationFacts, constraint: &ConstraintFacts) -> ConstraintUse {
    ConstraintUse {
        name: constraint.name.clone(),
        kind: constraint.kind,
        definition: constraint.definition.clone(),
        validated: constraint.validated,
        deferrable: false,
        deferred: false,
        comment: None,
        local: true,
        remote: false,
        schema: table.schema.clone(),
        table: table.name.clone(),
        plain: true,
        referenced_schema: None,
        referenced_table: None,
        may_alter: true,
        columns: constraint.columns.clone(),
        referenced: Vec::new(),
    }
}
