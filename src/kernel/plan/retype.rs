//! What a change of a column's type does on the server, judged by the catalog, and its form without a rewrite: a
//! CHECK that would be verified is put back NOT VALID in the same statement and validated afterwards.

mod modifiers;

use super::{Plan, Step, quote};
use crate::kernel::facts::{ColumnUse, ConstraintUse, Facts, RelationFacts, RelationKind};
use crate::kernel::sql::statement::{AlterKind, AlterTable, LockMode, TypeName, Using, UsingForm};
pub use modifiers::{between_zones, takes_all};

/// The subcommand.
#[derive(Clone, Copy, Debug)]
pub struct Retype<'a> {
    pub column: &'a str,
    pub type_name: &'a TypeName,
    pub using: Option<&'a Using>,
    pub collation: Option<&'a str>,
    /// The whole statement.
    pub alter: &'a AlterTable,
}

impl<'a> Retype<'a> {
    /// The subcommand, if it is one of this kind.
    #[must_use]
    pub fn of(alter: &'a AlterTable, kind: &'a AlterKind) -> Option<Self> {
        let AlterKind::AlterType { column, type_name, using, collation } = kind else { return None };
        Some(Self { column, type_name, using: using.as_ref(), collation: collation.as_deref(), alter })
    }

    fn also(&self, is: impl Fn(&AlterKind) -> bool) -> bool {
        self.alter.actions.iter().any(|action| is(&action.kind))
    }

    /// All changes of type of the statement, in its order.
    pub fn all(&self) -> impl Iterator<Item = Self> {
        let alter = self.alter;
        alter.actions.iter().filter_map(|action| Self::of(alter, &action.kind))
    }

    /// The same statement drops a column, and with it what hangs on that.
    #[must_use]
    pub fn drops_a_column(&self) -> bool {
        self.also(|kind| matches!(kind, AlterKind::DropColumn { .. }))
    }

    #[must_use]
    pub fn drops_not_null(&self) -> bool {
        self.also(|kind| matches!(kind, AlterKind::DropNotNull { column } if column == self.column))
    }

    /// What the same statement drops, as a column's shape names it: that may be done before the cut-over.
    #[must_use]
    pub fn dropped(&self) -> Vec<String> {
        let names = self.alter.actions.iter().filter_map(|action| match &action.kind {
            AlterKind::DropConstraint { name, .. } => Some(name),
            _ => None,
        });
        names.flat_map(|name| [format!("constraint {name}"), format!("index {name}")]).collect()
    }

    /// What hangs on the column when the type changes: whatever the same statement drops, it drops first.
    #[must_use]
    pub fn left(&self, hangs: &ColumnUse) -> ColumnUse {
        let mut left = hangs.clone();
        let drops = |constraint: &str| {
            self.also(|kind| matches!(kind, AlterKind::DropConstraint { name, .. } if name == constraint))
        };
        let (drops_not_null, table) = (self.drops_not_null(), &self.alter.relation.name);
        left.constraints.retain(|constraint| {
            !(constraint.local && constraint.table == *table && drops(&constraint.name)
                || drops_not_null && constraint.kind == 'n')
        });
        left.indexes.retain(|index| !index.constraint.as_ref().is_some_and(|owner| drops(owner)));
        if self.also(|kind| matches!(kind, AlterKind::DropDefault { column } if column == self.column)) {
            left.default_sql = None;
        }
        left
    }

    /// With what the same statement proves taken as proven: it is so for the new values.
    #[must_use]
    pub fn proven(&self, mut hangs: ColumnUse) -> ColumnUse {
        let by = |kind: &AlterKind, of: &ConstraintUse| match kind {
            AlterKind::ValidateConstraint { name } => *name == of.name,
            AlterKind::SetNotNull { column } => of.kind == 'n' && column == self.column,
            _ => false,
        };
        let local = hangs.constraints.iter_mut().filter(|of| of.local && of.table == self.alter.relation.name);
        for constraint in local.filter(|of| self.also(|kind| by(kind, of))) {
            constraint.validated = true;
            if let Some(definition) = constraint.definition.strip_suffix(" NOT VALID") {
                constraint.definition = definition.to_owned();
            }
        }
        hangs
    }
}

/// What the server does to the rows and to what hangs on the column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Catalog only.
    Nothing,
    /// It answers with an error before it does anything long: why.
    Refused(String),
    /// Reads every row for the CHECKs of these names; the rows stay as they are.
    Checks(Vec<String>),
    /// Builds indexes anew or looks references up again; the rows stay.
    Rebuilds(&'static str),
    /// Writes every row anew.
    Rewrites(&'static str),
    /// Something could not be looked up.
    Unknown(&'static str),
}

impl Work {
    /// Nobody may use the table for as long as that takes, and no other form of the same statement is shorter.
    #[must_use]
    pub fn is_long(&self) -> bool {
        matches!(self, Self::Rebuilds(_) | Self::Rewrites(_))
    }
}

/// Judges the change by what is in the catalog.
#[must_use]
pub fn work(table: &RelationFacts, change: &Retype<'_>, facts: &Facts) -> Work {
    let Some(of) = facts.type_facts(change.type_name) else {
        return Work::Unknown("its new type could not be looked up");
    };
    let Some(hangs) = facts.column_use(&change.alter.relation, change.column) else {
        return Work::Unknown("what depends on it could not be looked up");
    };
    let hangs = &change.left(hangs);
    if let Some(why) = refused(change, hangs) {
        return Work::Refused(why);
    }
    if of.constrained_domain {
        return Work::Rewrites("every row is checked against the domain");
    }
    if table.column(change.column).is_some_and(|column| column.generated) {
        return Work::Rewrites("every row is computed anew");
    }
    let Some(kept) = kept(table, change, hangs, facts) else { return Work::Rewrites("every row is written anew") };
    rebuilt((table, change), hangs, kept, facts)
}

/// What the server says no to at once.
fn refused(change: &Retype<'_>, hangs: &ColumnUse) -> Option<String> {
    if let Some(first) = hangs.refused.first() {
        return Some(format!("{first} depends on it"));
    }
    let target = hangs.casts.last()?;
    if change.using.is_none() && !target.is_automatic() {
        return Some(format!("there is no cast to {} without USING", target.type_sql));
    }
    let whole_number = ["smallint", "integer", "bigint"].contains(&target.base_sql.as_str());
    (hangs.identity.is_some() && !whole_number).then(|| "an identity must be a whole number".to_owned())
}

/// How much stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// Rows and plain indexes.
    All,
    Rows,
}

/// Whether the rows stay; absent: they are written anew. Measured for 12 to 18.
fn kept(table: &RelationFacts, change: &Retype<'_>, hangs: &ColumnUse, facts: &Facts) -> Option<Kept> {
    let target = hangs.casts.last()?;
    let same_target = match change.using.map(|using| &using.form) {
        None => true,
        Some(UsingForm::Casts(casts)) => {
            hangs.casts.iter().take(casts.len()).all(|cast| cast.type_sql == target.type_sql)
        }
        Some(UsingForm::Computed(_) | UsingForm::Unclear) => false,
    };
    let first = hangs.casts.first()?;
    if !same_target {
        return None;
    }
    let (old, new) = (hangs.base_sql.as_str(), target.base_sql.as_str());
    // The server forgets the bounds of the type behind a domain.
    let domain = table.column(change.column).is_some_and(|column| column.type_sql != hangs.base_sql);
    let unbounded = modifiers::unbounded(old);
    // Without bounds there is nothing to check, of whatever type the values are.
    if first.same && new == unbounded || modifiers::keeps_all(if domain { &unbounded } else { old }, new) {
        return Some(Kept::All);
    }
    if between_zones(old, new) && is_utc(&facts.time_zone) && modifiers::full_precision(new) {
        return Some(Kept::Rows);
    }
    // Binary coercible by pg_cast; whether an index can stay depends on its operator class.
    (first.method == Some('b') && !first.is_array && !new.contains('(')).then_some(Kept::Rows)
}

fn rebuilt(of: (&RelationFacts, &Retype<'_>), hangs: &ColumnUse, kept: Kept, facts: &Facts) -> Work {
    let (table, change) = of;
    let collated = change.collation.is_some() || hangs.casts.last().is_none_or(|target| !target.collates_alike);
    let references = hangs.constraints.iter().any(|constraint| constraint.kind == 'f');
    if collated && (!hangs.indexes.is_empty() || hangs.children_indexed) {
        return Work::Rebuilds("its indexes are built anew for the collation");
    }
    if table.kind == RelationKind::PartitionedTable && !hangs.indexes.is_empty() {
        return Work::Rebuilds("the indexes of its partitions are built anew");
    }
    if hangs.indexes.iter().any(|index| index.computed) {
        return Work::Rebuilds("an index over an expression or with a condition is built anew");
    }
    if hangs.constraints.iter().any(|constraint| constraint.kind == 'x') {
        return Work::Rebuilds("an exclusion constraint is built anew");
    }
    if kept == Kept::Rows && !hangs.indexes.is_empty() {
        return Work::Rebuilds("its indexes are built anew");
    }
    if references && (kept == Kept::Rows || collated && facts.major() >= 18) {
        return Work::Rebuilds("every reference is looked up again");
    }
    if hangs.children_hang {
        return Work::Rebuilds("a partition's CHECK is verified or its index built anew");
    }
    if kept == Kept::Rows && hangs.children_indexed {
        return Work::Rebuilds("a partition's index is built anew or its references looked up again");
    }
    let checks = hangs.constraints.iter().filter(|constraint| constraint.kind == 'c' && constraint.validated);
    let checks: Vec<String> = checks.map(|constraint| constraint.name.clone()).collect();
    if checks.is_empty() { Work::Nothing } else { Work::Checks(checks) }
}

/// Whether a session's TimeZone makes timestamp and timestamptz the same bits, as the server looks at it.
fn is_utc(time_zone: &str) -> bool {
    ["UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu", "Etc/Zulu"].contains(&time_zone)
}

/// The type changes at once, and the CHECKs are validated afterwards.
///
/// # Errors
/// A clause for people that says why it cannot be done so.
pub fn revalidate(table: &RelationFacts, by: (&Retype<'_>, &[String]), facts: &Facts) -> Result<Plan, &'static str> {
    let (change, checks) = by;
    let hangs = facts.column_use(&change.alter.relation, change.column);
    let hangs = hangs.ok_or("what depends on it could not be looked up")?;
    let target = hangs.casts.last().ok_or("its new type could not be looked up")?;
    if table.has_children || table.is_partition {
        return Err("its partitions or children have CHECKs of their own");
    }
    let relation = quote::table(table);
    let column = quote::identifier(change.column);
    let mut kind = format!("ALTER COLUMN {column} TYPE {}", target.type_sql);
    if let Some(collation) = change.collation {
        kind.push_str(&format!(" COLLATE {collation}"));
    }
    let again = hangs.constraints.iter().filter(|constraint| checks.contains(&constraint.name));
    let (mut drops, mut adds, mut comments, mut validate) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut there = Vec::new();
    for check in again {
        let name = quote::identifier(&check.name);
        drops.push(format!("DROP CONSTRAINT {name}"));
        adds.push(format!("ADD CONSTRAINT {name} {} NOT VALID", check.definition));
        comments.extend(
            check
                .comment
                .as_ref()
                .map(|comment| format!("COMMENT ON CONSTRAINT {name} ON {relation} IS {}", quote::literal(comment))),
        );
        validate.push(
            Step::scan("validate", format!("ALTER TABLE {relation} VALIDATE CONSTRAINT {name}"))
                .probed(quote::constraint_probe(table, &check.name, 'c', "c.convalidated")),
        );
        there.push(format!("({})", quote::constraint_probe(table, &check.name, 'c', "")));
    }
    let mut statements = vec![format!("ALTER TABLE {relation} {}", [drops, vec![kind], adds].concat().join(", "))];
    statements.extend(comments);
    let changed = quote::typed_probe(table, change.column, &target.type_sql);
    let mut steps = vec![
        Step::together("change", statements, LockMode::AccessExclusive)
            .probed(format!("SELECT ({changed}) AND {}", there.join(" AND "))),
    ];
    steps.extend(validate);
    Ok(Plan {
        recipe: "change-type".to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!(
            "The type of {} changes without a rewrite; {} put back NOT VALID in the same statement and validated in a \
             second step under a lock that lets readers and writers go on, because otherwise every row is read while \
             nobody else may use the table. It cannot be taken back in steps: the way back is another change of type.",
            change.column,
            if checks.len() == 1 { "its CHECK is" } else { "its CHECKs are" }
        ),
        relation: Some(table.qualified()),
        steps,
        undo_loses: None,
        verify: Vec::new(),
    })
}
