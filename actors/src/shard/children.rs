//! The resource actors of a shard: who they are, and how often they crashed.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use model::ResourceId;
use ractor::{Actor, ActorCell, ActorRef, ActorStatus, SpawnErr};

use super::ShardMessage;
use crate::{
    declared::Declared,
    resource::{ResourceActor, ResourceArguments, ResourceMessage, Tools},
    scheduler::{SchedulerMessage, entry},
};

/// An actor that has crashed so often is started parked: it answers for its slots, no more.
const PARKED_AFTER: u32 = 5;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// An actor that ran so long since its last crash starts counting anew.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

struct Child {
    resource: Arc<Declared>,
    /// Absent for push-fed resources, which nobody probes.
    actor: Option<ActorRef<ResourceMessage>>,
    /// Boxed, because hardly any child has one.
    crashed: Option<Box<Crashed>>,
}

impl Child {
    fn lives(&self) -> bool {
        let status = self.actor.as_ref().map(|actor| actor.get_status());
        status.is_some_and(|s| !matches!(s, ActorStatus::Stopping | ActorStatus::Stopped))
    }
}

struct Crashed {
    times: u32,
    last: Instant,
    why: String,
}

/// See the module.
pub(super) struct Children {
    tools: Arc<Tools>,
    scheduler: ActorRef<SchedulerMessage>,
    by_id: HashMap<ResourceId, Child>,
}

impl Children {
    pub(super) fn new(tools: Arc<Tools>, scheduler: ActorRef<SchedulerMessage>) -> Self {
        Self { tools, scheduler, by_id: HashMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Starts the actor of a resource and schedules its slots.
    pub(super) async fn start(
        &mut self,
        myself: &ActorRef<ShardMessage>,
        resource: Arc<Declared>,
    ) -> Result<(), SpawnErr> {
        let child = Child { resource, actor: None, crashed: None };
        self.spawn(myself, child).await
    }

    /// A resource is new, or declared anew.
    pub(super) async fn declared(
        &mut self,
        myself: &ActorRef<ShardMessage>,
        resource: Arc<Declared>,
    ) -> Result<(), SpawnErr> {
        let id = resource.id().clone();
        let Some(child) = self.by_id.get_mut(&id) else {
            return self.start(myself, resource).await;
        };
        if resource.generation < child.resource.generation {
            // An older change, told again.
            return Ok(());
        }
        let same_life = child.resource.incarnation == resource.incarnation;
        let same_kind = child.resource.spec.check.is_probed() == resource.spec.check.is_probed();
        if !(same_life && same_kind) {
            self.removed(&id);
            return self.start(myself, resource).await;
        }
        child.resource = Arc::clone(&resource);
        if let Some(actor) = &child.actor {
            // One that is down gets the declaration when it is started again.
            let _ = actor.cast(ResourceMessage::Redeclared(Arc::clone(&resource)));
        }
        let scheduled = SchedulerMessage::Schedule(entry(resource, child.actor.clone()));
        let _ = self.scheduler.cast(scheduled);
        Ok(())
    }

    /// A resource is gone.
    pub(super) fn removed(&mut self, id: &ResourceId) {
        let _ = self.scheduler.cast(SchedulerMessage::Forget(id.clone()));
        let Some(child) = self.by_id.remove(id) else { return };
        if let Some(actor) = child.actor {
            actor.stop(None);
        }
    }

    #[cfg(test)]
    pub(super) fn crash(&self, id: &ResourceId) {
        let actor = self.by_id.get(id).and_then(|child| child.actor.as_ref());
        actor.expect("it has an actor").cast(ResourceMessage::Crash).expect("it is there");
    }

    /// Notes a crash. Says whose actor it was and how long to wait before it is started again.
    pub(super) fn crashed(&mut self, who: &ActorCell, why: &str) -> Option<(ResourceId, Duration)> {
        // A look at all, because crashes are rare and a second index costs memory for ever.
        let is_it =
            |child: &Child| child.actor.as_ref().is_some_and(|a| a.get_id() == who.get_id());
        let (id, child) = self.by_id.iter_mut().find(|(_, child)| is_it(child))?;
        let former = child.crashed.take().filter(|crash| crash.last.elapsed() <= FORGIVEN_AFTER);
        let times = former.map_or(0, |crash| crash.times) + 1;
        let crashed = Crashed { times, last: Instant::now(), why: why.to_owned() };
        child.crashed = Some(Box::new(crashed));
        let pause = Duration::from_secs(1 << (times - 1).min(6)).min(LONGEST_PAUSE);
        Some((id.clone(), pause))
    }

    /// Starts a crashed actor again, unless its resource has gone meanwhile.
    pub(super) async fn restart(
        &mut self,
        myself: &ActorRef<ShardMessage>,
        id: &ResourceId,
    ) -> Result<(), SpawnErr> {
        // It may be another by now, of a resource that was declared anew meanwhile.
        if self.by_id.get(id).is_some_and(Child::lives) {
            return Ok(());
        }
        match self.by_id.remove(id) {
            Some(child) => self.spawn(myself, child).await,
            None => Ok(()),
        }
    }

    async fn spawn(
        &mut self,
        myself: &ActorRef<ShardMessage>,
        mut child: Child,
    ) -> Result<(), SpawnErr> {
        let id = child.resource.id().clone();
        if child.resource.spec.check.is_probed() {
            let too_often = child.crashed.as_ref().filter(|crash| crash.times >= PARKED_AFTER);
            let parked = too_often.map(|crash| crash.why.clone());
            let (resource, tools) = (Arc::clone(&child.resource), Arc::clone(&self.tools));
            let arguments = ResourceArguments { resource, tools, parked };
            let (actor, _) =
                Actor::spawn_linked(None, ResourceActor, arguments, myself.get_cell()).await?;
            child.actor = Some(actor);
        }
        let scheduled = entry(Arc::clone(&child.resource), child.actor.clone());
        let _ = self.scheduler.cast(SchedulerMessage::Schedule(scheduled));
        self.by_id.insert(id, child);
        Ok(())
    }
}
