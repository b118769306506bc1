//! Who has used a table lately, from the record: the newest part of it is read, and what names the table is told by
//! application, role and shape.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use memchr::memmem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::{Event, Line, SessionInfo};
use super::read;
use super::sessions::SessionsError;
use crate::kernel::sql::likeness::likeness;
use crate::kernel::sql::read::uses::{Uses, uses};
use crate::kernel::sql::statement::RelationName;
use crate::kernel::sql::usage::shape;

/// Texts that are read; of more only that there are more is told.
const TEXTS_MAX: usize = 20_000;
/// Longest line that is looked at.
const LINE_MAX: u64 = 1 << 20;
/// Users that are told, and shapes of each.
const USERS_MAX: usize = 50;
const SHAPES_MAX: usize = 5;
/// Characters of a shape.
const SHAPE_MAX: usize = 600;

/// Whose users are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub target: String,
    pub database: String,
    /// Schema and name.
    pub tables: Vec<(String, String)>,
    /// None: the tables as a whole.
    pub columns: BTreeSet<String>,
}

/// Who uses some tables, as far as the record tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Impact {
    pub tables: Vec<String>,
    /// The columns that are changed; none: the tables as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Time of the oldest line that was read; nothing: the record is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Bytes of the record that were read.
    pub bytes: u64,
    /// The record goes further back than that.
    pub is_cut: bool,
    /// Most statements first.
    pub users: Vec<User>,
    /// Applications and roles that are not listed: there are too many.
    #[serde(default)]
    pub more: u64,
    /// Statements that may name a table and could not be read, or came when there were too many to read.
    #[serde(default)]
    pub unread: u64,
    /// Statements of sessions that began before what was read: they may be on another database.
    #[serde(default)]
    pub unknown: u64,
}

/// An application under a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    pub application: String,
    pub role: String,
    pub reads: u64,
    pub writes: u64,
    /// Statements that name one of the columns, or all columns.
    pub of_columns: u64,
    pub last: String,
    /// The most frequent ones.
    pub shapes: Vec<Used>,
    /// How many others there are.
    #[serde(default)]
    pub more: u64,
}

/// A statement without its values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Used {
    pub text: String,
    pub count: u64,
    pub writes: bool,
    /// It names one of the columns, or all columns.
    pub of_columns: bool,
    pub last: String,
}

#[derive(Deserialize)]
struct Brief<'a> {
    boot: &'a str,
    at: &'a str,
    event: &'a str,
    #[serde(default)]
    session: Option<u64>,
    #[serde(default, borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(default)]
    text_bytes: Option<u64>,
    #[serde(default)]
    change: bool,
}

/// What a text does with the tables.
#[derive(Clone)]
struct Reads {
    shape: String,
    writes: bool,
    of_columns: bool,
}

struct Scan<'a> {
    wanted: &'a Wanted,
    sessions: HashMap<String, SessionInfo>,
    /// By what is the same where only values differ. None: it does not name them.
    texts: HashMap<String, Option<Reads>>,
    users: BTreeMap<(String, String), BTreeMap<String, Used>>,
    impact: Impact,
}

/// Looks through the newest `bytes` of the record. `connected`: sessions whose beginning may be further back.
///
/// # Errors
/// The files cannot be read.
pub fn scan(
    directory: &Path,
    wanted: &Wanted,
    connected: Vec<(String, SessionInfo)>,
    bytes: u64,
) -> Result<Impact, SessionsError> {
    let failed = |source| SessionsError::Read { directory: directory.to_owned(), source };
    let names = wanted.tables.iter().map(|(schema, name)| format!("{schema}.{name}")).collect();
    let impact = Impact { tables: names, columns: wanted.columns.iter().cloned().collect(), ..Impact::default() };
    let (sessions, texts, users) = (connected.into_iter().collect(), HashMap::new(), BTreeMap::new());
    let mut scan = Scan { wanted, sessions, texts, users, impact };
    let finders: Vec<Vec<u8>> = wanted.tables.iter().map(|(_, name)| name.to_lowercase().into_bytes()).collect();
    let finders: Vec<_> = finders.iter().map(memmem::Finder::new).collect();
    let mut parts = Vec::new();
    let mut left = bytes;
    for path in read::files(directory).map_err(failed)?.into_iter().rev() {
        let size = path.metadata().map_err(failed)?.len();
        if left == 0 {
            scan.impact.is_cut |= size > 0;
            break;
        }
        scan.impact.is_cut |= size > left;
        let from = size.saturating_sub(left);
        left -= size - from;
        parts.push((path, from));
    }
    scan.impact.bytes = bytes - left;
    for (path, from) in parts.into_iter().rev() {
        lines_from(&path, from, |line| {
            let lower = line.to_ascii_lowercase();
            let names_one = finders.iter().any(|name| name.find(&lower).is_some());
            scan.take(line, names_one);
        })
        .map_err(failed)?;
    }
    Ok(scan.told())
}

/// Every whole line after a position.
fn lines_from(path: &Path, from: u64, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::with_capacity(256 << 10, file);
    let mut line = Vec::new();
    let mut is_whole = from == 0;
    while Read::by_ref(&mut reader).take(LINE_MAX).read_until(b'\n', &mut line)? > 0 {
        let ends = line.pop_if(|last| *last == b'\n').is_some();
        if is_whole && ends {
            take(&line);
        }
        is_whole = ends;
        line.clear();
    }
    Ok(())
}

impl Scan<'_> {
    fn take(&mut self, line: &[u8], names_one: bool) {
        let is_start = memmem::find(line, b"\"event\":\"session_started\"").is_some();
        if self.impact.since.is_none() {
            self.impact.since = serde_json::from_slice::<Brief<'_>>(line).ok().map(|brief| brief.at.to_owned());
        }
        if is_start && let Ok(Line { boot, event: Event::SessionStarted(started), .. }) = serde_json::from_slice(line) {
            self.sessions.insert(format!("{boot}-{}", started.session.0), started.info);
        }
        if !names_one {
            return;
        }
        // A line that is not ours is for `verify` to complain about.
        let Ok(brief) = serde_json::from_slice::<Brief<'_>>(line) else { return };
        let (Some(session), Some(text), "statement", false) =
            (brief.session, brief.text.as_ref(), brief.event, brief.change)
        else {
            return;
        };
        let info = self.sessions.get(&format!("{}-{session}", brief.boot));
        if info.is_some_and(|info| info.target != self.wanted.target || info.database != self.wanted.database) {
            return;
        }
        let user = info.map(|info| (info.application.clone(), info.user.clone()));
        let like = likeness(text);
        if brief.text_bytes.is_some() || (self.texts.len() >= TEXTS_MAX && !self.texts.contains_key(like.as_ref())) {
            self.impact.unread += 1;
            return;
        }
        let wanted = self.wanted;
        let reads = self.texts.entry(like.into_owned()).or_insert_with(|| reads(text, wanted));
        let Some(reads) = reads.clone() else { return };
        let Some(user) = user else {
            self.impact.unknown += 1;
            return;
        };
        let used = self.users.entry(user).or_default().entry(reads.shape.clone()).or_default();
        used.count += 1;
        used.writes |= reads.writes;
        used.of_columns |= reads.of_columns;
        brief.at.clone_into(&mut used.last);
    }

    fn told(self) -> Impact {
        let mut users: Vec<User> = self.users.into_iter().map(user).collect();
        users.sort_by_key(|user| std::cmp::Reverse(user.reads + user.writes));
        let more = users.len().saturating_sub(USERS_MAX) as u64;
        users.truncate(USERS_MAX);
        Impact { users, more, ..self.impact }
    }
}

fn reads(text: &str, wanted: &Wanted) -> Option<Reads> {
    let Uses { relations, written, columns, all_columns } = uses(text)?;
    let is_one = |name: &RelationName| {
        wanted
            .tables
            .iter()
            .any(|(schema, table)| *table == name.name && name.schema.as_ref().is_none_or(|written| written == schema))
    };
    if !relations.iter().any(is_one) {
        return None;
    }
    let of_columns = all_columns || columns.iter().any(|column| wanted.columns.contains(column));
    let shape = shape(text).chars().take(SHAPE_MAX).collect();
    Some(Reads { shape, writes: written.iter().any(is_one), of_columns: of_columns && !wanted.columns.is_empty() })
}

fn user(((application, role), shapes): ((String, String), BTreeMap<String, Used>)) -> User {
    let mut user = User { application, role, ..User::default() };
    let mut used: Vec<Used> = shapes.into_iter().map(|(text, used)| Used { text, ..used }).collect();
    for one in &used {
        *(if one.writes { &mut user.writes } else { &mut user.reads }) += one.count;
        user.of_columns += if one.of_columns { one.count } else { 0 };
        user.last = one.last.clone().max(user.last);
    }
    // Those that break first come first.
    used.sort_by_key(|one| std::cmp::Reverse((one.of_columns, one.count)));
    user.more = used.len().saturating_sub(SHAPES_MAX) as u64;
    used.truncate(SHAPES_MAX);
    User { shapes: used, ..user }
}
