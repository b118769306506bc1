//! One connection to the database, as a program would have it, with the notices it was sent.

use std::future::poll_fn;
use std::net::SocketAddr;

use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

/// Who connects, and as what.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) address: SocketAddr,
    pub(super) user: &'static str,
    pub(super) password: String,
    pub(super) database: &'static str,
    pub(super) application: &'static str,
}

impl Login {
    /// As it is written for psql.
    pub(super) fn url(&self) -> String {
        format!("postgresql://{}:{}@{}/{}", self.user, self.password, self.address, self.database)
    }
}

/// Ends when the client is dropped.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) notices: mpsc::UnboundedReceiver<Notice>,
}

#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub(super) severity: String,
    pub(super) message: String,
    pub(super) detail: String,
}

pub(super) async fn connect(login: &Login) -> Result<Session, tokio_postgres::Error> {
    let mut config = Config::new();
    config.host(login.address.ip().to_string()).port(login.address.port());
    config.user(login.user).password(&login.password).dbname(login.database).application_name(login.application);
    let (client, mut connection) = config.connect(NoTls).await?;
    let (sender, notices) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notice(notice) = message {
                // Nobody reads the notices of the traffic; they are few.
                let _ = sender.send(Notice {
                    severity: notice.severity().to_owned(),
                    message: notice.message().to_owned(),
                    detail: notice.detail().unwrap_or_default().to_owned(),
                });
            }
        }
    });
    Ok(Session { client, notices })
}

/// What the server said, not the library's summary of it.
pub(super) fn told(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |db| format!("{} (SQLSTATE {})", db.message(), db.code().code()))
}
