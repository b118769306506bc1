//! Bound values on their way into the record. They are people's data: left out unless the settings say otherwise.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};

use data_encoding::HEXLOWER;

use super::format::cut;

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

    pub(super) fn record<'a>(
        &self,
        values: impl Iterator<Item = (Option<&'a [u8]>, bool)>,
    ) -> Option<Box<[Option<String>]>> {
        let one: fn(&Self, &[u8], bool) -> String = match self.mode {
            ParameterMode::None => return None,
            ParameterMode::Hash => |this, bytes, _| this.hashed(bytes),
            ParameterMode::Text => |this, bytes, is_text| this.shown(bytes, is_text),
        };
        let list: Box<[_]> = values.map(|(value, is_text)| value.map(|bytes| one(self, bytes, is_text))).collect();
        (!list.is_empty()).then_some(list)
    }

    /// 64 bits: enough to recognise, too little to be a check-sum of secrets.
    fn hashed(&self, bytes: &[u8]) -> String {
        let mut shown = String::with_capacity(32);
        let _ = write!(shown, "keyed:{:016x}:{}", self.key.hash_one(bytes), bytes.len());
        shown
    }

    fn shown(&self, bytes: &[u8], is_text: bool) -> String {
        match std::str::from_utf8(bytes) {
            Ok(text) if is_text => {
                let shown = cut(text, self.limit);
                if shown.len() == text.len() { shown.to_owned() } else { format!("{shown}… ({} bytes)", text.len()) }
            }
            Ok(_) | Err(_) => {
                let shown = HEXLOWER.encode(bytes.get(..self.limit / 2).unwrap_or(bytes));
                let more =
                    if bytes.len() > self.limit / 2 { format!("… ({} bytes)", bytes.len()) } else { String::new() };
                format!("\\x{shown}{more}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(mode: ParameterMode, values: &[(Option<&[u8]>, bool)]) -> Option<Box<[Option<String>]>> {
        Parameters::new(mode, 8).record(values.iter().copied())
    }

    #[test]
    fn nothing_by_default() {
        assert_eq!(record(ParameterMode::default(), &[(Some(b"secret"), true)]), None);
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
        let list =
            record(ParameterMode::Text, &[(Some(b"abc"), true), (Some(b"0123456789"), true), (Some(&[1, 255]), false)])
                .unwrap();
        assert_eq!(list[0].as_deref(), Some("abc"));
        assert_eq!(list[1].as_deref(), Some("01234567… (10 bytes)"));
        assert_eq!(list[2].as_deref(), Some("\\x01ff"));
    }
}
