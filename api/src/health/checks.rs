//! The conditions behind the health calls, and how they are shown.

use model::ShardId;

use crate::state::{ApiState, ReadinessCheck};

/// The process answers: that is all there is to check.
pub(super) fn live() -> Vec<ReadinessCheck> {
    vec![check("process", true, "answers")]
}

/// The node was ready once.
pub(super) fn started(api: &ApiState) -> Vec<ReadinessCheck> {
    if api.has_started() {
        return vec![check("started", true, "was ready once")];
    }
    ready(api)
}

/// The node may be asked now.
pub(super) fn ready(api: &ApiState) -> Vec<ReadinessCheck> {
    let stopping = api.shutdown().is_cancelled();
    let loaded = api.shards().is_ready();
    let mut checks = vec![
        check(
            "running",
            !stopping,
            if stopping { "the node is stopping" } else { "is not stopping" },
        ),
        check(
            "quorum",
            loaded,
            if loaded { "a shard is led and loaded" } else { "no shard is led and loaded yet" },
        ),
    ];
    checks.extend((api.hooks().readiness)());
    let lost = api.shards().status().into_iter().filter(|shard| shard.leader.is_none());
    checks.extend(lost.map(|shard| leaderless(shard.shard)));
    if checks.iter().all(|check| check.ok || !check.required) {
        api.note_ready();
    }
    checks
}

/// One line for each check.
pub(super) fn listed(checks: &[ReadinessCheck]) -> String {
    let mut text: String = checks.iter().map(|check| line(check) + "\n").collect();
    text.push_str("ok\n");
    text
}

/// What is not well; all checks where the caller wants to see them.
pub(super) fn failures(checks: &[ReadinessCheck], verbose: bool) -> String {
    let shown = checks.iter().filter(|check| verbose || !check.ok);
    shown.map(line).collect::<Vec<_>>().join("; ")
}

fn line(check: &ReadinessCheck) -> String {
    let mark = match (check.ok, check.required) {
        (true, _) => "[+]",
        (false, true) => "[-]",
        (false, false) => "[!]",
    };
    format!("{mark} {}: {}", check.name, check.detail)
}

fn check(name: &str, ok: bool, detail: &str) -> ReadinessCheck {
    ReadinessCheck { name: name.to_owned(), ok, required: true, detail: detail.to_owned() }
}

fn leaderless(shard: ShardId) -> ReadinessCheck {
    ReadinessCheck {
        name: format!("shard {shard}"),
        ok: false,
        required: false,
        detail: "nobody leads it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semantics_16_a_lost_shard_is_shown_and_not_fatal() {
        let checks = [check("quorum", true, "a shard is led"), leaderless(ShardId(3))];
        assert_eq!(
            listed(&checks),
            "[+] quorum: a shard is led\n[!] shard 3: nobody leads it\nok\n"
        );
    }

    #[test]
    fn what_is_not_well_is_named() {
        let checks = [check("running", true, "yes"), check("quorum", false, "none yet")];
        assert_eq!(failures(&checks, false), "[-] quorum: none yet");
        assert_eq!(failures(&checks, true), "[+] running: yes; [-] quorum: none yet");
    }
}
