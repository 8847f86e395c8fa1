//! One node: the real binary as a process that tests start, kill and start again.
//!
//! Invariant: a node ends with the value that owns it, also when its test panics.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{Client, Config, binary, launcher::Launcher, ports::free_port, wait::eventually};

/// How long a node may take until it answers `/readyz`.
const READY: Duration = Duration::from_secs(60);
/// How much of its log a failure shows, in lines.
const TAIL: usize = 40;

/// A node on a directory and an address of its own.
#[derive(Debug)]
pub struct Node {
    dir: TempDir,
    http: SocketAddr,
    child: Option<Child>,
    launcher: Launcher,
    quiet: bool,
}

impl Node {
    /// A node that is not started yet.
    ///
    /// # Errors
    /// Where there is no binary to run, or no directory or port to be had.
    pub fn prepare(config: &Config) -> Result<Self> {
        Self::prepare_of(config, binary::path()?)
    }

    /// The same with another build of the binary, whose age is the caller's business.
    ///
    /// # Errors
    /// Where there is no directory or port to be had.
    pub fn prepare_of(config: &Config, binary: PathBuf) -> Result<Self> {
        Self::prepare_at((Ipv4Addr::LOCALHOST, free_port()?).into(), config, binary)
    }

    /// The same at an address of the caller's choice.
    ///
    /// # Errors
    /// Where there is no directory to be had.
    pub fn prepare_at(http: SocketAddr, config: &Config, binary: PathBuf) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("bellwether-").tempdir()?;
        let node = Self { dir, http, child: None, launcher: Launcher::of(binary), quiet: false };
        fs::create_dir(node.disk())?;
        node.configure(config)?;
        Ok(node)
    }

    /// Keeps its log to itself, where the caller reads it.
    pub fn keep_quiet(&mut self) {
        self.quiet = true;
    }

    /// How its process is started from now on.
    pub fn launcher(&mut self) -> &mut Launcher {
        &mut self.launcher
    }

    /// Starts a node and waits until it is ready.
    ///
    /// # Errors
    /// Shows the end of the node's log where it does not get ready.
    pub async fn start(config: &Config) -> Result<Self> {
        let mut node = Self::prepare(config)?;
        node.launch().await?;
        Ok(node)
    }

    /// Starts a node with the quick start that is built into the binary.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub async fn quick_start() -> Result<Self> {
        let mut node = Self::prepare(&Config::new())?;
        fs::remove_file(node.config_file())?;
        let mut command = node.command();
        command
            .arg("run")
            .env("BELLWETHER_LISTEN__HTTP", node.address())
            .env("BELLWETHER_NODE__DATA_DIR", node.data_dir());
        node.spawn(command)?;
        node.ready().await?;
        Ok(node)
    }

    /// Starts the process again, after a kill or an exit, and waits until it is ready.
    /// Returns how long that took.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub async fn launch(&mut self) -> Result<Duration> {
        let started = Instant::now();
        self.start_process()?;
        self.ready().await?;
        Ok(started.elapsed())
    }

    /// Starts the process and does not wait for it.
    ///
    /// # Errors
    /// Where it runs already or cannot be started.
    pub fn start_process(&mut self) -> Result<()> {
        let mut command = self.clean(self.launcher.command());
        command.arg("run").arg("--config").arg(self.config_file());
        if !self.http.ip().is_loopback() {
            command.arg("--insecure");
        }
        for (name, value) in self.launcher.variables() {
            command.env(name, value);
        }
        self.spawn(command)
    }

    /// Writes the configuration; a running node sees it at its next reload.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn configure(&self, config: &Config) -> Result<()> {
        let yaml = config.render(&self.disk(), self.http);
        fs::write(self.config_file(), yaml).context("cannot write the configuration")
    }

    /// Ends the process as a power cut would end it (kill -9).
    ///
    /// # Errors
    /// Where it was not running.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the node is not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// Where it is not running.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child.as_ref().context("the node is not running")?;
        Ok(kill_process(Pid::from_child(child), signal)?)
    }

    /// Asks the process to end (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// Where it is still there after `limit`.
    pub async fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let status = self.exited(limit).await?;
        self.child = None;
        Ok(status)
    }

    /// Runs the command line beside the node, pointed at it.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn cli(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.cli_command(arguments).output()?)
    }

    /// The command line as a process that goes on, its standard output in the file `name`.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn follow(&self, arguments: &[&str], name: &str) -> Result<Follower> {
        let output = self.dir.path().join(name);
        let mut command = self.cli_command(arguments);
        let child = command.stdout(fs::File::create(&output)?).stderr(Stdio::null()).spawn()?;
        Ok(Follower { child, output })
    }

    /// A client of this node.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address()))
    }

    /// The process id; absent while it is not running.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The directory of everything of this node.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The directory of everything that has to outlive the process: a file system that is to
    /// fail is mounted here.
    #[must_use]
    pub fn disk(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.disk().join("data")
    }

    /// The configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.dir.path().join("bellwether.yaml")
    }

    /// The file that the embedded sink writes.
    #[must_use]
    pub fn events_file(&self) -> PathBuf {
        self.disk().join("events.jsonl")
    }

    /// The last lines that the node wrote.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.log(TAIL)
    }

    /// So many of the last lines that the node wrote.
    #[must_use]
    pub fn log(&self, most: usize) -> String {
        let log = fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(most)..].join("\n")
    }

    /// The binary with nothing of the test's own settings in its environment.
    #[must_use]
    pub fn command(&self) -> Command {
        self.clean(Command::new(self.launcher.binary()))
    }

    fn clean(&self, mut command: Command) -> Command {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BELLWETHER_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.dir.path()).stdin(Stdio::null()).env("NO_COLOR", "1");
        command
    }

    /// `HOST:PORT` of the HTTP listener.
    #[must_use]
    pub fn address(&self) -> String {
        self.http.to_string()
    }

    fn cli_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command();
        command.args(arguments).env("BELLWETHER_SERVER", format!("http://{}", self.address()));
        command
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("node.log")
    }

    fn spawn(&mut self, mut command: Command) -> Result<()> {
        ensure!(self.child.is_none(), "the node is running already");
        let log = fs::File::options().create(true).append(true).open(self.log_file())?;
        let child = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        self.child = Some(child);
        Ok(())
    }

    /// How the process has ended; absent while it runs.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.as_mut().map(Child::try_wait).transpose()?.flatten();
        if status.is_some() {
            self.child = None;
        }
        Ok(status)
    }

    async fn ready(&mut self) -> Result<()> {
        let (client, started) = (self.client(), Instant::now());
        loop {
            if client.is_ready().await {
                return Ok(());
            }
            if let Some(status) = self.ended()? {
                bail!("the node ended with {status}:\n{}", self.log_tail());
            }
            if started.elapsed() > READY {
                bail!("the node is not ready after {READY:?}:\n{}", self.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn exited(&mut self, limit: Duration) -> Result<ExitStatus> {
        let child = self.child.as_mut().context("it is not running")?;
        eventually("the node ends", limit, || {
            let ended = child.try_wait();
            async { ended?.context("it still runs") }
        })
        .await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // libtest swallows this where the test has passed.
        #[expect(clippy::print_stderr, reason = "belongs to the output of a test that fails")]
        if self.log_file().exists() && !self.quiet {
            eprintln!("the node's log ends with:\n{}", self.log_tail());
        }
    }
}

/// A command that goes on until it is dropped.
#[derive(Debug)]
pub struct Follower {
    child: Child,
    output: PathBuf,
}

impl Follower {
    /// What it printed so far.
    #[must_use]
    pub fn printed(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
