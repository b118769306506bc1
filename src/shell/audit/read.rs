//! Reads a record back, line by line in order, in bounded memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::file;

/// No line that we write is longer: text is cut, plans are short.
const LINE_MAX: usize = 64 << 20;

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    pub file: &'a Path,
    /// Counted from 1.
    pub line: u64,
    /// Without a line feed at the end: still being written, or torn by a crash.
    pub is_torn: bool,
}

/// The files of the record in `directory`, oldest first.
pub fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    file::list(directory)
}

/// Gives every line of one file to `take`.
pub fn lines<E: From<io::Error>>(
    path: &Path,
    mut take: impl FnMut(Place<'_>, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = BufReader::with_capacity(256 << 10, File::open(path)?);
    let mut text = Vec::new();
    let mut line = 0;
    loop {
        text.clear();
        let read = Read::by_ref(&mut reader).take(LINE_MAX as u64).read_until(b'\n', &mut text)?;
        if read == 0 {
            return Ok(());
        }
        line += 1;
        let is_torn = text.pop_if(|last| *last == b'\n').is_none();
        take(Place { file: path, line, is_torn }, &text)?;
    }
}
