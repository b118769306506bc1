//! An index, a UNIQUE or a PRIMARY KEY on a partitioned table: the parent's own part is made without its
//! partitions, each partition's index is built concurrently under the name that the server would have chosen, and
//! one after the other is attached. With the last one the parent's becomes valid.

use super::names::Names;
use super::tree::Tree;
use super::{Step, create_index, quote};
use crate::kernel::facts::{IndexFacts, RelationFacts, RelationKind};
use crate::kernel::sql::read::read;
use crate::kernel::sql::statement::{Change, CreateIndex, LockMode, Statement};

/// What is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The parent's index or constraint.
    pub name: &'a str,
    pub unique: bool,
    /// What follows the table's name in CREATE INDEX.
    pub body_sql: &'a str,
    /// What the server makes a partition's name of, beside the partition's own.
    pub middle: &'a str,
    pub label: &'a str,
    pub constraint: Option<Constraint<'a>>,
}

/// The constraint that the index is of.
#[derive(Clone, Copy, Debug)]
pub struct Constraint<'a> {
    pub primary: bool,
    /// `UNIQUE (a, b) …`, for the parents.
    pub definition_sql: &'a str,
    /// What follows USING INDEX, for the leaves.
    pub tail_sql: &'a str,
}

/// The steps, and the indexes which partitions have already and which will belong, or belong already, to the parent's.
#[derive(Debug)]
pub struct Made {
    pub steps: Vec<Step>,
    pub taken_in: Vec<String>,
}

/// What goes when the parent's index is dropped again, and was there before.
#[must_use]
pub fn lost(taken_in: &[String]) -> Option<String> {
    let names = taken_in.join(", ");
    (!names.is_empty()).then(|| format!("the partitions' own indexes that become part of it: {names}"))
}

/// One member's part.
struct Piece<'a> {
    table: &'a RelationFacts,
    parent: Option<usize>,
    name: String,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Missing,
    /// It is there and only has to be attached.
    Ready,
    /// Attached by an earlier run.
    Attached,
    /// A foreign table has none.
    Foreign,
    /// Below one that is there with all its own.
    Covered,
}

/// The steps for one index or index constraint.
///
/// # Errors
/// A clause for people that says why it cannot be done in steps.
pub fn steps(tree: &Tree<'_>, asked: &Asked<'_>, names: &mut Names<'_>) -> Result<Made, String> {
    let begun = tree.root.index(asked.name);
    if begun.is_some_and(|index| equal(index, asked) != Some(true)) {
        return Err(format!("there is another index {} already", asked.name));
    }
    let pieces = pieces(tree, asked, begun, names)?;
    let foreign = pieces.iter().any(|piece| piece.state == State::Foreign);
    if foreign && (asked.unique || begun.is_some()) {
        return Err("a partition is a foreign table".to_owned());
    }
    let there = pieces.iter().filter(|piece| matches!(piece.state, State::Ready | State::Attached));
    let taken_in = there.map(|piece| piece.name.clone()).collect();
    let mut steps = Vec::new();
    if !foreign {
        steps.push(parent(tree.root, asked.name, asked));
        let middle = pieces.iter().filter(|piece| piece.is_parent() && piece.state == State::Missing);
        steps.extend(middle.map(|piece| parent(piece.table, &piece.name, asked)));
    }
    for piece in pieces.iter().filter(|piece| !piece.is_parent() && piece.state == State::Missing) {
        steps.push(on(piece.table, create_index::build(piece.table, &piece.name, asked.unique, asked.body_sql)));
    }
    for piece in pieces.iter().filter(|piece| !piece.is_parent() && piece.state == State::Missing) {
        if let Some(constraint) = &asked.constraint {
            steps.push(on(piece.table, sealed(piece, constraint)));
        }
    }
    if foreign {
        let loses = pieces.iter().filter(|piece| piece.state == State::Ready).map(|piece| piece.own(asked)).collect();
        steps.push(Step { loses, ..whole(tree.root, asked) });
    } else {
        steps.extend(attached(tree.root, asked, &pieces));
    }
    Ok(Made { steps, taken_in })
}

fn pieces<'a>(
    tree: &Tree<'a>,
    asked: &Asked<'_>,
    begun: Option<&IndexFacts>,
    names: &mut Names<'_>,
) -> Result<Vec<Piece<'a>>, String> {
    let mut pieces: Vec<Piece<'a>> = Vec::with_capacity(tree.nodes.len());
    // Oids of the parents' indexes where they are there already.
    let mut oids: Vec<Option<u32>> = Vec::with_capacity(tree.nodes.len());
    for node in &tree.nodes {
        let above = match node.parent {
            Some(place) => pieces.get(place).map(|piece| piece.state),
            None => Some(State::Missing),
        };
        let parent_oid = match node.parent {
            Some(place) => oids.get(place).copied().flatten(),
            None => begun.map(|index| index.oid),
        };
        let attached = parent_oid.and_then(|oid| node.facts.indexes.iter().find(|index| index.parent == Some(oid)));
        let (name, state) = if above == Some(State::Covered) || above == Some(State::Ready) {
            (String::new(), State::Covered)
        } else if node.facts.kind == RelationKind::ForeignTable {
            (String::new(), State::Foreign)
        } else if let Some(index) = attached {
            (index.name.clone(), State::Attached)
        } else if let Some(index) = usable(node.facts, asked, &[])? {
            let state = if index.valid { State::Ready } else { State::Missing };
            (index.name.clone(), state)
        } else if asked.constraint.is_some() {
            (names.index_constraint(node.facts, asked.middle, asked.label), State::Missing)
        } else {
            (names.relation(node.facts, asked.middle, asked.label), State::Missing)
        };
        oids.push(node.facts.index(&name).map(|index| index.oid));
        pieces.push(Piece { table: node.facts, parent: node.parent, name, state });
    }
    Ok(pieces)
}

impl Piece<'_> {
    fn is_parent(&self) -> bool {
        self.table.kind == RelationKind::PartitionedTable
    }

    /// What the partition has of its own, for people.
    fn own(&self, asked: &Asked<'_>) -> String {
        let Self { table, name, .. } = self;
        match asked.constraint {
            Some(_) => format!("constraint {name} of {}.{}", table.schema, table.name),
            None => format!("index {}.{name}", table.schema),
        }
    }
}

/// An index of the partition that the server would take instead of making one: the first that is equal. One of a
/// partitioned table that is there and not valid was begun by an earlier run.
///
/// # Errors
/// Says of which index it is not clear.
pub fn usable<'a>(
    table: &'a RelationFacts,
    asked: &Asked<'_>,
    taken: &[u32],
) -> Result<Option<&'a IndexFacts>, String> {
    let unattached = |index: &&IndexFacts| index.parent.is_none() && !taken.contains(&index.oid);
    let mut free: Vec<&IndexFacts> = table.indexes.iter().filter(unattached).collect();
    free.sort_by_key(|index| index.oid);
    for index in free {
        let fits = match (&asked.constraint, &index.constraint) {
            (Some(constraint), Some(_)) => constraint.primary == index.primary,
            (Some(_), None) => false,
            (None, _) => true,
        };
        match equal(index, asked).filter(|_| fits) {
            Some(true) if index.valid || table.kind == RelationKind::PartitionedTable => return Ok(Some(index)),
            // A failed build: the one of our name is dropped before the next try.
            Some(true) if !index.ready || index.name.starts_with(table.name.as_str()) => {}
            Some(true) => {
                return Err(format!("{}.{} is INVALID: drop it or rebuild it first", table.schema, index.name));
            }
            Some(false) => {}
            None if fits => {
                let name = &index.name;
                return Err(format!(
                    "whether index {name} of partition {} would do is for the server to say",
                    table.name
                ));
            }
            None => {}
        }
    }
    Ok(None)
}

/// Whether the server takes an index for the one that is asked for; nothing where that is not clear.
fn equal(index: &IndexFacts, asked: &Asked<'_>) -> Option<bool> {
    if index.unique != asked.unique {
        return Some(false);
    }
    let there = create(&index.definition)?;
    let wanted = create(&format!("CREATE INDEX i ON t {}", asked.body_sql))?;
    if there.body_sql == wanted.body_sql {
        return Some(true);
    }
    let columns = |of: &CreateIndex| of.elements.iter().map(|element| element.column.clone()).collect::<Vec<_>>();
    let method = |of: &CreateIndex| of.body_sql.split(' ').nth(1).map(str::to_owned);
    let partial = |of: &CreateIndex| outside_quotes(&of.body_sql).contains(" WHERE ");
    let differ = columns(&there) != columns(&wanted)
        || method(&there) != method(&wanted)
        || partial(&there) != partial(&wanted)
        || super::names::included(&there.body_sql) != super::names::included(&wanted.body_sql);
    differ.then_some(false)
}

/// What follows the table's name in an index's definition, as the catalog prints it.
#[must_use]
pub fn body(definition: &str) -> Option<String> {
    create(definition).map(|index| index.body_sql)
}

fn create(sql: &str) -> Option<CreateIndex> {
    match read(sql).ok()?.statements.into_iter().next()?.statement {
        Statement::Change(Change::CreateIndex(index)) => Some(index),
        _ => None,
    }
}

/// The text without what stands in quotes of either kind.
fn outside_quotes(sql: &str) -> String {
    let mut quote = None;
    sql.chars()
        .filter(|&c| match quote {
            Some(end) => {
                if c == end {
                    quote = None;
                }
                false
            }
            None => {
                if matches!(c, '\'' | '"') {
                    quote = Some(c);
                }
                true
            }
        })
        .collect()
}

fn on(table: &RelationFacts, step: Step) -> Step {
    Step { on: Some(table.qualified()), ..step }
}

/// What takes back a parent's index, and with it all that is attached to it.
fn drop(table: &RelationFacts, name: &str, asked: &Asked<'_>) -> String {
    match asked.constraint {
        Some(_) => {
            format!("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}", quote::table(table), quote::identifier(name))
        }
        None => format!("DROP INDEX IF EXISTS {}", quote::qualified(&table.schema, name)),
    }
}

/// A parent's index without those of its partitions: INVALID until it has them all.
fn parent(table: &RelationFacts, name: &str, asked: &Asked<'_>) -> Step {
    let (relation, quoted) = (quote::table(table), quote::identifier(name));
    let unique = if asked.unique { "UNIQUE " } else { "" };
    let (sql, lock) = match &asked.constraint {
        Some(constraint) => (
            format!("ALTER TABLE ONLY {relation} ADD CONSTRAINT {quoted} {}", constraint.definition_sql),
            LockMode::AccessExclusive,
        ),
        None => (format!("CREATE {unique}INDEX {quoted} ON ONLY {relation} {}", asked.body_sql), LockMode::Share),
    };
    on(table, Step::brief("expand", sql, lock))
        .probed(quote::index_probe(table, name, "true"))
        .undone_by(drop(table, name, asked))
}

/// A leaf's index as the constraint it will be.
fn sealed(piece: &Piece<'_>, constraint: &Constraint<'_>) -> Step {
    super::add_index_constraint::attach(piece.table, &piece.name, constraint.primary, constraint.tail_sql)
}

/// One after the other to its parent, the lowest first. What was there before comes last, for with the parent's it would be
/// dropped: nothing of it is attached while anything else may fail.
fn attached(root: &RelationFacts, asked: &Asked<'_>, pieces: &[Piece<'_>]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let of = |state| pieces.iter().rev().filter(move |piece| piece.state == state);
    let before: Vec<String> = of(State::Attached).map(|piece| piece.own(asked)).collect();
    for piece in of(State::Missing).chain(of(State::Ready)) {
        let (table, name) = match piece.parent.and_then(|place| pieces.get(place)) {
            Some(parent) => (parent.table, parent.name.as_str()),
            None => (root, asked.name),
        };
        let above = quote::qualified(&table.schema, name);
        let below = quote::qualified(&piece.table.schema, &piece.name);
        let is = |one: &str| format!("pg_catalog.to_regclass({})", quote::literal(one));
        let probe = format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid OPERATOR(pg_catalog.=) {} AND \
             i.inhparent OPERATOR(pg_catalog.=) {})",
            is(&below),
            is(&above)
        );
        let sql = format!("ALTER INDEX {above} ATTACH PARTITION {below}");
        let mut step = on(piece.table, Step::brief("attach", sql, LockMode::AccessExclusive)).probed(probe);
        step = step.undone_by(drop(root, asked.name, asked));
        if table.oid != root.oid {
            step = step.undone_by(drop(table, name, asked));
        }
        step.loses.clone_from(&before);
        step.loses.extend((piece.state == State::Ready).then(|| piece.own(asked)));
        steps.push(step);
    }
    // With the last one attached, a parent that is not valid lacks a partition's that came in meanwhile.
    if let Some(last) = steps.last_mut() {
        let valid = quote::index_probe(root, asked.name, "i.indisvalid");
        last.probe = last.probe.take().map(|probe| format!("SELECT ({probe}) AND ({valid})"));
    }
    steps
}

/// With all the partitions' own in place, the statement itself finds them equal and has nothing to build.
fn whole(root: &RelationFacts, asked: &Asked<'_>) -> Step {
    let sql = format!("CREATE INDEX {} ON {} {}", quote::identifier(asked.name), quote::table(root), asked.body_sql);
    Step::brief("take in", sql, LockMode::Share)
        .probed(quote::index_probe(root, asked.name, "i.indisvalid"))
        .undone_by(drop(root, asked.name, asked))
}
