//! Tokens of the admin door: whose they are, for what, until when. Only their hashes are kept.

use rusqlite::{OptionalExtension, Row, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Store, StoreError};
use crate::kernel::review::{Instant, Power, Vouched};

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    pub id: i64,
    /// Whose it is: a name of the configuration, or [`OPERATOR`].
    pub person: String,
    /// What it is for, in its owner's words.
    pub label: String,
    pub scopes: Vec<Power>,
    pub created: Instant,
    pub expires: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Instant>,
    /// Of a sign-in: what the identity provider said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vouched: Option<Vouched>,
}

/// The holder of the token that is printed at the first start: nobody in particular, who operates and does not decide.
pub const OPERATOR: &str = "operator";

const COLUMNS: &str = "id, person, label, scopes, created, expires, revoked, vouched";

impl Store {
    /// Keeps a new token.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn token_add(&self, token: Token, sha256: String) -> Result<Token, StoreError> {
        self.write(move |tx| {
            let scopes: Vec<&str> = token.scopes.iter().map(|power| power.as_str()).collect();
            let vouched = token.vouched.as_ref().map(serde_json::to_string).transpose()?;
            let Token { person, label, created, expires, .. } = &token;
            tx.execute(
                "INSERT INTO tokens (person, label, sha256, scopes, created, expires, vouched) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![person, label, sha256, scopes.join(","), created.0, expires.0, vouched],
            )?;
            Ok(Token { id: tx.last_insert_rowid(), ..token })
        })
        .await
    }

    /// The token with this hash, if it counts at this time.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn token(&self, sha256: String, now: Instant) -> Result<Option<Token>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM tokens WHERE sha256 = ?1 AND revoked IS NULL AND expires > ?2");
        self.run(move |connection| {
            Ok(connection.prepare_cached(&sql)?.query_row(params![sha256, now.0], read).optional()?)
        })
        .await
    }

    /// Forgets sign-ins that ended before a time: there are many, and the record has them.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn tokens_forget(&self, before: Instant) -> Result<(), StoreError> {
        let sql = "DELETE FROM tokens WHERE vouched IS NOT NULL AND expires < ?1";
        self.write(move |tx| Ok(tx.execute(sql, params![before.0]).map(drop)?)).await
    }

    /// All there are, newest first; at most 1,000.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM tokens ORDER BY id DESC LIMIT 1000");
        self.run(move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let tokens = statement.query_map([], read)?.collect::<Result<_, _>>()?;
            Ok(tokens)
        })
        .await
    }

    /// From now on it opens nothing. Of `person` only, if one is given.
    ///
    /// # Errors
    /// There is no such token, or the store cannot be written.
    pub async fn token_revoke(&self, id: i64, person: Option<String>, now: Instant) -> Result<(), StoreError> {
        let sql = "UPDATE tokens SET revoked = coalesce(revoked, ?2) WHERE id = ?1 AND (?3 IS NULL OR person = ?3)";
        let rows = self.write(move |tx| Ok(tx.execute(sql, params![id, now.0, person])?)).await?;
        if rows == 0 { Err(StoreError::NoToken(id)) } else { Ok(()) }
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Token> {
    let scopes: String = row.get(3)?;
    Ok(Token {
        id: row.get(0)?,
        person: row.get(1)?,
        label: row.get(2)?,
        scopes: scopes.split(',').filter_map(Power::parse).collect(),
        created: Instant(row.get(4)?),
        expires: Instant(row.get(5)?),
        revoked: row.get::<_, Option<i64>>(6)?.map(Instant),
        vouched: match row.get::<_, Option<String>>(7)? {
            None => None,
            Some(json) => Some(serde_json::from_str(&json).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(7, rusqlite::types::Type::Text, Box::new(error))
            })?),
        },
    })
}
