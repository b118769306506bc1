//! What a server says after login, for where the gateway answers a whole session itself.

use bytes::{BufMut, BytesMut};

use super::frame::server;

/// One column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub oid: u32,
    /// Bytes of a value, or -1.
    pub size: i16,
    pub binary: bool,
}

/// A frame whose body is written by `body`. One that would be too long for its length field is left out: results
/// are bounded far below.
fn put(out: &mut BytesMut, tag: u8, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u8(tag);
    out.put_i32(0);
    body(out);
    match i32::try_from(out.len() - start - 1) {
        Ok(length) => {
            if let Some(place) = out.get_mut(start + 1..start + 5) {
                place.copy_from_slice(&length.to_be_bytes());
            }
        }
        Err(_) => out.truncate(start),
    }
}

/// A text ends at its first NUL, wherever it came from.
fn put_text(out: &mut BytesMut, text: &str) {
    out.put_slice(text.split('\0').next().unwrap_or_default().as_bytes());
    out.put_u8(0);
}

fn count(number: usize) -> i16 {
    i16::try_from(number).unwrap_or(i16::MAX)
}

/// ParameterStatus.
pub fn put_parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    put(out, server::PARAMETER_STATUS, |out| {
        put_text(out, name);
        put_text(out, value);
    });
}

/// BackendKeyData.
pub fn put_key(out: &mut BytesMut, process: i32, key: &[u8]) {
    put(out, server::BACKEND_KEY_DATA, |out| {
        out.put_i32(process);
        out.put_slice(key);
    });
}

/// ReadyForQuery with a transaction status: `I`, `T` or `E`.
pub fn put_ready(out: &mut BytesMut, status: u8) {
    put(out, server::READY, |out| out.put_u8(status));
}

/// ParseComplete, BindComplete, CloseComplete, NoData, PortalSuspended, EmptyQueryResponse: a tag and nothing else.
pub fn put_bare(out: &mut BytesMut, tag: u8) {
    put(out, tag, |_| {});
}

/// ParameterDescription.
pub fn put_parameters(out: &mut BytesMut, oids: &[u32]) {
    put(out, server::PARAMETER_DESCRIPTION, |out| {
        out.put_i16(count(oids.len()));
        oids.iter().for_each(|oid| out.put_u32(*oid));
    });
}

/// RowDescription.
pub fn put_row_description(out: &mut BytesMut, fields: &[Field]) {
    put(out, server::ROW_DESCRIPTION, |out| {
        out.put_i16(count(fields.len()));
        for field in fields {
            put_text(out, &field.name);
            out.put_u32(0);
            out.put_i16(0);
            out.put_u32(field.oid);
            out.put_i16(field.size);
            out.put_i32(-1);
            out.put_i16(i16::from(field.binary));
        }
    });
}

/// DataRow.
pub fn put_row(out: &mut BytesMut, values: &[Option<Vec<u8>>]) {
    put(out, server::DATA_ROW, |out| {
        out.put_i16(count(values.len()));
        for value in values {
            match value {
                None => out.put_i32(-1),
                Some(bytes) => {
                    out.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
                    out.put_slice(bytes);
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::wire::message::{Reader, data_row};

    #[test]
    fn frames_say_their_own_length() {
        let mut out = BytesMut::new();
        put_row(&mut out, &[None, Some(b"ab".to_vec())]);
        assert_eq!(data_row(&out[5..]), Ok(vec![None, Some(&b"ab"[..])]));
        assert_eq!(Reader::new(&out[1..]).int32(), Ok(i32::try_from(out.len()).unwrap() - 1));
        let mut out = BytesMut::new();
        put_parameter_status(&mut out, "a\0b", "c");
        assert_eq!(&out[5..], b"a\0c\0");
    }
}
