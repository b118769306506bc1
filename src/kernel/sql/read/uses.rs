//! What a query or a write names: for telling who uses a table, never for judging.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pg_raw_parse::{Node, nodes};

use super::super::bounds;
use super::super::statement::RelationName;
use super::{Unreadable, objects, parse, walk};

/// Relations and columns of a text. Which column is of which relation is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// What is read or written, without the names of its own WITH queries.
    pub relations: Vec<RelationName>,
    /// Those among them that are written.
    pub written: Vec<RelationName>,
    pub columns: BTreeSet<String>,
    /// A star, or an INSERT or COPY without a list.
    pub all_columns: bool,
}

/// Nothing: the text cannot be read.
#[must_use]
pub fn uses(text: &str) -> Option<Uses> {
    let tree = parse(text, bounds::TEXT_BYTES_MAX).ok()?;
    let mut seen = Seen::default();
    let walked = catch_unwind(AssertUnwindSafe(|| tree.iter().try_for_each(|raw| statement(raw.stmt(), &mut seen))));
    let Seen { mut uses, with } = seen;
    let own = |name: &RelationName| name.schema.is_none() && with.contains(&name.name);
    uses.relations.retain(|name| !own(name));
    matches!(walked, Ok(Ok(()))).then_some(uses)
}

#[derive(Default)]
struct Seen {
    uses: Uses,
    /// Names of WITH queries.
    with: BTreeSet<String>,
}

fn statement(node: Node<'_>, seen: &mut Seen) -> Result<(), Unreadable> {
    match node {
        Node::ExplainStmt(explain) => statement(explain.query(), seen),
        Node::PrepareStmt(prepare) => statement(prepare.query(), seen),
        Node::DeclareCursorStmt(cursor) => statement(cursor.query(), seen),
        Node::CopyStmt(copy) => {
            let relation = copy.relation().map(objects::relation);
            if copy.is_from {
                seen.uses.written.extend(relation.clone());
            }
            seen.uses.relations.extend(relation);
            seen.uses.columns.extend(copy.attlist().iter().filter_map(Node::as_str).map(str::to_owned));
            seen.uses.all_columns |= copy.attlist().is_empty() && copy.relation().is_some();
            statement(copy.query(), seen)
        }
        Node::SelectStmt(_) | Node::InsertStmt(_) | Node::UpdateStmt(_) | Node::DeleteStmt(_) | Node::MergeStmt(_) => {
            walk::each(node, |node| see(node, seen)).map(drop)
        }
        _ => Ok(()),
    }
}

fn see(node: Node<'_>, seen: &mut Seen) {
    let uses = &mut seen.uses;
    match node {
        Node::RangeVar(range) => uses.relations.push(objects::relation(range)),
        Node::CommonTableExpr(with) => seen.with.extend(with.ctename().map(str::to_owned)),
        Node::InsertStmt(insert) => {
            written(insert.relation(), uses);
            uses.all_columns |= insert.cols().is_empty();
            uses.columns.extend(insert.cols().iter().filter_map(named));
        }
        Node::UpdateStmt(update) => {
            written(update.relation(), uses);
            uses.columns.extend(update.target_list().iter().filter_map(nodes::ResTarget::name).map(str::to_owned));
        }
        Node::DeleteStmt(delete) => written(delete.relation(), uses),
        Node::MergeStmt(merge) => written(merge.relation(), uses),
        Node::ColumnRef(reference) => match reference.fields().iter().next_back() {
            Some(Node::A_Star(_)) => uses.all_columns = true,
            Some(last) => uses.columns.extend(last.as_str().map(str::to_owned)),
            None => {}
        },
        _ => {}
    }
}

fn named(target: Node<'_>) -> Option<String> {
    let Node::ResTarget(target) = target else { return None };
    target.name().map(str::to_owned)
}

fn written(relation: Option<&nodes::RangeVar>, uses: &mut Uses) {
    let name = relation.map(objects::relation);
    uses.relations.extend(name.clone());
    uses.written.extend(name);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> (Vec<String>, Vec<String>, Vec<String>, bool) {
        let uses = uses(text).expect("reads");
        let names = |of: &[RelationName]| {
            let names: BTreeSet<String> = of.iter().map(|name| name.name.clone()).collect();
            names.into_iter().collect::<Vec<_>>()
        };
        let columns = uses.columns.iter().cloned().collect();
        (names(&uses.relations), names(&uses.written), columns, uses.all_columns)
    }

    #[test]
    fn what_is_read_and_what_is_written() {
        let of = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (text, read, written, columns, all) in [
            ("SELECT a, o.b FROM shop.orders o WHERE c = 'orders2'", "orders", "", "a b c", false),
            ("SELECT count(*) FROM orders", "orders", "", "", false),
            ("SELECT o.* FROM orders o JOIN items USING (id)", "items orders", "", "", true),
            ("WITH x AS (SELECT a FROM orders) SELECT a FROM x", "orders", "", "a", false),
            ("INSERT INTO items SELECT id FROM orders", "items orders", "items", "id", true),
            ("INSERT INTO items (a, b) VALUES (1, 2)", "items", "items", "a b", false),
            ("UPDATE orders SET a = b WHERE c IN (SELECT d FROM items)", "items orders", "orders", "a b c d", false),
            ("DELETE FROM orders USING items WHERE orders.id = items.id", "items orders", "orders", "id", false),
            ("COPY orders (a) FROM STDIN", "orders", "orders", "a", false),
            ("COPY (SELECT a FROM orders) TO STDOUT", "orders", "", "a", false),
            ("EXPLAIN SELECT a FROM orders", "orders", "", "a", false),
            ("SET search_path = orders", "", "", "", false),
        ] {
            assert_eq!(named(text), (of(read), of(written), of(columns), all), "{text}");
        }
        assert_eq!(uses("SELEC orders"), None);
    }
}
