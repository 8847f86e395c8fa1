//! The subscriptions of the topic, over the administrative interface.

use std::collections::BTreeMap;

use futures_util::future::{BoxFuture, FutureExt};
use model::{WallTime, delivery::SubscribeFrom};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded::byte_serialize;

use super::{
    PulsarSink,
    admin::{Asked, Request},
};
use crate::sink::subscription::{
    Subscription, SubscriptionChange, SubscriptionError, Subscriptions,
};

#[derive(Deserialize)]
struct TopicStats {
    #[serde(default)]
    partitions: BTreeMap<String, PartitionStats>,
}

#[derive(Deserialize)]
struct PartitionStats {
    #[serde(default)]
    subscriptions: BTreeMap<String, SubscriptionStats>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct SubscriptionStats {
    msg_backlog: u64,
    r#type: Option<String>,
    consumers: Vec<Consumer>,
    /// 0 where there is none yet.
    last_acked_timestamp: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Consumer {
    consumer_name: String,
}

impl Subscriptions for PulsarSink {
    fn list(&self) -> BoxFuture<'_, Result<Vec<Subscription>, SubscriptionError>> {
        async move {
            let asked = self.admin.with(&self.access).await?;
            let path =
                format!("persistent/{}/partitioned-stats?perPartition=true", self.topic.path());
            let stats = asked.get_large::<TopicStats>(&path).await?;
            Ok(stats.map(together).unwrap_or_default())
        }
        .boxed()
    }

    fn change<'a>(
        &'a self,
        name: &'a str,
        change: SubscriptionChange,
    ) -> BoxFuture<'a, Result<(), SubscriptionError>> {
        async move {
            let asked = self.admin.with(&self.access).await?;
            let escaped: String = byte_serialize(name.as_bytes()).collect();
            // A form writes a space as no path does.
            let escaped = escaped.replace('+', "%20");
            let path = format!("persistent/{}/subscription/{escaped}", self.topic.path());
            match change {
                SubscriptionChange::Create(from) => {
                    create(&asked, &path, name, from).await?;
                    match from {
                        SubscribeFrom::Time(_) => reset(&asked, &path, name, from).await,
                        SubscribeFrom::Oldest | SubscribeFrom::Latest => Ok(()),
                    }
                }
                SubscriptionChange::Reset(from) => reset(&asked, &path, name, from).await,
                SubscriptionChange::Delete => {
                    ask(&asked, name, Request::new(Method::DELETE, &path)).await
                }
            }
        }
        .boxed()
    }
}

/// A partition each has its own part of a subscription.
fn together(stats: TopicStats) -> Vec<Subscription> {
    let mut found: BTreeMap<String, (Subscription, Vec<String>)> = BTreeMap::new();
    for (name, part) in stats.partitions.into_values().flat_map(|part| part.subscriptions) {
        let (whole, consumers) = found.entry(name.clone()).or_insert_with(|| {
            let (kind, last_acknowledged) = (None, None);
            (Subscription { name, kind, consumers: 0, backlog: 0, last_acknowledged }, Vec::new())
        });
        whole.backlog += part.msg_backlog;
        whole.kind = whole.kind.take().or(part.r#type);
        let acknowledged = Some(part.last_acked_timestamp).filter(|at| *at > 0).map(WallTime);
        whole.last_acknowledged = whole.last_acknowledged.max(acknowledged);
        consumers.extend(part.consumers.into_iter().map(|consumer| consumer.consumer_name));
    }
    let count = |(mut whole, mut consumers): (Subscription, Vec<String>)| {
        consumers.sort_unstable();
        consumers.dedup();
        whole.consumers = consumers.len() as u64;
        whole
    };
    found.into_values().map(count).collect()
}

/// The position counts for all partitions: that before the first message, or after the last.
async fn create(
    asked: &Asked<'_>,
    path: &str,
    name: &str,
    from: SubscribeFrom,
) -> Result<(), SubscriptionError> {
    let end = match from {
        SubscribeFrom::Oldest | SubscribeFrom::Time(_) => -1,
        SubscribeFrom::Latest => i64::MAX,
    };
    let position = json!({"ledgerId": end, "entryId": end, "partitionIndex": -1});
    let request = Request::new(Method::PUT, path).with_json(&position);
    ask(asked, name, request).await
}

async fn reset(
    asked: &Asked<'_>,
    path: &str,
    name: &str,
    from: SubscribeFrom,
) -> Result<(), SubscriptionError> {
    let path = match from {
        SubscribeFrom::Latest => format!("{path}/skip_all"),
        SubscribeFrom::Oldest => format!("{path}/resetcursor/0"),
        SubscribeFrom::Time(time) => format!("{path}/resetcursor/{}", time.0.max(0)),
    };
    ask(asked, name, Request::new(Method::POST, &path)).await
}

async fn ask(asked: &Asked<'_>, name: &str, request: Request<'_>) -> Result<(), SubscriptionError> {
    let path = request.path;
    let answer = asked.send(request).await?;
    let conflict = |problem: &str, remedy| {
        let (name, problem) = (name.to_owned(), problem.to_owned());
        Err(SubscriptionError::Conflict { name, problem, remedy })
    };
    match answer.status() {
        StatusCode::NOT_FOUND => Err(SubscriptionError::NoSuch(name.to_owned())),
        StatusCode::CONFLICT => {
            conflict("it is there already", "reset it where it is to go on elsewhere")
        }
        StatusCode::PRECONDITION_FAILED => {
            conflict("consumers are connected", "stop them, and try again")
        }
        _ => Ok(asked.well(path, answer).await.map(drop)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_subscription_make_one() {
        let part = |backlog: u64, at: i64, consumer: &str| {
            json!({"subscriptions": {"s": {"msgBacklog": backlog, "type": "Failover",
                "lastAckedTimestamp": at, "consumers": [{"consumerName": consumer}]}}})
        };
        let stats = json!({"partitions": {"p0": part(3, 0, "a"), "p1": part(4, 7, "b"),
            "p2": part(0, 5, "a"), "p3": {"subscriptions": {"new": {}}}}});
        let found = together(serde_json::from_value(stats).unwrap());
        assert_eq!(
            found[1],
            Subscription {
                name: "s".to_owned(),
                kind: Some("Failover".to_owned()),
                consumers: 2,
                backlog: 7,
                last_acknowledged: Some(WallTime(7)),
            }
        );
        assert_eq!((found[0].name.as_str(), &found[0].kind), ("new", &None));
    }
}
