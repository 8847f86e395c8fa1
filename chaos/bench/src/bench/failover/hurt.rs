//! Little processor time, and a slow disk.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

/// Microseconds: a tenth of a processor.
const PERIOD: u32 = 100_000;
const QUOTA: u32 = PERIOD / 10;
/// Where the controller of processor time is mounted (cgroups(7), version 1).
const MOUNT: &str = "/sys/fs/cgroup/cpu";
/// How long strace may take to attach.
const ATTACHED: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);
/// How strace lets each sync take longer.
const INJECTION: [&str; 7] = [
    "-qq",
    "-o",
    "/dev/null",
    "-e",
    "trace=fdatasync,fsync",
    "-e",
    "inject=fdatasync,fsync:delay_enter=300ms",
];

/// A process that gets a tenth of a processor until this is dropped.
pub(super) struct Starved {
    folder: PathBuf,
}

impl Starved {
    /// Says why this machine cannot do it.
    pub(super) fn available() -> Result<(), String> {
        let made = Self::make().map(drop);
        made.map_err(|why| format!("{why:#}; it needs root and control groups of version 1"))
    }

    pub(super) fn begin(pid: u32) -> Result<Self> {
        let starved = Self::make()?;
        starved.set("cpu.cfs_period_us", PERIOD)?;
        starved.set("cpu.cfs_quota_us", QUOTA)?;
        starved.set("cgroup.procs", pid)?;
        Ok(starved)
    }

    /// Whether it wanted more than it had.
    pub(super) fn was_held_back(&self) -> Result<bool> {
        let text = fs::read_to_string(self.folder.join("cpu.stat"))?;
        let count = text.lines().find_map(|line| line.strip_prefix("nr_throttled "));
        Ok(count.context("cpu.stat has no nr_throttled")?.trim() != "0")
    }

    fn make() -> Result<Self> {
        let folder = Path::new(MOUNT).join(format!("bellwether-bench-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { folder })
    }

    fn set(&self, file: &str, value: u32) -> Result<()> {
        let path = self.folder.join(file);
        fs::write(&path, value.to_string())
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for Starved {
    fn drop(&mut self) {
        // A destructor has nobody to tell; a process that has ended is in no group.
        let members = fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
        for member in members.lines() {
            let _ = fs::write(Path::new(MOUNT).join("cgroup.procs"), member);
        }
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Every sync takes longer, by strace.
pub(super) struct Slow;

impl Slow {
    /// Says why this machine cannot do it.
    pub(super) fn prepare() -> Result<Self, String> {
        let mut command = crate::process::below(&Self.wrapper(), Path::new("true"));
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match quiet.status() {
            Ok(status) if status.success() => Ok(Self),
            _ => Err("strace is missing, or may not trace here".to_owned()),
        }
    }

    /// The words to put in front of a program. The tracer stands aside, so that the program is
    /// the child of whoever starts it, and is told of syncs alone.
    pub(super) fn wrapper(&self) -> Vec<String> {
        let mut words = vec!["strace", "-D", "-f", "--seccomp-bpf"];
        words.extend(INJECTION);
        words.into_iter().map(str::to_owned).collect()
    }

    /// Attaches to the threads of a name in a process that runs.
    pub(super) fn attach(&self, pid: u32, name: &str) -> Result<Tracer> {
        let threads = threads(pid, name)?;
        ensure!(!threads.is_empty(), "process {pid} has no thread called {name}");
        let mut command = Command::new("strace");
        command.args(INJECTION).args(threads.iter().map(|thread| format!("-p{thread}")));
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let tracer = Tracer(quiet.spawn().context("cannot run strace")?);
        let began = Instant::now();
        while !threads.iter().all(|thread| is_traced(pid, *thread)) {
            ensure!(began.elapsed() < ATTACHED, "strace has not attached to {name}");
            sleep(LOOK);
        }
        Ok(tracer)
    }
}

/// Whether anybody traces a thread (proc(5), `TracerPid`).
fn is_traced(pid: u32, thread: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/task/{thread}/status"));
    let status = status.unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|tracer| tracer.trim() != "0")
}

fn threads(pid: u32, name: &str) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task")).context("the process is gone")? {
        let path = entry?.path();
        let called = fs::read_to_string(path.join("comm")).unwrap_or_default();
        let id: Option<u32> = path.file_name().and_then(|id| id.to_str()?.parse().ok());
        found.extend(id.filter(|_| called.trim() == name));
    }
    Ok(found)
}

/// A strace that is attached. Dropped, it has let go of the process, which goes on.
pub(super) struct Tracer(Child);

impl Drop for Tracer {
    fn drop(&mut self) {
        // Killed, the kernel lets go of what it traced.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_traced_until_the_tracer_is_dropped() {
        let Ok(slow) = Slow::prepare() else { return };
        let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = sleeper.id();
        // The child is called as this program until it has become the other.
        while threads(pid, "sleep").unwrap().is_empty() {
            sleep(LOOK);
        }
        let tracer = slow.attach(pid, "sleep").unwrap();
        assert!(is_traced(pid, pid));
        drop(tracer);
        assert!(!is_traced(pid, pid));
        assert!(slow.attach(pid, "sync").is_err());
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
    }

    #[test]
    fn a_process_is_held_back_and_let_go() {
        if Starved::available().is_err() {
            return;
        }
        let mut busy = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let starved = Starved::begin(busy.id()).unwrap();
        let (began, folder) = (Instant::now(), starved.folder.clone());
        while !starved.was_held_back().unwrap() {
            assert!(began.elapsed() < ATTACHED, "it is not held back");
            sleep(LOOK);
        }
        drop(starved);
        busy.kill().unwrap();
        busy.wait().unwrap();
        assert!(!folder.exists());
    }
}
