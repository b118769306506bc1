//! The partitioned tables of the cases.

use super::{name, number, put, table};
use crate::kernel::facts::{Facts, Member, PartitionOf, Partitioned, RelationFacts, RelationKind};

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
