//! Reads and renders checks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    CheckSpec, DnsCheck, HostCheck, HttpCheck, IcmpCheck, PushCheck, RecordType, SecretRef,
    StatusRange, TcpCheck, TlsCheck,
};
use crate::{
    Millis,
    decode::{
        Fields, Problems, body, boolean, duration, integer, nearest, number, shown_key, text, whole,
    },
    spec::Origin,
};

const NAMES: [&str; 7] = ["host", "http", "tcp", "icmp", "dns", "tls", "push"];
const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "PUT", "OPTIONS"];
const MAX_BODY: usize = 64 * 1024;

/// What a check may name depends on who declares it.
pub(crate) struct CheckContext<'a> {
    pub(crate) origin: Origin,
    pub(crate) node: &'a str,
    pub(crate) secrets: &'a BTreeSet<String>,
}

/// Reads `{ http: { .. } }` and the like.
pub(crate) fn check(
    context: &CheckContext<'_>,
    fields: &Fields<'_>,
    problems: &Problems,
) -> Option<CheckSpec> {
    let (name, value) = fields.variant()?;
    let pointer = fields.at(name);
    if !NAMES.contains(&name) {
        problems.report(
            pointer,
            format!("unknown check `{}`{}", shown_key(name), nearest(name, &NAMES)),
        );
        return None;
    }
    let mut inner = Fields::new(value, &pointer, problems)?;
    let check = match name {
        "host" => Some(CheckSpec::Host(host(context, &mut inner))),
        "http" => http(context, &mut inner, problems).map(Box::new).map(CheckSpec::Http),
        "tcp" => tcp(&mut inner).map(CheckSpec::Tcp),
        "icmp" => icmp(&mut inner).map(CheckSpec::Icmp),
        "dns" => dns(&mut inner, problems).map(CheckSpec::Dns),
        "tls" => tls(context, &mut inner).map(CheckSpec::Tls),
        _ => push(&mut inner).map(CheckSpec::Push),
    };
    inner.finish();
    check
}

fn host(context: &CheckContext<'_>, fields: &mut Fields<'_>) -> HostCheck {
    let node = fields.optional("node", text(100)).unwrap_or_else(|| context.node.to_owned());
    HostCheck { node: Some(node) }
}

fn http(
    context: &CheckContext<'_>,
    fields: &mut Fields<'_>,
    problems: &Problems,
) -> Option<HttpCheck> {
    let url = fields.required("url", http_url);
    let method = fields.optional("method", method).unwrap_or_else(|| "GET".to_owned());
    let headers = headers(fields, problems);
    let request_body = fields.optional("body", body(MAX_BODY));
    let bearer_token = bearer_token(context, fields);
    let status = statuses(fields, problems);
    let body_contains = fields.optional("body_contains", text(1_000));
    let body_regex = fields.optional("body_regex", pattern);
    let json_path = fields.optional("json_path", text(500));
    let equals = fields.optional("equals", |value| Ok(value.to_string()));
    let follow_redirects = fields.optional("follow_redirects", integer(0, 20)).unwrap_or(0);
    let verify = fields.optional("verify", boolean).unwrap_or(true);
    let ca_file = node_file(context, fields, "ca_file");
    let min_days = fields.optional("min_days", integer(0, 3_650));
    if equals.is_some() && json_path.is_none() {
        fields.problem("equals", "says what `json_path` must find; set `json_path`, too");
    }
    Some(HttpCheck {
        url: url?,
        method,
        headers,
        body: request_body,
        bearer_token,
        status,
        body_contains,
        body_regex,
        json_path,
        equals,
        follow_redirects: u8::try_from(follow_redirects).unwrap_or(0),
        verify,
        ca_file,
        min_days: min_days.map(|days| u32::try_from(days).unwrap_or(0)),
    })
}

fn http_url(value: &Value) -> Result<String, String> {
    let url = text(2_000)(value)?;
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    match authority {
        None => Err("expected a URL that starts with http:// or https://".to_owned()),
        Some(authority) if authority.contains('@') => {
            Err("a URL cannot hold a password; use bearer_token_file or bearer_token_secret".into())
        }
        Some(authority) if authority.is_empty() || authority.starts_with(':') => {
            Err("the URL names no host".to_owned())
        }
        Some(_) if url.contains(' ') => Err("the URL holds a space; write %20".to_owned()),
        Some(_) => Ok(url),
    }
}

fn method(value: &Value) -> Result<String, String> {
    let method = text(10)(value)?.to_ascii_uppercase();
    if METHODS.contains(&method.as_str()) {
        return Ok(method);
    }
    Err(format!("unknown method{}", nearest(&method, &METHODS)))
}

fn headers(fields: &mut Fields<'_>, problems: &Problems) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for (pointer, name, value) in fields.entries("headers", 32) {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let value = text(2_000)(value);
        match value {
            _ if name.is_empty() || name.len() > 100 || !name.chars().all(token) => {
                problems.report(pointer, "is not a header name (RFC 9110)");
            }
            _ if name.eq_ignore_ascii_case("authorization") => {
                problems.report(pointer, "use bearer_token_file or bearer_token_secret");
            }
            Ok(value) => {
                headers.insert(name.to_owned(), value);
            }
            Err(detail) => problems.report(pointer, detail),
        }
    }
    headers
}

fn bearer_token(context: &CheckContext<'_>, fields: &mut Fields<'_>) -> Option<SecretRef> {
    let file = node_file(context, fields, "bearer_token_file");
    let named = fields.optional("bearer_token_secret", text(100));
    if let Some(name) = &named
        && !context.secrets.contains(name)
    {
        let known: Vec<&str> = context.secrets.iter().map(String::as_str).collect();
        let hint = nearest(name, &known);
        fields.problem(
            "bearer_token_secret",
            format!("the node's `secrets:` map has no `{name}`{hint}"),
        );
    }
    if file.is_some() && named.is_some() {
        fields.problem("bearer_token_secret", "set this or bearer_token_file, not both");
    }
    named.map(SecretRef::Named).or(file.map(SecretRef::File))
}

fn node_file(
    context: &CheckContext<'_>,
    fields: &mut Fields<'_>,
    key: &'static str,
) -> Option<String> {
    let path = fields.optional(key, text(1_000));
    if path.is_some() && context.origin == Origin::Api {
        fields.problem(key, "only the configuration file may name files of the node");
        return None;
    }
    path
}

fn statuses(fields: &mut Fields<'_>, problems: &Problems) -> Vec<StatusRange> {
    let mut ranges = Vec::new();
    for (pointer, value) in fields.list("status", 32) {
        match status_range(value) {
            Some(range) => ranges.push(range),
            None => problems.report(pointer, "expected a status such as 200 or \"200-299\""),
        }
    }
    if ranges.is_empty() {
        ranges.push(StatusRange { from: 200, to: 299 });
    }
    ranges
}

fn status_range(value: &Value) -> Option<StatusRange> {
    let (from, to) = match value {
        Value::Number(_) => {
            let code = whole(value)?;
            (code, code)
        }
        Value::String(range) => {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            (from.trim().parse().ok()?, to.trim().parse().ok()?)
        }
        _ => return None,
    };
    let valid = (100..=599).contains(&from) && (from..=599).contains(&to);
    let range = StatusRange { from: u16::try_from(from).ok()?, to: u16::try_from(to).ok()? };
    valid.then_some(range)
}

fn pattern(value: &Value) -> Result<String, String> {
    let pattern = text(1_000)(value)?;
    let compiled = regex::RegexBuilder::new(&pattern).size_limit(1 << 20).build();
    compiled.map(|_| pattern).map_err(|e| format!("is not a valid pattern: {e}"))
}

fn tcp(fields: &mut Fields<'_>) -> Option<TcpCheck> {
    let address = fields.required("address", host_port);
    let send = fields.optional("send", body(MAX_BODY));
    let expect = fields.optional("expect", body(1_000));
    Some(TcpCheck { address: address?, send, expect })
}

/// `host:port`, with an IPv6 address in brackets.
fn host_port(value: &Value) -> Result<String, String> {
    let address = text(300)(value)?;
    let invalid = || "expected host:port, such as db.example:5432 or [::1]:5432".to_owned();
    let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
    let bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    let port: u16 = port.parse().map_err(|_| invalid())?;
    if host.is_empty() || host.contains([' ', '/']) || bare_v6 || port == 0 {
        return Err(invalid());
    }
    Ok(address)
}

fn icmp(fields: &mut Fields<'_>) -> Option<IcmpCheck> {
    let host = fields.required("host", text(255));
    let count = fields.optional("count", integer(1, 20)).unwrap_or(3);
    let max_loss_percent = fields.optional("max_loss_percent", number).unwrap_or(0.0);
    if !(0.0..100.0).contains(&max_loss_percent) {
        fields.problem("max_loss_percent", "is outside 0 to below 100");
    }
    Some(IcmpCheck { host: host?, count: u16::try_from(count).unwrap_or(1), max_loss_percent })
}

fn dns(fields: &mut Fields<'_>, problems: &Problems) -> Option<DnsCheck> {
    let name = fields.required("name", text(255));
    let record_type = fields.optional("type", record_type).unwrap_or(RecordType::A);
    let server = fields.optional("server", text(300));
    let mut expect = Vec::new();
    for (pointer, value) in fields.list("expect", 64) {
        match text(1_000)(value) {
            Ok(value) => expect.push(value),
            Err(detail) => problems.report(pointer, detail),
        }
    }
    Some(DnsCheck { name: name?, record_type, server, expect })
}

fn record_type(value: &Value) -> Result<RecordType, String> {
    const KNOWN: [&str; 9] = ["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"];
    serde_json::from_value(value.clone()).map_err(|_| {
        format!("unknown record type{}", nearest(value.as_str().unwrap_or_default(), &KNOWN))
    })
}

fn tls(context: &CheckContext<'_>, fields: &mut Fields<'_>) -> Option<TlsCheck> {
    let address = fields.required("address", host_port);
    let server_name = fields.optional("server_name", text(255));
    let min_days = fields.optional("min_days", integer(0, 3_650)).unwrap_or(14);
    let ca_file = node_file(context, fields, "ca_file");
    let min_days = u32::try_from(min_days).unwrap_or(0);
    Some(TlsCheck { address: address?, server_name, min_days, ca_file })
}

fn push(fields: &mut Fields<'_>) -> Option<PushCheck> {
    let ttl = fields.required("ttl", duration(Millis::from_secs(1), Millis::from_secs(604_800)));
    Some(PushCheck { ttl: ttl? })
}

/// The check as people declare it, defaults left out.
pub(super) fn render(check: &CheckSpec) -> Value {
    let inner = match check {
        CheckSpec::Host(host) => json!({ "node": host.node }),
        CheckSpec::Http(http) => render_http(http),
        CheckSpec::Tcp(tcp) => {
            json!({"address": tcp.address, "send": tcp.send, "expect": tcp.expect})
        }
        CheckSpec::Icmp(icmp) => json!({
            "host": icmp.host, "count": icmp.count, "max_loss_percent": icmp.max_loss_percent}),
        CheckSpec::Dns(dns) => json!({
            "name": dns.name, "type": dns.record_type, "server": dns.server,
            "expect": (!dns.expect.is_empty()).then_some(&dns.expect)}),
        CheckSpec::Tls(tls) => json!({
            "address": tls.address, "server_name": tls.server_name, "min_days": tls.min_days,
            "ca_file": tls.ca_file}),
        CheckSpec::Push(push) => json!({ "ttl": push.ttl }),
    };
    json!({ check.name(): without_nulls(inner) })
}

fn render_http(http: &HttpCheck) -> Value {
    let (file, named) = match &http.bearer_token {
        Some(SecretRef::File(path)) => (Some(path), None),
        Some(SecretRef::Named(name)) => (None, Some(name)),
        None => (None, None),
    };
    let status: Vec<String> = http.status.iter().map(ToString::to_string).collect();
    let equals = http.equals.as_ref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    json!({
        "url": http.url,
        "method": (http.method != "GET").then_some(&http.method),
        "headers": (!http.headers.is_empty()).then_some(&http.headers),
        "body": http.body,
        "bearer_token_file": file,
        "bearer_token_secret": named,
        "status": (status != ["200-299"]).then_some(status),
        "body_contains": http.body_contains,
        "body_regex": http.body_regex,
        "json_path": http.json_path,
        "equals": equals,
        "follow_redirects": (http.follow_redirects > 0).then_some(http.follow_redirects),
        "verify": (!http.verify).then_some(false),
        "ca_file": http.ca_file,
        "min_days": http.min_days,
    })
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().filter(|(_, value)| !value.is_null()).collect())
        }
        other => other,
    }
}
