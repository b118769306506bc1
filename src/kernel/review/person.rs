//! Who a name stands for, as far as a name can tell. Identity itself is the business of the doors.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use unicode_security::skeleton;

/// Longest name, in bytes.
const NAME_MAX: usize = 128;

/// The name without surrounding white space, if it can be one: what cannot be seen cannot tell two
/// people apart, so invisible and direction-changing characters are refused.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<String, &'static str> {
    let name = name.trim();
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > NAME_MAX {
        return Err("it is longer than 128 bytes");
    }
    if name.chars().any(|c| c.is_control() || is_invisible(c)) {
        return Err("it contains control or invisible characters");
    }
    Ok(name.to_owned())
}

/// Whether two names mean the same person, or look as if they did: letter case, surrounding white space, accents
/// and letters of other alphabets that look the same (Unicode TS 39) do not count.
#[must_use]
pub fn same_person(one: &str, other: &str) -> bool {
    let (one, other) = (looks(one), looks(other));
    one.iter().any(|look| other.contains(look))
}

/// What a name looks like as it is written, in small letters and in capitals: `I` is taken for `l`, and `i` for `I`.
fn looks(name: &str) -> [String; 3] {
    // Full-width and mathematical letters are the ones they are a form of.
    let plain: String = name.trim().nfkd().filter(|c| !is_combining_mark(*c)).collect();
    // `ſ` and `ß` have small letters only by way of capitals.
    let capitals = plain.to_uppercase();
    let small = capitals.to_lowercase();
    [plain, small, capitals].map(|written| skeleton(&written).collect())
}

/// Whether a text fits a pattern. Goes back at most to the last `*`, so the time is bounded by the product
/// of the lengths.
#[must_use]
pub fn pattern_matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&character) = text.get(position) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(&expected) if expected == '?' || expected == character => {
                at += 1;
                position += 1;
            }
            Some(_) | None => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                position = taken + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|&rest| rest == '*')
}

/// Format characters and blanks that do not look like one
/// (Unicode general categories Cf and Zs, and the fillers and selectors that draw nothing).
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{1680}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}'
        | '\u{2800}' | '\u{3000}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffc}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1345f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e000}'..='\u{f8ff}'
        | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_the_same_is_the_same() {
        for name in [
            "alice",
            "ALICE",
            " Alice\t",
            "аlice",
            "alіce",
            "αlice",
            "ａｌｉｃｅ",
            "𝐚𝓵𝒊ce",
            "alicé",
            "alice\u{301}",
            "a1ice",
            "aIice",
            "AL1CE",
            "a|ice",
            "al\u{131}ce",
            "ali\u{441}e",
            "ⅼ",
        ] {
            let like = if name == "ⅼ" { "l" } else { "alice" };
            assert!(same_person(name, like) && same_person(like, name), "{name}");
        }
        assert!(same_person("bob", "b0b") && same_person("STRASSE", "straße") && same_person("ſam", "sam"));
        for (one, other) in [("alice", "alicia"), ("ann", "anna"), ("bob", "rob"), ("a.b", "a-b"), ("x1", "x2")] {
            assert!(!same_person(one, other), "{one} {other}");
        }
    }
}
