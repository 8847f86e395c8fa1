//! How far the sinks have acknowledged. Who may say so is decided by `model::delivery`.

use model::{Offset, delivery::Change};

use super::Context;
use crate::{
    command::{Refusal, Reply, SinkAdvance, SinkChange},
    state::SinkCursor,
    store::keys::Kind,
};

/// The most sinks.
const MOST: usize = 100;
/// The most bytes of a name and of a position.
const LONGEST: usize = 1_024;

/// `ChangeSink`. An outcome that is not heard of is asked for by proposing the next change.
pub(super) fn change(context: &mut Context<'_>, asked: &SinkChange) -> Reply {
    let head = context.state.head.outbox_head;
    let present = context.state.sinks.get(&asked.sink).cloned();
    if let Some(refusal) = no_room(context, asked, present.is_some()) {
        return Reply::Refused(refusal);
    }
    let begun = || SinkCursor { offset: asked.from.min(head), ..SinkCursor::default() };
    let mut cursor = present.unwrap_or_else(begun);
    match cursor.change(within(asked.change.clone(), context)) {
        Ok(()) => {
            keep(context, &asked.sink, cursor.clone());
            Reply::Sink(cursor)
        }
        Err(outdated) => Reply::Refused(Refusal::SinkOutdated(outdated)),
    }
}

/// `SinkCursor`: forward only, and whatever session there is stays.
pub(super) fn advance(context: &mut Context<'_>, advance: &SinkAdvance) -> Reply {
    let offset = Offset(advance.offset).min(context.state.head.outbox_head);
    let present = context.state.sinks.get(&advance.sink);
    if present.is_none() && context.state.sinks.len() >= MOST {
        return Reply::Refused(too_many());
    }
    let moves = present.is_none_or(|present| {
        advance.epoch > present.epoch || (advance.epoch == present.epoch && offset > present.offset)
    });
    if moves {
        let session = present.map_or(0, |present| present.session);
        let position = Some(advance.position.clone()).filter(|position| !position.is_empty());
        let cursor = SinkCursor { epoch: advance.epoch, session, offset, position };
        keep(context, &advance.sink, cursor);
    }
    Reply::Done
}

fn keep(context: &mut Context<'_>, sink: &str, cursor: SinkCursor) {
    context.put(context.keys.text(Kind::Sink, sink), &cursor);
    context.state.sinks.insert(sink.to_owned(), cursor);
}

fn no_room(context: &Context<'_>, asked: &SinkChange, is_present: bool) -> Option<Refusal> {
    let position = match &asked.change {
        Change::Tell { position: Some(position), .. } => position.len(),
        _ => 0,
    };
    if asked.sink.len() > LONGEST || position > LONGEST {
        let text = format!("a sink's name and position have at most {LONGEST} bytes each");
        return Some(Refusal::Full(text));
    }
    (!is_present && context.state.sinks.len() >= MOST).then(too_many)
}

fn too_many() -> Refusal {
    Refusal::Full(format!("at most {MOST} sinks are kept"))
}

/// Nothing is acknowledged that was never decided, and nothing is to be sent again that is not kept.
fn within(change: Change<String>, context: &Context<'_>) -> Change<String> {
    let head = context.state.head.outbox_head;
    match change {
        Change::Tell { session, offset, position } => {
            Change::Tell { session, offset: offset.min(head), position }
        }
        Change::Reset { offset } => {
            let before_oldest = Offset(context.state.head.outbox_floor.0.saturating_sub(1));
            Change::Reset { offset: offset.max(before_oldest).min(head) }
        }
        take @ Change::Take { .. } => take,
    }
}
