//! RENAME of a column whose old name keeps working: a second column takes the old name, kept in step with the first in
//! both directions, and is dropped when its time is up.
//!
//! The column itself is renamed as written and keeps its place and all that hangs on it, so nothing is left to be put
//! right at the end. Only the copy is temporary.

use super::expression::Expression;
use super::objects::{aside, indexes};
use super::text::{index_body, renamed};
use super::{Asked, Shadow, TRIGGER, objects};
use crate::kernel::facts::{CastFacts, ColumnUse, Facts, IndexUse, RelationFacts, Trigger};
use crate::kernel::plan::retype::Retype;
use crate::kernel::plan::{GRACE, Mode, Plan, Step, create_index, drops, helper, quote, rename, unproven};
use crate::kernel::sql::statement::{AlterObject, AlterTable, LockMode, RelationName, Rename, TypeName};
use crate::kernel::sql::write::NAME_BYTES;

/// The plan, or why the old name cannot be kept.
///
/// # Errors
/// A clause for people that says why it cannot.
pub fn column(of: (&RelationFacts, &ColumnUse), rename: &Rename, facts: &Facts) -> Result<Plan, String> {
    let (table, hangs) = of;
    let relation = rename.relation.as_ref().ok_or("the table could not be looked up")?;
    possible(table, rename, hangs)?;
    // A default would make it look as if the old name had been written.
    let hangs = &ColumnUse { default_sql: None, ..hangs.clone() };
    let target = copy_of(hangs);
    let type_name = TypeName { schema: None, name: String::new(), sql: hangs.type_sql.clone() };
    let alter = AlterTable {
        relation: relation.clone(),
        object: AlterObject::Table,
        if_exists: false,
        only: false,
        actions: Vec::new(),
    };
    let collation = hangs.collation.as_ref().map(collation);
    let change = Retype {
        column: &rename.from,
        type_name: &type_name,
        using: None,
        collation: collation.as_deref(),
        alter: &alter,
    };
    let name = helper("new", &rename.from);
    let shadow = Shadow {
        table,
        change: &change,
        hangs,
        target: &target,
        name,
        domain_default: false,
        major: facts.major(),
        current_role: &facts.current_role,
        others: Vec::new(),
        asked: &Asked::default(),
    };
    shadow.possible(false)?;
    let row_sql = quote::identifier(&rename.from);
    let one_way = Expression {
        assign_sql: format!("NEW.{} := NEW.{row_sql};", quote::identifier(&shadow.name)),
        row_sql,
        names_objects: false,
    };
    let mut steps = Vec::from_iter(unproven::step(table));
    steps.extend([shadow.expand(), shadow.sync(&one_way, facts), shadow.backfill(&one_way)]);
    for index in indexes(&shadow) {
        steps.push(build(&shadow, index)?);
    }
    steps.extend(shadow.prove(&one_way));
    let is_renamed = quote::column_probe(table, &rename.to, None, &is_the_column(hangs.position));
    for step in &mut steps {
        step.past = Some(is_renamed.clone());
    }
    steps.push(cut_over(&shadow, rename, &one_way).probed(is_renamed));
    steps.push(rename::later(contract(&shadow, rename)));
    Ok(Plan {
        recipe: rename::RECIPE.to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: summary(&shadow, rename),
        relation: Some(table.qualified()),
        steps,
        undo_loses: None,
        verify: Vec::new(),
    })
}

fn possible(table: &RelationFacts, rename: &Rename, hangs: &ColumnUse) -> Result<(), String> {
    let column = table.column(&rename.from).ok_or("it could not be looked up")?;
    let own = |trigger: &Trigger| trigger.name.starts_with(TRIGGER);
    let by_row = |trigger: &&Trigger| trigger.for_each_row && (trigger.on_insert || trigger.on_update) && !own(trigger);
    let row_trigger = table.reacts.triggers.iter().find(by_row);
    if rename.to.len() > NAME_BYTES || table.column(&rename.to).is_some() {
        Err("its new name is too long, or taken".to_owned())
    } else if hangs.type_sql != hangs.base_sql {
        Err("its type is a domain, whose checks a copy would not have".to_owned())
    } else if !column.not_null && (hangs.default_sql.is_some() || hangs.identity.is_some()) {
        Err("it may be NULL and has a default: whether NULL was meant by its old name or nothing cannot be told"
            .to_owned())
    } else if let Some(trigger) = row_trigger {
        Err(format!("trigger {} may see one of both names before they are in step", trigger.name))
    } else {
        Ok(())
    }
}

/// From a type to itself.
fn copy_of(hangs: &ColumnUse) -> CastFacts {
    CastFacts {
        type_sql: hangs.type_sql.clone(),
        base_sql: hangs.base_sql.clone(),
        is_array: false,
        same: true,
        collates_alike: true,
        method: None,
        context: None,
        immutable: true,
        plain_text: true,
        to_string: false,
    }
}

fn collation(name: &RelationName) -> String {
    match &name.schema {
        Some(schema) => quote::qualified(schema, &name.name),
        None => quote::identifier(&name.name),
    }
}

fn is_the_column(position: i16) -> String {
    format!("a.attnum OPERATOR(pg_catalog.=) {position}::pg_catalog.int2")
}

/// Queries by the old name find the same indexes, and ON CONFLICT the same keys. Nothing is owned by a constraint.
fn build(shadow: &Shadow<'_>, index: &IndexUse) -> Result<Step, String> {
    let late = |owner: &String| {
        objects::constraints(shadow).any(|constraint| constraint.name == *owner && constraint.deferrable)
    };
    let unique = index.unique && !index.constraint.as_ref().is_some_and(late);
    if !index.valid {
        return Err(format!("index {} is not valid: drop it or build it anew first", index.name));
    }
    let body = index_body(&index.definition, index.tablespace.as_deref())
        .and_then(|body| renamed(&body, shadow.change.column, &shadow.name))
        .ok_or_else(|| format!("where index {} names the column cannot be told for certain", index.name))?;
    Ok(create_index::build(shadow.table, &aside(&index.name), unique, &body))
}

/// The column takes its new name and the copy the old one, and from now on either may be written.
fn cut_over(shadow: &Shadow<'_>, rename: &Rename, one_way: &Expression) -> Step {
    let relation = shadow.relation();
    let [old, new, copy] = [&rename.from, &rename.to, &shadow.name].map(|name| quote::identifier(name));
    let both = format!(
        "IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN \
         IF NEW.{old} IS DISTINCT FROM NULL THEN NEW.{new} := NEW.{old}; ELSE NEW.{old} := NEW.{new}; END IF; \
         ELSIF pg_catalog.record_image_ne(ROW(NEW.{new}), ROW(OLD.{new})) THEN NEW.{old} := NEW.{new}; \
         ELSE NEW.{new} := NEW.{old}; END IF;"
    );
    let mut statements = vec![
        format!("ALTER TABLE {relation} RENAME COLUMN {old} TO {new}"),
        format!("ALTER TABLE {relation} RENAME COLUMN {copy} TO {old}"),
        shadow.function_sql("", &both).replacen("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1),
    ];
    for grant in &shadow.hangs.grants {
        let to = grant.grantee.as_ref().map_or_else(|| "PUBLIC".to_owned(), |role| quote::identifier(role));
        let option = if grant.grantable { " WITH GRANT OPTION" } else { "" };
        statements.push(format!("GRANT {} ({old}) ON {relation} TO {to}{option}", grant.privilege));
    }
    Step::together("rename and keep the old name", statements, LockMode::AccessExclusive)
        .undone_by(format!("ALTER TABLE {relation} RENAME COLUMN {old} TO {copy}"))
        .undone_by(format!("ALTER TABLE {relation} RENAME COLUMN {new} TO {old}"))
        .undone_by(shadow.function_sql("", &one_way.assign_sql).replacen(
            "CREATE FUNCTION",
            "CREATE OR REPLACE FUNCTION",
            1,
        ))
}

/// The copy goes, with what hangs on it alone.
fn contract(shadow: &Shadow<'_>, rename: &Rename) -> Plan {
    let (table, relation) = (shadow.table, shadow.relation());
    let old = quote::identifier(&rename.from);
    let trigger = quote::identifier(&shadow.trigger());
    let drop = format!("ALTER TABLE {relation} DROP COLUMN {old}");
    let gone = quote::trigger_probe(table, &shadow.trigger()).replacen("SELECT EXISTS", "SELECT NOT EXISTS", 1);
    let mut steps = vec![drops::rehearsal(&drop)];
    for index in indexes(shadow) {
        let name = quote::qualified(&table.schema, &aside(&index.name));
        let sql = format!("DROP INDEX CONCURRENTLY {name}");
        let step = Step::sql("drop index", sql, Mode::NoTransaction, LockMode::ShareUpdateExclusive);
        steps.push(step.probed(format!("SELECT pg_catalog.to_regclass({}) IS NULL", quote::literal(&name))));
    }
    for step in &mut steps {
        step.past = Some(gone.clone());
    }
    let statements =
        vec![format!("DROP TRIGGER {trigger} ON {relation}"), format!("DROP FUNCTION {}()", shadow.function()), drop];
    steps.push(Step::together("drop the old name", statements, LockMode::AccessExclusive).probed(gone));
    Plan {
        recipe: rename::CONTRACT.to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!(
            "Column {} of {relation} is called {} by now; the copy under the old name is dropped.",
            rename.from, rename.to
        ),
        relation: Some(table.qualified()),
        steps,
        undo_loses: Some(format!("nothing but the old name {}", rename.from)),
        verify: Vec::new(),
    }
}

fn summary(shadow: &Shadow<'_>, rename: &Rename) -> String {
    format!(
        "A copy of column {} of {} is kept in step by a trigger, filled in batches and given the same indexes while readers \
         and writers go on; then in one brief transaction the column is renamed to {} and the copy takes the old name. \
         From then on either name may be written, and the other follows. The copy is dropped {GRACE} later; until then \
         the job can be undone. Meanwhile SELECT * shows one column more, COPY FROM and logical decoding see it too, and \
         errors of constraints speak of the new name. Neither column may be dropped, renamed or changed until then. Where a statement writes both \
         names differently, the old one counts in an INSERT and the new one in an UPDATE.",
        rename.from,
        shadow.relation(),
        rename.to
    )
}
