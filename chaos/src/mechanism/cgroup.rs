//! Limits on a whole process tree by control groups, version 1 (cgroups(7)).
//!
//! Invariant: a group is removed when it is dropped; what still runs in it is moved up first.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use harness::Launcher;

use super::{Mechanism, lacking};

/// A limit on memory.
pub(crate) const MEMORY: Mechanism =
    Mechanism { name: "cgroup memory", probe: || probe(Controller::Memory) };
/// A share of the processors.
pub(crate) const CPU: Mechanism =
    Mechanism { name: "cgroup cpu", probe: || probe(Controller::Cpu) };
/// A limit on threads.
pub(crate) const PIDS: Mechanism =
    Mechanism { name: "cgroup pids", probe: || probe(Controller::Pids) };

static NEXT: AtomicU32 = AtomicU32::new(0);
/// How often a group that is still busy is tried again.
const TRIES: u32 = 50;

/// What a group limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Controller {
    /// Memory, page cache included.
    Memory,
    /// Processor time.
    Cpu,
    /// Threads.
    Pids,
}

/// A group of its own, empty at first.
#[derive(Debug)]
pub(crate) struct Group {
    folder: PathBuf,
}

impl Group {
    /// Makes one.
    ///
    /// # Errors
    /// Where the controller is not mounted or this process may not make groups.
    pub(crate) fn new(controller: Controller) -> Result<Self> {
        let parent = parent(controller)?;
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let folder = parent.join(format!("bellwether-chaos-{}-{number}", process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Sets one of its files, such as `pids.max`.
    ///
    /// # Errors
    /// Where the kernel refuses the value.
    pub(crate) fn set(&self, file: &str, value: &impl ToString) -> Result<()> {
        let path = self.folder.join(file);
        fs::write(&path, value.to_string())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads one of its files that holds a number.
    ///
    /// # Errors
    /// Where there is no such file or number.
    pub(crate) fn read(&self, file: &str) -> Result<u64> {
        let text = fs::read_to_string(self.folder.join(file))?;
        text.trim().parse().with_context(|| format!("{file} holds {text:?}"))
    }

    /// Reads one count out of a file of names and counts, such as `cpu.stat`.
    ///
    /// # Errors
    /// Where there is no such file or name.
    pub(crate) fn count(&self, file: &str, name: &str) -> Result<u64> {
        let text = fs::read_to_string(self.folder.join(file))?;
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find_map(|(known, count)| (known == name).then_some(count));
        let found = found.with_context(|| format!("{file} has no {name}: {text}"))?;
        found.trim().parse().with_context(|| format!("{name} is {found}"))
    }

    /// Starts the node in this group from now on.
    pub(crate) fn confine(&self, launcher: &mut Launcher) {
        let script = "echo $$ > \"$0\" && exec \"$@\"";
        let members = self.members().display().to_string();
        launcher.wrap(["sh", "-c", script, members.as_str()]);
    }

    fn members(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    fn release(&self) {
        let above = self.folder.parent().map(|parent| parent.join("cgroup.procs"));
        let members = fs::read_to_string(self.members()).unwrap_or_default();
        for member in members.lines() {
            let _ = above.as_ref().map(|above| fs::write(above, member));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..TRIES {
            self.release();
            if fs::remove_dir(&self.folder).is_ok() || !self.folder.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        crate::progress::say(&format!("cannot remove the group {}", self.folder.display()));
    }
}

impl Controller {
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
        }
    }
}

/// This process's own group of the controller, below which others may be made.
fn parent(controller: Controller) -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let name = controller.name();
    let Some(mount) = mount_of(&mounts, name) else {
        bail!("the controller {name} of cgroup version 1 is not mounted");
    };
    let own = own_group(&fs::read_to_string("/proc/self/cgroup")?, name).unwrap_or_default();
    let folder = Path::new(&mount).join(own.trim_start_matches('/'));
    Ok(if folder.is_dir() { folder } else { PathBuf::from(mount) })
}

/// The mount point of a controller in the form of proc_mounts(5).
fn mount_of(mounts: &str, controller: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, point, kind, options, ..] = fields[..] else { return None };
        let has = options.split(',').any(|option| option == controller);
        (kind == "cgroup" && has).then(|| point.to_owned())
    })
}

fn own_group(groups: &str, controller: &str) -> Option<String> {
    groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|c| c == controller).then(|| path.to_owned())
    })
}

fn probe(controller: Controller) -> Result<(), String> {
    let made = Group::new(controller);
    made.map(drop).map_err(|why| lacking(&why, "control groups of version 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_and_the_group_of_a_controller_are_found() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                      cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw,memory 0 0\n";
        assert_eq!(mount_of(mounts, "cpu").as_deref(), Some("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(mount_of(mounts, "memory"), None);
        let groups = "4:memory:/a:b\n1:cpu,cpuacct:/\n0::/\n";
        assert_eq!(own_group(groups, "memory").as_deref(), Some("/a:b"));
        assert_eq!(own_group(groups, "cpu").as_deref(), Some("/"));
    }

    #[test]
    fn a_group_is_gone_after_it_was_dropped() {
        let Ok(group) = Group::new(Controller::Pids) else { return };
        let folder = group.folder.clone();
        group.set("pids.max", &7).unwrap();
        assert_eq!(group.read("pids.max").unwrap(), 7);
        drop(group);
        assert!(!folder.exists());
    }
}
