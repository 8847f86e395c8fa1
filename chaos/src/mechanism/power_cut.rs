//! The power of a file system is cut: what was not synced is gone, and nothing more is written.
//!
//! ext4's own shutdown (`EXT4_IOC_SHUTDOWN` in the kernel's `fs/ext4/ext4.h`) does it, without
//! flushing its journal. Written blocks that were not synced may be there or not, as after a cut.

use std::{fs, path::Path};

use anyhow::{Result, ensure};

use super::{Mechanism, SmallFs, lacking, tool};

/// The shutdown of ext4.
pub const POWER_CUT: Mechanism = Mechanism { name: "power cut", probe };

/// `_IOR('X', 125, __u32)`, and the flag that leaves the journal unflushed. Another program asks
/// for it, because a raw ioctl is beyond what safe Rust can say.
///
/// A sync that is under way while ext4 shuts down may report success although its commit was
/// thrown away. The process is stopped first, so that it never learns of it: what it was told
/// before is true, and after a cut nobody is told anything.
const SHUTDOWN: &str = "import fcntl, os, signal, struct, sys
disk = os.open(sys.argv[1], os.O_RDONLY)
for pid in sys.argv[2:]:
    os.kill(int(pid), signal.SIGSTOP)
fcntl.ioctl(disk, 0x8004587d, struct.pack('I', 2))";
const PROBED: u64 = 32 << 20;

/// Cuts the power of the file system that is mounted at `at`, and with it stops the process that
/// works on it, which is left to be killed.
///
/// # Errors
/// What the system says.
pub fn cut(at: &Path, process: Option<u32>) -> Result<()> {
    let (at, pid) = (at.to_string_lossy(), process.map(|pid| pid.to_string()));
    let mut words = vec!["-I", "-S", "-c", SHUTDOWN, &at];
    words.extend(pid.as_deref());
    tool("python3", &words)
}

fn probe() -> Result<(), String> {
    try_it().map_err(|why| lacking(&why, "loop devices, ext4's shutdown ioctl, and python3"))
}

fn try_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let at = dir.path().join("disk");
    fs::create_dir(&at)?;
    let mut made = SmallFs::create(&at, PROBED)?;
    let synced = fs::File::create(at.join("synced"))?;
    synced.sync_all()?;
    fs::write(at.join("not synced"), "text")?;
    cut(&at, None)?;
    ensure!(fs::write(at.join("after"), "text").is_err(), "the file system lives on");
    drop(synced);
    made.unmount()?;
    made.mount()?;
    ensure!(at.join("synced").exists(), "what was synced is gone");
    let lost = fs::read(at.join("not synced")).unwrap_or_default().is_empty();
    ensure!(lost, "what was not synced is there");
    Ok(())
}
