//! Names of what is no relation without their schemas, and the types that tell it from others of its name: as the
//! catalog writes them, so that they can be asked for.

use pg_raw_parse::{Node, list::NodeList, nodes};

use super::super::statement::BareName;
use super::objects;

/// One for each; none at all if one of them is not to be told.
pub(super) fn names(objects: &NodeList) -> Vec<BareName> {
    objects.iter().map(name).collect::<Option<_>>().unwrap_or_default()
}

fn name(object: Node<'_>) -> Option<BareName> {
    let plain = |name: &str| BareName::from(name.to_owned());
    match object {
        Node::NodeList(parts) => match (parts.get(0), parts.get(1)) {
            (Some(Node::TypeName(from)), Some(Node::TypeName(to))) => {
                let arguments = Some(vec![type_of(from)?, type_of(to)?]);
                Some(BareName { name: last(from)?, arguments })
            }
            // TRANSFORM FOR a type.
            (Some(Node::TypeName(of)), Some(Node::String(language))) => {
                Some(BareName { name: language.sval()?.to_owned(), arguments: Some(vec![type_of(of)?]) })
            }
            _ => objects::last_name(parts).map(plain),
        },
        Node::String(name) => name.sval().map(plain),
        Node::TypeName(name) => Some(last(name)?.into()),
        Node::ObjectWithArgs(object) => {
            let name = objects::last_name(object.objname())?.to_owned();
            Some(BareName { name, arguments: arguments(object) })
        }
        _ => None,
    }
}

/// The types it is found by; none where OUT parameters are written too, which count or do not.
fn arguments(object: &nodes::ObjectWithArgs) -> Option<Vec<String>> {
    let written = object.objfuncargs().len();
    if object.args_unspecified || (written > 0 && written != object.objargs().len()) {
        return None;
    }
    let types = object.objargs().iter().map(|of| match of {
        Node::TypeName(of) => type_of(of),
        // An operator has nothing on this side.
        Node::None => Some(String::new()),
        _ => None,
    });
    types.collect()
}

/// The catalog's name of it. That of an array is not certain.
fn type_of(of: &nodes::TypeName) -> Option<String> {
    (of.array_bounds().is_empty() && !of.setof && !of.pct_type).then(|| last(of)).flatten()
}

fn last(of: &nodes::TypeName) -> Option<String> {
    of.names().iter().filter_map(nodes::String::sval).next_back().map(str::to_owned)
}
