//! Replies of our own: errors and notices with their SQLSTATEs. What a client is told goes through here.

use bytes::BytesMut;

use super::message;

/// SQLSTATEs of gateway decisions. The standard leaves classes beginning with I to Z to implementations
/// (ISO/IEC 9075-2, 24.1); PostgreSQL uses none beginning with L.
pub mod sqlstate {
    /// Held: approval is needed; the ticket is in DETAIL.
    pub const HELD: &str = "LK001";
    /// Refused by policy.
    pub const REFUSED: &str = "LK002";
    /// A reviewer rejected it.
    pub const REJECTED: &str = "LK003";
    /// The ticket expired.
    pub const EXPIRED: &str = "LK004";
    /// The ticket was cancelled.
    pub const CANCELLED: &str = "LK005";
    /// Nobody decided within the wait limit; the ticket stays.
    pub const WAIT_OVER: &str = "LK006";
    /// The record cannot be written.
    pub const NO_RECORD: &str = "LK007";
    /// The statement cannot be read, or what it touches cannot be looked up.
    pub const UNREAD: &str = "LK008";
    /// A job works on what the statement would change.
    pub const BUSY: &str = "LK009";
    /// What a job works on was changed by somebody else meanwhile; what it has filled is kept.
    pub const CHANGED: &str = "LK010";

    pub const QUERY_CANCELED: &str = "57014";
    pub const ADMIN_SHUTDOWN: &str = "57P01";
    pub const CANNOT_CONNECT_NOW: &str = "57P03";
    pub const PROTOCOL_VIOLATION: &str = "08P01";
    pub const CANNOT_CONNECT: &str = "08001";
    pub const CONNECTION_FAILURE: &str = "08006";
    /// Whether a step of a job took effect cannot be found out.
    pub const RESOLUTION_UNKNOWN: &str = "08007";
    pub const TOO_MANY_CONNECTIONS: &str = "53300";
    pub const FEATURE_NOT_SUPPORTED: &str = "0A000";
    pub const INVALID_AUTHORIZATION: &str = "28000";
    pub const INVALID_PASSWORD: &str = "28P01";
    pub const INVALID_CATALOG_NAME: &str = "3D000";
    pub const INVALID_PARAMETER_VALUE: &str = "22023";
    pub const PROGRAM_LIMIT_EXCEEDED: &str = "54000";
    pub const WARNING: &str = "01000";
    pub const SUCCESS: &str = "00000";
}

/// How a reply weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The session ends.
    Fatal,
    Error,
    Warning,
    Notice,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
        }
    }
}

/// One error or notice of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub severity: Severity,
    pub code: &'static str,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// Character offset into the statement, counted from 1.
    pub position: Option<usize>,
}

impl Reply {
    /// Without detail, hint and position.
    #[must_use]
    pub fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Self { severity, code, message: message.into(), detail: None, hint: None, position: None }
    }

    /// The statement has failed; the session goes on.
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// The session ends.
    #[must_use]
    pub fn fatal(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Fatal, code, message)
    }

    /// Something to know.
    #[must_use]
    pub fn notice(message: impl Into<String>) -> Self {
        Self::new(Severity::Notice, sqlstate::SUCCESS, message)
    }

    /// Something to mind.
    #[must_use]
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, sqlstate::WARNING, message)
    }

    /// An empty text leaves the field out.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = Some(text.into()).filter(|t| !t.is_empty());
        self
    }

    /// An empty text leaves the field out.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hint = Some(text.into()).filter(|t| !t.is_empty());
        self
    }

    /// Appends it as ErrorResponse or NoticeResponse (PostgreSQL docs, 55.8).
    pub fn put(self, out: &mut BytesMut) {
        let word = self.severity.word().to_owned();
        let mut fields = vec![(b'S', word.clone()), (b'V', word), (b'C', self.code.to_owned())];
        fields.push((b'M', clean(self.message)));
        fields.extend(self.detail.map(|t| (b'D', clean(t))));
        fields.extend(self.hint.map(|t| (b'H', clean(t))));
        fields.extend(self.position.map(|p| (b'P', p.to_string())));
        match self.severity {
            Severity::Fatal | Severity::Error => message::put_error(out, fields),
            Severity::Warning | Severity::Notice => message::put_notice(out, fields),
        }
    }
}

/// A NUL would end the field early.
fn clean(text: String) -> String {
    if text.contains('\0') { text.replace('\0', " ") } else { text }
}
