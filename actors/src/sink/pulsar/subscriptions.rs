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
    /// It may be negative for a moment.
    msg_backlog: i64,
    r#type: Option<String>,
    consumers: Vec<Consumer>,
    /// 0 where there is none yet.
    last_acked_timestamp: i64,
    /// Readers have subscriptions that are gone with them.
    is_durable: Option<bool>,
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
            if matches!(name, "." | "..") {
                return Err(SubscriptionError::NoSuch(name.to_owned()));
            }
            let asked = self.admin.with(&self.access).await?;
            let escaped: String = byte_serialize(name.as_bytes()).collect();
            // A form writes a space as no path does.
            let escaped = escaped.replace('+', "%20");
            let path = format!("persistent/{}/subscription/{escaped}", self.topic.path());
            match change {
                SubscriptionChange::Create(from) => {
                    // A broker may make a topic of another kind for a subscription.
                    asked.topic(&self.topic, self.settings.shards).await?;
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
    let parts = stats.partitions.into_values().flat_map(|part| part.subscriptions);
    for (name, part) in parts.filter(|(_, part)| part.is_durable != Some(false)) {
        let (whole, consumers) = found.entry(name.clone()).or_insert_with(|| {
            let (kind, last_acknowledged) = (None, None);
            (Subscription { name, kind, consumers: 0, backlog: 0, last_acknowledged }, Vec::new())
        });
        whole.backlog += u64::try_from(part.msg_backlog).unwrap_or(0);
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
    let (path, is_deletion) = (request.path, request.method == Method::DELETE);
    let answer = asked.send(request).await?;
    let status = answer.status();
    let conflict = |problem: String, remedy| {
        Err(SubscriptionError::Conflict { name: name.to_owned(), problem, remedy })
    };
    match status {
        StatusCode::NOT_FOUND => Err(SubscriptionError::NoSuch(name.to_owned())),
        StatusCode::CONFLICT => {
            conflict("it is there already".to_owned(), "reset it where it is to go on elsewhere")
        }
        StatusCode::PRECONDITION_FAILED if is_deletion => {
            conflict("consumers are connected".to_owned(), "stop them, and try again")
        }
        StatusCode::PRECONDITION_FAILED => {
            conflict(asked.reason(answer).await, "try again in a moment")
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
            "p2": part(0, 5, "a"), "p3": {"subscriptions": {"new": {"msgBacklog": -1}, "reader": {"isDurable": false}}}}});
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
        assert_eq!((found[0].name.as_str(), &found[0].kind, found[0].backlog), ("new", &None, 0));
        assert_eq!(found.len(), 2);
    }
}
