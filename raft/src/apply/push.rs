//! `Push`: a report of a client for a push-fed resource.
//!
//! The first report ends the slot, later ones still decide (SEMANTICS 6). `observed_at` must
//! move forward, and not run more than five minutes ahead (SEMANTICS 20).

use model::{CheckSpec, Millis, health::Input, slots::Ended};

use super::{Context, events, observe};
use crate::command::{Push, Refusal, Reply};

const MOST_AHEAD: Millis = Millis::from_secs(300);

pub(super) fn apply(context: &mut Context<'_>, push: &Push) -> Reply {
    match take_in(context, push) {
        Ok(()) => Reply::Pushed { revision: context.revision },
        Err(refusal) => Reply::Refused(refusal),
    }
}

fn take_in(context: &mut Context<'_>, push: &Push) -> Result<(), Refusal> {
    let resource = context.resource(&push.resource).cloned().ok_or(Refusal::NotFound)?;
    if !matches!(resource.spec.check, CheckSpec::Push(_)) {
        return Err(Refusal::NotPush);
    }
    if push.observed_at > context.wall().plus(MOST_AHEAD) {
        return Err(Refusal::Ahead(context.wall()));
    }
    if let Some(former) = resource.state.pushed_at.filter(|at| push.observed_at <= *at) {
        return Err(Refusal::Older(former));
    }
    let mut resource = (*resource).clone();
    let (outcome, metrics) = (push.outcome.clone().sanitized(), push.metrics.clone().sanitized());
    resource.state.pushed_at = Some(push.observed_at);
    let ended = if outcome.is_passed() { Ended::Ok } else { Ended::Failed };
    let epoch = *resource.state.ledger.epoch();
    if let Some(slot) = epoch.current(context.now())
        && slot >= resource.state.ledger.next()
    {
        // The slots before this one had their time and got no report.
        let runs = resource.state.ledger.end_before(slot, model::Miss::NoReport);
        observe::store_runs(context, &resource, &runs);
        // The slot is due and open, so it cannot be refused.
        let _ = observe::end_slot(context, &mut resource, (epoch.number, slot), ended);
    }
    observe::note(context, &mut resource, &metrics, push.observed_at);
    events::decide(context, resource, Input::Observed(outcome, metrics));
    Ok(())
}
