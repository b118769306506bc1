//! A change of type without a rewrite under ACCESS EXCLUSIVE: a column of the new type is kept in step by a
//! trigger, filled in batches, given all that hangs on the old one, proven equal, and put in its place in one
//! short transaction.
//!
//! The helpers' names depend only on what they are for, so that a plan made anew after a crash finds them.
//! Until the cut-over every prefix of it can be taken back; after it only another change of type leads back.

mod asked;
mod cutover;
mod expression;
mod hidden;
mod objects;
mod rename;
mod text;

use super::names::named_after;
use super::retype::{self, Retype};
use super::unchanged::{self, Planned};
use super::{Action, Backfill, Plan, Reworded, Step, helper, quote, set_not_null, unproven};
use crate::kernel::facts::{CastFacts, ColumnUse, ConstraintUse, Facts, RelationFacts, RelationKind, column_shape};
use crate::kernel::sql::statement::LockMode;
use crate::kernel::sql::write::NAME_BYTES;
pub use asked::{Asked, Look};
pub(super) use cutover::options as sequence_options;
use expression::Expression;
pub use rename::column as rename_column;
pub(super) use text::index_body;

/// The recipe's name.
pub const RECIPE: &str = "change-type-aside";

/// Triggers fire by name: after all of the application's.
const TRIGGER: &str = "zzz_lockkeeper_sync";

/// What is filled serves no more where the column has another name or type, and is kept otherwise.
const CHANGED_CODE: &str = "CASE WHEN pg_catalog.concat(', ', changed) OPERATOR(pg_catalog.~) ', its (name|type)' THEN '55000' ELSE 'LK010' END";

/// One column on its way.
struct Shadow<'a> {
    table: &'a RelationFacts,
    change: &'a Retype<'a>,
    hangs: &'a ColumnUse,
    target: &'a CastFacts,
    /// The new column's name until the cut-over.
    name: String,
    domain_default: bool,
    major: u32,
    current_role: &'a str,
    /// The columns before this one whose types the same statement changes. What hangs on several is the last one's.
    others: Vec<Other<'a>>,
    asked: &'a Asked,
}

struct Other<'a> {
    column: &'a str,
    name: String,
    hangs: &'a ColumnUse,
}

/// The plan for all columns that the statement of this change would have the server write anew, or why there is none:
/// they take their places in the same transaction.
///
/// # Errors
/// A clause for people that says why it cannot be done so.
pub fn plan(table: &RelationFacts, change: &Retype<'_>, facts: &Facts) -> Result<Plan, String> {
    plan_with(table, change, facts, &Asked::default())
}

/// The same with what else the statement asks of these columns.
///
/// # Errors
/// As above.
pub fn plan_with(table: &RelationFacts, change: &Retype<'_>, facts: &Facts, asked: &Asked) -> Result<Plan, String> {
    let changes: Vec<Retype<'_>> = change.all().filter(|one| retype::work(table, one, facts).is_long()).collect();
    let use_of = |one: &Retype<'_>| {
        let mut hangs = one.proven(one.left(facts.column_use(&one.alter.relation, one.column)?));
        asked.put(one.column, &mut hangs);
        Some(hangs)
    };
    let uses: Option<Vec<ColumnUse>> = changes.iter().map(use_of).collect();
    let uses = uses.ok_or("what depends on it could not be looked up")?;
    let own: Vec<ColumnUse> =
        (1..).zip(&uses).map(|(next, hangs)| hangs.without(uses.get(next..).unwrap_or_default())).collect();
    let mut shadows: Vec<Shadow<'_>> = Vec::new();
    for (change, hangs) in changes.iter().zip(&own) {
        let target = hangs.casts.last().ok_or("its new type could not be looked up")?;
        let others = shadows.iter().zip(&uses).map(|(other, hangs)| Other {
            column: other.change.column,
            name: other.name.clone(),
            hangs,
        });
        let others = others.collect();
        shadows.push(Shadow {
            table,
            change,
            hangs,
            target,
            name: helper("new", change.column),
            domain_default: facts.type_facts(change.type_name).is_some_and(|of| of.domain_default),
            major: facts.major(),
            current_role: &facts.current_role,
            others,
            asked,
        });
    }
    let (mut expand, mut fill) = (Vec::from_iter(unproven::step(table)), asked.before.clone());
    for shadow in &shadows {
        let of = facts.type_facts(shadow.change.type_name).ok_or("its new type could not be looked up")?;
        shadow.possible(of.constrained_domain)?;
        let not_null = shadow.not_null();
        if !not_null.is_empty() {
            set_not_null::can_prove(of.is_row, shadow.major)?;
        }
        let expression = expression::expression(shadow, facts)?;
        expand.extend([shadow.expand(), shadow.sync(&expression, facts)]);
        fill.push(shadow.backfill(&expression));
        fill.extend(not_null);
        fill.extend(objects::steps(shadow)?);
        fill.extend(shadow.prove(&expression));
    }
    let unchanged: Vec<String> = shadows.iter().filter_map(Shadow::unchanged).collect();
    // Before the first step, and once more before all is proven: not only at the very end.
    for step in expand.iter_mut().chain(&mut fill).filter(|step| ["expand", "guard"].contains(&step.name.as_str())) {
        step.ahead.clone_from(&unchanged);
    }
    let past: Vec<String> = shadows.iter().map(Shadow::past).collect();
    let past = if let [only] = past.as_slice() { only.clone() } else { format!("SELECT ({})", past.join(") AND (")) };
    let steps = expand.into_iter().chain(fill).map(|step| Step { past: Some(past.clone()), ..step });
    let cut = cutover::statements(&shadows, &unchanged);
    let cut = Step::together("cut over", cut, LockMode::AccessExclusive).probed(past.clone());
    let cut = cut.locking(cutover::locked_too(&shadows));
    let stands_for: Vec<(String, String)> = shadows.iter().flat_map(objects::stands_for).collect();
    let steps = steps.chain([cut]).map(|step| Step { stands_for: stands_for.clone(), ..step });
    Ok(Plan {
        recipe: RECIPE.to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: summary(&shadows) + &expression::refuses(&shadows) + &proven_with(asked),
        relation: Some(table.qualified()),
        steps: steps.collect(),
        undo_loses: Some("nothing before the cut-over; after it the way back is another change of type".to_owned()),
        verify: Vec::new(),
    })
}

fn summary(shadows: &[Shadow<'_>]) -> String {
    let [first, ..] = shadows else { return String::new() };
    let names: Vec<&str> = shadows.iter().map(|shadow| shadow.change.column).collect();
    let order = if matches!(shadows, [only] if only.hangs.is_last) {
        ""
    } else {
        " What differs from a rewrite: what is changed comes last in the table afterwards, which SELECT *, INSERT and \
         COPY without column names see."
    };
    let (added, place, more) = match shadows {
        [only] => (
            format!(
                "A column of type {} is added beside {}, kept in step by a trigger",
                only.target.type_sql, only.change.column
            ),
            "it takes the old one's place",
            "one column",
        ),
        _ => (
            format!("Columns of the new types are added beside {}, kept in step by triggers", names.join(", ")),
            "they take the old ones' places",
            "these columns",
        ),
    };
    format!(
        "{added}, filled in batches and given the same indexes and constraints while readers and writers of {}.{} go on; \
         then {place} in one short transaction, because the change as written would write every row anew while nobody \
         else may use the table. Until then SELECT * shows {more} more.{order}",
        first.table.schema, first.table.name
    )
}

fn proven_with(asked: &Asked) -> String {
    let names = asked.names();
    if names.is_empty() {
        return String::new();
    }
    let (what, are) = if names.len() == 1 { ("Constraint", "is") } else { ("Constraints", "are") };
    format!(" {what} {} {are} made and proven before that: what fails leaves all as it was.", names.join(", "))
}

/// The columns that a trigger of ours keeps in step with this one, for a change of type or for a rename whose old name
/// still works.
#[must_use]
pub fn kept_in_step(table: &RelationFacts, column: &str) -> Vec<String> {
    if !table.reacts.triggers.iter().any(|trigger| trigger.name.starts_with(TRIGGER)) {
        return Vec::new();
    }
    let (proof, copy) = (helper("same", ""), helper("new", ""));
    let proofs = table.constraints.iter().filter(|constraint| constraint.name.starts_with(&proof));
    let proven = proofs.filter(|constraint| constraint.columns.iter().any(|name| name == column));
    let mut others: Vec<String> = proven.flat_map(|constraint| constraint.columns.iter().cloned()).collect();
    // What is not proven yet is told by the copy's name.
    others.push(column.strip_prefix(&copy).map_or_else(|| helper("new", column), str::to_owned));
    others.sort();
    others.dedup();
    others.retain(|name| name != column && table.column(name).is_some());
    others
}

/// Whether a change of type of this column, or its rename, has begun and is not done.
#[must_use]
pub fn is_on_its_way(table: &RelationFacts, column: &str) -> bool {
    table.column(&helper("new", column)).is_some()
}

impl Shadow<'_> {
    fn relation(&self) -> String {
        quote::table(self.table)
    }

    fn possible(&self, constrained_domain: bool) -> Result<(), String> {
        let (table, hangs) = (self.table, self.hangs);
        let first = |names: &[String]| names.first().cloned().unwrap_or_default();
        let why = if table.kind != RelationKind::Table {
            "it is not an ordinary table".to_owned()
        } else if table.has_children || table.is_partition {
            "the table has partitions or children, or is one".to_owned()
        } else if self.change.drops_a_column() {
            "the same statement drops a column, and with it what hangs on both".to_owned()
        } else if hangs.typed_table {
            "the table is made of a type".to_owned()
        } else if constrained_domain {
            "adding a column of a domain with a constraint writes every row anew as well".to_owned()
        } else if table.column(self.change.column).is_some_and(|column| column.generated) {
            "it is a generated column".to_owned()
        } else if hangs.forced_row_security {
            "row security may hide rows from it".to_owned()
        } else if !hangs.triggers.is_empty() {
            format!(
                "trigger {} would fire for every row, or after the one that keeps both in step",
                first(&hangs.triggers)
            )
        } else if !hangs.update_rules.is_empty() {
            format!("rule {} would change what is written", first(&hangs.update_rules))
        } else if !hangs.publications.is_empty() {
            format!(
                "publication {} would send the new column to subscribers that do not have it",
                first(&hangs.publications)
            )
        } else if self.is_kept_in_step() {
            "a column of another name is kept in step with it: see the jobs of the table".to_owned()
        } else if hangs.labelled {
            "it has a security label".to_owned()
        } else if !hangs.may_create {
            format!("role {} may not create a function in schema {}", self.current_role, table.schema)
        } else if hangs.grants.iter().any(|grant| !grant.by_owner) {
            "a privilege on it was granted by somebody else than the owner".to_owned()
        } else {
            return Ok(());
        };
        Err(why)
    }

    /// By another statement's change, or by a rename that is done and whose old name still works.
    fn is_kept_in_step(&self) -> bool {
        let proof = helper("same", "");
        let own: Vec<String> = self.change.all().map(|one| helper("same", one.column)).collect();
        let copied = self.table.reacts.triggers.iter().any(|trigger| trigger.name == self.trigger());
        let other = |constraint: &ConstraintUse| constraint.name.starts_with(&proof) && !own.contains(&constraint.name);
        self.hangs.constraints.iter().any(other) || copied && self.table.column(&self.name).is_none()
    }

    /// A definition with the columns whose types change under their new names: this one, and those of `others` that
    /// what is defined hangs on.
    fn renamed(&self, definition: &str, hangs_on: impl Fn(&ColumnUse) -> bool) -> Option<String> {
        let others = self.others.iter().filter(|other| hangs_on(other.hangs));
        let own = text::renamed(definition, self.change.column, &self.name)?;
        others.map(|other| (other.column, &other.name)).try_fold(own, |text, (old, new)| text::renamed(&text, old, new))
    }

    /// The column of this name is another one than at the start.
    fn past(&self) -> String {
        quote::column_probe(
            self.table,
            self.change.column,
            None,
            &format!("a.attnum OPERATOR(pg_catalog.<>) {}::pg_catalog.int2", self.hangs.position),
        )
    }

    /// Whatever was done to the column since would be lost with it. Nothing where no server has told what it is.
    fn unchanged(&self) -> Option<String> {
        if self.hangs.shape.is_empty() {
            return None;
        }
        let (oid, number) = (self.table.oid, self.hangs.position);
        let now = column_shape(&format!("{oid}::pg_catalog.oid"), &format!("{number}::pg_catalog.int2"));
        let words = format!(
            "column \"{}\" of relation \"{}\" has changed since its change of type was planned: ",
            self.change.column, self.table.name
        );
        Some(unchanged::check(&Planned {
            table: self.table,
            shape: (now, &self.hangs.shape),
            but: &self.change.dropped(),
            error: (CHANGED_CODE, words),
        }))
    }

    fn expand(&self) -> Step {
        let (relation, new) = (self.relation(), quote::identifier(&self.name));
        let collation = self.change.collation.map_or_else(String::new, |name| format!(" COLLATE {name}"));
        // Or a row had the domain's before it is filled.
        let (empty, none) =
            if self.domain_default { (" DEFAULT NULL", "SET DEFAULT NULL") } else { ("", "DROP DEFAULT") };
        let mut statements =
            vec![format!("ALTER TABLE {relation} ADD COLUMN {new} {}{collation}{empty}", self.target.type_sql)];
        if let Some(default) = &self.hangs.default_sql {
            // Tried now, because it is put on at the very end.
            let column = format!("ALTER TABLE {relation} ALTER COLUMN {new}");
            statements.extend([format!("{column} SET DEFAULT {default}"), format!("{column} {none}")]);
        }
        Step::together("expand", statements, LockMode::AccessExclusive)
            .probed(quote::typed_probe(self.table, &self.name, &self.target.type_sql))
            .undone_by(format!("ALTER TABLE {relation} DROP COLUMN IF EXISTS {new}"))
    }

    fn function(&self) -> String {
        let (trigger, helpers) = (self.trigger(), &self.hangs.helpers);
        let begun = helpers.iter().find(|one| one.trigger.as_ref() == Some(&trigger)).map(|one| one.name.clone());
        let of = format!("{}_{}", self.table.name, self.change.column);
        let mut names = named_after(&of, self.table).map(|of| helper("sync", &of));
        let free = || names.find(|name| helpers.iter().all(|one| one.name != *name));
        quote::qualified(&self.table.schema, &begun.or_else(free).unwrap_or_default())
    }

    fn trigger(&self) -> String {
        let whole = format!("{TRIGGER}_{}", self.change.column);
        if whole.len() <= NAME_BYTES { whole } else { format!("{TRIGGER}_{}", self.hangs.position) }
    }

    /// The trigger's function with this body, and `as_owner` where it acts as its owner.
    fn function_sql(&self, as_owner: &str, body: &str) -> String {
        format!(
            "CREATE FUNCTION {}() RETURNS pg_catalog.trigger LANGUAGE plpgsql{as_owner} AS {}",
            self.function(),
            quote::literal(&format!("#variable_conflict use_column\nBEGIN {body} RETURN NEW; END"))
        )
    }

    /// From here on no row is written without its new value.
    fn sync(&self, expression: &Expression, facts: &Facts) -> Step {
        let (relation, function, trigger) = (self.relation(), self.function(), quote::identifier(&self.trigger()));
        let as_owner = if expression.names_objects {
            format!(" SECURITY DEFINER SET search_path = {}", expression::search_path(facts))
        } else {
            String::new()
        };
        let new = quote::identifier(&self.name);
        let mut statements = vec![self.function_sql(&as_owner, &expression::lasting(self, expression))];
        if self.current_role != self.table.owner {
            statements.push(format!("ALTER FUNCTION {function}() OWNER TO {}", quote::identifier(&self.table.owner)));
        }
        statements.extend([
            format!(
                "CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {relation} FOR EACH ROW EXECUTE FUNCTION {function}()"
            ),
            // Also for what replication writes.
            format!("ALTER TABLE {relation} ENABLE ALWAYS TRIGGER {trigger}"),
            // Tried on one row before the application meets it.
            format!(
                "UPDATE {relation} SET {new} = NULL \
                 WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT ctid FROM {relation} LIMIT 1))"
            ),
        ]);
        Step::together("keep in step", statements, LockMode::ShareRowExclusive)
            .probed(quote::trigger_probe(self.table, &self.trigger()))
            .undone_by(format!("DROP TRIGGER IF EXISTS {trigger} ON {relation}"))
            .undone_by(format!("DROP FUNCTION IF EXISTS {function}()"))
    }

    fn backfill(&self, expression: &Expression) -> Step {
        let pending_sql = format!("{} IS NULL AND ({}) IS NOT NULL", quote::identifier(&self.name), expression.row_sql);
        Step {
            probe: Some(format!("SELECT NOT EXISTS (SELECT FROM {} WHERE {pending_sql})", self.relation())),
            action: Action::Backfill(Backfill {
                relation: self.table.qualified(),
                column: self.name.clone(),
                expression_sql: expression.row_sql.clone(),
                pending_sql,
                rows_estimate: self.table.rows_at_most(),
                write: None,
            }),
            scans: true,
            ..Step::brief("backfill", String::new(), LockMode::RowExclusive)
        }
    }

    /// Up to 17; from 18 on NOT NULL is one of the constraints.
    fn not_null(&self) -> Vec<Step> {
        let is_so = self.table.column(self.change.column).is_some_and(|column| column.not_null);
        let not_null = is_so || self.asked.not_null(self.change.column);
        if !not_null || self.change.drops_not_null() || self.major >= set_not_null::NAMED_FROM {
            return Vec::new();
        }
        let steps = set_not_null::proven(self.table, &self.name, &helper("nn", self.change.column)).into_iter();
        steps
            .map(|step| Step {
                reworded: step
                    .reworded
                    .map(|words| set_not_null::has_nulls(self.table, self.change.column, &words.code)),
                ..step
            })
            .collect()
    }

    /// The server itself proves that no row differs, and that none will.
    fn prove(&self, expression: &Expression) -> [Step; 2] {
        let (relation, new) = (self.relation(), quote::identifier(&self.name));
        let name = helper("same", self.change.column);
        let quoted = quote::identifier(&name);
        let differs = Reworded {
            code: "23514".to_owned(),
            as_code: "55000".to_owned(),
            message: format!(
                "column \"{}\" of relation \"{}\" was not kept in step: some rows differ from their new values",
                self.change.column, self.table.name
            ),
            column: self.change.column.to_owned(),
        };
        [
            Step::brief(
                "guard",
                format!(
                    "ALTER TABLE {relation} ADD CONSTRAINT {quoted} CHECK (pg_catalog.record_image_eq(ROW({new}), \
                     ROW(({})::{}))) NOT VALID",
                    expression.row_sql, self.target.type_sql
                ),
                LockMode::AccessExclusive,
            )
            .probed(quote::constraint_probe(self.table, &name, 'c', ""))
            .undone_by(format!("ALTER TABLE {relation} DROP CONSTRAINT IF EXISTS {quoted}")),
            Step {
                reworded: Some(differs),
                ..Step::scan("prove equal", format!("ALTER TABLE {relation} VALIDATE CONSTRAINT {quoted}"))
            }
            .probed(quote::constraint_probe(self.table, &name, 'c', "c.convalidated")),
        ]
    }
}
