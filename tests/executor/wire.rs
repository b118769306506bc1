//! A small client over the extended protocol in text format: the port `Database` on a real server.

use std::io;
use std::path::Path;

use lockkeeper::shell::database::{Database, DatabaseError, Done, Row, ServerMessage, TransactionStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

pub(crate) struct Wire {
    stream: UnixStream,
    socket: std::path::PathBuf,
    status: TransactionStatus,
    pub(crate) key: Vec<u8>,
    /// Cut the connection before this many more statements (for lost-connection tests).
    pub(crate) statements_left: Option<u32>,
    /// Let the statement at which it is cut take effect, and lose only its answer.
    pub(crate) cut_after_effect: bool,
    pub(crate) log: Vec<String>,
}

impl Wire {
    pub(crate) async fn connect(socket: &Path, user: &str) -> Wire {
        Self::connect_to(socket, user, "postgres").await
    }

    pub(crate) async fn connect_to(socket: &Path, user: &str, database: &str) -> Wire {
        let stream = UnixStream::connect(socket).await.unwrap();
        let mut wire = Wire {
            stream,
            socket: socket.to_owned(),
            status: TransactionStatus::Idle,
            key: Vec::new(),
            statements_left: None,
            cut_after_effect: false,
            log: Vec::new(),
        };
        let mut body = 196_608_i32.to_be_bytes().to_vec();
        for text in ["user", user, "database", database, "application_name", "executor-test", ""] {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        let mut packet = i32::try_from(body.len() + 4).unwrap().to_be_bytes().to_vec();
        packet.extend(body);
        wire.stream.write_all(&packet).await.unwrap();
        wire.answer().await.unwrap();
        wire
    }

    /// A CancelRequest for the statement of the session with this key.
    pub(crate) async fn cancel(socket: &Path, key: &[u8]) {
        let mut stream = UnixStream::connect(socket).await.unwrap();
        let mut packet = i32::try_from(key.len() + 8).unwrap().to_be_bytes().to_vec();
        packet.extend(80_877_102_i32.to_be_bytes());
        packet.extend(key);
        stream.write_all(&packet).await.unwrap();
        let _ = stream.read(&mut [0]).await;
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Runs one statement and panics if it fails.
    pub(crate) async fn run(&mut self, sql: &str) -> Vec<Row> {
        self.extended(sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e}")).1
    }

    pub(crate) async fn one(&mut self, sql: &str) -> String {
        let rows = self.run(sql).await;
        rows[0][0].clone().unwrap_or_else(|| "NULL".to_owned())
    }

    async fn extended(&mut self, sql: &str, parameters: &[Option<&str>]) -> Result<(Done, Vec<Row>), DatabaseError> {
        self.log.push(sql.to_owned());
        let effect_only = self.cut_after_effect && self.statements_left == Some(0);
        if let Some(left) = &mut self.statements_left {
            if *left == 0 && !std::mem::take(&mut self.cut_after_effect) {
                return Err(DatabaseError::Lost("cut by the test".to_owned()));
            }
            *left = left.saturating_sub(1);
        }
        let mut packet = Vec::new();
        frame(&mut packet, b'P', |body| {
            body.push(0);
            body.extend_from_slice(sql.as_bytes());
            body.extend([0, 0, 0]);
        });
        frame(&mut packet, b'B', |body| {
            body.extend([0, 0, 0, 0]);
            body.extend(i16::try_from(parameters.len()).unwrap().to_be_bytes());
            for parameter in parameters {
                match parameter {
                    Some(text) => {
                        body.extend(i32::try_from(text.len()).unwrap().to_be_bytes());
                        body.extend_from_slice(text.as_bytes());
                    }
                    None => body.extend((-1_i32).to_be_bytes()),
                }
            }
            body.extend([0, 0]);
        });
        frame(&mut packet, b'E', |body| body.extend([0, 0, 0, 0, 0]));
        frame(&mut packet, b'S', |_| {});
        self.stream.write_all(&packet).await.map_err(lost)?;
        let answer = self.answer().await.map_err(lost)?;
        if effect_only {
            return Err(DatabaseError::Lost("cut by the test after the statement".to_owned()));
        }
        match answer.error {
            Some(error) => Err(DatabaseError::Server(Box::new(error))),
            None => Ok((Done { tag: answer.tag, notices: answer.notices }, answer.rows)),
        }
    }

    async fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = Answer::default();
        loop {
            let kind = self.stream.read_u8().await?;
            let length = usize::try_from(self.stream.read_i32().await?).unwrap() - 4;
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).await?;
            match kind {
                b'D' => answer.rows.push(row(&body)),
                b'C' => answer.tag = String::from_utf8_lossy(&body[..length - 1]).into_owned(),
                b'E' => answer.error = Some(message(&body)),
                b'N' => answer.notices.push(message(&body)),
                b'K' => self.key = body,
                b'Z' => {
                    self.status = match body[0] {
                        b'I' => TransactionStatus::Idle,
                        b'T' => TransactionStatus::Block,
                        _ => TransactionStatus::Failed,
                    };
                    return Ok(answer);
                }
                _ => {}
            }
        }
    }
}

#[derive(Default)]
struct Answer {
    rows: Vec<Row>,
    tag: String,
    notices: Vec<ServerMessage>,
    error: Option<ServerMessage>,
}

impl Database for Wire {
    async fn execute(&mut self, sql: &str) -> Result<Done, DatabaseError> {
        Ok(self.extended(sql, &[]).await?.0)
    }

    async fn query(&mut self, sql: &str, parameters: &[Option<&str>]) -> Result<Vec<Row>, DatabaseError> {
        Ok(self.extended(sql, parameters).await?.1)
    }

    fn transaction_status(&self) -> TransactionStatus {
        self.status
    }
}

fn lost(error: io::Error) -> DatabaseError {
    DatabaseError::Lost(error.to_string())
}

fn frame(packet: &mut Vec<u8>, kind: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::new();
    fill(&mut body);
    packet.push(kind);
    packet.extend(i32::try_from(body.len() + 4).unwrap().to_be_bytes());
    packet.extend(body);
}

fn row(body: &[u8]) -> Row {
    let mut rest = &body[2..];
    let mut row = Vec::new();
    while !rest.is_empty() {
        let length = i32::from_be_bytes(rest[..4].try_into().unwrap());
        rest = &rest[4..];
        if let Ok(length) = usize::try_from(length) {
            row.push(Some(String::from_utf8_lossy(&rest[..length]).into_owned()));
            rest = &rest[length..];
        } else {
            row.push(None);
        }
    }
    row
}

fn message(body: &[u8]) -> ServerMessage {
    let mut message = ServerMessage::default();
    for field in body.split(|byte| *byte == 0).filter(|field| !field.is_empty()) {
        let text = String::from_utf8_lossy(&field[1..]).into_owned();
        message.fields.push((field[0], text.clone()));
        match field[0] {
            b'S' => message.severity = text,
            b'C' => message.code = text,
            b'M' => message.message = text,
            b'D' => message.detail = Some(text),
            b'H' => message.hint = Some(text),
            _ => {}
        }
    }
    message
}
