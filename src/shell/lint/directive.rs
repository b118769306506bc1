//! `-- lockkeeper:ignore rule-id[,rule-id] reason`, before the statement it is about or within it.

use std::ops::Range;

use super::report::Problem;
use super::scan::Scan;
use crate::kernel::rules;

const MARK: &str = "lockkeeper:ignore";

/// What one statement's comments say.
#[derive(Debug, Default)]
pub(super) struct Directives {
    /// Rule and reason.
    pub(super) ignored: Vec<(String, String)>,
    pub(super) problems: Vec<Problem>,
}

impl Directives {
    /// What is said to be meant so, and is not found.
    pub(super) fn stale<'a>(&self, found: impl Iterator<Item = &'a str> + Clone) -> Vec<Problem> {
        let unused = self.ignored.iter().filter(|(rule, _)| !found.clone().any(|found| found == rule));
        let problem = |rule: &String| Problem {
            rule: "ignore-comment",
            message: format!("`{MARK} {rule}` ignores nothing: {rule} finds nothing here. Take the comment away"),
        };
        unused.map(|(rule, _)| problem(rule)).collect()
    }
}

/// The directives behind one statement, up to the end of the next.
pub(super) fn between(text: &str, scan: &Scan, gap: Range<usize>) -> Directives {
    let mut all = Directives::default();
    let from = scan.comments.partition_point(|comment| comment.start < gap.start);
    let later = scan.comments.get(from..).unwrap_or_default();
    for comment in later.iter().take_while(|comment| comment.end <= gap.end) {
        let comment = text.get(comment.clone()).unwrap_or_default().trim_start_matches('-').trim();
        let said = comment.strip_prefix("lockkeeper:").and_then(|rest| rest.trim_start().strip_prefix("ignore"));
        let Some(said) = said else { continue };
        let said = said.trim();
        let (ids, reason) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
        let reason = reason.trim().trim_start_matches(['-', ':']).trim();
        let mut problem = |message: String| all.problems.push(Problem { rule: "ignore-comment", message });
        if ids.is_empty() {
            problem(format!("`{MARK}` names no rule: write `-- {MARK} rule-id reason`"));
            continue;
        }
        if reason.is_empty() {
            problem(format!("`{MARK} {ids}` gives no reason, and is not followed: write it behind the rule"));
            continue;
        }
        for id in ids.split(',').filter(|id| !id.is_empty()) {
            if rules::find(id).is_none() {
                problem(format!("`{MARK}` names the rule {id}, which there is not; docs/rules lists them"));
            } else {
                all.ignored.push((id.to_owned(), reason.to_owned()));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::scan::scan;
    use super::*;

    #[test]
    fn a_directive_needs_a_rule_and_a_reason() {
        let text = "-- lockkeeper: ignore drop-table,drop-column nobody reads it any more\n\
                    -- lockkeeper:ignore drop-table\n-- lockkeeper:ignore\n-- lockkeeper:ignore nosuch because\n\
                    -- something else\ndrop table t;";
        let all = between(text, &scan(text), 0..text.len());
        let reason = "nobody reads it any more".to_owned();
        assert_eq!(all.ignored, [("drop-table".to_owned(), reason.clone()), ("drop-column".to_owned(), reason)]);
        let said: Vec<&str> = all.problems.iter().map(|problem| problem.message.as_str()).collect();
        assert!(said[0].contains("no reason") && said[1].contains("no rule") && said[2].contains("nosuch"), "{said:?}");
        assert!(between(text, &scan(text), 140..text.len()).ignored.is_empty());
    }
}
