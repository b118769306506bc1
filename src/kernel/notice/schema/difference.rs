//! What differs between two definitions, in lines for people.

use super::{DefinedColumn, Definition};

/// One line that is gone or new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    Gone(String),
    New(String),
}

impl Difference {
    /// With its sign before it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Gone(line) => format!("- {line}"),
            Self::New(line) => format!("+ {line}"),
        }
    }
}

/// What of a definition is gone and what is new; what was changed stands there as it was and as it is.
#[must_use]
pub fn differences(before: Option<&Definition>, after: Option<&Definition>) -> Vec<Difference> {
    let (was, is) = (before.map(parts).unwrap_or_default(), after.map(parts).unwrap_or_default());
    let mut found = Vec::new();
    for (key, old) in &was {
        let new = is.iter().find(|(other, _)| other == key).map(|(_, line)| line);
        if new != Some(old) {
            found.push(Difference::Gone(old.clone()));
            found.extend(new.cloned().map(Difference::New));
        }
    }
    let fresh = is.into_iter().filter(|(key, _)| was.iter().all(|(other, _)| other != key));
    found.extend(fresh.map(|(_, line)| Difference::New(line)));
    found
}

/// Lines, each with what makes it the same line in another definition.
fn parts(one: &Definition) -> Vec<((&'static str, &str), String)> {
    let mut parts = vec![(("is", ""), format!("{} {}", one.kind, one.qualified()))];
    let lines = [
        ("key", "partition by", &one.partition_key),
        ("part", "partition of", &one.partition_of),
        ("query", "as", &one.query),
    ];
    for (key, word, text) in lines {
        let line = |text: &String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        parts.extend(text.as_ref().map(|text| ((key, ""), format!("{word} {}", line(text)))));
    }
    parts.extend(one.columns.iter().map(|column| (("column", column.name.as_str()), in_words(column))));
    for constraint in &one.constraints {
        // The server's own words say already that it is not valid.
        let line = format!("constraint {} {}", constraint.name, constraint.definition);
        parts.push((("constraint", constraint.name.as_str()), line));
    }
    for index in &one.indexes {
        let invalid = if index.valid { "" } else { " (invalid)" };
        parts.push((("index", index.name.as_str()), format!("{}{invalid}", index.definition)));
    }
    parts
}

fn in_words(column: &DefinedColumn) -> String {
    let mut line = format!("column {} {}", column.name, column.type_sql);
    if column.not_null {
        line.push_str(" not null");
    }
    for (word, text) in [("default", &column.default), ("identity", &column.identity)] {
        if let Some(text) = text {
            line.push_str(&format!(" {word} {text}"));
        }
    }
    if let Some(expression) = &column.generated {
        line.push_str(&format!(" generated as {expression}"));
    }
    line
}
