//! Bodies: read on demand with bounds at every step, and the few messages we write ourselves.
//!
//! Reading is ours because `pgwire`'s decoders panic on truncated bodies; writing uses its types.
//! This is the only file that names `pgwire`.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use pgwire::messages::Message;
use pgwire::messages::extendedquery::{Bind, Close, Execute, Flush, Parse, Sync};
use pgwire::messages::response::{CommandComplete, ErrorResponse, NoticeResponse};

/// A body that ends before it should, or goes on after it should have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadBody(pub &'static str);

/// Walks a body from its start; every step is checked.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// At the start of a body.
    #[must_use]
    pub fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    /// A NUL-terminated string, without its NUL.
    ///
    /// # Errors
    /// When no NUL follows.
    pub fn string(&mut self) -> Result<&'a [u8], BadBody> {
        let end = memchr::memchr(0, self.0).ok_or(BadBody("invalid string in message"))?;
        let (string, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        Ok(string)
    }

    /// # Errors
    /// When fewer bytes are left.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], BadBody> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(BadBody("insufficient data left in message"))?;
        self.0 = rest;
        Ok(head)
    }

    /// # Errors
    /// When the body has ended.
    pub fn byte(&mut self) -> Result<u8, BadBody> {
        self.bytes(1).map(|b| b.first().copied().unwrap_or_default())
    }

    /// # Errors
    /// When fewer than two bytes are left.
    pub fn int16(&mut self) -> Result<i16, BadBody> {
        let bytes = self.bytes(2)?;
        Ok(bytes.try_into().map(i16::from_be_bytes).unwrap_or_default())
    }

    /// # Errors
    /// When fewer than four bytes are left.
    pub fn int32(&mut self) -> Result<i32, BadBody> {
        let bytes = self.bytes(4)?;
        Ok(bytes.try_into().map(i32::from_be_bytes).unwrap_or_default())
    }

    /// What has not been read.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// # Errors
    /// When bytes are left over.
    pub fn end(self) -> Result<(), BadBody> {
        if self.0.is_empty() { Ok(()) } else { Err(BadBody("invalid message format")) }
    }
}

/// The text of a Query.
///
/// # Errors
/// When it is not one NUL-terminated string and nothing else.
pub fn query(body: &[u8]) -> Result<&[u8], BadBody> {
    let mut reader = Reader::new(body);
    let text = reader.string()?;
    reader.end()?;
    Ok(text)
}

/// Name and text of a Parse.
///
/// # Errors
/// When the body is not shaped like a Parse.
pub fn parse(body: &[u8]) -> Result<(&[u8], &[u8]), BadBody> {
    let mut reader = Reader::new(body);
    let name = reader.string()?;
    let text = reader.string()?;
    let types = reader.int16()?;
    reader.bytes(usize::from(types.unsigned_abs()) * 4)?;
    reader.end()?;
    Ok((name, text))
}

/// A Bind's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindNames<'a> {
    pub portal: &'a [u8],
    pub statement: &'a [u8],
    /// What follows them: formats and values.
    pub rest: &'a [u8],
}

/// Portal and statement of a Bind, from as much of its body as there is.
///
/// # Errors
/// When both names are not within these bytes.
pub fn bind_names(prefix: &[u8]) -> Result<BindNames<'_>, BadBody> {
    let mut reader = Reader::new(prefix);
    Ok(BindNames { portal: reader.string()?, statement: reader.string()?, rest: reader.rest() })
}

/// Format code (0 text, 1 binary) and value of a parameter; no value is NULL.
pub type BoundValue<'a> = (i16, Option<&'a [u8]>);

/// Parameter values of a complete Bind, from what follows its names.
///
/// # Errors
/// When the bytes are not shaped like that.
pub fn bind_values(rest: &[u8]) -> Result<Vec<BoundValue<'_>>, BadBody> {
    let mut reader = Reader::new(rest);
    let formats = usize::from(reader.int16()?.cast_unsigned());
    let formats = reader.bytes(2 * formats)?;
    let count = usize::from(reader.int16()?.cast_unsigned());
    let mut values = Vec::with_capacity(count.min(rest.len() / 4));
    for at in 0..count {
        let format = match formats {
            [] => 0,
            &[high, low] => i16::from_be_bytes([high, low]),
            many => many.chunks_exact(2).nth(at).map_or(0, |code| i16::from(code != [0, 0])),
        };
        let length = reader.int32()?;
        let value = usize::try_from(length).ok().map(|l| reader.bytes(l)).transpose()?;
        values.push((format, value));
    }
    Ok(values)
}

/// The portal of an Execute, and its row limit.
///
/// # Errors
/// When the body is not shaped like an Execute.
pub fn execute(body: &[u8]) -> Result<(&[u8], i32), BadBody> {
    let mut reader = Reader::new(body);
    let portal = reader.string()?;
    let limit = reader.int32()?;
    reader.end()?;
    Ok((portal, limit))
}

/// Kind (`S` or `P`) and name of a Describe or Close.
///
/// # Errors
/// When the body is not shaped like one.
pub fn describe(body: &[u8]) -> Result<(u8, &[u8]), BadBody> {
    let mut reader = Reader::new(body);
    let kind = reader.byte()?;
    let name = reader.string()?;
    reader.end()?;
    Ok((kind, name))
}

/// The function of a FunctionCall.
///
/// # Errors
/// When the body is shorter.
pub fn function_oid(body: &[u8]) -> Result<u32, BadBody> {
    Reader::new(body).int32().map(i32::cast_unsigned)
}

/// The fields of an ErrorResponse or NoticeResponse; bytes that are not UTF-8 are replaced.
///
/// # Errors
/// When a field has no end.
pub fn fields(body: &[u8]) -> Result<Vec<(u8, String)>, BadBody> {
    let mut reader = Reader::new(body);
    let mut fields = Vec::new();
    loop {
        match reader.byte()? {
            0 => return Ok(fields),
            code => fields.push((code, String::from_utf8_lossy(reader.string()?).into_owned())),
        }
    }
}

/// Name and value of a ParameterStatus.
///
/// # Errors
/// When the body is not two strings.
pub fn parameter_status(body: &[u8]) -> Result<(&[u8], &[u8]), BadBody> {
    let mut reader = Reader::new(body);
    let pair = (reader.string()?, reader.string()?);
    reader.end()?;
    Ok(pair)
}

/// The values of a DataRow.
///
/// # Errors
/// When the body is not shaped like a DataRow.
pub fn data_row(body: &[u8]) -> Result<Vec<Option<&[u8]>>, BadBody> {
    let mut reader = Reader::new(body);
    let count = reader.int16()?;
    (0..count)
        .map(|_| {
            let length = reader.int32()?;
            usize::try_from(length).ok().map(|l| reader.bytes(l)).transpose()
        })
        .collect()
}

/// Appends a message of ours. Ours are small: the encoder's size error cannot occur, and would leave
/// only a message out.
fn put<M: Message>(out: &mut BytesMut, message: &M) {
    let start = out.len();
    if message.encode(out).is_err() {
        out.truncate(start);
    }
}

/// ErrorResponse.
pub fn put_error(out: &mut BytesMut, fields: Vec<(u8, String)>) {
    put(out, &ErrorResponse::new(fields));
}

/// NoticeResponse.
pub fn put_notice(out: &mut BytesMut, fields: Vec<(u8, String)>) {
    put(out, &NoticeResponse::new(fields));
}

/// CommandComplete.
pub fn put_command_complete(out: &mut BytesMut, tag: &str) {
    put(out, &CommandComplete::new(tag.to_owned()));
}

/// Parse without parameter types.
pub fn put_parse(out: &mut BytesMut, name: &str, sql: &str) {
    put(out, &Parse::new(Some(name.to_owned()), sql.to_owned(), Vec::new()));
}

/// Bind with text parameters and text results.
pub fn put_bind(out: &mut BytesMut, portal: &str, statement: &str, values: &[Option<Cow<'_, [u8]>>]) {
    let values = values.iter().map(|v| v.as_deref().map(Bytes::copy_from_slice)).collect();
    put(out, &Bind::new(Some(portal.to_owned()), Some(statement.to_owned()), Vec::new(), values, Vec::new()));
}

/// Execute without a row limit.
pub fn put_execute(out: &mut BytesMut, portal: &str) {
    put(out, &Execute::new(Some(portal.to_owned()), 0));
}

/// Close of a statement.
pub fn put_close_statement(out: &mut BytesMut, name: &str) {
    put(out, &Close::new(b'S', Some(name.to_owned())));
}

/// Close of a portal.
pub fn put_close_portal(out: &mut BytesMut, name: &str) {
    put(out, &Close::new(b'P', Some(name.to_owned())));
}

/// Flush.
pub fn put_flush(out: &mut BytesMut) {
    put(out, &Flush::new());
}

/// Sync.
pub fn put_sync(out: &mut BytesMut) {
    put(out, &Sync::new());
}

/// AuthenticationOk and the other authentication requests: a code and what belongs to it.
pub fn put_authentication(out: &mut BytesMut, code: i32, data: &[u8]) {
    out.put_u8(super::frame::server::AUTHENTICATION);
    out.put_i32(i32::try_from(data.len() + 8).unwrap_or(i32::MAX));
    out.put_i32(code);
    out.put_slice(data);
}

/// A `p` message: password, SASL response, whatever authentication asks for.
pub fn put_password(out: &mut BytesMut, data: &[u8]) {
    out.put_u8(super::frame::client::PASSWORD);
    out.put_i32(i32::try_from(data.len() + 4).unwrap_or(i32::MAX));
    out.put_slice(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_must_end_where_they_should() {
        assert_eq!(query(b"select 1\0"), Ok(&b"select 1"[..]));
        assert!(query(b"select 1").is_err());
        assert!(query(b"select 1\0drop table t\0").is_err());
        assert_eq!(parse(b"s\0select 1\0\0\0"), Ok((&b"s"[..], &b"select 1"[..])));
        assert!(parse(b"s\0select 1\0\0\x01").is_err());
        assert!(parse(b"s\0select 1\0\0\0x").is_err());
        assert!(execute(b"p\0\0\0\0").is_err());
        assert!(describe(b"S").is_err());
        assert!(fields(b"SERROR").is_err());
        assert!(data_row(b"\0\x01\0\0\0\x05abc").is_err());
    }

    #[test]
    fn bind_values_are_read_with_their_formats() {
        let body = b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\0";
        let BindNames { portal, statement, rest } = bind_names(body).unwrap();
        assert_eq!((portal, statement), (&b"p"[..], &b"s"[..]));
        assert_eq!(bind_values(rest), Ok(vec![(1, Some(&b"x"[..])), (1, None)]));
        assert_eq!(
            bind_values(b"\0\x02\0\0\0\x01\0\x02\xff\xff\xff\xff\0\0\0\0"),
            Ok(vec![(0, None), (1, Some(&b""[..]))])
        );
        assert!(bind_values(b"\0\0\xff\xff").is_err());
    }

    #[test]
    fn ours_can_be_read_back() {
        let mut out = BytesMut::new();
        put_parse(&mut out, "n", "select 1");
        assert_eq!(parse(&out[5..]), Ok((&b"n"[..], &b"select 1"[..])));
    }
}
