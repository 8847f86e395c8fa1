//! The scheduler of a shard: one timer wheel that tells resource actors when a slot is due.
//!
//! Slots are due by the shard's own time; phases follow from the ids, so a fleet is spread
//! evenly. A slot that comes late runs late, until its next one is due. First and late slots are
//! paced, because a start brings those of all resources at once.

mod pace;
#[cfg(test)]
mod tests;
mod wheel;

use std::sync::Arc;

use model::ResourceId;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{declared::Declared, report::Reporter, resource::ResourceMessage};
pub(crate) use pace::Pace;
use raft::Leadership;
pub(crate) use wheel::Entry;
use wheel::{Order, Wheel};

/// What the scheduler is told.
pub(crate) enum SchedulerMessage {
    /// Run the slots of this resource by this actor; replaces what was there.
    Schedule(Entry),
    /// Run them no more.
    Forget(ResourceId),
    /// The wheel has ended, which only its shard's end may cause.
    WheelEnded,
}

pub(crate) struct SchedulerArguments {
    pub(crate) leadership: Leadership,
    pub(crate) reporter: Reporter,
    pub(crate) pace: Pace,
}

pub(crate) struct Scheduler;

pub(crate) struct SchedulerState {
    orders: mpsc::UnboundedSender<Order>,
    /// Stops the wheel.
    wheel: Option<DropGuard>,
    /// Ends when the wheel has.
    ended: JoinHandle<()>,
}

impl Actor for Scheduler {
    type Msg = SchedulerMessage;
    type State = SchedulerState;
    type Arguments = SchedulerArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<SchedulerMessage>,
        arguments: SchedulerArguments,
    ) -> Result<SchedulerState, ActorProcessingErr> {
        // Bounded by the number of resources: each has at most a few orders under way.
        let (orders, received) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let SchedulerArguments { leadership, reporter, pace } = arguments;
        let wheel = Wheel::new(leadership, reporter, pace);
        let turning = tokio::spawn(stop.clone().run_until_cancelled_owned(wheel.turn(received)));
        let ended = tokio::spawn(async move {
            if !matches!(turning.await, Ok(None)) {
                let _ = myself.cast(SchedulerMessage::WheelEnded);
            }
        });
        Ok(SchedulerState { orders, wheel: Some(stop.drop_guard()), ended })
    }

    async fn handle(
        &self,
        _myself: ActorRef<SchedulerMessage>,
        message: SchedulerMessage,
        state: &mut SchedulerState,
    ) -> Result<(), ActorProcessingErr> {
        let order = match message {
            SchedulerMessage::Schedule(entry) => Order::Schedule(entry),
            SchedulerMessage::Forget(id) => Order::Forget(id),
            SchedulerMessage::WheelEnded => return Err("the timer wheel has ended".into()),
        };
        state.orders.send(order).map_err(|_| "the timer wheel has ended".into())
    }

    /// Who waits for the scheduler's end waits for the wheel's: one that turns on, on another
    /// thread, would find the resources' actors gone and take them for crashed.
    async fn post_stop(
        &self,
        _myself: ActorRef<SchedulerMessage>,
        state: &mut SchedulerState,
    ) -> Result<(), ActorProcessingErr> {
        drop(state.wheel.take());
        let _ = (&mut state.ended).await;
        Ok(())
    }
}

/// Who runs the slots of a resource.
pub(crate) type Runner = ActorRef<ResourceMessage>;

/// An entry for a resource and who runs it; `None` where reports are pushed.
pub(crate) fn entry(resource: Arc<Declared>, runner: Option<Runner>) -> Entry {
    Entry { resource, runner }
}
