//! `PushObservations`: many observations on one stream.

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value, json};
use tonic::{Status, Streaming};

use crate::{
    error::ApiError,
    grpc::{
        reply,
        v1::{self, push_observations_request::Outcome},
    },
    headers::IdempotencyKey,
    layer::admitted,
    resources,
    state::ApiState,
};

/// Observations of one stream that are worked on at once.
const IN_FLIGHT: usize = 256;
/// The refusals that are told one by one.
const TOLD: usize = 100;

/// Takes in what comes until the client has said all.
pub(super) async fn take_in(
    api: &ApiState,
    observations: Streaming<v1::PushObservationsRequest>,
) -> Result<v1::PushObservationsResponse, Status> {
    let numbered = observations.zip(stream::iter(0_u64..));
    let outcomes = numbered.map(|(observation, index)| async move {
        let observation = observation?;
        let id = observation.resource_id.clone();
        Ok::<_, Status>((index, id, one(api, observation).await))
    });
    let mut taken = v1::PushObservationsResponse::default();
    let mut outcomes = std::pin::pin!(outcomes.buffered(IN_FLIGHT));
    while let Some((index, resource_id, outcome)) = outcomes.try_next().await? {
        match outcome {
            Ok(()) => taken.accepted += 1,
            Err(error) => {
                taken.refused += 1;
                if taken.refusals.len() < TOLD {
                    taken.refusals.push(refusal(index, resource_id, error));
                }
            }
        }
    }
    Ok(taken)
}

async fn one(api: &ApiState, observation: v1::PushObservationsRequest) -> Result<(), ApiError> {
    let _permit = admitted(api)?;
    let id = reply::resource_id(&observation.resource_id)?;
    let body = body(&observation)?;
    resources::observe(api, id, &IdempotencyKey::none(), &body).await.map(drop)
}

fn refusal(index: u64, resource_id: String, error: ApiError) -> v1::RefusedObservation {
    let status = Status::from(error);
    v1::RefusedObservation {
        index,
        resource_id,
        code: status.code().into(),
        message: status.message().to_owned(),
    }
}

/// The observation as REST would have got it, so that it is read by the same rules.
fn body(observation: &v1::PushObservationsRequest) -> Result<Value, ApiError> {
    let mut body = Map::new();
    let outcome = match observation.outcome() {
        Outcome::Unspecified => None,
        Outcome::Ok => Some("ok"),
        Outcome::Warning => Some("warning"),
        Outcome::Critical => Some("critical"),
    };
    body.extend(outcome.map(|outcome| ("outcome".to_owned(), json!(outcome))));
    if !observation.message.is_empty() {
        body.insert("message".to_owned(), json!(observation.message));
    }
    if let Some(metrics) = &observation.metrics {
        body.insert("metrics".to_owned(), measured(metrics));
    }
    if let Some(time) = &observation.observed_at {
        body.insert(
            "observed_at".to_owned(),
            json!(reply::moment("observed_at", *time)?.to_string()),
        );
    }
    Ok(Value::Object(body))
}

fn measured(metrics: &v1::Metrics) -> Value {
    // What is no number in JSON is refused by its text.
    let number = |value: f64| match value.is_finite() {
        true => json!(value),
        false => json!(value.to_string()),
    };
    let named = [
        ("cpu_usage_percent", metrics.cpu_usage_percent.map(number)),
        ("memory_usage_percent", metrics.memory_usage_percent.map(number)),
        ("disk_usage_percent", metrics.disk_usage_percent.map(number)),
        ("network_io_bytes_per_sec", metrics.network_io_bytes_per_sec.map(number)),
        ("pod_count", metrics.pod_count.map(Value::from)),
        ("ready_replicas", metrics.ready_replicas.map(Value::from)),
    ];
    let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let mut shown: Map<String, Value> = named.collect();
    let extra = metrics.extra.iter().map(|(name, value)| (name.clone(), number(*value)));
    shown.insert("extra".to_owned(), Value::Object(extra.collect()));
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    #[test]
    fn an_observation_is_what_rest_takes() {
        let metrics = v1::Metrics {
            cpu_usage_percent: Some(7.5),
            pod_count: Some(3),
            extra: [("queue".to_owned(), 9.0)].into(),
            ..v1::Metrics::default()
        };
        let observation = v1::PushObservationsRequest {
            resource_id: "job:a".to_owned(),
            outcome: Outcome::Warning.into(),
            message: "slow".to_owned(),
            metrics: Some(metrics),
            observed_at: Some(Timestamp { seconds: 5, nanos: 7_000_000 }),
        };
        assert_eq!(
            body(&observation).unwrap(),
            json!({"outcome": "warning", "message": "slow", "observed_at": "1970-01-01T00:00:05.007Z",
                "metrics": {"cpu_usage_percent": 7.5, "pod_count": 3, "extra": {"queue": 9.0}}})
        );
        assert_eq!(body(&v1::PushObservationsRequest::default()).unwrap(), json!({}));
    }

    #[test]
    fn what_is_no_number_is_sent_on_as_text_which_is_refused() {
        let metrics = v1::Metrics { cpu_usage_percent: Some(f64::NAN), ..v1::Metrics::default() };
        assert_eq!(measured(&metrics)["cpu_usage_percent"], "NaN");
    }
}
