//! A table that hangs on another.

use super::{constraint, index, name, table};
use crate::kernel::facts::{Kin, KinHow, RelationFacts};

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
