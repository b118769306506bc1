//! Names PostgreSQL would choose: of indexes and constraints nobody named. Follows makeObjectName,
//! ChooseRelationName, ChooseIndexName and ChooseConstraintName of the server (UTF8 databases).

use super::statement::IndexElement;

/// NAMEDATALEN - 1.
const NAME_BYTES_MAX: usize = 63;

/// What an index is for, as it stands at the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexLabel {
    /// CREATE INDEX.
    Index,
    /// UNIQUE.
    Key,
    PrimaryKey,
    Exclude,
}

/// What a constraint is, as it stands at the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintLabel {
    Check,
    ForeignKey,
    NotNull,
}

/// The name CREATE INDEX (or UNIQUE, PRIMARY KEY, EXCLUDE) would get. `taken` tells whether a relation of
/// that name exists in the table's schema, or, for labels of constraints, a constraint.
#[must_use]
pub fn choose_index_name(
    table: &str,
    elements: &[IndexElement],
    label: IndexLabel,
    taken: impl Fn(&str) -> bool,
) -> String {
    let (label, with_columns) = match label {
        IndexLabel::Index => ("idx", true),
        IndexLabel::Key => ("key", true),
        IndexLabel::PrimaryKey => ("pkey", false),
        IndexLabel::Exclude => ("excl", true),
    };
    let parts: Vec<&str> = elements.iter().map(|element| element.name_part.as_str()).collect();
    let addition = with_columns.then(|| joined(&distinct(&parts)));
    first_free(table, addition.as_deref(), label, taken)
}

/// The name a constraint would get. For CHECK give the column only if the expression mentions exactly one.
#[must_use]
pub fn choose_constraint_name(
    table: &str,
    columns: &[String],
    label: ConstraintLabel,
    taken: impl Fn(&str) -> bool,
) -> String {
    let label = match label {
        ConstraintLabel::Check => "check",
        ConstraintLabel::ForeignKey => "fkey",
        ConstraintLabel::NotNull => "not_null",
    };
    let addition = (!columns.is_empty()).then(|| joined(columns));
    first_free(table, addition.as_deref(), label, taken)
}

fn first_free(table: &str, addition: Option<&str>, label: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = object_name(table, addition, label);
    let mut pass = 0_u32;
    while taken(&name) {
        pass += 1;
        name = object_name(table, addition, &format!("{label}{pass}"));
    }
    name
}

/// makeObjectName: shortens the longer of the two names until all fits.
fn object_name(name: &str, addition: Option<&str>, label: &str) -> String {
    let overhead = label.len() + 1 + usize::from(addition.is_some());
    let available = NAME_BYTES_MAX.saturating_sub(overhead);
    let mut first = name.len();
    let mut second = addition.map_or(0, str::len);
    while first + second > available {
        if first > second { first -= 1 } else { second -= 1 }
    }
    let mut chosen = clipped(name, first).to_owned();
    if let Some(addition) = addition {
        chosen.push('_');
        chosen.push_str(clipped(addition, second));
    }
    chosen.push('_');
    chosen.push_str(label);
    chosen
}

/// At most so many bytes, never a part of a character (pg_mbcliplen).
pub(super) fn clipped(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

/// ChooseIndexColumnNames: a name that was there already gets a number.
fn distinct(parts: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(parts.len());
    for part in parts {
        let mut name = (*part).to_owned();
        let mut number = 0_u32;
        while names.contains(&name) {
            number += 1;
            let suffix = number.to_string();
            name = format!("{}{suffix}", clipped(part, NAME_BYTES_MAX - suffix.len()));
        }
        names.push(name);
    }
    names
}

/// ChooseIndexNameAddition: stops once no more could fit.
fn joined(columns: &[String]) -> String {
    let mut addition = String::new();
    for column in columns {
        if !addition.is_empty() {
            addition.push('_');
        }
        addition.push_str(column);
        if addition.len() > NAME_BYTES_MAX {
            break;
        }
    }
    addition
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(table: &str, parts: &[&str], taken: &[&str]) -> String {
        let elements: Vec<IndexElement> =
            parts.iter().map(|part| IndexElement { column: None, name_part: (*part).to_owned() }).collect();
        choose_index_name(table, &elements, IndexLabel::Index, |name| taken.contains(&name))
    }

    #[test]
    fn plain() {
        assert_eq!(index("orders", &["a"], &[]), "orders_a_idx");
        assert_eq!(index("orders", &["a", "expr", "expr", "a"], &[]), "orders_a_expr_expr1_a1_idx");
        assert_eq!(index("orders", &["a"], &["orders_a_idx", "orders_a_idx1"]), "orders_a_idx2");
    }

    /// As PostgreSQL 15.18 chose them.
    #[test]
    fn long_and_multibyte() {
        let cases: &[(&str, &[&str], &[&str], &str)] = &[];
        for (table, parts, taken, expected) in cases {
            assert_eq!(&index(table, parts, taken), expected);
        }
    }

    #[test]
    fn other_labels() {
        let none = |_: &str| false;
        let a = [IndexElement { column: None, name_part: "a".to_owned() }];
        assert_eq!(choose_index_name("t", &a, IndexLabel::PrimaryKey, none), "t_pkey");
        assert_eq!(choose_index_name("t", &a, IndexLabel::Key, none), "t_a_key");
        assert_eq!(choose_constraint_name("t", &[], ConstraintLabel::Check, none), "t_check");
        let columns = ["a".to_owned(), "b".to_owned()];
        assert_eq!(choose_constraint_name("t", &columns, ConstraintLabel::ForeignKey, none), "t_a_b_fkey");
    }
}
