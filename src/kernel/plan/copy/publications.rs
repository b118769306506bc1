//! Publications that name the table. Their subscribers know it by its name: they are sent none of what is copied, and go
//! on with what is written to the copy once that has the name.

use super::{Anew, Copy};
use crate::kernel::facts::{Whole, WholePublication};
use crate::kernel::plan::quote;

/// Why what sends its rows on, or writes what others send, could not go on with the copy.
pub(super) fn impossible(whole: &Whole, anew: Anew<'_>) -> Option<String> {
    if let Some(name) = &whole.subscription {
        return Some(format!("subscription {name} writes to it, and would write to nothing afterwards"));
    }
    if let Some(name) = &whole.published_by_place {
        return Some(format!("publication {name} sends every table of its schema, and would send the copy's rows too"));
    }
    whole.publications.iter().find_map(|publication| {
        let name = &publication.name;
        Some(if anew == Anew::Logged(false) {
            format!("publication {name} sends its rows, and the server refuses that of an unlogged table")
        } else if !publication.may_alter {
            format!(
                "publication {name} sends its rows, and would have to be given the copy, but this role does not have the \
                 rights of its owner"
            )
        } else if names(publication, anew.changed()) {
            format!("publication {name} names columns that get other values or another type")
        } else {
            return None;
        })
    })
}

/// A filter may name each of them.
fn names(publication: &WholePublication, changed: &[String]) -> bool {
    let listed = publication.columns.iter().flatten().any(|column| changed.contains(column));
    listed || publication.filter.is_some() && !changed.is_empty()
}

impl Copy<'_> {
    /// Once the copy has the table's name.
    pub(super) fn published_again(&self) -> Vec<String> {
        let publications = self.whole.publications.iter();
        publications.map(|publication| again(publication, &self.relation())).collect()
    }

    /// For people.
    pub(super) fn publications_said(&self) -> String {
        let names: Vec<&str> = self.whole.publications.iter().map(|one| one.name.as_str()).collect();
        match names.as_slice() {
            [] => String::new(),
            [name] => format!(" Publication {name} is given the copy then: its subscribers are sent no row twice."),
            names => format!(
                " Publications {} are given the copy then: their subscribers are sent no row twice.",
                names.join(", ")
            ),
        }
    }
}

fn again(publication: &WholePublication, relation: &str) -> String {
    let columns = publication.columns.as_ref().map(|columns| {
        let columns: Vec<String> = columns.iter().map(|column| quote::identifier(column)).collect();
        format!(" ({})", columns.join(", "))
    });
    let filter = publication.filter.as_ref().map(|filter| format!(" WHERE ({filter})"));
    let name = quote::identifier(&publication.name);
    format!(
        "ALTER PUBLICATION {name} ADD TABLE ONLY {relation}{}{}",
        columns.unwrap_or_default(),
        filter.unwrap_or_default()
    )
}
