//! The history of what was done to the databases: a page of it, or all that a search finds as one file.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use schemars::JsonSchema;
use serde::Deserialize;

use super::doors::{About, Doors, asked, gives};
use super::{Asked, Identity, Problem, Shared};
use crate::kernel::review::{Instant, Power};
use crate::kernel::traffic::Figures;
use crate::shell::console::render::time;
use crate::shell::console::view::ChangePage;
use crate::shell::store::{Change, ChangeFilter, ChangeOutcome, Store};

/// Changes of a page, unless fewer are asked for.
const LIMIT: u32 = 200;
/// Media types of the files.
const CSV: &str = "text/csv; charset=utf-8";
const JSONL: &str = "application/jsonl";

pub(super) fn doors(doors: Doors) -> Doors {
    let about = gives::<ChangePage>("What was done to the databases, and what was turned down; newest first");
    let about = About { files: &[CSV, JSONL], ..asked::<ListQuery>(about) };
    doors.get("/v1/changes", Power::Read, about, list)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeQuery")]
struct ListQuery {
    /// Words to find in statements, tables, names, rules, reasons: all of them, each as a beginning.
    q: Option<String>,
    /// A table, with or without its schema.
    object: Option<String>,
    /// Login or person who asked, approved or ended it.
    person: Option<String>,
    /// A rule that held it.
    rule: Option<String>,
    /// Name of the target.
    target: Option<String>,
    /// `running`, `done`, `failed`, `undone`, `unknown`, `aborted`, `rejected`, `cancelled`, `expired`; with commas.
    outcome: Option<String>,
    /// Begun on this day or at this time, or later: 2026-11-22 or 2026-11-22T08:00:00Z.
    from: Option<String>,
    /// Begun on this day or before; a time is excluded itself.
    to: Option<String>,
    /// One statement of others had to wait so long for it, or longer.
    waited_ms: Option<u64>,
    /// Only smaller numbers: `next` of the page before.
    before: Option<i64>,
    /// At most 200.
    limit: Option<u32>,
    /// All that is found, as one file.
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    Csv,
    Jsonl,
}

async fn list(State(api): Shared, who: Identity, query: Asked<ListQuery>) -> Result<Response, Problem> {
    let Query(query) = query?;
    let mut outcomes = Vec::new();
    for word in query.outcome.iter().flat_map(|words| words.split(',')) {
        let unknown = || Problem::bad_request(&format!("there is no outcome {word:?}"));
        outcomes.push(ChangeOutcome::parse(word).ok_or_else(unknown)?);
    }
    let limit = query.limit.unwrap_or(LIMIT).clamp(1, LIMIT);
    let filter = ChangeFilter {
        text: query.q,
        object: query.object,
        person: query.person,
        rule: query.rule,
        target: query.target,
        visible: who.visible(),
        outcomes,
        from: query.from.as_deref().map(|text| moment(text, false)).transpose()?,
        to: query.to.as_deref().map(|text| moment(text, true)).transpose()?,
        waited_us: query.waited_ms.map(|ms| ms.saturating_mul(1_000)),
        before: query.before,
        // One more tells whether there is another page.
        limit: limit + 1,
    };
    let store = api.tickets.store.clone();
    if let Some(format) = query.format {
        return Ok(whole(store, filter, format));
    }
    let mut changes = store.changes(filter).await?;
    let more = changes.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if more {
        changes.pop();
    }
    let next = changes.last().filter(|_| more).map(|change| change.id);
    Ok(Json(ChangePage { changes, next }).into_response())
}

/// A day, of which `end` means the end; or a time.
fn moment(text: &str, end: bool) -> Result<Instant, Problem> {
    let unreadable = || Problem::bad_request(&format!("{text:?} is no time: write 2026-11-22 or 2026-11-22T08:00:00Z"));
    if let Ok(day) = text.parse::<jiff::civil::Date>()
        && !text.contains([':', 'T'])
    {
        let day = if end { day.tomorrow().map_err(|_| unreadable())? } else { day };
        let start = day.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| unreadable())?;
        return Ok(Instant(start.timestamp().as_microsecond()));
    }
    let at: jiff::Timestamp = text.parse().map_err(|_| unreadable())?;
    Ok(Instant(at.as_microsecond()))
}

/// All that is found, page by page as it is taken. What becomes of the store on the way cuts it off.
fn whole(store: Store, filter: ChangeFilter, format: Format) -> Response {
    let first = ChangeFilter { before: None, limit: 0, ..filter };
    let pages = try_unfold((store, Some(first), true), move |(store, filter, is_first)| async move {
        let Some(filter) = filter else { return Ok(None) };
        let changes = store.changes(filter.clone()).await.map_err(std::io::Error::other)?;
        let text = match format {
            Format::Csv => csv(&changes, is_first)?,
            Format::Jsonl => jsonl(&changes)?,
        };
        let next = changes.last().map(|last| ChangeFilter { before: Some(last.id), ..filter });
        Ok::<_, std::io::Error>(Some((Bytes::from(text), (store, next, false))))
    });
    let (kind, name) = match format {
        Format::Csv => (CSV, "attachment; filename=\"changes.csv\""),
        Format::Jsonl => (JSONL, "attachment; filename=\"changes.jsonl\""),
    };
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], Body::from_stream(pages)).into_response()
}

fn jsonl(changes: &[Change]) -> Result<Vec<u8>, std::io::Error> {
    let mut out = Vec::new();
    for change in changes {
        serde_json::to_writer(&mut out, change)?;
        out.push(b'\n');
    }
    Ok(out)
}

const COLUMNS: [&str; 26] = [
    "id",
    "began",
    "ended",
    "outcome",
    "target",
    "database",
    "requester",
    "person",
    "approved_by",
    "ended_by",
    "application",
    "objects",
    "rules",
    "recipe",
    "ms",
    "rows",
    "ticket",
    "job",
    "detail",
    "checks",
    "median_ms_before",
    "median_ms_during",
    "median_ms_after",
    "longest_wait_ms",
    "longest_wait_step",
    "statement",
];

fn csv(changes: &[Change], with_header: bool) -> Result<Vec<u8>, std::io::Error> {
    let mut out = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
    if with_header {
        out.write_record(COLUMNS)?;
    }
    for change in changes {
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let felt = change.traffic.as_ref();
        let ms = |us: u64| format!("{}.{:03}", us / 1_000, us % 1_000);
        let median = |part: Option<Figures>| part.map(|part| ms(part.median_us)).unwrap_or_default();
        let longest = felt.and_then(|felt| felt.longest.as_ref());
        let words = |text: &Option<String>| inert(text.as_deref().unwrap_or_default());
        let fields: [String; COLUMNS.len()] = [
            change.id.to_string(),
            time(change.began),
            change.ended.map(time).unwrap_or_default(),
            change.outcome.as_str().to_owned(),
            inert(&change.target),
            inert(&change.database),
            inert(&change.requester),
            words(&change.person),
            inert(&change.approved_by.join(", ")),
            words(&change.ended_by),
            inert(&change.application),
            inert(&change.objects.join(", ")),
            inert(&change.rules.join(", ")),
            inert(&change.recipe),
            number(change.ms),
            number(change.rows),
            change.ticket.map(|id| id.to_string()).unwrap_or_default(),
            change.job.map(|id| id.to_string()).unwrap_or_default(),
            words(&change.detail),
            words(&change.checked()),
            median(felt.and_then(|felt| felt.before)),
            median(felt.and_then(|felt| felt.during)),
            median(felt.and_then(|felt| felt.after)),
            longest.map(|longest| ms(longest.us)).unwrap_or_default(),
            longest.and_then(|longest| longest.step).map(|step| step.to_string()).unwrap_or_default(),
            inert(&change.text),
        ];
        out.write_record(&fields)?;
    }
    out.into_inner().map_err(|error| std::io::Error::other(error.to_string()))
}

/// Text that no spreadsheet takes for a formula: what others wrote must not be run by whoever opens the file.
fn inert(text: &str) -> String {
    let begins = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '|', '%']);
    if begins || text.starts_with(['\t', '\r', '\n']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_table_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n=1", "＝1", "|cmd", "%0A"] {
            assert_eq!(inert(text), format!("'{text}"));
        }
        assert_eq!(inert("DROP TABLE a"), "DROP TABLE a");
    }

    #[test]
    fn days_and_times() {
        let second = |text: &str, end| moment(text, end).map(|at| at.0 / 1_000_000).map_err(|problem| problem.status);
        assert_eq!(second("1970-01-02", false), Ok(86_400));
        assert_eq!(second("1970-01-02", true), Ok(2 * 86_400));
        assert_eq!(second("1970-01-02T00:00:01Z", true), Ok(86_401));
        for text in ["", "yesterday", "2026-13-01", "2026-11-22T08:00"] {
            assert_eq!(second(text, false), Err(400), "{text}");
        }
    }
}
