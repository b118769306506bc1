//! What relations are, for those who depend on them: looked up before a change and after it.

use std::time::Duration;

use super::{Database, DatabaseError, LOCK_TIMEOUT_MS, aside, queries, unreadable};
use crate::kernel::notice::{Concern, Look};
use crate::kernel::sql::statement::RelationName;

/// Looks at what somebody has locked, and the pause between two.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

/// Definitions of what a change is about, with what is below it or depends on it.
///
/// # Errors
/// What the server answered, or that the connection is lost. The session's state is as before, as of a look-up.
pub async fn definitions_before<D: Database>(
    db: &mut D,
    concern: &Concern,
    oids: &[u32],
) -> Result<Look, DatabaseError> {
    let schemas = queries::array(concern.schemas.iter().map(|name| Some(name.as_str())));
    let cascades = if concern.cascades { "t" } else { "f" };
    look(db, (oids, &concern.names), [schemas.as_str(), "t", cascades]).await
}

/// Definitions of the relations with these oids, and of those that have these names.
///
/// # Errors
/// As of [`definitions_before`].
pub async fn definitions_after<D: Database>(
    db: &mut D,
    oids: &[u32],
    names: &[RelationName],
) -> Result<Look, DatabaseError> {
    look(db, (oids, names), ["{}", "f", "f"]).await
}

async fn look<D: Database>(
    db: &mut D,
    (oids, names): (&[u32], &[RelationName]),
    [whole, below, cascades]: [&str; 3],
) -> Result<Look, DatabaseError> {
    let oids: Vec<String> = oids.iter().map(u32::to_string).collect();
    let oids = queries::array(oids.iter().map(|oid| Some(oid.as_str())));
    let [schemas, names] = queries::relation_arrays(names);
    let given = [LOCK_TIMEOUT_MS, &oids, &schemas, &names, whole, below, cascades].map(Some);
    let mut tries = 1;
    loop {
        let found = match aside(db, queries::DEFINITIONS, &given).await {
            Ok(rows) => read(rows.into_iter().flatten().flatten().next()),
            Err(error) => Err(error),
        };
        let again = match &found {
            Ok(look) => !look.hidden.is_empty(),
            Err(DatabaseError::Server(_)) => true,
            Err(DatabaseError::Lost(_)) => false,
        };
        if !again || tries >= TRIES {
            return found;
        }
        tries += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

fn read(answer: Option<String>) -> Result<Look, DatabaseError> {
    let answer = answer.ok_or_else(|| unreadable("there is none".to_owned()))?;
    serde_json::from_str(&answer).map(Look::shown).map_err(|error| unreadable(error.to_string()))
}
