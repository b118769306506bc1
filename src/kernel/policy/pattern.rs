//! Patterns of a policy entry: `*` stands for any text, `?` for one character.

use super::{Match, Who};
use crate::kernel::review::pattern_matches;
use crate::kernel::sql::statement::RelationName;

impl Match {
    /// Whether the entry is about one of these.
    #[must_use]
    pub fn fits(&self, who: &Who, relations: &[&RelationName]) -> bool {
        any(&self.targets, &who.target)
            && any(&self.roles, &who.role)
            && any(&self.applications, &who.application)
            && (self.tables.is_empty() || relations.iter().any(|name| any(&self.tables, &name.written())))
    }
}

fn any(patterns: &[String], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern_matches(pattern, text))
}

#[cfg(test)]
mod tests {
    use super::pattern_matches;

    #[test]
    fn patterns() {
        for (pattern, text) in [
            ("*", ""),
            ("a*b*c", "aXbYbZc"),
            ("*_test", "a_test_test"),
            ("public.*", "public.t"),
            ("?a*c", "xabbc"),
            ("*.audit_*", "a.b.audit_x"),
        ] {
            assert!(pattern_matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a?", "a"), ("public.*", "Public.t"), ("*b", "abc"), ("a?c", "ac")] {
            assert!(!pattern_matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_end_soon() {
        assert!(!pattern_matches(&"*a".repeat(50), &"a".repeat(49)));
        assert!(!pattern_matches(&format!("{}b", "*a".repeat(200)), &"a".repeat(5_000)));
    }
}
