//! Statement by statement: what it is judged by, which transaction it is in, what becomes of it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::LintError;
use super::directive::{self, Directives};
use super::of::{Of, place};
use super::report::{
    FileReport, Found, FoundKind, Ignored, Judged, Outcome, Problem, ShownPlan, Transaction, TransactionKind,
};
use super::script::{Message, Script};
use super::source::Source;
use super::tool::{Sends, Tool};
use crate::kernel::assess::{self, Assessment};
use crate::kernel::facts::{Facts, NameKind};
use crate::kernel::forecast::{Forecast, Seen};
use crate::kernel::policy::{self, Clearance, Policy, Verdict, Who};
use crate::kernel::rules::{self, Finding, Response};
use crate::kernel::sql::read::outline::{End, outline};
use crate::kernel::sql::statement::{Change, Opaque, OpaqueKind, Reading, Statement, TransactionControl};

/// What follows from that.
const LOST: &str =
    "what is named without a schema from here on counts as large and in use, if the file does not make it";

/// The run through all files.
pub(super) struct Judge {
    pub(super) policy: Policy,
    pub(super) who: Who,
    pub(super) source: Source,
    pub(super) forecast: Forecast,
    /// Comments in files may say that something is meant so.
    pub(super) follows_ignores: bool,
    /// Patterns for new names.
    pub(super) naming: BTreeMap<NameKind, String>,
    /// The changes of every message of the run, and how many messages have been judged.
    pub(super) run: Vec<Vec<Change>>,
    done: usize,
    /// As of the last look-up.
    pub(super) server_version: u32,
    prepared: BTreeMap<String, Statement>,
    transactions: usize,
    open: Option<Transaction>,
}

/// One statement of a message: its parts share a span.
struct Group {
    parts: Vec<usize>,
    span: Range<usize>,
}

impl Judge {
    pub(super) fn new(policy: Policy, who: Who, source: Source, forecast: Forecast) -> Self {
        Self {
            policy,
            who,
            source,
            forecast,
            follows_ignores: true,
            naming: BTreeMap::new(),
            run: Vec::new(),
            done: 0,
            server_version: 0,
            prepared: BTreeMap::new(),
            transactions: 0,
            open: None,
        }
    }

    /// Judges a file, as if all before it had run.
    pub(super) async fn file(&mut self, script: &Script) -> Result<FileReport, LintError> {
        self.open = None;
        if script.wrapped {
            let words = format!("the transaction that {} runs the file in", script.tool.name());
            self.open = Some(self.transaction(TransactionKind::Tool, words));
            self.forecast.begin();
        }
        let mut notes = script.notes.clone();
        let mut lost = self.forecast.is_lost();
        if lost {
            notes.push(format!("an earlier file sets search_path: {LOST}"));
        }
        let mut statements = Vec::new();
        let mut gap = 0;
        for message in &script.messages {
            statements.extend(self.message(script, message, gap).await?);
            gap = message.span.end;
            if self.forecast.is_lost() && !lost {
                notes.push(format!(
                    "line {}: what search_path is set to is not known: {LOST}",
                    script.lines.line(message.span.start)
                ));
            }
            lost = self.forecast.is_lost();
        }
        if script.runs_unread(gap..script.text.len()) {
            self.forecast.fill();
        }
        match self.open.take() {
            Some(open) if open.kind == TransactionKind::Explicit => {
                notes.push(format!("{} is not ended in the file", open.words));
            }
            Some(_) | None => {}
        }
        self.forecast.commit();
        // The next file may be run by another session.
        self.forecast.end_session();
        if script.tool.puts_session_back() {
            self.forecast.put_back();
        }
        Ok(FileReport {
            path: script.path.clone(),
            tool: script.tool.name(),
            notes,
            statements,
            text: script.text.clone(),
        })
    }

    /// Lets a file have run long ago, without judging it.
    pub(super) fn remember(&mut self, script: &Script) {
        for message in &script.messages {
            let reading = message.known.statements();
            let facts = self.forecast.instead_of_a_server(&reading, &assess::wanted(&reading));
            self.learn(&reading, message, &facts);
        }
        self.forecast.commit();
        self.forecast.end_session();
    }

    fn learn(&mut self, reading: &Reading, message: &Message, facts: &Facts) {
        for parsed in &reading.statements {
            let text = message.known.text.get(parsed.span.clone()).unwrap_or_default();
            self.forecast.learn(&parsed.statement, Seen { text, facts, copied: message.copied });
        }
    }

    fn transaction(&mut self, kind: TransactionKind, words: String) -> Transaction {
        self.transactions += 1;
        Transaction { number: self.transactions, kind, words }
    }

    async fn message(&mut self, script: &Script, message: &Message, gap: usize) -> Result<Vec<Judged>, LintError> {
        self.done += 1;
        if script.runs_unread(gap..message.span.start) {
            self.forecast.fill();
        }
        let reading = self.resolve(message);
        let several = reading.statements.len() > 1;
        let place = policy::Place {
            in_transaction: self.open.is_some(),
            in_block: self.open.is_some(),
            several,
            parameters: false,
        };
        let facts = self.facts(script, message, &reading).await?;
        let assessment = match &facts {
            Some(facts) => assess::assess(&message.known.text, &reading, facts.clone()),
            None => assess::assess(
                &message.known.text,
                &Reading { statements: Vec::new(), ..reading.clone() },
                Facts::default(),
            ),
        };
        let joined = groups(&reading).len() > 1;
        let implicit = (joined && self.open.is_none()).then(|| {
            let words = match script.sends {
                Sends::Text => {
                    let tool = script.tool.name();
                    format!("one transaction with the rest of the file, which {tool} sends as one string")
                }
                Sends::Statements => "one transaction with the statements that \\; joins to it".to_owned(),
            };
            self.transaction(TransactionKind::Implicit, words)
        });
        if implicit.is_some() {
            self.forecast.begin();
        }
        let guessed = self.forecast.guessed(&reading);
        let mut judged = Vec::new();
        let mut gap = gap;
        for group in groups(&reading) {
            let transaction = self.follow(script, message, &reading, (&group, implicit.as_ref()));
            let span = message.span.start + group.span.start..message.span.start + group.span.end;
            let directives = if self.follows_ignores {
                directive::between(&script.text, &script.scan, gap..span.end)
            } else {
                Directives::default()
            };
            gap = span.end;
            let of = Of { script, message, reading: &reading, span, transaction, place, guessed: &guessed };
            judged.push(self.statement(&of, &group, &assessment, directives));
        }
        self.learn(&reading, message, &facts.unwrap_or_default());
        if implicit.is_some() {
            self.forecast.commit();
        }
        Ok(judged)
    }

    /// The reading with every EXECUTE replaced by what its name stands for, as far as the run prepared it.
    fn resolve(&mut self, message: &Message) -> Reading {
        let mut reading = message.known.statements();
        for parsed in &mut reading.statements {
            match &parsed.statement {
                Statement::Prepare { name, inner } => {
                    self.prepared.insert(name.clone(), (**inner).clone());
                }
                Statement::Execute { name } => {
                    let unknown = || {
                        Statement::Change(Change::Opaque(Opaque {
                            what: format!("EXECUTE {name}, which no file has prepared"),
                            kind: OpaqueKind::Code,
                            unless: None,
                        }))
                    };
                    parsed.statement = self.prepared.get(name).cloned().unwrap_or_else(unknown);
                }
                Statement::Ordinary
                | Statement::MovesNames
                | Statement::Transaction(_)
                | Statement::Deallocate { .. }
                | Statement::Change(_) => {}
            }
        }
        reading
    }

    /// `None` when nothing of it is a change.
    async fn facts(
        &mut self,
        script: &Script,
        message: &Message,
        reading: &Reading,
    ) -> Result<Option<Facts>, LintError> {
        if Clearance::ordinary(reading).is_some() {
            return Ok(None);
        }
        let looked_up = self.source.facts(&self.forecast, reading).await;
        let mut facts = looked_up.map_err(|error| {
            let line = script.lines.line(message.span.start);
            LintError::new(format!("{}:{line}: what the statement touches cannot be looked up: {error}", script.path))
        })?;
        facts.naming.clone_from(&self.naming);
        self.server_version = facts.server_version;
        Ok(Some(facts))
    }

    /// The transaction of one statement, and the one that is open behind it.
    fn follow(
        &mut self,
        script: &Script,
        message: &Message,
        reading: &Reading,
        of: (&Group, Option<&Transaction>),
    ) -> Transaction {
        let (group, implicit) = of;
        let control = group.parts.iter().find_map(|part| match reading.statements.get(*part).map(|p| &p.statement) {
            Some(Statement::Transaction(control)) => Some(*control),
            _ => None,
        });
        let line = script.lines.line(message.span.start + group.span.start);
        let text = || message.known.text.get(group.span.clone()).unwrap_or_default();
        let end = control.and_then(|_| outline(text()).end);
        match control {
            Some(TransactionControl::Begin) if self.open.is_none() => {
                let begun = self.explicit(line);
                self.open = Some(begun.clone());
                begun
            }
            Some(control) if ends(control, end) => {
                let ended = self.open.take();
                if end == Some(End::Chain) {
                    self.open = Some(self.explicit(line));
                }
                ended.unwrap_or_else(|| self.own())
            }
            Some(_) | None => match self.open.as_ref().or(implicit) {
                Some(shared) => shared.clone(),
                None => self.own(),
            },
        }
    }

    fn explicit(&mut self, line: usize) -> Transaction {
        self.transaction(TransactionKind::Explicit, format!("the transaction that begins in line {line}"))
    }

    fn own(&mut self) -> Transaction {
        self.transaction(TransactionKind::Own, "a transaction of its own".to_owned())
    }

    fn statement(&self, of: &Of<'_>, group: &Group, assessment: &Assessment, directives: Directives) -> Judged {
        let (own, ignored, stale) = self.part(assessment, group, &directives);
        let verdict = policy::judge(&self.policy, &self.who, of.place, &own);
        let (plan, hint) = told(&verdict, of.script.tool);
        let text = of.message.known.text.get(group.span.clone()).unwrap_or_default();
        let mut problems = directives.problems;
        let mut notes = of.notes(text, &own);
        match self.source {
            Source::Assumed => problems.extend(stale),
            // Without this server there may be something to ignore.
            Source::Server(_) => notes.extend(stale.into_iter().map(|problem| problem.message)),
        }
        problems.extend(of.refused_block(text));
        let shown = crate::kernel::sql::read::may_hold_secrets(text);
        Judged {
            place: of.place_of(text),
            sql: if shown { of.shown(text) } else { text.to_owned() },
            verdict: Outcome::of(&verdict),
            transaction: of.transaction.clone(),
            findings: verdict.findings().iter().map(|finding| self.found(of, finding, &verdict)).collect(),
            ignored,
            plan,
            hint,
            notes,
            problems,
            printable: !shown,
        }
    }

    /// A finding with its own place and answer.
    fn found(&self, of: &Of<'_>, finding: &Finding, verdict: &Verdict) -> Found {
        let place = finding.at.clone().map(|at| of.message.span.start + at.start..of.message.span.start + at.end);
        let place = place.filter(|place| place.start >= of.span.start && place.end <= of.span.end);
        let definition = rules::is_definition(&finding.rule);
        let verdict = match self.policy.answer(&self.who, finding) {
            _ if !definition => Outcome::of(verdict),
            Response::Pass => Outcome::Pass,
            Response::Warn => Outcome::Warn,
            Response::Defer | Response::Rewrite | Response::Hold => Outcome::Hold,
            Response::Refuse => Outcome::Refuse,
        };
        let kind = if definition { FoundKind::Definition } else { FoundKind::Hazard };
        Found::of(finding, (kind, verdict), place.map(|place| self::place(of.script, place)))
    }

    /// Whether a later message of the run gives what is missing.
    fn met_later(&self, finding: &Finding) -> bool {
        let later = || self.run.iter().skip(self.done).flatten();
        finding.need.as_ref().is_some_and(|need| later().any(|change| need.met_by(change)))
    }

    /// The assessment of one statement of a message alone, without what its comments say is meant so.
    /// Then what was ignored, and comments that ignore nothing.
    fn part(
        &self,
        assessment: &Assessment,
        group: &Group,
        directives: &Directives,
    ) -> (Assessment, Vec<Ignored>, Vec<Problem>) {
        let mut findings = Vec::new();
        let mut ignored = Vec::new();
        let own = assessment.findings.iter().filter(|finding| group.parts.contains(&finding.statement));
        let stale = directives.stale(own.clone().map(|finding| finding.rule.0.as_str()));
        for finding in own.filter(|finding| !self.met_later(finding)) {
            match directives.ignored.iter().find(|(rule, _)| *rule == finding.rule.0) {
                Some((rule, reason)) => ignored.push(Ignored {
                    rule: rule.clone(),
                    message: finding.message.clone(),
                    reason: reason.clone(),
                }),
                None => findings.push(finding.clone()),
            }
        }
        let changes = assessment.changes.iter().filter(|change| group.parts.contains(&change.statement));
        let own = Assessment {
            // Only a plan that runs the message as it is would need it, and that is not shown.
            text: String::new(),
            findings,
            facts: Facts::default(),
            changes: changes.cloned().collect(),
            statements: assessment.statements,
        };
        (own, ignored, stale)
    }
}

/// Whether the session has no transaction any more.
fn ends(control: TransactionControl, end: Option<End>) -> bool {
    match control {
        TransactionControl::Commit | TransactionControl::Rollback => true,
        TransactionControl::TwoPhase => end == Some(End::Prepare),
        TransactionControl::Begin | TransactionControl::Savepoint => false,
    }
}

fn groups(reading: &Reading) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (part, parsed) in reading.statements.iter().enumerate() {
        match groups.last_mut() {
            Some(last) if last.span == parsed.span => last.parts.push(part),
            Some(_) | None => groups.push(Group { parts: vec![part], span: parsed.span.clone() }),
        }
    }
    groups
}

/// The plan that is shown, and how it can be done.
fn told(verdict: &Verdict, tool: Tool) -> (Option<ShownPlan>, Option<String>) {
    match verdict {
        Verdict::Pass { .. } | Verdict::Bounded { .. } => (None, None),
        Verdict::Defer { plan, head, .. } => (Some(ShownPlan::of(plan)), Some(deferred(plan.steps.len(), *head))),
        Verdict::Rewrite { plan, .. } => (plan.rewrites().then(|| ShownPlan::of(plan)), None),
        Verdict::Observed { would, .. } => told(would, tool),
        Verdict::Hold(draft) => {
            let plan = draft.plan.rewrites().then(|| ShownPlan::of(&draft.plan));
            let mut advice: Vec<&str> =
                rules::apart(&draft.findings).0.iter().map(|finding| finding.instead.as_str()).collect();
            advice.dedup();
            (plan, Some(advice.join(" ")).filter(|advice| !advice.is_empty()))
        }
        Verdict::Refuse(refusal) => {
            // In company of others: what would run if it came alone.
            let plan = refusal.findings.iter().find_map(|finding| finding.plan.as_ref());
            let hint = if refusal.elsewhere {
                format!("For {}: {}; it is then run in its safe form.", tool.name(), tool.way_out())
            } else {
                refusal.hint.clone()
            };
            (plan.map(ShownPlan::of), Some(hint))
        }
    }
}

/// How many steps of a plan run where the statement stands.
fn deferred(steps: usize, head: usize) -> String {
    let now = match head {
        0 => "Nothing of it runs in the transaction".to_owned(),
        1 => "Only step 1 runs in the transaction".to_owned(),
        head => format!("Only steps 1 to {head} run in the transaction"),
    };
    format!("{now}; a job runs the other {} after COMMIT, if the target has a login for jobs.", steps - head)
}
