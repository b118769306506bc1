//! Verbs: functions that do something. Each stands alone in its statement, takes plain values, and is one call of
//! the API, with its checks.

use rusqlite::types::Value;
use serde_json::{Value as Json, json};
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Query, Select, SelectItem, SetExpr, TableFactor,
    UnaryOperator, Value as Literal,
};

use super::load::{Door, told};
use super::schema::{self, Verb};
use super::time;
use super::translate::Output;
use super::types::Type;
use crate::kernel::review::Happening;
use crate::kernel::wire::reply::Reply;
use crate::shell::console::view::{Full, JobFull};
use crate::shell::jobs::Explained;

/// A verb with its arguments, as they were written.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) verb: &'static Verb,
    /// One for each parameter of the verb.
    arguments: Vec<Given>,
}

/// What was given for a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Given {
    Nothing,
    Text(String),
    /// A parameter of the statement, counted from 0.
    Parameter(usize),
}

/// Names and types of a verb's parameters, and whether each may be left out.
fn parameters(verb: &Verb) -> Vec<(&'static str, Type, bool)> {
    let parameter = |text: &'static str| {
        let mut words = text.split_whitespace();
        let (name, ty) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let ty = super::types::by_name(ty).unwrap_or(Type::Text);
        (name, ty, text.contains(" DEFAULT "))
    };
    verb.arguments.split(", ").map(parameter).collect()
}

/// The columns of what a verb answers.
pub(super) fn columns(call: &Call) -> Vec<Output> {
    let column = |name: &str, ty| Output { name: name.to_owned(), ty };
    if call.verb.name == "explain" {
        return vec![
            column("part", Type::Text),
            column("number", Type::Int4),
            column("what", Type::Text),
            column("lock", Type::Text),
            column("said", Type::Text),
        ];
    }
    let job = call.verb.arguments.starts_with("job") || call.verb.name == "run";
    let id = if job { "job" } else { "ticket" };
    vec![column(id, Type::Int8), column("state", Type::Text), column("result", Type::Text)]
}

/// The verb that a query is, if it is one: `SELECT verb(…)` or `SELECT * FROM verb(…)` and nothing else.
pub(super) fn of(query: &Query) -> Result<Option<Call>, Reply> {
    let SetExpr::Select(select) = query.body.as_ref() else { return Ok(None) };
    let bare = query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none();
    let alone = bare
        && select.selection.is_none()
        && select.having.is_none()
        && select.distinct.is_none()
        && select.projection.len() == 1;
    let Some((name, arguments)) = called(select) else { return Ok(None) };
    let Some(verb) = schema::verb(&name) else { return Ok(None) };
    if !alone {
        return Err(super::translate::not_alone(verb.name));
    }
    call(verb, arguments).map(Some)
}

fn called(select: &Select) -> Option<(String, Vec<&FunctionArg>)> {
    let name = |object: &sqlparser::ast::ObjectName| {
        let ident = object.0.last()?.as_ident()?;
        Some(if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() })
    };
    match (select.projection.as_slice(), select.from.as_slice()) {
        (
            [
                SelectItem::UnnamedExpr(Expr::Function(function))
                | SelectItem::ExprWithAlias { expr: Expr::Function(function), .. },
            ],
            [],
        ) => {
            let arguments = match &function.args {
                FunctionArguments::List(list) => list.args.iter().collect(),
                FunctionArguments::None | FunctionArguments::Subquery(_) => Vec::new(),
            };
            Some((name(&function.name)?, arguments))
        }
        ([SelectItem::Wildcard(_)], [from]) if from.joins.is_empty() => match &from.relation {
            TableFactor::Table { name: object, args: Some(args), .. } => {
                Some((name(object)?, args.args.iter().collect()))
            }
            TableFactor::Function { name: object, args, .. } => Some((name(object)?, args.iter().collect())),
            _ => None,
        },
        _ => None,
    }
}

fn usage(verb: &Verb, why: &str) -> Reply {
    Reply::error("42883", format!("{}: {why}", verb.name)).hint(format!("It is {}({}).", verb.name, verb.arguments))
}

fn call(verb: &'static Verb, arguments: Vec<&FunctionArg>) -> Result<Call, Reply> {
    let known = parameters(verb);
    let mut given = vec![Given::Nothing; known.len()];
    for (argument, at) in arguments.into_iter().zip(0_usize..) {
        let (place, value) = match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => (at, value),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. }
            | FunctionArg::ExprNamed { name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(value), .. } => {
                let wanted = name.value.to_lowercase();
                let found = known.iter().position(|(name, ..)| *name == wanted);
                (found.ok_or_else(|| usage(verb, &format!("there is no parameter {wanted}")))?, value)
            }
            _ => return Err(usage(verb, "it takes plain values")),
        };
        let slot = given.get_mut(place).ok_or_else(|| usage(verb, "too many arguments"))?;
        *slot = plain(value).ok_or_else(|| usage(verb, "it takes plain values, none of a query"))?;
    }
    if let Some(((name, ..), _)) =
        known.iter().zip(&given).find(|((.., optional), value)| !optional && **value == Given::Nothing)
    {
        return Err(usage(verb, &format!("{name} is missing")));
    }
    Ok(Call { verb, arguments: given })
}

fn plain(value: &Expr) -> Option<Given> {
    match value {
        Expr::Value(value) => Some(match &value.value {
            Literal::Number(text, _) | Literal::SingleQuotedString(text) | Literal::EscapedStringLiteral(text) => {
                Given::Text(text.clone())
            }
            Literal::DollarQuotedString(text) => Given::Text(text.value.clone()),
            Literal::Boolean(truth) => Given::Text(truth.to_string()),
            Literal::Null => Given::Nothing,
            Literal::Placeholder(place) => {
                Given::Parameter(place.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)?)
            }
            _ => return None,
        }),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match plain(expr)? {
            Given::Text(text) => Some(Given::Text(format!("-{text}"))),
            _ => None,
        },
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => plain(inner),
        _ => None,
    }
}

impl Call {
    /// Types of the statement's parameters, from the places they are given in.
    pub(super) fn parameters(&self, said: &[Type]) -> Vec<Type> {
        let mut types = said.to_vec();
        for ((_, ty, _), given) in parameters(self.verb).iter().zip(&self.arguments) {
            if let Given::Parameter(at) = given {
                if types.len() <= *at {
                    types.resize(*at + 1, Type::Unknown);
                }
                if let Some(known) = types.get_mut(*at).filter(|known| **known == Type::Unknown) {
                    *known = *ty;
                }
            }
        }
        types
    }

    pub(super) fn text(&self, name: &str, bound: &[Value]) -> Option<String> {
        let at = parameters(self.verb).iter().position(|(known, ..)| *known == name)?;
        match self.arguments.get(at)? {
            Given::Nothing => None,
            Given::Text(text) => Some(text.clone()),
            Given::Parameter(at) => match bound.get(*at)? {
                Value::Text(text) => Some(text.clone()),
                Value::Integer(number) => Some(number.to_string()),
                Value::Real(number) => Some(number.to_string()),
                Value::Null | Value::Blob(_) => None,
            },
        }
    }

    /// Number of the ticket or job it is about.
    pub(super) fn id(&self, bound: &[Value]) -> Result<i64, Reply> {
        let (name, ..) = parameters(self.verb).first().copied().unwrap_or(("ticket", Type::Int8, false));
        let text = self.text(name, bound).ok_or_else(|| usage(self.verb, &format!("{name} is missing")))?;
        text.trim().parse().map_err(|_| {
            Reply::error("22P02", format!("invalid input syntax for type bigint: \"{text}\""))
                .hint(format!("It is {}({}).", self.verb.name, self.verb.arguments))
        })
    }

    /// A value that is kept as a whole number: a truth, or a time in microseconds.
    fn whole(&self, name: &str, ty: Type, bound: &[Value]) -> Result<Option<i64>, Reply> {
        let at = parameters(self.verb).iter().position(|(known, ..)| *known == name);
        let value = match at.and_then(|at| self.arguments.get(at)) {
            None | Some(Given::Nothing) => return Ok(None),
            Some(Given::Text(text)) => Value::Text(text.clone()),
            Some(Given::Parameter(at)) => bound.get(*at).cloned().unwrap_or(Value::Null),
        };
        match value {
            Value::Text(text) => match time::input(&text, ty).map_err(|bad| Reply::error(bad.code, bad.message))? {
                Value::Integer(number) => Ok(Some(number)),
                _ => Ok(None),
            },
            Value::Integer(number) => Ok(Some(number)),
            Value::Null | Value::Real(_) | Value::Blob(_) => Ok(None),
        }
    }

    /// How long a wait may take.
    pub(super) fn seconds(&self, bound: &[Value]) -> Result<Option<u32>, Reply> {
        self.number("seconds", bound)
    }

    fn number(&self, name: &str, bound: &[Value]) -> Result<Option<u32>, Reply> {
        let Some(text) = self.text(name, bound) else { return Ok(None) };
        let wrong = || Reply::error("22023", format!("{name} takes a whole number, not {text}"));
        text.trim().parse().map(Some).map_err(|_| wrong())
    }
}

/// What a verb answers: its rows, and what else there is to say.
pub(super) struct Answer {
    pub(super) rows: Vec<Vec<Value>>,
    pub(super) notices: Vec<Reply>,
}

/// Who calls, and what they have seen.
pub(super) struct Session<'a> {
    pub(super) door: &'a Door,
    /// In whose name, where the API has to be told.
    pub(super) by: Option<&'a str>,
    /// The version of the ticket that was shown last, if it was.
    pub(super) seen: Option<u32>,
}

/// Decides on what was looked at.
async fn hash(
    call: &Call,
    bound: &[Value],
    id: i64,
    session: &Session<'_>,
    notices: &mut Vec<Reply>,
) -> Result<String, Reply> {
    match call.text("hash", bound) {
        Some(hash) => Ok(hash),
        None => looked_at(id, session, notices).await,
    }
}

/// The elements of a text with commas.
fn listed(text: Option<String>) -> Json {
    let text = text.unwrap_or_default();
    json!(text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect::<Vec<_>>())
}

/// Does what a verb says; `wait` and `explain` are not done here.
pub(super) async fn run(call: &Call, bound: &[Value], session: &Session<'_>) -> Result<Answer, Reply> {
    let id = call.id(bound)?;
    let (folder, action, mut body) = order(call, bound)?;
    if let Some(by) = session.by {
        body.insert("by".to_owned(), json!(by));
    }
    let mut notices = Vec::new();
    if call.verb.name == "approve" {
        let seen = hash(call, bound, id, session, &mut notices).await?;
        body.insert("seen_hash".to_owned(), json!(seen));
    }
    let path = format!("/v1/{folder}/{id}/{action}");
    let who = (&session.door.caller, session.door.address);
    let row = if folder == "jobs" || action == "run" {
        let full: JobFull = session.door.api.post(who, &path, &body).await.map_err(told)?;
        job_row(&full)
    } else {
        let full: Full = session.door.api.post(who, &path, &body).await.map_err(told)?;
        ticket_row(&full)
    };
    Ok(Answer { rows: vec![row], notices })
}

/// Of what, which action of the API, and its body.
type Order = (&'static str, &'static str, serde_json::Map<String, Json>);

fn order(call: &Call, bound: &[Value]) -> Result<Order, Reply> {
    let mut body = serde_json::Map::new();
    let mut say = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    let text = |name| call.text(name, bound).map(Json::from);
    let list = |name| Some(listed(call.text(name, bound)));
    let (folder, action) = match call.verb.name {
        "approve" => {
            say("note", text("comment"));
            ("tickets", "approve")
        }
        "reject" | "cancel" | "break_glass" => {
            say("note", text("reason"));
            ("tickets", if call.verb.name == "break_glass" { "break-glass" } else { call.verb.name })
        }
        "comment" | "justify" | "request_changes" | "review_debt" => {
            say("note", text("words"));
            let action = match call.verb.name {
                "request_changes" => "request-changes",
                "review_debt" => "review-debt",
                other => other,
            };
            ("tickets", action)
        }
        "label" => {
            say("add", list("add"));
            say("remove", list("remove"));
            ("tickets", "label")
        }
        "run" => ("tickets", "run"),
        "schedule" => {
            say("how", Some(json!("job")));
            say("at", Some(json!(call.whole("at", Type::Timestamp, bound)?)));
            ("tickets", "schedule")
        }
        "settle" => {
            say("applied", Some(json!(call.whole("applied", Type::Bool, bound)? == Some(1))));
            say("found", text("found"));
            ("tickets", "settle")
        }
        "abort" => {
            say("reason", text("reason"));
            ("jobs", "abort")
        }
        "rate" => {
            say("batch_ms", call.number("batch_ms", bound)?.map(Json::from));
            say("pause_percent", call.number("pause_percent", bound)?.map(Json::from));
            ("jobs", "rate")
        }
        "undo" => {
            say("yes", Some(json!(call.whole("yes", Type::Bool, bound)? == Some(1))));
            ("jobs", "undo")
        }
        other => ("jobs", other),
    };
    Ok((folder, action, body))
}

/// The hash of what was looked at: of the ticket as it was shown last, if nothing that counts has changed since, or
/// as it is now, which is then told.
async fn looked_at(id: i64, session: &Session<'_>, notices: &mut Vec<Reply>) -> Result<String, Reply> {
    let full: Full = session.door.get(&format!("/v1/tickets/{id}")).await?;
    match session.seen {
        Some(seen) => {
            let harmless = |what: &Happening| {
                matches!(what, Happening::Commented { .. } | Happening::Voted { .. } | Happening::Labelled { .. })
            };
            let since = full.events.iter().filter(|recorded| recorded.version > seen);
            let changed: Vec<&str> = since
                .map(|recorded| &recorded.event.what)
                .filter(|what| !harmless(what))
                .map(Happening::name)
                .collect();
            if !changed.is_empty() {
                let message = format!("ticket {id} has changed since you looked at it ({})", changed.join(", "));
                let hint = format!("SELECT * FROM ticket_details WHERE id = {id}; then approve({id}) again.");
                return Err(Reply::error("55000", message).hint(hint));
            }
        }
        None => {
            let text = format!("ticket {id} was not shown in this session: it is approved as it is now");
            notices.push(Reply::notice(text).detail(full.ticket.request.shown.clone()));
        }
    }
    Ok(full.review_hash)
}

/// What would become of a statement, as rows.
pub(super) async fn explain(call: &Call, bound: &[Value], door: &Door, login: &str) -> Result<Answer, Reply> {
    let wanted = |name| call.text(name, bound).ok_or_else(|| usage(call.verb, &format!("{name} is missing")));
    let role = call.text("role", bound).unwrap_or_else(|| login.to_owned());
    let question = json!({ "sql": wanted("sql")?, "database": wanted("database")?, "role": role });
    let who = (&door.caller, door.address);
    let found: Explained = door.api.post(who, "/v1/explain", &question).await.map_err(told)?;
    let mut rows = Vec::new();
    let mut say = |part: &str, number: i64, what: &str, lock: Option<&str>, said: &str| {
        let text = |text: &str| Value::Text(text.to_owned());
        rows.push(vec![text(part), Value::Integer(number), text(what), lock.map_or(Value::Null, text), text(said)]);
    };
    let of = format!("by policy {} of target {}", found.policy, found.target);
    say("verdict", 1, &found.verdict, None, &if found.observed { format!("{of}, which only observes") } else { of });
    if let Some(why) = &found.assumed {
        say("assumed", 1, "tables count as large", None, why);
    }
    for (finding, number) in found.findings.iter().zip(1..) {
        say("finding", number, &finding.rule.0, finding.lock.map(|lock| lock.words()), &finding.message);
    }
    for (step, number) in found.plan.iter().flat_map(|plan| &plan.steps).zip(1..) {
        say("step", number, &step.name, Some(&step.lock_words()), &step.action.sql());
    }
    for (missing, number) in found.conditions.iter().flat_map(|conditions| conditions.missing(&[])).zip(1..) {
        say("approval", number, "needed", None, &missing);
    }
    if let Some([message, detail, hint]) = &found.refusal {
        say("refusal", 1, message, None, format!("{detail} {hint}").trim());
    }
    Ok(Answer { rows, notices: Vec::new() })
}

/// What became of a ticket.
pub(super) fn ticket_row(full: &Full) -> Vec<Value> {
    let state = full.ticket.state.name();
    let last = full.events.last().map_or("", |recorded| recorded.event.what.name());
    let result = if full.missing.is_empty() {
        last.to_owned()
    } else {
        format!("{last}; still missing: {}", full.missing.join("; "))
    };
    vec![Value::Integer(full.ticket.id.0), Value::Text(state.as_str().to_owned()), Value::Text(result)]
}

fn job_row(full: &JobFull) -> Vec<Value> {
    let job = &full.job.job;
    let last = full.events.last().and_then(|recorded| serde_json::to_value(&recorded.event).ok());
    let last = last.as_ref().and_then(|last| last.get("event")).and_then(Json::as_str).unwrap_or_default();
    vec![Value::Integer(job.id.0), Value::Text(job.state.name().as_str().to_owned()), Value::Text(last.to_owned())]
}
