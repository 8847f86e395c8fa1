//! Fail points and seeded bugs, chosen at run time: for the harness that must catch them.
//!
//! Only the feature `chaos` compiles this. `FAILPOINTS` names points and what each does, such as
//! `before-append=1%abort;bug-skip-fsync=1%return`. An action is `[P%][N+][M*]KIND[(VALUE)]`:
//! with probability P, after N passes, at most M times. Kinds: `return` (the point's own effect,
//! with VALUE), `abort` (the process dies as by `kill -9`), `panic`, `sleep(MILLISECONDS)` (of
//! the thread), `off`. `seed=NUMBER` makes probabilities repeatable.
//!
//! | point | what it does, or where it stands |
//! |---|---|
//! | `before-append` | an entry is about to be handed to the log |
//! | `before-sync` | a batch is written and not yet synced: `sleep` is a slow disk |
//! | `after-sync-before-ack` | a batch is durable and nobody knows |
//! | `after-apply-before-reply` | an entry is applied and its caller has no answer |
//! | `sink-before-write` | the file sink is about to write lines |
//! | `sink-after-write-before-ack` | lines are synced and the publisher does not know |
//! | `sink-fails` | `return`: the file sink's write fails with EIO |
//! | `pulsar-damages` | `return`: a message goes out damaged; the broker refuses it, and takes those behind it |
//! | `probe-panics` | a probe begins; for `panic` |
//! | `probe-hangs` | `return`: a probe never ends; the pool's deadline must end it |
//! | `actor-panics` | a resource actor was told to run a slot; for `panic` |
//! | `mailbox-flood` | `return(N)`: each due slot comes with N repeats of its message |
//! | `report-repeats` | `return`: a report is proposed once more, as after an unknown outcome |
//! | `snapshot-after` | `return(N)`: a group builds a snapshot after N entries, and drops most of them |
//! | `corrupt-record` | `return`: a bit of a stored value is flipped on its way from the disk |
//!
//! | bug, for `return` | what it breaks | under which fault | caught by |
//! |---|---|---|---|
//! | `bug-ack-before-fsync` | writes are acknowledged before the fsync | power cut; EIO of fsync; kill -9 with `before-sync=sleep(20)` | A |
//! | `bug-skip-fsync` | with `1%return`, one fsync in a hundred is left out | kill -9, power cut; an answered write without an fdatasync before it | A |
//! | `bug-publish-before-commit` | events reach the sink before their entry is durable; answers wait VALUE ms longer, such as `return(100)` | kill -9 with `before-sync=sleep(20)`, power cut on a slow disk | E: the file holds events that the shard lacks, the sink is `broken` |
//! | `bug-cursor-ahead` | the cursor passes events that the sink has not acknowledged | `sink-fails`, EIO or a full disk at the event file; crash at `sink-before-write`; `pulsar-damages` | E: a gap; T |
//! | `bug-resume-after-last` | publishing goes on after the last offset that a topic has, whatever is missing before it | `pulsar-damages`, and kills | T: an event is not in the topic |
//! | `bug-no-tail-read` | publishing goes on at the cursor, and the topic is not read | a broker that comes back empty | T: an event is not in the topic |
//! | `bug-restart-slots` | slots missed for a restart are not in the ledger | kill -9 longer than an interval | coverage adds up |
//! | `bug-slot-twice` | apply takes a second result of a slot | `report-repeats` | coverage adds up; one failure counts twice |
//! | `bug-lose-for-timer` | a pending `for:` begins anew at a restart | a stop in order while it is pending (after a kill it comes of the log again) | a transition comes late by the time before the kill |
//! | `bug-bad-checksum` | checksums of records and of RocksDB's blocks are not compared | `corrupt-record`; a flipped bit in an SST | D: served, or refused by chance |
//! | `bug-fault-is-critical` | what the monitor could not do is told as the target's failure | no descriptors, DNS down, `probe-panics`, `probe-hangs` | U |
//! | `bug-skip-slot` | whoever comes to lead leaves out the first slot | stops in order | P: a slot is missed and nothing has failed |
//!
//! Those that break consensus between nodes are caught by the simulation, in this crate's tests:
//!
//! | bug | what it breaks |
//! |---|---|
//! | `bug-ignore-term` | apply takes a result of a term that is over |
//! | `bug-deposed-reads` | who takes itself for the leader answers linearizable reads by itself |
//! | `bug-no-barrier` | actors start before the term is open |
//! | `bug-forget-committed` | a restart forgets how much was committed |
//! | `bug-shorten-before-written` | entries go before what came of them is durable |
//! | `bug-leader-restore` | a leader that is restarted leads on in its former term |
//! | `bug-transfer-behind` | a lead is handed to a node that is behind, or gone |
//! | `bug-reuse-node-id` | a node gets the id of another of its name |

use std::{
    collections::HashMap,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use xxhash_rust::xxh3::xxh3_64_with_seed;

const NAMES: [&str; 35] = [
    "before-append",
    "before-sync",
    "after-sync-before-ack",
    "after-apply-before-reply",
    "sink-before-write",
    "sink-after-write-before-ack",
    "sink-fails",
    "pulsar-damages",
    "probe-panics",
    "probe-hangs",
    "actor-panics",
    "mailbox-flood",
    "report-repeats",
    "snapshot-after",
    "corrupt-record",
    "bug-ack-before-fsync",
    "bug-skip-fsync",
    "bug-publish-before-commit",
    "bug-cursor-ahead",
    "bug-resume-after-last",
    "bug-no-tail-read",
    "bug-restart-slots",
    "bug-slot-twice",
    "bug-lose-for-timer",
    "bug-bad-checksum",
    "bug-fault-is-critical",
    "bug-skip-slot",
    "bug-ignore-term",
    "bug-deposed-reads",
    "bug-no-barrier",
    "bug-forget-committed",
    "bug-shorten-before-written",
    "bug-leader-restore",
    "bug-transfer-behind",
    "bug-reuse-node-id",
];

static PLAN: OnceLock<Plan> = OnceLock::new();

#[derive(Debug, Default)]
struct Plan {
    seed: u64,
    points: HashMap<String, Point>,
}

#[derive(Debug)]
struct Point {
    percent: f64,
    after: u64,
    most: u64,
    kind: Kind,
    value: u64,
    passed: AtomicU64,
    struck: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Off,
    Return,
    Abort,
    Panic,
    Sleep,
}

/// Arms the points that a text names; see the module for its form.
///
/// # Errors
/// What cannot be read, or names no point.
pub fn arm(text: &str) -> Result<(), String> {
    let plan = Plan::parse(text)?;
    PLAN.set(plan).map_err(|_| "fail points are armed already".to_owned())
}

/// Passes a point: dies, panics or sleeps where that was asked for; the value where the point
/// shall have its own effect.
pub fn strike(name: &'static str) -> Option<u64> {
    let plan = PLAN.get()?;
    let point = plan.points.get(name)?;
    if !point.is_hit(xxh3_64_with_seed(name.as_bytes(), plan.seed)) {
        return None;
    }
    if point.struck.load(Relaxed) == 1 || point.kind != Kind::Return {
        tracing::warn!(point = name, kind = ?point.kind, "a fail point strikes");
    }
    match point.kind {
        Kind::Off => None,
        Kind::Return => Some(point.value),
        Kind::Abort => std::process::abort(),
        Kind::Panic => panic!("fail point {name}"),
        Kind::Sleep => {
            std::thread::sleep(Duration::from_millis(point.value));
            None
        }
    }
}

/// `bug-lose-for-timer`: no threshold of a loaded resource waits for its time any more.
pub(crate) fn maybe_without_pending(mut resource: model::Resource) -> model::Resource {
    if strike("bug-lose-for-timer").is_some() {
        let health = &mut resource.state.health;
        let mut value = serde_json::to_value(&*health).expect("health is plain data");
        for (_, threshold) in value["thresholds"].as_object_mut().into_iter().flatten() {
            threshold["pending"] = serde_json::Value::Null;
        }
        *health = serde_json::from_value(value).expect("it was health before");
    }
    resource
}

impl Plan {
    fn parse(text: &str) -> Result<Self, String> {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let mut plan =
            Self { seed: now.as_secs() ^ u64::from(now.subsec_nanos()), ..Self::default() };
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, action) =
                part.split_once('=').ok_or_else(|| format!("{part}: expected NAME=ACTION"))?;
            if name == "seed" {
                plan.seed = action.parse().map_err(|_| format!("{part}: expected a number"))?;
            } else if NAMES.contains(&name) {
                let point = Point::parse(action).ok_or_else(|| format!("{part}: unreadable"))?;
                plan.points.insert(name.to_owned(), point);
            } else {
                return Err(format!("{name}: no such point; there are {}", NAMES.join(", ")));
            }
        }
        Ok(plan)
    }
}

impl Point {
    fn parse(action: &str) -> Option<Self> {
        let (percent, action) = action.split_once('%').unwrap_or(("100", action));
        let (after, action) = action.split_once('+').unwrap_or(("0", action));
        let (most, action) = action.split_once('*').unwrap_or(("18446744073709551615", action));
        let (kind, value) = match action.split_once('(') {
            Some((kind, rest)) => (kind, rest.strip_suffix(')')?),
            None => (action, "0"),
        };
        let kind = match kind {
            "off" => Kind::Off,
            "return" => Kind::Return,
            "abort" => Kind::Abort,
            "panic" => Kind::Panic,
            "sleep" => Kind::Sleep,
            _ => return None,
        };
        Some(Self {
            percent: percent.parse().ok()?,
            after: after.parse().ok()?,
            most: most.parse().ok()?,
            kind,
            value: value.parse().ok()?,
            passed: AtomicU64::new(0),
            struck: AtomicU64::new(0),
        })
    }

    /// The same passes strike for the same seed.
    fn is_hit(&self, seed: u64) -> bool {
        let pass = self.passed.fetch_add(1, Relaxed);
        let drawn = xxh3_64_with_seed(&pass.to_le_bytes(), seed) % 1_000_000;
        let drawn = f64::from(u32::try_from(drawn).unwrap_or(0)) / 10_000.0;
        pass >= self.after && drawn < self.percent && self.struck.fetch_add(1, Relaxed) < self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(action: &str, passes: usize) -> Vec<bool> {
        let point = Point::parse(action).unwrap();
        (0..passes).map(|_| point.is_hit(7)).collect()
    }

    #[test]
    fn a_point_strikes_as_often_as_it_was_told() {
        assert_eq!(struck("return", 2), [true, true]);
        assert_eq!(struck("1+abort", 3), [false, true, true]);
        assert_eq!(struck("1+1*return(5)", 4), [false, true, false, false]);
        let hits = struck("1%return", 100_000).into_iter().filter(|hit| *hit).count();
        assert!((800..1_200).contains(&hits), "{hits}");
        assert_eq!(struck("50%panic", 64), struck("50%panic", 64));
    }

    #[test]
    fn what_names_no_point_or_no_action_is_refused() {
        let plan = Plan::parse("seed=3; bug-skip-fsync=1%return;before-sync=sleep(20)").unwrap();
        assert_eq!((plan.seed, plan.points.len()), (3, 2));
        assert_eq!(plan.points["before-sync"].value, 20);
        for bad in ["bug-skip-fsink=return", "before-sync", "before-sync=nap", "seed=x"] {
            assert!(Plan::parse(bad).is_err(), "{bad}");
        }
    }
}
