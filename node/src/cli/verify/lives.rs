//! The events of each resource: from `declared` to `removed`, each following the one before.

use std::collections::HashMap;

use model::{HealthStatus, Incarnation, event::EventKind};

use super::{findings::Findings, told::Told};

/// What is known of every resource.
#[derive(Default)]
pub(super) struct Lives(HashMap<(u64, Box<str>), Life>);

/// The life that a resource leads at present.
struct Life {
    incarnation: Incarnation,
    sequence: u64,
    offset: u64,
    status: HealthStatus,
    removed: bool,
}

impl Lives {
    /// How many resources there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes the next event of a resource. `whole` tells that all of its shard's events before
    /// it are here, too, so that a life must begin with its declaration. `lost_until` is the
    /// last offset that a gap stands for: where the resource's event before is older, the gap
    /// may have some that lay between.
    pub(super) fn take(
        &mut self,
        told: &Told,
        whole: bool,
        lost_until: u64,
        findings: &mut Findings,
    ) {
        let key = (told.stream.cluster, told.subject.clone());
        let life = Life {
            incarnation: told.incarnation,
            sequence: told.sequence,
            offset: told.offset,
            status: told.status,
            removed: told.kind == EventKind::Removed,
        };
        let before = self.0.insert(key, life);
        let over_gap = before.as_ref().is_some_and(|before| before.offset < lost_until);
        let wrong = match &before {
            None => begins(told, whole),
            Some(before) if before.incarnation < told.incarnation && over_gap => {
                begins(told, false)
            }
            Some(before) if before.incarnation < told.incarnation => {
                not_removed(told, before).or_else(|| begins(told, true))
            }
            Some(before) if before.incarnation > told.incarnation => Some(format!(
                "goes back to incarnation {} after {}",
                told.incarnation, before.incarnation
            )),
            Some(before) => follows(told, before, over_gap),
        };
        if let Some(wrong) = wrong {
            findings.report(told.at, || format!("{}: {wrong}", told.subject));
        }
    }
}

fn not_removed(told: &Told, before: &Life) -> Option<String> {
    (!before.removed).then(|| {
        format!(
            "begins incarnation {}, but incarnation {} was not removed",
            told.incarnation, before.incarnation
        )
    })
}

/// The first event of a life that is seen.
fn begins(told: &Told, whole: bool) -> Option<String> {
    match (told.kind, told.sequence) {
        (EventKind::Declared, 1) => {
            told.previous.map(|previous| format!("was declared with a health before, {previous}"))
        }
        (EventKind::Declared, sequence) => {
            Some(format!("was declared with sequence {sequence}, not 1"))
        }
        (_, 0 | 1) => Some(format!("has sequence {} without being declared", told.sequence)),
        (_, sequence) if whole => {
            Some(format!("begins with sequence {sequence}; the events from 1 on are missing"))
        }
        _ => None,
    }
}

/// An event after another of the same life; over a gap it need not be the next one.
fn follows(told: &Told, before: &Life, over_gap: bool) -> Option<String> {
    let wanted = before.sequence + 1;
    if before.removed {
        return Some(format!("has sequence {} after it was removed", told.sequence));
    }
    if told.sequence > wanted && !over_gap {
        let last = told.sequence - 1;
        return Some(format!("lacks sequence {}", range(wanted, last)));
    }
    if told.sequence < wanted {
        return Some(format!("has sequence {} after {}", told.sequence, before.sequence));
    }
    match (told.kind, told.previous) {
        (EventKind::Declared, _) => Some("was declared twice in one incarnation".to_owned()),
        (_, Some(previous)) if told.sequence == wanted && previous != before.status => {
            Some(format!("was {} before, but this event says {previous}", before.status))
        }
        (EventKind::StatusUpdated, None) => Some("does not say what it was before".to_owned()),
        _ => None,
    }
}

/// `3` or `3 to 5`.
pub(super) fn range(from: u64, to: u64) -> String {
    if from == to { from.to_string() } else { format!("{from} to {to}") }
}
