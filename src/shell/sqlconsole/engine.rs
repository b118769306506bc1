//! The embedded engine: for each query a database in memory, with the rows it reads and the functions that
//! PostgreSQL has and the engine does not. It holds nothing of the gateway's, and ends with the query.

mod functions;

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

use rusqlite::limits::Limit;
use rusqlite::types::Value;
use rusqlite::{Connection, InterruptHandle, params_from_iter};

use super::schema::Table;
use super::translate::{Read, Translated};
use crate::kernel::wire::reply::Reply;

/// How long a query may take.
pub(super) const TIME_MAX: Duration = Duration::from_secs(10);
/// Rows of an answer, and bytes of all its values.
const ROWS_MAX: usize = 100_000;
const BYTES_MAX: usize = 32 << 20;
/// Bytes of one value.
const VALUE_MAX: i32 = 8 << 20;

/// Rows of the relations that a query reads, by the engine's names.
pub(super) type Data = BTreeMap<String, (&'static Table, Vec<Vec<Value>>)>;

/// A query that is being answered; dropping it ends that.
pub(super) struct Running {
    task: tokio::task::JoinHandle<Result<Vec<Vec<Value>>, Reply>>,
    interrupt: mpsc::Receiver<InterruptHandle>,
    handle: Option<InterruptHandle>,
}

/// Begins to answer a query, on a thread where nothing else waits.
pub(super) fn start(query: Translated, parameters: Vec<Value>, data: Data) -> Running {
    let (tell, interrupt) = mpsc::channel();
    let task = tokio::task::spawn_blocking(move || answer(&query, &parameters, data, &tell));
    Running { task, interrupt, handle: None }
}

impl Running {
    /// The rows. Cancel safe.
    pub(super) async fn rows(&mut self) -> Result<Vec<Vec<Value>>, Reply> {
        match tokio::time::timeout(TIME_MAX, &mut self.task).await {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) => Err(failed(&error.to_string())),
            Err(_) => {
                let message = format!("canceling statement: it took longer than {} s", TIME_MAX.as_secs());
                Err(Reply::error("57014", message).hint("Ask for less at a time: WHERE id = …, LIMIT."))
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Without one it has not begun, and sees that nobody waits.
        if self.handle.is_none() {
            self.handle = self.interrupt.try_recv().ok();
        }
        if let Some(handle) = &self.handle {
            handle.interrupt();
        }
        self.task.abort();
    }
}

fn failed(why: &str) -> Reply {
    Reply::error("XX000", "the console cannot answer this query").detail(why.to_owned())
}

/// An error of the engine's. One of ours comes with its SQLSTATE in front.
fn told(error: rusqlite::Error) -> Reply {
    let text = match &error {
        rusqlite::Error::UserFunctionError(inner) => inner.to_string(),
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        other => other.to_string(),
    };
    match functions::apart(&text) {
        Some((code, message)) => Reply::error(code, message),
        None if text.contains("interrupted") => Reply::error("57014", "canceling statement due to user request"),
        None if text.contains("too big") => Reply::error("54000", "a value of the query is too large"),
        None if text.contains("misuse of aggregate") => Reply::error("42803", text),
        None if text.contains("integer overflow") => Reply::error("22003", "bigint out of range"),
        None => failed(&text),
    }
}

fn answer(
    query: &Translated,
    parameters: &[Value],
    data: Data,
    tell: &mpsc::Sender<InterruptHandle>,
) -> Result<Vec<Vec<Value>>, Reply> {
    let connection = Connection::open_in_memory().map_err(told)?;
    // Nobody listens: it was cancelled before it began.
    tell.send(connection.get_interrupt_handle()).map_err(|_| failed("cancelled"))?;
    open(&connection).map_err(told)?;
    for (key, (table, rows)) in data {
        fill(&connection, &key, table, rows).map_err(told)?;
    }
    let mut statement = connection.prepare(&query.sql).map_err(told)?;
    let columns = statement.column_count();
    let wanted = statement.parameter_count();
    let parameters = parameters.iter().chain(std::iter::repeat(&Value::Null)).take(wanted);
    let mut found = statement.query(params_from_iter(parameters)).map_err(told)?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = found.next().map_err(told)? {
        let values: Vec<Value> = (0..columns).map(|at| row.get(at)).collect::<Result<_, _>>().map_err(told)?;
        bytes += values.iter().map(size).sum::<usize>();
        if rows.len() == ROWS_MAX || bytes > BYTES_MAX {
            let message = "the answer is larger than the console gives";
            return Err(Reply::error("54000", message).hint("Add WHERE or LIMIT."));
        }
        rows.push(values);
    }
    Ok(rows)
}

fn size(value: &Value) -> usize {
    16 + match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        Value::Null | Value::Integer(_) | Value::Real(_) => 0,
    }
}

fn open(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_MAX)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection
        .execute_batch("PRAGMA case_sensitive_like = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF")?;
    functions::register(connection)
}

fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn fill(connection: &Connection, key: &str, table: &Table, rows: Vec<Vec<Value>>) -> rusqlite::Result<()> {
    let columns: Vec<String> = table.columns.iter().map(|column| name(column.name)).collect();
    connection.execute_batch(&format!("CREATE TABLE {} ({})", name(key), columns.join(", ")))?;
    let places = vec!["?"; columns.len()].join(", ");
    let mut insert = connection.prepare(&format!("INSERT INTO {} VALUES ({places})", name(key)))?;
    for row in rows {
        insert.execute(params_from_iter(row))?;
    }
    Ok(())
}

/// What a query reads that is not there yet: relations of the catalog are made from what is known.
pub(super) fn is_catalog(read: &Read) -> bool {
    read.table.schema != super::schema::PUBLIC
}
