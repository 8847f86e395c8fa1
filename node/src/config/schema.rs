//! The JSON Schema of the configuration file, for editors and pipelines.
//!
//! Invariant: it has exactly the keys that the decoders know; a test compares them.

mod check;
mod pulsar;
mod resource;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use super::{
    peers::MAX_PEERS,
    resources::MAX_RESOURCES,
    sections::{MAX_BYTES, MIN_MEMORY},
};

/// Durations as `model::Millis` reads them.
const DURATION: &str = "^([0-9]+(d|h|m|s|ms))+$";
/// Names of clusters, nodes, regions and zones.
const NAME: &str = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$";

/// The schema, draft 2020-12.
pub(crate) fn schema() -> Value {
    let mut schema = object(
        "The configuration of a Bellwether node and its cluster.",
        &[],
        json!({
            "cluster": cluster(),
            "node": node(),
            "listen": listen(),
            "peers": {"description": "Where other nodes are reached, as host and port; empty: \
                    this node founds a cluster by itself.",
                "type": ["array", "null"], "maxItems": MAX_PEERS,
                "items": text("A host and a port, such as n2.example:7422.", 260)},
            "tls": tls(),
            "defaults": resource::defaults(),
            "sinks": sinks(),
            "secrets": secrets(),
            "resources": {"description": "What is watched.", "type": ["array", "null"],
                "maxItems": MAX_RESOURCES, "items": resource::resource()},
        }),
    );
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Bellwether configuration");
    schema
}

fn cluster() -> Value {
    object(
        "Who the cluster is.",
        &[],
        json!({
            "name": name("The name that its people gave it."),
            "shards": {"description": "Slices of the resources; fixed once the cluster is founded.",
                "type": "integer", "minimum": 1, "maximum": 256, "default": 16},
        }),
    )
}

fn node() -> Value {
    object(
        "Who and where this node is.",
        &[],
        json!({
            "name": name("Its name; `host` checks name nodes by it."),
            "region": name("Its region; resources that name none are there, too."),
            "zone": name("Its zone within the region."),
            "data_dir": text("Where it keeps its state; a relative path starts at this file.", 1_000),
            "disk_reserve": {"description": "Bytes kept free on the file system of data_dir: below \
                them writes are refused; the smaller of 256 MiB and 5 % where absent.",
                "type": "integer", "minimum": 0, "maximum": MAX_BYTES},
            "memory_limit": {"description": "Bytes of memory that the node may use: near them \
                lists and watches are refused; the control group's limit where absent.",
                "type": "integer", "minimum": MIN_MEMORY, "maximum": MAX_BYTES},
        }),
    )
}

fn listen() -> Value {
    object(
        "Where the node listens, as IP address and port.",
        &[],
        json!({
            "http": text("REST, streams and metrics; 127.0.0.1:7420 where absent.", 60),
            "grpc": text("gRPC; 127.0.0.1:7421 where absent, if that is free.", 60),
            "peer": text("Other nodes; 127.0.0.1:7422 where absent.", 60),
            "advertise": text("Where other nodes reach this one, as host and port; `peer` where \
                absent.", 260),
        }),
    )
}

fn tls() -> Value {
    let file = |what: &str| text(&format!("{what}; a relative path starts at this file."), 1_000);
    object(
        "By which certificate other nodes know this one; `bellwether certs` makes the files.",
        &["ca_file", "cert_file", "key_file"],
        json!({
            "ca_file": file("The authority of the cluster, as PEM"),
            "cert_file": file("The certificate of this node, as PEM"),
            "key_file": file("Its private key, as PEM"),
        }),
    )
}

fn sinks() -> Value {
    let file = object(
        "A file of JSON lines on this node.",
        &["path"],
        json!({
            "path": text("The file; a relative path starts at this file.", 1_000),
            "rotate_bytes": {"description":
                    "Beyond so many bytes a new file is begun; 128 MiB where absent.",
                "type": "integer", "minimum": 65_536, "maximum": 1_u64 << 40, "default": 128 << 20},
            "keep": {"description": "Finished files that are kept; 8 where absent.",
                "type": "integer", "minimum": 1, "maximum": 10_000, "default": 8},
        }),
    );
    let sink = object(
        "Where events go: `file` or `pulsar`.",
        &[],
        json!({
            "name": text("Its name; `file` or `pulsar` where absent.", 63),
            "file": file,
            "pulsar": pulsar::topic(),
        }),
    );
    json!({"description": "Where events go; a file in the data directory where absent.",
        "type": ["array", "null"], "maxItems": 16, "items": sink})
}

fn secrets() -> Value {
    let secret = object(
        "One secret.",
        &["file"],
        json!({"file": text("The file that holds it; a relative path starts at this file.", 1_000)}),
    );
    json!({"description": "Secrets by name.", "type": ["object", "null"], "maxProperties": 1_000,
        "additionalProperties": secret})
}

/// An object that has these keys and no others.
fn object(description: &str, required: &[&str], properties: Value) -> Value {
    let mut object = Map::new();
    object.insert("description".into(), json!(description));
    object.insert(
        "type".into(),
        json!(if required.is_empty() { json!(["object", "null"]) } else { json!("object") }),
    );
    object.insert("additionalProperties".into(), json!(false));
    if !required.is_empty() {
        object.insert("required".into(), json!(required));
    }
    object.insert("properties".into(), properties);
    Value::Object(object)
}

fn text(description: &str, longest: usize) -> Value {
    json!({"description": description, "type": "string", "minLength": 1, "maxLength": longest})
}

fn name(description: &str) -> Value {
    json!({"description": description, "type": "string", "pattern": NAME, "maxLength": 63})
}

fn duration(description: &str) -> Value {
    json!({"description": description, "type": "string", "pattern": DURATION})
}

fn count(description: &str, most: u64) -> Value {
    json!({"description": description, "type": "integer", "minimum": 1, "maximum": most})
}
