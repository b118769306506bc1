//! The port to one PostgreSQL session, as the catalog look-ups and the executor use it.

use std::future::Future;

/// One row of text-format values.
pub type Row = Vec<Option<String>>;

/// What a statement did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Command tag: `UPDATE 5`.
    pub tag: String,
    /// NOTICEs the server sent meanwhile.
    pub notices: Vec<ServerMessage>,
}

/// An ErrorResponse or NoticeResponse of the server
/// (PostgreSQL docs, 55.8 Error and Notice Message Fields).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerMessage {
    pub severity: String,
    pub code: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// Every field as sent, type byte and value, in order.
    pub fields: Vec<(u8, String)>,
}

/// Why a statement has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// The server refused it; the session goes on.
    #[error("{} (SQLSTATE {})", .0.message, .0.code)]
    Server(Box<ServerMessage>),
    /// The connection is gone; whether the statement took effect is unknown.
    #[error("the connection to the server was lost: {0}")]
    Lost(String),
}

impl DatabaseError {
    /// SQLSTATE of a server error.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Server(message) => Some(&message.code),
            Self::Lost(_) => None,
        }
    }
}

/// The transaction status of a ReadyForQuery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    Idle,
    Block,
    Failed,
}

/// One server session. Statements go one by one, over the extended protocol and under names of our own,
/// so that the client's unnamed statement and portal survive.
pub trait Database: Send {
    /// Runs one statement without a result set. Not cancel safe: await it to its end.
    fn execute(&mut self, sql: &str) -> impl Future<Output = Result<Done, DatabaseError>> + Send;

    /// Runs one query with text parameters and collects its rows in text format. Not cancel safe.
    fn query(
        &mut self,
        sql: &str,
        parameters: &[Option<&str>],
    ) -> impl Future<Output = Result<Vec<Row>, DatabaseError>> + Send;

    /// As [`Self::query`], for a query whose plan need not be the best: the server would take longer to compile it than to
    /// run it. Its settings are local to the transaction, as those of the query itself.
    fn look_up(
        &mut self,
        sql: &str,
        parameters: &[Option<&str>],
    ) -> impl Future<Output = Result<Vec<Row>, DatabaseError>> + Send {
        self.query(sql, parameters)
    }

    /// As of the last ReadyForQuery.
    fn transaction_status(&self) -> TransactionStatus;

    /// In a pipeline that is not synced yet: its transaction may be an implicit one, which has no savepoints,
    /// and after an error the server takes nothing more before the client's Sync.
    fn in_pipeline(&self) -> bool {
        false
    }
}
