//! An API over shards in memory, and what asks it.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Request, StatusCode},
};
use bellwether_api::{ApiState, Hooks, Limits, router};
use http_body_util::BodyExt;
use model::{
    Owner, WallTime,
    decode::Problems,
    spec::{Defaults, Origin, SpecDecoder},
};
use raft::{Options, Precondition, Registration, Shards};
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const RESOURCES: &str = "/api/v1/infrastructure/resources";
pub(crate) const WATCH: &str = "/api/v1/infrastructure/watch";

pub(crate) struct App {
    pub(crate) router: Router,
    pub(crate) shards: Shards,
    pub(crate) hooks: Hooks,
    state: ApiState,
    /// When the last report claims to have been made.
    reported: AtomicI64,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl App {
    pub(crate) async fn start() -> Self {
        let limits = Limits { heartbeat: Duration::from_millis(200), ..Limits::default() };
        Self::with(Hooks { limits, ..Hooks::default() }).await
    }

    pub(crate) async fn with(hooks: Hooks) -> Self {
        Self::over(Options::in_memory("home", 4), hooks).await
    }

    pub(crate) async fn over(options: Options, hooks: Hooks) -> Self {
        let shards = Shards::open(options).await.unwrap();
        let state = ApiState::new(shards.clone(), hooks.clone());
        let reported = AtomicI64::new(0);
        Self { router: router(state.clone()), shards, hooks, state, reported }
    }

    /// For another listener of the same node.
    pub(crate) fn state(&self) -> ApiState {
        self.state.clone()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn call(&self, method: &str, path: &str) -> Answer {
        self.send(request(method, path, &[])).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(request("GET", path, headers)).await
    }

    pub(crate) async fn json(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        self.text(method, path, headers, &body.to_string()).await
    }

    pub(crate) async fn text(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = request(method, path, headers);
        *request.body_mut() = Body::from(body.to_owned());
        let json = "application/json".parse().unwrap();
        request.headers_mut().entry("content-type").or_insert(json);
        self.send(request).await
    }

    /// Declares a push-fed resource over the API.
    pub(crate) async fn declare(&self, id: &str, more: Value) -> Answer {
        self.json("PUT", &format!("{RESOURCES}/{id}"), &[], &push_fed(id, more)).await
    }

    /// Reports for a push-fed resource, so that its health changes at once.
    pub(crate) async fn report(&self, id: &str, outcome: &str, metrics: Value) -> Answer {
        // Two reports of one millisecond would not move forward.
        let now = self.shards.now().0.max(self.reported.load(Ordering::Relaxed) + 1);
        self.reported.store(now, Ordering::Relaxed);
        let body = json!({"outcome": outcome, "message": "as reported", "metrics": metrics,
            "observed_at": WallTime(now).to_string()});
        self.json("POST", &format!("{RESOURCES}/{id}/observations"), &[], &body).await
    }

    /// Declares a resource as the configuration would.
    pub(crate) async fn configure(&self, id: &str) {
        let (defaults, secrets) = (Defaults::default(), std::collections::BTreeSet::new());
        let decoder = SpecDecoder {
            defaults: &defaults,
            origin: Origin::Config,
            node: "n1",
            region: None,
            secrets: &secrets,
        };
        let problems = Problems::default();
        let id = id.parse().unwrap();
        let body = json!({"type": "HOST", "name": "n1", "check": {"host": {}}});
        let spec = decoder.decode(&body, "", Some(&id), &problems).unwrap();
        let precondition = Precondition::None;
        let registration = Registration { spec, owner: Owner::Config, precondition };
        self.shards.declare(registration, None).await.unwrap();
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"));
        value.to_str().unwrap()
    }

    /// Checks that this is a problem with a status, and returns its detail.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["type"].as_str().unwrap().starts_with("urn:bellwether:problem:"));
        assert!(!problem["title"].as_str().unwrap().is_empty());
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert!(self.headers.contains_key("bellwether-revision"));
        if status == 429 || status == 503 {
            assert!(self.headers.contains_key("retry-after"));
        }
        problem["detail"].as_str().unwrap().to_owned()
    }
}

/// A push-fed resource whose health follows the first report.
pub(crate) fn push_fed(name: &str, more: Value) -> Value {
    let mut body = json!({"type": "SERVICE", "name": name, "failures": 1, "successes": 1,
        "check": {"push": {"ttl": "1h"}}});
    let Value::Object(more) = more else { panic!("an object") };
    body.as_object_mut().unwrap().extend(more);
    body
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}
