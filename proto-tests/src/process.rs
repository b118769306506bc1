//! Child processes that never outlive the test that started them, and waiting for events with a deadline.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ends a process and removes its files even when the test process is killed: a shell waits on a pipe of ours,
/// which the system closes when we are gone.
pub struct Watchdog(Child);

impl Watchdog {
    /// Watches over `pid`; `cleanup` is a directory to remove afterwards, or empty.
    #[must_use]
    pub fn over(pid: u32, cleanup: &str) -> Self {
        let script = r#"cat >/dev/null; kill -QUIT "$1" 2>/dev/null; [ -z "$2" ] || { sleep 1; rm -rf "$2"; }"#;
        let child = Command::new("sh")
            .args(["-c", script, "watchdog", &pid.to_string(), cleanup])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        Self(child)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a signal by its name, for example `TERM`.
pub fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).stderr(Stdio::null()).status();
}

/// Asks `event` until it has an answer; panics with `what` when the deadline passes.
pub fn wait_until<T>(what: &str, limit: Duration, mut event: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = event() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a command, gives its input, and returns its exit success with everything it printed.
pub fn run(command: &mut Command, input: &str) -> (bool, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}
