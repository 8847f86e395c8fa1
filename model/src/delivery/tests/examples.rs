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
fn messages_of_another_epoch_only_say_where_the_own_ones_begin() {
    let mut tail = Tail::after(1, Offset(4), None);
    tail.take(0, Span::of(Offset(5)), 'a');
    assert_eq!(tail.held(), Some((Offset(4), Some('a'))));
}

#[test]
fn the_cursors_place_says_whether_anything_was_lost() {
    assert_eq!(start(&5, Some(&5), Some(&1), Some(&9)), Start::Onward);
    assert_eq!(start(&5, Some(&7), Some(&7), Some(&9)), Start::Trimmed);
    assert_eq!(start(&5, Some(&7), Some(&1), Some(&9)), Start::Lost);
    assert_eq!(start(&5, None, Some(&1), Some(&4)), Start::Lost);
    assert_eq!(start(&5, None, None, Some(&5)), Start::Trimmed);
    assert_eq!(start(&5, None, None, None), Start::Lost);
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
