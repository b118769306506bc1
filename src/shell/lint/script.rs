//! One file as its tool sends it: which of its bytes are statements, whether they go one by one or as one
//! string, and in whose transaction.

use std::ops::Range;

use super::scan::{Scan, scan};
use super::tool::{Sends, Tool};
use crate::kernel::sql::encoding::TextEncoding;
use crate::kernel::sql::read::outline;
use crate::kernel::sql::remember::Known;
use crate::kernel::sql::statement::{Change, Statement};

/// What sqlmigrate prints in the place of `RunPython`: newer versions, older ones.
const DJANGO_PROGRAM: [&str; 2] =
    ["THIS OPERATION CANNOT BE WRITTEN AS SQL", "MIGRATION NOW PERFORMS OPERATION THAT CANNOT BE WRITTEN AS SQL"];

/// A file, or the part of it that would run.
#[derive(Debug)]
pub(super) struct Script {
    /// As it is shown.
    pub(super) path: String,
    /// The file's own text, for positions and for showing.
    pub(super) text: String,
    pub(super) tool: Tool,
    pub(super) sends: Sends,
    /// The tool runs the file within a transaction.
    pub(super) wrapped: bool,
    pub(super) messages: Vec<Message>,
    pub(super) scan: Scan,
    /// Where a program of the tool's runs, which its output has no SQL for.
    programs: Vec<Range<usize>>,
    /// What is not judged or not certain about the file as a whole.
    pub(super) notes: Vec<String>,
    pub(super) lines: Lines,
}

/// Where a text's lines begin.
#[derive(Debug)]
pub(super) struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes());
        Self(std::iter::once(0).chain(ends.map(|end| end + 1)).collect())
    }

    /// Line and byte offset in it; lines count from one.
    pub(super) fn position(&self, at: usize) -> (usize, usize) {
        let line = self.0.partition_point(|start| *start <= at).max(1);
        (line, at.saturating_sub(self.0.get(line - 1).copied().unwrap_or_default()))
    }

    pub(super) fn line(&self, at: usize) -> usize {
        self.position(at).0
    }
}

/// What would reach the server in one piece.
#[derive(Debug)]
pub(super) struct Message {
    /// Where it stands in the file.
    pub(super) span: Range<usize>,
    pub(super) known: Known,
    /// Rows of the COPY data behind it.
    pub(super) copied: Option<u64>,
}

impl Script {
    /// Takes a file apart, as its tool would.
    pub(super) fn new(path: String, text: String, tool: Tool) -> Self {
        let lines = Lines::of(&text);
        let part = tool.part(&text);
        let mut scan = scan(&part.text);
        let blanked = blank(&part.text, &scan);
        let sends = tool.sends();
        let mut notes = part.notes;
        if !scan.commands.is_empty() {
            let psql = sends == Sends::Statements;
            notes.extend(scan.commands.iter().map(|command| not_judged(&part.text, &lines, (command, psql))));
        }
        let messages = match sends {
            Sends::Statements => one_by_one(&blanked, &scan),
            Sends::Text => whole(&blanked),
        };
        let mut wrapped = part.wrapped;
        if matches!(tool, Tool::Flyway | Tool::FlywayMixed) {
            let refuses = |message: &Message| outline::refuses_block(&message.known.text).is_some();
            let (any, all) = (messages.iter().any(refuses), messages.iter().all(refuses));
            // As Flyway does by itself.
            wrapped = !any || (!all && tool == Tool::Flyway);
            if any && wrapped {
                notes.push(
                    "Flyway refuses the file: some of its statements refuse a transaction, others do not. With \
                     mixed=true it runs all of them without one"
                        .to_owned(),
                );
            }
        }
        scan.comments.retain(|comment| !blanked.get(comment.clone()).unwrap_or_default().trim().is_empty());
        let is_program = |comment: &&Range<usize>| {
            let said = text.get((*comment).clone()).unwrap_or_default();
            DJANGO_PROGRAM.iter().any(|words| said.contains(words))
        };
        let programs: Vec<Range<usize>> = scan.comments.iter().filter(is_program).cloned().collect();
        notes.extend(programs.iter().map(|program| {
            format!("line {}: not judged: an operation of Django's that is a program", lines.line(program.start))
        }));
        Self { path, text, tool, sends, wrapped, messages, scan, programs, notes, lines }
    }
}

impl Script {
    /// A file of which only can be said why it is not judged, and whether it is run.
    pub(super) fn left_out(path: String, tool: Tool, why: &str, runs: bool) -> Self {
        let mut script = Self::new(path, String::new(), tool);
        script.notes = vec![format!("not judged: {why}")];
        script.programs = if runs { vec![Range::default()] } else { Vec::new() };
        script
    }

    /// Whether something runs between two messages that is not read: psql's files and data, a tool's programs.
    pub(super) fn runs_unread(&self, between: Range<usize>) -> bool {
        let within = |command: &&Range<usize>| between.start <= command.start && command.end <= between.end;
        let named = |command: &Range<usize>| {
            let written = self.text.get(command.clone()).unwrap_or_default().to_ascii_lowercase();
            let name = written.split_whitespace().next().unwrap_or_default().to_owned();
            matches!(name.as_str(), "\\i" | "\\ir" | "\\include" | "\\include_relative" | "\\gexec")
                || (name == "\\copy" && written.contains(" from "))
        };
        let mut commands = self.scan.commands.iter().filter(within);
        let mut programs = self.programs.iter().filter(within);
        self.sends == Sends::Statements && (commands.any(named) || programs.next().is_some())
    }

    /// Whether another one has the same statements, whatever stands around them.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let own = |script: &Self| (script.tool, script.sends, script.wrapped);
        own(self) == own(other) && self.statements().eq(other.statements())
    }

    fn statements(&self) -> impl Iterator<Item = (Option<u64>, String)> {
        self.messages.iter().flat_map(|message| {
            let mut spans: Vec<Range<usize>> =
                message.known.statements().statements.into_iter().map(|parsed| parsed.span).collect();
            spans.dedup();
            spans.into_iter().map(|span| (message.copied, message.known.text.get(span).unwrap_or_default().to_owned()))
        })
    }

    /// What each message changes.
    pub(super) fn changes(&self) -> impl Iterator<Item = Vec<Change>> {
        self.messages.iter().map(|message| {
            let statements = message.known.statements().statements.into_iter();
            let changes = statements.filter_map(|parsed| match parsed.statement {
                Statement::Change(change) => Some(change),
                _ => None,
            });
            changes.collect()
        })
    }
}

fn not_judged(text: &str, lines: &Lines, command: (&Range<usize>, bool)) -> String {
    let (command, psql) = command;
    let line = lines.line(command.start);
    let written = text.get(command.clone()).unwrap_or_default().trim();
    let name: String = written.chars().take_while(|c| !c.is_whitespace()).collect();
    let why = match (psql, name.as_str()) {
        (false, _) => "only psql knows it",
        (true, "\\i" | "\\ir" | "\\include" | "\\include_relative") => "give the file it reads as well",
        (true, "\\gexec") => "it runs what the query answers",
        (true, "\\c" | "\\connect") => "what follows is judged as if it stayed on the same server",
        (true, "\\if" | "\\elif" | "\\else" | "\\endif") => "all branches are judged",
        (true, _) => "it is psql's own",
    };
    format!("line {line}: {name} is not judged: {why}")
}

/// The same text, byte for byte, with spaces where no statement stands.
fn blank(text: &str, scan: &Scan) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let ranges = scan.commands.iter().chain(scan.copies.iter().map(|copy| &copy.data));
    for range in ranges {
        blank_range(&mut bytes, range.clone());
    }
    for joint in &scan.joints {
        blank_range(&mut bytes, *joint..joint + 1);
    }
    // Only whole ranges of a text were replaced by spaces.
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Line ends stay, so that lines keep their numbers.
pub(super) fn blank_range(bytes: &mut [u8], range: Range<usize>) {
    for byte in bytes.get_mut(range).unwrap_or_default() {
        if !matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

fn whole(text: &str) -> Vec<Message> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    vec![Message { span: 0..text.len(), known: read(text), copied: None }]
}

fn read(text: &str) -> Known {
    Known::read(text.as_bytes(), TextEncoding::Utf8)
}

/// Where the parser of record sees statements; where it cannot read the script as a whole, where psql would cut.
fn one_by_one(text: &str, scan: &Scan) -> Vec<Message> {
    let spans = match read(text).reading {
        Ok(reading) => {
            let mut spans: Vec<Range<usize>> = reading.statements.into_iter().map(|parsed| parsed.span).collect();
            spans.dedup();
            joined(spans, &scan.joints)
        }
        Err(_) => scan.chunks.iter().map(|chunk| trimmed(text, chunk)).collect(),
    };
    let message = |span: Range<usize>| {
        let at = scan.copies.partition_point(|copy| copy.chunk.end <= span.start);
        let copied = scan.copies.get(at).filter(|copy| copy.chunk.contains(&span.start)).map(|copy| copy.rows);
        Message { known: read(text.get(span.clone()).unwrap_or_default()), span, copied }
    };
    spans.into_iter().filter(|span| !span.is_empty()).map(message).collect()
}

/// What psql sends in one piece: statements with `\;` between them.
fn joined(spans: Vec<Range<usize>>, joints: &[usize]) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match pieces.last_mut() {
            Some(last) if joints.iter().any(|joint| (last.end..span.start).contains(joint)) => last.end = span.end,
            Some(_) | None => pieces.push(span),
        }
    }
    pieces
}

/// Without the comments and white space before it, and without its semicolon.
fn trimmed(text: &str, chunk: &Range<usize>) -> Range<usize> {
    let of = text.get(chunk.clone()).unwrap_or_default();
    let inner = crate::kernel::sql::read::trimmed(of);
    chunk.start + inner.start..chunk.start + inner.end
}
