//! Reads what strace wrote: `PID TIME CALL(FD</path>) = 0 <SECONDS>`, or in two parts where
//! another call began before it had ended.

use std::collections::BTreeMap;

/// What a trace shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in super::super) struct Traced {
    /// Writes a second while it was traced.
    pub(in super::super) writes_per_second: f64,
    /// Syncs of the log.
    pub(in super::super) log_syncs: usize,
    /// Syncs of anything else: side files, compaction, the peer's database.
    pub(in super::super) other_syncs: usize,
    /// The most syncs of the log that were in flight at one moment.
    pub(in super::super) log_at_once: usize,
    /// The most syncs of any file that were in flight at one moment.
    pub(in super::super) at_once: usize,
}

struct Sync {
    log: bool,
    began: f64,
    ended: f64,
}

/// Reads a trace; `is_log` tells the log's files from others by their path.
pub(super) fn read(text: &str, writes_per_second: f64, is_log: &dyn Fn(&str) -> bool) -> Traced {
    let syncs = syncs(text, is_log);
    let log: Vec<&Sync> = syncs.iter().filter(|sync| sync.log).collect();
    Traced {
        writes_per_second,
        log_syncs: log.len(),
        other_syncs: syncs.len() - log.len(),
        log_at_once: at_once(&log),
        at_once: at_once(&syncs.iter().collect::<Vec<_>>()),
    }
}

fn syncs(text: &str, is_log: &dyn Fn(&str) -> bool) -> Vec<Sync> {
    // A thread has one call at a time; what began is kept until it is resumed.
    let mut begun: BTreeMap<&str, (bool, f64)> = BTreeMap::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let Some((pid, rest)) = line.split_once(char::is_whitespace) else { continue };
        let Some((time, call)) = rest.trim_start().split_once(' ') else { continue };
        let Ok(time) = time.parse::<f64>() else { continue };
        let whole = path(call).map(|path| (is_log(path), time));
        if call.ends_with("<unfinished ...>") {
            begun.extend(whole.map(|part| (pid, part)));
        } else if let Some((log, began)) = whole.or_else(|| begun.remove(pid)) {
            found.push(Sync { log, began, ended: began + duration(call) });
        }
    }
    found
}

/// The file of `fdatasync(7</data/000004.log>) …`.
fn path(call: &str) -> Option<&str> {
    let (_, rest) = call.split_once("sync(")?;
    let (_, rest) = rest.split_once('<')?;
    rest.split_once(">").map(|(path, _)| path)
}

fn duration(call: &str) -> f64 {
    let last = call.rsplit_once('<').map(|(_, rest)| rest.trim_end_matches('>'));
    last.and_then(|seconds| seconds.parse().ok()).unwrap_or(0.0)
}

fn at_once(syncs: &[&Sync]) -> usize {
    let mut edges: Vec<(f64, bool)> =
        syncs.iter().flat_map(|sync| [(sync.began, true), (sync.ended, false)]).collect();
    // At the same moment an end comes before a beginning.
    edges.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let (mut now, mut most) = (0_usize, 0);
    for (_, begins) in edges {
        now = if begins { now + 1 } else { now.saturating_sub(1) };
        most = most.max(now);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
        10 100.000000 fdatasync(7</d/raft/000004.log>) = 0 <0.001000>\n\
        10 100.002000 fdatasync(7</d/raft/000004.log> <unfinished ...>\n\
        11 100.002500 fsync(9</d/raft/000009.sst>) = 0 <0.000200>\n\
        10 100.003000 <... fdatasync resumed>) = 0 <0.001000>\n\
        10 100.004000 fdatasync(7</d/raft/000004.log>) = 0 <0.000500>\n";

    fn traced(text: &str) -> Traced {
        read(text, 1.0, &|path| path.ends_with(".log"))
    }

    #[test]
    fn syncs_of_the_log_are_told_from_others() {
        let found = traced(TRACE);
        assert_eq!((found.log_syncs, found.other_syncs), (3, 1));
        assert_eq!((found.log_at_once, found.at_once), (1, 2));
    }

    #[test]
    fn two_syncs_of_the_log_at_once_are_seen() {
        let twice = "10 1.0 fdatasync(7</d/a.log> <unfinished ...>\n\
                     11 1.1 fdatasync(8</d/b.log>) = 0 <0.100000>\n\
                     10 1.3 <... fdatasync resumed>) = 0 <0.300000>\n";
        assert_eq!(traced(twice).log_at_once, 2);
    }
}
