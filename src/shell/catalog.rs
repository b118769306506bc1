//! Looks up, on the client's own session, what the rules need to know.
//!
//! The answers hold for the role, the search path and the transaction of the client, since its own
//! session is asked. Two things must never happen here. A look-up must not hang: functions that report
//! sizes or definitions take ACCESS SHARE and would queue behind an ACCESS EXCLUSIVE lock, so they run
//! under a lock timeout and are then left out (sizes come from the statistics instead). And a look-up
//! must not be deceived or leave a trace: every name is written out, because the search path may shadow
//! functions, operators and types alike, names arrive as parameters, and a look-up inside a transaction
//! block runs under a savepoint that is rolled back, whether it failed or not.

mod answer;
mod definition;
mod queries;

use std::time::Duration;

use super::database::{Database, DatabaseError, Row, ServerMessage, TransactionStatus};
use crate::kernel::assess;
use crate::kernel::facts::{Facts, TOUCHED_MAX, Touched, Wanted};
use crate::kernel::sql::statement::{Named, Reading};
use crate::kernel::wire::reply::sqlstate;

pub use definition::{definitions_after, definitions_before};

/// How long a look-up waits for a lock before it does without what needs it.
const LOCK_TIMEOUT_MS: &str = "50";
/// Tries with sizes and definitions before the look-up does without them.
const CAREFUL_TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);
/// Look-ups while which others may change what is looked up, before it counts as unreadable.
const CHANGES_MAX: u32 = 3;
const LOCK_NOT_AVAILABLE: &str = "55P03";
const INTERNAL_ERROR: &str = "XX000";
/// What a look-up sets for itself.
const OWN_SETTINGS: &str = "\
SELECT pg_catalog.current_setting('lock_timeout'), pg_catalog.current_setting('search_path'), pg_catalog.current_setting('jit'), \
pg_catalog.current_setting('quote_all_identifiers')";
const SETTINGS_BACK: &str = "\
SELECT pg_catalog.set_config('lock_timeout', $1, true), pg_catalog.set_config('search_path', $2, true), \
pg_catalog.set_config('jit', $3, true), pg_catalog.set_config('quote_all_identifiers', $4, true)";
/// Not like any name an application would choose.
const SAVEPOINT: &str = "lockkeeper_look_up";

/// Everything that judging a text takes: first of what it names, then of the partitions below that. As [`look_up`].
///
/// # Errors
/// As [`look_up`].
pub async fn facts_of<D: Database>(db: &mut D, reading: &Reading) -> Result<Facts, DatabaseError> {
    let mut facts = look_up(db, &assess::wanted(reading)).await?;
    let below = assess::wanted_below(reading, &facts);
    if !below.is_empty() {
        facts.absorb(look_up(db, &below).await?);
    }
    Ok(facts)
}

/// Asks the catalog for everything in `wanted`. One query for the relations and the session, and one
/// more if callees or types are asked for. Not cancel safe.
///
/// # Errors
/// What the server answered, or that the connection is lost. The session's state is as before, except
/// when the connection is lost.
pub async fn look_up<D: Database>(db: &mut D, wanted: &Wanted) -> Result<Facts, DatabaseError> {
    for _ in 1..CHANGES_MAX {
        match ask(db, wanted).await {
            Err(error) if may_have_changed(db, &error) => {}
            done => return done,
        }
    }
    ask(db, wanted).await
}

/// Functions that show definitions see what others have committed since the query began: of what is gone by
/// then they answer with NULL or with an error of their own.
fn may_have_changed<D: Database>(db: &D, error: &DatabaseError) -> bool {
    match error.code() {
        Some(sqlstate::UNREAD) => true,
        Some(INTERNAL_ERROR) => !db.in_pipeline(),
        _ => false,
    }
}

async fn ask<D: Database>(db: &mut D, wanted: &Wanted) -> Result<Facts, DatabaseError> {
    let mut facts = relations(db, wanted).await?;
    if !wanted.callees.is_empty() {
        let [kinds, schemas, names] = queries::callee_arrays(&wanted.callees);
        let parameters = [Some(kinds.as_str()), Some(schemas.as_str()), Some(names.as_str())];
        let rows = aside(db, queries::CALLEES, &parameters).await?;
        answer::put_callees(&mut facts, &wanted.callees, &rows);
    }
    if !wanted.types.is_empty() {
        let texts = queries::array(wanted.types.iter().map(|t| Some(t.sql.as_str())));
        match aside(db, queries::TYPES, &[Some(texts.as_str())]).await {
            Ok(rows) => answer::put_types(&mut facts, &wanted.types, &rows),
            // A type that cannot be named (up to version 15 this is an error, later no answer): the
            // rules treat a type without facts as unknown.
            Err(DatabaseError::Server(message)) if message.code.starts_with("42") && !db.in_pipeline() => {}
            Err(error) => return Err(error),
        }
    }
    if !wanted.objects.is_empty() {
        let kinds = queries::array(wanted.objects.iter().map(|one| Some(one.kind)));
        let names = queries::array(wanted.objects.iter().map(|one| Some(one.name.as_str())));
        let arguments = queries::argument_array(&wanted.objects);
        let parameters = [Some(kinds.as_str()), Some(names.as_str()), Some(arguments.as_str())];
        let rows = aside(db, queries::OBJECTS, &parameters).await?;
        answer::put_objects(&mut facts, &wanted.objects, &rows);
    }
    facts.touched = touched(db, &wanted.touched).await?;
    for asked in &wanted.uses {
        let table = facts.relation(&asked.relation).flatten().map(|table| table.oid.to_string());
        let types: Option<Vec<String>> =
            asked.types.iter().map(|of| facts.type_facts(of).map(|of| of.oid.to_string())).collect();
        // What does not exist is the server's to answer.
        let (Some(table), Some(types)) = (table, types) else { continue };
        let types = queries::array(types.iter().map(|oid| Some(oid.as_str())));
        let parameters =
            [Some(LOCK_TIMEOUT_MS), Some(table.as_str()), Some(asked.column.as_str()), Some(types.as_str())];
        match aside(db, &queries::uses(), &parameters).await {
            Ok(rows) => answer::put_use(&mut facts, asked, &rows).map_err(unreadable)?,
            // Not known then: the rules count that as the worst.
            Err(error) if error.code() == Some(LOCK_NOT_AVAILABLE) && !db.in_pipeline() => {}
            Err(error) => return Err(error),
        }
    }
    parts(db, wanted, &mut facts).await?;
    Ok(facts)
}

/// What relations are made of, and what would go with them.
async fn parts<D: Database>(db: &mut D, wanted: &Wanted, facts: &mut Facts) -> Result<(), DatabaseError> {
    for asked in &wanted.faces {
        let Some(oid) = facts.relation(asked).flatten().map(|found| found.oid.to_string()) else { continue };
        let rows = aside(db, queries::FACES, &[Some(oid.as_str())]).await?;
        if let Some(found) = answer::value(&rows).map_err(unreadable)? {
            facts.put_face(asked, found);
        }
    }
    for asked in &wanted.taken {
        let Some(found) = facts.relation(asked).flatten().filter(|found| found.is_own()) else { continue };
        let rows = aside(db, queries::TAKEN, &[Some(found.oid.to_string().as_str())]).await?;
        if let Some(found) = answer::value(&rows).map_err(unreadable)? {
            facts.put_taken(asked, found);
        }
    }
    for asked in &wanted.settings {
        let Some(oid) = facts.relation(asked).flatten().map(|found| found.oid.to_string()) else { continue };
        let rows = aside(db, queries::SETTINGS, &[Some(oid.as_str())]).await?;
        if let Some(found) = answer::value(&rows).map_err(unreadable)? {
            facts.put_settings(asked, found);
        }
    }
    for asked in &wanted.wholes {
        let Some(oid) = facts.relation(asked).flatten().map(|found| found.oid.to_string()) else { continue };
        match aside(db, &queries::whole(), &[Some(LOCK_TIMEOUT_MS), Some(oid.as_str())]).await {
            Ok(rows) => {
                if let Some(found) = answer::value(&rows).map_err(unreadable)? {
                    facts.put_whole(asked, found);
                }
            }
            // Not known then, and nothing is offered.
            Err(error) if error.code() == Some(LOCK_NOT_AVAILABLE) && !db.in_pipeline() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What a change names that is no relation, and what depends on it. Takes no locks on any of that.
async fn touched<D: Database>(db: &mut D, named: &[Named]) -> Result<Option<Touched>, DatabaseError> {
    if named.is_empty() {
        return Ok(None);
    }
    let [kinds, schemas, names, parts, reaches] = queries::named_arrays(named);
    let most = TOUCHED_MAX.to_string();
    let given = [&kinds, &schemas, &names, &parts, &reaches, &most].map(|one| Some(one.as_str()));
    answer::value(&aside(db, &queries::touched(), &given).await?).map_err(unreadable)
}

async fn relations<D: Database>(db: &mut D, wanted: &Wanted) -> Result<Facts, DatabaseError> {
    let [schemas, names] = queries::relation_arrays(&wanted.relations);
    let may_hold = db.in_pipeline() || db.transaction_status() != TransactionStatus::Idle;
    let may_hold = if may_hold { "t" } else { "f" };
    for attempt in 1..=CAREFUL_TRIES + 1 {
        let careful = if attempt <= CAREFUL_TRIES { "t" } else { "f" };
        let parameters =
            [Some(LOCK_TIMEOUT_MS), Some(schemas.as_str()), Some(names.as_str()), Some(careful), Some(may_hold)];
        match aside(db, queries::RELATIONS, &parameters).await {
            Ok(rows) => return answer::facts(&wanted.relations, &rows).map_err(unreadable),
            Err(error) if error.code() == Some(LOCK_NOT_AVAILABLE) && attempt <= CAREFUL_TRIES && !db.in_pipeline() => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
    Err(unreadable("the catalog could not be read".to_owned()))
}

/// Runs a query so that nothing of it stays in the client's transaction.
async fn aside<D: Database>(db: &mut D, sql: &str, parameters: &[Option<&str>]) -> Result<Vec<Row>, DatabaseError> {
    if db.in_pipeline() {
        // Without a savepoint an error is the end of the client's transaction, as one of its own would be.
        let own = db.query(OWN_SETTINGS, &[]).await?.concat();
        let answer = db.look_up(sql, parameters).await?;
        let own: Vec<Option<&str>> = own.iter().map(Option::as_deref).collect();
        db.query(SETTINGS_BACK, &own).await?;
        return Ok(answer);
    }
    match db.transaction_status() {
        // A transaction of its own, in which also the local lock timeout ends.
        TransactionStatus::Idle => db.look_up(sql, parameters).await,
        TransactionStatus::Block => {
            db.execute(&format!("SAVEPOINT {SAVEPOINT}")).await?;
            let answer = db.look_up(sql, parameters).await;
            if let Err(DatabaseError::Lost(why)) = answer {
                return Err(DatabaseError::Lost(why));
            }
            db.execute(&format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}")).await?;
            db.execute(&format!("RELEASE SAVEPOINT {SAVEPOINT}")).await?;
            answer
        }
        TransactionStatus::Failed => Err(DatabaseError::Server(Box::new(ServerMessage {
            severity: "ERROR".to_owned(),
            code: "25P02".to_owned(),
            message: "current transaction is aborted, commands ignored until end of transaction block".to_owned(),
            ..ServerMessage::default()
        }))),
    }
}

fn unreadable(why: String) -> DatabaseError {
    DatabaseError::Server(Box::new(ServerMessage {
        severity: "ERROR".to_owned(),
        code: sqlstate::UNREAD.to_owned(),
        message: format!("the catalog's answer could not be read (others may be changing what it tells of): {why}"),
        ..ServerMessage::default()
    }))
}
