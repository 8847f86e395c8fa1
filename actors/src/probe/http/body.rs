//! The body of an answer: reading it within bounds and looking into it.

use std::sync::Arc;

use hyper::{
    HeaderMap,
    body::Bytes,
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};
use model::{Miss, check::HttpCheck};
use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;
use serde_json_path::JsonPath;

use super::exchange::Answer;
use crate::probe::{
    budget::Budget,
    fault::{Fault, Phase},
};

const MAX_BODY: usize = 1024 * 1024;
/// Bodies above this are looked into on a thread for blocking work.
const SMALL: usize = 16 * 1024;
/// The compiled size that the declaration allows a pattern.
const MAX_PATTERN: usize = 1 << 20;
/// How much of a value is shown.
const SHOWN: usize = 60;

/// One thing that a body must be.
#[derive(Debug)]
pub(super) enum BodyCheck {
    /// It holds a text.
    Contains { text: String, finder: Regex },
    /// It matches a pattern.
    Matches(Regex),
    /// A path into its JSON finds something, or a value that is given.
    Finds { path: JsonPath, text: String, equals: Option<Value> },
}

impl BodyCheck {
    /// All that a declaration asks of a body.
    pub(super) fn all(check: &HttpCheck) -> Result<Vec<Self>, String> {
        let contains = check.body_contains.as_deref().map(Self::contains).transpose()?;
        let matches = check.body_regex.as_deref().map(Self::matches).transpose()?;
        let equals = check.equals.as_deref();
        let finds = check.json_path.as_deref().map(|path| Self::finds(path, equals)).transpose()?;
        Ok(contains.into_iter().chain(matches).chain(finds).collect())
    }

    fn contains(text: &str) -> Result<Self, String> {
        let finder = pattern(&regex::escape(text))?;
        Ok(Self::Contains { text: text.to_owned(), finder })
    }

    fn matches(text: &str) -> Result<Self, String> {
        pattern(text).map(Self::Matches)
    }

    fn finds(text: &str, equals: Option<&str>) -> Result<Self, String> {
        let path = JsonPath::parse(text)
            .map_err(|error| format!("{text:?} is not a JSONPath (RFC 9535): {error}"))?;
        let equals = equals.map(serde_json::from_str).transpose();
        let equals = equals.map_err(|error| format!("`equals` is not JSON: {error}"))?;
        Ok(Self::Finds { path, text: text.to_owned(), equals })
    }

    fn judge(&self, body: &[u8]) -> Result<(), String> {
        match self {
            Self::Contains { finder, .. } if finder.is_match(body) => Ok(()),
            Self::Contains { text, .. } => Err(format!("body lacks {text:?}")),
            Self::Matches(pattern) if pattern.is_match(body) => Ok(()),
            Self::Matches(pattern) => Err(format!("body does not match {:?}", pattern.as_str())),
            Self::Finds { path, text, equals } => {
                let json: Value = serde_json::from_slice(body)
                    .map_err(|error| format!("body is not JSON: {error}"))?;
                find(path, text, equals.as_ref(), &json)
            }
        }
    }
}

/// Refuses what only decompression could look into.
pub(super) fn refuse_encoded(headers: &HeaderMap) -> Result<(), Fault> {
    let encodings = headers.get_all(CONTENT_ENCODING).into_iter();
    for encoding in encodings.map(|value| String::from_utf8_lossy(value.as_bytes())) {
        if !encoding.trim().is_empty() && !encoding.trim().eq_ignore_ascii_case("identity") {
            return Err(Fault::failed(format!(
                "body is encoded ({}) although identity was asked for; it is not decoded",
                encoding.trim()
            )));
        }
    }
    Ok(())
}

/// The whole body, up to 1 MiB.
pub(super) async fn read(answer: &mut Answer, budget: Budget) -> Result<Vec<u8>, Fault> {
    let too_large = || Fault::failed("body exceeds 1 MiB");
    let declared = answer.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if declared.and_then(|length| length.parse().ok()).is_some_and(|n: u64| n > MAX_BODY as u64) {
        return Err(too_large());
    }
    let peer = answer.peer();
    let mut body = Vec::new();
    while let Some(piece) = next_piece(answer, body.len(), budget, peer).await? {
        if body.len() + piece.len() > MAX_BODY {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Holds a body against all checks, without holding up other probes meanwhile.
pub(super) async fn judge(
    checks: &Arc<[BodyCheck]>,
    body: Vec<u8>,
    budget: Budget,
) -> Result<(), Fault> {
    if body.len() <= SMALL {
        return judge_all(checks, &body);
    }
    let checks = Arc::clone(checks);
    let work = async move {
        let judged = tokio::task::spawn_blocking(move || judge_all(&checks, &body)).await;
        judged.unwrap_or_else(|error| Err(Fault::missed(Miss::Crashed, error.to_string())))
    };
    let late = || Fault::missed(Miss::Overload, "looking into the body took too long");
    budget.run(work, late).await
}

async fn next_piece(
    answer: &mut Answer,
    read: usize,
    budget: Budget,
    peer: std::net::SocketAddr,
) -> Result<Option<Bytes>, Fault> {
    let late = || Fault::failed(format!("timed out {} after {read} bytes ({peer})", Phase::Body));
    budget.run(answer.piece(), late).await
}

fn judge_all(checks: &[BodyCheck], body: &[u8]) -> Result<(), Fault> {
    checks.iter().try_for_each(|check| check.judge(body).map_err(Fault::failed))
}

fn find(path: &JsonPath, text: &str, equals: Option<&Value>, json: &Value) -> Result<(), String> {
    let found = path.query(json);
    let Some(first) = found.first() else {
        return Err(format!("{text} finds nothing"));
    };
    match equals {
        Some(expected) if !found.iter().any(|value| same(value, expected)) => {
            Err(format!("{text} is {}, not {}", shown(first), shown(expected)))
        }
        _ => Ok(()),
    }
}

/// Equality of JSON values, where 1 and 1.0 are the same number.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => left == right,
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn pattern(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text).size_limit(MAX_PATTERN).build();
    built.map_err(|error| format!("cannot use the pattern {text:?}: {error}"))
}
