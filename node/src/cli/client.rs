//! The client of the REST contract.

use std::time::Duration;

use reqwest::{
    Method, Response, StatusCode, Url,
    header::{HeaderMap, LINK, RETRY_AFTER},
};
use serde_json::Value;

use super::error::{CliError, Refusal};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take, body included.
const ANSWER: Duration = Duration::from_secs(30);
/// A watch that says nothing for so long is taken for dead; keep-alives come far more often.
const SILENCE: Duration = Duration::from_secs(60);
/// The largest answer, in bytes.
const MAX_BODY: usize = 64 << 20;
/// The most pages that a list is followed for.
const MAX_PAGES: usize = 10_000;

/// The paths of the contract, part by part.
pub(crate) const RESOURCES: [&str; 4] = ["api", "v1", "infrastructure", "resources"];
/// Maintenance windows.
pub(crate) const MAINTENANCE: [&str; 4] = ["api", "v1", "infrastructure", "maintenance"];
/// The stream of changes.
pub(crate) const WATCH: [&str; 4] = ["api", "v1", "infrastructure", "watch"];

/// Parameters of a query.
pub(crate) type Query = Vec<(&'static str, String)>;

/// Asks one node.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    base: Url,
    http: reqwest::Client,
}

/// An answer that is no error.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body; null where there is none.
    pub(crate) body: Value,
}

impl Client {
    /// A client of the node at `base`.
    ///
    /// # Errors
    /// Where this machine has no trusted certificates at all.
    pub(crate) fn new(base: Url) -> Result<Self, CliError> {
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .user_agent(concat!("bellwether/", env!("CARGO_PKG_VERSION")));
        let local = base.host_str().is_some_and(|host| {
            let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
            host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
        });
        if local {
            // A proxy knows another localhost.
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|e| CliError::Failed(format!("cannot set up HTTPS: {}", causes(&e))))?;
        Ok(Self { base, http })
    }

    /// The node.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// A GET of `path` and, below it, `rest`.
    ///
    /// # Errors
    /// As [`CliError`] says.
    pub(crate) async fn get(
        &self,
        path: &[&str],
        rest: &[&str],
        query: &Query,
    ) -> Result<Answer, CliError> {
        self.send(Method::GET, self.url(path, rest, query), None).await
    }

    /// A PUT, or a DELETE where there is no body.
    ///
    /// # Errors
    /// As [`CliError`] says.
    pub(crate) async fn write(
        &self,
        path: &[&str],
        name: &str,
        body: Option<&Value>,
    ) -> Result<Answer, CliError> {
        let method = if body.is_some() { Method::PUT } else { Method::DELETE };
        self.send(method, self.url(path, &[name], &Query::new()), body).await
    }

    /// A POST without a body to `path` and, below it, `rest`.
    ///
    /// # Errors
    /// As [`CliError`] says.
    pub(crate) async fn post(
        &self,
        path: &[&str],
        rest: &[&str],
        query: &Query,
    ) -> Result<Answer, CliError> {
        self.send(Method::POST, self.url(path, rest, query), None).await
    }

    /// A PUT without a body to `path` and, below it, `rest`.
    ///
    /// # Errors
    /// As [`CliError`] says.
    pub(crate) async fn put(
        &self,
        path: &[&str],
        rest: &[&str],
        query: &Query,
    ) -> Result<Answer, CliError> {
        self.send(Method::PUT, self.url(path, rest, query), None).await
    }

    /// A DELETE of `path` and, below it, `rest`.
    ///
    /// # Errors
    /// As [`CliError`] says.
    pub(crate) async fn delete(&self, path: &[&str], rest: &[&str]) -> Result<Answer, CliError> {
        self.send(Method::DELETE, self.url(path, rest, &Query::new()), None).await
    }

    /// The pages of a list, until `most` items are there.
    ///
    /// # Errors
    /// As [`CliError`] says.
    pub(crate) async fn list(
        &self,
        path: &[&str],
        rest: &[&str],
        query: &Query,
        most: usize,
    ) -> Result<Vec<Value>, CliError> {
        let mut url = self.url(path, rest, query);
        let mut rows = Vec::new();
        for _ in 0..MAX_PAGES {
            let answer = self.send(Method::GET, url.clone(), None).await?;
            let Value::Array(page) = answer.body else {
                return Err(CliError::Failed(format!("{url} answers no list")));
            };
            rows.extend(page);
            if rows.len() >= most {
                rows.truncate(most);
                return Ok(rows);
            }
            let next = answer.headers.get(LINK).and_then(|link| next_page(link.to_str().ok()?));
            match next.map(|next| self.base.join(&next)) {
                None => return Ok(rows),
                // A token of ours must not go to another machine.
                Some(Ok(next)) if next.origin() == self.base.origin() => url = next,
                Some(_) => return Err(CliError::Failed(format!("{url} links to another machine"))),
            }
        }
        Err(CliError::Failed(format!("more than {MAX_PAGES} pages; narrow the selection")))
    }

    /// Opens the stream of changes.
    ///
    /// # Errors
    /// As [`CliError`] says.
    pub(crate) async fn watch(
        &self,
        query: &Query,
        last_event_id: Option<&str>,
    ) -> Result<Response, CliError> {
        let url = self.url(&WATCH, &[], query);
        let mut request = self.http.get(url).header("accept", "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.read(response).await.err().unwrap_or_else(|| {
            CliError::Failed("the node answers a watch with something else".to_owned())
        }))
    }

    fn url(&self, path: &[&str], rest: &[&str], query: &Query) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(path).extend(rest);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<Answer, CliError> {
        let mut request = self.http.request(method, url).timeout(ANSWER);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        self.read(response).await
    }

    async fn read(&self, mut response: Response) -> Result<Answer, CliError> {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.unreachable(&e))? {
            if body.len() + chunk.len() > MAX_BODY {
                let limit = MAX_BODY >> 20;
                return Err(CliError::Failed(format!("the answer is larger than {limit} MiB")));
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            let retry = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            return Err(CliError::Refused(Refusal::read(status, retry, &body)));
        }
        let body = match body.is_empty() || status == StatusCode::NO_CONTENT {
            true => Value::Null,
            false => serde_json::from_slice(&body).map_err(|_| {
                CliError::Failed(format!("{} answers no JSON; is it a bellwether node?", self.base))
            })?,
        };
        Ok(Answer { headers, body })
    }

    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        let base = &self.base;
        let what = match (error.is_connect(), error.is_timeout()) {
            (_, true) => format!("{base} does not answer in time"),
            (true, _) => format!("no node answers at {base}: {}", causes(error)),
            _ => format!("the connection to {base} broke: {}", causes(error)),
        };
        CliError::Unreachable(format!(
            "{what}\nstart a node with `bellwether run`, or name another with --server URL or BELLWETHER_SERVER"
        ))
    }
}

/// The innermost cause says most.
fn causes(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

/// The target of `rel="next"` (RFC 8288).
fn next_page(link: &str) -> Option<String> {
    link.split(',').find_map(|part| {
        let (target, parameters) = part.trim().strip_prefix('<')?.split_once('>')?;
        let next = parameters.split(';').any(|p| {
            p.trim().strip_prefix("rel=").is_some_and(|rel| rel.trim_matches('"') == "next")
        });
        next.then(|| target.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_links() {
        let link = "</a?x=1>; rel=\"prev\", </a?continue=b%2C>; title=x; rel=\"next\"";
        assert_eq!(next_page(link).as_deref(), Some("/a?continue=b%2C"));
        assert_eq!(next_page("</a>; rel=prev"), None);
        assert_eq!(next_page(""), None);
    }

    #[test]
    fn ids_and_queries_are_encoded() {
        let client = Client::new("http://127.0.0.1:1/base/".parse().unwrap()).unwrap();
        let query = vec![("labels", "a in (b,c)".to_owned())];
        let url = client.url(&RESOURCES, &["a/b@c:d", "events"], &query);
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:1/base/api/v1/infrastructure/resources/a%2Fb@c:d/events?labels=a+in+%28b%2Cc%29"
        );
    }
}
