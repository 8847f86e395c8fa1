//! `SinkCursor`: everything up to an offset is acknowledged. Moves forward only (SEMANTICS 9).

use model::Offset;

use super::Context;
use crate::{
    command::{Refusal, Reply, SinkAdvance},
    state::SinkCursor,
    store::keys::Kind,
};

/// The most sinks.
const MOST: usize = 100;

pub(super) fn apply(context: &mut Context<'_>, advance: &SinkAdvance) -> Reply {
    let offset = Offset(advance.offset).min(context.state.head.outbox_head);
    let present = context.state.sinks.get(&advance.sink);
    if present.is_none() && context.state.sinks.len() >= MOST {
        return Reply::Refused(Refusal::Full(format!("at most {MOST} sinks are kept")));
    }
    let moves = present.is_none_or(|present| {
        advance.epoch > present.epoch || (advance.epoch == present.epoch && offset > present.offset)
    });
    if moves {
        let position = advance.position.clone();
        let cursor = SinkCursor { epoch: advance.epoch, offset, position };
        context.put(context.keys.text(Kind::Sink, &advance.sink), &cursor);
        context.state.sinks.insert(advance.sink.clone(), cursor);
    }
    Reply::Done
}
