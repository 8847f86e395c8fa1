//! The memory limit of this process's control group, of either version of the interface.
//!
//! See `cgroups(7)` and the kernel's `admin-guide/cgroup-v2.rst`.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Larger limits are none: version 1 says so by a number near 2⁶³.
const UNLIMITED: u64 = 1 << 60;
const ROOT: &str = "/sys/fs/cgroup";

/// The least limit of the group and those it is in, in bytes.
pub(super) fn of_control_group() -> Option<u64> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    let files = files(&membership, Path::new(ROOT));
    files.iter().filter_map(|file| parse(&fs::read_to_string(file).ok()?)).min()
}

/// Every file that can hold a limit. Within a container the path may be one that only the host
/// knows; the root is then the container's own group.
fn files(membership: &str, root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in membership.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            some if some.split(',').any(|one| one == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group = root.join(path.trim_start_matches('/'));
        let groups = group.ancestors().take_while(|group| group.starts_with(&root));
        files.extend(groups.map(|group| group.join(name)));
    }
    files
}

fn parse(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit < UNLIMITED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_none_is_none() {
        assert_eq!(parse("536870912\n"), Some(512 << 20));
        assert_eq!(parse("max\n"), None);
        assert_eq!(parse("9223372036854771712\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn both_versions_are_looked_up_from_the_group_to_the_root() {
        let membership = "9:cpu,cpuacct:/x\n8:memory:/docker/abc\n0::/system.slice/b.service\n";
        let shown: Vec<String> =
            files(membership, Path::new("/c")).iter().map(|f| f.display().to_string()).collect();
        assert_eq!(
            shown,
            [
                "/c/memory/docker/abc/memory.limit_in_bytes",
                "/c/memory/docker/memory.limit_in_bytes",
                "/c/memory/memory.limit_in_bytes",
                "/c/system.slice/b.service/memory.max",
                "/c/system.slice/memory.max",
                "/c/memory.max",
            ]
        );
        assert_eq!(files("no such line", Path::new("/c")), Vec::<PathBuf>::new());
    }
}
