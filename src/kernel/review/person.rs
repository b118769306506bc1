//! Who a name stands for, as far as a name can tell. Identity itself is the business of the doors.

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

/// Whether two names mean the same person, or look as if they did: letter case, surrounding white space
/// and letters of other alphabets that look the same do not count.
#[must_use]
pub fn same_person(one: &str, other: &str) -> bool {
    fold(one) == fold(other)
}

/// Upper case first: letters such as `ſ` and `ß` have a fold only by that way.
fn fold(name: &str) -> String {
    let plain: String = name.trim().chars().filter(|c| !matches!(c, '\u{300}'..='\u{36f}')).map(plain).collect();
    plain.to_uppercase().to_lowercase().chars().map(look).collect()
}

/// Full-width and mathematical letters as the ones they are a form of.
fn plain(c: char) -> char {
    let letter = |first: u8, at: u32| char::from(first.saturating_add(u8::try_from(at).unwrap_or_default()));
    match u32::from(c) {
        code @ 0xff01..=0xff5e => letter(b'!', code - 0xff01),
        code @ 0x1d400..=0x1d6a3 => match (code - 0x1d400) % 52 {
            at @ 0..26 => letter(b'A', at),
            at => letter(b'a', at - 26),
        },
        _ => c,
    }
}

/// The Latin letter that a Cyrillic, Greek or phonetic one is taken for.
fn look(c: char) -> char {
    const ALIKE: [(char, &str); 22] = [
        ('a', "аɑα"),
        ('b', "Ьь"),
        ('c', "сϲᴄ"),
        ('d', "ԁ"),
        ('e', "еҽ"),
        ('f', "ſƒ"),
        ('g', "ɡց"),
        ('h', "һհ"),
        ('i', "іıιɩӏ"),
        ('j', "јϳ"),
        ('k', "кκᴋ"),
        ('m', "мᴍ"),
        ('n', "ոռ"),
        ('o', "оοσօᴏ"),
        ('p', "рρ"),
        ('q', "ԛգ"),
        ('s', "ѕꜱ"),
        ('t', "тτᴛ"),
        ('u', "υսᴜ"),
        ('v', "νѵᴠ"),
        ('x', "хχ"),
        ('y', "уүγ"),
    ];
    let alike = ALIKE.iter().find(|(_, others)| others.contains(c)).map(|(latin, _)| *latin);
    match alike.unwrap_or(c) {
        'ԝ' | 'ᴡ' => 'w',
        'l' | '1' | '|' | 'ⅼ' => 'i',
        '0' => 'o',
        other => other,
    }
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
