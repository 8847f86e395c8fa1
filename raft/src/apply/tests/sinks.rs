//! Who may change a sink's cursor, and how far.

use model::{
    Offset,
    delivery::{Change, Outdated},
};

use super::*;
use crate::{command::SinkAdvance, state::SinkCursor, store::record::Record};

/// A shard with three events.
fn founded() -> Harness {
    let mut log = Harness::founded();
    for id in ["a", "b", "c"] {
        log.declare(id);
    }
    assert_eq!(log.state.head.outbox_head, Offset(3));
    log
}

fn tell(session: u64, offset: u64) -> Change<String> {
    Change::Tell { session, offset: Offset(offset), position: Some(format!("m{offset}")) }
}

fn taken(reply: Reply) -> SinkCursor {
    match reply {
        Reply::Sink(cursor) => cursor,
        other => panic!("{other:?}"),
    }
}

fn outdated(session: u64) -> Reply {
    Reply::Refused(Refusal::SinkOutdated(Outdated(session)))
}

#[test]
fn semantics_10_only_the_session_that_began_last_moves_the_cursor() {
    let mut log = founded();
    let first = taken(log.sink("file", 0, Change::Take { after: 0 }));
    assert_eq!((first.session, first.offset), (1, Offset(0)));
    assert_eq!(taken(log.sink("file", 0, tell(1, 2))).offset, Offset(2));
    let second = taken(log.sink("file", 0, Change::Take { after: 1 }));
    assert_eq!((second.session, second.offset.0), (2, 2));
    assert_eq!(log.sink("file", 0, tell(1, 3)), outdated(1));
    assert_eq!(log.sink("file", 0, Change::Take { after: 1 }), outdated(1));
    let back = taken(log.sink("file", 0, tell(2, 1)));
    assert_eq!((back.offset.0, back.position.as_deref()), (1, Some("m1")), "it has lost one");
    let kept = log.state.sinks["file"].clone();
    log.reload();
    assert_eq!(log.state.sinks["file"], kept);
}

#[test]
fn semantics_9_a_new_sink_begins_where_its_first_publisher_says() {
    let mut log = founded();
    assert_eq!(taken(log.sink("late", 2, Change::Take { after: 0 })).offset, Offset(2));
    assert_eq!(taken(log.sink("late", 0, Change::Take { after: 1 })).offset, Offset(2));
    assert_eq!(taken(log.sink("far", 99, Change::Take { after: 0 })).offset, Offset(3));
    assert_eq!(log.sink("none", 0, tell(7, 1)), outdated(7));
    assert!(!log.state.sinks.contains_key("none"), "who was refused leaves nothing");
}

#[test]
fn nothing_is_acknowledged_that_was_never_decided() {
    let mut log = founded();
    log.sink("file", 0, Change::Take { after: 0 });
    assert_eq!(taken(log.sink("file", 0, tell(1, 99))).offset, Offset(3));
    let reset = taken(log.sink("file", 0, Change::Reset { offset: Offset(99) }));
    assert_eq!((reset.epoch, reset.session, reset.offset), (1, 2, Offset(3)));
    assert_eq!(reset.position.as_deref(), Some("m99"), "the witness stays");
}

#[test]
fn names_positions_and_sinks_are_bounded() {
    let mut log = founded();
    let full = |reply| assert!(matches!(reply, Reply::Refused(Refusal::Full(_))), "{reply:?}");
    full(log.sink(&"n".repeat(1_025), 0, Change::Take { after: 0 }));
    log.sink("file", 0, Change::Take { after: 0 });
    let position = Some("p".repeat(1_025));
    full(log.sink("file", 0, Change::Tell { session: 1, offset: Offset(1), position }));
    for n in 1..100 {
        taken(log.sink(&n.to_string(), 0, Change::Take { after: 0 }));
    }
    full(log.sink("one-more", 0, Change::Take { after: 0 }));
    taken(log.sink("file", 0, Change::Take { after: 1 }));
}

#[test]
fn what_a_version_without_sessions_has_logged_moves_forward_only() {
    let mut log = founded();
    let mut moved = |epoch, offset| {
        let (sink, position) = ("file".to_owned(), String::new());
        log.apply(Command::SinkCursor(SinkAdvance { sink, epoch, offset, position }));
        log.state.sinks["file"].offset.0
    };
    assert_eq!(moved(0, 99), 3);
    assert_eq!(moved(0, 0), 3);
    assert_eq!(moved(1, 0), 0);
    assert_eq!(moved(0, 1), 0, "a former epoch is ignored");
}

#[test]
fn a_cursor_that_a_version_without_sessions_has_stored_is_read() {
    let stored = |position: &str| {
        let bytes = postcard::to_allocvec(&(4_u64, Offset(7), position)).unwrap();
        SinkCursor::migrate(1, &bytes).unwrap()
    };
    let (epoch, session, offset) = (4, 0, Offset(7));
    let named = Some("17".to_owned());
    assert_eq!(stored("17"), SinkCursor { epoch, session, offset, position: named });
    assert_eq!(stored(""), SinkCursor { epoch, session, offset, position: None });
    assert_eq!(SinkCursor::migrate(3, &[]), None);
}

#[test]
fn a_reset_reaches_back_to_what_is_kept_and_ends_the_session() {
    let mut log = founded();
    log.sink("file", 0, Change::Take { after: 0 });
    log.sink("file", 0, tell(1, 3));
    let all = taken(log.sink("file", 0, Change::Reset { offset: Offset(0) }));
    assert_eq!((all.epoch, all.offset), (1, Offset(0)));
    assert_eq!(log.sink("file", 0, tell(1, 3)), outdated(1), "its publisher begins anew");
    // Retention has taken the first event.
    log.state.head.outbox_floor = Offset(2);
    let kept = taken(log.sink("file", 0, Change::Reset { offset: Offset(0) }));
    assert_eq!((kept.epoch, kept.offset), (2, Offset(1)));
}
