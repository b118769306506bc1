//! The files of `rules/cases`, taken apart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Assessment, answered, catalog};
use crate::kernel::facts::NameKind;

/// One block of a rule's file.
pub(super) struct Case {
    pub(super) bad: bool,
    pub(super) expected: BTreeSet<String>,
    pub(super) version: u32,
    pub(super) naming: BTreeMap<NameKind, String>,
    pub(super) sql: String,
}

impl Case {
    pub(super) fn assessed(&self) -> Assessment {
        let mut facts = catalog(self.version);
        facts.naming.clone_from(&self.naming);
        answered(&self.sql, self.version, facts)
    }

    fn new(bad: bool, expected: BTreeSet<String>) -> Self {
        Self { bad, expected, version: 15, naming: BTreeMap::new(), sql: String::new() }
    }
}

pub(super) fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/kernel/rules"))
}

pub(super) fn cases(rule: &str) -> Vec<Case> {
    let path = folder().join("cases").join(format!("{}.sql", rule.replace('-', "_")));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("-- bad") {
            let also = rest.trim_start_matches(':').split(',').map(|id| id.trim().to_owned());
            let mut expected: BTreeSet<String> = also.filter(|id| !id.is_empty()).collect();
            expected.insert(rule.to_owned());
            cases.push(Case::new(true, expected));
        } else if line.starts_with("-- good") {
            cases.push(Case::new(false, BTreeSet::new()));
        } else if let (Some(version), Some(case)) = (line.strip_prefix("-- version: "), cases.last_mut()) {
            case.version = version.trim().parse().unwrap();
        } else if let Some(case) = cases.last_mut() {
            // `-- naming: index ix_{columns}` stays in the text: it belongs to the example.
            if let Some((kind, pattern)) = line.strip_prefix("-- naming: ").and_then(|said| said.split_once(' ')) {
                let kind = NameKind::ALL.into_iter().find(|known| known.key() == kind).unwrap();
                case.naming.insert(kind, pattern.to_owned());
            }
            case.sql.push_str(line);
            case.sql.push('\n');
        }
    }
    cases
}
