//! ALTER DATABASE: moved as a whole, closed for some, or no longer watched.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{Change, DatabaseEffect};

/// The rule.
pub const RULE: Rule = Rule {
    id: "alter-database",
    hazard: "ALTER DATABASE moves all files while nobody may connect, changes who may, or ends a warning.",
    lock: None,
    default: Response::Hold,
    doc: Doc {
        what: "ALTER DATABASE … SET TABLESPACE, ALLOW_CONNECTIONS, CONNECTION LIMIT, IS_TEMPLATE, REFRESH COLLATION VERSION.",
        why: "SET TABLESPACE copies every file of the database and lets nobody connect meanwhile. The limits lock clients out at their next login. REFRESH COLLATION VERSION ends the warning about indexes that may be in the wrong order, and corrects none of them.",
        instead: "Move single tables and indexes (pg_repack, or REINDEX CONCURRENTLY with a tablespace). Before REFRESH COLLATION VERSION, REINDEX CONCURRENTLY what is ordered by the collation.",
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
    };
    vec![Hazard::plain(message)]
}
