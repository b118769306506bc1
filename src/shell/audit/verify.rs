//! Proves that a record is whole: no line missing, changed, added or out of order. Shares no code with the
//! writer but the names of the files.
//!
//! What it cannot see: a record whose end was cut off, or one that was made anew from its first line; that
//! takes a copy of the last seal kept elsewhere. Lines that a crash left without a seal are counted.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::read;

/// Lines of an abandoned file that its successor may repeat.
const REPEAT_MAX: usize = 1 << 16;

/// What a whole record consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    pub files: u64,
    pub lines: u64,
    /// Number of the first line: above 1 when older files were deleted.
    pub first_seq: u64,
    pub last_seq: u64,
    /// The last seal, hex: keep it elsewhere to notice a cut end.
    pub last_seal: String,
    /// Lines at the end of files that no seal covers (a crash, or being written now): in order, not proven.
    pub unsealed: u64,
    /// Files that end with an unfinished line (a crash, or one being written now).
    pub torn: u64,
    /// Lines found twice because a file was abandoned after a disk error; equal both times.
    pub repeated: u64,
}

/// Why a record is not whole.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} line {line}: {problem}", path.display())]
    Broken { path: PathBuf, line: u64, problem: String },
    #[error("there is no record in {0}")]
    Empty(PathBuf),
    #[error(transparent)]
    Io(#[from] io::Error),
}

#[derive(Deserialize)]
struct Link {
    seq: u64,
    #[serde(flatten)]
    seal: Option<Seal>,
}

#[derive(Deserialize)]
struct Seal {
    prev: String,
    seal: String,
}

/// A line that was checked.
#[derive(Clone, PartialEq, Eq)]
struct Seen {
    seq: u64,
    hash: [u8; 32],
    /// If it ends a batch.
    seal: Option<String>,
}

#[derive(Default)]
struct Verifier {
    report: Report,
    /// The last lines, newest last.
    recent: VecDeque<Seen>,
    /// Lines of an abandoned file that must come again.
    again: VecDeque<Seen>,
    /// What the next seal covers: so many lines.
    batch: Sha256,
    batch_lines: u64,
    /// The last seal; none before the first line, and where the files before were deleted.
    seal: Option<String>,
    starts_file: bool,
}

/// Checks every line of the record in `directory`.
pub fn verify(directory: &Path) -> Result<Report, VerifyError> {
    let at = |path: &Path, source| VerifyError::Read { path: path.to_owned(), source };
    let files = read::files(directory).map_err(|source| at(directory, source))?;
    let mut verifier = Verifier::default();
    for path in &files {
        verifier.report.files += 1;
        verifier.start_file();
        read::lines(path, |place, text| verifier.line(place, text)).map_err(|error| match error {
            VerifyError::Io(source) => at(path, source),
            other @ (VerifyError::Read { .. } | VerifyError::Broken { .. } | VerifyError::Empty(_)) => other,
        })?;
    }
    verifier.start_file();
    let Some(last) = verifier.recent.back() else {
        return Err(VerifyError::Empty(directory.to_owned()));
    };
    verifier.report.last_seq = last.seq;
    verifier.report.last_seal = verifier.seal.unwrap_or_default();
    Ok(verifier.report)
}

impl Verifier {
    fn line(&mut self, place: read::Place<'_>, text: &[u8]) -> Result<(), VerifyError> {
        let broken = |problem: String| VerifyError::Broken { path: place.file.to_owned(), line: place.line, problem };
        if place.is_torn {
            self.report.torn += 1;
            return Ok(());
        }
        let Link { seq, seal } =
            serde_json::from_slice(text).map_err(|error| broken(format!("not a record: {error}")))?;
        if std::mem::take(&mut self.starts_file) {
            self.go_back(seq);
        }
        match self.recent.back() {
            None => self.report.first_seq = seq,
            Some(last) if seq != last.seq + 1 => {
                return Err(broken(format!(
                    "number {seq} follows number {}: lines are missing, added or out of order",
                    last.seq
                )));
            }
            Some(_) => {}
        }
        self.batch_lines += 1;
        match &seal {
            Some(seal) => self.check_seal(seq, seal, text).map_err(broken)?,
            None => {
                self.batch.update(text);
                self.batch.update(b"\n");
            }
        }
        let this = Seen { seq, hash: Sha256::digest(text).into(), seal: seal.map(|seal| seal.seal) };
        if self.again.pop_front().is_some_and(|first| first != this) {
            return Err(broken("it differs from the same line in the file before".into()));
        }
        self.report.lines += 1;
        self.recent.push_back(this);
        if self.recent.len() > REPEAT_MAX {
            self.recent.pop_front();
        }
        Ok(())
    }

    /// The seal must cover what was read since the one before, and name that one.
    fn check_seal(&mut self, seq: u64, seal: &Seal, text: &[u8]) -> Result<(), String> {
        let first = seq + 1 - self.batch_lines;
        let expected = match &self.seal {
            Some(last) => last.clone(),
            None if self.report.first_seq == 1 => "0".repeat(64),
            // The file with the seal before was deleted.
            None => seal.prev.clone(),
        };
        if seal.prev != expected {
            return Err(format!("lines before number {first} are not the ones that were recorded"));
        }
        let end = format!("{}\"}}", seal.seal);
        let covered = text.strip_suffix(end.as_bytes()).ok_or("its seal is not at its end")?;
        self.batch.update(covered);
        if HEXLOWER.encode(&self.batch.finalize_reset()) != seal.seal {
            return Err(format!("lines number {first} to {seq} are not the ones that were recorded"));
        }
        self.batch_lines = 0;
        self.seal = Some(seal.seal.clone());
        Ok(())
    }

    /// A batch is in one file: what has no seal at a file's end gets none any more.
    fn start_file(&mut self) {
        self.starts_file = true;
        self.report.unsealed += std::mem::take(&mut self.batch_lines);
        self.batch.reset();
    }

    /// A file that follows an abandoned one starts with the lines that were not known to be on disk.
    fn go_back(&mut self, seq: u64) {
        let repeated = self.recent.iter().rev().take_while(|recent| recent.seq >= seq).count();
        if repeated == 0 || (repeated == self.recent.len() && seq != self.report.first_seq) {
            return;
        }
        self.again = self.recent.split_off(self.recent.len() - repeated);
        let unsealed = self.again.iter().rev().take_while(|line| line.seal.is_none()).count();
        self.report.unsealed -= (unsealed as u64).min(self.report.unsealed);
        self.report.repeated += repeated as u64;
        self.report.lines -= repeated as u64;
        self.seal = self.recent.iter().rev().find_map(|line| line.seal.clone());
    }
}
