//! A change whose work is brief, but whose lock makes others queue behind it while it waits for its turn.

use super::locks::locks;
use super::subject::{Hazard, Known, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::facts::RelationKind;
use crate::kernel::sql::statement::{AlterKind, Change, LockMode, RelationName};

/// The rule.
pub const RULE: Rule = Rule {
    id: "brief-lock",
    hazard: "A strong lock is brief, but whoever waits for it makes everybody else wait behind him.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Rewrite,
    doc: Doc {
        what: "Every change that takes a strong lock on a table that others use, if only for a moment; and, with the same answer, what is written CONCURRENTLY. In a message in which a function or an operator that is not PostgreSQL's own, DO, CALL, EXECUTE or FETCH comes before it, it is refused: such code could change the lock_timeout. What a view, a trigger, a policy, a cast or a type of one's own runs is not seen there; code that changes the lock_timeout by itself belongs in none of them.",
        why: "While it waits for one long query, all later ones queue behind it. A concurrent build that fails leaves an INVALID index.",
        instead: "A short lock_timeout, and retries with pauses in between. After a failed build, DROP INDEX CONCURRENTLY of what it left before the next try.",
        versions: "All supported versions.",
        undo: "The opposite statement (ADD and DROP, SET and DROP, ENABLE and DISABLE), under the same short lock_timeout.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    if refuses_transaction(subject.change) {
        return Vec::new();
    }
    let mut locks = locks(subject.change).into_iter();
    let taken = locks.find_map(|(name, lock)| {
        let target = subject.shared(name)?;
        (lock >= LockMode::Share && !weak_on(subject, name)).then_some((target, lock))
    });
    let Some((target, lock)) = taken else { return Vec::new() };
    let message = format!("a strong lock on {} is taken for a moment", target.described());
    vec![Hazard::lock(&target, lock, message)]
}

/// What the server does not run in a transaction block cannot be given a lock timeout of its own there. VACUUM FULL of
/// tables, which is brief where they are small, is given one for the session.
fn refuses_transaction(change: &Change) -> bool {
    let detaches = |kind: &AlterKind| matches!(kind, AlterKind::DetachPartition { concurrently: true, .. });
    if let Change::RewriteTable { relation, .. } = change {
        return relation.is_none();
    }
    if let Change::AlterTable(alter) = change {
        return alter.actions.iter().any(|action| detaches(&action.kind));
    }
    matches!(change, Change::Reindex(_))
}

/// ALTER of an index or view as if it were a table locks that, which is the server's own business.
fn weak_on(subject: &Subject<'_>, name: &RelationName) -> bool {
    let Known::Exists(facts) = subject.known(name) else { return false };
    matches!(facts.kind, RelationKind::CompositeType)
}
