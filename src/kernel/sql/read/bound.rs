//! Bounds of partitions.

use pg_raw_parse::list::NodeList;
use pg_raw_parse::{Node, nodes};

use super::super::statement::{Edge, PartitionBound};
use super::{Unreadable, fragment, objects};

pub(super) fn bound(spec: &nodes::PartitionBoundSpec) -> Result<PartitionBound, Unreadable> {
    if spec.is_default {
        return Ok(PartitionBound::Default);
    }
    Ok(match u8::try_from(spec.strategy) {
        Ok(b'l') => {
            let values: Result<_, _> = spec.listdatums().iter().map(fragment::expression).collect();
            PartitionBound::List(values?)
        }
        Ok(b'h') => PartitionBound::Hash { modulus: spec.modulus, remainder: spec.remainder },
        _ => PartitionBound::Range { from: edges(spec.lowerdatums())?, to: edges(spec.upperdatums())? },
    })
}

fn edges(list: &NodeList) -> Result<Vec<Edge>, Unreadable> {
    list.iter().map(edge).collect()
}

/// MINVALUE and MAXVALUE come as names of columns.
fn edge(node: Node<'_>) -> Result<Edge, Unreadable> {
    if let Node::ColumnRef(column) = node {
        match objects::last_name(column.fields()) {
            Some("minvalue") => return Ok(Edge::Least),
            Some("maxvalue") => return Ok(Edge::Greatest),
            _ => {}
        }
    }
    fragment::expression(node).map(Edge::Value)
}
