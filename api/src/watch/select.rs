//! Which changes a watch is told, and as what.

use raft::{Change, ChangeKind, Filter};

/// What a message of a watch tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Snapshot,
    Synced,
    Declared,
    Updated,
    Transition,
    Removed,
    Bookmark,
    Overflow,
}

impl Kind {
    /// As what a change is told to whom it matters before and after.
    pub(crate) const fn of(change: ChangeKind) -> Self {
        match change {
            ChangeKind::Declared => Self::Declared,
            ChangeKind::Transition => Self::Transition,
            ChangeKind::Removed => Self::Removed,
            ChangeKind::Updated => Self::Updated,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Synced => "synced",
            Self::Declared => "declared",
            Self::Updated => "updated",
            Self::Transition => "transition",
            Self::Removed => "removed",
            Self::Bookmark => "bookmark",
            Self::Overflow => "overflow",
        }
    }
}

/// As what a change is told to a watch with this filter; `None` where it is none of its business.
///
/// A row that leaves the filter is told as removed; one that enters it comes under its own kind.
pub(super) fn told_as(filter: &Filter, change: &Change) -> Option<Kind> {
    let resource = &change.row.resource;
    let matches = filter.matches(resource);
    let matched = change.former.as_ref().map_or(matches, |former| filter.matched(former));
    match change.kind {
        ChangeKind::Removed => (matches || matched).then_some(Kind::Removed),
        _ if !matches => matched.then_some(Kind::Removed),
        kind => Some(Kind::of(kind)),
    }
}
