//! What the configuration says of the record.

use std::path::{Path, PathBuf};

/// The record of sessions and statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub dir: PathBuf,
    /// A new file is begun when one is this large.
    pub rotate_bytes: u64,
    /// Files kept; 0 keeps all.
    pub files_max: u32,
    pub stdout: bool,
    pub parameters: Parameters,
    /// Statement texts are cut after this many bytes (their hash covers all).
    pub statement_bytes_max: usize,
    pub on_failure: OnFailure,
}

/// What ordinary statements do while the record cannot be written. Changes are refused in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// They go on; what finds no room in memory is told as an exact gap afterwards.
    #[default]
    Continue,
    /// They are refused when the memory for their records is full.
    Refuse,
}

/// What the record keeps of bound parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parameters {
    None,
    #[default]
    Hash,
    Text,
}

impl Record {
    /// The defaults under a data directory.
    #[must_use]
    pub fn in_data_dir(data_dir: &Path) -> Self {
        Self {
            dir: data_dir.join("record"),
            rotate_bytes: 64 << 20,
            files_max: 0,
            stdout: false,
            parameters: Parameters::default(),
            statement_bytes_max: 65_536,
            on_failure: OnFailure::default(),
        }
    }
}
