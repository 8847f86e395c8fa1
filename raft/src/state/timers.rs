//! What is due when: rebuilt from the rows, so nothing of it is stored.

use std::collections::{BTreeMap, BTreeSet};

use model::{ResourceId, ShardTime};

/// What a deadline is about. Windows come before resources at the same moment, so that a
/// resource that falls silent as its maintenance begins pages nobody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKey {
    /// A maintenance window begins or ends.
    Window(String),
    /// A resource has been silent for too long.
    Silence(ResourceId),
}

/// Deadlines in the order (moment, key).
#[derive(Debug, Clone, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(ShardTime, TimerKey)>,
    silence: BTreeMap<ResourceId, ShardTime>,
}

impl Timers {
    /// Sets or clears the deadline of a resource's silence.
    pub(crate) fn set_silence(&mut self, id: &ResourceId, at: Option<ShardTime>) {
        if let Some(former) = self.silence.remove(id) {
            self.due.remove(&(former, TimerKey::Silence(id.clone())));
        }
        if let Some(at) = at {
            self.silence.insert(id.clone(), at);
            self.due.insert((at, TimerKey::Silence(id.clone())));
        }
    }

    /// Adds a moment at which a window begins or ends.
    pub(crate) fn add_window(&mut self, name: &str, at: ShardTime) {
        self.due.insert((at, TimerKey::Window(name.to_owned())));
    }

    /// Takes the next deadline that is due at `now`.
    pub(crate) fn pop(&mut self, now: ShardTime) -> Option<(ShardTime, TimerKey)> {
        let (at, _) = self.due.first()?;
        if *at > now {
            return None;
        }
        let (at, key) = self.due.pop_first()?;
        if let TimerKey::Silence(id) = &key {
            self.silence.remove(id);
        }
        Some((at, key))
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<ShardTime> {
        self.due.first().map(|(at, _)| *at)
    }
}
