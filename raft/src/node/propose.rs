//! Proposals to the shards, wherever their leaders are.

use model::ShardId;

use super::Shards;
use crate::{
    batcher::Answer,
    command::{Command, Envelope, Push, Registration, Removal},
    error::ProposeError,
};

impl Shards {
    /// Proposes a command to a shard, at its leader wherever that is, and waits until it is
    /// applied.
    ///
    /// # Errors
    /// See [`ProposeError`]: each variant says what to do next.
    pub async fn propose(
        &self,
        shard: ShardId,
        envelope: impl Into<Envelope>,
    ) -> Result<Answer, ProposeError> {
        self.group(shard).propose_anywhere(envelope.into()).await
    }

    /// Declares a resource.
    ///
    /// # Errors
    /// See [`ProposeError`].
    pub async fn declare(
        &self,
        registration: Registration,
        request: Option<String>,
    ) -> Result<Answer, ProposeError> {
        let shard = self.shard_of(&registration.spec.id);
        let command = Command::Register(Box::new(registration));
        self.propose(shard, Envelope { request, command }).await
    }

    /// Removes a resource.
    ///
    /// # Errors
    /// See [`ProposeError`].
    pub async fn remove(
        &self,
        removal: Removal,
        request: Option<String>,
    ) -> Result<Answer, ProposeError> {
        let shard = self.shard_of(&removal.id);
        self.propose(shard, Envelope { request, command: Command::Remove(removal) }).await
    }

    /// Reports for a push-fed resource.
    ///
    /// # Errors
    /// See [`ProposeError`].
    pub async fn push(&self, push: Push, request: Option<String>) -> Result<Answer, ProposeError> {
        let shard = self.shard_of(&push.resource);
        self.propose(shard, Envelope { request, command: Command::Push(Box::new(push)) }).await
    }
}
