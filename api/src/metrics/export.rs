//! `GET /metrics/resources`: every resource's health and measurements.
//!
//! Invariants: one page of rows is in memory at a time; an exposition that breaks off has no
//! end mark, so that a scraper discards it.

use axum::{
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse, Response},
};
use futures_util::{Stream, stream};
use model::HealthStatus;
use raft::{Consistency, ListQuery, Page, ReadError, Row, Shards};

use super::{
    OPENMETRICS, RESOURCE_HEALTH, RESOURCE_METRIC,
    text::{EOF, family, sample},
};
use crate::{
    error::ApiError,
    headers::Stamp,
    query::{FilterParams, Query, filter},
    state::ApiState,
};

/// Shows every resource's health as a state set, and its measurements.
#[utoipa::path(
    get, path = "/metrics/resources", tag = "operations", operation_id = "getResourceMetrics",
    params(FilterParams),
    responses((status = 200, description = "The figures", body = String,
        content_type = "application/openmetrics-text"))
)]
pub(crate) async fn get_resource_metrics(
    State(api): State<ApiState>,
    mut query: Query,
) -> Result<Response, ApiError> {
    let question = ListQuery {
        filter: filter(&mut query),
        limit: api.limits().list_default,
        consistency: Consistency::Stale,
        ..ListQuery::default()
    };
    query.finish()?;
    // Read here, while an error can still be a status.
    let first = api.shards().list(&question).await?;
    let stamp = Stamp::of(&first);
    let pass = Pass { family: Family::Health, begun: false };
    let export = Export { shards: api.shards().clone(), question, page: Some(first.value), pass };
    Ok((stamp, [OPENMETRICS], Body::from_stream(export.into_stream())).into_response())
}

struct Export {
    shards: Shards,
    question: ListQuery,
    /// A page that was read already.
    page: Option<Page>,
    pass: Pass,
}

/// All samples of a family must stand together, so the rows are read once for each.
struct Pass {
    family: Family,
    begun: bool,
}

#[derive(Clone, Copy)]
enum Family {
    Health,
    Metrics,
    Over,
}

impl Export {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, ReadError>> {
        stream::try_unfold(self, |mut export| async move {
            Ok(export.next().await?.map(|text| (Bytes::from(text), export)))
        })
    }

    async fn next(&mut self) -> Result<Option<String>, ReadError> {
        if let Family::Over = self.pass.family {
            return Ok(None);
        }
        let page = match self.page.take() {
            Some(page) => page,
            None => self.shards.list(&self.question).await?.value,
        };
        let mut out = String::new();
        if !std::mem::replace(&mut self.pass.begun, true) {
            head(&mut out, self.pass.family);
        }
        page.rows.iter().for_each(|row| samples(&mut out, self.pass.family, row));
        self.question.after = page.next;
        if self.question.after.is_none() {
            self.pass = Pass { family: self.pass.family.next(), begun: false };
        }
        if let Family::Over = self.pass.family {
            out.push_str(EOF);
        }
        Ok(Some(out))
    }
}

impl Family {
    fn next(self) -> Self {
        match self {
            Self::Health => Self::Metrics,
            Self::Metrics | Self::Over => Self::Over,
        }
    }
}

fn head(out: &mut String, of: Family) {
    match of {
        Family::Health => family(out, RESOURCE_HEALTH, "stateset", "The health of a resource"),
        Family::Metrics => family(out, RESOURCE_METRIC, "gauge", "What was measured last"),
        Family::Over => {}
    }
}

fn samples(out: &mut String, of: Family, row: &Row) {
    match of {
        Family::Health => health(out, row),
        Family::Metrics => metrics(out, row),
        Family::Over => {}
    }
}

fn health(out: &mut String, row: &Row) {
    let spec = &row.resource.spec;
    for status in HealthStatus::ALL {
        let labels = [
            ("resource_id", spec.id.as_str()),
            ("resource_type", spec.resource_type.as_str()),
            ("name", spec.name.as_str()),
            ("namespace", spec.namespace.as_deref().unwrap_or_default()),
            ("cluster_id", spec.cluster_id.as_deref().unwrap_or_default()),
            ("region", spec.region.as_deref().unwrap_or_default()),
            // A state set names its states in a label that is called like itself.
            (RESOURCE_HEALTH, status.as_str()),
        ];
        sample(out, RESOURCE_HEALTH, &labels, u8::from(row.resource.status() == status));
    }
}

fn metrics(out: &mut String, row: &Row) {
    let spec = &row.resource.spec;
    for (metric, value) in row.resource.state.metrics.iter() {
        let labels = [
            ("resource_id", spec.id.as_str()),
            ("resource_type", spec.resource_type.as_str()),
            ("metric", metric),
        ];
        sample(out, RESOURCE_METRIC, &labels, value);
    }
}
