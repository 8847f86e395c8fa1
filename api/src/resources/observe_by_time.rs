//! One of many observations on a stream. No caller's key names it: it is known by its resource and its time
//! (SEMANTICS 17), so that nothing has to be kept for its repeat.

use std::time::Duration;

use model::{ResourceId, ShardId, WallTime};
use raft::{Answer, ProposeError, Refusal, Reply};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::{observation, write::unexpected};
use crate::{
    error::{ApiError, Kind, refusal},
    state::ApiState,
};

/// Before an observation whose outcome is not known is sent again.
const AGAIN: Duration = Duration::from_millis(20);

/// Takes in what a document says of a resource, once it is durable.
pub(crate) async fn observe_by_time(
    api: &ApiState,
    id: &ResourceId,
    body: &Value,
) -> Result<(), ApiError> {
    let push = observation::read(id, body, api.shards().now())?;
    let (at, shard) = (push.observed_at, api.shards().shard_of(id));
    let pushed = until_known(shard, at, || api.shards().push(push.clone(), None));
    match timeout(api.limits().write_timeout(), pushed).await {
        Ok(Ok(None | Some(Reply::Pushed { .. }))) => Ok(()),
        Ok(Ok(Some(Reply::Refused(why)))) => Err(refusal(&why, id)),
        Ok(Ok(Some(other))) => Err(unexpected(&other)),
        Ok(Err(ProposeError::Unknown(_))) | Err(_) => {
            let detail =
                format!("outcome unknown; it is safe to send it again with `observed_at` {at}");
            Err(ApiError::new(Kind::OutcomeUnknown, detail))
        }
        Ok(Err(error)) => Err(error.into()),
    }
}

/// Sends it until its outcome is known. Nothing where it was taken in the first time, whose outcome was not.
async fn until_known<P>(
    shard: ShardId,
    observed_at: WallTime,
    push: impl Fn() -> P,
) -> Result<Option<Reply>, ProposeError>
where
    P: Future<Output = Result<Answer, ProposeError>>,
{
    let mut may_be_done = false;
    loop {
        match push().await {
            Err(ProposeError::Unknown(_)) => {
                may_be_done = true;
                sleep(AGAIN).await;
            }
            Err(_) if may_be_done => return Err(ProposeError::Unknown(shard)),
            Err(error) => return Err(error),
            Ok(Answer { reply: Reply::Refused(Refusal::Older(at)), .. })
                if may_be_done && at == observed_at =>
            {
                return Ok(None);
            }
            Ok(answer) => return Ok(Some(answer.reply)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::VecDeque, future::ready};

    use model::{Revision, Term};

    use super::*;

    type Outcome = Result<Answer, ProposeError>;

    fn answered(reply: Reply) -> Outcome {
        Ok(Answer { reply, revision: Revision(7), shard: ShardId(1), term: Term(1) })
    }

    fn older(at: i64) -> Outcome {
        answered(Reply::Refused(Refusal::Older(WallTime(at))))
    }

    fn unknown() -> Outcome {
        Err(ProposeError::Unknown(ShardId(1)))
    }

    fn nobody() -> Outcome {
        Err(ProposeError::NotLeader { shard: ShardId(1), leader: None })
    }

    /// What comes of an observation made at 5, where the shard answers so.
    async fn told(outcomes: impl Into<VecDeque<Outcome>>) -> Result<Option<Reply>, ProposeError> {
        let outcomes = RefCell::new(outcomes.into());
        let next = || ready(outcomes.borrow_mut().pop_front().expect("it is known by now"));
        until_known(ShardId(1), WallTime(5), next).await
    }

    #[tokio::test(start_paused = true)]
    async fn semantics_17_one_that_was_taken_in_unheard_is_not_refused_when_it_is_sent_again() {
        assert_eq!(told([unknown(), unknown(), older(5)]).await, Ok(None));
        let pushed = || Reply::Pushed { revision: Revision(7) };
        assert_eq!(told([unknown(), answered(pushed())]).await, Ok(Some(pushed())));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_too_old_is_refused() {
        let refused = |at| Ok(Some(Reply::Refused(Refusal::Older(WallTime(at)))));
        assert_eq!(told([older(5)]).await, refused(5), "of another with its time");
        assert_eq!(told([unknown(), older(6)]).await, refused(6));
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_be_done_stays_unknown() {
        assert_eq!(told([unknown(), nobody()]).await, unknown().map(|_| None));
        assert_eq!(told([nobody()]).await, nobody().map(|_| None));
    }
}
