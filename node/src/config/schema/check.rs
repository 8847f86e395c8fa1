//! The part of the schema that describes checks: exactly one key, which names the kind.

use serde_json::{Value, json};

use super::{duration, object, text};

/// The longest text to send or to expect.
const MAX_BODY: usize = 65_536;

/// The `check:` of a resource.
pub(super) fn check() -> Value {
    let mut check = object(
        "What to check, and how.",
        &[],
        json!({
            "host": object("CPU, memory, disks, network and load of a node's host.", &[], json!({
                "node": text("The node; the declaring one where absent.", 100)})),
            "http": http(),
            "tcp": object("A connection, and optionally something to send and to expect.",
                &["address"], json!({"address": address(), "send": text("What to send.", MAX_BODY),
                    "expect": text("What the answer must contain.", 1_000)})),
            "icmp": icmp(),
            "dns": dns(),
            "tls": object("A handshake, and how long the certificate still lasts.", &["address"],
                json!({"address": address(), "server_name": text("The name to verify.", 255),
                    "min_days": days(), "ca_file": ca_file()})),
            "push": object("Nothing is probed: results come by the API.", &["ttl"], json!({
                "ttl": duration("Silence longer than this is UNKNOWN; 1s to 7d.")})),
        }),
    );
    check["type"] = json!("object");
    check["minProperties"] = json!(1);
    check["maxProperties"] = json!(1);
    check
}

fn http() -> Value {
    let status = json!({"description": "Codes that pass; 200-299 where absent.",
        "type": ["array", "null"], "maxItems": 32,
        "items": {"anyOf": [{"type": "integer", "minimum": 100, "maximum": 599},
            {"type": "string", "pattern": "^[1-5][0-9]{2}( *- *[1-5][0-9]{2})?$"}]}});
    let headers = json!({"description": "Headers to send.", "type": ["object", "null"],
        "maxProperties": 32, "additionalProperties": {"type": "string", "maxLength": 2_000}});
    object(
        "A request, and what its answer must be.",
        &["url"],
        json!({
            "url": {"description": "http or https, without a password.", "type": "string",
                "pattern": "^https?://", "maxLength": 2_000},
            "method": {"description": "GET where absent.", "type": "string",
                "examples": ["GET", "HEAD", "POST", "PUT", "OPTIONS"]},
            "headers": headers,
            "body": {"description": "A body to send.", "type": "string", "maxLength": MAX_BODY},
            "bearer_token_file": text("The file that holds the token.", 1_000),
            "bearer_token_secret": text("The entry of `secrets:` that holds the token.", 100),
            "status": status,
            "body_contains": text("A text that the body must contain.", 1_000),
            "body_regex": text("A pattern that the body must match.", 1_000),
            "json_path": text("An RFC 9535 JSONPath into a JSON body.", 500),
            "equals": {"description": "What `json_path` must find."},
            "follow_redirects": {"description": "How many redirects to follow; none where absent.",
                "type": "integer", "minimum": 0, "maximum": 20},
            "verify": {"description": "Whether certificates are verified; true where absent.",
                "type": "boolean"},
            "ca_file": ca_file(),
            "min_days": days(),
        }),
    )
}

fn icmp() -> Value {
    object(
        "Echo requests.",
        &["host"],
        json!({
            "host": text("A name or an address.", 255),
            "count": {"description": "Requests a check; 3 where absent.", "type": "integer",
                "minimum": 1, "maximum": 20},
            "max_loss_percent": {"description": "More loss than this fails; 0 where absent.",
                "type": "number", "minimum": 0, "exclusiveMaximum": 100},
        }),
    )
}

fn dns() -> Value {
    object(
        "A question, and what its answer must hold.",
        &["name"],
        json!({
            "name": text("The name to look up.", 255),
            "type": {"description": "The kind of record; A where absent.",
                "enum": ["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"]},
            "server": text("The server to ask; the system's where absent.", 300),
            "expect": {"description": "Values that must all be among the answers.",
                "type": ["array", "null"], "maxItems": 64, "items": {"type": "string"}},
        }),
    )
}

fn address() -> Value {
    json!({"description": "host:port, with an IPv6 address in brackets.", "type": "string",
        "pattern": ":[0-9]{1,5}$", "maxLength": 300})
}

fn ca_file() -> Value {
    text("Certificates to trust instead of the system's.", 1_000)
}

fn days() -> Value {
    json!({"description": "Fewer days of the certificate's life than this fail.",
        "type": "integer", "minimum": 0, "maximum": 3_650})
}
