//! Who has to approve what is held: the conditions of the entries that its findings match, joined to the strictest.

use super::{Entry, Policy, Who, pattern_matches};
use crate::kernel::review::{Conditions, Need, Window};
use crate::kernel::rules::Finding;
use crate::kernel::sql::statement::RelationName;

/// In a list of groups: those who own the table.
pub const OWNERS: &str = "owners";

/// What an entry asks of those who approve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Distinct people, at least.
    pub people: u32,
    /// One person of each; [`OWNERS`] stands for the groups that own the table.
    pub groups: Vec<String>,
    /// Groups whose members may let it through alone.
    pub break_glass: Vec<String>,
    /// When it may run; none: at any time.
    pub windows: Vec<Window>,
}

impl Default for Review {
    fn default() -> Self {
        Self { people: 1, groups: Vec::new(), break_glass: Vec::new(), windows: Vec::new() }
    }
}

/// Groups that own the tables a pattern names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owners {
    /// Patterns of `schema.table`.
    pub tables: Vec<String>,
    pub groups: Vec<String>,
}

/// What is asked of those who approve a change with these findings.
pub(super) fn conditions(policy: &Policy, who: &Who, findings: &[Finding]) -> Conditions {
    let asked = findings.iter().flat_map(|finding| {
        let named = finding.table.as_ref().or(finding.relation.as_ref());
        // Those of what it reaches are asked too; owners are those of what it names.
        let entries = policy.entries_of(who, finding).into_iter();
        let mut asked: Vec<Conditions> = entries.map(|entry| of_entry(entry, &policy.owners, named)).collect();
        if asked.is_empty() {
            asked.push(Conditions::default());
        }
        asked
    });
    asked.reduce(Conditions::join).unwrap_or_default()
}

fn of_entry(entry: &Entry, owners: &[Owners], relation: Option<&RelationName>) -> Conditions {
    let review = &entry.review;
    let mut needs = Vec::new();
    for group in &review.groups {
        if group != OWNERS {
            needs.push(Need { groups: vec![group.clone()] });
        } else if let Some(owning) = relation.and_then(|name| owners_of(owners, name)) {
            needs.push(Need { groups: owning.groups.clone() });
        }
    }
    needs.sort();
    needs.dedup();
    Conditions {
        people: review.people,
        needs,
        break_glass: review.break_glass.clone(),
        windows: if review.windows.is_empty() { Vec::new() } else { vec![review.windows.clone()] },
    }
}

/// The first that matches owns it.
fn owners_of<'a>(owners: &'a [Owners], name: &RelationName) -> Option<&'a Owners> {
    let full = format!("{}.{}", name.schema.as_deref().unwrap_or("public"), name.name);
    owners.iter().find(|one| one.tables.iter().any(|pattern| pattern_matches(pattern, &full)))
}
