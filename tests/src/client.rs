//! A client of the REST contract, as an outsider would write it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;

use crate::watch::Watch;

const RESOURCES: &str = "/api/v1/infrastructure/resources";
const MAINTENANCE: &str = "/api/v1/infrastructure/maintenance";
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most pages that a list is followed for.
const MAX_PAGES: usize = 1_000;

/// A client of one node.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
    patience: Duration,
}

/// An answer of any status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: String,
}

impl Answer {
    /// The body as JSON, null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn may_succeed_later(&self) -> bool {
        matches!(self.status.as_u16(), 429 | 502 | 503 | 504 | 507)
    }

    /// The answer itself where its status is 2xx.
    ///
    /// # Errors
    /// Shows status and body where it is not.
    pub fn success(self) -> Result<Self> {
        ensure!(self.status.is_success(), "{}: {}", self.status, self.text);
        Ok(self)
    }
}

impl Client {
    /// A client of the node at `base`, such as `http://127.0.0.1:7420`.
    ///
    /// # Panics
    /// Where the machine has no TLS roots, which a client wants even for plain HTTP.
    #[must_use]
    pub fn new(base: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a plain client is built");
        Self { base: base.to_owned(), http, patience: TIMEOUT }
    }

    /// One that waits so long for an answer.
    #[must_use]
    pub fn patient(&self, patience: Duration) -> Self {
        Self { patience, ..self.clone() }
    }

    /// Any request.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Answer> {
        let mut request =
            self.http.request(method, format!("{}{path}", self.base)).timeout(self.patience);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, text: response.text().await? })
    }

    /// A GET.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, &[], None).await
    }

    /// Whether the node says that it is ready.
    pub async fn is_ready(&self) -> bool {
        self.get("/readyz").await.is_ok_and(|answer| answer.status.is_success())
    }

    /// Declares a resource.
    ///
    /// # Errors
    /// Where no answer came, which says nothing about what was done.
    pub async fn put(&self, id: &str, declaration: &Value, key: &str) -> Result<Answer> {
        let path = format!("{RESOURCES}/{id}");
        let headers = [("idempotency-key", key)];
        self.send(Method::PUT, &path, &headers, Some(declaration.to_string())).await
    }

    /// Declares a resource and repeats the request with the same key until it is acknowledged,
    /// through kills and restarts of the node. Returns how many tries it took.
    ///
    /// # Errors
    /// Where the declaration is refused, or `limit` has passed.
    pub async fn put_until_acknowledged(
        &self,
        id: &str,
        declaration: &Value,
        key: &str,
        limit: Duration,
    ) -> Result<u32> {
        let started = Instant::now();
        for tries in 1.. {
            let why = match self.put(id, declaration, key).await {
                Ok(answer) if answer.status.is_success() => return Ok(tries),
                Ok(answer) if answer.may_succeed_later() => answer.text,
                Ok(answer) => bail!("{id} is refused: {} {}", answer.status, answer.text),
                Err(lost) => lost.to_string(),
            };
            ensure!(started.elapsed() < limit, "{id} is not acknowledged in {limit:?}: {why}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!("{id} was tried too often")
    }

    /// Removes a resource.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn delete(&self, id: &str, key: &str) -> Result<Answer> {
        let path = format!("{RESOURCES}/{id}");
        self.send(Method::DELETE, &path, &[("idempotency-key", key)], None).await
    }

    /// One resource.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn resource(&self, id: &str) -> Result<Value> {
        Ok(self.get(&format!("{RESOURCES}/{id}")).await?.success()?.json())
    }

    /// All resources that a filter selects, such as `labels=team%3Dshop`, over all pages.
    ///
    /// # Errors
    /// Where a page is not answered, or is no list.
    pub async fn list(&self, filter: &str) -> Result<Vec<Value>> {
        let mut path = format!("{RESOURCES}?{filter}");
        let mut rows = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = self.get(&path).await?.success()?;
            let Value::Array(found) = page.json() else { bail!("not a list: {}", page.text) };
            rows.extend(found);
            match page.header("link").and_then(next_page) {
                Some(next) => path = next.strip_prefix(&self.base).unwrap_or(&next).to_owned(),
                None => return Ok(rows),
            }
        }
        bail!("more than {MAX_PAGES} pages")
    }

    /// The coverage of the last hour, of one resource or of all.
    ///
    /// # Errors
    /// Where it is not answered.
    pub async fn coverage(&self, id: Option<&str>) -> Result<Value> {
        let filter = id.map(|id| format!("&resource_id={id}")).unwrap_or_default();
        Ok(self.get(&format!("/api/v1/coverage?since=1h{filter}")).await?.success()?.json())
    }

    /// The transitions of a resource after a sequence, oldest first.
    ///
    /// # Errors
    /// Where they are not answered.
    pub async fn events(&self, id: &str, after: u64) -> Result<Vec<Value>> {
        let path = format!("{RESOURCES}/{id}/events?after={after}&limit=1000");
        let answer = self.get(&path).await?.success()?;
        answer.json().as_array().cloned().context("not a list of events")
    }

    /// Opens a watch, from a cursor or from the beginning. `filter` is a query such as
    /// `resource_type=HOST`.
    ///
    /// # Errors
    /// Where it is refused; 410 means that the cursor is too old.
    pub async fn watch(&self, cursor: Option<&str>, filter: &str) -> Result<Watch> {
        let url = format!("{}/api/v1/infrastructure/watch?{filter}", self.base);
        let mut request = self.http.get(url).header("accept", "text/event-stream");
        if let Some(cursor) = cursor {
            request = request.header("last-event-id", cursor);
        }
        let response = request.send().await?;
        let status = response.status();
        if !status.is_success() {
            bail!("{status}: {}", response.text().await.unwrap_or_default());
        }
        Ok(Watch::new(response))
    }

    /// Tells what was seen of a push-fed resource.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn observe(&self, id: &str, observation: &Value) -> Result<Answer> {
        let path = format!("{RESOURCES}/{id}/observations");
        self.send(Method::POST, &path, &[], Some(observation.to_string())).await
    }

    /// Puts a maintenance window in force.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn put_maintenance(&self, name: &str, window: &Value) -> Result<Answer> {
        let path = format!("{MAINTENANCE}/{name}");
        self.send(Method::PUT, &path, &[], Some(window.to_string())).await
    }

    /// Ends a maintenance window.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn end_maintenance(&self, name: &str) -> Result<Answer> {
        self.send(Method::DELETE, &format!("{MAINTENANCE}/{name}"), &[], None).await
    }

    /// The value of one of the node's own metrics that has no labels.
    ///
    /// # Errors
    /// Where there is no such metric.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let text = self.get("/metrics").await?.success()?.text;
        let line = text.lines().find(|line| line.split([' ', '{']).next() == Some(name));
        let value = line.and_then(|line| line.rsplit(' ').next());
        value.and_then(|v| v.parse().ok()).with_context(|| format!("no metric {name} in:\n{text}"))
    }
}

/// The target of `rel="next"` in a `Link` header (RFC 8288).
fn next_page(link: &str) -> Option<String> {
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    Some(next.split_once('<')?.1.split_once('>')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_other_links() {
        let link = "</a?x=1>; rel=\"prev\", </b?continue=c>; rel=\"next\"";
        assert_eq!(next_page(link).as_deref(), Some("/b?continue=c"));
        assert_eq!(next_page("</a>; rel=\"prev\""), None);
    }
}
