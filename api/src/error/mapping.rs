//! The one mapping of what the shards answer to what clients see.

use std::fmt::Display;

use model::ShardId;
use raft::{ProposeError, ReadError, Refusal};

use super::{ApiError, Kind};

impl From<ProposeError> for ApiError {
    fn from(error: ProposeError) -> Self {
        let kind = match error {
            ProposeError::Unknown(_) => Kind::OutcomeUnknown,
            ProposeError::DiskFull { .. } => Kind::DiskFull,
            ProposeError::NotLeader { .. }
            | ProposeError::Overloaded(_)
            | ProposeError::Stopping(_) => Kind::Unavailable,
        };
        let detail = match &error {
            ProposeError::Unknown(shard) => format!(
                "outcome unknown on shard {shard}; it is safe to repeat the request with the \
                 Idempotency-Key of this answer"
            ),
            ProposeError::DiskFull { .. } => format!("{error}; nothing was changed"),
            other => format!("{other}; nothing was changed, try again"),
        };
        Self::new(kind, detail)
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::Unavailable(shards) => Self::new(Kind::Unavailable, no_answer(shards)),
            ReadError::Gone | ReadError::ForeignCursor => {
                Self::new(Kind::Gone, format!("{error}; start without a cursor"))
            }
            ReadError::Corrupt(_) => {
                tracing::error!(%error, "a stored record is damaged");
                Self::new(Kind::Internal, error.to_string())
            }
        }
    }
}

/// What a group refused to do to a resource or a window.
pub(crate) fn refusal(refusal: &Refusal, name: &dyn Display) -> ApiError {
    let (kind, remedy) = match refusal {
        Refusal::OwnedBy(_) => (Kind::Owned, "change it where it is declared"),
        Refusal::Precondition(_) => (Kind::Precondition, "read it again and decide anew"),
        Refusal::NotFound => (Kind::NotFound, "check the name"),
        Refusal::NotPush => (Kind::Conflict, "declare it with `check: { push: { ttl: 1m } }`"),
        Refusal::Older(_) => (Kind::Conflict, "send newer observations only"),
        Refusal::Ahead(_) => (Kind::Unprocessable, "check the sender's clock"),
        Refusal::Version(_) | Refusal::NotStaged(_) | Refusal::SinkOutdated(_) => {
            (Kind::Conflict, "read it again")
        }
        Refusal::WrongGroup => (Kind::Unavailable, "try again"),
        Refusal::NodeName(..)
        | Refusal::NodeKey(..)
        | Refusal::NodeRemoved(_)
        | Refusal::NodesChanged => (Kind::Conflict, "see `bellwether cluster status`"),
        Refusal::NoSuchNode(_) => (Kind::NotFound, "see `bellwether cluster status`"),
        Refusal::Full(_) => (Kind::Full, "remove what is not needed"),
    };
    ApiError::new(kind, format!("{name}: {refusal}; {remedy}"))
}

fn no_answer(shards: &[ShardId]) -> String {
    let named: Vec<String> = shards.iter().map(ToString::to_string).collect();
    let (noun, verb) = if shards.len() == 1 { ("shard", "does") } else { ("shards", "do") };
    format!("{noun} {} {verb} not answer; try again", named.join(", "))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use model::{Generation, NodeId, Owner, ResourceId, WallTime};

    use super::*;

    #[test]
    fn every_refusal_has_its_status() {
        let id: ResourceId = "host:n1".parse().unwrap();
        for (found, status) in [
            (Refusal::OwnedBy(Owner::Config), StatusCode::CONFLICT),
            (Refusal::Precondition(Some(Generation(7))), StatusCode::PRECONDITION_FAILED),
            (Refusal::NotFound, StatusCode::NOT_FOUND),
            (Refusal::NotPush, StatusCode::CONFLICT),
            (Refusal::Older(WallTime(0)), StatusCode::CONFLICT),
            (Refusal::Ahead(WallTime(0)), StatusCode::UNPROCESSABLE_ENTITY),
            (Refusal::Version(1), StatusCode::CONFLICT),
            (Refusal::WrongGroup, StatusCode::SERVICE_UNAVAILABLE),
            (Refusal::Full("full".to_owned()), StatusCode::INSUFFICIENT_STORAGE),
        ] {
            let error = refusal(&found, &id);
            assert_eq!(error.status(), status, "{found:?}");
            assert!(error.0.detail.starts_with("host:n1: "), "{}", error.0.detail);
        }
    }

    #[test]
    fn semantics_17_an_unknown_outcome_says_how_to_repeat() {
        let error = ApiError::from(ProposeError::Unknown(ShardId(3)));
        assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(error.0.detail.contains("shard 3") && error.0.detail.contains("Idempotency-Key"));
        let leader = Some(NodeId(2));
        let error = ApiError::from(ProposeError::NotLeader { shard: ShardId(3), leader });
        assert!(error.0.detail.contains("nothing was changed"), "{}", error.0.detail);
    }

    #[test]
    fn a_lost_shard_is_named_and_a_lost_cursor_is_gone() {
        let error = ApiError::from(ReadError::Unavailable(vec![ShardId(3), ShardId(7)]));
        assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(error.0.detail, "shards 3, 7 do not answer; try again");
        for error in [ReadError::Gone, ReadError::ForeignCursor] {
            assert_eq!(ApiError::from(error).status(), StatusCode::GONE);
        }
    }
}
