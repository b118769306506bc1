//! The client's own server connection, used for look-ups and steps of ours while the client waits.
//!
//! One statement at a time over the extended protocol under private names, so that the client's unnamed
//! statement and portal survive. What the server says meanwhile that is not about us goes to the client.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc::UnboundedSender;

use super::side::Side;
use crate::kernel::relay::Status;
use crate::kernel::sql::encoding::TextEncoding;
use crate::kernel::wire::frame::{self, HEADER, server};
use crate::kernel::wire::message;
use crate::shell::database::{Database, DatabaseError, Done, Row, ServerMessage, TransactionStatus};

const NAME: &str = "lockkeeper";

/// Before a look-up: it is planned after this has run, and in the same transaction. Names are quoted where they have to be.
const SETTINGS: &str =
    "SELECT pg_catalog.set_config('jit', 'off', true), pg_catalog.set_config('quote_all_identifiers', 'off', true)";

/// Longest reply to a look-up of ours that is taken.
const REPLY_MAX: usize = 64 * 1024 * 1024;

/// Something for the client, heard while a step ran.
#[derive(Debug)]
pub enum Aside {
    /// A NotificationResponse or ParameterStatus, whole.
    Frame(Bytes),
    Progress(crate::shell::executor::Progress),
}

/// How an exchange of ours ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With Sync: nothing of the client's is open in this pipeline.
    Sync,
    /// With Flush: a Sync would end the client's implicit transaction.
    Flush,
}

/// A session's server side, lent for statements of ours. Nothing may be owed to the client.
#[derive(Debug)]
pub struct Backstage<'a> {
    side: &'a mut Side,
    status: Status,
    /// The client's: what is sent and heard here is in it too.
    encoding: TextEncoding,
    end: End,
    aside: UnboundedSender<Aside>,
}

/// What one exchange brought.
#[derive(Debug, Default)]
struct Heard {
    rows: Vec<Row>,
    tag: String,
    notices: Vec<ServerMessage>,
    error: Option<ServerMessage>,
}

impl<'a> Backstage<'a> {
    pub fn new(
        side: &'a mut Side,
        (status, encoding): (Status, TextEncoding),
        end: End,
        aside: UnboundedSender<Aside>,
    ) -> Self {
        Self { side, status, encoding, end, aside }
    }

    /// As of the last ReadyForQuery.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Sends Sync and takes the server's ReadyForQuery.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn sync(&mut self) -> Result<Status, DatabaseError> {
        message::put_sync(&mut self.side.out);
        self.end = End::Sync;
        self.hear(0).await?;
        Ok(self.status)
    }

    /// Makes the server's transaction fail, as a refused statement of its own would have.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn fail_transaction(&mut self) -> Result<(), DatabaseError> {
        message::put_parse(&mut self.side.out, NAME, "statement refused by lockkeeper");
        self.finish_message();
        self.hear(1).await.map(drop)
    }

    /// Whether the server accepts a text as one statement: its own error otherwise. Runs nothing.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn try_parse(&mut self, text: &[u8]) -> Result<Option<Bytes>, DatabaseError> {
        message::put_close_statement(&mut self.side.out, NAME);
        // The text's own bytes, which need not be UTF-8.
        put_raw(&mut self.side.out, frame::client::PARSE, &[NAME.as_bytes(), b"\0", text, &[0, 0, 0]]);
        message::put_close_statement(&mut self.side.out, NAME);
        self.finish_message();
        let mut refusal = None;
        self.hear_with(2, |tag, frame| {
            if tag == server::ERROR {
                refusal = Some(Bytes::copy_from_slice(frame));
            }
        })
        .await?;
        Ok(refusal)
    }

    /// After a COPY that failed: the ReadyForQuery messages that are the client's. Whether there are any depends on which
    /// of its Syncs the server read as part of the copy. `begun` is the type of a message whose start was sent.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn after_copy(&mut self, begun: Option<u8>) -> Result<Vec<Bytes>, DatabaseError> {
        match begun {
            // An empty query, which is no error.
            Some(frame::client::QUERY) => self.side.out.extend_from_slice(&[0, 0, 0, 5, 0]),
            Some(_) => self.side.out.extend_from_slice(&[0, 0, 0, 4]),
            None => {}
        }
        // The first Sync ends any skipping, so that the Close is answered.
        message::put_sync(&mut self.side.out);
        message::put_close_portal(&mut self.side.out, NAME);
        message::put_sync(&mut self.side.out);
        // A server that ends the session has said why, though it takes no more.
        let _ = self.side.drain().await;
        let (mut readies, mut theirs) = (Vec::new(), None);
        loop {
            let (tag, frame) = self.frame().await?;
            match tag {
                server::READY => readies.push(frame),
                server::ERROR => {
                    let error = server_message(frame.get(HEADER..).unwrap_or_default());
                    if is_fatal(&error) {
                        let _ = self.aside.send(Aside::Frame(frame));
                        return Err(DatabaseError::Lost(error.message));
                    }
                    theirs = theirs.or(Some(readies.len()));
                }
                // What was begun was not skipped, and all that is the client's came before its answer.
                server::EMPTY_QUERY => theirs = theirs.or(Some(readies.len())),
                server::NOTIFICATION | server::PARAMETER_STATUS | server::NOTICE => {
                    let _ = self.aside.send(Aside::Frame(frame));
                }
                server::CLOSE_COMPLETE => break,
                _ => {}
            }
        }
        self.hear(0).await?;
        readies.truncate(theirs.unwrap_or(readies.len().saturating_sub(1)));
        Ok(readies)
    }

    /// Closes portals of the client's. Ends with Flush: a Sync would destroy others too.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn close_portals(&mut self, portals: &[String]) -> Result<(), DatabaseError> {
        if portals.is_empty() {
            return Ok(());
        }
        portals.iter().for_each(|portal| message::put_close_portal(&mut self.side.out, portal));
        self.end = End::Flush;
        self.finish_message();
        self.hear(u32::try_from(portals.len()).unwrap_or(u32::MAX)).await.map(drop)
    }

    /// Binds a portal of the client's again, by what followed the names in its Bind. Ends with Flush: a Sync would
    /// destroy it.
    ///
    /// # Errors
    /// When the server refuses it, or the connection is lost.
    pub async fn bind_again(&mut self, portal: &str, statement: &str, rest: &[u8]) -> Result<(), DatabaseError> {
        let names = [portal.as_bytes(), b"\0", statement.as_bytes(), b"\0"].concat();
        message::put_close_portal(&mut self.side.out, portal);
        put_raw(&mut self.side.out, frame::client::BIND, &[&names, rest]);
        message::put_close_statement(&mut self.side.out, NAME);
        self.end = End::Flush;
        self.finish_message();
        match self.hear(2).await?.error {
            Some(error) => Err(DatabaseError::Server(Box::new(error))),
            None => Ok(()),
        }
    }

    fn finish_message(&mut self) {
        match self.end {
            End::Sync => message::put_sync(&mut self.side.out),
            End::Flush => message::put_flush(&mut self.side.out),
        }
    }

    async fn exchange(&mut self, sql: &str, parameters: &[Option<&str>]) -> Result<Heard, DatabaseError> {
        // What failed the last time is still there under our name: the statement, and inside a transaction
        // block the portal too, until the transaction ends.
        self.put_close();
        self.put(sql, parameters);
        self.finish_message();
        self.hear(4).await
    }

    /// One statement, whole.
    fn put(&mut self, sql: &str, parameters: &[Option<&str>]) {
        let encoding = self.encoding;
        let parameters: Vec<_> = parameters.iter().map(|text| text.map(|text| encoding.encode(text))).collect();
        let out = &mut self.side.out;
        put_raw(out, frame::client::PARSE, &[NAME.as_bytes(), b"\0", &encoding.encode(sql), &[0, 0, 0]]);
        message::put_bind(out, NAME, NAME, &parameters);
        message::put_execute(out, NAME);
        self.put_close();
    }

    fn put_close(&mut self) {
        message::put_close_portal(&mut self.side.out, NAME);
        message::put_close_statement(&mut self.side.out, NAME);
    }

    async fn hear(&mut self, closes: u32) -> Result<Heard, DatabaseError> {
        self.hear_with(closes, |_, _| {}).await
    }

    /// Reads replies to the end of the exchange: ReadyForQuery, or with Flush the last CloseComplete
    /// or an error.
    async fn hear_with(&mut self, closes: u32, mut look: impl FnMut(u8, &[u8])) -> Result<Heard, DatabaseError> {
        self.side.drain().await.map_err(lost)?;
        let mut heard = Heard::default();
        let mut closed = 0;
        loop {
            let (tag, frame) = self.frame().await?;
            let body = frame.get(HEADER..).unwrap_or_default();
            look(tag, &frame);
            match tag {
                server::DATA_ROW => heard.rows.push(row(body, self.encoding)?),
                server::COMMAND_COMPLETE => {
                    heard.tag = String::from_utf8_lossy(body.strip_suffix(&[0]).unwrap_or(body)).into_owned();
                }
                server::NOTICE => heard.notices.push(server_message(body)),
                server::ERROR => {
                    let error = server_message(body);
                    if is_fatal(&error) {
                        return Err(DatabaseError::Lost(error.message));
                    }
                    heard.error = Some(error);
                    if self.end == End::Flush {
                        return Ok(heard);
                    }
                }
                server::NOTIFICATION | server::PARAMETER_STATUS => {
                    // The receiver lives as long as the session.
                    let _ = self.aside.send(Aside::Frame(frame));
                }
                server::CLOSE_COMPLETE => {
                    closed += 1;
                    if self.end == End::Flush && closed == closes {
                        return Ok(heard);
                    }
                }
                server::READY => {
                    let status = body.first().copied().and_then(Status::of);
                    self.status = status.ok_or_else(|| DatabaseError::Lost("malformed ReadyForQuery".into()))?;
                    return Ok(heard);
                }
                _ => {}
            }
        }
    }

    async fn frame(&mut self) -> Result<(u8, Bytes), DatabaseError> {
        loop {
            let header = frame::header(&self.side.held, |_| REPLY_MAX)
                .map_err(|bad| DatabaseError::Lost(format!("malformed message of type 0x{:02X}", bad.tag)))?;
            match header {
                Some(header) if self.side.held.len() >= header.total() => {
                    return Ok((header.tag, self.side.held.split_to(header.total()).freeze()));
                }
                Some(_) | None => {}
            }
            if self.side.receive().await.map_err(lost)? == 0 {
                return Err(DatabaseError::Lost("the server closed the connection".into()));
            }
        }
    }
}

/// Whether an ErrorResponse ends the session.
fn is_fatal(error: &ServerMessage) -> bool {
    matches!(error.severity.as_str(), "FATAL" | "PANIC")
}

/// A message of this body.
fn put_raw(out: &mut BytesMut, tag: u8, body: &[&[u8]]) {
    let length = body.iter().map(|part| part.len()).sum::<usize>() + 4;
    out.extend_from_slice(&[tag]);
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    body.iter().for_each(|part| out.extend_from_slice(part));
}

fn lost(error: io::Error) -> DatabaseError {
    DatabaseError::Lost(error.to_string())
}

fn row(body: &[u8], encoding: TextEncoding) -> Result<Row, DatabaseError> {
    let values = message::data_row(body).map_err(|bad| DatabaseError::Lost(bad.to_string()))?;
    let text = |value: &[u8]| match encoding.decode(value) {
        Ok((text, _)) => text.into_owned(),
        Err(_) => String::from_utf8_lossy(value).into_owned(),
    };
    Ok(values.into_iter().map(|value| value.map(text)).collect())
}

/// The fields of an ErrorResponse or NoticeResponse, by name.
#[must_use]
pub fn server_message(body: &[u8]) -> ServerMessage {
    let fields = message::fields(body).unwrap_or_default();
    let field = |code: u8| fields.iter().find(|(c, _)| *c == code).map(|(_, text)| text.clone());
    ServerMessage {
        severity: field(b'V').or_else(|| field(b'S')).unwrap_or_default(),
        code: field(b'C').unwrap_or_default(),
        message: field(b'M').unwrap_or_default(),
        detail: field(b'D'),
        hint: field(b'H'),
        fields,
    }
}

impl Database for Backstage<'_> {
    async fn execute(&mut self, sql: &str) -> Result<Done, DatabaseError> {
        let heard = self.exchange(sql, &[]).await?;
        match heard.error {
            Some(error) => Err(DatabaseError::Server(Box::new(error))),
            None => Ok(Done { tag: heard.tag, notices: heard.notices }),
        }
    }

    async fn look_up(&mut self, sql: &str, parameters: &[Option<&str>]) -> Result<Vec<Row>, DatabaseError> {
        self.put_close();
        self.put(SETTINGS, &[]);
        self.put(sql, parameters);
        self.finish_message();
        let heard = self.hear(6).await?;
        match heard.error {
            Some(error) => Err(DatabaseError::Server(Box::new(error))),
            // The first row is that of the settings.
            None => Ok(heard.rows.into_iter().skip(1).collect()),
        }
    }

    async fn query(&mut self, sql: &str, parameters: &[Option<&str>]) -> Result<Vec<Row>, DatabaseError> {
        let heard = self.exchange(sql, parameters).await?;
        match heard.error {
            Some(error) => Err(DatabaseError::Server(Box::new(error))),
            None => Ok(heard.rows),
        }
    }

    fn transaction_status(&self) -> TransactionStatus {
        match (self.status, self.end) {
            (Status::Idle, End::Sync) => TransactionStatus::Idle,
            (Status::Idle, End::Flush) | (Status::Block, _) => TransactionStatus::Block,
            (Status::Failed, _) => TransactionStatus::Failed,
        }
    }

    fn in_pipeline(&self) -> bool {
        self.end == End::Flush
    }
}
