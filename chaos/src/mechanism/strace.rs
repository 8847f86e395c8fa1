//! System calls of a live process fail or take their time: `strace` attached, or in front of it.
//!
//! Invariant: a tracer that is dropped has let go of the process, which goes on unhurt.

use std::{
    fs,
    io::Read,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::Mechanism;

/// Injection by `strace`.
pub const STRACE: Mechanism = Mechanism { name: "strace", probe };

/// How long attaching and letting go may take.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(2);

/// What is done to which calls.
#[derive(Debug, Clone)]
pub struct Injection {
    /// The calls, separated by commas.
    pub calls: &'static str,
    /// What strace does to them, such as `error=EIO:when=3`: the third of each thread.
    pub effect: String,
    /// Only those on these files; on all where none is named.
    pub paths: Vec<PathBuf>,
}

impl Injection {
    fn arguments(&self) -> Vec<String> {
        let Self { calls, effect, paths } = self;
        let mut words: Vec<String> = ["-qq", "-o", "/dev/null", "-e"].map(str::to_owned).into();
        words.extend([format!("trace={calls}"), "-e".into(), format!("inject={calls}:{effect}")]);
        for path in paths {
            words.extend(["-P".to_owned(), path.display().to_string()]);
        }
        words
    }

    /// The words to put in front of a program, so that it is hurt from its first call on.
    #[must_use]
    pub fn wrapper(&self) -> Vec<String> {
        // The tracer stands aside, so that the program is the child of whoever starts it.
        let mut words: Vec<String> = ["strace", "-D", "-f"].map(str::to_owned).into();
        words.extend(self.arguments());
        words
    }
}

/// A strace that is attached. See the module.
#[derive(Debug)]
pub struct Tracer {
    child: Child,
}

impl Tracer {
    /// Hurts all threads of a process, once this returns.
    ///
    /// # Errors
    /// What strace says.
    pub fn of_process(pid: u32, injection: &Injection) -> Result<Self> {
        Self::attach(pid, &["-f".to_owned(), format!("-p{pid}")], injection, |_| true)
    }

    /// Hurts only the threads with these names; the others keep their speed.
    ///
    /// # Errors
    /// There is no such thread, or what strace says.
    pub fn of_threads(pid: u32, names: &[&str], injection: &Injection) -> Result<Self> {
        let wanted = |name: &str| names.contains(&name);
        let threads = threads(pid)?;
        let chosen = threads.iter().filter(|thread| wanted(&thread.name));
        let which: Vec<String> = chosen.map(|thread| format!("-p{}", thread.id)).collect();
        ensure!(!which.is_empty(), "process {pid} has no thread called {}", names.join(" or "));
        Self::attach(pid, &which, injection, wanted)
    }

    fn attach(
        pid: u32,
        which: &[String],
        injection: &Injection,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        let mut command = Command::new("strace");
        command.args(which).args(injection.arguments()).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut tracer = Self { child: child.context("cannot run strace")? };
        let by = tracer.child.id();
        let started = Instant::now();
        while !threads(pid)?.iter().all(|thread| thread.tracer == by || !wanted(&thread.name)) {
            if tracer.child.try_wait()?.is_some() {
                bail!("strace ended: {}", tracer.words());
            }
            ensure!(started.elapsed() < PATIENCE, "strace is not attached after {PATIENCE:?}");
            thread::sleep(PAUSE);
        }
        Ok(tracer)
    }

    fn words(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = stderr.read_to_string(&mut text);
        }
        text.trim().to_owned()
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Interrupted, it lets go in order; killed, the kernel does that.
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(PAUSE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Thread {
    id: u32,
    name: String,
    tracer: u32,
}

/// The threads of a process; those that end meanwhile are left out.
fn threads(pid: u32) -> Result<Vec<Thread>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task")).context("the process is gone")? {
        let Ok(status) = fs::read_to_string(entry?.path().join("status")) else { continue };
        let field = |name: &str| {
            let mut lines = status.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        let number = |name| field(name).and_then(|text| text.parse().ok());
        let (Some(id), Some(tracer)) = (number("Pid"), number("TracerPid")) else { continue };
        found.push(Thread { id, name: field("Name").unwrap_or_default().to_owned(), tracer });
    }
    Ok(found)
}

fn probe() -> Result<(), String> {
    try_it().map_err(|why| format!("{why:#}; it needs strace and the right to trace (root)"))
}

fn try_it() -> Result<()> {
    let mut sleeper = Command::new("sleep").arg("30").spawn().context("cannot run sleep")?;
    let injection = Injection { calls: "fsync", effect: "error=EIO".to_owned(), paths: Vec::new() };
    let attached = Tracer::of_process(sleeper.id(), &injection).map(drop);
    let gone = sleeper.try_wait()?.is_some();
    let _ = sleeper.kill();
    let _ = sleeper.wait();
    attached?;
    ensure!(!gone, "strace has ended the process");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_injection_is_told_as_strace_wants_it() {
        let injection = Injection {
            calls: "write,fdatasync",
            effect: "error=EIO:when=3".to_owned(),
            paths: vec!["/d/a".into()],
        };
        let words = injection.wrapper().join(" ");
        assert!(words.starts_with("strace -D -f "), "{words}");
        assert!(words.contains("-e inject=write,fdatasync:error=EIO:when=3 -P /d/a"), "{words}");
    }

    #[test]
    fn the_own_threads_are_found_by_name_and_nobody_traces_them() {
        let found = threads(std::process::id()).unwrap();
        assert!(found.iter().any(|thread| thread.id == std::process::id() && thread.tracer == 0));
        assert!(found.iter().all(|thread| !thread.name.is_empty()));
    }
}
