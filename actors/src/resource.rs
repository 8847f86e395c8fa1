//! One actor per resource: holds its probe and the slot in flight.
//!
//! Invariant: at most one probe of a resource runs at a time, and each slot that it was asked
//! for ends in exactly one report.

mod calm;
mod crashes;

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use model::{Millis, Miss};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use raft::failpoint;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use crate::{
    declared::Declared,
    metrics::CheckLabel,
    pool::Pool,
    probe::{Finding, Probe, Probes},
    report::{News, Reporter, body_of},
};
use calm::{Calm, Kind};
use crashes::Crashes;

/// What a resource actor is told.
pub(crate) enum ResourceMessage {
    /// A slot is due; the next one is due at `until`.
    Run { slot: u64, due: Instant, until: Instant },
    /// The slot in flight has its end. Says how the probe ended, unless it was left out.
    Ended { probed: Option<Probed> },
    /// The resource was declared anew.
    Redeclared(Arc<Declared>),
    /// A test's way to see a crash.
    #[cfg(test)]
    Crash,
}

/// How a probe ended: what kind of result it had, or how it crashed.
pub(crate) type Probed = Result<Option<Kind>, String>;

/// What every resource actor of a shard shares.
pub(crate) struct Tools {
    pub(crate) probes: Probes,
    pub(crate) pool: Pool,
    pub(crate) reporter: Reporter,
}

/// How to start one.
pub(crate) struct ResourceArguments {
    pub(crate) resource: Arc<Declared>,
    pub(crate) tools: Arc<Tools>,
    /// Set where the actor itself kept crashing: it probes no more and says why.
    pub(crate) parked: Option<String>,
}

pub(crate) struct ResourceActor;

pub(crate) struct ResourceState {
    resource: Arc<Declared>,
    probe: Arc<dyn Probe>,
    tools: Arc<Tools>,
    /// It ends with its actor.
    in_flight: Option<AbortOnDropHandle<()>>,
    /// The latest slot that it was asked for.
    newest: Option<u64>,
    waiting: Option<(u64, Instant, Instant)>,
    crashes: Crashes,
    calm: Calm,
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
        let calm = Calm::at_start(&resource, tools.now());
        let (in_flight, newest, waiting) = (None, None, None);
        Ok(ResourceState { resource, probe, tools, in_flight, newest, waiting, crashes, calm })
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
                state.take_in(probed);
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

fn spawn(work: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(work))
}

/// How long a stopping actor waits for its probe.
const GRACE: Duration = Duration::from_secs(5);

impl Tools {
    fn now(&self) -> Millis {
        Millis(self.reporter.shards.clock().boot_millis())
    }
}

impl ResourceState {
    fn take_in(&mut self, probed: Option<Probed>) {
        if let Some(Ok(Some(kind))) = probed {
            self.calm.record(kind, self.tools.now());
        }
        if let Some(ended) = probed {
            self.crashes.record(ended.map(drop));
        }
    }

    fn redeclare(&mut self, resource: Arc<Declared>) {
        if resource.spec != self.resource.spec {
            self.probe = self.tools.probes.build(&resource.spec);
            self.crashes = Crashes::default();
            self.calm = Calm::at_start(&resource, self.tools.now());
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
        let (resource, tools) = (Arc::clone(&self.resource), Arc::clone(&self.tools));
        let myself = myself.clone();
        if let Some(verdict) = self.crashes.verdict() {
            // Neither parked nor backing off leaves a slot without its end.
            self.in_flight = Some(spawn(async move {
                tools.reporter.commit(&resource, slot, verdict, News::Possible).await;
                let _ = myself.cast(ResourceMessage::Ended { probed: None });
            }));
            return;
        }
        let (probe, calm) = (Arc::clone(&self.probe), self.calm);
        self.in_flight = Some(spawn(async move {
            let slot = Slot { resource, number: slot, due, until };
            let ended = slot.probe_and_report(&tools, probe, calm).await;
            let _ = myself.cast(ResourceMessage::Ended { probed: Some(ended) });
        }));
    }
}

/// One slot of a resource, under way.
struct Slot {
    resource: Arc<Declared>,
    number: u64,
    due: Instant,
    until: Instant,
}

impl Slot {
    /// Probes and commits what was found.
    async fn probe_and_report(&self, tools: &Tools, probe: Arc<dyn Probe>, calm: Calm) -> Probed {
        let (began, metrics) = (Instant::now(), &tools.reporter.metrics);
        metrics.lateness.observe(began.saturating_duration_since(self.due).as_secs_f64());
        let (finding, crashed) = self.probe(tools, probe).await;
        let check = CheckLabel { check: self.resource.spec.check.name() };
        metrics.duration.get_or_create(&check).observe(began.elapsed().as_secs_f64());
        let body = body_of(&tools.reporter.shards, &self.resource, finding);
        let kind = Kind::of(&body);
        let news = calm.judge(&self.resource.spec.policy, &body, tools.now());
        tools.reporter.commit(&self.resource, self.number, body, news).await;
        crashed.map_or(Ok(kind), Err)
    }

    /// What the probe finds, and how it crashed, if it did.
    async fn probe(&self, tools: &Tools, probe: Arc<dyn Probe>) -> (Finding, Option<String>) {
        let timeout = self.resource.spec.timeout.as_duration();
        let probing = AssertUnwindSafe(tools.pool.run(probe, timeout, self.until));
        match probing.catch_unwind().await {
            Ok(finding) => (finding, None),
            Err(panic) => {
                let detail = format!("the probe crashed: {}", text_of(&*panic));
                warn!(resource = %self.resource.id(), detail, "a probe crashed");
                (Finding::Missed { reason: Miss::Crashed, detail: detail.clone() }, Some(detail))
            }
        }
    }
}

/// What a panic said.
fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it does not say why")
}
