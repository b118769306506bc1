//! A table as its pages: every part of it from its first page to the last one there is now. A row that
//! moves to a page already passed is found by the next pass.
//!
//! A stretch of pages may be filled in slices, each with a share of every page's rows: what one slice leaves
//! behind on a page makes room there for the next one's rows, and a row that stays on its page needs no new
//! index entries (PostgreSQL docs, 73.7 Heap-Only Tuples).
//!
//! Where a walk has come to is a place that outlives it: a later run begins there. That spares it work and proves
//! nothing: whether all is done, a last look at the whole table says.

use std::cmp::Ordering;
use std::fmt;

use super::super::executor::quoted;
use super::Locked;
use crate::kernel::plan::Backfill;
use crate::shell::database::{Database, DatabaseError, Row};

/// $1 the table. Its parts with rows of their own, how many pages each has, by what it is known, and its indexes.
const PARTS: &str = "\
WITH RECURSIVE tree (oid) AS (
  SELECT pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid
  UNION
  SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) t.oid
)
SELECT pg_catalog.quote_ident(n.nspname::pg_catalog.text) OPERATOR(pg_catalog.||) '.'
    OPERATOR(pg_catalog.||) pg_catalog.quote_ident(c.relname::pg_catalog.text),
  pg_catalog.pg_relation_size(c.oid) OPERATOR(pg_catalog./) pg_catalog.current_setting('block_size')::pg_catalog.int8,
  c.oid, pg_catalog.pg_relation_filenode(c.oid),
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_index i WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid)
FROM tree t JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.oid
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog.\"char\" ORDER BY c.oid";

/// So many rows are no longer few: the pages of fewer are gone to one by one.
const MANY: u64 = 1000;
/// Rows that are looked for and locked one by one.
const FEWEST: u64 = 20;

pub(super) struct Pages {
    parts: Vec<Part>,
}

pub(super) struct Part {
    pub(super) name: String,
    pub(super) pages: u64,
    /// The first page that is still to be walked.
    pub(super) from: u64,
    oid: u32,
    /// Another one has other rows on its pages.
    file: u32,
    indexes: u64,
}

/// All pages before this one have been walked, and those of all earlier parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    oid: u32,
    file: u32,
    page: u64,
    /// The file that the rows were copied to.
    pub(super) into: Option<u32>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.oid, self.file, self.page)?;
        self.into.map_or(Ok(()), |into| write!(f, "/{into}"))
    }
}

impl Place {
    /// Absent for what this version did not write.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let place = Self {
            oid: parts.next()?.parse().ok()?,
            file: parts.next()?.parse().ok()?,
            page: parts.next()?.parse().ok()?,
            into: match parts.next() {
                Some(into) => Some(into.parse().ok()?),
                None => None,
            },
        };
        parts.next().is_none().then_some(place)
    }
}

impl Part {
    pub(super) fn place(&self, page: u64, into: Option<u32>) -> Place {
        Place { oid: self.oid, file: self.file, page, into }
    }
}

/// What a look has found still to be done.
pub(super) enum Left {
    /// So many rows, wherever they will be.
    Fewest(u64),
    /// On these pages of these parts.
    Few(Vec<(String, u64)>),
    Many,
}

/// What one batch is about: a share of the rows on some pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice {
    /// First page, and the one after the last.
    pub(super) pages: (u64, u64),
    /// Of how many shares this is which, counted from 0. A power of two.
    pub(super) of: u64,
    pub(super) share: u64,
}

impl Pages {
    pub(super) async fn look_up<D: Database>(db: &mut D, job: &Backfill) -> Result<Self, DatabaseError> {
        let relation = quoted(&job.relation);
        let rows = db.query(PARTS, &[Some(relation.as_str())]).await?;
        let part = |row: Vec<Option<String>>| match row.as_slice() {
            [Some(name), Some(pages), Some(oid), Some(file), Some(indexes)] => Some(Part {
                name: name.clone(),
                pages: pages.parse().ok()?,
                from: 0,
                oid: oid.parse().ok()?,
                file: file.parse().ok()?,
                indexes: indexes.parse().ok()?,
            }),
            _ => None,
        };
        Ok(Self { parts: rows.into_iter().filter_map(part).collect() })
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Leaves out what was walked before. A part whose rows have other places by now is walked anew.
    pub(super) fn skip_to(&mut self, place: Place) {
        for part in &mut self.parts {
            part.from = match part.oid.cmp(&place.oid) {
                Ordering::Less => part.pages,
                Ordering::Equal if part.file == place.file => place.page.min(part.pages),
                Ordering::Equal | Ordering::Greater => 0,
            };
        }
    }

    /// How many pages are left out.
    pub(super) fn skipped(&self) -> u64 {
        self.parts.iter().map(|part| part.from).sum()
    }

    /// How many indexes the part with the most has.
    pub(super) fn indexes(&self) -> u64 {
        self.parts.iter().map(|part| part.indexes).max().unwrap_or_default()
    }

    pub(super) fn total(&self) -> u64 {
        self.parts.iter().map(|part| part.pages).sum()
    }
}

/// The place before the first row of a page.
pub(super) fn tid(page: u64) -> String {
    format!("'({page},0)'::pg_catalog.tid")
}

/// Rows from the first page to before the second.
pub(super) fn between(ctid: &str, (from, to): (u64, u64)) -> String {
    format!("{ctid} OPERATOR(pg_catalog.>=) {} AND {ctid} OPERATOR(pg_catalog.<) {}", tid(from), tid(to))
}

/// The same rows, without those that others have locked if so wished.
pub(super) fn unlocked(name: &str, within: &str, locked: Locked) -> String {
    match locked {
        Locked::Wait => within.to_owned(),
        Locked::Skip => format!(
            "{name}.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT {name}.ctid FROM ONLY {name} WHERE {within} \
             FOR NO KEY UPDATE SKIP LOCKED)) AND {within}"
        ),
    }
}

/// Fills one slice of one part; counts its rows, and those that are as they were.
pub(super) fn batch(job: &Backfill, name: &str, slice: Slice, locked: Locked) -> String {
    let share = match slice.of {
        ..=1 => String::new(),
        of => format!(
            " AND pg_catalog.hashtid({name}.ctid) OPERATOR(pg_catalog.&) {} OPERATOR(pg_catalog.=) {}",
            of - 1,
            slice.share
        ),
    };
    let place = between(&format!("{name}.ctid"), slice.pages);
    let within = format!("{place}{share} AND ({})", job.pending_sql);
    let rows = unlocked(name, &within, locked);
    let write = job.statement(&format!("ONLY {name}"), &rows);
    // What the write leaves undone would be looked for again and again.
    let left = if job.write.is_none() { job.pending_sql.as_str() } else { "false" };
    format!(
        "WITH done AS ({write} RETURNING ({left}) AS left_so) \
         SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE left_so) FROM done"
    )
}

/// The pages on which rows are still pending, with their part and how many rows it is; of many the first ones found.
pub(super) fn pending_query(job: &Backfill) -> String {
    format!(
        "SELECT part::pg_catalog.regclass::pg_catalog.text, page, pg_catalog.count(*) \
         FROM (SELECT tableoid AS part, (ctid::pg_catalog.text::pg_catalog.point)[0]::pg_catalog.int8 AS page \
         FROM {} WHERE {} LIMIT {MANY}) w GROUP BY part, page ORDER BY part, page",
        quoted(&job.relation),
        job.pending_sql
    )
}

/// What the rows of that query say; absent: nothing is left.
pub(super) fn left(rows: &[Row]) -> Option<Left> {
    let mut pages = Vec::new();
    let mut pending = 0;
    for row in rows {
        if let [Some(part), Some(page), Some(count)] = row.as_slice()
            && let (Ok(page), Ok(count)) = (page.parse(), count.parse::<u64>())
        {
            pages.push((part.clone(), page));
            pending += count;
        }
    }
    match pending {
        0 => None,
        1..=FEWEST => Some(Left::Fewest(pending)),
        MANY.. => Some(Left::Many),
        _ => Some(Left::Few(pages)),
    }
}

/// One pending row, locked wherever it has moved to: its part and its place, which stay until the transaction ends.
pub(super) fn lock_one(job: &Backfill) -> String {
    format!(
        "SELECT tableoid::pg_catalog.regclass::pg_catalog.text, ctid::pg_catalog.text FROM {} WHERE {} \
         LIMIT 1 FOR NO KEY UPDATE",
        quoted(&job.relation),
        job.pending_sql
    )
}

/// Fills the row that was locked.
pub(super) fn fill_one(job: &Backfill, part: &str, place: &str) -> String {
    let row = format!("ctid OPERATOR(pg_catalog.=) '{place}'::pg_catalog.tid AND ({})", job.pending_sql);
    job.statement(&format!("ONLY {part}"), &row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(oid: u32, file: u32, pages: u64) -> Part {
        Part { name: format!("t{oid}"), pages, from: 0, oid, file, indexes: 1 }
    }

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for (into, text) in [(None, "16400/16500/7"), (Some(16_600), "16400/16500/7/16600")] {
            let place = part(16_400, 16_500, 9).place(7, into);
            assert_eq!(place.to_string(), text);
            assert_eq!(Place::read(text), Some(place));
        }
        for text in ["", "1/2", "1/2/3/4/5", "1/2/3/", "a/2/3", "1/2/-3"] {
            assert_eq!(Place::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_walk_begins_where_another_came_to_unless_the_rows_have_moved() {
        let from = |place: &str| {
            let mut pages = Pages { parts: vec![part(1, 1, 10), part(2, 20, 10), part(3, 3, 10)] };
            pages.skip_to(Place::read(place).expect("a place"));
            (pages.parts().iter().map(|part| part.from).collect::<Vec<_>>(), pages.skipped())
        };
        assert_eq!(from("2/20/4"), (vec![10, 4, 0], 14));
        assert_eq!(from("2/20/99"), (vec![10, 10, 0], 20));
        assert_eq!(from("2/21/4"), (vec![10, 0, 0], 10));
        assert_eq!(from("3/3/10"), (vec![10, 10, 10], 30));
    }
}
