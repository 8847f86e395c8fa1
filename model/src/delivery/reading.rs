//! What a session reads of a sink before it sends anything, and what it concludes.

use super::{Change, Flight, SinkCursor, Span, Tail};
use crate::Offset;

/// What a sink says of the place that a cursor names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<P> {
    /// Whether it is the sink that the cursor was of. Positions of another one mean nothing.
    pub same: bool,
    /// The first message at or after the cursor's position.
    pub found: Option<P>,
    /// The first message of all.
    pub oldest: Option<P>,
    /// The last position that the sink remembers to have given; `None` where it does not say.
    pub end: Option<P>,
}

/// From where a sink is read, in order, up to where it ends after the session was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom<P> {
    /// From the message after this one.
    After(P),
    /// From its first.
    Oldest,
}

/// See the module. It is for one session, which has been taken.
#[derive(Debug, Clone)]
pub struct Reading<P> {
    cursor: SinkCursor<P>,
    lost: bool,
    tail: Tail<P>,
}

impl<P: Ord + Clone> Reading<P> {
    /// Begins to read, with the cursor as the session was given it.
    ///
    /// A position is never given to a second message. One whose message is gone was either taken
    /// away from the front, as what was consumed is, or the sink has lost its end.
    #[must_use]
    pub fn begin(cursor: SinkCursor<P>, place: &Place<P>) -> (Self, ReadFrom<P>) {
        let (epoch, offset) = (cursor.epoch, cursor.offset);
        let after = Tail::after(epoch, offset, cursor.position.clone());
        let (lost, tail, from) = match &cursor.position {
            None => (false, after, ReadFrom::Oldest),
            Some(position) if place.same && place.found.as_ref() == Some(position) => {
                (false, after, ReadFrom::After(position.clone()))
            }
            Some(position) if place.same && was_taken_away(position, place) => {
                (false, after, ReadFrom::Oldest)
            }
            Some(_) => (true, Tail::whole(epoch, offset), ReadFrom::Oldest),
        };
        (Self { cursor, lost, tail }, from)
    }

    /// The next message.
    pub fn take(&mut self, epoch: u64, span: Span, position: P) {
        self.tail.take(epoch, span, position);
    }

    /// Where sending goes on, and, where the sink has less than the cursor says, what the cursor is
    /// told before anything is sent.
    #[must_use]
    pub fn end(self) -> (Flight<P>, Option<Change<P>>) {
        let Self { cursor, lost, tail } = self;
        // Where nothing vouches for anything all is sent that is kept, and a gap for the rest.
        let (offset, position) = tail.held().unwrap_or((Offset(0), None));
        let (session, told) = (cursor.session, position.clone());
        let tell = lost.then_some(Change::Tell { session, offset, position: told });
        (Flight::after(offset, position), tell)
    }
}

fn was_taken_away<P: Ord>(position: &P, place: &Place<P>) -> bool {
    match &place.oldest {
        Some(oldest) => oldest > position,
        None => place.end.as_ref().is_some_and(|end| end >= position),
    }
}
