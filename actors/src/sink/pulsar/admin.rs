//! The broker's administrative interface: has the topic as it must be.

use std::{collections::BTreeMap, time::Duration};

use reqwest::{Client, Method, Response, StatusCode, header::LOCATION};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::sleep};
use tracing::{debug, info};
use url::Url;
use uuid::Uuid;

use super::{
    PulsarTarget,
    access::Access,
    address::{Address, shown},
    http,
    place::{Place, TopicName},
    wire::short,
};
use crate::sink::SinkError;

/// Where brokers are administered usually, without TLS and with it.
const PORT: u16 = 8080;
const TLS_PORT: u16 = 8443;
/// The property that names a topic's life: one that was deleted and made again has another.
const LIFE: &str = "bellwether-life";
/// How often a call may be sent on.
const HOPS: usize = 5;
/// The most bytes of what is told of a topic.
const MOST_STATS: usize = 8 << 20;
/// Longer than two nodes that name a topic at the same time are apart.
const SETTLED: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Admin {
    base: Url,
    /// Shards of a node name a topic's life one after the other.
    naming: Mutex<()>,
}

/// What one is asked on behalf of who shows a token.
pub(super) struct Asked<'a> {
    base: &'a Url,
    http: Client,
    naming: &'a Mutex<()>,
    access: &'a Access,
    token: Option<String>,
}

/// What is asked for.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    /// Its kind and itself.
    body: Option<(&'static str, String)>,
}

impl<'a> Request<'a> {
    pub(super) fn new(method: Method, path: &'a str) -> Self {
        Self { method, path, body: None }
    }

    pub(super) fn with_json(self, body: &Value) -> Self {
        Self { body: Some(("application/json", body.to_string())), ..self }
    }
}

/// That of a target.
pub(super) fn of(target: &PulsarTarget) -> Result<Admin, SinkError> {
    let Address { host, is_secure, .. } = Address::parse(&target.url)?;
    let usual = || match is_secure {
        true => format!("https://{host}:{TLS_PORT}"),
        false => format!("http://{host}:{PORT}"),
    };
    Admin::new(&target.admin_url.clone().unwrap_or_else(usual))
}

impl Admin {
    pub(super) fn new(url: &str) -> Result<Self, SinkError> {
        let unfit = |problem: String| SinkError::Unfit {
            place: shown(url),
            problem,
            remedy: "write the administrative address as http://HOST:PORT or https://HOST:PORT",
        };
        let base = Url::parse(url).map_err(|error| unfit(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(unfit("it is not an address of HTTP".to_owned()));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(SinkError::Unfit {
                place: "the administrative address".to_owned(),
                problem: "it holds a user or password".to_owned(),
                remedy: "put a token into a file, and name it as token_file",
            });
        }
        Ok(Self { base, naming: Mutex::default() })
    }

    pub(super) async fn with<'a>(&'a self, access: &'a Access) -> Result<Asked<'a>, SinkError> {
        let Self { base, naming } = self;
        let tls = if base.scheme() == "https" { Some(access.tls().await?) } else { None };
        let http = http::client(tls.as_ref()).map_err(|problem| SinkError::Unavailable {
            place: base.to_string(),
            problem,
            remedy: "look at the node's log; it is tried again by itself",
        })?;
        let token = access.shown().await?.token().map(str::to_owned);
        Ok(Asked { base, http, naming, access, token })
    }
}

impl Asked<'_> {
    /// Has the topic with as many partitions as there are shards, and nothing that drops messages.
    pub(super) async fn topic(&self, topic: &TopicName, shards: u32) -> Result<(), SinkError> {
        let present = match self.partitions(topic).await? {
            0 => self.create(topic, shards).await?,
            present => present,
        };
        if present == 0 {
            return Err(SinkError::Unfit {
                place: topic.to_string(),
                problem: "there is a topic of this name without partitions".to_owned(),
                remedy: "delete it, which a consumer that came first may have made, or give the sink another topic",
            });
        }
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
    pub(super) async fn partitions(&self, topic: &TopicName) -> Result<u32, SinkError> {
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
        let request = Request::new(Method::PUT, &path).with_json(&json!({ LIFE: new_life() }));
        let answer = self.send(request).await?;
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
        self.read(path, http::MOST).await
    }

    /// The same of what grows with partitions and consumers.
    pub(super) async fn get_large<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<T>, SinkError> {
        self.read(path, MOST_STATS).await
    }

    async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        most: usize,
    ) -> Result<Option<T>, SinkError> {
        let answer = self.send(Request::new(Method::GET, path)).await?;
        if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::NO_CONTENT) {
            return Ok(None);
        }
        let text = self.text(path, answer, most).await?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        serde_json::from_str(&text).map(Some).map_err(|_| self.odd(path))
    }

    /// Asks, and goes where it is sent on to.
    pub(super) async fn send(&self, asked: Request<'_>) -> Result<Response, SinkError> {
        let mut url = self.url(asked.path)?;
        for _ in 0..HOPS {
            let answer = self.once(&url, &asked).await?;
            let is_sent_on = matches!(
                answer.status(),
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
            );
            let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            url = match to.filter(|_| is_sent_on).map(|to| url.join(to)) {
                None => return Ok(answer),
                // A token that was to stay behind TLS must not leave it.
                Some(Ok(next)) if next.scheme() == self.base.scheme() => next,
                Some(_) => {
                    let problem = "it sends callers on to where there is no TLS, or to no address";
                    return Err(self.failed(asked.path, problem.to_owned()));
                }
            };
        }
        Err(self.failed(asked.path, "brokers send each other's callers round".to_owned()))
    }

    fn url(&self, path: &str) -> Result<Url, SinkError> {
        let text = format!("{}/admin/v2/{path}", self.base.as_str().trim_end_matches('/'));
        Url::parse(&text).map_err(|error| self.failed(path, error.to_string()))
    }

    async fn once(&self, url: &Url, asked: &Request<'_>) -> Result<Response, SinkError> {
        let mut request = self.http.request(asked.method.clone(), url.clone());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some((kind, body)) = &asked.body {
            request = request.header("content-type", *kind).body(body.clone());
        }
        let sent = request.send().await;
        sent.map_err(|error| self.failed(asked.path, http::innermost(&error)))
    }

    /// What it answered, where it is no refusal.
    pub(super) async fn well(&self, path: &str, answer: Response) -> Result<String, SinkError> {
        self.text(path, answer, http::MOST).await
    }

    async fn text(&self, path: &str, answer: Response, most: usize) -> Result<String, SinkError> {
        let status = answer.status();
        let text = http::text(answer, most).await.map_err(|problem| self.failed(path, problem))?;
        let text = text.ok_or_else(|| self.odd(path))?;
        if status.is_success() {
            return Ok(text);
        }
        let problem = format!("{status}: {}", reason_in(&text));
        Err(match status {
            StatusCode::UNAUTHORIZED => {
                self.access.refused();
                self.unfit(path, problem, "give the sink a token that is valid")
            }
            StatusCode::FORBIDDEN => self.unfit(
                path,
                problem,
                "let the sink's role administer the tenant, or make the topic for it, as docs/events.md says",
            ),
            _ => self.failed(path, problem),
        })
    }

    /// Why it refuses, in its own words.
    pub(super) async fn reason(&self, answer: Response) -> String {
        let text = http::text(answer, http::MOST).await.ok().flatten();
        reason_in(&text.unwrap_or_default())
    }

    fn unfit(&self, path: &str, problem: String, remedy: &'static str) -> SinkError {
        SinkError::Unfit { place: self.place(path), problem, remedy }
    }

    fn place(&self, path: &str) -> String {
        format!("{}/admin/v2/{path}", self.base.as_str().trim_end_matches('/'))
    }

    fn failed(&self, path: &str, problem: String) -> SinkError {
        SinkError::Unavailable {
            place: self.place(path),
            problem,
            remedy: "check that the broker runs and that the namespace exists; it is tried again by itself",
        }
    }

    fn odd(&self, path: &str) -> SinkError {
        self.failed(path, "it answered something that is not understood".to_owned())
    }
}

fn reason_in(text: &str) -> String {
    let told: Value = serde_json::from_str(text).unwrap_or_default();
    short(told["reason"].as_str().unwrap_or_else(|| text.lines().next().unwrap_or_default()))
}

fn new_life() -> String {
    Uuid::new_v4().simple().to_string()
}
