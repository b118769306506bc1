//! An index by what it can do: method, keys in order, condition. Two are compared by their texts as the same
//! writer wrote them; what differs in spelling only counts as different.

use crate::kernel::facts::IndexFacts;
use crate::kernel::plan::partitioned_index;
use crate::kernel::sql::words::word_at;

/// What an index is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) unique: bool,
    /// `btree`.
    method: String,
    /// Columns and expressions with their operator classes, collations and directions.
    pub(super) keys: Vec<String>,
    included: Vec<String>,
    /// NULLS NOT DISTINCT, WHERE …
    condition: String,
}

/// What one index makes of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    /// It is the same.
    Same,
    /// The other begins with all it has.
    Begins,
    /// The other is not needed any more.
    Replaces,
}

impl Shape {
    /// From what follows the table's name in CREATE INDEX.
    pub(super) fn of_body(unique: bool, body: &str) -> Option<Self> {
        let (method, rest) = body.strip_prefix("USING ")?.split_once(' ')?;
        let (keys, mut rest) = listed(rest)?;
        let mut included = Vec::new();
        if let Some(behind) = rest.strip_prefix(" INCLUDE ") {
            (included, rest) = listed(behind)?;
        }
        let distinct = if rest.contains(" NULLS NOT DISTINCT") { "not distinct" } else { "" };
        let condition = rest.find(" WHERE ").and_then(|at| rest.get(at..)).unwrap_or_default();
        let keys = keys.into_iter().map(|key| plain(&key)).collect();
        Some(Self { unique, method: method.to_owned(), keys, included, condition: format!("{distinct}{condition}") })
    }

    /// Of one that stands there; none for one that does not work.
    pub(super) fn of_facts(index: &IndexFacts) -> Option<Self> {
        if !index.valid {
            return None;
        }
        Self::of_body(index.unique, &partitioned_index::body(&index.definition)?)
    }

    /// Whether a foreign key's look-ups find their rows by it. The condition they imply: a column is not null. BRIN only
    /// says in which blocks to read on.
    pub(super) fn finds_single_rows(&self) -> bool {
        if self.method == "brin" {
            return false;
        }
        let words = self.condition.trim_start_matches("not distinct");
        words.is_empty() || self.keys.iter().any(|key| words == format!(" WHERE {key} IS NOT NULL"))
    }

    /// Its columns, up to the first key that is an expression.
    pub(super) fn plain_keys(&self) -> Vec<String> {
        let column = |key: &String| {
            let word = word_at(key, 0)?;
            let rest = key.get(word.at.end..)?;
            (rest.is_empty() || rest.starts_with(' ')).then_some(word.name)
        };
        self.keys.iter().map_while(column).collect()
    }

    /// What this new one is beside one that stands there.
    pub(super) fn beside(&self, old: &Self, old_may_go: bool) -> Option<Beside> {
        if self.method != old.method || self.condition != old.condition {
            return None;
        }
        let within = |some: &Self, all: &Self| {
            some.included.iter().all(|column| all.included.contains(column) || all.keys.contains(column))
        };
        let begins = |some: &Self, all: &Self| {
            some.method == "btree" && !some.unique && all.keys.starts_with(&some.keys) && within(some, all)
        };
        if self.keys == old.keys {
            if within(self, old) && (old.unique || !self.unique) {
                return Some(Beside::Same);
            }
            return (within(old, self) && old_may_go && !old.unique).then_some(Beside::Replaces);
        }
        if begins(self, old) {
            return Some(Beside::Begins);
        }
        (begins(old, self) && old_may_go).then_some(Beside::Replaces)
    }
}

/// Without the words that say what is so anyway.
fn plain(key: &str) -> String {
    let key = key.strip_suffix(" NULLS LAST").filter(|key| !key.ends_with(" DESC")).unwrap_or(key);
    let key = key.strip_suffix(" ASC").unwrap_or(key);
    key.strip_suffix(" DESC NULLS FIRST").map_or_else(|| key.to_owned(), |key| format!("{key} DESC"))
}

/// `(a, lower(b))` taken apart, and what follows it.
fn listed(text: &str) -> Option<(Vec<String>, &str)> {
    let inner = text.strip_prefix('(')?;
    let (mut items, mut depth, mut from) = (Vec::new(), 0_usize, 0_usize);
    let mut quote = None;
    for (at, byte) in inner.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'(') => depth += 1,
            (None, b',') if depth == 0 => {
                items.push(inner.get(from..at)?.trim().to_owned());
                from = at + 1;
            }
            (None, b')') if depth == 0 => {
                items.push(inner.get(from..at)?.trim().to_owned());
                return Some((items, inner.get(at + 1..)?));
            }
            (None, b')') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside(new: (bool, &str), old: (bool, &str)) -> Option<Beside> {
        let shape = |(unique, body): (bool, &str)| Shape::of_body(unique, &format!("USING {body}")).unwrap();
        shape(new).beside(&shape(old), true)
    }

    #[test]
    fn what_indexes_are_beside_each_other() {
        use Beside::{Begins, Replaces, Same};
        for (new, old, expected) in [
            ((false, "btree (a)"), (false, "btree (a)"), Some(Same)),
            ((false, "btree (a ASC)"), (true, "btree (a)"), Some(Same)),
            ((true, "btree (a)"), (true, "btree (a)"), Some(Same)),
            ((true, "btree (a)"), (false, "btree (a)"), Some(Replaces)),
            ((false, "btree (a)"), (false, "btree (a, b)"), Some(Begins)),
            ((false, "btree (a, b)"), (false, "btree (a)"), Some(Replaces)),
            ((true, "btree (a)"), (true, "btree (a, b)"), None),
            ((true, "btree (a, b)"), (true, "btree (a)"), None),
            ((false, "btree (b)"), (false, "btree (a, b)"), None),
            ((false, "btree (a DESC)"), (false, "btree (a)"), None),
            ((false, "btree (a) WHERE b > 0"), (false, "btree (a)"), None),
            ((false, "btree (a) WHERE b > 0"), (false, "btree (a) WHERE b > 0"), Some(Same)),
            ((false, "hash (a)"), (false, "btree (a)"), None),
            ((false, "gin (a)"), (false, "gin (a, b)"), None),
            ((false, "btree (a text_pattern_ops)"), (false, "btree (a)"), None),
            ((false, "btree (a) INCLUDE (b)"), (false, "btree (a)"), Some(Replaces)),
            ((false, "btree (a)"), (false, "btree (a) INCLUDE (b)"), Some(Same)),
            ((false, "btree (lower(a), \"b,c\")"), (false, "btree (lower(a))"), Some(Replaces)),
            ((true, "btree (a) NULLS NOT DISTINCT"), (true, "btree (a)"), None),
            ((false, "btree (a) WITH (fillfactor=70)"), (false, "btree (a)"), Some(Same)),
        ] {
            assert_eq!(beside(new, old), expected, "{new:?} beside {old:?}");
        }
    }
}
