//! `lockkeeper sessions`: lists sessions, shows what one did, verifies the record. Reads the files of the
//! record and nothing else, so it works while the gateway runs and when it does not.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::past::{self, SessionSeen};
use super::show;
use super::verify::{VerifyError, verify};

/// List sessions, show what one of them did, or verify the record
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = false)]
pub struct Args {
    /// The gateway's data directory
    #[arg(long, global = true, env = "LOCKKEEPER_DATA_DIR", default_value = "./lockkeeper-data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where the record is, when it is not in the data directory
    #[arg(long, global = true, value_name = "DIR")]
    pub record_dir: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Only sessions that are connected now
    #[arg(long)]
    pub live: bool,
    /// The newest so many sessions; 0 for all
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub limit: usize,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// List sessions: the same as no command
    List,
    /// Everything one session did, in order
    Show {
        /// As listed: `7f3a1c09-12`, or the number alone for the newest session with it
        id: String,
    },
    /// Prove that no line of the record is missing, changed, added or out of order
    Verify,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    #[error("the record in {} cannot be read: {source}; where record.dir is configured, name it with --record-dir", directory.display())]
    Read { directory: PathBuf, source: io::Error },
    #[error("no session {0} in the record; `lockkeeper sessions` lists them")]
    Unknown(String),
    #[error("the record is NOT whole: {0}")]
    NotWhole(VerifyError),
    #[error("the output cannot be written: {0}")]
    Output(io::Error),
}

/// Does what the arguments say. The caller prints the error and exits with 1.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<(), SessionsError> {
    let directory = args.record_dir.clone().unwrap_or_else(|| args.data_dir.join("record"));
    let result = match &args.command {
        None | Some(Command::List) => list(args, &directory, out),
        Some(Command::Show { id }) => show::show(&directory, id, args.json, out),
        Some(Command::Verify) => whole(args, &directory, out),
    };
    match result {
        // `lockkeeper sessions | head` is not a mistake.
        Err(SessionsError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn whole(args: &Args, directory: &Path, out: &mut dyn Write) -> Result<(), SessionsError> {
    let report = verify(directory).map_err(|error| match error {
        // Another folder may have been meant.
        VerifyError::Read { path, source } if path == *directory => SessionsError::Read { directory: path, source },
        other => SessionsError::NotWhole(other),
    })?;
    if args.json {
        let json = serde_json::to_string(&report).map_err(|error| SessionsError::Output(error.into()))?;
        return writeln!(out, "{json}").map_err(SessionsError::Output);
    }
    let mut text = format!(
        "The record is whole: {} lines in {} files, numbers {} to {}, sealed in batches, each chained to the one before.\nlast seal {}\n",
        report.lines, report.files, report.first_seq, report.last_seq, report.last_seal
    );
    if report.first_seq > 1 {
        text += "Lines before the first were deleted with their files (retention).\n";
    }
    if report.unsealed > 0 {
        text += &format!(
            "{} lines at the end of files have no seal: a crash, or being written now. They are in order, but may have been changed.\n",
            report.unsealed
        );
    }
    if report.torn > 0 {
        text += &format!("{} unfinished lines at the end of files: a crash, or being written now.\n", report.torn);
    }
    if report.repeated > 0 {
        text += &format!(
            "{} lines stand in two files, the same both times: a file was abandoned after a disk error.\n",
            report.repeated
        );
    }
    out.write_all(text.as_bytes()).map_err(SessionsError::Output)
}

fn list(args: &Args, directory: &Path, out: &mut dyn Write) -> Result<(), SessionsError> {
    let sessions = past::list(directory, (args.limit, 0), args.live)?;
    let sessions = sessions.as_slice();
    if args.json {
        for summary in sessions {
            let json = serde_json::to_string(summary).map_err(|error| SessionsError::Output(error.into()))?;
            writeln!(out, "{json}").map_err(SessionsError::Output)?;
        }
        return Ok(());
    }
    table(sessions, out).map_err(SessionsError::Output)
}

const HEADS: [&str; 10] =
    ["ID", "WHO", "FROM", "TARGET", "APPLICATION", "STARTED (UTC)", "ENDED", "STATEMENTS", "CHANGES", "REFUSED"];

fn table(sessions: &[SessionSeen], out: &mut dyn Write) -> io::Result<()> {
    if sessions.is_empty() {
        return writeln!(out, "No sessions.");
    }
    let rows: Vec<[String; 10]> = sessions.iter().map(row).collect();
    let mut widths = HEADS.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    line(out, &HEADS.map(str::to_owned), &widths)?;
    rows.iter().try_for_each(|row| line(out, row, &widths))
}

fn row(summary: &SessionSeen) -> [String; 10] {
    let info = &summary.info;
    let target: BTreeSet<&str> =
        [info.target.as_str(), info.database.as_str()].into_iter().filter(|name| !name.is_empty()).collect();
    let target: Vec<&str> = target.into_iter().collect();
    [
        summary.id.clone(),
        show::cell(&info.user),
        show::cell(&info.client),
        show::cell(&target.join("/")),
        show::cell(&info.application),
        show::day_and_clock(&summary.started),
        end(summary),
        summary.statements.to_string(),
        summary.changes.to_string(),
        summary.refused.to_string(),
    ]
}

fn line(out: &mut dyn Write, cells: &[String; 10], widths: &[usize; 10]) -> io::Result<()> {
    let mut text = String::new();
    for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
        // Numbers are easier to compare when they end at the same place.
        text += &if i < 7 { format!("{cell:<width$}  ") } else { format!("{cell:>width$}  ") };
    }
    writeln!(out, "{}", text.trim_end())
}

fn end(session: &SessionSeen) -> String {
    match (&session.ended, session.live) {
        (Some(at), _) => show::clock(at),
        (None, true) => "live".into(),
        (None, false) => "lost".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_not_a_record_that_is_not_whole() {
        let folder = tempfile::tempdir().unwrap();
        let args = Args {
            data_dir: folder.path().to_owned(),
            record_dir: None,
            json: false,
            live: false,
            limit: 0,
            command: Some(Command::Verify),
        };
        let error = run(&args, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("cannot be read") && error.contains("--record-dir"), "{error}");
        std::fs::create_dir(folder.path().join("record")).unwrap();
        let error = run(&args, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("NOT whole"), "{error}");
    }
}
