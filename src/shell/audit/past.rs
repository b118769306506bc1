//! Sessions read back from the record, by those who list them and those who look at one.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::escape::for_terminal;
use super::event::{Decision, EndReason, Event, Line, SessionEnded, SessionInfo};
use super::sessions::SessionsError;
use super::{file, read};

/// What the list needs of any line; everything else is skipped unread.
#[derive(Deserialize)]
struct Brief<'a> {
    boot: &'a str,
    at: &'a str,
    event: &'a str,
    #[serde(default)]
    session: Option<u64>,
    #[serde(default)]
    change: bool,
    #[serde(default)]
    decision: Option<Decision>,
}

/// One session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionSeen {
    pub id: String,
    #[serde(flatten)]
    pub info: SessionInfo,
    pub started: String,
    /// Absent while it lives, and when the gateway ended without saying so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<EndReason>,
    pub live: bool,
    pub statements: u64,
    pub changes: u64,
    pub held: u64,
    pub refused: u64,
    pub errors: u64,
}

#[derive(Default)]
struct List {
    sessions: HashMap<(String, u64), SessionSeen>,
    /// Ended sessions, oldest first: what is forgotten when there are too many.
    ended: VecDeque<(String, u64)>,
    limit: usize,
    newest_boot: String,
}

impl List {
    fn take(&mut self, text: &[u8]) {
        // A line that is not ours is for `verify` to complain about.
        let Ok(brief) = serde_json::from_slice::<Brief<'_>>(text) else {
            return;
        };
        if brief.boot != self.newest_boot {
            self.new_boot(brief.boot);
        }
        let Some(session) = brief.session else { return };
        let key = (brief.boot.to_owned(), session);
        match brief.event {
            "statement" => {
                let summary = self.sessions.entry(key).or_insert_with(|| SessionSeen::nameless(&brief, session));
                summary.statements += 1;
                summary.changes += u64::from(brief.change);
                summary.held += u64::from(brief.decision == Some(Decision::Hold));
                summary.refused += u64::from(brief.decision == Some(Decision::Refuse));
            }
            "session_started" | "session_ended" => self.border(key, text),
            // Steps, intents and the like belong to statements, which are counted.
            _ => {}
        }
    }

    fn border(&mut self, key: (String, u64), text: &[u8]) {
        let Ok(line) = serde_json::from_slice::<Line>(text) else {
            return;
        };
        let id = format!("{}-{}", key.0, key.1);
        if let Event::SessionStarted(started) = line.event {
            let summary =
                SessionSeen { id, info: started.info, started: line.at, live: true, ..SessionSeen::default() };
            self.sessions.insert(key, summary);
        } else if let Event::SessionEnded(SessionEnded { reason, counts, .. }) = line.event {
            let summary = self.sessions.entry(key.clone()).or_default();
            summary.id = id;
            summary.ended = Some(line.at);
            summary.reason = Some(reason);
            summary.live = false;
            summary.statements = counts.statements;
            summary.changes = counts.changes;
            summary.held = counts.held;
            summary.refused = counts.refused;
            summary.errors = counts.errors;
            self.end(key);
        }
    }

    fn end(&mut self, key: (String, u64)) {
        self.ended.push_back(key);
        if self.limit > 0 && self.ended.len() > self.limit {
            let forgotten = self.ended.pop_front();
            forgotten.map(|key| self.sessions.remove(&key));
        }
    }

    /// What the run before left open ended with it.
    fn new_boot(&mut self, boot: &str) {
        boot.clone_into(&mut self.newest_boot);
        let open: Vec<_> =
            self.sessions.iter().filter(|(_, summary)| summary.live).map(|(key, _)| key.clone()).collect();
        for key in open {
            if let Some(summary) = self.sessions.get_mut(&key) {
                summary.live = false;
            }
            self.end(key);
        }
    }
}

impl SessionSeen {
    /// Its start was in a file that has been deleted.
    fn nameless(brief: &Brief<'_>, session: u64) -> Self {
        Self {
            id: format!("{}-{session}", brief.boot),
            started: format!("before {}", brief.at),
            live: true,
            ..Self::default()
        }
    }
}

/// The newest so many sessions, oldest first, searched for in the newest files of so many bytes; 0 for all.
///
/// # Errors
/// The files cannot be read.
pub fn list(directory: &Path, (limit, bytes): (usize, u64), live: bool) -> Result<Vec<SessionSeen>, SessionsError> {
    let failed = |source| SessionsError::Read { directory: directory.to_owned(), source };
    let mut list = List { limit, ..List::default() };
    for path in newest(read::files(directory).map_err(failed)?, bytes) {
        read::lines::<io::Error>(&path, |_, text| {
            list.take(text);
            Ok(())
        })
        .map_err(failed)?;
    }
    if !file::is_in_use(directory) {
        list.new_boot("");
    }
    let mut sessions: Vec<_> = list.sessions.into_values().filter(|session| session.live || !live).collect();
    sessions.sort_by(|a, b| a.started.cmp(&b.started).then(a.id.cmp(&b.id)));
    if limit > 0 && sessions.len() > limit {
        sessions.drain(..sessions.len() - limit);
    }
    Ok(sessions)
}

/// The last files that have so many bytes together; the last one in any case.
fn newest(mut files: Vec<PathBuf>, bytes: u64) -> Vec<PathBuf> {
    let mut together = 0;
    let mut fits = |path: &PathBuf| {
        together += path.metadata().map_or(0, |file| file.len());
        bytes == 0 || together <= bytes
    };
    let kept = files.iter().rev().map_while(|path| fits(path).then_some(())).count().max(1);
    files.drain(..files.len().saturating_sub(kept));
    files
}

#[derive(Deserialize)]
struct Owner<'a> {
    boot: &'a str,
    event: &'a str,
    #[serde(default)]
    session: Option<u64>,
    #[serde(default)]
    ticket: Option<i64>,
}

impl Owner<'_> {
    fn is(&self, boot: &str, number: u64) -> bool {
        self.boot == boot && self.session == Some(number)
    }
}

/// Every line of a session, and what became of its tickets. `id` as listed, or the number alone for the newest with it.
///
/// # Errors
/// There is none, the files cannot be read, or `take` says so.
pub fn lines(
    directory: &Path,
    id: &str,
    mut take: impl FnMut(&[u8]) -> Result<(), SessionsError>,
) -> Result<(), SessionsError> {
    let failed = |source| SessionsError::Read { directory: directory.to_owned(), source };
    let files = read::files(directory).map_err(failed)?;
    let unknown = || SessionsError::Unknown(for_terminal(id));
    let (boot, number) = match id.rsplit_once('-') {
        Some((boot, number)) => (boot.to_owned(), number.parse().map_err(|_| unknown())?),
        None => {
            let number = id.parse().map_err(|_| unknown())?;
            (newest_boot(&files, number).map_err(failed)?.ok_or_else(unknown)?, number)
        }
    };
    let mut found = false;
    let mut tickets = BTreeSet::new();
    for path in &files {
        read::lines(path, |_, text| {
            let Ok(owner) = serde_json::from_slice::<Owner<'_>>(text) else { return Ok(()) };
            if owner.is(&boot, number) {
                found = true;
                tickets.extend(owner.ticket);
            } else if owner.event != "ticket" || owner.ticket.is_none_or(|ticket| !tickets.contains(&ticket)) {
                return Ok(());
            }
            take(text).map_err(ReadOrTake::Take)
        })
        .map_err(|error| match error {
            ReadOrTake::Read(source) => failed(source),
            ReadOrTake::Take(error) => error,
        })?;
    }
    if found { Ok(()) } else { Err(unknown()) }
}

enum ReadOrTake {
    Read(io::Error),
    Take(SessionsError),
}

impl From<io::Error> for ReadOrTake {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

fn newest_boot(files: &[PathBuf], number: u64) -> io::Result<Option<String>> {
    let mut newest = None;
    for path in files {
        read::lines::<io::Error>(path, |_, text| {
            if let Ok(owner) = serde_json::from_slice::<Owner<'_>>(text)
                && owner.session == Some(number)
                && newest.as_deref() != Some(owner.boot)
            {
                newest = Some(owner.boot.to_owned());
            }
            Ok(())
        })?;
    }
    Ok(newest)
}
