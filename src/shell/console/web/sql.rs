//! SQL in colours. The text was written by whoever wants it approved: nothing in it can hide or run.

use maud::{Markup, html};

use super::super::text::lines;
use crate::kernel::sql::agree::{Mark, marked};

/// Lines shown at once; the rest opens on demand.
const LINES_MAX: usize = 60;

/// A block of SQL.
pub(super) fn block(text: &str) -> Markup {
    let all = lines(text);
    let (shown, rest) = all.split_at(all.len().min(LINES_MAX));
    html! {
        pre.sql tabindex="0" { code { (coloured(&shown.join("\n"))) } }
        @if !rest.is_empty() {
            details {
                summary { (rest.len()) " more lines" }
                pre.sql tabindex="0" { code { (coloured(&rest.join("\n"))) } }
            }
        }
    }
}

/// A piece of SQL within a line.
pub(super) fn inline(text: &str) -> Markup {
    html! { code.sql { (coloured(text)) } }
}

fn coloured(text: &str) -> Markup {
    html! {
        @for (mark, piece) in marked(text) {
            @match class(mark) {
                Some(class) => span class=(class) { (piece) },
                None => (piece),
            }
        }
    }
}

fn class(mark: Mark) -> Option<&'static str> {
    match mark {
        Mark::Keyword => Some("k"),
        Mark::Number => Some("n"),
        Mark::Text => Some("s"),
        Mark::Comment => Some("c"),
        Mark::Name | Mark::Plain => None,
    }
}
