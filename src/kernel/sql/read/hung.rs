//! On which columns of which relations a change says or hangs something, beside what ALTER TABLE and RENAME tell themselves:
//! for telling whether that would be lost where the column is on its way to be replaced. Names only.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pg_raw_parse::raw::ObjectType;
use pg_raw_parse::{Node, nodes};

use super::super::bounds;
use super::super::statement::RelationName;
use super::{objects, parse, rights, walk};

/// Which column is of which relation is not known where several are named, unless the column says so itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hung {
    pub relations: Vec<RelationName>,
    /// They may be of any of these.
    pub columns: BTreeSet<String>,
    /// A star.
    pub all_columns: bool,
    /// Columns of one of them; none: all of it.
    pub own: BTreeSet<(RelationName, Option<String>)>,
}

/// One for each such statement of a text; none where it cannot be read.
#[must_use]
pub fn hung(text: &str) -> Vec<Hung> {
    let Ok(tree) = parse(text, bounds::TEXT_BYTES_MAX) else { return Vec::new() };
    let read = catch_unwind(AssertUnwindSafe(|| tree.iter().filter_map(|raw| statement(raw.stmt())).collect()));
    read.unwrap_or_default()
}

fn statement(node: Node<'_>) -> Option<Hung> {
    let mut hung = Hung::default();
    match node {
        Node::CommentStmt(comment) => hung.comment(comment),
        Node::GrantStmt(grant) => {
            hung.relations.extend(rights::granted(grant));
            let columns = grant.privileges().iter().flat_map(|privilege| privilege.cols().iter());
            hung.columns.extend(columns.filter_map(nodes::String::sval).map(str::to_owned));
        }
        Node::CreateStatsStmt(statistics) => {
            hung.on(statistics.relations().first());
            for element in statistics.exprs() {
                let Node::StatsElem(element) = element else { continue };
                hung.columns.extend(element.name().map(str::to_owned));
                hung.expression(element.expr());
            }
        }
        Node::IndexStmt(index) => {
            hung.on(index.relation());
            for element in index.index_params() {
                hung.columns.extend(element.name().map(str::to_owned));
                hung.expression(element.expr());
            }
            for element in index.index_including_params() {
                let Node::IndexElem(element) = element else { continue };
                hung.columns.extend(element.name().map(str::to_owned));
            }
            hung.expression(index.where_clause());
        }
        Node::CreateTrigStmt(trigger) => {
            hung.on(trigger.relation());
            hung.columns.extend(trigger.columns().iter().filter_map(Node::as_str).map(str::to_owned));
            hung.expression(trigger.when_clause());
        }
        Node::CreatePolicyStmt(policy) => {
            hung.on(policy.table());
            hung.expression(policy.qual());
            hung.expression(policy.with_check());
        }
        Node::AlterPolicyStmt(policy) => {
            hung.on(policy.table());
            hung.expression(policy.qual());
            hung.expression(policy.with_check());
        }
        Node::RuleStmt(rule) => hung.on(rule.relation()),
        Node::ViewStmt(view) => hung.expression(view.query()),
        Node::CreateTableAsStmt(create) if create.objtype == ObjectType::OBJECT_MATVIEW => {
            hung.expression(create.query())
        }
        _ => return None,
    }
    Some(hung)
}

impl Hung {
    fn on(&mut self, relation: Option<&nodes::RangeVar>) {
        self.relations.extend(relation.map(objects::relation));
    }

    fn comment(&mut self, comment: &nodes::CommentStmt) {
        let Node::NodeList(object) = comment.object() else { return };
        let parts: Vec<&str> = object.iter().filter_map(Node::as_str).collect();
        match (comment.objtype, parts.as_slice()) {
            (ObjectType::OBJECT_COLUMN, [table @ .., column]) if !table.is_empty() => {
                self.relations.push(objects::relation_from(table));
                self.columns.insert((*column).to_owned());
            }
            (ObjectType::OBJECT_TABLE, table) => self.relations.push(objects::relation_from(table)),
            (
                ObjectType::OBJECT_TABCONSTRAINT
                | ObjectType::OBJECT_TRIGGER
                | ObjectType::OBJECT_POLICY
                | ObjectType::OBJECT_RULE,
                [table @ .., _],
            ) if !table.is_empty() => self.relations.push(objects::relation_from(table)),
            _ => {}
        }
    }

    fn expression(&mut self, node: Node<'_>) {
        let (mut ranges, mut references) = (Vec::new(), Vec::new());
        let walked = walk::each(node, |node| match node {
            Node::RangeVar(range) => ranges.push(range),
            Node::ColumnRef(reference) => references.push(reference),
            Node::JoinExpr(join) => {
                let renames = join.alias().is_some_and(|alias| !alias.colnames().is_empty());
                self.all_columns |= join.is_natural || renames;
                self.columns.extend(join.using_clause().iter().filter_map(nodes::String::sval).map(str::to_owned));
            }
            _ => {}
        });
        // What cannot be walked may name anything.
        self.all_columns |= walked.is_err();
        for range in &ranges {
            let name = objects::relation(range);
            if range.alias().is_some_and(|alias| !alias.colnames().is_empty()) {
                self.own.insert((name.clone(), None));
            }
            self.relations.push(name);
        }
        for reference in references {
            self.reference(reference, &ranges);
        }
    }

    /// A name before a column that stands for none of the relations is that of a part of the query, which names its own.
    fn reference(&mut self, reference: &nodes::ColumnRef, ranges: &[&nodes::RangeVar]) {
        let fields: Vec<Node<'_>> = reference.fields().iter().collect();
        let Some((last, before)) = fields.split_last() else { return };
        let column = match last {
            Node::A_Star(_) => None,
            last => Some(last.as_str().unwrap_or_default().to_owned()),
        };
        let meant = |name: &str| {
            let called = move |range: &&&nodes::RangeVar| {
                range.alias().and_then(nodes::Alias::aliasname).or_else(|| range.relname()) == Some(name)
            };
            ranges.iter().filter(called).map(|range| objects::relation(range)).collect::<Vec<_>>()
        };
        let qualifier = before.last().and_then(|name| name.as_str());
        let of = qualifier.map(meant).unwrap_or_default();
        if of.is_empty() {
            self.all_columns |= column.is_none();
            // A relation's name by itself is all of its row.
            let rows = column.as_deref().map(meant).unwrap_or_default();
            self.own.extend(rows.into_iter().map(|relation| (relation, None)));
            self.columns.extend(column);
        } else {
            self.own.extend(of.into_iter().map(|relation| (relation, column.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let one = |hung: &Hung| {
            let relations: Vec<String> = hung.relations.iter().map(RelationName::written).collect();
            let columns: Vec<&str> = hung.columns.iter().map(String::as_str).collect();
            let all = if hung.all_columns { " *" } else { "" };
            let own =
                hung.own.iter().map(|(of, column)| format!(" {}.{}", of.written(), column.as_deref().unwrap_or("*")));
            format!("{}: {}{all}{}", relations.join(" "), columns.join(" "), own.collect::<String>())
        };
        hung(text).iter().map(one).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn what_is_hung_on_what() {
        for (text, expected) in [
            ("COMMENT ON COLUMN s.t.a IS 'x'", "s.t: a"),
            ("COMMENT ON TABLE t IS 'x'", "t: "),
            ("COMMENT ON CONSTRAINT c ON s.t IS 'x'", "s.t: "),
            ("GRANT SELECT (a, b), UPDATE (c) ON t, s.u TO r", "t s.u: a b c"),
            ("REVOKE SELECT ON t FROM r", "t: "),
            ("GRANT USAGE ON SCHEMA t TO r", ": "),
            ("GRANT SELECT ON ALL TABLES IN SCHEMA t TO r", ": "),
            ("CREATE STATISTICS x ON a, (lower(b)) FROM t", "t: a b"),
            ("CREATE INDEX ON t (a, lower(b)) INCLUDE (c) WHERE d > 0", "t: a b c d"),
            ("CREATE TRIGGER g BEFORE UPDATE OF a ON t FOR EACH ROW WHEN (NEW.b > 0) EXECUTE FUNCTION f()", "t: a b"),
            ("CREATE POLICY p ON t USING (a > 0) WITH CHECK (b > 0)", "t: a b"),
            ("CREATE VIEW v AS SELECT t.a FROM s.t", "s.t:  s.t.a"),
            ("CREATE VIEW v AS SELECT x.a, s.u.b, c FROM t AS x, s.u", "t s.u: c t.a s.u.b"),
            ("CREATE VIEW v AS SELECT x.* FROM t AS x, u", "t u:  t.*"),
            ("CREATE VIEW v AS SELECT x FROM t AS x, u", "t u: x t.*"),
            ("CREATE VIEW v AS SELECT (x).a FROM t AS x, u", "t u: x t.*"),
            ("CREATE VIEW v AS SELECT x.c FROM t AS x (c), u", "t u:  t.* t.c"),
            ("CREATE VIEW v AS SELECT q.a FROM (SELECT a FROM t) AS q, u", "u t: a"),
            ("CREATE VIEW v AS SELECT q.a FROM (SELECT * FROM t) AS q, u", "u t: a *"),
            ("CREATE VIEW v AS SELECT 1 FROM t JOIN u USING (a)", "t u: a"),
            ("CREATE VIEW v AS SELECT 1 FROM t NATURAL JOIN u", "t u:  *"),
            ("CREATE VIEW v AS SELECT j.x FROM (t CROSS JOIN u) AS j (x)", "t u: x *"),
            ("CREATE OR REPLACE VIEW v AS SELECT * FROM t", "t:  *"),
            ("CREATE MATERIALIZED VIEW v AS SELECT a FROM t", "t: a"),
            ("SELECT a FROM t", ""),
            ("ALTER TABLE t ALTER a SET DEFAULT 1", ""),
            ("not sql", ""),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }
}
