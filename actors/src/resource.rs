//! One actor per resource: holds its probe and the slot in flight.
//!
//! Invariant: at most one probe of a resource runs at a time, and each slot that it was asked
//! for ends in exactly one report.

mod crashes;

use std::{sync::Arc, time::Duration};

use model::{Miss, Resource};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use raft::{ReportBody, failpoint};
use tokio::{task::JoinHandle, time::Instant};
use tracing::warn;

use crate::{
    metrics::CheckLabel,
    pool::Pool,
    probe::{Finding, Probe, Probes},
    report::{Reporter, body_of},
};
use crashes::Crashes;

/// What a resource actor is told.
pub(crate) enum ResourceMessage {
    /// A slot is due; the next one is due at `until`.
    Run { slot: u64, due: Instant, until: Instant },
    /// The slot in flight has its end. Says how the probe ended, unless it was left out.
    Ended { probed: Option<Result<(), String>> },
    /// The resource was declared anew.
    Redeclared(Arc<Resource>),
    /// A test's way to see a crash.
    #[cfg(test)]
    Crash,
}

/// What every resource actor of a shard shares.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) probes: Probes,
    pub(crate) pool: Pool,
    pub(crate) reporter: Reporter,
}

/// How to start one.
pub(crate) struct ResourceArguments {
    pub(crate) resource: Arc<Resource>,
    pub(crate) tools: Tools,
    /// Set where the actor itself kept crashing: it probes no more and says why.
    pub(crate) parked: Option<String>,
}

pub(crate) struct ResourceActor;

pub(crate) struct ResourceState {
    resource: Arc<Resource>,
    probe: Arc<dyn Probe>,
    tools: Tools,
    in_flight: Option<JoinHandle<()>>,
    /// The latest slot that it was asked for.
    newest: Option<u64>,
    waiting: Option<(u64, Instant, Instant)>,
    crashes: Crashes,
}

impl Actor for ResourceActor {
    type Msg = ResourceMessage;
    type State = ResourceState;
    type Arguments = ResourceArguments;

    async fn pre_start(
        &self,
        _myself: ActorRef<ResourceMessage>,
        arguments: ResourceArguments,
    ) -> Result<ResourceState, ActorProcessingErr> {
        let ResourceArguments { resource, tools, parked } = arguments;
        let probe = tools.probes.build(&resource.spec);
        let crashes = parked.map_or_else(Crashes::default, Crashes::parked);
        let (in_flight, newest, waiting) = (None, None, None);
        Ok(ResourceState { resource, probe, tools, in_flight, newest, waiting, crashes })
    }

    async fn handle(
        &self,
        myself: ActorRef<ResourceMessage>,
        message: ResourceMessage,
        state: &mut ResourceState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ResourceMessage::Run { slot, .. } if state.newest >= Some(slot) => {
                // Told again: the slot is running, or it has its end.
            }
            ResourceMessage::Run { slot, due, until } if state.in_flight.is_some() => {
                state.newest = Some(slot);
                // The probe before it ends with its own slot: at most a moment from now.
                state.waiting = Some((slot, due, until));
            }
            ResourceMessage::Run { slot, due, until } => {
                state.newest = Some(slot);
                failpoint!("actor-panics");
                state.start(&myself, slot, due, until);
            }
            ResourceMessage::Ended { probed } => {
                state.in_flight = None;
                if let Some(ended) = probed {
                    state.crashes.record(ended);
                }
                if let Some((slot, due, until)) = state.waiting.take() {
                    state.start(&myself, slot, due, until);
                }
            }
            ResourceMessage::Redeclared(resource) => state.redeclare(resource),
            #[cfg(test)]
            ResourceMessage::Crash => panic!("a test asked for it"),
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<ResourceMessage>,
        state: &mut ResourceState,
    ) -> Result<(), ActorProcessingErr> {
        // A probe that is already under way may finish and report, within its slot.
        if let Some(task) = state.in_flight.take() {
            let _ = tokio::time::timeout(GRACE, task).await;
        }
        Ok(())
    }
}

/// How long a stopping actor waits for its probe.
const GRACE: Duration = Duration::from_secs(5);

impl ResourceState {
    fn redeclare(&mut self, resource: Arc<Resource>) {
        if resource.spec != self.resource.spec {
            self.probe = self.tools.probes.build(&resource.spec);
            self.crashes = Crashes::default();
        }
        // Another interval counts its slots anew.
        self.newest = None;
        self.resource = resource;
    }

    fn start(
        &mut self,
        myself: &ActorRef<ResourceMessage>,
        slot: u64,
        due: Instant,
        until: Instant,
    ) {
        let (resource, tools) = (Arc::clone(&self.resource), self.tools.clone());
        let myself = myself.clone();
        if let Some(verdict) = self.crashes.verdict() {
            // Neither parked nor backing off leaves a slot without its end.
            self.in_flight = Some(tokio::spawn(async move {
                tools.reporter.commit(&resource, slot, verdict).await;
                let _ = myself.cast(ResourceMessage::Ended { probed: None });
            }));
            return;
        }
        let probe = Arc::clone(&self.probe);
        self.in_flight = Some(tokio::spawn(async move {
            let ended = probe_and_report(&resource, &tools, probe, slot, due, until).await;
            let _ = myself.cast(ResourceMessage::Ended { probed: Some(ended) });
        }));
    }
}

/// Probes and commits what was found.
///
/// # Errors
/// How the probe crashed.
async fn probe_and_report(
    resource: &Arc<Resource>,
    tools: &Tools,
    probe: Arc<dyn Probe>,
    slot: u64,
    due: Instant,
    until: Instant,
) -> Result<(), String> {
    let began = Instant::now();
    let metrics = &tools.reporter.metrics;
    metrics.lateness.observe(began.saturating_duration_since(due).as_secs_f64());
    let (pool, timeout) = (tools.pool.clone(), resource.spec.timeout.as_duration());
    // A task of its own, so that a panic is caught as its result.
    let probing = tokio::spawn(async move { pool.run(probe, timeout, until).await });
    let (finding, ended) = match probing.await {
        Ok(finding) => (finding, Ok(())),
        Err(error) => {
            let detail = format!("the probe crashed: {error}");
            warn!(resource = %resource.id(), detail, "a probe crashed");
            (Finding::Missed { reason: Miss::Crashed, detail: detail.clone() }, Err(detail))
        }
    };
    let check = CheckLabel { check: resource.spec.check.name() };
    metrics.duration.get_or_create(&check).observe(began.elapsed().as_secs_f64());
    let body: ReportBody = body_of(&tools.reporter.shards, resource, finding);
    tools.reporter.commit(resource, slot, body).await;
    ended
}
