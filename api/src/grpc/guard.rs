//! An answer where a call panics, and a refusal where memory is short. What is wrong before a call
//! begins, or takes too long, is `surround`'s.

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt, future::BoxFuture};
use tonic::{Response, Status};

use crate::{
    error::{ApiError, Kind},
    layer::{AT_ONCE, spared},
    state::ApiState,
};

/// A call that takes bounded memory.
pub(super) async fn small<T>(
    work: BoxFuture<'_, Result<Response<T>, ApiError>>,
) -> Result<Response<T>, Status> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(answer) => answer.map_err(Status::from),
        // The panic hook has logged it by then.
        Err(_) => {
            let detail = "the fault is on this side; the log has more";
            Err(ApiError::new(Kind::Internal, detail).into())
        }
    }
}

/// One whose memory grows with the fleet: refused while memory is short.
pub(super) async fn large<T>(
    api: &ApiState,
    work: BoxFuture<'_, Result<Response<T>, ApiError>>,
) -> Result<Response<T>, Status> {
    let _under_way = spared(api, AT_ONCE)?;
    small(work).await
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let fails = Box::pin(async { panic!("a fault of ours") });
        let failed = small::<()>(fails).await.unwrap_err();
        assert_eq!(failed.code(), Code::Internal, "{failed}");
    }
}
