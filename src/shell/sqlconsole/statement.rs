//! Statements: what a text means, and what becomes of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use sqlparser::ast::Statement;

use super::outcome::Outcome;
use super::settings::{self, Utility};
use super::translate::{self, Given, Output, Translated, code};
use super::types::Type;
use super::verbs::{self, Call};
use super::{Block, Console, End, engine, gone, load, stopping};
use crate::kernel::sql::read::{self, UnreadableKind, mistake};
use crate::kernel::wire::reply::{Reply, Severity, sqlstate};
use crate::kernel::wire::{frame, served};
use crate::shell::audit::{Arrival, SqlState, StatementRecord, Transaction};
use crate::shell::cancel::Listener;
use crate::shell::clock::now;
use crate::shell::console::view::Full;

/// Longest wait of one call of the API, in seconds.
const WAIT_MAX_S: u32 = 60;

/// What a statement will do.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    Empty,
    Query(Arc<Translated>),
    Verb(Arc<Call>),
    Utility(Utility),
}

impl Plan {
    /// The columns of its answer; nothing: it has none.
    pub(super) fn columns(&self) -> Option<Vec<Output>> {
        match self {
            Self::Query(query) => Some(query.columns.clone()),
            Self::Verb(call) => Some(verbs::columns(call)),
            Self::Utility(Utility::Show(name)) => Some(shown(name)),
            Self::Empty | Self::Utility(_) => None,
        }
    }
}

/// Why there is no answer.
pub(super) enum Stop {
    Failed(Reply),
    Ended(End),
}

impl From<Reply> for Stop {
    fn from(reply: Reply) -> Self {
        Self::Failed(reply)
    }
}

/// The statements of a text, as PostgreSQL's own grammar takes them apart.
fn apart(text: &str) -> Result<Vec<&str>, Reply> {
    if text.len() > translate::TEXT_MAX {
        return Err(Reply::error(sqlstate::PROGRAM_LIMIT_EXCEEDED, "the statement is longer than the console reads"));
    }
    let reading = read::read(text).map_err(|unreadable| {
        let code = match unreadable.kind {
            UnreadableKind::Syntax => code::SYNTAX,
            UnreadableKind::Bounds => sqlstate::PROGRAM_LIMIT_EXCEEDED,
            UnreadableKind::Encoding => "22021",
        };
        let at = mistake::place(text, &unreadable);
        let mut reply = Reply::error(code, unreadable.why.clone());
        reply.position = at.and_then(|at| text.get(..at)).map(|before| before.chars().count() + 1);
        reply
    })?;
    let mut spans: Vec<_> = reading.statements.into_iter().map(|parsed| parsed.span).collect();
    // One text may stand for several things it would do.
    spans.dedup();
    Ok(spans.into_iter().filter_map(|span| text.get(span)).collect())
}

impl Console {
    /// What a single statement means; `said` are the types the client gave for its parameters.
    pub(super) fn plan(&self, text: &str, said: &[Type]) -> Result<(Plan, Vec<Type>), Reply> {
        let parts = apart(text)?;
        let statement = match parts.as_slice() {
            [] => return Ok((Plan::Empty, Vec::new())),
            [one] => *one,
            _ => {
                let message = "cannot insert multiple commands into a prepared statement";
                return Err(Reply::error(code::SYNTAX, message));
            }
        };
        self.plan_one(statement, said)
    }

    fn plan_one(&self, text: &str, said: &[Type]) -> Result<(Plan, Vec<Type>), Reply> {
        if let Some(utility) = settings::read(text) {
            return Ok((Plan::Utility(utility), Vec::new()));
        }
        // CALL and SELECT of a verb are the same.
        let called = text.get(..4).filter(|word| word.eq_ignore_ascii_case("call")).and_then(|_| text.get(4..));
        let select = called.map_or_else(|| text.to_owned(), |rest| format!("SELECT {rest}"));
        let reads = text.get(..7).unwrap_or(text).to_ascii_uppercase();
        let reads = ["SELECT", "CALL", "WITH", "VALUES", "TABLE", "("].iter().any(|word| reads.starts_with(word));
        if !reads {
            return Err(read_only(text));
        }
        if !read::is_shallow(&select) {
            return Err(Reply::error(sqlstate::PROGRAM_LIMIT_EXCEEDED, "the statement is nested too deeply"));
        }
        let Statement::Query(query) = translate::read(&select)? else { return Err(read_only(text)) };
        if let Some(call) = verbs::of(&query)? {
            let parameters = call.parameters(said);
            return Ok((Plan::Verb(Arc::new(call)), parameters));
        }
        if called.is_some() {
            let message = "there is no such procedure";
            return Err(Reply::error("42883", message).hint("\\df lists the verbs; SELECT * FROM help shows examples."));
        }
        let given = Given { asker: &self.asker, now: now().0, parameters: said };
        let translated = translate::translate(&query, &given)?;
        let parameters = translated.parameters.clone();
        Ok((Plan::Query(Arc::new(translated)), parameters))
    }

    /// A Query message.
    pub(super) async fn simple(&mut self, bytes: &[u8]) -> Result<(), End> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.fail(Reply::error("22021", "invalid byte sequence for encoding \"UTF8\""));
            self.ready();
            return Ok(());
        };
        match apart(text) {
            Err(reply) => {
                self.note(text, Instant::now(), (Arrival::Simple, Some(reply.code), 0), "");
                self.fail(reply);
            }
            Ok(parts) if parts.is_empty() => served::put_bare(&mut self.client.out, frame::server::EMPTY_QUERY),
            Ok(parts) => {
                for part in parts {
                    if !self.simple_one(part).await? {
                        break;
                    }
                }
            }
        }
        self.ready();
        Ok(())
    }

    /// One statement of a Query message; whether the next may follow.
    async fn simple_one(&mut self, text: &str) -> Result<bool, End> {
        self.has_record().await?;
        let began = Instant::now();
        let done = match self.plan_one(text, &[]) {
            Ok((plan, parameters)) if parameters.is_empty() => self.execute(&plan, &[]).await,
            Ok(_) => Err(Reply::error("42P02", "there is no parameter $1").into()),
            Err(reply) => Err(reply.into()),
        };
        match done {
            Ok(outcome) => {
                if let Some(columns) = &outcome.columns {
                    outcome.describe(columns, &[], &mut self.client.out);
                }
                let rows = outcome.rows.len();
                if let Err(reply) = self.rows(&outcome, &outcome.rows, &[]) {
                    self.note(text, began, (Arrival::Simple, Some(reply.code), 0), "");
                    self.fail(reply);
                    return Ok(false);
                }
                crate::kernel::wire::message::put_command_complete(&mut self.client.out, &outcome.tag);
                self.note(text, began, (Arrival::Simple, None, rows), &outcome.tag);
                Ok(true)
            }
            Err(Stop::Failed(reply)) => {
                self.note(text, began, (Arrival::Simple, Some(reply.code), 0), "");
                self.fail(reply);
                Ok(false)
            }
            Err(Stop::Ended(end)) => {
                self.note(text, began, (Arrival::Simple, Some(sqlstate::QUERY_CANCELED), 0), "");
                Err(end)
            }
        }
    }

    /// An error, and what it does to a block.
    pub(super) fn fail(&mut self, reply: Reply) {
        if self.block == Block::Open {
            self.block = Block::Failed;
        }
        self.tell(reply);
    }

    /// Statements wait while the record has no room.
    pub(super) async fn has_record(&mut self) -> Result<(), End> {
        let full = |_| End {
            reason: crate::shell::audit::EndReason::GatewayStopping,
            last: Some(Reply::fatal(sqlstate::NO_RECORD, "the record cannot be written")),
        };
        self.log.room().await.map_err(full)
    }

    pub(super) fn note(
        &mut self,
        text: &str,
        began: Instant,
        (path, failed, rows): (Arrival, Option<&str>, usize),
        tag: &str,
    ) {
        let text = read::shown(text);
        self.log.statement(&StatementRecord {
            duration_us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            path,
            rows: rows as u64,
            tag,
            sqlstate: failed.and_then(SqlState::new),
            transaction: match self.block {
                Block::None => Transaction::Idle,
                Block::Open => Transaction::Block,
                Block::Failed => Transaction::Failed,
            },
            ..StatementRecord::new(now(), &text)
        });
    }

    /// Does what a plan says.
    pub(super) async fn execute(&mut self, plan: &Plan, bound: &[Value]) -> Result<Outcome, Stop> {
        let ends = matches!(plan, Plan::Utility(Utility::Commit | Utility::Rollback) | Plan::Empty);
        if self.block == Block::Failed && !ends {
            let message = "current transaction is aborted, commands ignored until end of transaction block";
            return Err(Reply::error("25P02", message).into());
        }
        match plan {
            Plan::Empty => Ok(Outcome::tag("")),
            Plan::Utility(utility) => self.utility(utility).map_err(Stop::Failed),
            Plan::Verb(call) => self.call(call, bound).await,
            Plan::Query(query) => {
                let mut cancels = self.cancel.listen();
                let (door, asker, me) = (self.door.clone(), self.asker.clone(), self.me.clone());
                let at_work = Arc::clone(&self.at_work);
                let work = async {
                    let loaded = load::load(&door, (&asker, me), &query.reads, bound).await?;
                    let _place = at_work.acquire().await;
                    let rows = engine::start(query.as_ref().clone(), bound.to_vec(), loaded.data).rows().await?;
                    Ok::<_, Reply>((rows, loaded.warnings, loaded.seen))
                };
                let (rows, warnings, seen) = self.while_wanted(&mut cancels, work).await??;
                warnings.into_iter().for_each(|warning| self.tell(warning));
                self.seen.extend(seen);
                let tag = format!("SELECT {}", rows.len());
                Ok(Outcome { rows, columns: Some(query.columns.clone()), tag })
            }
        }
    }

    /// Work that ends with the wish for it: cancelled, the client gone, the gateway stopping.
    async fn while_wanted<T>(&mut self, cancels: &mut Listener, work: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            _ = self.draining.wait_for(|on| *on) => Err(Stop::Ended(stopping())),
            _ = cancels.next() => {
                Err(Reply::error(sqlstate::QUERY_CANCELED, "canceling statement due to user request").into())
            }
            done = work => Ok(done),
            () = self.client.watch() => Err(Stop::Ended(gone())),
        }
    }

    async fn call(&mut self, call: &Call, bound: &[Value]) -> Result<Outcome, Stop> {
        let done = |rows: Vec<Vec<Value>>, call| {
            let tag = format!("SELECT {}", rows.len());
            Outcome { rows, columns: Some(verbs::columns(call)), tag }
        };
        if call.verb.name == "explain" {
            let mut cancels = self.cancel.listen();
            let (door, login) = (self.door.clone(), self.asker.login.clone());
            let answer = self.while_wanted(&mut cancels, verbs::explain(call, bound, &door, &login)).await??;
            return Ok(done(answer.rows, call));
        }
        if call.verb.name == "wait" {
            let id = call.id(bound)?;
            let limit = call.seconds(bound)?.map(|seconds| Instant::now() + Duration::from_secs(seconds.into()));
            return Ok(done(vec![self.wait(id, limit).await?], call));
        }
        if self.block != Block::None {
            let message = format!("{} cannot run inside a transaction block", call.verb.name);
            let reply = Reply::error("25001", message);
            return Err(reply
                .hint("What is decided cannot be rolled back: COMMIT first, or turn autocommit on.")
                .into());
        }
        let id = call.id(bound)?;
        let door = self.door.clone();
        let session = verbs::Session { door: &door, by: self.by.as_deref(), seen: self.seen.get(&id).copied() };
        // Brief, and not to be left half done: it is not cancelled.
        let answer = verbs::run(call, bound, &session).await?;
        answer.notices.into_iter().for_each(|notice| self.tell(notice));
        Ok(done(answer.rows, call))
    }

    /// Tells what happens to a ticket until it is over, or until a time.
    async fn wait(&mut self, id: i64, limit: Option<Instant>) -> Result<Vec<Value>, Stop> {
        let mut cancels = self.cancel.listen();
        let door = self.door.clone();
        let mut full: Full = door.get(&format!("/v1/tickets/{id}")).await?;
        let state = full.ticket.state.name();
        self.tell(Reply::notice(format!("ticket {id} is {state}")));
        while !full.ticket.state.name().is_over() {
            let known = full.ticket.version;
            let mut path = format!("/v1/tickets/{id}/wait?version={known}");
            if let Some(limit) = limit {
                let left = limit.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                path += &format!("&timeout_s={}", left.as_secs_f64().ceil().min(f64::from(WAIT_MAX_S)));
            }
            full = self.while_wanted(&mut cancels, door.get::<Full>(&path)).await??;
            for recorded in full.events.iter().filter(|recorded| recorded.version > known) {
                let what = serde_json::to_value(&recorded.event.what).unwrap_or_default();
                let by = what.get("by").and_then(serde_json::Value::as_str);
                let by = by.map_or_else(String::new, |by| format!(" by {by}"));
                self.tell(Reply::notice(format!("ticket {id}: {}{by}", recorded.event.what.name())));
            }
        }
        self.seen.insert(id, full.ticket.version);
        Ok(verbs::ticket_row(&full))
    }

    fn utility(&mut self, utility: &Utility) -> Result<Outcome, Reply> {
        Ok(Outcome::tag(match utility {
            Utility::Begin => {
                if self.block != Block::None {
                    self.tell(Reply::new(Severity::Warning, "25001", "there is already a transaction in progress"));
                }
                self.block = Block::Open;
                "BEGIN"
            }
            Utility::Commit | Utility::Rollback => {
                let failed = self.block == Block::Failed;
                if self.block == Block::None {
                    self.tell(Reply::new(Severity::Warning, "25P01", "there is no transaction in progress"));
                }
                self.block = Block::None;
                self.portals.clear();
                if failed || *utility == Utility::Rollback { "ROLLBACK" } else { "COMMIT" }
            }
            Utility::Nothing(tag) => tag,
            Utility::Set { name, value } => {
                self.set(name, value.as_deref())?;
                "SET"
            }
            Utility::Forget(tag) => {
                self.asker.settings = settings::defaults();
                self.prepared.clear();
                self.portals.clear();
                tag
            }
            Utility::Deallocate(name) => {
                match name {
                    Some(name) => drop(self.prepared.remove(name)),
                    None => self.prepared.clear(),
                }
                "DEALLOCATE"
            }
            Utility::Show(name) => return self.show(name),
        }))
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), Reply> {
        let known = settings::set(&mut self.asker.settings, name, value)?;
        if settings::REPORTED.contains(&known.as_str())
            && let Some((name, value)) = self.asker.settings.iter().find(|(name, _)| *name == known)
        {
            served::put_parameter_status(&mut self.client.out, name, value);
        }
        Ok(())
    }

    fn show(&self, name: &str) -> Result<Outcome, Reply> {
        let all = name.eq_ignore_ascii_case("all");
        let wanted = |known: &str| all || known.eq_ignore_ascii_case(name);
        let found: Vec<_> = self.asker.settings.iter().filter(|(known, _)| wanted(known)).collect();
        let columns = match found.as_slice() {
            [] => return Err(Reply::error("42704", format!("unrecognized configuration parameter \"{name}\""))),
            [(known, _)] if !all => shown(known),
            _ => shown(name),
        };
        let row = |(known, value): &(String, String)| {
            let texts = if all { vec![known.as_str(), value, ""] } else { vec![value.as_str()] };
            texts.into_iter().map(|text| Value::Text(text.to_owned())).collect()
        };
        Ok(Outcome { rows: found.into_iter().map(row).collect(), columns: Some(columns), tag: "SHOW".to_owned() })
    }
}

/// The columns of what SHOW answers.
fn shown(name: &str) -> Vec<Output> {
    let names = if name.eq_ignore_ascii_case("all") { vec!["name", "setting", "description"] } else { vec![name] };
    names.into_iter().map(|name| Output { name: name.to_owned(), ty: Type::Text }).collect()
}

fn read_only(text: &str) -> Reply {
    let word: String = text.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_ascii_uppercase();
    Reply::error("25006", format!("{word} is not for the console: what is here can be read, and acted on by verbs"))
        .hint("SELECT * FROM help; to change a database, connect to it by its own name.")
}
