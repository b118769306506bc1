//! Child processes: started in groups of their own, so that Ctrl-C reaches the demo alone, which then stops
//! them in the right order.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::DemoError;
use super::directory::Account;

/// A command that runs as `account`, if one is given.
pub(super) fn command(program: &Path, account: Option<&Account>) -> Command {
    let mut command = std::process::Command::new(program);
    command.process_group(0).stdin(Stdio::null());
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid).current_dir("/").env("USER", &account.name).env_remove("HOME");
    }
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    command
}

/// Runs it to its end; what it printed, or an error with what it printed.
pub(super) async fn output(mut command: Command, what: &str) -> Result<String, DemoError> {
    let output = command.output().await.map_err(DemoError::io(format!("{what} cannot be run")))?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text += &String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(text)
    } else {
        Err(DemoError::Child(format!("{what} failed:\n{}", text.trim_end())))
    }
}

/// Asks with a signal, and insists when that does not help.
pub(super) async fn stop(child: &mut Child, signal: &str, patience: Duration) {
    if let Some(pid) = child.id() {
        let mut kill = command(Path::new("/bin/sh"), None);
        kill.arg("-c").arg(format!("kill -{signal} {pid}")).stdout(Stdio::null()).stderr(Stdio::null());
        if kill.status().await.is_ok_and(|status| status.success())
            && tokio::time::timeout(patience, child.wait()).await.is_ok()
        {
            return;
        }
    }
    if let Err(error) = child.kill().await {
        tracing::warn!(%error, "a child process cannot be stopped");
    }
}

/// Why a child that should have gone on has ended.
pub(super) async fn ended(child: &mut Child, what: &str, log: &Path) -> DemoError {
    let how = child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
    DemoError::Child(format!("{what} ended ({how}); the end of its log:\n{}", tail(log)))
}

fn tail(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
}
