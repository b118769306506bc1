//! A partitioned table and all below it, in the order in which the server goes through it.

use std::cmp::Ordering;

use crate::kernel::facts::{Facts, MEMBERS_MAX, Member, RelationFacts, RelationKind};
use crate::kernel::sql::read::read;
use crate::kernel::sql::statement::{AlterKind, Change, Edge, PartitionBound, Statement};

/// A partitioned table with its members, parents before their children.
#[derive(Debug)]
pub struct Tree<'a> {
    pub root: &'a RelationFacts,
    pub nodes: Vec<Node<'a>>,
}

/// One member.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    pub facts: &'a RelationFacts,
    /// Its parent's place among the nodes; absent below the root.
    pub parent: Option<usize>,
}

impl<'a> Tree<'a> {
    /// The tree of a partitioned table whose members were looked up.
    ///
    /// # Errors
    /// A clause for people that says why it is not known well enough.
    pub fn of(root: &'a RelationFacts, facts: &'a Facts) -> Result<Self, String> {
        if root.members.len() > MEMBERS_MAX {
            return Err(format!("it has more than {MEMBERS_MAX} partitions"));
        }
        root.withheld.owns_all()?;
        if root.has_children && root.members.is_empty() {
            return Err("its partitions are not known".to_owned());
        }
        let mut tree = Self { root, nodes: Vec::with_capacity(root.members.len()) };
        tree.descend(root.oid, None, facts, 0)?;
        Ok(tree)
    }

    fn descend(&mut self, of: u32, parent: Option<usize>, facts: &'a Facts, depth: usize) -> Result<(), String> {
        if depth > 32 {
            return Err("its partitions are nested too deep".to_owned());
        }
        let root = self.root;
        let mut children: Vec<&Member> =
            root.members.iter().filter(|member| member.parent == of && !member.detach_pending).collect();
        children.sort_by_cached_key(|member| Key(place(member), member.oid));
        for member in children {
            let found = facts.relation(&member.qualified()).flatten().filter(|found| found.oid == member.oid);
            let found = found.ok_or_else(|| format!("partition {} could not be looked up", member.name))?;
            self.nodes.push(Node { facts: found, parent });
            if member.kind == RelationKind::PartitionedTable {
                self.descend(member.oid, Some(self.nodes.len() - 1), facts, depth + 1)?;
            }
        }
        Ok(())
    }

    /// What holds rows here: tables that are not partitioned themselves.
    pub fn leaves(&self) -> impl Iterator<Item = &'a RelationFacts> + '_ {
        self.nodes.iter().map(|node| node.facts).filter(|facts| facts.kind == RelationKind::Table)
    }

    /// Whether rows of it are kept elsewhere.
    #[must_use]
    pub fn has_foreign(&self) -> bool {
        self.nodes.iter().any(|node| node.facts.kind == RelationKind::ForeignTable)
    }
}

/// Where the server has a partition among its siblings: by its bounds, those without come last.
fn place(member: &Member) -> Option<PartitionBound> {
    member.bound.as_deref().and_then(bound)
}

/// Bounds as the catalog prints them.
#[must_use]
pub fn bound(text: &str) -> Option<PartitionBound> {
    let reading = read(&format!("ALTER TABLE t ATTACH PARTITION p {text}")).ok()?;
    match reading.statements.into_iter().next()?.statement {
        Statement::Change(Change::AlterTable(alter)) => match alter.actions.into_iter().next()?.kind {
            AlterKind::AttachPartition { bound, .. } => bound,
            _ => None,
        },
        _ => None,
    }
}

/// Orders bounds as far as texts tell: numbers and dates do; a collation of its own does not.
#[derive(PartialEq, Eq)]
struct Key(Option<PartitionBound>, u32);

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_bound = match (&self.0, &other.0) {
            (Some(PartitionBound::List(one)), Some(PartitionBound::List(two))) => least(one, two),
            (Some(PartitionBound::Range { from: one, .. }), Some(PartitionBound::Range { from: two, .. })) => {
                one.iter().zip(two).map(|(a, b)| edges(a, b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            }
            (
                Some(PartitionBound::Hash { modulus: one, remainder: first }),
                Some(PartitionBound::Hash { modulus: two, remainder: second }),
            ) => (one, first).cmp(&(two, second)),
            (one, two) => last(one.as_ref()).cmp(&last(two.as_ref())),
        };
        by_bound.then(self.1.cmp(&other.1))
    }
}

fn last(bound: Option<&PartitionBound>) -> bool {
    matches!(bound, None | Some(PartitionBound::Default))
}

/// By their least values; a list of NULL alone comes after the others.
fn least(one: &[String], two: &[String]) -> Ordering {
    let least = |values: &[String]| {
        values.iter().filter(|value| *value != "NULL").min_by(|a, b| values_in_order(a, b)).cloned()
    };
    match (least(one), least(two)) {
        (Some(one), Some(two)) => values_in_order(&one, &two),
        (one, two) => one.is_none().cmp(&two.is_none()),
    }
}

fn edges(one: &Edge, two: &Edge) -> Ordering {
    let rank = |edge: &Edge| match edge {
        Edge::Least => 0,
        Edge::Value(_) => 1,
        Edge::Greatest => 2,
    };
    match (one, two) {
        (Edge::Value(one), Edge::Value(two)) => values_in_order(one, two),
        _ => rank(one).cmp(&rank(two)),
    }
}

fn values_in_order(one: &str, two: &str) -> Ordering {
    let (one, two) = (one.trim_matches('\''), two.trim_matches('\''));
    match (one.parse::<i128>(), two.parse::<i128>()) {
        (Ok(one), Ok(two)) => one.cmp(&two),
        _ => match (one.parse::<f64>(), two.parse::<f64>()) {
            (Ok(one), Ok(two)) => one.total_cmp(&two),
            _ => one.cmp(two),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_come_in_the_servers_order() {
        let ordered = |texts: &[&str]| {
            let mut keys: Vec<(Key, &str)> =
                texts.iter().zip(1..).map(|(text, oid)| (Key(bound(text), oid), *text)).collect();
            keys.sort_by(|a, b| a.0.cmp(&b.0));
            keys.into_iter().map(|(_, text)| text.to_owned()).collect::<Vec<_>>()
        };
        let ranges = [
            "DEFAULT",
            "FOR VALUES FROM (100) TO (200)",
            "FOR VALUES FROM (-20) TO (9)",
            "FOR VALUES FROM (MINVALUE) TO (-20)",
            "FOR VALUES FROM (9) TO (100)",
        ];
        assert_eq!(ordered(&ranges), [ranges[3], ranges[2], ranges[4], ranges[1], ranges[0]]);
        let lists = ["FOR VALUES IN (NULL)", "FOR VALUES IN ('c', 'b')", "DEFAULT", "FOR VALUES IN ('a', 'z')"];
        assert_eq!(ordered(&lists), [lists[3], lists[1], lists[0], lists[2]]);
        let dates = [
            "FOR VALUES FROM ('2024-10-01 00:00:00+00') TO ('2024-11-01 00:00:00+00')",
            "FOR VALUES FROM ('2024-09-01 00:00:00+00') TO ('2024-10-01 00:00:00+00')",
        ];
        assert_eq!(ordered(&dates), [dates[1], dates[0]]);
    }
}
