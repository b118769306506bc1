//! The tables of the cases, and what they are made of.

use crate::kernel::facts::{
    ColumnFacts, ConstraintFacts, Facts, IndexFacts, Persistence, RelationFacts, RelationKind, Taken,
};
use crate::kernel::sql::statement::RelationName;

pub(super) fn keyless(size: (u64, u64)) -> RelationFacts {
    let indexes = vec![index("keyless", "keyless_a_idx", &["a"], false)];
    RelationFacts { indexes, ..table("keyless", size) }
}

/// An oid.
pub(super) fn number(name: &str) -> u32 {
    name.bytes().fold(1, |number, byte| number * 31 % 1_000_003 + u32::from(byte))
}

pub(super) fn index_of(owner: &str, index: IndexFacts) -> RelationFacts {
    RelationFacts {
        kind: RelationKind::Index,
        index_of: Some(name(owner)),
        name: index.name.clone(),
        indexes: vec![index],
        constraints: Vec::new(),
        columns: Vec::new(),
        ..table(owner, (5_000_000, 1 << 30))
    }
}

pub(super) fn name(name: &str) -> RelationName {
    RelationName { schema: Some("public".to_owned()), name: name.to_owned() }
}

pub(super) fn put(facts: &mut Facts, relation: RelationFacts) {
    let bare = RelationName { schema: None, name: relation.name.clone() };
    facts.put_relation(&bare, Some(relation.clone()));
    facts.put_relation(&name(&relation.name), Some(relation));
}

pub(super) fn column(name: &str, type_sql: &str, not_null: bool) -> ColumnFacts {
    ColumnFacts {
        name: name.to_owned(),
        type_sql: type_sql.to_owned(),
        type_oid: 0,
        type_modifier: -1,
        not_null,
        has_default: false,
        generated: false,
        identity: false,
        is_row: false,
    }
}

pub(super) fn index(table: &str, name: &str, columns: &[&str], constraint: bool) -> IndexFacts {
    IndexFacts {
        marks: crate::kernel::facts::IndexMarks::default(),
        oid: number(name),
        name: name.to_owned(),
        valid: true,
        ready: true,
        unique: constraint,
        primary: name.ends_with("_pkey"),
        columns: columns.iter().map(|&c| c.to_owned()).collect(),
        definition: format!("CREATE INDEX {name} ON public.{table} USING btree ({})", columns.join(", ")),
        expression_or_partial: false,
        constraint: constraint.then(|| name.to_owned()),
        bytes: 1 << 20,
        parts: columns.iter().map(|&c| c.to_owned()).collect(),
        parent: None,
    }
}

pub(super) fn constraint(name: &str, kind: char, columns: &[&str], definition: &str) -> ConstraintFacts {
    ConstraintFacts {
        comment: None,
        name: name.to_owned(),
        kind,
        validated: true,
        columns: columns.iter().map(|&c| c.to_owned()).collect(),
        definition: definition.to_owned(),
        inherited: false,
    }
}

/// Columns id (key), a, b (not null), c (proven not null), d (in a CHECK), v, n, at.
pub(super) fn table(name: &str, size: (u64, u64)) -> RelationFacts {
    RelationFacts {
        oid: number(name),
        schema: "public".to_owned(),
        name: name.to_owned(),
        kind: RelationKind::Table,
        persistence: Persistence::Permanent,
        owner: "owner".to_owned(),
        rows: Some(size.0),
        heap_bytes: size.1,
        toast_bytes: 0,
        total_bytes: size.1,
        new_in_transaction: false,
        referenced_by_old: false,
        is_partition: false,
        has_children: false,
        has_default_partition: false,
        columns: vec![
            column("id", "bigint", true),
            column("a", "integer", false),
            column("b", "integer", true),
            column("c", "text", false),
            column("d", "character varying(20)", false),
            column("v", "character varying(20)", false),
            column("n", "numeric(10,2)", false),
            column("at", "timestamp without time zone", false),
            column("seen", "integer", false),
        ],
        indexes: vec![
            index(name, &format!("{name}_pkey"), &["id"], true),
            index(name, &format!("{name}_a_idx"), &["a"], false),
        ],
        constraint_names: Vec::new(),
        columns_below: Vec::new(),
        constraints: vec![
            constraint(&format!("{name}_pkey"), 'p', &["id"], "PRIMARY KEY (id)"),
            constraint("c_filled", 'c', &["c"], "CHECK ((c IS NOT NULL))"),
            constraint("b_filled", 'c', &["b"], "CHECK ((b IS NOT NULL))"),
            constraint("d_long", 'c', &["d"], "CHECK ((length((d)::text) > 3))"),
        ],
        dependents: Vec::new(),
        index_of: None,
        table_oid: None,
        published: false,
        kin: Vec::new(),
        partitioned: None,
        members: Vec::new(),
        withheld: crate::kernel::facts::Withheld::default(),
        partition_of: None,
        reacts: crate::kernel::facts::Reactions::default(),
        populated: true,
        tablespace: Some("pg_default".to_owned()),
        access_method: Some("heap".to_owned()),
    }
}

/// New in this transaction; a sequence that was there before is owned by `a`, and a view shows `b`.
pub(super) fn put_adopting(facts: &mut Facts) {
    let adopting = RelationFacts { new_in_transaction: true, ..table("adopting", (0, 0)) };
    let taken = |what: &str, column: &str, cascade| {
        let column = Some(column.to_owned());
        Taken { what: what.to_owned(), column, cascade }
    };
    let all = vec![taken("sequence public.numbers", "a", false), taken("view public.report", "b", true)];
    facts.put_taken(&RelationName { schema: None, name: adopting.name.clone() }, all);
    put(facts, adopting);
}
