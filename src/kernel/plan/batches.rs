//! A write of all rows in batches: each is a transaction of its own, so that no row stays locked for long and the
//! room of old rows can be used again meanwhile. All or nothing is given up for that, so it is done on request only.

use super::{Action, Backfill, Plan, RowWrite, Step, compact, copy, quote};
use crate::kernel::facts::{Facts, RelationFacts, RelationKind, Trigger};
use crate::kernel::sql::statement::{Assignment, ByRow, Callee, LockMode, MassWriteKind};

/// The recipe's name.
pub const RECIPE: &str = "batches";

/// What a statement says in a comment to be done in batches when it is approved.
pub const REQUEST: &str = "lockkeeper: batches";

/// Types in which two operators of the same name give the same in every session.
const PLAIN: &[&str] = &["smallint", "integer", "bigint", "numeric", "boolean", "text", "character", "uuid", "jsonb"];

/// Words that stand for the time at which they are read.
const MOMENTS: &[&str] = &["now", "today", "tomorrow", "yesterday"];

/// Whether a text asks for batches: `/* lockkeeper: batches */`.
#[must_use]
pub fn asked_for(text: &str) -> bool {
    says(text, REQUEST)
}

/// Whether a form is one that an approval alone does not choose, and the text does not ask for.
#[must_use]
pub fn is_unasked(plan: &Plan, text: &str) -> bool {
    match plan.recipe.as_str() {
        RECIPE => !asked_for(text),
        compact::RECIPE => !says(text, compact::REQUEST),
        copy::RECIPE => !says(text, copy::REQUEST),
        _ => false,
    }
}

/// Whether a text says this in a comment of its own.
#[must_use]
pub fn says(text: &str, request: &str) -> bool {
    let comments = text.split("/*").skip(1).filter_map(|rest| rest.split_once("*/"));
    comments.map(|(comment, _)| comment.trim()).any(|comment| comment == request)
}

/// The write in batches.
///
/// # Errors
/// A clause for people that says why that would not come out the same.
pub fn plan(kind: MassWriteKind, write: Option<&ByRow>, table: &RelationFacts, facts: &Facts) -> Result<Plan, String> {
    let write = write.ok_or(
        "it returns rows, takes parameters, reads other tables or rows, or has an expression that is not known to give \
         the same at any time",
    )?;
    possible(kind, write, table, facts)?;
    let (verb, pending_sql, done) = match kind {
        MassWriteKind::Update => ("updated", pending(write, table)?, updating(write)),
        MassWriteKind::Delete => ("deleted", write.where_sql.clone().unwrap_or("true".to_owned()), RowWrite::Delete),
    };
    let probe = match kind {
        MassWriteKind::Update => {
            Some(format!("SELECT NOT EXISTS (SELECT FROM {} WHERE {pending_sql})", quote::table(table)))
        }
        // Whether a row that is there was there at the beginning, no query alone can tell.
        MassWriteKind::Delete => None,
    };
    let fill = Backfill {
        relation: table.qualified(),
        column: String::new(),
        expression_sql: String::new(),
        pending_sql,
        rows_estimate: table.rows_at_most(),
        write: Some(done),
    };
    let step = Step {
        action: Action::Backfill(fill),
        scans: true,
        probe,
        ..Step::brief("write in batches", String::new(), LockMode::RowExclusive)
    };
    Ok(Plan {
        recipe: RECIPE.to_owned(),
        tag: match kind {
            MassWriteKind::Update => "UPDATE".to_owned(),
            MassWriteKind::Delete => "DELETE".to_owned(),
        },
        summary: summary((kind, verb), write, table),
        relation: Some(table.qualified()),
        steps: vec![step],
        undo_loses: None,
        verify: Vec::new(),
    })
}

fn summary((kind, verb): (MassWriteKind, &str), write: &ByRow, table: &RelationFacts) -> String {
    let meanwhile = match kind {
        MassWriteKind::Update => {
            "Rows written meanwhile are updated too, and rows that have the new values already are left out"
        }
        MassWriteKind::Delete => "Rows inserted or updated after it began stay",
    };
    let mut summary = format!(
        "{}.{} is {verb} in batches, each committed by itself: if it stops half way, what is done stays done and cannot \
         be taken back. {meanwhile}.",
        table.schema, table.name
    );
    let fires: Vec<&str> = triggers(kind, write, table).map(|trigger| trigger.name.as_str()).collect();
    if !fires.is_empty() {
        summary.push_str(&format!(" Triggers fire for each row, a batch at a time: {}.", fires.join(", ")));
    }
    let referring = table.kin_by(crate::kernel::facts::KinHow::ReferencedBy).count();
    if kind == MassWriteKind::Delete && referring > 0 {
        summary.push_str(&format!(
            " Foreign keys that reference it ({referring}) are checked, or cascade, batch by batch."
        ));
    }
    summary
}

fn triggers<'a>(kind: MassWriteKind, write: &ByRow, table: &'a RelationFacts) -> impl Iterator<Item = &'a Trigger> {
    table.reacts.triggers.iter().filter(move |trigger| match kind {
        MassWriteKind::Update => trigger.fires_on(write.set.iter().map(|one| one.column.as_str())),
        MassWriteKind::Delete => trigger.on_delete,
    })
}

fn possible(kind: MassWriteKind, write: &ByRow, table: &RelationFacts, facts: &Facts) -> Result<(), String> {
    if !matches!(table.kind, RelationKind::Table | RelationKind::PartitionedTable) {
        return Err("it is not a table with rows of its own".to_owned());
    }
    if write.only && table.has_children {
        return Err("ONLY leaves rows out that a walk over the table would find".to_owned());
    }
    if table.members.iter().any(|member| member.kind == RelationKind::ForeignTable) {
        return Err("one of its partitions is a foreign table".to_owned());
    }
    let kept = match kind {
        MassWriteKind::Update => &table.withheld.update,
        MassWriteKind::Delete => &table.withheld.delete,
    };
    if let Some(part) = kept {
        return Err(format!("this role has not the rights on {part} below it, and batches name each part"));
    }
    if table.reacts.hides_rows && table.has_children {
        return Err("row security hides rows of it from this role, and other ones where its parts are named".to_owned());
    }
    if table.reacts.rules {
        return Err("rules of the table turn the write into another one".to_owned());
    }
    if let Some(once) = triggers(kind, write, table).find(|trigger| !trigger.for_each_row || trigger.transition_tables)
    {
        return Err(format!("its trigger {} is for the statement as a whole and would fire for each batch", once.name));
    }
    if let Some(unknown) = write.reads.iter().find(|name| table.column(name).is_none()) {
        return Err(format!("{unknown} is not a column of the table"));
    }
    let names = write.reads.iter().chain(write.set.iter().map(|one| &one.column));
    let untold = |name: &&String| table.column(name).is_some_and(|column| column.type_sql.is_empty());
    if let Some(name) = names.into_iter().find(untold) {
        return Err(format!("the type of column {name} is not known"));
    }
    let plain = write.reads.iter().all(|name| table.column(name).is_some_and(|column| is_plain(&column.type_sql)));
    let known = |callee: &Callee| {
        let operator = matches!(callee, Callee::Operator { schema: None, .. });
        facts.is_settled(callee) || (operator && plain && !facts.may_be_volatile(callee))
    };
    if let Some(callee) = write.callees.iter().find(|callee| !known(callee)) {
        let (Callee::Function { name, .. } | Callee::Operator { name, .. }) = callee;
        return Err(format!("{name} may give another result in a later batch"));
    }
    Ok(())
}

fn is_plain(type_sql: &str) -> bool {
    let bare = type_sql.split('(').next().unwrap_or_default();
    !type_sql.ends_with("[]") && (PLAIN.contains(&bare) || bare == "character varying")
}

fn updating(write: &ByRow) -> RowWrite {
    let set = |one: &Assignment| format!("{} = {}", quote::identifier(&one.column), one.sql);
    RowWrite::Update { set_sql: write.set.iter().map(set).collect::<Vec<_>>().join(", ") }
}

/// The rows that do not have their new values yet: written again they come out the same, so that a row may be
/// looked at as often as need be.
fn pending(write: &ByRow, table: &RelationFacts) -> Result<String, String> {
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for one in &write.set {
        let column = table.column(&one.column).ok_or_else(|| format!("there is no column {}", one.column))?;
        if let Some(read) = one.reads.iter().find(|read| write.set.iter().any(|set| set.column == **read)) {
            return Err(format!(
                "the new value of {} is made of the old one of {read}: after an interruption nobody could tell which \
                 rows have theirs",
                one.column
            ));
        }
        let key = table.partitioned.iter().flat_map(|by| &by.key);
        if table.members.iter().any(|member| member.kind == RelationKind::PartitionedTable)
            || key.clone().any(|key| key.as_ref().is_none_or(|key| *key == one.column))
        {
            return Err("its rows may have to move to other partitions".to_owned());
        }
        if is_moment(&column.type_sql, &one.sql) {
            return Err(format!("the new value of {} depends on the time", one.column));
        }
        old.push(quote::identifier(&one.column));
        // A value that is too long is the server's to refuse: cast to the type it would be cut off instead.
        let whole = column.type_sql.starts_with("character varying(") && !column.type_sql.ends_with("[]");
        let to = if whole { "character varying" } else { column.type_sql.as_str() };
        new.push(format!("({})::{to}", one.sql));
    }
    // By their images: equal values may differ in what is stored (1.0 and 1.00), and not every type has an equality.
    let differs = format!("pg_catalog.record_image_ne(ROW({}), ROW({}))", old.join(", "), new.join(", "));
    Ok(match &write.where_sql {
        Some(condition) => format!("({condition}) AND {differs}"),
        None => differs,
    })
}

fn is_moment(type_sql: &str, sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    (type_sql.starts_with("date") || type_sql.starts_with("time")) && MOMENTS.iter().any(|word| sql.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_asked_for_in_a_comment() {
        assert!(asked_for("/* lockkeeper: batches */ UPDATE t SET a = 1"));
        assert!(asked_for("UPDATE t /*x*/ SET a = 1 /*lockkeeper: batches*/"));
        assert!(!asked_for("UPDATE t SET a = 'lockkeeper: batches' /* why */"));
    }
}
