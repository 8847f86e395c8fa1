//! Programs that a benchmark starts: ready, what they cost, stopped by their id.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use harness::process::{Cost, cost};

pub use harness::ports::free_port;

/// How often a program is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(20);
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// A program of ours. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a program; what it says goes to a file.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let log =
            fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let errors = log.try_clone()?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processor time and resident memory so far.
    ///
    /// # Errors
    /// Where it has ended, or there is no `/proc`.
    pub fn cost(&self) -> Result<Cost> {
        cost(self.pid())
    }

    /// Its proportional share of memory in bytes: shared pages count by their users (proc(5),
    /// `smaps_rollup`).
    ///
    /// # Errors
    /// Where it has ended, or there is no `/proc`.
    pub fn proportional_bytes(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid()))?;
        let line = text.lines().find(|line| line.starts_with("Pss:")).context("no Pss")?;
        let kilobytes: u64 = line.split_whitespace().nth(1).context("Pss is empty")?.parse()?;
        Ok(kilobytes * 1024)
    }

    /// Asks until the answer is yes, for at most `within`.
    ///
    /// # Errors
    /// Where it ends before, or takes longer.
    pub async fn until_ready(
        &mut self,
        within: Duration,
        mut ready: impl AsyncFnMut() -> bool,
    ) -> Result<Duration> {
        let began = Instant::now();
        while !ready().await {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended before it was ready: {status}", self.name);
            }
            if began.elapsed() > within {
                bail!("{} was not ready within {within:?}", self.name);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Ok(began.elapsed())
    }

    /// Whether it has ended.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Ends it at once, as a power cut would for the program.
    ///
    /// # Errors
    /// Where it cannot be waited for.
    pub fn kill(&mut self) -> Result<()> {
        // It may have ended by itself, which is what is wanted.
        let _ = self.child.kill();
        self.child.wait().map(drop).with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Asks it to end, and kills it where it does not.
    ///
    /// # Errors
    /// Where it cannot be waited for.
    pub async fn stop(&mut self) -> Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself, which is what is wanted.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let began = Instant::now();
        while began.elapsed() < STOP_WITHIN {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        self.kill()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A destructor has nobody to tell; a process that has ended is waited for at once.
        let _ = self.kill();
    }
}

/// The command of a program below a tracer: the words of its command line up to the program.
#[must_use]
pub fn below(tracer: &[String], program: &Path) -> Command {
    let Some((first, rest)) = tracer.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(log: &Path) -> Process {
        Process::start("sleep", Command::new("sleep").arg("60"), log).unwrap()
    }

    #[tokio::test]
    async fn a_program_is_measured_and_stopped() {
        let directory = tempfile::tempdir().unwrap();
        let mut process = sleeper(&directory.path().join("log"));
        process.until_ready(Duration::from_secs(5), async || true).await.unwrap();
        assert!(process.proportional_bytes().unwrap() > 0);
        assert!(process.cost().unwrap().resident_bytes > 0);
        process.stop().await.unwrap();
        assert!(process.cost().is_err());
    }

    #[tokio::test]
    async fn a_program_that_ends_early_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("false");
        let mut process =
            Process::start("etcd", &mut command, &directory.path().join("log")).unwrap();
        let error = process.until_ready(Duration::from_secs(5), async || false).await.unwrap_err();
        assert!(error.to_string().starts_with("etcd ended before it was ready"), "{error}");
    }
}
