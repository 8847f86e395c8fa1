//! What all writes to a resource have in common.

use axum::http::HeaderMap;
use model::{Owner, ResourceId};
use raft::{Answer, ProposeError, Reply};

use crate::{
    error::{ApiError, Kind, refusal},
    headers::{IdempotencyKey, Stamp},
    state::ApiState,
};

/// Who declares over the API.
pub(super) const OWNER: Owner = Owner::Api;

/// A write that a shard has done: the answer and its headers.
pub(crate) struct Written {
    pub(crate) answer: Answer,
    pub(crate) headers: HeaderMap,
}

impl Written {
    /// Waits for a write and sorts refusals and failures from what was done. All of them carry
    /// the key, so that the write can be repeated under it.
    pub(super) async fn of(
        api: &ApiState,
        key: &IdempotencyKey,
        id: &ResourceId,
        write: impl Future<Output = Result<Answer, ProposeError>>,
    ) -> Result<Self, ApiError> {
        let answer = key.within(api.limits(), write).await?;
        let mut headers = key.header();
        headers.extend(Stamp::committed(answer.revision).headers());
        match &answer.reply {
            Reply::Refused(found) => Err(refusal(found, id).with_headers(headers)),
            _ => Ok(Self { answer, headers }),
        }
    }
}

/// The shard answered a command by the reply of another.
pub(super) fn unexpected(reply: &Reply) -> ApiError {
    tracing::error!(?reply, "a command was answered by the reply of another");
    ApiError::new(Kind::Internal, "the shard's answer makes no sense; read the resource again")
}
