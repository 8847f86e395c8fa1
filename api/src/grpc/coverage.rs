//! `CoverageService`.

use model::Millis;
use tonic::{Request, Response, Status};

use super::{
    guard,
    reply::stamped,
    show,
    v1::{self, coverage_service_server::CoverageService},
};
use crate::{coverage, error::ApiError, query::Query, state::ApiState};

/// See the module.
pub(super) struct Coverage(pub(super) ApiState);

#[tonic::async_trait]
impl CoverageService for Coverage {
    async fn get_coverage(
        &self,
        request: Request<v1::GetCoverageRequest>,
    ) -> Result<Response<v1::GetCoverageResponse>, Status> {
        let asked = request.into_inner();
        guard::large(
            &self.0,
            Box::pin(async {
                let since = asked.since.map(span).transpose()?.unwrap_or_default();
                let pairs = [("since", since), ("resource_id", asked.resource_id)];
                let (stamp, report) = coverage::sum_up(&self.0, Query::of(pairs)).await?;
                let sums = report.coverage;
                let answer = v1::GetCoverageResponse {
                    from: Some(show::timestamp(report.from)),
                    to: Some(show::timestamp(report.to)),
                    uptime_ratio: sums.uptime_ratio(),
                    expected: sums.expected,
                    ok: sums.ok,
                    failed: sums.failed,
                    missed: sums
                        .missed
                        .iter()
                        .map(|(why, n)| (why.as_str().to_owned(), *n))
                        .collect(),
                };
                Ok(stamped(answer, &stamp))
            }),
        )
        .await
    }
}

/// As a parameter of REST.
fn span(span: prost_types::Duration) -> Result<String, ApiError> {
    let millis = u64::try_from(span.seconds).ok().and_then(|seconds| seconds.checked_mul(1_000));
    let rest = u64::try_from(span.nanos / 1_000_000).ok();
    let millis = millis.zip(rest).map(|(millis, rest)| Millis(millis.saturating_add(rest)));
    let millis = millis.ok_or_else(|| ApiError::invalid_at("since", "is not to be negative"))?;
    Ok(millis.to_string())
}

#[cfg(test)]
mod tests {
    use prost_types::Duration;

    use super::*;

    #[test]
    fn a_span_is_written_as_rest_reads_it() {
        assert_eq!(span(Duration { seconds: 5_400, nanos: 0 }).unwrap(), "1h30m");
        assert_eq!(span(Duration { seconds: 1, nanos: 500_000_000 }).unwrap(), "1s500ms");
        for (seconds, nanos) in [(-1, 0), (0, -5_000_000), (i64::MAX, 0)] {
            assert!(span(Duration { seconds, nanos }).is_err(), "{seconds}");
        }
    }
}
