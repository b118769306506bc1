//! Bound values on their way into the record. They are people's data: left out unless the settings say otherwise.

use std::hash::{BuildHasher, RandomState};

use data_encoding::HEXLOWER;

use super::escape::json_fragment;
use super::format::{cut, number};
use crate::kernel::wire::message::bind_values;

/// What is recorded of bound values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParameterMode {
    /// Nothing.
    #[default]
    None,
    /// Length and a keyed hash: equal values can be recognised, not read. The key is random and forgotten
    /// when the gateway stops.
    Hash,
    /// The values themselves, cut when long; binary ones in hexadecimal.
    Text,
}

const VALUE_MAX: usize = 1024;

pub(super) struct Parameters {
    mode: ParameterMode,
    /// SipHash with a random key of this process.
    key: RandomState,
    limit: usize,
}

impl Parameters {
    pub(super) fn new(mode: ParameterMode, text_limit: usize) -> Self {
        Self { mode, key: RandomState::new(), limit: text_limit.min(VALUE_MAX) }
    }

    /// Appends the field, unless there is nothing to say. `bound`: what follows the names of a Bind.
    pub(super) fn write(&self, out: &mut Vec<u8>, bound: &[u8]) {
        let one: fn(&Self, &mut Vec<u8>, &[u8], bool) = match self.mode {
            ParameterMode::None => return,
            ParameterMode::Hash => |this, out, bytes, _| this.hashed(out, bytes),
            ParameterMode::Text => |this, out, bytes, is_text| this.shown(out, bytes, is_text),
        };
        // What is not shaped like values has none: the server refuses it.
        let values = bind_values(bound).unwrap_or_default();
        if values.is_empty() {
            return;
        }
        out.extend_from_slice(b",\"parameters\":");
        let mut before = b'[';
        for (format, value) in values {
            out.push(before);
            before = b',';
            match value {
                Some(bytes) => {
                    out.push(b'"');
                    one(self, out, bytes, format == 0);
                    out.push(b'"');
                }
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b']');
    }

    /// 64 bits: enough to recognise, too little to be a check-sum of secrets.
    fn hashed(&self, out: &mut Vec<u8>, bytes: &[u8]) {
        let mut digits = [0; 16];
        HEXLOWER.encode_mut(&self.key.hash_one(bytes).to_be_bytes(), &mut digits);
        out.extend_from_slice(b"keyed:");
        out.extend_from_slice(&digits);
        out.push(b':');
        number(out, bytes.len() as u64);
    }

    fn shown(&self, out: &mut Vec<u8>, bytes: &[u8], is_text: bool) {
        let kept = match std::str::from_utf8(bytes) {
            Ok(text) if is_text => {
                let kept = cut(text, self.limit);
                json_fragment(out, kept);
                kept.len()
            }
            Ok(_) | Err(_) => {
                let kept = bytes.get(..self.limit / 2).unwrap_or(bytes);
                json_fragment(out, "\\x");
                out.extend_from_slice(HEXLOWER.encode(kept).as_bytes());
                kept.len()
            }
        };
        if kept < bytes.len() {
            json_fragment(out, "… (");
            number(out, bytes.len() as u64);
            out.extend_from_slice(b" bytes)");
        }
    }
}

#[cfg(test)]
pub(super) fn bound(values: &[(Option<&[u8]>, bool)]) -> Vec<u8> {
    let count = u16::try_from(values.len()).unwrap().to_be_bytes();
    let mut bytes = count.to_vec();
    values.iter().for_each(|(_, is_text)| bytes.extend([0, u8::from(!is_text)]));
    bytes.extend(count);
    for (value, _) in values {
        bytes.extend(value.map_or(-1, |v| i32::try_from(v.len()).unwrap()).to_be_bytes());
        bytes.extend(value.unwrap_or_default());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(mode: ParameterMode, values: &[(Option<&[u8]>, bool)]) -> Option<Vec<Option<String>>> {
        let mut out = Vec::new();
        Parameters::new(mode, 8).write(&mut out, &bound(values));
        let list = String::from_utf8(out).unwrap();
        list.strip_prefix(",\"parameters\":").map(|list| serde_json::from_str(list).unwrap())
    }

    #[test]
    fn nothing_by_default() {
        assert_eq!(record(ParameterMode::default(), &[(Some(b"secret"), true)]), None);
        assert_eq!(record(ParameterMode::Text, &[]), None);
    }

    #[test]
    fn hashes_recognise_and_hide() {
        let list = record(
            ParameterMode::Hash,
            &[(Some(b"secret"), true), (Some(b"secret"), false), (None, true), (Some(b""), true)],
        )
        .unwrap();
        assert_eq!(list[0], list[1]);
        assert!(list[0].as_ref().unwrap().ends_with(":6") && !format!("{list:?}").contains("secret"));
        assert_eq!(list[2], None);
        let other_run = record(ParameterMode::Hash, &[(Some(b"secret"), true)]).unwrap();
        assert_ne!(list[0], other_run[0]);
    }

    #[test]
    fn text_is_shown_and_cut() {
        let list = record(
            ParameterMode::Text,
            &[(Some(b"a\"c"), true), (Some(b"0123456789"), true), (Some(&[1, 255]), false)],
        )
        .unwrap();
        assert_eq!(list[0].as_deref(), Some("a\"c"));
        assert_eq!(list[1].as_deref(), Some("01234567… (10 bytes)"));
        assert_eq!(list[2].as_deref(), Some("\\x01ff"));
    }
}
