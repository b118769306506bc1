//! Bytes to text: what a client's encoding means for reading its SQL. Converts nothing for the wire.
//!
//! The server converts a statement to its own encoding and reads the result. Its lexer knows ASCII and,
//! for every byte above 127, one thing: "may be part of an identifier" (`[\x80-\xff]` in scan.l). So a
//! text of an encoding whose multibyte characters hold no ASCII byte splits into the same tokens when each
//! high byte is read as one character U+0080..U+00FF: that is exact for structure, never for names.
//! Encodings whose trail bytes overlap ASCII (a trail byte may be a backslash or a quote) cannot be read so.

use std::borrow::Cow;

/// A client encoding we can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextEncoding {
    Utf8,
    /// SQL_ASCII, ISO 8859, Windows, KOI8: one byte is one character.
    SingleByte,
    /// EUC and MULE_INTERNAL: all bytes of a multibyte character are above 127.
    HighBytes,
}

/// Text that does not have the encoding it claims.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid byte sequence for encoding \"UTF8\" at byte {at}")]
pub struct InvalidText {
    /// Offset of the first byte that does not fit.
    pub at: usize,
}

/// The encoding's name reduced as `pg_char_to_encoding` does: letters and digits only, lower case.
fn reduced(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Encodings in whose characters ASCII bytes occur, by all of PostgreSQL's spellings (14 to 18).
const OVERLAPPING: [&str; 17] = [
    "big5",
    "gb18030",
    "gbk",
    "johab",
    "mskanji",
    "shiftjis",
    "shiftjis2004",
    "sjis",
    "uhc",
    "win932",
    "win936",
    "win949",
    "win950",
    "windows932",
    "windows936",
    "windows949",
    "windows950",
];

/// Whether the server would take statements in it, and they cannot be read. A name that it does not know is its own to
/// refuse.
#[must_use]
pub fn is_unreadable(name: &str) -> bool {
    OVERLAPPING.contains(&reduced(name).as_str())
}

impl TextEncoding {
    /// By any of PostgreSQL's spellings. `None`: unknown, or ASCII bytes occur inside its characters
    /// (SJIS, SHIFT_JIS_2004, BIG5, GBK, GB18030, UHC, JOHAB): cannot be read safely.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        match reduced(name).as_str() {
            "utf8" | "unicode" => Some(Self::Utf8),
            "sqlascii" | "latin1" | "latin2" | "latin3" | "latin4" | "latin5" | "latin6" | "latin7" | "latin8"
            | "latin9" | "latin10" | "iso88591" | "iso88592" | "iso88593" | "iso88594" | "iso88595" | "iso88596"
            | "iso88597" | "iso88598" | "iso88599" | "iso885910" | "iso885913" | "iso885914" | "iso885915"
            | "iso885916" | "win" | "win866" | "win874" | "win1250" | "win1251" | "win1252" | "win1253" | "win1254"
            | "win1255" | "win1256" | "win1257" | "win1258" | "windows866" | "windows874" | "windows1250"
            | "windows1251" | "windows1252" | "windows1253" | "windows1254" | "windows1255" | "windows1256"
            | "windows1257" | "windows1258" | "alt" | "abc" | "tcvn" | "tcvn5712" | "vscii" | "koi8" | "koi8r"
            | "koi8u" => Some(Self::SingleByte),
            "euccn" | "eucjp" | "eucjis2004" | "euckr" | "euctw" | "muleinternal" => Some(Self::HighBytes),
            _ => None,
        }
    }

    /// The bytes as text for reading, and whether its characters are the client's own.
    pub fn decode(self, bytes: &[u8]) -> Result<(Cow<'_, str>, bool), InvalidText> {
        match std::str::from_utf8(bytes) {
            Ok(text) if self == Self::Utf8 => Ok((Cow::Borrowed(text), true)),
            Ok(text) if text.is_ascii() => Ok((Cow::Borrowed(text), true)),
            Err(error) if self == Self::Utf8 => Err(InvalidText { at: error.valid_up_to() }),
            Ok(_) | Err(_) => Ok((Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect()), false)),
        }
    }

    /// Text that was read by [`Self::decode`] as the bytes it was made of. What no text of the encoding holds is a `?`.
    #[must_use]
    pub fn encode(self, text: &str) -> Cow<'_, [u8]> {
        if self == Self::Utf8 || text.is_ascii() {
            return Cow::Borrowed(text.as_bytes());
        }
        Cow::Owned(text.chars().map(|letter| u8::try_from(letter).unwrap_or(b'?')).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let bytes = b"gr\xf6\xdfe \xff\x80";
        for encoding in [TextEncoding::SingleByte, TextEncoding::HighBytes] {
            assert_eq!(&*encoding.encode(&encoding.decode(bytes).unwrap().0), bytes);
        }
        assert_eq!(&*TextEncoding::SingleByte.encode("日"), b"?");
        assert_eq!(&*TextEncoding::Utf8.encode("日"), "日".as_bytes());
    }

    #[test]
    fn spellings() {
        for name in ["UTF8", "utf-8", "Unicode", "UTF_8"] {
            assert_eq!(TextEncoding::of(name), Some(TextEncoding::Utf8), "{name}");
        }
        for name in ["latin1", "Latin-1", "ISO_8859-5", "WIN1252", "koi8-r", "SQL_ASCII"] {
            assert_eq!(TextEncoding::of(name), Some(TextEncoding::SingleByte), "{name}");
        }
        for name in ["EUC_JP", "euc-kr", "EUC_JIS_2004", "MULE_INTERNAL"] {
            assert_eq!(TextEncoding::of(name), Some(TextEncoding::HighBytes), "{name}");
        }
        for name in ["SJIS", "SHIFT_JIS_2004", "BIG5", "GBK", "GB18030", "UHC", "JOHAB", "mskanji", "utf16", ""] {
            assert_eq!(TextEncoding::of(name), None, "{name}");
        }
        for (name, unreadable) in
            [("S-JIS", true), ("Windows_932", true), ("utf16", false), ("", false), ("latin1", false), ("UTF8", false)]
        {
            assert_eq!(is_unreadable(name), unreadable, "{name}");
        }
        assert!(OVERLAPPING.iter().all(|name| TextEncoding::of(name).is_none()));
    }

    #[test]
    fn decoding() {
        assert_eq!(TextEncoding::Utf8.decode("ä".as_bytes()).unwrap(), ("ä".into(), true));
        assert_eq!(TextEncoding::Utf8.decode(b"a\xffb"), Err(InvalidText { at: 1 }));
        assert_eq!(TextEncoding::SingleByte.decode(b"a\xe4").unwrap(), ("aä".into(), false));
        assert_eq!(TextEncoding::HighBytes.decode(b"plain").unwrap(), ("plain".into(), true));
    }
}
