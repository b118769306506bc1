//! Frames: a type byte, a length that counts itself, a body (PostgreSQL docs, 55.2 and 55.7).
//!
//! Only headers are looked at here. What is behind them is somebody else's business.

/// Bytes of a frame's header: type and length.
pub const HEADER: usize = 5;

/// Longest declared length of a client message that carries no text or data (as in the server's `postgres.c`).
pub const SMALL_MAX: usize = 10_000;

/// Longest declared length of any client message: the server's own limit, two bytes below 1 GiB.
pub const LARGE_MAX: usize = 0x3fff_fffe;

/// Type bytes sent by a client.
pub mod client {
    pub const BIND: u8 = b'B';
    pub const CLOSE: u8 = b'C';
    pub const COPY_DATA: u8 = b'd';
    pub const COPY_DONE: u8 = b'c';
    pub const COPY_FAIL: u8 = b'f';
    pub const DESCRIBE: u8 = b'D';
    pub const EXECUTE: u8 = b'E';
    pub const FLUSH: u8 = b'H';
    pub const FUNCTION_CALL: u8 = b'F';
    pub const PARSE: u8 = b'P';
    pub const PASSWORD: u8 = b'p';
    pub const QUERY: u8 = b'Q';
    pub const SYNC: u8 = b'S';
    pub const TERMINATE: u8 = b'X';
}

/// Type bytes sent by a server.
pub mod server {
    pub const AUTHENTICATION: u8 = b'R';
    pub const BACKEND_KEY_DATA: u8 = b'K';
    pub const BIND_COMPLETE: u8 = b'2';
    pub const CLOSE_COMPLETE: u8 = b'3';
    pub const COMMAND_COMPLETE: u8 = b'C';
    pub const COPY_BOTH: u8 = b'W';
    pub const COPY_DATA: u8 = b'd';
    pub const COPY_DONE: u8 = b'c';
    pub const COPY_IN: u8 = b'G';
    pub const COPY_OUT: u8 = b'H';
    pub const DATA_ROW: u8 = b'D';
    pub const EMPTY_QUERY: u8 = b'I';
    pub const ERROR: u8 = b'E';
    pub const FUNCTION_RESULT: u8 = b'V';
    pub const NEGOTIATE_VERSION: u8 = b'v';
    pub const NOTICE: u8 = b'N';
    pub const NOTIFICATION: u8 = b'A';
    pub const NO_DATA: u8 = b'n';
    pub const PARAMETER_DESCRIPTION: u8 = b't';
    pub const PARAMETER_STATUS: u8 = b'S';
    pub const PARSE_COMPLETE: u8 = b'1';
    pub const PORTAL_SUSPENDED: u8 = b's';
    pub const READY: u8 = b'Z';
    pub const ROW_DESCRIPTION: u8 = b'T';
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub tag: u8,
    /// Bytes after the header.
    pub body: usize,
}

impl Header {
    /// Header and body together.
    #[must_use]
    pub fn total(self) -> usize {
        HEADER + self.body
    }
}

/// A length that no message of this protocol has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid message length")]
pub struct BadLength {
    pub tag: u8,
    pub length: i32,
}

/// The header at the start of `bytes`, if they are long enough to hold one.
///
/// # Errors
/// When the declared length is below 4 or beyond `length_max`.
#[inline]
pub fn header(bytes: &[u8], length_max: impl Fn(u8) -> usize) -> Result<Option<Header>, BadLength> {
    let Some((&[tag, a, b, c, d], _)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let length = i32::from_be_bytes([a, b, c, d]);
    let bad = BadLength { tag, length };
    let declared = usize::try_from(length).map_err(|_| bad)?;
    let body = declared.checked_sub(4).ok_or(bad)?;
    if declared > length_max(tag) {
        return Err(bad);
    }
    Ok(Some(Header { tag, body }))
}

/// The longest message, as declared, that a client may send under a type byte; the server's limits.
#[inline]
#[must_use]
pub fn client_length_max(tag: u8) -> usize {
    match tag {
        client::QUERY | client::PARSE | client::BIND | client::FUNCTION_CALL | client::COPY_DATA => LARGE_MAX,
        _ => SMALL_MAX,
    }
}

/// The longest message a server may send: whatever fits the length field.
#[inline]
#[must_use]
pub fn server_length_max(_tag: u8) -> usize {
    i32::MAX.unsigned_abs() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_at_the_edges() {
        let with = |length: i32| {
            let mut bytes = vec![b'Q'];
            bytes.extend(length.to_be_bytes());
            header(&bytes, client_length_max)
        };
        for bad in [-1, 0, 3, i32::MIN, i32::MAX, 0x4000_0000] {
            assert_eq!(with(bad), Err(BadLength { tag: b'Q', length: bad }));
        }
        assert_eq!(with(4), Ok(Some(Header { tag: b'Q', body: 0 })));
        assert_eq!(with(9), Ok(Some(Header { tag: b'Q', body: 5 })));
    }

    #[test]
    fn small_messages_have_a_small_limit() {
        let mut bytes = vec![b'S'];
        bytes.extend(20_000_i32.to_be_bytes());
        assert!(header(&bytes, client_length_max).is_err());
    }

    #[test]
    fn too_short_for_a_header() {
        assert_eq!(header(b"Q\0\0\0", client_length_max), Ok(None));
    }
}
