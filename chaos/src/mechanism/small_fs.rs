//! An ext4 file system of its own, on a file, through a loop device: it may be full, or lose its
//! power, without anything else on the machine noticing.
//!
//! Invariant: the mount goes with its value, also while the file system is in use; the loop
//! device goes with the mount, because `mount` has set it up so.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use rustix::{
    fs::{FallocateFlags, fallocate, statvfs},
    io::Errno,
};

use super::{Mechanism, lacking, tool};

/// Loop devices and ext4.
pub const SMALL_FS: Mechanism = Mechanism { name: "a file system of its own", probe };

const PROBED: u64 = 32 << 20;
/// What the file system gives out at once.
const BLOCK: u64 = 4 << 10;

/// See the module.
#[derive(Debug)]
pub struct SmallFs {
    image: PathBuf,
    at: PathBuf,
    mounted: bool,
}

impl SmallFs {
    /// Makes a file system of `bytes` and mounts it at the directory `at`. Its file lies beside
    /// that directory and takes the space that is used.
    ///
    /// # Errors
    /// What `mkfs.ext4` or `mount` says.
    pub fn create(at: &Path, bytes: u64) -> Result<Self> {
        let image = at.with_extension("ext4");
        fs::File::create(&image)?.set_len(bytes)?;
        // Nothing is kept back for root, as whom the node may run.
        let image_name = image.to_string_lossy();
        tool("mkfs.ext4", &["-q", "-F", "-m", "0", &image_name])?;
        let mut made = Self { image, at: at.to_owned(), mounted: false };
        made.mount()?;
        Ok(made)
    }

    /// Where it is mounted.
    #[must_use]
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// Mounts it, which replays its journal.
    ///
    /// # Errors
    /// What `mount` says.
    pub fn mount(&mut self) -> Result<()> {
        ensure!(!self.mounted, "{} is mounted already", self.at.display());
        if is_held(&self.image) {
            self.replace()?;
        }
        let (image, at) = (self.image.to_string_lossy(), self.at.to_string_lossy());
        tool("mount", &["-t", "ext4", "-o", "loop,noatime", &image, &at])?;
        self.mounted = true;
        Ok(())
    }

    /// Takes the mount away; nobody may use it any more.
    ///
    /// # Errors
    /// What `umount` says.
    pub fn unmount(&mut self) -> Result<()> {
        tool("umount", &[&self.at.to_string_lossy()])?;
        self.mounted = false;
        Ok(())
    }

    /// Goes on with a copy, because whoever holds the file holds the file system in memory, too,
    /// and would hand that out again: a mount namespace that was made meanwhile, for one.
    fn replace(&self) -> Result<()> {
        let copy = self.image.with_extension("copy");
        tool("cp", &["--sparse=always", &self.image.to_string_lossy(), &copy.to_string_lossy()])?;
        Ok(fs::rename(copy, &self.image)?)
    }
}

impl Drop for SmallFs {
    fn drop(&mut self) {
        if self.mounted {
            // Whoever still uses it keeps what he has open, and nobody finds it any more.
            let _ = tool("umount", &["-l", &self.at.to_string_lossy()]);
        }
        let _ = fs::remove_file(&self.image);
    }
}

/// A file that takes the room away. It gives it back when it is dropped.
#[derive(Debug)]
pub struct Filler {
    path: PathBuf,
    file: fs::File,
}

impl Filler {
    /// Takes all room of the file system at `at` but `left` bytes.
    ///
    /// # Errors
    /// What the system says, other than that there is no room.
    pub fn fill(at: &Path, left: u64) -> Result<Self> {
        let path = at.join("filler");
        let file = fs::File::create(&path)?;
        let filler = Self { path, file };
        filler.fill_again(left)?;
        Ok(filler)
    }

    /// Takes what was given back meanwhile, too.
    ///
    /// # Errors
    /// What the system says, other than that there is no room.
    pub fn fill_again(&self, left: u64) -> Result<()> {
        let (mut taken, mut piece) = (self.file.metadata()?.len(), u64::MAX);
        while piece >= BLOCK {
            piece = piece.min(free(&self.path)?.saturating_sub(left)) / BLOCK * BLOCK;
            if piece == 0 {
                break;
            }
            match fallocate(&self.file, FallocateFlags::empty(), taken, piece) {
                Ok(()) => taken += piece,
                // Its own tables of blocks take room, too.
                Err(Errno::NOSPC) => piece /= 2,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// What may still be written to the file system that holds `at`, in bytes.
///
/// # Errors
/// What the system says.
pub fn free(at: &Path) -> Result<u64> {
    let found = statvfs(at)?;
    Ok(found.f_bavail * found.f_frsize)
}

/// Whether a loop device still stands on the file.
fn is_held(image: &Path) -> bool {
    let Ok(devices) = fs::read_dir("/sys/block") else { return false };
    devices.flatten().any(|device| {
        let file = fs::read_to_string(device.path().join("loop/backing_file"));
        file.is_ok_and(|file| Path::new(file.trim_end()) == image)
    })
}

fn probe() -> Result<(), String> {
    try_it().map_err(|why| lacking(&why, "loop devices, mkfs.ext4 and mount"))
}

fn try_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let at = dir.path().join("disk");
    fs::create_dir(&at)?;
    let made = SmallFs::create(&at, PROBED)?;
    fs::write(made.at().join("file"), "text").context("cannot write to it")
}
