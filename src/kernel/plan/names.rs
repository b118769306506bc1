//! The names PostgreSQL would choose, and names for our own helpers. Knows nothing of statements.
//!
//! Mirrors `makeObjectName`, `ChooseIndexColumnNames`, `ChooseIndexNameAddition` and
//! `ChooseConstraintName` of the server, so that a safe form leaves the name a client expects.

use std::collections::{BTreeMap, BTreeSet};

use crate::kernel::facts::{Facts, RelationFacts};
use crate::kernel::sql::statement::RelationName;
use crate::kernel::sql::write::{NAME_BYTES, clipped};

/// How many numbered candidates are looked up before a name counts as found.
const CANDIDATES: usize = 4;

/// Names that are taken: by the catalog, and by what this message has been given so far.
#[derive(Debug)]
pub struct Names<'a> {
    facts: &'a Facts,
    given: BTreeSet<String>,
    /// What has been named already, and how.
    kept: BTreeMap<(u32, usize, String), String>,
}

impl<'a> Names<'a> {
    /// Nothing is given out yet.
    #[must_use]
    pub fn new(facts: &'a Facts) -> Self {
        Self { facts, given: BTreeSet::new(), kept: BTreeMap::new() }
    }

    /// The name of one thing of a table, which is chosen when it is first asked for: more than one plan may be made for
    /// the same thing.
    pub fn once(
        &mut self,
        (table, at, what): (&RelationFacts, usize, &str),
        choose: impl FnOnce(&mut Self) -> String,
    ) -> String {
        let key = (table.oid, at, what.to_owned());
        if let Some(name) = self.kept.get(&key) {
            return name.clone();
        }
        let name = choose(self);
        self.kept.insert(key, name.clone());
        name
    }

    /// The name that a NOT NULL without one gets (18).
    pub fn not_null(&mut self, table: &RelationFacts, column: &str) -> String {
        let what = format!("{column} NOT NULL");
        self.once((table, 0, &what), |names| names.constraint(table, column, "not_null"))
    }

    /// A free name for a relation (an index, a sequence) in the schema of `table`.
    pub fn relation(&mut self, table: &RelationFacts, middle: &str, label: &str) -> String {
        self.choose(table, middle, label, |names, name| names.relation_taken(table, name))
    }

    /// A free name for an index that belongs to a constraint: both name spaces must be free.
    pub fn index_constraint(&mut self, table: &RelationFacts, middle: &str, label: &str) -> String {
        self.choose(table, middle, label, |names, name| {
            names.relation_taken(table, name) || constraint_taken(table, name)
        })
    }

    /// A free name for a constraint of `table`.
    pub fn constraint(&mut self, table: &RelationFacts, middle: &str, label: &str) -> String {
        self.choose(table, middle, label, |_, name| constraint_taken(table, name))
    }

    fn choose(
        &mut self,
        table: &RelationFacts,
        middle: &str,
        label: &str,
        taken: impl Fn(&Self, &str) -> bool,
    ) -> String {
        let mut number = 0_usize;
        loop {
            let numbered = if number == 0 { label.to_owned() } else { format!("{label}{number}") };
            let name = object_name(&table.name, middle, &numbered);
            if !self.given.contains(&name) && !taken(self, &name) {
                self.given.insert(name.clone());
                return name;
            }
            number += 1;
        }
    }

    fn relation_taken(&self, table: &RelationFacts, name: &str) -> bool {
        // An index without a table that could own it is looked up as a relation of the same schema;
        // an INVALID one of this table is a left-over of our own and is cleaned up first.
        if let Some(index) = table.index(name) {
            return index.valid;
        }
        let asked = [None, Some(table.schema.clone())];
        asked.into_iter().any(|schema| {
            let written = RelationName { schema, name: name.to_owned() };
            matches!(self.facts.relation(&written), Some(Some(found)) if found.schema == table.schema)
        })
    }
}

/// A name the server makes is free in the whole schema; one that is written need be so in its table only.
fn constraint_taken(table: &RelationFacts, name: &str) -> bool {
    table.constraint(name).is_some() || table.constraint_names.iter().any(|other| other == name)
}

/// `name1_name2_label`, shortened alternately to fit (`makeObjectName`).
#[must_use]
pub fn object_name(name1: &str, name2: &str, label: &str) -> String {
    let overhead = 1 + label.len() + usize::from(!name2.is_empty());
    let available = NAME_BYTES.saturating_sub(overhead);
    let (mut first, mut second) = (name1.len(), name2.len());
    while first + second > available {
        if first > second {
            first -= 1;
        } else {
            second -= 1;
        }
    }
    let first = clipped(name1, first);
    let second = clipped(name2, second);
    if name2.is_empty() { format!("{first}_{label}") } else { format!("{first}_{second}_{label}") }
}

/// A name for something that is gone in the end: `lockkeeper_new_price`, and with a number of its own where that
/// is too long. It depends only on what it is for, so that a plan made anew after a crash finds what is there.
#[must_use]
pub fn helper(what: &str, of: &str) -> String {
    let whole = format!("lockkeeper_{what}_{of}");
    if whole.len() <= NAME_BYTES {
        return whole;
    }
    // FNV-1a: the same in every process.
    let hash = whole
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{}_{hash:016x}", clipped(&whole, NAME_BYTES - 17))
}

/// What a helper of a table is named after: this, or this with the table's number where somebody else has such a name.
pub fn named_after(of: &str, table: &RelationFacts) -> impl Iterator<Item = String> {
    let with_number = format!("{of}_{}", table.oid);
    let more = with_number.clone();
    [of.to_owned(), with_number].into_iter().chain((2..).map(move |number| format!("{more}_{number}")))
}

/// The middle of an index's name: its columns' names, made different from each other.
#[must_use]
pub fn index_middle<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut chosen: Vec<String> = Vec::new();
    for part in parts {
        let mut name = part.to_owned();
        let mut number = 1_usize;
        while chosen.contains(&name) {
            let digits = number.to_string();
            name = format!("{}{digits}", clipped(part, NAME_BYTES - digits.len()));
            number += 1;
        }
        chosen.push(name);
    }
    joined(chosen.iter().map(String::as_str))
}

/// The columns of the INCLUDE clause in an index's text, `USING btree (a) INCLUDE (b, "C")`: they count for its name.
#[must_use]
pub fn included(index_sql: &str) -> Vec<String> {
    let Some((_, rest)) = index_sql.split_once(") INCLUDE (") else { return Vec::new() };
    let mut names = Vec::new();
    let mut name = String::new();
    let mut quoted = false;
    let mut characters = rest.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                name.push('"');
            }
            '"' => quoted = !quoted,
            ',' | ')' if !quoted => {
                names.push(std::mem::take(&mut name));
                if character == ')' {
                    break;
                }
            }
            ' ' if !quoted => {}
            other => name.push(other),
        }
    }
    names
}

/// Names joined by underscores, no longer than the server's buffer allows.
#[must_use]
pub fn joined<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() {
            text.push('_');
        }
        text.push_str(part);
        if text.len() > NAME_BYTES {
            break;
        }
    }
    text
}

/// Relations to look up before a name for `table` can be chosen.
#[must_use]
pub fn candidates(table: &RelationName, middle: &str, label: &str) -> Vec<RelationName> {
    (0..CANDIDATES)
        .map(|number| {
            let numbered = if number == 0 { label.to_owned() } else { format!("{label}{number}") };
            RelationName { schema: table.schema.clone(), name: object_name(&table.name, middle, &numbered) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_joined() {
        assert_eq!(object_name("t", "a_b", "idx"), "t_a_b_idx");
        assert_eq!(object_name("t", "", "pkey"), "t_pkey");
    }

    /// The server's own answer, taken from PostgreSQL 15.
    #[test]
    fn long_names_are_shortened_alternately() {
        let name = object_name(
            "a_very_long_table_name_that_is_long_enough_to_be_cut",
            "another_quite_long_column_name_here",
            "idx",
        );
        assert_eq!(name.len(), 63);
        assert!(name.ends_with("_idx"), "{name}");
    }

    /// As PostgreSQL 15.18 chose them.
    #[test]
    fn long_and_multibyte() {
        let cases: &[(&str, &[&str], &str)] = &[
            (
                "x1ä ääZba漢漢 ä 😀😀 漢__b1Z105",
                &["x1ää ä 漢Zb11Z1_1漢😀漢😀bZ 1漢ä"],
                "x1ä ääZba漢漢 ä 😀_x1ää ä 漢Zb11Z1_1漢😀_idx",
            ),
            (
                "xä漢 漢aZ 1Z_漢1a b1ZZ1😀1_Z_115",
                &["x漢漢Zä _漢😀漢bbbä😀1Z😀Z漢漢_1😀1_ 11"],
                "xä漢 漢aZ 1Z_漢1a b1ZZ1_x漢漢Zä _漢😀漢bbbä_idx",
            ),
            (
                "x1 bb漢Za Za ä1bb😀133",
                &["x1aa😀漢Z漢Zb1a äaääb😀漢漢1 _ a", "x 漢bäbäb😀aZ 漢ä1ä漢a__1a1_äaa_ b1😀a_11a"],
                "x1 bb漢Za Za ä1bb😀133_x1aa😀漢Z漢Zb1a äaääb😀_idx",
            ),
            (
                "xZä😀1b1 _Z 1ZZZ Z1a11ZäbaZ😀😀_ 1ää äb_142",
                &["x1漢ZZäb_1ä1漢b   b😀😀 11_1ä😀b漢漢_bZ_a1 äa "],
                "xZä😀1b1 _Z 1ZZZ Z1a11Zäb_x1漢ZZäb_1ä1漢b   b😀_idx",
            ),
        ];
        for (table, parts, expected) in cases {
            assert_eq!(&object_name(table, &index_middle(parts.iter().copied()), "idx"), expected);
        }
    }

    #[test]
    fn included_columns_are_found_in_the_text() {
        let text = "USING btree (a) INCLUDE (b, \"C, \"\"d\"\")\") WITH (fillfactor=80)";
        assert_eq!(included(text), ["b", "C, \"d\")"]);
        assert!(included("USING btree (a)").is_empty());
    }

    #[test]
    fn a_name_is_never_too_long() {
        assert!(object_name(&"ä".repeat(60), "b", "idx").len() <= 63);
    }

    #[test]
    fn repeated_columns_are_numbered() {
        assert_eq!(index_middle(["a", "a", "expr", "expr"].into_iter()), "a_a1_expr_expr1");
    }
}
