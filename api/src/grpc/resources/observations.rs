//! `PushObservations`: many observations on one stream.
//!
//! Invariant: observations of one resource are taken in in the order in which they came.

use std::collections::{BTreeMap, HashMap};

use futures_util::{FutureExt, StreamExt, stream};
use model::WallTime;
use serde_json::{Map, Value, json};
use tonic::{Status, Streaming, metadata::MetadataValue};

use crate::{
    error::{ApiError, Kind},
    grpc::{
        reply, show,
        v1::{self, push_observations_request::Outcome},
    },
    resources,
    state::ApiState,
};

type Observation = v1::PushObservationsRequest;

/// Observations of one stream that are worked on at once.
const AT_ONCE: usize = 256;
/// The refusals that are told one by one.
const TOLD: usize = 100;
/// Characters of an id that is none, where it is told.
const SHOWN_ID: usize = 200;
/// Resources whose last time is remembered, where clients give none and send faster than time passes.
const REMEMBERED: usize = 1_000;
/// How many were taken in and refused, beside an error that ends the stream.
const ACCEPTED: &str = "bellwether-accepted";
const REFUSED: &str = "bellwether-refused";

/// Takes in what comes until the client has said all, or nothing more can be understood.
pub(super) async fn take_in(
    api: &ApiState,
    observations: Streaming<Observation>,
) -> Result<v1::PushObservationsResponse, Status> {
    let mut source = Source { observations, next: 0, times: HashMap::new() };
    let mut taken = v1::PushObservationsResponse::default();
    loop {
        let stopping = api.shutdown().cancelled();
        let (window, end) = tokio::select! {
            biased;
            () = stopping => (Vec::new(), Some(Err(stopping_now()))),
            window = source.window(api) => window,
        };
        for (index, resource_id, outcome) in work(api, window).await {
            tally(&mut taken, index, resource_id, outcome);
        }
        match end {
            None => {}
            Some(Ok(())) => return Ok(taken),
            Some(Err(status)) => return Err(with_counts(status, &taken)),
        }
    }
}

fn stopping_now() -> Status {
    let detail = "the node is stopping; send the rest to another";
    ApiError::new(Kind::Unavailable, detail).into()
}

/// An error ends the stream without an answer: what became of what came before is told beside it.
fn with_counts(mut status: Status, taken: &v1::PushObservationsResponse) -> Status {
    let metadata = status.metadata_mut();
    metadata.insert(ACCEPTED, MetadataValue::from(taken.accepted));
    metadata.insert(REFUSED, MetadataValue::from(taken.refused));
    status
}

/// What comes on the stream. After its first error nothing of it is to be believed.
struct Source {
    observations: Streaming<Observation>,
    next: u64,
    /// The times that were given to observations without one, and are not past.
    times: HashMap<String, i64>,
}

/// What came, each with its place in the stream; and the stream's end, where that came.
type Window = (Vec<(u64, Observation)>, Option<Result<(), Status>>);

impl Source {
    /// Waits for one, and takes what is there already.
    async fn window(&mut self, api: &ApiState) -> Window {
        self.forget(api.shards().now());
        let mut window = Vec::new();
        let mut next = self.observations.next().await;
        loop {
            match next {
                None => return (window, Some(Ok(()))),
                Some(Err(status)) => return (window, Some(Err(status))),
                Some(Ok(observation)) => window.push(self.placed(api, observation)),
            }
            if window.len() == AT_ONCE {
                return (window, None);
            }
            match self.observations.next().now_or_never() {
                Some(more) => next = more,
                None => return (window, None),
            }
        }
    }

    /// Times that are past are given to nothing more. Who then says nothing costs nothing.
    fn forget(&mut self, now: WallTime) {
        self.times.retain(|_, last| *last >= now.0);
        self.times.shrink_to(0);
    }

    /// Two of one resource that were seen now were seen one after the other.
    fn placed(&mut self, api: &ApiState, mut observation: Observation) -> (u64, Observation) {
        let index = self.next;
        self.next += 1;
        let id = &observation.resource_id;
        if observation.observed_at.is_none() && id.len() <= SHOWN_ID {
            if self.times.len() == REMEMBERED {
                self.times.clear();
            }
            let last = self.times.entry(id.clone()).or_default();
            *last = api.shards().now().0.max(*last + 1);
            observation.observed_at = Some(show::timestamp(WallTime(*last)));
        }
        (index, observation)
    }
}

type Outcomes = Vec<(u64, String, Result<(), ApiError>)>;

/// Different resources side by side, each one's own in order.
async fn work(api: &ApiState, window: Vec<(u64, Observation)>) -> Outcomes {
    let mut by_resource: BTreeMap<String, Vec<(u64, Observation)>> = BTreeMap::new();
    for (index, observation) in window {
        let id = observation.resource_id.chars().take(SHOWN_ID).collect();
        by_resource.entry(id).or_default().push((index, observation));
    }
    let each = by_resource.into_iter().map(|(id, observations)| async move {
        let mut outcomes = Vec::with_capacity(observations.len());
        for (index, observation) in observations {
            outcomes.push((index, id.clone(), one(api, observation).await));
        }
        outcomes
    });
    let done = stream::iter(each).buffer_unordered(AT_ONCE).concat().await;
    let mut done: Outcomes = done;
    done.sort_by_key(|(index, ..)| *index);
    done
}

async fn one(api: &ApiState, observation: Observation) -> Result<(), ApiError> {
    let id = reply::resource_id(&observation.resource_id)?;
    let body = body(&observation)?;
    // Who sends more than is taken in waits, and with it its stream.
    let _place = api.pushes().acquire().await;
    resources::observe_by_time(api, &id, &body).await
}

fn tally(
    taken: &mut v1::PushObservationsResponse,
    index: u64,
    resource_id: String,
    outcome: Result<(), ApiError>,
) {
    match outcome {
        Ok(()) => taken.accepted += 1,
        Err(error) => {
            taken.refused += 1;
            if taken.refusals.len() < TOLD {
                let status = Status::from(error);
                let (code, message) = (status.code().into(), status.message().to_owned());
                taken.refusals.push(v1::RefusedObservation { index, resource_id, code, message });
            }
        }
    }
}

/// The observation as REST would have got it, so that it is read by the same rules.
fn body(observation: &v1::PushObservationsRequest) -> Result<Value, ApiError> {
    let mut body = Map::new();
    let outcome = reply::known("outcome", Outcome::try_from(observation.outcome))?;
    let outcome = match outcome {
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
