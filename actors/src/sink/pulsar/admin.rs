//! The broker's administrative interface: has the topic as it must be.

use std::{collections::BTreeMap, error::Error, time::Duration};

use reqwest::{Client, Method, Response, StatusCode, header::LOCATION, redirect::Policy};
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::sleep};
use tracing::{debug, info};
use uuid::Uuid;

use super::{
    place::{Place, TopicName},
    wire::short,
};
use crate::sink::SinkError;

/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(20);
/// The property that names a topic's life: one that was deleted and made again has another.
const LIFE: &str = "bellwether-life";
/// How often a call may be sent on.
const HOPS: usize = 5;
/// Longer than two nodes that name a topic at the same time are apart.
const SETTLED: Duration = Duration::from_secs(2);
/// The most bytes of an answer that are read.
const MOST: usize = 64 << 10;

/// See the module.
pub(super) struct Admin {
    base: String,
    http: Client,
    /// Shards of a node name a topic's life one after the other.
    naming: Mutex<()>,
}

/// What one is asked on behalf of who shows a token.
pub(super) struct Asked<'a> {
    base: &'a str,
    http: &'a Client,
    naming: &'a Mutex<()>,
    token: Option<&'a str>,
}

/// What is asked for.
struct Request<'a> {
    method: Method,
    path: &'a str,
    /// Its kind and itself.
    body: Option<(&'static str, String)>,
}

impl Admin {
    pub(super) fn new(url: &str) -> Result<Self, SinkError> {
        let unfit = |problem: String| SinkError::Unfit {
            place: url.to_owned(),
            problem,
            remedy: "write the administrative address as http://HOST:PORT",
        };
        let parsed = url::Url::parse(url).map_err(|error| unfit(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
            return Err(unfit("it is not an address of HTTP".to_owned()));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(SinkError::Unfit {
                place: "the administrative address".to_owned(),
                problem: "it holds a user or password".to_owned(),
                remedy: "put a token into a file, and name it as token_file",
            });
        }
        // A broker sends callers on to the one that serves the topic; reqwest would not take the
        // token along.
        let http = Client::builder().timeout(ANSWER).no_proxy().redirect(Policy::none()).build();
        let http = http.map_err(|error| unfit(error.to_string()))?;
        Ok(Self { base: url.trim_end_matches('/').to_owned(), http, naming: Mutex::default() })
    }

    pub(super) fn with<'a>(&'a self, token: Option<&'a str>) -> Asked<'a> {
        Asked { base: &self.base, http: &self.http, naming: &self.naming, token }
    }
}

impl Asked<'_> {
    /// Has the topic with as many partitions as there are shards, and nothing that drops messages.
    pub(super) async fn topic(&self, topic: &TopicName, shards: u32) -> Result<(), SinkError> {
        let present = match self.partitions(topic).await? {
            0 => self.create(topic, shards).await?,
            present => present,
        };
        if present != shards {
            return Err(SinkError::Unfit {
                place: topic.to_string(),
                problem: format!("it has {present} partitions, the cluster has {shards} shards"),
                remedy: "give the sink another topic",
            });
        }
        self.keeps_what_it_is_sent(topic).await
    }

    /// How many partitions a topic has; 0 where there is no such topic.
    async fn partitions(&self, topic: &TopicName) -> Result<u32, SinkError> {
        let path = format!("persistent/{}/partitions", topic.path());
        let Some(answer) = self.get(&path).await? else { return Ok(0) };
        let count = answer["partitions"].as_u64().and_then(|count| u32::try_from(count).ok());
        count.ok_or_else(|| self.odd(&path))
    }

    /// Creates the topic. Another node may do so at the same time.
    async fn create(&self, topic: &TopicName, shards: u32) -> Result<u32, SinkError> {
        let path = format!("persistent/{}/partitions", topic.path());
        let body = json!({ "partitions": shards, "properties": { LIFE: new_life() } });
        let body = Some(("application/vnd.partitioned-topic-metadata+json", body.to_string()));
        let answer = self.send(Request { method: Method::PUT, path: &path, body }).await?;
        if answer.status() == StatusCode::CONFLICT {
            return self.partitions(topic).await;
        }
        self.well(&path, answer).await?;
        info!(%topic, partitions = shards, "created the topic");
        self.partitions(topic).await
    }

    /// Messages of a new producer have numbers that a former one's had: a broker that drops what it
    /// takes for repeated would drop new events.
    async fn keeps_what_it_is_sent(&self, topic: &TopicName) -> Result<(), SinkError> {
        let path = format!("namespaces/{}/deduplication", topic.namespace());
        let is_on = match self.get(&path).await {
            // Who may only produce and consume is not told. A receipt will show it.
            Err(error @ SinkError::Unfit { .. }) => {
                debug!(%topic, %error, "cannot see whether broker deduplication is on");
                return Ok(());
            }
            answer => answer? == Some(Value::Bool(true)),
        };
        if is_on {
            return Err(SinkError::Unfit {
                place: topic.to_string(),
                problem: "broker deduplication is on for its namespace, and would drop events"
                    .to_owned(),
                remedy: "switch it off: pulsar-admin namespaces set-deduplication --disable TENANT/NAMESPACE",
            });
        }
        Ok(())
    }

    /// The life that the topic says it is of. One that others have made is given one. It counts for a
    /// connection that was opened before: a topic that is deleted later ends that.
    pub(super) async fn life(&self, topic: &TopicName) -> Result<String, SinkError> {
        let _one_at_a_time = self.naming.lock().await;
        let path = format!("persistent/{}/properties", topic.path());
        if let Some(life) = self.named_life(&path).await? {
            return Ok(life);
        }
        let body = Some(("application/json", json!({ LIFE: new_life() }).to_string()));
        let answer = self.send(Request { method: Method::PUT, path: &path, body }).await?;
        self.well(&path, answer).await?;
        // Another node may be naming it at the same time: the last one counts.
        sleep(SETTLED).await;
        self.named_life(&path).await?.ok_or_else(|| self.odd(&path))
    }

    /// The last place that a partition remembers to have given, also where nothing is kept there.
    pub(super) async fn last_position(&self, partition: &str) -> Result<Option<Place>, SinkError> {
        let path = partition.trim_start_matches("persistent://");
        let stats = self.get(&format!("persistent/{path}/internalStats")).await?;
        let stats = stats.unwrap_or_default();
        let written = stats["lastConfirmedEntry"].as_str().unwrap_or_default();
        Ok(Place::read(&format!(":{written}")).map(|(_, place)| place))
    }

    async fn named_life(&self, path: &str) -> Result<Option<String>, SinkError> {
        let properties = self.get(path).await?.unwrap_or_default();
        let properties: BTreeMap<String, Value> =
            serde_json::from_value(properties).unwrap_or_default();
        let life = properties.get(LIFE).and_then(Value::as_str);
        Ok(life.filter(|life| Uuid::try_parse(life).is_ok()).map(str::to_owned))
    }

    /// What stands there; none where there is nothing.
    async fn get(&self, path: &str) -> Result<Option<Value>, SinkError> {
        let answer = self.send(Request { method: Method::GET, path, body: None }).await?;
        if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::NO_CONTENT) {
            return Ok(None);
        }
        let text = self.well(path, answer).await?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        serde_json::from_str(&text).map(Some).map_err(|_| self.odd(path))
    }

    /// Asks, and goes where it is sent on to.
    async fn send(&self, asked: Request<'_>) -> Result<Response, SinkError> {
        let mut url = format!("{}/admin/v2/{}", self.base, asked.path);
        for _ in 0..HOPS {
            let answer = self.once(&url, &asked).await?;
            let is_sent_on = matches!(
                answer.status(),
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
            );
            let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            match to {
                Some(to) if is_sent_on => to.clone_into(&mut url),
                _ => return Ok(answer),
            }
        }
        Err(self.failed(asked.path, "brokers send each other's callers round".to_owned()))
    }

    async fn once(&self, url: &str, asked: &Request<'_>) -> Result<Response, SinkError> {
        let mut request = self.http.request(asked.method.clone(), url);
        if let Some(token) = self.token {
            request = request.bearer_auth(token);
        }
        if let Some((kind, body)) = &asked.body {
            request = request.header("content-type", *kind).body(body.clone());
        }
        let sent = request.send().await;
        sent.map_err(|error| self.failed(asked.path, innermost(&error)))
    }

    /// What it answered, where it is no refusal.
    async fn well(&self, path: &str, mut answer: Response) -> Result<String, SinkError> {
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(piece) =
            answer.chunk().await.map_err(|e| self.failed(path, e.to_string()))?
        {
            body.extend_from_slice(&piece);
            if body.len() > MOST {
                return Err(self.odd(path));
            }
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() {
            return Ok(text);
        }
        let reason: Value = serde_json::from_str(&text).unwrap_or_default();
        let reason = reason["reason"].as_str().unwrap_or_else(|| text.lines().next().unwrap_or(""));
        let problem = format!("{status}: {}", short(reason));
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => SinkError::Unfit {
                place: format!("{}/admin/v2/{path}", self.base),
                problem,
                remedy: "give the sink a token that is valid, and its role the namespace",
            },
            _ => self.failed(path, problem),
        })
    }

    fn failed(&self, path: &str, problem: String) -> SinkError {
        SinkError::Unavailable {
            place: format!("{}/admin/v2/{path}", self.base),
            problem,
            remedy: "check that the broker runs and that the namespace exists; it is tried again by itself",
        }
    }

    fn odd(&self, path: &str) -> SinkError {
        self.failed(path, "it answered something that is not understood".to_owned())
    }
}

/// What went wrong in the end: what reqwest says itself names the address, and no cause.
fn innermost(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => innermost(source),
        None => error.to_string(),
    }
}

fn new_life() -> String {
    Uuid::new_v4().simple().to_string()
}
