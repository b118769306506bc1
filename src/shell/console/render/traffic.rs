//! What others felt of a change, for people at a terminal.

use super::super::view::ChangeFull;
use super::grouped;
use crate::kernel::traffic::{Figures, Traffic, took};

/// In one line of a page; nothing where it is not known.
pub(in crate::shell::console) fn felt(full: &ChangeFull) -> String {
    full.traffic.as_ref().map(|traffic| format!("Felt by others: {}\n", traffic.felt.words())).unwrap_or_default()
}

/// Before, during and after, line by line.
pub(in crate::shell::console) fn table(traffic: &Traffic) -> String {
    let felt = &traffic.felt;
    let mut out = format!("{:<8}  {:>11}  {:>9}  {:>9}  {:>9}\n", "", "STATEMENTS", "MEDIAN", "P99", "LONGEST");
    for (when, part) in [("before", felt.before), ("during", felt.during), ("after", felt.after)] {
        let Figures { statements, median_us, p99_us, longest_us } = part.unwrap_or_default();
        let (median, p99, longest) = (took(median_us), took(p99_us), took(longest_us));
        out += &match part {
            Some(_) => format!("{when:<8}  {:>11}  {median:>9}  {p99:>9}  {longest:>9}\n", grouped(statements)),
            None => format!("{when:<8}  {:>11}\n", "none"),
        };
    }
    if let Some(longest) = &felt.longest {
        let name = if longest.name.is_empty() { String::new() } else { format!(": {}", longest.name) };
        out += &format!("{}{name}\n", longest.words());
    }
    out
}
