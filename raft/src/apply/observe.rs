//! `Observe`: what became of slots. Health is decided here, from raw observations (SEMANTICS 3).
//!
//! A second result for a slot, one of another life or declaration, and one of an older term
//! are refused: they are counted by the caller and decide nothing (SEMANTICS 6).

use model::{
    Metrics, Miss, Outcome, Resource, WallTime,
    health::Input,
    slots::{Ended, Refused, Run},
};

use super::{Context, events};
use crate::{
    bug,
    command::{Reply, Report, ReportBody, ReportReply},
};

pub(super) fn apply(context: &mut Context<'_>, reports: &[Report]) -> Reply {
    Reply::Observed(reports.iter().map(|report| take_in(context, report)).collect())
}

fn take_in(context: &mut Context<'_>, report: &Report) -> ReportReply {
    if report.term < context.term.0 && !bug!("bug-ignore-term") {
        return ReportReply::Stale(format!("term {} is over", report.term));
    }
    let Some(resource) = context.resource(&report.resource).cloned() else {
        return ReportReply::Stale("the resource is gone".to_owned());
    };
    if resource.identity.incarnation != report.incarnation {
        return ReportReply::Stale("the resource was declared anew".to_owned());
    }
    let current = resource.identity.generation.0 == report.generation;
    let resource = (*resource).clone();
    let slot = (report.epoch, report.slot);
    let outcome = match &report.body {
        ReportBody::Missed { reason } => missed(context, resource, slot, *reason),
        ReportBody::CaughtUp { reason } => caught_up(context, resource, slot, *reason),
        ReportBody::Parked { detail } => parked(context, resource, slot, detail.clone()),
        // The slot has its end, but what was seen was seen by another declaration.
        ReportBody::Result { .. } if !current => missed(context, resource, slot, Miss::Changed),
        ReportBody::Result { outcome, metrics, observed_at } => {
            let seen = (outcome.clone().sanitized(), metrics.clone().sanitized());
            result(context, resource, slot, seen, *observed_at)
        }
    };
    outcome.map_or_else(ReportReply::Stale, |()| ReportReply::Accepted)
}

fn result(
    context: &mut Context<'_>,
    mut resource: Resource,
    slot: (u32, u64),
    (outcome, metrics): (Outcome, Metrics),
    observed_at: WallTime,
) -> Result<(), String> {
    let ended = if outcome.is_passed() { Ended::Ok } else { Ended::Failed };
    end_slot(context, &mut resource, slot, ended)?;
    note(context, &mut resource, &metrics, observed_at);
    events::decide(context, resource, Input::Observed(outcome, metrics));
    Ok(())
}

/// Remembers what was measured and when, for display and staleness.
pub(super) fn note(
    context: &Context<'_>,
    resource: &mut Resource,
    metrics: &Metrics,
    observed_at: WallTime,
) {
    // A prober's clock that runs ahead must not show times that have not come.
    let shown = observed_at.min(context.wall());
    resource.state.metrics = metrics.clone();
    resource.state.last_updated = resource.state.last_updated.max(shown);
    resource.state.heard = context.now();
}

fn missed(
    context: &mut Context<'_>,
    mut resource: Resource,
    slot: (u32, u64),
    reason: Miss,
) -> Result<(), String> {
    end_slot(context, &mut resource, slot, Ended::Missed(reason))?;
    context.update(resource);
    Ok(())
}

fn caught_up(
    context: &mut Context<'_>,
    mut resource: Resource,
    (epoch, slot): (u32, u64),
    reason: Miss,
) -> Result<(), String> {
    let ledger = &mut resource.state.ledger;
    if ledger.epoch().number != epoch {
        return Err(format!("epoch {epoch} is over"));
    }
    if slot > ledger.epoch().first_at_or_after(context.state.head.time) {
        return Err(format!("slots before {slot} are not all due yet"));
    }
    let runs = ledger.end_before(slot, reason);
    store_runs(context, &resource, &runs);
    context.update(resource);
    Ok(())
}

fn parked(
    context: &mut Context<'_>,
    mut resource: Resource,
    slot: (u32, u64),
    detail: String,
) -> Result<(), String> {
    end_slot(context, &mut resource, slot, Ended::Missed(Miss::Crashed))?;
    events::decide(context, resource, Input::Parked(detail));
    Ok(())
}

/// Ends a slot. Earlier ones that are still open fell into the gap before this term, or were
/// overtaken within it.
pub(super) fn end_slot(
    context: &mut Context<'_>,
    resource: &mut Resource,
    (epoch, slot): (u32, u64),
    ended: Ended,
) -> Result<(), String> {
    let (gap, now) = (context.state.head.gap, context.now());
    let ledger = &mut resource.state.ledger;
    if let Err(refused) = ledger.check(epoch, slot, now) {
        if bug!("bug-slot-twice") && matches!(refused, Refused::Repeated(_)) {
            store_runs(context, resource, &[Run { epoch, from: slot, to: slot + 1, ended }]);
            return Ok(());
        }
        return Err(refused.to_string());
    }
    let this_term = ledger.epoch().first_at_or_after(context.state.head.term_began);
    let mut runs = ledger.end_before(this_term.min(slot), gap);
    runs.extend(ledger.end(epoch, slot, ended, Miss::Overload, now).map_err(|e| e.to_string())?);
    store_runs(context, resource, &runs);
    Ok(())
}

/// Stores runs that cannot grow any more.
pub(super) fn store_runs(context: &mut Context<'_>, resource: &Resource, runs: &[Run]) {
    for run in runs {
        if run.ended == Ended::Missed(Miss::Restart) && bug!("bug-restart-slots") {
            continue;
        }
        let key = context.keys.run(resource.id(), run.epoch, run.to);
        context.put(key, run);
    }
}

impl crate::store::record::Record for Run {
    const VERSION: u8 = 1;
}
