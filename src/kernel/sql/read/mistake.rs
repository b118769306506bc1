//! Where in a text the grammar of record stumbles. It says at which token; the same token may stand there
//! more than once, and the first one after which a text that ends there is wrong already is the one.

use super::{Unreadable, UnreadableKind, read};

/// Tokens looked at before the place counts as not known.
const TRIES_MAX: usize = 200;

/// The byte offset of the mistake. `None`: it is not known, or not one of syntax.
#[must_use]
pub fn place(text: &str, error: &Unreadable) -> Option<usize> {
    if error.kind != UnreadableKind::Syntax {
        return None;
    }
    if error.why.ends_with("at end of input") {
        return Some(text.trim_end().len());
    }
    let (_, quoted) = error.why.split_once(" at or near \"")?;
    let token = quoted.strip_suffix('"')?;
    // What does not end is told up to the end.
    if error.why.starts_with("unterminated") && text.ends_with(token) {
        return Some(text.len() - token.len());
    }
    let places: Vec<usize> = text.match_indices(token).map(|(at, _)| at).take(TRIES_MAX).collect();
    let wrong_by = |at: usize| {
        let until = text.get(..at + token.len()).unwrap_or(text);
        read(until).is_err_and(|found| found.why == error.why)
    };
    places.into_iter().find(|at| wrong_by(*at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_the_first_that_is_wrong() {
        for (text, expected) in [
            ("selec 1", 0),
            ("create table t (a int, b int int)", 29),
            ("alter table t add column b int int; select 1", 31),
            ("select 'abc", 7),
            ("create table t (a int", 21),
            ("select 1 from a, b, where, c", 20),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(place(text, &error), Some(expected), "{text}: {error}");
        }
    }
}
