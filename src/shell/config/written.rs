//! What was written, layer over layer: the file, then the environment, then the command line.
//!
//! Knows where every value came from, its line included. Decides nothing about what values mean.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat, Value, ValueKind};
use toml::de::{DeTable, DeValue};

use super::mistake::Mistake;
use super::section::Section;

pub(super) const ENVIRONMENT: &str = "the environment";
pub const COMMAND_LINE: &str = "the command line";
const PREFIX: &str = "LOCKKEEPER_";
/// Keys outside sections that the environment may set; within sections all (`LOCKKEEPER_HOLD__REMINDER_S`).
const ENVIRONMENT_KEYS: [&str; 5] = ["LISTEN", "ADMIN", "DATA_DIR", "UPSTREAM", "MODE"];

/// Where a configuration is read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Path and text of the file, if there is one.
    pub file: Option<(PathBuf, String)>,
    /// Variables, in the process's own environment or a test's.
    pub environment: BTreeMap<String, String>,
    pub overrides: Overrides,
}

/// What the command line says, above everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    pub listen: Vec<String>,
    /// `HOST:PORT` or a Unix socket's path.
    pub upstream: Option<String>,
    pub admin: Option<String>,
    pub data_dir: Option<PathBuf>,
    /// `enforce` or `observe`.
    pub mode: Option<String>,
}

impl Sources {
    /// Reads the file and the process's environment.
    pub fn gather(file: Option<&Path>, overrides: &Overrides) -> Result<Self, Mistake> {
        let file = match file {
            None => None,
            Some(path) => Some((path.to_owned(), read_file(path)?)),
        };
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Self { file, environment, overrides: overrides.clone() })
    }
}

fn read_file(path: &Path) -> Result<String, Mistake> {
    let mistake = |what: String, remedy: &str| Mistake {
        file: path.display().to_string(),
        key: String::new(),
        line: None,
        what,
        remedy: remedy.to_owned(),
    };
    let bytes = std::fs::read(path).map_err(|error| {
        mistake(format!("The file cannot be read: {error}."), "Check the path and the permissions.")
    })?;
    String::from_utf8(bytes).map_err(|_| mistake("The file is not UTF-8 text.".to_owned(), "Save it as UTF-8."))
}

/// The layered values, where they came from, and the mistakes found so far.
pub(super) struct Written {
    root: Value,
    file: String,
    /// Relative paths in the file count from here.
    base: PathBuf,
    /// Line by key.
    lines: BTreeMap<String, usize>,
    pub(super) environment: BTreeMap<String, String>,
    mistakes: RefCell<Vec<Mistake>>,
    warnings: RefCell<Vec<Mistake>>,
}

impl Written {
    /// Reads the layers. A file that is not TOML is told with all its errors and not read further.
    pub(super) fn new(sources: &Sources) -> Result<Self, Vec<Mistake>> {
        let (file, base, text) = match &sources.file {
            Some((path, text)) => {
                (path.display().to_string(), path.parent().map(Path::to_owned).unwrap_or_default(), text.as_str())
            }
            None => (String::new(), PathBuf::new(), ""),
        };
        let lines = lines_by_key(&file, text)?;
        let root = layers(sources, &in_reach(text)).map_err(|error| {
            vec![Mistake {
                file: file.clone(),
                key: String::new(),
                line: None,
                what: format!("The configuration cannot be read: {error}."),
                remedy: "Compare with config/gateway.toml.".to_owned(),
            }]
        })?;
        let environment = sources.environment.clone();
        Ok(Self { root, file, base, lines, environment, mistakes: RefCell::default(), warnings: RefCell::default() })
    }

    pub(super) fn root(&self) -> Section<'_> {
        match &self.root.kind {
            ValueKind::Table(table) => Section::new(self, String::new(), Some(table)),
            _ => Section::new(self, String::new(), None),
        }
    }

    /// What to do about a key that the environment sets, with the variables that do so.
    pub(super) fn with_variables(&self, key: &str, remedy: String, origin: Option<&str>) -> String {
        if origin != Some(ENVIRONMENT) {
            return remedy;
        }
        let path = format!("{PREFIX}{}", key.replace('.', "__")).to_ascii_uppercase();
        let sets = |name: &&String| {
            let rest = name.to_ascii_uppercase().strip_prefix(&path).map(str::to_owned);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("__"))
        };
        let names: Vec<&str> = self.environment.keys().filter(sets).map(String::as_str).collect();
        format!("{remedy} It is set by {}: rename or unset that.", names.join(", "))
    }

    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    /// Notes a mistake about a key; it is found by that key's line, else by its section's.
    pub(super) fn mistake(&self, key: &str, origin: Option<&str>, what: String, remedy: String) {
        let mistake = self.located(key, origin, what, remedy);
        self.push(mistake);
    }

    /// Notes something that works but is probably not wanted.
    pub(super) fn warn(&self, key: &str, origin: Option<&str>, what: String, remedy: String) {
        let warning = self.located(key, origin, what, remedy);
        self.warnings.borrow_mut().push(warning);
    }

    fn located(&self, key: &str, origin: Option<&str>, what: String, remedy: String) -> Mistake {
        let outside = origin.filter(|origin| [ENVIRONMENT, COMMAND_LINE].contains(origin));
        let (file, line) = match outside {
            Some(origin) => (origin.to_owned(), None),
            None => (self.file_or_words(), self.line(key)),
        };
        Mistake { file, key: key.to_owned(), line, what, remedy }
    }

    pub(super) fn push(&self, mistake: Mistake) {
        self.mistakes.borrow_mut().push(mistake);
    }

    /// All mistakes and all warnings, in the order of the file.
    pub(super) fn into_mistakes(self) -> (Vec<Mistake>, Vec<Mistake>) {
        let in_order = |mut list: Vec<Mistake>| {
            list.sort_by_key(|mistake| (mistake.file != self.file, mistake.line));
            list
        };
        (in_order(self.mistakes.into_inner()), in_order(self.warnings.into_inner()))
    }

    fn file_or_words(&self) -> String {
        if self.file.is_empty() { "the configuration".to_owned() } else { self.file.clone() }
    }

    fn line(&self, key: &str) -> Option<usize> {
        let mut key = key;
        loop {
            if let Some(line) = self.lines.get(key) {
                return Some(*line);
            }
            key = &key[..key.rfind(['.', '['])?];
        }
    }
}

fn layers(sources: &Sources, text: &str) -> Result<Value, config::ConfigError> {
    let named = |kind: ValueKind| Value::new(Some(&COMMAND_LINE.to_owned()), kind);
    let text_of = |text: &Option<String>| text.clone().map(|text| named(ValueKind::String(text)));
    let overrides = &sources.overrides;
    let listen = (!overrides.listen.is_empty()).then(|| {
        let addresses = overrides.listen.iter().cloned().map(|text| named(ValueKind::String(text)));
        named(ValueKind::Array(addresses.collect()))
    });
    let data_dir = overrides.data_dir.as_ref().map(|path| path.display().to_string());
    let built = Config::builder()
        .add_source(File::from_str(text, FileFormat::Toml))
        .add_source(
            Environment::with_prefix(PREFIX.trim_end_matches('_'))
                .prefix_separator("_")
                .separator("__")
                .ignore_empty(true)
                .source(Some(variables(&sources.environment, text))),
        )
        .set_override_option("listen", listen)?
        .set_override_option("upstream", text_of(&overrides.upstream))?
        .set_override_option("admin", text_of(&overrides.admin))?
        .set_override_option("data_dir", text_of(&data_dir))?
        .set_override_option("mode", text_of(&overrides.mode))?
        .build();
    Ok(built?.cache)
}

/// Only variables that can be meant for the configuration: others with our prefix belong to the command
/// line (`LOCKKEEPER_CONFIG`), to secrets, or to somebody's tests. What the file names holds a secret, whatever it is called.
fn variables(environment: &BTreeMap<String, String>, text: &str) -> config::Map<String, String> {
    let mut named = Vec::new();
    note_named(&DeValue::Table(DeTable::parse_recoverable(text).0.into_inner()), &mut named);
    environment
        .iter()
        .filter(|(name, _)| {
            let is_meant = |rest: &str| rest.contains("__") || ENVIRONMENT_KEYS.contains(&rest);
            name.strip_prefix(PREFIX).is_some_and(is_meant) && !named.contains(name)
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The texts of a file that could name a variable of ours.
fn note_named(value: &DeValue<'_>, names: &mut Vec<String>) {
    match value {
        DeValue::Table(table) => table.values().for_each(|value| note_named(value.get_ref(), names)),
        DeValue::Array(array) => array.iter().for_each(|value| note_named(value.get_ref(), names)),
        DeValue::String(text) if text.starts_with(PREFIX) => names.push(text.to_string()),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

/// The line of every key, or everything that keeps the text from being TOML.
fn lines_by_key(file: &str, text: &str) -> Result<BTreeMap<String, usize>, Vec<Mistake>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let mistakes = errors.iter().map(|error| Mistake {
            file: file.to_owned(),
            key: String::new(),
            line: error.span().map(|span| line_at(text, span.start)),
            what: format!("This is not TOML: {}.", error.message().replace('\n', ", ")),
            remedy: "Write `key = value` lines and `[section]` headings; texts stand in double quotes.".to_owned(),
        });
        let mut mistakes: Vec<Mistake> = mistakes.collect();
        mistakes.sort_by_key(|mistake| mistake.line);
        mistakes.dedup_by_key(|mistake| mistake.line);
        return Err(mistakes);
    }
    let mut lines = BTreeMap::new();
    note_table(text, "", table.get_ref(), &mut lines);
    Ok(lines)
}

/// With numbers that no type holds made ones that no key takes: each is told at its key, and what else is wrong too.
fn in_reach(text: &str) -> String {
    let mut spans = Vec::new();
    note_numbers(&DeValue::Table(DeTable::parse_recoverable(text).0.into_inner()), 0..0, &mut spans);
    spans.sort_by_key(|span| span.start);
    let mut text = text.to_owned();
    spans.into_iter().rev().for_each(|span| text.replace_range(span, "-1"));
    text
}

fn note_numbers(value: &DeValue<'_>, span: Range<usize>, spans: &mut Vec<Range<usize>>) {
    match value {
        DeValue::Table(table) => table.values().for_each(|value| note_numbers(value.get_ref(), value.span(), spans)),
        DeValue::Array(array) => array.iter().for_each(|value| note_numbers(value.get_ref(), value.span(), spans)),
        DeValue::Integer(number) if i64::from_str_radix(number.as_str(), number.radix()).is_err() => spans.push(span),
        // Written in digits, and no number any more.
        DeValue::Float(number) if number.as_str().ends_with(|c: char| c.is_ascii_digit()) => {
            spans.extend(number.as_str().parse::<f64>().is_ok_and(f64::is_infinite).then_some(span));
        }
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::String(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

fn note_table(text: &str, path: &str, table: &DeTable<'_>, lines: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let path = join(path, key.get_ref());
        lines.insert(path.clone(), line_at(text, key.span().start));
        note_value(text, &path, value.get_ref(), lines);
    }
}

fn note_value(text: &str, path: &str, value: &DeValue<'_>, lines: &mut BTreeMap<String, usize>) {
    match value {
        DeValue::Table(table) => note_table(text, path, table, lines),
        DeValue::Array(array) => {
            for (index, item) in array.iter().enumerate() {
                let path = format!("{path}[{index}]");
                lines.insert(path.clone(), line_at(text, item.span().start));
                note_value(text, &path, item.get_ref(), lines);
            }
        }
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
