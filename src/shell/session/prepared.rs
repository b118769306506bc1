//! What stands behind the names that a message executes: what it is judged by, and what an approval of it is bound to.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Ended, Session};
use crate::kernel::relay::Status;
use crate::kernel::sql::remember::Known;
use crate::kernel::sql::statement::{Parsed, Reading, Statement};
use crate::shell::database::{Database, DatabaseError};

/// A name that a message executes and has not prepared itself.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub name: String,
    /// Nothing: the server has no statement of this name.
    pub known: Option<Arc<Known>>,
}

impl Session {
    /// What the names stand for that a message executes, before it runs.
    pub(super) async fn behind_names(&mut self, of: &Known) -> Result<Result<Vec<Prepared>, DatabaseError>, Ended> {
        let mut prepared: Vec<Prepared> = Vec::new();
        for name in names_from_before(of) {
            let seen = self.relay.names.statement(&name).cloned();
            let known = match seen {
                // In a transaction that has failed the server is not asked, and nothing runs.
                Some(known) if known.ordinary || self.relay.status == Status::Failed => Some(known),
                // Of a message that failed half way it is not known here which of its names the server has.
                Some(_) | None => match self.look_up_name(&name).await? {
                    Ok(known) => known.map(Arc::new),
                    Err(error) => return Ok(Err(error)),
                },
            };
            prepared.push(Prepared { name, known });
        }
        Ok(Ok(prepared))
    }

    async fn look_up_name(&mut self, name: &str) -> Result<Result<Option<Known>, DatabaseError>, Ended> {
        let sql = "SELECT p.statement FROM pg_catalog.pg_prepared_statements AS p \
                   WHERE p.name OPERATOR(pg_catalog.=) $1";
        let end = self.exchange_end();
        let rows = self.try_backstage(end, async |stage| stage.query(sql, &[Some(name)]).await).await?;
        let encoding = self.relay.encoding;
        Ok(rows.map(|rows| {
            let text = rows.into_iter().next().and_then(|row| row.into_iter().next().flatten());
            text.map(|text| Known::read(text.as_bytes(), encoding))
        }))
    }
}

/// What the names stand for, as people see it: comments above the statement, which no text breaks out of.
pub(super) fn shown(prepared: &[Prepared]) -> String {
    let mut shown = String::new();
    for Prepared { name, known } in prepared {
        let Some(known) = known else { continue };
        for line in format!("{name} stands for: {}", known.shown).split(['\n', '\r']) {
            shown.push_str("-- ");
            shown.push_str(line);
            shown.push('\n');
        }
    }
    shown
}

/// The reading with every EXECUTE replaced by what its name stands for.
pub(super) fn resolve(of: &Known, prepared: &[Prepared]) -> Reading {
    let mut reading = of.statements();
    let mut statements = Vec::with_capacity(reading.statements.len());
    let mut names = NamesSoFar::default();
    for parsed in reading.statements {
        names.see(&parsed);
        let Statement::Execute { name } = &parsed.statement else {
            statements.push(parsed);
            continue;
        };
        let known = prepared.iter().find(|one| one.name == *name).and_then(|one| one.known.as_deref());
        let stands_for = match (names.stands_for(name), known) {
            (Some(statements), _) => statements,
            (None, Some(known)) => behind(name, known),
            (None, None) => Vec::new(),
        };
        if stands_for.is_empty() {
            // The server says that there is no such statement, and runs nothing of the message behind it.
            let fails = Parsed { statement: Statement::Ordinary, ..parsed.clone() };
            let is_first = statements.is_empty() && name.is_ascii();
            statements.push(fails);
            if is_first {
                break;
            }
        }
        statements.extend(stands_for.into_iter().map(|inner| Parsed { span: parsed.span.clone(), ..inner }));
    }
    reading.statements = statements;
    reading
}

/// The statements a name may stand for, by the text that the server has for it: all of the message in which it was
/// prepared.
fn behind(name: &str, known: &Known) -> Vec<Parsed> {
    let statements = known.statements().statements;
    let is_it = |parsed: &Parsed| matches!(&parsed.statement, Statement::Prepare { name: of, .. } if of == name);
    let only = statements.iter().any(is_it);
    // What was prepared by a PREPARE below it cannot itself be an EXECUTE.
    statements.into_iter().filter(|parsed| !only || is_it(parsed)).map(bare).collect()
}

/// The statement that a PREPARE is for.
fn bare(parsed: Parsed) -> Parsed {
    match parsed.statement {
        Statement::Prepare { inner, .. } => Parsed { statement: *inner, ..parsed },
        _ => parsed,
    }
}

/// The names that a message executes, each once, and has not made anything of itself before.
fn names_from_before(of: &Known) -> Vec<String> {
    let mut so_far = NamesSoFar::default();
    let mut found: Vec<String> = Vec::new();
    for parsed in of.statements().statements {
        so_far.see(&parsed);
        if let Statement::Execute { name } = parsed.statement
            && so_far.stands_for(&name).is_none()
            && !found.contains(&name)
        {
            found.push(name);
        }
    }
    found
}

/// What the PREPAREs and DEALLOCATEs of one message have made of names, up to some place in it.
#[derive(Default)]
struct NamesSoFar {
    /// Nothing: the name stands for none any more.
    names: HashMap<String, Option<Parsed>>,
    all_dropped: bool,
}

impl NamesSoFar {
    fn see(&mut self, parsed: &Parsed) {
        match &parsed.statement {
            Statement::Prepare { name, .. } => {
                self.names.insert(name.clone(), Some(bare(parsed.clone())));
            }
            Statement::Deallocate { name: Some(name) } => {
                self.names.insert(name.clone(), None);
            }
            Statement::Deallocate { name: None } => {
                self.names.clear();
                self.all_dropped = true;
            }
            _ => {}
        }
    }

    /// None of them says: what it was before the message. An empty list: the server says that there is no such statement.
    fn stands_for(&self, name: &str) -> Option<Vec<Parsed>> {
        let told = self.names.get(name).map(|of| of.iter().cloned().collect());
        told.or_else(|| self.all_dropped.then(Vec::new))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ring::hmac;

    use super::*;
    use crate::kernel::relay::ledger::Path;
    use crate::kernel::sql::encoding::TextEncoding;
    use crate::shell::session::taken::Taken;

    fn read(text: &str) -> Arc<Known> {
        Arc::new(Known::read(text.as_bytes(), TextEncoding::Utf8))
    }

    fn named(name: &str, text: Option<&str>) -> Prepared {
        Prepared { name: name.to_owned(), known: text.map(read) }
    }

    fn kinds(text: &str, prepared: &[Prepared]) -> Vec<&'static str> {
        let statements = resolve(&read(text), prepared).statements;
        let kind = |parsed: &Parsed| match &parsed.statement {
            Statement::Ordinary => "ordinary",
            Statement::Change(_) => "change",
            _ => "other",
        };
        statements.iter().map(kind).collect()
    }

    #[test]
    fn nothing_behind_a_name_that_is_not_there_is_run_as_if_it_stood_alone() {
        let none = [named("nosuch", None)];
        assert_eq!(kinds("EXECUTE nosuch; ALTER TABLE t ADD COLUMN x int", &none), ["ordinary"]);
        assert_eq!(kinds("ALTER TABLE t ADD COLUMN x int; EXECUTE nosuch", &none), ["change", "ordinary"]);
        assert_eq!(kinds("DEALLOCATE x; EXECUTE x; CREATE INDEX i ON t (a)", &none), ["other", "ordinary", "change"]);
    }

    #[test]
    fn a_name_stands_for_what_the_server_has_and_not_for_the_rest_of_that_message() {
        let text = "DROP TABLE a; PREPARE b AS DELETE FROM c; PREPARE x AS SELECT 1";
        assert_eq!(kinds("EXECUTE x", &[named("x", Some(text))]), ["ordinary"]);
        assert_eq!(kinds("EXECUTE b", &[named("b", Some(text))]), ["change"]);
        // It may have failed between the two.
        let twice = "PREPARE x AS DELETE FROM c; DEALLOCATE x; PREPARE x AS SELECT 1";
        assert_eq!(kinds("EXECUTE x", &[named("x", Some(twice))]), ["change", "ordinary"]);
        assert_eq!(kinds("EXPLAIN ANALYZE EXECUTE w", &[named("w", Some("DELETE FROM c"))]), ["change"]);
    }

    #[test]
    fn an_approval_is_for_the_text_behind_the_name() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let hash = |prepared: Vec<Prepared>| {
            let (message, known, path) = (Bytes::new(), read("EXECUTE x"), Path::Simple);
            Taken { message, known, path, values: None, prepared, started: 0 }.hash(&key, true)
        };
        let good = || vec![named("x", Some("PREPARE x AS UPDATE t SET v = 'good' WHERE true"))];
        assert_eq!(hash(good()), hash(good()));
        assert_ne!(hash(good()), hash(vec![named("x", Some("PREPARE x AS UPDATE t SET v = 'evil' WHERE true"))]));
        assert_ne!(hash(good()), hash(vec![named("x", Some("UPDATE t SET v = 'good' WHERE true"))]));
        assert_ne!(hash(good()), hash(Vec::new()));
    }

    #[test]
    fn the_text_behind_a_name_is_shown_in_comments() {
        let shown = shown(&[named("x", Some("UPDATE t\rSET v = 1\nWHERE true")), named("y", None)]);
        assert_eq!(shown, "-- x stands for: UPDATE t\n-- SET v = 1\n-- WHERE true\n");
    }
}
