//! What a process costs, and what its host measures, read from `/proc` (proc(5)).

use std::fs;

use anyhow::{Context, Result};

/// The unit of times in `/proc`: USER_HZ, which Linux's ABI fixes at 100.
const TICKS_PER_SECOND: f64 = 100.0;

/// The cost of a process so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Processor time in user and system mode, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
}

/// Reads the cost of a live process.
///
/// # Errors
/// Where there is no such process or no `/proc`.
pub fn cost(pid: u32) -> Result<Cost> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let resident = field(&status, "VmRSS:").context("no VmRSS")?;
    Ok(Cost { cpu_seconds: cpu_seconds(&stat)?, resident_bytes: resident * 1024 })
}

/// Fields 14 and 15, utime and stime, counted from after the command in parentheses, which
/// may hold anything.
fn cpu_seconds(stat: &str) -> Result<f64> {
    let (_, rest) = stat.rsplit_once(')').context("no command in stat")?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || -> Result<f64> { Ok(fields.next().context("stat is short")?.parse()?) };
    Ok((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

/// The processors' time since the host started, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuTime {
    busy: u64,
    total: u64,
}

impl CpuTime {
    /// Reads it now.
    ///
    /// # Errors
    /// Where there is no `/proc`.
    pub fn now() -> Result<Self> {
        Self::parse(&fs::read_to_string("/proc/stat")?)
    }

    /// user nice system idle iowait irq softirq steal; the guests' are within user and nice.
    fn parse(stat: &str) -> Result<Self> {
        let line = stat.lines().next().context("/proc/stat is empty")?;
        let ticks: Vec<u64> =
            line.split_whitespace().skip(1).take(8).filter_map(|t| t.parse().ok()).collect();
        let total = ticks.iter().sum();
        let idle = ticks.get(3).context("no idle time")? + ticks.get(4).unwrap_or(&0);
        Ok(Self { busy: total - idle, total })
    }

    /// The share of time in use between an earlier reading and this one, 0 to 100.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "ticks between two readings are few")]
    pub fn percent_since(self, earlier: Self) -> f64 {
        let total = self.total.saturating_sub(earlier.total);
        let busy = self.busy.saturating_sub(earlier.busy);
        if total == 0 { 0.0 } else { busy as f64 * 100.0 / total as f64 }
    }
}

/// The share of memory that is not available, 0 to 100.
///
/// # Errors
/// Where there is no `/proc`.
#[expect(clippy::cast_precision_loss, reason = "memory in kB is far below 2^53")]
pub fn memory_percent() -> Result<f64> {
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    let total = field(&meminfo, "MemTotal:").context("no MemTotal")? as f64;
    let available = field(&meminfo, "MemAvailable:").context("no MemAvailable")? as f64;
    Ok((total - available) * 100.0 / total)
}

/// The highest `Use%` that `df` shows of this host's own file systems, 0 to 100.
///
/// # Errors
/// Where there is no `df`.
pub fn disk_percent() -> Result<f64> {
    let mut df = std::process::Command::new("df");
    df.args(["-P", "-l"]);
    for memory_backed in ["tmpfs", "devtmpfs", "squashfs", "efivarfs", "overlay"] {
        df.args(["-x", memory_backed]);
    }
    let listed = fullest(&String::from_utf8_lossy(&df.output()?.stdout));
    if let Some(percent) = listed {
        return Ok(percent);
    }
    // In a container the root may be all there is.
    let root = std::process::Command::new("df").args(["-P", "/"]).output()?;
    fullest(&String::from_utf8_lossy(&root.stdout)).context("df lists no file system")
}

fn fullest(df: &str) -> Option<f64> {
    let percents = df
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(4)?.strip_suffix('%')?.parse::<f64>().ok());
    percents.max_by(f64::total_cmp)
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 5 6 7";
        assert!((cpu_seconds(stat).unwrap() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn idle_time_and_waiting_for_disks_are_not_use() {
        let before = CpuTime::parse("cpu 10 0 10 70 10 0 0 0 0 0\n").unwrap();
        let after = CpuTime::parse("cpu 20 0 20 140 20 0 0 0 0 0\n").unwrap();
        assert!((after.percent_since(before) - 20.0).abs() < 1e-9);
    }

    #[test]
    fn the_fullest_file_system_counts() {
        let df = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                  /dev/a 100 15 85 15% /\n/dev/b 100 60 40 60% /data\n";
        assert_eq!(fullest(df), Some(60.0));
    }

    #[test]
    fn this_process_has_used_memory() {
        let cost = cost(std::process::id()).unwrap();
        assert!(cost.resident_bytes > 100_000 && cost.cpu_seconds >= 0.0);
    }
}
