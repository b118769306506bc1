//! ADD COLUMN in steps: expand (column and default in one ALTER, so that no new row lacks the default),
//! backfill, NOT NULL, and the inline constraints one after the other.

use super::names::Names;
use super::tree::Tree;
use super::{
    Action, Backfill, Plan, Step, add_constraint, add_index_constraint, identity, partitioned_key, quote, serial,
    set_not_null, unproven,
};
use crate::kernel::facts::{Facts, RelationFacts, RelationKind, TypeFacts, VolatileCasts};
use crate::kernel::sql::statement::{
    AddColumn, ConstraintKind, DefaultExpression, Generated, LockMode, Operand, TableConstraint, TypeName,
};

/// The recipe's name.
pub const RECIPE: &str = "add-column";

/// Whether filling the rows that exist takes a rewrite: every row gets a value of its own.
#[must_use]
pub fn volatile(column: &AddColumn, facts: &Facts) -> bool {
    // What a generated column computes is immutable, and it is no default.
    column.serial.is_some()
        || column.identity_sql.is_some()
        || column.generated.is_none()
            && column.default.as_ref().is_some_and(|d| volatile_default(d, &column.type_name, facts))
}

/// What is not known not to be volatile is.
fn volatile_default(default: &DefaultExpression, of: &TypeName, facts: &Facts) -> bool {
    if default.is_null {
        return false;
    }
    let hidden = &default.hidden;
    default.callees.iter().chain(&hidden.operators).any(|callee| facts.may_be_volatile(callee))
        || hidden.unclear
        || hidden.composed && facts.volatile_implicit_casts
        || hidden.casts.iter().any(|(to, operand)| volatile_cast(operand, (to, VolatileCasts::Written), facts))
        || volatile_cast(&hidden.whole, (of, VolatileCasts::Assigned), facts)
}

/// Whether a cast to the type may call something volatile; `least` where it does so of any value.
fn volatile_cast(operand: &Operand, (to, least): (&TypeName, VolatileCasts), facts: &Facts) -> bool {
    // A type that nobody finds is the server's to answer.
    let Some(target) = facts.type_facts(to) else { return false };
    let from = match operand {
        Operand::Text => VolatileCasts::Length,
        Operand::Number => VolatileCasts::Number,
        Operand::Other => least,
        Operand::Typed(from) => match facts.type_facts(from) {
            Some(from) if from.oid == target.oid => VolatileCasts::Length,
            // By its text form.
            Some(from) if from.volatile_casts > VolatileCasts::None => return true,
            _ => least,
        },
    };
    let from = if least == VolatileCasts::Written && from == VolatileCasts::Number { least } else { from };
    target.volatile_casts >= from
}

/// Why no row of a table can be written, where `refuses_updates`.
pub(super) const UPDATES_REFUSED: &str = "it is published with its UPDATEs, and its replica identity is not there, not \
    sent, or less than a filter reads, so that the server refuses every UPDATE";

/// The safe form, or why there is none.
///
/// # Errors
/// A clause for people that says why the column cannot be added in steps.
pub fn plan(table: &RelationFacts, column: &AddColumn, facts: &Facts, names: &mut Names<'_>) -> Result<Plan, String> {
    let type_facts = facts.type_facts(&column.type_name).ok_or("its type could not be looked up")?;
    possible(table, column, type_facts, facts)?;
    let is_volatile = volatile(column, facts);
    if let Some(rule) = table.reacts.update_rules.first().filter(|_| is_volatile) {
        return Err(format!("rule {rule} would change what fills old rows"));
    }
    if let Some(below) = table.column_below(&column.name, &type_facts.type_sql).filter(|_| is_volatile) {
        return Err(format!(
            "{} has such a column of its own already, whose default and values stay as they are",
            below.table
        ));
    }
    if table.reacts.refuses_updates && is_volatile {
        return Err(UPDATES_REFUSED.to_owned());
    }
    if table.reacts.hides_rows && is_volatile {
        return Err("row security hides rows of it from this role, which would not be filled".to_owned());
    }
    let mut steps = if is_volatile {
        filled(table, column, (type_facts, facts), names)?
    } else {
        vec![plain(table, column, type_facts)]
    };
    let mut constraints: Vec<&TableConstraint> = column.constraints.iter().collect();
    constraints.sort_by_key(|constraint| !builds_index(&constraint.kind));
    for constraint in constraints {
        if builds_index(&constraint.kind) {
            steps.extend(add_index_constraint::steps(table, constraint, facts, names)?.1.steps);
        } else if foreign_by_partition(table, constraint, facts) {
            let name = add_constraint::name_of(table, constraint, names).ok_or(NO_FORM)?;
            steps.extend(partitioned_key::steps(&Tree::of(table, facts)?, constraint, &name, names)?);
        } else {
            steps.extend(add_constraint::steps(table, constraint, names).ok_or(NO_FORM)?.1);
        }
    }
    Ok(Plan {
        recipe: RECIPE.to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: summary(table, column, is_volatile),
        relation: Some(table.qualified()),
        steps,
        undo_loses: Some(format!("every value of column {}", column.name)),
        verify: Vec::new(),
    })
}

fn summary(table: &RelationFacts, column: &AddColumn, is_volatile: bool) -> String {
    let how = if is_volatile {
        "is added with its default and filled in batches"
    } else {
        "is added first and its constraints afterwards"
    };
    format!(
        "Column {} {how} while readers and writers of {}.{} go on, because ADD COLUMN would keep everybody out \
         until every row is done.",
        column.name, table.schema, table.name
    )
}

fn possible(table: &RelationFacts, column: &AddColumn, of: &TypeFacts, facts: &Facts) -> Result<(), &'static str> {
    match table.kind {
        RelationKind::Table | RelationKind::PartitionedTable => {}
        RelationKind::Index
        | RelationKind::PartitionedIndex
        | RelationKind::View
        | RelationKind::MaterializedView
        | RelationKind::Sequence
        | RelationKind::ForeignTable
        | RelationKind::CompositeType
        | RelationKind::Toast => return Err("it is not an ordinary table"),
    }
    if of.constrained_domain {
        return Err("every row is checked against the domain's constraint");
    }
    if of.domain_default && column.default.is_none() {
        return Err("the domain's own default may differ from row to row");
    }
    if let Some(generated) = column.generated {
        return match generated {
            Generated::Virtual => Err("a virtual column cannot be checked in steps"),
            Generated::Unsaid if facts.major() >= 18 => Err("a virtual column cannot be checked in steps"),
            Generated::Stored | Generated::Unsaid => Err("a stored generated column is always written into every row"),
        };
    }
    if !volatile(column, facts) && same_value_twice(column) {
        return Err("every row gets the same value, which the constraint forbids");
    }
    Ok(())
}

const NO_FORM: &str = "one of its constraints has no form that lets others go on";

fn foreign_by_partition(table: &RelationFacts, constraint: &TableConstraint, facts: &Facts) -> bool {
    table.kind == RelationKind::PartitionedTable
        && facts.major() < partitioned_key::NOT_VALID_FROM
        && matches!(constraint.kind, ConstraintKind::ForeignKey { .. })
}

fn builds_index(kind: &ConstraintKind) -> bool {
    matches!(kind, ConstraintKind::Unique { .. } | ConstraintKind::PrimaryKey { .. })
}

fn same_value_twice(column: &AddColumn) -> bool {
    column.default.as_ref().is_some_and(|d| !d.is_null) && column.constraints.iter().any(|c| builds_index(&c.kind))
}

/// `x type options COLLATE c`.
pub(super) fn definition(column: &AddColumn) -> String {
    let mut sql = format!("{} {}", quote::identifier(&column.name), column.type_name.sql);
    if let Some(options) = &column.options_sql {
        sql.push(' ');
        sql.push_str(options);
    }
    if let Some(collation) = &column.collation_sql {
        sql.push_str(" COLLATE ");
        sql.push_str(collation);
    }
    sql
}

fn expand(table: &RelationFacts, column: &AddColumn, rest: &str, probe: String) -> Step {
    let relation = quote::table(table);
    let skip = if column.if_not_exists { "IF NOT EXISTS " } else { "" };
    Step::brief(
        "expand",
        format!("ALTER TABLE {relation} ADD COLUMN {skip}{}{rest}", definition(column)),
        LockMode::AccessExclusive,
    )
    .probed(probe)
    .undone_by(format!("ALTER TABLE {relation} DROP COLUMN IF EXISTS {}", quote::identifier(&column.name)))
}

/// The column with all that costs nothing: constant default and NOT NULL.
fn plain(table: &RelationFacts, column: &AddColumn, of: &TypeFacts) -> Step {
    let mut rest = String::new();
    let mut wanted = Vec::new();
    if let Some(default) = &column.default {
        rest = format!(" DEFAULT ({})", default.sql);
        if !default.is_null {
            wanted.push("a.atthasdef");
        }
    }
    if let Some(not_null) = &column.not_null {
        if let Some(name) = &not_null.name {
            rest.push_str(" CONSTRAINT ");
            rest.push_str(&quote::identifier(name));
        }
        rest.push_str(" NOT NULL");
        wanted.push("a.attnotnull");
    }
    let probe = quote::column_probe(table, &column.name, Some(&of.type_sql), &wanted.join(" AND "));
    expand(table, column, &rest, probe)
}

/// The column with a default that differs from row to row, filled, and NOT NULL where that is wanted.
fn filled(
    table: &RelationFacts,
    column: &AddColumn,
    of: (&TypeFacts, &Facts),
    names: &mut Names<'_>,
) -> Result<Vec<Step>, &'static str> {
    let (type_facts, facts) = of;
    let sequence = match column.serial {
        Some(_) => Some(serial::sequence(table, column, facts, names)?),
        None => None,
    };
    let identity = match &column.identity_sql {
        Some(written) => Some(identity::identity(table, column, written)?),
        None => None,
    };
    let default = match (&sequence, &identity, &column.default) {
        (Some(sequence), _, _) => sequence.default_sql.clone(),
        (None, Some(identity), _) => identity.default_sql.clone(),
        (None, None, Some(default)) => default.sql.clone(),
        (None, None, None) => return Err("it has no default"),
    };
    let name = quote::identifier(&column.name);
    let rest = format!(", ALTER COLUMN {name} SET DEFAULT {default}");
    let probe = quote::column_probe(table, &column.name, Some(&type_facts.type_sql), "a.atthasdef");
    let mut steps: Vec<Step> = unproven::step(table).into_iter().collect();
    let mut owned = Vec::new();
    steps.extend(identity.as_ref().map(|identity| identity.create.clone()));
    if let Some(sequence) = sequence {
        steps.push(sequence.create);
        owned.push(sequence.own);
    }
    steps.push(expand(table, column, &rest, probe));
    steps.extend(owned);
    steps.push(backfill(table, &column.name, default));
    let primary = column.constraints.iter().any(|c| matches!(c.kind, ConstraintKind::PrimaryKey { .. }));
    if column.not_null.is_some() || column.serial.is_some() || identity.is_some() || primary {
        let written = column.not_null.as_ref();
        set_not_null::can_prove(type_facts.is_row, facts.major())?;
        steps.extend(set_not_null::steps(table, &column.name, written, (facts.major(), names))?);
    }
    if let Some(identity) = identity {
        steps.iter_mut().for_each(|step| step.past = Some(identity.past.clone()));
        steps.push(identity.hand_over);
    }
    Ok(steps)
}

fn backfill(table: &RelationFacts, column: &str, expression_sql: String) -> Step {
    let pending_sql = format!("{} IS NULL", quote::identifier(column));
    Step {
        name: "backfill".to_owned(),
        probe: Some(format!("SELECT NOT EXISTS (SELECT FROM {} WHERE {pending_sql})", quote::table(table))),
        action: Action::Backfill(Backfill {
            relation: table.qualified(),
            column: column.to_owned(),
            expression_sql,
            pending_sql,
            rows_estimate: table.rows_at_most(),
            write: None,
        }),
        lock: LockMode::RowExclusive,
        scans: true,
        past: None,
        undo: Vec::new(),
        reworded: None,
        heard: false,
        ahead: Vec::new(),
        stands_for: Vec::new(),
        stands_in: None,
        expects: Vec::new(),
        also: Vec::new(),
        loses: Vec::new(),
        estimate: None,
        on: None,
    }
}
