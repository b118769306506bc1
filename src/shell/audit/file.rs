//! The files of the record: named by time, made once, only appended to, never reopened.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde::Deserialize;

use super::{OpenError, Settings};
use crate::shell::clock::now;

/// Makes a file that must not exist yet.
pub(super) type Create = fn(&Path) -> io::Result<File>;

pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The files of a record directory, oldest first.
pub(super) fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(is_record_name) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn is_record_name(name: &str) -> bool {
    name.starts_with("record-") && name.ends_with(".jsonl")
}

fn lock_path(directory: &Path) -> PathBuf {
    directory.join("record.lock")
}

/// Somebody who only looks whether a gateway is there ([`is_in_use`]) holds the lock for an instant.
fn patiently(lock: &File) -> Result<(), fs::TryLockError> {
    let mut tries = 5;
    loop {
        match lock.try_lock() {
            Err(fs::TryLockError::WouldBlock) if tries > 0 => tries -= 1,
            other => return other,
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a gateway writes to this directory now.
pub(super) fn is_in_use(directory: &Path) -> bool {
    let lock = File::open(lock_path(directory)).map(|lock| lock.try_lock());
    matches!(lock, Ok(Err(fs::TryLockError::WouldBlock)))
}

/// Where a chain ended: the last line that can be read, and the last seal. What a crash left behind the
/// seal stays without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Last {
    pub(super) seq: u64,
    pub(super) seal: [u8; 32],
    pub(super) torn_bytes: u64,
}

/// The directory of one gateway, locked against a second one.
pub(super) struct Directory {
    path: PathBuf,
    create: Create,
    rotate_bytes: u64,
    keep_files: usize,
    stamp: String,
    next: u64,
    _lock: File,
}

impl Directory {
    pub(super) fn open(settings: &Settings, create: Create) -> Result<Self, OpenError> {
        let path = settings.directory.clone();
        let failed = |source| OpenError::Directory { directory: path.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(failed)?;
        let lock_path = lock_path(&path);
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock_path).map_err(failed)?;
        match patiently(&lock) {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(OpenError::InUse(path)),
            Err(fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        let newest = list(&path).map_err(failed)?.pop();
        let (stamp, next) = first_name(newest.as_deref());
        let Settings { rotate_bytes, keep_files, .. } = *settings;
        Ok(Self { path, create, rotate_bytes, keep_files, stamp, next, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The end of the chain in the files that are there.
    pub(super) fn last(&mut self) -> io::Result<Last> {
        let mut last = Last::default();
        for path in list(&self.path)?.iter().rev() {
            if look_back(path, &mut last)? {
                break;
            }
        }
        Ok(last)
    }

    /// Starts the next file.
    pub(super) fn next_file(&mut self) -> io::Result<RecordFile> {
        let path = self.path.join(format!("record-{}-{:06}.jsonl", self.stamp, self.next));
        let file = (self.create)(&path)?;
        self.next += 1;
        let inode = file.metadata()?.ino();
        let made = RecordFile { file, path, inode, len: 0, synced: 0, rotate_bytes: self.rotate_bytes };
        if let Err(error) = File::open(&self.path).and_then(|directory| directory.sync_all()) {
            made.abandon();
            return Err(error);
        }
        Ok(made)
    }

    /// Only called when the newest file has lines on disk: a full disk must not eat the record file by file. Files
    /// count by what is in them, for a start or a full disk begins a new one, however little the last one has.
    /// Failing to delete is no reason not to record: it is tried again with the next file.
    pub(super) fn delete_old(&self) {
        let Some(full) = self.keep_files.checked_sub(1) else { return };
        let enough = self.rotate_bytes.saturating_mul(u64::try_from(full.max(1)).unwrap_or(u64::MAX));
        let mut newer: u64 = 0;
        for path in list(&self.path).unwrap_or_default().iter().rev().skip(1) {
            let bytes = fs::metadata(path).map_or(0, |file| file.len());
            if newer >= enough
                && let Err(error) = fs::remove_file(path)
            {
                tracing::warn!(path = %path.display(), %error, "an old file of the record cannot be deleted");
            }
            newer = newer.saturating_add(bytes.min(self.rotate_bytes));
        }
    }
}

/// A name that sorts after the newest file, also when the clock was set back.
fn first_name(newest: Option<&Path>) -> (String, u64) {
    let stamp = jiff::Timestamp::from_microsecond(now().0).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string();
    let newest = newest.and_then(Path::file_stem).and_then(|name| name.to_str()).unwrap_or_default();
    let mut parts = newest.split('-').skip(1);
    match (parts.next(), parts.next().and_then(|n| n.parse::<u64>().ok())) {
        (Some(old), Some(n)) if *old >= *stamp => (old.to_owned(), n + 1),
        (Some(_) | None, Some(_) | None) => (stamp, 1),
    }
}

/// The file being written.
pub(super) struct RecordFile {
    file: File,
    path: PathBuf,
    inode: u64,
    len: u64,
    /// Bytes known to be on disk.
    synced: u64,
    rotate_bytes: u64,
}

impl RecordFile {
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.synced == 0
    }

    /// Everything appended is on disk, and in a file that is still to be found under its name.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        if fs::metadata(&self.path)?.ino() != self.inode {
            return Err(io::Error::other("the file was replaced by another"));
        }
        self.synced = self.len;
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.len >= self.rotate_bytes
    }

    /// After an error nothing is known about what was not synced (the kernel may have thrown it away and
    /// will not say so twice): it is cut off as far as possible, and written again to a new file.
    pub(super) fn abandon(self) {
        let cut = self.file.set_len(self.synced);
        let removed = if self.synced == 0 { fs::remove_file(&self.path) } else { Ok(()) };
        if let Err(error) = cut.and(removed) {
            tracing::warn!(path = %self.path.display(), %error, "the abandoned file of the record keeps an unfinished end");
        }
    }
}

#[derive(Deserialize)]
struct Link {
    seq: u64,
    #[serde(default)]
    seal: Option<String>,
}

/// Reads a file from its end to its last seal. True when it has one.
fn look_back(path: &Path, last: &mut Last) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut window = 64 << 10;
    loop {
        let from = size.saturating_sub(window);
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        Read::by_ref(&mut file).take(size - from).read_to_end(&mut tail)?;
        let mut found = *last;
        let has_seal = look_back_in(&tail, from == 0, &mut found);
        if has_seal || from == 0 {
            *last = found;
            return Ok(has_seal);
        }
        window *= 16;
    }
}

/// What follows the last line that can be read is torn.
fn look_back_in(tail: &[u8], is_whole: bool, last: &mut Last) -> bool {
    let mut torn = 0;
    let mut lines: Vec<&[u8]> = tail.split_inclusive(|b| *b == b'\n').collect();
    if !is_whole && !lines.is_empty() {
        lines.remove(0);
    }
    for line in lines.iter().rev() {
        let link = line.strip_suffix(b"\n").and_then(|line| serde_json::from_slice::<Link>(line).ok());
        let Some(link) = link else {
            torn += line.len() as u64;
            continue;
        };
        if last.seq == 0 {
            last.seq = link.seq;
            last.torn_bytes += torn;
        }
        if let Some(Ok(seal)) = link.seal.map(|seal| HEXLOWER.decode(seal.as_bytes())) {
            last.seal = seal.try_into().unwrap_or_default();
            return true;
        }
    }
    if last.seq == 0 {
        last.torn_bytes += torn;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_after_the_newest() {
        let future = Path::new("/x/record-99991231T000000Z-000041.jsonl");
        assert_eq!(first_name(Some(future)), ("99991231T000000Z".to_owned(), 42));
        assert_eq!(first_name(Some(Path::new("/x/record-20000101T000000Z-000041.jsonl"))).1, 1);
        assert_eq!(first_name(None).1, 1);
    }

    fn last_of(bytes: &[u8]) -> (bool, Last) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        fs::write(&path, bytes).unwrap();
        let mut last = Last::default();
        (look_back(&path, &mut last).unwrap(), last)
    }

    #[test]
    fn the_last_whole_line_is_found_at_every_cut() {
        let seal = "ab".repeat(32);
        let lines = format!("{{\"seq\":1,\"a\":\"x\"}}\n{{\"seq\":2,\"seal\":\"{seal}\"}}\n{{\"seq\":3,\"b\":1}}\n");
        let lines = lines.as_bytes();
        for cut in 0..=lines.len() {
            let (sealed, last) = last_of(&lines[..cut]);
            let whole = lines[..cut].iter().filter(|b| **b == b'\n').count();
            assert_eq!(last.seq, whole as u64, "cut at {cut}");
            assert_eq!((sealed, last.seal == [0xab; 32]), (whole >= 2, whole >= 2));
            let torn = cut - lines[..cut].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            assert_eq!(last.torn_bytes, torn as u64);
        }
    }

    #[test]
    fn a_line_longer_than_the_window_is_found() {
        let seal = "ab".repeat(32);
        let long = format!("{{\"seq\":1,\"seal\":\"{seal}\"}}\n{{\"seq\":2,\"text\":\"{}\"}}\n", "x".repeat(200_000));
        assert_eq!(last_of(long.as_bytes()), (true, Last { seq: 2, seal: [0xab; 32], torn_bytes: 0 }));
    }
}
