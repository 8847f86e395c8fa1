//! What is done with each kind of page.

use raft::OutboxPage;

use super::super::step::{Step, next};
use super::*;
use crate::sink::{
    Gap,
    testing::{batch, event},
};

fn page(offsets: impl IntoIterator<Item = u64>, floor: u64, head: u64) -> OutboxPage {
    let events = offsets.into_iter().map(|offset| event(0, offset)).collect();
    OutboxPage { events, floor: Offset(floor), head: Offset(head) }
}

fn step(after: u64, page: OutboxPage) -> Step {
    next(SHARD, Offset(after), WallTime(5), page)
}

fn gap(from: u64, to: u64) -> Option<Gap> {
    Some(Gap { from: Offset(from), to: Offset(to), time: WallTime(5) })
}

#[test]
fn nothing_new_is_waited_for_and_what_is_new_is_sent() {
    assert_eq!(step(0, page([], 1, 0)), Step::Wait);
    assert_eq!(step(4, page([], 1, 4)), Step::Wait);
    assert_eq!(step(4, page(5..=7, 1, 9)), Step::Send(batch(0, 5..=7)));
}

#[test]
fn semantics_9_what_retention_took_is_a_gap_before_the_first_event() {
    let sent = Step::Send(Batch { gap: gap(3, 9), ..batch(0, 10..=12) });
    assert_eq!(step(2, page(10..=12, 10, 12)), sent);
    let sent = Step::Send(Batch { gap: gap(3, 12), ..batch(0, []) });
    assert_eq!(step(2, page([], 13, 12)), sent, "all of it is gone");
    let sent = Step::Send(Batch { gap: gap(3, 10), ..batch(0, 11..=12) });
    assert_eq!(step(2, page(11..=12, 10, 12)), sent, "more was taken while it was read");
}

#[test]
fn events_after_a_hole_are_left_for_the_next_page() {
    let sent = Step::Send(batch(0, [1, 2]));
    assert_eq!(step(0, page([1, 2, 4, 5], 1, 5)), sent);
}

#[test]
fn a_sink_that_is_ahead_and_an_outbox_that_lacks_events_are_faults() {
    assert_eq!(step(9, page([], 1, 8)), Step::Ahead);
    assert_eq!(step(2, page([], 1, 8)), Step::Missing);
}
