//! Forgets what is older than its retention, a little with each entry.
//!
//! The outbox is the event history: its age and size bound it, never an acknowledgement
//! (SEMANTICS 9). Changes are kept for an hour or a size (SEMANTICS 13).

use std::ops::ControlFlow;

use model::{Millis, Offset};

use super::Context;
use crate::{
    disk::Space,
    query::ChangeRecord,
    state::{OutboxRecord, State},
    store::{
        keys::{Kind, position_of},
        record::decode,
    },
};

const EVENTS_KEPT: Millis = Millis::from_secs(7 * 86_400);
const CHANGES_KEPT: Millis = Millis::from_secs(3_600);
const CHANGE_BYTES_KEPT: u64 = 64 << 20;
const DAY: Millis = Millis::from_secs(86_400);
const RUNS_KEPT: Millis = DAY.times(31);
/// How often old records are looked for, and how many are forgotten at once.
const EVERY: Millis = Millis::from_secs(1);
const MOST: usize = 2_048;

/// Whether it is time to look for old records.
pub(super) fn is_due(state: &State) -> bool {
    state.head.time.since(state.head.trimmed_at) >= EVERY
}

pub(super) fn trim(context: &mut Context<'_>) -> std::io::Result<()> {
    let former = std::mem::replace(&mut context.state.head.trimmed_at, context.state.head.time);
    trim_outbox(context)?;
    trim_changes(context)?;
    if former.0 / DAY.0 != context.now().0 / DAY.0 {
        trim_runs(context);
    }
    Ok(())
}

fn trim_outbox(context: &mut Context<'_>) -> std::io::Result<()> {
    for _ in 0..MOST {
        let floor = context.state.head.outbox_floor;
        if floor > context.state.head.outbox_head {
            break;
        }
        let key = context.keys.number(Kind::Outbox, floor.0);
        let Some(bytes) = context.view.get(Space::State, &key)? else { break };
        let OutboxRecord { at, event } = decode(&key, &bytes)?;
        if context.now().since(at) < EVENTS_KEPT {
            break;
        }
        let index = context.keys.event(&event.resource_id, event.incarnation, event.sequence.0);
        context.delete(index);
        context.delete(key);
        context.state.head.outbox_floor = Offset(floor.0 + 1);
    }
    Ok(())
}

fn trim_changes(context: &mut Context<'_>) -> std::io::Result<()> {
    let (from, to) = context.keys.all(Kind::Change);
    let (now, mut bytes) = (context.now(), context.state.head.change_bytes);
    let (mut doomed, mut problem) = (Vec::new(), None);
    context.view.scan(Space::State, &from, &to, &mut |key, value| {
        let record: ChangeRecord = match decode(key, value) {
            Ok(record) => record,
            Err(damaged) => {
                problem = Some(damaged);
                return ControlFlow::Break(());
            }
        };
        let kept = now.since(record.at) < CHANGES_KEPT && bytes <= CHANGE_BYTES_KEPT;
        if kept || doomed.len() >= MOST {
            return ControlFlow::Break(());
        }
        bytes = bytes.saturating_sub((key.len() + value.len()) as u64);
        doomed.push(key.to_vec());
        ControlFlow::Continue(())
    })?;
    if let Some(damaged) = problem {
        return Err(damaged.into());
    }
    if let Some(position) = doomed.last().and_then(|key| position_of(key)) {
        context.state.head.change_floor = position;
        context.state.latest.forget(position);
        context.state.head.change_bytes = bytes;
    }
    for key in doomed {
        context.delete(key);
    }
    Ok(())
}

/// Runs are small and rarely old: once a day they go, without being read. A run's key ends in
/// its last slot, so one that reaches into the kept time stays.
fn trim_runs(context: &mut Context<'_>) {
    let horizon = context.now().minus(RUNS_KEPT);
    let resources: Vec<_> = context.state.resources.values().cloned().collect();
    for resource in resources {
        let epoch = *resource.state.ledger.epoch();
        if epoch.start >= horizon {
            // A former schedule reaches into the kept time, so it is kept whole.
            continue;
        }
        let first = epoch.first_at_or_after(horizon);
        let runs = context.keys.resource(Kind::Run, resource.id());
        context.delete_range(runs, context.keys.run(resource.id(), epoch.number, first));
        let epochs = context.keys.resource(Kind::Epoch, resource.id());
        context.delete_range(epochs, context.keys.epoch(resource.id(), epoch.number));
    }
}
