//! The gateway as a child process of the same binary.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::process::Child;

use super::DemoError;
use super::directory::Directory;
use super::process;

pub(super) struct Gateway {
    program: PathBuf,
    child: Child,
    log: PathBuf,
    data: PathBuf,
    address: SocketAddr,
}

impl Gateway {
    pub(super) async fn start(upstream: SocketAddr, directory: &Directory) -> Result<Self, DemoError> {
        let program = std::env::current_exe().map_err(DemoError::io("the gateway's binary cannot be found"))?;
        let data = directory.create("gateway", None)?;
        let log = directory.path().join("gateway.log");
        let output = std::fs::File::create(&log).map_err(DemoError::io("the gateway's log cannot be created"))?;
        let errors = output.try_clone().map_err(DemoError::io("the gateway's log cannot be created"))?;
        let mut command = process::command(&program, None);
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream"]);
        command.arg(upstream.to_string()).arg("--data-dir").arg(&data);
        let child =
            command.stdout(output).stderr(errors).spawn().map_err(DemoError::io("the gateway cannot be started"))?;
        let mut gateway = Self { program, child, log, data, address: upstream };
        gateway.address = gateway.wait_until_ready().await?;
        Ok(gateway)
    }

    async fn wait_until_ready(&mut self) -> Result<SocketAddr, DemoError> {
        for _ in 0..200 {
            let text = std::fs::read(&self.log).unwrap_or_default();
            if let Some(address) = listening_on(&String::from_utf8_lossy(&text)) {
                return Ok(address);
            }
            tokio::select! {
                error = self.ended() => return Err(error),
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
        }
        Err(DemoError::Child("the gateway does not say where it listens".into()))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A command line for people.
    pub(super) fn command_line(&self, arguments: &str) -> String {
        format!("{} {arguments} --data-dir {}", self.program.display(), self.data.display())
    }

    /// Runs one of the gateway's own commands, in another process as another person would.
    pub(super) async fn cli(&self, arguments: &[&str]) -> Result<String, DemoError> {
        let mut command = process::command(&self.program, None);
        command.args(arguments).arg("--data-dir").arg(&self.data);
        process::output(command, &format!("lockkeeper {}", arguments.join(" "))).await
    }

    /// Only returns when the gateway is gone, which it should not be.
    pub(super) async fn ended(&mut self) -> DemoError {
        process::ended(&mut self.child, "the gateway", &self.log).await
    }

    pub(super) async fn stop(&mut self) {
        process::stop(&mut self.child, "TERM", Duration::from_secs(15)).await;
    }
}

/// The address after the words, in whatever the log wraps them.
fn listening_on(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once("listening on ")?;
    let (line, _) = rest.split_once('\n')?;
    let end = line.find(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '[' | ']'))).unwrap_or(line.len());
    line.get(..end)?.trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found() {
        for log in [
            "x\nlistening on 127.0.0.1:6433\n",
            "INFO listening on 127.0.0.1:6433\", more\n",
            "listening on 127.0.0.1:6433.\nlistening on 1.2.3.4:5\n",
        ] {
            assert_eq!(listening_on(log), Some(SocketAddr::from(([127, 0, 0, 1], 6433))), "{log}");
        }
        assert_eq!(listening_on("listening on 127.0.0.1:64"), None);
        assert_eq!(listening_on("listening on [::1]:5\n").map(|a| a.port()), Some(5));
    }
}
