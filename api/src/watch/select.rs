//! Which changes a watch is told, and as what.

use raft::{Change, ChangeKind, Filter};

use super::frame::Kind;

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
