//! `GET /api/v1/coverage`: how much of the schedule was kept (SEMANTICS 7).

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use model::{Millis, ResourceId, WallTime};
use raft::CoverageReport;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{error::ApiError, headers::Stamp, query::Query, resources::not_found, state::ApiState};

const DEFAULT: Millis = Millis::from_secs(3_600);
const MAX: Millis = Millis::from_secs(30 * 86_400);

/// How much of the schedule was kept: `expected` equals `ok`, `failed` and all of `missed`.
#[derive(Serialize, ToSchema)]
#[schema(as = Coverage)]
pub(crate) struct CoverageView {
    /// From when.
    #[schema(value_type = String, format = DateTime)]
    from: WallTime,
    /// Until when: all slots before have ended.
    #[schema(value_type = String, format = DateTime)]
    to: WallTime,
    /// Slots that were due, computed from the schedules.
    expected: u64,
    /// Slots whose check passed.
    ok: u64,
    /// Slots whose check failed.
    failed: u64,
    /// Slots without a result, by reason; reasons that did not occur are left out.
    missed: BTreeMap<&'static str, u64>,
    /// How much of the schedule was kept, 0 to 1: slots that got a result, failed ones included; 1 where none
    /// was due. It is no availability of the target, which is `ok / (ok + failed)`.
    uptime_ratio: f64,
}

impl From<CoverageReport> for CoverageView {
    fn from(report: CoverageReport) -> Self {
        let CoverageReport { from, to, coverage } = report;
        Self {
            from,
            to,
            uptime_ratio: coverage.uptime_ratio(),
            expected: coverage.expected,
            ok: coverage.ok,
            failed: coverage.failed,
            missed: coverage.missed.iter().map(|(reason, n)| (reason.as_str(), *n)).collect(),
        }
    }
}

/// Sums up what became of the slots of one resource, or of all.
#[utoipa::path(
    get, path = "/api/v1/coverage", tag = "coverage", operation_id = "getCoverage",
    params(
        ("since" = Option<String>, Query, description = "How far back, such as `1h` (the default), at most `30d`", format = "bellwether-span"),
        ("resource_id" = Option<String>, Query, description = "Only this resource", pattern = "^[A-Za-z0-9._:@-]{1,200}$"),
    ),
    responses((status = 200, description = "The sums", body = CoverageView))
)]
pub(crate) async fn get_coverage(
    State(api): State<ApiState>,
    query: Query,
) -> Result<Response, ApiError> {
    let (stamp, report) = sum_up(&api, query).await?;
    Ok((stamp, Json(CoverageView::from(report))).into_response())
}

/// Answers the question that the parameters are.
pub(crate) async fn sum_up(
    api: &ApiState,
    mut query: Query,
) -> Result<(Stamp, CoverageReport), ApiError> {
    let since = query.take("since", span).unwrap_or(DEFAULT);
    let id = query.take("resource_id", str::parse::<ResourceId>);
    query.finish()?;
    let read = api.shards().coverage(since, id.as_ref()).await?;
    let stamp = Stamp::of(&read);
    match (read.value, id) {
        (Some(report), _) => Ok((stamp, report)),
        (None, Some(id)) => Err(not_found(&id).with_headers(stamp.headers())),
        (None, None) => {
            let to = api.shards().now();
            let coverage = model::coverage::Coverage::default();
            Ok((stamp, CoverageReport { from: to.minus(since), to, coverage }))
        }
    }
}

fn span(text: &str) -> Result<Millis, String> {
    let span: Millis = text.parse().map_err(|e: model::time::InvalidDuration| e.to_string())?;
    if span == Millis(0) || span > MAX {
        return Err(format!("expected more than 0s and at most {MAX}"));
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use model::{Miss, coverage::Coverage};
    use serde_json::json;

    use super::*;

    #[test]
    fn the_report_is_the_contracts() {
        let missed = BTreeMap::from([(Miss::NoRoute, 1), (Miss::Takeover, 2)]);
        let coverage = Coverage { expected: 10, ok: 6, failed: 1, missed };
        let report = CoverageReport { from: WallTime(0), to: WallTime(1_000), coverage };
        assert_eq!(
            serde_json::to_value(CoverageView::from(report)).unwrap(),
            json!({"from": "1970-01-01T00:00:00.000Z", "to": "1970-01-01T00:00:01.000Z",
                "expected": 10, "ok": 6, "failed": 1,
                "missed": {"no_route": 1, "takeover": 2}, "uptime_ratio": 0.7})
        );
    }

    #[test]
    fn a_window_has_bounds() {
        assert_eq!(span("1h30m"), Ok(Millis::from_secs(5_400)));
        for bad in ["", "0s", "31d", "1", "-1h"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
