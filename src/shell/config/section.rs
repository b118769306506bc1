//! One section of what was written. Asking for a key takes it; what nobody asked for is a mistake.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use config::{Map, Value, ValueKind};

use super::mistake::{Mistake, nearest};
use super::written::{COMMAND_LINE, ENVIRONMENT, Written, join};

pub(super) struct Section<'a> {
    written: &'a Written,
    pub(super) path: String,
    table: Option<&'a Map<String, Value>>,
    /// Keys asked for: the known ones, once the section has been read.
    known: RefCell<Vec<String>>,
}

/// A list's element: a bare text or a section of its own.
pub(super) enum Item<'a> {
    Text { key: String, text: String },
    Section(Section<'a>),
}

impl<'a> Section<'a> {
    pub(super) fn new(written: &'a Written, path: String, table: Option<&'a Map<String, Value>>) -> Self {
        Self { written, path, table, known: RefCell::new(Vec::new()) }
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.known.borrow_mut().push(key.to_owned());
        self.table?.get(key)
    }

    /// Notes a mistake about one of the section's keys.
    pub(super) fn mistake(&self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let origin = self.origin(key);
        let path = if key.is_empty() { self.path.clone() } else { join(&self.path, key) };
        self.written.mistake(&path, origin, what.into(), remedy.into());
    }

    /// As a mistake, but one that can be lived with.
    pub(super) fn warn(&self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.written.warn(&join(&self.path, key), self.origin(key), what.into(), remedy.into());
    }

    /// Which layer a key's value is from; of a list's element (`listen[0]`) the list's.
    fn origin(&self, key: &str) -> Option<&'a str> {
        let key = key.split('[').next().unwrap_or(key);
        origin_of(self.table?.get(key)?)
    }

    /// Notes a mistake about a file the section refers to.
    pub(super) fn mistake_elsewhere(&self, mistake: Mistake) {
        self.written.push(mistake);
    }

    pub(super) fn environment(&self, name: &str) -> Option<&'a str> {
        self.written.environment.get(name).map(String::as_str)
    }

    /// Whether a key was set by the environment or the command line, which beat what the file's own
    /// sections say.
    pub(super) fn is_override(&self, key: &str) -> bool {
        self.origin(key).is_some_and(|origin| origin == ENVIRONMENT || origin == COMMAND_LINE)
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        let value = self.get(key)?;
        match &value.kind {
            ValueKind::String(text) if !text.is_empty() => Some(text.clone()),
            ValueKind::String(_) => {
                self.mistake(key, "The value is empty.", "Leave the key out for its default.");
                None
            }
            other => {
                self.wrong_type(key, "a text in double quotes", other);
                None
            }
        }
    }

    pub(super) fn texts(&self, key: &str) -> Option<Vec<String>> {
        let value = self.get(key)?;
        let items = self.items_of(key, value);
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Text { text, .. } => texts.push(text),
                Item::Section(section) => self.written.mistake(
                    &section.path,
                    None,
                    "A section stands where a text belongs.".to_owned(),
                    "Write a list of texts.".to_owned(),
                ),
            }
        }
        Some(texts)
    }

    /// A list whose elements are texts or sections. One text alone is a list of one; from outside the
    /// file, commas separate.
    pub(super) fn items(&self, key: &str) -> Option<Vec<Item<'a>>> {
        let value = self.get(key)?;
        Some(self.items_of(key, value))
    }

    fn items_of(&self, key: &str, value: &'a Value) -> Vec<Item<'a>> {
        let path = join(&self.path, key);
        match &value.kind {
            ValueKind::String(text) if self.is_override(key) => {
                text.split(',').map(|text| Item::Text { key: path.clone(), text: text.trim().to_owned() }).collect()
            }
            ValueKind::String(text) => vec![Item::Text { key: path, text: text.clone() }],
            ValueKind::Array(values) => {
                values.iter().enumerate().filter_map(|(index, value)| self.item(key, index, value)).collect()
            }
            other => {
                self.wrong_type(key, "a list", other);
                Vec::new()
            }
        }
    }

    fn item(&self, key: &str, index: usize, value: &'a Value) -> Option<Item<'a>> {
        let path = format!("{}[{index}]", join(&self.path, key));
        match &value.kind {
            ValueKind::String(text) => Some(Item::Text { key: path, text: text.clone() }),
            ValueKind::Table(table) => Some(Item::Section(Section::new(self.written, path, Some(table)))),
            other => {
                self.wrong_type(&format!("{key}[{index}]"), "a text or a section", other);
                None
            }
        }
    }

    /// A list of sections: `[[key]]`.
    pub(super) fn sections(&self, key: &str) -> Vec<Section<'a>> {
        let mut sections = Vec::new();
        for item in self.items(key).unwrap_or_default() {
            match item {
                Item::Section(section) => sections.push(section),
                Item::Text { key: path, .. } => self.written.mistake(
                    &path,
                    None,
                    "A text stands where a section belongs.".to_owned(),
                    format!("Begin each entry with [[{}]].", join(&self.path, key)),
                ),
            }
        }
        sections
    }

    /// A section within; empty when it is absent.
    pub(super) fn section(&self, key: &str) -> Section<'a> {
        let path = join(&self.path, key);
        let table = match self.get(key).map(|value| &value.kind) {
            None => None,
            Some(ValueKind::Table(table)) => Some(table),
            Some(other) => {
                self.wrong_type(key, "a section", other);
                None
            }
        };
        Section::new(self.written, path, table)
    }

    /// The keys written, for sections whose keys are names.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.table.map(|table| table.keys().cloned().collect()).unwrap_or_default();
        names.sort();
        names
    }

    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        match self.get(key).map(|value| &value.kind) {
            None => default,
            Some(ValueKind::Boolean(flag)) => *flag,
            Some(ValueKind::String(text)) if self.is_override(key) && text == "true" => true,
            Some(ValueKind::String(text)) if self.is_override(key) && text == "false" => false,
            Some(other) => {
                self.wrong_type(key, "true or false", other);
                default
            }
        }
    }

    pub(super) fn number(&self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let Some(value) = self.get(key) else {
            return default;
        };
        let number = match &value.kind {
            ValueKind::I64(number) => u64::try_from(*number).ok(),
            ValueKind::String(text) if self.is_override(key) => text.parse().ok(),
            other => {
                self.wrong_type(key, "a whole number", other);
                return default;
            }
        };
        match number {
            Some(number) if range.contains(&number) => number,
            Some(_) | None => {
                self.mistake(
                    key,
                    "The number is out of bounds.",
                    format!("Write a whole number from {} to {}.", range.start(), range.end()),
                );
                default
            }
        }
    }

    pub(super) fn size(&self, key: &str, default: usize, range: RangeInclusive<u64>) -> usize {
        usize::try_from(self.number(key, default as u64, range)).unwrap_or(default)
    }

    /// A duration whose key ends in `_ms`.
    pub(super) fn millis(&self, key: &str, default: Duration, range: RangeInclusive<u64>) -> Duration {
        let default = u64::try_from(default.as_millis()).unwrap_or(*range.end());
        Duration::from_millis(self.number(key, default, range))
    }

    /// A duration whose key ends in `_s`.
    pub(super) fn seconds(&self, key: &str, default: Duration, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(key, default.as_secs(), range))
    }

    /// One word of a few.
    pub(super) fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let all: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.mistake(key, format!("\"{text}\" is not one of the choices."), format!("Write {}.", one_of(&all)));
        }
        found
    }

    /// A file's path, counted from the configuration file's folder.
    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        let text = self.text(key)?;
        Some(if self.is_override(key) { PathBuf::from(text) } else { self.written.resolve(&text) })
    }

    fn wrong_type(&self, key: &str, wanted: &str, found: &ValueKind) {
        let found = match found {
            ValueKind::Nil => "nothing",
            ValueKind::Boolean(_) => "true or false",
            ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a whole number",
            ValueKind::Float(_) => "a number with a fraction",
            ValueKind::String(_) => "a text",
            ValueKind::Table(_) => "a section",
            ValueKind::Array(_) => "a list",
        };
        self.mistake(key, format!("This is {found}."), format!("Write {wanted}."));
    }

    /// Tells the keys nobody asked for.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for name in self.names() {
            if known.contains(&name) {
                continue;
            }
            let remedy = match nearest(&name, known.iter().map(String::as_str)) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => {
                    let mut all: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
                    all.sort();
                    all.dedup();
                    format!("Known here: {}.", all.join(", "))
                }
            };
            let remedy = self.written.with_variables(&join(&self.path, &name), remedy, self.origin(&name));
            self.mistake(&name, "There is no such key.", remedy);
        }
    }
}

/// Where a value is from. A section is from where all in it is from; it has no place of its own.
fn origin_of(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::Table(table) => {
            let mut origins = table.values().map(origin_of);
            let first = origins.next()??;
            origins.all(|other| other == Some(first)).then_some(first)
        }
        _ => value.origin(),
    }
}

/// `"a", "b" or "c"`.
fn one_of(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [head @ .., last] => format!("{} or {last}", head.join(", ")),
    }
}
