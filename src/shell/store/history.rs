//! The history of what was done to the databases: one entry for every change that ran or was turned down, by a ticket,
//! as a job, or in a session of its own accord. Entries of tickets and jobs could be made again from them.

use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::query::{Query, page};
use super::search::phrase;
use super::{ChangeOf, Store, StoreError};
use crate::kernel::job::JobId;
use crate::kernel::plan::verify::{Checked, Verified};
use crate::kernel::review::{Instant, TicketId};
use crate::kernel::traffic::Felt;

#[cfg(test)]
mod tests;
pub(super) mod write;

/// Most changes in one page.
const PAGE_MAX: u32 = 500;

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeOutcome {
    Running,
    Done,
    Failed,
    Undone,
    Unknown,
    Aborted,
    Rejected,
    Cancelled,
    Expired,
}

impl ChangeOutcome {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Undone,
        Self::Unknown,
        Self::Aborted,
        Self::Rejected,
        Self::Cancelled,
        Self::Expired,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Undone => "undone",
            Self::Unknown => "unknown",
            Self::Aborted => "aborted",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// The outcome of this name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// Of a change that a session runs without ticket or job: what its run does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOf {
    pub target: String,
    pub database: String,
    pub requester: String,
    pub person: Option<String>,
    pub application: String,
    pub rules: Vec<String>,
    pub objects: Vec<String>,
    /// The statement, without secrets.
    pub text: String,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Counted up as changes begin or are turned down.
    pub id: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// The session that ran it, where there is neither ticket nor job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The job it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_of: Option<JobId>,
    pub outcome: ChangeOutcome,
    pub began: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Instant>,
    /// How long it took, once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// Rows that a backfill wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    pub target: String,
    pub database: String,
    pub requester: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    pub application: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<String>,
    /// Who ended it, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    pub objects: Vec<String>,
    /// In which form it ran.
    pub recipe: String,
    /// Why, of all that are not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What was checked in the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Checked>,
    /// What statements of others felt of it, if it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Felt>,
    pub text: String,
}

impl Change {
    /// How what was checked in the end came out, in words; nothing: nothing was.
    #[must_use]
    pub fn checked(&self) -> Option<String> {
        let other = self.checks.iter().filter(|check| check.outcome != Verified::Holds);
        let other: Vec<String> = other.map(|check| format!("{} {}", check.name, check.outcome.words())).collect();
        match (self.checks.len(), other.as_slice()) {
            (0, _) => None,
            (1, []) => Some("1 check held".to_owned()),
            (count, []) => Some(format!("{count} checks held")),
            (_, other) => Some(other.join(", ")),
        }
    }
}

/// Which changes a list shows. Nothing set: the newest of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Words of anything that is known of it; all of them, each as a beginning.
    pub text: Option<String>,
    /// A table, with or without its schema.
    pub object: Option<String>,
    /// Login or person who asked, approved or ended it.
    pub person: Option<String>,
    pub rule: Option<String>,
    pub target: Option<String>,
    /// Only targets whose names match one of these patterns; empty means all.
    pub visible: Vec<String>,
    /// Any of these; empty means all.
    pub outcomes: Vec<ChangeOutcome>,
    /// Begun at this time or later.
    pub from: Option<Instant>,
    /// Begun before this time.
    pub to: Option<Instant>,
    /// One statement of others had to wait for so many microseconds, or longer.
    pub waited_us: Option<u64>,
    /// Only smaller numbers: the next page.
    pub before: Option<i64>,
    /// At most this many, and never more than 500; 0 means 500.
    pub limit: u32,
}

impl Store {
    /// Newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn changes(&self, filter: ChangeFilter) -> Result<Vec<Change>, StoreError> {
        self.run(move |connection| list(connection, &filter)).await
    }

    /// The entry of this number, and whose it is.
    ///
    /// # Errors
    /// There is none, or the store cannot be read.
    pub async fn change(&self, id: i64) -> Result<(ChangeOf, Change), StoreError> {
        self.run(move |connection| {
            let sql = "SELECT c.kind, c.ref, b.id, b.body FROM changes AS c JOIN change_bodies AS b ON b.id = c.id \
                       WHERE c.id = ?1";
            let found = connection
                .prepare_cached(sql)?
                .query_row([id], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, (row.get(2)?, row.get(3)?))));
            let (kind, key, body) = found.optional()?.ok_or(StoreError::NoChange(id))?;
            let of = ChangeOf::parse(&kind, key).ok_or(StoreError::NoChange(id))?;
            Ok((of, read(&body)?))
        })
        .await
    }

    /// The entry of a change, once it runs or is over.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn change_of(&self, of: ChangeOf) -> Result<Option<Change>, StoreError> {
        self.run(move |connection| {
            let (kind, key) = of.key();
            write::find(connection, (kind, &key))
        })
        .await
    }
}

fn list(connection: &Connection, filter: &ChangeFilter) -> Result<Vec<Change>, StoreError> {
    let mut keys: Vec<String> = [('o', &filter.object), ('p', &filter.person), ('r', &filter.rule)]
        .into_iter()
        .filter_map(|(kind, name)| name.as_ref().map(|name| format!("{kind}:{name}")))
        .collect();
    // From what is rarest to the entries: each of these is in the order of the numbers as well.
    let words = filter.text.as_deref().map(phrase).filter(|words| !words.is_empty());
    let (from, id, first) = if let Some(words) = words {
        let from = "changes_text AS w CROSS JOIN changes AS c ON c.id = w.rowid";
        (from, "w.rowid", Some(("changes_text MATCH ?", words)))
    } else if let Some(key) = keys.pop() {
        ("change_keys AS k CROSS JOIN changes AS c ON c.id = k.change", "k.change", Some(("k.key = ?", key)))
    } else {
        ("changes AS c", "c.id", None)
    };
    let mut query = Query::new(&format!("SELECT {id} AS id FROM {from} WHERE true"));
    if let Some((condition, value)) = first {
        query.and(condition, [value.into()]);
    }
    for key in keys {
        query.and("EXISTS (SELECT 1 FROM change_keys AS k WHERE k.key = ? AND k.change = c.id)", [key.into()]);
    }
    if let Some(before) = filter.before {
        query.and(&format!("{id} < ?"), [before.into()]);
    }
    if let Some(target) = &filter.target {
        query.and("c.target = ?", [target.clone().into()]);
    }
    query.matches(&["c.target"], &filter.visible);
    let outcomes: Vec<_> = filter.outcomes.iter().map(|outcome| outcome.as_str()).collect();
    query.one_of("c.outcome", &outcomes);
    if let Some(us) = filter.waited_us {
        query.and("c.waited >= ?", [i64::try_from(us).unwrap_or(i64::MAX).into()]);
    }
    for (condition, at) in [("c.at >= ?", filter.from), ("c.at < ?", filter.to)] {
        if let Some(at) = at {
            query.and(condition, [at.0.into()]);
        }
    }
    let (inner, limit) = (&query.text, page(filter.limit, PAGE_MAX));
    let sql = format!(
        "SELECT b.id, b.body FROM ({inner} ORDER BY {id} DESC LIMIT {limit}) AS f \
         CROSS JOIN change_bodies AS b ON b.id = f.id ORDER BY f.id DESC"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(query.values), entry)?;
    rows.map(|row| read(&row?)).collect()
}

fn entry(row: &Row<'_>) -> rusqlite::Result<(i64, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

fn read((id, body): &(i64, String)) -> Result<Change, StoreError> {
    Ok(Change { id: *id, ..serde_json::from_str(body)? })
}
