//! Proves that a record is whole: no line missing, changed, added or out of order. Shares no code with the
//! writer but the names of the files.
//!
//! What it cannot see: a record whose end was cut off, or one that was made anew from its first line; that
//! takes a copy of the last hash kept elsewhere.

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
    /// SHA-256 of the last line, hex: keep it elsewhere to notice a cut end.
    pub last_hash: String,
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
    prev: String,
}

#[derive(Default)]
struct Verifier {
    report: Report,
    /// Numbers and hashes of the last lines, newest last.
    recent: VecDeque<(u64, [u8; 32])>,
    /// Lines of an abandoned file that must come again.
    again: VecDeque<(u64, [u8; 32])>,
    starts_file: bool,
}

/// Checks every line of the record in `directory`.
pub fn verify(directory: &Path) -> Result<Report, VerifyError> {
    let at = |path: &Path, source| VerifyError::Read { path: path.to_owned(), source };
    let files = read::files(directory).map_err(|source| at(directory, source))?;
    let mut verifier = Verifier::default();
    for path in &files {
        verifier.report.files += 1;
        verifier.starts_file = true;
        read::lines(path, |place, text| verifier.line(place, text)).map_err(|error| match error {
            VerifyError::Io(source) => at(path, source),
            other @ (VerifyError::Read { .. } | VerifyError::Broken { .. } | VerifyError::Empty(_)) => other,
        })?;
    }
    let Some((last_seq, hash)) = verifier.recent.back() else {
        return Err(VerifyError::Empty(directory.to_owned()));
    };
    verifier.report.last_seq = *last_seq;
    verifier.report.last_hash = HEXLOWER.encode(hash);
    Ok(verifier.report)
}

impl Verifier {
    fn line(&mut self, place: read::Place<'_>, text: &[u8]) -> Result<(), VerifyError> {
        let broken = |problem: String| VerifyError::Broken { path: place.file.to_owned(), line: place.line, problem };
        if place.is_torn {
            self.report.torn += 1;
            return Ok(());
        }
        let Link { seq, prev } =
            serde_json::from_slice(text).map_err(|error| broken(format!("not a record: {error}")))?;
        if std::mem::take(&mut self.starts_file) {
            self.go_back(seq);
        }
        match self.recent.back() {
            None => self.report.first_seq = seq,
            Some((last, _)) if seq != last + 1 => {
                return Err(broken(format!(
                    "number {seq} follows number {last}: lines are missing, added or out of order"
                )));
            }
            Some((last, hash)) if prev != HEXLOWER.encode(hash) => {
                return Err(broken(format!("line number {last} is not the one that was recorded")));
            }
            Some(_) => {}
        }
        if seq == 1 && prev != "0".repeat(64) {
            return Err(broken("the first line refers to an earlier one".into()));
        }
        let this = (seq, Sha256::digest(text).into());
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

    /// A file that follows an abandoned one starts with the lines that were not known to be on disk.
    fn go_back(&mut self, seq: u64) {
        let repeated = self.recent.iter().rev().take_while(|(recent, _)| *recent >= seq).count();
        if repeated == 0 || (repeated == self.recent.len() && seq != self.report.first_seq) {
            return;
        }
        self.again = self.recent.split_off(self.recent.len() - repeated);
        self.report.repeated += repeated as u64;
        self.report.lines -= repeated as u64;
    }
}
