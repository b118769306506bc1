//! What a change touches beside the relations that rules ask about, as far as it is known.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernel::sql::statement::RelationName;
use crate::kernel::sql::words::words;

/// Objects that are told one by one.
pub const TOUCHED_MAX: usize = 50;

/// Found from what the change names, and what depends on that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Touched {
    /// Tables that were counted first, members of extensions last, by kind and name; at most [`TOUCHED_MAX`].
    pub objects: Vec<TouchedObject>,
    /// How many there are.
    pub count: u64,
    /// Rows of all tables among them, as far as they were counted.
    pub rows: u64,
    /// Over all of them: which they are, and their definitions.
    pub fingerprint: String,
}

/// One of them, as the server calls it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TouchedObject {
    /// `table`, `function`, `table column`, …
    pub kind: String,
    pub name: String,
    /// Of a table that was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

impl Touched {
    /// The tables, views and sequences among those that are told one by one, and those that they are of.
    pub fn relations(&self) -> impl Iterator<Item = RelationName> {
        self.objects.iter().filter_map(TouchedObject::relation)
    }

    /// How many are not told one by one.
    #[must_use]
    pub fn more(&self) -> u64 {
        self.count.saturating_sub(u64::try_from(self.objects.len()).unwrap_or(u64::MAX))
    }
}

impl TouchedObject {
    fn relation(&self) -> Option<RelationName> {
        let is = |kinds: &[&str]| kinds.contains(&self.kind.as_str());
        let name = if is(&["table", "view", "materialized view", "foreign table", "sequence"])
            || is(&["table column", "view column", "materialized view column", "foreign table column"])
        {
            self.name.as_str()
        } else if is(&["table constraint", "trigger", "policy", "rule"]) {
            self.name.rsplit_once(" on ")?.1
        } else {
            self.name.strip_prefix("for ").filter(|_| is(&["default value"]))?
        };
        let mut parts = words(name).map(|word| word.name);
        Some(RelationName { schema: Some(parts.next()?), name: parts.next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_of_what_is_touched() {
        for (kind, name, expected) in [
            ("table", "public.orders", Some("public.orders")),
            ("view", "public.\"Mixed \"\"x. y\"", Some("public.Mixed \"x. y")),
            ("table column", "app.t.c", Some("app.t")),
            ("table constraint", "t_fkey on app.t", Some("app.t")),
            ("default value", "for app.t.c", Some("app.t")),
            ("function", "app.f(integer)", None),
            ("schema", "app", None),
        ] {
            let object = TouchedObject { kind: kind.to_owned(), name: name.to_owned(), rows: None };
            assert_eq!(object.relation().map(|of| of.written()).as_deref(), expected, "{kind} {name}");
        }
    }
}
