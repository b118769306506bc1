//! What a refused client is told: what would happen, why not here, and exactly how it can be done.

use super::{Place, Refusal};
use crate::kernel::rules::Finding;
use crate::kernel::sql::read::unbound::Unbinds;

/// How migration tools leave their transaction, one line each.
const TOOLS: &[&str] = &[
    "psql: leave out -1 and BEGIN, and send the statement by itself",
    "Alembic: with op.get_context().autocommit_block(): around it",
    "Django: atomic = False in the Migration class",
    "Rails: disable_ddl_transaction! in the migration",
    "Flyway: executeInTransaction=false in the script's .conf file",
    "Liquibase: runInTransaction=\"false\" on the changeSet",
    "Prisma: a migration file of its own with this one statement",
    "sqlx: -- no-transaction as the first line of the file",
    "node-pg-migrate: pgm.noTransaction()",
    "Knex: exports.config = { transaction: false }",
    "goose: -- +goose NO TRANSACTION at the top of the file",
    "golang-migrate: a migration file of its own with this one statement",
];

/// It can be done safely, but not in this company.
pub(super) fn not_here<'a>(place: Place, findings: impl Iterator<Item = &'a Finding>) -> Refusal {
    let findings: Vec<Finding> = findings.cloned().collect();
    let (company, way) = if place.in_transaction {
        ("inside a transaction block", "Send it outside a transaction block, by itself")
    } else if place.parameters {
        ("with bound parameters", "Send it without parameters")
    } else {
        ("together with other statements in one message", "Send it in a message of its own")
    };
    let what = findings.first().and_then(|finding| finding.plan.as_ref()).map_or("this change", |plan| &plan.tag);
    Refusal {
        message: format!("{what} cannot run safely {company}"),
        detail: detail(&findings),
        hint: format!("{way}; it is then run in its safe form. {}.", TOOLS.join(". ")),
        findings,
        elsewhere: true,
    }
}

/// What keeps others from queueing behind it would not hold.
pub(super) fn unbound(by: Unbinds, finding: &Finding) -> Refusal {
    let (behind, why, way) = match by {
        Unbinds::Setting => (
            "a change of lock_timeout",
            "The short lock_timeout under which it would run is set before the message, which then changes it itself",
            "Leave the change of lock_timeout out: the gateway bounds every wait for such a lock. Or send",
        ),
        Unbinds::Code => (
            "code of its own",
            "The short lock_timeout under which it would run is set before the message, and a function or a block that the \
             message runs before it may change that, or roll it back",
            "Send",
        ),
        Unbinds::Rollback => (
            "a rollback",
            "The short lock_timeout under which it would run is set before the message, and would be taken back with \
             the transaction",
            "Send",
        ),
    };
    let what = finding.plan.as_ref().map_or("this change", |plan| &plan.tag);
    Refusal {
        message: format!("{what} cannot run safely behind {behind} in the same message"),
        detail: format!(
            "{why}: everybody else would wait behind it for the table.\n{}",
            detail(std::slice::from_ref(finding))
        ),
        hint: format!("{way} each statement in a message of its own, as psql does with a script."),
        findings: vec![finding.clone()],
        elsewhere: true,
    }
}

/// It would be split, if it stood alone in its message and its transaction had a COMMIT.
pub(super) fn one_by_one(refusal: Refusal) -> Refusal {
    let way = "Send BEGIN, each statement, and COMMIT in messages of their own: then this one is split, and its rest \
               follows COMMIT";
    Refusal { hint: format!("{way}. Or: {}", refusal.hint), ..refusal }
}

/// It would be split, but its rest cannot become a job.
#[must_use]
pub fn not_deferred(tag: &str, why: &str, findings: &[Finding]) -> Refusal {
    Refusal {
        message: format!("{tag} cannot be deferred to the end of this transaction: {why}"),
        detail: detail(findings),
        hint: format!(
            "Send it outside a transaction block, by itself; it is then run in its safe form. {}.",
            TOOLS.join(". ")
        ),
        findings: findings.to_vec(),
        elsewhere: true,
    }
}

/// The policy forbids it.
pub(super) fn never<'a>(findings: impl Iterator<Item = &'a Finding>) -> Refusal {
    let findings: Vec<Finding> = findings.cloned().collect();
    let rules: Vec<&str> = findings.iter().map(|finding| finding.rule.0.as_str()).collect();
    let mut advice: Vec<&str> = findings.iter().map(|finding| finding.instead.as_str()).collect();
    advice.dedup();
    Refusal {
        message: format!("refused by policy: {}", rules.join(", ")),
        detail: detail(&findings),
        hint: advice.join(" "),
        findings,
        elsewhere: false,
    }
}

fn detail(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings.iter().map(|finding| format!("{}: {}.", finding.rule, finding.message)).collect();
    lines.join("\n")
}
