//! What surrounds a call: the node's limits, the client's deadline, and an answer where it panics.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::time::timeout;
use tonic::{Response, Status, metadata::MetadataMap};

use crate::{
    error::{ApiError, Kind},
    layer::{admitted, spared},
    state::ApiState,
};

/// Where a client says how long it waits.
const TIMEOUT: &str = "grpc-timeout";

/// A call that takes bounded memory.
pub(super) async fn small<T>(
    api: &ApiState,
    metadata: &MetadataMap,
    work: BoxFuture<'_, Result<Response<T>, ApiError>>,
) -> Result<Response<T>, Status> {
    let _permit = admitted(api)?;
    let limit = api.limits().request_timeout;
    let patience = patience(metadata).unwrap_or(limit).min(limit);
    let answer = timeout(patience, AssertUnwindSafe(work).catch_unwind()).await;
    match answer {
        Ok(Ok(answer)) => answer.map_err(Status::from),
        // The panic hook has logged it by then.
        Ok(Err(_)) => {
            let detail = "the fault is on this side; the log has more";
            Err(ApiError::new(Kind::Internal, detail).into())
        }
        Err(_) => Err(Status::deadline_exceeded(format!(
            "no answer within {patience:?}; of a write, the outcome is unknown, and it is safe to \
             repeat it with the same idempotency-key"
        ))),
    }
}

/// One whose memory grows with the fleet: refused while memory is short.
pub(super) async fn large<T>(
    api: &ApiState,
    metadata: &MetadataMap,
    work: BoxFuture<'_, Result<Response<T>, ApiError>>,
) -> Result<Response<T>, Status> {
    let _under_way = spared(api)?;
    small(api, metadata, work).await
}

/// How long the client waits, as it says.
fn patience(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get(TIMEOUT)?.to_str().ok()?;
    let unit = text.chars().next_back()?;
    let number = text.strip_suffix(unit)?;
    let number: u64 = number.parse().ok().filter(|_| number.len() <= 8)?;
    Some(match unit {
        'H' => Duration::from_secs(number * 3_600),
        'M' => Duration::from_secs(number * 60),
        'S' => Duration::from_secs(number),
        'm' => Duration::from_millis(number),
        'u' => Duration::from_micros(number),
        'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use raft::{Options, Shards};
    use tonic::Code;

    use super::*;
    use crate::state::Hooks;

    #[tokio::test]
    async fn a_call_gets_the_time_that_its_client_waits_and_a_panic_is_an_answer() {
        let shards = Shards::open(Options::in_memory("home", 1)).await.unwrap();
        let api = ApiState::new(shards, Hooks::default());
        let mut metadata = MetadataMap::new();
        metadata.insert(TIMEOUT, "20m".parse().unwrap());
        let never = Box::pin(std::future::pending::<Result<Response<()>, ApiError>>());
        let late = small(&api, &metadata, never).await.unwrap_err();
        assert_eq!(late.code(), Code::DeadlineExceeded, "{late}");
        let fails = Box::pin(async { panic!("a fault of ours") });
        let failed = small::<()>(&api, &MetadataMap::new(), fails).await.unwrap_err();
        assert_eq!(failed.code(), Code::Internal, "{failed}");
    }

    #[test]
    fn a_deadline_is_read_as_grpc_writes_it() {
        let of = |text: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert(TIMEOUT, text.parse().unwrap());
            patience(&metadata)
        };
        assert_eq!(of("250m"), Some(Duration::from_millis(250)));
        assert_eq!(of("2S"), Some(Duration::from_secs(2)));
        assert_eq!(of("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        for bad in ["", "S", "1", "1x", "123456789S", "-1S"] {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert_eq!(patience(&MetadataMap::new()), None);
    }
}
