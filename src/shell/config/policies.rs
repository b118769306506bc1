//! Policies: the shipped profiles, and those written in the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::mistake::nearest;
use super::section::Section;
use crate::kernel::policy::{Entry, Match, OWNERS, Owners, Policy, Review, SMALL_BYTES, SMALL_ROWS};
use crate::kernel::review::{Kind, People, Window};
use crate::kernel::rules::{self, Response, RuleId};

/// Nobody gets more people together for one change.
const PEOPLE_MAX: u32 = 20;
const COUNT_MAX: u64 = i64::MAX as u64;
const GRACE_SECONDS_MAX: u64 = 366 * 24 * 3600;

const RESPONSES: [(&str, Response); 6] = [
    ("pass", Response::Pass),
    ("warn", Response::Warn),
    ("defer", Response::Defer),
    ("rewrite", Response::Rewrite),
    ("hold", Response::Hold),
    ("refuse", Response::Refuse),
];

/// What becomes of a rewrite inside a transaction block.
const IN_TRANSACTION: [(&str, bool); 2] = [("refuse", false), ("defer", true)];

/// The shipped profiles by name.
pub(super) fn built_in() -> BTreeMap<String, Arc<Policy>> {
    let shipped = [Policy::standard(), Policy::defer(), Policy::strict(), Policy::observe()];
    shipped.into_iter().map(|policy| (policy.name.clone(), Arc::new(policy))).collect()
}

/// The shipped profiles and the `[policy.NAME]` sections, with the `[[owners]]` that all of them know.
pub(super) fn read(root: &Section<'_>) -> BTreeMap<String, Arc<Policy>> {
    let (section, owners) = (&root.section("policy"), owners(root));
    let mut policies = built_in();
    for name in section.names() {
        let inner = section.section(&name);
        if policies.contains_key(&name) {
            section.mistake(&name, format!("\"{name}\" is a shipped profile."), "Give your policy another name.");
        }
        let observe = inner.flag("observe", false);
        let policy = Policy { observe, entries: entries(&inner, observe), name: name.clone(), owners: owners.clone() };
        inner.finish();
        policies.insert(name, Arc::new(policy));
    }
    policies
}

fn entries(section: &Section<'_>, observe: bool) -> Vec<Entry> {
    let rules = section.sections("rules");
    let count = rules.len();
    let mut entries = Vec::with_capacity(count);
    for (index, rule) in rules.into_iter().enumerate() {
        let entry = entry(&rule, observe);
        let catches_all = entry.matches == Match::default();
        if catches_all && index + 1 < count {
            rule.mistake(
                "",
                "This entry matches everything, so those after it are never reached.",
                "Move it to the end, or say whom or what it is for: targets, roles, applications or tables.",
            );
        } else if !catches_all && index + 1 == count {
            rule.mistake(
                "",
                "The last entry must match everything.",
                format!("Add another [[{}.rules]] without targets, roles, applications and tables.", section.path),
            );
        }
        rule.finish();
        entries.push(entry);
    }
    if entries.is_empty() {
        section.mistake("", "The policy has no entry.", format!("Add [[{}.rules]].", section.path));
    }
    entries
}

fn entry(section: &Section<'_>, observe: bool) -> Entry {
    let patterns = |key: &str| {
        let patterns = section.texts(key);
        if patterns.as_ref().is_some_and(Vec::is_empty) {
            section.mistake(key, "An empty list matches nothing.", "Leave the key out to match all.");
        }
        patterns.unwrap_or_default()
    };
    Entry {
        matches: Match {
            targets: patterns("targets"),
            roles: patterns("roles"),
            applications: patterns("applications"),
            tables: tables(section, patterns("tables")),
        },
        small_rows: section.number("small_rows", SMALL_ROWS, 0..=COUNT_MAX),
        small_bytes: section.number("small_bytes", SMALL_BYTES, 0..=COUNT_MAX),
        defers: section.choice("in_transaction", &IN_TRANSACTION).unwrap_or(false),
        drop_grace: millis(section.seconds("drop_grace_s", Duration::ZERO, 0..=GRACE_SECONDS_MAX)),
        rename_grace: millis(section.seconds("rename_grace_s", Duration::ZERO, 0..=GRACE_SECONDS_MAX)),
        responses: responses(section.section("responses"), observe),
        review: review(section.section("review")),
    }
}

fn review(section: Section<'_>) -> Review {
    let mut windows = Vec::new();
    for text in section.texts("windows").unwrap_or_default() {
        match Window::parse(&text) {
            Some(window) => windows.push(window),
            None => section.mistake(
                "windows",
                format!("\"{text}\" is no window of time."),
                "Write days and hours in UTC, as in \"Mon-Fri 09:00-16:30\" or \"22:00-04:00\".",
            ),
        }
    }
    let people = section.number("people", 1, 1..=u64::from(PEOPLE_MAX));
    let review = Review {
        people: u32::try_from(people).unwrap_or(PEOPLE_MAX),
        groups: section.texts("groups").unwrap_or_default(),
        break_glass: section.texts("break_glass").unwrap_or_default(),
        windows,
    };
    section.finish();
    review
}

/// A place that nobody can fill keeps every change waiting for ever. Whom a provider names is not known beforehand.
pub(super) fn warn_of_empty_groups(
    root: &Section<'_>,
    policies: &BTreeMap<String, Arc<Policy>>,
    (people, provider): (&People, bool),
) {
    let is_empty = |group: &&String| {
        let mut persons = people.profiles.iter().filter(|profile| profile.kind == Kind::Person);
        !provider && *group != OWNERS && !persons.any(|profile| profile.groups.contains(group))
    };
    let remedy = "Put a person into it under [[people]], or name another group.";
    let section = root.section("policy");
    for (name, policy) in policies.iter().filter(|(name, _)| section.names().contains(name)) {
        for (rule, entry) in section.section(name).sections("rules").iter().zip(&policy.entries) {
            let review = rule.section("review");
            for group in entry.review.groups.iter().filter(is_empty) {
                let what = format!("No person is in the group \"{group}\": what is held here can never be approved.");
                review.warn("groups", what, remedy);
            }
            for group in entry.review.break_glass.iter().filter(is_empty) {
                let what = format!("No person is in the group \"{group}\": nobody there can break the glass.");
                review.warn("break_glass", what, remedy);
            }
        }
    }
    let owning = policies.values().map(|policy| policy.owners.as_slice()).find(|owners| !owners.is_empty());
    for (section, owners) in root.sections("owners").iter().zip(owning.unwrap_or_default()) {
        if owners.groups.iter().all(|group| is_empty(&group)) {
            let what = format!("No person is in {}: nobody owns these tables.", owners.groups.join(" or "));
            section.warn("groups", what, remedy);
        }
    }
}

/// The `[[owners]]` sections.
fn owners(root: &Section<'_>) -> Vec<Owners> {
    let mut owners = Vec::new();
    for section in root.sections("owners") {
        let of = tables(&section, section.texts("tables").unwrap_or_default());
        let groups = section.texts("groups").unwrap_or_default();
        if of.is_empty() || groups.is_empty() || groups.iter().any(|group| group == OWNERS) {
            section.mistake(
                "",
                "Owners are groups, of tables.",
                "Write tables = [\"billing.*\"] and groups = [\"billing\"].",
            );
        }
        owners.push(Owners { tables: of, groups });
        section.finish();
    }
    owners
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn tables(section: &Section<'_>, patterns: Vec<String>) -> Vec<String> {
    for pattern in patterns.iter().filter(|pattern| !pattern.contains('.') && *pattern != "*") {
        section.mistake(
            "tables",
            format!("\"{pattern}\" has no schema."),
            format!("Write \"public.{pattern}\", or \"*.{pattern}\" for any schema."),
        );
    }
    patterns
}

fn responses(section: Section<'_>, observe: bool) -> BTreeMap<RuleId, Response> {
    let mut responses = BTreeMap::new();
    for id in section.names() {
        if rules::find(&id).is_none() {
            let remedy = match nearest(&id, rules::all().map(|rule| rule.id)) {
                Some(known) => format!("Did you mean `{known}`?"),
                None => format!("The rules are: {}.", rules::all().map(|rule| rule.id).collect::<Vec<_>>().join(", ")),
            };
            section.mistake(&id, "There is no such rule.", remedy);
        }
        if let Some(response) = section.choice(&id, &RESPONSES) {
            if id == rules::unreadable::RULE.id && !observe && matches!(response, Response::Pass | Response::Warn) {
                section.mistake(
                    &id,
                    "What cannot be read is never let through: it might do anything.",
                    "Write \"hold\" or \"refuse\". A policy with observe = true lets it through, as it does everything.",
                );
            }
            responses.insert(RuleId(id), response);
        }
    }
    section.finish();
    responses
}
