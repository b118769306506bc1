//! Tables that hang on another, or whose columns hang on each other.

use super::{column, constraint, index, name, table};
use crate::kernel::facts::{Kin, KinHow, Reactions, RelationFacts, Trigger};

/// With a foreign key to `customers`, and an index over two columns.
pub(super) fn tied(size: (u64, u64)) -> RelationFacts {
    let key = "FOREIGN KEY (a) REFERENCES customers(id)";
    RelationFacts {
        indexes: vec![index("tied", "tied_b_a", &["b", "a"], false)],
        constraints: vec![constraint("tied_a_fkey", 'f', &["a"], key)],
        kin: vec![Kin {
            relation: name("customers"),
            how: KinHow::References,
            constraint: Some("tied_a_fkey".to_owned()),
            columns: vec!["a".to_owned()],
        }],
        ..table("tied", size)
    }
}

/// Column `key` was called `id`, and the old name goes on working.
pub(super) fn renamed(size: (u64, u64)) -> RelationFacts {
    let mut renamed = table("renamed", size);
    let equal = "CHECK (record_image_eq(ROW(id), ROW(key)))";
    renamed.columns.push(column("key", "bigint", true));
    renamed.constraints.push(constraint("lockkeeper_same_id", 'c', &["id", "key"], equal));
    let trigger = Trigger {
        name: "zzz_lockkeeper_sync_id".to_owned(),
        for_each_row: true,
        transition_tables: false,
        on_insert: true,
        on_update: true,
        on_delete: false,
        columns: Vec::new(),
    };
    RelationFacts { reacts: Reactions { triggers: vec![trigger], ..Reactions::default() }, ..renamed }
}
