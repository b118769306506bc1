//! Child processes: started with a log file, measured through `/proc`, ended for sure.
//!
//! It must end only what it started itself, by process id.

use crate::{Fault, Outcome};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a Ctrl-C must clean up: living children and scratch directories.
static LIVING: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static SCRATCH: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

const STOP_WAIT: Duration = Duration::from_secs(10);

/// The account for programs that refuse to run as root. `None` when we are not root.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    pub uid: u32,
    pub gid: u32,
}

/// Finds an account without privileges, if this process is root.
pub fn unprivileged() -> Outcome<Option<Account>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd")?;
    for wanted in ["postgres", "nobody"] {
        let found = accounts
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.first() == Some(&wanted) && fields.len() > 3);
        if let Some(fields) = found {
            let (uid, gid) = (fields[2].parse()?, fields[3].parse()?);
            return Ok(Some(Account { uid, gid }));
        }
    }
    Err("started as root, and there is neither a postgres nor a nobody account to run servers".into())
}

/// Makes `command` run under `account`, if there is one.
pub fn lower(command: &mut Command, account: Option<Account>) {
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
}

/// A scratch directory which the servers' account can enter and which Ctrl-C removes.
pub fn scratch(account: Option<Account>) -> Outcome<tempfile::TempDir> {
    let directory = tempfile::Builder::new().prefix("lockkeeper-bench-").tempdir()?;
    if let Some(account) = account {
        std::os::unix::fs::chown(directory.path(), Some(account.uid), Some(account.gid))?;
    }
    lock(&SCRATCH).push(directory.path().to_path_buf());
    Ok(directory)
}

/// Ends every child and removes every scratch directory; for use on Ctrl-C.
fn abandon() {
    for id in lock(&LIVING).drain(..) {
        signal(id, Signal::KILL);
    }
    for directory in lock(&SCRATCH).drain(..) {
        for _ in 0..20 {
            if fs::remove_dir_all(&directory).is_ok() || !directory.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Runs `work` on a thread of its own; Ctrl-C or SIGTERM ends it and cleans up.
pub fn until_interrupted(work: impl FnOnce() -> Outcome<()> + Send + 'static) -> std::process::ExitCode {
    use std::io::Write as _;
    let complain = |reason: &str| {
        let _ = writeln!(std::io::stderr(), "{reason}");
        std::process::ExitCode::FAILURE
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error.to_string()),
    };
    let result = runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut work = tokio::task::spawn_blocking(work);
        tokio::select! {
            done = &mut work => done.map_err(Fault::from)?.map(|()| true),
            _ = tokio::signal::ctrl_c() => Ok(false),
            _ = terminate.recv() => Ok(false),
        }
    });
    match result {
        Ok(true) => std::process::ExitCode::SUCCESS,
        Ok(false) => {
            abandon();
            // The worker thread is in the middle of something; nobody waits for it.
            std::process::exit(130)
        }
        Err(reason) => {
            abandon();
            complain(&format!("failed: {reason}"))
        }
    }
}

/// Allows as many open files as the system lets us, for the thousand idle sessions.
pub fn raise_file_limit() -> Outcome<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    Ok(())
}

/// A child process that ends when this value is dropped.
pub struct Running {
    child: Child,
    name: String,
    log: PathBuf,
    stop: Signal,
}

impl Running {
    /// Starts `command`; what it prints goes to `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Outcome<Running> {
        let output = File::create(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().map_err(|error| Fault::from(format!("{name} cannot be started: {error}")))?;
        lock(&LIVING).push(child.id());
        Ok(Running { child, name: name.to_string(), log: log.to_path_buf(), stop: Signal::TERM })
    }

    /// Chooses the signal that ends the process politely.
    #[must_use]
    pub fn stopped_by(mut self, signal: Signal) -> Running {
        self.stop = signal;
        self
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` is true; says what the process printed if it ends before.
    pub fn wait_until(&mut self, limit: Duration, ready: impl Fn() -> bool) -> Outcome<()> {
        let start = Instant::now();
        loop {
            if ready() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{} ended at once ({status}): {}", self.name, self.tail()).into());
            }
            if start.elapsed() > limit {
                return Err(format!("{} does not answer: {}", self.name, self.tail()).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }

    /// CPU time spent so far by all threads, living and ended.
    pub fn cpu(&self) -> Outcome<Duration> {
        cpu_of(self.id())
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(kib.ok_or("no VmRSS in /proc")?.parse()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let id = self.id();
        signal(id, self.stop);
        let start = Instant::now();
        while start.elapsed() < STOP_WAIT {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Ok(Some(_)) | Err(_) => break,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        lock(&LIVING).retain(|living| *living != id);
    }
}

/// Nanoseconds of the living threads; where threads have ended in between, the
/// process's own sum in clock ticks is larger and counts.
fn cpu_of(id: u32) -> Outcome<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{id}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        let first = text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
        nanoseconds += first.unwrap_or(0);
    }
    let precise = Duration::from_nanos(nanoseconds);
    let coarse = ticks_of(id)?;
    let slack = Duration::from_millis(50);
    Ok(if coarse > precise + slack { coarse } else { precise })
}

fn ticks_of(id: u32) -> Outcome<Duration> {
    let text = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name in parentheses may hold spaces; the figures come after it.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<u64> = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_millis(fields.iter().sum::<u64>() * 1000 / per_second))
}

fn signal(id: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Interrupts a helper program, such as a tracer, so that it writes its summary.
pub fn interrupt(child: &Child) {
    signal(child.id(), Signal::INT);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
