//! Text written by others, made safe to print: nothing in it moves the cursor, hides or changes direction.

use crate::kernel::review::is_invisible;

/// One line: every character that is not plainly visible is written as its code point, line ends too.
#[must_use]
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// One line of at most `width` characters.
#[must_use]
pub fn short(text: &str, width: usize) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let safe = line(&words);
    if safe.chars().count() <= width {
        return safe;
    }
    safe.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Several lines. Runs of blank lines, which could push the rest out of sight, are counted instead of shown.
#[must_use]
pub fn lines(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut blank = 0_usize;
    for text in text.split('\n') {
        let text = text.strip_suffix('\r').unwrap_or(text).replace('\t', "    ");
        if text.trim().is_empty() {
            blank += 1;
            continue;
        }
        skip(&mut out, blank);
        blank = 0;
        out.push(line(text.trim_end()));
    }
    out
}

fn skip(out: &mut Vec<String>, blank: usize) {
    match blank {
        0 => {}
        1 => out.push(String::new()),
        many => out.push(format!("({many} blank lines)")),
    }
}
