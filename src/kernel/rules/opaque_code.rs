//! Code that cannot be read from here is run.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{Change, OpaqueKind};

/// The rule.
pub const RULE: Rule = Rule {
    id: "opaque-code",
    hazard: "Code that cannot be read from here is run.",
    lock: None,
    default: Response::Hold,
    doc: Doc {
        what: "DO and CALL.",
        why: "What it changes is only known when it has run: a schema change in it is neither seen nor made safe.",
        instead: "Send the statements themselves, one by one.",
        versions: "All supported versions.",
        undo: "Nobody can say: it depends on what the code did. ROLLBACK takes it back, except what a procedure committed itself.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::Opaque(opaque) = subject.change else { return Vec::new() };
    if opaque.kind != OpaqueKind::Code {
        return Vec::new();
    }
    vec![Hazard::plain(format!("{} runs code that cannot be judged before it runs", opaque.what))]
}
