//! RENAME or SET SCHEMA of a table whose old name keeps working: a view stands in for it, made in the same brief
//! transaction, with the table's rights, and is dropped when its time is up.

use std::collections::BTreeMap;

use super::{Action, GRACE, Plan, Step, quote};
use crate::kernel::facts::{Face, Facts, Grant, RelationFacts, RelationKind};
use crate::kernel::sql::statement::{LockMode, Rename};
use crate::kernel::sql::write::NAME_BYTES;

/// The recipes' names.
pub const RECIPE: &str = "keep-old-name";
pub const CONTRACT: &str = "drop-old-name";

/// What a statement says in a comment for its old name to be kept, also where the policy does not say for how long.
pub const REQUEST: &str = "lockkeeper: keep old name";

/// How long it is kept then: a week, in milliseconds.
pub const REQUESTED_MS: u64 = 7 * 24 * 3_600_000;

/// Views that take the rights of whoever reads them.
const INVOKER_FROM: u32 = 15;

/// What a view cannot do that a table can.
const LESS: &str = "What the old name does not do meanwhile: TRUNCATE, COPY of the table itself, ALTER and indexes, foreign \
     keys to it, ctid and the other system columns, ON CONFLICT ON CONSTRAINT, MERGE before 17, GROUP BY its key alone, \
     pg_get_serial_sequence, and its row type. No column of the table can be dropped or change its type until then.";

/// What else SET SCHEMA moves.
const MOVED: &str =
    " The sequences that its columns own go with it: whoever calls nextval by an old name of theirs fails.";

/// The table under its new name, and a view under the old one.
///
/// # Errors
/// A clause for people that says why the old name cannot be kept.
pub fn table(of: (&RelationFacts, &Face), rename: &Rename, facts: &Facts) -> Result<Plan, String> {
    let (table, face) = of;
    possible(table, rename, face, facts)?;
    let place = rename.place(Some(&table.schema), &table.name);
    let (old, new) = (quote::table(table), quote::relation(&place));
    let view = format!(
        "EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid OPERATOR(pg_catalog.=) d.objid \
         JOIN pg_catalog.pg_class v ON v.oid OPERATOR(pg_catalog.=) r.ev_class \
         WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid \
         AND d.refobjid OPERATOR(pg_catalog.=) {}::pg_catalog.oid AND v.oid OPERATOR(pg_catalog.=) \
         pg_catalog.to_regclass({})::pg_catalog.oid AND v.relkind OPERATOR(pg_catalog.=) 'v'::pg_catalog.\"char\")",
        table.oid,
        quote::literal(&old)
    );
    let (verb, before) = if rename.moves { ("SET SCHEMA", &table.schema) } else { ("RENAME TO", &table.name) };
    let mut statements = vec![format!("ALTER TABLE {old} {verb} {}", quote::identifier(&rename.to))];
    statements.extend(stand_in(table, &new, face, facts));
    let step = Step::together("rename and keep the old name", statements, LockMode::AccessExclusive)
        .probed(format!("SELECT {view}"))
        .undone_by(format!("DROP VIEW {old}"))
        .undone_by(format!("ALTER TABLE {new} {verb} {}", quote::identifier(before)));
    let gone = Step::brief("drop the old name", format!("DROP VIEW {old}"), LockMode::AccessExclusive)
        .probed(format!("SELECT NOT {view}"));
    let contract = Plan {
        recipe: CONTRACT.to_owned(),
        tag: "DROP VIEW".to_owned(),
        summary: format!("{old} is called {new} by now; the view that stands in for it under the old name is dropped."),
        relation: Some(place),
        steps: vec![gone],
        undo_loses: None,
        verify: Vec::new(),
    };
    let frozen = if asks_reader(face, facts) {
        ""
    } else {
        " Rights that are taken away and row security that is switched on meanwhile must be so for both names."
    };
    let gone_along = if rename.moves { MOVED } else { "" };
    Ok(Plan {
        recipe: RECIPE.to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!(
            "{old} is renamed to {new}, and in the same moment a view takes the old name, through which whoever uses it \
             goes on reading and writing with the same rights. The view is dropped {GRACE} later; until then the job can \
             be undone. {LESS}{gone_along}{frozen}"
        ),
        relation: Some(table.qualified()),
        steps: vec![step, later(contract)],
        undo_loses: None,
        verify: Vec::new(),
    })
}

/// What ends the old name when its time is up.
pub(super) fn later(plan: Plan) -> Step {
    let action = Action::Later { ms: 0, plan: Box::new(plan) };
    Step { action, ..Step::brief("drop the old name after its time", String::new(), LockMode::AccessShare) }
}

fn possible(table: &RelationFacts, rename: &Rename, face: &Face, facts: &Facts) -> Result<(), String> {
    let by_others = face.column_grants.iter().map(|of| &of.grant).chain(&face.grants).any(|grant| !grant.by_owner);
    let why = match table.kind {
        _ if rename.to.len() > NAME_BYTES => "its new name is too long".to_owned(),
        RelationKind::Table if table.has_children => {
            "ONLY means something else for a view than for a parent".to_owned()
        }
        RelationKind::Table | RelationKind::PartitionedTable if table.columns.is_empty() => {
            "a view has at least one column".to_owned()
        }
        RelationKind::Table | RelationKind::PartitionedTable if table.published => {
            "it is published, and subscribers know it by its name".to_owned()
        }
        RelationKind::Table | RelationKind::PartitionedTable if face.row_security && facts.major() < INVOKER_FROM => {
            "its row security would not bind those who read a view, up to 14".to_owned()
        }
        RelationKind::Table | RelationKind::PartitionedTable if face.row_security && !face.column_grants.is_empty() => {
            "it has row security, and rights on single columns, which no view can both keep".to_owned()
        }
        RelationKind::Table | RelationKind::PartitionedTable if by_others => {
            "a privilege on it was granted by somebody else than the owner".to_owned()
        }
        RelationKind::Table | RelationKind::PartitionedTable if !face.owner_has_all => {
            "its owner has not all rights on it, as on the view".to_owned()
        }
        RelationKind::Table | RelationKind::PartitionedTable => match face.row_type_used.first() {
            Some(function) => format!("function {function} takes or gives its row type"),
            None => return Ok(()),
        },
        RelationKind::Index
        | RelationKind::PartitionedIndex
        | RelationKind::View
        | RelationKind::MaterializedView
        | RelationKind::Sequence
        | RelationKind::ForeignTable
        | RelationKind::CompositeType
        | RelationKind::Toast => "it is not a table".to_owned(),
    };
    Err(why)
}

fn asks_reader(face: &Face, facts: &Facts) -> bool {
    facts.major() >= INVOKER_FROM && face.column_grants.is_empty()
}

/// The view, as much like the table as a view can be.
fn stand_in(table: &RelationFacts, new: &str, face: &Face, facts: &Facts) -> Vec<String> {
    let old = quote::table(table);
    let columns: Vec<String> = table.columns.iter().map(|column| quote::identifier(&column.name)).collect();
    // Whoever reads the view is asked for his own rights and rows, as if he read the table; but for rights on all of
    // its columns, so where there are rights on some, the view's own are what counts.
    let invoker = if asks_reader(face, facts) { " WITH (security_invoker = true)" } else { "" };
    let mut all = vec![format!("CREATE VIEW {old}{invoker} AS SELECT {} FROM {new}", columns.join(", "))];
    for name in &face.given_by_default {
        all.push(format!("REVOKE ALL ON {old} FROM {}", grantee(name.as_ref())));
    }
    if facts.current_role != table.owner {
        all.push(format!("ALTER VIEW {old} OWNER TO {}", quote::identifier(&table.owner)));
    }
    all.extend(granted(face.grants.iter().map(|grant| (None, grant)), &old));
    all.extend(granted(face.column_grants.iter().map(|of| (Some(of.column.as_str()), &of.grant)), &old));
    all.extend(face.comment.iter().map(|text| format!("COMMENT ON VIEW {old} IS {}", quote::literal(text))));
    all.extend(face.column_comments.iter().map(|of| {
        format!("COMMENT ON COLUMN {old}.{} IS {}", quote::identifier(&of.column), quote::literal(&of.comment))
    }));
    all
}

pub(super) fn grantee(name: Option<&String>) -> String {
    name.map_or_else(|| "PUBLIC".to_owned(), |role| quote::identifier(role))
}

/// One statement for each role and option.
pub(super) fn granted<'a>(grants: impl Iterator<Item = (Option<&'a str>, &'a Grant)>, on: &str) -> Vec<String> {
    let mut by_role: BTreeMap<(Option<&String>, bool), Vec<String>> = BTreeMap::new();
    for (column, grant) in grants {
        let of = column.map(|column| format!(" ({})", quote::identifier(column))).unwrap_or_default();
        by_role.entry((grant.grantee.as_ref(), grant.grantable)).or_default().push(format!("{}{of}", grant.privilege));
    }
    let grants = by_role.into_iter().map(|((role, grantable), privileges)| {
        let option = if grantable { " WITH GRANT OPTION" } else { "" };
        format!("GRANT {} ON {on} TO {}{option}", privileges.join(", "), grantee(role))
    });
    grants.collect()
}
