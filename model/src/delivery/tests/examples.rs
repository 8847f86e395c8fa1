//! The parts that decide, case by case.

use super::*;

fn tail(first: Tail<u32>, offsets: &[u64]) -> Option<(u64, Option<u32>)> {
    let mut tail = first;
    for (place, offset) in (0..).zip(offsets) {
        tail.take(1, Span::of(Offset(*offset)), place);
    }
    tail.held().map(|(held, position)| (held.0, position))
}

#[test]
fn a_tail_ends_before_the_first_hole() {
    assert_eq!(tail(Tail::after(1, Offset(4), None), &[5, 6, 8, 9]), Some((6, Some(1))));
    assert_eq!(tail(Tail::after(1, Offset(4), None), &[5, 7, 6]), Some((7, Some(2))));
    assert_eq!(tail(Tail::after(1, Offset(4), Some(9)), &[]), Some((4, Some(9))));
}

#[test]
fn late_repeats_do_not_count() {
    assert_eq!(tail(Tail::after(1, Offset(6), None), &[5, 6, 7, 4, 5, 6]), Some((7, Some(2))));
}

#[test]
fn nobody_vouches_for_what_begins_beyond_the_cursor() {
    assert_eq!(tail(Tail::whole(1, Offset(9)), &[3, 4, 5]), Some((5, Some(2))));
    assert_eq!(tail(Tail::whole(1, Offset(9)), &[11, 12]), None);
    assert_eq!(tail(Tail::whole(1, Offset(9)), &[11, 9, 10]), Some((11, Some(2))));
}

#[test]
fn a_gap_counts_as_present() {
    let mut tail = Tail::after(1, Offset(4), None);
    tail.take(1, Span { first: Offset(5), last: Offset(8) }, 'a');
    tail.take(1, Span::of(Offset(9)), 'b');
    assert_eq!(tail.held(), Some((Offset(9), Some('b'))));
}

#[test]
fn messages_of_another_epoch_do_not_count() {
    let mut tail = Tail::after(1, Offset(4), None);
    tail.take(0, Span::of(Offset(5)), 'a');
    tail.take(2, Span::of(Offset(5)), 'b');
    assert_eq!(tail.held(), Some((Offset(4), None)));
}

fn cursor(position: Option<u32>) -> SinkCursor<u32> {
    SinkCursor { epoch: 1, session: 3, offset: Offset(4), position }
}

fn began(found: Option<u32>, oldest: Option<u32>, end: Option<u32>) -> (ReadFrom<u32>, bool) {
    let place = Place { same: true, found, oldest, end };
    let (reading, from) = Reading::begin(cursor(Some(50)), &place);
    (from, reading.end().1.is_some())
}

#[test]
fn the_cursors_place_says_whether_anything_was_lost() {
    assert_eq!(began(Some(50), Some(10), Some(90)), (ReadFrom::After(50), false));
    assert_eq!(began(Some(70), Some(70), Some(90)), (ReadFrom::Oldest, false), "trimmed");
    assert_eq!(began(Some(70), Some(10), Some(90)), (ReadFrom::Oldest, true), "lost");
    assert_eq!(began(None, Some(10), Some(40)), (ReadFrom::Oldest, true), "lost");
    assert_eq!(began(None, None, Some(50)), (ReadFrom::Oldest, false), "all was consumed");
    assert_eq!(began(None, None, None), (ReadFrom::Oldest, true), "nobody knows");
}

#[test]
fn another_sink_has_lost_everything() {
    let place = Place { same: false, found: Some(50), oldest: Some(10), end: Some(90) };
    let (mut reading, from) = Reading::begin(cursor(Some(50)), &place);
    assert_eq!(from, ReadFrom::Oldest);
    reading.take(1, Span::of(Offset(7)), 10);
    let (flight, tell) = reading.end();
    assert_eq!(flight.acknowledged(), Offset(0));
    assert_eq!(tell, Some(Change::Tell { session: 3, offset: Offset(0), position: None }));
}

#[test]
fn a_change_of_a_session_that_is_over_changes_nothing() {
    let mut cursor = cursor(Some(50));
    assert_eq!(cursor.change(Change::Take { after: 2 }), Err(Outdated(2)));
    assert_eq!(cursor.change(Change::Take { after: 3 }), Ok(()));
    let late = Change::Tell { session: 3, offset: Offset(9), position: Some(90) };
    assert_eq!(cursor.change(late), Err(Outdated(3)));
    assert_eq!((cursor.session, cursor.offset, cursor.position), (4, Offset(4), Some(50)));
    let back = Change::Tell { session: 4, offset: Offset(2), position: None };
    assert_eq!(cursor.change(back), Ok(()), "a sink that has less says so");
    assert_eq!(cursor.change(Change::Reset { offset: Offset(1) }), Ok(()));
    assert_eq!((cursor.epoch, cursor.session, cursor.offset), (2, 5, Offset(1)));
}

#[test]
fn receipts_acknowledge_what_has_no_hole_before_it() {
    let mut flight = Flight::after(Offset(4), None);
    (5..8).map(Offset).for_each(|offset| flight.send(offset));
    assert!(!flight.receive(Offset(6), 'b'));
    assert_eq!((flight.acknowledged(), flight.waiting()), (Offset(4), 3));
    assert!(flight.receive(Offset(5), 'a'));
    assert_eq!((flight.acknowledged(), flight.position()), (Offset(6), Some(&'b')));
    assert!(!flight.receive(Offset(5), 'a'), "a second receipt changes nothing");
    assert_eq!((flight.sent(), flight.waiting()), (Offset(7), 1));
}
