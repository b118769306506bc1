//! What is wrong with a configuration, for the person who wrote it.

use std::fmt;

/// One mistake: where it stands, what it is, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file's path, or `the environment`, or `the command line`.
    pub file: String,
    /// The key with its sections: `targets[0].upstream_tls.mode`. Empty when it is about the whole file.
    pub key: String,
    /// Counted from 1. Absent outside files.
    pub line: Option<usize>,
    pub what: String,
    pub remedy: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}\n    {}", self.what, self.remedy)
    }
}

/// The candidate most like a word, if one is near enough to be what was meant.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= 1 + candidate.chars().count().min(word.chars().count()) / 3
        })
        .min()
        .map(|(_, candidate)| candidate)
}
