//! ALTER DATABASE: moved as a whole, closed for some, or no longer watched; ALTER TABLESPACE: planned for otherwise.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{Change, DatabaseEffect};

/// The rule.
pub const RULE: Rule = Rule {
    id: "alter-database",
    hazard: "ALTER DATABASE moves all files while nobody may connect, changes who may, or ends a warning; ALTER TABLESPACE changes plans for all that is in it.",
    lock: None,
    default: Response::Hold,
    doc: Doc {
        what: "ALTER DATABASE … SET TABLESPACE, ALLOW_CONNECTIONS, CONNECTION LIMIT, IS_TEMPLATE, REFRESH COLLATION VERSION; ALTER TABLESPACE … SET.",
        why: "SET TABLESPACE copies every file of the database and lets nobody connect meanwhile. The limits lock clients out at their next login. REFRESH COLLATION VERSION ends the warning about indexes that may be in the wrong order, and corrects none of them. Costs of a tablespace count at once in every plan of every database that has something there.",
        instead: "Move single tables and indexes (pg_repack, or REINDEX CONCURRENTLY with a tablespace). Before REFRESH COLLATION VERSION, REINDEX CONCURRENTLY what is ordered by the collation. Try other costs with SET in a session, and compare EXPLAIN, before a tablespace has them.",
        versions: "All supported versions; REFRESH COLLATION VERSION from 15.",
        undo: "The same statement with the old value; SET TABLESPACE takes as long again. After REFRESH COLLATION VERSION the warning does not come back: reindex.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::AlterDatabase { database, effect } = subject.change else { return Vec::new() };
    let message = match effect {
        DatabaseEffect::Moves => {
            format!(
                "all files of database {database} are copied to another tablespace, and nobody may connect meanwhile"
            )
        }
        DatabaseEffect::Admits => format!("who may connect to database {database}, or copy it, changes for everybody"),
        DatabaseEffect::ForgetsCollation => format!(
            "the server no longer warns that indexes of database {database} may be in another order than its collation"
        ),
        DatabaseEffect::Reckons => format!(
            "the planner reckons otherwise with every table and index in tablespace {database}, in all databases at once"
        ),
    };
    vec![Hazard::plain(message)]
}
