//! The partitioned tables of the cases.

use super::{name, number, put, table};
use crate::kernel::facts::{Facts, IndexFacts, Member, PartitionOf, Partitioned, RelationFacts, RelationKind};

/// Puts `parts` and `ranges` with their partitions.
pub(super) fn put_all(facts: &mut Facts, size: (u64, u64)) {
    for (parent, members) in [("parts", &["part_1", "part_rest"][..]), ("ranges", &["range_1", "range_2"])] {
        let partitioned = Some(Partitioned { strategy: 'r', key: vec![Some("id".to_owned())], own_storage: false });
        let members: Vec<Member> = members.iter().map(|name| member(parent, name)).collect();
        members.iter().for_each(|member| put(facts, partition(parent, member, size)));
        let has_default_partition = members.iter().any(Member::is_default);
        let root = RelationFacts { partitioned, members, has_default_partition, ..table(parent, size) };
        put(facts, RelationFacts { kind: RelationKind::PartitionedTable, has_children: true, ..root });
    }
}

fn member(parent: &str, of: &str) -> Member {
    let bound = match of {
        "part_rest" => "DEFAULT",
        "range_2" => "FOR VALUES FROM ('200') TO ('300')",
        _ => "FOR VALUES FROM ('100') TO ('200')",
    };
    Member {
        oid: number(of),
        parent: number(parent),
        schema: "public".to_owned(),
        name: of.to_owned(),
        kind: RelationKind::Table,
        bound: Some(bound.to_owned()),
        detach_pending: false,
    }
}

fn partition(parent: &str, member: &Member, size: (u64, u64)) -> RelationFacts {
    let place = PartitionOf {
        parent: name(parent),
        bound: member.bound.clone(),
        constraint: Some("((id IS NOT NULL) AND (id >= '100'::bigint))".to_owned()),
        detach_pending: false,
    };
    RelationFacts { is_partition: true, partition_of: Some(place), ..table(&member.name, size) }
}

/// What partitions have of their own goes with the parent's once it is attached: that comes last.
#[test]
fn an_index_of_a_partitions_own_is_attached_last() {
    for sql in ["CREATE INDEX ON ranges (b)", "ALTER TABLE ranges ADD UNIQUE (id, b)"] {
        let mut facts = super::catalog(15);
        let is_constraint = sql.starts_with("ALTER");
        let columns: &[&str] = if is_constraint { &["id", "b"] } else { &["b"] };
        let (of, mine) = (name("range_2"), super::index("range_2", "mine", columns, is_constraint));
        let mut partition = facts.relation(&of).flatten().cloned().expect("it is in the catalog");
        let definition = mine.definition.replace("CREATE INDEX", "CREATE UNIQUE INDEX");
        partition.indexes.push(if is_constraint { IndexFacts { definition, ..mine } } else { mine });
        put(&mut facts, partition);
        let assessment = super::answered(sql, 15, facts);
        let plan = assessment.changes.iter().find_map(|change| change.safe.as_ref()).expect("a plan");
        let attached: Vec<_> = plan.steps.iter().filter(|step| step.action.sql().starts_with("ALTER INDEX")).collect();
        let [first, last] = attached.as_slice() else { panic!("{plan:#?}") };
        assert!(first.loses.is_empty() && first.on == Some(name("range_1")), "{first:#?}");
        let own = if is_constraint { "constraint mine of public.range_2" } else { "index public.mine" };
        assert_eq!((last.on.as_ref(), last.loses.as_slice()), (Some(&of), &[own.to_owned()][..]));
        assert_eq!(plan.steps.last(), Some(*last));
        assert!(last.probe.as_ref().is_some_and(|probe| probe.contains("i.indisvalid")), "{last:#?}");
    }
}
