//! The extended protocol: prepared statements, portals, row limits, formats.

use std::sync::Arc;
use std::time::Instant;

use rusqlite::types::Value;

use super::outcome::{Outcome, describe};
use super::statement::{Plan, Stop};
use super::translate::code;
use super::types::{self, Type};
use super::{Console, End, violation};
use crate::kernel::wire::frame::{client as tags, server};
use crate::kernel::wire::message::{self, BadBody, Reader};
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::kernel::wire::served;
use crate::shell::audit::Arrival;

/// Prepared statements, and portals, of a session.
const NAMES_MAX: usize = 1_000;

/// A prepared statement.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    text: Arc<str>,
    plan: Plan,
    parameters: Vec<Type>,
}

/// A statement with its values.
#[derive(Clone, Debug)]
pub(super) struct Portal {
    statement: Prepared,
    bound: Vec<Value>,
    formats: Vec<bool>,
    /// Rows that are left, once it was executed.
    outcome: Option<Outcome>,
}

impl From<BadBody> for End {
    fn from(bad: BadBody) -> Self {
        violation(bad.0)
    }
}

fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Console {
    /// Parse, Bind, Describe, Execute, Close. After an error everything up to Sync is skipped.
    pub(super) async fn extended(&mut self, tag: u8, body: &[u8]) -> Result<(), End> {
        let done = match tag {
            tags::PARSE => self.parse(body)?,
            tags::BIND => self.bind(body)?,
            tags::DESCRIBE => {
                let (kind, named) = message::describe(body)?;
                self.describe(kind, &name(named))
            }
            tags::EXECUTE => {
                let (portal, limit) = message::execute(body)?;
                self.has_record().await?;
                self.execute_portal(&name(portal), limit).await?
            }
            _ => {
                let (kind, named) = message::describe(body)?;
                match kind {
                    b'S' => drop(self.prepared.remove(&name(named))),
                    _ => drop(self.portals.remove(&name(named))),
                }
                served::put_bare(&mut self.client.out, server::CLOSE_COMPLETE);
                Ok(())
            }
        };
        if let Err(reply) = done {
            self.skipping = true;
            self.fail(reply);
        }
        Ok(())
    }

    fn parse(&mut self, body: &[u8]) -> Result<Result<(), Reply>, End> {
        let (named, text) = message::parse(body)?;
        let mut reader = Reader::new(body.get(named.len() + text.len() + 2..).unwrap_or_default());
        let count = reader.int16()?;
        let mut said = Vec::new();
        for _ in 0..count {
            said.push(reader.int32()?.cast_unsigned());
        }
        Ok(self.prepare(name(named), text, &said))
    }

    fn prepare(&mut self, named: String, text: &[u8], said: &[u32]) -> Result<(), Reply> {
        let text = std::str::from_utf8(text)
            .map_err(|_| Reply::error("22021", "invalid byte sequence for encoding \"UTF8\""))?;
        if !named.is_empty() && self.prepared.contains_key(&named) {
            return Err(Reply::error("42P05", format!("prepared statement \"{named}\" already exists")));
        }
        if self.prepared.len() >= NAMES_MAX {
            return Err(Reply::error(sqlstate::PROGRAM_LIMIT_EXCEEDED, "too many prepared statements"));
        }
        let known = |oid: &u32| {
            Type::of_oid(*oid).ok_or_else(|| {
                Reply::error(code::UNSUPPORTED, format!("the console has no type with the number {oid}"))
            })
        };
        let said = said.iter().map(known).collect::<Result<Vec<_>, _>>()?;
        let (plan, parameters) = match self.plan(text, &said) {
            Ok(planned) => planned,
            Err(reply) => {
                self.note(text, Instant::now(), (Arrival::Execute, Some(reply.code), 0), "");
                return Err(reply);
            }
        };
        // What nothing has decided is text.
        let settle = |ty| if ty == Type::Unknown { Type::Text } else { ty };
        let parameters = parameters.into_iter().map(settle).collect();
        self.prepared.insert(named, Prepared { text: text.into(), plan, parameters });
        served::put_bare(&mut self.client.out, server::PARSE_COMPLETE);
        Ok(())
    }

    fn bind(&mut self, body: &[u8]) -> Result<Result<(), Reply>, End> {
        let names = message::bind_names(body)?;
        let values = message::bind_values(names.rest)?;
        // Behind the values: the formats of the answer.
        let mut reader = Reader::new(names.rest);
        let count = usize::from(reader.int16()?.cast_unsigned());
        reader.bytes(2 * count)?;
        let count = usize::from(reader.int16()?.cast_unsigned());
        for _ in 0..count {
            if let Ok(length) = usize::try_from(reader.int32()?) {
                reader.bytes(length)?;
            }
        }
        let mut formats = Vec::new();
        for _ in 0..reader.int16()?.cast_unsigned() {
            formats.push(reader.int16()? == 1);
        }
        reader.end()?;
        Ok(self.bound(name(names.portal), &name(names.statement), &values, formats))
    }

    fn bound(
        &mut self,
        portal: String,
        statement: &str,
        values: &[message::BoundValue<'_>],
        formats: Vec<bool>,
    ) -> Result<(), Reply> {
        let statement = self.prepared.get(statement).cloned().ok_or_else(|| no_statement(statement))?;
        if values.len() != statement.parameters.len() {
            let message = format!(
                "bind message supplies {} parameters, but prepared statement requires {}",
                values.len(),
                statement.parameters.len()
            );
            return Err(Reply::error(sqlstate::PROTOCOL_VIOLATION, message));
        }
        let columns = statement.plan.columns().map_or(0, |columns| columns.len());
        if formats.len() > 1 && formats.len() != columns {
            let message = format!("bind message has {} result formats but query has {columns} columns", formats.len());
            return Err(Reply::error(sqlstate::PROTOCOL_VIOLATION, message));
        }
        let mut bound = Vec::with_capacity(values.len());
        for ((format, value), ty) in values.iter().zip(&statement.parameters) {
            bound.push(match value {
                None => Value::Null,
                Some(bytes) => types::parameter(bytes, *format == 1, *ty)
                    .map_err(|what| Reply::error("22P03", what).detail(format!("Its type is {}.", ty.sql())))?,
            });
        }
        if !portal.is_empty() && self.portals.contains_key(&portal) {
            return Err(Reply::error("42P03", format!("cursor \"{portal}\" already exists")));
        }
        if self.portals.len() >= NAMES_MAX {
            return Err(Reply::error(sqlstate::PROGRAM_LIMIT_EXCEEDED, "too many portals"));
        }
        self.portals.insert(portal, Portal { statement, bound, formats, outcome: None });
        served::put_bare(&mut self.client.out, server::BIND_COMPLETE);
        Ok(())
    }

    fn describe(&mut self, kind: u8, named: &str) -> Result<(), Reply> {
        let (columns, formats) = if kind == b'S' {
            let statement = self.prepared.get(named).ok_or_else(|| no_statement(named))?;
            let oids: Vec<u32> = statement.parameters.iter().map(|ty| ty.oid()).collect();
            served::put_parameters(&mut self.client.out, &oids);
            (statement.plan.columns(), Vec::new())
        } else {
            let portal = self.portals.get(named).ok_or_else(|| no_portal(named))?;
            (portal.statement.plan.columns(), portal.formats.clone())
        };
        match columns {
            Some(columns) => describe(&columns, &formats, &mut self.client.out),
            None => served::put_bare(&mut self.client.out, server::NO_DATA),
        }
        Ok(())
    }

    async fn execute_portal(&mut self, named: &str, limit: i32) -> Result<Result<(), Reply>, End> {
        let Some(mut portal) = self.portals.remove(named) else { return Ok(Err(no_portal(named))) };
        let began = Instant::now();
        let first = portal.outcome.is_none();
        let text = Arc::clone(&portal.statement.text);
        if matches!(portal.statement.plan, Plan::Empty) {
            served::put_bare(&mut self.client.out, server::EMPTY_QUERY);
            self.portals.insert(named.to_owned(), portal);
            return Ok(Ok(()));
        }
        let mut outcome = match portal.outcome.take() {
            Some(outcome) => outcome,
            None => match self.execute(&portal.statement.plan, &portal.bound).await {
                Ok(outcome) => outcome,
                Err(Stop::Failed(reply)) => {
                    self.note(&text, began, (Arrival::Execute, Some(reply.code), 0), "");
                    return Ok(Err(reply));
                }
                Err(Stop::Ended(end)) => {
                    self.note(&text, began, (Arrival::Execute, Some(sqlstate::QUERY_CANCELED), 0), "");
                    return Err(end);
                }
            },
        };
        let count = usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let rest = outcome.rows.split_off(count.min(outcome.rows.len()));
        let sent = self.rows(&outcome, &outcome.rows, &portal.formats);
        let rows = outcome.rows.len();
        if first {
            let failed = sent.as_ref().err().map(|reply| reply.code);
            self.note(&text, began, (Arrival::Execute, failed, rows + rest.len()), &outcome.tag);
        }
        if let Err(reply) = sent {
            return Ok(Err(reply));
        }
        if rest.is_empty() && (rows < count || limit <= 0) {
            let tag = if outcome.tag.starts_with("SELECT ") { format!("SELECT {rows}") } else { outcome.tag.clone() };
            message::put_command_complete(&mut self.client.out, &tag);
        } else {
            served::put_bare(&mut self.client.out, server::PORTAL_SUSPENDED);
        }
        portal.outcome = Some(Outcome { rows: rest, ..outcome });
        self.portals.insert(named.to_owned(), portal);
        Ok(Ok(()))
    }
}

fn no_statement(named: &str) -> Reply {
    Reply::error("26000", format!("prepared statement \"{named}\" does not exist"))
}

fn no_portal(named: &str) -> Reply {
    Reply::error("34000", format!("portal \"{named}\" does not exist"))
}
