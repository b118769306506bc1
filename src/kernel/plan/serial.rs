//! The sequence behind smallserial, serial and bigserial, made as PostgreSQL makes it.

use super::names::Names;
use super::{Step, quote};
use crate::kernel::facts::{Facts, Persistence, RelationFacts};
use crate::kernel::sql::statement::{AddColumn, LockMode, Serial};

/// What a serial column needs besides the column.
#[derive(Debug)]
pub struct Sequence {
    pub create: Step,
    /// Must come after the column.
    pub own: Step,
    pub default_sql: String,
}

/// The sequence of a serial column.
///
/// # Errors
/// A clause for people: it is no serial column.
pub fn sequence(
    table: &RelationFacts,
    column: &AddColumn,
    facts: &Facts,
    names: &mut Names<'_>,
) -> Result<Sequence, &'static str> {
    let of_type = match column.serial {
        Some(Serial::Small) => "smallint",
        Some(Serial::Int) => "integer",
        Some(Serial::Big) => "bigint",
        None => return Err("it is not a serial column"),
    };
    let name = names.relation(table, &column.name, "seq");
    let qualified = quote::qualified(&table.schema, &name);
    let drop = format!("DROP SEQUENCE IF EXISTS {qualified}");
    let oid = format!("pg_catalog.to_regclass({})", quote::literal(&qualified));
    // As the server makes it, from 15 on.
    let unlogged = table.persistence == Persistence::Unlogged && facts.major() >= 15;
    let kind = if unlogged { "UNLOGGED SEQUENCE" } else { "SEQUENCE" };
    let mut statements = vec![format!("CREATE {kind} {qualified} AS {of_type}")];
    if table.owner != facts.current_role {
        // Only the owner's sequences can be owned by a column of his.
        statements.push(format!("ALTER SEQUENCE {qualified} OWNER TO {}", quote::identifier(&table.owner)));
    }
    let create = Step::together("sequence", statements, LockMode::AccessShare)
        .probed(format!("SELECT {oid} IS NOT NULL"))
        .undone_by(drop);
    let own = Step::brief(
        "own",
        format!("ALTER SEQUENCE {qualified} OWNED BY {}.{}", quote::table(table), quote::identifier(&column.name)),
        LockMode::AccessShare,
    )
    .probed(format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attribute a ON \
         a.attrelid OPERATOR(pg_catalog.=) d.refobjid AND a.attnum OPERATOR(pg_catalog.=) d.refobjsubid \
         WHERE d.objid OPERATOR(pg_catalog.=) {oid} AND d.deptype OPERATOR(pg_catalog.=) 'a' \
         AND d.refobjid OPERATOR(pg_catalog.=) {} AND a.attname OPERATOR(pg_catalog.=) {})",
        quote::oid(table),
        quote::literal(&column.name)
    ))
    .undone_by(format!("ALTER SEQUENCE {qualified} OWNED BY NONE"));
    let default_sql = format!("pg_catalog.nextval({}::pg_catalog.regclass)", quote::literal(&qualified));
    Ok(Sequence { create, own, default_sql })
}
