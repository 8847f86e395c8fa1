//! Fires what is due, in the order (moment, name), before an entry takes effect (SEMANTICS 2).

use model::{ResourceId, health::Input};

use super::{Context, events, maintenance};
use crate::state::TimerKey;

pub(super) fn fire_due(context: &mut Context<'_>) {
    while let Some((_, key)) = context.state.timers.pop(context.state.head.time) {
        match key {
            TimerKey::Window(name) => maintenance::refresh_window(context, &name),
            TimerKey::Silence(id) => fall_silent(context, &id),
        }
    }
}

fn fall_silent(context: &mut Context<'_>, id: &ResourceId) {
    let Some(resource) = context.resource(id).cloned() else { return };
    let silence = resource.spec.policy.stale_after;
    let what = if resource.spec.check.is_probed() { "result" } else { "report" };
    let input = Input::Silent(format!("no {what} for {silence}"));
    events::decide(context, (*resource).clone(), input);
}
