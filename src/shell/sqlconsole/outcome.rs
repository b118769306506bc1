//! Answers on the wire.

use bytes::BytesMut;
use rusqlite::types::Value;

use super::Console;
use super::translate::Output;
use super::{settings, types};
use crate::kernel::wire::reply::Reply;
use crate::kernel::wire::served::{self, Field};

/// What a statement gave.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) rows: Vec<Vec<Value>>,
    pub(super) columns: Option<Vec<Output>>,
    pub(super) tag: String,
}

impl Outcome {
    /// Without rows.
    pub(super) fn tag(tag: &str) -> Self {
        Self { rows: Vec::new(), columns: None, tag: tag.to_owned() }
    }

    /// RowDescription.
    pub(super) fn describe(&self, columns: &[Output], formats: &[bool], out: &mut BytesMut) {
        describe(columns, formats, out);
    }
}

/// Whether a column is wanted in binary: one format may stand for all.
fn is_binary(formats: &[bool], at: usize) -> bool {
    match formats {
        [] => false,
        [one] => *one,
        many => many.get(at).copied().unwrap_or(false),
    }
}

/// RowDescription.
pub(super) fn describe(columns: &[Output], formats: &[bool], out: &mut BytesMut) {
    let fields = columns.iter().enumerate().map(|(at, column)| Field {
        name: column.name.clone(),
        oid: column.ty.oid(),
        size: column.ty.size(),
        binary: is_binary(formats, at),
    });
    served::put_row_description(out, &fields.collect::<Vec<_>>());
}

impl Console {
    /// DataRows.
    pub(super) fn rows(&mut self, outcome: &Outcome, rows: &[Vec<Value>], formats: &[bool]) -> Result<(), Reply> {
        let Some(columns) = &outcome.columns else { return Ok(()) };
        let zone = self.asker.settings.iter().find(|(name, _)| name == "TimeZone");
        let zone = zone.and_then(|(_, name)| settings::zone(name)).unwrap_or(jiff::tz::TimeZone::UTC);
        for row in rows {
            let mut values = Vec::with_capacity(row.len());
            for ((value, column), at) in row.iter().zip(columns).zip(0..) {
                values.push(if is_binary(formats, at) {
                    types::binary(value, column.ty)
                        .map_err(|what| Reply::error("22P03", what).detail(format!("Column \"{}\".", column.name)))?
                } else {
                    types::text(value, column.ty, &zone).map(String::into_bytes)
                });
            }
            served::put_row(&mut self.client.out, &values);
        }
        Ok(())
    }
}
