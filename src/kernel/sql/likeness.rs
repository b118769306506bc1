//! What is the same of statements that differ in their values only: found without reading their grammar, for counting.

use std::borrow::Cow;

/// The text with `0` for each number and `''` for each string literal. A text in which they cannot be told without
/// more than a look (comments, escapes, dollar quotes) stays as it is.
#[must_use]
pub fn likeness(text: &str) -> Cow<'_, str> {
    if text.contains('\\') || text.contains("--") || text.contains("/*") {
        return Cow::Borrowed(text);
    }
    alike(text).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn alike(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // Digits within a name or a parameter's are no value.
    let mut in_word = false;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '\'' | '"' => 2 + rest.get(1..)?.find(c)?,
            '$' if !rest.get(1..)?.starts_with(|c: char| c.is_ascii_digit()) => return None,
            c if c.is_ascii_digit() && !in_word => rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (piece, after) = rest.split_at_checked(taken)?;
        match c {
            '\'' => out.push_str("''"),
            c if c.is_ascii_digit() && !in_word => out.push('0'),
            _ => out.push_str(piece),
        }
        in_word = c == '$' || c == '_' || c.is_alphabetic() || (in_word && c.is_ascii_digit());
        rest = after;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_make_no_difference_and_names_do() {
        for (text, like) in [
            ("SELECT a FROM t WHERE id = 42", "SELECT a FROM t WHERE id = 0"),
            ("UPDATE t1 SET a_2='x''y', b=12.50", "UPDATE t1 SET a_2='''', b=0.0"),
            ("SELECT \"it's 7\" FROM t WHERE id=$12", "SELECT \"it's 7\" FROM t WHERE id=$12"),
            ("SELECT 'ä 1', ö1", "SELECT '', ö1"),
            // What needs a closer look is only like itself.
            ("SELECT 1 -- 'x", "SELECT 1 -- 'x"),
            ("SELECT E'\\'', 1", "SELECT E'\\'', 1"),
            ("SELECT $a$'$a$, 1", "SELECT $a$'$a$, 1"),
            ("SELECT 'open 1", "SELECT 'open 1"),
            ("SELECT 1 /* ' */", "SELECT 1 /* ' */"),
        ] {
            assert_eq!(likeness(text), like);
        }
    }
}
