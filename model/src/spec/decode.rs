//! Reads declarations from a document's tree.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Flapping, MAX_LABELS, MAX_PARENTS, MAX_THRESHOLDS, Policy, ResourceSpec};
use crate::{
    CheckSpec, Labels, Millis, ResourceId, ResourceType,
    check::{CheckContext, check},
    decode::{Fields, Problems, boolean, child, duration, integer, number, resource_id, text},
    selector::{is_label_key, is_label_value},
    threshold::{Direction, Threshold},
};

/// The shortest interval and timeout.
const MIN_SPAN: Millis = Millis(100);
/// The longest interval, timeout and window.
const MAX_SPAN: Millis = Millis::from_secs(86_400);

/// What a declaration gets where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// How often to check.
    pub interval: Millis,
    /// How long a check may take.
    pub timeout: Millis,
    /// Failed checks before the health falls.
    pub failures: u32,
    /// Passed checks before it recovers.
    pub successes: u32,
    /// When changes are flapping; never where absent.
    pub flapping: Option<Flapping>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            interval: Millis::from_secs(10),
            timeout: Millis::from_secs(3),
            failures: 2,
            successes: 1,
            flapping: None,
        }
    }
}

impl Defaults {
    /// Reads the `defaults:` section of a configuration.
    #[must_use]
    pub fn decode(mut fields: Fields<'_>) -> Self {
        let base = Self::default();
        let timing = Timing::decode(&mut fields, &base);
        let flapping = flapping(&mut fields, None);
        fields.finish();
        Self {
            interval: timing.interval,
            timeout: timing.timeout,
            failures: timing.failures,
            successes: timing.successes,
            flapping,
        }
    }
}

/// Where a declaration comes from, which decides what it may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file: may point at files of the node.
    Config,
    /// A client of the API: may name entries of the `secrets:` map only (SEMANTICS 28).
    Api,
}

/// Reads declarations, all by the same defaults.
#[derive(Debug, Clone)]
pub struct SpecDecoder<'a> {
    /// What a declaration gets where it says nothing.
    pub defaults: &'a Defaults,
    /// Where the declarations come from.
    pub origin: Origin,
    /// The name of the node that declares, for `host` checks.
    pub node: &'a str,
    /// The region of the node that declares.
    pub region: Option<&'a str>,
    /// The names in the node's `secrets:` map.
    pub secrets: &'a BTreeSet<String>,
}

impl SpecDecoder<'_> {
    /// Reads one declaration. `id` is the one in the path of a request, which then wins over
    /// the default and must equal one in the body.
    pub fn decode(
        &self,
        value: &Value,
        pointer: &str,
        id: Option<&ResourceId>,
        problems: &Problems,
    ) -> Option<ResourceSpec> {
        let before = problems.len();
        let mut fields = Fields::new(value, pointer, problems)?;
        let resource_type = fields.required("type", resource_type);
        let name = fields.required("name", text(200));
        let declared = fields.optional("id", resource_id);
        let namespace = fields.optional("namespace", text(100));
        let cluster_id = fields.optional("cluster_id", text(100));
        let region = fields.optional("region", text(100)).or(self.region.map(str::to_owned));
        let labels = labels(&mut fields, problems);
        let depends_on = parents(&mut fields, problems);
        let timing = Timing::decode(&mut fields, self.defaults);
        let check = self.check(&mut fields, problems);
        let policy = self.policy(&mut fields, &timing, check.as_ref(), problems);
        if let (Some(path), Some(body)) = (id, &declared)
            && path != body
        {
            fields.problem("id", format!("differs from the id in the path, {path}"));
        }
        fields.later(&["alerts", "runbook", "prober_region"]);
        fields.finish();
        if problems.len() > before {
            return None;
        }
        let (resource_type, name) = (resource_type?, name?);
        let id = id.cloned().or(declared).unwrap_or_else(|| natural_id(resource_type, &name));
        let Timing { interval, timeout, .. } = timing;
        let spec = ResourceSpec {
            id,
            resource_type,
            name,
            namespace,
            cluster_id,
            labels,
            region,
            depends_on,
            check: check?,
            interval,
            timeout,
            policy,
        };
        if spec.depends_on.contains(&spec.id) {
            problems.report(child(pointer, "depends_on"), "a resource cannot depend on itself");
            return None;
        }
        Some(spec)
    }

    fn check(&self, fields: &mut Fields<'_>, problems: &Problems) -> Option<CheckSpec> {
        let pointer = fields.at("check");
        let Some(value) = fields.raw("check") else {
            problems.report(
                pointer.trim_end_matches("/check"),
                "`check` is missing; such as `check: { http: { url: \"http://…\" } }`",
            );
            return None;
        };
        let context = CheckContext { origin: self.origin, node: self.node, secrets: self.secrets };
        check(&context, &Fields::new(value, &pointer, problems)?, problems)
    }

    fn policy(
        &self,
        fields: &mut Fields<'_>,
        timing: &Timing,
        check: Option<&CheckSpec>,
        problems: &Problems,
    ) -> Policy {
        let silence = match check {
            Some(CheckSpec::Push(push)) => push.ttl,
            _ => timing.interval.times(3),
        };
        let stale_after = fields.optional("stale_after", duration(MIN_SPAN, MAX_SPAN.times(7)));
        if stale_after.is_some_and(|span| span < timing.interval) {
            fields.problem("stale_after", format!("is shorter than interval {}", timing.interval));
        }
        Policy {
            failures: timing.failures,
            successes: timing.successes,
            stale_after: stale_after.unwrap_or(silence),
            thresholds: thresholds(fields, problems),
            flapping: flapping(fields, self.defaults.flapping),
        }
    }
}

struct Timing {
    interval: Millis,
    timeout: Millis,
    failures: u32,
    successes: u32,
}

impl Timing {
    fn decode(fields: &mut Fields<'_>, defaults: &Defaults) -> Self {
        let interval = fields.optional("interval", duration(MIN_SPAN, MAX_SPAN));
        let timeout = fields.optional("timeout", duration(Millis(10), MAX_SPAN));
        let failures = fields.optional("failures", integer(1, 1_000));
        let successes = fields.optional("successes", integer(1, 1_000));
        let chosen = interval.unwrap_or(defaults.interval);
        // A default time-out gives way to a short interval; one that was written down is an error.
        let fitted = timeout.unwrap_or(defaults.timeout.min(chosen));
        if fitted > chosen {
            let detail = format!("timeout {fitted} is longer than interval {chosen}");
            fields.problem(if timeout.is_some() { "timeout" } else { "interval" }, detail);
        }
        let count = |n: Option<u64>, default| n.map_or(default, |n| u32::try_from(n).unwrap_or(1));
        Self {
            interval: chosen,
            timeout: fitted,
            failures: count(failures, defaults.failures),
            successes: count(successes, defaults.successes),
        }
    }
}

fn resource_type(value: &Value) -> Result<ResourceType, String> {
    let name = value.as_str().ok_or("expected a resource type such as ENDPOINT")?;
    name.parse().map_err(|e: crate::resource::UnknownResourceType| e.to_string())
}

fn natural_id(resource_type: ResourceType, name: &str) -> ResourceId {
    ResourceId::from_natural(&format!("{}:{name}", resource_type.as_str().to_lowercase()))
}

fn labels(fields: &mut Fields<'_>, problems: &Problems) -> Labels {
    let mut labels = Vec::new();
    for (pointer, key, value) in fields.entries("labels", MAX_LABELS) {
        if !is_label_key(key) {
            problems.report(
                &pointer,
                "a label's key has 1 to 253 characters of A-Z a-z 0-9 . _ / -, and starts and ends with a letter or digit",
            );
        } else if let Some(value) = value.as_str().filter(|value| is_label_value(value)) {
            labels.push((key, value.into()));
        } else {
            problems.report(
                &pointer,
                "a label's value is a text of at most 63 characters of A-Z a-z 0-9 . _ -, and starts and ends with a letter or digit; quote numbers",
            );
        }
    }
    labels.into_iter().collect()
}

fn parents(fields: &mut Fields<'_>, problems: &Problems) -> Vec<ResourceId> {
    let mut parents = Vec::new();
    for (pointer, value) in fields.list("depends_on", MAX_PARENTS) {
        match resource_id(value) {
            Ok(id) if parents.contains(&id) => problems.report(pointer, "is listed twice"),
            Ok(id) => parents.push(id),
            Err(detail) => problems.report(pointer, detail),
        }
    }
    parents
}

fn thresholds(fields: &mut Fields<'_>, problems: &Problems) -> BTreeMap<String, Threshold> {
    let mut thresholds = BTreeMap::new();
    for (pointer, name, value) in fields.entries("thresholds", MAX_THRESHOLDS) {
        if !is_metric_name(name) {
            problems
                .report(&pointer, "a metric's name has 1 to 100 characters of A-Z a-z 0-9 _ . : -");
            continue;
        }
        if let Some(fields) = Fields::new(value, &pointer, problems)
            && let Some(threshold) = threshold(fields, &pointer, problems)
        {
            thresholds.insert(name.to_owned(), threshold);
        }
    }
    thresholds
}

/// Reads a document that holds `thresholds:` alone, as a declaration holds them.
#[must_use]
pub fn candidate_thresholds(value: &Value, problems: &Problems) -> BTreeMap<String, Threshold> {
    let Some(mut fields) = Fields::new(value, "", problems) else { return BTreeMap::new() };
    let found = thresholds(&mut fields, problems);
    if value["thresholds"].is_null() {
        let example = "such as `thresholds: { cpu_usage_percent: { warning: 85 } }`";
        problems.report("", format!("`thresholds` is missing; {example}"));
    }
    fields.finish();
    found
}

fn is_metric_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    !name.is_empty() && name.len() <= crate::metrics::MAX_NAME && name.chars().all(allowed)
}

fn threshold(mut fields: Fields<'_>, pointer: &str, problems: &Problems) -> Option<Threshold> {
    let warning = fields.optional("warning", number);
    let critical = fields.optional("critical", number);
    let direction = fields.optional("direction", direction).unwrap_or_default();
    let hysteresis = fields.optional("hysteresis", number).unwrap_or(0.0);
    let hold = fields.optional("for", duration(Millis(0), MAX_SPAN.times(7))).unwrap_or_default();
    if hysteresis < 0.0 {
        fields.problem("hysteresis", "cannot be negative");
    }
    fields.finish();
    if let (Some(warning), Some(critical)) = (warning, critical) {
        let inverted = match direction {
            Direction::Above => critical < warning,
            Direction::Below => critical > warning,
        };
        if inverted {
            let detail = format!("critical {critical} is milder than warning {warning}");
            problems.report(child(pointer, "critical"), detail);
        }
    } else if warning.is_none() && critical.is_none() {
        problems.report(pointer, "set `warning`, `critical` or both");
        return None;
    }
    Some(Threshold { warning, critical, direction, hysteresis, hold })
}

fn direction(value: &Value) -> Result<Direction, String> {
    match value.as_str() {
        Some("above") => Ok(Direction::Above),
        Some("below") => Ok(Direction::Below),
        _ => Err("expected `above` or `below`".to_owned()),
    }
}

/// `flapping: false` switches an inherited default off.
fn flapping(fields: &mut Fields<'_>, inherited: Option<Flapping>) -> Option<Flapping> {
    match fields.raw("flapping") {
        None => inherited,
        Some(value @ Value::Bool(_)) => {
            if boolean(value) == Ok(true) {
                fields.problem("flapping", "write `flapping: { changes: 6, window: 10m }`");
            }
            None
        }
        Some(_) => {
            let mut inner = fields.object("flapping")?;
            let changes = inner.required("changes", integer(2, 100));
            let window = inner.required("window", duration(MIN_SPAN, MAX_SPAN));
            inner.finish();
            Some(Flapping { changes: u32::try_from(changes?).ok()?, window: window? })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decode(value: &Value, origin: Origin) -> Result<ResourceSpec, Vec<String>> {
        let (defaults, secrets) = (Defaults::default(), BTreeSet::new());
        let decoder = SpecDecoder {
            defaults: &defaults,
            origin,
            node: "n1",
            region: None,
            secrets: &secrets,
        };
        let problems = Problems::default();
        let spec = decoder.decode(value, "", None, &problems);
        let problems = problems.into_vec();
        match spec {
            Some(spec) if problems.is_empty() => Ok(spec),
            _ => {
                Err(problems.into_iter().map(|p| format!("{}: {}", p.pointer, p.detail)).collect())
            }
        }
    }

    #[test]
    fn the_contracts_example_is_read() {
        let spec = decode(
            &json!({
                "type": "ENDPOINT", "name": "shop", "namespace": "web",
                "labels": {"team": "shop"}, "depends_on": ["host:n1"], "interval": "5s",
                "check": {"http": {"url": "http://127.0.0.1:8000/", "status": ["200-299"],
                    "body_contains": "ok", "follow_redirects": 3}},
                "thresholds": {"cpu_usage_percent": {"warning": 85, "critical": 95,
                    "direction": "above", "hysteresis": 5, "for": "30s"}}
            }),
            Origin::Config,
        )
        .unwrap();
        assert_eq!(spec.id.as_str(), "endpoint:shop");
        assert_eq!(spec.policy.stale_after, Millis::from_secs(15));
        assert_eq!(spec.timeout, Millis::from_secs(3));
        let again = decode(&spec.to_json(), Origin::Config).unwrap();
        assert_eq!(again, spec);
    }

    #[test]
    fn every_problem_of_a_declaration_is_listed() {
        let problems = decode(
            &json!({
                "type": "HOSTS", "name": "", "interval": "-5s", "timeout": "30s",
                "check": {"htp": {}}, "thresholds": {"cpu": {"warning": 9, "critical": 1}},
                "colour": "red"
            }),
            Origin::Config,
        )
        .unwrap_err();
        let text = problems.join("\n");
        for part in [
            "/type: \"HOSTS\" is not a resource type, did you mean `HOST`?",
            "/name: expected 1 to 200 bytes",
            "/interval: \"-5s\" is not a duration",
            "/timeout: timeout 30s is longer than interval 10s",
            "/check/htp: unknown check `htp`, did you mean `http`?",
            "/thresholds/cpu/critical: critical 1 is milder than warning 9",
            "/colour: unknown key `colour`",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }

    #[test]
    fn candidates_are_read_by_the_rules_of_a_declaration() {
        let read = |value: &Value| {
            let problems = Problems::default();
            let found = candidate_thresholds(value, &problems);
            let problems = problems.into_vec().into_iter();
            (found, problems.map(|p| format!("{}: {}", p.pointer, p.detail)).collect::<Vec<_>>())
        };
        let (found, problems) = read(&json!({"thresholds": {"cpu": {"warning": 9, "for": "3s"}}}));
        assert_eq!((found["cpu"].hold, problems.len()), (Millis::from_secs(3), 0));
        assert_eq!(read(&json!({"thresholds": {}})).1.len(), 0);
        let (_, problems) = read(&json!({"thresholds": {"cpu": {"warn": 9}}, "failures": 3}));
        assert_eq!(
            problems[0],
            "/thresholds/cpu/warn: unknown key `warn`, did you mean `warning`?"
        );
        assert_eq!(problems[1], "/thresholds/cpu: set `warning`, `critical` or both");
        assert!(problems[2].starts_with("/failures: unknown key `failures`"), "{problems:?}");
        assert!(read(&json!({"cpu": {"warning": 9}})).1[0].contains("`thresholds` is missing"));
        assert_eq!(read(&json!(null)).1, [": expected keys and values, found nothing"]);
    }

    #[test]
    fn semantics_28_the_api_can_point_at_no_file_of_the_node() {
        let declaration = json!({"type": "ENDPOINT", "name": "x", "check": {"http": {
            "url": "https://127.0.0.1/", "bearer_token_file": "/etc/shadow", "ca_file": "/etc/passwd"}}});
        let problems = decode(&declaration, Origin::Api).unwrap_err().join("\n");
        assert!(problems.contains("/check/http/bearer_token_file"), "{problems}");
        assert!(problems.contains("/check/http/ca_file"), "{problems}");
        assert!(decode(&declaration, Origin::Config).is_ok());
    }
}
