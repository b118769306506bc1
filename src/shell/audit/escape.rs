//! Text from outside made harmless: one record stays one line, and nothing in it moves a terminal's
//! cursor, turns the direction of writing round, or hides.

use data_encoding::HEXLOWER;

/// Whether a character must not appear as itself, in the record or on a terminal.
#[must_use]
pub const fn is_harmful(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// 0: as it is. 1: always escaped. 2: first byte of characters of which some are harmful.
const CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0_u8; 256];
    let mut i = 0;
    while i < 0x20 {
        table[i] = 1;
        i += 1;
    }
    table[0x7f] = 1;
    table[b'"' as usize] = 1;
    table[b'\\' as usize] = 1;
    // U+0080–00AD, U+061C, U+180E, U+2000–206F, U+FEFF and U+FFF9, U+E0000.
    table[0xc2] = 2;
    table[0xd8] = 2;
    table[0xe1] = 2;
    table[0xe2] = 2;
    table[0xef] = 2;
    table[0xf3] = 2;
    table
}

/// Appends the inside of a JSON string (without the quotes).
pub(super) fn json_fragment(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(position) {
        at += found;
        let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else {
            break;
        };
        let next = at + c.len_utf8();
        if c == '"' || c == '\\' || is_harmful(c) {
            out.extend_from_slice(bytes.get(copied..at).unwrap_or_default());
            json_escape(out, c);
            copied = next;
        }
        at = next;
    }
    out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
}

/// The first byte that may have to be escaped. Most texts have none: looked at in blocks.
fn position(bytes: &[u8]) -> Option<usize> {
    let plain = |block: &[u8; 16]| {
        block.iter().fold(true, |all, b| all & (matches!(*b, b' '..b'\x7f') & (*b != b'"') & (*b != b'\\')))
    };
    let (blocks, _) = bytes.as_chunks::<16>();
    let skipped = blocks.iter().take_while(|block| plain(block)).count() * 16;
    let rest = bytes.get(skipped..)?;
    // The end is looked at as a block too, one that begins earlier.
    if rest.len() < 16 && bytes.last_chunk().is_some_and(plain) {
        return None;
    }
    rest.iter().position(|b| CLASS[usize::from(*b)] != 0).map(|at| skipped + at)
}

fn json_escape(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        other => {
            let mut units = [0_u16; 2];
            for unit in other.encode_utf16(&mut units) {
                out.extend_from_slice(b"\\u");
                let mut digits = [0; 4];
                HEXLOWER.encode_mut(&unit.to_be_bytes(), &mut digits);
                out.extend_from_slice(&digits);
            }
        }
    }
}

/// The same text, fit for a terminal: harmful characters written as `\u{…}`, line breaks and tabs as one space.
#[must_use]
pub fn for_terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut broken = false;
    for c in text.chars() {
        broken = matches!(c, '\n' | '\t' | '\r') || (broken && c == ' ');
        if broken {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        } else if is_harmful(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        let mut out = vec![b'"'];
        json_fragment(&mut out, text);
        out.push(b'"');
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn plain_text_stays() {
        for text in ["", "select 1", "größe 漢字 🦀 Ω £ €", "a/b'c"] {
            assert_eq!(json(text), format!("\"{text}\""));
        }
    }

    #[test]
    fn harmful_text_is_escaped_and_reads_back() {
        for (text, expected) in [
            ("a\nb\r\t\0", r#""a\nb\r\t\u0000""#),
            ("\"\\", r#""\"\\""#),
            ("\x1b[2J\x7f", r#""\u001b[2J\u007f""#),
            ("\u{85}\u{9b}", r#""\u0085\u009b""#),
            ("x\u{202e}y\u{2066}", r#""x\u202ey\u2066""#),
            ("\u{2028}\u{2029}\u{feff}", r#""\u2028\u2029\ufeff""#),
            ("\u{61c}\u{200b}\u{e0041}", r#""\u061c\u200b\udb40\udc41""#),
        ] {
            assert_eq!(json(text), expected);
            assert_eq!(serde_json::from_str::<String>(&json(text)).unwrap(), text);
        }
    }

    #[test]
    fn every_character_survives_and_none_is_harmful() {
        for c in (0..=0x0010_ffff_u32).filter_map(char::from_u32) {
            let text = format!("a{c}b");
            let written = json(&text);
            assert!(!written.chars().any(is_harmful), "{c:?}");
            if is_harmful(c) || c < '\u{3000}' {
                assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
            }
        }
    }

    #[test]
    fn what_is_harmful_is_found_at_every_place() {
        for before in 0..40 {
            for c in ['"', '\\', '\n', '\x7f', '\u{85}', '\u{202e}'] {
                let text = format!("{}{c}{}", "x".repeat(before), "y".repeat(20));
                assert!(!json(&text).chars().any(is_harmful));
                assert_eq!(serde_json::from_str::<String>(&json(&text)).unwrap(), text);
            }
        }
    }

    #[test]
    fn a_terminal_gets_one_line() {
        assert_eq!(for_terminal("a\n\n\t  b\x1b[31m\u{202e}"), "a b\\u{1b}[31m\\u{202e}");
    }
}
