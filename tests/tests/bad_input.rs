//! Bad input gets a problem that names the field: never a 5xx, never a dead node.

use anyhow::{Context, Result, ensure};
use bellwether_tests::{Answer, Client, Config, Node, oracle};
use reqwest::Method;
use serde_json::{Value, json};

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
    let cases = [unreadable(), declarations(), queries(), paths(), other_bodies()];
    for case in cases.into_iter().flatten() {
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

/// Bodies that are no document at all.
fn unreadable() -> Vec<Case> {
    let put = |what, body: &str| case(what, Method::PUT, RESOURCE, "detail").with(body);
    let not_finite = json!({"type": "ENDPOINT", "name": "x",
        "check": {"icmp": {"host": "a", "max_loss_percent": "N"}}});
    let huge = json!({"type": "ENDPOINT", "name": "x".repeat(1 << 20)});
    vec![
        put("malformed JSON", "{\"type\": "),
        put("no object", "[1, 2]"),
        put("no body", ""),
        put("deep nesting", &"[".repeat(100_000)),
        put("half a surrogate", "{\"name\": \"\\ud800\"}"),
        put("key twice", r#"{"type":"ENDPOINT","name":"x","name":"y"}"#),
        put("number that is not finite", &not_finite.to_string().replace("\"N\"", "1e999")),
        put("oversized body", &huge.to_string()).status(&[413]),
    ]
}

/// Declarations in which one thing is wrong; null stands for a field that is not there.
fn declarations() -> Vec<Case> {
    let sound = json!({"type": "ENDPOINT", "name": "x",
        "check": {"tcp": {"address": "127.0.0.1:1"}}});
    let put = |what, names, changes: Value| {
        let mut body = sound.clone();
        for (key, value) in changes.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        case(what, Method::PUT, RESOURCE, names).with(body.to_string())
    };
    let ca_file = json!({"http": {"url": "https://127.0.0.1/", "ca_file": "/etc/hosts"}});
    vec![
        put("unknown field", "/nmae", json!({"nmae": "x"})),
        put("missing field", "`name`", json!({"name": null})),
        put("unknown type", "/type", json!({"type": "ENDPIONT"})),
        put("wrong kind", "/name", json!({"name": 7})),
        put("unknown check", "/check/htp", json!({"check": {"htp": {}}})),
        put("no unit", "/interval", json!({"interval": 5})),
        put("negative interval", "/interval", json!({"interval": "-5s"})),
        put("too short", "/timeout", json!({"interval": "1s", "timeout": "2s"})),
        put("bad label", "/labels", json!({"labels": {"a b": "c"}})),
        put("file of the node", "/check/http/ca_file", json!({"check": ca_file})),
        put("other id", "/id", json!({"id": "endpoint:other"})),
    ]
}

fn queries() -> Vec<Case> {
    let get = |what, query: &str, names| case(what, Method::GET, &format!("{LIST}?{query}"), names);
    let watch =
        |what, query: &str, names| case(what, Method::GET, &format!("{WATCH}?{query}"), names);
    vec![
        get("unknown filter", "colour=red", "?colour"),
        get("filter twice", "limit=1&limit=2", "?limit"),
        get("bad selector", "labels=team%20in%20(", "?labels"),
        get("bad state", "health_status=ILL", "?health_status"),
        get("bad type", "resource_type=HOSTS", "?resource_type"),
        get("limit of none", "limit=0", "?limit"),
        get("limit too high", "limit=1000000", "?limit"),
        get("limit that is no number", "limit=ten", "?limit"),
        get("bad page", "continue=%21%21", "?continue"),
        get("bad consistency", "consistency=maybe", "?consistency"),
        watch("bad cursor", "cursor=nonsense", "?cursor"),
        watch("watch with unknown filter", "colour=red", "?colour"),
        case("coverage of nonsense", Method::GET, "/api/v1/coverage?since=soon", "?since"),
    ]
}

fn paths() -> Vec<Case> {
    let get = |what, path: &str, names| case(what, Method::GET, path, names);
    let long = format!("{LIST}/{}", "x".repeat(10_000));
    let push = json!({"type": "ENDPOINT", "name": "x", "check": {"push": {"ttl": "1m"}}});
    vec![
        get("10,000-character id", &long, "{id}"),
        case("10,000-character id declared", Method::PUT, &long, "{id}").with(push.to_string()),
        get("id with a slash", &format!("{LIST}/a%2Fb"), "{id}"),
        get("id that is not UTF-8", &format!("{LIST}/%FF"), "{id}"),
        get("unknown resource", RESOURCE, "endpoint:shop").status(&[404]),
        get("unknown path", "/api/v1/nothing", "detail").status(&[404]),
        case("unsupported method", Method::PATCH, RESOURCE, "detail").status(&[405]),
        case("unsupported method on a list", Method::DELETE, LIST, "detail").status(&[405]),
    ]
}

fn other_bodies() -> Vec<Case> {
    let maintenance = |what, names, body: Value| {
        let path = "/api/v1/infrastructure/maintenance/upgrade";
        case(what, Method::PUT, path, names).with(body.to_string())
    };
    let end = "2035-01-01T00:00:00Z";
    let path = format!("{RESOURCE}/observations");
    let observation = |what, names, body: &str| {
        case(what, Method::POST, &path, names).with(body.replace("NOW", "2026-01-01T00:00:00Z"))
    };
    vec![
        maintenance("of nothing", "/selector", json!({"ends_at": end})),
        maintenance("without an end", "`ends_at`", json!({"selector": "a=b"})),
        maintenance("no selector", "/selector", json!({"selector": "a in (", "ends_at": end})),
        observation("unknown", "endpoint:shop", r#"{"outcome":"ok","observed_at":"NOW"}"#)
            .status(&[404]),
        observation("not finite", "detail", r#"{"outcome":"ok","metrics":{"load":1e999}}"#),
        observation("no outcome", "/outcome", r#"{"outcome":"fine","observed_at":"NOW"}"#),
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
