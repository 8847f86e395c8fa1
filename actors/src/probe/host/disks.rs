//! How full the host's own disks are.

use std::{collections::BTreeSet, path::Path};

use model::metrics::MAX_NAME;
use rustix::fs::{StatVfs, statvfs};
use sysinfo::{Disk, Disks};

/// Kinds of file system that hold data without a device under `/dev`.
const WITHOUT_DEVICE: [&str; 2] = ["zfs", "btrfs"];
/// Kinds that are full by nature.
const READ_ONLY: [&str; 4] = ["squashfs", "erofs", "iso9660", "udf"];
/// The most disks that are reported by name, the fullest first.
const MAX_DISKS: usize = 40;
const PREFIX: &str = "disk_usage_percent:";

/// The share in use of each real disk, with the name of its metric, the fullest first.
pub(super) fn usages(disks: &Disks) -> Vec<(String, f64)> {
    let mut real: Vec<&Disk> = disks.iter().filter(|disk| is_real(disk)).collect();
    // Of several mounts of one device the one nearest to the root stands for all.
    real.sort_by_key(|disk| (disk.mount_point().as_os_str().len(), disk.mount_point()));
    let mut seen = BTreeSet::new();
    real.retain(|disk| seen.insert(disk.name()));
    let mut usages: Vec<(String, f64)> = real
        .into_iter()
        .filter_map(|disk| Some((metric_name(disk.mount_point()), usage(disk.mount_point())?)))
        .collect();
    usages.sort_by(|a, b| b.1.total_cmp(&a.1));
    usages.truncate(MAX_DISKS);
    usages
}

/// A disk of this host, as opposed to memory, another host's disk, or a file mounted alone.
fn is_real(disk: &Disk) -> bool {
    let kind = disk.file_system().to_string_lossy();
    let on_device = disk.name().to_string_lossy().starts_with("/dev/");
    let is_root = disk.mount_point() == Path::new("/");
    (on_device || is_root || WITHOUT_DEVICE.contains(&kind.as_ref()))
        && !READ_ONLY.contains(&kind.as_ref())
        && disk.mount_point().is_dir()
}

fn usage(mount: &Path) -> Option<f64> {
    statvfs(mount).ok().as_ref().and_then(percent)
}

/// As `df` computes it: what is used, of what is used or can be by unprivileged users.
#[expect(clippy::cast_precision_loss, reason = "blocks of a disk are far below 2^53")]
fn percent(space: &StatVfs) -> Option<f64> {
    let used = space.f_blocks.saturating_sub(space.f_bfree);
    let usable = used.saturating_add(space.f_bavail);
    (space.f_blocks > 0 && usable > 0).then(|| 100.0 * used as f64 / usable as f64)
}

/// A metric's name has letters, digits and `_.:-` only: all else becomes `_`.
fn metric_name(mount: &Path) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    let mount = mount.to_string_lossy();
    let mount = mount.chars().map(|c| if allowed(c) { c } else { '_' });
    PREFIX.chars().chain(mount).take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mount_point_becomes_a_name_that_thresholds_can_use() {
        for (mount, name) in [
            ("/", "disk_usage_percent:_"),
            ("/var/lib", "disk_usage_percent:_var_lib"),
            ("/mnt/my disk", "disk_usage_percent:_mnt_my_disk"),
        ] {
            assert_eq!(metric_name(Path::new(mount)), name);
        }
    }

    proptest! {
        #[test]
        fn no_mount_point_breaks_the_rules_for_names(mount in ".{0,300}") {
            let name = metric_name(Path::new(&mount));
            prop_assert!(name.len() <= MAX_NAME && name.is_ascii());
        }
    }
}
