//! Bad input gets a problem that names the field: never a 5xx, never a dead node.

use anyhow::{Context, Result, ensure};
use bellwether_tests::{Answer, Client, Config, Node, oracle};
use reqwest::Method;
use serde_json::json;

const RESOURCE: &str = "/api/v1/infrastructure/resources/endpoint:shop";
const LIST: &str = "/api/v1/infrastructure/resources";
const WATCH: &str = "/api/v1/infrastructure/watch";

/// One wrong request and what its answer must say.
struct Case {
    what: &'static str,
    method: Method,
    path: String,
    body: Option<String>,
    status: &'static [u16],
    names: &'static str,
}

fn case(what: &'static str, method: Method, path: &str, names: &'static str) -> Case {
    Case { what, method, path: path.to_owned(), body: None, status: &[400], names }
}

impl Case {
    fn with(mut self, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self
    }

    fn status(mut self, status: &'static [u16]) -> Self {
        self.status = status;
        self
    }

    async fn verdict(&self, client: &Client) -> Result<()> {
        let answer = client.send(self.method.clone(), &self.path, &[], self.body.clone()).await?;
        ensure!(
            self.status.contains(&answer.status.as_u16()),
            "{} instead of {:?}: {}",
            answer.status,
            self.status,
            answer.text
        );
        is_problem(&answer)?;
        ensure!(answer.text.contains(self.names), "{:?} is not named: {}", self.names, answer.text);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_request_gets_a_problem_that_names_what_is_wrong() -> Result<()> {
    let node = Node::start(&Config::new()).await?;
    let client = node.client();
    let mut wrong = Vec::new();
    for case in declarations().into_iter().chain(requests()) {
        if let Err(why) = case.verdict(&client).await {
            wrong.push(format!("{}: {why:#}", case.what));
        }
    }
    oracle::none("bad requests", &wrong)?;
    ensure!(client.is_ready().await, "the node is not ready any more");
    let rows = client.list("").await?;
    ensure!(rows.is_empty(), "something was declared all the same: {rows:?}");
    Ok(())
}

fn declarations() -> Vec<Case> {
    let put = |what, names, body: serde_json::Value| {
        case(what, Method::PUT, RESOURCE, names).with(body.to_string())
    };
    let check = json!({"tcp": {"address": "127.0.0.1:1"}});
    let huge = json!({"type": "ENDPOINT", "name": "x".repeat(1 << 20), "check": check});
    vec![
        case("malformed JSON", Method::PUT, RESOURCE, "detail").with("{\"type\": "),
        case("no object", Method::PUT, RESOURCE, "detail").with("[1, 2]"),
        case("no body", Method::PUT, RESOURCE, "detail").with(""),
        case("deep nesting", Method::PUT, RESOURCE, "detail").with("[".repeat(100_000)),
        case("not UTF-8 escapes", Method::PUT, RESOURCE, "detail").with("{\"name\": \"\\ud800\"}"),
        put("unknown field", "/nmae", json!({"type": "ENDPOINT", "nmae": "x", "check": check})),
        put("missing field", "name", json!({"type": "ENDPOINT", "check": check})),
        put("unknown type", "/type", json!({"type": "ENDPIONT", "name": "x", "check": check})),
        put("wrong kind", "/name", json!({"type": "ENDPOINT", "name": 7, "check": check})),
        put("unknown check", "/check", json!({"type": "ENDPOINT", "name": "x", "check": {"htp": {}}})),
        put("no unit", "/interval", json!({"type": "ENDPOINT", "name": "x", "check": check, "interval": 5})),
        put("negative interval", "/interval", json!({"type": "ENDPOINT", "name": "x", "check": check, "interval": "-5s"})),
        put("interval shorter than timeout", "/timeout", json!({"type": "ENDPOINT", "name": "x", "check": check, "interval": "1s", "timeout": "2s"})),
        put("bad label", "/labels", json!({"type": "ENDPOINT", "name": "x", "check": check, "labels": {"a b": "c"}})),
        put("file of the node", "ca_file", json!({"type": "ENDPOINT", "name": "x", "check": {"http": {"url": "https://127.0.0.1/", "ca_file": "/etc/hosts"}}})),
        put("other id", "/id", json!({"id": "endpoint:other", "type": "ENDPOINT", "name": "x", "check": check})),
        case("number that is not finite", Method::PUT, RESOURCE, "detail").with(
            r#"{"type":"ENDPOINT","name":"x","check":{"icmp":{"host":"a","max_loss_percent":1e999}}}"#,
        ),
        case("key twice", Method::PUT, RESOURCE, "detail").with(
            r#"{"type":"ENDPOINT","name":"x","name":"y","check":{"push":{"ttl":"1m"}}}"#,
        ),
        case("oversized body", Method::PUT, RESOURCE, "detail").with(huge.to_string()).status(&[413]),
    ]
}

fn requests() -> Vec<Case> {
    let get = |what, query: &str, names| case(what, Method::GET, &format!("{LIST}?{query}"), names);
    let long = format!("{LIST}/{}", "x".repeat(10_000));
    let push = format!("{RESOURCE}/observations");
    let maintenance = "/api/v1/infrastructure/maintenance/upgrade";
    vec![
        get("unknown filter", "colour=red", "colour"),
        get("bad selector", "labels=team%20in%20(", "labels"),
        get("bad state", "health_status=ILL", "health_status"),
        get("bad type", "resource_type=HOSTS", "resource_type"),
        get("limit of none", "limit=0", "limit"),
        get("limit too high", "limit=1000000", "limit"),
        get("limit that is no number", "limit=ten", "limit"),
        get("bad page", "continue=%21%21", "continue"),
        get("bad consistency", "consistency=maybe", "consistency"),
        case("bad cursor", Method::GET, &format!("{WATCH}?cursor=nonsense"), "cursor"),
        case("watch with unknown filter", Method::GET, &format!("{WATCH}?colour=red"), "colour"),
        case("coverage of nonsense", Method::GET, "/api/v1/coverage?since=soon", "since"),
        case("10,000-character id", Method::GET, &long, "id").status(&[400, 414]),
        case("10,000-character id declared", Method::PUT, &long, "id")
            .with(
                json!({"type": "ENDPOINT", "name": "x", "check": {"push": {"ttl": "1m"}}})
                    .to_string(),
            )
            .status(&[400, 414]),
        case("id with a slash", Method::GET, &format!("{LIST}/a%2Fb"), "id"),
        case("id that is not UTF-8", Method::GET, &format!("{LIST}/%FF"), "detail"),
        case("unknown resource", Method::GET, RESOURCE, "endpoint:shop").status(&[404]),
        case("unknown path", Method::GET, "/api/v1/nothing", "detail").status(&[404]),
        case("unsupported method", Method::PATCH, RESOURCE, "detail").status(&[405]),
        case("unsupported method on a list", Method::DELETE, LIST, "detail").status(&[405]),
        case("maintenance of nothing", Method::PUT, maintenance, "selector")
            .with(json!({"ends_at": "2030-01-01T00:00:00Z"}).to_string()),
        case("maintenance without an end", Method::PUT, maintenance, "ends_at")
            .with(json!({"selector": "team=shop"}).to_string()),
        case("maintenance with a bad selector", Method::PUT, maintenance, "selector")
            .with(json!({"selector": "team in (", "ends_at": "2030-01-01T00:00:00Z"}).to_string()),
        case("observation of the unknown", Method::POST, &push, "endpoint:shop")
            .with(json!({"outcome": "ok", "observed_at": "2026-01-01T00:00:00Z"}).to_string())
            .status(&[404]),
        case("observation that is not finite", Method::POST, &push, "detail").with(
            r#"{"outcome":"ok","metrics":{"load":1e999},"observed_at":"2026-01-01T00:00:00Z"}"#,
        ),
        case("unknown outcome", Method::POST, &push, "outcome")
            .with(json!({"outcome": "fine", "observed_at": "2026-01-01T00:00:00Z"}).to_string()),
    ]
}

/// RFC 9457 with the fields of our contract.
fn is_problem(answer: &Answer) -> Result<()> {
    let content = answer.header("content-type").unwrap_or_default();
    ensure!(content.starts_with("application/problem+json"), "content-type {content:?}");
    let problem = answer.json();
    for field in ["type", "title", "detail", "request_id"] {
        let text = problem[field].as_str().with_context(|| format!("no {field}: {problem}"))?;
        ensure!(!text.is_empty(), "{field} is empty");
    }
    ensure!(problem["status"] == answer.status.as_u16(), "status differs: {problem}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_make_no_sense_are_refused() -> Result<()> {
    let node = Node::start(&Config::new()).await?;
    let client = node.client();
    let body = json!({"type": "ENDPOINT", "name": "shop", "check": {"push": {"ttl": "1m"}}});
    let long = "k".repeat(1_000);
    for (header, value) in [("idempotency-key", long.as_str()), ("if-match", "nonsense")] {
        let headers = [(header, value)];
        let answer = client.send(Method::PUT, RESOURCE, &headers, Some(body.to_string())).await?;
        ensure!(answer.status.is_client_error(), "{header}: {} {}", answer.status, answer.text);
        is_problem(&answer)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_shows_all_its_problems_with_their_lines_and_starts_nothing()
-> Result<()> {
    let node = Node::prepare(&Config::new())?;
    std::fs::write(node.config_file(), WRONG.replace("ADDRESS", &node.address()))?;
    let file = node.config_file().display().to_string();
    for arguments in [["check", "config", &file], ["run", "--config", &file]] {
        let output = node.cli(&arguments)?;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        ensure!(output.status.code() == Some(1), "{arguments:?} ended with {}", output.status);
        for (part, line) in problems() {
            let place = format!(":{line}: ");
            let shown = text.lines().any(|l| l.contains(part) && l.contains(&place));
            ensure!(shown, "{arguments:?} does not show {part:?} at line {line}:\n{text}");
        }
    }
    ensure!(!node.data_dir().exists(), "a node was started all the same");
    Ok(())
}

/// Each line with a comment is wrong, and its problem contains the comment.
const WRONG: &str = "\
cluster: { name: test, shards: 16 }
node: { name: n1, data_dir: ./data, zoen: a } # did you mean `zone`?
listen: { http: \"ADDRESS\" }
secrets:
  token: { file: absent-secret } # absent-secret
resources:
  - { type: ENDPOINT, name: a, check: { push: { ttl: 1m } }, interval: 5 } # no unit
  - { type: ENDPOINT, name: b, check: { push: { ttl: 1m } }, interval: -5s } # interval
  - { type: ENDPOINT, name: c, check: { tcp: { address: \"h:1\" } }, interval: 1s, timeout: 2s } # longer
  - { type: HOST, name: d, check: { host: {} }, depends_on: [\"host:e\"] } # depends on itself
  - { type: HOST, name: e, check: { host: {} }, depends_on: [\"host:d\"] }
  - { type: HOST, name: e, check: { host: {} } } # declared twice
colour: red # colour
";

fn problems() -> impl Iterator<Item = (&'static str, usize)> {
    let numbered = WRONG.lines().enumerate();
    numbered.filter_map(|(n, line)| Some((line.split_once(" # ")?.1, n + 1)))
}
