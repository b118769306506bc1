//! `[naming]`: patterns that new names must fit, by what they are of.

use std::collections::BTreeMap;

use super::section::Section;
use crate::kernel::facts::NameKind;
use crate::kernel::rules::definition::naming;

/// The patterns that are written; a kind without one may be named as one likes.
pub(super) fn read(section: Section<'_>) -> BTreeMap<NameKind, String> {
    let mut patterns = BTreeMap::new();
    for kind in NameKind::ALL {
        let Some(pattern) = section.text(kind.key()) else { continue };
        match naming::pattern(&pattern, "t", "c") {
            Ok(_) => drop(patterns.insert(kind, pattern)),
            Err(why) => section.mistake(
                kind.key(),
                format!("\"{pattern}\" is no pattern: {why}."),
                "Write a regular expression that fits a whole name, such as '[a-z][a-z0-9_]*' or 'ix_{table}_{columns}'.",
            ),
        }
    }
    section.finish();
    patterns
}

/// In words.
pub(super) fn explained(patterns: &BTreeMap<NameKind, String>) -> Option<String> {
    let said: Vec<String> = patterns.iter().map(|(kind, pattern)| format!("{} {pattern}", kind.key())).collect();
    (!said.is_empty()).then(|| format!("New names must fit, or are warned of (rule naming): {}.", said.join(", ")))
}
