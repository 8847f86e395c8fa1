//! Advances the shard's own time (SEMANTICS 1) and opens terms.

use model::{Millis, Miss};

use super::Context;
use crate::command::Stamp;

/// Moves time to where the entry's stamp says; never back.
pub(super) fn advance(context: &mut Context<'_>, stamp: &Stamp) {
    let term = context.term;
    let head = &mut context.state.head;
    let elapsed = Millis(stamp.elapsed);
    if stamp.first_of_term && head.term == term && head.stamp.is_some() {
        // The leader did not learn that its first attempt had been written.
        return;
    }
    if stamp.first_of_term {
        head.time = head.time.plus(elapsed);
        head.term = term;
        head.term_began = head.time;
        let same = head.stamp.is_none_or(|former| former.node == stamp.node);
        head.gap = if same { Miss::Restart } else { Miss::Takeover };
    } else {
        head.time = head.time.max(head.term_began.plus(elapsed));
    }
    head.wall = head.wall.max(stamp.wall);
    head.stamp = Some(*stamp);
    if stamp.first_of_term {
        context.state.set_silences();
    }
}
